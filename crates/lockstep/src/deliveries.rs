//! Webhook deliveries and withdrawals: `lockstep partners deliveries`, `resend` and so on, and
//! `lockstep retractions`.

use std::io::Write;

use anyhow::{Context, Result, anyhow};
use casework::retraction::Decision;
use clap::{Args, Subcommand};
use runtime::metrics::Metrics;
use sharing::{Delivery, DeliveryQuery, DeliveryState, Sharing};

use crate::config::ConfigFile;

/// Subcommands of `lockstep partners` about webhooks.
#[derive(Subcommand)]
pub enum Webhooks {
    /// Creates a new secret for a partner's webhook and prints it. The old secret is valid for one
    /// more day
    WebhookSecret {
        /// The partner's name, as in the configuration
        partner: String,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Lists sent and pending webhook deliveries, newest first
    Deliveries {
        /// Only deliveries to this partner
        #[arg(long)]
        partner: Option<String>,
        /// Only deliveries in this state: pending, delivered, disabled, dead or discarded
        #[arg(long, value_parser = state)]
        state: Option<DeliveryState>,
        /// At most this many deliveries
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Print as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Sends a delivery again, in any state. The running service sends it
    Resend {
        /// The delivery's id, msg_…
        id: String,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Removes a dead delivery from the alert, because the partner received it in another way
    Discard {
        /// The delivery's id, msg_…
        id: String,
        #[command(flatten)]
        config: ConfigFile,
    },
}

fn state(text: &str) -> Result<DeliveryState, String> {
    DeliveryState::from_name(text)
        .ok_or_else(|| format!("states are {}", DeliveryState::ALL.map(DeliveryState::name).join(", ")))
}

impl Webhooks {
    pub fn run(self) -> Result<()> {
        let mut out = std::io::stdout();
        match self {
            Webhooks::WebhookSecret { partner, config } => {
                // The webhook may have been added to the configuration recently.
                let secret =
                    with(&config, Sharing::open, |sharing| async move { sharing.webhook_secret(&partner).await })?;
                writeln!(out, "{secret}")?;
            }
            Webhooks::Deliveries { partner, state, limit, json, config } => {
                let query = DeliveryQuery { partner, state, limit, offset: 0 };
                let found = with(&config, Sharing::attach, |sharing| async move { sharing.deliveries(query).await })?;
                if json {
                    writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
                } else {
                    found.iter().try_for_each(|one| writeln!(out, "{}", line(one)))?;
                }
            }
            Webhooks::Resend { id, config } => {
                with(&config, Sharing::attach, |sharing| async move { sharing.resend(&id).await })?;
            }
            Webhooks::Discard { id, config } => {
                with(&config, Sharing::attach, |sharing| async move { sharing.discard_delivery(&id).await })?;
            }
        }
        Ok(())
    }
}

fn line(one: &Delivery) -> String {
    let then = match (&one.next_at, &one.last_outcome) {
        (Some(next), Some(outcome)) => format!("next {next:.0}, last: {outcome}"),
        (Some(next), None) => format!("next {next:.0}"),
        (None, outcome) => outcome.clone().unwrap_or_default(),
    };
    format!(
        "{}  {:9}  {:20}  {} objects  {} attempts  {}  {then}",
        one.id,
        one.state.name(),
        one.partner,
        one.objects,
        one.attempts,
        one.case
    )
}

/// Lists withdrawals that partners have to know of, and decides rejections of partners.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep retractions list --overdue
  lockstep retractions acknowledge 17 --by ann --note 'told us by phone'
  lockstep retractions cases
  lockstep retractions withdraw 3 --by ann
  lockstep retractions keep 3 --by ann --reason 'seen on two more platforms'")]
pub struct Retractions {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists withdrawals that partners do not know of yet, the most overdue first
    List {
        /// Only overdue withdrawals
        #[arg(long)]
        overdue: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Records that a partner knows of a withdrawal
    Acknowledge {
        /// The number of the withdrawal
        number: i64,
        /// How you know it
        #[arg(long)]
        note: String,
        #[command(flatten)]
        by: By,
    },
    /// Lists retraction cases, which partners' rejections opened
    Cases {
        /// Also list decided cases
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Decides that the partner is right: withdraws the accounts, or the whole case, from all
    /// partners
    Withdraw {
        /// Number of the retraction case
        number: i64,
        #[command(flatten)]
        by: By,
    },
    /// Decides that the finding stays shared
    Keep {
        /// Number of the retraction case
        number: i64,
        /// The reason
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
}

/// The person who decides; recorded in the audit log.
#[derive(Args)]
struct By {
    /// Your name, for the audit log
    #[arg(long)]
    by: String,
    #[command(flatten)]
    config: ConfigFile,
}

impl By {
    /// The name with a note that it was given on the command line, where no password is asked for.
    fn name(&self) -> String {
        format!("{} (command line)", self.by)
    }
}

impl Retractions {
    pub fn run(self) -> Result<()> {
        let mut out = std::io::stdout();
        match self.action {
            Action::List { overdue, config } => {
                let found =
                    with(
                        &config,
                        Sharing::attach,
                        |sharing| async move { sharing.retractions_waiting(overdue).await },
                    )?;
                writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
            }
            Action::Cases { all, config } => {
                let found =
                    with(&config, Sharing::attach, |sharing| async move { sharing.retraction_cases(all).await })?;
                writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
            }
            Action::Acknowledge { number, note, by } => {
                let name = by.name();
                with(&by.config, Sharing::attach, |sharing| async move {
                    sharing.acknowledge_retraction(number, &note, &name).await
                })?;
            }
            Action::Withdraw { number, by } => decide(number, Decision::Withdraw, &by)?,
            Action::Keep { number, reason, by } => decide(number, Decision::Keep { reason }, &by)?,
        }
        Ok(())
    }
}

fn decide(number: i64, decision: Decision, by: &By) -> Result<()> {
    let name = by.name();
    with(&by.config, Sharing::attach, |sharing| async move { sharing.decide_retraction(number, decision, &name).await })
}

/// Opens the sharing service's database, which a running service may use at the same time, and
/// works on it.
fn with<T, F: Future<Output = Result<T, sharing::SharingError>>>(
    file: &ConfigFile,
    open: fn(sharing::Config, &Metrics) -> Result<Sharing, sharing::SharingError>,
    work: impl FnOnce(Sharing) -> F,
) -> Result<T> {
    let config = file.load()?;
    let sharing = open(config.sharing, &Metrics::new()?)?;
    let done = tokio::runtime::Runtime::new().context("cannot start")?.block_on(work(sharing));
    done.map_err(|error| anyhow!(error))
}
