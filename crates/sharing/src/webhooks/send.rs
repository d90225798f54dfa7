//! One request to an endpoint of a partner, and where it may go.
//!
//! An endpoint's address comes from the configuration, but what its name resolves to is the partner's to say: it must not lead into
//! our own network. The name is resolved once, every address is checked, and the connection goes to a checked one.

use std::{
    io::{self, Read},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use ureq::{
    Agent,
    config::Config,
    http::Uri,
    tls::{Certificate, RootCerts, TlsConfig},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

use crate::config::webhooks::is_public;

/// Most bytes of an answer that are read; nothing in it matters but for the log.
const ANSWER_BYTES: u64 = 4_096;

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
    agent: Agent,
}

impl Sender {
    /// Requests that take at most `timeout` from the look-up of the name to the end of the answer.
    pub fn new(timeout: Duration, private: bool) -> Self {
        let found = rustls_native_certs::load_native_certs();
        Self::trusting(
            timeout,
            private,
            found.certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect(),
        )
    }

    /// Trusts these authorities; Mozilla's where there are none.
    fn trusting(timeout: Duration, private: bool, own: Vec<Certificate<'static>>) -> Self {
        // The machine's own list, so that an endpoint with a certificate of one's own authority can be used.
        let roots = if own.is_empty() { RootCerts::WebPki } else { RootCerts::Specific(Arc::new(own)) };
        let config = Config::builder()
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            // A proxy would resolve the name again, and a kept connection would skip the check.
            .proxy(None)
            .max_idle_connections(0)
            .max_response_header_size(16 * 1024)
            .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        let resolver = Guarded { inner: DefaultResolver::default(), private };
        Self { agent: Agent::with_parts(config, DefaultConnector::default(), resolver) }
    }

    /// Posts a body. Blocks.
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        let mut request = self.agent.post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(body).map_err(|error| error.to_string())?;
        let retry_after =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut text = Vec::new();
        // The status is what counts: an answer that breaks off is one all the same.
        let _ = response.body_mut().as_reader().take(ANSWER_BYTES).read_to_end(&mut text);
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after,
            text: text_format::shorten(String::from_utf8_lossy(&text).trim(), 200),
        })
    }
}

/// When to come back, from `Retry-After`: seconds or a date.
pub(crate) fn retry_after(value: &str, now: Timestamp) -> Option<Timestamp> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return now.checked_add(jiff::SignedDuration::from_secs(i64::from(seconds))).ok();
    }
    jiff::fmt::rfc2822::parse(value).ok().map(|time| time.timestamp())
}

/// Resolves names and refuses addresses that are not public.
#[derive(Debug)]
struct Guarded {
    inner: DefaultResolver,
    private: bool,
}

impl Resolver for Guarded {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        if self.private {
            return Ok(found);
        }
        // One bad address is enough: a name that leads both outside and inside is an attempt.
        if let Some(bad) = found.iter().find(|address| !is_public(address.ip())) {
            let host = uri.host().unwrap_or_default();
            return Err(ureq::Error::Io(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{host} resolves to {}, which is not a public address; see sharing.webhooks.private", bad.ip()),
            )));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
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
        let refused = Sender::new(Duration::from_secs(5), false).post(&url, &[], b"{}").unwrap_err();
        assert!(refused.contains("not a public address"), "{refused}");
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody connected");
        let refused = Sender::new(Duration::from_secs(5), false).post("http://127.0.0.1:9/", &[], b"{}").unwrap_err();
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
                let n = stream.read(&mut some).ok().filter(|n| *n > 0)?;
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
            let trusted = vec![Certificate::from_der(trusted).to_owned()];
            let sender = Sender::trusting(Duration::from_secs(5), true, trusted);
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
