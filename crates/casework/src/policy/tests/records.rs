//! Facts that people record: author, time and version.

use super::*;

#[test]
fn every_record_says_who_when_and_about_which_version() {
    let mut scenario = Scenario::ready(recipients(), vec![]);
    scenario.case.record_newer_version(2, days(1));
    scenario.cluster.version = 2;
    scenario.now = days(2);
    let entry = scenario.record(targets(vec![target(TargetKind::Candidate, "Doe", Some("doe"))]), "bob").unwrap();
    assert_eq!((entry.actor.as_str(), entry.action.as_str()), ("bob", "targets_recorded"));
    assert_eq!(entry.text, "candidate: Doe, recipient doe");
    let record = scenario.case.facts.targets.as_ref().unwrap();
    assert_eq!((record.by.as_str(), record.at, record.version), ("bob", days(2), 2));
    let unknown =
        scenario.record(targets(vec![target(TargetKind::Candidate, "X", Some("nobody"))]), "bob").unwrap_err();
    assert!(unknown.why.contains("there is no recipient \"nobody\"; configured recipients: birds, skies"), "{unknown}");
}

#[test]
fn a_record_about_an_earlier_version_does_not_count_for_a_later_one() {
    let mut scenario = Scenario::ready(recipients(), vec![chosen(&["public"]), answers(false, false)]);
    scenario.take(sign_off("public affairs"), "cy").unwrap();
    scenario.approve();
    assert_eq!(scenario.blocked(), BTreeSet::new());
    scenario.case.record_newer_version(2, now());
    scenario.cluster.version = 2;
    // Approval, check, consideration, targets, answers and sign-off are needed again; duties and
    // the selection stay.
    assert_eq!(scenario.blocked(), BTreeSet::from([1, 2, 3, 4, 7]));
    let open: Vec<&str> = ["not approved", "signed off version 2", "public notice of version 2"].to_vec();
    let texts: Vec<String> = scenario.outcome().blocking().map(|block| block.text.clone()).collect();
    assert!(open.iter().all(|words| texts.iter().any(|text| text.contains(words))), "{texts:?}");
}

#[test]
fn what_changes_who_is_told_takes_an_approval_back() {
    let mut scenario = Scenario::ready(recipients(), vec![]);
    scenario.approve();
    let entry = scenario.record(targets(vec![target(TargetKind::MajorCandidate, "Doe", None)]), "bob").unwrap();
    assert!(entry.text.contains("has to be approved again"), "{}", entry.text);
    assert_eq!((scenario.case.state, &scenario.case.approved), (State::InReview, &None));
    scenario.release().unwrap();
    // The same holds after a release; the same version can then be approved and shared again.
    scenario.record(targets(vec![target(TargetKind::Candidate, "Doe", Some("doe"))]), "bob").unwrap();
    assert!(scenario.take(Step::Update, "bob").is_err());
    scenario.approve();
    scenario.take(Step::Update, "bob").unwrap();
    assert!(scenario.case.notified.as_ref().unwrap().contains_key("doe"));
}

#[test]
fn a_platform_that_was_told_hears_of_every_later_version() {
    let mut scenario = Scenario::ready(recipients(), vec![chosen(&["birds"])]);
    scenario.release().unwrap();
    scenario.record(chosen(&["skies"]), "ann").unwrap();
    assert_eq!(scenario.notified(), ["birds", "skies"]);
    // A case released before recipients were recorded: every platform has it.
    scenario.case.notified = None;
    scenario.record(chosen(&[]), "ann").unwrap();
    assert_eq!(scenario.notified(), ["birds", "skies"]);
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
    let mut scenario = Scenario::ready(recipients(), facts);
    scenario.take(sign_off("public affairs"), "cy").unwrap();
    let again: Case = serde_json::from_str(&serde_json::to_string(&scenario.case).unwrap()).unwrap();
    assert_eq!(again, scenario.case);
}

#[test]
fn an_explanation_says_who_why_what_and_what_blocks() {
    let mut scenario =
        Scenario::ready(recipients(), vec![targets(vec![target(TargetKind::MajorCandidate, "\u{1b}[2J Doe", None)])]);
    scenario.cluster.targets = vec!["candidates".to_owned()];
    scenario.record(chosen(&["house", "nobody"]), "ann").unwrap_err();
    scenario.record(chosen(&["birds", "house"]), "ann").unwrap();
    let policy = Policy { recipients: scenario.recipients, rules: scenario.rules };
    let explained = Explanation::of(&scenario.case, &scenario.cluster, &policy, now());
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
