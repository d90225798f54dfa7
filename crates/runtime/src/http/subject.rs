//! Subjects of certificates. Two are the same if they have the same attributes, in any order: programs print them in the order of the
//! certificate or, after RFC 4514, in the reverse order.

use std::{fmt, str::FromStr};

use x509_parser::{
    objects::{oid_registry, oid2abbrev},
    x509::X509Name,
};

/// A subject, for example `CN=feed, O=Example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Type in capitals and value, sorted.
    attributes: Vec<(String, String)>,
}

impl Subject {
    fn new(mut attributes: Vec<(String, String)>) -> Subject {
        attributes.sort();
        Subject { attributes }
    }

    /// The subject of a certificate.
    pub(super) fn of(name: &X509Name<'_>) -> Subject {
        let attribute = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            let kind = attribute.attr_type();
            let kind = oid2abbrev(kind, oid_registry()).map_or_else(|_| kind.to_id_string(), str::to_owned);
            // RFC 4514 writes what is no text as its bytes.
            let bytes = || format!("#{}", text_format::hex(attribute.attr_value().data));
            (short(&kind), attribute.as_str().map_or_else(|_| bytes(), str::to_owned))
        };
        Subject::new(name.iter_attributes().map(attribute).collect())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |value: &str| value.replace('\\', "\\\\").replace(',', "\\,").replace('+', "\\+");
        let attributes: Vec<String> =
            self.attributes.iter().map(|(kind, value)| format!("{kind}={}", escaped(value))).collect();
        f.write_str(&attributes.join(", "))
    }
}

impl FromStr for Subject {
    type Err = String;

    /// Reads a subject as RFC 4514 or `openssl x509 -subject` writes it. A comma in a value may be written as it is if what follows
    /// it is no attribute.
    fn from_str(text: &str) -> Result<Subject, String> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        for part in parts(text)? {
            match part.split_once('=') {
                Some((kind, value)) if is_kind(kind.trim()) => {
                    attributes.push((short(kind.trim()), value.trim().to_owned()));
                }
                _ => match attributes.last_mut() {
                    Some((_, value)) => value.push_str(&format!(",{}", part.trim_end())),
                    None => return Err(format!("{:?} is no attribute", part.trim())),
                },
            }
        }
        match attributes.iter().find(|(_, value)| value.is_empty()) {
            Some((kind, _)) => Err(format!("{kind} has no value")),
            None if attributes.is_empty() => Err("it has no attribute".to_owned()),
            None => Ok(Subject::new(attributes)),
        }
    }
}

/// The name of an attribute type: programs do not agree on that of addresses.
fn short(kind: &str) -> String {
    match kind.to_uppercase().as_str() {
        "E" | "EMAIL" => "EMAILADDRESS".to_owned(),
        kind => kind.to_owned(),
    }
}

fn is_kind(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
}

/// The text cut at commas and plus signs, with escapes resolved; those after a backslash or between quotes do not cut.
fn parts(text: &str) -> Result<Vec<String>, String> {
    let (mut parts, mut quoted) = (vec![Vec::new()], false);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let escaped = match byte {
            b'"' => {
                quoted = !quoted;
                continue;
            }
            b'\\' => Some(escape(&mut bytes)?),
            b',' | b'+' if !quoted => None,
            other => Some(other),
        };
        match (escaped, parts.last_mut()) {
            (Some(byte), Some(part)) => part.push(byte),
            _ => parts.push(Vec::new()),
        }
    }
    if quoted {
        return Err("a quotation mark is not closed".to_owned());
    }
    parts.into_iter().map(|part| String::from_utf8(part).map_err(|_| "its escapes are no UTF-8".to_owned())).collect()
}

/// What a backslash is followed by: two hexadecimal digits, or the character itself.
fn escape(bytes: &mut std::str::Bytes<'_>) -> Result<u8, String> {
    let Some(first) = bytes.next() else { return Err("it ends with a backslash".to_owned()) };
    if !first.is_ascii_hexdigit() {
        return Ok(first);
    }
    let second = bytes.next().filter(u8::is_ascii_hexdigit);
    let second = second.ok_or_else(|| "a backslash has one hexadecimal digit: write two".to_owned())?;
    let digits = [first, second].map(char::from);
    u8::from_str_radix(&digits.iter().collect::<String>(), 16).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_match_in_any_order_and_nothing_else_does() {
        let subject = |text: &str| text.parse::<Subject>().unwrap();
        let one = subject("CN=feed, O=Example");
        for same in ["O=Example, CN=feed", "o = Example,cn = feed", "O=Example+CN=feed", "CN=\"feed\", O=Ex\\61mple"] {
            assert_eq!(subject(same), one, "{same}");
        }
        for other in [
            "CN=feed",
            "CN=feed, O=Example, OU=x",
            "CN=feed, CN=feed, O=Example",
            "CN=Feed, O=Example",
            "O=feed, CN=Example",
        ] {
            assert_ne!(subject(other), one, "{other}");
        }
        // A comma in a value, as RFC 4514 escapes it, in quotes, and as it stands.
        let two = subject("O=Example\\, Inc., CN=feed");
        assert_eq!(subject("CN=feed, O=\"Example, Inc.\""), two);
        assert_eq!(subject("CN=feed, O=Example, Inc."), two);
        assert_eq!(subject(&two.to_string()), two);
        assert_eq!(subject("Email=a@b.example"), subject("emailAddress=a@b.example"));
        for (bad, why) in [
            ("", "is no attribute"),
            ("feed", "is no attribute"),
            ("CN=", "CN has no value"),
            ("CN=a\\", "ends with a backslash"),
            ("CN=\"a", "not closed"),
            ("CN=\\ff", "no UTF-8"),
            ("CN=a\\6", "write two"),
        ] {
            let refused = bad.parse::<Subject>().unwrap_err();
            assert!(refused.contains(why), "{bad}: {refused}");
        }
    }
}
