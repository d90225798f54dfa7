//! The watch list: groups that the detector reports without flagging them, and what people decide
//! about them.
//!
//! A group enters with its first version and leaves when it is flagged, has a case, is withdrawn by
//! the detector, or gets no news for long. In between a reviewer opens a case from it, dismisses it
//! or keeps watching. Nothing here is shared: only a case is, by the steps of every other case.

pub mod estimate;
pub mod sample;

use std::collections::BTreeMap;

use jiff::Timestamp;
use messages::{
    cluster::{ClusterMessage, Status, Why},
    feedback::Verdict,
};
use serde::{Deserialize, Serialize};

use crate::{
    audit::Entry,
    case::Case,
    facts::is_same_person,
    record::{CaseRecord, Effects},
};

/// Longest reason or note, characters.
pub const LONGEST_REASON: usize = 4_000;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// On the list; nobody has decided.
    Open,
    /// On the list; a reviewer keeps watching.
    Watched,
    /// A reviewer dismissed it.
    Dismissed,
    /// A case is about it.
    Case,
    /// The detector flagged it.
    Flagged,
    /// The detector withdrew it, its cluster faded, or it got no news for long.
    Gone,
}

impl Standing {
    /// All of them.
    pub const ALL: [Standing; 6] =
        [Standing::Open, Standing::Watched, Standing::Dismissed, Standing::Case, Standing::Flagged, Standing::Gone];

    /// The name in the database, in queries and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Open => "open",
            Standing::Watched => "watched",
            Standing::Dismissed => "dismissed",
            Standing::Case => "case",
            Standing::Flagged => "flagged",
            Standing::Gone => "gone",
        }
    }

    /// The standing with this name.
    pub fn from_name(name: &str) -> Option<Standing> {
        Standing::ALL.into_iter().find(|standing| standing.name() == name)
    }

    /// Whether the group is on the list.
    pub fn is_listed(self) -> bool {
        matches!(self, Standing::Open | Standing::Watched)
    }
}

/// What a person decided about a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = GroupDecision)]
pub struct Decision {
    /// The person.
    pub by: String,
    /// Time of the decision.
    pub at: Timestamp,
    /// The version that the person saw.
    pub version: u32,
    /// The person's reason or note.
    pub reason: String,
}

/// A group that the detector reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Group {
    /// Id of the cluster.
    pub cluster_id: String,
    /// The newest version that was received.
    pub version: u32,
    /// Its status in that version.
    #[schema(value_type = String)]
    pub status: Status,
    /// Where it stands.
    pub standing: Standing,
    /// When the newest version was received.
    pub arrived_at: Timestamp,
    /// Time of the last change.
    pub changed_at: Timestamp,
    /// The last decision of a person.
    pub decision: Option<Decision>,
}

/// What the topic of clusters says of a group.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// A version of the cluster.
    Version(&'a ClusterMessage),
    /// The detector withdrew the cluster: it became part of another, or it was a near miss and
    /// passed under another id, or it was forgotten.
    Withdrawn,
}

/// What became of a group by news or by time; names in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is on the list now.
    Added,
    /// A newer version.
    Updated,
    /// Nothing new.
    Known,
    /// It was flagged: not on the list, or not any more.
    Flagged,
    /// There is a case about it.
    HasCase,
    /// The detector withdrew it, or it faded.
    Withdrawn,
    /// No news for too long.
    Expired,
    /// It was removed because the table was full.
    Evicted,
    /// It was removed some time after it had left the list.
    Deleted,
    /// Its message cannot be read.
    Unreadable,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 10] = [
        Outcome::Added,
        Outcome::Updated,
        Outcome::Known,
        Outcome::Flagged,
        Outcome::HasCase,
        Outcome::Withdrawn,
        Outcome::Expired,
        Outcome::Evicted,
        Outcome::Deleted,
        Outcome::Unreadable,
    ];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Added => "added",
            Outcome::Updated => "updated",
            Outcome::Known => "known",
            Outcome::Flagged => "flagged",
            Outcome::HasCase => "has_case",
            Outcome::Withdrawn => "withdrawn",
            Outcome::Expired => "expired",
            Outcome::Evicted => "evicted",
            Outcome::Deleted => "deleted",
            Outcome::Unreadable => "unreadable",
        }
    }
}

/// Numbers of groups by what became of them.
pub type Outcomes = BTreeMap<Outcome, u64>;

/// A group after news.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The group to store.
    pub group: Group,
    /// What became of it.
    pub outcome: Outcome,
    /// An entry, where the news ends what a person decided.
    pub entry: Option<Entry>,
}

/// A decision of a reviewer about a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Keeps watching.
    Watch {
        /// What to look for; may be empty.
        note: String,
    },
    /// Takes the group off the list.
    Dismiss {
        /// Why.
        reason: String,
        /// Whether the accounts were found to be authentic. If false, the dismissal has another
        /// reason and gives no training label.
        authentic: bool,
    },
    /// Puts a dismissed or watched group back as if nobody had decided.
    PutBack {
        /// Why.
        reason: String,
    },
    /// Opens a case, which two people have to agree on before anything is shared.
    OpenCase {
        /// Why.
        reason: String,
    },
}

/// What a decision does to the training labels that reviewers gave to the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelChange {
    /// Nothing.
    None,
    /// A new label by the person.
    Give(Verdict),
    /// All labels that were given here no longer hold.
    TakeBackAll,
    /// The person's own label no longer holds.
    TakeBackOwn,
}

/// A decision that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The group to store.
    pub group: Group,
    /// The audit entry.
    pub entry: Entry,
    /// What becomes of training labels.
    pub label: LabelChange,
}

/// A refused decision, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// The subject of a group's audit entries.
pub fn subject(cluster_id: &str) -> String {
    format!("group {cluster_id}")
}

fn entry(cluster_id: &str, by: &str, action: &str, text: String, now: Timestamp) -> Entry {
    Entry { at: now, actor: by.to_owned(), subject: subject(cluster_id), action: action.to_owned(), text }
}

impl Group {
    /// The group after news. `None` if the news is about no group that was ever here.
    pub fn on_news(
        known: Option<Group>,
        cluster_id: &str,
        news: News<'_>,
        has_case: bool,
        now: Timestamp,
    ) -> Option<Changed> {
        let cluster = match (news, known) {
            (News::Withdrawn, known) => return known.map(|group| group.leave(Outcome::Withdrawn, now)),
            (News::Version(cluster), Some(group)) if cluster.version <= group.version => {
                return Some(Changed { group, outcome: Outcome::Known, entry: None });
            }
            (News::Version(cluster), Some(group)) => (cluster, Some(group)),
            (News::Version(cluster), None) => (cluster, None),
        };
        let (cluster, known) = cluster;
        let is_new = known.as_ref().is_none_or(|group| !group.standing.is_listed());
        let before = known.as_ref().map(|group| (group.standing, group.status));
        let mut group = known.unwrap_or_else(|| Group {
            cluster_id: cluster_id.to_owned(),
            version: 0,
            status: cluster.status,
            standing: Standing::Open,
            arrived_at: now,
            changed_at: now,
            decision: None,
        });
        (group.version, group.arrived_at) = (cluster.version, now);
        let was = std::mem::replace(&mut group.status, cluster.status);
        match cluster.status {
            _ if group.standing == Standing::Case => {
                return Some(Changed { group, outcome: Outcome::HasCase, entry: None });
            }
            Status::Flagged => return Some(group.leave(Outcome::Flagged, now)),
            Status::Faded => return Some(group.leave(Outcome::Withdrawn, now)),
            _ if has_case => return Some(group.leave(Outcome::HasCase, now)),
            _ => {}
        }
        let grown = grade(cluster.status, None) > grade(was, None);
        match before {
            Some((Standing::Dismissed, _)) if grown => {
                let text = format!(
                    "version {} is {}, and version {} was {} when the group was dismissed: it is on the watch list again",
                    group.version,
                    words(cluster.status),
                    group.decision.as_ref().map_or(0, |decision| decision.version),
                    words(was)
                );
                let entry = entry(cluster_id, "lockstep", "group_listed_again", text, now);
                (group.standing, group.changed_at, group.decision) = (Standing::Open, now, None);
                Some(Changed { group, outcome: Outcome::Added, entry: Some(entry) })
            }
            Some((Standing::Dismissed, _)) => Some(Changed { group, outcome: Outcome::Updated, entry: None }),
            _ if is_new => {
                (group.standing, group.changed_at) = (Standing::Open, now);
                Some(Changed { group, outcome: Outcome::Added, entry: None })
            }
            _ => Some(Changed { group, outcome: Outcome::Updated, entry: None }),
        }
    }

    /// The group after it got no news for too long. `None` if it is not on the list.
    pub fn expire(self, now: Timestamp) -> Option<Changed> {
        self.standing.is_listed().then(|| self.leave(Outcome::Expired, now))
    }

    fn leave(mut self, outcome: Outcome, now: Timestamp) -> Changed {
        let before = self.standing;
        let (standing, why) = match outcome {
            Outcome::Flagged => {
                (Standing::Flagged, "the detector flagged it: a case is opened as for every flagged group")
            }
            Outcome::HasCase => (Standing::Case, "a case is about it"),
            Outcome::Expired => (Standing::Gone, "it got no news for too long"),
            _ => (Standing::Gone, "the detector withdrew it, or it faded"),
        };
        // A case goes on by its own rules, and what was flagged stays in the count of flagged groups.
        if before == standing
            || matches!(before, Standing::Case)
            || (before == Standing::Flagged && standing == Standing::Gone)
        {
            return Changed { group: self, outcome: Outcome::Known, entry: None };
        }
        self.standing = standing;
        self.changed_at = now;
        let decided = matches!(before, Standing::Watched | Standing::Dismissed);
        let text = format!("it leaves the watch list: {why}");
        let entry = decided.then(|| entry(&self.cluster_id, "lockstep", "group_left", text, now));
        Changed { group: self, outcome, entry }
    }

    /// Takes a reviewer's decision.
    pub fn take(mut self, action: &Action, by: &str, now: Timestamp) -> Result<Taken, Refused> {
        let (allowed, standing, done, text, needs_reason) = match action {
            Action::Watch { note } => (self.standing.is_listed(), Standing::Watched, "group_watched", note, false),
            Action::Dismiss { reason, .. } => {
                (self.standing.is_listed(), Standing::Dismissed, "group_dismissed", reason, true)
            }
            Action::PutBack { reason } => (
                matches!(self.standing, Standing::Watched | Standing::Dismissed),
                Standing::Open,
                "group_put_back",
                reason,
                true,
            ),
            Action::OpenCase { reason } => (
                self.standing.is_listed() || self.standing == Standing::Dismissed,
                Standing::Case,
                "group_case_opened",
                reason,
                true,
            ),
        };
        if !allowed {
            return Err(Refused(format!("this cannot be done to a group that is {}", self.standing_words())));
        }
        let reason = reason_of(text, needs_reason)?;
        let label = match action {
            Action::Dismiss { authentic: true, .. } => LabelChange::Give(Verdict::Rejected),
            Action::PutBack { .. } | Action::OpenCase { .. } => LabelChange::TakeBackAll,
            Action::Watch { .. } | Action::Dismiss { .. } => LabelChange::None,
        };
        let text = match action {
            Action::Dismiss { authentic: true, .. } => format!("version {}, found authentic: {reason}", self.version),
            _ if reason.is_empty() => format!("version {}", self.version),
            _ => format!("version {}: {reason}", self.version),
        };
        let entry = entry(&self.cluster_id, by, done, text, now);
        self.standing = standing;
        self.changed_at = now;
        self.decision = match action {
            Action::PutBack { .. } => None,
            _ => Some(Decision { by: by.to_owned(), at: now, version: self.version, reason }),
        };
        Ok(Taken { group: self, entry, label })
    }

    fn standing_words(&self) -> &'static str {
        match self.standing {
            Standing::Open => "on the list and not decided",
            Standing::Watched => "watched",
            Standing::Dismissed => "dismissed",
            Standing::Case => "the subject of a case",
            Standing::Flagged => "flagged",
            Standing::Gone => "withdrawn or expired",
        }
    }

    /// Refuses the answer of a person who dismissed the group: the sample asks somebody else.
    pub fn check_answer(&self, by: &str) -> Result<(), Refused> {
        match &self.decision {
            Some(decision) if self.standing == Standing::Dismissed && is_same_person(&decision.by, by) => {
                Err(Refused("you dismissed this group: the sample asks another person".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// A reason as it is stored, or why it is refused.
pub fn reason_of(text: &str, needed: bool) -> Result<String, Refused> {
    let reason = text_format::without_hidden(text.trim());
    if needed && text_format::is_blank(&reason) {
        return Err(Refused("the reason is empty: enter it".to_owned()));
    }
    if reason.chars().count() > LONGEST_REASON {
        return Err(Refused(format!("the text has more than {LONGEST_REASON} characters: shorten it")));
    }
    Ok(reason)
}

/// The case that a reviewer opens from a group: stored like every other case, with nothing shared.
pub fn open_case(cluster: ClusterMessage, reason: &str, by: &str, now: Timestamp) -> Effects {
    let (case, _) = Case::nominate(&cluster.cluster_id, cluster.version, now);
    let text = format!(
        "version {} of the cluster is {}, not flagged; {by} opened a case from the watch list: {reason}",
        cluster.version,
        words(cluster.status)
    );
    let entry = case.entry(by, "nominated", text, now);
    let record = CaseRecord { case, cluster, released: None, revision: 0 };
    Effects { at: now, record, audit: vec![entry], publish: None, label: None, refused: None }
}

fn words(status: Status) -> &'static str {
    match status {
        Status::Flagged => "flagged",
        Status::SingleSource => "of a single source",
        Status::Coordinated => "coordinated",
        Status::Faded => "faded",
        Status::NearMiss => "a near miss",
    }
}

/// How far a group came in the test and with the model: the order of the list, highest first.
fn grade(status: Status, why: Option<Why>) -> u8 {
    match (status, why) {
        (Status::Flagged, _) => 5,
        (Status::Coordinated, Some(Why::NotPlain)) => 4,
        (Status::Coordinated, _) => 3,
        (Status::SingleSource, Some(Why::OneText)) => 0,
        (Status::SingleSource, _) => 2,
        (Status::NearMiss, _) => 1,
        (Status::Faded, _) => 0,
    }
}

/// The place on the list, highest first: first what a person can decide and the detector could not.
///
/// Groups that the model finds inauthentic but a rule holds back come first, then coordinated ones
/// by probability, then those that pass on one source only, near misses by how little they lack,
/// and one text by many accounts. A group whose evidence lists no post comes last: there is nothing
/// to look at.
pub fn rank(cluster: &ClusterMessage) -> f64 {
    let grade = grade(cluster.status, cluster.why);
    let share = |part: f64, whole: f64| if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 };
    let within = match grade {
        3 | 4 => cluster.probability.unwrap_or(0.5),
        2 => share(cluster.log_e, cluster.log_e.max(0.0) + 20.0),
        1 => share(cluster.log_e_leave_one_source_out, cluster.test.map_or(0.0, |test| test.bar)),
        _ => share(cluster.accounts.len() as f64, cluster.accounts.len() as f64 + 100.0),
    };
    let within = if within.is_finite() { within.clamp(0.0, 1.0) } else { 0.0 };
    let readable = cluster.evidence.iter().any(|evidence| !evidence.posts.is_empty());
    let place = f64::from(grade) + within * 0.999;
    if readable { place } else { place * 1e-3 }
}

#[cfg(test)]
mod tests;
