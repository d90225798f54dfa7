//! The data that the features of a cluster are computed from, and the computations.

use std::collections::{BTreeMap, BTreeSet};

use coordination::{
    AccountRef, Behaviour, Cluster, Manner, Member, Millis, PostRef, Tie, TraceKind, TrialOutcome, WindowSum,
};

use super::super::{entropy, log10_1p, quantile, sum};

/// A crowd with fewer posts has no rate to compare with.
pub(super) const LEAST_POSTS: f64 = 50.0;
/// Added to both rates of a ratio: a rate of one in a hundred is rare enough.
pub(super) const RATE_FLOOR: f64 = 0.01;
pub(super) const LEAST_KNOWN: usize = 3;
pub(super) const DAY_MS: f64 = 86_400_000.0;
pub(super) const MOST_LIFE_MS: f64 = 7.0 * DAY_MS;

/// The measured part of a cluster: its own group.
pub(in crate::features) struct Group<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) members: Vec<Own<'c>>,
    pub(super) accounts: BTreeSet<&'c AccountRef>,
    /// Members' posts on each key of the evidence.
    pub(super) keys: Vec<Vec<&'c PostRef>>,
}

/// A member that the cluster's own group names.
#[derive(Clone, Copy)]
pub(super) struct Own<'c>(pub(super) &'c Member);

impl<'c> Group<'c> {
    pub(in crate::features) fn of(cluster: &'c Cluster) -> Group<'c> {
        let members: Vec<Own<'_>> = cluster.members.iter().filter(|member| !member.elsewhere).map(Own).collect();
        let accounts: BTreeSet<&AccountRef> = members.iter().map(|member| &member.0.account).collect();
        let own = |post: &&PostRef| accounts.contains(&post.account);
        let keys = cluster.evidence.iter().map(|key| key.posts.iter().filter(own).collect()).collect();
        Group { cluster, members, accounts, keys }
    }

    pub(super) fn behaviours(&self) -> impl Iterator<Item = &'c Behaviour> {
        self.members.iter().map(|member| &member.0.behaviour)
    }

    /// The median over members for whom the value is known.
    pub(super) fn median(&self, of: impl Fn(&Own<'c>) -> Option<f64>) -> Option<f64> {
        quantile(&mut self.members.iter().filter_map(of).collect::<Vec<f64>>(), 0.5)
    }

    pub(super) fn best_window(&self) -> Option<&'c WindowSum> {
        self.cluster.windows.get(self.cluster.best_window())
    }

    /// The window in which most posts of the group repeat members' own words (the first of equal
    /// ones), with their share.
    pub(super) fn own_words(&self) -> Option<(&'c WindowSum, f64)> {
        let shares =
            self.cluster.windows.iter().filter_map(|w| Some((w, share(&w.group, TrialOutcome::OwnWords, 1.0)?)));
        shares.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    pub(super) fn best_share(&self, outcome: TrialOutcome) -> Option<f64> {
        share(&self.best_window()?.group, outcome, 1.0)
    }

    /// ln of the ratio of the group's rate of this outcome to that of others.
    pub(super) fn over(&self, outcome: TrialOutcome, others: fn(&WindowSum) -> [u64; 5]) -> Option<f64> {
        let window = match outcome {
            TrialOutcome::OwnWords => self.own_words()?.0,
            _ => self.best_window()?,
        };
        let (own, theirs) = (share(&window.group, outcome, 1.0)?, share(&others(window), outcome, LEAST_POSTS)?);
        Some(((own + RATE_FLOOR) / (theirs + RATE_FLOOR)).ln())
    }

    /// Gains of each source in the best window.
    pub(super) fn source_nats(&self) -> impl Iterator<Item = f64> {
        let best = self.cluster.best_window();
        self.cluster.nats_by_source.iter().map(move |source| source.nats.get(best).map_or(0.0, |nats| nats.max(0.0)))
    }

    /// Milliseconds from the stream's first use of a key to the last post in the evidence; `None`
    /// if that is not a valid time.
    pub(super) fn watched(&self) -> Option<f64> {
        let Cluster { terms, history, last_seen, .. } = self.cluster;
        let watched = *history as f64 + (last_seen.saturating_sub(terms.born) as f64).max(0.0);
        (watched > 0.0).then_some(watched)
    }

    /// Whether all hours of a day were observed.
    pub(super) fn has_watched_a_day(&self) -> bool {
        self.watched().is_some_and(|watched| watched >= DAY_MS)
    }
}

impl Own<'_> {
    /// Its posts with these outcomes / all judged posts.
    pub(super) fn part(&self, outcomes: &[TrialOutcome]) -> Option<f64> {
        let all: u64 = self.0.outcomes.iter().map(|n| u64::from(*n)).sum();
        let some: u64 = outcomes.iter().map(|outcome| u64::from(self.0.outcomes[*outcome as usize])).sum();
        (all > 0).then(|| some as f64 / all as f64)
    }

    /// `part` / its posts.
    pub(super) fn ratio(&self, part: u64) -> Option<f64> {
        let posts = self.0.behaviour.posts;
        (posts > 0).then(|| (part as f64 / posts as f64).min(1.0))
    }

    /// Milliseconds between its first and its last post, at most seven days.
    pub(super) fn life(&self) -> f64 {
        let Behaviour { first_post, last_post, .. } = self.0.behaviour;
        (last_post.saturating_sub(first_post) as f64).clamp(0.0, MOST_LIFE_MS)
    }
}

/// The share of one outcome; unknown with fewer than `least` posts.
pub(super) fn share(counts: &[u64; 5], outcome: TrialOutcome, least: f64) -> Option<f64> {
    let all: f64 = counts.iter().map(|n| *n as f64).sum();
    (all >= least).then(|| counts[outcome as usize] as f64 / all)
}

pub(super) fn nats_per_trial(group: &Group<'_>) -> Option<f64> {
    let window = group.best_window()?;
    let trials: f64 = window.group.iter().map(|n| *n as f64).sum();
    (trials > 0.0).then(|| window.nats / trials)
}

pub(super) fn nats_share(group: &Group<'_>, kind: TraceKind) -> Option<f64> {
    let gains = &group.cluster.nats_by_kind;
    let total = sum(gains.iter().map(|&(_, nats)| nats.max(0.0)).collect());
    let own = gains.iter().filter(|&&(k, _)| k == kind);
    let own = sum(own.map(|&(_, nats)| nats.max(0.0)).collect());
    (total > 0.0).then(|| own / total)
}

pub(super) fn best_source_share(group: &Group<'_>) -> Option<f64> {
    let best = group.source_nats().max_by(f64::total_cmp)?;
    let all = sum(group.source_nats().collect());
    (all > 0.0).then(|| best / all)
}

/// The times of each member's first post on a key, sorted.
pub(super) fn first_posts(posts: &[&PostRef]) -> Vec<Millis> {
    let mut first: BTreeMap<&AccountRef, Millis> = BTreeMap::new();
    for post in posts {
        let at = first.entry(&post.account).or_insert(post.created_at);
        *at = post.created_at.min(*at);
    }
    let mut times: Vec<Millis> = first.into_values().collect();
    times.sort_unstable();
    times
}

/// Seconds from the first member's post on a key until half of the members who use it have posted:
/// the median over keys with at least three members, unknown with fewer than three such keys. In a
/// group of hundreds, the times between one member and the next are short even if each member is
/// slow; this value does not get shorter with more members.
pub(crate) fn half_span_s(cluster: &Cluster) -> Option<f64> {
    let group = Group::of(cluster);
    let spans = group.keys.iter().map(|posts| first_posts(posts)).filter(|times| times.len() >= 3);
    let mut spans: Vec<f64> =
        spans.map(|times| times[times.len() / 2].saturating_sub(times[0]) as f64 / 1_000.0).collect();
    if spans.len() < 3 { None } else { quantile(&mut spans, 0.5) }
}

pub(super) fn delay_quantile(group: &Group<'_>, q: f64) -> Option<f64> {
    let mut delays = Vec::new();
    for posts in &group.keys {
        let times = first_posts(posts);
        delays.extend(times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64 / 1_000.0));
    }
    quantile(&mut delays, q).map(log10_1p)
}

/// A near miss lists its proposed accounts, and one text by many accounts lists its authors:
/// neither names anybody.
pub(super) fn has_names(group: &Group<'_>) -> bool {
    !group.cluster.namings.is_empty() && !group.members.is_empty()
}

pub(super) fn named_share(group: &Group<'_>) -> Option<f64> {
    let proposed = group.cluster.terms.proposed;
    let named = group.members.iter().filter(|member| member.0.proposed).count();
    (has_names(group) && proposed > 0).then(|| (named as f64 / proposed as f64).min(1.0))
}

pub(super) fn found_share(group: &Group<'_>) -> Option<f64> {
    let found = group.members.iter().filter(|member| !member.0.proposed).count();
    has_names(group).then(|| found as f64 / group.members.len() as f64)
}

pub(super) fn copy_coverage(group: &Group<'_>) -> Option<f64> {
    let covered = group.keys.iter().flatten().filter_map(|post| match post.manner {
        Manner::Copied(thousandths) => Some((f64::from(thousandths) / 1_000.0).min(1.0)),
        Manner::Plain | Manner::After(_) => None,
    });
    quantile(&mut covered.collect::<Vec<f64>>(), 0.5)
}

pub(super) fn members_per_key(group: &Group<'_>) -> Option<f64> {
    let members = group.members.len() as f64;
    let on_key =
        group.keys.iter().filter(|posts| !posts.is_empty()).map(|posts| first_posts(posts).len() as f64 / members);
    quantile(&mut on_key.collect::<Vec<f64>>(), 0.5)
}

pub(super) fn account_life_share(group: &Group<'_>) -> Option<f64> {
    let watched = group.watched()?.min(MOST_LIFE_MS);
    group.median(|member| Some((member.life() / watched).min(1.0)))
}

pub(super) fn rate(member: &Own<'_>) -> Option<f64> {
    let Behaviour { posts, first_post, last_post, .. } = member.0.behaviour;
    let hours = (last_post.saturating_sub(first_post) as f64 / 3_600_000.0).max(1.0);
    (posts > 0).then(|| (posts as f64 / hours).log10())
}

pub(super) fn tie_density(group: &Group<'_>) -> Option<f64> {
    let members = group.members.len();
    let pairs = members * members.saturating_sub(1) / 2;
    let own = |tie: &&Tie| group.accounts.contains(&tie.a) && group.accounts.contains(&tie.b);
    let own = group.cluster.ties.iter().filter(own);
    let tied: BTreeSet<_> = own.map(|tie| (&tie.a, &tie.b)).collect();
    (pairs > 0).then(|| (tied.len() as f64 / pairs as f64).min(1.0))
}

pub(super) fn creation_days(group: &Group<'_>) -> Option<Vec<f64>> {
    let known = group.behaviours().filter_map(|behaviour| behaviour.created_at);
    let mut days: Vec<f64> = known.map(|at| at as f64 / DAY_MS).collect();
    days.sort_by(f64::total_cmp);
    (days.len() >= LEAST_KNOWN).then_some(days)
}

pub(super) fn creation_spread(group: &Group<'_>) -> Option<f64> {
    let mut days = creation_days(group)?;
    Some(log10_1p(quantile(&mut days, 0.75)? - quantile(&mut days, 0.25)?))
}

pub(super) fn creation_burst(group: &Group<'_>) -> Option<f64> {
    let days = creation_days(group)?;
    let within_week = |from: &f64| days.iter().filter(|&day| (0.0..7.0).contains(&(day - from))).count();
    let most = days.iter().map(within_week).max()?;
    Some(most as f64 / days.len() as f64)
}

pub(super) fn default_profile_share(group: &Group<'_>) -> Option<f64> {
    let known = group.behaviours().filter_map(|behaviour| behaviour.default_profile);
    let known: Vec<bool> = known.collect();
    let defaults = known.iter().filter(|&&is_default| is_default).count();
    (known.len() >= LEAST_KNOWN).then(|| defaults as f64 / known.len() as f64)
}

pub(super) fn hour_entropy(group: &Group<'_>) -> Option<f64> {
    group.has_watched_a_day().then_some(())?;
    let mut by_hour: [Vec<f64>; 24] = Default::default();
    for behaviour in group.behaviours() {
        let posts: u32 = behaviour.hours.iter().sum();
        if posts > 0 {
            for (hour, &n) in by_hour.iter_mut().zip(&behaviour.hours) {
                hour.push(f64::from(n) / f64::from(posts));
            }
        }
    }
    entropy(by_hour.into_iter().map(sum)).map(|h| h / 24f64.ln())
}

pub(super) fn client_homogeneity(group: &Group<'_>) -> Option<f64> {
    let mut clients: BTreeMap<&str, usize> = BTreeMap::new();
    for client in group.behaviours().filter_map(|behaviour| behaviour.client.as_deref()) {
        *clients.entry(client).or_default() += 1;
    }
    let known: usize = clients.values().sum();
    let most = clients.into_values().max()?;
    (known >= LEAST_KNOWN).then(|| most as f64 / known as f64)
}

/// A stream without records of deletions and a stream in which nothing was deleted look the same,
/// so no deletion means "not known".
pub(super) fn deletion_rate(group: &Group<'_>) -> Option<f64> {
    let deleted: u64 = group.behaviours().map(|b| b.deleted).sum();
    let posts: u64 = group.behaviours().map(|b| b.posts).sum();
    (deleted > 0 && posts > 0).then(|| (deleted as f64 / posts as f64).min(1.0))
}

/// Members are weighted by how much their own hours differ: an account that posts around the clock
/// has no time zone.
pub(super) fn hour_agreement(group: &Group<'_>) -> Option<f64> {
    const LEAST_POSTS: u32 = 5;
    group.has_watched_a_day().then_some(())?;
    let (mut xs, mut ys, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for hours in group.behaviours().map(|behaviour| &behaviour.hours) {
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

pub(super) fn fast_repost_share(group: &Group<'_>) -> Option<f64> {
    let count = |of: fn(&Behaviour) -> u64| group.behaviours().map(of).sum::<u64>();
    let (timed, fast) = (count(|b| b.timed_reposts), count(|b| b.fast_reposts));
    (timed >= LEAST_KNOWN as u64).then(|| (fast as f64 / timed as f64).min(1.0))
}

pub(super) fn repost_lag(group: &Group<'_>) -> Option<f64> {
    let posts = group.keys.iter().flatten();
    let mut lags: Vec<f64> = posts
        .filter_map(|post| match post.manner {
            Manner::After(ms) => Some(f64::from(ms) / 1_000.0),
            Manner::Plain | Manner::Copied(_) => None,
        })
        .collect();
    quantile(&mut lags, 0.5).map(log10_1p)
}

pub(super) fn cross_platform_share(group: &Group<'_>) -> Option<f64> {
    let mut platforms: BTreeMap<&str, usize> = BTreeMap::new();
    for member in &group.members {
        *platforms.entry(&member.0.account.platform).or_default() += 1;
    }
    let most = platforms.into_values().max()?;
    Some(1.0 - most as f64 / group.members.len() as f64)
}

pub(super) fn handle_pattern_entropy(group: &Group<'_>) -> Option<f64> {
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    for name in group.members.iter().map(|member| &member.0.account_name).filter(|name| !name.is_empty()) {
        *shapes.entry(handle_shape(name)).or_default() += 1;
    }
    let named: usize = shapes.values().sum();
    if named < LEAST_KNOWN {
        return None;
    }
    entropy(shapes.into_values().map(|n| n as f64)).map(|h| h / (named as f64).ln())
}

/// The shape of a name: `Anna_Berg84721` and `joe_x10293` are both `a_a00000`.
pub(super) fn handle_shape(name: &str) -> String {
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
