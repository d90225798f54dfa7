//! Access over real HTTP and TLS.

mod keys;
mod listener;
mod provider;
mod sessions;
mod tokens;

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
