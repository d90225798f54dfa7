//! What a model may look at: one table of behaviour, nothing of what is said.
//!
//! A feature reads counts, times and equality of keys. None reads a word of a post, a number of followers, or how often
//! posts carry links or hashtags: those separate collections, not behaviours. Two clusters that differ only in what
//! their members talk about have the same features.
//!
//! A value that is not known is `None`, never zero. Every value is finite. The order of members, evidence and ties does
//! not change a bit of any value.

use std::collections::{BTreeMap, BTreeSet};

use coordination::{Cluster, TraceKind};
use sha2::{Digest, Sha256};

/// One property of a cluster's behaviour.
pub struct Feature {
    /// Identifies it in datasets, models and reasons.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// How the value is computed. A change here is another feature: models fitted before it are refused.
    pub formula: &'static str,
    /// The fields of [`Cluster`] that it reads.
    pub reads: &'static str,
    /// 1 where more of it can only speak for inauthenticity, all else alike, -1 where only against it, 0 where it may do either: a bound
    /// on boosted trees, so that they cannot learn that a group is the more innocent the stronger the evidence.
    pub monotone: i8,
    /// What it is, in a reviewer's words: the subject of "… is 12 s".
    pub label: &'static str,
    /// The value, or `None` where it is not known.
    pub value: fn(&Cluster) -> Option<f64>,
    /// The value in a reviewer's words and units.
    pub show: fn(f64) -> String,
}

/// All features, in the order of every dataset row and every model's weights.
pub static FEATURES: [Feature; 23] = [
    Feature {
        name: "log_e",
        unit: "ln(1 + nats), signed",
        formula: "sign(x) ln(1 + |x|), x = total evidence in nats",
        reads: "log_e",
        monotone: 1,
        label: "the evidence that the accounts act together",
        value: |c| Some(signed_log1p(c.log_e)),
        show: show_nats,
    },
    Feature {
        name: "log_e_leave_one_source_out",
        unit: "ln(1 + nats), signed",
        formula: "sign(x) ln(1 + |x|), x = evidence without its best source in nats",
        reads: "log_e_leave_one_source_out",
        monotone: 1,
        label: "the evidence left when the strongest source is set aside",
        value: |c| Some(signed_log1p(c.log_e_leave_one_source_out)),
        show: show_nats,
    },
    Feature {
        name: "nats_share_url",
        unit: "share",
        formula: "max(nats of url, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
        reads: "nats_by_kind",
        monotone: 0,
        label: "the part of the evidence from sharing the same links",
        value: |c| nats_share(c, TraceKind::Url),
        show: show_share,
    },
    Feature {
        name: "nats_share_repost",
        unit: "share",
        formula: "max(nats of repost, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
        reads: "nats_by_kind",
        monotone: 0,
        label: "the part of the evidence from reposting the same posts",
        value: |c| nats_share(c, TraceKind::Repost),
        show: show_share,
    },
    Feature {
        name: "nats_share_hashtags",
        unit: "share",
        formula: "max(nats of hashtags, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
        reads: "nats_by_kind",
        monotone: 0,
        label: "the part of the evidence from using the same hashtags",
        value: |c| nats_share(c, TraceKind::Hashtags),
        show: show_share,
    },
    Feature {
        name: "nats_share_text",
        unit: "share",
        formula: "max(nats of text, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
        reads: "nats_by_kind",
        monotone: 0,
        label: "the part of the evidence from posting nearly the same text",
        value: |c| nats_share(c, TraceKind::Text),
        show: show_share,
    },
    Feature {
        name: "trace_diversity",
        unit: "effective kinds",
        formula: "exp(Shannon entropy of the four nats shares)",
        reads: "nats_by_kind",
        monotone: 0,
        label: "the number of ways in which they act together",
        value: |c| entropy(c.nats_by_kind.iter().map(|&(_, nats)| nats.max(0.0))).map(f64::exp),
        show: show_number,
    },
    Feature {
        name: "source_entropy",
        unit: "nats",
        formula: "Shannon entropy of max(nats, 0) over sources",
        reads: "nats_by_source.nats",
        monotone: 0,
        label: "how widely the evidence is spread over sources (as a number of equal sources)",
        value: |c| entropy(c.nats_by_source.iter().map(|s| s.nats.max(0.0))),
        show: |v| show_number(v.exp()),
    },
    Feature {
        name: "key_entropy",
        unit: "nats",
        formula: "Shannon entropy of the number of members' posts over keys of the evidence",
        reads: "evidence.posts (count)",
        monotone: 0,
        label: "how widely the joint posts are spread over keys (as a number of equal keys)",
        value: |c| entropy(c.evidence.iter().map(|e| e.posts.len() as f64)),
        show: |v| show_number(v.exp()),
    },
    Feature {
        name: "delay_p10",
        unit: "log10(1 + s)",
        formula: "10 % quantile over keys of the time between successive members' first posts on a key",
        reads: "evidence.posts (time, account)",
        monotone: -1,
        label: "the time between members acting on the same thing, in the quickest tenth of cases,",
        value: |c| delay_quantile(c, 0.1),
        show: show_seconds,
    },
    Feature {
        name: "delay_p50",
        unit: "log10(1 + s)",
        formula: "median over keys of the time between successive members' first posts on a key",
        reads: "evidence.posts (time, account)",
        monotone: -1,
        label: "the time between members acting on the same thing, in half of the cases,",
        value: |c| delay_quantile(c, 0.5),
        show: show_seconds,
    },
    Feature {
        name: "delay_p90",
        unit: "log10(1 + s)",
        formula: "90 % quantile over keys of the time between successive members' first posts on a key",
        reads: "evidence.posts (time, account)",
        monotone: -1,
        label: "the time between members acting on the same thing, in nine cases out of ten,",
        value: |c| delay_quantile(c, 0.9),
        show: show_seconds,
    },
    Feature {
        name: "share_on_cluster_keys",
        unit: "share",
        formula: "median over members of posts on keys of the evidence / posts",
        reads: "members.behaviour (posts, posts_on_cluster_keys)",
        monotone: 1,
        label: "the part of a typical member's posts that are on the joint keys",
        value: |c| median_ratio(c, |b| b.posts_on_cluster_keys),
        show: show_share,
    },
    Feature {
        name: "size",
        unit: "ln accounts",
        formula: "ln of the number of members",
        reads: "members (count)",
        monotone: 0,
        label: "the number of accounts",
        value: |c| (!c.members.is_empty()).then(|| (c.members.len() as f64).ln()),
        show: |v| show_number(v.exp()),
    },
    Feature {
        name: "tie_density",
        unit: "share",
        formula: "pairs of members with a tie of any kind / pairs of members",
        reads: "ties (a, b), members (count)",
        monotone: 0,
        label: "the part of all pairs of members that act together directly",
        value: tie_density,
        show: show_share,
    },
    Feature {
        name: "creation_spread",
        unit: "log10(1 + days)",
        formula: "interquartile range of the accounts' creation times; unknown under 3 known times",
        reads: "members.behaviour.created_at",
        monotone: -1,
        label: "the period in which the middle half of the accounts were made",
        value: creation_spread,
        show: show_days,
    },
    Feature {
        name: "creation_burst",
        unit: "share",
        formula: "greatest share of the accounts with known creation time made within 7 days; unknown under 3",
        reads: "members.behaviour.created_at",
        monotone: 1,
        label: "the part of the accounts made within one week",
        value: creation_burst,
        show: show_share,
    },
    Feature {
        name: "default_profile_share",
        unit: "share",
        formula: "accounts with a default profile / accounts where that is known; unknown under 3",
        reads: "members.behaviour.default_profile",
        monotone: 1,
        label: "the part of the accounts whose profile was never filled in",
        value: default_profile_share,
        show: show_share,
    },
    Feature {
        name: "hour_entropy",
        unit: "share of ln 24",
        formula: "Shannon entropy of the mean over members of their posts' UTC hours, over ln 24",
        reads: "members.behaviour.hours",
        monotone: 0,
        label: "how evenly the accounts post around the clock (100 % is every hour alike)",
        value: hour_entropy,
        show: show_share,
    },
    Feature {
        name: "client_homogeneity",
        unit: "share",
        formula: "accounts on the commonest client / accounts whose client is known; unknown under 3",
        reads: "members.behaviour.client (equality)",
        monotone: 1,
        label: "the part of the accounts that post from the same application",
        value: client_homogeneity,
        show: show_share,
    },
    Feature {
        name: "repost_share",
        unit: "share",
        formula: "median over members of reposts / posts",
        reads: "members.behaviour (posts, reposts)",
        monotone: 0,
        label: "the part of a typical member's posts that are reposts",
        value: |c| median_ratio(c, |b| b.reposts),
        show: show_share,
    },
    Feature {
        name: "deletion_rate",
        unit: "share",
        formula: "posts seen deleted / posts, over all members; unknown when none was seen deleted",
        reads: "members.behaviour (posts, deleted)",
        monotone: 0,
        label: "the part of the members' posts that were deleted",
        value: deletion_rate,
        show: show_share,
    },
    Feature {
        name: "handle_pattern_entropy",
        unit: "share of ln accounts",
        formula: "Shannon entropy of handle shapes (a run of letters is a, each digit is 0) / ln of named members; unknown \
                  under 3",
        reads: "members.account_name (shape)",
        monotone: -1,
        label: "how varied the shapes of the accounts' names are (0 % is all alike)",
        value: handle_pattern_entropy,
        show: show_share,
    },
];

/// All values of a cluster, in the order of [`FEATURES`]; each is finite or `None`.
pub fn values(cluster: &Cluster) -> Vec<Option<f64>> {
    FEATURES.iter().map(|feature| (feature.value)(cluster).filter(|v| v.is_finite())).collect()
}

/// SHA-256 over names, units and formulas, in hexadecimal: models carry it, so that a changed list is noticed.
pub fn schema_hash() -> String {
    let mut hash = Sha256::new();
    for feature in &FEATURES {
        for part in [feature.name, feature.unit, feature.formula] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hex(&hash.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

/// Linear interpolation between order statistics (type 7 of Hyndman and Fan 1996).
fn quantile(values: &mut [f64], q: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = q * last as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    Some(values[below] + (at - below as f64) * (values[above] - values[below]))
}

fn nats_share(cluster: &Cluster, kind: TraceKind) -> Option<f64> {
    let total = sum(cluster.nats_by_kind.iter().map(|&(_, nats)| nats.max(0.0)).collect());
    let own = cluster.nats_by_kind.iter().filter(|&&(k, _)| k == kind);
    let own = sum(own.map(|&(_, nats)| nats.max(0.0)).collect());
    (total > 0.0).then(|| own / total)
}

fn delay_quantile(cluster: &Cluster, q: f64) -> Option<f64> {
    let mut delays = Vec::new();
    for evidence in &cluster.evidence {
        let mut first = BTreeMap::new();
        for post in &evidence.posts {
            let at = first.entry(&post.account).or_insert(post.created_at);
            *at = post.created_at.min(*at);
        }
        let mut times: Vec<i64> = first.into_values().collect();
        times.sort_unstable();
        delays.extend(times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1_000.0));
    }
    quantile(&mut delays, q).map(log10_1p)
}

fn median_ratio(cluster: &Cluster, part: fn(&coordination::Behaviour) -> u64) -> Option<f64> {
    let behaviours = cluster.members.iter().map(|member| &member.behaviour);
    let mut ratios: Vec<f64> =
        behaviours.filter(|b| b.posts > 0).map(|b| (part(b) as f64 / b.posts as f64).min(1.0)).collect();
    quantile(&mut ratios, 0.5)
}

fn tie_density(cluster: &Cluster) -> Option<f64> {
    let members = cluster.members.len();
    let pairs = members * members.saturating_sub(1) / 2;
    let tied: BTreeSet<_> = cluster.ties.iter().map(|tie| (&tie.a, &tie.b)).collect();
    (pairs > 0).then(|| (tied.len() as f64 / pairs as f64).min(1.0))
}

const DAY_MS: f64 = 86_400_000.0;
const LEAST_KNOWN: usize = 3;

fn creation_days(cluster: &Cluster) -> Option<Vec<f64>> {
    let known = cluster.members.iter().filter_map(|member| member.behaviour.created_at);
    let mut days: Vec<f64> = known.map(|at| at as f64 / DAY_MS).collect();
    days.sort_by(f64::total_cmp);
    (days.len() >= LEAST_KNOWN).then_some(days)
}

fn creation_spread(cluster: &Cluster) -> Option<f64> {
    let mut days = creation_days(cluster)?;
    Some(log10_1p(quantile(&mut days, 0.75)? - quantile(&mut days, 0.25)?))
}

fn creation_burst(cluster: &Cluster) -> Option<f64> {
    let days = creation_days(cluster)?;
    let within_week = |from: &f64| days.iter().filter(|&day| (0.0..7.0).contains(&(day - from))).count();
    let most = days.iter().map(within_week).max()?;
    Some(most as f64 / days.len() as f64)
}

fn default_profile_share(cluster: &Cluster) -> Option<f64> {
    let known = cluster.members.iter().filter_map(|member| member.behaviour.default_profile);
    let known: Vec<bool> = known.collect();
    let defaults = known.iter().filter(|&&is_default| is_default).count();
    (known.len() >= LEAST_KNOWN).then(|| defaults as f64 / known.len() as f64)
}

fn hour_entropy(cluster: &Cluster) -> Option<f64> {
    let mut by_hour: [Vec<f64>; 24] = Default::default();
    for member in &cluster.members {
        let posts: u32 = member.behaviour.hours.iter().sum();
        if posts > 0 {
            for (hour, &n) in by_hour.iter_mut().zip(&member.behaviour.hours) {
                hour.push(f64::from(n) / f64::from(posts));
            }
        }
    }
    entropy(by_hour.into_iter().map(sum)).map(|h| h / 24f64.ln())
}

fn client_homogeneity(cluster: &Cluster) -> Option<f64> {
    let mut clients: BTreeMap<&str, usize> = BTreeMap::new();
    for client in cluster.members.iter().filter_map(|member| member.behaviour.client.as_deref()) {
        *clients.entry(client).or_default() += 1;
    }
    let known: usize = clients.values().sum();
    let most = clients.into_values().max()?;
    (known >= LEAST_KNOWN).then(|| most as f64 / known as f64)
}

/// A stream without deletions and one in which nothing was deleted look the same, so no deletion is "not known".
fn deletion_rate(cluster: &Cluster) -> Option<f64> {
    let behaviours = || cluster.members.iter().map(|member| &member.behaviour);
    let deleted: u64 = behaviours().map(|b| b.deleted).sum();
    let posts: u64 = behaviours().map(|b| b.posts).sum();
    (deleted > 0 && posts > 0).then(|| (deleted as f64 / posts as f64).min(1.0))
}

fn handle_pattern_entropy(cluster: &Cluster) -> Option<f64> {
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    for member in cluster.members.iter().filter(|member| !member.account_name.is_empty()) {
        *shapes.entry(handle_shape(&member.account_name)).or_default() += 1;
    }
    let named: usize = shapes.values().sum();
    if named < LEAST_KNOWN {
        return None;
    }
    entropy(shapes.into_values().map(|n| n as f64)).map(|h| h / (named as f64).ln())
}

/// The shape of a name: `Anna_Berg84721` and `joe_x10293` are both `a_a00000`.
fn handle_shape(name: &str) -> String {
    let mut shape = String::new();
    for c in name.chars() {
        if c.is_numeric() {
            shape.push('0');
        } else if !c.is_alphabetic() {
            shape.push(c);
        } else if !shape.ends_with('a') {
            shape.push('a');
        }
    }
    shape
}

fn show_nats(v: f64) -> String {
    let nats = (v.signum() * v.abs().exp_m1()).round();
    // No minus before nothing.
    format!("{:.0} nats", if nats == 0.0 { 0.0 } else { nats })
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

#[cfg(test)]
mod tests;
