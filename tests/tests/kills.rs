//! Kills at random moments: what was found in the end is what an undisturbed run finds, byte for byte.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use end_to_end::{Broker, Place};
use messages::topics::{CLUSTERS, CLUSTERS_FLAGGED};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::chain::{World, read};

const KILLS: usize = 20;
/// Checkpoints come every second, so many of these lives leave one or two behind.
const LIFE_MS: std::ops::Range<u64> = 100..2_200;
/// Every fourth life goes on until it has left one, however slow the machine is.
const SAVES_EVERY: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
/// Posts in one request.
const REQUEST: usize = 200;
/// Sets the moments of the kills; without it they are others every time.
const SEED: &str = "LOCKSTEP_TEST_SEED";

#[test]
fn twenty_kills_change_nothing_on_the_embedded_log() {
    kills_change_nothing(None);
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
fn twenty_kills_change_nothing_on_kafka() {
    let broker = Broker::start();
    kills_change_nothing(Some(broker.address()));
}

fn kills_change_nothing(brokers: Option<&str>) {
    let world = World::demo();
    let undisturbed = undisturbed(&world);
    assert!(undisturbed.last.values().any(Option::is_some) && !undisturbed.flagged.is_empty());

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = std::env::var(SEED).map_or(now, |seed| seed.parse().unwrap());
    eprintln!("{SEED}={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let place = place(brokers, &world);
    let mut requests = world.posts.chunks(REQUEST).peekable();
    let a_life = requests.len() / (KILLS + 1);
    for n in 1..=KILLS {
        let service = place.serve();
        let folder = n.is_multiple_of(SAVES_EVERY).then(|| place.path("checkpoints"));
        let life = Duration::from_millis(random.random_range(LIFE_MS));
        let (end, process) = (Instant::now() + life, service.pid().to_string());
        let killer = thread::spawn(move || {
            let before = folder.as_deref().map(saved);
            thread::sleep(life);
            let deadline = Instant::now() + PATIENCE;
            while folder.as_deref().map(saved) == before && before.is_some() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
            }
            assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
        });
        for _ in 0..a_life {
            // A request that the kill cuts short is made again in the next life: some of its posts may then come twice.
            if requests.peek().is_none_or(|request| service.post(request).is_none()) {
                break;
            }
            requests.next();
            thread::sleep(end.saturating_duration_since(Instant::now()).min(life / a_life as u32));
        }
        killer.join().unwrap();
        service.kill();
    }
    let mut service = place.serve();
    requests.for_each(|request| assert!(service.post(request).is_some()));
    world.gone_through(&mut service);
    let said = service.said();
    assert_eq!(service.stop().code(), Some(0));

    let restored = said.matches("restored from a checkpoint").count();
    eprintln!("{restored} of {KILLS} restarts went on from a checkpoint");
    assert!(restored >= KILLS / 4, "only {restored} restarts went on from a checkpoint:\n{said}");
    assert!(!said.contains("a checkpoint is not used"), "{said}");
    let found = PublishedClusters::of(&place, brokers);
    for (id, message) in &undisturbed.last {
        assert_eq!(text(found.last.get(id)), text(Some(message)), "{} {SEED}={seed}", String::from_utf8_lossy(id));
    }
    assert_eq!(found.last.len(), undisturbed.last.len(), "{SEED}={seed}");
    assert_eq!(found.flagged, undisturbed.flagged, "each message once, in the same order; {SEED}={seed}");
}

/// The checkpoints that there are, with the times when they were written.
fn saved(folder: &Path) -> BTreeMap<OsString, Option<SystemTime>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name(), entry.metadata().and_then(|of| of.modified()).ok())).collect()
}

/// What the topics say in the end.
struct PublishedClusters {
    /// The last message of each cluster; `None` for one that is no longer one.
    last: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// All messages about flagged clusters.
    flagged: Vec<String>,
}

impl PublishedClusters {
    fn of(place: &Place, brokers: Option<&str>) -> PublishedClusters {
        let last = read(place, brokers, CLUSTERS).into_iter().map(|record| (record.key, record.value)).collect();
        let flagged = read(place, brokers, CLUSTERS_FLAGGED).iter().map(|r| text(Some(&r.value))).collect();
        PublishedClusters { last, flagged }
    }
}

fn text(message: Option<&Option<Vec<u8>>>) -> String {
    match message {
        None => "never told".to_owned(),
        Some(None) => "gone".to_owned(),
        Some(Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Small batches, so that there are many moments to be killed at, and frequent checkpoints.
fn place(brokers: Option<&str>, world: &World) -> Place {
    let place = Place::new(brokers, &world.platforms);
    let mut config = fs::read_to_string(place.config()).unwrap();
    config = config.replace("[detector]\n", "[detector]\nbatch = 50\ncheckpoint_every_s = 1\n");
    fs::write(place.config(), config).unwrap();
    place
}

fn undisturbed(world: &World) -> PublishedClusters {
    let place = Place::new(None, &world.platforms);
    let mut service = place.serve();
    world.posts.chunks(1_000).for_each(|request| assert!(service.post(request).is_some()));
    world.gone_through(&mut service);
    assert_eq!(service.stop().code(), Some(0));
    PublishedClusters::of(&place, None)
}
