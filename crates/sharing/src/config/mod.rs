//! What an operator can set about sharing.

pub mod access;
mod audit;
pub(crate) mod database_url;
pub(crate) mod digest;
mod encryption;
pub(crate) mod policy;
mod retention;
mod watch;
pub mod webhooks;

use std::{net::SocketAddr, path::PathBuf};

use configuration::{Retired, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use audit::Audit;
pub use digest::Digest;
pub use encryption::Encryption;
pub use retention::Retention;
pub use watch::Watch;

use access::{Limits, Login, Tls};
use casework::{
    Reviewers, Tlp,
    policy::{Policy, Recipient, Rules},
};
use database_url::MASK;
use policy::load_policy;

/// Keys that are no longer read. Without them the service would not have the partners that the operator named.
pub const REMOVED: [Retired; 1] = [Retired {
    path: "sharing.partners",
    instead: "write each partner as [[recipients]] with class = \"platform\" and the same name, platform, tlp_ceiling and webhook into \
              the file that sharing.recipients names, for example config/sharing.toml; its keys and its collection stay",
}];

/// The `[sharing]` part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where cases, partners, collections and the audit log are kept: a SQLite file, made with its
    /// folder where missing, or PostgreSQL for more than one instance of the service, as
    /// "postgres://lockstep@host:5432/lockstep" (the password in PGPASSWORD, ?sslmode=require for TLS).
    #[schemars(length(min = 1))]
    pub database: String,
    /// Most connections to the database that are open at the same time; one of them writes. With
    /// PostgreSQL, set fewer than the server allows.
    #[schemars(range(min = 2, max = 500), extend("unit" = "connections"))]
    pub database_connections: usize,
    /// File with the id of the database that was used last, so that an empty or another database in its place is
    /// refused. Where empty, it is beside a database that is a file, under the database's name with ".id", and
    /// .lockstep/sharing.id with PostgreSQL.
    pub database_id_file: String,
    /// Encryption of the secrets in the database: secrets of webhooks, and keys of pseudonyms.
    pub encryption: Encryption,
    /// Address and port of the console, the JSON API and TAXII. Elsewhere than on loopback it takes
    /// `sharing.tls` or `behind_proxy`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Who decides cases. "demo" lets automatic reviewers approve everything: for demonstrations only.
    #[schemars(with = "String", extend("enum" = ["people", "demo"]))]
    pub reviewers: Reviewers,
    /// Whether every recipient is invented, for a demonstration. "demo" reviewers approve nothing for
    /// recipients that may be real.
    pub invented_recipients: bool,
    /// The file that says who may be told of what. A platform is set up there, and gets its key with
    /// `lockstep partners add NAME`.
    #[schemars(length(min = 1), extend("example" = "\"config/sharing.toml\""))]
    pub recipients: Option<PathBuf>,
    /// Partners of a test, which has no file of recipients.
    #[cfg(test)]
    #[serde(skip)]
    pub partners: Vec<casework::policy::Partner>,
    /// URL of the console as browsers write it, "https://host"; needed for login by a provider.
    pub public_url: String,
    /// Whether a proxy with TLS stands before the listener, and nothing else gets there. Then the
    /// listener may be reached from elsewhere without TLS of its own, and the last address in
    /// X-Forwarded-For is the client.
    pub behind_proxy: bool,
    /// TLS 1.2 and 1.3 on the listener; the files are read again when they change.
    pub tls: Tls,
    /// How people get into the console.
    pub login: Login,
    /// How much anybody may ask of the listener.
    pub limits: Limits,
    /// Name of the organisation that shares, as partners see it.
    pub identity: String,
    /// How that organisation is reached, as documents say it, for example "desk@example.org,
    /// +1 555 0100". Without it there are no documents.
    pub contact: String,
    /// Marking (Traffic Light Protocol 2.0) of what is shared. A partner whose ceiling is lower gets
    /// nothing.
    #[schemars(with = "String", extend("enum" = ["clear", "green", "amber", "amber+strict", "red"]))]
    pub tlp: Tlp,
    /// Whether a group's techniques are shared as the objects that DISARM published. They have properties of
    /// MITRE's (`x_mitre_…`), which strict readers of STIX refuse. If false, the campaign names the techniques
    /// by their numbers. Techniques that partners have already are not withdrawn by the change.
    pub disarm_objects: bool,
    /// Time after it was shared, or shared again, until a flag expires by itself.
    #[schemars(range(min = 1, max = 3650), extend("unit" = "days"))]
    pub valid_days: u32,
    /// Time for which the posts behind a finding (text, links, time) are kept in the database after they were read
    /// from the log, so that they outlive the platform and the log. Then they are deleted, also from the objects that
    /// partners can fetch.
    #[schemars(range(min = 1, max = 3650), extend("unit" = "days"))]
    pub evidence_days: u32,
    /// How long the tables of the database keep what is finished.
    pub retention: Retention,
    /// Objects in a TAXII page when the client names no limit.
    #[schemars(range(min = 1, max = 10_000), extend("unit" = "objects"))]
    pub taxii_page: usize,
    /// Most objects in a TAXII page, whatever the client asks for.
    #[schemars(range(min = 1, max = 10_000), extend("unit" = "objects"))]
    pub taxii_page_max: usize,
    /// Cases in a page of the console.
    #[schemars(range(min = 1, max = 10_000), extend("unit" = "cases"))]
    pub console_page: usize,
    /// A file with collections and users for a TAXII conformance suite. Only `lockstep serve share --seed` sets it.
    #[serde(skip)]
    pub seed: Option<std::path::PathBuf>,
    /// So long before its flags expire a case asks for attention; two people may renew them.
    #[schemars(range(min = 1, max = 3650), extend("unit" = "days"))]
    pub expiry_notice_days: u32,
    /// So long a partner may take to know of a withdrawal before somebody is paged.
    #[schemars(range(min = 1, max = 3650), extend("unit" = "hours"))]
    pub retraction_due_h: u32,
    /// So long people may take to decide the appeal of a named account before somebody is paged.
    #[schemars(range(min = 1, max = 365), extend("unit" = "days"))]
    pub appeal_due_days: u32,
    /// The audit log: how often it is checked, and where its seals are kept outside of the database.
    pub audit: Audit,
    /// The watch list: groups that the detector reports without flagging them, and the sample that reviewers are
    /// asked about.
    pub watch: Watch,
    /// The digest: a mail with counts and a link for each partner that has an address.
    pub digest: Digest,
    /// Webhooks: how objects are delivered to partners that have one, signed by the Standard Webhooks
    /// scheme.
    pub webhooks: webhooks::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: ".lockstep/sharing.sqlite".to_owned(),
            database_connections: 16,
            database_id_file: String::new(),
            encryption: Encryption::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            reviewers: Reviewers::People,
            invented_recipients: false,
            recipients: None,
            #[cfg(test)]
            partners: Vec::new(),
            public_url: String::new(),
            behind_proxy: false,
            tls: Tls::default(),
            login: Login::default(),
            limits: Limits::default(),
            identity: "Lockstep".to_owned(),
            contact: String::new(),
            tlp: Tlp::Amber,
            disarm_objects: true,
            valid_days: 30,
            evidence_days: 180,
            retention: Retention::default(),
            taxii_page: 100,
            taxii_page_max: 1000,
            console_page: 50,
            seed: None,
            expiry_notice_days: 7,
            retraction_due_h: 24,
            appeal_due_days: 14,
            audit: Audit::default(),
            watch: Watch::default(),
            digest: Digest::default(),
            webhooks: webhooks::Config::default(),
        }
    }
}

impl Config {
    /// Who may be told, and by which rules: the file that `recipients` names. Reads the file.
    pub fn policy(&self) -> Result<Policy, String> {
        #[cfg_attr(not(test), expect(unused_mut, reason = "tests add partners"))]
        let mut policy = match &self.recipients {
            Some(path) => load_policy(path, self.tlp)?,
            None => Policy { recipients: Vec::new(), rules: Rules::with_marking(self.tlp) },
        };
        #[cfg(test)]
        policy.recipients.extend(self.partners.iter().map(casework::policy::Partner::recipient));
        policy.check()?;
        for recipient in &policy.recipients {
            if let Some(url) = &recipient.webhook {
                webhooks::check_url(url, self.webhooks.private)
                    .map_err(|why| format!("webhook of recipient {:?}: {why}", recipient.name))?;
            }
        }
        if self.reviewers == Reviewers::Demo {
            policy.recipients.iter().try_for_each(|recipient| self.check_invented(recipient))?;
        }
        let partners = policy.partners();
        let certificates = self.tls.clients.keys().map(|name| ("tls.clients", name, "certificates"));
        for (key, name, what) in certificates.chain(self.digest.to.keys().map(|name| ("digest.to", name, "addresses")))
        {
            if !partners.iter().any(|partner| partner.name == *name) {
                return Err(format!(
                    "sharing.{key}.{name} names no partner: add a recipient {name:?} of class \"platform\" to the file that \
                     sharing.recipients names, or remove the {what}"
                ));
            }
        }
        Ok(policy)
    }

    /// Refuses a recipient that may be real: nothing may reach it that no person has looked at.
    fn check_invented(&self, recipient: &Recipient) -> Result<(), String> {
        let name = &recipient.name;
        if !self.invented_recipients {
            return Err(format!(
                "sharing.reviewers is \"demo\", so every finding is released without a person's decision, and there is a recipient, \
                 {name:?}: set sharing.reviewers = \"people\"; or, for a demonstration in which no recipient is real, set \
                 sharing.invented_recipients = true"
            ));
        }
        if recipient.webhook.as_deref().is_some_and(|url| !webhooks::is_on_this_machine(url)) {
            return Err(format!(
                "sharing.reviewers is \"demo\", so every finding is released without a person's decision, and recipient {name:?} has a \
                 webhook on another machine: set sharing.reviewers = \"people\", or remove the webhook"
            ));
        }
        Ok(())
    }

    /// Meaning what is wrong with the values, with the name of the key.
    pub fn check(&self) -> Result<(), String> {
        Settings::of::<Config>("sharing").map_err(|error| error.to_string())?.check(self)?;
        if self.identity.trim().is_empty() {
            return Err(
                "sharing.identity is empty: name the organisation that shares, so that partners know whom to ask"
                    .to_owned(),
            );
        }
        self.encryption.check()?;
        self.audit.check(self.webhooks.private)?;
        self.digest.check(&self.public_url)?;
        if !cfg!(feature = "postgres") && database_url::is_postgres(&self.database) {
            return Err(format!("sharing.database: {}", database_url::WITHOUT_POSTGRES));
        }
        if !cfg!(feature = "openid") && self.login.provider.is_on() {
            return Err(
                "sharing.login.provider: this build has no login by a provider: leave its issuer empty, or build with the Cargo \
                 feature `openid`"
                    .to_owned(),
            );
        }
        if self.taxii_page > self.taxii_page_max {
            return Err(format!(
                "sharing.taxii_page ({}) is above sharing.taxii_page_max ({}): lower the first or raise the second",
                self.taxii_page, self.taxii_page_max
            ));
        }
        access::check(self)
    }
}

impl Config {
    /// For people to look at: what nobody may see is masked.
    pub fn without_secrets(&self) -> Self {
        let mut shown = self.clone();
        shown.database = database_url::without_password(&self.database);
        let secrets =
            [&mut shown.login.provider.client_secret, &mut shown.encryption.key, &mut shown.digest.smtp_password];
        for secret in secrets {
            if !secret.is_empty() {
                *secret = MASK.to_owned();
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casework::policy::Partner;

    #[test]
    fn defaults_are_valid_and_people_decide() {
        let config = Config::default();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.reviewers, Reviewers::People);
        assert!(config.listen.ip().is_loopback());
    }

    #[test]
    fn the_demos_reviewers_are_refused_where_a_recipient_may_be_real() {
        let partner = |webhook: Option<&str>| Partner {
            name: "birds".to_owned(),
            platform: "twitter".to_owned(),
            webhook: webhook.map(str::to_owned),
            ..Partner::default()
        };
        let mut config = Config { reviewers: Reviewers::Demo, ..Config::default() };
        config.webhooks.private = true;
        assert!(config.policy().is_ok(), "nobody can be notified");
        config.partners = vec![partner(None)];
        let refused = config.policy().unwrap_err();
        assert!(refused.contains("\"birds\"") && refused.contains("sharing.invented_recipients = true"), "{refused}");
        config.invented_recipients = true;
        assert!(config.policy().is_ok());
        config.partners = vec![partner(Some("http://127.0.0.1:9/hook"))];
        assert!(config.policy().is_ok());
        config.partners = vec![partner(Some("https://example.org/hook"))];
        assert!(config.policy().unwrap_err().contains("another machine"));
        config.reviewers = Reviewers::People;
        assert!(config.policy().is_ok());
    }

    #[test]
    fn nobody_is_shown_a_secret() {
        let mut config = Config::default();
        config.encryption.key.clear();
        assert_eq!(config.without_secrets(), config);
        config.login.provider.client_secret = "hush".to_owned();
        config.encryption.key = "hush".to_owned();
        config.digest.smtp_password = "hush".to_owned();
        for place in [
            "postgres://lockstep:hush@db.example/sharing",
            "postgres://lockstep:hu%40sh%20hush@db.example/sharing?sslmode=require",
            "postgres://db.example/sharing?user=lockstep&password=hush",
            "postgresql://lockstep:hush@one.example:5432,two.example:5433/sharing",
            "postgres://lockstep:hush@/sharing?host=%2Fvar%2Frun",
            "postgres://lockstep:hush",
        ] {
            config.database = place.to_owned();
            let shown = format!("{:?}", config.without_secrets());
            assert!(!shown.contains("hush") && shown.contains("***"), "{shown}");
        }
        config.database = "postgres://lockstep@db.example/sharing".to_owned();
        assert_eq!(config.without_secrets().database, config.database);
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"databse": "x"}"#).is_err());
    }
}
