//! Rule 5: a breach of local election systems, and delays for the state's chief election official.

use super::*;

#[test]
fn rule_5_local_breach_of_election_systems() {
    let county = || targets(vec![target(TargetKind::ElectionOffice, "a county", Some("county"))]);
    // If an election office is a target, a record about breaches is needed.
    let mut scenario = Scenario::ready(recipients(), vec![county()]);
    assert_eq!(scenario.blocked(), BTreeSet::from([1, 5]));
    assert!(scenario.record(breach(&["Ohio"]), "ann").unwrap_err().why.contains("two capital letters"));
    assert!(scenario.record(breach(&["ZQ"]), "ann").unwrap_err().why.contains("is not a state"));
    scenario.record(breach(&["OH"]), "ann").unwrap();
    // The state's chief election official is notified too, and nobody can deselect it.
    scenario.record(chosen(&["county"]), "ann").unwrap();
    assert_eq!(scenario.notified(), ["ohio", "county"]);
    assert!(scenario.about("ohio").must && rules_of(&scenario.about("ohio")).contains(&5));
    // The person who recorded a breach cannot take it back alone.
    assert!(scenario.record(breach(&[]), "ann").unwrap_err().why.contains("another person has to take it back"));

    // A delay needs another person as its approver, and an end.
    assert!(scenario.record(delay(" ", days(3)), "ann").unwrap_err().why.contains("needs a named approver"));
    assert!(scenario.record(delay("ann", days(3)), "ann").unwrap_err().why.contains("another person"));
    assert!(scenario.record(delay("dee", days(-1)), "ann").unwrap_err().why.contains("past"));
    assert!(scenario.record(delay("dee", days(31)), "ann").unwrap_err().why.contains("more than 30 days"));
    scenario.rules =
        Rules::new(Class::ALL.map(|class| scenario.rules.class(class).clone()), vec!["eve".to_owned()], 30);
    assert!(scenario.record(delay("dee", days(3)), "ann").unwrap_err().why.contains("people who may: eve"));
    assert!(scenario.record(delay(" ANN ", days(3)), "ann").unwrap_err().why.contains("another person"));
    scenario.record(delay("eve", days(3)), "ann").unwrap();
    // It is not in force before the approver confirms it, and nobody else can.
    assert_eq!(scenario.notified(), ["ohio", "county"]);
    let confirm = |until| Fact::ConfirmDelay(ConfirmedDelay { state: "OH".to_owned(), until });
    assert!(scenario.record(confirm(days(3)), "ann").unwrap_err().why.contains("only that person confirms it"));
    assert!(scenario.record(confirm(days(4)), "eve").unwrap_err().why.contains("no delay"));
    scenario.record(confirm(days(3)), "eve").unwrap();
    assert_eq!((scenario.notified(), scenario.about("ohio").not_before), (vec!["county".to_owned()], Some(days(3))));
    // A renewal needs another approver, and all of them end with the longest delay after the breach
    // was recorded.
    assert!(scenario.record(delay("eve", days(5)), "ann").unwrap_err().why.contains("another person has to approve"));
    scenario.now = days(2);
    scenario.record(breach(&[]), "cy").unwrap();
    scenario.record(breach(&["OH"]), "cy").unwrap();
    let all = vec!["eve".to_owned(), "fay".to_owned()];
    scenario.rules = Rules::new(Class::ALL.map(|class| scenario.rules.class(class).clone()), all, 30);
    assert!(
        scenario.record(delay("fay", days(31)), "ann").unwrap_err().why.contains("more than 30 days after the breach")
    );
    scenario.now = now();
    // Nobody undoes what the approver wanted by choosing.
    scenario.record(chosen(&["county", "ohio"]), "ann").unwrap();
    assert_eq!(scenario.notified(), ["county"]);
    scenario.release().unwrap();
    let refused = scenario.take(Step::Close, "ann").unwrap_err();
    assert!(refused.why.contains("ohio must be notified first"), "{refused}");
    scenario.case.refresh_duties(scenario.now);
    assert!(!scenario.case.needs_attention(), "not while the delay is in force");
    // When it is over, the official is notified of the same version, without a new approval.
    scenario.now = days(3);
    assert_eq!(scenario.notified(), ["ohio", "county"]);
    assert_eq!(scenario.about("ohio").has_version, None);
    scenario.take(Step::Update, "bob").unwrap();
    assert_eq!(scenario.about("ohio").has_version, Some(1));
    assert!(scenario.case.refresh_duties(scenario.now).unwrap().text.contains("the delay is over"));
    assert!(scenario.case.needs_attention());
    assert!(scenario.take(Step::Close, "ann").is_err());
    scenario.hand_over("ohio").unwrap();
    scenario.take(Step::Close, "ann").unwrap();
}

#[test]
fn rule_5_without_the_official_nothing_is_released() {
    let mut scenario = Scenario::ready(recipients(), vec![breach(&["OH", "PA"])]);
    let outcome = scenario.outcome();
    assert_eq!(outcome.missing.iter().map(|m| m.state.as_deref()).collect::<Vec<_>>(), [Some("PA")]);
    assert!(scenario.release().unwrap_err().why.contains("chief election official of PA must be notified"));
    let dismissed = scenario.take(Step::Dismiss { reason: "nothing".to_owned(), authentic: true }, "bob").unwrap_err();
    assert!(dismissed.why.contains("a breach of election systems in OH is recorded"), "{dismissed}");
    scenario.record(breach(&["OH"]), "bob").unwrap();
    scenario.release().unwrap();
}

#[test]
fn an_unconfirmed_delay_with_a_wrong_date_does_not_keep_its_approver_from_the_corrected_one() {
    let confirm = |day: i64| Fact::ConfirmDelay(ConfirmedDelay { state: "OH".to_owned(), until: days(day) });
    let mut scenario = Scenario::ready(recipients(), vec![breach(&["OH"])]);
    scenario.record(delay("dee", days(20)), "ann").unwrap();
    scenario.record(delay("dee", days(2)), "ann").unwrap();
    scenario.record(confirm(2), "dee").unwrap();
    assert_eq!(scenario.about("ohio").not_before, Some(days(2)));
    // The first one was never in force; now it would be a renewal.
    let refused = scenario.record(confirm(20), "dee").unwrap_err();
    assert!(refused.why.contains("another person has to approve a renewal"), "{refused}");
    let refused = scenario.record(delay(" Dee ", days(3)), "ann").unwrap_err();
    assert!(refused.why.contains("another person has to approve a renewal"), "{refused}");
    scenario.record(delay("eve", days(3)), "ann").unwrap();
    scenario.record(confirm(3), "eve").unwrap();
    assert_eq!(scenario.about("ohio").not_before, Some(days(3)));
}

#[test]
fn an_unconfirmed_delay_is_taken_back_by_its_recorder_or_its_approver_and_by_nobody_else() {
    let named = |day: i64| ConfirmedDelay { state: "OH".to_owned(), until: days(day) };
    for (by, other) in [("ann", "dee"), (" DEE ", "Ann")] {
        let mut scenario = Scenario::ready(recipients(), vec![breach(&["OH"])]);
        scenario.record(delay("dee", days(20)), "ann").unwrap();
        scenario.record(delay("dee", days(2)), "ann").unwrap();
        let refused = scenario.record(Fact::WithdrawDelay(named(20)), "bob").unwrap_err();
        assert!(refused.why.contains("ann recorded it and dee is its approver: only they take it back"), "{refused}");
        let refused = scenario.record(Fact::WithdrawDelay(named(3)), by).unwrap_err();
        assert!(refused.why.contains("no delay for \"OH\" until"), "{refused}");
        let entry = scenario.record(Fact::WithdrawDelay(named(20)), by).unwrap();
        assert_eq!((&*entry.actor, &*entry.action), (by, "delay_withdrawn"));
        assert!(entry.text.contains(&days(20).to_string()), "{}", entry.text);
        let left: Vec<Timestamp> = scenario.case.facts.delays.iter().map(|record| record.what.until).collect();
        assert_eq!(left, [days(2)]);
        let refused = scenario.record(Fact::ConfirmDelay(named(20)), "dee").unwrap_err();
        assert!(refused.why.contains("is recorded"), "{refused}");
        // Once confirmed, the delay cannot be taken back: that would hide who approved it.
        scenario.record(Fact::ConfirmDelay(named(2)), "dee").unwrap();
        for by in [by, other] {
            let refused = scenario.record(Fact::WithdrawDelay(named(2)), by).unwrap_err();
            assert!(refused.why.contains("its approver has confirmed it"), "{refused}");
        }
        assert_eq!(scenario.about("ohio").not_before, Some(days(2)));
        // So the same approver cannot renew it by a detour.
        assert!(scenario.record(delay("dee", days(3)), "ann").is_err());
    }
}
