//! The small, regular subset of HTML that Mastodon's sanitiser leaves in a status; a full HTML
//! parser is not needed for it.

use std::borrow::Cow;

/// Links that are neither mentions nor hashtags.
pub(super) fn links(html: &str) -> Vec<Cow<'_, str>> {
    html.split("<a ")
        .skip(1)
        .filter_map(|rest| {
            let tag = &rest[..rest.find('>')?];
            let class = attribute(tag, "class").unwrap_or_default();
            if class.split_whitespace().any(|c| c == "mention" || c == "hashtag") {
                return None;
            }
            attribute(tag, "href").map(|href| Cow::Owned(unescape(href)))
        })
        .collect()
}

fn attribute<'h>(tag: &'h str, name: &str) -> Option<&'h str> {
    let start = tag.find(&format!("{name}=\""))? + name.len() + 2;
    tag[start..].split('"').next()
}

/// The text without its tags; `<br>` and the ends of paragraphs become line ends.
pub(super) fn text_of(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&unescape(&rest[..open]));
        let Some(close) = rest[open..].find('>') else {
            rest = "";
            break;
        };
        let tag = rest[open + 1..open + close].trim_end_matches('/').trim();
        match tag.split_whitespace().next().unwrap_or_default() {
            "br" | "/li" => out.push('\n'),
            "/p" => out.push_str("\n\n"),
            _ => {}
        }
        rest = &rest[open + close + 1..];
    }
    out.push_str(&unescape(rest));
    out.truncate(out.trim_end().len());
    out
}

/// The text with character references decoded.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let character = rest.bytes().take(11).position(|b| b == b';').and_then(|end| {
            let character = match &rest[1..end] {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                "nbsp" => ' ',
                name => {
                    let number = name.strip_prefix('#')?;
                    let code = match number.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                        None => number.parse().ok()?,
                    };
                    char::from_u32(code)?
                }
            };
            Some((character, end))
        });
        match character {
            Some((character, end)) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}
