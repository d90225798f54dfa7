//! The properties that our extension adds to `indicator` and `campaign`.
//!
//! Their JSON Schema, generated from the types here, is committed as `crates/sharing/schemas/stix-finding.v2.json`; its `$id` is what
//! the extension definition says in `schema`. Objects that were published with version 1 of the extension keep its properties until a
//! later version of them is published; its schema stays beside the other.

use messages::cluster::{ClusterAccount, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Our property extension.
pub(crate) const EXTENSION: &str = "extension-definition--5a0f1f3e-6f0b-4f5e-9a57-3d8c2b7e4c11";
/// Names the schema of its properties.
pub(super) const SCHEMA: &str = "urn:lockstep:stix:finding:2";
/// Semantic version of the extension: the major number is the schema's.
pub(super) const VERSION: &str = "2.0.0";
/// When this version was defined; part of the definition's content.
pub(super) const DEFINED: &str = "2026-11-29T00:00:00.000Z";

/// How Lockstep came to a finding. A number that is absent is not known; nats are natural logarithms of a likelihood ratio.
///
/// Beside it stands the common property `confidence` of the indicator: 100 times `probability`, rounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("$id" = "urn:lockstep:stix:finding:2", "title" = "Lockstep finding"))]
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
    /// Evidence that the members repeat each other more often than `safety_factor` times what everybody else and the people near them do,
    /// nats: ln of the mean over `windows` of exp(`nats`). Of a finding by the detector's first test, which had no windows: evidence
    /// against "these accounts act independently".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_e_nats: Option<f64>,
    /// The same without its strongest source, nats: what is left if that source alone explains the likeness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_e_leave_one_source_out_nats: Option<f64>,
    /// What `log_e_leave_one_source_out_nats` had to reach, nats. A group that passed once has passed, whatever it comes to later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bar_nats: Option<f64>,
    /// Rate of false discoveries among findings that the bar holds to, 0 to 1 (e-LOND).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub alpha: Option<f64>,
    /// Factor, 1 or more, on the rate at which others repeat the group, before members are compared with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub safety_factor: Option<f64>,
    /// The test, window by window; absent for a finding by the detector's first test.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<TestWindow>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Version of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_version: Option<String>,
    /// Where the case stood in review when this was written. `demo_policy_no_person_looked`: automatic reviewers approved it for a
    /// demonstration; do not act on it.
    #[schemars(extend("enum" = REVIEW_STATES))]
    pub review_state: String,
    /// On an indicator: evidence that this account belongs to the group, nats, without what its best sources gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_log_e_nats: Option<f64>,
    /// On an indicator: the same as a probability, by a model and without a guarantee.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub account_probability: Option<f64>,
    /// On an indicator: how the account came into the group. `proposed`: it was in the group that was tested. `found_afterwards`: its
    /// posts are like the group's. `merged`: another group names it that was merged into this one, and neither the group's numbers nor
    /// the model are about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = CAME))]
    pub account_came: Option<String>,
    /// On an indicator: what became of this account's posts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_outcomes: Option<Outcomes>,
    /// On an indicator: what the account's best sources would have added, nats. They do not count for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_left_out_nats: Option<f64>,
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

/// One window of the test: a post repeats a member if it does so within that time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestWindow {
    /// How long before a post another member must have posted the same thing, seconds.
    pub seconds: i64,
    /// Evidence within this window, nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<f64>,
    /// Posts of the group since it was proposed.
    pub group: Outcomes,
    /// Posts of everybody else.
    pub everybody_else: Outcomes,
    /// Posts of the people near the group, who repeated its words before and are not tied to it.
    pub people_near: Outcomes,
}

/// Posts by the rarest thing in them that another member posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outcomes {
    /// A text that another member wrote.
    pub own_words: u64,
    /// A thing that hardly anybody outside the group used.
    pub rare: u64,
    /// One that up to one account in a hundred outside the group used.
    pub middling: u64,
    /// One that more people used.
    pub common: u64,
    /// Nothing that another member used.
    pub nothing: u64,
}

impl Outcomes {
    fn new([own_words, rare, middling, common, nothing]: [u64; 5]) -> Outcomes {
        Outcomes { own_words, rare, middling, common, nothing }
    }
}

impl TestWindow {
    pub(super) fn new(window: &Window) -> TestWindow {
        TestWindow {
            seconds: window.seconds,
            nats: super::finite(window.nats),
            group: Outcomes::new(window.group),
            everybody_else: Outcomes::new(window.crowd),
            people_near: Outcomes::new(window.near),
        }
    }
}

/// What `account_came` may be.
const CAME: [&str; 3] = ["proposed", "found_afterwards", "merged"];

impl Finding {
    /// With what is said of one account.
    pub(super) fn of_account(self, account: &ClusterAccount) -> Finding {
        let named = account.naming.is_some();
        let dropped: f64 = account.dropped.iter().map(|source| source.nats).chain(account.dropped_nats).sum();
        let came = match account {
            ClusterAccount { elsewhere: true, .. } => CAME[2],
            ClusterAccount { proposed: true, .. } => CAME[0],
            _ => CAME[1],
        };
        Finding {
            account_log_e_nats: super::finite(account.log_e),
            account_probability: account.posterior.and_then(super::finite),
            account_came: Some(came.to_owned()),
            account_outcomes: named.then(|| Outcomes::new(account.outcomes.map(u64::from))),
            account_left_out_nats: super::finite(dropped).filter(|_| named),
            account_posts_seen: Some(account.posts),
            ..self
        }
    }
}

impl Finding {
    /// Without scores, weights and thresholds.
    pub(super) fn without_internals(self) -> Finding {
        Finding {
            log_e_nats: None,
            log_e_leave_one_source_out_nats: None,
            bar_nats: None,
            alpha: None,
            safety_factor: None,
            windows: Vec::new(),
            q_value_upper_bound: None,
            score_nats: None,
            probability: None,
            model: None,
            model_version: None,
            account_log_e_nats: None,
            account_probability: None,
            account_outcomes: None,
            account_left_out_nats: None,
            ..self
        }
    }
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

    use super::{super::check_schema, *};
    use casework::case::State;

    #[test]
    fn the_committed_schema_is_that_of_the_type() {
        check_schema("stix-finding.v2.json", SCHEMA, &schemars::schema_for!(Finding));
    }

    /// Partners keep objects of version 1, and read them by its schema.
    #[test]
    fn the_schema_of_version_1_stays() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas/stix-finding.v1.json");
        let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(schema["$id"], "urn:lockstep:stix:finding:1");
        assert!(schema["properties"].get("windows").is_none());
    }

    #[test]
    fn every_state_of_a_case_is_a_review_state() {
        let states = State::ALL.map(State::name);
        assert_eq!(states[..], REVIEW_STATES[..states.len()]);
        assert_eq!(REVIEW_STATES.len(), states.len() + 1);
    }
}
