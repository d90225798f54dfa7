//! Access over real HTTP and TLS.

mod provider;

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use runtime::shutdown::Shutdown;
use sha2::{Digest, Sha256};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::{fixtures, *};
use crate::{
    config::{
        Config,
        access::{Login, Provider, Tls},
    },
    key,
    service::{Sharing, users::Users},
};
use casework::{Tlp, policy::Partner};
use tokio::net::TcpListener;

struct Server {
    sharing: Sharing,
    address: SocketAddr,
    runtime: tokio::runtime::Runtime,
    shutdown: Shutdown,
    folder: tempfile::TempDir,
}

struct Reply {
    status: u16,
    headers: ureq::http::HeaderMap,
    text: String,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A service with two partners and the people of the fixtures, changed as `with` says.
fn start(with: impl FnOnce(&mut Config, &Path)) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let partner = |name: &str| Partner {
        name: name.to_owned(),
        platform: format!("of-{name}"),
        tlp_ceiling: Tlp::Amber,
        webhook: None,
    };
    let mut config = Config {
        database: folder.path().join("sharing.sqlite").display().to_string(),
        listen: ([127, 0, 0, 1], 0).into(),
        partners: vec![partner("birds"), partner("blue")],
        login: Login { users: fixtures::users(folder.path()), ..Login::default() },
        ..Config::default()
    };
    with(&mut config, folder.path());
    let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shutdown = Shutdown::new();
    let address = runtime.block_on(async {
        let serving = crate::Server::new(sharing.clone());
        let listener = serving.bind().await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = shutdown.clone();
        tokio::spawn(async move { serving.serve(listener, shutdown).await });
        address
    });
    Server { sharing, address, runtime, shutdown, folder }
}

impl Server {
    fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    fn send(&self, request: ureq::http::request::Builder, body: &str) -> Reply {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .allow_non_standard_methods(true)
            .build()
            .into();
        reply(agent.run(request.body(body.to_owned()).unwrap()).unwrap())
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.request("GET", path, headers, "")
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, body)
    }

    fn taxii(&self, authorization: &str) -> Reply {
        self.get("/taxii2/", &[("authorization", authorization)])
    }

    fn key(&self, partner: &str) -> String {
        self.runtime.block_on(self.sharing.issue_key(partner)).unwrap()
    }

    fn log_in(&self, name: &str, password: &str) -> Reply {
        let form = format!("name={name}&password={}", password.replace(' ', "+"));
        self.request("POST", "/login", &[("content-type", "application/x-www-form-urlencoded")], &form)
    }

    /// Statements on the store's own file.
    fn sql(&self, statements: &str) {
        rusqlite::Connection::open(self.folder.path().join("sharing.sqlite"))
            .unwrap()
            .execute_batch(statements)
            .unwrap();
    }

    fn limited(&self, whose: &str) -> u64 {
        self.sharing.inner.metrics.limited.with_label_values(&[whose]).get()
    }
}

fn reply(mut response: ureq::http::Response<ureq::Body>) -> Reply {
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.body_mut().read_to_string().unwrap(),
    }
}

fn basic(user: &str, password: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn id_of(key: &str) -> String {
    key::parse(key).unwrap().0.to_owned()
}

// Partners.

#[test]
fn a_key_opens_as_basic_and_as_bearer_and_every_wrong_one_is_answered_alike() {
    let s = start(|config, _| config.limits.stranger_per_minute = 1000);
    let (key, other) = (s.key("birds"), s.key("blue"));
    for good in [basic("birds", &key), format!("Bearer {key}"), format!("bearer  {key}")] {
        assert_eq!(s.taxii(&good).status, 200, "{good}");
    }
    let wrong_secret = format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' });
    let unknown = key::generate().1;
    let refused = s.get("/taxii2/", &[]);
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").contains("Basic"));
    for bad in [
        basic("birds", &wrong_secret),
        basic("birds", &unknown),
        basic("birds", &other),
        basic("blue", &key),
        basic("nobody", &key),
        basic("", &key),
        format!("Bearer {wrong_secret}"),
        "Bearer".to_owned(),
        "Basic !!!".to_owned(),
        "Digest x".to_owned(),
        basic("ann", fixtures::PASSWORD),
    ] {
        let reply = s.taxii(&bad);
        assert_eq!((reply.status, &reply.text), (401, &refused.text), "{bad}");
    }
}

#[test]
fn a_rotated_key_goes_on_for_a_while_and_a_revoked_one_ends_at_once() {
    let s = start(|_, _| {});
    let opens = |key: &str| s.taxii(&format!("Bearer {key}")).status == 200;
    let revoke = |id: &str| s.runtime.block_on(s.sharing.revoke_key(id, "operator"));
    let year = Some(SignedDuration::from_hours(24 * 365));
    let first = s.runtime.block_on(s.sharing.first_key("birds", year, "operator")).unwrap();
    let again = s.runtime.block_on(s.sharing.first_key("birds", year, "operator")).unwrap_err().to_string();
    assert!(again.contains("partners rotate birds") && again.contains(&id_of(&first)), "{again}");
    assert!(!again.contains(first.rsplit('_').next().unwrap()), "an error never has a secret");

    let week = SignedDuration::from_hours(24 * 7);
    let second = s.runtime.block_on(s.sharing.rotate_key("birds", year, week, "operator")).unwrap();
    assert!(opens(&first) && opens(&second));
    s.sql(&format!("update api_keys set expires_at = 1 where key_id = '{}'", id_of(&first)));
    assert!(!opens(&first) && opens(&second));
    let third = s.runtime.block_on(s.sharing.rotate_key("birds", None, SignedDuration::ZERO, "operator")).unwrap();
    assert!(!opens(&second) && opens(&third));

    let unknown = revoke("0000000000000000").unwrap_err().to_string();
    assert!(unknown.contains("partners list"), "{unknown}");
    let gone = revoke(&id_of(&third)).unwrap();
    assert_eq!(gone.partner, "birds");
    assert!(!opens(&third));
    assert!(revoke(&id_of(&third)).is_err(), "once is enough");

    let keys = s.runtime.block_on(s.sharing.keys()).unwrap();
    let shown = serde_json::to_string(&keys).unwrap();
    for key in [&first, &second, &third] {
        let (id, secret) = key::parse(key).unwrap();
        assert!(shown.contains(id) && !shown.contains(secret));
    }
    let history = s.sharing.inner.store.history("partner birds").unwrap();
    let actions: Vec<&str> = history.iter().map(|sealed| sealed.entry.action.as_str()).collect();
    assert_eq!(actions, ["key_issued", "key_issued", "key_replaced", "key_issued", "key_replaced", "key_revoked"]);
    assert!(history.iter().all(|sealed| sealed.entry.actor == "operator"));
    assert!(s.runtime.block_on(s.sharing.verify_audit()).unwrap().is_ok());
}

#[test]
fn the_last_use_of_a_key_is_written_now_and_then() {
    let s = start(|_, _| {});
    let key = s.key("birds");
    let last = || s.sharing.inner.store.all_keys().unwrap()[0].last_used_at;
    assert_eq!(s.taxii(&format!("Bearer {key}")).status, 200);
    assert_eq!(last(), None, "a request writes nothing");
    s.sharing.inner.write_used().unwrap();
    let first = last().unwrap();
    assert!(Timestamp::now().duration_since(first) < SignedDuration::from_secs(60));
    assert_eq!(s.taxii(&format!("Bearer {key}")).status, 200);
    s.sharing.inner.write_used().unwrap();
    assert_eq!(last(), Some(first), "nor does it matter to the second");
    s.sql("update api_keys set last_used_at = 1");
    assert_eq!(s.taxii(&format!("Bearer {key}")).status, 200);
    s.shutdown.stop();
    let until = Instant::now() + Duration::from_secs(10);
    while last() < Some(first) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(last() >= Some(first), "what is known at the end is written");
}

#[test]
fn keys_that_end_show_on_the_metrics() {
    let s = start(|_, _| {});
    let expires = |partner: &str| s.sharing.inner.metrics.key_expires.with_label_values(&[partner]).get();
    let day = SignedDuration::from_hours(24);
    s.runtime.block_on(s.sharing.extra_key("birds", Some(day), "operator")).unwrap();
    let left = expires("birds") - Timestamp::now().as_second();
    assert!((86_390..=86_400).contains(&left), "{left}");
    s.runtime.block_on(s.sharing.extra_key("birds", Some(day * 2), "operator")).unwrap();
    assert!(expires("birds") - Timestamp::now().as_second() > 86_400, "the last one counts");
    s.key("birds");
    assert_eq!(expires("birds"), 0, "a key without an end never leaves a partner without one");
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let s = start(|config, _| {
        config.limits.partner_per_minute = 3;
        config.limits.stranger_per_minute = 2;
    });
    let (key, other) = (s.key("birds"), s.key("blue"));
    let statuses: Vec<u16> = (0..4).map(|_| s.taxii(&format!("Bearer {key}")).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    let refused = s.taxii(&basic("birds", &key));
    assert_eq!(refused.status, 429);
    assert!((1..=20).contains(&refused.header("retry-after").parse().unwrap()));
    assert!(refused.text.contains("\"http_status\":\"429\""));
    assert_eq!(s.taxii(&format!("Bearer {other}")).status, 200, "another partner has its own limit");
    let statuses: Vec<u16> = (0..3).map(|_| s.taxii("Bearer x").status).collect();
    assert_eq!(statuses, [401, 401, 429]);
    assert_eq!(s.taxii(&format!("Bearer {other}")).status, 200, "a right key is never a stranger's");
    assert_eq!((s.limited("partner"), s.limited("stranger")), (2, 1));
}

// TLS.

/// An authority, and what it issues.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

struct Issued {
    certificate: String,
    key: String,
    der: Vec<u8>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "An authority for tests");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, common_name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, common_name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
    }
}

impl Issued {
    fn write(&self, folder: &Path) {
        std::fs::write(folder.join("cert.pem"), &self.certificate).unwrap();
        std::fs::write(folder.join("key.pem"), &self.key).unwrap();
    }

    fn fingerprint(&self) -> String {
        text_format::hex(&Sha256::digest(&self.der))
    }
}

fn with_tls(config: &mut Config, folder: &Path, authority: &Authority) {
    authority.issue("server").write(folder);
    let path = |name: &str| folder.join(name).display().to_string();
    config.tls = Tls { certificate: path("cert.pem"), key: path("key.pem"), ..Tls::default() };
}

fn over_tls(
    s: &Server,
    authority: &Authority,
    client: Option<&Issued>,
    authorization: &str,
) -> Result<Reply, ureq::Error> {
    let root = Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let client = client.map(|client| {
        let chain = [Certificate::from_pem(client.certificate.as_bytes()).unwrap()];
        ClientCert::new_with_certs(&chain, PrivateKey::from_pem(client.key.as_bytes()).unwrap())
    });
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])).client_cert(client).build();
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).tls_config(tls).build().into();
    let mut request = agent.get(format!("https://{}/taxii2/", s.address));
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    request.call().map(reply)
}

#[test]
fn a_client_certificate_is_its_partner_and_nobody_elses() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (by_print, by_subject, unknown, foreign) = (
        authority.issue("birds feed"),
        authority.issue("blue feed"),
        authority.issue("somebody"),
        stranger.issue("birds feed"),
    );
    let s = start(|config, folder| {
        with_tls(config, folder, &authority);
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, &authority.pem).unwrap();
        config.tls.client_ca = ca.display().to_string();
        let colons: Vec<String> = by_print
            .fingerprint()
            .to_uppercase()
            .as_bytes()
            .chunks(2)
            .map(|two| String::from_utf8(two.to_vec()).unwrap())
            .collect();
        config.tls.clients.insert("birds".to_owned(), vec![format!("sha256:{}", colons.join(":"))]);
        config.tls.clients.insert("blue".to_owned(), vec!["O=Example, CN=blue feed".to_owned()]);
    });
    let status = |client: Option<&Issued>, authorization: &str| {
        over_tls(&s, &authority, client, authorization).map(|reply| reply.status).map_err(|e| e.to_string())
    };
    let (birds, blue) = (s.key("birds"), s.key("blue"));
    assert_eq!(status(Some(&by_print), ""), Ok(200));
    assert_eq!(status(Some(&by_subject), ""), Ok(200));
    assert_eq!(status(Some(&unknown), ""), Ok(401), "an authority vouches for a name, not for a partner");
    assert!(status(Some(&foreign), "").is_err(), "another authority's is no certificate at all");
    assert_eq!(status(None, ""), Ok(401));
    assert_eq!(status(None, &format!("Bearer {birds}")), Ok(200));
    assert_eq!(status(Some(&by_print), &format!("Bearer {birds}")), Ok(200));
    assert_eq!(status(Some(&by_print), &format!("Bearer {blue}")), Ok(401), "one partner's key, another's certificate");
    assert_eq!(status(Some(&by_print), "Bearer wrong"), Ok(401));
    assert_eq!(status(Some(&unknown), &format!("Bearer {birds}")), Ok(200));
    let reply = over_tls(&s, &authority, None, "").unwrap();
    assert_eq!(reply.header("strict-transport-security"), "max-age=31536000");
    assert!(s.sharing.inner.metrics.certificate_expires.get() > Timestamp::now().as_second());
}

#[test]
fn a_new_certificate_is_taken_without_a_restart_and_a_broken_one_is_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let s = start(|config, folder| with_tls(config, folder, &old));
    assert!(over_tls(&s, &old, None, "").is_ok());
    assert!(over_tls(&s, &new, None, "").is_err());
    std::fs::write(s.folder.path().join("cert.pem"), "no certificate").unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    assert!(over_tls(&s, &old, None, "").is_ok(), "the old one stays");
    new.issue("server").write(s.folder.path());
    let until = Instant::now() + Duration::from_secs(20);
    while over_tls(&s, &new, None, "").is_err() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(over_tls(&s, &new, None, "").is_ok());
    assert!(over_tls(&s, &old, None, "").is_err());
}

#[test]
fn plain_http_is_for_loopback_and_files_that_do_not_fit_are_refused_at_once() {
    let mut config = Config { listen: ([0, 0, 0, 0], 8080).into(), ..Config::default() };
    let why = config.check().unwrap_err();
    assert!(why.contains("sharing.tls") && why.contains("behind_proxy"), "{why}");
    config.behind_proxy = true;
    assert_eq!(config.check(), Ok(()));

    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let database = folder.path().join("s").display().to_string();
    let mut config = Config { database, listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
    with_tls(&mut config, folder.path(), &authority);
    let open = |config: &Config| {
        let sharing = Sharing::open(config.clone(), &runtime::metrics::Metrics::new().unwrap()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(crate::Server::new(sharing).bind()).err().map(|e| e.to_string())
    };
    assert_eq!(open(&config), None);
    std::fs::write(&config.tls.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let why = open(&config).unwrap();
    assert!(why.contains("do not go together"), "{why}");
    std::fs::remove_file(&config.tls.key).unwrap();
    let why = open(&config).unwrap();
    assert!(why.contains("sharing.tls.key"), "{why}");
    assert!(
        Sharing::open(config.clone(), &runtime::metrics::Metrics::new().unwrap()).is_ok(),
        "keys of partners need no certificate"
    );
    config.tls.key.clear();
    assert!(config.check().unwrap_err().contains("both certificate and key"));
    config.tls = Tls::default();
    config.tls.clients.insert("nobody".to_owned(), vec!["CN=x".to_owned()]);
    assert!(config.check().unwrap_err().contains("client_ca"));
}

// Slow clients.

fn impatient(config: &mut Config, _: &Path) {
    config.limits.head_s = 1;
    config.limits.request_s = 1;
    config.limits.read_s = 1;
}

fn socket(s: &Server) -> TcpStream {
    let socket = TcpStream::connect(s.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

/// Waits for the other side to hang up; what it said until then.
fn hung_up(socket: &mut TcpStream) -> String {
    let mut said = Vec::new();
    match socket.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("still open after ten seconds: {error}"),
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn who_trickles_a_head_or_says_nothing_is_cut_off() {
    let s = start(impatient);
    let (mut silent, mut trickling, mut idle) = (socket(&s), socket(&s), socket(&s));
    idle.write_all(b"GET /assets/style.css HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut writer = trickling.try_clone().unwrap();
    let trickle = std::thread::spawn(move || {
        for byte in b"GET / HTTP/1.1\r\nx-slow: ".iter().chain(std::iter::repeat_n(&b'a', 200)) {
            if writer.write_all(&[*byte]).is_err() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    });
    let began = Instant::now();
    assert_eq!(hung_up(&mut silent), "");
    assert!(!hung_up(&mut trickling).contains("200"));
    assert!(hung_up(&mut idle).starts_with("HTTP/1.1 200"), "an answer, and no more");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(trickle.join().unwrap(), "it was cut off while it wrote");
}

#[test]
fn who_trickles_a_body_is_cut_off() {
    let s = start(impatient);
    let mut socket = socket(&s);
    let head = "POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\nname=";
    socket.write_all(head.as_bytes()).unwrap();
    let mut writer = socket.try_clone().unwrap();
    let trickle = std::thread::spawn(move || {
        for _ in 0..200 {
            if writer.write_all(b"a").is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("ten seconds of a body were taken");
    });
    let said = hung_up(&mut socket);
    assert!(said.starts_with("HTTP/1.1 504"), "{said}");
    trickle.join().unwrap();
}

#[test]
fn who_does_not_read_is_cut_off() {
    let s = start(impatient);
    let mut socket = socket(&s);
    // Answers pile up until the system's buffers are full and the service waits.
    let asked = "GET /assets/style.css HTTP/1.1\r\nhost: x\r\n\r\n";
    let began = Instant::now();
    socket.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let cut = loop {
        match socket.write_all(asked.as_bytes()) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break true,
        }
        if began.elapsed() > Duration::from_secs(15) {
            break false;
        }
    };
    assert!(cut, "a client that reads nothing may stay");
    assert_eq!(s.get("/login", &[]).status, 200, "others are served meanwhile");
}

#[test]
fn a_silent_handshake_is_cut_off() {
    let authority = Authority::new();
    let s = start(|config, folder| {
        impatient(config, folder);
        with_tls(config, folder, &authority);
    });
    let (mut silent, mut plain) = (socket(&s), socket(&s));
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    hung_up(&mut silent);
    assert!(!hung_up(&mut plain).contains("HTTP/1.1 200"));
}

#[test]
fn heads_are_bounded_and_so_are_connections() {
    let s = start(|config, _| config.limits.connections_per_address = 3);
    let long = "a".repeat(40 * 1024);
    let many: String = (0..100).map(|n| format!("x-{n}: 1\r\n")).collect();
    for head in [format!("x-long: {long}\r\n"), many] {
        let mut socket = socket(&s);
        socket.write_all(format!("GET / HTTP/1.1\r\nhost: x\r\n{head}\r\n").as_bytes()).unwrap();
        let said = hung_up(&mut socket);
        assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    }
    let open: Vec<TcpStream> = (0..3).map(|_| socket(&s)).collect();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(hung_up(&mut socket(&s)), "", "the fourth is hung up on");
    assert_eq!(s.limited("connection"), 1);
    drop(open);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(s.get("/login", &[]).status, 200);
}

// People.

#[test]
fn nothing_of_the_console_is_open_without_login() {
    let s = start(|_, _| {});
    for path in ["/", "/clusters/x", "/?state=released"] {
        let reply = s.get(path, &[]);
        assert_eq!(reply.status, 303, "{path}");
        assert!(reply.header("location").starts_with("/login"), "{path}");
    }
    assert_eq!(s.get("/clusters/x?a=b", &[]).header("location"), "/login?next=%2Fclusters%2Fx%3Fa%3Db");
    for path in ["/api/clusters", "/api/clusters/x"] {
        let reply = s.get(path, &[]);
        assert_eq!((reply.status, reply.header("content-type")), (401, "application/json"), "{path}");
    }
    for cookie in ["lockstep=", "lockstep=x", "lockstep=\"", "a=b; lockstep"] {
        assert_eq!(s.get("/", &[("cookie", cookie)]).status, 303, "{cookie}");
    }
    let form = s.get("/login?next=/clusters/x", &[]);
    assert_eq!((form.status, form.header("cache-control")), (200, "no-store"));
    assert!(form.header("content-security-policy").contains("frame-ancestors 'none'"));
    for part in ["<label for=\"password\"", "autocomplete=\"current-password\"", "value=\"/clusters/x\""] {
        assert!(form.text.contains(part), "{part}");
    }
}

#[test]
fn without_users_the_console_says_how_to_add_one() {
    let s = start(|config, _| config.login.users = String::new());
    for path in ["/", "/login", "/clusters/x"] {
        let reply = s.get(path, &[]);
        assert_eq!(reply.status, 403, "{path}");
        assert!(reply.text.contains("lockstep users add") && reply.text.contains("[sharing.login]"), "{path}");
    }
    assert_eq!(s.get("/api/clusters", &[]).status, 401);
}

#[test]
fn a_session_begins_with_the_right_password_and_ends_with_logout() {
    let s = start(|_, _| {});
    let wrong = s.log_in("ann", "wrong password here");
    let nobody = s.log_in("nobody", "wrong password here");
    assert_eq!((wrong.status, nobody.status), (401, 401));
    assert_eq!(wrong.text.replace("\"ann\"", ""), nobody.text.replace("\"nobody\"", ""), "who there is, is not told");
    assert!(wrong.headers.get("set-cookie").is_none());

    let right = s.log_in("ann", fixtures::PASSWORD);
    assert_eq!((right.status, right.header("location")), (303, "/"));
    let cookie = right.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(s.get("/", &[("cookie", &cookie)]).status, 200);
    assert_eq!(s.get("/api/clusters", &[("cookie", &cookie)]).status, 200);
    let stored = std::fs::read(s.folder.path().join("sharing.sqlite-wal")).unwrap();
    let id = cookie.split_once('=').unwrap().1.as_bytes();
    assert!(!stored.windows(id.len()).any(|window| window == id), "only a hash of the id is kept");

    let csrf = fixtures::csrf(&s.sharing, &cookie);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let out = s.request("POST", "/logout", &[("cookie", &cookie), form], &format!("csrf={csrf}"));
    assert_eq!(out.status, 303);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(s.get("/", &[("cookie", &cookie)]).status, 303);
    let history = s.sharing.inner.store.history("user ann").unwrap();
    let actions: Vec<&str> = history.iter().map(|sealed| sealed.entry.action.as_str()).collect();
    assert_eq!(actions, ["logged_in", "logged_out"]);
    let logins = |outcome| s.sharing.inner.metrics.logins.with_label_values(&[outcome]).get();
    assert_eq!((logins("ok"), logins("wrong")), (1, 2));
}

#[test]
fn a_login_gives_a_new_id_and_ends_the_session_that_was() {
    let s = start(|_, _| {});
    let first = fixtures::log_in(&s.base(), "ann");
    let form = format!("name=ann&password={}&next=//evil.example", fixtures::PASSWORD.replace(' ', "+"));
    let headers = [("cookie", first.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let again = s.request("POST", "/login", &headers, &form);
    assert_eq!(again.header("location"), "/", "never to another site");
    let second = again.header("set-cookie").split(';').next().unwrap();
    assert_ne!(first, second);
    assert_eq!(s.get("/", &[("cookie", &first)]).status, 303);
    assert_eq!(s.get("/", &[("cookie", second)]).status, 200);
}

#[test]
fn sessions_end_idle_and_old_and_with_their_person() {
    let s = start(|_, _| {});
    let open = |cookie: &str| s.get("/", &[("cookie", cookie)]).status == 200;
    let ago = |minutes: i64| (Timestamp::now() - SignedDuration::from_mins(minutes)).as_microsecond();
    let ann = fixtures::log_in(&s.base(), "ann");
    s.sql(&format!("update sessions set seen_at = {}", ago(29)));
    assert!(open(&ann), "29 minutes are not idle yet, and it was seen again now");
    let seen = |cookie: &str| {
        let id = cookie.split_once('=').unwrap().1;
        s.sharing.inner.store.session(&Sha256::digest(id.as_bytes())).unwrap().unwrap().seen_at
    };
    assert!(seen(&ann).as_microsecond() > ago(1));
    s.sql(&format!("update sessions set seen_at = {}", ago(31)));
    assert!(!open(&ann));
    let ann = fixtures::log_in(&s.base(), "ann");
    s.sql(&format!("update sessions set began_at = {}", ago(12 * 60 + 1)));
    assert!(!open(&ann), "however busy");
    Access::new(s.sharing.config()).maintain(&s.sharing.inner, Timestamp::now()).unwrap();
    let kept = rusqlite::Connection::open(s.folder.path().join("sharing.sqlite")).unwrap();
    assert_eq!(kept.query_row("select count(*) from sessions", [], |row| row.get::<_, i64>(0)).unwrap(), 0);

    let path = s.folder.path().join("users.toml");
    let (ann, bob) = (fixtures::log_in(&s.base(), "ann"), fixtures::log_in(&s.base(), "bob"));
    let change = |work: &dyn Fn(&mut Users)| {
        let mut users = Users::read(&path).unwrap();
        work(&mut users);
        users.write(&path).unwrap();
    };
    change(&|users| users.set_roles("bob", [Role::Reviewer].into()).unwrap());
    assert!(open(&ann) && open(&bob), "other roles, the same session");
    change(&|users| users.set_password("ann", "another long password").unwrap());
    assert!(!open(&ann) && open(&bob));
    change(&|users| users.remove("bob").unwrap());
    assert!(!open(&bob));
    std::fs::write(&path, "users = 7").unwrap();
    assert_eq!(s.log_in("ida", fixtures::PASSWORD).status, 401, "a file that cannot be read lets nobody in");
}

#[test]
fn no_other_site_and_no_stale_form_changes_anything() {
    let s = start(|_, _| {});
    let (ann, bob) = (fixtures::log_in(&s.base(), "ann"), fixtures::log_in(&s.base(), "bob"));
    let (csrf, others) = (fixtures::csrf(&s.sharing, &ann), fixtures::csrf(&s.sharing, &bob));
    let form = ("content-type", "application/x-www-form-urlencoded");
    let post = |headers: &[(&str, &str)], body: &str| {
        let mut all = vec![("cookie", ann.as_str()), form];
        all.extend(headers);
        s.request("POST", "/logout", &all, body).status
    };
    let good = format!("csrf={csrf}");
    assert_eq!(post(&[], ""), 403);
    assert_eq!(post(&[], "csrf="), 403);
    assert_eq!(post(&[], &format!("csrf={others}")), 403);
    assert_eq!(post(&[("origin", "https://evil.example")], &good), 403);
    assert_eq!(post(&[("origin", "null")], &good), 403);
    assert_eq!(post(&[("sec-fetch-site", "cross-site")], &good), 403);
    assert_eq!(post(&[("sec-fetch-site", "same-site")], &good), 403);
    assert_eq!(s.get("/", &[("cookie", &ann)]).status, 200, "none of these logged ann out");
    assert_eq!(s.request("POST", "/logout", &[form], &good).status, 303, "without a session there is only login");
    let origin = s.base();
    assert_eq!(post(&[("origin", &origin), ("sec-fetch-site", "same-origin")], &good), 303);
    assert_eq!(s.get("/", &[("cookie", &ann)]).status, 303);

    let login = format!("name=ann&password={}", fixtures::PASSWORD.replace(' ', "+"));
    let foreign = s.request("POST", "/login", &[form, ("origin", "https://evil.example")], &login);
    assert_eq!(foreign.status, 403, "nor logs anybody in under another name");
}

#[test]
fn tries_to_log_in_are_bounded() {
    let s = start(|config, _| config.limits.logins_per_quarter_hour = 3);
    let statuses: Vec<u16> = (0..4).map(|_| s.log_in("ann", "wrong password here").status).collect();
    assert_eq!(statuses, [401, 401, 401, 429]);
    let refused = s.log_in("ann", fixtures::PASSWORD);
    assert_eq!(refused.status, 429, "not even with the right one");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 60);
    assert_eq!(s.log_in("bob", fixtures::PASSWORD).status, 303);
    assert_eq!(s.sharing.inner.metrics.logins.with_label_values(&["limited"]).get(), 2);
}

#[test]
fn behind_a_proxy_the_proxys_word_counts_and_cookies_are_for_tls() {
    let s = start(|config, _| {
        config.behind_proxy = true;
        config.limits.stranger_per_minute = 1;
    });
    let from =
        |forwarded: &str| s.get("/taxii2/", &[("x-forwarded-for", forwarded), ("authorization", "Bearer x")]).status;
    assert_eq!((from("198.51.100.1"), from("198.51.100.1")), (401, 429));
    assert_eq!(from("198.51.100.1, 198.51.100.2"), 401, "the last is the proxy's word");
    let cookie = s.log_in("ann", fixtures::PASSWORD);
    let cookie = cookie.header("set-cookie");
    assert!(cookie.starts_with("__Host-lockstep=") && cookie.contains("Secure"), "{cookie}");
    assert_eq!(s.get("/login", &[]).header("strict-transport-security"), "max-age=31536000");
}

#[test]
fn in_the_demo_everybody_looks_and_nobody_does_anything() {
    let s = start(|config, _| config.reviewers = Reviewers::Demo);
    assert_eq!(s.get("/", &[]).status, 200);
    assert_eq!(s.get("/api/clusters", &[]).status, 200);
    assert_eq!(s.get("/", &[("host", "localhost:8080")]).status, 200);
    assert_eq!(s.get("/", &[("host", "evil.example")]).status, 303, "a name that somebody made lead here");
    let form = ("content-type", "application/x-www-form-urlencoded");
    for body in ["", "csrf="] {
        assert_eq!(s.request("POST", "/logout", &[form], body).status, 403);
    }
    let ann = fixtures::log_in(&s.base(), "ann");
    assert_eq!(s.get("/", &[("cookie", &ann)]).status, 200);
}

#[test]
fn what_is_sent_is_taken_whole_or_refused_with_the_reason() {
    let s = start(|_, _| {});
    let echo = axum::Router::new()
        .route(
            "/api/echo",
            axum::routing::post(|posted: Posted<serde_json::Value>| async move {
                format!("{}: {}", posted.person.name, posted.form)
            }),
        )
        .route("/form", axum::routing::post(|posted: Posted<Said>| async move { posted.form.text }))
        .with_state(crate::Server::new(s.sharing.clone()));
    #[derive(serde::Deserialize)]
    struct Said {
        text: String,
    }
    let address = s.runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(runtime::http::serve(echo, listener, runtime::http::Serving::default(), s.shutdown.clone()));
        address
    });
    let ann = fixtures::log_in(&s.base(), "ann");
    let csrf = fixtures::csrf(&s.sharing, &ann);
    let send = |path: &str, media: &str, token: Option<&str>, body: &str| {
        let mut request = ureq::http::Request::post(format!("http://{address}{path}"))
            .header("cookie", &ann)
            .header("content-type", media);
        if let Some(token) = token {
            request = request.header("x-csrf-token", token);
        }
        let reply = s.send(request, body);
        (reply.status, reply.text)
    };
    let json = |token, body: &str| send("/api/echo", "application/json; charset=utf-8", token, body);
    assert_eq!(json(Some(&csrf), "[1]"), (200, "ann: [1]".to_owned()));
    assert_eq!(json(None, "[1]").0, 403);
    assert_eq!(json(Some("x"), "[1]").0, 403);
    assert_eq!(json(None, &format!("{{\"csrf\": \"{csrf}\"}}")).0, 403, "JSON has its token in the header");
    assert_eq!(json(Some(&csrf), "[1").0, 400);
    let (status, why) = json(Some(&csrf), &"[".repeat(10_000));
    assert_eq!(status, 400);
    assert!(why.contains("recursion limit"), "{why}");
    assert_eq!(json(Some(&csrf), &format!("\"{}\"", "a".repeat(300 * 1024))).0, 413);

    let form = |body: &str| send("/form", "application/x-www-form-urlencoded", None, body);
    assert_eq!(form(&format!("csrf={csrf}&text=a+b")), (200, "a b".to_owned()));
    let (status, page) = form(&format!("csrf={csrf}"));
    assert_eq!(status, 400);
    assert!(page.contains("text"), "it says which field is missing: {page}");
    assert_eq!(form("text=a").0, 403);
}
