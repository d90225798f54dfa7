use messages::cluster::Why;

use super::*;
use crate::store::database::tests::{Place, on_both_databases};
use casework::watch::{
    Action, open_case,
    sample::{Answer, Stratum},
};
use jiff::SignedDuration;
use presentation::fixtures;

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + day * 86_400).unwrap()
}

fn cluster(id: &str, status: Status, version: u32) -> ClusterMessage {
    ClusterMessage { status, version, ..fixtures::cluster(id, version) }
}

fn news(id: &str, status: Status, version: u32) -> (String, Option<ClusterMessage>) {
    (id.to_owned(), Some(cluster(id, status, version)))
}

fn listed(store: &Store) -> Vec<String> {
    let (rows, total) = store.groups(&GroupQuery { limit: 100, ..GroupQuery::default() }).unwrap();
    assert_eq!(rows.len(), total);
    rows.into_iter().map(|row| row.group.cluster_id).collect()
}

fn take(store: &Store, id: &str, action: Action, by: &str, now: Timestamp) -> Result<(), StoreError> {
    let (row, found) = store.group(id).unwrap().unwrap();
    let taken = row.group.take(&action, by, now).unwrap();
    let change = matches!(action, Action::OpenCase { .. }).then(|| {
        let effects = open_case(found.unwrap(), "a reason", by, now);
        Change { stored: effects.record, entries: effects.audit, publish: Vec::new(), label: None }
    });
    store.decide_group(&taken, row.revision, change.as_ref(), now)
}

fn dismiss(authentic: bool) -> Action {
    Action::Dismiss { reason: "a newsroom".to_owned(), authentic }
}

on_both_databases!(fn groups_come_in_order_and_leave, a_case_is_stored_with_the_decision_or_not_at_all, labels_of_groups_come_and_go, the_table_is_bounded, what_is_old_goes, a_sample_is_drawn_once_in_time_and_answered_by_one_person, a_group_drawn_twice_counts_once);

fn groups_come_in_order_and_leave((_folder, place): Place) {
    let store = Store::open(&place, 4).unwrap();
    let mut held = cluster("held", Status::Coordinated, 1);
    (held.why, held.probability) = (Some(Why::NotPlain), Some(0.9));
    let batch = [
        news("near", Status::NearMiss, 1),
        news("single", Status::SingleSource, 1),
        ("held".to_owned(), Some(held)),
        news("flag", Status::Flagged, 1),
        news("coordinated", Status::Coordinated, 1),
        ("unknown".to_owned(), None),
    ];
    let outcomes = store.take_group_news(&batch, 100, at(0)).unwrap();
    assert_eq!(outcomes, Outcomes::from([(Outcome::Added, 4), (Outcome::Flagged, 1)]));
    assert_eq!(listed(&store), ["held", "coordinated", "single", "near"]);
    let again = store.take_group_news(&batch, 100, at(0)).unwrap();
    assert_eq!(again, Outcomes::from([(Outcome::Known, 5)]), "twice the same doubles nothing");
    let only = GroupQuery { status: Some(Status::NearMiss), limit: 9, ..GroupQuery::default() };
    assert_eq!(store.groups(&only).unwrap().1, 1);
    // Flagged later, faded, withdrawn.
    let later = [
        news("held", Status::Flagged, 2),
        news("single", Status::Faded, 2),
        ("near".to_owned(), None),
        news("coordinated", Status::Coordinated, 2),
    ];
    store.take_group_news(&later, 100, at(1)).unwrap();
    assert_eq!(listed(&store), ["coordinated"]);
    assert_eq!(store.group("single").unwrap().unwrap().1, None, "the evidence of what left is not kept");
    assert_eq!(store.group("coordinated").unwrap().unwrap().1.unwrap().version, 2);
    assert!(store.group("a\u{0}b").unwrap().is_none());
    // A case that was opened from the topic of flagged clusters takes a group off the list before its news comes.
    let effects = open_case(cluster("coordinated", Status::Coordinated, 2), "x", "ann", at(2));
    let change = Change { stored: effects.record, entries: effects.audit, publish: Vec::new(), label: None };
    store.commit(&[change], at(2)).unwrap();
    assert!(listed(&store).is_empty());
}

fn a_case_is_stored_with_the_decision_or_not_at_all((_folder, place): Place) {
    let store = Store::open(&place, 4).unwrap();
    store.take_group_news(&[news("a", Status::SingleSource, 1)], 100, at(0)).unwrap();
    let (row, _) = store.group("a").unwrap().unwrap();
    let open = Action::OpenCase { reason: "one server".to_owned() };
    let taken = row.group.clone().take(&open, "ann", at(1)).unwrap();
    let effects = open_case(cluster("a", Status::SingleSource, 1), "one server", "ann", at(1));
    let change = Change { stored: effects.record, entries: effects.audit, publish: Vec::new(), label: None };
    // Somebody else was quicker.
    take(&store, "a", Action::Watch { note: String::new() }, "bob", at(1)).unwrap();
    let late = store.decide_group(&taken, row.revision, Some(&change), at(1));
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    assert!(store.case("a").unwrap().is_none());
    take(&store, "a", open, "ann", at(2)).unwrap();
    let case = store.case("a").unwrap().unwrap();
    assert_eq!((case.case.state.name(), case.cluster.status), ("nominated", Status::SingleSource));
    assert!(listed(&store).is_empty());
    let (row, found) = store.group("a").unwrap().unwrap();
    assert_eq!((row.group.standing, found.unwrap().version), (Standing::Case, 1), "the case has the evidence");
    let actions = |subject: &str| -> Vec<String> {
        store.history(subject).unwrap().into_iter().map(|sealed| sealed.entry.action).collect()
    };
    assert_eq!(actions("group a"), ["group_watched", "group_case_opened"]);
    assert_eq!(actions(&case.case.id), ["nominated"]);
    assert!(store.verify_audit(None).unwrap().is_ok());
    assert_eq!(store.cases_from_groups(&["a", "b"]).unwrap(), ["a"]);
}

fn labels_of_groups_come_and_go((_folder, place): Place) {
    let store = Store::open(&place, 4).unwrap();
    store.take_group_news(&[news("a", Status::Coordinated, 1)], 100, at(0)).unwrap();
    take(&store, "a", dismiss(true), "ann", at(1)).unwrap();
    let labels = || -> Vec<(String, bool)> {
        let waiting = store.unpublished_feedback(10).unwrap();
        waiting.into_iter().map(|row| (row.message.key(), row.taken_back)).collect()
    };
    assert_eq!(labels(), [("a|reviewer:ann".to_owned(), false)]);
    let open = Action::OpenCase { reason: "new posts".to_owned() };
    take(&store, "a", open, "bob", at(2)).unwrap();
    assert_eq!(labels()[1..], [("a|reviewer:ann".to_owned(), true)], "the dismissal no longer holds");
    assert!(store.judged_since(at(0)).unwrap().is_empty(), "these are no words on flagged clusters");
}

fn the_table_is_bounded((_folder, place): Place) {
    let store = Store::open(&place, 4).unwrap();
    let many: Vec<_> = (0..8).map(|n| news(&format!("near{n}"), Status::NearMiss, 1)).collect();
    store.take_group_news(&many, 100, at(0)).unwrap();
    store.take_group_news(&[news("best", Status::Coordinated, 1), ("near0".to_owned(), None)], 100, at(0)).unwrap();
    take(&store, "near1", Action::Watch { note: String::new() }, "ann", at(1)).unwrap();
    let outcomes = store.take_group_news(&[news("near8", Status::NearMiss, 1)], 4, at(1)).unwrap();
    assert_eq!(outcomes, Outcomes::from([(Outcome::Added, 1), (Outcome::Evicted, 6)]));
    let left = listed(&store);
    assert_eq!(left.len(), 4);
    assert!(left.contains(&"best".to_owned()) && left.contains(&"near1".to_owned()), "{left:?}");
}

fn what_is_old_goes((_folder, place): Place) {
    let store = Store::open(&place, 4).unwrap();
    store
        .take_group_news(&[news("old", Status::NearMiss, 1), news("watched", Status::NearMiss, 1)], 100, at(0))
        .unwrap();
    take(&store, "watched", Action::Watch { note: String::new() }, "ann", at(0)).unwrap();
    store.take_group_news(&[news("new", Status::NearMiss, 1)], 100, at(60)).unwrap();
    let bounds = |day| Bounds { groups: 100, since: at(day) };
    let outcomes = store.forget_groups(bounds(30), at(120)).unwrap();
    assert_eq!(outcomes, Outcomes::from([(Outcome::Expired, 2)]));
    assert_eq!(listed(&store), ["new"]);
    let last = store.history("group watched").unwrap().pop().unwrap().entry;
    assert_eq!((last.action.as_str(), last.actor.as_str()), ("group_left", "lockstep"));
    let outcomes = store.forget_groups(bounds(121), at(211)).unwrap();
    assert_eq!(outcomes, Outcomes::from([(Outcome::Expired, 1), (Outcome::Deleted, 2)]));
    assert!(store.group("old").unwrap().is_none());
}

fn answer(answer: Answer, by: &str, day: i64) -> AnswerRow {
    AnswerRow { answer, by: by.to_owned(), at: at(day), version: 1, reason: "looked at the posts".to_owned() }
}

fn a_sample_is_drawn_once_in_time_and_answered_by_one_person((_folder, place): Place) {
    let store = Store::open(&place, 4).unwrap();
    let week = SignedDuration::from_hours(24 * 7);
    assert!(!store.draw_sample(1, 2, week, at(0)).unwrap(), "there is nothing to draw from");
    let mut all: Vec<_> = (0..6).map(|n| news(&format!("near{n}"), Status::NearMiss, 1)).collect();
    all.extend((0..4).map(|n| news(&format!("flag{n}"), Status::Flagged, 1)));
    all.extend([news("gone", Status::Coordinated, 1), ("gone".to_owned(), None)]);
    store.take_group_news(&all, 100, at(0)).unwrap();
    assert!(store.draw_sample(1, 2, week, at(1)).unwrap());
    assert!(!store.draw_sample(1, 2, week, at(7)).unwrap(), "the next one is not due");
    let drawn = store.last_draw().unwrap();
    let sizes: Vec<_> = drawn.iter().map(|part| (part.stratum, part.population, part.drawn)).collect();
    assert_eq!(sizes, [(Stratum::Flagged, 4, 2), (Stratum::NearMiss, 6, 2)]);
    let sampled = store.sampled_groups(true, 100).unwrap();
    assert_eq!(sampled.len(), 4);
    let entry = store.history("watch list").unwrap().remove(0).entry;
    assert!(entry.text.contains("seed 1") && entry.text.contains("2 of 6 near miss"), "{}", entry.text);

    let first = &sampled[0].group;
    let id = &first.group.cluster_id;
    let stale = store.answer_sample(id, first.revision + 1, &answer(Answer::Authentic, "ann", 2));
    assert!(matches!(stale, Err(StoreError::Conflict(_))));
    store.answer_sample(id, first.revision, &answer(Answer::Authentic, "ann", 2)).unwrap();
    store.answer_sample(id, first.revision, &answer(Answer::Inauthentic, "ann", 3)).unwrap();
    let other = store.answer_sample(id, first.revision, &answer(Answer::Authentic, "bob", 3));
    assert!(matches!(other, Err(StoreError::Conflict(_))), "somebody has answered");
    assert_eq!(store.sampled_groups(true, 100).unwrap().len(), 3);
    let (_, given) = store.sample_of(id).unwrap().unwrap();
    assert_eq!(given.unwrap().answer, Answer::Inauthentic);
    let last = store.unpublished_feedback(10).unwrap().pop().unwrap();
    assert_eq!((last.message.key(), last.taken_back), (format!("{id}|reviewer:ann"), false));
    store.answer_sample(id, first.revision, &answer(Answer::CannotTell, "ann", 4)).unwrap();
    assert!(store.unpublished_feedback(10).unwrap().pop().unwrap().taken_back);
    assert!(store.sample_of("gone").unwrap().is_none(), "what was withdrawn is not drawn");
    assert!(store.verify_audit(None).unwrap().is_ok());
}

fn a_group_drawn_twice_counts_once((_folder, place): Place) {
    let store = Store::open(&place, 4).unwrap();
    let day = SignedDuration::from_hours(24);
    let two = [news("a", Status::Flagged, 1), news("b", Status::NearMiss, 1), news("c", Status::NearMiss, 1)];
    store.take_group_news(&two, 100, at(0)).unwrap();
    store.draw_sample(1, 2, day, at(0)).unwrap();
    for (id, word) in [("a", Answer::Inauthentic), ("b", Answer::Inauthentic), ("c", Answer::CannotTell)] {
        let (row, _) = store.group(id).unwrap().unwrap();
        store.answer_sample(id, row.revision, &answer(word, "ann", 0)).unwrap();
    }
    store.draw_sample(1, 2, day, at(2)).unwrap();
    let known = store.sample_answers().unwrap();
    let parts: Vec<_> =
        known.iter().map(|part| (part.stratum, part.population, part.waiting, part.unclear, &*part.answers)).collect();
    assert_eq!(
        parts,
        [(Stratum::Flagged, 1, 0, 0, &[(1.0, true)][..]), (Stratum::NearMiss, 2, 0, 1, &[(1.0, true)][..])],
        "the answers of the first draw hold for the second, and nobody is asked twice"
    );
}
