//! An approval covers what is sent.

use super::*;

fn objects(of: &str) -> Rendered {
    [("birds".to_owned(), of.to_owned())].into()
}

fn terms<'a>(scenario: &'a Scenario, rendered: &'a Rendered) -> Terms<'a> {
    Terms {
        cluster: &scenario.cluster,
        recipients: &scenario.recipients,
        rules: &scenario.rules,
        rendered: Some(rendered),
    }
}

/// A step while a release would send these objects.
fn take(scenario: &mut Scenario, step: Step, by: &str, rendered: &Rendered) -> Result<Entry, Illegal> {
    let mut case = scenario.case.clone();
    let entry = case.take(step, by, &terms(scenario, rendered), scenario.now);
    scenario.case = case;
    entry
}

fn approve() -> Step {
    Step::Approve { comment: "clear".to_owned() }
}

fn is_blocked(scenario: &Scenario, rendered: &Rendered) -> bool {
    let outcome = decide(&scenario.case, &terms(scenario, rendered), scenario.now);
    outcome.blocking().any(|block| block.text.contains("changed after the approval"))
}

#[test]
fn an_approval_covers_the_objects_that_are_sent() {
    let mut scenario = Scenario::ready(recipients(), Vec::new());
    let (looked_at, other) = (objects("as looked at"), objects("something else"));
    take(&mut scenario, approve(), "ann", &looked_at).unwrap();
    assert!(!is_blocked(&scenario, &looked_at) && is_blocked(&scenario, &other));
    let refused = take(&mut scenario, Step::Release, "bob", &other).unwrap_err();
    assert!(refused.why.contains("birds") && refused.why.contains("approve it again"), "{refused}");
    assert_eq!(scenario.case.state, State::Approved);
    take(&mut scenario, approve(), "ann", &other).unwrap();
    assert!(!is_blocked(&scenario, &other));
    take(&mut scenario, Step::Release, "bob", &other).unwrap();
    // What was released is as it was approved, whatever would be rendered of it later.
    assert!(!is_blocked(&scenario, &looked_at));
}

#[test]
fn an_approval_from_before_objects_were_rendered_has_to_be_given_again() {
    let mut scenario = Scenario::ready(recipients(), Vec::new());
    scenario.approve();
    let objects = objects("as looked at");
    assert!(take(&mut scenario, Step::Release, "bob", &objects).is_err());
    take(&mut scenario, approve(), "ann", &objects).unwrap();
    take(&mut scenario, Step::Release, "bob", &objects).unwrap();
}

#[test]
fn an_approval_that_comes_back_by_undo_covers_what_it_covered() {
    let mut scenario = Scenario::ready(recipients(), Vec::new());
    let (looked_at, other) = (objects("as looked at"), objects("something else"));
    take(&mut scenario, approve(), "ann", &looked_at).unwrap();
    take(&mut scenario, approve(), "eve", &other).unwrap();
    take(&mut scenario, Step::Undo, "eve", &other).unwrap();
    assert_eq!(scenario.case.approved.as_ref().map(|statement| statement.by.as_str()), Some("ann"));
    assert!(take(&mut scenario, Step::Release, "bob", &other).is_err());
    take(&mut scenario, Step::Release, "bob", &looked_at).unwrap();
}
