//! Sign-offs: by whom they count.

use super::*;

/// A case in which Congress and the public wait for a sign-off each.
fn scenario() -> Scenario {
    Scenario::ready(recipients(), vec![chosen(&["house", "public"]), answers(false, false)])
}

fn by(scenario: &Scenario, role: &str) -> Option<String> {
    scenario.outcome().sign_offs.into_iter().find(|needed| needed.role == role).unwrap().by
}

#[test]
fn a_person_in_two_roles_counts_once() {
    let mut scenario = scenario();
    scenario.take(sign_off("congressional affairs"), "cy").unwrap();
    let entry = scenario.take(sign_off("public affairs"), " Cy ").unwrap();
    assert!(entry.text.ends_with("; it replaces the sign-off as congressional affairs"), "{}", entry.text);
    assert_eq!(
        (by(&scenario, "congressional affairs"), by(&scenario, "public affairs")),
        (None, Some(" Cy ".to_owned()))
    );
    scenario.approve();
    let refused = scenario.take(Step::Release, "bob").unwrap_err();
    assert!(refused.why.contains("cy signed off as public affairs later, and a person counts once"), "{refused}");
    scenario.take(sign_off("congressional affairs"), "dee").unwrap();
    scenario.take(Step::Release, "bob").unwrap();
}

#[test]
fn neither_the_approver_nor_the_releaser_signs_off() {
    let mut scenario = scenario();
    scenario.take(sign_off("congressional affairs"), "ANN").unwrap();
    scenario.take(sign_off("public affairs"), "bob").unwrap();
    assert_eq!(by(&scenario, "congressional affairs"), Some("ANN".to_owned()), "nobody has approved yet");
    scenario.approve();
    assert_eq!(by(&scenario, "congressional affairs"), None);
    let refused = scenario.take(Step::Release, "eve").unwrap_err();
    assert!(refused.why.contains("ANN signed off and approved: another person"), "{refused}");
    scenario.take(sign_off("congressional affairs"), "cy").unwrap();
    let refused = scenario.take(Step::Release, " Bob").unwrap_err();
    assert!(refused.why.contains("signed off as public affairs: another person has to release"), "{refused}");
    assert_eq!(scenario.case.state, State::Approved, "nothing was shared");
    scenario.take(Step::Release, "eve").unwrap();
}

#[test]
fn the_approver_of_a_case_is_the_same_person_in_any_spelling() {
    let mut scenario = Scenario::ready(recipients(), vec![]);
    scenario.approve();
    assert!(scenario.take(Step::Release, " ANN ").unwrap_err().why.contains("two different people"));
}

#[test]
fn a_sign_off_from_before_roles_belonged_to_people_is_kept_and_has_to_be_repeated() {
    let mut scenario = scenario();
    scenario.take(sign_off("congressional affairs"), "cy").unwrap();
    scenario.take(sign_off("public affairs"), "dee").unwrap();
    // A case as it was stored then.
    let mut old = serde_json::to_value(&scenario.case).unwrap();
    old["facts"]["sign_offs"][0]["what"].as_object_mut().unwrap().remove("held").unwrap();
    scenario.case = serde_json::from_value(old).unwrap();
    scenario.approve();
    let refused = scenario.take(Step::Release, "bob").unwrap_err();
    let said = "house is notified only after congressional affairs has signed off version 1; cy recorded it when no role was \
                needed for it: a person who holds the role has to sign off again";
    assert!(refused.why.contains(said), "{refused}");
    assert_eq!(scenario.case.facts.sign_offs.len(), 2, "the record is kept");
    scenario.take(sign_off("congressional affairs"), "cy").unwrap();
    scenario.take(Step::Release, "bob").unwrap();
}
