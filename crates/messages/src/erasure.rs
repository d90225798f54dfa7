//! Erasure of one account from messages.
//!
//! The account's own posts go. From everything else its id and its names go: they are replaced by a
//! random token, so that what is left stays consistent, and nothing leads back from the token.
//!
//! An id is replaced where it stands after its platform (`twitter:77`), and where it is the whole
//! value of a field about an account of this platform. In texts, an id of [`DISTINCTIVE_ID`] or more
//! characters is replaced wherever it stands as a word of its own; a shorter one is also an ordinary
//! number. A name is replaced after `@`, and beside the account's id; where it cannot be an ordinary
//! word, also wherever it stands as a word in a text. Upper and lower case count as the same.
//!
//! An account may have chosen a name that is a field of our records, and another platform may have
//! the same id. So names of fields, ids of other things, codes and accounts of other platforms are
//! changed only where the platform stands before the id.

mod cluster;
mod records;
mod words;

pub use records::{Fate, Unreadable};

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
    /// The id after its platform.
    exact: Vec<Needle>,
    /// What is looked for in texts, with `exact`.
    needles: Vec<Needle>,
    /// The same in what is about another platform: without the id on its own.
    elsewhere: Vec<Needle>,
}

impl Erasure {
    /// An account by its platform (in lower case) and the platform's id. `token` replaces it.
    pub fn new(platform: &str, id: &str, token: &str) -> Erasure {
        let mut erasure = Erasure {
            platform: platform.to_owned(),
            id: id.to_owned(),
            token: token.to_owned(),
            names: BTreeSet::new(),
            exact: Vec::new(),
            needles: Vec::new(),
            elsewhere: Vec::new(),
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
        let (platform, id) = (&self.platform, &self.id);
        // The token takes the place of the id only; the platform stays.
        self.exact = [":", "\u{1f}", "/"].map(|between| Needle::after(&format!("{platform}{between}"), id)).to_vec();
        let mut names = Vec::new();
        for name in &self.names {
            names.push(Needle::after("@", name));
            if is_distinctive(name) {
                names.push(Needle::name(name));
            }
        }
        self.elsewhere = self.exact.iter().cloned().chain(names).collect();
        self.needles = self.elsewhere.clone();
        self.needles.push(Needle::after("user_id = '", id));
        if id.chars().count() >= DISTINCTIVE_ID {
            self.needles.push(Needle::word(id));
        }
    }

    /// The text without the account; `None` if it does not name it.
    pub fn in_text(&self, text: &str) -> Option<String> {
        words::replaced(text, &self.needles, &self.token)
    }

    /// Removes the account from a JSON value. Returns whether it was in it.
    pub fn in_json(&self, value: &mut Value) -> bool {
        self.in_field("", Object { beside: false, elsewhere: false }, value)
    }

    /// The JSON text without the account; `None` if it does not name it. What is no JSON is taken as
    /// text.
    pub fn in_json_text(&self, text: &str) -> Option<String> {
        match serde_json::from_str::<Value>(text) {
            Ok(mut value @ (Value::Object(_) | Value::Array(_))) => self.in_json(&mut value).then(|| value.to_string()),
            // An id alone is a JSON number, too.
            _ => self.in_text(text),
        }
    }

    /// The same for a JSON text that is about another platform, unless a part of it says that it is about
    /// this one.
    pub fn in_json_text_elsewhere(&self, text: &str) -> Option<String> {
        let mut value = serde_json::from_str::<Value>(text).ok()?;
        self.in_field("", Object { beside: false, elsewhere: true }, &mut value).then(|| value.to_string())
    }

    fn in_field(&self, field: &str, of: Object, value: &mut Value) -> bool {
        match value {
            Value::String(text) => match self.in_string(field, of, text) {
                Some(without) => {
                    *text = without;
                    true
                }
                None => false,
            },
            Value::Number(number) => {
                // A number of accounts is no account.
                let is_one = is_account_field(field) && !field.ends_with("accounts");
                let is_id = is_one && !of.elsewhere && number.to_string() == self.id;
                if is_id {
                    *value = Value::String(self.token.clone());
                }
                is_id
            }
            Value::Array(items) => {
                items.iter_mut().fold(false, |changed, item| self.in_field(field, of, item) | changed)
            }
            Value::Object(fields) => {
                // `account_type` is STIX's name of it.
                let platform = ["platform", "account_type"].iter().find_map(|name| fields.get(*name)?.as_str());
                let elsewhere =
                    platform.map_or(of.elsewhere, |platform| !platform.eq_ignore_ascii_case(&self.platform));
                let is_id = |(name, value): (&String, &Value)| {
                    is_account_field(name)
                        && match value {
                            Value::String(text) => *text == self.id,
                            Value::Number(number) => number.to_string() == self.id,
                            _ => false,
                        }
                };
                let of = Object { beside: !elsewhere && fields.iter().any(is_id), elsewhere };
                let mut changed = false;
                for (name, value) in fields.iter_mut() {
                    changed |= self.in_field(name, of, value);
                }
                let without = |name: &String| words::replaced(name, &self.exact, &self.token);
                let renamed: Vec<(String, String)> =
                    fields.keys().filter_map(|name| Some((name.clone(), without(name)?))).collect();
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

    fn in_string(&self, field: &str, of: Object, text: &str) -> Option<String> {
        let exactly = || words::replaced(text, &self.exact, &self.token);
        let token = || Some(self.token.clone());
        // An account is this one or another; the id of another may contain this one's.
        if is_account_field(field) {
            return if !of.elsewhere && text == self.id { token() } else { exactly() };
        }
        // Another account may have the same name.
        if field == "account_name" && !of.beside {
            return if !of.elsewhere && text == self.id { token() } else { None };
        }
        if is_code(field) {
            return exactly();
        }
        let is_mention = !of.elsewhere && field.contains("mention");
        let is_name = || self.names.iter().any(|name| name.eq_ignore_ascii_case(text.trim_start_matches('@')));
        if (of.beside || is_mention) && !text.is_empty() && (is_name() || text == self.id) {
            return token();
        }
        match of.elsewhere {
            true if field.contains("mention") => exactly(),
            true => words::replaced(text, &self.elsewhere, &self.token),
            false => self.in_text(text),
        }
    }
}

/// The object in which a field is.
#[derive(Debug, Clone, Copy)]
struct Object {
    /// Whether the account's id is another field of it.
    beside: bool,
    /// Whether it is about another platform.
    elsewhere: bool,
}

/// Whether a field with this name has the id of an account.
fn is_account_field(field: &str) -> bool {
    field == "user_id" || ["account", "accounts", "account_id"].iter().any(|end| field.ends_with(end))
}

/// Whether a field with this name has an id of something else, or a code of ours.
fn is_code(field: &str) -> bool {
    const CODES: [&str; 12] = [
        "id",
        "kind",
        "outcome",
        "platform",
        "role",
        "state",
        "status",
        "type",
        "verdict",
        "created",
        "modified",
        "platforms",
    ];
    const ENDS: [&str; 5] = ["_id", "_ref", "_refs", "_type", "_sha256"];
    CODES.contains(&field) || ENDS.iter().any(|end| field.ends_with(end))
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
            ("it was 1234567. Then", Some("it was erased-0. Then")),
            ("-1234567 is a group, 1234567.5 a number", None),
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
    fn an_id_within_another_id_stays() {
        let mut erasure = Erasure::new("mastodon", "https://h.example/users/ann", "erased-0");
        for (text, without) in [
            ("https://h.example/users/ann/statuses/1", Some("erased-0/statuses/1")),
            ("https://h.example/users/ann.b", None),
            ("https://h.example/users/ann-b", None),
            ("https://h.example/users/anna", None),
        ] {
            assert_eq!(erasure.in_text(text).as_deref(), without, "{text}");
        }
        erasure = Erasure::new("bluesky", "did:web:a.example", "erased-0");
        assert_eq!(erasure.in_text("did:web:a.example.org and did:web:a.example:u"), None);
    }

    #[test]
    fn records_of_others_stay_as_they_are_whatever_the_name_and_the_id() {
        let erasure = erasure("48213", &["created_at", "in_review", "extensions", "first_seen", "account_id"]);
        let others = json!({
            "id": "48213", "created_at": "2026-11-02T10:00:00Z", "first_seen": 1, "state": "in_review", "account_id": "7",
            "extensions": { "a": { "extension_type": "first_seen" } }, "log": { "offset": 48213 }, "followers": 48213,
            "accounts": 48213,
            "stix": { "account_type": "telegram", "user_id": "48213" },
            "object": { "platform": "telegram", "account_id": "48213", "account_name": "created_at", "mentions": ["in_review"] },
        });
        let mut value = others.clone();
        assert!(!erasure.in_json(&mut value), "{value}");
        assert_eq!(value, others);
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
