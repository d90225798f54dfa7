//! `lockstep erase`: an account goes from everything that the services keep.

mod report;
mod topics;

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use messages::{erasure::Erasure, topics::CLUSTERS_FLAGGED};
use runtime::{Log, StoppedLog, checkpoint::Checkpoints};
use sharing::{ErasedFromStore, Sharing};

use self::report::Report;
use crate::{
    backup::places::has_sqlite,
    config::{Config, ConfigFile},
    evidence::{Account, account},
    partners::{operator, with_loaded},
    progress::counted,
};

/// Erases an account from everything that the services keep.
///
/// Stop the services first. The account is withdrawn from the partners that have it. Then its posts, its
/// kept evidence and what feedback says of it are deleted, and its id and names are removed from cases,
/// shared objects, clusters, the audit log, and posts of others. Checkpoints that have it are deleted: the detector reads
/// the log again. The audit log still verifies, and has an entry about the erasure, with a random token in place of
/// the account.
///
/// A case under legal hold keeps the account; the command says which, and why. Topics of Apache Kafka that are not
/// compacted cannot be rewritten; the command names the day on which their last copy expires. Backups, and what partners hold, are
/// beyond it. If anything keeps the account, the exit code is 1. To run it again does no harm.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep erase account twitter:1234567890 --dry-run --config config/lockstep.toml
  lockstep erase account twitter:1234567890 --config config/lockstep.toml
  lockstep erase account bluesky:did:plc:abc123 --json")]
pub struct Erase {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Erases an account from stores, evidence, checkpoints and topics
    Account {
        /// The account: its platform as in posts, a colon, and the platform's id of the account
        #[arg(value_name = "PLATFORM:ID", value_parser = account)]
        account: Account,
        /// A name that the account has or had, if no post and no group on record shows it; may be given several times
        #[arg(long, value_name = "NAME")]
        name: Vec<String>,
        /// Say what would be erased and where, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Print as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// The log of the services.
enum Place {
    /// There is none here.
    Absent,
    /// The embedded log; locked unless nothing is to be changed.
    Embedded {
        log: Log,
        stopped: Option<StoppedLog>,
    },
    Kafka(Log),
}

impl Place {
    fn log(&self) -> Option<&Log> {
        match self {
            Place::Absent => None,
            Place::Embedded { log, .. } | Place::Kafka(log) => Some(log),
        }
    }
}

impl Erase {
    pub fn run(self) -> Result<()> {
        let Action::Account { account: Account { platform, id }, name, dry_run, json, config } = self.action;
        let config = config.load()?;
        let has_store = !has_sqlite(&config) || Path::new(&config.sharing.database).exists();
        let token = format!("erased-{}", uuid::Uuid::new_v4().simple());
        let mut erasure = Erasure::new(platform.trim().to_lowercase().as_str(), id.trim(), &token);
        name.iter().for_each(|name| erasure.add_name(name));
        let mut report = Report {
            dry_run,
            token: None,
            erased: Vec::new(),
            withdrawn: 0,
            received: Vec::new(),
            held: Vec::new(),
            left: Vec::new(),
        };
        let work = async |sharing: Option<Sharing>, report: &mut Report| -> Result<()> {
            let place = open(&config, dry_run).await?;
            if place.log().is_none() && sharing.is_none() {
                bail!(
                    "there is neither a log nor a sharing database where the configuration says: name the configuration of the services with \
                     --config"
                );
            }
            Work { config: &config, sharing, erasure, report }.run(place, dry_run).await
        };
        match has_store {
            true => with_loaded(config.clone(), async |sharing| work(Some(sharing), &mut report).await)?,
            false => {
                eprintln!("there is no sharing database {} here", config.sharing.database);
                let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
                runtime.block_on(work(None, &mut report))?;
            }
        }
        report.token = Some(token).filter(|_| !dry_run && !report.erased.is_empty());
        report.print(&format!("{platform}:{id}"), json)?;
        let complete = report.left.is_empty() && report.held.is_empty();
        if !dry_run && !complete {
            bail!("not everything is erased: the report says what is left, and why");
        }
        Ok(())
    }
}

/// How long Kafka may take to notice that a service was stopped, with its default for a session twice.
const LEAVES: Duration = Duration::from_secs(30);

/// Opens the log where it is. With the embedded log no service may use it, with Kafka none may be in its group.
async fn open(config: &Config, dry_run: bool) -> Result<Place> {
    if config.log.brokers.is_empty() {
        if !config.log.dir.join(runtime::LOG_FILE).exists() {
            eprintln!("there is no embedded log in {} here", config.log.dir.display());
            return Ok(Place::Absent);
        }
        let stopped = match dry_run {
            true => None,
            false => Some(StoppedLog::open(&config.log.dir).context("stop the services first")?),
        };
        return Ok(Place::Embedded { log: Log::open_embedded_to_read(&config.log.dir).await?, stopped });
    }
    let log = config.open_log().await?;
    if !dry_run {
        for group in [detector::GROUP, sharing::GROUP] {
            let until = Instant::now() + LEAVES;
            let mut told = false;
            while let Some(member) = log.members(group).await?.into_iter().find(|member| !member.is_own) {
                if Instant::now() >= until {
                    bail!(
                        "stop the services first: {} is in the group {group}, and would write what it remembers of the account again",
                        member.name
                    );
                }
                if !std::mem::replace(&mut told, true) {
                    eprintln!("waiting up to {} s until {} has left the group {group}", LEAVES.as_secs(), member.name);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    Ok(Place::Kafka(log))
}

/// An erasure under way.
struct Work<'a> {
    config: &'a Config,
    sharing: Option<Sharing>,
    erasure: Erasure,
    report: &'a mut Report,
}

impl Work<'_> {
    async fn run(mut self, place: Place, dry_run: bool) -> Result<()> {
        if let Some(log) = place.log() {
            topics::learn(log, &mut self.erasure).await?;
        }
        let mut in_store = ErasedFromStore::default();
        if let Some(sharing) = &self.sharing {
            self.erasure = sharing.learn_account(self.erasure.clone()).await?;
            in_store = sharing.would_erase(&self.erasure).await?;
            self.report.received = sharing.received_account(&self.erasure).await?.into_iter().collect();
        }
        self.report.held = in_store.held.clone();
        if dry_run {
            return self.foresee(&place, in_store).await;
        }
        let by = operator();
        if let Some(sharing) = &self.sharing {
            if let Some(log) = place.log().filter(|_| !in_store.held.is_empty())
                && !sharing.keep_held_evidence(log, &in_store).await?
            {
                bail!(
                    "the posts of a case under legal hold cannot be read from the log, so nothing is erased; try again"
                );
            }
            self.report.withdrawn = sharing.withdraw_erased(&self.erasure, &by).await?;
        }
        let mut elsewhere = Vec::new();
        if let Some(log) = place.log() {
            // Before anything is changed: it fails if a record of others would become unreadable.
            let found = topics::survey(log, &self.erasure).await?.into_iter().filter(|(_, found)| found.records() > 0);
            elsewhere =
                found.map(|(topic, found)| format!("topic {topic}: {}", counted(found.records(), "record"))).collect();
        }
        // The log comes after the database: until then a command that was interrupted learns the account's names from it again.
        let sharing = self.sharing.take();
        if let Some(sharing) = &sharing {
            let erased = sharing.erase_account(&self.erasure, &by, &elsewhere.join(", ")).await?;
            self.add_rows(erased);
        }
        self.erase_from_topics(place).await?;
        self.erase_checkpoints()?;
        if let Some(sharing) = sharing
            && let Err(error) = sharing.scrub().await
        {
            self.report.leave("sharing.database", format!("what was deleted is still in its files: {error}"));
        }
        Ok(())
    }

    fn add_rows(&mut self, erased: ErasedFromStore) {
        for (what, rows) in erased.rows {
            self.report.add("sharing.database", what, rows);
        }
    }

    /// Reports what would be erased.
    async fn foresee(mut self, place: &Place, in_store: ErasedFromStore) -> Result<()> {
        if let Some(sharing) = &self.sharing {
            self.report.withdrawn = sharing.would_withdraw(&self.erasure).await?;
        }
        self.add_rows(in_store);
        if let Some(log) = place.log() {
            for (topic, found) in topics::survey(log, &self.erasure).await? {
                match place {
                    Place::Kafka(_) if !topics::is_compacted(topic) => self.leave_topic(topic, &found),
                    _ => self.add_topic(topic, found.own, found.naming),
                }
            }
        }
        if self.config.detector.checkpoints.is_dir() {
            let checkpoints = Checkpoints::open_to_read(&self.config.detector.checkpoints);
            let found = checkpoints.count(|file| self.is_in(file))?;
            self.report.add("detector.checkpoints", "checkpoints", found);
        }
        Ok(())
    }

    fn add_topic(&mut self, topic: &str, own: u64, naming: u64) {
        let place = format!("topic {topic}");
        self.report.add(&place, "records of the account, deleted", own);
        self.report.add(&place, "records that name it, rewritten", naming);
    }

    fn leave_topic(&mut self, topic: &str, found: &topics::Found) {
        let Some(when) = topics::expiry(&self.config.topics, topic, found) else { return };
        let mut why = format!("{} cannot be rewritten in Kafka; {when}", counted(found.records(), "record"));
        if topic == CLUSTERS_FLAGGED {
            why.push_str(". A sharing service whose offsets are reset would read them again");
        }
        if topic == messages::topics::POSTS {
            why.push_str(". A detector reads them again after this command: repeat the command after that day");
        }
        self.report.leave(&format!("topic {topic}"), why);
    }

    async fn erase_from_topics(&mut self, place: Place) -> Result<()> {
        match place {
            Place::Absent => {}
            Place::Embedded { log, stopped } => {
                // Its connections keep the file from being written anew.
                drop(log);
                let Some(mut stopped) = stopped else { return Ok(()) };
                let erasure = self.erasure.clone();
                let changed = tokio::task::block_in_place(|| -> Result<BTreeMap<_, _>> {
                    let changed = stopped.rewrite(|record| topics::change(&erasure, record))?;
                    stopped.close()?;
                    Ok(changed)
                })?;
                for (topic, changed) in changed {
                    self.add_topic(&topic, changed.deleted, changed.replaced);
                }
            }
            Place::Kafka(log) => {
                for (topic, found) in topics::survey(&log, &self.erasure).await? {
                    if !topics::is_compacted(topic) {
                        self.leave_topic(topic, &found);
                        continue;
                    }
                    if found.records() > 0 {
                        let why = "the old records go with the broker's next compaction; run the command again then";
                        self.report.leave(&format!("topic {topic}"), why);
                    }
                    let successors = found.into_successors();
                    let tombstones = successors.iter().filter(|record| record.value.is_none()).count() as u64;
                    self.add_topic(topic, tombstones, successors.len() as u64 - tombstones);
                    log.append(successors).await?;
                }
                log.shutdown().await?;
            }
        }
        Ok(())
    }

    /// Deletes the checkpoints that have the account.
    fn erase_checkpoints(&mut self) -> Result<()> {
        if self.config.detector.checkpoints.is_dir() {
            let checkpoints = Checkpoints::open(&self.config.detector.checkpoints)?;
            let removed = checkpoints.remove(|file| self.is_in(file))?;
            self.report.add("detector.checkpoints", "checkpoints, deleted", removed);
        }
        Ok(())
    }

    /// Whether a checkpoint, which is not compressed, may have the account.
    fn is_in(&self, file: &[u8]) -> bool {
        let lower = file.to_ascii_lowercase();
        std::iter::once(self.erasure.id()).chain(self.erasure.names()).any(|text| {
            let text = text.to_ascii_lowercase().into_bytes();
            memchr::memmem::find(&lower, &text).is_some()
        })
    }
}
