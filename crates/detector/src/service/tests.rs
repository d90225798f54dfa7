mod alone;
mod streams;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use coordination::{Cluster, Finding};
use detection::fixtures::put_model;
use futures::TryStreamExt;
use messages::{
    cluster::{ClusterMessage, Status, Why},
    fixtures, post,
};
use runtime::{NewRecord, Record, admin::Readiness, metrics::Metrics};
use scoring::{Model, Registry, features::FEATURES};
use simulator::World;

use super::*;
use crate::{
    Topics,
    models::tests::{damage, promote},
};

const REGISTRY_CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Posts appended at a time.
const PIECE: usize = 400;

/// A log, a registry with the models 1 (calls every cluster inauthentic) and 2 (none), and the
/// posts of a world.
struct Stand {
    dir: tempfile::TempDir,
    config: Config,
    log: Log,
    posts: Vec<NewRecord>,
}

/// A running service.
struct Running {
    metrics: Metrics,
    readiness: Readiness,
    shutdown: Shutdown,
    ended: watch::Sender<bool>,
    done: watch::Receiver<bool>,
    task: tokio::task::JoinHandle<Result<(), ServiceError>>,
}

impl Stand {
    async fn new() -> Stand {
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            models: dir.path().join("models"),
            checkpoints: dir.path().join("checkpoints"),
            batch: 200,
            ..Config::default()
        };
        put_model(&config.models, "1", true);
        put_model(&config.models, "2", false);
        promote(&config.models, "1");
        let log = Log::open_embedded(&dir.path().join("log")).await.unwrap();
        Topics::default().create(&log).await.unwrap();
        let world = World::named("demo").unwrap();
        let record = |sim: &simulator::SimPost| {
            let read = sim.as_post();
            NewRecord::new(POSTS, post::key(&read), post::encode(&read))
        };
        let posts = world.stream(1).0.map(|sim| record(&sim)).collect();
        Stand { dir, config, log, posts }
    }

    fn service(&self) -> (Service, Metrics) {
        let metrics = Metrics::new().unwrap();
        let service = Service::new(self.log.clone(), &self.config, DetectorMetrics::new(&metrics).unwrap()).unwrap();
        (Service { registry_check_interval: REGISTRY_CHECK_INTERVAL, ..service }, metrics)
    }

    fn start(&self) -> Running {
        let (service, metrics) = self.service();
        let (shutdown, (ended, ended_seen), (done_told, done)) =
            (Shutdown::new(), watch::channel(false), watch::channel(false));
        let readiness = Readiness::new();
        let check = readiness.check("detector");
        let task = tokio::spawn(service.run(check, shutdown.clone(), ended_seen, done_told));
        Running { metrics, readiness, shutdown, ended, done, task }
    }

    /// The records of a topic, as they were appended.
    async fn read(&self, topic: &str) -> Vec<Record> {
        self.log.read_all(topic, &[]).await.unwrap().try_collect().await.unwrap()
    }

    /// The status of each cluster in the log, and the clusters that were ever published as flagged.
    async fn published(&self) -> (BTreeMap<String, Status>, BTreeSet<String>) {
        let mut statuses = BTreeMap::new();
        for record in self.read(CLUSTERS).await {
            let id = String::from_utf8(record.key.clone()).unwrap();
            match record.value {
                Some(value) => drop(statuses.insert(id, ClusterMessage::decode(&value).unwrap().status)),
                None => drop(statuses.remove(&id)),
            }
        }
        let flagged = self.read(CLUSTERS_FLAGGED).await;
        (statuses, flagged.into_iter().map(|record| String::from_utf8(record.key).unwrap()).collect())
    }

    async fn states(&self, topic: &str) -> Vec<ClusterMessage> {
        let records = self.read(topic).await.into_iter().filter_map(|record| record.value);
        records.map(|value| ClusterMessage::decode(&value).unwrap()).collect()
    }

    /// Checks everything published against the rules, whatever models were in service. Returns the
    /// model versions that judged.
    async fn check(&self) -> BTreeSet<String> {
        let states = self.states(CLUSTERS).await;
        let registry = Registry::open(&self.config.models).unwrap();
        let load = |version: &&str| registry.load("cluster", version).ok();
        let models: Vec<Model> = ["1", "2", "4"].iter().filter_map(load).collect();
        let mut versions: BTreeMap<&str, u32> = BTreeMap::new();
        let (mut flagged, mut judged_by) = (BTreeSet::new(), BTreeSet::new());
        let mut to_tell = Vec::new();
        let mut lineages: BTreeMap<&str, &[String]> = BTreeMap::new();
        for state in &states {
            let id = state.cluster_id.as_str();
            let last = versions.insert(id, state.version).unwrap_or(0);
            assert_eq!(state.version, last + 1, "{id}: every state once and in order");
            if let (Some(by), Some(probability)) = (&state.model, state.probability) {
                let model = models.iter().find(|model| model.version() == by.version).unwrap();
                judged_by.insert(by.version.clone());
                let values: Vec<Option<f64>> = FEATURES.iter().map(|feature| state.features[feature.name]).collect();
                let verdict = model.verdict_on(&values);
                assert!(
                    (verdict.probability - probability).abs() < 1e-6,
                    "{id} {}: one model's verdict",
                    state.version
                );
                match state.status {
                    Status::Flagged => assert!(verdict.inauthentic),
                    Status::Coordinated => assert_eq!(verdict.inauthentic, state.why == Some(Why::NotPlain)),
                    Status::SingleSource | Status::Faded | Status::NearMiss => {}
                }
            }
            let before = lineages.insert(id, &state.lineage);
            let absorbed = before
                .map_or(Vec::new(), |before| state.lineage.iter().filter(|other| !before.contains(other)).collect());
            if state.status == Status::Flagged || absorbed.iter().any(|other| flagged.contains(other.as_str())) {
                flagged.insert(id);
            }
            if flagged.contains(id) {
                assert_ne!(state.status, Status::NearMiss, "{id}");
                to_tell.push(state.clone());
            }
        }
        assert!(
            self.states(CLUSTERS_FLAGGED).await == to_tell,
            "readers of a flagged cluster receive every later state"
        );
        judged_by
    }
}

impl Running {
    fn metric(&self, row: &str) -> f64 {
        let text = self.metrics.text();
        let value = text.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }

    async fn until(&self, what: &str, holds: impl Fn(&Running) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < Duration::from_secs(60), "waited too long until {what}\n{}", self.metrics.text());
            assert!(!self.task.is_finished(), "the service ended before {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_in_service(&self, version: &str) {
        let row = format!(r#"lockstep_model_info{{name="cluster",role="active",version="{version}"}}"#);
        self.until(&format!("{version} is in service"), |running| running.metric(&row) == 1.0).await;
    }

    async fn until_read(&self, posts: usize) {
        let read = |running: &Running| -> f64 {
            let outcomes = ["accepted", "late", "too_late", "duplicate", "dead_letter"];
            outcomes
                .iter()
                .map(|outcome| running.metric(&format!(r#"lockstep_posts_total{{outcome="{outcome}"}}"#)))
                .sum()
        };
        self.until("all is read", |running| read(running) >= posts as f64).await;
    }

    /// Runs to the end of the stream.
    async fn finish(mut self) -> Metrics {
        self.ended.send_replace(true);
        self.done.wait_for(|done| *done).await.unwrap();
        let metrics = self.metrics.clone();
        self.stop().await;
        metrics
    }

    async fn stop(self) {
        self.shutdown.stop();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promotions_in_mid_stream_lose_nothing_and_double_nothing() {
    let still = Stand::new().await;
    let running = still.start();
    still.log.append(still.posts.clone()).await.unwrap();
    running.until_read(still.posts.len()).await;
    running.finish().await;
    assert_eq!(still.check().await, ["1".to_owned()].into());
    let expected = still.states(CLUSTERS).await;
    let expected = last(&expected);

    let stand = Stand::new().await;
    put_model(&stand.config.models, "3", true);
    // It has the same verdicts as model 1: which groups are one cluster depends on the verdict.
    put_model(&stand.config.models, "4", true);
    let running = stand.start();
    let (first, rest) = stand.posts.split_at(stand.posts.len() * 2 / 3);
    stand.log.append(first.to_vec()).await.unwrap();
    running.until_read(first.len()).await;
    // Promotes one model and the other in turn, as fast as they are loaded, while posts are
    // processed.
    let mut promotions = 0;
    let mut pieces = rest.chunks(rest.len().div_ceil(10));
    while let Some(piece) = pieces.next() {
        stand.log.append(piece.to_vec()).await.unwrap();
        for version in ["4", "1"] {
            promote(&stand.config.models, version);
            running.until_in_service(version).await;
            promotions += 1;
        }
        if promotions == 6 {
            // A damaged model, as during a copy: the previous model stays in service, and posts are
            // processed.
            let mend = damage(&stand.config.models, "3");
            fs::write(stand.config.models.join("active.toml"), "name = \"cluster\"\nversion = \"3\"\n").unwrap();
            let refused = r#"lockstep_model_refused{role="active"}"#;
            running.until("the damaged model is refused", |running| running.metric(refused) == 1.0).await;
            let batches = |running: &Running| running.metric("lockstep_batch_seconds_count");
            let before = batches(&running);
            stand.log.append(pieces.next().unwrap().to_vec()).await.unwrap();
            running.until("posts go on", |running| batches(running) > before).await;
            promote(&stand.config.models, "1");
            running.until("that is settled", |running| running.metric(refused) == 0.0).await;
            mend();
        }
    }
    running.until_read(stand.posts.len()).await;
    let taken = running.metric(r#"lockstep_model_reloads_total{outcome="taken",role="active"}"#);
    assert!(promotions == 18 && taken >= f64::from(promotions), "{promotions} {taken}");
    // Clusters at the end are reported once more, and the other model judges them.
    promote(&stand.config.models, "4");
    running.until_in_service("4").await;
    let metrics = running.finish().await.text();

    assert!(
        metrics.contains("lockstep_clusters_not_published_total 0\n"),
        "the engine's judge and the model agree\n{metrics}"
    );
    assert_eq!(stand.check().await, ["1".to_owned(), "4".to_owned()].into());
    let found = stand.states(CLUSTERS).await;
    let found = last(&found);
    assert_eq!(found, expected, "the same clusters, as large");
    let states = stand.states(CLUSTERS).await.len();
    let counted: f64 = metrics
        .lines()
        .filter(|line| line.starts_with("lockstep_clusters_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(counted, states as f64, "counted once each");
    for stage in ["load", "swap"] {
        let of = |part: &str| -> f64 {
            let name = format!("lockstep_model_{stage}_seconds_{part} ");
            metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
        };
        eprintln!("{stage}: {:.3} ms on average of {}", 1e3 * of("sum") / of("count"), of("count"));
    }
}

/// Accounts of each cluster in its last report. Near misses are reported as they come nearer, and
/// name nobody.
fn last(states: &[ClusterMessage]) -> BTreeMap<&str, usize> {
    let clusters = states.iter().filter(|state| state.status != Status::NearMiss);
    clusters.map(|state| (state.cluster_id.as_str(), state.accounts.len())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_what_was_told_counts_whatever_model_is_in_service() {
    let mut stand = Stand::new().await;
    let (first, rest) = stand.posts.split_at(stand.posts.len() * 9 / 10);
    let (first, rest) = (first.to_vec(), rest.to_vec());
    let (early, late) = first.split_at(first.len() * 9 / 10);

    let running = stand.start();
    stand.log.append(early.to_vec()).await.unwrap();
    running.until_read(early.len()).await;
    running.stop().await;
    let kept = stand.dir.path().join("kept");
    copy(&stand.config.checkpoints, &kept);
    let running = stand.start();
    stand.log.append(late.to_vec()).await.unwrap();
    running.until_read(late.len()).await;
    running.stop().await;
    let (statuses, flagged) = stand.published().await;
    assert!(!flagged.is_empty() && statuses.values().any(|status| *status == Status::Flagged));

    // The other model would flag none of them. Once from the older checkpoint, once from the log
    // alone.
    promote(&stand.config.models, "2");
    fs::remove_dir_all(&stand.config.checkpoints).unwrap();
    copy(&kept, &stand.config.checkpoints);
    for (checkpoints, from) in [(60, "checkpoint"), (0, "log")] {
        stand.config.checkpoint_every_s = checkpoints;
        let (mut service, metrics) = stand.service();
        service.recover(&Shutdown::new()).await.unwrap();
        assert!(metrics.text().contains(&format!("lockstep_restore_seconds{{from={from:?}}}")), "{}", metrics.text());
        assert_eq!(service.machine.statuses_and_flagged(), (statuses.clone(), flagged.clone()), "{from}");
        assert_eq!(service.machine.model().version(), "2", "the earlier model judges only the replayed posts");
        let living = format!("lockstep_clusters_standing{{status=\"flagged\"}} {}", count(&statuses, Status::Flagged));
        assert!(metrics.text().contains(&living), "{living}\n{}", metrics.text());
    }

    let running = stand.start();
    stand.log.append(rest).await.unwrap();
    running.until_read(stand.posts.len() - first.len()).await;
    let metrics = running.finish().await.text();
    assert!(
        metrics.contains("lockstep_clusters_not_published_total 0\n"),
        "the engine's judge and the model agree\n{metrics}"
    );
    assert_eq!(stand.check().await, ["1".to_owned(), "2".to_owned()].into());
    let after = stand.states(CLUSTERS_FLAGGED).await;
    assert!(after.iter().any(|state| state.status == Status::Coordinated), "its withdrawal is published");
}

/// A group in the form of the engine.
fn group(id: &str, finding: Finding, absorbed: &[&str]) -> Cluster {
    let shape = fixtures::Shape::default();
    let cluster = match finding {
        Finding::SingleSource => fixtures::best_source(shape),
        Finding::NearMiss => fixtures::near_miss(shape),
        Finding::Coordinated | Finding::Faded => fixtures::plain(shape),
    };
    let absorbed: Vec<String> = absorbed.iter().map(|&id| id.to_owned()).collect();
    Cluster { id: id.to_owned(), version: 1, finding, lineage: absorbed.clone(), absorbed, ..cluster }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_found_is_told_once_and_goes_on_after_a_restart_under_another_model() {
    let mut stand = Stand::new().await;
    let publish = async |stand: &Stand, service: &mut Service, found: Vec<Cluster>| {
        let mut consumer = stand.log.consumer(GROUP, &[POSTS]).await.unwrap();
        stand.log.append(stand.posts[..1].to_vec()).await.unwrap();
        let records = consumer.poll(10, Duration::from_secs(5)).await.unwrap();
        found.into_iter().for_each(|cluster| service.machine.find(cluster));
        service.handle(&mut consumer, Event::Read(records), &Shutdown::new()).await.unwrap();
        consumer.close().await.unwrap();
    };
    // The content of a topic, in order: cluster, version and status; "gone" if it was removed.
    let said = async |stand: &Stand, topic: &str| -> Vec<String> {
        let line = |record: Record| match record.value {
            None => format!("{} gone", String::from_utf8(record.key).unwrap()),
            Some(value) => {
                let published = ClusterMessage::decode(&value).unwrap();
                format!("{} {} {}", published.cluster_id, published.version, published.status.name())
            }
        };
        stand.read(topic).await.into_iter().map(line).collect()
    };
    use Finding::{Coordinated, Faded, NearMiss, SingleSource};
    let (mut service, metrics) = stand.service();
    publish(
        &stand,
        &mut service,
        vec![group("a", Coordinated, &[]), group("n", NearMiss, &[]), group("s", SingleSource, &[])],
    )
    .await;
    publish(&stand, &mut service, vec![group("a", Coordinated, &["s"])]).await;
    publish(&stand, &mut service, vec![group("a", Coordinated, &[]), group("n", NearMiss, &[])]).await;
    let before =
        ["a 1 flagged", "n 1 near_miss", "s 1 single_source", "a 2 flagged", "s gone", "a 3 flagged", "n 2 near_miss"];
    assert_eq!(said(&stand, CLUSTERS).await, before);
    assert_eq!(said(&stand, CLUSTERS_FLAGGED).await, ["a 1 flagged", "a 2 flagged", "a 3 flagged"]);
    for (status, clusters) in [("flagged", 1), ("near_miss", 1), ("single_source", 0)] {
        let row = format!("lockstep_clusters_standing{{status=\"{status}\"}} {clusters}\n");
        assert!(metrics.text().contains(&row), "{row}{}", metrics.text());
    }

    promote(&stand.config.models, "2");
    stand.config.checkpoint_every_s = 0;
    let published = service.machine.statuses_and_flagged();
    let (mut service, _) = stand.service();
    service.recover(&Shutdown::new()).await.unwrap();
    assert_eq!(service.machine.statuses_and_flagged(), published);
    assert_eq!(service.machine.model().version(), "2");
    assert_eq!(said(&stand, CLUSTERS).await, before, "a restart publishes nothing");
    publish(&stand, &mut service, vec![group("a", Coordinated, &[])]).await;
    publish(&stand, &mut service, vec![group("a", Faded, &[]), group("n", NearMiss, &[])]).await;
    assert_eq!(said(&stand, CLUSTERS).await[before.len()..], ["a 4 coordinated", "a 5 faded", "n 3 near_miss"]);
    assert_eq!(said(&stand, CLUSTERS_FLAGGED).await[3..], ["a 4 coordinated", "a 5 faded"]);
    stand.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_again_is_judged_by_the_model_that_judged_it() {
    let stand = Stand::new().await;
    let (mut service, _) = stand.service();
    assert!(service.judge_by(&"cluster/1".parse().unwrap()).is_none(), "it is in service");
    let before = service.judge_by(&"cluster/2".parse().unwrap()).unwrap();
    assert_eq!((before.version(), service.machine.model().version()), ("1", "2"));
    assert!(service.judge_by(&"cluster/9".parse().unwrap()).is_none(), "it is gone");
    assert_eq!(service.machine.model().version(), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_too_large_for_a_message_is_counted_and_holds_up_no_other() {
    let stand = Stand::new().await;
    let (mut service, metrics) = stand.service();
    let mut consumer = stand.log.consumer(GROUP, &[POSTS]).await.unwrap();
    service.machine.find(fixtures::one_text(20_000));
    service.machine.find(group("a", Finding::Coordinated, &[]));
    service.handle(&mut consumer, Event::Read(Vec::new()), &Shutdown::new()).await.unwrap();
    assert_eq!(stand.states(CLUSTERS).await.len(), 1);
    assert!(metrics.text().contains("lockstep_clusters_not_published_total 1\n"), "{}", metrics.text());
}

fn count(statuses: &BTreeMap<String, Status>, status: Status) -> usize {
    statuses.values().filter(|other| **other == status).count()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_is_counted_and_changes_nothing() {
    let mut stand = Stand::new().await;
    stand.config.shadow_model = "cluster/2".to_owned();
    let running = stand.start();
    stand.log.append(stand.posts.clone()).await.unwrap();
    running.until_read(stand.posts.len()).await;
    let metrics = running.finish().await.text();
    assert_eq!(stand.check().await, ["1".to_owned()].into());
    let states = stand.states(CLUSTERS).await;
    let of = |status| states.iter().filter(|state| state.status == status).count();
    let (flagged, organic) = (of(Status::Flagged), of(Status::Coordinated));
    let judged = flagged + organic;
    for row in [
        "lockstep_clusters_not_published_total 0".to_owned(),
        r#"lockstep_model_info{name="cluster",role="active",version="1"} 1"#.to_owned(),
        r#"lockstep_model_info{name="cluster",role="shadow",version="2"} 1"#.to_owned(),
        format!(r#"lockstep_shadow_verdicts_total{{active="inauthentic",shadow="organic"}} {flagged}"#),
        format!(r#"lockstep_shadow_verdicts_total{{active="organic",shadow="organic"}} {organic}"#),
        r#"lockstep_shadow_verdicts_total{active="inauthentic",shadow="inauthentic"} 0"#.to_owned(),
        format!("lockstep_shadow_probability_difference_count {judged}"),
        format!("lockstep_cluster_probability_count {judged}"),
        "lockstep_drift_training_groups 20".to_owned(),
        r#"lockstep_drift_feature_psi{feature="own_words_share"} 0"#.to_owned(),
    ] {
        assert!(metrics.contains(&format!("{row}\n")), "no {row} in\n{metrics}");
    }
    assert!(flagged > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_that_cannot_be_used_does_not_stop_the_service() {
    let mut stand = Stand::new().await;
    stand.config.shadow_model = "cluster/7".to_owned();
    let running = stand.start();
    let refused = r#"lockstep_model_refused{role="shadow"}"#;
    running.until("it says so", |running| running.metric(refused) == 1.0).await;
    put_model(&stand.config.models, "7", true);
    running.until("it is taken when it comes", |running| running.metric(refused) == 0.0).await;
    stand.log.append(stand.posts[..PIECE].to_vec()).await.unwrap();
    running.until_read(PIECE).await;
    running.stop().await;
}
