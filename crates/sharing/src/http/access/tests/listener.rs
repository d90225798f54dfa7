//! The listener: certificates, and clients that are slow on purpose.

use super::*;

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
        config.tls.clients.insert("blue".to_owned(), vec!["CN=blue feed, O=Example".to_owned()]);
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
fn a_request_names_exactly_one_host() {
    use std::io::{Read, Write};
    let s = start(|_, _| {});
    let ask = |head: &str| {
        let mut stream = std::net::TcpStream::connect(s.address).unwrap();
        stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let status = |answer: &str| answer.split(' ').nth(1).unwrap().to_owned();
    for path in ["/login", "/taxii2/", "/api/person", "/nowhere"] {
        assert_eq!(status(&ask(&format!("GET {path} HTTP/1.1"))), "400", "{path}");
        assert_eq!(status(&ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nHost: a"))), "400", "{path}");
        assert_ne!(status(&ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost"))), "400", "{path}");
    }
    let refused = ask("GET /taxii2/ HTTP/1.1");
    assert!(
        refused.contains("application/taxii+json;version=2.1") && refused.contains("\"http_status\":\"400\""),
        "{refused}"
    );
}

#[test]
fn without_a_provider_there_is_no_way_to_one() {
    let s = start(|_, _| {});
    for path in ["/login/provider", "/login/provider?next=/", "/login/return", "/login/return?code=1&state=2"] {
        let reply = s.get(path, &[]);
        assert_eq!((reply.status, reply.header("set-cookie")), (404, ""), "{path}: {}", reply.text);
    }
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
    assert!(why.contains("do not match"), "{why}");
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
    assert_eq!(hung_up(&mut silent), "");
    assert!(!hung_up(&mut trickling).contains("200"));
    assert!(hung_up(&mut idle).starts_with("HTTP/1.1 200"), "an answer, and no more");
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
    // Connections are accepted in order: when the fourth is answered, the three before it were counted.
    let open: Vec<TcpStream> = (0..3).map(|_| socket(&s)).collect();
    assert_eq!(hung_up(&mut socket(&s)), "", "the fourth is hung up on");
    assert_eq!(s.limited("connection"), 1);
    drop(open);
    let until = Instant::now() + Duration::from_secs(20);
    let mut answered = false;
    while !answered && Instant::now() < until {
        let mut again = socket(&s);
        let asked = again.write_all(b"GET /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        answered = asked.is_ok() && hung_up(&mut again).starts_with("HTTP/1.1 200");
    }
    assert!(answered, "a place that became free is taken again");
}

// People.
