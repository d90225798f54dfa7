//! `lockstep serve`: the services, together or one at a time.

mod metrics;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use detector::{DetectorMetrics, Service};
use runtime::{
    Identity, Log,
    admin::{self, Check, Readiness},
    http,
    keys::KeyFile,
    metrics::{IntCounterVec, IntGauge, Metrics},
    shutdown::{Shutdown, drain},
    telemetry,
};
use sharing::{Server, Sharing};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};

use self::metrics::{ProcessMetrics, REFUSALS};
use crate::config::{Config, ConfigFile};

/// Time for the services to finish when they are told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// Time for requests to the log that are not answered when everything else has stopped.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// The property with the name of an instance in its consumer groups.
const INSTANCE: &str = "group.instance.id";

/// Runs the services, until interrupted.
///
/// Without --brokers (and without log.brokers in the configuration) the services use the embedded
/// log, which only one process can use: then run `serve all`, and send posts with `lockstep ingest
/// --to http://127.0.0.1:8081`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep serve all --config config/lockstep.toml --brokers localhost:9092
  lockstep serve all                     one process, embedded log in .lockstep/log
  lockstep serve detect --brokers kafka:9092 --admin 127.0.0.1:9465
  lockstep serve share --seed config/taxii-seed.example.json --database /tmp/seeded.sqlite   for TAXII conformance tests")]
pub struct Serve {
    /// Which services to run
    role: Role,
    /// Addresses of Apache Kafka, host:port,host:port
    #[arg(long)]
    brokers: Option<String>,
    /// Address of the role's own HTTP service (console, TAXII and API for share and all; intake of
    /// posts for intake)
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address of /metrics, /live and /ready
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Database of cases, partners and collections: a file, or postgres://user@host/database
    #[arg(long, value_name = "PLACE")]
    database: Option<String>,
    /// Fill an empty database with the collections and users of this file, for a TAXII conformance
    /// suite; with `share` only
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Services of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Everything in one process
    All,
    /// From posts over HTTP to the log
    Intake,
    /// From posts to flagged clusters; one process at a time, a second one is its standby
    Detect,
    /// From flagged clusters to partners: cases, console, TAXII
    Share,
}

impl Role {
    fn has(self, other: Role) -> bool {
        self == Role::All || self == other
    }
}

impl Serve {
    pub fn run(self) -> Result<()> {
        let (mut config, warnings) = self.config.read()?;
        if let Some(brokers) = &self.brokers {
            config.log.brokers.clone_from(brokers);
        }
        if let Some(admin) = self.admin {
            config.admin.listen = admin;
        }
        if let Some(database) = self.database {
            config.sharing.database = database;
        }
        if self.seed.is_some() && self.role != Role::Share {
            bail!("--seed is for tests of the sharing service: run `lockstep serve share --seed FILE`");
        }
        config.sharing.seed = self.seed;
        match (self.role, self.listen) {
            (Role::Intake, Some(listen)) => config.intake.listen = listen,
            (_, Some(listen)) => config.sharing.listen = listen,
            (_, None) => {}
        }
        telemetry::init(&config.telemetry)?;
        for warning in warnings {
            tracing::warn!("configuration: {warning}");
        }
        for warning in config.permissions() {
            tracing::warn!("permissions: {warning}");
        }
        let identity = identity(self.role, &config);
        if let Some(identity) = &identity {
            config.log.properties.insert(INSTANCE.to_owned(), identity.name().to_owned());
        }
        let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
        let outcome = runtime.block_on(async {
            let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
            let log = config.open_log().await?;
            tracing::info!(home = log.home(), "log is open");
            let services = Services::start(&config, self.role, log.clone(), shutdown.clone()).await?;
            let outcome = services.join().await;
            drain("log", DRAIN, log.shutdown()).await.transpose()?;
            outcome
        });
        // A request to brokers that do not answer must not keep the process.
        runtime.shutdown_timeout(LAST_REQUESTS);
        outcome
    }
}

/// The name of this instance in its consumer groups, so that it has its place again at once after
/// it was killed. `None` if it joins no group on Kafka, or if the configuration has a name.
fn identity(role: Role, config: &Config) -> Option<Identity> {
    let kafka = !config.log.brokers.is_empty() && role != Role::Intake;
    if !kafka || config.log.properties.contains_key(INSTANCE) {
        return None;
    }
    let role = role.to_possible_value()?;
    match Identity::take(&config.log.dir, role.get_name()) {
        Ok(identity) => {
            tracing::info!(instance = identity.name(), "the name of this instance in its consumer groups");
            Some(identity)
        }
        Err(error) => {
            let dir = config.log.dir.display();
            tracing::warn!(
                %error,
                "this instance has no lasting name, so a restart after a kill waits until Kafka has given up the old member; \
                 make {dir} (log.dir) writable, or set {INSTANCE} in log.properties"
            );
            None
        }
    }
}

/// Running services.
pub struct Services {
    tasks: JoinSet<Result<()>>,
    shutdown: Shutdown,
    /// The sharing service, if it runs in this process.
    pub sharing: Option<Sharing>,
    /// The registry behind /metrics.
    pub metrics: Metrics,
    /// Set to true when no more posts will come.
    pub ended: watch::Sender<bool>,
    /// Becomes true when all posts have been read and all findings are published.
    pub detected: watch::Receiver<bool>,
}

impl Services {
    /// Starts the services of a role. All addresses are bound before anything runs, so that a wrong
    /// address fails immediately.
    pub async fn start(config: &Config, role: Role, log: Log, shutdown: Shutdown) -> Result<Services> {
        Services::start_with(config, role, log, shutdown, true).await
    }

    /// The same without ports: these services do not answer requests.
    pub async fn start_without_ports(config: &Config, role: Role, log: Log, shutdown: Shutdown) -> Result<Services> {
        Services::start_with(config, role, log, shutdown, false).await
    }

    async fn start_with(config: &Config, role: Role, log: Log, shutdown: Shutdown, ports: bool) -> Result<Services> {
        let metrics = Metrics::new()?;
        let ProcessMetrics { refused, ready, deleted } = ProcessMetrics::new(&metrics)?;
        let readiness = Readiness::new();
        // All checks are there before the first answer: a service that is starting is not ready.
        let log_check = readiness.check("log");
        let detector_check = role.has(Role::Detect).then(|| readiness.check("detector"));
        let sharing_checks = role.has(Role::Share).then(|| (readiness.check("database"), readiness.check("sharing")));
        if ports {
            // Addresses may also come from the command line, after the configuration was checked.
            config.check_listeners()?;
        }
        let admin = if ports {
            let listener = http::listen(config.admin.listen).await;
            let listener = listener.context("metrics and health: admin.listen in the configuration, or --admin")?;
            let problem = |why| anyhow!("configuration: {why}");
            let token = config.admin.token().map_err(problem)?;
            let guard = guard("admin", &config.admin.hosts, None, &refused);
            let routes = guard.protect(admin::router(metrics.clone(), readiness.clone(), token));
            Some((routes, listener, serving(config.admin.tls.open("admin.tls").map_err(problem)?)))
        } else {
            None
        };
        let intake = if ports && role.has(Role::Intake) {
            let option = if role == Role::Intake { "--listen" } else { "LOCKSTEP__INTAKE__LISTEN in the environment" };
            let listener = http::listen(config.intake.listen).await;
            let listener = listener
                .with_context(|| format!("posts over HTTP: intake.listen in the configuration, or {option}"))?;
            let problem = |why| anyhow!("configuration: {why}");
            let keys = config.intake.keys().map_err(problem)?;
            let guard = guard("intake", &config.intake.hosts, keys, &refused);
            let counted = detector::intake::IntakeMetrics::new(&metrics)?;
            let routes = guard.protect(detector::intake::router(log.clone(), counted));
            Some((routes, listener, serving(config.intake.tls.open("intake.tls").map_err(problem)?)))
        } else {
            None
        };
        let sharing = if role.has(Role::Share) {
            let (config, metrics) = (config.sharing.clone(), metrics.clone());
            Some(tokio::task::spawn_blocking(move || Sharing::open(config, &metrics)).await??)
        } else {
            None
        };
        let console = match &sharing {
            Some(sharing) if ports => {
                let server = Server::new(sharing.clone());
                let listener = server.bind().await;
                let listener =
                    listener.context("console and feeds: sharing.listen in the configuration, or --listen")?;
                Some((server, listener))
            }
            _ => None,
        };
        config.topics.create(&log).await?;
        log_check.ready();

        let mut tasks = JoinSet::new();
        for (routes, listener, serving) in [admin, intake].into_iter().flatten() {
            let stop = shutdown.clone();
            tasks.spawn(async move {
                http::serve(routes, listener, serving, stop).await;
                Ok(())
            });
        }
        tasks.spawn(show_readiness(readiness.clone(), ready, shutdown.clone()));
        tasks.spawn(watch_log(log.clone(), log_check, deleted, shutdown.clone()));
        let (ended, ended_seen) = watch::channel(false);
        let (done, detected) = watch::channel(false);
        if let Some(check) = detector_check {
            let service = Service::new(log.clone(), &config.detector, DetectorMetrics::new(&metrics)?)?;
            let stop = shutdown.clone();
            tasks.spawn(async move { Ok(service.run(check, stop, ended_seen, done).await?) });
        }
        if let Some((server, listener)) = console {
            let stop = shutdown.clone();
            tasks.spawn(async move {
                server.serve(listener, stop).await;
                Ok(())
            });
        }
        if let (Some(sharing), Some((check, sharing_check))) = (&sharing, sharing_checks) {
            let (service, stop) = (sharing.clone(), shutdown.clone());
            tasks.spawn(async move {
                service.watch_database(check, stop).await;
                Ok(())
            });
            let (service, stop) = (sharing.clone(), shutdown.clone());
            tasks.spawn(async move {
                sharing_check.ready();
                Ok(service.run(log, stop).await?)
            });
        }
        Ok(Services { tasks, shutdown, sharing, metrics, ended, detected })
    }

    /// Waits for the end. If one service fails, the others are stopped, because a partly running
    /// chain would look healthy.
    pub async fn join(mut self) -> Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = flatten(ended);
            if ended.is_err() && outcome.is_ok() {
                outcome = ended;
            }
            if !self.shutdown.is_stopping() || outcome.is_err() {
                self.shutdown.stop();
            }
        }
        outcome
    }
}

/// What stands before the routes of a listener without a login page.
fn guard(table: &'static str, hosts: &[String], keys: Option<Arc<KeyFile>>, refused: &IntCounterVec) -> http::Guard {
    // From the first scrape on, so that a rate sees the first refusal.
    for why in REFUSALS {
        refused.with_label_values(&[table, why]);
    }
    let refused = refused.clone();
    let refused = Arc::new(move |why: &'static str| refused.with_label_values(&[table, why]).inc());
    http::Guard { table, hosts: hosts.into(), keys, refused }
}

/// Limits for clients of such a listener.
fn serving(certificates: Option<Arc<http::Certificates>>) -> http::Serving {
    let limits = http::Limits {
        connections: Some(1_000),
        head: Some(Duration::from_secs(10)),
        read: Some(Duration::from_secs(30)),
        ..http::Limits::default()
    };
    http::Serving { limits, certificates, refused: None }
}

fn flatten(ended: Result<Result<()>, JoinError>) -> Result<()> {
    ended.context("a service failed")?
}

/// Shows the result of /ready in /metrics.
async fn show_readiness(readiness: Readiness, shown: IntGauge, shutdown: Shutdown) -> Result<()> {
    while !shutdown.is_stopping() {
        shown.set(i64::from(readiness.is_ready()));
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
    Ok(())
}

/// Pings the log periodically, for the readiness check, and counts what its cleaner deleted.
async fn watch_log(log: Log, check: Check, deleted: IntCounterVec, shutdown: Shutdown) -> Result<()> {
    let mut away = false;
    loop {
        for (topic, why, records) in log.deleted_records() {
            let counter = deleted.with_label_values(&[&*topic, why]);
            counter.inc_by(records.saturating_sub(counter.get()));
        }
        tokio::select! {
            () = shutdown.stopping() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        match log.check().await {
            Ok(()) => {
                if std::mem::replace(&mut away, false) {
                    tracing::info!("the log answers again");
                }
                check.ready();
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "the log does not answer; the services wait for it");
                }
                let since = log.outage().map(|outage| format!(", since {:.0}", outage.since)).unwrap_or_default();
                check.not_ready(format!("{error}{since}"));
            }
        }
    }
}
