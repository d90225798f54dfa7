//! `lockstep tokens`: tokens with which scripts and other services use the JSON API.

use std::{collections::BTreeSet, io::Write};

use anyhow::Result;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use sharing::{Scope, Token};

use crate::{
    config::ConfigFile,
    partners::{duration, operator, when, with},
};

/// Manages tokens with which scripts and services use the JSON API.
///
/// A request sends the token as `Authorization: Bearer TOKEN`. A token belongs to a person of the
/// users' file, or to a service. It reads, and with its scopes it records handovers or manages
/// deliveries; it never takes a decision about a case. It is printed once, on standard output, and
/// stored as a hash. It expires, at the latest after 366 days. The token of a person who was removed
/// from the users' file is refused from the next request on.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep tokens add siem --service --scope read --config config/lockstep.toml
  lockstep tokens add ann --scope read --scope handovers --expires 30d
  lockstep tokens list
  lockstep tokens revoke 0123456789abcdef
  curl -H \"Authorization: Bearer $TOKEN\" 'https://lockstep.example/api/audit?after=0'")]
pub struct Tokens {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Creates a token and prints it
    Add {
        /// A person's name, as in the users' file; with --service a name for the service
        owner: String,
        /// The owner is a service and not a person
        #[arg(long)]
        service: bool,
        /// What the token allows: read, deliveries (send again, discard), handovers (record a
        /// handover, for people only)
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// When the token expires, at most 366d
        #[arg(long = "expires", value_name = "TIME", default_value = "90d", value_parser = duration)]
        lasts: SignedDuration,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Revokes a token immediately
    Revoke {
        /// The id of the token, as shown by `list`: the 16 letters and digits after `lockstepapi_`
        token: String,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Lists tokens, without secrets
    List {
        /// Print one JSON object per token
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
}

impl Tokens {
    pub fn run(self) -> Result<()> {
        let by = operator();
        match self.action {
            Action::Add { owner, service, scopes, lasts, config } => with(config, async |sharing| {
                let scopes: BTreeSet<Scope> = scopes.into_iter().collect();
                let token = sharing.issue_token(&owner, service, scopes, lasts, &by).await?;
                writeln!(std::io::stdout(), "{token}")?;
                eprintln!("the token expires {}; it is not shown again", when(Timestamp::now() + lasts));
                Ok(())
            }),
            Action::Revoke { token, config } => with(config, async |sharing| {
                // A pasted whole token stands for its id.
                let id = token.strip_prefix("lockstepapi_").and_then(|rest| rest.split('_').next()).unwrap_or(&token);
                let token = sharing.revoke_token(id, &by).await?;
                eprintln!("token {} of {} is no longer valid", token.id, token.actor());
                Ok(())
            }),
            Action::List { json, config } => with(config, async |sharing| list(&sharing.tokens().await?, json)),
        }
    }
}

fn list(tokens: &[Token], json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let now = Timestamp::now();
    for token in tokens {
        if json {
            writeln!(out, "{}", serde_json::to_string(token)?)?;
            continue;
        }
        let state = match token.revoked_at {
            Some(at) => format!("revoked {}", when(at)),
            None if token.expires_at <= now => format!("expired {}", when(token.expires_at)),
            None => format!("valid until {}", when(token.expires_at)),
        };
        let used = token.last_used_at.map_or("never used".to_owned(), |at| format!("last used {}", when(at)));
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
        writeln!(
            out,
            "{}  {}  {}  issued {} by {}  {state}  {used}",
            token.actor(),
            token.id,
            scopes.join(","),
            when(token.created_at),
            token.created_by
        )?;
    }
    if tokens.is_empty() && !json {
        eprintln!("no tokens yet; add one with: lockstep tokens add NAME --service --scope read");
    }
    Ok(())
}
