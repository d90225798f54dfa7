//! Lists in one cell: they are read as lists of the expected items, or not at all. Fragments of a
//! value that was not understood would be links and hashtags that many posts have in common.

use std::borrow::Cow;

use super::Missing;
use super::literal::Literal;

/// The kind of items of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Items {
    /// Links.
    Links,
    /// Hashtags.
    Tags,
    /// Handles or ids of accounts.
    Accounts,
    /// Hashes of pictures.
    Hashes,
}

impl Items {
    /// Fields of an object that hold the item, best first.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Items::Links => &["unwound_url", "expanded_url", "expandedUrl", "expanded", "url", "href", "link", "uri"],
            Items::Tags => &["text", "tag", "hashtag", "name"],
            Items::Accounts => {
                &["username", "screen_name", "userName", "screenName", "acct", "handle", "id_str", "id", "userid"]
            }
            Items::Hashes => &["hash", "phash"],
        }
    }

    /// Whether a text can be such an item.
    fn fits(self, text: &str) -> bool {
        let scrap = |c: char| c.is_whitespace() || "{}[]()<>\"=".contains(c);
        match self {
            Items::Links => {
                (text.contains("://") || text.contains('.'))
                    && !text.chars().any(|c| c.is_whitespace() || "{}<>\"".contains(c))
            }
            Items::Tags => !text.chars().any(|c| scrap(c) || c == ':'),
            Items::Accounts | Items::Hashes => !text.chars().any(scrap),
        }
    }
}

/// Reads a list; `None` if the cell holds something else.
pub(super) fn read<'a>(cell: &'a str, items: Items, missing: &Missing) -> Option<Vec<Cow<'a, str>>> {
    let cell = cell.trim();
    let printed = cell.starts_with(['[', '(', '{', '"', '\'']) || cell.ends_with(')') && cell.contains('(');
    if !printed {
        return separated(cell, items, missing);
    }
    if let Some(value) = Literal::read(cell) {
        return of_literal(value, items, missing);
    }
    if let Some(inner) = cell.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return array(inner, items, missing);
    }
    // A list without quotation marks, `[a, b]`, as in Twitter's tables of information operations.
    let inner = cell.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) if !inner.contains(['{', '}', '"']) && !inner.starts_with('\'') => separated(inner, items, missing),
        None if items == Items::Links && !cell.starts_with(['[', '(', '{', '"', '\'']) => {
            separated(cell, items, missing)
        }
        _ => None,
    }
}

fn of_literal<'a>(value: Literal<'a>, items: Items, missing: &Missing) -> Option<Vec<Cow<'a, str>>> {
    let list = match value {
        Literal::Nothing => Vec::new(),
        Literal::List(list) => list,
        Literal::Object(fields) if fields.is_empty() => Vec::new(),
        one => vec![one],
    };
    let mut out = Vec::with_capacity(list.len());
    for item in list {
        let text = match &item {
            Literal::Nothing => continue,
            Literal::Text(text) => text.clone(),
            Literal::Word(word) => Cow::Borrowed(*word),
            Literal::Object(_) => item.field(items.fields())?,
            Literal::List(_) => return None,
        };
        if missing.holds(&text) {
            continue;
        }
        let text = trimmed(text);
        if !items.fits(&text) {
            return None;
        }
        out.push(text);
    }
    Some(out)
}

/// Items of a PostgreSQL array, without its brackets: `a,"b c",NULL`.
fn array<'a>(inner: &'a str, items: Items, missing: &Missing) -> Option<Vec<Cow<'a, str>>> {
    let mut out = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let item = if let Some(quoted) = rest.strip_prefix('"') {
            let mut text = String::new();
            let mut letters = quoted.char_indices();
            let end = loop {
                match letters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => text.push(letters.next()?.1),
                    (_, letter) => text.push(letter),
                }
            };
            rest = quoted[end + 1..].trim_start();
            Cow::Owned(text)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let item = rest[..end].trim();
            rest = &rest[end..];
            Cow::Borrowed(item)
        };
        rest = match rest.strip_prefix(',') {
            Some(rest) => rest.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
        if missing.holds(&item) {
            continue;
        }
        if !items.fits(&item) {
            return None;
        }
        out.push(item);
    }
    Some(out)
}

/// Items separated by white space or `|` and, except for links, by `,` and `;`. A comma inside a
/// link is kept, unless another link begins after it.
fn separated<'a>(cell: &'a str, items: Items, missing: &Missing) -> Option<Vec<Cow<'a, str>>> {
    let links = items == Items::Links;
    let separator = |c: char| c.is_whitespace() || c == '|' || (!links && matches!(c, ',' | ';'));
    let mut out = Vec::new();
    for part in cell.split(separator) {
        let parts = if links { split_links(part) } else { vec![part] };
        for item in parts {
            let item = item.trim_matches(['\'', '"']);
            if item.is_empty() || missing.holds(item) {
                continue;
            }
            if !items.fits(item) {
                return None;
            }
            out.push(Cow::Borrowed(item));
        }
    }
    Some(out)
}

fn split_links(item: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut start = 0;
    for (separator, _) in item.match_indices([',', ';']) {
        if ["http", "'http", "\"http"].iter().any(|link| item[separator + 1..].starts_with(link)) {
            links.push(&item[start..separator]);
            start = separator + 1;
        }
    }
    links.push(item[start..].trim_end_matches([',', ';']));
    links
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(items: Items, cell: &str, want: Option<&[&str]>) {
        let got = read(cell, items, &Missing::default());
        let got: Option<Vec<&str>> = got.as_ref().map(|list| list.iter().map(AsRef::as_ref).collect());
        assert_eq!(got.as_deref(), want, "{cell}");
    }

    #[test]
    fn links() {
        let two = Some(&["https://a.example/x", "https://b.example/y"][..]);
        for cell in [
            "https://a.example/x https://b.example/y",
            "https://a.example/x|https://b.example/y",
            "https://a.example/x,https://b.example/y",
            "https://a.example/x; https://b.example/y",
            r#"["https://a.example/x", "https://b.example/y"]"#,
            "['https://a.example/x', 'https://b.example/y']",
            "[https://a.example/x, https://b.example/y]",
            "{https://a.example/x,https://b.example/y}",
            r#"{"https://a.example/x","https://b.example/y",NULL}"#,
            r#"c("https://a.example/x", "https://b.example/y")"#,
            r#"[{"url": "https://t.co/1", "expanded_url": "https://a.example/x"}, {"url": "https://b.example/y"}]"#,
            "[{'url': 'https://t.co/1', 'unwound_url': 'https://a.example/x'}, {'expanded_url': 'https://b.example/y'}]",
            "[TextLink(text='a', url='https://a.example/x'), TextLink(text='b', url='https://b.example/y')]",
            "['https://a.example/x', None, 'https://b.example/y', 'NA']",
        ] {
            check(Items::Links, cell, two);
        }
        check(Items::Links, "https://a.example/x,1;2", Some(&["https://a.example/x,1;2"]));
        check(Items::Links, "https://a.example/x_(y)", Some(&["https://a.example/x_(y)"]));
        for empty in ["[]", "{}", "set()", "list()", "None", "[None]", "c(NA)", "NULL"] {
            check(Items::Links, empty, Some(&[]));
        }
        for scrap in [
            r#"[{"start": 9, "end": 24}]"#,
            r#"[{"start": 9, "url": "#,
            "[[1, 2]]",
            "<Url object at 0x7f>",
            "see there",
        ] {
            check(Items::Links, scrap, None);
        }
    }

    #[test]
    fn hashtags_and_accounts() {
        let two = Some(&["Vote", "Rain"][..]);
        for cell in [
            "Vote Rain",
            "Vote,Rain",
            "[Vote, Rain]",
            "{Vote,Rain}",
            "['Vote', 'Rain']",
            r#"c("Vote", "Rain")"#,
            r#"[{"start": 1, "end": 5, "tag": "Vote"}, {"text": "Rain"}]"#,
        ] {
            check(Items::Tags, cell, two);
        }
        check(Items::Accounts, "[{'screen_name': 'bob', 'id': '5'}, {'id': 6}]", Some(&["bob", "6"]));
        check(Items::Accounts, "[12, 13]", Some(&["12", "13"]));
        check(Items::Tags, r#"{"start":"#, None);
        check(Items::Tags, "start: 5", None);
    }
}
