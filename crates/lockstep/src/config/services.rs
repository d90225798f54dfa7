//! The configuration of the services: the tables `[log]`, `[admin]` and `[intake]`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

/// The `[log]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// Addresses of Apache Kafka, `host:port,host:port`; without them the embedded log is used.
    pub brokers: String,
    /// Folder of the embedded log.
    pub dir: PathBuf,
    /// Properties for every Kafka client, with librdkafka's names.
    pub properties: std::collections::BTreeMap<String, String>,
}

/// Properties of librdkafka with underscores instead of dots in their names.
const WITHOUT_DOTS: [&str; 3] = ["ssl_key", "ssl_certificate", "ssl_ca"];

impl LogConfig {
    /// Environment variables cannot have dots in their names:
    /// LOCKSTEP__LOG__PROPERTIES__SASL_PASSWORD is `sasl.password`, and overrides the file.
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
    /// Address of /metrics, /live and /ready.
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
    /// Address of POST /v1/posts. It has no login: only producers of posts must be able to reach
    /// it.
    pub listen: SocketAddr,
}

impl Default for IntakeConfig {
    fn default() -> IntakeConfig {
        IntakeConfig { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)) }
    }
}
