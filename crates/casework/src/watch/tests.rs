use presentation::fixtures;

use super::{sample::Stratum, *};
use crate::case::State;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn cluster(status: Status, version: u32) -> ClusterMessage {
    ClusterMessage { status, version, ..fixtures::cluster("a", version) }
}

fn news(known: Option<Group>, cluster: &ClusterMessage, second: i64) -> Changed {
    Group::on_news(known, "a", News::Version(cluster), false, at(second)).unwrap()
}

fn listed() -> Group {
    news(None, &cluster(Status::Coordinated, 1), 0).group
}

fn dismiss(authentic: bool) -> Action {
    Action::Dismiss { reason: "a newsroom".to_owned(), authentic }
}

#[test]
fn a_group_enters_is_updated_and_leaves() {
    let added = news(None, &cluster(Status::NearMiss, 1), 0);
    assert_eq!((added.outcome, added.group.standing), (Outcome::Added, Standing::Open));
    let again = news(Some(added.group.clone()), &cluster(Status::NearMiss, 1), 1);
    assert_eq!((again.outcome, &again.group), (Outcome::Known, &added.group), "the same message twice changes nothing");
    let newer = news(Some(added.group), &cluster(Status::SingleSource, 2), 2);
    assert_eq!((newer.outcome, newer.group.status), (Outcome::Updated, Status::SingleSource));
    for (status, outcome, standing) in
        [(Status::Flagged, Outcome::Flagged, Standing::Flagged), (Status::Faded, Outcome::Withdrawn, Standing::Gone)]
    {
        let left = news(Some(newer.group.clone()), &cluster(status, 3), 3);
        assert_eq!((left.outcome, left.group.standing, left.entry), (outcome, standing, None));
    }
    let gone = Group::on_news(Some(newer.group.clone()), "a", News::Withdrawn, false, at(3)).unwrap();
    assert_eq!((gone.outcome, gone.group.standing), (Outcome::Withdrawn, Standing::Gone));
    // The detector may report it again.
    assert_eq!(news(Some(gone.group), &cluster(Status::Coordinated, 4), 4).outcome, Outcome::Added);
    let case =
        Group::on_news(Some(newer.group.clone()), "a", News::Version(&cluster(Status::Coordinated, 3)), true, at(3));
    assert_eq!(case.unwrap().group.standing, Standing::Case);
    assert_eq!(newer.group.expire(at(9)).unwrap().outcome, Outcome::Expired);
    assert_eq!(Group::on_news(None, "a", News::Withdrawn, false, at(0)), None);
}

#[test]
fn what_ends_a_decision_is_audited() {
    let watched = listed().take(&Action::Watch { note: String::new() }, "ann", at(1)).unwrap().group;
    let left = news(Some(watched), &cluster(Status::Flagged, 2), 2);
    assert_eq!(left.entry.unwrap().action, "group_left");
    let dismissed =
        news(None, &cluster(Status::NearMiss, 1), 0).group.take(&dismiss(false), "ann", at(1)).unwrap().group;
    let same = news(Some(dismissed.clone()), &cluster(Status::NearMiss, 2), 2);
    assert_eq!((same.outcome, same.group.standing), (Outcome::Updated, Standing::Dismissed), "it stays dismissed");
    let grown = news(Some(dismissed), &cluster(Status::Coordinated, 3), 3);
    assert_eq!((grown.group.standing, grown.group.decision), (Standing::Open, None));
    let entry = grown.entry.unwrap();
    assert_eq!(entry.action, "group_listed_again");
    assert!(entry.text.contains("version 3 is coordinated, and version 1 was a near miss"), "{}", entry.text);
}

#[test]
fn decisions_need_reasons_and_give_labels() {
    for action in [
        Action::Dismiss { reason: " ".to_owned(), authentic: true },
        Action::OpenCase { reason: "\u{200b}".to_owned() },
        Action::Dismiss { reason: "x".repeat(LONGEST_REASON + 1), authentic: true },
    ] {
        assert!(listed().take(&action, "ann", at(1)).is_err(), "{action:?}");
    }
    assert_eq!(listed().take(&dismiss(true), "ann", at(1)).unwrap().label, LabelChange::Give(Verdict::Rejected));
    assert_eq!(listed().take(&dismiss(false), "ann", at(1)).unwrap().label, LabelChange::None);
    let dismissed = listed().take(&dismiss(true), "ann", at(1)).unwrap().group;
    assert!(dismissed.clone().take(&dismiss(true), "bob", at(2)).is_err(), "it is dismissed already");
    let back = dismissed.clone().take(&Action::PutBack { reason: "wrong row".to_owned() }, "bob", at(2)).unwrap();
    assert_eq!((back.group.standing, back.label), (Standing::Open, LabelChange::TakeBackAll));
    let opened = dismissed.take(&Action::OpenCase { reason: "new posts".to_owned() }, "bob", at(2)).unwrap();
    assert_eq!((opened.group.standing, opened.entry.action.as_str()), (Standing::Case, "group_case_opened"));
    assert!(opened.group.clone().take(&dismiss(true), "ann", at(3)).is_err(), "the case decides now");
    let flagged = news(Some(opened.group), &cluster(Status::Flagged, 7), 8);
    assert_eq!(flagged.group.standing, Standing::Case, "the case goes on");
}

#[test]
fn a_case_from_a_group_has_shared_nothing_and_names_its_opener() {
    let effects = open_case(cluster(Status::SingleSource, 3), "the same server", "ann", at(0));
    let case = &effects.record.case;
    assert_eq!((case.state, case.version, effects.record.revision), (State::Nominated, 3, 0));
    assert!(effects.publish.is_none() && effects.record.released.is_none() && case.approved.is_none());
    assert_eq!((effects.audit[0].actor.as_str(), effects.audit.len()), ("ann", 1));
    assert!(effects.audit[0].text.contains("of a single source, not flagged"), "{}", effects.audit[0].text);
}

#[test]
fn the_list_begins_with_what_a_person_can_decide() {
    let with =
        |status, why, probability: f64| ClusterMessage { why, probability: Some(probability), ..cluster(status, 1) };
    let near = fixtures::near_miss("n");
    let mut far = near.clone();
    far.log_e_leave_one_source_out = 0.1;
    let mut unseen = with(Status::Coordinated, Some(Why::NotPlain), 0.99);
    unseen.evidence.clear();
    let order = [
        with(Status::Coordinated, Some(Why::NotPlain), 0.6),
        with(Status::Coordinated, None, 0.4),
        with(Status::Coordinated, None, 0.1),
        with(Status::SingleSource, Some(Why::BestSource), 0.9),
        near,
        far,
        fixtures::one_text("t", 40),
        unseen,
    ];
    let ranks: Vec<f64> = order.iter().map(rank).collect();
    assert!(ranks.windows(2).all(|two| two[0] > two[1]), "{ranks:?}");
    let mut odd = with(Status::Coordinated, None, f64::NAN);
    assert!(rank(&odd).is_finite());
    odd.probability = None;
    assert!(rank(&odd) > 3.0);
}

#[test]
fn whoever_dismissed_a_group_is_not_asked_about_it() {
    let dismissed = listed().take(&dismiss(true), "ann", at(1)).unwrap().group;
    assert!(dismissed.check_answer("Ann ").is_err() && dismissed.check_answer("bob").is_ok());
    assert_eq!(Stratum::of(&dismissed), Some(Stratum::Dismissed));
    assert_eq!(Stratum::of(&listed()), Some(Stratum::Coordinated));
    let opened = listed().take(&Action::OpenCase { reason: "x".to_owned() }, "ann", at(1)).unwrap().group;
    assert_eq!(Stratum::of(&opened), Some(Stratum::Coordinated), "the model did not flag it");
    assert_eq!(Stratum::of(&listed().expire(at(1)).unwrap().group), None);
}
