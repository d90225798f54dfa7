//! Measures one file: reads it, detects, and compares the findings with the labels.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use coordination::{Millis, Post, TrialOutcome};
use detection::{
    detect::{Detection, Telling, detect},
    input::{Input, Options},
};
use messages::cluster::{ClusterAccount, ClusterMessage, Status, Why};
use simulator::AccountKey;

use super::{FileReport, Group, MethodReport, Named, Statuses, Units, best, operations};
use crate::{
    EvaluationError,
    peers::{CooRTweet, Cooccurrence, Object, Similar, Verdicts},
    posts::{Labels, scores},
    rules,
    truth::key,
};

/// Seconds of processor time that this process has used so far. This crate has no clock of its own.
pub type Clock<'c> = &'c dyn Fn() -> f64;

/// Settings of the measurement.
pub struct Measuring<'m> {
    /// The detector's configuration.
    pub config: &'m detection::Config,
    /// Tables of labels for every file. Without any, a table [next to](beside()) the file, else the
    /// labels of its posts.
    pub labels: &'m [PathBuf],
    /// Whether the other methods run as well.
    pub peers: bool,
    /// Processor time.
    pub clock: Clock<'m>,
}

/// A step of the measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileStep {
    /// Its labels are read.
    Labels,
    /// Labels come from these tables. A table that was not named was found next to the file.
    Tables(Vec<PathBuf>),
    /// A method runs.
    Method(&'static str),
}

/// CooRTweet's `edge_weight` here. With its default, 0.5, it flags more accounts and is far less
/// precise.
const QUANTILE: f64 = 0.9;
/// Seconds.
const CO_HASHTAG_S: f64 = 10.0;
const CO_SHARE_S: f64 = 300.0;

/// Sources of a group that are listed.
const SOURCES: usize = 3;

/// The name of Lockstep's own method.
const LOCKSTEP: &str = "Lockstep";

/// A method's verdicts on posts.
type Method = fn(&[Post<'_>]) -> Verdicts;

/// The other methods, each over the posts of a whole file; CNT is coordination-network-toolkit.
const OTHERS: [(&str, Method); 7] = [
    ("CooRTweet, hashtags, 10 s", |posts| coortweet(posts, &[Object::Hashtag], CO_HASHTAG_S)),
    ("CooRTweet, reposts and links, 300 s", |posts| coortweet(posts, &[Object::Repost, Object::Link], CO_SHARE_S)),
    ("CNT, same text, repost or link, 300 s", |posts| {
        let mut tool = Cooccurrence::default();
        posts.iter().for_each(|post| tool.post(post));
        tool.verdicts(CO_SHARE_S)
    }),
    ("CNT, similar texts, 300 s", |posts| {
        let mut tool = Similar::default();
        posts.iter().for_each(|post| tool.post(post));
        tool.verdicts(CO_SHARE_S)
    }),
    ("rule: two same texts within an hour", rules::same_text),
    ("rule: co-hashtag within 5 minutes", rules::co_hashtag),
    ("rule: activity", rules::activity),
];

fn coortweet(posts: &[Post<'_>], objects: &[Object], window_s: f64) -> Verdicts {
    let mut tool = CooRTweet::of(objects);
    posts.iter().for_each(|post| tool.post(post));
    tool.verdicts(window_s, QUANTILE)
}

/// The path of the table of labels next to a file: `posts.accounts.tsv` for `posts.jsonl.gz`.
pub fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let without = |name: &str, ends: &[&str]| {
        let end = ends.iter().find(|end| name.len() > end.len() && name.ends_with(**end));
        end.map_or(name, |end| &name[..name.len() - end.len()]).to_owned()
    };
    let name = without(&name, &[".gz", ".zst"]);
    let name = without(&name, &[".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet"]);
    file.with_file_name(format!("{name}.accounts.tsv"))
}

/// Measures one file. `on_step` is called for each step.
pub fn measure(
    file: &Path,
    measuring: &Measuring<'_>,
    on_step: &mut dyn FnMut(FileStep),
) -> Result<FileReport, EvaluationError> {
    let Measuring { config, clock, .. } = measuring;
    let files = [file.to_owned()];
    on_step(FileStep::Labels);
    let began = clock();
    let mut posts: Vec<Post<'static>> = Vec::new();
    let mut labels = Labels::read_posts(&files, Options::default(), &mut |post| {
        if measuring.peers {
            posts.push(kept(post));
        }
    })?;
    let reading_cpu_seconds = clock() - began;
    let named_after = tables(file, measuring, &mut labels, on_step)?;

    on_step(FileStep::Method(LOCKSTEP));
    let began = clock();
    let detection = detect(Input::open(&files, Options::default())?, config, &mut |_| {}, &mut |_| {})?;
    let cpu_seconds = clock() - began;

    let units = Units::of(&labels);
    let mut report = report(&detection, &labels);
    report.file = name_of(file);
    report.labels = named_after;
    report.reading_cpu_seconds = reading_cpu_seconds;
    let flagged = detection.clusters.iter().filter(|cluster| cluster.status == Status::Flagged);
    let verdicts =
        Verdicts { flagged: Some(flagged.flat_map(accounts_of).collect()), scores: scores(&detection.accounts) };
    report.methods.push(MethodReport::of(LOCKSTEP, &verdicts, &labels, &units, cpu_seconds));
    for (name, method) in OTHERS.into_iter().filter(|_| measuring.peers) {
        on_step(FileStep::Method(name));
        let began = clock();
        let verdicts = method(&posts);
        let cpu_seconds = reading_cpu_seconds + (clock() - began);
        report.methods.push(MethodReport::of(name, &verdicts, &labels, &units, cpu_seconds));
    }
    Ok(report)
}

/// Uses the labels of tables instead of those of posts, if there are tables. Returns the source of
/// the labels.
fn tables(
    file: &Path,
    measuring: &Measuring<'_>,
    labels: &mut Labels,
    on_step: &mut dyn FnMut(FileStep),
) -> Result<Vec<String>, EvaluationError> {
    let beside = beside(file);
    let mut tables = measuring.labels.to_vec();
    if tables.is_empty() && beside.is_file() {
        tables.push(beside.clone());
    }
    if tables.is_empty() {
        return if labels.any() {
            Ok(vec!["posts".to_owned()])
        } else {
            Err(EvaluationError::Unlabelled { table: beside })
        };
    }
    labels.overlay_all(&tables)?;
    if !labels.any() {
        let tables = tables.iter().map(|table| table.display().to_string()).collect();
        return Err(EvaluationError::OtherAccounts { tables });
    }
    let names = tables.iter().map(|table| name_of(table)).collect();
    on_step(FileStep::Tables(tables));
    Ok(names)
}

/// The report without the methods.
pub(super) fn report(detection: &Detection, labels: &Labels) -> FileReport {
    let standing: Vec<(&ClusterMessage, Vec<AccountKey>)> =
        detection.clusters.iter().chain(&detection.near_misses).map(|one| (one, accounts_of(one).collect())).collect();
    let reported: Vec<(Millis, Status, Vec<AccountKey>)> = detection
        .tellings
        .iter()
        .map(|Telling { at, status, accounts, .. }| (*at, *status, accounts.iter().map(key).collect()))
        .collect();
    let at_the_end = Statuses::of(
        standing.iter().map(|(one, accounts)| (one.cluster_id.as_str(), one.status, accounts.as_slice())),
        labels,
    );
    let on_the_way = detection.tellings.iter().zip(&reported);
    let ever = Statuses::of(
        on_the_way
            .map(|(one, (_, status, accounts))| (one.cluster_id.as_str(), *status, accounts.as_slice()))
            .chain(standing.iter().map(|(one, accounts)| (one.cluster_id.as_str(), one.status, accounts.as_slice()))),
        labels,
    );
    let accounts = labels.count(labels.accounts().map(|(account, _)| account));
    let by_status =
        best(standing.iter().flat_map(|(one, accounts)| accounts.iter().map(|account| (account, one.status))));
    let Statuses { flagged, coordinated, single_source, .. } = at_the_end;
    let named = |reported: &[_]| Named::of_all(reported, accounts.inauthentic);
    FileReport {
        file: String::new(),
        labels: Vec::new(),
        posts: detection.counts.posts,
        rejected_lines: detection.counts.bad,
        damaged: detection.counts.damaged.iter().map(ToString::to_string).collect(),
        accounts,
        candidates_tested: detection.stats.candidates_proposed,
        at_the_end,
        ever,
        flagged: named(&[flagged]),
        flagged_or_coordinated: named(&[flagged, coordinated]),
        reported: named(&[flagged, coordinated, single_source]),
        operations: operations(labels, &by_status, &reported),
        groups: standing.iter().map(|(one, of)| group(one, of, labels)).collect(),
        methods: Vec::new(),
        reading_cpu_seconds: 0.0,
    }
}

fn group(one: &ClusterMessage, accounts: &[AccountKey], labels: &Labels) -> Group {
    let operation = labels.campaign_of(accounts).map(|name| {
        let its = accounts.iter().filter(|account| labels.campaigns_of(account).any(|of| of == name)).count();
        (name, its as u64)
    });
    Group {
        cluster_id: one.cluster_id.clone(),
        status: one.status,
        accounts: labels.count(accounts),
        operation: operation.filter(|(_, its)| *its > 0),
        log_e_leave_one_source_out: one.log_e_leave_one_source_out,
        why: why(one),
    }
}

/// The joint behaviour of a group, in one sentence.
fn why(one: &ClusterMessage) -> String {
    let mut parts = Vec::new();
    if let Some(why) = one.why {
        parts.push(match why {
            Why::BestSource => "passes only with its best source".to_owned(),
            Why::OneText => "one text by many accounts".to_owned(),
            Why::NotPlain => "probable by the model, but its behaviour is not plain".to_owned(),
        });
    }
    if let Some(window) = one.windows.get(one.best_window()) {
        let trials: u64 = window.group.iter().sum();
        let shares = TrialOutcome::ALL
            .into_iter()
            .zip(window.group)
            .filter(|(outcome, n)| *n > 0 && *outcome != TrialOutcome::Nothing);
        let shares = shares.map(|(outcome, n)| {
            format!("{} {:.0} %", outcome.name().replace('_', " "), 100.0 * n as f64 / trials as f64)
        });
        parts.push(format!(
            "of {trials} posts within {} s of others: {}",
            window.seconds,
            shares.collect::<Vec<_>>().join(", ")
        ));
    }
    let sources = one
        .sources
        .iter()
        .take(SOURCES)
        .map(|source| format!("{} {} ({:.0} nats)", source.kind, source.source, source.nats));
    let sources: Vec<String> = sources.collect();
    if !sources.is_empty() {
        parts.push(format!("most by {}", sources.join(", ")));
    }
    parts.join("; ")
}

fn accounts_of(cluster: &ClusterMessage) -> impl Iterator<Item = AccountKey> {
    let key = |a: &ClusterAccount| AccountKey { platform: a.platform.clone(), account_id: a.account_id.clone() };
    cluster.accounts.iter().map(key)
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// The fields of a post that the other methods use.
fn kept(post: &Post<'_>) -> Post<'static> {
    let own = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
    Post {
        id: own(&post.id),
        platform: own(&post.platform),
        account_id: own(&post.account_id),
        created_at: post.created_at,
        text: own(&post.text),
        urls: post.urls.iter().map(own).collect(),
        hashtags: post.hashtags.iter().map(own).collect(),
        repost_of: post.repost_of.as_ref().map(own),
        ..Post::default()
    }
}
