use coordination::Finding;
use detection::fixtures::put_model;
use messages::fixtures;
use scoring::{Registry, features::FEATURES};

use super::*;
use crate::config::Config;

/// 2026-01-01T00:00:00Z.
const START: Millis = 1_767_225_600_000;

fn seconds(running: u64) -> Now {
    let wall = Timestamp::from_millisecond(START + running as Millis * 1_000).unwrap();
    Now { wall, running: Duration::from_secs(running) }
}

/// A machine whose model calls every cluster inauthentic; checkpoints are a minute apart.
fn machine() -> (Machine, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path().join("models");
    for version in ["1", "2"] {
        put_model(&models, version, version == "1");
    }
    let config = Config { models, model: "cluster/1".to_owned(), ..Config::default() };
    let settings = Settings {
        future_tolerance: 300_000,
        threads: config.threads,
        checkpoint_every: Some(Duration::from_secs(60)),
        lineage: 7,
    };
    (Machine::new(settings, Pipeline::new(&config.detection()).unwrap()), dir)
}

fn record(offset: i64, created_at: Millis, came: Millis) -> Record {
    let post = coordination::Post {
        id: offset.to_string().into(),
        platform: "x".into(),
        account_id: "a".into(),
        account_name: "Ann".into(),
        created_at,
        ..coordination::Post::default()
    };
    Record {
        topic: Arc::from("posts"),
        partition: 0,
        offset,
        key: Vec::new(),
        value: Some(post::encode(&post)),
        headers: Vec::new(),
        timestamp: came,
    }
}

fn aborted() -> Event {
    Event::NotCommitted(LogError::Aborted { reason: "for a test".to_owned() })
}

/// The effects as short texts; of observations only those about time.
fn descriptions(effects: &[Effect]) -> Vec<String> {
    let description = |effect: &Effect| {
        Some(match effect {
            Effect::Commit { records, note } => format!("commit {} {note}", records.len()),
            Effect::Pause(time) => format!("pause {} ms", time.as_millis()),
            Effect::GiveUp(error) => format!("give up: {error}"),
            Effect::WriteCheckpoint => "checkpoint".to_owned(),
            Effect::AllPublished => "all published".to_owned(),
            Effect::Observe(Observation::Unsaved(age)) => format!("unsaved {} s", age.as_secs()),
            Effect::Observe(Observation::Published(publication)) => {
                format!("published {} {}", publication.message.cluster_id, publication.message.version)
            }
            Effect::Observe(Observation::Drift { clusters, drift }) => {
                format!("drift of {clusters}{}", if drift.is_some() { "" } else { ", not known" })
            }
            Effect::Observe(_) => return None,
        })
    };
    effects.iter().filter_map(description).collect()
}

fn group(id: &str) -> coordination::Cluster {
    let plain = fixtures::plain(fixtures::Shape::default());
    coordination::Cluster { id: id.to_owned(), version: 1, finding: Finding::Coordinated, ..plain }
}

#[test]
fn a_checkpoint_is_due_a_minute_after_the_last_where_there_is_work_that_is_in_none() {
    let (mut machine, _dir) = machine();
    let mut on = |running, event| descriptions(&machine.on(seconds(running), event));
    assert!(on(100, Event::NothingRead).is_empty(), "nothing is committed");
    assert_eq!(
        on(100, Event::Read(vec![record(0, START, START)]))[0],
        format!("commit 0 {:016x} {START} cluster/1", 7)
    );
    assert_eq!(on(101, Event::Committed), ["unsaved 0 s", "checkpoint"], "none was tried for more than a minute");
    assert_eq!(on(102, Event::CheckpointWritten), ["unsaved 0 s"]);
    assert!(on(300, Event::NothingRead).is_empty(), "all is in it");
    on(310, Event::Read(vec![record(1, START, START)]));
    assert_eq!(on(311, Event::Committed), ["unsaved 0 s", "checkpoint"]);
    assert_eq!(on(341, Event::NothingRead), ["unsaved 30 s"], "it was not written, and is tried again a minute later");
    assert_eq!(on(371, Event::NothingRead), ["unsaved 60 s", "checkpoint"]);
    assert_eq!(on(372, Event::Stopping), ["unsaved 61 s", "checkpoint"], "at once");
}

#[test]
fn what_was_not_committed_is_published_with_the_next_batch_and_is_in_no_checkpoint() {
    let (mut machine, _dir) = machine();
    machine.on(seconds(0), Event::Read(Vec::new()));
    assert_eq!(descriptions(&machine.on(seconds(1), Event::Committed)), ["unsaved 0 s"]);
    machine.pipeline.find(group("a"));
    let batch = || Event::Read(vec![record(0, START, START)]);
    let commit = descriptions(&machine.on(seconds(70), batch()));
    assert_eq!(commit, [format!("commit 2 {:016x} {START} cluster/1", 7)], "for both topics of clusters");
    assert_eq!(descriptions(&machine.on(seconds(71), aborted())), ["pause 200 ms", "unsaved 70 s"]);
    let again = descriptions(&machine.on(seconds(72), batch()));
    assert_eq!((again[0].as_str(), &again[1..]), ("drift of 1, not known", &commit[..]), "the batch came again");
    assert_eq!(
        descriptions(&machine.on(seconds(73), Event::Committed)),
        ["published a 1", "unsaved 72 s", "checkpoint"],
        "now everything that the engine knows is committed"
    );
    assert_eq!(descriptions(&machine.on(seconds(74), batch())), [format!("commit 0 {:016x} {START} cluster/1", 7)]);
}

#[test]
fn it_gives_up_after_three_minutes_of_failures_and_at_once_where_trying_does_not_help() {
    let (mut machine, _dir) = machine();
    let mut on = |at, event| descriptions(&machine.on(seconds(at), event));
    assert_eq!(on(0, aborted()), ["pause 200 ms"]);
    on(100, Event::Committed);
    for pause in [200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
        assert_eq!(on(101, aborted())[0], format!("pause {pause} ms"), "they are counted anew after a commit");
    }
    assert_eq!(on(280, aborted())[0], "pause 5000 ms");
    assert!(on(281, aborted())[0].starts_with("give up: nothing was published"));
    on(282, Event::Committed);
    assert_eq!(on(283, Event::NotCommitted(LogError::Closed)), ["give up: the log is closed"]);
}

#[test]
fn an_outage_of_the_log_is_waited_out() {
    let (mut machine, _dir) = machine();
    let mut on = |at, event| descriptions(&machine.on(seconds(at), event));
    let unreachable =
        || Event::NotCommitted(LogError::Unreachable { action: "commit".to_owned(), reason: "no broker".to_owned() });
    for at in 0..1_000 {
        assert_eq!(on(at, unreachable()), ["pause 1000 ms"]);
    }
    // After an outage the group and its transactions may need a while.
    assert_eq!(on(1_000, aborted()), ["pause 400 ms"]);
    assert_eq!(on(1_179, aborted()), ["pause 800 ms"]);
    assert_eq!(on(1_180, unreachable()), ["pause 1000 ms"]);
    assert_eq!(on(1_181, aborted()), ["pause 1600 ms"], "an outage begins the time anew");
}

#[test]
fn a_post_from_the_future_is_a_dead_letter_by_the_time_of_its_coming() {
    let (mut machine, _dir) = machine();
    let tolerated = START + 300_000;
    // An hour later the clock has reached all of these times. The posts were too early
    // nevertheless.
    for (created_at, came, dead) in
        [(tolerated, START, 0), (tolerated + 1, START, 1), (tolerated + 1, 0, 0), (START + 3_600_000 + 300_001, 0, 1)]
    {
        let effects = machine.on(seconds(3_600), Event::Read(vec![record(created_at, created_at, came)]));
        let letters = effects.iter().filter(|e| matches!(e, Effect::Observe(Observation::DeadLetter { .. }))).count();
        let Some(Effect::Commit { records, .. }) = effects.last() else { panic!("{effects:?}") };
        assert_eq!((letters, records.len()), (dead, dead), "{created_at} {came}");
    }
}

#[test]
fn drift_is_measured_every_ten_seconds_where_something_was_judged() {
    let (mut machine, _dir) = machine();
    let mut report = |running, clusters: std::ops::Range<usize>| {
        for n in clusters {
            machine.window.add(&n.to_string(), vec![Some(9.0); FEATURES.len()]);
            machine.changed = true;
        }
        descriptions(&machine.on(seconds(running), Event::NothingRead))
    };
    assert!(report(20, 0..0).is_empty());
    assert_eq!(report(21, 0..99), ["drift of 99, not known"], "too little to measure it on");
    assert!(report(30, 99..100).is_empty(), "nine seconds later");
    assert_eq!(report(31, 0..0), ["drift of 100"]);
    assert!(report(99, 0..0).is_empty(), "nothing has changed");
}

#[test]
fn the_end_of_a_stream_is_told_once_everything_is_published() {
    let (mut machine, _dir) = machine();
    machine.on(seconds(0), Event::Read(vec![record(0, START, START)]));
    machine.on(seconds(0), Event::Committed);
    machine.pipeline.find(group("a"));
    assert!(descriptions(&machine.on(seconds(1), Event::StreamEnded))[0].starts_with("commit 2 "));
    assert_eq!(descriptions(&machine.on(seconds(2), aborted())), ["pause 200 ms"]);
    assert!(descriptions(&machine.on(seconds(3), Event::StreamEnded))[0].starts_with("commit 2 "), "it is not lost");
    assert_eq!(descriptions(&machine.on(seconds(4), Event::Committed)), ["published a 1", "all published"]);
    assert!(descriptions(&machine.on(seconds(500), Event::Stopping)).is_empty(), "no checkpoint is written from there");
}

#[test]
fn a_checkpoint_is_written_before_another_model_judges() {
    let (mut machine, dir) = machine();
    machine.on(seconds(0), Event::Read(vec![record(0, START, START)]));
    machine.on(seconds(0), Event::Committed);
    let registry = Registry::open(&dir.path().join("models")).unwrap();
    let mut load = |running, version: &str| {
        let model = Box::new(registry.load("cluster", version).unwrap());
        descriptions(&machine.on(seconds(running), Event::Models(News::Loaded(Role::Active, model, Duration::ZERO))))
    };
    assert!(load(1, "1").is_empty(), "it is in service already");
    assert_eq!(load(2, "2"), ["unsaved 2 s", "checkpoint"]);
    assert_eq!(machine.model().version(), "2");
}

#[test]
fn the_same_events_at_the_same_times_have_the_same_effects() {
    let run = || {
        let (mut machine, _dir) = machine();
        let mut effects = String::new();
        let mut on = |running, event| effects += &format!("{:?}\n", machine.on(seconds(running), event));
        on(0, Event::Partitions(2));
        on(0, Event::Lags(vec![(0, 0), (1, 3)]));
        for offset in 0..40 {
            let at = START + offset * 60_000;
            on(offset as u64 * 2, Event::Read(vec![record(offset, at, at), record(-1, at + 86_400_000_000, at)]));
            on(offset as u64 * 2 + 1, if offset % 7 == 3 { aborted() } else { Event::Committed });
        }
        on(100, Event::StreamEnded);
        effects
    };
    assert_eq!(run(), run());
}
