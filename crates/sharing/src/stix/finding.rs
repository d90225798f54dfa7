//! The properties that our extension adds to `indicator` and `campaign`.
//!
//! Their JSON Schema, generated from the types here, is committed as `crates/sharing/schemas/stix-finding.v1.json`; its `$id` is what
//! the extension definition says in `schema`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Our property extension.
pub(crate) const EXTENSION: &str = "extension-definition--5a0f1f3e-6f0b-4f5e-9a57-3d8c2b7e4c11";
/// Names the schema of its properties.
pub(super) const SCHEMA: &str = "urn:lockstep:stix:finding:1";

/// How Lockstep came to a finding. A number that is absent is not known; nats are natural logarithms of a likelihood ratio.
///
/// Beside it stands the common property `confidence` of the indicator: 100 times `probability`, rounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("$id" = "urn:lockstep:stix:finding:1", "title" = "Lockstep finding"))]
pub(crate) struct Finding {
    /// As STIX wants it.
    #[schemars(extend("const" = "property-extension"))]
    pub extension_type: String,
    /// What made the finding.
    #[schemars(extend("const" = "lockstep"))]
    pub detector: String,
    /// Names the case; quote it in questions.
    pub case: String,
    /// Version of the finding, from 1; a later one replaces the earlier.
    #[schemars(range(min = 1))]
    pub cluster_version: u32,
    /// Evidence that the whole group acts together, nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_e_nats: Option<f64>,
    /// The same without its strongest source, nats: what is left if that source alone explains the likeness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_e_leave_one_source_out_nats: Option<f64>,
    /// Upper bound on the rate of false discoveries among findings as strong as this one, 0 to 1: candidates tested times
    /// exp(-`log_e_leave_one_source_out_nats`), at most 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub q_value_upper_bound: Option<f64>,
    /// Candidate groups that had been tested when this one was.
    pub candidates_tested: u64,
    /// History that stood behind the verdict when the group was first proposed, hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_hours: Option<f64>,
    /// The model's score that the coordination is inauthentic, log-odds in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_nats: Option<f64>,
    /// The same as a calibrated probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub probability: Option<f64>,
    /// Name of the model.
    pub model: String,
    /// Version of the model.
    pub model_version: String,
    /// Where the case stood in review when this was written. `demo_policy_no_person_looked`: automatic reviewers approved it for a
    /// demonstration; do not act on it.
    #[schemars(extend("enum" = REVIEW_STATES))]
    pub review_state: String,
    /// On an indicator: evidence that this account acts with the others, nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_log_e_nats: Option<f64>,
    /// On an indicator: posts of this account seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_posts_seen: Option<u64>,
    /// On a campaign: accounts in the group, on all platforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts_total: Option<usize>,
    /// On a campaign: how many of them are on the recipient's platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts_on_your_platform: Option<usize>,
    /// On a campaign: the others, by platform.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts_elsewhere: Vec<Elsewhere>,
}

/// Accounts of the group on another platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Elsewhere {
    /// The platform.
    pub platform: String,
    /// How many.
    pub accounts: usize,
    /// One per account: HMAC-SHA256 with a key of the recipient's own, first 16 bytes in hex. The same account has the same
    /// pseudonym in every finding for one recipient, and another for every other recipient.
    pub pseudonyms: Vec<String>,
}

/// What `review_state` may be: the states of a case, and the demo's.
pub(super) const REVIEW_STATES: [&str; 9] = [
    "nominated",
    "in_review",
    "approved",
    "dismissed",
    "released",
    "updated",
    "retracted",
    "closed",
    "demo_policy_no_person_looked",
];

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::case::State;

    #[test]
    fn the_committed_schema_is_that_of_the_type() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas/stix-finding.v1.json");
        let schema = schemars::schema_for!(Finding);
        assert_eq!(schema.as_value()["$id"], SCHEMA);
        let text = format!("{}\n", serde_json::to_string_pretty(schema.as_value()).unwrap());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, text).unwrap();
        } else {
            let old = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(old == text, "run `UPDATE_SCHEMAS=1 cargo test -p sharing schema` and commit {}", path.display());
        }
    }

    #[test]
    fn every_state_of_a_case_is_a_review_state() {
        let states = State::ALL.map(State::name);
        assert_eq!(states[..], REVIEW_STATES[..states.len()]);
        assert_eq!(REVIEW_STATES.len(), states.len() + 1);
    }
}
