//! `lockstep demo`: the whole chain in one process.

use std::{
    io::IsTerminal,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use casework::{
    Reviewers, Tlp,
    policy::{Class, Recipient},
};
use clap::Args;
use coordination::Millis;
use detection::input::{Input, NoticeSink, Options};
use messages::{post, topics::POSTS};
use runtime::{Log, NewRecord, http, shutdown::Shutdown, telemetry};

use crate::{
    config::{Config, Loaded},
    detect::println_json,
    progress,
    serve::{Role, Services},
};

/// Posts of the world `demo`, seed 1: `lockstep simulate --world demo --seed 1`.
const SAMPLE: &[u8] = include_bytes!("../sample/demo.jsonl.zst");
/// Number of posts replayed at a time.
const BATCH: usize = 500;
/// Number of posts that replay may be ahead of the detector before the first case exists.
const AHEAD: usize = 2 * BATCH;
/// Longest wait between two batches, however long the gap in event time.
const LONGEST_WAIT: Duration = Duration::from_millis(200);
const REFRESH: Duration = Duration::from_millis(250);

/// Runs the whole chain in one process: posts, detection, cases, a partner's feed and the console.
///
/// Everything runs on the embedded log in a temporary folder. Automatic reviewers approve the
/// cases, for demonstration only; every page says so. Ends with ctrl-c, or by itself with --once.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep demo
  lockstep demo --once                    replay all posts, print a summary and exit; no port is used
  lockstep demo --posts posts.jsonl.gz    with your own posts")]
pub struct Demo {
    /// Exit after all posts were processed, with a summary
    #[arg(long)]
    once: bool,
    /// Files of posts instead of the bundled simulated sample
    #[arg(long, value_name = "FILE", num_args = 1..)]
    posts: Vec<PathBuf>,
    /// Hours of event time per second; by default the sample takes about half a minute. With --once
    /// there is no wait
    #[arg(long, value_name = "HOURS")]
    speed: Option<f64>,
    /// Address of the console and of the partners' feeds; default: 127.0.0.1:8080, or the next free
    /// port
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address of /metrics, /live and /ready; default: 127.0.0.1:9464, or the next free port
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Address of POST /v1/posts; default: 127.0.0.1:8081, or the next free port
    #[arg(long, value_name = "ADDR")]
    intake: Option<SocketAddr>,
    /// Keep the log and the cases in this folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// With --once: print the summary as JSON on standard output
    #[arg(long, requires = "once")]
    json: bool,
}

impl Demo {
    pub fn run(self) -> Result<()> {
        let temporary =
            tempfile::Builder::new().prefix("lockstep-demo-").tempdir().context("cannot create a folder")?;
        let data = self.data.clone().unwrap_or_else(|| temporary.path().to_owned());
        let mut sample = None;
        let files = if self.posts.is_empty() {
            let path = temporary.path().join("demo.jsonl.zst");
            std::fs::write(&path, SAMPLE).context("cannot unpack the sample")?;
            sample = Some("a simulated sample (synthetic, without real people)");
            vec![path]
        } else {
            self.posts.clone()
        };
        let notices = NoticeSink::new(|notice| {
            eprintln!("{}{notice}", if notice.warning { "warning: " } else { "" });
        });
        let input = Input::open(&files, Options { notices, ..Options::default() })?;
        let Loaded { mut config, warnings, .. } = Config::load(None)?;
        warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        config.log.brokers.clear();
        config.log.dir = data.join("log");
        // With --once no port is needed, unless an address was given.
        let ports = !self.once || self.listen.is_some() || self.admin.is_some() || self.intake.is_some();
        if ports {
            let mut taken = Vec::new();
            config.sharing.listen = port("--listen", self.listen, config.sharing.listen, &mut taken)?;
            config.intake.listen = port("--intake", self.intake, config.intake.listen, &mut taken)?;
            config.admin.listen = port("--admin", self.admin, config.admin.listen, &mut taken)?;
        }
        config.sharing.database = data.join("sharing.sqlite").display().to_string();
        config.detector.checkpoint_every_s = 0;
        config.sharing.reviewers = Reviewers::Demo;
        config.sharing.invented_recipients = true;
        if std::env::var_os("LOCKSTEP__TELEMETRY__FILTER").is_none() {
            // The progress line shows the state; log lines would break it.
            config.telemetry.filter = "warn".to_owned();
        }
        telemetry::init(&config.telemetry)?;
        tokio::runtime::Runtime::new().context("cannot start")?.block_on(self.play(config, &data, input, sample, ports))
    }

    async fn play(
        self,
        mut config: Config,
        data: &Path,
        input: Input,
        sample: Option<&str>,
        ports: bool,
    ) -> Result<()> {
        let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
        // All files are read before anything starts, so that a file that cannot be read does not
        // stop a running demo.
        let mut bad = 0u64;
        let mut posts = tokio::task::block_in_place(|| {
            input.sorted(
                &mut |line| {
                    bad += 1;
                    if bad <= 5 {
                        eprintln!("warning: {line}");
                    }
                },
                &mut |_| {},
            )
        })?;
        let total = posts.counts().posts;
        if total == 0 {
            anyhow::bail!("no post could be read; {} lines were rejected", posts.counts().bad);
        }
        crate::input::print_warnings(posts.counts());
        for damage in &posts.counts().damaged {
            eprintln!("warning: {damage}");
        }
        let mut platforms = std::collections::BTreeSet::new();
        let mut span: Option<(Millis, Millis)> = None;
        let mut all: Vec<(Millis, NewRecord)> = Vec::new();
        while let Some(raw) = posts.advance()? {
            let post = post::decode(raw)?;
            platforms.insert(post.platform.to_string());
            span = Some((span.map_or(post.created_at, |(first, _)| first), post.created_at));
            all.push((post.created_at, NewRecord::new(POSTS, post::key(&post), post::encode(&post))));
        }
        let partners: Vec<Recipient> = platforms.iter().map(|platform| partner(platform)).collect();
        let recipients = data.join("sharing.toml");
        write_recipients(&recipients, &partners)?;
        config.sharing.recipients = Some(recipients);
        let log = Log::open_embedded(&config.log.dir).await?;
        let services = if ports {
            Services::start(&config, Role::All, log.clone(), shutdown.clone()).await?
        } else {
            Services::start_without_ports(&config, Role::All, log.clone(), shutdown.clone()).await?
        };
        let sharing = services.sharing.clone().context("the sharing service is not running")?;
        let console = config.sharing.listen;

        eprintln!("Lockstep demo: {} posts from {}", progress::count(total), sample.unwrap_or("your files"));
        if bad > 0 {
            eprintln!("  {} lines could not be read and were skipped", progress::count(bad));
        }
        if ports {
            eprintln!("  console   http://{console}    no login is needed; cases appear there within seconds");
            eprintln!("  metrics   http://{}/metrics", config.admin.listen);
            eprintln!("  intake    http://{}/v1/posts", config.intake.listen);
            for partner in &partners {
                // One day is enough for a demo.
                let key = sharing.extra_key(&partner.name, Some(jiff::SignedDuration::from_hours(24)), "demo").await?;
                eprintln!("  {}'s feed (TAXII 2.1):", partner.name);
                eprintln!(
                    "    curl -s -u {}:{key} -H 'Accept: application/taxii+json;version=2.1' http://{console}/taxii2/",
                    partner.name
                );
            }
        }
        eprintln!("  The demo's automatic reviewers approve the cases: no person looked.");

        let hours = span.map_or(0.0, |(first, last)| (last - first) as f64 / 3_600_000.0);
        let speed = match (self.speed, self.once) {
            (Some(speed), _) => Some(speed.max(0.001)),
            (None, true) => None,
            (None, false) => Some((hours / 30.0).max(0.1)),
        };
        let began = Instant::now();
        let progress_task = tokio::spawn(show_progress(
            services.metrics.clone(),
            total,
            began,
            shutdown.clone(),
            services.detected.clone(),
        ));
        let metrics = services.metrics.clone();
        replay(&log, all, speed, || Figures::read(&metrics.text()), &shutdown).await?;
        services.ended.send_replace(true);
        let mut detected = services.detected.clone();
        tokio::select! {
            seen = detected.wait_for(|done| *done) => { seen.ok(); }
            () = shutdown.stopping() => {}
        }
        progress_task.await?;
        if !shutdown.is_stopping() {
            // Sharing may still be processing the last flagged clusters.
            wait_for_sharing(&log, &shutdown).await?;
            self.summary(&services, total, began.elapsed())?;
        }
        if self.once {
            shutdown.stop();
        } else if !shutdown.is_stopping() {
            eprintln!("All posts were processed. The console stays at http://{console}; end with ctrl-c.");
        }
        services.join().await?;
        log.shutdown().await?;
        Ok(())
    }

    fn summary(&self, services: &Services, posts: u64, took: Duration) -> Result<()> {
        let rows = Figures::read(&services.metrics.text());
        if self.json {
            return println_json(&serde_json::json!({
                "posts": posts,
                "seconds": took.as_secs_f64(),
                "accepted": rows.accepted,
                "dead_letters": rows.dead,
                "candidates": rows.candidates,
                "clusters": { "flagged": rows.flagged, "coordinated": rows.coordinated, "single_source": rows.single },
                "near_misses": rows.near,
                "cases": rows.cases,
                "objects_published": rows.objects,
            }));
        }
        eprintln!();
        for (name, value) in [
            ("posts", rows.accepted),
            ("dead letters", rows.dead),
            ("candidate groups tested", rows.candidates),
            ("clusters: flagged", rows.flagged),
            ("clusters: coordinated", rows.coordinated),
            ("clusters: single source", rows.single),
            ("near misses", rows.near),
            ("cases", rows.cases),
            ("objects in partners' feeds", rows.objects),
        ] {
            eprintln!("  {name:32} {:>10}", progress::count(value));
        }
        eprintln!("  {:32} {:>9.1}s", "took", took.as_secs_f64());
        Ok(())
    }
}

/// The partner of a platform.
fn partner(platform: &str) -> Recipient {
    Recipient {
        name: format!("{platform}-trust-and-safety"),
        platform: Some(platform.to_owned()),
        ..invented_recipient(Class::Platform)
    }
}

/// An invented recipient of a class.
fn invented_recipient(class: Class) -> Recipient {
    Recipient {
        name: format!("demo-{}", class.name().replace('_', "-")),
        class,
        platform: None,
        state: None,
        chief_election_official: false,
        contact: "nobody: invented for the demo".to_owned(),
        delivery: None,
        webhook: None,
        tlp_ceiling: Tlp::Amber,
    }
}

/// Writes the demo's recipients: the platforms, and one of every other class as an example. The
/// demo's reviewers notify only the platforms.
fn write_recipients(path: &Path, partners: &[Recipient]) -> Result<()> {
    #[derive(serde::Serialize)]
    struct File {
        recipients: Vec<Recipient>,
    }
    let mut recipients = partners.to_vec();
    recipients.extend(Class::ALL.into_iter().filter(|class| *class != Class::Platform).map(invented_recipient));
    let official = invented_recipient(Class::StateLocal);
    recipients.push(Recipient {
        name: "demo-election-official".to_owned(),
        state: Some("OH".to_owned()),
        chief_election_official: true,
        ..official
    });
    let text = toml::to_string_pretty(&File { recipients }).context("cannot write the demo's recipients")?;
    let text = format!("# Written by lockstep demo at every start. Every recipient is invented.\n\n{text}");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// An address to listen on: the given one, or the default, or the next free port if the default is
/// in use.
fn port(option: &str, asked: Option<SocketAddr>, usual: SocketAddr, taken: &mut Vec<SocketAddr>) -> Result<SocketAddr> {
    let wanted = asked.unwrap_or(usual);
    let is_free = |address: SocketAddr| address.port() == 0 || (!taken.contains(&address) && http::is_free(address));
    let address = match (is_free(wanted), asked) {
        (true, _) => wanted,
        (false, asked) => {
            let free = http::next_free(wanted, taken);
            let free = free.with_context(|| format!("{wanted} and the next ports are in use: set {option}"))?;
            if asked.is_some() {
                anyhow::bail!(
                    "cannot listen on {option} {wanted}: the port is in use, or this machine does not have the address; {free} is free"
                );
            }
            eprintln!("note: {wanted} is in use, using {free} instead ({option})");
            free
        }
    };
    taken.push(address);
    Ok(address)
}

/// Appends the posts: as fast as possible until the first case exists, then at `speed` hours of
/// event time per second.
async fn replay(
    log: &Log,
    posts: Vec<(Millis, NewRecord)>,
    speed: Option<f64>,
    figures: impl Fn() -> Figures,
    shutdown: &Shutdown,
) -> Result<()> {
    let mut piece: Vec<NewRecord> = Vec::new();
    let mut from = posts.first().map_or(0, |(at, _)| *at);
    let count = posts.len();
    let mut waits_for_case = speed.is_some();
    for (i, (at, record)) in posts.into_iter().enumerate() {
        piece.push(record);
        let wait = match speed.filter(|_| !waits_for_case) {
            Some(speed) => {
                let hours = (at - from).max(0) as f64 / 3_600_000.0;
                Duration::from_secs_f64((hours / speed).min(LONGEST_WAIT.as_secs_f64()))
            }
            None => Duration::ZERO,
        };
        if piece.len() >= BATCH || wait >= Duration::from_millis(40) || i + 1 == count {
            log.append(std::mem::take(&mut piece)).await?;
            from = at;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.stopping() => return Ok(()),
            }
            // Stays close to the detector, so that the first case exists before all posts were
            // replayed.
            while waits_for_case && !shutdown.is_stopping() {
                let now = figures();
                waits_for_case = now.cases == 0;
                if now.accepted + AHEAD as u64 > i as u64 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    Ok(())
}

/// Waits until sharing has processed all flagged clusters.
async fn wait_for_sharing(log: &Log, shutdown: &Shutdown) -> Result<()> {
    use messages::topics::CLUSTERS_FLAGGED;
    let until = Instant::now() + Duration::from_secs(30);
    while !shutdown.is_stopping() && Instant::now() < until {
        let ends = log.end_offsets(CLUSTERS_FLAGGED).await?;
        let read = log.committed("sharing", CLUSTERS_FLAGGED).await?;
        if ends.iter().zip(&read).all(|(end, read)| read.unwrap_or(0) >= *end) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Shows progress: a progress line on a terminal, otherwise a plain line from time to time.
async fn show_progress(
    metrics: runtime::metrics::Metrics,
    total: u64,
    began: Instant,
    shutdown: Shutdown,
    detected: tokio::sync::watch::Receiver<bool>,
) {
    let terminal = std::io::stderr().is_terminal();
    let bar = progress::bar(Some(total), "  {bar:24} {human_pos}/{human_len} posts  {msg}");
    let mut last_line = Instant::now();
    let mut last = String::new();
    while !shutdown.is_stopping() && !*detected.borrow() {
        tokio::time::sleep(REFRESH).await;
        let now = Figures::read(&metrics.text());
        let line = format!(
            "event time {}  {} candidates, {} flagged, {} cases, {} objects shared",
            now.event_time(),
            progress::count(now.candidates),
            now.flagged,
            now.cases,
            now.objects
        );
        if terminal {
            bar.set_position(now.accepted);
            bar.set_message(line);
        } else if line != last && last_line.elapsed() >= Duration::from_secs(3) {
            eprintln!("  {:>5.1}s  {} posts  {line}", began.elapsed().as_secs_f64(), progress::count(now.accepted));
            last_line = Instant::now();
            last = line;
        }
    }
    bar.finish_and_clear();
}

/// Values from the metrics, for the progress line and the summary. An operator sees the same
/// values.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    accepted: u64,
    dead: u64,
    candidates: u64,
    flagged: u64,
    coordinated: u64,
    single: u64,
    near: u64,
    cases: u64,
    objects: u64,
    watermark: f64,
}

impl Figures {
    fn read(text: &str) -> Figures {
        let mut figures = Figures::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let n = value as u64;
            let labelled = |name: &str, label: &str| line.starts_with(name) && line.contains(label);
            if labelled("lockstep_posts_total{", "\"dead_letter\"") {
                figures.dead += n;
            } else if name.starts_with("lockstep_posts_total{") {
                figures.accepted += n;
            } else if name == "lockstep_candidates_total" {
                figures.candidates = n;
            } else if labelled("lockstep_clusters_standing{", "\"flagged\"") {
                figures.flagged = n;
            } else if labelled("lockstep_clusters_standing{", "\"coordinated\"") {
                figures.coordinated = n;
            } else if labelled("lockstep_clusters_standing{", "\"single_source\"") {
                figures.single = n;
            } else if labelled("lockstep_clusters_standing{", "\"near_miss\"") {
                figures.near = n;
            } else if name.starts_with("lockstep_sharing_cases{") {
                figures.cases += n;
            } else if name == "lockstep_sharing_objects_published_total" {
                figures.objects += n;
            } else if name == "lockstep_watermark_seconds" {
                figures.watermark = value;
            }
        }
        figures
    }

    fn event_time(&self) -> String {
        match jiff::Timestamp::from_second(self.watermark as i64) {
            Ok(at) if self.watermark > 0.0 => at.strftime("%Y-%m-%d %H:%M").to_string(),
            _ => "-".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_metrics() {
        let text = "# HELP x y\nlockstep_posts_total{outcome=\"accepted\"} 7\nlockstep_posts_total{outcome=\"late\"} 2\n\
            lockstep_posts_total{outcome=\"dead_letter\"} 1\nlockstep_sharing_cases{state=\"released\"} 3\n\
            lockstep_sharing_objects_published_total 40\nlockstep_watermark_seconds 1700000000\n";
        let figures = Figures::read(text);
        assert_eq!((figures.accepted, figures.dead, figures.cases, figures.objects), (9, 1, 3, 40));
        assert_eq!(figures.event_time(), "2023-11-14 22:13");
    }
}
