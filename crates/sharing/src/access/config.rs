//! What an operator can set about access.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The `[sharing.tls]` part of the configuration: plain HTTP where nothing is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with the certificate chain, the server's own first.
    pub certificate: String,
    /// PEM file with its private key.
    pub key: String,
    /// PEM file with the authorities whose client certificates are taken; none are asked for where empty.
    pub client_ca: String,
    /// Client certificates of each partner: `sha256:` and 64 hexadecimal digits, or the subject as `CN=feed, O=Example`.
    pub clients: BTreeMap<String, Vec<String>>,
}

impl Tls {
    /// Whether the listener speaks TLS.
    pub fn is_on(&self) -> bool {
        !self.certificate.is_empty()
    }

    fn check(&self) -> Result<(), String> {
        if self.certificate.is_empty() != self.key.is_empty() {
            return Err("sharing.tls needs both certificate and key: name two PEM files, or neither".to_owned());
        }
        if !self.client_ca.is_empty() && !self.is_on() {
            return Err("sharing.tls.client_ca is of no use without sharing.tls.certificate and key".to_owned());
        }
        if !self.clients.is_empty() && self.client_ca.is_empty() {
            return Err(
                "sharing.tls.clients needs sharing.tls.client_ca: a PEM file with the authorities that issued their \
                 certificates"
                    .to_owned(),
            );
        }
        let mut owners = BTreeMap::new();
        for (partner, wanted) in &self.clients {
            for wanted in wanted {
                let digits = wanted.strip_prefix("sha256:").map(plain_fingerprint);
                let good = match &digits {
                    Some(digits) => digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()),
                    None => wanted.contains('='),
                };
                if !good {
                    return Err(format!(
                        "sharing.tls.clients.{partner} has {wanted:?}: write sha256: and 64 hexadecimal digits (openssl x509 -noout \
                         -fingerprint -sha256), or the subject like \"CN=feed, O=Example\""
                    ));
                }
                if let Some(other) = owners.insert(digits.unwrap_or_else(|| wanted.clone()), partner) {
                    return Err(format!("sharing.tls.clients gives {wanted:?} to both {other} and {partner}"));
                }
            }
        }
        Ok(())
    }
}

/// Lower case, without the colons that openssl puts in.
pub(super) fn plain_fingerprint(text: &str) -> String {
    text.chars().filter(|c| *c != ':').collect::<String>().to_lowercase()
}

/// The `[sharing.login]` part of the configuration: how people get into the console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// The file of people with a password, as `lockstep users add` writes it; none where empty.
    pub users: String,
    /// Minutes without a request after which a session ends.
    pub idle_min: u32,
    /// Hours after which a session ends, used or not.
    pub longest_h: u32,
}

impl Default for Login {
    fn default() -> Self {
        Self { users: String::new(), idle_min: 30, longest_h: 12 }
    }
}

impl Login {
    fn check(&self) -> Result<(), String> {
        if !(1..=24 * 60).contains(&self.idle_min) {
            return Err(format!("sharing.login.idle_min is {}: set 1 to 1440 minutes", self.idle_min));
        }
        if !(1..=24 * 7).contains(&self.longest_h) {
            return Err(format!("sharing.login.longest_h is {}: set 1 to 168 hours", self.longest_h));
        }
        Ok(())
    }
}

/// The `[sharing.limits]` part of the configuration: how much anybody may ask of the listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests a minute of a partner; as many may come at once.
    pub partner_per_minute: u32,
    /// Requests a minute without a valid key, by address.
    pub stranger_per_minute: u32,
    /// Tries to log in within a quarter of an hour, by name and address.
    pub logins_per_quarter_hour: u32,
    /// Connections at once.
    pub connections: u32,
    /// Connections at once from one address; without bound behind a proxy.
    pub connections_per_address: u32,
    /// Requests in hand at once.
    pub requests: u32,
    /// Seconds that a client may take for a TLS handshake or for the head of a request, and for the next request on a connection.
    pub head_s: u32,
    /// Seconds that a request may take, its body included.
    pub request_s: u32,
    /// Seconds that a client may take to read the next 64 KiB of an answer.
    pub read_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            partner_per_minute: 600,
            stranger_per_minute: 30,
            logins_per_quarter_hour: 10,
            connections: 1000,
            connections_per_address: 100,
            requests: 128,
            head_s: 10,
            request_s: 30,
            read_s: 30,
        }
    }
}

impl Limits {
    fn check(&self) -> Result<(), String> {
        for (name, value, most) in [
            ("partner_per_minute", self.partner_per_minute, 1_000_000),
            ("stranger_per_minute", self.stranger_per_minute, 1_000_000),
            ("logins_per_quarter_hour", self.logins_per_quarter_hour, 1000),
            ("connections", self.connections, 1_000_000),
            ("connections_per_address", self.connections_per_address, 1_000_000),
            ("requests", self.requests, 100_000),
            ("head_s", self.head_s, 600),
            ("request_s", self.request_s, 600),
            ("read_s", self.read_s, 600),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!("sharing.limits.{name} is {value}: set 1 to {most}"));
            }
        }
        Ok(())
    }
}

/// Says what is wrong with how the service may be reached, with the name of the key.
pub(crate) fn check(config: &crate::Config) -> Result<(), String> {
    config.tls.check()?;
    config.login.check()?;
    config.limits.check()?;
    for partner in config.tls.clients.keys() {
        if !config.partners.iter().any(|known| known.name == *partner) {
            return Err(format!(
                "sharing.tls.clients.{partner} names no partner: add it to sharing.partners or take it out"
            ));
        }
    }
    if !config.listen.ip().is_loopback() && !config.tls.is_on() && !config.behind_proxy {
        return Err(format!(
            "sharing.listen is {}, which others can reach, and nothing is encrypted: set sharing.tls.certificate and key, or \
             sharing.behind_proxy = true where a proxy with TLS stands before it and nothing else gets there, or listen on 127.0.0.1",
            config.listen
        ));
    }
    Ok(())
}
