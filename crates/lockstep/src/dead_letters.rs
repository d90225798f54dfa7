//! `lockstep dead-letters`: what could not be read, why, and a second try.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Write,
    path::PathBuf,
    pin::pin,
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use futures::{Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use messages::{
    cluster::ClusterMessage,
    dead_letter::{DeadLetter, Source},
    post,
    topics::{CLUSTERS_DEAD_LETTER, CLUSTERS_FLAGGED, POSTS, POSTS_DEAD_LETTER},
};
use runtime::{Log, NewRecord, Record};
use serde_json::json;

use crate::{
    Usage,
    config::{Config, ConfigFile},
    ingest::{self, Intake},
    progress::counted,
};

/// Records replayed at a time.
const BATCH: usize = 500;
/// Letters that still cannot be read and are named.
const SHOWN: u64 = 5;
/// Different reasons that are counted, and printed.
const REASONS: usize = 10_000;
const SHOWN_REASONS: usize = 20;

/// Lists, shows and replays dead letters: posts and flagged clusters that could not be read.
///
/// A dead letter has the value as it came, with the reason and the path of the field. When the cause is
/// corrected (a newer version of Lockstep reads it, or the clock of its source was wrong), `replay`
/// puts it back on the topic where it came from. A post that was replayed twice counts once, as long as
/// it is not older than detector.engine.horizon_s; the dead letters stay where they are.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep dead-letters list --brokers localhost:9092
  lockstep dead-letters list --since 2026-11-30T00:00:00Z --json > letters.jsonl
  lockstep dead-letters show 0:17 --brokers localhost:9092
  lockstep dead-letters replay --reason future --dry-run --brokers localhost:9092
  lockstep dead-letters replay --to http://127.0.0.1:8081")]
pub struct DeadLetters {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists dead letters, oldest first, and counts their reasons
    List {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        which: Which,
        /// At most this many letters, the newest; 0 for all. The counts are of all
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Print as JSON, one letter a line
        #[arg(long)]
        json: bool,
    },
    /// Prints the value of a dead letter unchanged, and what is known of it on standard error
    Show {
        /// Its partition and offset, as `list` prints them
        #[arg(value_name = "PARTITION:OFFSET", value_parser = place)]
        place: (i32, i64),
        #[command(flatten)]
        from: From,
    },
    /// Puts dead letters that can be read now back on the topic where they came from
    Replay {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        which: Which,
        /// URL of a running intake, for example http://127.0.0.1:8081: for posts on the embedded log
        #[arg(long, value_name = "URL", conflicts_with = "brokers")]
        to: Option<String>,
        /// File with the producer's key for the intake
        #[arg(long, value_name = "FILE", requires = "to")]
        key_file: Option<PathBuf>,
        /// Say what would be replayed, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// Where the letters are.
#[derive(Args)]
struct From {
    /// Which dead letters
    #[arg(long, value_enum, default_value_t = Kind::Posts)]
    topic: Kind,
    /// Addresses of Apache Kafka, host:port,host:port; without it, log.brokers or the embedded log
    #[arg(long)]
    brokers: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Posts that the detector or the intake could not read
    Posts,
    /// Flagged clusters that the sharing service could not read
    Clusters,
}

/// A choice of letters.
#[derive(Args)]
struct Which {
    /// Only letters whose reason contains this text
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only letters about this field
    #[arg(long)]
    field: Option<String>,
    /// Only letters of this time or later, for example 2026-11-30T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only letters before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

impl Which {
    fn has(&self, letter: &DeadLetter) -> bool {
        self.reason.as_ref().is_none_or(|text| letter.reason.contains(text))
            && self.field.as_ref().is_none_or(|field| letter.field == *field)
            && self.since.is_none_or(|since| letter.at >= since)
            && self.until.is_none_or(|until| letter.at < until)
    }
}

fn place(text: &str) -> Result<(i32, i64), String> {
    let parsed = text.split_once(':').and_then(|(partition, offset)| {
        Some((partition.parse().ok()?, offset.parse().ok().filter(|offset| *offset >= 0)?))
    });
    parsed.ok_or_else(|| "write it as PARTITION:OFFSET, for example 0:17".to_owned())
}

impl DeadLetters {
    pub fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
        runtime.block_on(async {
            match self.action {
                Action::List { from, which, limit, json } => list(&from, &which, limit, json).await,
                Action::Show { place, from } => show(&from, place).await,
                Action::Replay { from, which, to, key_file, dry_run } => {
                    if to.is_some() && from.topic != Kind::Posts {
                        return Err(Usage("--to is for posts: clusters go back with --brokers".to_owned()).into());
                    }
                    let config = from.config()?;
                    let mut target = match to {
                        _ if dry_run => Target::Nothing,
                        Some(url) => Target::Intake(Intake::new(&url, ingest::key(key_file.as_deref())?, None)?),
                        None => Target::Log(config.open_log().await.context(
                            "the letters cannot be put back (with the embedded log, give the address of the running intake with --to URL)",
                        )?),
                    };
                    replay(&from, &which, &mut target).await
                }
            }
        })
    }
}

/// Where letters are put back.
enum Target {
    Log(Log),
    Intake(Intake),
    Nothing,
}

impl Target {
    async fn put(&mut self, records: Vec<NewRecord>) -> Result<()> {
        match self {
            Target::Log(log) => Ok(log.append(records).await?),
            Target::Intake(intake) => tokio::task::block_in_place(|| Ok(intake.send(&records)?)),
            Target::Nothing => Ok(()),
        }
    }
}

impl Kind {
    fn letters(self) -> &'static str {
        match self {
            Kind::Posts => POSTS_DEAD_LETTER,
            Kind::Clusters => CLUSTERS_DEAD_LETTER,
        }
    }

    /// The topic where the letters come from.
    fn origin(self) -> &'static str {
        match self {
            Kind::Posts => POSTS,
            Kind::Clusters => CLUSTERS_FLAGGED,
        }
    }
}

impl From {
    fn config(&self) -> Result<Config> {
        let mut config = self.config.load()?;
        if let Some(brokers) = &self.brokers {
            config.log.brokers.clone_from(brokers);
        }
        Ok(config)
    }

    /// The letters of the topic, in the order of each partition. What is no letter is named.
    async fn letters(&self) -> Result<impl Stream<Item = Result<(Record, DeadLetter)>>> {
        let config = self.config()?;
        let log = match config.log.brokers.is_empty() {
            // The running services need not be stopped.
            true => Log::open_embedded_to_read(&config.log.dir).await?,
            false => config.open_log().await?,
        };
        let records = log.read_all(self.topic.letters(), &[]).await?;
        Ok(records.filter_map(async |record| {
            let record = match record {
                Ok(record) => record,
                Err(error) => return Some(Err(error.into())),
            };
            match DeadLetter::from_record(record.value.as_deref().unwrap_or_default(), &record.headers) {
                Ok(letter) => Some(Ok((Record { value: None, ..record }, letter))),
                Err(error) => {
                    eprintln!("warning: {}:{} is no dead letter: {error}", record.partition, record.offset);
                    None
                }
            }
        }))
    }
}

async fn list(from: &From, which: &Which, limit: usize, json: bool) -> Result<()> {
    let mut letters = pin!(from.letters().await?);
    let mut newest = VecDeque::new();
    let (mut count, mut reasons) = (0, BTreeMap::<(String, String), u64>::new());
    while let Some((record, letter)) = letters.try_next().await? {
        if !which.has(&letter) {
            continue;
        }
        count += 1;
        newest.push_back(if json { as_json(&record, &letter) } else { as_text(&record, &letter) });
        if limit > 0 && newest.len() > limit {
            newest.pop_front();
        }
        let reason = (letter.field, letter.reason);
        if reasons.len() < REASONS || reasons.contains_key(&reason) {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let mut out = std::io::stdout().lock();
    newest.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    eprintln!("{}", counted(count, "dead letter"));
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for ((field, reason), count) in reasons.into_iter().take(SHOWN_REASONS) {
        eprintln!("  {count}  {}  {}", shown(&field), shown(&reason));
    }
    Ok(())
}

fn as_json(record: &Record, letter: &DeadLetter) -> String {
    json!({
        "place": format!("{}:{}", record.partition, record.offset), "at": letter.at.to_string(), "reason": letter.reason,
        "field": letter.field, "source": source(&letter.source), "bytes": letter.value.len(), "cut_from": letter.cut_from,
    })
    .to_string()
}

fn as_text(record: &Record, letter: &DeadLetter) -> String {
    let (at, field, reason) = (format!("{:.0}", letter.at), shown(&letter.field), shown(&letter.reason));
    let source = shown(&source(&letter.source));
    format!("{}:{}  {at}  {field}  {reason}  ({source})", record.partition, record.offset)
}

async fn show(from: &From, place: (i32, i64)) -> Result<()> {
    let mut letters = pin!(from.letters().await?);
    while let Some((record, letter)) = letters.try_next().await? {
        if (record.partition, record.offset) != place {
            continue;
        }
        eprintln!("reason: {}", shown(&letter.reason));
        eprintln!("field:  {}", shown(&letter.field));
        eprintln!("source: {}", shown(&source(&letter.source)));
        eprintln!("at:     {}", letter.at);
        if let Some(bytes) = letter.cut_from {
            eprintln!("only the first {} of {bytes} bytes were kept", letter.value.len());
        }
        return Ok(std::io::stdout().write_all(&letter.value)?);
    }
    bail!("{} has no dead letter at {}:{}", from.topic.letters(), place.0, place.1)
}

async fn replay(from: &From, which: &Which, target: &mut Target) -> Result<()> {
    let mut letters = pin!(from.letters().await?);
    let (mut replayed, mut unreadable) = (0_u64, 0_u64);
    let mut batch = Vec::new();
    while let Some((record, letter)) = letters.try_next().await? {
        if !which.has(&letter) {
            continue;
        }
        let place = (record.partition, record.offset);
        match again(from.topic, record, letter) {
            Ok(record) => {
                replayed += 1;
                batch.push(record);
            }
            Err(reason) => {
                unreadable += 1;
                if unreadable <= SHOWN {
                    eprintln!("warning: {}:{} still cannot be read: {}", place.0, place.1, shown(&reason));
                }
            }
        }
        if batch.len() >= BATCH {
            target.put(std::mem::take(&mut batch)).await?;
        }
    }
    if !batch.is_empty() {
        target.put(batch).await?;
    }
    if unreadable > SHOWN {
        eprintln!("warning: {} more still cannot be read", unreadable - SHOWN);
    }
    if replayed == 0 {
        bail!("nothing to replay: no dead letter that was chosen can be read now");
    }
    let what = counted(replayed, "dead letter");
    let origin = from.topic.origin();
    match target {
        Target::Nothing => eprintln!("{what} would be replayed to {origin}"),
        Target::Log(log) => {
            log.shutdown().await?;
            eprintln!("{what} replayed to {origin}");
        }
        Target::Intake(_) => eprintln!("{what} replayed to {origin}"),
    }
    Ok(())
}

/// The record to append, if the value can be read now; otherwise why not.
fn again(kind: Kind, record: Record, letter: DeadLetter) -> Result<NewRecord, String> {
    if letter.cut_from.is_some() {
        return Err("only its start was kept".to_owned());
    }
    let key = match kind {
        Kind::Posts => post::key(&post::read(&letter.value).map_err(|error| error.to_string())?.0).into(),
        Kind::Clusters => {
            ClusterMessage::decode(&letter.value).map_err(|error| error.to_string())?;
            record.key
        }
    };
    let own = record.headers.into_iter().filter(|(name, _)| !DeadLetter::HEADERS.contains(&&**name));
    Ok(NewRecord { headers: own.collect(), ..NewRecord::new(kind.origin(), key, letter.value) })
}

/// Text from outside, safe to print.
fn shown(text: &str) -> String {
    messages::excerpt(text.as_bytes())
}

fn source(source: &Source) -> String {
    match source {
        Source::Record { topic, partition, offset } => format!("{topic} {partition}:{offset}"),
        Source::Line { file, line } => format!("{file} line {line}"),
    }
}

#[cfg(test)]
mod tests {
    use messages::DecodeError;

    use super::*;

    const GOOD: &str =
        r#"{"id":"1","platform":"x","account_id":"a","account_name":"a","created_at":"2026-01-01T00:00:00Z"}"#;

    fn letter(value: &str, reason: &'static str, own: &[(&str, &str)]) -> (Record, DeadLetter) {
        let error = DecodeError::new("created_at", reason, value.as_bytes());
        let source = Source::Record { topic: POSTS.to_owned(), partition: 1, offset: 2 };
        let letter = DeadLetter::new(value.as_bytes(), &error, source, Timestamp::UNIX_EPOCH);
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let record = Record {
            topic: POSTS_DEAD_LETTER.into(),
            partition: 0,
            offset: 7,
            key: b"old".to_vec(),
            value: Some(letter.value.clone()),
            headers: own.chain(letter.headers()).collect(),
            timestamp: 0,
        };
        (record, letter)
    }

    #[test]
    fn what_can_be_read_now_goes_back_with_its_own_headers() {
        let (record, found) = letter(GOOD, "in the future", &[("trace", "7")]);
        let back = again(Kind::Posts, record, found).unwrap();
        assert_eq!((&*back.topic, &back.key[..], back.value.as_deref()), (POSTS, &b"x:a"[..], Some(GOOD.as_bytes())));
        assert_eq!(back.headers, [("trace".to_owned(), b"7".to_vec())]);
        let (record, found) = letter("{}", "is missing", &[]);
        assert!(again(Kind::Posts, record.clone(), found.clone()).is_err());
        let cut = DeadLetter { cut_from: Some(9), ..found };
        assert_eq!(again(Kind::Posts, record, cut), Err("only its start was kept".to_owned()));
    }

    #[test]
    fn letters_are_chosen_by_reason_field_and_time() {
        let (_, letter) = letter(GOOD, "lies in the future", &[]);
        let which = |reason: Option<&str>, field: Option<&str>, since: Option<&str>, until: Option<&str>| {
            let time = |time: &str| time.parse::<Timestamp>().unwrap();
            let (since, until) = (since.map(time), until.map(time));
            Which { reason: reason.map(str::to_owned), field: field.map(str::to_owned), since, until }.has(&letter)
        };
        assert!(which(None, None, None, None));
        assert!(which(Some("future"), Some("created_at"), Some("1970-01-01T00:00:00Z"), Some("1970-01-01T00:00:01Z")));
        assert!(!which(Some("past"), None, None, None) && !which(None, Some("id"), None, None));
        assert!(!which(None, None, Some("1970-01-01T00:00:01Z"), None));
        assert!(!which(None, None, None, Some("1970-01-01T00:00:00Z")));
    }

    #[test]
    fn a_place_is_a_partition_and_an_offset() {
        assert_eq!(place("3:41"), Ok((3, 41)));
        for wrong in ["3", "3:", ":4", "3:-1", "a:b"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
