mod delays;
mod duties;
mod properties;
mod records;
mod rendered;
mod sign_offs;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use messages::cluster::ClusterMessage;
use proptest::prelude::*;

use super::*;
use crate::{
    Tlp,
    audit::Entry,
    case::{Case, Illegal, State, Step},
    handover::Handover,
};
use presentation::fixtures;

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn days(n: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_hours(24 * n)).unwrap()
}

fn recipient(name: &str, class: Class) -> Recipient {
    Recipient {
        name: name.to_owned(),
        class,
        platform: None,
        state: None,
        chief_election_official: false,
        contact: "by hand".to_owned(),
        delivery: None,
        webhook: None,
        tlp_ceiling: Tlp::Red,
    }
}

/// One recipient of each class, and a second platform and a second candidate.
fn recipients() -> Vec<Recipient> {
    let platform = |name: &str, platform: &str| Recipient {
        platform: Some(platform.to_owned()),
        ..recipient(name, Class::Platform)
    };
    vec![
        platform("birds", "twitter"),
        platform("skies", "bluesky"),
        recipient("house", Class::Congress),
        Recipient {
            state: Some("OH".to_owned()),
            chief_election_official: true,
            ..recipient("ohio", Class::StateLocal)
        },
        recipient("county", Class::StateLocal),
        recipient("paper", Class::PrivateSector),
        recipient("doe", Class::Candidate),
        recipient("roe", Class::Candidate),
        recipient("service", Class::SecretService),
        recipient("public", Class::Public),
    ]
}

fn without(class: Class) -> Vec<Recipient> {
    recipients().into_iter().filter(|recipient| recipient.class != class).collect()
}

fn target(kind: TargetKind, name: &str, recipient: Option<&str>) -> Target {
    Target { kind, name: name.to_owned(), recipient: recipient.map(str::to_owned) }
}

fn targets(targets: Vec<Target>) -> Fact {
    Fact::Targets(Targets { targets, suggestions: BTreeMap::new() })
}

fn breach(states: &[&str]) -> Fact {
    let breaches = states
        .iter()
        .map(|state| Breach { state: (*state).to_owned(), system: "voter rolls of a county".to_owned() })
        .collect();
    Fact::Breaches(Breaches { breaches, why: "logs of the county".to_owned() })
}

fn delay(approver: &str, until: Timestamp) -> Fact {
    let (state, approver) = ("OH".to_owned(), approver.to_owned());
    Fact::Delay(Delay { state, approver, until, why: "an arrest is under way".to_owned() })
}

fn chosen(names: &[&str]) -> Fact {
    Fact::Chosen(names.iter().map(|name| (*name).to_owned()).collect())
}

fn answers(amplifies: bool, revictimises: bool) -> Fact {
    let answer = |yes| Answer { yes, why: "weighed".to_owned() };
    Fact::PublicNotice(PublicNotice { amplifies: answer(amplifies), revictimises: answer(revictimises) })
}

fn sign_off(role: &str) -> Step {
    Step::SignOff { role: role.to_owned(), comment: "read".to_owned() }
}

/// A case with its recipients, rules and time, for the tests.
struct Scenario {
    case: Case,
    cluster: ClusterMessage,
    recipients: Vec<Recipient>,
    rules: Rules,
    now: Timestamp,
}

impl Scenario {
    /// A case in review without facts.
    fn new(recipients: Vec<Recipient>) -> Scenario {
        let cluster = fixtures::cluster("c", 1);
        let (case, _) = Case::nominate("c", 1, now());
        let mut scenario = Scenario { case, cluster, recipients, rules: Rules::with_marking(Tlp::Amber), now: now() };
        scenario.take(Step::BeginReview, "ann").unwrap();
        scenario
    }

    /// A case in review with the facts that every case needs, and `facts`; all recorded by ann.
    fn ready(recipients: Vec<Recipient>, facts: Vec<Fact>) -> Scenario {
        let mut scenario = Scenario::new(recipients);
        scenario.take(Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() }, "ann").unwrap();
        for fact in crate::fixtures::facts().into_iter().chain(facts) {
            scenario.record(fact, "ann").unwrap();
        }
        scenario
    }

    fn take(&mut self, step: Step, by: &str) -> Result<Entry, Illegal> {
        let terms = Terms { cluster: &self.cluster, recipients: &self.recipients, rules: &self.rules, rendered: None };
        self.case.take(step, by, &terms, self.now)
    }

    fn record(&mut self, fact: Fact, by: &str) -> Result<Entry, Illegal> {
        self.take(Step::Record(fact), by)
    }

    fn approve(&mut self) {
        self.take(Step::Approve { comment: "clear".to_owned() }, "ann").unwrap();
    }

    /// Somebody hands a document over, and bob records it.
    fn hand_over(&mut self, recipient: &str) -> Result<Entry, Illegal> {
        let terms = Terms { cluster: &self.cluster, recipients: &self.recipients, rules: &self.rules, rendered: None };
        self.case.refresh_duties(self.now);
        let (to, how) = ("the duty officer".to_owned(), "by courier".to_owned());
        let handover = Handover { recipient: recipient.to_owned(), to, how, at: self.now };
        let entry = self.case.record_handover(handover, "bob", &terms, self.now);
        self.case.refresh_duties(self.now);
        entry
    }

    /// Ann approves, bob releases.
    fn release(&mut self) -> Result<Entry, Illegal> {
        self.approve();
        self.take(Step::Release, "bob")
    }

    fn outcome(&self) -> Outcome {
        let terms = Terms { cluster: &self.cluster, recipients: &self.recipients, rules: &self.rules, rendered: None };
        decide(&self.case, &terms, self.now)
    }

    fn notified(&self) -> Vec<String> {
        self.outcome().notified().map(|decision| decision.recipient.clone()).collect()
    }

    fn about(&self, name: &str) -> Decision {
        self.outcome().about(name).unwrap().clone()
    }

    /// Numbers of the rules that block a release.
    fn blocked(&self) -> BTreeSet<u8> {
        self.outcome().blocking().map(|block| block.number).collect()
    }
}

fn rules_of(decision: &Decision) -> Vec<u8> {
    decision.because.iter().map(|because| because.number).collect()
}

#[test]
fn rule_1_nominate_then_decide() {
    // A person decides, whatever the score.
    let mut scenario = Scenario::ready(recipients(), vec![]);
    scenario.cluster.probability = Some(1.0);
    scenario.cluster.score = Some(1e6);
    assert_eq!(scenario.blocked(), BTreeSet::from([1]));
    assert!(scenario.take(Step::Release, "bob").is_err());
    assert_eq!(scenario.case.notified, None);
    // One person is not enough, and the roles that a class requires have to sign off.
    scenario.record(chosen(&["birds", "house"]), "ann").unwrap();
    scenario.approve();
    assert!(scenario.take(Step::Release, "ann").unwrap_err().why.contains("two different people"));
    let refused = scenario.take(Step::Release, "bob").unwrap_err();
    assert!(refused.why.contains("house is notified only after congressional affairs has signed off"), "{refused}");
    assert!(
        scenario.take(sign_off("somebody"), "cy").unwrap_err().why.contains("congressional affairs, public affairs")
    );
    scenario.take(sign_off("congressional affairs"), "cy").unwrap();
    scenario.take(Step::Release, "bob").unwrap();
    let notified: Vec<&String> = scenario.case.notified.as_ref().unwrap().keys().collect();
    assert_eq!(notified, ["birds", "house"], "skies was left out by name, the others nobody chose");
    // A lower score does not change the decision of people.
    scenario.cluster.probability = Some(0.0);
    assert_eq!(scenario.notified(), ["birds", "house"]);
}

#[test]
fn rule_2_sources_and_methods_first() {
    let mut scenario = Scenario::new(recipients());
    for fact in crate::fixtures::facts() {
        scenario.record(fact, "ann").unwrap();
    }
    let refused = scenario.release().unwrap_err();
    assert!(refused.why.contains("sources-and-methods check of version 1"), "{refused}");
    scenario.take(Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() }, "ann").unwrap();
    scenario.take(Step::Release, "bob").unwrap();
    // A later version needs its own check.
    scenario.case.record_newer_version(2, now());
    assert!(scenario.blocked().contains(&2));

    // What is left out depends on the class.
    let shows = |class| Rules::with_marking(Tlp::Amber).class(class).shows;
    assert!(shows(Class::Platform).left_out().contains(&"account ids of other platforms"));
    for class in [Class::Congress, Class::StateLocal, Class::PrivateSector, Class::Candidate, Class::Public] {
        assert!(!shows(class).names_accounts(), "{class}");
        for what in ["account ids", "handles and display names", "post ids", "model internals"] {
            assert!(shows(class).left_out().contains(&what), "{class}: {what}");
        }
    }
    assert!(shows(Class::Public).left_out().contains(&"names of sources"));
}

#[test]
fn rule_3_no_veto_for_the_victim() {
    let victims = vec![
        target(TargetKind::Candidate, "Doe", Some("doe")),
        target(TargetKind::PrivateOrganisation, "The Paper", Some("paper")),
    ];
    let mut scenario = Scenario::ready(recipients(), vec![targets(victims)]);
    assert_eq!(scenario.notified(), ["birds", "skies", "paper", "doe"], "and never the other candidate");
    assert_eq!(scenario.about("doe").products, [Product::DefensiveBriefing]);
    assert_eq!(rules_of(&scenario.about("doe")), [3, 1]);
    let before = scenario.outcome();
    let objection = Objection { from: "Doe".to_owned(), text: "tell nobody".to_owned() };
    scenario.record(Fact::Objection(objection), "ann").unwrap();
    let after = scenario.outcome();
    assert_eq!((&after.recipients, &after.blocks), (&before.recipients, &before.blocks));
    assert!(after.notes[0].contains("changes nothing (rule 3)"));
    scenario.release().unwrap();

    // Security and political sensitivity have to be considered for every version.
    let mut scenario = Scenario::ready(recipients(), vec![]);
    scenario.case.facts.consideration = None;
    assert!(
        scenario
            .release()
            .unwrap_err()
            .why
            .contains("the consideration of security and political sensitivity is not recorded")
    );
    let silent = Consideration { security: "none".to_owned(), political_sensitivity: " ".to_owned() };
    let refused = scenario.record(Fact::Consideration(silent), "ann").unwrap_err();
    assert!(refused.why.contains("political sensitivity is empty"), "{refused}");
}

#[test]
fn rule_4_the_secret_service_is_always_told() {
    for kind in TargetKind::ALL {
        let mut scenario = Scenario::ready(recipients(), vec![targets(vec![target(kind, "T", None)])]);
        let must = kind.is_protected();
        assert_eq!(scenario.about("service").must, must);
        // Nobody can deselect it ...
        scenario.record(chosen(&["birds"]), "ann").unwrap();
        assert_eq!(scenario.notified().contains(&"service".to_owned()), must, "{kind:?}");
        // ... or avoid it by recording other targets; the first record stays ...
        if must {
            scenario.record(targets(vec![target(kind, "later", None)]), "cy").unwrap();
            assert_eq!(scenario.case.facts.protected.as_ref().unwrap().what.name, "T");
        }
        scenario.record(targets(vec![]), "ann").unwrap();
        assert_eq!(scenario.notified().contains(&"service".to_owned()), must, "{kind:?}");
        // ... or by dismissing the case.
        let mut dismissed = Scenario { case: scenario.case.clone(), ..Scenario::new(recipients()) };
        let refused = dismissed.take(Step::Dismiss { reason: "nothing".to_owned(), authentic: true }, "ann");
        assert_eq!(refused.is_err(), must, "{kind:?}");
        if kind == TargetKind::ElectionOffice {
            continue;
        }
        scenario.release().unwrap();
        assert_eq!(scenario.case.notified.as_ref().unwrap().contains_key("service"), must);
    }
}

#[test]
fn rule_4_without_a_recipient_nothing_else_may_be_released() {
    let facts = || vec![targets(vec![target(TargetKind::MajorCandidateEvent, "the debate", None)])];
    let mut scenario = Scenario::ready(without(Class::SecretService), facts());
    let outcome = scenario.outcome();
    assert_eq!(outcome.missing[0].class, Class::SecretService);
    assert!(outcome.missing[0].text.starts_with("the Secret Service must be notified, but no recipient is configured"));
    let refused = scenario.release().unwrap_err();
    assert!(refused.why.contains("nothing else about this case may be released"), "{refused}");
    assert_eq!((scenario.case.state, &scenario.case.notified), (State::Approved, &None));
    // The release is possible as soon as there is such a recipient.
    scenario.recipients = recipients();
    scenario.take(Step::Release, "bob").unwrap();
    // A recipient that may not receive the marking counts as missing.
    let mut low = Scenario::ready(recipients(), facts());
    low.recipients.iter_mut().filter(|r| r.class == Class::SecretService).for_each(|r| r.tlp_ceiling = Tlp::Green);
    assert!(
        low.release()
            .unwrap_err()
            .why
            .contains("service must be notified, but the products of its class are TLP:AMBER")
    );
}

#[test]
fn rule_4_no_role_can_keep_it_back() {
    let mut scenario =
        Scenario::ready(recipients(), vec![targets(vec![target(TargetKind::MajorCandidate, "Doe", None)])]);
    let classes = Class::ALL
        .map(|class| ClassRule { sign_off: vec!["counsel".to_owned()], ..scenario.rules.class(class).clone() });
    scenario.rules = Rules::new(classes, vec![], 30);
    let blocked = |scenario: &Scenario, name: &str| !scenario.about(name).blocks.is_empty();
    assert_eq!((blocked(&scenario, "service"), blocked(&scenario, "birds")), (false, true));
    scenario.record(chosen(&[]), "ann").unwrap();
    scenario.release().unwrap();
    assert!(scenario.case.notified.as_ref().unwrap().keys().eq(["service"]));
}

#[test]
fn rule_4_somebody_has_to_say_whom_it_is_directed_against() {
    let mut scenario = Scenario::ready(recipients(), vec![]);
    scenario.case.facts.targets = None;
    assert!(scenario.release().unwrap_err().why.contains("the targets are not recorded"));
    // A suggestion of the detector is not a fact, and needs an answer.
    let mut scenario = Scenario::ready(recipients(), vec![]);
    scenario.cluster.targets = vec!["candidates".to_owned(), "election offices".to_owned()];
    assert!(!scenario.notified().contains(&"service".to_owned()));
    assert!(scenario.release().unwrap_err().why.contains("suggests as targets: candidates, election offices"));
    let dismiss = Step::Dismiss { reason: "nothing".to_owned(), authentic: true };
    assert!(scenario.take(dismiss.clone(), "ann").unwrap_err().why.contains("suggests as targets"));
    let no = |name: &str| (name.to_owned(), "a sports award".to_owned());
    let suggestions = BTreeMap::from([no("candidates"), no("election offices")]);
    scenario.record(Fact::Targets(Targets { targets: vec![], suggestions }), "ann").unwrap();
    assert_eq!(scenario.blocked(), BTreeSet::from([1]), "the approval was given before");
    scenario.take(dismiss, "ann").unwrap();
}

#[test]
fn rule_6_partisan_politics_plays_no_role() {
    // The name of the candidate changes no decision; a property test swaps all names.
    let of = |name: &str, to: &str| {
        let facts = vec![targets(vec![target(TargetKind::Candidate, name, Some(to))])];
        let scenario = Scenario::ready(recipients(), facts);
        let mine = scenario.about(to);
        (mine.notified, mine.products, mine.shows, scenario.blocked())
    };
    assert_eq!(of("Doe of one party", "doe"), of("Roe of the other", "roe"));
}

#[test]
fn rule_7_do_not_amplify_do_not_revictimise() {
    let signed = |facts: Vec<Fact>| {
        let all = [chosen(&["public"])].into_iter().chain(facts).collect();
        let mut scenario = Scenario::ready(recipients(), all);
        scenario.take(sign_off("public affairs"), "cy").unwrap();
        scenario
    };
    // Without answers there is no notice, and no other release either.
    let mut scenario = signed(vec![]);
    assert_eq!(scenario.blocked(), BTreeSet::from([1, 7]));
    assert!(
        scenario.release().unwrap_err().why.contains("does it amplify the message, does it harm the victims again?")
    );
    // A yes to either question prevents the notice, with the reason.
    for (amplifies, revictimises) in [(true, false), (false, true), (true, true), (false, false)] {
        let mut scenario = signed(vec![answers(amplifies, revictimises)]);
        let notified = !amplifies && !revictimises;
        assert_eq!(scenario.about("public").notified, notified);
        assert!(rules_of(&scenario.about("public")).contains(&7));
        scenario.release().unwrap();
        assert_eq!(scenario.case.notified.as_ref().unwrap().contains_key("public"), notified);
    }
    let mut scenario = signed(vec![]);
    let silent = Answer { yes: false, why: String::new() };
    let notice = PublicNotice { amplifies: silent.clone(), revictimises: silent };
    assert!(scenario.record(Fact::PublicNotice(notice), "ann").unwrap_err().why.contains("is empty"));
    // There is no public notice unless people select it.
    assert!(!Scenario::ready(recipients(), vec![answers(false, false)]).about("public").notified);
}

#[test]
fn rule_8_platforms_decide_for_themselves() {
    let scenario = Scenario::ready(recipients(), vec![]);
    for platform in ["birds", "skies"] {
        let decision = scenario.about(platform);
        assert_eq!(
            (decision.products.as_slice(), decision.statements.as_slice()),
            ([Product::PlatformFeed].as_slice(), [VOLUNTARY].as_slice())
        );
        assert!(rules_of(&decision).contains(&8));
    }
    assert!(scenario.about("county").statements.is_empty());
}

#[test]
fn rule_9_supplement_not_replace() {
    let mut scenario = Scenario::ready(recipients(), vec![]);
    scenario.case.facts.duties = None;
    assert!(scenario.release().unwrap_err().why.contains("the existing duties to notify victims are not recorded"));
    let none = Fact::Duties(Duties::default());
    assert!(scenario.record(none, "ann").unwrap_err().why.contains("the reason why no duty applies is empty"));
    let duty =
        Duty { duty: "the state's breach notification law".to_owned(), whom: "the county tells voters".to_owned() };
    let entry = scenario.record(Fact::Duties(Duties { duties: vec![duty], why: String::new() }), "ann").unwrap();
    assert_eq!(entry.text, "the state's breach notification law: the county tells voters");
    scenario.take(Step::Release, "bob").unwrap();
}
