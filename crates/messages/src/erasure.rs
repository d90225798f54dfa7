//! Erasure of one account from messages.
//!
//! The account's own posts go. From everything else its id and its names go: they are replaced by a
//! random token, so that what is left stays consistent, and nothing leads back from the token.
//!
//! An id is replaced where it stands after its platform (`twitter:77`), and where it is the whole
//! value of a field about an account. An id of [`DISTINCTIVE_ID`] or more characters is replaced
//! wherever it stands as a word of its own; a shorter one is also an ordinary number. A name is
//! replaced after `@`, and beside the account's id; where it cannot be an ordinary word, also
//! wherever it stands as a word. Upper and lower case count as the same.

mod cluster;
mod records;
mod words;

pub use records::Fate;

use std::collections::BTreeSet;

use serde_json::Value;
use words::Needle;

/// From this length on, an id is replaced wherever it stands.
pub const DISTINCTIVE_ID: usize = 5;
/// From this length on, a name of one word is replaced wherever it stands; a shorter one only if it
/// has a digit, an underscore or a full stop.
const DISTINCTIVE_NAME: usize = 10;

/// An account that is to be erased, and what replaces it.
#[derive(Debug, Clone)]
pub struct Erasure {
    platform: String,
    id: String,
    token: String,
    names: BTreeSet<String>,
    needles: Vec<Needle>,
}

impl Erasure {
    /// An account by its platform (in lower case) and the platform's id. `token` replaces it.
    pub fn new(platform: &str, id: &str, token: &str) -> Erasure {
        let mut erasure = Erasure {
            platform: platform.to_owned(),
            id: id.to_owned(),
            token: token.to_owned(),
            names: BTreeSet::new(),
            needles: Vec::new(),
        };
        erasure.find_needles();
        erasure
    }

    /// The account's platform.
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// The platform's id of the account.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What replaces the account.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Names of the account, as far as they are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Adds a name of the account.
    pub fn add_name(&mut self, name: &str) {
        let name = name.trim().trim_start_matches('@');
        if !name.is_empty() && !name.eq_ignore_ascii_case(&self.id) && self.names.insert(name.to_owned()) {
            self.find_needles();
        }
    }

    /// Whether this is the account.
    pub fn is_account(&self, platform: &str, id: &str) -> bool {
        self.platform == platform && self.id == id
    }

    fn find_needles(&mut self) {
        let Erasure { platform, id, .. } = self;
        // The token takes the place of the id only; the platform stays.
        let mut needles = vec![
            Needle::after(&format!("{platform}:"), id),
            Needle::after(&format!("{platform}\u{1f}"), id),
            Needle::after(&format!("{platform}/"), id),
            Needle::after("user_id = '", id),
        ];
        if id.chars().count() >= DISTINCTIVE_ID {
            needles.push(Needle::word(id));
        }
        for name in &self.names {
            needles.push(Needle::after("@", name));
            if is_distinctive(name) {
                needles.push(Needle::name(name));
            }
        }
        self.needles = needles;
    }

    /// The text without the account; `None` if it does not name it.
    pub fn in_text(&self, text: &str) -> Option<String> {
        words::replaced(text, &self.needles, &self.token)
    }

    /// Removes the account from a JSON value. Returns whether it was in it.
    pub fn in_json(&self, value: &mut Value) -> bool {
        self.in_field("", false, value)
    }

    /// The JSON text without the account; `None` if it does not name it. What is no JSON is taken as
    /// text.
    pub fn in_json_text(&self, text: &str) -> Option<String> {
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => self.in_json(&mut value).then(|| value.to_string()),
            Err(_) => self.in_text(text),
        }
    }

    /// `beside` says whether the account's id is another field of the same object.
    fn in_field(&self, field: &str, beside: bool, value: &mut Value) -> bool {
        match value {
            Value::String(text) => match self.in_string(field, beside, text) {
                Some(without) => {
                    *text = without;
                    true
                }
                None => false,
            },
            Value::Number(number) => {
                let is_id = self.names_account(field) && number.to_string() == self.id;
                if is_id {
                    *value = Value::String(self.token.clone());
                }
                is_id
            }
            Value::Array(items) => {
                items.iter_mut().fold(false, |changed, item| self.in_field(field, beside, item) | changed)
            }
            Value::Object(fields) => {
                let is_id = |(name, value): (&String, &Value)| {
                    self.names_account(name)
                        && match value {
                            Value::String(text) => *text == self.id,
                            Value::Number(number) => number.to_string() == self.id,
                            _ => false,
                        }
                };
                let beside = fields.iter().any(is_id);
                let mut changed = false;
                for (name, value) in fields.iter_mut() {
                    changed |= self.in_field(name, beside, value);
                }
                let renamed: Vec<(String, String)> =
                    fields.keys().filter_map(|name| Some((name.clone(), self.in_text(name)?))).collect();
                for (name, without) in renamed {
                    if let Some(value) = fields.remove(&name) {
                        fields.insert(without, value);
                        changed = true;
                    }
                }
                changed
            }
            Value::Null | Value::Bool(_) => false,
        }
    }

    fn in_string(&self, field: &str, beside: bool, text: &str) -> Option<String> {
        // Another account may have the same name.
        if field == "account_name" && !beside && text != self.id {
            return None;
        }
        let is_name = || self.names.iter().any(|name| name.eq_ignore_ascii_case(text.trim_start_matches('@')));
        let whole = (self.names_account(field) && text == self.id)
            || ((beside || field.contains("mention")) && !text.is_empty() && is_name());
        if whole { Some(self.token.clone()) } else { self.in_text(text) }
    }

    /// Whether a field with this name may be the account's id.
    fn names_account(&self, field: &str) -> bool {
        self.id.chars().count() >= DISTINCTIVE_ID || field.contains("account") || field == "user_id"
    }
}

/// Whether a name cannot be an ordinary word.
fn is_distinctive(name: &str) -> bool {
    let one_word = !name.chars().any(char::is_whitespace);
    one_word
        && (name.chars().count() >= DISTINCTIVE_NAME
            || name.chars().any(|c| c.is_ascii_digit() || matches!(c, '_' | '.')))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn erasure(id: &str, names: &[&str]) -> Erasure {
        let mut erasure = Erasure::new("twitter", id, "erased-0");
        names.iter().for_each(|name| erasure.add_name(name));
        erasure
    }

    #[test]
    fn an_id_is_replaced_where_it_is_one() {
        let long = erasure("1234567", &[]);
        for (text, without) in [
            ("twitter:1234567 is gone", Some("twitter:erased-0 is gone")),
            ("TWITTER:1234567", Some("TWITTER:erased-0")),
            ("twitter\u{1f}1234567", Some("twitter\u{1f}erased-0")),
            ("https://x.example/i/user/1234567?a=1234567", Some("https://x.example/i/user/erased-0?a=erased-0")),
            ("post 91234567 and 12345678", None),
            ("", None),
        ] {
            assert_eq!(long.in_text(text).as_deref(), without, "{text}");
        }
        let short = erasure("7", &[]);
        for (text, without) in [
            ("twitter:7, after 7 days", Some("twitter:erased-0, after 7 days")),
            (
                "[user-account:user_id = '7' AND user-account:account_type = 'twitter']",
                Some("[user-account:user_id = 'erased-0' AND user-account:account_type = 'twitter']"),
            ),
            ("telegram:7 twitter:77", None),
        ] {
            assert_eq!(short.in_text(text).as_deref(), without, "{text}");
        }
    }

    #[test]
    fn a_name_is_replaced_where_it_cannot_be_a_word() {
        let erasure = erasure("1", &["Anna", "bird_77", "Ünïque"]);
        for (text, without) in [
            ("Anna and @anna, @annabel", Some("Anna and @erased-0, @annabel")),
            ("seen by Bird_77.", Some("seen by erased-0.")),
            ("bird_777 xbird_77 bird_77_x", None),
            ("@Ünïque!", Some("@erased-0!")),
        ] {
            assert_eq!(erasure.in_text(text).as_deref(), without, "{text}");
        }
    }

    #[test]
    fn json_loses_the_account_in_values_and_in_keys() {
        let erasure = erasure("7", &["Anna"]);
        let mut value = json!({
            "accounts": ["7", "8"], "days": 7, "id": "7", "account_id": 7, "twitter\u{1f}7": 1,
            "object": { "user_id": "7", "display_name": "Anna" },
            "other": { "account_id": "8", "account_name": "@anna" }, "mentions": ["anna", "ben"],
        });
        assert!(erasure.in_json(&mut value));
        assert_eq!(
            value,
            json!({
                "accounts": ["erased-0", "8"], "days": 7, "id": "7", "account_id": "erased-0", "twitter\u{1f}erased-0": 1,
                "object": { "user_id": "erased-0", "display_name": "erased-0" },
                "other": { "account_id": "8", "account_name": "@anna" }, "mentions": ["erased-0", "ben"],
            })
        );
        assert!(!erasure.in_json(&mut value), "nothing is left");
    }
}
