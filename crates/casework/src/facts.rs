//! What people record about a case, because a rule needs it.
//!
//! Every record says who made it, when and about which version of the finding, and is in the audit log. A record about an
//! earlier version does not count where the rule asks about what is shared now.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that somebody recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Recorded<T> {
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// About which version of the finding.
    pub version: u32,
    /// What.
    pub what: T,
}

/// All that is recorded about a case. Empty for a case that is new, or older than the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Facts {
    /// Whom it is directed against.
    pub targets: Option<Recorded<Targets>>,
    /// The first record that it is directed against a major candidate, or an organisation or event in which one takes part.
    /// It stays when `targets` is recorded anew: rule 4 cannot be switched off by anybody.
    pub protected: Option<Recorded<Target>>,
    /// Whether election systems were breached.
    pub breaches: Option<Recorded<Breaches>>,
    /// Delays for a state's chief election official, newest last. One is in force from when its approver has confirmed it.
    pub delays: Vec<Recorded<Delay>>,
    /// What approvers confirmed, newest last.
    pub confirmed_delays: Vec<Recorded<ConfirmedDelay>>,
    /// Since when each state's breach is recorded. A record that replaces another does not begin the time anew.
    pub breached_since: BTreeMap<String, Timestamp>,
    /// Security and political sensitivity, considered.
    pub consideration: Option<Recorded<Consideration>>,
    /// The two questions that a public notice has to answer.
    pub public_notice: Option<Recorded<PublicNotice>>,
    /// Existing duties to notify victims that apply beside this service.
    pub duties: Option<Recorded<Duties>>,
    /// Which recipients the releaser ticked. `None`: nobody chose, so each class's default holds.
    pub chosen: Option<Recorded<BTreeSet<String>>>,
    /// Sign-offs that the rules ask for.
    pub sign_offs: Vec<Recorded<SignOff>>,
    /// Wishes of victims that others be not told: kept, and without effect on who is told.
    pub objections: Vec<Recorded<Objection>>,
}

/// One thing to record, with `Step::Record`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Whom the finding is directed against; replaces what was recorded.
    Targets(Targets),
    /// Which election systems were breached; replaces what was recorded.
    Breaches(Breaches),
    /// A state's chief election official may be told later.
    Delay(Delay),
    /// The approver of a delay confirms it.
    ConfirmDelay(ConfirmedDelay),
    /// Security and political sensitivity.
    Consideration(Consideration),
    /// The two questions of a public notice.
    PublicNotice(PublicNotice),
    /// Existing duties to notify victims.
    Duties(Duties),
    /// Who is to be told, by name; replaces what was recorded.
    Chosen(BTreeSet<String>),
    /// Somebody signs off for a role.
    SignOff(SignOff),
    /// A victim does not want others to be told.
    Objection(Objection),
}

impl Fact {
    /// What recording it is called, for refusals.
    pub fn verb(&self) -> &'static str {
        match self {
            Fact::Targets(_) => "record the targets of",
            Fact::Breaches(_) => "record breaches in",
            Fact::Delay(_) => "record a delay in",
            Fact::ConfirmDelay(_) => "confirm a delay in",
            Fact::Consideration(_) => "record the consideration of",
            Fact::PublicNotice(_) => "record answers about a public notice of",
            Fact::Duties(_) => "record duties in",
            Fact::Chosen(_) => "choose the recipients of",
            Fact::SignOff(_) => "sign off",
            Fact::Objection(_) => "record an objection in",
        }
    }

    /// The action in the audit log.
    pub fn action(&self) -> &'static str {
        match self {
            Fact::Targets(_) => "targets_recorded",
            Fact::Breaches(_) => "breaches_recorded",
            Fact::Delay(_) => "delay_recorded",
            Fact::ConfirmDelay(_) => "delay_confirmed",
            Fact::Consideration(_) => "consideration_recorded",
            Fact::PublicNotice(_) => "public_notice_answered",
            Fact::Duties(_) => "duties_recorded",
            Fact::Chosen(_) => "recipients_chosen",
            Fact::SignOff(_) => "signed_off",
            Fact::Objection(_) => "objection_recorded",
        }
    }

    /// Whether it changes what recipients read. Who gets it is compared apart.
    pub fn changes_what_is_told(&self) -> bool {
        matches!(self, Fact::Targets(_) | Fact::Breaches(_) | Fact::PublicNotice(_))
    }

    /// All of it, in words, for the audit log.
    pub fn summary(&self) -> String {
        let joined = |parts: Vec<String>, none: &str| if parts.is_empty() { none.to_owned() } else { parts.join("; ") };
        match self {
            Fact::Targets(targets) => {
                let named = targets.targets.iter().map(|target| {
                    let told = target.recipient.as_ref().map_or(String::new(), |name| format!(", recipient {name}"));
                    format!("{}: {}{told}", target.kind.label(), target.name)
                });
                let mut text = joined(named.collect(), "directed against nobody in particular");
                for (suggested, said) in &targets.suggestions {
                    text.push_str(&format!("; suggested {suggested:?}: {said}"));
                }
                text
            }
            Fact::Breaches(breaches) => {
                let named = breaches.breaches.iter().map(|breach| format!("{}: {}", breach.state, breach.system));
                let text = joined(named.collect(), "no election system was breached");
                if breaches.why.is_empty() { text } else { format!("{text} ({})", breaches.why) }
            }
            Fact::Delay(delay) => format!(
                "the chief election official of {} may be told as late as {}, approved by {}: {}",
                delay.state, delay.until, delay.approver, delay.why
            ),
            Fact::ConfirmDelay(confirmed) => {
                format!("the delay for the chief election official of {} until {}", confirmed.state, confirmed.until)
            }
            Fact::Consideration(considered) => {
                format!(
                    "security: {}; political sensitivity: {}",
                    considered.security, considered.political_sensitivity
                )
            }
            Fact::PublicNotice(notice) => {
                let word = |answer: &Answer| format!("{}, {}", if answer.yes { "yes" } else { "no" }, answer.why);
                format!("amplifies: {}; re-victimises: {}", word(&notice.amplifies), word(&notice.revictimises))
            }
            Fact::Duties(duties) => {
                let named = duties.duties.iter().map(|duty| format!("{}: {}", duty.duty, duty.whom));
                let text = joined(named.collect(), "no existing duty to notify victims applies");
                if duties.why.is_empty() { text } else { format!("{text} ({})", duties.why) }
            }
            Fact::Chosen(names) => joined(names.iter().cloned().collect(), "nobody is chosen"),
            Fact::SignOff(sign_off) => format!("{}: {}", sign_off.role, sign_off.comment),
            Fact::Objection(objection) => {
                format!("{} does not want others to be told: {}", objection.from, objection.text)
            }
        }
    }
}

impl Facts {
    /// Takes a fact that was checked.
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
                let states: BTreeSet<&String> = breaches.breaches.iter().map(|breach| &breach.state).collect();
                self.breached_since.retain(|state, _| states.contains(state));
                for state in states {
                    self.breached_since.entry(state.clone()).or_insert(record.at);
                }
                self.breaches = Some(with(record, breaches));
            }
            Fact::Delay(delay) => self.delays.push(with(record, delay)),
            Fact::ConfirmDelay(confirmed) => self.confirmed_delays.push(with(record, confirmed)),
            Fact::Consideration(considered) => self.consideration = Some(with(record, considered)),
            Fact::PublicNotice(notice) => self.public_notice = Some(with(record, notice)),
            Fact::Duties(duties) => self.duties = Some(with(record, duties)),
            Fact::Chosen(names) => self.chosen = Some(with(record, names)),
            Fact::SignOff(sign_off) => self.sign_offs.push(with(record, sign_off)),
            Fact::Objection(objection) => self.objections.push(with(record, objection)),
        }
    }
}

/// States, the District of Columbia and territories that hold elections, as the post writes them (USPS Publication 28, appendix B).
const STATES: [&str; 56] = [
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA", "ME",
    "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR", "PA",
    "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "DC", "AS", "GU", "MP", "PR", "VI",
];

/// Whether it is a state as the post writes it: two capital letters.
pub fn is_state(text: &str) -> bool {
    STATES.contains(&text)
}

/// Whom a finding is directed against, and what a reviewer says to the detector's suggestions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Targets {
    /// Everybody and everything concerned; empty where it is directed against nobody in particular.
    pub targets: Vec<Target>,
    /// Per suggestion of the detector (the cluster's `targets`): confirmed how, or why not. Every suggestion needs a word.
    pub suggestions: BTreeMap<String, String>,
}

/// Somebody or something that a finding is directed against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Target {
    /// What kind of target.
    pub kind: TargetKind,
    /// Who, as people know it.
    pub name: String,
    /// The recipient that this is, or that speaks for it: the name in the recipients' file.
    #[serde(default)]
    pub recipient: Option<String>,
}

/// Kinds of targets, as far as a rule tells them apart.
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
    /// Anybody else.
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

    /// Whether the Secret Service is always told.
    pub fn is_protected(self) -> bool {
        matches!(
            self,
            TargetKind::MajorCandidate | TargetKind::MajorCandidateOrganisation | TargetKind::MajorCandidateEvent
        )
    }

    /// In words.
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

/// Breaches of local election systems; empty where somebody looked and there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Breaches {
    /// One per state.
    pub breaches: Vec<Breach>,
    /// What it rests on. Needed where a breach that was recorded is taken back.
    pub why: String,
}

/// A breach of a local election system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Breach {
    /// The state, two capital letters as the post writes it.
    pub state: String,
    /// Which system of which office.
    pub system: String,
}

/// A state's chief election official is told later than the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Delay {
    /// The state.
    pub state: String,
    /// Who approves it, by the name that the person logs in with: somebody other than who records it. It is in force once that person has
    /// confirmed it.
    pub approver: String,
    /// Until when at the latest.
    pub until: Timestamp,
    /// Why.
    pub why: String,
}

/// Says which delay its approver confirms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfirmedDelay {
    /// The state.
    pub state: String,
    /// Its end.
    pub until: Timestamp,
}

/// Whether two names are one person's: compared without spaces around them and without case.
pub fn is_same_person(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// What was considered before anybody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Consideration {
    /// Security: of people, of systems, of an investigation.
    pub security: String,
    /// How telling may be taken politically, and why that changes nothing about whom the rules name.
    pub political_sensitivity: String,
}

/// The two questions of a public notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublicNotice {
    /// Does the notice carry the message further than it got by itself?
    pub amplifies: Answer,
    /// Does the notice harm again whom the operation harmed?
    pub revictimises: Answer,
}

/// Yes or no, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Answer {
    /// Yes.
    pub yes: bool,
    /// Why, or why not.
    pub why: String,
}

/// Existing duties to notify victims; empty where somebody looked and none applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Duties {
    /// Each that applies.
    pub duties: Vec<Duty>,
    /// What was looked at. Needed where none applies.
    pub why: String,
}

/// A duty to notify victims that exists without this service, which supplements it and does not replace it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Duty {
    /// Which law, order or procedure.
    pub duty: String,
    /// Who has to notify whom.
    pub whom: String,
}

/// Somebody signs off in a role that the rules ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SignOff {
    /// The role, as the rules name it.
    pub role: String,
    /// What was looked at.
    pub comment: String,
}

/// A victim's wish that others be not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Objection {
    /// Whose.
    pub from: String,
    /// In its words.
    pub text: String,
}
