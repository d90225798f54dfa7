//! Links, hashtags and mentions in a post's text, for sources that do not list them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memchr2;
use regex::Regex;

/// Whether a platform's handles may contain dots and hyphens, and name a server:
/// `@ann@social.example`, `@ann.example.com`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handles {
    /// Letters, digits and `_`.
    Plain,
    /// Also dots, hyphens and a server.
    Dotted,
}

impl Handles {
    pub(crate) fn of(platform: &str) -> Handles {
        match platform {
            "twitter" | "x" | "telegram" | "weibo" | "vk" | "unknown" => Handles::Plain,
            _ => Handles::Dotted,
        }
    }
}

// A link ends at white space and quotation marks, and also at Chinese, Japanese and Korean letters
// and punctuation, which follow a link without a space. A link that contains such letters unescaped
// is cut there.
static URL: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?i)https?://[^\s<>"`{}|\\^\u{2018}-\u{201F}\u{2026}\u{3000}-\u{303F}\u{FF00}-\u{FFEF}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]+"#,
    )
});
static HASHTAG: LazyLock<Regex> = LazyLock::new(|| compile(r"[#＃][\p{L}\p{M}\p{N}_\u{200C}\u{200D}]+"));
static PLAIN_HANDLE: LazyLock<Regex> = LazyLock::new(|| compile(r"[@＠][A-Za-z0-9_]+"));
static DOTTED_HANDLE: LazyLock<Regex> = LazyLock::new(|| {
    compile(r"[@＠][A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*(?:@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]+)?)?")
});

#[expect(clippy::expect_used, reason = "the patterns are constants, and every one is used in a test")]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

/// Links beginning with `http://` or `https://`, without the punctuation of the sentence around
/// them.
pub(crate) fn urls<'a>(text: &Cow<'a, str>) -> Vec<Cow<'a, str>> {
    if !text.contains("://") {
        return Vec::new();
    }
    url_ranges(text).map(|range| part(text, range)).filter(|url| url.len() > "https://".len()).collect()
}

/// Hashtags without their sign. At least one character is not a digit, and the sign is not inside a
/// word or a link.
pub(crate) fn hashtags<'a>(text: &Cow<'a, str>) -> Vec<Cow<'a, str>> {
    if !holds(text, b'#', '＃') {
        return Vec::new();
    }
    tagged(text, &HASHTAG, |before| before.is_alphanumeric() || matches!(before, '_' | '&' | '/'))
        .filter(|tag| tag.chars().any(|c| c.is_alphabetic()))
        .collect()
}

/// Mentioned handles without their sign; e-mail addresses and links are not mentions.
pub(crate) fn mentions<'a>(text: &Cow<'a, str>, handles: Handles) -> Vec<Cow<'a, str>> {
    if !holds(text, b'@', '＠') {
        return Vec::new();
    }
    let pattern = match handles {
        Handles::Plain => &PLAIN_HANDLE,
        Handles::Dotted => &DOTTED_HANDLE,
    };
    tagged(text, pattern, |before| {
        before.is_ascii_alphanumeric() || matches!(before, '_' | '+' | '-' | '/' | '@' | '＠' | '%')
    })
    .collect()
}

/// Whether a text contains a sign, or its full-width form.
fn holds(text: &str, sign: u8, wide: char) -> bool {
    // Few other letters begin with the first byte of full-width forms.
    match memchr2(sign, WIDE, text.as_bytes()) {
        Some(found) if text.as_bytes()[found] == WIDE => text.contains([char::from(sign), wide]),
        found => found.is_some(),
    }
}

const WIDE: u8 = 0xEF;

/// Matches of a pattern that starts with a sign, if the character before the sign allows it and the
/// match is not inside a link.
fn tagged<'a, 't>(
    text: &'t Cow<'a, str>,
    pattern: &'t Regex,
    forbidden_before: impl Fn(char) -> bool + 't,
) -> impl Iterator<Item = Cow<'a, str>> + 't {
    let links: Vec<Range<usize>> = if text.contains("://") { url_ranges(text).collect() } else { Vec::new() };
    pattern.find_iter(text).filter_map(move |found| {
        let before = text[..found.start()].chars().next_back();
        // Links do not overlap: only the last one that starts before the sign can contain it.
        let started = links.partition_point(|link| link.start <= found.start());
        let in_link = started > 0 && links[started - 1].contains(&found.start());
        if before.is_some_and(&forbidden_before) || in_link {
            return None;
        }
        let sign = text[found.start()..].chars().next().map_or(1, char::len_utf8);
        Some(part(text, found.start() + sign..found.end()))
    })
}

fn url_ranges(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    URL.find_iter(text).map(|found| found.start()..found.start() + without_punctuation(found.as_str()).len())
}

/// A closing bracket belongs to a link only if the bracket opens inside it.
fn without_punctuation(mut url: &str) -> &str {
    let excess = |open: char, close: char| {
        let count = |bracket: char| url.matches(bracket).count();
        count(close).saturating_sub(count(open))
    };
    let (mut round, mut square) = (excess('(', ')'), excess('[', ']'));
    while let Some(last) = url.chars().next_back() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '»' | '…' => {}
            ')' if round > 0 => round -= 1,
            ']' if square > 0 => square -= 1,
            _ => break,
        }
        url = &url[..url.len() - last.len_utf8()];
    }
    url
}

/// Borrows from the source of a borrowed text; copies if the text is itself a copy.
fn part<'a>(text: &Cow<'a, str>, range: Range<usize>) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
        Cow::Owned(text) => Cow::Owned(text[range].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected_urls: &[&str], expected_hashtags: &[&str], expected_mentions: &[&str]) {
        let text = Cow::Borrowed(text);
        assert_eq!(urls(&text), expected_urls, "urls of {text}");
        assert_eq!(hashtags(&text), expected_hashtags, "hashtags of {text}");
        assert_eq!(mentions(&text, Handles::Plain), expected_mentions, "mentions of {text}");
    }

    #[test]
    fn a_sign_is_seen_wherever_it_stands() {
        for (text, seen) in [
            ("", false),
            ("a", false),
            ("a#", true),
            ("❤\u{fe0f}", false),
            ("\u{fe0f}#", true),
            ("ｂ＃", true),
            ("ｂ@", false),
        ] {
            assert_eq!(holds(text, b'#', '＃'), seen, "{text}");
        }
    }

    #[test]
    fn links_end_where_the_sentence_goes_on() {
        check(
            "see https://a.example/x, and (http://b.example/y).",
            &["https://a.example/x", "http://b.example/y"],
            &[],
            &[],
        );
        check("https://en.example/wiki/Ring_(road)", &["https://en.example/wiki/Ring_(road)"], &[], &[]);
        check("我实在忍不住了http://t.example/hgzbHW烧钱", &["http://t.example/hgzbHW"], &[], &[]);
        check("“https://a.example/q?x=1&y=%20”", &["https://a.example/q?x=1&y=%20"], &[], &[]);
        check("[read](https://a.example/z/)", &["https://a.example/z/"], &[], &[]);
        check("https:// nothing, http://", &[], &[], &[]);
        check("HTTPS://A.example/", &["HTTPS://A.example/"], &[], &[]);
    }

    #[test]
    fn hostile_text_takes_no_more_than_linear_time() {
        let start = std::time::Instant::now();
        for hostile in [
            format!("https://a{}", ")".repeat(900_000)),
            format!("https://a{}", "(".repeat(450_000) + &")".repeat(450_000)),
            "http://a #b @c ".repeat(60_000),
            "#".repeat(900_000),
            "@a.".repeat(300_000),
            "http://".repeat(120_000),
        ] {
            let text = Cow::Borrowed(hostile.as_str());
            urls(&text);
            hashtags(&text);
            mentions(&text, Handles::Dotted);
        }
        assert!(start.elapsed().as_secs() < 20, "a quadratic search would take minutes");
    }

    #[test]
    fn hashtags_in_any_script() {
        check(
            "#vote, #Wahl2021! #выборы ＃投票 #वोट #2021 #a1",
            &[],
            &["vote", "Wahl2021", "выборы", "投票", "वोट", "a1"],
            &[],
        );
        check("word#no &#39; C# #_", &[], &[], &[]);
        check("https://a.example/#top #yes", &["https://a.example/#top"], &["yes"], &[]);
        check("#one#two", &[], &["one"], &[]);
    }

    #[test]
    fn mentions_are_not_e_mail_addresses() {
        check("RT @ann: hi .@bob, mail carl@post.example (@dora)", &[], &[], &["ann", "bob", "dora"]);
        check("https://m.example/@eve ＠fay", &["https://m.example/@eve"], &[], &["fay"]);
        check("@gus.Good point", &[], &[], &["gus"]);
        let text = Cow::Borrowed("@ann.bsky.example hi @bob@social.example.");
        assert_eq!(mentions(&text, Handles::Dotted), ["ann.bsky.example", "bob@social.example"]);
    }
}
