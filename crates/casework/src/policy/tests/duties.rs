//! Nobody who must be told is left untold, and an approval covers who learns what.

use super::*;

#[test]
fn rule_4_no_way_around_the_delivery() {
    let protected = || targets(vec![target(TargetKind::MajorCandidate, "Doe", None)]);
    let mut desk = Desk::ready(recipients(), vec![protected()]);
    assert!(desk.hand_over("service").unwrap_err().why.contains("never released"));
    desk.release().unwrap();
    // Retracted, then closed.
    desk.take(Step::Retract { reason: "wrong".to_owned() }, "bob").unwrap();
    assert!(desk.take(Step::Close, "ann").unwrap_err().why.contains("the Secret Service must be notified first"));
    assert!(desk.case.needs_attention(), "the duty is open in every state");
    // Recorded with who took it, how, and a time between the release and now.
    let terms = Terms { cluster: &desk.cluster, recipients: &desk.recipients, rules: &desk.rules, rendered: None };
    let handed = |recipient: &str, to: &str, at: Timestamp| Handover {
        recipient: recipient.to_owned(),
        to: to.to_owned(),
        how: "by courier".to_owned(),
        at,
    };
    let mut case = desk.case.clone();
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
    desk.hand_over("service").unwrap();
    desk.take(Step::Close, "ann").unwrap();
    assert!(!desk.case.needs_attention());
}

#[test]
fn rule_4_a_later_version_is_delivered_too() {
    let facts = || vec![targets(vec![target(TargetKind::MajorCandidate, "Doe", None)])];
    let mut desk = Desk::ready(recipients(), facts());
    desk.release().unwrap();
    desk.hand_over("service").unwrap();
    assert_eq!(desk.case.find_open_duties(now()), []);
    desk.case.see(2, days(1));
    desk.cluster.version = 2;
    desk.now = days(2);
    desk.take(Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() }, "ann").unwrap();
    for fact in crate::fixtures::facts().into_iter().chain(facts()) {
        desk.record(fact, "ann").unwrap();
    }
    desk.approve();
    desk.take(Step::Update, "bob").unwrap();
    let open = desk.case.find_open_duties(days(2));
    assert_eq!((open.len(), open[0].since), (1, days(2)), "since the later version was released");
    desk.hand_over("service").unwrap();
    assert_eq!(desk.case.find_open_duties(days(2)), []);
}

#[test]
fn an_approval_covers_who_is_told() {
    let mut desk = Desk::ready(recipients(), vec![chosen(&["birds"])]);
    desk.approve();
    // Somebody else is chosen: what was approved is no longer what would be shared.
    let entry = desk.record(chosen(&["birds", "skies"]), "cy").unwrap();
    assert!(entry.text.contains("has to be approved again"), "{}", entry.text);
    assert_eq!((desk.case.state, &desk.case.approved), (State::InReview, &None));
    desk.approve();
    let entry = desk.record(chosen(&["birds", "skies"]), "cy").unwrap();
    assert!(!entry.text.contains("again"), "the same choice changes nothing");
    // A file of recipients, or rules, that changed since.
    desk.recipients.retain(|recipient| recipient.name != "skies");
    let refused = desk.take(Step::Release, "bob").unwrap_err();
    assert!(refused.why.contains("no longer what was approved"), "{refused}");
    desk.recipients = recipients();
    desk.rules = Rules::with_marking(Tlp::Green);
    assert!(desk.take(Step::Release, "bob").unwrap_err().why.contains("no longer what was approved"));
    desk.approve();
    desk.take(Step::Release, "bob").unwrap();
}

#[test]
fn rule_4_a_case_is_not_closed_before_they_are_told() {
    // A major candidate may be recorded as a target after the release.
    let mut desk = Desk::ready(recipients(), vec![]);
    desk.release().unwrap();
    desk.record(targets(vec![target(TargetKind::MajorCandidate, "Doe", None)]), "ann").unwrap();
    let refused = desk.take(Step::Close, "ann").unwrap_err();
    assert!(refused.why.contains("service must be notified first"), "{refused}");
    let mut nobody = Desk { case: desk.case.clone(), ..Desk::new(without(Class::SecretService)) };
    assert!(nobody.take(Step::Close, "ann").unwrap_err().why.contains("no recipient is configured"));
    desk.approve();
    desk.take(Step::Update, "bob").unwrap();
    // A release tells nobody by itself: a delivery is recorded.
    let refused = desk.take(Step::Close, "ann").unwrap_err();
    assert!(refused.why.contains("the Secret Service must be notified first: hand over the document"), "{refused}");
    desk.hand_over("service").unwrap();
    desk.take(Step::Close, "ann").unwrap();
}
