//! Values as programs print them into a cell: JSON, Python's `repr`, R's `deparse`, NumPy's arrays.

use std::borrow::Cow;

/// Deepest nesting. No value of a post is deeper.
const DEEPEST: usize = 32;

/// A printed value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal<'a> {
    /// `null`, `None`, `NA`.
    Nothing,
    /// A string.
    Text(Cow<'a, str>),
    /// A number or a truth value, as it is spelled.
    Word(&'a str),
    /// A list, tuple, set or vector.
    List(Vec<Literal<'a>>),
    /// An object, a dictionary, or a call with named values: `Url(expanded='…')`.
    Object(Vec<(String, Literal<'a>)>),
}

impl<'a> Literal<'a> {
    /// Reads a whole cell; `None` if it is not such a value, or if something follows the value.
    pub(super) fn read(cell: &'a str) -> Option<Literal<'a>> {
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(cell) {
            return Some(Literal::of_json(value));
        }
        let mut parser = Parser { rest: cell };
        let value = parser.value(0)?;
        parser.blanks();
        parser.rest.is_empty().then_some(value)
    }

    fn of_json(value: serde_json::Value) -> Literal<'a> {
        use serde_json::Value;
        match value {
            Value::Null => Literal::Nothing,
            Value::Bool(_) => Literal::Word("true"),
            Value::Number(number) => Literal::Text(Cow::Owned(number.to_string())),
            Value::String(text) => Literal::Text(Cow::Owned(text)),
            Value::Array(items) => Literal::List(items.into_iter().map(Literal::of_json).collect()),
            Value::Object(fields) => {
                Literal::Object(fields.into_iter().map(|(name, value)| (name, Literal::of_json(value))).collect())
            }
        }
    }

    /// The text of the first of these fields that an object has.
    pub(super) fn field(&self, names: &[&str]) -> Option<Cow<'a, str>> {
        let Literal::Object(fields) = self else { return None };
        names.iter().find_map(|wanted| {
            let (_, value) = fields.iter().find(|(name, _)| name == wanted)?;
            match value {
                Literal::Text(text) if !text.trim().is_empty() => Some(text.clone()),
                Literal::Word(word) if word.bytes().all(|b| b.is_ascii_digit()) => Some(Cow::Borrowed(*word)),
                _ => None,
            }
        })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Literal<'a>> {
        if depth > DEEPEST {
            return None;
        }
        self.blanks();
        let first = self.rest.chars().next()?;
        match first {
            '[' => self.items('[', ']', depth),
            '(' => self.items('(', ')', depth),
            '{' => self.items('{', '}', depth),
            '\'' | '"' => self.text().map(Literal::Text),
            '<' => {
                // `<NA>`, and objects without a text of their own: `<Url object at 0x…>`.
                let end = self.rest.find('>')?;
                let nothing = &self.rest[..=end] == "<NA>";
                self.rest = &self.rest[end + 1..];
                Some(if nothing { Literal::Nothing } else { Literal::Object(Vec::new()) })
            }
            _ => self.word(depth),
        }
    }

    /// Items up to a closing bracket. Commas may be missing, as in NumPy's arrays. With names or
    /// keys it is an object.
    fn items(&mut self, open: char, close: char, depth: usize) -> Option<Literal<'a>> {
        self.take(open);
        let mut list = Vec::new();
        let mut fields: Vec<(String, Literal<'a>)> = Vec::new();
        loop {
            self.blanks();
            if self.take(close) {
                break;
            }
            let name = self.name();
            let value = self.value(depth + 1)?;
            self.blanks();
            let keyed = open == '{' && self.take(':');
            match (name, keyed, value) {
                (Some(name), _, value) => fields.push((name.to_owned(), value)),
                (None, true, Literal::Text(key)) => fields.push((key.into_owned(), self.value(depth + 1)?)),
                (None, true, Literal::Word(key)) => fields.push((key.to_owned(), self.value(depth + 1)?)),
                (None, true, _) => return None,
                (None, false, value) => list.push(value),
            }
            self.blanks();
            let _ = self.take(',');
        }
        // Named values after unnamed items say how to print them: `array([…], dtype=object)`.
        Some(if list.is_empty() && !fields.is_empty() { Literal::Object(fields) } else { Literal::List(list) })
    }

    /// `name=` before a value.
    fn name(&mut self) -> Option<&'a str> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')))?;
        let rest = self.rest[end..].trim_start().strip_prefix('=')?;
        let name = &self.rest[..end];
        if name.is_empty() || rest.starts_with('=') {
            return None;
        }
        self.rest = rest;
        Some(name)
    }

    /// A number, a constant, or a call: `c(…)`, `list(…)`, `set(…)`, `datetime.datetime(…)`.
    fn word(&mut self, depth: usize) -> Option<Literal<'a>> {
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | ':')))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return None;
        }
        self.rest = rest;
        if self.rest.starts_with(['\'', '"']) && ["u", "b", "r", "U", "B"].contains(&word) {
            return self.text().map(Literal::Text);
        }
        if self.rest.starts_with('(') {
            let value = self.items('(', ')', depth)?;
            // A call around one list is that list: `frozenset({…})`, `array([…])`.
            return Some(match value {
                Literal::List(mut items)
                    if items.len() == 1 && matches!(items[0], Literal::List(_)) && word != "list" =>
                {
                    items.remove(0)
                }
                Literal::List(items)
                    if items.iter().all(|item| matches!(item, Literal::Word(_))) && word == "character" =>
                {
                    Literal::List(Vec::new())
                }
                value => value,
            });
        }
        Some(match word {
            "None" | "null" | "NULL" | "NA" | "NA_character_" | "nan" | "NaN" => Literal::Nothing,
            word => Literal::Word(word),
        })
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        let quote = self.rest.chars().next()?;
        let body = &self.rest[quote.len_utf8()..];
        let mut owned: Option<String> = None;
        let mut letters = body.char_indices();
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.rest = &body[at + quote.len_utf8()..];
                return Some(owned.map_or(Cow::Borrowed(&body[..at]), Cow::Owned));
            }
            if letter != '\\' {
                if let Some(owned) = &mut owned {
                    owned.push(letter);
                }
                continue;
            }
            let out = owned.get_or_insert_with(|| body[..at].to_owned());
            let (_, escaped) = letters.next()?;
            let mut code = |digits: usize| -> Option<char> {
                let mut number = 0;
                for _ in 0..digits {
                    number = number * 16 + letters.next()?.1.to_digit(16)?;
                }
                Some(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
            };
            let plain = match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'x' => code(2)?,
                'u' => code(4)?,
                'U' => code(8)?,
                other => other,
            };
            out.push(plain);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(cell: &str) -> Vec<String> {
        match Literal::read(cell).unwrap() {
            Literal::List(items) => items
                .iter()
                .map(|item| match item {
                    Literal::Text(text) => text.to_string(),
                    Literal::Word(word) => (*word).to_owned(),
                    other => format!("{other:?}"),
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lists_of_every_language() {
        for cell in [
            r#"["a", "b"]"#,
            "['a', 'b']",
            "[u'a', \"b\"]",
            "('a', 'b',)",
            "{'a', 'b'}",
            "['a' 'b']",
            "array(['a', 'b'], dtype=object)",
            "frozenset({'a', 'b'})",
            r#"c("a", "b")"#,
            r#"list("a", "b")"#,
        ] {
            assert_eq!(texts(cell), ["a", "b"], "{cell}");
        }
        for cell in ["[]", "()", "set()", "list()", "c()", "character(0)", "{}"] {
            match Literal::read(cell) {
                Some(Literal::List(items)) => assert!(items.is_empty(), "{cell}"),
                Some(Literal::Object(fields)) => assert!(fields.is_empty(), "{cell}"),
                other => panic!("{cell}: {other:?}"),
            }
        }
    }

    #[test]
    fn objects_of_every_language() {
        for cell in [
            r#"{"url": "https://t.co/a", "n": 1}"#,
            "{'url': 'https://t.co/a', 'n': 1}",
            "{'n': None, 'url': 'https://t.co/a', 'x': [1, 2], 'ok': True}",
            "TextLink(text='a', url='https://t.co/a', indices=(0, 9))",
            r#"list(url = "https://t.co/a", n = 1)"#,
            "User(at=datetime.datetime(2021, 1, 2, tzinfo=datetime.timezone.utc), url='https://t.co/a')",
        ] {
            let value = Literal::read(cell).unwrap_or_else(|| panic!("{cell}"));
            assert_eq!(value.field(&["expanded_url", "url"]).as_deref(), Some("https://t.co/a"), "{cell}");
        }
        assert_eq!(Literal::read(r"'it\'s \u00e9'"), Some(Literal::Text("it's é".into())));
    }

    #[test]
    fn what_breaks_off_is_nothing() {
        for cell in ["[", "['a", "{'a': ", "c(", "['a'] x", "{'a' 'b':}", "=", &"[".repeat(100)] {
            assert_eq!(Literal::read(cell), None, "{cell}");
        }
    }
}
