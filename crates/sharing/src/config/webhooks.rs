//! What an operator can set about webhooks, and where an endpoint may be.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// The `[sharing.webhooks]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A delivery is tried for so long, with growing pauses; then it is dead, and an alert says so.
    #[schemars(range(min = 1, max = 720), extend("unit" = "hours"))]
    pub give_up_h: u32,
    /// Time for one request, from looking up the name to the end of the answer.
    #[schemars(range(min = 1, max = 15), extend("unit" = "seconds"))]
    pub timeout_s: u32,
    /// Whether endpoints may be inside your own network, and on loopback without TLS.
    pub private: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { give_up_h: 72, timeout_s: 10, private: false }
    }
}

impl Config {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_s))
    }

    /// How long a delivery belongs to whoever sends it: longer than a request can take.
    pub(crate) fn claim(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.timeout_s) * 2 + 1)
    }
}

/// Whether the endpoint is on loopback.
pub(crate) fn is_on_this_machine(url: &str) -> bool {
    match Url::parse(url).as_ref().map(Url::host) {
        Ok(Some(Host::Ipv4(v4))) => v4.is_loopback(),
        Ok(Some(Host::Ipv6(v6))) => v6.is_loopback(),
        Ok(Some(Host::Domain(name))) => name == "localhost",
        Ok(None) | Err(_) => false,
    }
}

/// Meaning what is wrong with the address of an endpoint.
pub(crate) fn check_url(url: &str, private: bool) -> Result<(), String> {
    let url = Url::parse(url).map_err(|error| format!("{error}; write it like https://example.org/hooks/lockstep"))?;
    let host = url.host().ok_or("it names no host")?;
    let address = match host {
        Host::Ipv4(v4) => Some(IpAddr::V4(v4)),
        Host::Ipv6(v6) => Some(IpAddr::V6(v6)),
        Host::Domain("localhost") => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Host::Domain(_) => None,
    };
    let loopback = address.is_some_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if loopback && private => {}
        "http" => return Err("it is not encrypted: use https".to_owned()),
        other => return Err(format!("its scheme is {other}: use https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a password, which would show in logs: the signature proves who sends".to_owned());
    }
    if let Some(address) = address.filter(|address| !private && !is_public(*address)) {
        return Err(format!(
            "{address} is not a public address: set sharing.webhooks.private = true if it is meant to be inside your network"
        ));
    }
    Ok(())
}

/// Whether an address is one of the public internet, by IANA's special-purpose registries.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224.., _, _)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Global unicast, without the blocks that carry other addresses inside, are for protocols or for documents.
    (0x2000..=0x3fff).contains(&a)
        && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8))
        && a != 0x2002
        && !(a == 0x3fff && b < 0x1000)
}
