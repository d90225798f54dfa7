//! Topic `feedback`: the finding of a partner or a reviewer about a cluster or one of its accounts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::version;

/// The version of this schema that is written.
pub const SCHEMA_VERSION: u32 = 1;

/// One partner's finding about one cluster, or about one account in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Feedback {
    /// Version of this schema.
    pub schema_version: u32,
    /// The cluster.
    pub cluster_id: String,
    /// The account; absent if the whole cluster is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The finding.
    pub verdict: Verdict,
    /// The author: the partner's name in the configuration, or `reviewer:` and a name.
    pub partner: String,
    /// When they found it.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// A note in their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An account of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccountId {
    /// Lower-case platform name.
    pub platform: String,
    /// The platform's id.
    pub account_id: String,
}

/// The finding of a partner or reviewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Inauthentic.
    Confirmed,
    /// Not inauthentic.
    Rejected,
    /// Inauthentic, and the platform has acted.
    Actioned,
    /// Inauthentic, and known before this finding.
    AlreadyKnown,
}

impl Verdict {
    /// The label for a training set: whether the coordination was inauthentic.
    pub fn inauthentic(self) -> bool {
        match self {
            Verdict::Confirmed | Verdict::Actioned | Verdict::AlreadyKnown => true,
            Verdict::Rejected => false,
        }
    }
}

impl Feedback {
    /// The record's key: the cluster, the author and the account. The topic is compacted: with only
    /// the cluster as key, the last finding of one partner about one account would replace all
    /// others about that cluster.
    pub fn key(&self) -> String {
        match &self.account {
            Some(account) => {
                format!("{}|{}|{}:{}", self.cluster_id, self.partner, account.platform, account.account_id)
            }
            None => format!("{}|{}", self.cluster_id, self.partner),
        }
    }

    /// Writes the message.
    pub fn encode(&self) -> Vec<u8> {
        // Only text, numbers and times: JSON can express all of them.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a message of this schema version or an older one.
    pub fn decode(value: &[u8]) -> Result<Feedback, DecodeError> {
        version::decode(value, SCHEMA_VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn these_exact_bytes() {
        let mut feedback = Feedback {
            schema_version: SCHEMA_VERSION,
            cluster_id: "c1".into(),
            account: Some(AccountId { platform: "twitter".into(), account_id: "7".into() }),
            verdict: Verdict::AlreadyKnown,
            partner: "acme".into(),
            at: Timestamp::UNIX_EPOCH,
            note: Some("seen in May".into()),
        };
        expect_test::expect![[r#"{"schema_version":1,"cluster_id":"c1","account":{"platform":"twitter","account_id":"7"},"verdict":"already_known","partner":"acme","at":"1970-01-01T00:00:00Z","note":"seen in May"}"#]]
            .assert_eq(&String::from_utf8(feedback.encode()).unwrap());
        assert_eq!(Feedback::decode(&feedback.encode()), Ok(feedback.clone()));
        assert_eq!(feedback.key(), "c1|acme|twitter:7");
        (feedback.account, feedback.note) = (None, None);
        assert_eq!(Feedback::decode(&feedback.encode()), Ok(feedback.clone()));
        assert_eq!(feedback.key(), "c1|acme");
    }

    #[test]
    fn errors_name_the_field() {
        let error = Feedback::decode(
            br#"{"schema_version":1,"cluster_id":"c","verdict":"maybe","partner":"p","at":"1970-01-01T00:00:00Z"}"#,
        )
        .unwrap_err();
        assert_eq!(error.path, "verdict");
        let error = Feedback::decode(br#"{"schema_version":9}"#).unwrap_err();
        assert_eq!(error.path, "schema_version");
    }
}
