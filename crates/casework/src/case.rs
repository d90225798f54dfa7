//! The states of a case:
//! `nominated → in_review → approved | dismissed → released → (updated | retracted) → closed`.
//!
//! Defines the fields of a case and its steps. [`Case::take`] checks a step and returns its audit
//! entry.

mod undo;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use messages::feedback::Verdict;
use serde::{Deserialize, Serialize};

use crate::{
    audit::Entry,
    facts::{Fact, Facts},
    feedback::Meaning,
    handover::{OpenDuty, RecordedHandover},
    recipients::{Class, Recipient},
};

pub use undo::Undo;

/// State of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Opened by a finding; not reviewed yet.
    Nominated,
    /// Under review.
    InReview,
    /// One person approved the sharing; nothing is shared yet.
    Approved,
    /// Decided not to share.
    Dismissed,
    /// Shared with partners.
    Released,
    /// Shared, and a later version was shared too.
    Updated,
    /// Withdrawn from all partners.
    Retracted,
    /// Finished.
    Closed,
}

impl State {
    /// All states, in the order in which a case passes them.
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

    /// The name in the database, in queries and in metrics.
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

    /// The state with this name.
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

/// A step that a person or the demo takes on a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Begins the review.
    BeginReview,
    /// Records that the notification does not reveal sources and methods, or what was left out
    /// because it would.
    CheckSourcesAndMethods {
        /// What was considered.
        finding: String,
    },
    /// Records a fact that a rule of the policy requires.
    Record(Fact),
    /// Signs off in a role that the rules require. The caller has checked that the person holds the
    /// role.
    SignOff {
        /// The role, as named in the rules.
        role: String,
        /// What was examined.
        comment: String,
    },
    /// Approves the sharing of the current version.
    Approve {
        /// Reason for the approval.
        comment: String,
    },
    /// Decides not to share.
    Dismiss {
        /// Reason for the dismissal.
        reason: String,
        /// Whether the accounts were found to be authentic. If false, the dismissal has another
        /// reason and gives no training label.
        authentic: bool,
    },
    /// Takes back an approval or a dismissal; the case has to be reviewed again.
    ReturnToReview {
        /// Reason for the return.
        reason: String,
    },
    /// Shares the approved version for the first time.
    Release,
    /// Shares a later version that is approved.
    Update,
    /// Withdraws everything that was shared.
    Retract {
        /// Reason for the retraction.
        reason: String,
    },
    /// Closes the case.
    Close,
    /// Undoes the last decision of a case that is not shared.
    Undo,
}

impl Step {
    /// The training label that the step gives to the finding. Sharing confirms it; dismissing it as
    /// authentic rejects it. Dismissing or withdrawing it for another reason takes back earlier
    /// labels and gives no new label.
    pub fn meaning(&self) -> Meaning {
        match self {
            Step::Approve { .. } | Step::Release | Step::Update => Meaning::Verdict(Verdict::Confirmed),
            Step::Dismiss { authentic: true, .. } => Meaning::Verdict(Verdict::Rejected),
            Step::Dismiss { .. } | Step::ReturnToReview { .. } | Step::Retract { .. } | Step::Undo => {
                Meaning::TakesBack
            }
            Step::BeginReview
            | Step::CheckSourcesAndMethods { .. }
            | Step::Record(_)
            | Step::SignOff { .. }
            | Step::Close => Meaning::Nothing,
        }
    }

    /// The reason that the person gave.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Step::Approve { comment: text } | Step::Dismiss { reason: text, .. } => Some(text.trim()),
            _ => None,
        }
    }

    /// The name of the step in refusals.
    pub fn verb(&self) -> &'static str {
        match self {
            Step::BeginReview => "begin review",
            Step::CheckSourcesAndMethods { .. } => "check sources and methods",
            Step::Record(fact) => fact.verb(),
            Step::SignOff { .. } => "sign off",
            Step::Approve { .. } => "approve",
            Step::Dismiss { .. } => "dismiss",
            Step::ReturnToReview { .. } => "return to review",
            Step::Release => "release",
            Step::Update => "update",
            Step::Retract { .. } => "retract",
            Step::Close => "close",
            Step::Undo => "undo the last decision of",
        }
    }
}

/// A refused step: the reason, and the steps that are allowed instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {verb} case {case}: {why}; allowed now: {allowed}")]
pub struct Illegal {
    /// The case.
    pub case: String,
    /// The step that was tried.
    pub verb: &'static str,
    /// Reason for the refusal.
    pub why: String,
    /// The steps that are allowed now.
    pub allowed: String,
}

/// A statement of a person about one version of the finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Statement {
    /// The person.
    pub by: String,
    /// Time of the statement.
    pub at: Timestamp,
    /// The version of the cluster.
    pub version: u32,
    /// The person's text.
    pub text: String,
}

/// The versions of the finding that a recipient received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Versions {
    /// The first version received.
    pub first: u32,
    /// The last version received.
    pub last: u32,
}

/// A reason for people to look at a case again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attention {
    /// What happened.
    pub why: AttentionReason,
    /// Time at which it was noticed.
    pub since: Timestamp,
    /// Description for people.
    pub text: String,
}

/// Event that makes a shared case need attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttentionReason {
    /// The cluster is no longer flagged.
    NotFlagged,
    /// The cluster was merged into another cluster.
    Absorbed,
    /// The flags expire soon.
    RunsOut,
}

/// Why a case must be preserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LegalHold {
    /// The person who placed it.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// The reason: the proceeding, or whoever asks for it.
    pub reason: String,
}

/// A finding, from its nomination to the end of its sharing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Case {
    /// Id of the case.
    pub id: String,
    /// Id of the cluster.
    pub cluster_id: String,
    /// The newest version of the cluster that was received.
    pub version: u32,
    /// Current state.
    pub state: State,
    /// Time of opening.
    pub opened_at: Timestamp,
    /// Time of the last change.
    pub changed_at: Timestamp,
    /// Whether the demo policy took any of the steps.
    #[serde(default)]
    pub demo: bool,
    /// The sources-and-methods check.
    #[serde(default)]
    pub checked: Option<Statement>,
    /// The approval.
    #[serde(default)]
    pub approved: Option<Statement>,
    /// The last release or update.
    #[serde(default)]
    pub released_by: Option<Statement>,
    /// Time of the first release.
    #[serde(default)]
    pub first_released_at: Option<Timestamp>,
    /// The version that partners have.
    #[serde(default)]
    pub released_version: Option<u32>,
    /// The recipients that were notified, by name, with the versions that they received. `None` for
    /// a case that is not released, or was released before recipients were recorded: then every
    /// partner with accounts in the case was notified.
    #[serde(default, rename = "told")]
    pub notified: Option<BTreeMap<String, Versions>>,
    /// The facts that people recorded for the rules.
    #[serde(default)]
    pub facts: Facts,
    /// How often each account, platform and technique was withdrawn after it was shared. One that
    /// is shared again gets a new id.
    #[serde(default)]
    pub withdrawn: BTreeMap<String, u32>,
    /// Since when each account, platform and technique that partners have has been shared.
    #[serde(default)]
    pub shared_since: BTreeMap<String, Timestamp>,
    /// Accounts that people withdrew from the case (platform, U+001F, id). No later version shares
    /// them.
    #[serde(default)]
    pub left_out: BTreeSet<String>,
    /// Time at which the flags that partners have expire.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
    /// The proposal to renew the flags; a second person has to renew them.
    #[serde(default)]
    pub renewal: Option<Statement>,
    /// Open reasons for people to look at the case again.
    #[serde(default)]
    pub attention: Vec<Attention>,
    /// Open duties to notify a mandatory recipient.
    #[serde(default)]
    pub duties: Vec<OpenDuty>,
    /// Deliveries that people recorded.
    #[serde(default)]
    pub handovers: Vec<RecordedHandover>,
    /// Who gets what by the approval, as a digest. A release needs the same.
    #[serde(default)]
    pub approved_scope: Option<String>,
    /// SHA-256 of the objects that each recipient would receive, by recipient, as they were when
    /// the approval was given. A release needs the same.
    #[serde(default)]
    pub approved_objects: BTreeMap<String, String>,
    /// The last decision, if it can still be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// The legal hold. A held case is neither erased nor deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<LegalHold>,
}

impl Case {
    /// Opens a case for a finding.
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
            notified: None,
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
            approved_objects: BTreeMap::new(),
            undo: None,
            hold: None,
        };
        let entry = case.entry(
            "lockstep",
            "nominated",
            format!("version {version} of the cluster was flagged; a case is opened for review"),
            now,
        );
        (case, entry)
    }

    /// Records a newer version of the finding. `None`, without a change, if the version is not
    /// newer.
    pub fn record_newer_version(&mut self, version: u32, now: Timestamp) -> Option<Entry> {
        if version <= self.version {
            return None;
        }
        let mut text = format!("version {version} of the cluster replaces {}", self.version);
        self.version = version;
        self.undo = None;
        self.changed_at = now;
        match self.state {
            // The approval was for the earlier version, which would no longer be shared.
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

    /// The versions of this case that a recipient received.
    pub fn received_versions(&self, recipient: &Recipient) -> Option<Versions> {
        match &self.notified {
            Some(notified) => notified.get(&recipient.name).copied(),
            // The case was released before recipients were recorded.
            None if recipient.class == Class::Platform => {
                self.released_version.map(|version| Versions { first: version, last: version })
            }
            None => None,
        }
    }

    /// The steps that are allowed now, as text.
    pub fn allowed(&self) -> String {
        let steps: &[&str] = match self.state {
            State::Nominated => &["begin review"],
            State::InReview => {
                &["check sources and methods", "record what the rules need", "sign off", "approve", "dismiss"]
            }
            State::Approved => &[
                "check sources and methods",
                "record what the rules need",
                "sign off",
                "release (by somebody other than the approver)",
                "return to review",
                "dismiss",
            ],
            State::Released | State::Updated => &[
                "check sources and methods",
                "record what the rules need",
                "sign off",
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
        let undo = self.undo.as_ref().map(|_| "undo the last decision");
        steps.iter().copied().chain(undo).collect::<Vec<_>>().join(", ")
    }

    /// The audit entry for something done to the case.
    pub fn entry(&self, by: &str, action: &str, text: String, now: Timestamp) -> Entry {
        Entry { at: now, actor: by.to_owned(), subject: self.id.clone(), action: action.to_owned(), text }
    }
}
