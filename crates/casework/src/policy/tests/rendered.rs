//! An approval covers what is sent.

use super::*;

fn objects(of: &str) -> Rendered {
    [("birds".to_owned(), of.to_owned())].into()
}

fn terms<'a>(desk: &'a Desk, rendered: &'a Rendered) -> Terms<'a> {
    Terms { cluster: &desk.cluster, recipients: &desk.recipients, rules: &desk.rules, rendered: Some(rendered) }
}

/// A step while a release would send these objects.
fn take(desk: &mut Desk, step: Step, by: &str, rendered: &Rendered) -> Result<Entry, Illegal> {
    let mut case = desk.case.clone();
    let entry = case.take(step, by, &terms(desk, rendered), desk.now);
    desk.case = case;
    entry
}

fn approve() -> Step {
    Step::Approve { comment: "clear".to_owned() }
}

fn is_blocked(desk: &Desk, rendered: &Rendered) -> bool {
    let outcome = decide(&desk.case, &terms(desk, rendered), desk.now);
    outcome.blocking().any(|block| block.text.contains("changed after the approval"))
}

#[test]
fn an_approval_covers_the_objects_that_are_sent() {
    let mut desk = Desk::ready(recipients(), Vec::new());
    let (looked_at, other) = (objects("as looked at"), objects("something else"));
    take(&mut desk, approve(), "ann", &looked_at).unwrap();
    assert!(!is_blocked(&desk, &looked_at) && is_blocked(&desk, &other));
    let refused = take(&mut desk, Step::Release, "bob", &other).unwrap_err();
    assert!(refused.why.contains("birds") && refused.why.contains("approve it again"), "{refused}");
    assert_eq!(desk.case.state, State::Approved);
    take(&mut desk, approve(), "ann", &other).unwrap();
    assert!(!is_blocked(&desk, &other));
    take(&mut desk, Step::Release, "bob", &other).unwrap();
    // What was released is as it was approved, whatever would be rendered of it later.
    assert!(!is_blocked(&desk, &looked_at));
}

#[test]
fn an_approval_from_before_objects_were_rendered_has_to_be_given_again() {
    let mut desk = Desk::ready(recipients(), Vec::new());
    desk.approve();
    let objects = objects("as looked at");
    assert!(take(&mut desk, Step::Release, "bob", &objects).is_err());
    take(&mut desk, approve(), "ann", &objects).unwrap();
    take(&mut desk, Step::Release, "bob", &objects).unwrap();
}

#[test]
fn an_approval_that_comes_back_by_undo_covers_what_it_covered() {
    let mut desk = Desk::ready(recipients(), Vec::new());
    let (looked_at, other) = (objects("as looked at"), objects("something else"));
    take(&mut desk, approve(), "ann", &looked_at).unwrap();
    take(&mut desk, approve(), "eve", &other).unwrap();
    take(&mut desk, Step::Undo, "eve", &other).unwrap();
    assert_eq!(desk.case.approved.as_ref().map(|word| word.by.as_str()), Some("ann"));
    assert!(take(&mut desk, Step::Release, "bob", &other).is_err());
    take(&mut desk, Step::Release, "bob", &looked_at).unwrap();
}
