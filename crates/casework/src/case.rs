//! The life of a case: `nominated → in_review → approved | dismissed → released → (updated | retracted) → closed`.
//!
//! No I/O: [`Case::take`] checks a step and returns what the audit log has to say of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use messages::feedback::Verdict;
use serde::{Deserialize, Serialize};

use crate::{
    attention::Attention,
    audit::Entry,
    feedback::Says,
    policy::{self, Class, Fact, Facts, Recipient, Recorded, Terms},
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

    fn verb(&self) -> &'static str {
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

    /// Takes a step, or says why not. The case is unchanged where the step is refused. A release asks the policy under `terms`.
    pub fn take(&mut self, step: Step, by: &str, terms: &Terms<'_>, now: Timestamp) -> Result<Entry, Illegal> {
        let refuse = |why: &str| {
            Err(Illegal { case: self.id.clone(), verb: step.verb(), why: why.to_owned(), allowed: self.allowed() })
        };
        let word = |text: &str| Word { by: by.to_owned(), at: now, version: self.version, text: text.to_owned() };
        let shared = matches!(self.state, State::Released | State::Updated);
        let open = shared || self.state == State::InReview;
        let (action, text) = match &step {
            Step::BeginReview => {
                if self.state != State::Nominated {
                    return refuse(&format!("it is {}", self.state));
                }
                self.state = State::InReview;
                ("in_review", "review begins".to_owned())
            }
            Step::CheckSourcesAndMethods { finding } => {
                if !open && self.state != State::Approved {
                    return refuse(&format!("it is {}", self.state));
                }
                if finding.trim().is_empty() {
                    return refuse("the check says nothing: write down what was considered");
                }
                self.checked = Some(word(finding));
                ("sources_and_methods_checked", finding.clone())
            }
            Step::Record(fact) => {
                if !open && self.state != State::Approved {
                    return refuse(&format!("it is {}", self.state));
                }
                if let Err(why) = fact.check(&self.facts, by, terms, now) {
                    return refuse(&why);
                }
                let mut text = fact.summary();
                if fact.changes_who_is_told() && self.approved.as_ref().is_some_and(|word| word.version == self.version)
                {
                    // What was approved is no longer what would be shared.
                    self.approved = None;
                    text.push_str("; the approval was given without this, so it has to be given again");
                    if self.state == State::Approved {
                        self.state = State::InReview;
                    }
                }
                let record = Recorded { by: by.to_owned(), at: now, version: self.version, what: () };
                self.facts.take(fact.clone(), record);
                (fact.action(), text)
            }
            Step::Approve { comment } => {
                if !open {
                    return refuse(&format!("it is {}", self.state));
                }
                let approved = self.approved.as_ref().is_some_and(|word| word.version == self.version);
                if shared && approved && self.released_version == Some(self.version) {
                    return refuse("partners already have this version");
                }
                self.approved = Some(word(comment));
                if !shared {
                    self.state = State::Approved;
                }
                ("approved", comment.clone())
            }
            Step::Dismiss { reason, authentic } => {
                if !matches!(self.state, State::InReview | State::Approved) {
                    return refuse(&format!("it is {}", self.state));
                }
                if let Some(why) = policy::dismissal_blocked(self, terms) {
                    return refuse(&why);
                }
                if reason.trim().is_empty() {
                    return refuse("a dismissal needs a reason");
                }
                self.state = State::Dismissed;
                let undecided =
                    if *authentic { "" } else { " (which is not to say that the accounts are what they seem)" };
                ("dismissed", format!("{reason}{undecided}"))
            }
            Step::ReturnToReview { reason } => {
                if !matches!(self.state, State::Approved | State::Dismissed) {
                    return refuse(&format!("it is {}", self.state));
                }
                if reason.trim().is_empty() {
                    return refuse("a return to review needs a reason");
                }
                self.approved = None;
                self.state = State::InReview;
                ("returned_to_review", reason.clone())
            }
            Step::Release | Step::Update => {
                let right = match step {
                    Step::Release => self.state == State::Approved,
                    _ => shared,
                };
                if !right {
                    return refuse(&format!("it is {}", self.state));
                }
                let Some(approved) = self.approved.as_ref().filter(|a| a.version == self.version) else {
                    return refuse(&format!("version {} is not approved", self.version));
                };
                if approved.by == by {
                    return refuse(&format!(
                        "{by} approved it: accounts are named only when two different people agree"
                    ));
                }
                let outcome = policy::decide(self, terms, now);
                let blocks: Vec<String> =
                    outcome.blocking().map(|block| format!("{} ({})", block.text, block.rule)).collect();
                if !blocks.is_empty() {
                    return refuse(&blocks.join("; "));
                }
                let told: Vec<String> = outcome.told().map(|decision| decision.recipient.clone()).collect();
                let first = self.first_released_at.is_none();
                let text = format!(
                    "version {} goes to {}; approved by {}, {} by {by}",
                    self.version,
                    if told.is_empty() { "nobody".to_owned() } else { told.join(", ") },
                    approved.by,
                    if first { "released" } else { "updated" },
                );
                let version = self.version;
                let had: BTreeMap<String, Versions> = terms
                    .recipients
                    .iter()
                    .filter_map(|recipient| Some((recipient.name.clone(), self.had(recipient)?)))
                    .collect();
                let noted = self.told.get_or_insert(had);
                for name in told {
                    noted.entry(name).or_insert(Versions { first: version, last: version }).last = version;
                }
                self.released_by = Some(word(&text));
                self.first_released_at.get_or_insert(now);
                self.released_version = Some(self.version);
                self.state = if first { State::Released } else { State::Updated };
                (if first { "released" } else { "updated" }, text)
            }
            Step::Retract { reason } => {
                if !shared {
                    return refuse(&format!("it is {}", self.state));
                }
                if reason.trim().is_empty() {
                    return refuse("a retraction needs a reason");
                }
                self.state = State::Retracted;
                ("retracted", reason.clone())
            }
            Step::Close => {
                if !shared && !matches!(self.state, State::Retracted | State::Dismissed) {
                    return refuse(&format!("it is {}", self.state));
                }
                if let Some(why) = policy::closing_blocked(self, terms, now).filter(|_| shared) {
                    return refuse(&why);
                }
                self.state = State::Closed;
                ("closed", "nothing more to do".to_owned())
            }
        };
        self.changed_at = now;
        Ok(self.entry(by, action, text, now))
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
                "retract",
                "close",
            ],
            State::Dismissed => &["return to review", "close"],
            State::Retracted => &["close"],
            State::Closed => &["nothing, the case is closed"],
        };
        steps.join(", ")
    }

    /// What the audit log has to say of something done to the case.
    pub fn entry(&self, by: &str, action: &str, text: String, now: Timestamp) -> Entry {
        Entry { at: now, actor: by.to_owned(), subject: self.id.clone(), action: action.to_owned(), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Targets;
    use presentation::fixtures;

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }
    fn take(case: &mut Case, step: Step, by: &str) -> Result<Entry, Illegal> {
        crate::fixtures::take(case, &fixtures::cluster("c1", case.version), step, by, now())
    }
    fn record(case: &mut Case) {
        for fact in crate::fixtures::facts() {
            take(case, Step::Record(fact), "ann").unwrap();
        }
    }
    fn check() -> Step {
        Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() }
    }
    fn approve() -> Step {
        Step::Approve { comment: "clear".to_owned() }
    }
    fn in_review() -> Case {
        let (mut case, _) = Case::nominate("c1", 1, now());
        take(&mut case, Step::BeginReview, "ann").unwrap();
        case
    }
    fn released() -> Case {
        let mut case = in_review();
        record(&mut case);
        take(&mut case, check(), "ann").unwrap();
        take(&mut case, approve(), "ann").unwrap();
        take(&mut case, Step::Release, "bob").unwrap();
        case
    }

    #[test]
    fn a_finding_is_decided_by_people_and_then_released() {
        let case = released();
        assert_eq!(case.state, State::Released);
        assert_eq!(case.released_version, Some(1));
    }

    #[test]
    fn one_person_cannot_release_alone() {
        let mut case = in_review();
        take(&mut case, check(), "ann").unwrap();
        take(&mut case, approve(), "ann").unwrap();
        let refused = take(&mut case, Step::Release, "ann").unwrap_err();
        assert!(refused.to_string().contains("two different people"), "{refused}");
        assert_eq!(case.state, State::Approved);
    }

    #[test]
    fn nothing_is_released_before_the_sources_and_methods_check() {
        let mut case = in_review();
        take(&mut case, approve(), "ann").unwrap();
        let refused = take(&mut case, Step::Release, "bob").unwrap_err();
        assert!(refused.to_string().contains("sources-and-methods"), "{refused}");
    }

    #[test]
    fn an_illegal_step_says_what_is_allowed_and_changes_nothing() {
        let steps = [
            Step::BeginReview,
            check(),
            approve(),
            Step::Dismiss { reason: "r".to_owned(), authentic: true },
            Step::ReturnToReview { reason: "r".to_owned() },
            Step::Release,
            Step::Update,
            Step::Retract { reason: "r".to_owned() },
            Step::Close,
            Step::Record(Fact::Targets(Targets::default())),
        ];
        for state in State::ALL {
            for step in &steps {
                let mut case = in_review();
                case.state = state;
                let before = case.clone();
                if let Err(refused) = take(&mut case, step.clone(), "ann") {
                    assert!(refused.to_string().contains("allowed now: "), "{refused}");
                    assert_eq!(case, before);
                } else {
                    assert_ne!(state, State::Closed);
                }
            }
        }
    }

    #[test]
    fn what_was_decided_can_be_looked_at_again_with_a_reason() {
        let back = |reason: &str| Step::ReturnToReview { reason: reason.to_owned() };
        let mut case = in_review();
        assert!(take(&mut case, back("why"), "ann").is_err());
        take(&mut case, approve(), "ann").unwrap();
        assert!(take(&mut case, back(" "), "ann").is_err());
        take(&mut case, back("one more look"), "bob").unwrap();
        assert_eq!((case.state, case.approved.is_none()), (State::InReview, true));
        record(&mut case);
        take(&mut case, Step::Dismiss { reason: "fans".to_owned(), authentic: true }, "ann").unwrap();
        take(&mut case, back("new evidence"), "ann").unwrap();
        assert_eq!(case.state, State::InReview);
    }

    #[test]
    fn a_newer_version_takes_an_approval_back() {
        let mut case = in_review();
        take(&mut case, check(), "ann").unwrap();
        take(&mut case, approve(), "ann").unwrap();
        assert!(case.see(2, now()).is_some());
        assert_eq!(case.state, State::InReview);
        assert!(case.see(2, now()).is_none());
        assert!(case.see(1, now()).is_none());
    }

    #[test]
    fn an_update_needs_its_own_check_and_two_people() {
        let mut case = released();
        case.see(2, now());
        record(&mut case);
        assert!(take(&mut case, Step::Update, "bob").is_err());
        take(&mut case, approve(), "ann").unwrap();
        assert!(take(&mut case, Step::Update, "bob").is_err());
        take(&mut case, check(), "ann").unwrap();
        assert!(take(&mut case, Step::Update, "ann").is_err());
        take(&mut case, Step::Update, "bob").unwrap();
        assert_eq!((case.state, case.released_version), (State::Updated, Some(2)));
        assert!(take(&mut case, approve(), "ann").is_err());
    }

    #[test]
    fn a_retracted_case_can_only_be_closed() {
        let mut case = released();
        take(&mut case, Step::Retract { reason: "wrong".to_owned() }, "ann").unwrap();
        assert!(take(&mut case, Step::Update, "bob").is_err());
        take(&mut case, Step::Close, "bob").unwrap();
        assert_eq!(case.state, State::Closed);
    }
}
