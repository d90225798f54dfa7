//! Clusters for tests: an invented group with realistic timing.
//!
//! Behind the feature `fixtures`: no program has it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use messages::cluster::{
    ClusterAccount, ClusterMessage, Dropped, Evidence, Gain, ModelRef, Naming, Outcome, PostRef, Reason,
    SCHEMA_VERSION, SourceNats, Status, Terms as Tested, Tie, TraceKind, Unlisted, Why, Window,
};

/// Twelve accounts on two platforms, forty keys of three kinds, over three days.
pub fn cluster(id: &str, version: u32) -> ClusterMessage {
    sized(id, version, 12, 40)
}

/// What each kind of key gives where another member used it before: the outcome, how often the group did so, how often others do.
const GIVES: [(TraceKind, Outcome, f64, f64); 3] = [
    (TraceKind::Repost, Outcome::Rare, 0.12, 0.031),
    (TraceKind::Url, Outcome::Middling, 0.08, 0.042),
    (TraceKind::Text, Outcome::OwnWords, 0.31, 0.058),
];
/// Seconds of the test's windows.
const WINDOWS: [i64; 3] = [600, 7_200, 86_400];

/// The same with so many accounts and keys.
pub fn sized(id: &str, version: u32, members: usize, keys: usize) -> ClusterMessage {
    let seed = id.bytes().fold(7u64, |a, b| a.wrapping_mul(31).wrapping_add(u64::from(b)));
    let mut dice = fastrand::Rng::with_seed(seed);
    let start = 1_475_900_000_000i64 + (dice.f64() * 4e8) as i64;
    let accounts: Vec<ClusterAccount> = (0..members)
        .map(|n| {
            let posts = 120 + (dice.f64() * 300.0) as u64;
            // Every sixth was found afterwards.
            let afterwards = n % 6 == 4;
            let mut some = |from: u32, span: f64| from + (dice.f64() * span) as u32;
            ClusterAccount {
                platform: if n % 6 == 5 { "bluesky" } else { "twitter" }.to_owned(),
                account_id: format!("{}", 781_200_000 + n * 977 + (seed % 1000) as usize),
                account_name: format!("patriot_{}{:02}", ["anna", "news", "tex", "liberty"][n % 4], n * 7 % 89),
                log_e: 0.0,
                posterior: None,
                outcomes: [
                    some(if afterwards { 9 } else { 5 }, 6.0),
                    some(0, 5.0),
                    some(0, 4.0),
                    some(0, 6.0),
                    some(2, 8.0),
                ],
                dropped: vec![Dropped { kind: TraceKind::Url, source: "dailyheadline.example".to_owned(), nats: 1.25 }],
                dropped_nats: None,
                proposed: !afterwards,
                naming: Some(0),
                elsewhere: false,
                posts,
            }
        })
        .collect();
    let mut evidence: Vec<Evidence> = (0..keys)
        .map(|k| {
            let (kind, outcome, g, h) = GIVES[k % 3];
            let at = start + (dice.f64() * 2.6e8) as i64 / 3_600_000 * 3_600_000 + (dice.f64() * 9e5) as i64;
            let mut posts: Vec<PostRef> = Vec::new();
            for account in &accounts {
                if dice.f64() < 0.62 {
                    let lag = -(1.0 - dice.f64()).ln() * 14_000.0;
                    posts.push(PostRef {
                        id: format!("{}", 784_000_000_000_000_000u64 + (dice.f64() * 1e15) as u64),
                        platform: account.platform.clone(),
                        account_id: account.account_id.clone(),
                        created_at: Timestamp::from_millisecond(at + lag as i64).unwrap(),
                        log: None,
                        gains: Vec::new(),
                    });
                }
            }
            posts.sort_by_key(|post| post.created_at);
            // Who comes first repeats nobody. A day is for own words only.
            let windows = if outcome == Outcome::OwnWords { 3 } else { 2 };
            for post in posts.iter_mut().skip(1) {
                if dice.f64() < 0.9 {
                    let gain = |window| Gain { window, outcome, g, h: h * [1.2, 1.0, 1.4][window] };
                    post.gains = (0..windows).map(gain).collect();
                }
            }
            let key = match kind {
                TraceKind::Repost => format!("{}", 783_900_000_000_000_000u64 + k as u64 * 7_919),
                TraceKind::Url => {
                    format!("https://{}/2016/10/story-{k}", ["dailyheadline.example", "realtruth.example"][k / 3 % 2])
                }
                _ => format!("they do not want you to see what happened in district {k}"),
            };
            Evidence {
                kind,
                source: match kind {
                    TraceKind::Repost => format!("@source_{}", k % 4),
                    TraceKind::Url => ["dailyheadline.example", "realtruth.example"][k / 3 % 2].to_owned(),
                    _ => key.clone(),
                },
                key,
                source_kind: kind,
                nats: 0.0,
                by_window: [0.0; 3],
                posts,
            }
        })
        .collect();
    let mut ties = Vec::new();
    for a in 0..members {
        for b in a + 1..members {
            let nats = 22.0 * dice.f64() * dice.f64() + if a / 4 == b / 4 { 10.0 } else { 0.0 };
            if nats > 7.0 {
                ties.push(Tie {
                    a,
                    b,
                    kind: [TraceKind::Repost, TraceKind::Url, TraceKind::Text][(a + b) % 3],
                    co_acts: 3 + (nats / 2.0) as u32,
                    expected: Some(0.04 + 0.2 * dice.f64()),
                    nats,
                    median_lag_s: 4.0 + 20.0 * dice.f64(),
                });
            }
        }
    }
    ties.sort_by(|a, b| b.nats.total_cmp(&a.nats));
    let times: Vec<Timestamp> = evidence.iter().flat_map(|e| &e.posts).map(|p| p.created_at).collect();
    let reason = |feature: &str, value: Option<f64>, contribution: f64, text: &str| Reason {
        feature: feature.to_owned(),
        value,
        contribution,
        text: text.to_owned(),
    };
    // Posts that repeated nobody: two for each that did.
    let nothing = 2 * evidence.iter().map(|e| e.posts.len() as u64).sum::<u64>();
    let windows = WINDOWS.map(|seconds| Window {
        seconds,
        nats: 0.0,
        losses: -0.11 * nothing as f64,
        group: [0, 0, 0, 0, nothing],
        crowd: if seconds == 86_400 { [371, 0, 0, 0, 141_302] } else { [240, 160, 512, 2_902, 137_859] },
        near: if seconds == 86_400 { [29, 0, 0, 0, 811] } else { [17, 6, 19, 61, 737] },
    });
    evidence.iter_mut().for_each(|e| e.by_window = sum_of(e.posts.iter().flat_map(|post| &post.gains)));
    let mut cluster = ClusterMessage {
        schema_version: SCHEMA_VERSION,
        cluster_id: id.to_owned(),
        version,
        lineage: Vec::new(),
        split_from: None,
        near_misses: Vec::new(),
        status: Status::Flagged,
        why: None,
        first_seen: *times.iter().min().unwrap(),
        last_seen: *times.iter().max().unwrap(),
        first_reported: None,
        last_reported: None,
        active: None,
        log_e: 0.0,
        log_e_leave_one_source_out: 0.0,
        candidates_tested: 214,
        test: Some(Tested {
            alpha: 0.05,
            safety: 2.0,
            proposed: members,
            born: Timestamp::from_millisecond(start).unwrap(),
            number: 181,
            discoveries: 3,
            bar: bar(181, 3),
        }),
        history_hours: 61.0,
        windows: windows.to_vec(),
        namings: Vec::new(),
        traces: BTreeMap::new(),
        sources: Vec::new(),
        score: Some(3.1),
        intercept: None,
        probability: Some(0.957),
        features: BTreeMap::new(),
        reasons: vec![
            reason("trace_kinds", Some(3.0), 1.62, "they act together in three different ways"),
            reason("median_lag_s", Some(11.3), 1.17, "typically eleven seconds lie between two of them"),
            reason("share_on_cluster_keys", Some(0.41), 0.66, "two fifths of all they post is on these keys"),
            reason("account_age_spread_days", None, 0.0, "how old the accounts are is not known"),
            reason("posting_hour_entropy", Some(2.4), -0.38, "they post around the clock, as many do"),
            reason("deletion_rate", Some(0.01), -0.21, "they hardly delete anything"),
        ],
        model: Some(ModelRef { name: "logistic".to_owned(), version: "1".to_owned() }),
        unlisted: Unlisted { trials: 7, nats: [6.5, 7.75, 0.0], ..Unlisted::default() },
        evidence,
        ties,
        accounts,
        topics: vec!["election".to_owned()],
        targets: Vec::new(),
    };
    name(&mut cluster);
    settle(&mut cluster);
    cluster
}

/// What `terms.bar` of the group of that number is after so many discoveries, at a rate of 0.05.
fn bar(number: u64, discoveries: u64) -> f64 {
    let m = number as f64 + 2.0;
    (2.11 * m * m.ln().powi(2) / (0.05 * (discoveries as f64 + 1.0))).ln()
}

fn sum_of<'a>(gains: impl Iterator<Item = &'a Gain>) -> [f64; 3] {
    let mut sums = [0.0; 3];
    gains.for_each(|gain| sums[gain.window] += gain.nats());
    sums
}

/// Works out every account's evidence from its outcomes, as the documentation of `Naming` says, and orders them by it.
fn name(cluster: &mut ClusterMessage) {
    const RATES: [f64; 5] = [0.05, 0.03, 0.03, 0.1, 0.79];
    let mut naming = Naming {
        from: cluster.first_seen,
        until: cluster.last_seen,
        group: [0; 5],
        crowd: [61.5, 117.25, 201.0, 640.5, 7_311.75],
        cover: 0.5,
        share_proposed: 0.97,
        share_others: 0.004,
        others: 8_332,
    };
    for account in cluster.accounts.iter().filter(|account| account.proposed) {
        naming.group.iter_mut().zip(account.outcomes).for_each(|(sum, n)| *sum += u64::from(n));
    }
    let of_crowd: f64 = naming.crowd.iter().sum();
    for account in &mut cluster.accounts {
        let own = if account.proposed { account.outcomes } else { [0; 5] }.map(u64::from);
        let trials = naming.group.iter().sum::<u64>() - own.iter().sum::<u64>();
        let of = |o: usize| {
            let g = ((naming.group[o] - own[o]) as f64 + 0.5) / (trials as f64 + 2.5);
            let h = (naming.crowd[o] + 20.0 * RATES[o]) / (of_crowd + 20.0);
            let one = if o == 4 { (g / h).ln().clamp(-4.0, 0.0) } else { (g / (2.0 * h)).ln().clamp(-4.0, 4.0) };
            f64::from(account.outcomes[o]) * ((1.0 - naming.cover) * one.exp() + naming.cover).ln()
        };
        account.log_e = (0..5).map(of).sum::<f64>() - account.dropped.iter().map(|dropped| dropped.nats).sum::<f64>();
        let pi: f64 = if account.proposed { naming.share_proposed } else { naming.share_others };
        account.posterior = Some(1.0 / (1.0 + (1.0 - pi) / pi * (-account.log_e.clamp(-30.0, 30.0)).exp()));
    }
    cluster.accounts.sort_by(|a, b| b.log_e.total_cmp(&a.log_e));
    cluster.namings = vec![naming];
}

/// Works out all sums from the posts' gains and the windows' losses, as the documentation of `messages::cluster` says.
pub fn settle(cluster: &mut ClusterMessage) {
    let mut sources: BTreeMap<(TraceKind, String), [f64; 3]> = BTreeMap::new();
    let mut kinds: BTreeMap<TraceKind, [f64; 3]> = BTreeMap::new();
    let unlisted = [(TraceKind::Url, TraceKind::Url, "elsewhere.example".to_owned(), cluster.unlisted.nats)];
    let listed = cluster.evidence.iter().map(|e| (e.kind, e.source_kind, e.source.clone(), e.by_window));
    for (kind, source_kind, source, nats) in listed.chain(unlisted) {
        let sums = [kinds.entry(kind).or_default(), sources.entry((source_kind, source)).or_default()];
        sums.into_iter().for_each(|sum| sum.iter_mut().zip(nats).for_each(|(sum, nats)| *sum += nats));
    }
    for (place, window) in cluster.windows.iter_mut().enumerate() {
        window.nats = window.losses + sources.values().map(|nats| nats[place]).sum::<f64>();
        let gains = cluster.evidence.iter().flat_map(|e| &e.posts).flat_map(|post| &post.gains);
        window.group[..4].fill(0);
        gains.filter(|gain| gain.window == place).for_each(|gain| window.group[gain.outcome as usize] += 1);
    }
    let best = cluster.best_window();
    cluster.sources = sources
        .into_iter()
        .map(|((kind, source), by_window)| SourceNats { kind, source, nats: by_window[best], by_window })
        .collect();
    cluster.sources.sort_by(|a, b| b.nats.total_cmp(&a.nats));
    cluster.evidence.iter_mut().for_each(|e| e.nats = e.by_window[best]);
    cluster.evidence.sort_by(|a, b| b.nats.total_cmp(&a.nats));
    cluster.traces = kinds.into_iter().map(|(kind, nats)| (kind, nats[best])).collect();
    let mean = |without: [f64; 3]| {
        let nats = cluster.windows.iter().zip(without).map(|(window, less)| window.nats - less);
        let most = nats.clone().fold(f64::NEG_INFINITY, f64::max);
        most + (nats.map(|nats| (nats - most).exp()).sum::<f64>() / cluster.windows.len() as f64).ln()
    };
    cluster.log_e = mean([0.0; 3]);
    cluster.log_e_leave_one_source_out =
        cluster.sources.iter().map(|source| mean(source.by_window)).fold(cluster.log_e, f64::min);
}

/// What is said of a group by no model, as of a near miss and of one text by many accounts.
fn without_verdict(mut cluster: ClusterMessage) -> ClusterMessage {
    (cluster.score, cluster.intercept, cluster.probability, cluster.model) = (None, None, None, None);
    cluster.reasons.clear();
    cluster.features.clear();
    cluster.namings.clear();
    for account in &mut cluster.accounts {
        (account.log_e, account.posterior, account.outcomes, account.naming) = (0.0, None, [0; 5], None);
        (account.dropped, account.proposed) = (Vec::new(), true);
    }
    cluster
}

/// A group that came close: it lacks a few nats.
pub fn near_miss(id: &str) -> ClusterMessage {
    let mut cluster = without_verdict(sized(id, 1, 5, 7));
    cluster.status = Status::NearMiss;
    let have = [5.0, 8.5, 2.0];
    cluster.windows.iter_mut().zip(have).for_each(|(window, have)| window.losses -= window.nats - have);
    settle(&mut cluster);
    cluster
}

/// A text that so many accounts wrote once.
pub fn one_text(id: &str, accounts: usize) -> ClusterMessage {
    let mut cluster = without_verdict(sized(id, 1, accounts, 3));
    (cluster.status, cluster.why) = (Status::SingleSource, Some(Why::OneText));
    let mut text = cluster.evidence.iter().find(|e| e.kind == TraceKind::Text).unwrap().clone();
    text.by_window = [0.0; 3];
    text.nats = 0.0;
    text.posts = (0..)
        .zip(&cluster.accounts)
        .map(|(n, account)| PostRef {
            id: format!("{}", 785_000_000_000_000_000u64 + n),
            platform: account.platform.clone(),
            account_id: account.account_id.clone(),
            created_at: cluster.first_seen + SignedDuration::from_mins(17 * n as i64),
            log: None,
            gains: Vec::new(),
        })
        .collect();
    cluster.last_seen = text.posts.iter().map(|post| post.created_at).max().unwrap();
    cluster.evidence = vec![text];
    (cluster.log_e, cluster.log_e_leave_one_source_out, cluster.test) = (0.0, 0.0, None);
    cluster.windows.clear();
    cluster.traces.clear();
    cluster.sources.clear();
    cluster.ties.clear();
    cluster.unlisted = Unlisted::default();
    cluster
}

/// A message that version 1 wrote, of a synthetic world; some of its keys and ties were cut.
pub const V1: &[u8] = include_bytes!("fixtures/cluster.v1.json");

/// What that message is today.
pub fn of_version_1() -> ClusterMessage {
    ClusterMessage::decode(V1).unwrap()
}

/// A cluster whose every text tries to break the page.
pub fn hostile(id: &str) -> ClusterMessage {
    let mut cluster = sized(id, 1, 4, 6);
    let nasty = [
        "<script>alert(1)</script>".to_owned(),
        "\"><img src=x onerror=alert(1)>' onload='x".to_owned(),
        format!("\u{202E}{}", "W".repeat(10_000)),
        "</title></style></svg><h1>x\0\u{7}</h1>{{ 7*7 }}".to_owned(),
    ];
    for (index, account) in cluster.accounts.iter_mut().enumerate() {
        account.account_name = nasty[index % 4].clone();
        account.dropped.iter_mut().for_each(|dropped| dropped.source = nasty[(index + 1) % 4].clone());
    }
    for (index, evidence) in cluster.evidence.iter_mut().enumerate() {
        evidence.key = nasty[index % 4].clone();
        evidence.source = nasty[(index + 1) % 4].clone();
        for post in &mut evidence.posts {
            post.id = nasty[(index + 3) % 4].clone();
        }
    }
    for reason in &mut cluster.reasons {
        reason.text = nasty[0].clone();
        reason.feature = nasty[1].clone();
        reason.contribution = f64::NAN;
    }
    cluster.model = Some(ModelRef { name: nasty[3].clone(), version: nasty[1].clone() });
    cluster.topics = nasty.to_vec();
    cluster.lineage = nasty.to_vec();
    cluster.split_from = Some(nasty[2].clone());
    cluster.near_misses = nasty.to_vec();
    cluster.log_e = f64::INFINITY;
    cluster
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages and documents are looked at with numbers that go together, as those of the wire do.
    #[test]
    fn the_numbers_of_a_fixture_go_together() {
        for c in [cluster("a", 1), near_miss("n"), sized("great", 1, 500, 200)] {
            let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
            for (place, window) in c.windows.iter().enumerate() {
                let gains = c.evidence.iter().flat_map(|e| &e.posts).flat_map(|post| &post.gains);
                let gains: f64 = gains.filter(|gain| gain.window == place).map(|gain| gain.nats()).sum();
                near(window.nats, window.losses + gains + c.unlisted.nats[place]);
            }
            let best = &c.windows[c.best_window()];
            near(best.nats, best.losses + c.traces.values().sum::<f64>());
            assert!(c.log_e_leave_one_source_out < c.log_e && c.log_e < best.nats);
            let passes = c.log_e_leave_one_source_out >= c.test.unwrap().bar;
            assert_eq!(passes, c.status == Status::Flagged);
            let named = c.accounts.iter().filter_map(|account| account.posterior);
            assert_eq!(named.clone().count(), if c.namings.is_empty() { 0 } else { c.accounts.len() });
            assert!(named.clone().all(|posterior| posterior >= 0.9), "{:?}", named.collect::<Vec<_>>());
            c.encode().unwrap();
        }
        one_text("t", 34).encode().unwrap();
    }

    #[test]
    fn a_message_of_version_1_still_opens() {
        let c = of_version_1();
        assert_eq!((c.status, c.accounts.len(), c.evidence.len()), (Status::Flagged, 19, 7));
        assert!(c.windows.is_empty() && c.test.is_none() && c.why.is_none() && c.probability.is_some());
        assert_eq!(ClusterMessage::decode(&c.encode().unwrap()).unwrap(), c, "it is stored as one of today's");
    }
}
