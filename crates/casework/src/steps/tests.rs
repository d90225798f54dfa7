use super::*;
use crate::facts::{Fact, Targets};
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
        Step::Undo,
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
    assert!(case.record_newer_version(2, now()).is_some());
    assert_eq!(case.state, State::InReview);
    assert!(case.record_newer_version(2, now()).is_none());
    assert!(case.record_newer_version(1, now()).is_none());
}

#[test]
fn an_update_needs_its_own_check_and_two_people() {
    let mut case = released();
    case.record_newer_version(2, now());
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

#[test]
fn the_last_decision_can_be_undone_until_the_release() {
    let dismiss = || Step::Dismiss { reason: "a fan club".to_owned(), authentic: true };
    let mut case = in_review();
    record(&mut case);
    take(&mut case, check(), "ann").unwrap();
    take(&mut case, approve(), "ann").unwrap();
    let approved = case.clone();

    take(&mut case, dismiss(), "eve").unwrap();
    assert!(case.allowed().ends_with("undo the last decision"), "{}", case.allowed());
    let entry = take(&mut case, Step::Undo, "bob").unwrap();
    assert_eq!((&*entry.action, case.state), ("undone", State::Approved));
    assert!(entry.text.starts_with("dismiss by eve at ") && entry.text.ends_with("the case is approved again"));
    assert_eq!((&case.approved, &case.approved_scope), (&approved.approved, &approved.approved_scope));
    // Once only, and the two-person rule is as before.
    assert!(take(&mut case, Step::Undo, "bob").unwrap_err().why.contains("no decision to undo"));
    assert!(take(&mut case, Step::Release, "ann").unwrap_err().why.contains("two different people"));

    take(&mut case, Step::ReturnToReview { reason: "once more".to_owned() }, "eve").unwrap();
    take(&mut case, Step::Undo, "eve").unwrap();
    assert_eq!(case.state, State::Approved);
    take(&mut case, Step::Release, "bob").unwrap();
    let refused = take(&mut case, Step::Undo, "bob").unwrap_err();
    assert!(refused.why.contains("retract it"), "{refused}");
}

#[test]
fn a_later_step_or_version_ends_the_undo() {
    let nominated = Case::nominate("c1", 1, now()).0;
    let mut case = nominated.clone();
    take(&mut case, Step::BeginReview, "ann").unwrap();
    take(&mut case, Step::Undo, "ann").unwrap();
    assert_eq!(case.state, State::Nominated);

    for change in [
        |case: &mut Case| take(case, check(), "ann").map(drop).unwrap(),
        |case: &mut Case| assert!(case.record_newer_version(2, now()).is_some()),
    ] {
        let mut case = in_review();
        take(&mut case, Step::Dismiss { reason: "r".to_owned(), authentic: false }, "ann").unwrap();
        take(&mut case, Step::ReturnToReview { reason: "r".to_owned() }, "ann").unwrap();
        change(&mut case);
        assert!(take(&mut case, Step::Undo, "ann").unwrap_err().why.contains("no decision to undo"));
    }
}
