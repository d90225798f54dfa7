//! The features of a cluster.

use std::collections::{BTreeMap, BTreeSet};

use coordination::{Cluster, Manner, TraceKind};

use super::{
    Feature, Table, described, entropy, log10_1p, quantile, show_days, show_nats, show_number, show_seconds,
    show_share, signed_log1p, sum,
};

/// All features of a cluster, in the order of every dataset row and every model's weights.
pub static FEATURES: [Feature; 31] = described(&TABLE);

/// Each with its value, or `None` where it is not known.
pub(super) const TABLE: Table<Cluster, 31> = [
    (
        Feature {
            name: "log_e",
            unit: "ln(1 + nats), signed",
            formula: "sign(x) ln(1 + |x|), x = total evidence in nats",
            reads: "log_e",
            monotone: 1,
            label: "the evidence that the accounts act together",
            show: show_nats,
        },
        |c| Some(signed_log1p(c.log_e)),
    ),
    (
        Feature {
            name: "log_e_leave_one_source_out",
            unit: "ln(1 + nats), signed",
            formula: "sign(x) ln(1 + |x|), x = evidence without its best source in nats",
            reads: "log_e_leave_one_source_out",
            monotone: 1,
            label: "the evidence left when the strongest source is set aside",
            show: show_nats,
        },
        |c| Some(signed_log1p(c.log_e_leave_one_source_out)),
    ),
    (
        Feature {
            name: "nats_share_url",
            unit: "share",
            formula: "max(nats of url, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from sharing the same links",
            show: show_share,
        },
        |c| nats_share(c, TraceKind::Url),
    ),
    (
        Feature {
            name: "nats_share_repost",
            unit: "share",
            formula: "max(nats of repost, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from reposting the same posts",
            show: show_share,
        },
        |c| nats_share(c, TraceKind::Repost),
    ),
    (
        Feature {
            name: "nats_share_hashtags",
            unit: "share",
            formula: "max(nats of hashtags, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from using the same hashtags",
            show: show_share,
        },
        |c| nats_share(c, TraceKind::Hashtags),
    ),
    (
        Feature {
            name: "nats_share_text",
            unit: "share",
            formula: "max(nats of text, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from posting nearly the same text",
            show: show_share,
        },
        |c| nats_share(c, TraceKind::Text),
    ),
    (
        Feature {
            name: "nats_share_media",
            unit: "share",
            formula: "max(nats of media, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from posting the same pictures",
            show: show_share,
        },
        |c| nats_share(c, TraceKind::Media),
    ),
    (
        Feature {
            name: "nats_share_reply",
            unit: "share",
            formula: "max(nats of reply, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from answering the same posts",
            show: show_share,
        },
        |c| nats_share(c, TraceKind::Reply),
    ),
    (
        Feature {
            name: "nats_share_mention",
            unit: "share",
            formula: "max(nats of mention, 0) / sum over kinds of max(nats, 0); unknown when the sum is 0",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the part of the evidence from mentioning the same accounts",
            show: show_share,
        },
        |c| nats_share(c, TraceKind::Mention),
    ),
    (
        Feature {
            name: "trace_diversity",
            unit: "effective kinds",
            formula: "exp(Shannon entropy of the seven nats shares)",
            reads: "nats_by_kind",
            monotone: 0,
            label: "the number of ways in which they act together",
            show: show_number,
        },
        |c| entropy(c.nats_by_kind.iter().map(|&(_, nats)| nats.max(0.0))).map(f64::exp),
    ),
    (
        Feature {
            name: "source_entropy",
            unit: "nats",
            formula: "Shannon entropy of max(nats, 0) over sources",
            reads: "nats_by_source.nats",
            monotone: 0,
            label: "how widely the evidence is spread over sources (as a number of equal sources)",
            show: |v| show_number(v.exp()),
        },
        |c| entropy(c.nats_by_source.iter().map(|s| s.nats.max(0.0))),
    ),
    (
        Feature {
            name: "key_entropy",
            unit: "nats",
            formula: "Shannon entropy of the number of members' posts over keys of the evidence",
            reads: "evidence.posts (count)",
            monotone: 0,
            label: "how widely the joint posts are spread over keys (as a number of equal keys)",
            show: |v| show_number(v.exp()),
        },
        |c| entropy(c.evidence.iter().map(|e| e.posts.len() as f64)),
    ),
    (
        Feature {
            name: "delay_p10",
            unit: "log10(1 + s)",
            formula: "10 % quantile over keys of the time between successive members' first posts on a key",
            reads: "evidence.posts (time, account)",
            monotone: -1,
            label: "the time between members acting on the same thing, in the quickest tenth of cases,",
            show: show_seconds,
        },
        |c| delay_quantile(c, 0.1),
    ),
    (
        Feature {
            name: "delay_p50",
            unit: "log10(1 + s)",
            formula: "median over keys of the time between successive members' first posts on a key",
            reads: "evidence.posts (time, account)",
            monotone: -1,
            label: "the time between members acting on the same thing, in half of the cases,",
            show: show_seconds,
        },
        |c| delay_quantile(c, 0.5),
    ),
    (
        Feature {
            name: "delay_p90",
            unit: "log10(1 + s)",
            formula: "90 % quantile over keys of the time between successive members' first posts on a key",
            reads: "evidence.posts (time, account)",
            monotone: -1,
            label: "the time between members acting on the same thing, in nine cases out of ten,",
            show: show_seconds,
        },
        |c| delay_quantile(c, 0.9),
    ),
    (
        Feature {
            name: "share_on_cluster_keys",
            unit: "share",
            formula: "median over members of posts on keys of the evidence / posts",
            reads: "members.behaviour (posts, posts_on_cluster_keys)",
            monotone: 1,
            label: "the part of a typical member's posts that are on the joint keys",
            show: show_share,
        },
        |c| median_ratio(c, |b| b.posts_on_cluster_keys),
    ),
    (
        Feature {
            name: "size",
            unit: "ln accounts",
            formula: "ln of the number of members",
            reads: "members (count)",
            monotone: 0,
            label: "the number of accounts",
            show: |v| show_number(v.exp()),
        },
        |c| (!c.members.is_empty()).then(|| (c.members.len() as f64).ln()),
    ),
    (
        Feature {
            name: "tie_density",
            unit: "share",
            formula: "pairs of members with a tie of any kind / pairs of members",
            reads: "ties (a, b), members (count)",
            monotone: 0,
            label: "the part of all pairs of members that act together directly",
            show: show_share,
        },
        tie_density,
    ),
    (
        Feature {
            name: "creation_spread",
            unit: "log10(1 + days)",
            formula: "interquartile range of the accounts' creation times; unknown under 3 known times",
            reads: "members.behaviour.created_at",
            monotone: -1,
            label: "the period in which the middle half of the accounts were made",
            show: show_days,
        },
        creation_spread,
    ),
    (
        Feature {
            name: "creation_burst",
            unit: "share",
            formula: "greatest share of the accounts with known creation time made within 7 days; unknown under 3",
            reads: "members.behaviour.created_at",
            monotone: 1,
            label: "the part of the accounts made within one week",
            show: show_share,
        },
        creation_burst,
    ),
    (
        Feature {
            name: "default_profile_share",
            unit: "share",
            formula: "accounts with a default profile / accounts where that is known; unknown under 3",
            reads: "members.behaviour.default_profile",
            monotone: 1,
            label: "the part of the accounts whose profile was never filled in",
            show: show_share,
        },
        default_profile_share,
    ),
    (
        Feature {
            name: "hour_entropy",
            unit: "share of ln 24",
            formula: "Shannon entropy of the mean over members of their posts' UTC hours, over ln 24",
            reads: "members.behaviour.hours",
            monotone: 0,
            label: "how evenly the accounts post around the clock (100 % is every hour alike)",
            show: show_share,
        },
        hour_entropy,
    ),
    (
        Feature {
            name: "hour_agreement",
            unit: "share",
            formula: "length of the sum of the members' mean vectors / sum of their lengths, a mean vector being that of the UTC hours of a member's posts on a circle of 24 h; of members with 5 or more posts, unknown under 3",
            reads: "members.behaviour.hours",
            monotone: 0,
            label: "how far the hours at which the members are awake agree (100 % is as in one time zone)",
            show: show_share,
        },
        hour_agreement,
    ),
    (
        Feature {
            name: "client_homogeneity",
            unit: "share",
            formula: "accounts on the commonest client / accounts whose client is known; unknown under 3",
            reads: "members.behaviour.client (equality)",
            monotone: 1,
            label: "the part of the accounts that post from the same application",
            show: show_share,
        },
        client_homogeneity,
    ),
    (
        Feature {
            name: "repost_share",
            unit: "share",
            formula: "median over members of reposts / posts",
            reads: "members.behaviour (posts, reposts)",
            monotone: 0,
            label: "the part of a typical member's posts that are reposts",
            show: show_share,
        },
        |c| median_ratio(c, |b| b.reposts),
    ),
    (
        Feature {
            name: "fast_repost_share",
            unit: "share",
            formula: "reposts within a minute of the original / reposts whose original was seen within the hour before, over all members; unknown under 3 of these",
            reads: "members.behaviour (timed_reposts, fast_reposts)",
            monotone: 0,
            label: "the part of the members' reposts that came within a minute of the original",
            show: show_share,
        },
        fast_repost_share,
    ),
    (
        Feature {
            name: "repost_lag",
            unit: "log10(1 + s)",
            formula: "median over members' reposts in the evidence of the time since the original; unknown where no original was seen within the hour before",
            reads: "evidence.posts (manner)",
            monotone: 0,
            label: "the time from a post to a member's repost of it, in half of the cases,",
            show: show_seconds,
        },
        repost_lag,
    ),
    (
        Feature {
            name: "text_spread",
            unit: "Jaccard distance",
            formula: "mean over near-duplicate texts of the evidence of the mean over pairs of members' posts of 1 - J, J = max(0, 2 x share of equal sketch bits - 1); unknown where no two posts share one",
            reads: "evidence.posts (manner)",
            monotone: 0,
            label: "how far the members' wordings of nearly the same text differ (0 % is word for word)",
            show: show_share,
        },
        text_spread,
    ),
    (
        Feature {
            name: "cross_platform_share",
            unit: "share",
            formula: "1 - members on the commonest platform / members",
            reads: "members.account.platform (equality)",
            monotone: 0,
            label: "the part of the accounts that are not on the platform of most",
            show: show_share,
        },
        cross_platform_share,
    ),
    (
        Feature {
            name: "deletion_rate",
            unit: "share",
            formula: "posts seen deleted / posts, over all members; unknown when none was seen deleted",
            reads: "members.behaviour (posts, deleted)",
            monotone: 0,
            label: "the part of the members' posts that were deleted",
            show: show_share,
        },
        deletion_rate,
    ),
    (
        Feature {
            name: "handle_pattern_entropy",
            unit: "share of ln accounts",
            formula: "Shannon entropy of handle shapes (a run of letters is a, each digit is 0) / ln of named members; unknown \
                      under 3",
            reads: "members.account_name (shape)",
            monotone: -1,
            label: "how varied the shapes of the accounts' names are (0 % is all alike)",
            show: show_share,
        },
        handle_pattern_entropy,
    ),
];

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

/// Members are weighted by how much their own hours differ: who posts around the clock lives in no time zone.
fn hour_agreement(cluster: &Cluster) -> Option<f64> {
    const LEAST_POSTS: u32 = 5;
    let (mut xs, mut ys, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for hours in cluster.members.iter().map(|member| &member.behaviour.hours) {
        let posts: u32 = hours.iter().sum();
        if posts >= LEAST_POSTS {
            let mean = |part: fn(f64) -> f64| {
                let weighted = (0u32..)
                    .zip(hours)
                    .map(|(hour, &n)| f64::from(n) * part(std::f64::consts::TAU * f64::from(hour) / 24.0));
                weighted.sum::<f64>() / f64::from(posts)
            };
            let (x, y) = (mean(f64::cos), mean(f64::sin));
            xs.push(x);
            ys.push(y);
            lengths.push(x.hypot(y));
        }
    }
    let known = lengths.len();
    let total = sum(lengths);
    (known >= LEAST_KNOWN && total > 1e-9).then(|| (sum(xs).hypot(sum(ys)) / total).min(1.0))
}

fn fast_repost_share(cluster: &Cluster) -> Option<f64> {
    let count = |of: fn(&coordination::Behaviour) -> u64| cluster.members.iter().map(|m| of(&m.behaviour)).sum::<u64>();
    let (timed, fast) = (count(|b| b.timed_reposts), count(|b| b.fast_reposts));
    (timed >= LEAST_KNOWN as u64).then(|| (fast as f64 / timed as f64).min(1.0))
}

fn repost_lag(cluster: &Cluster) -> Option<f64> {
    let posts = cluster.evidence.iter().flat_map(|evidence| &evidence.posts);
    let mut lags: Vec<f64> = posts
        .filter_map(|post| match post.manner {
            Manner::After(ms) => Some(f64::from(ms) / 1_000.0),
            Manner::Plain | Manner::Wording(_) => None,
        })
        .collect();
    quantile(&mut lags, 0.5).map(log10_1p)
}

fn text_spread(cluster: &Cluster) -> Option<f64> {
    let mut spreads = Vec::new();
    for evidence in cluster.evidence.iter().filter(|evidence| evidence.kind == TraceKind::Text) {
        let wordings: Vec<u64> = evidence
            .posts
            .iter()
            .filter_map(|post| match post.manner {
                Manner::Wording(bits) => Some(bits),
                Manner::Plain | Manner::After(_) => None,
            })
            .collect();
        let mut distances = Vec::new();
        for (at, one) in wordings.iter().enumerate() {
            let others = wordings[at + 1..].iter().map(|other| f64::from((one ^ other).count_ones()) / 64.0);
            // Unequal bits are half of the Jaccard distance.
            distances.extend(others.map(|unequal| (2.0 * unequal).min(1.0)));
        }
        if !distances.is_empty() {
            let pairs = distances.len() as f64;
            spreads.push(sum(distances) / pairs);
        }
    }
    let texts = spreads.len() as f64;
    (!spreads.is_empty()).then(|| sum(spreads) / texts)
}

fn cross_platform_share(cluster: &Cluster) -> Option<f64> {
    let mut platforms: BTreeMap<&str, usize> = BTreeMap::new();
    for member in &cluster.members {
        *platforms.entry(&member.account.platform).or_default() += 1;
    }
    let most = platforms.into_values().max()?;
    Some(1.0 - most as f64 / cluster.members.len() as f64)
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

#[cfg(test)]
mod tests;
