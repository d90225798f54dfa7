//! The life of a case: `nominated → in_review → approved | dismissed → released → (updated | retracted) → closed`.
//!
//! What is in a case, and which steps there are. [`Case::take`] checks a step and returns what the audit log has to say of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use messages::feedback::Verdict;
use serde::{Deserialize, Serialize};

use crate::{
    audit::Entry,
    duties::{OpenDuty, RecordedHandover},
    facts::{Fact, Facts},
    feedback::Says,
    recipients::{Class, Recipient},
};

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Opened by a finding; nobody has looked.
    Nominated,
    /// Somebody is looking.
    InReview,
    /// One person says it may be shared; nothing is shared yet.
    Approved,
    /// Not to be shared.
    Dismissed,
    /// Shared with partners.
    Released,
    /// Shared, and a later version shared since.
    Updated,
    /// Withdrawn from every partner.
    Retracted,
    /// Nothing more to do.
    Closed,
}

impl State {
    /// All states, in the order of life.
    pub const ALL: [State; 8] = [
        State::Nominated,
        State::InReview,
        State::Approved,
        State::Dismissed,
        State::Released,
        State::Updated,
        State::Retracted,
        State::Closed,
    ];

    /// The name in the store, in queries and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            State::Nominated => "nominated",
            State::InReview => "in_review",
            State::Approved => "approved",
            State::Dismissed => "dismissed",
            State::Released => "released",
            State::Updated => "updated",
            State::Retracted => "retracted",
            State::Closed => "closed",
        }
    }

    /// Whether partners have a version of the finding.
    pub fn is_shared(self) -> bool {
        matches!(self, State::Released | State::Updated)
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::InReview => "in review",
            other => other.name(),
        })
    }
}

/// Something done to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Starts to look.
    BeginReview,
    /// Records that nothing in the notification gives away how it is known, or what was left out for that reason.
    CheckSourcesAndMethods {
        /// What was considered.
        finding: String,
    },
    /// Records what a rule of the policy asks for.
    Record(Fact),
    /// Says that the present version may be shared.
    Approve {
        /// Why.
        comment: String,
    },
    /// Says that it may not be shared.
    Dismiss {
        /// Why.
        reason: String,
        /// The accounts are found to be what they seem; else it has other reasons, and nobody learns anything from it.
        authentic: bool,
    },
    /// Takes an approval or a dismissal back: somebody has to look again.
    ReturnToReview {
        /// Why.
        reason: String,
    },
    /// Shares the approved version for the first time.
    Release,
    /// Shares an approved later version.
    Update,
    /// Withdraws what was shared.
    Retract {
        /// Why.
        reason: String,
    },
    /// Ends the case.
    Close,
}

impl Step {
    /// What it says of the finding, as a label for training: to share it is to confirm it, to dismiss it as authentic is to reject it. Whoever
    /// dismisses or withdraws it for another reason takes back what was said and says nothing new.
    pub fn says(&self) -> Says {
        match self {
            Step::Approve { .. } | Step::Release | Step::Update => Says::Verdict(Verdict::Confirmed),
            Step::Dismiss { authentic: true, .. } => Says::Verdict(Verdict::Rejected),
            Step::Dismiss { .. } | Step::ReturnToReview { .. } | Step::Retract { .. } => Says::TakesBack,
            Step::BeginReview | Step::CheckSourcesAndMethods { .. } | Step::Record(_) | Step::Close => Says::Nothing,
        }
    }

    /// Why, in the words of whoever takes it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Step::Approve { comment: text } | Step::Dismiss { reason: text, .. } => Some(text.trim()),
            _ => None,
        }
    }

    /// What it is called, for refusals.
    pub fn verb(&self) -> &'static str {
        match self {
            Step::BeginReview => "begin review",
            Step::CheckSourcesAndMethods { .. } => "check sources and methods",
            Step::Record(fact) => fact.verb(),
            Step::Approve { .. } => "approve",
            Step::Dismiss { .. } => "dismiss",
            Step::ReturnToReview { .. } => "return to review",
            Step::Release => "release",
            Step::Update => "update",
            Step::Retract { .. } => "retract",
            Step::Close => "close",
        }
    }
}

/// Why a step was refused, and what is allowed instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {verb} case {case}: {why}; allowed now: {allowed}")]
pub struct Illegal {
    /// The case.
    pub case: String,
    /// What was tried.
    pub verb: &'static str,
    /// Why not.
    pub why: String,
    /// What may be done instead.
    pub allowed: String,
}

/// Something said of one version of the finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Word {
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Of which version of the cluster.
    pub version: u32,
    /// In words.
    pub text: String,
}

/// What a recipient was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Versions {
    /// Of which version of the finding first.
    pub first: u32,
    /// Of which last.
    pub last: u32,
}

/// Something about a case that people should look at again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attention {
    /// What happened.
    pub why: Why,
    /// When it was noticed.
    pub since: Timestamp,
    /// In words.
    pub text: String,
}

/// What happened to a case that partners were told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The cluster is flagged no longer.
    NotFlagged,
    /// The cluster became part of another.
    Absorbed,
    /// The flags run out soon.
    RunsOut,
}

/// One finding on its way to partners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Case {
    /// Names the case.
    pub id: String,
    /// The cluster it is about.
    pub cluster_id: String,
    /// The newest version of the cluster seen.
    pub version: u32,
    /// Where it stands.
    pub state: State,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Whether any step was taken by the demo policy.
    #[serde(default)]
    pub demo: bool,
    /// The sources-and-methods check.
    #[serde(default)]
    pub checked: Option<Word>,
    /// The approval.
    #[serde(default)]
    pub approved: Option<Word>,
    /// Who released or updated last.
    #[serde(default)]
    pub released_by: Option<Word>,
    /// When it was first shared.
    #[serde(default)]
    pub first_released_at: Option<Timestamp>,
    /// The version that partners have.
    #[serde(default)]
    pub released_version: Option<u32>,
    /// Who was told, by name, and of which version last. `None` for a case that is not released, or was before recipients were
    /// noted: then every partner with accounts in it was told.
    #[serde(default)]
    pub told: Option<BTreeMap<String, Versions>>,
    /// What people recorded because a rule needs it.
    #[serde(default)]
    pub facts: Facts,
    /// How often each account, platform and technique was shared and withdrawn again: what comes back gets new ids.
    #[serde(default)]
    pub withdrawn: BTreeMap<String, u32>,
    /// Since when each account, platform and technique that partners have is shared.
    #[serde(default)]
    pub shared_since: BTreeMap<String, Timestamp>,
    /// Accounts that people withdrew from the case, platform and id with U+001F between: no later version shares them.
    #[serde(default)]
    pub left_out: BTreeSet<String>,
    /// When the flags that partners have run out.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
    /// Who wants them renewed; a second person does it.
    #[serde(default)]
    pub renewal: Option<Word>,
    /// What people should look at again.
    #[serde(default)]
    pub attention: Vec<Attention>,
    /// Who must be told, as long as no delivery is recorded.
    #[serde(default)]
    pub duties: Vec<OpenDuty>,
    /// Deliveries that people recorded.
    #[serde(default)]
    pub handovers: Vec<RecordedHandover>,
    /// Who gets what by the approval, as a digest. A release needs the same.
    #[serde(default)]
    pub approved_scope: Option<String>,
}

impl Case {
    /// Opens a case on a finding.
    pub fn nominate(cluster_id: &str, version: u32, now: Timestamp) -> (Case, Entry) {
        let name = format!("lockstep-case:{cluster_id}");
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes());
        let case = Case {
            id: format!("case-{id}"),
            cluster_id: cluster_id.to_owned(),
            version,
            state: State::Nominated,
            opened_at: now,
            changed_at: now,
            demo: false,
            checked: None,
            approved: None,
            released_by: None,
            first_released_at: None,
            released_version: None,
            told: None,
            facts: Facts::default(),
            withdrawn: BTreeMap::new(),
            shared_since: BTreeMap::new(),
            left_out: BTreeSet::new(),
            valid_until: None,
            renewal: None,
            attention: Vec::new(),
            duties: Vec::new(),
            handovers: Vec::new(),
            approved_scope: None,
        };
        let entry = case.entry(
            "lockstep",
            "nominated",
            format!("version {version} of the cluster was flagged; a case is opened for review"),
            now,
        );
        (case, entry)
    }

    /// Takes note of a newer version of the finding. `None` where it is not newer: nothing changes then.
    pub fn see(&mut self, version: u32, now: Timestamp) -> Option<Entry> {
        if version <= self.version {
            return None;
        }
        let mut text = format!("version {version} of the cluster replaces {}", self.version);
        self.version = version;
        self.changed_at = now;
        match self.state {
            // What was approved is no longer what would be shared.
            State::Approved => {
                self.state = State::InReview;
                text.push_str("; the approval was for the earlier version, so the case is in review again");
            }
            State::Released | State::Updated => {
                text.push_str("; partners keep the earlier version until this one is approved and shared");
            }
            State::Dismissed => text.push_str("; the case stays dismissed"),
            _ => {}
        }
        Some(self.entry("lockstep", "new_version", text, now))
    }

    /// What a recipient was told of this case.
    pub fn had(&self, recipient: &Recipient) -> Option<Versions> {
        match &self.told {
            Some(told) => told.get(&recipient.name).copied(),
            // Released before recipients were noted.
            None if recipient.class == Class::Platform => {
                self.released_version.map(|version| Versions { first: version, last: version })
            }
            None => None,
        }
    }

    /// What may be done now, in words.
    pub fn allowed(&self) -> String {
        let steps: &[&str] = match self.state {
            State::Nominated => &["begin review"],
            State::InReview => &["check sources and methods", "record what the rules need", "approve", "dismiss"],
            State::Approved => &[
                "check sources and methods",
                "record what the rules need",
                "release (by somebody other than the approver)",
                "return to review",
                "dismiss",
            ],
            State::Released | State::Updated => &[
                "check sources and methods",
                "record what the rules need",
                "approve a newer version",
                "update (by somebody other than the approver)",
                "record a delivery",
                "retract",
                "close",
            ],
            State::Dismissed => &["return to review", "close"],
            State::Retracted => &["record a delivery", "close"],
            State::Closed => &["nothing, the case is closed"],
        };
        steps.join(", ")
    }

    /// What the audit log has to say of something done to the case.
    pub fn entry(&self, by: &str, action: &str, text: String, now: Timestamp) -> Entry {
        Entry { at: now, actor: by.to_owned(), subject: self.id.clone(), action: action.to_owned(), text }
    }
}
