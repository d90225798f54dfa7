//! What a running service needs is gone for a while: `/ready` says so, the log says it once a minute, and the service goes on without
//! loss when it is there again.

use std::{
    collections::BTreeSet,
    fs, io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use end_to_end::{Place, simulate};

/// A way to a server that can be closed: then connections end, and new ones are refused.
struct Way {
    address: SocketAddr,
    open: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Way {
    fn to(server: String) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (open, streams) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let way = Way { address, open: open.clone(), streams: streams.clone() };
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if !open.load(Ordering::Relaxed) {
                    continue;
                }
                let server = TcpStream::connect(&server).unwrap();
                for (mut from, mut to) in [(&client, &server), (&server, &client)]
                    .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    thread::spawn(move || {
                        io::copy(&mut from, &mut to).ok();
                        to.shutdown(Shutdown::Both).ok();
                    });
                }
                streams.lock().unwrap().extend([client, server]);
            }
        });
        way
    }

    fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
        for stream in self.streams.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "needs PostgreSQL: tests/postgres/postgres.sh start"]
fn a_postgres_that_is_gone_for_a_while_is_said_once_and_loses_nothing() {
    let server = std::env::var("LOCKSTEP_TEST_POSTGRES").expect("the server in LOCKSTEP_TEST_POSTGRES");
    let name = format!("outage_{}", std::process::id());
    let mut client = postgres::Client::connect(&server, postgres::NoTls).unwrap();
    client.batch_execute(&format!("create database {name}")).unwrap();
    let (scheme, rest) = server.split_once("://").unwrap();
    let (login, rest) = rest.split_once('@').unwrap();
    let way = Way::to(rest.split('/').next().unwrap().to_owned());
    let database = format!("{scheme}://{login}@{}/{name}", way.address);

    let place = Place::new(None, &BTreeSet::from(["chirp".to_owned()]));
    let sqlite = format!("{:?}", place.path("sharing.sqlite").display().to_string());
    let keys = format!(
        "database_id_file = {:?}\n[sharing.encryption]\nkey_file = {:?}\n",
        place.path("id").display().to_string(),
        place.path("key").display().to_string()
    );
    let config = fs::read_to_string(place.config()).unwrap();
    assert!(config.contains(&sqlite));
    fs::write(place.config(), config.replace(&sqlite, &format!("{database:?}")) + &keys).unwrap();
    let mut service = place.serve();
    let opened = "lockstep_sharing_clusters_total{outcome=\"opened\"}";
    let ready = |service: &mut end_to_end::Service| service.metrics()["lockstep_ready"] == 1.0;
    service.wait("ready", |service| ready(service).then_some(()));

    // Findings come while the database is gone.
    way.close();
    service.wait("not ready", |service| (!ready(service)).then_some(()));
    let posts = simulate("demo", 1);
    for lines in posts.chunks(2_000) {
        service.post(lines).unwrap();
    }
    let flagged = "lockstep_clusters_total{status=\"flagged\"}";
    service.wait("flagged clusters", |service| (service.metrics()[flagged] >= 1.0).then_some(()));
    let began = Instant::now();
    let errors = |service: &end_to_end::Service| service.metrics()["lockstep_sharing_errors_total{place=\"store\"}"];
    service.wait("several tries", |service| (errors(service) >= 4.0).then_some(()));
    assert_eq!(service.metrics()[opened], 0.0);
    let lines = |said: &str| {
        said.lines().filter(|line| line.contains("cannot be used") || line.contains("cannot be stored")).count()
    };
    let minutes = 2 + began.elapsed().as_secs() / 60;
    assert!((1..=minutes as usize).contains(&lines(&service.said())), "{}", service.said());

    way.open();
    service.wait("ready again", |service| ready(service).then_some(()));
    service.wait("cases", |service| (service.metrics()[opened] >= 1.0).then_some(()));
    service.wait("the recovery in the log", |service| {
        service.said().contains("the database can be used again").then_some(())
    });
    thread::sleep(Duration::from_millis(100));
    assert!(service.stop().success());
    client.batch_execute(&format!("drop database {name} with (force)")).unwrap();
}
