//! Sign-offs: by whom they count.

use super::*;

/// A case in which Congress and the public wait for a sign-off each.
fn desk() -> Desk {
    Desk::ready(recipients(), vec![chosen(&["house", "public"]), answers(false, false)])
}

fn by(desk: &Desk, role: &str) -> Option<String> {
    desk.outcome().sign_offs.into_iter().find(|needed| needed.role == role).unwrap().by
}

#[test]
fn a_person_in_two_roles_counts_once() {
    let mut desk = desk();
    desk.take(sign_off("congressional affairs"), "cy").unwrap();
    let entry = desk.take(sign_off("public affairs"), " Cy ").unwrap();
    assert!(entry.text.ends_with("; it replaces the sign-off as congressional affairs"), "{}", entry.text);
    assert_eq!((by(&desk, "congressional affairs"), by(&desk, "public affairs")), (None, Some(" Cy ".to_owned())));
    desk.approve();
    let refused = desk.take(Step::Release, "bob").unwrap_err();
    assert!(refused.why.contains("cy signed off as public affairs later, and a person counts once"), "{refused}");
    desk.take(sign_off("congressional affairs"), "dee").unwrap();
    desk.take(Step::Release, "bob").unwrap();
}

#[test]
fn neither_the_approver_nor_the_releaser_signs_off() {
    let mut desk = desk();
    desk.take(sign_off("congressional affairs"), "ANN").unwrap();
    desk.take(sign_off("public affairs"), "bob").unwrap();
    assert_eq!(by(&desk, "congressional affairs"), Some("ANN".to_owned()), "nobody has approved yet");
    desk.approve();
    assert_eq!(by(&desk, "congressional affairs"), None);
    let refused = desk.take(Step::Release, "eve").unwrap_err();
    assert!(refused.why.contains("ANN signed off and approved: another person"), "{refused}");
    desk.take(sign_off("congressional affairs"), "cy").unwrap();
    let refused = desk.take(Step::Release, " Bob").unwrap_err();
    assert!(refused.why.contains("signed off as public affairs: another person has to release"), "{refused}");
    assert_eq!(desk.case.state, State::Approved, "nothing was shared");
    desk.take(Step::Release, "eve").unwrap();
}

#[test]
fn the_approver_of_a_case_is_the_same_person_in_any_spelling() {
    let mut desk = Desk::ready(recipients(), vec![]);
    desk.approve();
    assert!(desk.take(Step::Release, " ANN ").unwrap_err().why.contains("two different people"));
}

#[test]
fn a_sign_off_from_before_roles_belonged_to_people_is_kept_and_has_to_be_repeated() {
    let mut desk = desk();
    desk.take(sign_off("congressional affairs"), "cy").unwrap();
    desk.take(sign_off("public affairs"), "dee").unwrap();
    // A case as it was stored then.
    let mut old = serde_json::to_value(&desk.case).unwrap();
    old["facts"]["sign_offs"][0]["what"].as_object_mut().unwrap().remove("held").unwrap();
    desk.case = serde_json::from_value(old).unwrap();
    desk.approve();
    let refused = desk.take(Step::Release, "bob").unwrap_err();
    let said = "house is notified only after congressional affairs has signed off version 1; cy recorded it when no role was \
                needed for it: a person who holds the role has to sign off again";
    assert!(refused.why.contains(said), "{refused}");
    assert_eq!(desk.case.facts.sign_offs.len(), 2, "the record is kept");
    desk.take(sign_off("congressional affairs"), "cy").unwrap();
    desk.take(Step::Release, "bob").unwrap();
}

#[test]
fn an_unconfirmed_delay_with_a_wrong_date_does_not_keep_its_approver_from_the_corrected_one() {
    let confirm = |day: i64| Fact::ConfirmDelay(ConfirmedDelay { state: "OH".to_owned(), until: days(day) });
    let mut desk = Desk::ready(recipients(), vec![breach(&["OH"])]);
    desk.record(delay("dee", days(20)), "ann").unwrap();
    desk.record(delay("dee", days(2)), "ann").unwrap();
    desk.record(confirm(2), "dee").unwrap();
    assert_eq!(desk.about("ohio").not_before, Some(days(2)));
    // The first one was never in force; now it would be a renewal.
    let refused = desk.record(confirm(20), "dee").unwrap_err();
    assert!(refused.why.contains("another person has to approve a renewal"), "{refused}");
    let refused = desk.record(delay(" Dee ", days(3)), "ann").unwrap_err();
    assert!(refused.why.contains("another person has to approve a renewal"), "{refused}");
    desk.record(delay("eve", days(3)), "ann").unwrap();
    desk.record(confirm(3), "eve").unwrap();
    assert_eq!(desk.about("ohio").not_before, Some(days(3)));
}
