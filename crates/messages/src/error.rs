//! Why a value could not be read.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest excerpt, in characters.
const EXCERPT_CHARS: usize = 80;
/// The longest reason of a parser, in characters.
const LONGEST_REASON: usize = 400;

/// Why a value could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}{}", Prefix(.path), Near(.excerpt))]
pub struct DecodeError {
    /// The field: a JSON path such as `urls[2]`, or a column's name; empty if the whole value is
    /// meant.
    pub path: String,
    /// The reason, as text.
    pub reason: Cow<'static, str>,
    /// The first characters of the offending part, with control characters escaped.
    pub excerpt: String,
}

impl DecodeError {
    /// `near` is the offending part, or what contains it. Its start becomes the excerpt.
    pub fn new(path: impl Into<String>, reason: impl Into<Cow<'static, str>>, near: &[u8]) -> Self {
        DecodeError { path: path.into(), reason: reason.into(), excerpt: excerpt(near) }
    }

    /// The field's name without the numbers of elements, for counting: `urls[]` for `urls[2]`.
    pub fn field(&self) -> String {
        let mut out = String::with_capacity(self.path.len());
        let mut inside = false;
        for c in self.path.chars() {
            match c {
                ']' => inside = false,
                _ if inside => continue,
                '[' => inside = true,
                _ => {}
            }
            out.push(c);
        }
        out
    }

    /// The same error, seen from the value that holds this value at `parent`.
    pub(crate) fn inside(mut self, parent: &str) -> Self {
        if parent.is_empty() {
            return self;
        }
        self.path = match self.path.as_str() {
            "" => parent.to_owned(),
            child if child.starts_with('[') => format!("{parent}{child}"),
            child => format!("{parent}.{child}"),
        };
        self
    }
}

/// The start of `bytes` as printable text of at most 80 characters.
pub fn excerpt(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(EXCERPT_CHARS * 4)];
    let text = String::from_utf8_lossy(head);
    let mut out = String::new();
    for c in text.chars().take(EXCERPT_CHARS) {
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    if head.len() < bytes.len() || text.chars().count() > EXCERPT_CHARS {
        out.push('…');
    }
    out
}

/// Reads JSON. An error names the path. Finding the path needs a second reading, but only for bad
/// values.
///
/// UTF-8 is checked once, and not for each string, which saves a fifth of the time of reading a
/// post. If it is invalid somewhere, each string that is kept is checked, because ignored parts may
/// hold anything.
pub(crate) fn from_json<'de, T: serde::Deserialize<'de>>(json: &'de [u8]) -> Result<T, DecodeError> {
    let read = match std::str::from_utf8(json) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(json),
    };
    read.map_err(|error| locate::<T>(json, error))
}

#[cold]
fn locate<'de, T: serde::Deserialize<'de>>(json: &'de [u8], error: serde_json::Error) -> DecodeError {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => (String::new(), error),
        Err(located) => {
            let path = located.path().to_string();
            // If the JSON itself is broken, the last step of the path is unknown and written as
            // `?`.
            let path = path.trim_end_matches('?').trim_end_matches('.').to_owned();
            (path, located.into_inner())
        }
    };
    // Line and column are those inside the value. Most values are one line, so the column is what
    // helps.
    let line_start =
        json.split_inclusive(|b| *b == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum::<usize>();
    let at = (line_start + error.column()).min(json.len());
    let near = &json[at.saturating_sub(40)..];
    let reason = if json.iter().all(u8::is_ascii_whitespace) {
        "is empty: expected a JSON object".to_owned()
    } else {
        plain(&error, json)
    };
    DecodeError::new(path, reason, near)
}

/// serde_json's error, in words for people who do not write Rust.
fn plain(error: &serde_json::Error, json: &[u8]) -> String {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let said = said.strip_suffix(&place).unwrap_or(&said);
    // For a value of one line, the line number would always be 1, and would be mistaken for the
    // line of the file.
    let place = match (error.line(), error.column()) {
        (0, _) => String::new(),
        (1, column) => format!(" at column {column}"),
        (line, column) => format!(" at column {column} of its line {line}"),
    };
    if error.is_eof() {
        return format!("is not JSON: it ends too early,{place}");
    }
    if error.is_syntax() {
        let why = match said {
            // Only strings that are kept are checked.
            "invalid unicode code point" => return format!("is not UTF-8{place}"),
            "control character (\\u0000-\\u001F) found while parsing a string" => {
                "a string holds a control character or a line end"
            }
            "recursion limit exceeded" => "it is nested more than 128 levels deep",
            other => other,
        };
        return match json.first() {
            Some(b'{' | b'[') => format!("is not JSON: {why}{place}"),
            _ => format!("is not JSON: {why}"),
        };
    }
    let (kind, rest) = match said.split_once(", expected ") {
        Some((found, expected)) => (found, Some(expected)),
        None => (said, None),
    };
    let found =
        ["invalid type: ", "invalid value: ", "invalid length "].iter().find_map(|start| kind.strip_prefix(start));
    match (found, rest) {
        (Some(found), Some(expected)) => {
            format!("is {}; expected {}{place}", found_in_words(found), expected_in_words(expected))
        }
        _ => match said.strip_prefix("missing field ") {
            Some(field) => format!("the field {} is required, but missing{place}", field.replace('`', "\"")),
            // The error may quote a value of any length.
            None => format!("{}{place}", said.chars().take(LONGEST_REASON).collect::<String>()),
        },
    }
}

fn found_in_words(found: &str) -> String {
    match found.split_once(' ').unwrap_or((found, "")) {
        ("null", _) | ("unit", _) => "null".to_owned(),
        ("map", _) => "an object".to_owned(),
        ("sequence", _) => "a list".to_owned(),
        ("boolean", value) => value.trim_matches('`').to_owned(),
        ("integer", value) => format!("the number {}", value.trim_matches('`')),
        ("floating", value) => format!("the number {}", value.trim_start_matches("point ").trim_matches('`')),
        // The value may be a megabyte long.
        ("string", value) => format!("the text {}", excerpt(value.as_bytes())),
        _ => excerpt(found.as_bytes()),
    }
}

fn expected_in_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        "a map" => "an object",
        "a string" | "a borrowed string" | "str" => "text",
        "a boolean" => "true or false",
        "f64" | "f32" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        other if other.starts_with("struct ") => "an object",
        other if other.starts_with("tuple ") => "a list",
        other => other,
    }
}

struct Prefix<'a>(&'a str);

impl std::fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            "" => Ok(()),
            path => write!(f, "`{path}`: "),
        }
    }
}

struct Near<'a>(&'a str);

impl std::fmt::Display for Near<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            "" => Ok(()),
            excerpt => write!(f, ", near {excerpt:?}"),
        }
    }
}
