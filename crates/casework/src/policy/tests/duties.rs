//! Every mandatory recipient is notified, and an approval covers the recipients and what they see.

use super::*;

#[test]
fn rule_4_no_way_around_the_delivery() {
    let protected = || targets(vec![target(TargetKind::MajorCandidate, "Doe", None)]);
    let mut scenario = Scenario::ready(recipients(), vec![protected()]);
    assert!(scenario.hand_over("service").unwrap_err().why.contains("never released"));
    scenario.release().unwrap();
    // Retracted, then closed.
    scenario.take(Step::Retract { reason: "wrong".to_owned() }, "bob").unwrap();
    assert!(scenario.take(Step::Close, "ann").unwrap_err().why.contains("the Secret Service must be notified first"));
    assert!(scenario.case.needs_attention(), "the duty is open in every state");
    // Recorded with who took it, how, and a time between the release and now.
    let terms =
        Terms { cluster: &scenario.cluster, recipients: &scenario.recipients, rules: &scenario.rules, rendered: None };
    let handed = |recipient: &str, to: &str, at: Timestamp| Handover {
        recipient: recipient.to_owned(),
        to: to.to_owned(),
        how: "by courier".to_owned(),
        at,
    };
    let mut case = scenario.case.clone();
    for (handover, why) in [
        (handed("service", "\u{200b}", now()), "who took it is empty"),
        (handed("service", "an officer", days(1)), "in the future"),
        (handed("service", "an officer", days(-1)), "before the release"),
        (handed("nobody", "an officer", now()), "no recipient"),
        (handed("paper", "an editor", now()), "not chosen"),
    ] {
        let refused = case.record_handover(handover, "bob", &terms, now()).unwrap_err();
        assert!(refused.why.contains(why), "{refused}");
    }
    scenario.hand_over("service").unwrap();
    scenario.take(Step::Close, "ann").unwrap();
    assert!(!scenario.case.needs_attention());
}

#[test]
fn rule_4_a_later_version_is_delivered_too() {
    let facts = || vec![targets(vec![target(TargetKind::MajorCandidate, "Doe", None)])];
    let mut scenario = Scenario::ready(recipients(), facts());
    scenario.release().unwrap();
    scenario.hand_over("service").unwrap();
    assert_eq!(scenario.case.find_open_duties(now()), []);
    scenario.case.record_newer_version(2, days(1));
    scenario.cluster.version = 2;
    scenario.now = days(2);
    scenario.take(Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() }, "ann").unwrap();
    for fact in crate::fixtures::facts().into_iter().chain(facts()) {
        scenario.record(fact, "ann").unwrap();
    }
    scenario.approve();
    scenario.take(Step::Update, "bob").unwrap();
    let open = scenario.case.find_open_duties(days(2));
    assert_eq!((open.len(), open[0].since), (1, days(2)), "since the later version was released");
    scenario.hand_over("service").unwrap();
    assert_eq!(scenario.case.find_open_duties(days(2)), []);
}

#[test]
fn an_approval_covers_who_is_told() {
    let mut scenario = Scenario::ready(recipients(), vec![chosen(&["birds"])]);
    scenario.approve();
    // Somebody else is chosen: what was approved is no longer what would be shared.
    let entry = scenario.record(chosen(&["birds", "skies"]), "cy").unwrap();
    assert!(entry.text.contains("has to be approved again"), "{}", entry.text);
    assert_eq!((scenario.case.state, &scenario.case.approved), (State::InReview, &None));
    scenario.approve();
    let entry = scenario.record(chosen(&["birds", "skies"]), "cy").unwrap();
    assert!(!entry.text.contains("again"), "the same choice changes nothing");
    // A file of recipients, or rules, that changed since.
    scenario.recipients.retain(|recipient| recipient.name != "skies");
    let refused = scenario.take(Step::Release, "bob").unwrap_err();
    assert!(refused.why.contains("no longer what was approved"), "{refused}");
    scenario.recipients = recipients();
    scenario.rules = Rules::with_marking(Tlp::Green);
    assert!(scenario.take(Step::Release, "bob").unwrap_err().why.contains("no longer what was approved"));
    scenario.approve();
    scenario.take(Step::Release, "bob").unwrap();
}

#[test]
fn rule_4_a_case_is_not_closed_before_they_are_told() {
    // A major candidate may be recorded as a target after the release.
    let mut scenario = Scenario::ready(recipients(), vec![]);
    scenario.release().unwrap();
    scenario.record(targets(vec![target(TargetKind::MajorCandidate, "Doe", None)]), "ann").unwrap();
    let refused = scenario.take(Step::Close, "ann").unwrap_err();
    assert!(refused.why.contains("service must be notified first"), "{refused}");
    let mut nobody = Scenario { case: scenario.case.clone(), ..Scenario::new(without(Class::SecretService)) };
    assert!(nobody.take(Step::Close, "ann").unwrap_err().why.contains("no recipient is configured"));
    scenario.approve();
    scenario.take(Step::Update, "bob").unwrap();
    // A release tells nobody by itself: a delivery is recorded.
    let refused = scenario.take(Step::Close, "ann").unwrap_err();
    assert!(refused.why.contains("the Secret Service must be notified first: hand over the document"), "{refused}");
    scenario.hand_over("service").unwrap();
    scenario.take(Step::Close, "ann").unwrap();
}
