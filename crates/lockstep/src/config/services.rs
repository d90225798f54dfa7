//! The configuration of the services: the tables `[log]`, `[admin]` and `[intake]`.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use runtime::{
    admin::TokenFile,
    http::{Certificates, TlsFiles},
    keys::KeyFile,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[log]` table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LogConfig {
    /// Addresses of Apache Kafka, "host:port,host:port"; the embedded log is used where empty.
    pub brokers: String,
    /// Folder of the embedded log, which is for one process only. With Kafka, the names of the instances
    /// are kept there: the group.instance.id of a process that has none in `properties`.
    #[schemars(length(min = 1))]
    pub dir: PathBuf,
    /// Properties given to every Kafka client, as librdkafka names them. In the environment a name has
    /// _ where it has a dot here, as in LOCKSTEP__LOG__PROPERTIES__SASL_PASSWORD. A group.instance.id
    /// must be another one for each process; it replaces the one that is kept in `dir`.
    #[schemars(extend("example" = "\"group.instance.id\" = \"detector-1\""))]
    pub properties: BTreeMap<String, String>,
}

/// Properties of librdkafka with underscores instead of dots in their names.
const WITHOUT_DOTS: [&str; 3] = ["ssl_key", "ssl_certificate", "ssl_ca"];

/// The name of a property as librdkafka has it.
fn dotted(name: &str) -> String {
    match name.contains('.') || WITHOUT_DOTS.contains(&name) {
        true => name.to_owned(),
        false => name.replace('_', "."),
    }
}

/// Where properties come from, by their names with dots.
pub(super) fn origins_with_dots(origins: &mut BTreeMap<String, String>) {
    let table = "log.properties.";
    let written: Vec<String> = origins.keys().filter(|path| path.starts_with(table)).cloned().collect();
    // As with their values: those without dots go before the others.
    for path in written {
        let name = dotted(&path[table.len()..]);
        let path_with_dots = format!("{table}{name}");
        if path_with_dots != path {
            let origin = origins.remove(&path).unwrap_or_default();
            origins.insert(path_with_dots, origin);
        }
    }
}

impl LogConfig {
    /// Environment variables cannot have dots in their names:
    /// LOCKSTEP__LOG__PROPERTIES__SASL_PASSWORD is `sasl.password`, and overrides the file.
    pub(super) fn with_dots(&mut self) {
        let (written, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.properties).into_iter().partition(|(name, _)| *name == dotted(name));
        self.properties.extend(written);
        self.properties.extend(others.into_iter().map(|(name, value)| (dotted(&name), value)));
    }

    pub(super) fn properties(&self) -> Vec<(String, String)> {
        self.properties.clone().into_iter().collect()
    }
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { brokers: String::new(), dir: ".lockstep/log".into(), properties: BTreeMap::new() }
    }
}

/// TLS of a listener.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ListenerTls {
    /// PEM file with the certificate chain, the server's own first. Plain HTTP where empty.
    pub certificate: String,
    /// PEM file with its private key.
    pub key: String,
}

impl ListenerTls {
    /// The certificates; `None` for plain HTTP. Reads the files.
    pub fn open(&self, setting: &'static str) -> Result<Option<Arc<Certificates>>, String> {
        if self.certificate.is_empty() {
            return Ok(None);
        }
        let (certificate, key) = (self.certificate.clone(), self.key.clone());
        let files = TlsFiles { setting, certificate, key, client_ca: String::new() };
        Certificates::open(files).map(|certificates| Some(Arc::new(certificates)))
    }
}

/// The `[admin]` table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AdminConfig {
    /// Address and port of /metrics, /live and /ready. Elsewhere than on loopback it takes `token_file`,
    /// and `admin.tls` or `behind_proxy`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// File with the token for /metrics, which clients send as "Authorization: Bearer TOKEN". It is
    /// read at every request. /live and /ready need no token. No token where empty.
    pub token_file: String,
    /// Names under which clients may ask, besides IP addresses and localhost. Requests under other
    /// names are refused, because a web page could have made its own name point here.
    pub hosts: Vec<String>,
    /// Whether a proxy with TLS stands before the listener, or a network that only this deployment
    /// uses. Then the listener may be reached from elsewhere without TLS of its own.
    pub behind_proxy: bool,
    /// TLS 1.2 and 1.3 on the listener; the files are read again when they change.
    pub tls: ListenerTls,
}

impl Default for AdminConfig {
    fn default() -> AdminConfig {
        AdminConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)),
            token_file: String::new(),
            hosts: Vec::new(),
            behind_proxy: false,
            tls: ListenerTls::default(),
        }
    }
}

impl AdminConfig {
    /// Checks the values against each other. An error names the key.
    pub fn check(&self) -> Result<(), String> {
        check_listener("admin", self.listen, &self.tls, self.behind_proxy)?;
        if !self.listen.ip().is_loopback() && self.token_file.is_empty() {
            return Err(format!(
                "admin.listen is {}, which others can reach, and everybody could read /metrics: set admin.token_file to a file with \
                 a token, made with `(umask 077; openssl rand -hex 32 > FILE)`, and give the token to Prometheus \
                 (authorization.credentials_file), or listen on 127.0.0.1",
                self.listen
            ));
        }
        Ok(())
    }

    /// The token for /metrics, if there is one. Reads the file.
    pub fn token(&self) -> Result<Option<TokenFile>, String> {
        let token = (!self.token_file.is_empty()).then(|| TokenFile::open(&self.token_file)).transpose();
        token.map_err(|why| format!("admin.token_file: {why}"))
    }
}

/// The `[intake]` table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IntakeConfig {
    /// Address and port of POST /v1/posts. Elsewhere than on loopback it takes `producers`, and
    /// `intake.tls` or `behind_proxy`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// File of the keys of those who hand in posts, for example "config/producers.toml"; `lockstep
    /// producers add NAME` writes it. Everybody who can reach the listener hands in posts where empty.
    pub producers: String,
    /// Names under which clients may ask, besides IP addresses and localhost. Requests under other
    /// names are refused, because a web page could have made its own name point here.
    pub hosts: Vec<String>,
    /// Whether a proxy with TLS and a login stands before the listener, and nothing else gets there.
    /// Then the listener may be reached from elsewhere without TLS and without keys.
    pub behind_proxy: bool,
    /// TLS 1.2 and 1.3 on the listener; the files are read again when they change.
    pub tls: ListenerTls,
}

impl Default for IntakeConfig {
    fn default() -> IntakeConfig {
        IntakeConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            producers: String::new(),
            hosts: Vec::new(),
            behind_proxy: false,
            tls: ListenerTls::default(),
        }
    }
}

impl IntakeConfig {
    /// Checks the values against each other. An error names the key.
    pub fn check(&self) -> Result<(), String> {
        check_listener("intake", self.listen, &self.tls, self.behind_proxy)?;
        if !self.listen.ip().is_loopback() && self.producers.is_empty() && !self.behind_proxy {
            return Err(format!(
                "intake.listen is {}, which others can reach, and everybody could hand in posts: set intake.producers to a file of \
                 keys, make a key for each producer with `lockstep producers add NAME` (`lockstep ingest --to URL --key-file FILE` \
                 sends it), or set intake.behind_proxy = true where a proxy with a login stands before it, or listen on 127.0.0.1",
                self.listen
            ));
        }
        Ok(())
    }

    /// The keys of producers, if there is a file. Reads the file.
    pub fn keys(&self) -> Result<Option<Arc<KeyFile>>, String> {
        let keys = (!self.producers.is_empty()).then(|| KeyFile::open(&self.producers)).transpose();
        keys.map(|keys| keys.map(Arc::new)).map_err(|error| format!("intake.producers: {error}"))
    }
}

fn check_listener(table: &str, listen: SocketAddr, tls: &ListenerTls, behind_proxy: bool) -> Result<(), String> {
    if tls.certificate.is_empty() != tls.key.is_empty() {
        return Err(format!("{table}.tls needs both certificate and key: name two PEM files, or neither"));
    }
    if !listen.ip().is_loopback() && tls.certificate.is_empty() && !behind_proxy {
        return Err(format!(
            "{table}.listen is {listen}, which others can reach, and nothing is encrypted: set {table}.tls.certificate and key, or \
             {table}.behind_proxy = true where a proxy with TLS stands before it and nothing else gets there, or listen on 127.0.0.1"
        ));
    }
    Ok(())
}

/// Problems of the files of `[admin]` and `[intake]` that do not stop a service; `Err` for those
/// that do.
pub(super) fn check_listener_files(admin: &AdminConfig, intake: &IntakeConfig) -> Result<Vec<String>, String> {
    let mut warnings = Vec::new();
    admin.tls.open("admin.tls")?;
    intake.tls.open("intake.tls")?;
    admin.token()?;
    if let Some(keys) = intake.keys()? {
        let now = jiff::Timestamp::now();
        if !keys.now().list().iter().any(|key| key.is_valid(now)) {
            warnings.push(format!(
                "{} (intake.producers) has no valid key, so nobody can hand in posts: lockstep producers add NAME",
                intake.producers
            ));
        }
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_loopback_a_listener_needs_encryption_and_a_login_and_says_how_to_get_them() {
        let everywhere: SocketAddr = "0.0.0.0:1".parse().unwrap();
        assert_eq!((AdminConfig::default().check(), IntakeConfig::default().check()), (Ok(()), Ok(())));
        let tls = ListenerTls { certificate: "c".to_owned(), key: "k".to_owned() };
        let refused = |found: Result<(), String>, words: &[&str]| {
            let why = found.unwrap_err();
            assert!(words.iter().all(|word| why.contains(word)), "{why}");
        };

        let mut intake = IntakeConfig { listen: everywhere, ..IntakeConfig::default() };
        refused(intake.check(), &["intake.listen is 0.0.0.0:1", "intake.tls", "intake.behind_proxy"]);
        intake.tls = tls.clone();
        refused(intake.check(), &["intake.producers", "lockstep producers add", "--key-file"]);
        intake.producers = "producers.toml".to_owned();
        assert_eq!(intake.check(), Ok(()));
        intake.tls.key.clear();
        refused(intake.check(), &["intake.tls needs both"]);
        let behind = IntakeConfig { listen: everywhere, behind_proxy: true, ..IntakeConfig::default() };
        assert_eq!(behind.check(), Ok(()));

        let mut admin = AdminConfig { listen: everywhere, ..AdminConfig::default() };
        refused(admin.check(), &["admin.listen is 0.0.0.0:1", "admin.tls", "admin.behind_proxy"]);
        admin.behind_proxy = true;
        refused(admin.check(), &["admin.token_file", "openssl rand", "credentials_file"]);
        admin.token_file = "token".to_owned();
        assert_eq!(admin.check(), Ok(()));
        (admin.behind_proxy, admin.tls) = (false, tls);
        assert_eq!(admin.check(), Ok(()));
    }
}
