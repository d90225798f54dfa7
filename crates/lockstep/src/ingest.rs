//! `lockstep ingest`: appends posts from files to the log.

mod pace;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use detection::input::{BadLine, Input, InputError};
use detector::intake::{MAX_BODY, Taken};
use messages::{post, topics::POSTS};
use runtime::{Log, NewRecord};

use self::pace::Pace;
use crate::{
    Usage,
    config::ConfigFile,
    input::{self, InputOptions},
    progress::{self, counted},
};

/// Environment variable with the producer's key.
const KEY_VARIABLE: &str = "LOCKSTEP_PRODUCER_KEY";
/// Number of records sent together.
const BATCH: usize = 2_000;
/// Largest number of bytes in one request.
const REQUEST: usize = MAX_BODY / 4;
/// Number of attempts for one request; the waits between them double from a quarter of a second.
const TRIES: u32 = 8;
/// Posts that are due within this time of each other are sent together.
const STEP: Duration = Duration::from_millis(50);
/// Number of bad lines printed.
const SHOWN: u64 = 5;
/// Number of characters printed of a response that is not from an intake.
const ANSWER: usize = 200;

/// Appends posts from files to the log, from which the services read them.
///
/// Every post is translated into the native dialect, with its account as the key. Lines that cannot
/// be read go to posts.dead-letter with file, line and reason (with --to, with the line in the
/// request); of a document, the record; of a value too large for a post, its first 64 KiB. A post
/// whose optional fields cannot be read is kept without them; the fields are counted by name.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep ingest tweets.jsonl.gz --brokers localhost:9092
  lockstep ingest result.json --dialect telegram --timezone Europe/Berlin --brokers localhost:9092
  lockstep ingest posts.csv --map columns.toml --to http://127.0.0.1:8081
  lockstep ingest posts.jsonl --to http://127.0.0.1:8081 --rate 500
  lockstep ingest posts.jsonl --to https://intake.example.org:8081 --key-file collector.key")]
pub struct Ingest {
    /// Files of posts; - is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    input: InputOptions,
    /// Addresses of Apache Kafka, host:port,host:port
    #[arg(long, conflicts_with = "to")]
    brokers: Option<String>,
    /// URL of a running intake, for example http://127.0.0.1:8081
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// File with the producer's key for the intake, from `lockstep producers add NAME`; without this option
    /// the key in LOCKSTEP_PRODUCER_KEY, if it is set
    #[arg(long, value_name = "FILE", requires = "to")]
    key_file: Option<PathBuf>,
    /// PEM file with the authority that issued the intake's certificate, if it is not a public one
    #[arg(long, value_name = "FILE", requires = "to")]
    ca: Option<PathBuf>,
    /// Send at most this many posts a second, so that a backfill leaves room for live posts
    #[arg(long, value_name = "POSTS", value_parser = pace::positive)]
    rate: Option<f64>,
    /// Send posts in the rhythm of their own times, this many times as fast: 1 as they were posted, 60 an
    /// hour in a minute. The files must be in order of time
    #[arg(long, value_name = "FACTOR", value_parser = pace::positive)]
    speedup: Option<f64>,
    #[command(flatten)]
    config: ConfigFile,
}

impl Ingest {
    pub fn run(self) -> Result<()> {
        if self.input.show_mapping {
            return self.input.show_mapping(&self.files);
        }
        let mut config = self.config.load()?;
        if let Some(brokers) = &self.brokers {
            config.log.brokers.clone_from(brokers);
        }
        let template = "ingesting {bar:30} {bytes}/{total_bytes} {msg}";
        let bar = progress::bar(None, template);
        let input = Input::open(&self.files, self.input.options(&bar)?)?;
        let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
        let mut target = match &self.to {
            Some(url) => Target::Intake(Intake::new(url, key(self.key_file.as_deref())?, self.ca.as_deref())?),
            None if config.log.brokers.is_empty() => {
                return Err(Usage(
                    "no destination is given: use --brokers host:port for Apache Kafka, or --to URL for a running intake \
                     (the embedded log belongs to the process that serves it)"
                        .to_owned(),
                )
                .into());
            }
            None => Target::Log(Box::new(runtime.block_on(async {
                let log = config.open_log().await?;
                config.topics.create(&log).await?;
                anyhow::Ok(log)
            })?)),
        };
        if let Some(total) = input.total_bytes() {
            bar.set_length(total);
        }
        let outbox = std::cell::RefCell::new(Outbox::default());
        let mut bad_lines = 0;
        let (mut pace, began) = (Pace::new(self.rate, self.speedup), Instant::now());
        let counts = input.each::<IngestError>(
            &mut |post, _| {
                let wait = pace.due(post.created_at).saturating_sub(began.elapsed());
                if wait >= STEP {
                    // What is due already does not wait for the rest.
                    outbox.borrow_mut().send(&runtime, &mut target)?;
                    std::thread::sleep(wait);
                }
                let value = post::encode(post);
                outbox.borrow_mut().put(NewRecord::new(POSTS, post::key(post), value));
                outbox.borrow_mut().send_if_full(&runtime, &mut target)
            },
            &mut |bad: BadLine| {
                bad_lines += 1;
                if bad_lines <= SHOWN {
                    bar.suspend(|| eprintln!("warning: {bad}"));
                }
                let file = bad.file.display().to_string();
                let record = detector::intake::rejected(&bad.raw, bad.length, &bad.error, &file, bad.line);
                outbox.borrow_mut().put(record);
            },
            &mut |now| {
                bar.set_position(now.bytes);
                bar.set_message(format!("{} posts", progress::count(now.posts)));
            },
        )?;
        outbox.borrow_mut().send(&runtime, &mut target)?;
        let taken = match &target {
            Target::Intake(intake) => Some(intake.taken),
            Target::Log(_) => None,
        };
        bar.finish_and_clear();
        if let Target::Log(log) = &target {
            runtime.block_on(log.shutdown())?;
        }
        if counts.bad > SHOWN {
            eprintln!("warning: {} more could not be read", counted(counts.bad - SHOWN, "line"));
        }
        eprintln!(
            "{} ingested, {} rejected to posts.dead-letter, {} and {} skipped",
            counted(counts.posts, "post"),
            counted(counts.bad, "line"),
            counted(counts.duplicates, "duplicate"),
            counted(counts.not_posts + counts.passed_over, "other value")
        );
        input::print_warnings(&counts);
        for damage in &counts.damaged {
            eprintln!("error: {damage}");
        }
        if !counts.damaged.is_empty() {
            bail!("part of the input could not be read; what could be read was ingested");
        }
        if counts.posts == 0 {
            bail!("no post could be read; {}", self.input.advice());
        }
        if let Some(taken) = taken.filter(|taken| *taken != counts.posts) {
            bail!(
                "the intake accepted {taken} of {}; the others are in its posts.dead-letter",
                counted(counts.posts, "post")
            );
        }
        Ok(())
    }
}

/// The producer's key in a file or in the environment, if there is one.
pub fn key(file: Option<&Path>) -> Result<Option<String>> {
    let key = match file {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read the key in {}", path.display()))?
        }
        None => match std::env::var(KEY_VARIABLE) {
            Ok(key) => key,
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(error) => return Err(Usage(format!("{KEY_VARIABLE}: {error}")).into()),
        },
    };
    let key = key.trim();
    if runtime::keys::parse(key).is_none() {
        let place = file.map_or(KEY_VARIABLE.to_owned(), |path| path.display().to_string());
        return Err(Usage(format!(
            "{place} does not hold the key of a producer, which begins with lockstep_: `lockstep producers add NAME` makes one"
        ))
        .into());
    }
    Ok(Some(key.to_owned()))
}

enum Target {
    Log(Box<Log>),
    Intake(Intake),
}

/// Why posts could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Log(#[from] runtime::LogError),
    #[error("{0}")]
    Intake(String),
}

/// Records to be sent.
#[derive(Default)]
struct Outbox {
    records: Vec<NewRecord>,
    bytes: usize,
}

impl Outbox {
    fn put(&mut self, record: NewRecord) {
        self.bytes += record.size() + 1;
        self.records.push(record);
    }

    fn send_if_full(&mut self, runtime: &tokio::runtime::Runtime, target: &mut Target) -> Result<(), IngestError> {
        if self.records.len() < BATCH && self.bytes < REQUEST { Ok(()) } else { self.send(runtime, target) }
    }

    fn send(&mut self, runtime: &tokio::runtime::Runtime, target: &mut Target) -> Result<(), IngestError> {
        let records = std::mem::take(&mut self.records);
        self.bytes = 0;
        if records.is_empty() {
            return Ok(());
        }
        match target {
            Target::Log(log) => Ok(runtime.block_on(log.append(records))?),
            Target::Intake(intake) => intake.send(&records),
        }
    }
}

/// A running intake.
pub struct Intake {
    agent: ureq::Agent,
    url: String,
    key: Option<String>,
    /// Number of posts that it accepted.
    taken: u64,
    reached: bool,
}

impl Intake {
    pub fn new(url: &str, key: Option<String>, ca: Option<&Path>) -> Result<Intake> {
        let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/') || host.contains(char::is_whitespace)) {
            return Err(Usage(format!(
                "--to {url} is not the URL of an intake: expected for example http://127.0.0.1:8081"
            ))
            .into());
        }
        if key.is_some() && !is_private(url) {
            return Err(Usage(format!(
                "--to {url} is not encrypted, and others could read the key on the way: use https, or unset {KEY_VARIABLE} if this \
                 intake needs no key"
            ))
            .into());
        }
        let mut settings =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(120)));
        if let Some(path) = ca {
            let roots = ureq::tls::RootCerts::new_with_certs(&authorities(path)?);
            settings = settings.tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build());
        }
        let agent = settings.build().into();
        let url = format!("{}/v1/posts", url.trim_end_matches('/').trim_end_matches("/v1/posts"));
        Ok(Intake { agent, url, key, taken: 0, reached: false })
    }

    /// Sends the values unchanged, posts and rejected lines alike; the intake turns the latter into
    /// dead letters. An intake that is busy or unavailable for a moment is tried again; one that
    /// never answered is not.
    pub fn send(&mut self, records: &[NewRecord]) -> Result<(), IngestError> {
        let mut body = Vec::new();
        for value in records.iter().filter_map(|record| record.value.as_deref()) {
            // A CSV row or an element of a document may span several lines; a request has one value
            // per line.
            body.extend(value.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
            body.push(b'\n');
        }
        let mut wait = Duration::from_millis(250);
        let mut problem = String::new();
        for attempt in 1..=TRIES {
            let mut request = self.agent.post(&self.url).content_type("application/x-ndjson");
            if let Some(key) = &self.key {
                request = request.header("authorization", format!("Bearer {key}"));
            }
            match request.send(&body[..]) {
                Ok(mut answer) if answer.status().is_success() => {
                    let taken: Taken = answer.body_mut().read_json().map_err(|_| {
                        IngestError::Intake(format!("{} does not answer like an intake; is the URL right?", self.url))
                    })?;
                    self.taken += taken.accepted;
                    self.reached = true;
                    return Ok(());
                }
                Ok(mut answer) => {
                    let status = answer.status();
                    let text = answer.body_mut().read_to_string().unwrap_or_default();
                    problem = format!("{status}: {}", line(&text));
                    if status == 404 || status == 405 {
                        problem =
                            format!("{status}; is it the intake's address, [intake] listen in the configuration?");
                    }
                    if status == 401 {
                        let given = if self.key.is_some() { "the key is not valid there" } else { "it needs a key" };
                        problem = format!(
                            "{status}: {given}; its operator makes one with `lockstep producers add NAME`; give it with --key-file \
                             or in {KEY_VARIABLE}"
                        );
                    }
                    if status != 429 && status != 503 {
                        break;
                    }
                }
                Err(error) if self.reached => problem = error.to_string(),
                Err(error) => {
                    problem = format!("{error}; is `lockstep serve all` or `lockstep serve intake` running there?");
                    break;
                }
            }
            if attempt == TRIES {
                break;
            }
            if attempt == 3 {
                eprintln!("waiting for {}: {problem}", self.url);
            }
            std::thread::sleep(wait);
            wait *= 2;
        }
        let so_far = match self.taken {
            0 => String::new(),
            n => {
                format!(
                    " (it accepted {} before; if you send them again, they are dropped as duplicates)",
                    counted(n, "post")
                )
            }
        };
        Err(IngestError::Intake(format!("{} does not accept the posts: {problem}{so_far}", self.url)))
    }
}

/// Whether nobody on the way can read what is sent: TLS, or this machine.
fn is_private(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return true };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn authorities(path: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>> {
    let pem = std::fs::read(path).with_context(|| format!("cannot read the authority in {}", path.display()))?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        let item = item.with_context(|| format!("{} is not in PEM form", path.display()))?;
        if let ureq::tls::PemItem::Certificate(certificate) = item {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        bail!("{} has no certificate in PEM form", path.display());
    }
    Ok(found)
}

/// The start of a response, in one line.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(ANSWER).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_only_where_nobody_on_the_way_can_read_it() {
        for url in
            ["https://intake.example.org", "http://127.0.0.1:8081", "http://[::1]:8081/v1/posts", "http://localhost"]
        {
            assert!(is_private(url), "{url}");
        }
        for url in [
            "http://intake.example.org:8081",
            "http://10.0.0.1",
            "http://localhost.example.org",
            "http://127.0.0.1@evil.example/",
            "http://evil.example/127.0.0.1",
        ] {
            assert!(!is_private(url), "{url}");
        }
    }
}
