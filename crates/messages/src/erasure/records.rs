//! Records of topics without an account.

use crate::{
    cluster::ClusterMessage,
    cluster::positions,
    feedback, post,
    topics::{CLUSTERS, CLUSTERS_FLAGGED, FEEDBACK, POSTS, POSTS_DEAD_LETTER},
};

use super::{Erasure, words};

/// What an erasure does to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The record does not name the account.
    Keep,
    /// The record is about the account only.
    Delete,
    /// The record without the account. Its key stays.
    Replace {
        /// The new value.
        value: Vec<u8>,
        /// The new headers.
        headers: Vec<(String, Vec<u8>)>,
    },
}

/// A record of others that an erasure would make unreadable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("without the account, the record {key:?} of {topic} could not be read any more")]
pub struct Unreadable {
    /// The topic.
    pub topic: String,
    /// The record's key.
    pub key: String,
}

type Headers = [(String, Vec<u8>)];

impl Erasure {
    /// Learns the account's names from a record, if it has any.
    pub fn learn(&mut self, topic: &str, value: &[u8]) {
        match topic {
            POSTS => {
                if let Ok(post) = post::decode(value)
                    && self.is_account(&post.platform, &post.account_id)
                {
                    self.add_name(&post.account_name);
                }
            }
            CLUSTERS | CLUSTERS_FLAGGED => {
                if let Ok(cluster) = ClusterMessage::decode(value) {
                    self.learn_from(&cluster);
                }
            }
            _ => {}
        }
    }

    /// Learns the account's name from a cluster.
    pub fn learn_from(&mut self, cluster: &ClusterMessage) {
        for account in &cluster.accounts {
            if self.is_account(&account.platform, &account.account_id) {
                self.add_name(&account.account_name);
            }
        }
    }

    /// What happens to a record of a topic.
    ///
    /// # Errors
    /// The record is readable, and what is left of it would not be, which is an error of this program.
    pub fn in_record(
        &self,
        topic: &str,
        key: &[u8],
        value: Option<&[u8]>,
        headers: &Headers,
    ) -> Result<Fate, Unreadable> {
        let named_by_key = self.is_named_by_key(topic, key);
        let Some(value) = value else {
            return Ok(if named_by_key { Fate::Delete } else { Fate::Keep });
        };
        let fate = self.in_value_of(topic, named_by_key, value, headers);
        let reads = |value: &[u8]| match topic {
            POSTS => post::decode(value).is_ok(),
            FEEDBACK => feedback::Feedback::decode(value).is_ok(),
            CLUSTERS | CLUSTERS_FLAGGED => ClusterMessage::decode(value).is_ok(),
            _ => true,
        };
        match &fate {
            Fate::Replace { value: rest, .. } if reads(value) && !reads(rest) => {
                Err(Unreadable { topic: topic.to_owned(), key: String::from_utf8_lossy(key).into_owned() })
            }
            _ => Ok(fate),
        }
    }

    /// Whether the key says that the record is about the account.
    fn is_named_by_key(&self, topic: &str, key: &[u8]) -> bool {
        let Ok(key) = std::str::from_utf8(key) else { return false };
        let own = format!("{}:{}", self.platform, self.id);
        match topic {
            POSTS | POSTS_DEAD_LETTER => key == own,
            FEEDBACK => key.splitn(3, '|').nth(2) == Some(&*own),
            _ => words::replaced(key, &self.exact, &self.token).is_some(),
        }
    }

    fn in_value_of(&self, topic: &str, named_by_key: bool, value: &[u8], headers: &Headers) -> Fate {
        match topic {
            POSTS => {
                let own = post::decode(value).is_ok_and(|post| self.is_account(&post.platform, &post.account_id));
                if own || named_by_key { Fate::Delete } else { self.in_value(value, headers) }
            }
            // A letter is kept as it came, or not at all.
            POSTS_DEAD_LETTER => match self.in_value(value, headers) {
                Fate::Keep if !named_by_key => Fate::Keep,
                _ => Fate::Delete,
            },
            FEEDBACK => {
                let about = |read: &feedback::Feedback| {
                    read.account.as_ref().is_some_and(|one| self.is_account(&one.platform, &one.account_id))
                };
                let own = feedback::Feedback::decode(value).is_ok_and(|read| about(&read));
                if own || named_by_key { Fate::Delete } else { self.in_value(value, headers) }
            }
            CLUSTERS | CLUSTERS_FLAGGED => match self.in_cluster_record(value, headers) {
                Some(fate) => fate,
                None => self.in_value(value, headers),
            },
            _ if named_by_key => Fate::Delete,
            _ => self.in_value(value, headers),
        }
    }

    /// `None` if the value is no cluster.
    fn in_cluster_record(&self, value: &[u8], headers: &Headers) -> Option<Fate> {
        let mut cluster = ClusterMessage::decode(value).ok()?;
        // A header that does not fit says nothing, and goes.
        let fits = cluster.set_positions(headers).is_ok();
        let Some(mut rest) = self.in_cluster(&cluster).ok()? else { return Some(Fate::Keep) };
        let positions = rest.take_positions();
        let others = headers.iter().filter(|(name, _)| name != positions::HEADER);
        let mut headers: Vec<(String, Vec<u8>)> =
            others.map(|(name, value)| (name.clone(), self.in_bytes(value).unwrap_or_else(|| value.clone()))).collect();
        headers.extend(positions.header(&rest).filter(|_| fits));
        Some(Fate::Replace { value: rest.encode().ok()?, headers })
    }

    fn in_value(&self, value: &[u8], headers: &Headers) -> Fate {
        let of_headers: Vec<Option<Vec<u8>>> = headers.iter().map(|(_, value)| self.in_bytes(value)).collect();
        let without = self.in_bytes(value);
        if without.is_none() && of_headers.iter().all(Option::is_none) {
            return Fate::Keep;
        }
        let headers = headers
            .iter()
            .zip(of_headers)
            .map(|((name, value), without)| (name.clone(), without.unwrap_or_else(|| value.clone())));
        Fate::Replace { value: without.unwrap_or_else(|| value.to_vec()), headers: headers.collect() }
    }

    /// Bytes without the account: as JSON, or as text. What is not UTF-8 becomes so if the account is
    /// in it.
    fn in_bytes(&self, value: &[u8]) -> Option<Vec<u8>> {
        self.in_json_text(&String::from_utf8_lossy(value)).map(String::into_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{Shape, coordinated, verdict},
        topics::CLUSTERS_DEAD_LETTER,
    };

    fn erasure() -> Erasure {
        let mut erasure = Erasure::new("x", "70000", "erased-0");
        let post = br#"{"id":"1","platform":"x","account_id":"70000","account_name":"bird_7","created_at":1793613600}"#;
        erasure.learn(POSTS, post);
        erasure.learn(POSTS, b"no post");
        erasure
    }

    fn replaced(topic: &str, key: &str, value: &str) -> Option<String> {
        match erasure().in_record(topic, key.as_bytes(), Some(value.as_bytes()), &[]).unwrap() {
            Fate::Keep => Some(value.to_owned()),
            Fate::Delete => None,
            Fate::Replace { value, .. } => Some(String::from_utf8(value).unwrap()),
        }
    }

    #[test]
    fn own_posts_go_and_posts_about_the_account_lose_its_name() {
        let post = |account: &str, rest: &str| {
            format!(r#"{{"account_id":"{account}","created_at":1793613600,"id":"5","platform":"x"{rest}}}"#)
        };
        assert_eq!(replaced(POSTS, "x:70000", &post("70000", "")), None);
        // The keys of a new value are in order.
        let about = post("8", r#","repost_of_account":"70000","text":"RT @bird_7: hello""#);
        let without = post("8", r#","repost_of_account":"erased-0","text":"RT @erased-0: hello""#);
        assert_eq!(replaced(POSTS, "x:8", &about), Some(without));
        let other = post("8", r#","text":"700001 birds""#);
        assert_eq!(replaced(POSTS, "x:8", &other), Some(other.clone()));
    }

    #[test]
    fn dead_letters_and_feedback_about_the_account_go() {
        assert_eq!(replaced(POSTS_DEAD_LETTER, "", r#"{"user":{"id":70000},"#), None);
        assert_eq!(replaced(POSTS_DEAD_LETTER, "", "{}"), Some("{}".into()));
        assert_eq!(replaced(CLUSTERS_DEAD_LETTER, "c", "about x:70000"), Some("about x:erased-0".into()));
        let feedback = |account: &str| {
            format!(
                r#"{{"schema_version":1,"cluster_id":"c","account":{{"platform":"x","account_id":"{account}"}},
                    "verdict":"rejected","partner":"p","at":"2026-11-02T10:00:00Z"}}"#
            )
        };
        assert_eq!(replaced(FEEDBACK, "c|p|x:70000", &feedback("70000")), None);
        assert_eq!(replaced(FEEDBACK, "c|p|x:8", &feedback("8")), Some(feedback("8")));
        assert_eq!(erasure().in_record(FEEDBACK, b"c|p|x:70000", None, &[]), Ok(Fate::Delete));
        assert_eq!(erasure().in_record(FEEDBACK, b"c|p|x:8", None, &[]), Ok(Fate::Keep));
        // The same id on another platform is another account.
        assert_eq!(erasure().in_record(FEEDBACK, b"c|p|telegram:70000", None, &[]), Ok(Fate::Keep));
        let other = r#"{"account_id":"70000","created_at":1793613600,"id":"5","platform":"telegram"}"#;
        assert_eq!(replaced(POSTS, "telegram:70000", other), Some(other.into()));
    }

    #[test]
    fn a_cluster_keeps_the_positions_of_the_posts_that_are_left() {
        let mut cluster = coordinated(Shape::default(), false);
        for (n, post) in cluster.evidence.iter_mut().flat_map(|key| &mut key.posts).enumerate() {
            post.position = coordination::Position::new(0, n as i64);
        }
        let mut message = ClusterMessage::new(&cluster, Some(&verdict(false)), vec![], vec![]).unwrap();
        let whole = message.clone();
        let header = message.take_positions().header(&message).unwrap();
        let victim = &message.accounts[0];
        let erasure = Erasure::new(&victim.platform, &victim.account_id, "erased-0");
        let value = message.encode().unwrap();
        let Fate::Replace { value, headers } = erasure.in_record(CLUSTERS, b"c", Some(&value), &[header]).unwrap()
        else {
            panic!("it names the account")
        };
        let mut rest = ClusterMessage::decode(&value).unwrap();
        rest.set_positions(&headers).unwrap();
        let posts = |message: &ClusterMessage| -> Vec<_> {
            let all = message.evidence.iter().flat_map(|key| &key.posts);
            all.filter(|post| post.account_id != victim.account_id).map(|post| (post.id.clone(), post.log)).collect()
        };
        assert_eq!(posts(&rest), posts(&whole));
        assert_eq!(erasure.in_record(CLUSTERS, b"c", Some(&value), &headers), Ok(Fate::Keep));
    }
}
