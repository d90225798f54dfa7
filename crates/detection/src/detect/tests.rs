use coordination::AccountEvidence;
use messages::fixtures::{self, Shape};

use super::*;

pub(super) fn message(cluster: &Cluster) -> ClusterMessage {
    let verdict = ClusterMessage::takes_verdict(cluster).then(|| fixtures::verdict(cluster.flagged));
    ClusterMessage::new(cluster, verdict.as_ref(), Vec::new(), Vec::new()).unwrap()
}

fn called(id: &str, cluster: Cluster) -> Cluster {
    Cluster { id: id.to_owned(), ..cluster }
}

fn near(id: &str, short: f64) -> Cluster {
    let mut cluster = called(id, fixtures::near_miss(Shape { seed: 7, ..Shape::default() }));
    cluster.log_e_leave_one_source_out = cluster.terms.bar - short;
    cluster
}

fn evidence(account: &AccountRef, suspicion: f64) -> AccountEvidence {
    AccountEvidence {
        account: account.clone(),
        account_name: format!("name of {}", account.account_id),
        posts: 9,
        last_post: 0,
        tie_nats: 14.5,
        texts: 6,
        copies: 4,
        suspicion,
        log_e: None,
        posterior: None,
    }
}

fn outsider(id: &str) -> AccountRef {
    AccountRef { platform: "x".to_owned(), account_id: id.to_owned() }
}

pub(super) fn detection() -> Detection {
    let shape = Shape::default();
    let flagged = called("flagged", fixtures::coordinated(shape, true));
    let found = [
        near("far", 4.0),
        called("one-text", fixtures::one_text(40)),
        called("faded", Cluster { finding: Finding::Faded, ..fixtures::coordinated(shape, false) }),
        near("near", 1.5),
        called("best-source", fixtures::best_source(Shape { seed: 3, ..shape })),
        called("coordinated", fixtures::coordinated(Shape { seed: 2, ..shape }, false)),
        flagged.clone(),
    ];
    let accounts = vec![
        evidence(&outsider("quiet"), 0.5),
        evidence(&outsider("loud"), 3.0),
        evidence(&flagged.members[0].account, 0.0),
    ];
    let (mut clusters, accounts) = ranked(found.iter().map(message).collect(), accounts, None);
    let near_misses = clusters.split_off(clusters.partition_point(|cluster| cluster.status != Status::NearMiss));
    Detection {
        clusters,
        near_misses,
        tellings: found.iter().filter_map(|cluster| Telling::new(5, cluster)).collect(),
        ties: flagged.ties,
        accounts,
        accounts_seen: 3,
        stats: Stats { too_large: 2, ..Stats::default() },
        took: Duration::from_secs(1),
        ..Detection::default()
    }
}

fn ids(clusters: &[ClusterMessage]) -> Vec<&str> {
    clusters.iter().map(|cluster| cluster.cluster_id.as_str()).collect()
}

#[test]
fn clusters_come_by_status_and_near_misses_apart_nearest_to_their_bar_first() {
    let detection = detection();
    assert_eq!(ids(&detection.clusters), ["flagged", "coordinated", "best-source", "one-text", "faded"]);
    assert_eq!(ids(&detection.near_misses), ["near", "far"]);
    assert!((short_of_threshold(&detection.near_misses[0]) - 1.5).abs() < 1e-6);
    let told: Vec<(&str, Status)> =
        detection.tellings.iter().map(|telling| (telling.cluster_id.as_str(), telling.status)).collect();
    assert_eq!(
        told,
        [
            ("one-text", Status::SingleSource),
            ("best-source", Status::SingleSource),
            ("coordinated", Status::Coordinated),
            ("flagged", Status::Flagged),
        ]
    );
}

#[test]
fn accounts_come_by_cluster_then_by_suspicion_and_near_misses_name_nobody() {
    let detection = detection();
    let names: Vec<&str> =
        detection.accounts.iter().map(|ranked| ranked.account.evidence.account.account_id.as_str()).collect();
    // Accounts of groups have numbers as names here. They have rows even if the engine has
    // forgotten them.
    let others: Vec<&str> = names.iter().copied().filter(|name| name.parse::<u32>().is_err()).collect();
    assert_eq!(others, ["loud", "quiet"]);
    let first = &detection.accounts[0];
    assert_eq!(first.cluster, Some(("flagged".to_owned(), Status::Flagged)));
    let told = &detection.clusters[0].accounts;
    let told = told.iter().find(|account| account.account_id == names[0]).unwrap();
    assert_eq!(first.account.evidence.log_e, Some(told.log_e));
    assert_eq!(first.account.evidence.posterior, told.posterior);

    let near = near("near", 1.0);
    let accounts = vec![evidence(&near.members[0].account, 1.0)];
    let (_, accounts) = ranked(vec![message(&near)], accounts, None);
    assert_eq!(accounts[0].cluster, None);
    assert_eq!(accounts[0].account.cluster.unwrap().finding, Finding::NearMiss, "its model may know");
    assert_eq!((accounts[0].account.evidence.log_e, accounts[0].account.evidence.posterior), (None, None));
}

#[test]
fn a_run_stops_when_that_is_requested() {
    let posts = || {
        (0..30_000i64).map(|n| coordination::Post {
            id: n.to_string().into(),
            platform: "x".into(),
            account_id: (n % 1_000).to_string().into(),
            created_at: 1_790_000_000_000 + n,
            ..coordination::Post::default()
        })
    };
    let run = |at: fn(&Phase) -> bool| {
        let options = crate::input::Options::default();
        let stop = options.stop.clone();
        let mut last = None;
        let outcome =
            detect(Input::posts(posts(), options), &Config::default(), &mut |bad| panic!("{bad}"), &mut |phase| {
                if at(&phase) {
                    stop.request();
                }
                last = Some(phase);
            });
        (outcome.map(|detection| detection.counts.posts), last)
    };
    assert!(matches!(run(|_| false), (Ok(30_000), Some(Phase::Detecting { posts: 30_000, of: 30_000 }))));
    let (outcome, last) = run(|phase| matches!(phase, Phase::Reading(_)));
    assert!(matches!(outcome, Err(DetectError::Input(InputError::Stopped))));
    assert!(matches!(last, Some(Phase::Reading(progress)) if progress.posts < 30_000), "{last:?}");
    let (outcome, last) = run(|phase| matches!(phase, Phase::Detecting { .. }));
    assert!(matches!(outcome, Err(DetectError::Input(InputError::Stopped))));
    assert!(matches!(last, Some(Phase::Detecting { posts, .. }) if posts < 30_000), "{last:?}");
}

#[test]
fn files_have_the_columns_that_are_promised() {
    let detection = detection();
    let dir = tempfile::tempdir().unwrap();
    detection.write(dir.path()).unwrap();
    let read = |file: &str| std::fs::read_to_string(dir.path().join(file)).unwrap();
    let ties = read("ties.csv");
    let mut lines = ties.lines();
    assert_eq!(
        lines.next(),
        Some("account_a,account_b,kind,co_acts,distinct_keys,nats,median_lag_s,expected,account_a_name,account_b_name")
    );
    let tie: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(tie[3], tie[4], "a key counts once");
    let expected: f64 = tie[7].parse().unwrap();
    assert!((expected / detection.ties[0].expected - 1.0).abs() < 1e-3, "{tie:?}");
    let accounts = read("accounts.csv");
    let mut lines = accounts.lines();
    assert_eq!(
        lines.next(),
        Some(
            "platform,account_id,posts,log_e,probability,cluster_id,status,posterior,suspicion,strongest_tie_nats,texts,copies,account,account_name"
        )
    );
    assert!(lines.next().unwrap().contains(",flagged,flagged,"), "{accounts}");
    let loud = lines.find(|line| line.starts_with("x,loud,"));
    assert_eq!(loud, Some("x,loud,9,0.0000,,,,,3.0000,14.5000,6,4,x:loud,name of loud"));
    for (file, clusters) in [("clusters.jsonl", &detection.clusters), ("near_misses.jsonl", &detection.near_misses)] {
        let told: Vec<ClusterMessage> =
            read(file).lines().map(|line| ClusterMessage::decode(line.as_bytes()).unwrap()).collect();
        assert_eq!(ids(&told), ids(clusters), "{file}");
    }
    let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
    for (name, count) in [
        ("flagged", 1),
        ("coordinated", 1),
        ("single_source", 2),
        ("one_text", 1),
        ("faded", 1),
        ("near_misses", 2),
        ("groups_too_large", 2),
    ] {
        assert_eq!(summary[name], count, "{name}");
    }
}

#[test]
fn a_group_without_a_crowd_is_known_by_its_windows() {
    let mut cluster = fixtures::coordinated(Shape::default(), false);
    for (posts, without) in [(49, true), (50, false)] {
        cluster.windows.iter_mut().for_each(|window| window.crowd = [0, 0, 0, 1, posts - 1]);
        assert_eq!(without_crowd(&message(&cluster)), without, "{posts}");
    }
    assert!(!without_crowd(&message(&fixtures::one_text(40))), "a count is compared with nobody");
}
