//! Facts that people record about a case because a rule needs them.
//!
//! Every record has its author, its time and the version of the finding, and is in the audit log. A
//! record about an earlier version does not count if the rule asks about what is shared now.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A record with its author, time and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Recorded<T> {
    /// The author.
    pub by: String,
    /// Time of the record.
    pub at: Timestamp,
    /// The version of the finding.
    pub version: u32,
    /// The content.
    pub what: T,
}

/// All facts recorded about a case. Empty for a new case, and for a case older than the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Facts {
    /// The targets of the operation.
    pub targets: Option<Recorded<Targets>>,
    /// The first recorded target that is a major candidate, or an organisation or event in which a
    /// major candidate takes part. It stays when `targets` is recorded again, so nobody can switch
    /// rule 4 off.
    pub protected: Option<Recorded<Target>>,
    /// Whether election systems were breached.
    pub breaches: Option<Recorded<Breaches>>,
    /// Delays for a state's chief election official, newest last. A delay is in force once its
    /// approver has confirmed it.
    pub delays: Vec<Recorded<Delay>>,
    /// Confirmations of delays by their approvers, newest last.
    pub confirmed_delays: Vec<Recorded<ConfirmedDelay>>,
    /// Time of the first record of a breach in each state. It stays when the breach is recorded
    /// again, also after it was taken back, so that the longest delay has an end.
    pub breached_since: BTreeMap<String, Timestamp>,
    /// Security and political sensitivity, considered.
    pub consideration: Option<Recorded<Consideration>>,
    /// The answers to the two questions about a public notice.
    pub public_notice: Option<Recorded<PublicNotice>>,
    /// Existing duties to notify victims. They apply in addition to this service.
    pub duties: Option<Recorded<Duties>>,
    /// The recipients that the releaser selected. `None`: nobody selected, so the defaults of each
    /// class apply.
    pub chosen: Option<Recorded<BTreeSet<String>>>,
    /// Sign-offs, newest last. Not all of them count: the policy says which.
    pub sign_offs: Vec<Recorded<SignOff>>,
    /// Objections of victims to notifying others. They are kept, but do not change who is notified.
    pub objections: Vec<Recorded<Objection>>,
}

/// A fact to record with `Step::Record`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The targets of the operation; replaces the earlier record.
    Targets(Targets),
    /// Breached election systems; replaces the earlier record.
    Breaches(Breaches),
    /// A later notification of a state's chief election official.
    Delay(Delay),
    /// The approver of a delay confirms it.
    ConfirmDelay(ConfirmedDelay),
    /// Whoever recorded a delay, or its approver, takes it back before it is confirmed.
    WithdrawDelay(ConfirmedDelay),
    /// Security and political sensitivity.
    Consideration(Consideration),
    /// The answers to the two questions about a public notice.
    PublicNotice(PublicNotice),
    /// Existing duties to notify victims.
    Duties(Duties),
    /// The selected recipients, by name; replaces the earlier record.
    Chosen(BTreeSet<String>),
    /// A victim's objection to notifying others.
    Objection(Objection),
}

impl Fact {
    /// The verb for recording this fact, in refusals.
    pub fn verb(&self) -> &'static str {
        match self {
            Fact::Targets(_) => "record the targets of",
            Fact::Breaches(_) => "record breaches in",
            Fact::Delay(_) => "record a delay in",
            Fact::ConfirmDelay(_) => "confirm a delay in",
            Fact::WithdrawDelay(_) => "take back a delay in",
            Fact::Consideration(_) => "record the consideration of",
            Fact::PublicNotice(_) => "record answers about a public notice of",
            Fact::Duties(_) => "record duties in",
            Fact::Chosen(_) => "choose the recipients of",
            Fact::Objection(_) => "record an objection in",
        }
    }

    /// The name of the action in the audit log.
    pub fn action(&self) -> &'static str {
        match self {
            Fact::Targets(_) => "targets_recorded",
            Fact::Breaches(_) => "breaches_recorded",
            Fact::Delay(_) => "delay_recorded",
            Fact::ConfirmDelay(_) => "delay_confirmed",
            Fact::WithdrawDelay(_) => "delay_withdrawn",
            Fact::Consideration(_) => "consideration_recorded",
            Fact::PublicNotice(_) => "public_notice_answered",
            Fact::Duties(_) => "duties_recorded",
            Fact::Chosen(_) => "recipients_chosen",
            Fact::Objection(_) => "objection_recorded",
        }
    }

    /// Whether it changes what recipients read. Who gets it is compared apart.
    pub fn changes_notifications(&self) -> bool {
        matches!(self, Fact::Targets(_) | Fact::Breaches(_) | Fact::PublicNotice(_))
    }

    /// The whole fact as text, for the audit log.
    pub fn summary(&self) -> String {
        let joined = |parts: Vec<String>, none: &str| if parts.is_empty() { none.to_owned() } else { parts.join("; ") };
        match self {
            Fact::Targets(targets) => {
                let named = targets.targets.iter().map(|target| {
                    let recipient =
                        target.recipient.as_ref().map_or(String::new(), |name| format!(", recipient {name}"));
                    format!("{}: {}{recipient}", target.kind.label(), target.name)
                });
                let mut text = joined(named.collect(), "no particular target");
                for (suggested, answer) in &targets.suggestions {
                    text.push_str(&format!("; suggested {suggested:?}: {answer}"));
                }
                text
            }
            Fact::Breaches(breaches) => {
                let named = breaches.breaches.iter().map(|breach| format!("{}: {}", breach.state, breach.system));
                let text = joined(named.collect(), "no election system was breached");
                if breaches.why.is_empty() { text } else { format!("{text} ({})", breaches.why) }
            }
            Fact::Delay(delay) => format!(
                "the chief election official of {} may be notified as late as {}, approved by {}: {}",
                delay.state, delay.until, delay.approver, delay.why
            ),
            Fact::ConfirmDelay(delay) | Fact::WithdrawDelay(delay) => {
                format!("the delay for the chief election official of {} until {}", delay.state, delay.until)
            }
            Fact::Consideration(considered) => {
                format!(
                    "security: {}; political sensitivity: {}",
                    considered.security, considered.political_sensitivity
                )
            }
            Fact::PublicNotice(notice) => {
                let word = |answer: &Answer| format!("{}, {}", if answer.yes { "yes" } else { "no" }, answer.why);
                format!("amplifies: {}; harms victims again: {}", word(&notice.amplifies), word(&notice.revictimises))
            }
            Fact::Duties(duties) => {
                let named = duties.duties.iter().map(|duty| format!("{}: {}", duty.duty, duty.whom));
                let text = joined(named.collect(), "no existing duty to notify victims applies");
                if duties.why.is_empty() { text } else { format!("{text} ({})", duties.why) }
            }
            Fact::Chosen(names) => joined(names.iter().cloned().collect(), "no recipient is selected"),
            Fact::Objection(objection) => {
                format!("{} objects to notifying others: {}", objection.from, objection.text)
            }
        }
    }
}

impl Facts {
    /// Stores a fact that was checked before.
    pub fn take(&mut self, fact: Fact, record: Recorded<()>) {
        fn with<T>(record: Recorded<()>, what: T) -> Recorded<T> {
            Recorded { by: record.by, at: record.at, version: record.version, what }
        }
        match fact {
            Fact::Targets(targets) => {
                if self.protected.is_none()
                    && let Some(target) = targets.targets.iter().find(|target| target.kind.is_protected())
                {
                    self.protected = Some(with(record.clone(), target.clone()));
                }
                self.targets = Some(with(record, targets));
            }
            Fact::Breaches(breaches) => {
                for breach in &breaches.breaches {
                    self.breached_since.entry(breach.state.clone()).or_insert(record.at);
                }
                self.breaches = Some(with(record, breaches));
            }
            Fact::Delay(delay) => self.delays.push(with(record, delay)),
            Fact::ConfirmDelay(confirmed) => self.confirmed_delays.push(with(record, confirmed)),
            Fact::WithdrawDelay(withdrawn) => {
                let kept = |delay: &Recorded<Delay>| !withdrawn.can_be_withdrawn(delay, &record.by, self);
                let kept: Vec<bool> = self.delays.iter().map(kept).collect();
                let mut kept = kept.into_iter();
                self.delays.retain(|_| kept.next().unwrap_or(true));
            }
            Fact::Consideration(considered) => self.consideration = Some(with(record, considered)),
            Fact::PublicNotice(notice) => self.public_notice = Some(with(record, notice)),
            Fact::Duties(duties) => self.duties = Some(with(record, duties)),
            Fact::Chosen(names) => self.chosen = Some(with(record, names)),
            Fact::Objection(objection) => self.objections.push(with(record, objection)),
        }
    }
}

/// Postal codes of the states, the District of Columbia and the territories that hold elections
/// (USPS Publication 28, appendix B).
const STATES: [&str; 56] = [
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA", "ME",
    "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR", "PA",
    "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "DC", "AS", "GU", "MP", "PR", "VI",
];

/// Whether it is a state as the post writes it: two capital letters.
pub fn is_state(text: &str) -> bool {
    STATES.contains(&text)
}

/// The targets of an operation, and the reviewer's answers to the detector's suggestions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Targets {
    /// All targets; empty if there is no particular target.
    pub targets: Vec<Target>,
    /// For each suggestion of the detector (the cluster's `targets`): how it was confirmed, or why
    /// it was not. Every suggestion needs an answer.
    pub suggestions: BTreeMap<String, String>,
}

/// A person, organisation or event that a finding is directed against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Target {
    /// Kind of the target.
    pub kind: TargetKind,
    /// Common name of the target.
    pub name: String,
    /// The recipient that is the target or represents it: its name in the recipients' file.
    #[serde(default)]
    pub recipient: Option<String>,
}

/// Kinds of targets that the rules distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A major presidential or vice-presidential candidate.
    MajorCandidate,
    /// An organisation in which a major candidate takes part.
    MajorCandidateOrganisation,
    /// An event in which a major candidate takes part.
    MajorCandidateEvent,
    /// Any other candidate.
    Candidate,
    /// An election office or official.
    ElectionOffice,
    /// A private organisation.
    PrivateOrganisation,
    /// Any other target.
    Other,
}

impl TargetKind {
    /// All kinds.
    pub const ALL: [TargetKind; 7] = [
        TargetKind::MajorCandidate,
        TargetKind::MajorCandidateOrganisation,
        TargetKind::MajorCandidateEvent,
        TargetKind::Candidate,
        TargetKind::ElectionOffice,
        TargetKind::PrivateOrganisation,
        TargetKind::Other,
    ];

    /// Whether the Secret Service is always notified.
    pub fn is_protected(self) -> bool {
        matches!(
            self,
            TargetKind::MajorCandidate | TargetKind::MajorCandidateOrganisation | TargetKind::MajorCandidateEvent
        )
    }

    /// The name for people.
    pub fn label(self) -> &'static str {
        match self {
            TargetKind::MajorCandidate => "major presidential or vice-presidential candidate",
            TargetKind::MajorCandidateOrganisation => "organisation in which a major candidate takes part",
            TargetKind::MajorCandidateEvent => "event in which a major candidate takes part",
            TargetKind::Candidate => "candidate",
            TargetKind::ElectionOffice => "election office",
            TargetKind::PrivateOrganisation => "private organisation",
            TargetKind::Other => "other target",
        }
    }
}

/// Breaches of local election systems; empty if a person looked and found none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Breaches {
    /// One breach per state.
    pub breaches: Vec<Breach>,
    /// The reason. Required to take back a recorded breach.
    pub why: String,
}

/// A breach of a local election system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Breach {
    /// The state: a postal code of two capital letters.
    pub state: String,
    /// The system and the office that it belongs to.
    pub system: String,
}

/// A delay in notifying a state's chief election official.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Delay {
    /// The state.
    pub state: String,
    /// Who approves it, by the name that the person logs in with: somebody other than who records
    /// it. It is in force once that person has confirmed it.
    pub approver: String,
    /// The latest time of the notification.
    pub until: Timestamp,
    /// Reason for the delay.
    pub why: String,
}

/// Names a recorded delay, to confirm it or to take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfirmedDelay {
    /// The state.
    pub state: String,
    /// Its end.
    pub until: Timestamp,
}

impl ConfirmedDelay {
    /// Whether it names this delay, the delay is not confirmed, and `by` recorded it or is its
    /// approver.
    pub fn can_be_withdrawn(&self, delay: &Recorded<Delay>, by: &str, facts: &Facts) -> bool {
        delay.what.state == self.state
            && delay.what.until == self.until
            && (is_same_person(&delay.by, by) || is_same_person(&delay.what.approver, by))
            && !is_confirmed(facts, delay)
    }
}

/// Whether the approver of a delay has confirmed it.
pub fn is_confirmed(facts: &Facts, delay: &Recorded<Delay>) -> bool {
    facts.confirmed_delays.iter().any(|confirmed| {
        confirmed.what.state == delay.what.state
            && confirmed.what.until == delay.what.until
            && is_same_person(&confirmed.by, &delay.what.approver)
            && !is_same_person(&confirmed.by, &delay.by)
    })
}

/// Whether two names belong to the same person. Spaces around a name and upper or lower case make
/// no difference.
pub fn is_same_person(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// What was considered before anybody is notified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Consideration {
    /// Security of people, of systems, of an investigation.
    pub security: String,
    /// How the notification may be received politically, and why this does not change which
    /// recipients the rules name.
    pub political_sensitivity: String,
}

/// The two questions about a public notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublicNotice {
    /// Does the notice spread the message further than the operation did?
    pub amplifies: Answer,
    /// Does the notice harm the victims of the operation again?
    pub revictimises: Answer,
}

/// A yes or no with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Answer {
    /// True for yes.
    pub yes: bool,
    /// Reason for the answer.
    pub why: String,
}

/// Existing duties to notify victims; empty if a person looked and none applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Duties {
    /// Each duty that applies.
    pub duties: Vec<Duty>,
    /// What was examined. Required if no duty applies.
    pub why: String,
}

/// A duty to notify victims that exists without this service. The service supplements the duty and
/// does not replace it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Duty {
    /// The law, order or procedure.
    pub duty: String,
    /// Who has to notify whom.
    pub whom: String,
}

/// A sign-off by a person who holds a role that the rules require.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SignOff {
    /// The role, as named in the rules.
    pub role: String,
    /// What was examined.
    pub comment: String,
    /// Whether the person held the role. False for records from the time before roles belonged to
    /// people, when anybody could choose a role in the form: they are kept and do not count.
    #[serde(default)]
    pub held: bool,
}

/// A victim's objection to notifying others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Objection {
    /// The victim.
    pub from: String,
    /// The victim's text.
    pub text: String,
}
