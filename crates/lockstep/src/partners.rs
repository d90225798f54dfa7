//! `lockstep partners`: API keys of partners.

use std::{collections::BTreeMap, io::Write};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, Unit};
use runtime::metrics::Metrics;
use sharing::{Key, Sharing};

use crate::config::{Config, ConfigFile};

/// Manages the API keys of partners.
///
/// Partners and their platforms are defined in one place: the recipients of class platform in the
/// file that sharing.recipients names, where they are reviewed and versioned like all rules of
/// sharing. These commands manage a partner's keys and its webhook. A key is printed once, on
/// standard output, and stored as a hash, so nobody can show it again.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep partners add example-network --config config/lockstep.toml    its first key
  lockstep partners rotate example-network --overlap 7d                  a new key; the old keys expire in a week
  lockstep partners list
  lockstep partners revoke 0123456789abcdef
  lockstep partners webhook-secret example-network
  lockstep partners deliveries --state dead")]
pub struct Partners {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Creates the first key of a partner in the configuration
    Add {
        /// The partner's name, as in the configuration
        partner: String,
        #[command(flatten)]
        lasts: Lasts,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Creates a new key for a partner; its other keys expire after a while
    Rotate {
        /// The partner's name, as in the configuration
        partner: String,
        /// How long the other keys stay valid; 0d ends them immediately
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
        overlap: SignedDuration,
        #[command(flatten)]
        lasts: Lasts,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Creates an additional key for a partner; its other keys do not change
    Key {
        /// The partner's name, as in the configuration
        partner: String,
        #[command(flatten)]
        lasts: Lasts,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Revokes a key immediately
    Revoke {
        /// The id of the key, as shown by `list`: the 16 letters and digits after `lockstep_`
        key: String,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Lists partners and their keys, without secrets
    List {
        /// Print one JSON object per key
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    #[command(flatten)]
    Webhooks(crate::deliveries::Webhooks),
}

/// Validity of a key.
#[derive(Args)]
pub(crate) struct Lasts {
    /// When the key expires: 365d, 26w, or never
    #[arg(long = "expires", value_name = "TIME", default_value = "365d", value_parser = end)]
    lasts: End,
}

impl Lasts {
    /// Time at which a key that is created now expires.
    pub(crate) fn end(&self, now: Timestamp) -> Option<Timestamp> {
        self.lasts.0.map(|lasts| now + lasts)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End(Option<SignedDuration>);

fn end(text: &str) -> Result<End, String> {
    if text == "never" {
        return Ok(End(None));
    }
    match duration(text)? {
        lasts if lasts.is_zero() => Err("a key must be valid for longer than zero".to_owned()),
        lasts => Ok(End(Some(lasts))),
    }
}

pub(crate) fn duration(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text.parse().map_err(|_| "use a duration like 7d, 12h or 26w".to_owned())?;
    let days = SpanRelativeTo::days_are_24_hours();
    let lasts = span.to_duration(days).map_err(|_| "use weeks, days, hours or minutes".to_owned())?;
    if lasts.is_negative() || lasts > SignedDuration::from_hours(24 * 3660) {
        return Err("use a duration from 0 to ten years".to_owned());
    }
    Ok(lasts)
}

impl Partners {
    pub fn run(self) -> Result<()> {
        let by = operator();
        match self.action {
            Action::Add { partner, lasts, config } => {
                with(config, async |sharing| print_key(&sharing.first_key(&partner, lasts.lasts.0, &by).await?))
            }
            Action::Key { partner, lasts, config } => {
                with(config, async |sharing| print_key(&sharing.extra_key(&partner, lasts.lasts.0, &by).await?))
            }
            Action::Rotate { partner, overlap, lasts, config } => with(config, async |sharing| {
                print_key(&sharing.rotate_key(&partner, lasts.lasts.0, overlap, &by).await?)?;
                eprintln!("the other keys of {partner} expire {}", when(Timestamp::now() + overlap));
                Ok(())
            }),
            Action::Revoke { key, config } => with(config, async |sharing| {
                // A pasted whole key stands for its id.
                let id = key.strip_prefix("lockstep_").and_then(|key| key.split('_').next()).unwrap_or(&key);
                let key = sharing.revoke_key(id, &by).await?;
                eprintln!("key {} of {} is no longer valid", key.id, key.partner);
                Ok(())
            }),
            Action::List { json, config } => with(config, async |sharing| list(&sharing, json).await),
            Action::Webhooks(webhooks) => webhooks.run(),
        }
    }
}

pub(crate) fn with(config: ConfigFile, work: impl AsyncFnOnce(Sharing) -> Result<()>) -> Result<()> {
    with_loaded(config.load()?, work)
}

/// The same with a configuration that is loaded.
pub(crate) fn with_loaded(config: Config, work: impl AsyncFnOnce(Sharing) -> Result<()>) -> Result<()> {
    tokio::runtime::Runtime::new().context("cannot start")?.block_on(async {
        let metrics = Metrics::new()?;
        // A configuration without recipients is probably not the service's: the stored partners
        // stay unchanged.
        let named = config.sharing.policy().map_err(|problem| anyhow!("configuration: {problem}"))?;
        let nobody = named.recipients.iter().all(|recipient| recipient.platform.is_none());
        let open = if nobody { Sharing::attach } else { Sharing::open };
        work(open(config.sharing, &metrics)?).await
    })
}

pub(crate) fn print_key(key: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{key}")?)
}

async fn list(sharing: &Sharing, json: bool) -> Result<()> {
    let keys = sharing.keys().await?;
    let mut out = std::io::stdout().lock();
    if json {
        for key in &keys {
            writeln!(out, "{}", serde_json::to_string(key)?)?;
        }
        return Ok(());
    }
    let partners = sharing.partner_names();
    if partners.is_empty() {
        bail!(
            "the configuration names no partner: add a recipient of class platform to the file of sharing.recipients"
        );
    }
    let mut by_partner: BTreeMap<&str, Vec<&Key>> = BTreeMap::new();
    for partner in &partners {
        by_partner.entry(partner).or_default();
    }
    for key in &keys {
        by_partner.entry(&key.partner).or_default().push(key);
    }
    let now = Timestamp::now();
    for (partner, keys) in by_partner {
        writeln!(out, "{partner}")?;
        if keys.is_empty() {
            writeln!(out, "  no key: lockstep partners add {partner}")?;
        }
        for key in keys {
            let state = state(key.revoked_at, key.expires_at, now);
            let used = key.last_used_at.map_or("never used".to_owned(), |at| format!("last used {}", when(at)));
            writeln!(out, "  {}  issued {}  {state}  {used}", key.id, when(key.created_at))?;
        }
    }
    Ok(())
}

/// Whether a key is valid, for people.
pub(crate) fn state(revoked_at: Option<Timestamp>, expires_at: Option<Timestamp>, now: Timestamp) -> String {
    match (revoked_at, expires_at) {
        (Some(at), _) => format!("revoked {}", when(at)),
        (None, Some(at)) if at <= now => format!("expired {}", when(at)),
        (None, Some(at)) => format!("valid until {}", when(at)),
        (None, None) => "valid, never expires".to_owned(),
    }
}

pub(crate) fn when(at: Timestamp) -> String {
    at.round(Unit::Minute).unwrap_or(at).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The user who runs the command, for the audit log.
pub(crate) fn operator() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    match user
        .map(|name| name.chars().filter(|c| !c.is_control()).take(60).collect::<String>())
        .find(|name| !name.is_empty())
    {
        Some(user) => format!("{user} (command line)"),
        None => "command line".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(duration("7d"), Ok(SignedDuration::from_hours(168)));
        assert_eq!(duration("0d"), Ok(SignedDuration::ZERO));
        assert_eq!(end("never"), Ok(End(None)));
        assert_eq!(end("26w"), Ok(End(Some(SignedDuration::from_hours(26 * 168)))));
        for bad in ["", "7", "-7d", "x", "1mo", "99999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(end("0d").is_err());
    }
}
