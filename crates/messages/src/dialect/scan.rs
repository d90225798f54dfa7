//! Finds the values of a JSON text by its brackets and quotation marks alone.
//!
//! A document of a million posts need not be parsed to find its posts, and one broken post must not
//! cost the others. So this module parses nothing and refuses nothing. A value that is not valid is
//! passed on unchanged, and its parser reports the error.
//!
//! A value that never closes would swallow everything after it. It ends where the next value of the
//! same level begins: at a line that starts like its own first line, with the same white space and
//! an opening brace. In an indented document, everything inside a value has a larger indent.

use std::borrow::Cow;

use memchr::memchr3;

/// The part of a file that is JSON: without white space, marks and separators around it, and
/// without the assignment of a script (`window.YTD.tweets.part0 = [`).
pub(super) fn content(bytes: &[u8]) -> &[u8] {
    let text = trimmed(bytes);
    match script(text) {
        Some(value) => trimmed(value.strip_suffix(b";").unwrap_or(value)),
        None => text,
    }
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let bytes = content_start(bytes);
    let end = bytes.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    &bytes[..end]
}

/// The text from its first letter on.
pub(super) fn content_start(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let start = bytes.iter().position(|byte| !is_space(*byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

/// White space, and the record separator of RFC 7464.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x1E
}

/// The longest left side of an assignment.
const LONGEST_NAME: usize = 200;

/// The assigned value, if the text assigns a list or an object to a name such as
/// `window.YTD.tweets.part0`.
pub(super) fn script(text: &[u8]) -> Option<&[u8]> {
    if !text.first().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let head = &text[..text.len().min(LONGEST_NAME)];
    let equals = head.iter().position(|byte| *byte == b'=')?;
    let named = head[..equals].iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.[]'\" $".contains(byte));
    let value = text[equals + 1..].trim_ascii_start();
    (named && matches!(value.first(), Some(b'[' | b'{'))).then_some(value)
}

/// Whether the text is one whole object or list, and nothing after it.
pub(super) fn is_whole(text: &[u8]) -> bool {
    let text = content(text);
    matches!(text.first(), Some(b'{' | b'[')) && {
        let end = end_of(text, 0);
        end == text.len() && matches!((text[0], text[end - 1]), (b'{', b'}') | (b'[', b']')) && end > 1
    }
}

/// Values one after another, unchanged.
pub(super) fn values(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    Elements { bytes, at: 0, closed: false, inside: false }
}

/// The elements of a list that begins with its bracket.
pub(super) fn elements(list: &[u8]) -> Elements<'_> {
    Elements { bytes: list, at: usize::from(list.first() == Some(&b'[')), closed: false, inside: true }
}

/// The members of an object that begins with its brace, in order; escapes in their names are
/// decoded.
pub(super) fn members(object: &[u8]) -> Members<'_> {
    Members { bytes: object, at: usize::from(object.first() == Some(&b'{')) }
}

/// The member of this name.
pub(super) fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    members(object).find(|(found, _)| found == name).map(|(_, value)| value)
}

/// See [`elements`].
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    closed: bool,
    /// Whether a closing bracket ends it.
    inside: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.closed {
            return None;
        }
        while self.bytes.get(self.at).is_some_and(|byte| is_space(*byte) || *byte == b',') {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            None => {
                self.closed = true;
                None
            }
            Some(b']') if self.inside => {
                self.at += 1;
                self.closed = true;
                None
            }
            Some(_) => {
                let start = self.at;
                self.at = match self.bytes[start] {
                    // A list in a document ends where its elements end, even if one of them is
                    // broken.
                    b'[' if !self.inside => start + list_end(&self.bytes[start..]),
                    _ => end_of(self.bytes, start),
                };
                let value = self.bytes[start..self.at].trim_ascii_end();
                Some(value.strip_suffix(b",").unwrap_or(value))
            }
        }
    }
}

/// See [`members`].
pub(super) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while self.bytes.get(self.at).is_some_and(|byte| is_space(*byte) || *byte == b',') {
            self.at += 1;
        }
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let end = end_of_text(self.bytes, self.at);
        let name = name(&self.bytes[self.at..end]);
        self.at = end;
        while self.bytes.get(self.at).is_some_and(|byte| is_space(*byte)) {
            self.at += 1;
        }
        if self.bytes.get(self.at) != Some(&b':') {
            return None;
        }
        self.at += 1;
        while self.bytes.get(self.at).is_some_and(|byte| is_space(*byte)) {
            self.at += 1;
        }
        let start = self.at;
        // A list is read element by element, so that an element that never closes does not swallow
        // the members after the list.
        self.at = match self.bytes.get(start)? {
            b'[' => start + list_end(&self.bytes[start..]),
            _ => end_of(self.bytes, start),
        };
        Some((name, &self.bytes[start..self.at]))
    }
}

/// The end of a list, found by skipping its elements.
fn list_end(list: &[u8]) -> usize {
    let mut steps = elements(list);
    steps.by_ref().for_each(drop);
    steps.at
}

fn name(quoted: &[u8]) -> Cow<'_, str> {
    let inner = quoted.strip_prefix(b"\"").unwrap_or(quoted);
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    if inner.contains(&b'\\')
        && let Ok(name) = serde_json::from_slice::<String>(quoted)
    {
        return Cow::Owned(name);
    }
    String::from_utf8_lossy(inner)
}

/// The end of the value that starts here. It is at least one byte long.
fn end_of(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'{' | b'[') => {}
        Some(b'"') => return end_of_text(bytes, start),
        _ => {
            let length = bytes[start..].iter().skip(1).position(|byte| is_space(*byte) || b",]}{[".contains(byte));
            return length.map_or(bytes.len(), |length| start + 1 + length);
        }
    }
    let indent = indent(bytes, start);
    let (mut depth, mut in_text, mut last) = (0_usize, false, 0);
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'\n'
            && let Some(indent) = indent
            && begins_again(&bytes[at + 1..], indent)
            && (in_text || !indent.is_empty() || !b",[:".contains(&last))
        {
            return at;
        }
        if in_text {
            match byte {
                b'"' => in_text = false,
                b'\\' => at += 1,
                b'\n' => {}
                // Most of a document is text.
                _ => match memchr3(b'"', b'\\', b'\n', &bytes[at..]) {
                    Some(further) => {
                        at += further;
                        continue;
                    }
                    None => return bytes.len(),
                },
            }
        } else {
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return at + 1;
                    }
                }
                _ => {}
            }
            if !byte.is_ascii_whitespace() {
                last = *byte;
            }
        }
        at += 1;
    }
    bytes.len()
}

fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The white space before a value, if nothing else is before it in its line.
fn indent(bytes: &[u8], start: usize) -> Option<&[u8]> {
    let before = &bytes[..start];
    let line = before.iter().rposition(|byte| *byte == b'\n' || !is_space(*byte));
    match line {
        None => Some(before),
        Some(end) if before[end] == b'\n' => Some(&before[end + 1..]),
        Some(_) => None,
    }
}

fn begins_again(line: &[u8], indent: &[u8]) -> bool {
    line.strip_prefix(indent).is_some_and(|rest| rest.first() == Some(&b'{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
        values.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    #[test]
    fn values_stand_one_after_another_and_in_lists() {
        assert_eq!(
            texts(values(b"{\"a\":\"}\"}\n{\"b\":[1,{}]} 3 \"x]\" ")),
            [r#"{"a":"}"}"#, r#"{"b":[1,{}]}"#, "3", "\"x]\""]
        );
        assert_eq!(texts(elements(br#"[{"a":"\"]"}, [1] ,null,2]"#)), [r#"{"a":"\"]"}"#, "[1]", "null", "2"]);
        assert_eq!(texts(elements(b"[]")), [""; 0]);
        assert_eq!(texts(values(b"\x1E{}\n\x1E{}\n")), ["{}", "{}"]);
        assert_eq!(
            texts(elements(b"[{\"a\":1}}, {\"b\":2}]")),
            ["{\"a\":1}", "}", "{\"b\":2}"],
            "what is too much is told"
        );
    }

    #[test]
    fn members_have_names_and_may_lie_deep() {
        let object = br#"{"a\u0062": [1,2], "c" : {"d":[{}]}, "e":"x" , "f":-1.5}"#;
        let found: Vec<(String, String)> = members(object)
            .map(|(name, value)| (name.into_owned(), String::from_utf8_lossy(value).into_owned()))
            .collect();
        let expected = [("ab", "[1,2]"), ("c", r#"{"d":[{}]}"#), ("e", "\"x\""), ("f", "-1.5")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(member(object, "e"), Some(&b"\"x\""[..]));
        assert_eq!(member(b"{", "e"), None);
    }

    #[test]
    fn a_value_that_never_closes_ends_where_its_neighbour_begins() {
        let printed = b"{\n \"id\": 1,\n \"messages\": [\n  {\n   \"id\": 1,\n   \"text\": \"never closed\n  },\n  {\n   \"id\": 2\n  },\n  {\n   \"id\": 3, \"of\": {\n  },\n  {\n   \"id\": 4\n  }\n ],\n \"last\": 5\n}";
        let list = member(printed, "messages").unwrap();
        let found = texts(elements(list));
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("{\n   \"id\": 1") && found[2].contains("\"of\""), "{found:?}");
        assert_eq!(found[1], "{\n   \"id\": 2\n  }");
        assert_eq!(member(printed, "last"), Some(&b"5"[..]));
        let flush = b"[\n{\"a\": \"x},\n{\"a\": 2},\n{\"a\": 3\n{\"a\": 4}]";
        assert_eq!(texts(elements(flush)), ["{\"a\": \"x}", "{\"a\": 2}", "{\"a\": 3", "{\"a\": 4}"]);
        let nested = b"[\n{\"a\": [\n{\"b\": 1},\n{\"b\": 2}\n]}\n]";
        assert_eq!(texts(elements(nested)).len(), 1, "what a value holds does not end it");
    }

    #[test]
    fn a_file_that_breaks_off_ends_in_what_there_is() {
        assert_eq!(texts(elements(b"[{\"a\":1},{\"b\":\"x")), ["{\"a\":1}", "{\"b\":\"x"]);
        assert_eq!(texts(elements(b"[{\"a\":\"\\")), ["{\"a\":\"\\"]);
        assert_eq!(texts(values(b"\"")), ["\""]);
    }

    #[test]
    fn a_script_is_its_value() {
        assert_eq!(content(b"window.YTD.tweets.part0 = [ {} ];\n"), b"[ {} ]");
        assert_eq!(content(b"Grailbird.data.tweets_2012_01 =\n [1]"), b"[1]");
        assert_eq!(content(b"\xEF\xBB\xBF {\"a\":\"=\"} "), b"{\"a\":\"=\"}");
        assert_eq!(content(b"id,text=[\n"), b"id,text=[");
    }

    #[test]
    fn one_whole_value_is_known() {
        for (text, whole) in [
            ("{}", true),
            ("[1, {\"a\":\"]\"}]", true),
            ("{\"a\":1", false),
            ("{} {}", false),
            ("{\"a\":1},", false),
            ("{]", false),
            ("3", false),
            ("", false),
        ] {
            assert_eq!(is_whole(text.as_bytes()), whole, "{text}");
        }
    }
}
