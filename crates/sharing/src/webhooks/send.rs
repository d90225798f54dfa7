//! One request to an endpoint of a partner, and where it may go.
//!
//! An endpoint's URL comes from the configuration, but what its name resolves to is the partner's to say: it must not lead into our
//! own network. The name is resolved once, every address is checked, and the connection is opened to one of the checked addresses.
//! The request is one exchange on a connection of its own: there is no proxy, no redirect and no reuse that could lead elsewhere.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::config::webhooks::is_public;

/// Most bytes of an answer that are read; nothing in it matters but for the log.
const ANSWER_BYTES: usize = 4_096;
/// Most bytes of an answer's header.
const HEADER_BYTES: usize = 16 * 1024;

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub status: u16,
    /// How long it asks to be left alone, as written.
    pub retry_after: Option<String>,
    /// The beginning of its body, for people.
    pub text: String,
}

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sender {
    timeout: Duration,
    private: bool,
    tls: TlsConnector,
}

impl Sender {
    /// Requests that take at most `timeout` from the look-up of the name to the end of the answer.
    pub fn new(timeout: Duration, private: bool) -> Result<Self, rustls::Error> {
        Self::trusting(timeout, private, rustls_native_certs::load_native_certs().certs)
    }

    /// Trusts these authorities; Mozilla's where there are none.
    fn trusting(timeout: Duration, private: bool, own: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        // The machine's own list, so that an endpoint with a certificate of one's own authority can be used.
        let mut roots = RootCertStore::empty();
        if own.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        roots.add_parsable_certificates(own);
        let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { timeout, private, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Posts a body. Blocks.
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        // A runtime of its own, because a look-up of a name cannot be cancelled: it is left behind, and not waited for.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| in_full(&error))?;
        let answer = runtime.block_on(async {
            let exchange = tokio::time::timeout(self.timeout, self.exchange(url, headers, body));
            exchange.await.unwrap_or_else(|_| Err(format!("no answer within {} s", self.timeout.as_secs())))
        });
        runtime.shutdown_background();
        answer
    }

    async fn exchange(&self, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        let url = Url::parse(url).map_err(|error| in_full(&error))?;
        let host = url.host().ok_or("the URL names no host")?;
        let port = url.port_or_known_default().ok_or("the URL names no port")?;
        let mut request = Request::post(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(header::HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
            .header(header::USER_AGENT, concat!("lockstep/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "*/*")
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).map_err(|error| in_full(&error))?;
        let addresses = self.addresses(&host, port).await?;
        let connection = TcpStream::connect(&addresses[..]).await.map_err(|error| in_full(&error))?;
        match url.scheme() {
            "http" => send(connection, request).await,
            "https" => {
                let name = match host {
                    Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|error| in_full(&error))?,
                    Host::Ipv4(address) => ServerName::from(IpAddr::V4(address)),
                    Host::Ipv6(address) => ServerName::from(IpAddr::V6(address)),
                };
                let connection = self.tls.connect(name, connection).await.map_err(|error| in_full(&error))?;
                send(connection, request).await
            }
            other => Err(format!("{other} is not spoken here, only http and https")),
        }
    }

    /// The addresses of a host, all of which may be connected to.
    async fn addresses(&self, host: &Host<&str>, port: u16) -> Result<Vec<SocketAddr>, String> {
        let found: Vec<SocketAddr> = match host {
            Host::Ipv4(address) => vec![SocketAddr::from((*address, port))],
            Host::Ipv6(address) => vec![SocketAddr::from((*address, port))],
            Host::Domain(name) => {
                let found = tokio::net::lookup_host((*name, port)).await;
                found.map_err(|error| format!("{name} cannot be resolved: {}", in_full(&error)))?.collect()
            }
        };
        // One bad address is enough: a name that leads both outside and inside is an attempt.
        match found.iter().find(|address| !self.private && !is_public(address.ip())) {
            Some(bad) => Err(format!(
                "{host} resolves to {}, which is not a public address; see sharing.webhooks.private",
                bad.ip()
            )),
            None => Ok(found),
        }
    }
}

/// One request and the beginning of its answer, on a connection that nothing else uses.
async fn send(
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, String> {
    let handshake = http1::Builder::new().max_buf_size(HEADER_BYTES).handshake(TokioIo::new(connection)).await;
    let (mut sender, driver) = handshake.map_err(|error| in_full(&error))?;
    // Its errors reach the request as well.
    tokio::spawn(driver);
    let mut response = sender.send_request(request).await.map_err(|error| in_full(&error))?;
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut text = Vec::new();
    // The status is what counts: an answer that breaks off is one all the same.
    while text.len() < ANSWER_BYTES
        && let Some(Ok(frame)) = response.body_mut().frame().await
    {
        text.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
    }
    text.truncate(ANSWER_BYTES);
    Ok(Answer {
        status: response.status().as_u16(),
        retry_after,
        text: text_format::shorten(String::from_utf8_lossy(&text).trim(), 200),
    })
}

/// An error with what lies behind it.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        let behind_text = behind.to_string();
        if !text.contains(&behind_text) {
            text = format!("{text}: {behind_text}");
        }
        source = behind.source();
    }
    text
}

/// When to come back, from `Retry-After`: seconds or a date.
pub(crate) fn retry_after(value: &str, now: Timestamp) -> Option<Timestamp> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return now.checked_add(jiff::SignedDuration::from_secs(i64::from(seconds))).ok();
    }
    jiff::fmt::rfc2822::parse(value).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::config::webhooks::check_url;

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn an_endpoint_is_https_and_public_unless_the_operator_says_otherwise() {
        for (url, private, says) in [
            ("https://hooks.example.org/x", false, None),
            ("https://hooks.example.org:8443/x?y=1", false, None),
            ("https://1.1.1.1/", false, None),
            ("http://hooks.example.org/", false, Some("use https")),
            ("http://hooks.example.org/", true, Some("use https")),
            ("ftp://hooks.example.org/", true, Some("use https")),
            ("https://user:pw@hooks.example.org/", false, Some("password")),
            ("https://10.0.0.1/", false, Some("not a public address")),
            ("https://[::1]/", false, Some("not a public address")),
            ("https://localhost/", false, Some("not a public address")),
            // The same address in other clothes.
            ("https://2130706433/", false, Some("not a public address")),
            ("https://0x7f.1/", false, Some("not a public address")),
            ("https://[::ffff:169.254.169.254]/", false, Some("not a public address")),
            ("https://10.0.0.1/", true, None),
            ("http://127.0.0.1:9000/", true, None),
            ("http://127.0.0.1:9000/", false, Some("use https")),
            ("hooks", false, Some("write it like")),
        ] {
            match (check_url(url, private), says) {
                (Ok(()), None) => {}
                (Err(why), Some(says)) => assert!(why.contains(says), "{url}: {why}"),
                (got, _) => panic!("{url}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_name_that_leads_inside_is_refused_before_anything_is_sent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let sender = Sender::new(Duration::from_secs(5), false).unwrap();
        let refused = sender.post(&url, &[], b"{}").unwrap_err();
        assert!(refused.contains("not a public address"), "{refused}");
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody connected");
        let refused = sender.post("http://127.0.0.1:9/", &[], b"{}").unwrap_err();
        assert!(refused.contains("not a public address"), "{refused}");
    }

    /// An endpoint with TLS that takes one request; its address and certificate.
    fn tls_endpoint(name: &str) -> (String, Vec<u8>, std::thread::JoinHandle<Option<String>>) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let der = made.cert.der().to_vec();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
        let served = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().ok()?;
            let mut tls = rustls::ServerConnection::new(Arc::new(config)).ok()?;
            let mut stream = rustls::Stream::new(&mut tls, &mut socket);
            let mut got = Vec::new();
            while !got.ends_with(b"{}") {
                let mut some = [0; 1024];
                let n = io::Read::read(&mut stream, &mut some).ok().filter(|n| *n > 0)?;
                got.extend_from_slice(&some[..n]);
            }
            io::Write::write_all(&mut stream, b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").ok()?;
            String::from_utf8(got).ok()
        });
        (url, der, served)
    }

    #[test]
    fn tls_is_checked_against_the_authorities_and_the_name() {
        let post = |url: &str, trusted: &[u8]| {
            let trusted = vec![CertificateDer::from(trusted.to_vec())];
            let sender = Sender::trusting(Duration::from_secs(5), true, trusted).unwrap();
            sender.post(url, &[("webhook-id", "msg_1")], b"{}")
        };
        let (url, own, served) = tls_endpoint("localhost");
        assert_eq!(post(&url, &own).unwrap().status, 204);
        let got = served.join().unwrap().unwrap();
        assert!(got.starts_with("POST /hook HTTP/1.1\r\n") && got.contains("webhook-id: msg_1\r\n"), "{got}");
        let (url, _, served) = tls_endpoint("localhost");
        let refused = post(&url, &own).unwrap_err();
        assert!(refused.to_lowercase().contains("certificate"), "another authority: {refused}");
        assert_eq!(served.join().unwrap(), None, "nothing was sent");
        let (url, own, served) = tls_endpoint("elsewhere.example");
        let refused = post(&url, &own).unwrap_err();
        assert!(refused.to_lowercase().contains("certificate"), "another name: {refused}");
        assert_eq!(served.join().unwrap(), None, "nothing was sent");
    }

    /// What comes of a request to an endpoint that answers with these bytes, piece by piece, and how long it took.
    fn answered(pieces: Vec<Vec<u8>>, pause: Duration) -> (Result<Answer, String>, Duration) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            while !got.ends_with(b"{}") {
                let mut some = [0; 1024];
                let n = io::Read::read(&mut socket, &mut some).unwrap();
                got.extend_from_slice(&some[..n]);
            }
            for piece in pieces {
                // Whoever asked may have gone.
                if io::Write::write_all(&mut socket, &piece).is_err() {
                    break;
                }
                std::thread::sleep(pause);
            }
            String::from_utf8(got).unwrap()
        });
        let began = std::time::Instant::now();
        let sender = Sender::new(Duration::from_secs(1), true).unwrap();
        let answer = sender.post(&url, &[("webhook-id", "msg_1")], b"{}");
        let took = began.elapsed();
        let got = served.join().unwrap();
        let host = format!("host: {}\r\n", url.trim_start_matches("http://").split('/').next().unwrap());
        assert!(got.starts_with("POST /hook?a=b HTTP/1.1\r\n") && got.to_lowercase().contains(&host), "{got}");
        assert!(got.to_lowercase().contains("content-length: 2\r\n"), "{got}");
        (answer, took)
    }

    #[test]
    fn an_answer_is_read_within_its_bounds_and_the_time() {
        let start = b"HTTP/1.1 200 OK\r\n".to_vec();
        let plain = [&start[..], b"content-length: 5\r\n\r\nthank"].concat();
        let answer = answered(vec![plain], Duration::ZERO).0.unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (200, "thank"));
        // The end is the end of the connection.
        let broken = [&start[..], b"content-length: 50\r\n\r\nthank"].concat();
        assert_eq!(answered(vec![broken], Duration::ZERO).0.unwrap().text, "thank");
        // A header without an end.
        let endless =
            std::iter::once(start.clone()).chain((0..64).map(|n| format!("x-{n}: {}\r\n", "y".repeat(1_000)).into()));
        let refused = answered(endless.collect(), Duration::ZERO).0.unwrap_err();
        assert!(refused.contains("too large"), "{refused}");
        // An answer that comes drop by drop.
        let drops: Vec<Vec<u8>> =
            std::iter::once(start).chain((0..40).map(|n| format!("x-{n}: y\r\n").into())).collect();
        let (refused, took) = answered(drops, Duration::from_millis(100));
        assert_eq!(refused.unwrap_err(), "no answer within 1 s");
        assert!(took < Duration::from_secs(2), "{took:?}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let after = |text: &str| retry_after(text, now).map(|time| time.as_second() - now.as_second());
        assert_eq!(after("120"), Some(120));
        assert_eq!(after(" 0 "), Some(0));
        assert_eq!(after("Tue, 14 Nov 2023 22:14:20 GMT"), Some(60));
        for bad in ["", "soon", "-1", "1.5", "99999999999"] {
            assert_eq!(after(bad), None, "{bad}");
        }
    }
}
