//! Findings as Arrow tables. Columns have the names and the order of the files that the command
//! line writes.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, PrimitiveArray, RecordBatch, StringArray, UInt32Array, UInt64Array,
    builder::{ListBuilder, StringBuilder},
    types::TimestampMicrosecondType,
};
use arrow_schema::ArrowError;
use coordination::{AccountRef, Millis};
use detection::{
    detect::{Detection, RankedAccount, short_of_threshold},
    input::BadLine,
};
use jiff::Timestamp;
use messages::cluster::{ClusterMessage, Why};

type Made = Result<RecordBatch, ArrowError>;

/// Groups, one row each. `json` is the group's whole line of `clusters.jsonl`.
pub(crate) fn clusters(clusters: &[ClusterMessage]) -> Made {
    let lines: Result<Vec<String>, ArrowError> = clusters.iter().map(line).collect();
    let times = |of: fn(&ClusterMessage) -> Option<Timestamp>| moments(clusters.iter().map(of));
    let numbers = |of: fn(&ClusterMessage) -> Option<f64>| floats(clusters.iter().map(of));
    let account = |account: &messages::cluster::ClusterAccount| format!("{}:{}", account.platform, account.account_id);
    RecordBatch::try_from_iter([
        ("cluster_id", texts(clusters.iter().map(|cluster| Some(cluster.cluster_id.as_str())))),
        (
            "version",
            Arc::new(UInt32Array::from_iter_values(clusters.iter().map(|cluster| cluster.version))) as ArrayRef,
        ),
        ("status", texts(clusters.iter().map(|cluster| Some(cluster.status.name())))),
        ("why", texts(clusters.iter().map(|cluster| cluster.why.map(why)))),
        ("accounts", lists(clusters.iter().map(|cluster| cluster.accounts.iter().map(account).collect()))),
        ("first_seen", times(|cluster| Some(cluster.first_seen))),
        ("last_seen", times(|cluster| Some(cluster.last_seen))),
        ("first_reported", times(|cluster| cluster.first_reported)),
        ("last_reported", times(|cluster| cluster.last_reported)),
        ("active", Arc::new(clusters.iter().map(|cluster| cluster.active).collect::<BooleanArray>())),
        ("log_e", numbers(|cluster| Some(cluster.log_e))),
        ("log_e_leave_one_source_out", numbers(|cluster| Some(cluster.log_e_leave_one_source_out))),
        ("bar", numbers(|cluster| cluster.test.map(|terms| terms.bar))),
        ("short_of_bar", numbers(|cluster| cluster.test.map(|_| short_of_threshold(cluster)))),
        ("score", numbers(|cluster| cluster.score)),
        ("probability", numbers(|cluster| cluster.probability)),
        ("model", texts(models(clusters).iter().map(Option::as_deref))),
        ("topics", lists(clusters.iter().map(|cluster| cluster.topics.clone()))),
        ("targets", lists(clusters.iter().map(|cluster| cluster.targets.clone()))),
        ("json", Arc::new(StringArray::from(lines?))),
    ])
}

/// The line that the command line writes for a group.
pub(crate) fn line(cluster: &ClusterMessage) -> Result<String, ArrowError> {
    let line = cluster.encode().map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    String::from_utf8(line).map_err(|error| ArrowError::ExternalError(Box::new(error)))
}

fn models(clusters: &[ClusterMessage]) -> Vec<Option<String>> {
    let name = |cluster: &ClusterMessage| {
        Some(format!("{}/{}", cluster.model.as_ref()?.name, cluster.model.as_ref()?.version))
    };
    clusters.iter().map(name).collect()
}

fn why(why: Why) -> &'static str {
    match why {
        Why::BestSource => "best_source",
        Why::OneText => "one_text",
        Why::NotPlain => "not_plain",
    }
}

/// Every account; accounts of flagged groups first.
pub(crate) fn accounts(accounts: &[RankedAccount]) -> Made {
    let evidence = || accounts.iter().map(|ranked| &ranked.account.evidence);
    let known = accounts.iter().map(|ranked| ranked.cluster.as_ref());
    RecordBatch::try_from_iter([
        ("platform", texts(evidence().map(|known| Some(known.account.platform.as_str())))),
        ("account_id", texts(evidence().map(|known| Some(known.account.account_id.as_str())))),
        ("posts", counts(evidence().map(|known| known.posts))),
        ("log_e", floats(evidence().map(|known| known.log_e))),
        ("probability", floats(accounts.iter().map(|ranked| ranked.probability))),
        ("cluster_id", texts(known.clone().map(|cluster| Some(cluster?.0.as_str())))),
        ("status", texts(known.map(|cluster| Some(cluster?.1.name())))),
        ("posterior", floats(evidence().map(|known| known.posterior))),
        ("suspicion", floats(evidence().map(|known| Some(known.suspicion)))),
        ("strongest_tie_nats", floats(evidence().map(|known| Some(known.tie_nats)))),
        ("texts", counts(evidence().map(|known| known.texts))),
        ("copies", counts(evidence().map(|known| known.copies))),
        ("account", owned(evidence().map(|known| name(&known.account)))),
        ("account_name", texts(evidence().map(|known| Some(&*known.account_name)))),
    ])
}

/// Pairs of accounts, strongest first.
pub(crate) fn ties(detection: &Detection) -> Made {
    let ties = &detection.ties;
    let names = detection.account_names();
    let called = |account: &AccountRef| names.get(account).copied().unwrap_or_default();
    RecordBatch::try_from_iter([
        ("account_a", owned(ties.iter().map(|tie| name(&tie.a)))),
        ("account_b", owned(ties.iter().map(|tie| name(&tie.b)))),
        ("kind", texts(ties.iter().map(|tie| Some(tie.kind.name())))),
        ("co_acts", counts(ties.iter().map(|tie| tie.co_acts))),
        ("nats", floats(ties.iter().map(|tie| Some(tie.nats)))),
        ("median_lag_s", floats(ties.iter().map(|tie| Some(tie.median_lag_s)))),
        ("expected", floats(ties.iter().map(|tie| Some(tie.expected)))),
        ("account_a_name", texts(ties.iter().map(|tie| Some(called(&tie.a))))),
        ("account_b_name", texts(ties.iter().map(|tie| Some(called(&tie.b))))),
    ])
}

/// Objects that at least two accounts used. `text` is set for texts only.
pub(crate) fn objects(detection: &Detection) -> Made {
    let used = detection.used_objects();
    let objects = used.iter().map(|used| used.object);
    let time = |at: Millis| Timestamp::from_millisecond(at).ok();
    RecordBatch::try_from_iter([
        ("kind", texts(objects.clone().map(|object| Some(object.kind.name())))),
        ("key", texts(objects.clone().map(|object| Some(&*object.key)))),
        ("source", texts(objects.clone().map(|object| Some(&*object.source)))),
        ("accounts", counts(objects.clone().map(|object| object.accounts))),
        ("posts", counts(objects.clone().map(|object| object.posts))),
        ("first", moments(objects.clone().map(|object| time(object.first)))),
        ("last", moments(objects.map(|object| time(object.last)))),
        ("used_by", texts(used.iter().map(|used| Some(used.used_by())))),
        ("clusters", lists(used.iter().map(|used| used.clusters.iter().map(|id| (*id).to_owned()).collect()))),
        ("text", texts(used.iter().map(|used| used.text))),
    ])
}

/// Lines and rows that could not be read, in the order of reading.
pub(crate) fn rejected(bad: &[BadLine]) -> Made {
    RecordBatch::try_from_iter([
        ("file", owned(bad.iter().map(|bad| bad.file.display().to_string()))),
        ("line", counts(bad.iter().map(|bad| bad.line))),
        ("field", texts(bad.iter().map(|bad| Some(bad.error.path.as_str())))),
        ("reason", texts(bad.iter().map(|bad| Some(&*bad.error.reason)))),
        ("raw", owned(bad.iter().map(|bad| String::from_utf8_lossy(&bad.raw).into_owned()))),
    ])
}

/// The spelling of an account in all tables.
fn name(account: &AccountRef) -> String {
    format!("{}:{}", account.platform, account.account_id)
}

fn texts<'t>(texts: impl Iterator<Item = Option<&'t str>>) -> ArrayRef {
    Arc::new(texts.collect::<StringArray>())
}

fn owned(texts: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

fn floats(numbers: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(numbers.collect::<Float64Array>())
}

fn counts<N: Into<u64>>(numbers: impl Iterator<Item = N>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(numbers.map(Into::into)))
}

fn moments(times: impl Iterator<Item = Option<Timestamp>>) -> ArrayRef {
    let times = times.map(|time| time.map(Timestamp::as_microsecond));
    Arc::new(times.collect::<PrimitiveArray<TimestampMicrosecondType>>().with_timezone("UTC"))
}

fn lists(lists: impl Iterator<Item = Vec<String>>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for list in lists {
        builder.append_value(list.into_iter().map(Some));
    }
    Arc::new(builder.finish())
}
