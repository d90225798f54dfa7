//! The decision: recorded facts, recipients and rules in; who is told what, and what stands in the way, out.

mod recipient;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use messages::cluster::ClusterMessage;
use serde::Serialize;
use sha2::{Digest, Sha256};

use recipient::about;

use super::rules::{Product, Redaction, Rule, Rules, Told, VOLUNTARY};
use crate::{
    Tlp,
    case::Case,
    facts::{Delay, Facts, Recorded, TargetKind, is_same_person},
    recipients::{Class, Delivery, Recipient},
};

/// What a decision rests on beside the case.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The newest version of the finding.
    pub cluster: &'a ClusterMessage,
    /// Who may be told.
    pub recipients: &'a [Recipient],
    /// What is data about the rules.
    pub rules: &'a Rules,
}

/// What the policy says of a case, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Outcome {
    /// The case.
    pub case: String,
    /// The version of the finding that is decided about.
    pub version: u32,
    /// Per recipient, in their order.
    pub recipients: Vec<Decision>,
    /// Who must be told and is not set up.
    pub missing: Vec<Missing>,
    /// What blocks the whole release; what blocks a recipient that is to be told is with the recipient, and blocks it too.
    pub blocks: Vec<Block>,
    /// Who has to agree, and who did.
    pub approvals: Vec<Approval>,
    /// Per suggestion of the detector: what a reviewer said to it.
    pub suggestions: BTreeMap<String, Option<String>>,
    /// What else a reviewer should know; blocks nothing.
    pub notes: Vec<String>,
}

/// What the policy says of one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Decision {
    /// Its name.
    pub recipient: String,
    /// Its class.
    pub class: Class,
    /// How it gets what it gets.
    pub delivery: Delivery,
    /// Whether it is told when the case is released.
    pub told: bool,
    /// Whether nobody can leave it out.
    pub must: bool,
    /// Why, by which rules.
    pub because: Vec<Because>,
    /// What it gets; empty where it is not told.
    pub products: Vec<Product>,
    /// Marking of what it gets.
    pub tlp: Tlp,
    /// What it sees.
    pub shows: Redaction,
    /// What every product for it has to say, word for word.
    pub statements: Vec<&'static str>,
    /// What blocks telling it.
    pub blocks: Vec<Block>,
    /// Of a delay: when it has to be told at the latest.
    pub not_before: Option<Timestamp>,
    /// The version that it has been told of already.
    pub has_version: Option<u32>,
}

/// A ground, with the rule behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Because {
    /// The rule.
    pub rule: Rule,
    /// Its number.
    pub number: u8,
    /// In words.
    pub text: String,
}

/// Something that stands in the way, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Block {
    /// The rule.
    pub rule: Rule,
    /// Its number.
    pub number: u8,
    /// What is wrong or missing, and what to do.
    pub text: String,
}

/// A recipient that must be told and is not set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Missing {
    /// Of which class.
    pub class: Class,
    /// Of state and local government: of which state.
    pub state: Option<String>,
    /// The rule.
    pub rule: Rule,
    /// In words.
    pub text: String,
}

/// Somebody has to agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Approval {
    /// Who, or in which role.
    pub who: String,
    /// To what.
    pub what: String,
    /// Who did.
    pub by: Option<String>,
}

impl Outcome {
    /// Everything that stands in the way of a release, of the whole case first.
    pub fn blocking(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().chain(self.recipients.iter().flat_map(|decision| &decision.blocks))
    }

    /// The decision about a recipient.
    pub fn about(&self, recipient: &str) -> Option<&Decision> {
        self.recipients.iter().find(|decision| decision.recipient == recipient)
    }

    /// Who gets what by a release, as a digest: what an approval covers. Those who must be told are told whatever anybody approves, so
    /// they are not in it.
    pub fn scope(&self, case: &Case) -> String {
        let chosen = self.recipients.iter().filter(|decision| decision.told && !decision.must);
        let gets: Vec<_> = chosen.map(|d| (&d.recipient, &d.products, d.tlp, d.shows, &d.statements)).collect();
        let digest = Sha256::digest(format!("{gets:?}{:?}", case.left_out).as_bytes());
        text_format::hex(&digest)
    }

    /// Who is told when the case is released.
    pub fn told(&self) -> impl Iterator<Item = &Decision> {
        self.recipients.iter().filter(|decision| decision.told)
    }
}

/// What the policy says of a case. Pure: the same case, terms and time give the same outcome.
pub fn decide(case: &Case, terms: &Terms<'_>, now: Timestamp) -> Outcome {
    let mut outcome = Outcome {
        case: case.id.clone(),
        version: case.version,
        recipients: Vec::new(),
        missing: Vec::new(),
        blocks: Vec::new(),
        approvals: Vec::new(),
        suggestions: BTreeMap::new(),
        notes: Vec::new(),
    };
    decided_by_people(case, &mut outcome);
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

/// Why a case cannot be dismissed. A dismissal would be the way around rules 4 and 5, so a case directed against a major candidate is
/// first released to the Secret Service, and one with a breach to the state, if to nobody else.
pub fn dismissal_blocked(case: &Case, terms: &Terms<'_>) -> Option<String> {
    if case.facts.protected.is_some() {
        return Some(format!(
            "it is directed against a major candidate ({}): release it, to the Secret Service alone if need be",
            Rule::SecretServiceAlways
        ));
    }
    if let Some(breach) = breaches(case).next() {
        return Some(format!(
            "a breach of election systems in {} is recorded ({}): release it, to the chief election official alone if need be, or \
             have somebody else take the breach back",
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
            "the detector suggests as targets: {}; record for each whether that is so, or why not ({})",
            open.join(", "),
            Rule::SecretServiceAlways
        )
    })
}

/// Why a case cannot be closed: somebody who must be told of it, now or when a delay is over, has not been.
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
        return Some(format!("{} must be told first: approve and update", waiting.join(", ")));
    }
    case.duties_blocking(now)
}

/// Rule 1.
fn decided_by_people(case: &Case, outcome: &mut Outcome) {
    let approved = case.approved.as_ref().filter(|word| word.version == case.version);
    if approved.is_none() {
        let text = format!("version {} is not approved: a reviewer has to decide", case.version);
        outcome.blocks.push(block(Rule::NominateThenDecide, text));
    }
    outcome.approvals.push(Approval {
        who: "a reviewer".to_owned(),
        what: format!("that version {} may be shared", case.version),
        by: approved.map(|word| word.by.clone()),
    });
    outcome.approvals.push(Approval {
        who: match approved {
            Some(word) => format!("somebody other than {}", word.by),
            None => "somebody other than the approver".to_owned(),
        },
        what: "releases it: two different people for whatever names accounts".to_owned(),
        by: case.released_by.as_ref().filter(|word| word.version == case.version).map(|word| word.by.clone()),
    });
}

/// Rule 2.
fn sources_and_methods(case: &Case, outcome: &mut Outcome) {
    if case.checked.as_ref().is_none_or(|word| word.version != case.version) {
        let text = format!(
            "the sources-and-methods check of version {} is not recorded: nobody is told before it is",
            case.version
        );
        outcome.blocks.push(block(Rule::SourcesAndMethodsFirst, text));
    }
}

/// Rule 3, the half about what is considered.
fn consideration(case: &Case, outcome: &mut Outcome) {
    if current(&case.facts.consideration, case).is_none() {
        let text = format!(
            "it is not recorded for version {} how security and political sensitivity were considered: record it",
            case.version
        );
        outcome.blocks.push(block(Rule::NoVetoForTheVictim, text));
    }
}

/// Rules 4 and 5 ask for a record of whom the finding is directed against.
fn targets(case: &Case, terms: &Terms<'_>, outcome: &mut Outcome) {
    let recorded = current(&case.facts.targets, case);
    for name in &terms.cluster.targets {
        let answer = recorded.and_then(|targets| targets.suggestions.get(name)).cloned();
        outcome.suggestions.insert(name.clone(), answer);
    }
    let Some(recorded) = recorded else {
        let text = format!(
            "it is not recorded for version {} whom the finding is directed against: record the targets, or that there are none",
            case.version
        );
        outcome.blocks.push(block(Rule::SecretServiceAlways, text));
        return;
    };
    let open = |name: &&String| !recorded.suggestions.contains_key(*name);
    let open: Vec<&str> = terms.cluster.targets.iter().filter(open).map(String::as_str).collect();
    if !open.is_empty() {
        let text = format!(
            "the detector suggests as targets: {}; record for each whether that is so, or why not",
            open.join(", ")
        );
        outcome.blocks.push(block(Rule::SecretServiceAlways, text));
    }
    if recorded.targets.iter().any(|target| target.kind == TargetKind::ElectionOffice) && case.facts.breaches.is_none()
    {
        let text = "an election office is a target: record whether its systems were breached, or that they were not";
        outcome.blocks.push(block(Rule::LocalBreach, text.to_owned()));
    }
}

/// Rule 9.
fn duties(case: &Case, outcome: &mut Outcome) {
    if case.facts.duties.is_none() {
        let text =
            "it is not recorded which existing duties to notify victims also apply: record them, or that none does";
        outcome.blocks.push(block(Rule::SupplementNotReplace, text.to_owned()));
    }
}

/// Rule 4: without a recipient for the Secret Service nothing else about the case may leave. Telling everybody but the one who must be
/// told would be the way around the rule.
fn secret_service(case: &Case, terms: &Terms<'_>, outcome: &mut Outcome) {
    if case.facts.protected.is_none()
        || terms.recipients.iter().any(|recipient| recipient.class == Class::SecretService)
    {
        return;
    }
    let text =
        "the Secret Service must be told, no recipient is set up: nothing else about this case may be released until \
                there is one of class secret_service in the recipients' file (sharing.recipients)"
            .to_owned();
    outcome.blocks.push(block(Rule::SecretServiceAlways, text.clone()));
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
            what: format!("only to tell the chief election official of {} later than the others", breach.state),
            by: delayed.map(|delay| delay.what.approver.clone()),
        });
        if set_up {
            continue;
        }
        let text = format!(
            "the chief election official of {} must be told of the breach, no recipient is set up: add one of class \
             state_local with state = {:?} and chief_election_official = true to the recipients' file (sharing.recipients)",
            breach.state, breach.state
        );
        if delayed.is_none() {
            outcome.blocks.push(block(Rule::LocalBreach, text.clone()));
        }
        outcome.missing.push(Missing {
            class: Class::StateLocal,
            state: Some(breach.state.clone()),
            rule: Rule::LocalBreach,
            text,
        });
    }
}

/// Roles that have to agree before a class is told.
fn sign_offs(case: &Case, terms: &Terms<'_>, outcome: &mut Outcome) {
    // Whoever must be told is told without: a role that does not sign would be a veto.
    for decision in outcome.recipients.iter_mut().filter(|decision| decision.told && !decision.must) {
        for role in &terms.rules.class(decision.class).sign_off {
            let signed = case.facts.sign_offs.iter().rev();
            let by = signed
                .filter(|record| record.version == case.version)
                .find(|record| record.what.role == *role)
                .map(|record| record.by.clone());
            if by.is_none() {
                let text =
                    format!("{} is told only after {role} has signed off version {}", decision.recipient, case.version);
                decision.blocks.push(block(Rule::NominateThenDecide, text));
            }
            outcome.approvals.push(Approval {
                who: role.clone(),
                what: format!("that {} is told", decision.recipient),
                by,
            });
        }
    }
}

fn notes(case: &Case, terms: &Terms<'_>, outcome: &mut Outcome) {
    let known = |name: &String| terms.recipients.iter().any(|recipient| recipient.name == *name);
    for target in case.facts.targets.iter().flat_map(|record| &record.what.targets) {
        match &target.recipient {
            Some(name) if !known(name) => outcome.notes.push(format!(
                "{} is to be told as {name}, and no recipient of that name is set up: nobody tells it",
                target.name
            )),
            None if target.kind != TargetKind::Other => {
                outcome.notes.push(format!("{} has no recipient: nobody tells it", target.name));
            }
            _ => {}
        }
    }
    for name in case.facts.chosen.iter().flat_map(|record| &record.what).filter(|name| !known(name)) {
        outcome.notes.push(format!("{name} was chosen, and no recipient of that name is set up any more"));
    }
    for record in &case.facts.objections {
        outcome.notes.push(format!(
            "{} does not want others to be told; that is kept and changes nothing (rule 3): {}",
            record.what.from, record.what.text
        ));
    }
}

fn breaches(case: &Case) -> impl Iterator<Item = &crate::facts::Breach> {
    case.facts.breaches.iter().flat_map(|record| &record.what.breaches)
}

/// The delay in force for a state: recorded, confirmed by its approver, and not over.
pub(crate) fn delay<'a>(case: &'a Case, state: &str, now: Timestamp) -> Option<&'a Recorded<Delay>> {
    let in_force =
        |record: &&Recorded<Delay>| record.what.state == state && record.what.until > now && is_confirmed(case, record);
    case.facts.delays.iter().rev().find(in_force)
}

/// Whether the approver of a delay has confirmed it.
pub fn is_confirmed(case: &Case, delay: &Recorded<Delay>) -> bool {
    case.facts.confirmed_delays.iter().any(|confirmed| {
        confirmed.what.state == delay.what.state
            && confirmed.what.until == delay.what.until
            && is_same_person(&confirmed.by, &delay.what.approver)
            && !is_same_person(&confirmed.by, &delay.by)
    })
}

/// What is wrong with a delay that `by` records at `now`.
pub fn delay_fault(delay: &Delay, by: &str, facts: &Facts, rules: &Rules, now: Timestamp) -> Option<String> {
    let days = i64::from(rules.longest_delay_days);
    // The time counts from the breach's first record, so that one delay after another comes to an end.
    let since = facts.breached_since.get(&delay.state).copied();
    let since = since.or(facts.breaches.as_ref().map(|record| record.at)).unwrap_or(now);
    let longest = since.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX);
    let earlier = facts
        .delays
        .iter()
        .find(|record| record.what.state == delay.state && is_same_person(&record.what.approver, &delay.approver));
    if text_format::is_blank(&delay.approver) {
        Some("a delay needs a named approver".to_owned())
    } else if is_same_person(&delay.approver, by) {
        Some(format!("{by} cannot approve a delay and record it: the approver is somebody else"))
    } else if !rules.delay_approvers.is_empty()
        && !rules.delay_approvers.iter().any(|name| is_same_person(name, &delay.approver))
    {
        Some(format!("{} may not approve a delay; those who may: {}", delay.approver, rules.delay_approvers.join(", ")))
    } else if let Some(earlier) = earlier.filter(|earlier| earlier.what.until != delay.until) {
        Some(format!(
            "{} approved the delay until {}: another person has to approve a renewal",
            delay.approver, earlier.what.until
        ))
    } else if delay.until <= now {
        Some(format!("the delay ends at {}, which is past", delay.until))
    } else if delay.until > longest {
        Some(format!(
            "the delay ends at {}, more than {days} days after the breach was recorded ({since})",
            delay.until
        ))
    } else {
        None
    }
}

/// A record about the version that would be shared.
fn current<'a, T>(record: &'a Option<Recorded<T>>, case: &Case) -> Option<&'a T> {
    record.as_ref().filter(|record| record.version == case.version).map(|record| &record.what)
}

fn block(rule: Rule, text: String) -> Block {
    Block { rule, number: rule.number(), text }
}

fn ground(rule: Rule, text: String) -> Because {
    Because { rule, number: rule.number(), text }
}
