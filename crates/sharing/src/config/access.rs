//! What an operator can set about access.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use casework::Role;
use runtime::http::{Subject, TlsFiles};

use super::Config;

/// The `[sharing.tls]` part of the configuration: plain HTTP where nothing is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with the certificate chain, the server's own first. Plain HTTP where empty.
    pub certificate: String,
    /// PEM file with its private key.
    pub key: String,
    /// PEM file with the authorities whose client certificates are taken; partners may come with a key
    /// instead. None are asked for where empty.
    pub client_ca: String,
    /// Client certificates of each partner of the recipients' file: by fingerprint, or by subject, whose
    /// attributes may be in any order.
    #[schemars(extend(
        "example" = "example-network = [\"sha256:<64 hexadecimal digits>\", \"CN=feed, O=Example Network\"]"
    ))]
    pub clients: BTreeMap<String, Vec<String>>,
}

impl Tls {
    /// Whether the listener speaks TLS.
    pub fn is_on(&self) -> bool {
        !self.certificate.is_empty()
    }

    /// The files of the listener; `None` where it speaks plain HTTP.
    pub(crate) fn files(&self) -> Option<TlsFiles> {
        self.is_on().then(|| TlsFiles {
            setting: "sharing.tls",
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            client_ca: self.client_ca.clone(),
        })
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
                let same = match wanted.strip_prefix("sha256:").map(plain_fingerprint) {
                    Some(digits) if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(digits),
                    Some(_) => Err("a fingerprint has 64 hexadecimal digits".to_owned()),
                    None => wanted.parse().map(|subject: Subject| subject.to_string()),
                };
                let same = same.map_err(|why| {
                    format!(
                        "sharing.tls.clients.{partner} has {wanted:?}: {why}; write sha256: and 64 hexadecimal digits (openssl x509 \
                         -noout -fingerprint -sha256), or the subject like \"CN=feed, O=Example\""
                    )
                })?;
                if let Some(other) = owners.insert(same, partner) {
                    return Err(format!("sharing.tls.clients gives {wanted:?} to both {other} and {partner}"));
                }
            }
        }
        Ok(())
    }
}

/// Lower case, without the colons that openssl puts in.
pub(crate) fn plain_fingerprint(text: &str) -> String {
    text.chars().filter(|c| *c != ':').collect::<String>().to_lowercase()
}

/// The `[sharing.login]` part of the configuration: how people get into the console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// File of people with a password, for example "config/users.toml"; `lockstep users add NAME --role
    /// reviewer` writes it. None where empty.
    pub users: String,
    /// A session ends after so long without a request.
    #[schemars(range(min = 1, max = 1440), extend("unit" = "minutes"))]
    pub idle_min: u32,
    /// A session ends after so long in any case.
    #[schemars(range(min = 1, max = 168), extend("unit" = "hours"))]
    pub longest_h: u32,
    /// Login by OpenID Connect; none where the issuer is empty.
    pub provider: Provider,
}

/// The `[sharing.login.provider]` part of the configuration: none where the issuer is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Provider {
    /// What the login page calls it.
    pub name: String,
    /// Its URL, exactly as it writes it in its tokens. Its return URL is PUBLIC_URL/login/return.
    pub issuer: String,
    /// How it knows this service.
    pub client_id: String,
    /// The service's secret with it; a public client where empty. Better in the environment:
    /// LOCKSTEP__SHARING__LOGIN__PROVIDER__CLIENT_SECRET.
    pub client_secret: String,
    /// Scopes asked for.
    pub scopes: String,
    /// The claim that names a person in the audit log. It has to be unique for good, and not for people
    /// to change themselves: that a release takes two people rests on it.
    pub name_claim: String,
    /// The claim that lists a person's roles; one inside another as "realm_access.roles".
    pub roles_claim: String,
    /// Which value of that claim is which role; reviewer, approver and admin themselves where empty.
    #[schemars(
        with = "BTreeMap<String, String>",
        extend("example" = "\"trust-and-safety\" = \"reviewer\"")
    )]
    pub roles: BTreeMap<String, Role>,
    /// Which value of that claim is which role of `sign_off` in the recipients' file; those roles
    /// themselves where empty.
    #[schemars(extend("example" = "\"press-office\" = \"public affairs\""))]
    pub sign_off_roles: BTreeMap<String, String>,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            name: "single sign-on".to_owned(),
            issuer: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
            scopes: "openid email profile".to_owned(),
            name_claim: "email".to_owned(),
            roles_claim: "roles".to_owned(),
            roles: BTreeMap::new(),
            sign_off_roles: BTreeMap::new(),
        }
    }
}

impl Provider {
    /// Whether there is one.
    pub fn is_on(&self) -> bool {
        !self.issuer.is_empty()
    }

    fn check(&self, public_url: &str) -> Result<(), String> {
        if !self.is_on() {
            return Ok(());
        }
        safe_url(&self.issuer).map_err(|why| format!("sharing.login.provider.issuer is {:?}: {why}", self.issuer))?;
        if self.client_id.is_empty() {
            return Err("sharing.login.provider.client_id is empty: the provider says what it is".to_owned());
        }
        if !self.scopes.split(' ').any(|scope| scope == "openid") {
            return Err("sharing.login.provider.scopes has to have openid in it".to_owned());
        }
        if self.name_claim.is_empty() || self.roles_claim.is_empty() {
            return Err("sharing.login.provider needs name_claim and roles_claim".to_owned());
        }
        if public_url.is_empty() {
            return Err(
                "sharing.login.provider needs sharing.public_url, the console's address as browsers write it: the provider sends                  them back there"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// An address that may be asked: TLS, or this machine.
pub(crate) fn safe_url(text: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(text).map_err(|error| format!("{error}; write it as https://host/path"))?;
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if local => Ok(url),
        _ => Err("it has to begin with https://".to_owned()),
    }
}

impl Default for Login {
    fn default() -> Self {
        Self { users: String::new(), idle_min: 30, longest_h: 12, provider: Provider::default() }
    }
}

/// The `[sharing.limits]` part of the configuration: how much anybody may ask of the listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests of a partner in a minute, and at once; above it the answer is 429 with Retry-After.
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "requests a minute"))]
    pub partner_per_minute: u32,
    /// Requests without a valid key, by address.
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "requests a minute"))]
    pub stranger_per_minute: u32,
    /// Tries to log in, by name and address.
    #[schemars(range(min = 1, max = 1000), extend("unit" = "tries in 15 minutes"))]
    pub logins_per_quarter_hour: u32,
    /// Connections at once.
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "connections"))]
    pub connections: u32,
    /// Connections at once from one address; without bound behind a proxy.
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "connections"))]
    pub connections_per_address: u32,
    /// Requests in hand at once.
    #[schemars(range(min = 1, max = 100_000), extend("unit" = "requests"))]
    pub requests: u32,
    /// Time for a TLS handshake, for the head of a request, and until the next request on a
    /// connection.
    #[schemars(range(min = 1, max = 600), extend("unit" = "seconds"))]
    pub head_s: u32,
    /// Time for a request with its body.
    #[schemars(range(min = 1, max = 600), extend("unit" = "seconds"))]
    pub request_s: u32,
    /// Time for a client to read the next 64 KiB of an answer.
    #[schemars(range(min = 1, max = 600), extend("unit" = "seconds"))]
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

/// Meaning what is wrong with how the service may be reached, with the name of the key.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    config.tls.check()?;
    if !config.public_url.is_empty() {
        safe_url(&config.public_url).map_err(|why| format!("sharing.public_url is {:?}: {why}", config.public_url))?;
    }
    config.login.provider.check(&config.public_url)?;
    if !config.listen.ip().is_loopback() && !config.tls.is_on() && !config.behind_proxy {
        return Err(format!(
            "sharing.listen is {}, which others can reach, and nothing is encrypted: set sharing.tls.certificate and key, or \
             sharing.behind_proxy = true where a proxy with TLS stands before it and nothing else gets there, or listen on 127.0.0.1",
            config.listen
        ));
    }
    Ok(())
}
