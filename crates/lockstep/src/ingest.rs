//! `lockstep ingest`: appends posts from files to the log.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use detection::input::{BadLine, Input, InputError};
use detector::intake::{MAX_BODY, Taken};
use messages::{post, topics::POSTS};
use runtime::{Log, NewRecord};

use crate::{
    Usage,
    config::ConfigFile,
    input::{self, InputOptions},
    progress::{self, counted},
};

/// Number of records sent together.
const BATCH: usize = 2_000;
/// Largest number of bytes in one request.
const REQUEST: usize = MAX_BODY / 4;
/// Number of attempts for one request; the waits between them double from a quarter of a second.
const TRIES: u32 = 8;
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
  lockstep ingest posts.jsonl --to http://127.0.0.1:8081")]
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
            Some(url) => Target::Intake(Intake::new(url)?),
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
                detector::create_topics(&log).await?;
                anyhow::Ok(log)
            })?)),
        };
        if let Some(total) = input.total_bytes() {
            bar.set_length(total);
        }
        let outbox = std::cell::RefCell::new(Outbox::default());
        let mut bad_lines = 0;
        let counts = input.each::<IngestError>(
            &mut |post, _| {
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

enum Target {
    Log(Box<Log>),
    Intake(Intake),
}

#[derive(Debug, thiserror::Error)]
enum IngestError {
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
struct Intake {
    agent: ureq::Agent,
    url: String,
    /// Number of posts that it accepted.
    taken: u64,
    reached: bool,
}

impl Intake {
    fn new(url: &str) -> Result<Intake, Usage> {
        let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/') || host.contains(char::is_whitespace)) {
            return Err(Usage(format!(
                "--to {url} is not the URL of an intake: expected for example http://127.0.0.1:8081"
            )));
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            .build()
            .into();
        let url = format!("{}/v1/posts", url.trim_end_matches('/').trim_end_matches("/v1/posts"));
        Ok(Intake { agent, url, taken: 0, reached: false })
    }

    /// Sends the values unchanged, posts and rejected lines alike; the intake turns the latter into
    /// dead letters. An intake that is busy or unavailable for a moment is tried again; one that
    /// never answered is not.
    fn send(&mut self, records: &[NewRecord]) -> Result<(), IngestError> {
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
            match self.agent.post(&self.url).content_type("application/x-ndjson").send(&body[..]) {
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

/// The start of a response, in one line.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(ANSWER).collect()
}
