//! Ids in cells: unchanged, or as a spreadsheet or a program with floating-point numbers left them.

use std::borrow::Cow;

use super::literal::Literal;

/// An id that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Id<'a> {
    pub(super) text: Cow<'a, str>,
    /// Whether characters around it were removed: `102.0`, ` 79 `, `="79"`.
    pub(super) repaired: bool,
}

/// The id was rounded: many ids have the same rounded form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rounded;

/// Floating-point numbers are exact for whole numbers up to 2^53.
const EXACT: u64 = 1 << 53;

/// Reads an id. Empty text is an empty id.
pub(super) fn read(cell: &str) -> Result<Id<'_>, Rounded> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if cell.bytes().all(plain) {
        return Ok(Id { text: Cow::Borrowed(cell), repaired: false });
    }
    let mut text = cell.trim();
    if let Some(formula) = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
        text = formula.trim();
    }
    if let Some(quoted) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        text = quoted.trim();
    }
    if let Some(marked) = text.strip_prefix('\'')
        && !marked.is_empty()
        && marked.bytes().all(|b| b.is_ascii_digit())
    {
        text = marked;
    }
    if is_rounded(text) {
        return Err(Rounded);
    }
    if let Some((whole, decimals)) = text.split_once('.')
        && !whole.is_empty()
        && !decimals.is_empty()
        && whole.bytes().all(|b| b.is_ascii_digit())
        && decimals.bytes().all(|b| b == b'0')
    {
        if whole.parse::<u64>().map_or(true, |number| number > EXACT) {
            return Err(Rounded);
        }
        text = whole;
    }
    if (text.starts_with('{') || text.ends_with(')'))
        && let Some(value) = Literal::read(text)
        && let Some(id) = value.field(&["id_str", "id"])
    {
        return Ok(Id { text: id, repaired: false });
    }
    Ok(Id { text: Cow::Borrowed(text), repaired: text.len() != cell.len() })
}

/// `1.25E+18`, the form of large numbers in spreadsheets and programs. It always has the sign,
/// which ids of hexadecimal digits never have.
fn is_rounded(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, decimals) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    exponent.strip_prefix('+').is_some_and(digits) && digits(whole) && digits(decimals)
}

/// A link, also without its scheme: `news.example/story`.
pub(super) fn is_link(object: &str) -> bool {
    let object = object.trim();
    if object.contains("://") {
        return true;
    }
    let host = object.split(['/', '?', '#']).next().unwrap_or_default();
    let path = host.len() < object.len() || host.starts_with("www.");
    let top = host.rsplit('.').next().unwrap_or_default();
    path && host.contains('.')
        && top.len() >= 2
        && top.bytes().all(|b| b.is_ascii_alphabetic())
        && host.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_ids_are_read_and_rounded_ones_refused() {
        for (cell, want, repaired) in [
            ("1250184309386039296", "1250184309386039296", false),
            ("7e10", "7e10", false),
            ("-1001/2", "-1001/2", false),
            ("https://a.example/1.0", "https://a.example/1.0", false),
            ("102.0", "102", true),
            (" 79 ", "79", true),
            ("=\"79\"", "79", true),
            ("\"79\"", "79", true),
            ("'79", "79", true),
            ("{'id': 5, 'username': 'bob'}", "5", false),
            ("User(username='bob', id=5, displayname='Bob')", "5", false),
            ("", "", false),
        ] {
            assert_eq!(read(cell), Ok(Id { text: want.into(), repaired }), "{cell}");
        }
        for cell in ["1.25018E+18", "9.06e+17", "1,25E+18", "1E+15", "1250180000000000000.0"] {
            assert_eq!(read(cell), Err(Rounded), "{cell}");
        }
    }

    #[test]
    fn links_have_a_host_and_a_path() {
        for link in ["https://a.example", "news.example/story", "www.news.example", "a.example?x=1"] {
            assert!(is_link(link), "{link}");
        }
        for other in
            ["85d2d12251a735ce05255061f7f231e2", "#tag", "url_23678", "12.5/3", "three words.and/more", "a.example"]
        {
            assert!(!is_link(other), "{other}");
        }
    }
}
