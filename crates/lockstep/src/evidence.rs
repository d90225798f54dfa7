//! `lockstep evidence`: the posts behind cases that the sharing service keeps.

use std::io::Write;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    config::ConfigFile,
    partners::{operator, with},
    progress::counted,
};

/// Erases posts that are kept as evidence.
///
/// The sharing service keeps the posts behind each case (text, links, time) for
/// sharing.evidence_days. Erasing removes the kept posts of one account, and their texts from the
/// objects that partners can fetch; the account's posts are not kept again. It does not reach what
/// partners fetched before, the topic of posts, or what the account has in common with others (links,
/// hashtags, texts), which is part of the finding. The audit log gets an entry with the account.
/// Posts and objects of cases under legal hold stay. `lockstep erase account` erases the account
/// itself, everywhere.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep evidence erase twitter:1234567890 --config config/lockstep.toml
  lockstep evidence erase bluesky:did:plc:abc123 --json")]
pub struct Evidence {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Erases the kept posts of an account, here and in the objects that partners can fetch
    Erase {
        /// The account: its platform as in posts, a colon, and the platform's id of the account
        #[arg(value_name = "PLATFORM:ID", value_parser = account)]
        account: Account,
        /// Print as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// An account by its platform and the platform's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) platform: String,
    pub(crate) id: String,
}

/// Ids of some platforms have colons of their own.
pub(crate) fn account(text: &str) -> Result<Account, String> {
    match text.split_once(':') {
        Some((platform, id)) if !platform.trim().is_empty() && !id.trim().is_empty() => {
            Ok(Account { platform: platform.to_owned(), id: id.to_owned() })
        }
        _ => Err("write it as PLATFORM:ID, for example twitter:1234567890".to_owned()),
    }
}

impl Evidence {
    pub fn run(self) -> Result<()> {
        let Action::Erase { account: Account { platform, id }, json, config } = self.action;
        let by = operator();
        with(config, async |sharing| {
            let erased = sharing.erase_evidence(&platform, &id, &by).await?;
            if json {
                writeln!(
                    std::io::stdout(),
                    "{}",
                    json!({"posts": erased.posts, "objects": erased.objects, "held": erased.held})
                )?;
            } else {
                writeln!(
                    std::io::stdout(),
                    "erased {} of {platform}:{id}, and their texts in {}; its posts are not kept again",
                    counted(erased.posts, "kept post"),
                    counted(erased.objects, "shared object"),
                )?;
            }
            if erased.held > 0 {
                eprintln!("{} stay: a case under legal hold has them as evidence", counted(erased.held, "kept post"));
            }
            if erased.objects > 0 {
                eprintln!("partners may have fetched these texts before: ask them to erase them, too");
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_a_platform_and_an_id() {
        let read = |platform: &str, id: &str| Ok(Account { platform: platform.to_owned(), id: id.to_owned() });
        assert_eq!(account("twitter:12"), read("twitter", "12"));
        assert_eq!(account("bluesky:did:plc:abc"), read("bluesky", "did:plc:abc"));
        for bad in ["", "twitter", "twitter:", ":12", " : "] {
            assert!(account(bad).is_err(), "{bad}");
        }
    }
}
