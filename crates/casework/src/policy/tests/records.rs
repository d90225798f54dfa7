//! Facts that people record: author, time and version.

use super::*;

#[test]
fn every_record_says_who_when_and_about_which_version() {
    let mut desk = Desk::ready(recipients(), vec![]);
    desk.case.see(2, days(1));
    desk.cluster.version = 2;
    desk.now = days(2);
    let entry = desk.record(targets(vec![target(TargetKind::Candidate, "Doe", Some("doe"))]), "bob").unwrap();
    assert_eq!((entry.actor.as_str(), entry.action.as_str()), ("bob", "targets_recorded"));
    assert_eq!(entry.text, "candidate: Doe, recipient doe");
    let record = desk.case.facts.targets.as_ref().unwrap();
    assert_eq!((record.by.as_str(), record.at, record.version), ("bob", days(2), 2));
    let unknown = desk.record(targets(vec![target(TargetKind::Candidate, "X", Some("nobody"))]), "bob").unwrap_err();
    assert!(unknown.why.contains("there is no recipient \"nobody\"; configured recipients: birds, skies"), "{unknown}");
}

#[test]
fn a_record_about_an_earlier_version_does_not_count_for_a_later_one() {
    let mut desk = Desk::ready(recipients(), vec![chosen(&["public"]), answers(false, false)]);
    desk.take(sign_off("public affairs"), "cy").unwrap();
    desk.approve();
    assert_eq!(desk.blocked(), BTreeSet::new());
    desk.case.see(2, now());
    desk.cluster.version = 2;
    // Approval, check, consideration, targets, answers and sign-off are needed again; duties and
    // the selection stay.
    assert_eq!(desk.blocked(), BTreeSet::from([1, 2, 3, 4, 7]));
    let open: Vec<&str> = ["not approved", "signed off version 2", "public notice of version 2"].to_vec();
    let texts: Vec<String> = desk.outcome().blocking().map(|block| block.text.clone()).collect();
    assert!(open.iter().all(|words| texts.iter().any(|text| text.contains(words))), "{texts:?}");
}

#[test]
fn what_changes_who_is_told_takes_an_approval_back() {
    let mut desk = Desk::ready(recipients(), vec![]);
    desk.approve();
    let entry = desk.record(targets(vec![target(TargetKind::MajorCandidate, "Doe", None)]), "bob").unwrap();
    assert!(entry.text.contains("has to be approved again"), "{}", entry.text);
    assert_eq!((desk.case.state, &desk.case.approved), (State::InReview, &None));
    desk.release().unwrap();
    // The same holds after a release; the same version can then be approved and shared again.
    desk.record(targets(vec![target(TargetKind::Candidate, "Doe", Some("doe"))]), "bob").unwrap();
    assert!(desk.take(Step::Update, "bob").is_err());
    desk.approve();
    desk.take(Step::Update, "bob").unwrap();
    assert!(desk.case.told.as_ref().unwrap().contains_key("doe"));
}

#[test]
fn a_platform_that_was_told_hears_of_every_later_version() {
    let mut desk = Desk::ready(recipients(), vec![chosen(&["birds"])]);
    desk.release().unwrap();
    desk.record(chosen(&["skies"]), "ann").unwrap();
    assert_eq!(desk.told(), ["birds", "skies"]);
    // A case released before recipients were recorded: every platform has it.
    desk.case.told = None;
    desk.record(chosen(&[]), "ann").unwrap();
    assert_eq!(desk.told(), ["birds", "skies"]);
}

#[test]
fn a_case_stored_before_the_policy_is_read() {
    let (case, _) = Case::nominate("c", 1, now());
    let mut old = serde_json::to_value(&case).unwrap();
    for field in ["facts", "told", "released_by"] {
        old.as_object_mut().unwrap().remove(field).unwrap();
    }
    assert_eq!(serde_json::from_value::<Case>(old).unwrap(), case);
    let facts = vec![breach(&["OH"]), delay("dee", days(1)), answers(true, false), chosen(&["doe"])];
    let mut desk = Desk::ready(recipients(), facts);
    desk.take(sign_off("public affairs"), "cy").unwrap();
    let again: Case = serde_json::from_str(&serde_json::to_string(&desk.case).unwrap()).unwrap();
    assert_eq!(again, desk.case);
}

#[test]
fn an_explanation_says_who_why_what_and_what_blocks() {
    let mut desk =
        Desk::ready(recipients(), vec![targets(vec![target(TargetKind::MajorCandidate, "\u{1b}[2J Doe", None)])]);
    desk.cluster.targets = vec!["candidates".to_owned()];
    desk.record(chosen(&["house", "nobody"]), "ann").unwrap_err();
    desk.record(chosen(&["birds", "house"]), "ann").unwrap();
    let policy = Policy { recipients: desk.recipients, rules: desk.rules };
    let explained = Explanation::of(&desk.case, &desk.cluster, &policy, now());
    let text = explained.to_string();
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "about cluster c, version 1: 2 on bluesky and 10 on twitter",
        "birds (platform): notified because 10 accounts of twitter in the case (rule 1, nominate, then decide) selected by ann",
        "left out account ids of other platforms; other accounts (as counts per platform and pseudonyms)",
        "skies (platform): not notified because 2 accounts of bluesky in the case (rule 1, nominate, then decide) not selected by ann",
        "service (Secret Service): notified (mandatory) because target: major presidential",
        "(rule 4, the Secret Service is always notified)",
        "[ ] congressional affairs: the notification of house",
        "rule 1, nominate, then decide: version 1 is not approved",
        "candidates: no answer yet",
    ] {
        assert!(flat.contains(said), "{said}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "a record cannot steer a terminal");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    let json = serde_json::to_value(&explained).unwrap();
    assert_eq!(json["outcome"]["recipients"][8]["because"][0]["number"], 4);
    assert_eq!(json["outcome"]["recipients"][8]["shows"]["account_ids"], "all");
}
