//! The decision. Input: recorded facts, recipients and rules. Output: which recipients are notified
//! of what, and what blocks a release.

mod delays;
mod recipient;
mod sign_offs;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub(crate) use delays::{delay, delay_fault, renewed_by_the_same_approver};
use recipient::about;
pub use sign_offs::NeededSignOff;
pub(crate) use sign_offs::newest_sign_off_of;
use sign_offs::sign_offs;

use super::{
    rules::{NotifyWhen, Product, Redaction, Rule, Rules, VOLUNTARY},
    terms::Terms,
};
use crate::{
    Tlp,
    case::Case,
    facts::{Recorded, TargetKind, is_same_person},
    recipients::{Class, Delivery, Recipient},
};

/// The policy's outcome for a case in its current state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Outcome {
    /// Id of the case.
    pub case: String,
    /// The version of the finding.
    pub version: u32,
    /// Decisions per recipient, in the order of the recipients.
    pub recipients: Vec<Decision>,
    /// Recipients that must be notified but are not configured.
    pub missing: Vec<Missing>,
    /// Blocks of the whole release. A block of one recipient is in its decision, and blocks the
    /// release too.
    pub blocks: Vec<Block>,
    /// Required approvals, with who gave them.
    pub approvals: Vec<Approval>,
    /// Required sign-offs, by role.
    pub sign_offs: Vec<NeededSignOff>,
    /// The detector's suggested targets, with the reviewer's answers.
    pub suggestions: BTreeMap<String, Option<String>>,
    /// Notes for the reviewer. They block nothing.
    pub notes: Vec<String>,
}

/// The policy's decision about one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Decision {
    /// Name of the recipient.
    pub recipient: String,
    /// Class of the recipient.
    pub class: Class,
    /// How it receives findings.
    pub delivery: Delivery,
    /// Whether it is notified when the case is released.
    #[serde(rename = "told")]
    pub notified: bool,
    /// Whether it is notified even if nobody selected it.
    pub must: bool,
    /// The grounds of the decision, with their rules.
    pub because: Vec<Because>,
    /// The products that it receives; empty if it is not notified.
    pub products: Vec<Product>,
    /// TLP marking of its products.
    pub tlp: Tlp,
    /// What it sees.
    pub shows: Redaction,
    /// Statements that every product contains word for word.
    pub statements: Vec<&'static str>,
    /// What blocks its notification.
    pub blocks: Vec<Block>,
    /// For an approved delay: the latest time of the notification.
    pub not_before: Option<Timestamp>,
    /// The last version that it has received.
    pub has_version: Option<u32>,
}

/// A ground of a decision, with its rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Because {
    /// The rule.
    pub rule: Rule,
    /// The rule's number.
    pub number: u8,
    /// Description for people.
    pub text: String,
}

/// A reason that blocks a release, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Block {
    /// The rule.
    pub rule: Rule,
    /// Its number.
    pub number: u8,
    /// What has to be recorded or configured.
    pub needs: Needs,
    /// What is wrong or missing, and what to do.
    pub text: String,
}

/// What a block waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// The approval of a reviewer.
    Approval,
    /// A sign-off by a person who holds the role.
    SignOff,
    /// The sources-and-methods check.
    SourcesAndMethodsCheck,
    /// The consideration of security and political sensitivity.
    Consideration,
    /// The targets, or answers to the detector's suggestions.
    Targets,
    /// Whether election systems were breached.
    Breaches,
    /// The answers to the two questions about a public notice.
    PublicNotice,
    /// The existing duties to notify victims.
    Duties,
    /// A change of the recipients' file.
    Recipients,
}

/// A recipient that must be notified but is not configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Missing {
    /// Class of the recipient.
    pub class: Class,
    /// For state and local government: the state.
    pub state: Option<String>,
    /// The rule.
    pub rule: Rule,
    /// Description for people.
    pub text: String,
}

/// A required approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Approval {
    /// The person or role that has to approve.
    pub who: String,
    /// What has to be approved.
    pub what: String,
    /// The person who approved.
    pub by: Option<String>,
}

impl Outcome {
    /// All blocks of a release; those of the whole case come first.
    pub fn blocking(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().chain(self.recipients.iter().flat_map(|decision| &decision.blocks))
    }

    /// The decision about a recipient.
    pub fn about(&self, recipient: &str) -> Option<&Decision> {
        self.recipients.iter().find(|decision| decision.recipient == recipient)
    }

    /// A digest of which recipient a release notifies, and of what each of them receives. An
    /// approval covers this digest. Mandatory recipients are notified without an approval, so they
    /// are not part of it.
    pub fn scope(&self, case: &Case) -> String {
        let chosen = self.recipients.iter().filter(|decision| decision.notified && !decision.must);
        let gets: Vec<_> = chosen.map(|d| (&d.recipient, &d.products, d.tlp, d.shows, &d.statements)).collect();
        let digest = Sha256::digest(format!("{gets:?}{:?}", case.left_out).as_bytes());
        text_format::hex(&digest)
    }

    /// The recipients that are notified when the case is released.
    pub fn notified(&self) -> impl Iterator<Item = &Decision> {
        self.recipients.iter().filter(|decision| decision.notified)
    }
}

/// Computes the policy's outcome for a case. Pure: the same case, terms and time give the same
/// outcome.
pub fn decide(case: &Case, terms: &Terms<'_>, now: Timestamp) -> Outcome {
    let mut outcome = Outcome {
        case: case.id.clone(),
        version: case.version,
        recipients: Vec::new(),
        missing: Vec::new(),
        blocks: Vec::new(),
        approvals: Vec::new(),
        sign_offs: Vec::new(),
        suggestions: BTreeMap::new(),
        notes: Vec::new(),
    };
    decided_by_people(case, terms, &mut outcome);
    sources_and_methods(case, &mut outcome);
    consideration(case, &mut outcome);
    targets(case, terms, &mut outcome);
    duties(case, &mut outcome);
    outcome.recipients = terms.recipients.iter().map(|recipient| about(recipient, case, terms, now)).collect();
    secret_service(case, terms, &mut outcome);
    local_breach(case, terms, now, &mut outcome);
    sign_offs(case, terms, &mut outcome);
    notes(case, terms, &mut outcome);
    outcome
}

/// The reason why a case cannot be dismissed, if there is one. A dismissal could bypass rules 4 and
/// 5. So a case against a major candidate is first released at least to the Secret Service, and a
/// case with a breach at least to the state.
pub fn dismissal_blocked(case: &Case, terms: &Terms<'_>) -> Option<String> {
    if case.facts.protected.is_some() {
        return Some(format!(
            "a major candidate is a target ({}): release the case, at least to the Secret Service",
            Rule::SecretServiceAlways
        ));
    }
    if let Some(breach) = breaches(case).next() {
        return Some(format!(
            "a breach of election systems in {} is recorded ({}): release the case, at least to the chief election official, or \
             another person has to take the breach back",
            breach.state,
            Rule::LocalBreach
        ));
    }
    let open = |name: &&String| {
        current(&case.facts.targets, case).is_none_or(|targets| !targets.suggestions.contains_key(*name))
    };
    let open: Vec<&str> = terms.cluster.targets.iter().filter(open).map(String::as_str).collect();
    (!open.is_empty()).then(|| {
        format!(
            "the detector suggests as targets: {}; confirm or reject each with a reason ({})",
            open.join(", "),
            Rule::SecretServiceAlways
        )
    })
}

/// The reason why a case cannot be closed, if there is one: a mandatory recipient has to be
/// notified, now or at the end of a delay.
pub fn closing_blocked(case: &Case, terms: &Terms<'_>, now: Timestamp) -> Option<String> {
    let outcome = decide(case, terms, now);
    if !case.state.is_shared() {
        return case.duties_blocking(now);
    }
    let waiting = |decision: &&Decision| {
        let version = if decision.must { case.released_version } else { None };
        (decision.must || decision.not_before.is_some()) && decision.has_version.is_none_or(|had| Some(had) < version)
    };
    let waiting: Vec<&str> =
        outcome.recipients.iter().filter(waiting).map(|decision| decision.recipient.as_str()).collect();
    let missing: Vec<&str> = outcome.missing.iter().map(|missing| missing.text.as_str()).collect();
    if !missing.is_empty() {
        return Some(missing.join("; "));
    }
    if !waiting.is_empty() {
        return Some(format!("{} must be notified first: approve and update", waiting.join(", ")));
    }
    case.duties_blocking(now)
}

/// Rule 1.
fn decided_by_people(case: &Case, terms: &Terms<'_>, outcome: &mut Outcome) {
    let approved = case.approved.as_ref().filter(|statement| statement.version == case.version);
    if approved.is_none() {
        let text = format!("version {} is not approved: a reviewer has to decide", case.version);
        outcome.blocks.push(block(Rule::NominateThenDecide, Needs::Approval, text));
    }
    let changed = terms.not_as_approved(case);
    if approved.is_some() && case.released_version != Some(case.version) && !changed.is_empty() {
        let text = format!(
            "what {} would receive changed after the approval: look at it and approve it again",
            changed.join(", ")
        );
        outcome.blocks.push(block(Rule::NominateThenDecide, Needs::Approval, text));
    }
    outcome.approvals.push(Approval {
        who: "a reviewer".to_owned(),
        what: format!("the sharing of version {}", case.version),
        by: approved.map(|statement| statement.by.clone()),
    });
    outcome.approvals.push(Approval {
        who: match approved {
            Some(word) => format!("somebody other than {}", word.by),
            None => "somebody other than the approver".to_owned(),
        },
        what: "the release, because whatever names accounts needs two different people".to_owned(),
        by: case
            .released_by
            .as_ref()
            .filter(|statement| statement.version == case.version)
            .map(|statement| statement.by.clone()),
    });
}

/// Rule 2.
fn sources_and_methods(case: &Case, outcome: &mut Outcome) {
    if case.checked.as_ref().is_none_or(|statement| statement.version != case.version) {
        let text = format!(
            "the sources-and-methods check of version {} is not recorded: record it before anybody is notified",
            case.version
        );
        outcome.blocks.push(block(Rule::SourcesAndMethodsFirst, Needs::SourcesAndMethodsCheck, text));
    }
}

/// Rule 3, the part about considerations.
fn consideration(case: &Case, outcome: &mut Outcome) {
    if current(&case.facts.consideration, case).is_none() {
        let text = format!(
            "the consideration of security and political sensitivity is not recorded for version {}: record it",
            case.version
        );
        outcome.blocks.push(block(Rule::NoVetoForTheVictim, Needs::Consideration, text));
    }
}

/// Rules 4 and 5 need a record of the targets.
fn targets(case: &Case, terms: &Terms<'_>, outcome: &mut Outcome) {
    let recorded = current(&case.facts.targets, case);
    for name in &terms.cluster.targets {
        let answer = recorded.and_then(|targets| targets.suggestions.get(name)).cloned();
        outcome.suggestions.insert(name.clone(), answer);
    }
    let Some(recorded) = recorded else {
        let text = format!(
            "the targets are not recorded for version {}: record the targets, or that there are none",
            case.version
        );
        outcome.blocks.push(block(Rule::SecretServiceAlways, Needs::Targets, text));
        return;
    };
    let open = |name: &&String| !recorded.suggestions.contains_key(*name);
    let open: Vec<&str> = terms.cluster.targets.iter().filter(open).map(String::as_str).collect();
    if !open.is_empty() {
        let text =
            format!("the detector suggests as targets: {}; confirm or reject each with a reason", open.join(", "));
        outcome.blocks.push(block(Rule::SecretServiceAlways, Needs::Targets, text));
    }
    if recorded.targets.iter().any(|target| target.kind == TargetKind::ElectionOffice) && case.facts.breaches.is_none()
    {
        let text = "an election office is a target: record whether its systems were breached, or that they were not";
        outcome.blocks.push(block(Rule::LocalBreach, Needs::Breaches, text.to_owned()));
    }
}

/// Rule 9.
fn duties(case: &Case, outcome: &mut Outcome) {
    if case.facts.duties.is_none() {
        let text = "the existing duties to notify victims are not recorded: record the duties, or that none applies";
        outcome.blocks.push(block(Rule::SupplementNotReplace, Needs::Duties, text.to_owned()));
    }
}

/// Rule 4: without a configured recipient of class Secret Service nothing else about the case may
/// be released. Otherwise a release to all others could bypass the rule.
fn secret_service(case: &Case, terms: &Terms<'_>, outcome: &mut Outcome) {
    if case.facts.protected.is_none()
        || terms.recipients.iter().any(|recipient| recipient.class == Class::SecretService)
    {
        return;
    }
    let text =
        "the Secret Service must be notified, but no recipient is configured: nothing else about this case may be released until \
                the recipients' file (sharing.recipients) has a recipient of class secret_service"
            .to_owned();
    outcome.blocks.push(block(Rule::SecretServiceAlways, Needs::Recipients, text.clone()));
    outcome.missing.push(Missing { class: Class::SecretService, state: None, rule: Rule::SecretServiceAlways, text });
}

/// Rule 5: the same for a state's chief election official, unless a delay is approved.
fn local_breach(case: &Case, terms: &Terms<'_>, now: Timestamp, outcome: &mut Outcome) {
    for breach in breaches(case) {
        let set_up = terms
            .recipients
            .iter()
            .any(|recipient| recipient.chief_election_official && recipient.state.as_ref() == Some(&breach.state));
        let delayed = delay(case, &breach.state, now);
        let approver = match terms.rules.delay_approvers.as_slice() {
            [] => "the named approver of a delay".to_owned(),
            names => names.join(" or "),
        };
        outcome.approvals.push(Approval {
            who: approver,
            what: format!("only a later notification of the chief election official of {}", breach.state),
            by: delayed.map(|delay| delay.what.approver.clone()),
        });
        if set_up {
            continue;
        }
        let text = format!(
            "the chief election official of {} must be notified of the breach, but no recipient is configured: add one of class \
             state_local with state = {:?} and chief_election_official = true to the recipients' file (sharing.recipients)",
            breach.state, breach.state
        );
        if delayed.is_none() {
            outcome.blocks.push(block(Rule::LocalBreach, Needs::Recipients, text.clone()));
        }
        outcome.missing.push(Missing {
            class: Class::StateLocal,
            state: Some(breach.state.clone()),
            rule: Rule::LocalBreach,
            text,
        });
    }
}

fn notes(case: &Case, terms: &Terms<'_>, outcome: &mut Outcome) {
    let known = |name: &String| terms.recipients.iter().any(|recipient| recipient.name == *name);
    for target in case.facts.targets.iter().flat_map(|record| &record.what.targets) {
        match &target.recipient {
            Some(name) if !known(name) => outcome.notes.push(format!(
                "{} should be notified as {name}, but no recipient of that name is configured: it is not notified",
                target.name
            )),
            None if target.kind != TargetKind::Other => {
                outcome.notes.push(format!("{} has no recipient: it is not notified", target.name));
            }
            _ => {}
        }
    }
    for name in case.facts.chosen.iter().flat_map(|record| &record.what).filter(|name| !known(name)) {
        outcome.notes.push(format!("{name} was selected, but no recipient of that name is configured any more"));
    }
    for record in &case.facts.objections {
        outcome.notes.push(format!(
            "{} objects to notifying others; the objection is kept and changes nothing (rule 3): {}",
            record.what.from, record.what.text
        ));
    }
}

fn breaches(case: &Case) -> impl Iterator<Item = &crate::facts::Breach> {
    case.facts.breaches.iter().flat_map(|record| &record.what.breaches)
}

/// A record, if it is about the version that would be shared.
fn current<'a, T>(record: &'a Option<Recorded<T>>, case: &Case) -> Option<&'a T> {
    record.as_ref().filter(|record| record.version == case.version).map(|record| &record.what)
}

fn block(rule: Rule, needs: Needs, text: String) -> Block {
    Block { rule, number: rule.number(), needs, text }
}

fn ground(rule: Rule, text: String) -> Because {
    Because { rule, number: rule.number(), text }
}
