//! The features that a model may use: one table of behaviour for each [`Subject`], nothing about
//! opinions.
//!
//! A feature uses counts, times and equality of keys. None uses a word of a post, a number of
//! followers, or how often posts have links or hashtags: those distinguish collections, not
//! behaviours. (The ratio of followers to followed accounts, which is often proposed, is left out
//! for that reason.) Two clusters that differ only in their members' subjects have the same
//! features. Of near-duplicate texts only two things are used: which posts are near-duplicates, and
//! how much of a text is repeated. A one-to-one replacement of words in all posts changes neither.
//!
//! No feature grows with the time for which a group is observed: each is a rate, a share or a time
//! between two acts. A sum would make the group that was observed longest the most suspicious. The
//! one exception, `account_life`, stops at seven days.
//!
//! A value that is not known is `None`, never zero. Every value is finite. The order of members,
//! evidence and ties does not change any value.

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
    /// Its identifier in datasets, models and reasons.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// How the value is computed. A changed formula is another feature: models that were fitted
    /// before are refused.
    pub formula: &'static str,
    /// The fields of [`Cluster`] or [`SuspectAccount`] that it uses; it must not use any other.
    pub reads: &'static str,
    /// 1 if a larger value, all else equal, can only be evidence for inauthenticity; -1 if only
    /// against it; 0 if either. It constrains boosted trees, so that they cannot learn that a group
    /// with stronger evidence is more innocent.
    pub monotone: i8,
    /// Its description in a reviewer's words: the subject of "… is 12 s".
    pub label: &'static str,
    /// The value in a reviewer's words and units.
    pub show: fn(f64) -> String,
}

/// Features of a subject, each with the function that computes it.
type Table<F, const N: usize> = [(Feature, F); N];

/// The subject of a model's judgement.
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

    /// The column of a dataset that identifies the cluster or account of a row.
    pub fn id_column(self) -> &'static str {
        match self {
            Subject::Cluster => "cluster_id",
            Subject::Account => "account",
        }
    }

    /// SHA-256 over names, units and formulas, in hexadecimal. Models contain it, so that a changed
    /// list is noticed.
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

    /// For files: a missing subject means clusters.
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

/// Values that were written by name, in the order of [`FEATURES`]. `None` if the name of a feature
/// is missing: a version with another list wrote them, and they cannot become a training row. A
/// name without a value means not known.
pub fn values_by_name(named: &BTreeMap<String, Option<f64>>) -> Option<Vec<Option<f64>>> {
    FEATURES.iter().map(|feature| named.get(feature.name).copied()).collect()
}

/// [`Subject::schema_hash`] of clusters.
pub fn schema_hash() -> String {
    Subject::Cluster.schema_hash()
}

/// Only finite numbers are known. Adding 0 turns -0 into 0: an empty sum can be either, depending
/// on how a build orders it.
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

/// Shannon entropy in nats of weights that need not sum to one; `None` if they sum to zero.
fn entropy(weights: impl Iterator<Item = f64>) -> Option<f64> {
    let weights: Vec<f64> = weights.filter(|&w| w > 0.0).collect();
    let total = sum(weights.clone());
    if weights.is_empty() || !total.is_finite() {
        return None;
    }
    let parts = weights.into_iter().map(|w| w / total).map(|p| -p * p.ln());
    Some(sum(parts.collect()).max(0.0))
}

/// How evenly weights are spread over the positive ones: exp(H) / n for n weights with entropy H
/// (Buzas and Gibson 1969, Species Diversity). 1 if all are equal. Unlike H, and unlike H / ln n,
/// it does not change if every weight occurs twice. `None` for fewer than two.
fn evenness(weights: impl Iterator<Item = f64>) -> Option<f64> {
    let weights: Vec<f64> = weights.filter(|&w| w > 0.0).collect();
    let n = weights.len();
    (n >= 2).then_some(())?;
    entropy(weights.into_iter()).map(|h| (h.exp() / n as f64).min(1.0))
}

/// Describes how a list of names differs from the expected one; `None` if it does not.
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
    // No minus sign before zero.
    format!("{:.0} nats", if nats == 0.0 { 0.0 } else { nats })
}

fn show_nats_each(v: f64) -> String {
    // No minus sign before zero.
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
