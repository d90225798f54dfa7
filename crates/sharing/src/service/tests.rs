mod approval;
mod crash;
mod digest;
mod erasure;
mod evidence;
mod feedback;
mod references;
mod retention;
mod watch;

use std::{collections::BTreeMap, time::Duration};

use messages::{
    cluster::{ClusterMessage, Status},
    topics,
};
use runtime::shutdown::Shutdown;

use super::{clusters::GROUP, *};
use crate::store::Change;
use crate::store::database::tests::{Place, on_both_databases};
use casework::{Tlp, policy::Partner};
use presentation::fixtures;

fn open(place: &str, reviewers: Reviewers, tlp: Tlp) -> Sharing {
    let config = Config {
        database: place.to_owned(),
        reviewers,
        invented_recipients: true,
        tlp,
        partners: vec![Partner {
            name: "birds".to_owned(),
            platform: "twitter".to_owned(),
            tlp_ceiling: Tlp::Amber,
            ..Partner::default()
        }],
        ..Config::default()
    };
    Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap()
}

on_both_databases!(async fn the_same_cluster_twice_doubles_nothing, a_newer_version_updates_its_case_and_an_older_one_changes_nothing, without_demo_reviewers_a_case_waits_and_nothing_leaves, a_cluster_with_an_infinite_number_is_rejected_and_the_rest_goes_on, a_partner_below_the_marking_gets_nothing, the_demo_never_releases_what_is_not_flagged, two_writers_on_one_case_notice_each_other, clusters_come_from_the_log_and_bad_ones_hold_up_nothing, in_the_demo_a_cluster_that_became_part_of_another_is_withdrawn);

async fn the_same_cluster_twice_doubles_nothing((_folder, place): Place) {
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    let batch = vec![fixtures::cluster("a", 1), fixtures::cluster("b", 1), fixtures::cluster("a", 1)];
    let first = sharing.on_clusters(batch.clone()).await.unwrap();
    assert_eq!((first.opened, first.updated, first.known), (2, 0, 1));
    assert!(first.published > 0);
    let audit = sharing.verify_audit().await.unwrap().unwrap();
    let again = sharing.on_clusters(batch.clone()).await.unwrap();
    assert_eq!(again, Outcomes { known: 3, ..Outcomes::default() });
    assert_eq!(sharing.verify_audit().await.unwrap().unwrap(), audit);
    // Nor after a restart, which is what a crash before the commit of the offset looks like.
    drop(sharing);
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    let again = sharing.on_clusters(batch).await.unwrap();
    assert_eq!(again, Outcomes { known: 3, ..Outcomes::default() });
    assert_eq!(sharing.verify_audit().await.unwrap().unwrap(), audit);
}

async fn a_newer_version_updates_its_case_and_an_older_one_changes_nothing((_folder, place): Place) {
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    sharing.on_clusters(vec![fixtures::cluster("a", 2)]).await.unwrap();
    let older = sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    assert_eq!(older.known, 1);
    let newer = sharing.on_clusters(vec![fixtures::cluster("a", 3)]).await.unwrap();
    assert_eq!((newer.opened, newer.updated), (0, 1));
    let stored = sharing.inner.store.case("a").unwrap().unwrap();
    assert_eq!((stored.case.state, stored.case.released_version), (State::Updated, Some(3)));
    assert_eq!(stored.cluster.version, 3);
}

async fn without_demo_reviewers_a_case_waits_and_nothing_leaves((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let outcome = sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    assert_eq!((outcome.opened, outcome.published), (1, 0));
    let state = || sharing.inner.store.case("a").unwrap().unwrap().case.state;
    assert_eq!(state(), State::Nominated);
    // It is open on the scoreboard, of its partner and of all together.
    let board = sharing.inner.scoreboard(90, Timestamp::now()).unwrap();
    let open = |score: &casework::scoreboard::Score| (score.released, score.times[0].open);
    assert_eq!((open(&board.all), open(&board.partners[0])), ((0, 1), (0, 1)));

    let check = Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() };
    let approve = Step::Approve { comment: "clear".to_owned() };
    assert!(sharing.step("a", Step::Release, "ann").await.is_err());
    sharing.step("a", Step::BeginReview, "ann").await.unwrap();
    sharing.step("a", check, "ann").await.unwrap();
    for fact in casework::fixtures::facts() {
        sharing.step("a", Step::Record(fact), "ann").await.unwrap();
    }
    sharing.step("a", approve, "ann").await.unwrap();
    assert!(sharing.step("a", Step::Release, "ann").await.is_err());
    assert_eq!(sharing.step("a", Step::Release, "bob").await.unwrap(), State::Released);
    let retract = Step::Retract { reason: "a fan club".to_owned() };
    assert_eq!(sharing.step("a", retract, "ann").await.unwrap(), State::Retracted);
    let partner = &sharing.inner.store.partners().unwrap()[0];
    let query = crate::store::ObjectQuery {
        versions: crate::store::Versions::Some { first: false, last: true, at: Vec::new() },
        ..crate::store::ObjectQuery::every_version(&["indicator"])
    };
    let (indicators, _) = sharing.inner.store.objects(partner.collection, &query).unwrap();
    assert_eq!(indicators.len(), 10);
    assert!(indicators.iter().all(|o| o.body.contains("\"revoked\":true")));
    let collection = sharing.inner.store.collections(&partner.name, "lockstep").unwrap().remove(0);
    assert!(!collection.demo);
    let history: Vec<String> = sharing
        .inner
        .store
        .history(&sharing.inner.store.case("a").unwrap().unwrap().case.id)
        .unwrap()
        .into_iter()
        .map(|sealed| sealed.entry.action)
        .collect();
    let expected = [
        "nominated",
        "in_review",
        "sources_and_methods_checked",
        "targets_recorded",
        "consideration_recorded",
        "duties_recorded",
        "approved",
        "released",
        "retracted",
    ];
    assert_eq!(history, expected);
}

async fn a_cluster_with_an_infinite_number_is_rejected_and_the_rest_goes_on((_folder, place): Place) {
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    let mut endless = fixtures::cluster("a", 1);
    endless.log_e = f64::INFINITY;
    let outcome = sharing.on_clusters(vec![endless, fixtures::cluster("b", 1)]).await.unwrap();
    assert_eq!((outcome.rejected, outcome.opened), (1, 1));
}

async fn a_partner_below_the_marking_gets_nothing((_folder, place): Place) {
    let sharing = open(&place, Reviewers::Demo, Tlp::AmberStrict);
    let outcome = sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    assert_eq!((outcome.opened, outcome.published), (1, 0));
}

async fn the_demo_never_releases_what_is_not_flagged((_folder, place): Place) {
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    let mut single = fixtures::cluster("a", 1);
    single.status = Status::SingleSource;
    let outcome = sharing.on_clusters(vec![single]).await.unwrap();
    assert_eq!((outcome.opened, outcome.published), (0, 0));
    assert!(sharing.inner.store.case("a").unwrap().is_none(), "there is nothing to decide");
}

#[tokio::test]
async fn the_audit_log_cannot_be_changed_and_tampering_shows() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("deep/er/sharing.sqlite").display().to_string();
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    let raw = rusqlite::Connection::open(&sharing.config().database).unwrap();
    assert!(raw.execute("update audit set text = 'x' where seq = 2", []).is_err());
    assert!(raw.execute("delete from audit where seq = 2", []).is_err());
    raw.execute_batch("drop trigger audit_is_append_only_1; update audit set text = 'x' where seq = 2").unwrap();
    assert_eq!(sharing.verify_audit().await.unwrap().unwrap_err().seq, 2);
}

async fn two_writers_on_one_case_notice_each_other((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    let stored = sharing.inner.store.case("a").unwrap().unwrap();
    sharing.step("a", Step::BeginReview, "ann").await.unwrap();
    let change = Change { stored, entries: Vec::new(), publish: Vec::new(), label: None };
    let refused = sharing.inner.store.commit(&[change], Timestamp::now()).unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_work_on_as_many_threads_as_there_are_connections() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("sharing.sqlite").display().to_string();
    let config = Config { database: place, database_connections: 3, ..Config::default() };
    let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let requests = (0..100).map(|_| {
        let (sharing, now, most) = (sharing.clone(), Arc::clone(&now), Arc::clone(&most));
        tokio::spawn(async move {
            let work = move |inner: &Inner| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let audit = inner.store.verify_audit(None);
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(audit?)
            };
            sharing.blocking(work).await.unwrap().unwrap()
        })
    });
    let done = futures::future::join_all(requests).await;
    assert!(done.into_iter().all(|done| done.is_ok()) && now.load(Ordering::SeqCst) == 0);
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?} at a time");
}

#[tokio::test]
async fn a_key_is_for_a_partner_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("deep/er/sharing.sqlite").display().to_string();
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    assert!(sharing.issue_key("birds").await.unwrap().starts_with("lockstep_"));
    let refused = sharing.issue_key("nobody").await.unwrap_err();
    assert!(refused.to_string().contains("sharing.recipients"), "{refused}");
    let bytes = std::fs::read(&sharing.config().database).unwrap();
    let key = sharing.issue_key("birds").await.unwrap();
    let secret = key.rsplit('_').next().unwrap().as_bytes();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
}

#[test]
fn a_partner_cannot_move_to_another_platform_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("deep/er/sharing.sqlite").display().to_string();
    drop(open(&place, Reviewers::People, Tlp::Amber));
    let config = Config {
        database: place,
        partners: vec![Partner {
            name: "birds".to_owned(),
            platform: "bluesky".to_owned(),
            tlp_ceiling: Tlp::Amber,
            ..Partner::default()
        }],
        ..Config::default()
    };
    assert!(Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).is_err());
}

async fn clusters_come_from_the_log_and_bad_ones_hold_up_nothing((folder, place): Place) {
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    let log = runtime::Log::open_embedded(&folder.path().join("log")).await.unwrap();
    let topic = runtime::TopicSpec {
        name: topics::CLUSTERS_FLAGGED,
        partitions: 2,
        cleanup: runtime::Cleanup::Delete,
        retention: None,
    };
    let dead = runtime::TopicSpec { name: topics::CLUSTERS_DEAD_LETTER, partitions: 1, ..topic.clone() };
    let all = runtime::TopicSpec { name: topics::CLUSTERS, partitions: 1, ..topic.clone() };
    log.create_topics(&[topic, dead, all]).await.unwrap();
    let record = |cluster: &ClusterMessage| {
        runtime::NewRecord::new(topics::CLUSTERS_FLAGGED, cluster.cluster_id.as_bytes(), cluster.encode().unwrap())
    };
    let bad = runtime::NewRecord::new(topics::CLUSTERS_FLAGGED, "x", "{\"cluster_id\": 7}");
    let (a, b) = (fixtures::cluster("a", 1), fixtures::cluster("b", 1));
    log.append(vec![record(&a), bad, record(&b), record(&a)]).await.unwrap();

    for _ in 0..2 {
        let shutdown = Shutdown::new();
        let running = tokio::spawn({
            let (sharing, log, shutdown) = (sharing.clone(), log.clone(), shutdown.clone());
            async move { sharing.run(log, shutdown).await }
        });
        for _ in 0..100 {
            let committed = log.committed(GROUP, topics::CLUSTERS_FLAGGED).await.unwrap();
            let ends = log.end_offsets(topics::CLUSTERS_FLAGGED).await.unwrap();
            if ends.iter().zip(committed).all(|(end, committed)| committed.unwrap_or(0) == *end) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        shutdown.stop();
        running.await.unwrap().unwrap();
        let (rows, total) =
            sharing.inner.store.cases(&crate::store::CaseQuery { limit: 10, ..Default::default() }).unwrap();
        assert_eq!(total, 2);
        assert!(rows.iter().all(|row| row.state == "released"));
        assert_eq!(sharing.inner.metrics.clusters.with_label_values(&["dead_letter"]).get(), 1);
    }
    // It can be put back as it is, and says what is wrong with it and where it was.
    let ends = log.end_offsets(topics::CLUSTERS_DEAD_LETTER).await.unwrap();
    assert_eq!(ends, [1], "once, although the service began twice");
    let (letters, _) = log.records_at(topics::CLUSTERS_DEAD_LETTER, &[(0, 0)], Duration::from_secs(5)).await.unwrap();
    assert_eq!(
        (letters[0].key.as_slice(), letters[0].value.as_deref()),
        (&b"x"[..], Some(&b"{\"cluster_id\": 7}"[..]))
    );
    let letter = messages::dead_letter::DeadLetter::from_record(b"", &letters[0].headers).unwrap();
    assert!(!letter.reason.is_empty());
    let messages::dead_letter::Source::Record { topic, .. } = letter.source else { panic!("{letter:?}") };
    assert_eq!(topic, topics::CLUSTERS_FLAGGED);
}

async fn in_the_demo_a_cluster_that_became_part_of_another_is_withdrawn((_folder, place): Place) {
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    sharing.on_clusters(vec![fixtures::cluster("a", 1), fixtures::cluster("b", 1)]).await.unwrap();
    let whole = ClusterMessage { lineage: vec!["b".to_owned(), "never-seen".to_owned()], ..fixtures::cluster("a", 2) };
    // The last word of the absorbed one may come along with the word that it was absorbed.
    let outcome = sharing.on_clusters(vec![fixtures::cluster("b", 2), whole.clone()]).await.unwrap();
    assert_eq!((outcome.opened, outcome.updated), (0, 1));
    let state = |id: &str| sharing.inner.store.case(id).unwrap().map(|stored| stored.case.state);
    assert_eq!((state("a"), state("b")), (Some(State::Updated), Some(State::Retracted)));
    assert_eq!(state("never-seen"), None);
    let audit = sharing.verify_audit().await.unwrap().unwrap();
    sharing.on_clusters(vec![whole]).await.unwrap();
    assert_eq!(sharing.verify_audit().await.unwrap().unwrap(), audit, "withdrawn once");
}

#[tokio::test]
async fn explaining_a_case_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("sharing.sqlite").display().to_string();
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    sharing.on_clusters(vec![fixtures::cluster("a1", 1), fixtures::cluster("a2", 1)]).await.unwrap();
    let stored = sharing.inner.store.case("a1").unwrap().unwrap();
    // Not even who the partners are, where the configuration at hand names none.
    let bare = Config { partners: Vec::new(), ..sharing.config().clone() };
    let ask = |case: &str| explain(&bare, case, Timestamp::now());
    assert!(ask("a1").unwrap().outcome.recipients.is_empty());
    assert_eq!(ask(&stored.case.id).unwrap().cluster_id, "a1");
    assert_eq!(ask(&stored.case.id[..20]).unwrap().cluster_id, "a1");
    assert_eq!(sharing.inner.store.partners().unwrap().len(), 1);
    let problem = |case: &str| ask(case).unwrap_err().to_string();
    assert!(problem("a").contains("2 cases begin with \"a\""));
    assert!(problem("").contains("there is no case \"\""));
    assert!(problem("b").contains("there are 2, the newest about a"));
    assert!(sharing.inner.store.case("a1").unwrap().unwrap().revision == stored.revision);
}

#[tokio::test]
async fn only_platforms_that_the_policy_tells_get_objects_and_exactly_those_get_the_retraction() {
    let folder = tempfile::tempdir().unwrap();
    let partner = |name: &str, platform: &str| Partner {
        name: name.to_owned(),
        platform: platform.to_owned(),
        tlp_ceiling: Tlp::Amber,
        ..Partner::default()
    };
    let config = Config {
        database: folder.path().join("sharing.sqlite").display().to_string(),
        partners: vec![partner("birds", "twitter"), partner("skies", "bluesky")],
        ..Config::default()
    };
    let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    let indicators = |name: &str| {
        let partners = sharing.inner.store.partners().unwrap();
        let partner = partners.iter().find(|partner| partner.name == name).unwrap();
        let query = crate::store::ObjectQuery {
            versions: crate::store::Versions::Some { first: false, last: true, at: Vec::new() },
            ..crate::store::ObjectQuery::every_version(&["indicator"])
        };
        let found = sharing.inner.store.objects(partner.collection, &query).unwrap().0;
        let revoked = found.iter().filter(|object| object.body.contains("\"revoked\":true")).count();
        (found.len(), revoked)
    };
    let check = || Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() };
    let approve = || Step::Approve { comment: "clear".to_owned() };
    let choose = |name: &str| Step::Record(casework::policy::Fact::Chosen([name.to_owned()].into()));
    let facts = || casework::fixtures::facts().into_iter().map(Step::Record);
    for step in [Step::BeginReview, check(), choose("birds")].into_iter().chain(facts()).chain([approve()]) {
        sharing.step("a", step, "ann").await.unwrap();
    }
    sharing.step("a", Step::Release, "bob").await.unwrap();
    assert_eq!((indicators("birds"), indicators("skies")), ((10, 0), (0, 0)));

    // The second platform is told of a later version, in which one account of its own is gone: it never had that one.
    let mut next = fixtures::cluster("a", 2);
    let gone = next.accounts.iter().rposition(|account| account.platform == "bluesky").unwrap();
    next.accounts.remove(gone);
    sharing.on_clusters(vec![next]).await.unwrap();
    for step in [check(), choose("skies")].into_iter().chain(facts()).chain([approve()]) {
        sharing.step("a", step, "ann").await.unwrap();
    }
    sharing.step("a", Step::Update, "bob").await.unwrap();
    assert_eq!((indicators("birds"), indicators("skies")), ((10, 0), (1, 0)));
    sharing.step("a", Step::Retract { reason: "a fan club".to_owned() }, "ann").await.unwrap();
    assert_eq!((indicators("birds"), indicators("skies")), ((10, 10), (1, 1)));
}

#[tokio::test]
async fn what_people_record_binds_the_demo_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("sharing.sqlite").display().to_string();
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    use casework::policy::{Fact, Target, TargetKind, Targets};
    let target = Target { kind: TargetKind::MajorCandidate, name: "Doe".to_owned(), recipient: None };
    let fact = Fact::Targets(Targets { targets: vec![target], ..Targets::default() });
    sharing.step("a", Step::Record(fact), "ann").await.unwrap();
    // There is no recipient for the Secret Service, so the next version goes to nobody, and other cases go on.
    let outcome = sharing.on_clusters(vec![fixtures::cluster("a", 2), fixtures::cluster("b", 1)]).await.unwrap();
    assert_eq!((outcome.opened, outcome.updated), (1, 1));
    let case = sharing.inner.store.case("a").unwrap().unwrap().case;
    assert_eq!((case.version, case.released_version), (2, Some(1)));
    let entry = sharing.inner.store.history(&case.id).unwrap().pop().unwrap().entry;
    assert_eq!(entry.action, "approved");
}

/// An object is as old as its first version, and no older: who joins a finding later was not reported before.
#[tokio::test]
async fn who_joins_later_was_not_reported_before() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("sharing.sqlite").display().to_string();
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    let second = fixtures::cluster("a", 2);
    let joiner = second.accounts[0].clone();
    let mut first = ClusterMessage { version: 1, ties: Vec::new(), ..second.clone() };
    first.accounts.remove(0);
    sharing.on_clusters(vec![first]).await.unwrap();
    sharing.on_clusters(vec![second]).await.unwrap();
    let partner = &sharing.inner.store.partners().unwrap()[0];
    let query = crate::store::ObjectQuery::every_version(&["indicator"]);
    let versions = sharing.inner.store.objects(partner.collection, &query).unwrap().0;
    assert_eq!(versions.len(), 9 + 10);
    let mut firsts = BTreeMap::new();
    for version in &versions {
        let object: serde_json::Value = serde_json::from_str(&version.body).unwrap();
        let created = firsts.entry(version.id.clone()).or_insert_with(|| object["modified"].clone());
        assert_eq!(object["created"], *created, "{object}");
        let joined = object["pattern"].as_str().unwrap().contains(&joiner.account_id);
        assert_eq!(joined, versions.iter().filter(|other| other.id == version.id).count() == 1);
    }
}

#[tokio::test]
async fn rule_8_is_in_every_notice_that_a_platform_pulls() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        database: folder.path().join("sharing.sqlite").display().to_string(),
        reviewers: Reviewers::Demo,
        invented_recipients: true,
        partners: vec![Partner {
            name: "birds".to_owned(),
            platform: "twitter".to_owned(),
            tlp_ceiling: Tlp::Amber,
            webhook: None,
        }],
        ..Config::default()
    };
    let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    let partner = &sharing.inner.store.partners().unwrap()[0];
    let query = crate::store::ObjectQuery::every_version(&["indicator", "note"]);
    let notices = sharing.inner.store.objects(partner.collection, &query).unwrap().0;
    assert!(notices.len() > 10, "ten accounts, and why");
    // The licence of a technique's name is no notice of an account.
    for notice in notices.iter().filter(|notice| !notice.body.contains("CC BY-SA")) {
        assert!(notice.body.contains(casework::policy::VOLUNTARY), "{}", notice.body);
    }
}

/// Records for the newest version what the rules need.
async fn record_facts(sharing: &Sharing) {
    let check = Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() };
    sharing.step("a", check, "ann").await.unwrap();
    for fact in casework::fixtures::facts() {
        sharing.step("a", Step::Record(fact), "ann").await.unwrap();
    }
}
