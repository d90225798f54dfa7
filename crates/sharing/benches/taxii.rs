//! What a page costs, and whether that grows with the collection or with the clients: `cargo bench --workspace --bench taxii`.
//!
//! The server is a process of its own, so that its CPU time and memory (Linux only) are its own: those of whole requests over HTTP,
//! with authentication. Eight clients on loopback ask for pages from random places in collections of a thousand, a hundred thousand
//! and a million objects; then 1, 8 and 100 clients ask for the first kind of page. `LOCKSTEP_BENCH_OBJECTS=100000` stops earlier.
//! `LOCKSTEP_BENCH_POSTGRES=postgres://…` names an empty PostgreSQL database to be used in place of a file.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use sharing::{Config, Sharing};

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
const CLIENTS: usize = 8;
/// For how cost and memory grow with the clients.
const CROWDS: [usize; 3] = [1, 8, 100];
/// 2026-01-01T00:00:00Z; one object a second from there.
const BEGIN: i64 = 1_767_225_600_000_000;
const SECOND: i64 = 1_000_000;

/// (what, path below the collection, objects in a page, requests)
const CASES: [(&str, &str, usize, usize); 6] = [
    ("objects", "objects/?limit=100", 100, 4_000),
    ("objects", "objects/?limit=1000", 1_000, 800),
    ("manifest", "manifest/?limit=100", 100, 4_000),
    ("one type", "objects/?limit=100&match[type]=user-account", 100, 4_000),
    ("two types", "objects/?limit=100&match[type]=user-account,indicator", 100, 2_000),
    ("all versions", "objects/?limit=100&match[version]=all", 100, 4_000),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [role, database] = &arguments[..]
        && role == "serve"
    {
        return serve(database);
    }
    let most = std::env::var("LOCKSTEP_BENCH_OBJECTS").ok().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.sqlite").display().to_string();
    let database = std::env::var("LOCKSTEP_BENCH_POSTGRES").unwrap_or(file);
    drop(open(&database));
    println!(
        "{:<14}{:>6}{:>10}{:>9}{:>12}{:>10}{:>10}{:>10}{:>12}",
        "request", "page", "objects", "kB", "CPU ms", "p50 ms", "p99 ms", "/s", "CPU / 1 k"
    );
    let mut smallest = Vec::new();
    let mut filled = 0;
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        fill(&database, filled, size);
        filled = size;
        let mut server = Server::start(&database);
        for (n, (what, path, page, requests)) in CASES.into_iter().enumerate() {
            // So far from the end that every page is full; the rarest type is a fifth of all.
            let places = size.saturating_sub(5 * page).max(1);
            server.ask(CLIENTS, path, places, requests / 10);
            let before = server.cpu();
            let began = Instant::now();
            let (mut times, bytes) = server.ask(CLIENTS, path, places, requests);
            let wall = began.elapsed().as_secs_f64();
            let cpu = (server.cpu() - before) * 1e3 / times.len() as f64;
            times.sort();
            let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e3;
            if smallest.len() == n {
                smallest.push(cpu);
            }
            println!(
                "{what:<14}{page:>6}{size:>10}{:>9.1}{cpu:>12.3}{:>10.2}{:>10.2}{:>10.0}{:>12.2}",
                bytes as f64 / times.len() as f64 / 1e3,
                at(0.5),
                at(0.99),
                times.len() as f64 / wall,
                cpu / smallest[n]
            );
        }
        server.end();
        crowds(&database, size);
    }
}

/// Cost of a request, peak memory and threads of the server by the number of clients, each with a fresh server.
fn crowds(database: &str, size: usize) {
    println!("{:<14}{:>10}{:>12}{:>12}{:>10}{:>12}", "clients", "objects", "CPU ms", "peak MB", "threads", "p99 ms");
    let (_, path, page, requests) = CASES[0];
    for clients in CROWDS {
        let mut server = Server::start(database);
        let before = server.cpu();
        let (mut times, _) = server.ask(clients, path, size.saturating_sub(5 * page).max(1), requests);
        times.sort();
        println!(
            "{clients:<14}{size:>10}{:>12.3}{:>12.0}{:>10}{:>12.2}",
            (server.cpu() - before) * 1e3 / times.len() as f64,
            server.status("VmHWM:") as f64 / 1024.0,
            server.status("Threads:"),
            times[times.len() * 99 / 100].as_secs_f64() * 1e3
        );
        server.end();
    }
}

fn open(database: &str) -> Sharing {
    let folder = tempfile::tempdir().unwrap();
    let recipients = folder.path().join("recipients.toml");
    std::fs::write(&recipients, "[[recipients]]\nname = \"bench\"\nclass = \"platform\"\nplatform = \"example\"\n")
        .unwrap();
    let mut config = Config {
        database: database.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        recipients: Some(recipients),
        ..Config::default()
    };
    // What is measured is the work, not the agreement on how much of it a partner may ask for.
    config.limits.partner_per_minute = 1_000_000;
    Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap()
}

/// The server's process: tells its address and a key, then serves until it is killed.
fn serve(database: &str) {
    let sharing = open(database);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let server = sharing::Server::new(sharing.clone());
        let listener = server.bind().await.unwrap();
        println!("{} {}", listener.local_addr().unwrap(), sharing.issue_key("bench").await.unwrap());
        server.serve(listener, runtime::shutdown::Shutdown::new()).await;
    });
}

/// Objects as a release adds them, straight into the tables: a million releases would take hours.
fn fill(database: &str, from: usize, to: usize) {
    let last = BEGIN + to as i64 * SECOND;
    if database.starts_with("postgres") {
        let mut client = postgres::Client::connect(database, postgres::NoTls).unwrap();
        let columns = "number, collection, date_added, id, type, spec_version, version, is_first, is_last, body";
        let mut copy = client.copy_in(&format!("copy objects ({columns}) from stdin")).unwrap();
        for (number, added, kind, id, body) in (from..to).map(object) {
            // None of the texts has a tab, a line break or a backslash.
            writeln!(copy, "{number}\t1\t{added}\t{id}\t{kind}\t2.1\t{added}\t1\t1\t{body}").unwrap();
        }
        copy.finish().unwrap();
        client.execute("update collections set last_added = $1 where number = 1", &[&last]).unwrap();
        client.batch_execute("analyze objects").unwrap();
        return;
    }
    let mut connection = rusqlite::Connection::open(database).unwrap();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    let tx = connection.transaction().unwrap();
    let mut insert = tx
        .prepare(
            "insert into objects (number, collection, date_added, id, type, spec_version, version, is_first, is_last, body)
             values (?1, 1, ?2, ?3, ?4, '2.1', ?2, 1, 1, ?5)",
        )
        .unwrap();
    for (number, added, kind, id, body) in (from..to).map(object) {
        insert.execute(rusqlite::params![number, added, id, kind, body]).unwrap();
    }
    drop(insert);
    tx.execute("update collections set last_added = ?1 where number = 1", [last]).unwrap();
    tx.commit().unwrap();
    connection.pragma_update(None, "wal_checkpoint", "truncate").unwrap();
}

/// Number, time, type, id and body of the object at a place.
fn object(n: usize) -> (i64, i64, &'static str, String, String) {
    let added = BEGIN + n as i64 * SECOND;
    let time = Timestamp::from_microsecond(added).unwrap();
    let uuid = uuid::Uuid::new_v4();
    let (kind, body) = match n % 10 {
        0..7 => ("indicator", indicator(uuid, time, n)),
        7..9 => ("user-account", account(uuid, n)),
        _ if n % 20 == 9 => ("observed-data", evidence(uuid, time, n)),
        _ => ("note", note(uuid, time, n)),
    };
    (n as i64 + 1, added, kind, format!("{kind}--{uuid}"), body)
}

fn indicator(uuid: uuid::Uuid, time: Timestamp, n: usize) -> String {
    format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"indicator--{uuid}","created_by_ref":"identity--0c3cbbc0-0d1c-5b6a-9d8e-6ad9a8b4c7d1","created":"{time:.3}","modified":"{time:.3}","name":"Account {n} on example","description":"Acts in lockstep with 41 other accounts. What is done about it is the platform's own decision.","indicator_types":["anomalous-activity"],"pattern":"[user-account:account_type = 'example' AND user-account:user_id = '{n}']","pattern_type":"stix","valid_from":"{time:.3}","valid_until":"2027-01-01T00:00:00.000Z","confidence":87,"object_marking_refs":["marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"],"extensions":{{"extension-definition--5f6d3c1e-7b2a-5a0c-8b7e-2f4d1c9a6e30":{{"extension_type":"property-extension","detector":"lockstep","score":3.127,"q_value":0.0021,"model_version":"1","review":"approved"}}}}}}"#
    )
}

fn account(uuid: uuid::Uuid, n: usize) -> String {
    format!(
        r#"{{"type":"user-account","spec_version":"2.1","id":"user-account--{uuid}","user_id":"{n}","account_login":"user_{n}","account_type":"example","object_marking_refs":["marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"]}}"#
    )
}

/// A key with ten posts and their texts.
fn evidence(uuid: uuid::Uuid, time: Timestamp, n: usize) -> String {
    let text = "Share this before it is taken down: what they will not show you. ".repeat(3);
    let posts: Vec<String> = (0..10)
        .map(|post| {
            format!(
                r#"{{"id":"{n}{post}","account_id":"{n}","created_at":"{time:.3}","text_status":"shown","text":"{text}","links":["https://example.org/{n}"],"record_sha256":"{n:064x}"}}"#
            )
        })
        .collect();
    format!(
        r#"{{"type":"observed-data","spec_version":"2.1","id":"observed-data--{uuid}","created_by_ref":"identity--0c3cbbc0-0d1c-5b6a-9d8e-6ad9a8b4c7d1","created":"{time:.3}","modified":"{time:.3}","first_observed":"{time:.3}","last_observed":"{time:.3}","number_observed":10,"object_refs":["user-account--{uuid}"],"object_marking_refs":["marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"],"extensions":{{"extension-definition--9d2b6f0c-3c7e-4a58-8f21-6e0b7d1c5a93":{{"extension_type":"property-extension","case":"case-{uuid}","cluster_version":1,"posts_in_all":10,"posts_shared":10,"kind":"url","key":"https://example.org/{n}","source":"example.org","nats":7.25,"posts":[{}]}}}}}}"#,
        posts.join(",")
    )
}

fn note(uuid: uuid::Uuid, time: Timestamp, n: usize) -> String {
    let text = "They shared the same link within seconds of each other, again and again. ".repeat(8);
    format!(
        r#"{{"type":"note","spec_version":"2.1","id":"note--{uuid}","created":"{time:.3}","modified":"{time:.3}","abstract":"Why, {n}","content":"{text}","object_refs":["campaign--{uuid}"]}}"#
    )
}

struct Server {
    child: Child,
    address: SocketAddr,
    key: String,
    /// Path of the collection.
    collection: String,
}

impl Server {
    fn start(database: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("serve")
            .arg(database)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, key) = line.trim().split_once(' ').unwrap();
        let collection = "/taxii2/lockstep/collections/findings-bench/".to_owned();
        Server { address: address.parse().unwrap(), key: key.to_owned(), collection, child }
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A number of /proc/PID/status.
    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Seconds of CPU so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / 100.0
    }

    /// Asks from all clients; how long each request took, and bytes of all bodies.
    fn ask(&self, clients: usize, path: &str, places: usize, requests: usize) -> (Vec<Duration>, usize) {
        std::thread::scope(|scope| {
            let asking: Vec<_> = (0..clients)
                .map(|client| {
                    scope.spawn(move || {
                        let mut stream = BufReader::new(TcpStream::connect(self.address).unwrap());
                        stream.get_ref().set_nodelay(true).unwrap();
                        let (mut times, mut bytes) = (Vec::new(), 0);
                        let mut dice = client as u64 * 7_919 + 1;
                        for _ in 0..requests / clients {
                            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                            let place = (dice >> 33) as usize % places;
                            let after = Timestamp::from_microsecond(BEGIN + place as i64 * SECOND - 1).unwrap();
                            let began = Instant::now();
                            bytes += self.get(&mut stream, &format!("{path}&added_after={after:.6}"));
                            times.push(began.elapsed());
                        }
                        (times, bytes)
                    })
                })
                .collect();
            let (mut times, mut bytes) = (Vec::new(), 0);
            for client in asking {
                let (of_client, read) = client.join().unwrap();
                times.extend(of_client);
                bytes += read;
            }
            (times, bytes)
        })
    }

    fn get(&self, stream: &mut BufReader<TcpStream>, rest: &str) -> usize {
        let (path, key) = (&self.collection, &self.key);
        let request = format!(
            "GET {path}{rest} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\naccept: application/taxii+json;version=2.1\r\n\r\n"
        );
        stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut line, mut length) = (String::new(), 0);
        loop {
            let first = line.is_empty();
            line.clear();
            stream.read_line(&mut line).unwrap();
            assert!(!first || line.starts_with("HTTP/1.1 200") || length > 0, "{line}");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        assert!(length > 1_000, "{}", String::from_utf8_lossy(&body));
        length
    }
}
