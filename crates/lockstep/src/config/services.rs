//! The configuration of the services: the tables `[log]`, `[admin]` and `[intake]`.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[log]` table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LogConfig {
    /// Addresses of Apache Kafka, "host:port,host:port"; the embedded log is used where empty.
    pub brokers: String,
    /// Folder of the embedded log, which is for one process only.
    pub dir: PathBuf,
    /// Properties given to every Kafka client, as librdkafka names them. In the environment a name has
    /// _ where it has a dot here, as in LOCKSTEP__LOG__PROPERTIES__SASL_PASSWORD. With a
    /// transactional.id that is stable for each instance, a restart ends its own open transaction at
    /// once; with a group.instance.id it has its partitions again at once after a kill.
    #[schemars(extend(
        "example" = "\"transactional.id\" = \"detector-1\"\n\"group.instance.id\" = \"detector-1\""
    ))]
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
        LogConfig { brokers: String::new(), dir: ".lockstep/log".into(), properties: Default::default() }
    }
}

/// The `[admin]` table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AdminConfig {
    /// Address and port of /metrics, /live and /ready.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> AdminConfig {
        AdminConfig { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)) }
    }
}

/// The `[intake]` table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IntakeConfig {
    /// Address and port of POST /v1/posts. It has no login: keep it where only producers of posts
    /// reach it.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}

impl Default for IntakeConfig {
    fn default() -> IntakeConfig {
        IntakeConfig { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)) }
    }
}
