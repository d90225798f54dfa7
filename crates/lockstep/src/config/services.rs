//! The configuration of the services: what the tables `[log]`, `[admin]` and `[intake]` hold.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

/// The `[log]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// Apache Kafka's addresses, `host:port,host:port`; the embedded log is used where there are
    /// none.
    pub brokers: String,
    /// Folder of the embedded log.
    pub dir: PathBuf,
    /// Properties given to every Kafka client, as librdkafka names them.
    pub properties: std::collections::BTreeMap<String, String>,
}

/// Properties of librdkafka's that have no dots in their names.
const WITHOUT_DOTS: [&str; 3] = ["ssl_key", "ssl_certificate", "ssl_ca"];

impl LogConfig {
    /// Names of variables have no dots: LOCKSTEP__LOG__PROPERTIES__SASL_PASSWORD is
    /// `sasl.password`, and goes before what a file has.
    pub(super) fn with_dots(&mut self) {
        let (written, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.properties)
            .into_iter()
            .partition(|(name, _)| name.contains('.') || !name.contains('_') || WITHOUT_DOTS.contains(&&**name));
        self.properties.extend(written);
        self.properties.extend(others.into_iter().map(|(name, value)| (name.replace('_', "."), value)));
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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminConfig {
    /// Where /metrics, /live and /ready are.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> AdminConfig {
        AdminConfig { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)) }
    }
}

/// The `[intake]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct IntakeConfig {
    /// Where POST /v1/posts is. It has no login: keep it where only producers of posts reach it.
    pub listen: SocketAddr,
}

impl Default for IntakeConfig {
    fn default() -> IntakeConfig {
        IntakeConfig { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)) }
    }
}
