//! What a model may look at: one table of behaviour for each [`Subject`], nothing of what is said.
//!
//! A feature reads counts, times and equality of keys. None reads a word of a post, a number of followers, or how often
//! posts carry links or hashtags: those separate collections, not behaviours. (The ratio of followers to followed accounts, which is
//! often proposed, is left out for that reason.) Two clusters that differ only in what their members talk about have the same
//! features. Of near-duplicate texts only two things are read: which posts are near-duplicates, and how much of a text is repeated.
//! A one-to-one replacement of words in all posts changes neither.
//!
//! No feature grows with the time for which a group is watched: each is a rate, a share or a time between two acts. A sum would call
//! whoever was watched longest the most suspect. The one exception, `account_life`, stops at seven days.
//!
//! A value that is not known is `None`, never zero. Every value is finite. The order of members, evidence and ties does
//! not change a bit of any value.

mod account;
mod cluster;

use std::{collections::BTreeMap, fmt};

use coordination::Cluster;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use account::{ACCOUNT_FEATURES, Named, SuspectAccount};
pub use cluster::FEATURES;
pub(crate) use cluster::half_span_s;

/// One property of behaviour.
#[derive(Debug, Clone, Copy)]
pub struct Feature {
    /// Identifies it in datasets, models and reasons.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// How the value is computed. A change here is another feature: models fitted before it are refused.
    pub formula: &'static str,
    /// The fields of [`Cluster`] or [`SuspectAccount`] that it reads; it must not read any other.
    pub reads: &'static str,
    /// 1 where more of it can only speak for inauthenticity, all else alike, -1 where only against it, 0 where it may do either: a bound
    /// on boosted trees, so that they cannot learn that a group is the more innocent the stronger the evidence.
    pub monotone: i8,
    /// What it is, in a reviewer's words: the subject of "… is 12 s".
    pub label: &'static str,
    /// The value in a reviewer's words and units.
    pub show: fn(f64) -> String,
}

/// Features of a subject, each with the function that gives its value.
type Table<F, const N: usize> = [(Feature, F); N];

/// What a model judges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A group of accounts that act together.
    #[default]
    Cluster,
    /// One account with any evidence against it.
    Account,
}

impl Subject {
    /// All of them.
    pub const ALL: [Subject; 2] = [Subject::Cluster, Subject::Account];

    /// The name in commands, datasets and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Cluster => "cluster",
            Subject::Account => "account",
        }
    }

    /// Its features, in the order of every dataset row and every model's weights.
    pub fn features(self) -> &'static [Feature] {
        match self {
            Subject::Cluster => &FEATURES,
            Subject::Account => &ACCOUNT_FEATURES,
        }
    }

    /// The column of a dataset that says which one a row is of.
    pub fn id_column(self) -> &'static str {
        match self {
            Subject::Cluster => "cluster_id",
            Subject::Account => "account",
        }
    }

    /// SHA-256 over names, units and formulas, in hexadecimal: models carry it, so that a changed list is noticed.
    pub fn schema_hash(self) -> String {
        let mut hash = Sha256::new();
        for feature in self.features() {
            for part in [feature.name, feature.unit, feature.formula] {
                hash.update(part.as_bytes());
                hash.update([0]);
            }
        }
        text_format::hex(&hash.finalize())
    }

    /// For files: what is not said is a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        *self == Subject::Cluster
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All values of a cluster, in the order of [`FEATURES`]; each is finite or `None`.
pub fn values(cluster: &Cluster) -> Vec<Option<f64>> {
    let group = cluster::Group::of(cluster);
    cluster::TABLE.iter().map(|(_, value)| tidy(value(&group))).collect()
}

/// All values of an account, in the order of [`ACCOUNT_FEATURES`]; each is finite or `None`.
pub fn account_values(account: &SuspectAccount) -> Vec<Option<f64>> {
    account::TABLE.iter().map(|(_, value)| tidy(value(account))).collect()
}

/// Values that were written down by name, in the order of [`FEATURES`]. `None` where a feature's very name is missing: a version with
/// another list wrote them, and no row that a model is trained on can be made of them. A name without a value is a value not known.
pub fn values_by_name(named: &BTreeMap<String, Option<f64>>) -> Option<Vec<Option<f64>>> {
    FEATURES.iter().map(|feature| named.get(feature.name).copied()).collect()
}

/// [`Subject::schema_hash`] of clusters.
pub fn schema_hash() -> String {
    Subject::Cluster.schema_hash()
}

/// Only finite numbers are known. Adding 0 turns -0 into 0: sums of nothing are one or the other, depending on how a build orders them.
fn tidy(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite()).map(|v| v + 0.0)
}

/// A table's features without their functions.
const fn described<F: Copy, const N: usize>(table: &Table<F, N>) -> [Feature; N] {
    let mut features = [table[0].0; N];
    let mut at = 0;
    while at < N {
        features[at] = table[at].0;
        at += 1;
    }
    features
}

fn signed_log1p(x: f64) -> f64 {
    x.signum() * x.abs().ln_1p()
}

fn log10_1p(x: f64) -> f64 {
    (1.0 + x.max(0.0)).log10()
}

/// Sums in ascending order, so that the order of the input does not change the last bit.
fn sum(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.into_iter().sum()
}

/// Shannon entropy in nats of weights that need not sum to one; `None` when they sum to nothing.
fn entropy(weights: impl Iterator<Item = f64>) -> Option<f64> {
    let weights: Vec<f64> = weights.filter(|&w| w > 0.0).collect();
    let total = sum(weights.clone());
    if weights.is_empty() || !total.is_finite() {
        return None;
    }
    let parts = weights.into_iter().map(|w| w / total).map(|p| -p * p.ln());
    Some(sum(parts.collect()).max(0.0))
}

/// How evenly weights are spread over those that are positive: exp(H) / n of n weights with entropy H (Buzas and Gibson 1969, Species
/// Diversity). 1 where all are equal. Unlike H, and unlike H / ln n, it stays as it is when every weight occurs twice. `None` under two.
fn evenness(weights: impl Iterator<Item = f64>) -> Option<f64> {
    let weights: Vec<f64> = weights.filter(|&w| w > 0.0).collect();
    let n = weights.len();
    (n >= 2).then_some(())?;
    entropy(weights.into_iter()).map(|h| (h.exp() / n as f64).min(1.0))
}

/// Says in words how a list of names differs from the expected one; `None` where it does not.
pub(crate) fn name_difference(found: &[String], expected: &[&str]) -> Option<String> {
    let missing: Vec<&str> = expected.iter().copied().filter(|e| !found.iter().any(|f| f == e)).collect();
    let unknown: Vec<&str> = found.iter().map(String::as_str).filter(|f| !expected.contains(f)).collect();
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("missing {}", missing.join(", ")));
    }
    if !unknown.is_empty() {
        parts.push(format!("unknown {}", unknown.join(", ")));
    }
    if parts.is_empty() && found.iter().ne(expected.iter()) {
        let at = found.iter().zip(expected).position(|(f, e)| f != e);
        parts.push(match at {
            Some(at) => format!("other order, first at {} in place of {}", found[at], expected[at]),
            None => format!("{} in place of {}", found.len(), expected.len()),
        });
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Linear interpolation between order statistics (type 7 of Hyndman and Fan 1996).
fn quantile(values: &mut [f64], q: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = q * last as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    Some(values[below] + (at - below as f64) * (values[above] - values[below]))
}

fn show_nats(v: f64) -> String {
    let nats = (v.signum() * v.abs().exp_m1()).round();
    // No minus before nothing.
    format!("{:.0} nats", if nats == 0.0 { 0.0 } else { nats })
}

fn show_nats_each(v: f64) -> String {
    // No minus before nothing.
    format!("{:.2} nats", (v * 100.0).round() / 100.0 + 0.0)
}

fn show_times(v: f64) -> String {
    let times = v.exp();
    if times < 0.95 { format!("{times:.2} times") } else { format!("{} times", show_number(times)) }
}

fn show_log_odds(v: f64) -> String {
    format!("{v:+.1}")
}

fn show_yes_no(v: f64) -> String {
    if v >= 0.5 { "yes" } else { "no" }.to_owned()
}

fn show_share(v: f64) -> String {
    format!("{:.0} %", 100.0 * v)
}

fn show_number(v: f64) -> String {
    let tenths = (v * 10.0).round() / 10.0;
    if tenths < 10.0 && tenths.fract() != 0.0 { format!("{tenths:.1}") } else { format!("{v:.0}") }
}

fn show_seconds(v: f64) -> String {
    let s = 10f64.powf(v) - 1.0;
    match s {
        s if s < 1.0 => "under 1 s".to_owned(),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

fn show_days(v: f64) -> String {
    show_seconds(((10f64.powf(v) - 1.0) * 86_400.0 + 1.0).log10())
}
