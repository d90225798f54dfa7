//! Clusters for tests: invented groups, run through the outcome test as the engine's documentation
//! defines it, so that all their numbers are consistent. They contain everything that the engine
//! can report, but not with realistic frequencies.

use std::collections::BTreeMap;

use coordination::{
    AccountRef, Behaviour, Cluster, DroppedSource, Evidence, Finding, Gain, Manner, Member, Millis, Naming, PostRef,
    SingleSource, SourceNats, Terms, Tie, TraceKind, TrialOutcome, Unlisted, WindowSum,
};
use fastrand::Rng;
use scoring::{Reason, Verdict};

/// Rates of an imagined crowd, in the order of outcomes.
const RATES: [f64; 5] = [0.05, 0.03, 0.03, 0.1, 0.79];
const SAFETY: f64 = 2.0;
const ALPHA: f64 = 0.05;
/// 2026-11-02, 10:00 UTC.
const START: Millis = 1_793_613_600_000;
const MINUTE: Millis = 60_000;
/// Not the engine's windows, which may change: the written form of a cluster does not depend on
/// them.
const WINDOWS: [Millis; 3] = [10 * MINUTE, 120 * MINUTE, 1_440 * MINUTE];

/// The properties of an invented group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Equal seeds give equal groups.
    pub seed: u64,
    /// Named accounts, three or more; a quarter of them come from a second group that was merged
    /// into the cluster.
    pub members: usize,
    /// Keys with a gain: texts, tags, links and reposts in turn. The last two are not listed.
    pub keys: usize,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { seed: 1, members: 6, keys: 10 }
    }
}

/// A coordinated group, flagged or not.
pub fn coordinated(shape: Shape, flagged: bool) -> Cluster {
    Cluster { flagged, ..played(shape) }
}

/// As [`coordinated`], for a group whose behaviour is plain, so that a model that finds everything
/// inauthentic flags it: its members repeat their own words in nearly every post. Its nats are
/// those of [`coordinated`] and do not follow from the counts.
pub fn plain(shape: Shape) -> Cluster {
    let mut cluster = coordinated(shape, false);
    cluster.windows.iter_mut().for_each(|window| window.group[0] += 400);
    cluster
}

/// A group that passes only with its best source, if it has at least a dozen keys; smaller groups
/// have too little evidence for that.
pub fn best_source(shape: Shape) -> Cluster {
    let mut cluster = lowered(played(shape), 0.5);
    cluster.finding = Finding::SingleSource;
    cluster.single_source = Some(SingleSource::BestSource);
    cluster
}

/// A group that is 2.25 nats below its threshold; a group of few keys is further below.
pub fn near_miss(shape: Shape) -> Cluster {
    let mut cluster = lowered(played(shape), 2.25);
    cluster.finding = Finding::NearMiss;
    cluster.namings.clear();
    cluster.members.retain(|member| !member.elsewhere);
    for member in &mut cluster.members {
        (member.log_e, member.posterior, member.outcomes, member.naming) = (0.0, None, [0; 5], 0);
        member.dropped.clear();
        member.proposed = true;
    }
    let members: Vec<AccountRef> = cluster.members.iter().map(|member| member.account.clone()).collect();
    cluster.ties.retain(|tie| members.contains(&tie.a) && members.contains(&tie.b));
    cluster
}

/// One text by this number of accounts; each of them wrote it once.
pub fn one_text(accounts: usize) -> Cluster {
    let post = |n: usize| PostRef {
        created_at: START + n as Millis * 7 * MINUTE,
        id: format!("p{n}"),
        position: None,
        account: account(n),
        manner: if n == 0 { Manner::Plain } else { Manner::Copied(930) },
        gains: [None; 3],
    };
    Cluster {
        id: "c-02".into(),
        version: 1,
        lineage: Vec::new(),
        absorbed: Vec::new(),
        split_from: None,
        near_misses: Vec::new(),
        finding: Finding::SingleSource,
        single_source: Some(SingleSource::OneText),
        flagged: false,
        members: (0..accounts).map(|n| member(n, [0; 5], None)).collect(),
        first_seen: START,
        last_seen: post(accounts - 1).created_at,
        log_e: 0.0,
        log_e_leave_one_source_out: 0.0,
        candidates_tested: 3,
        terms: Terms::default(),
        history: 0,
        windows: Vec::new(),
        namings: Vec::new(),
        nats_by_kind: Vec::new(),
        nats_by_source: Vec::new(),
        evidence: vec![Evidence {
            kind: TraceKind::Text,
            key: "subscribe to my channel".into(),
            source: "subscribe to my channel".into(),
            source_kind: TraceKind::Text,
            nats: [0.0; 3],
            posts: (0..accounts).map(post).collect(),
        }],
        unlisted: Unlisted::default(),
        ties: Vec::new(),
    }
}

/// A model's verdict whose numbers add up.
pub fn verdict(inauthentic: bool) -> Verdict {
    let reason = |feature, value, contribution| Reason { feature, value, contribution, text: format!("why {feature}") };
    let reasons = vec![
        reason("own_words_share", Some(0.625), if inauthentic { 3.5 } else { -2.25 }),
        reason("hour_agreement", Some(0.5), -0.5),
        reason("deletion_rate", None, 0.0),
    ];
    let intercept = -1.25;
    let score = intercept + reasons.iter().map(|reason| reason.contribution).sum::<f64>();
    Verdict {
        score,
        intercept,
        probability: 1.0 / (1.0 + (-score).exp()),
        inauthentic,
        held_back: false,
        reasons,
        model: "cluster".into(),
        version: "3".into(),
    }
}

/// The cluster with greater losses, so that its statistic is at least this much below its
/// threshold, nats.
fn lowered(mut cluster: Cluster, below: f64) -> Cluster {
    let less = (cluster.log_e_leave_one_source_out - (cluster.terms.bar - below)).max(0.0);
    for window in &mut cluster.windows {
        window.losses -= less;
        window.nats -= less;
    }
    statistics(&mut cluster);
    cluster
}

fn account(n: usize) -> AccountRef {
    AccountRef { platform: "chirp".into(), account_id: format!("{}", 1_000 + n) }
}

/// The group's posts, key by key: the first account on a key gains nothing, and every later account
/// repeats the first.
fn played(shape: Shape) -> Cluster {
    let mut dice = Rng::with_seed(shape.seed);
    // The last account was proposed, but is not named.
    let elsewhere = shape.members / 4;
    let proposed = shape.members - elsewhere + 1;
    let mut test = Test::default();
    let mut evidence = Vec::new();
    for n in 0..shape.keys {
        let (kind, outcome) = [
            (TraceKind::Text, TrialOutcome::OwnWords),
            (TraceKind::Hashtags, TrialOutcome::Rare),
            (TraceKind::Url, TrialOutcome::Middling),
            (TraceKind::Repost, TrialOutcome::Common),
        ][n % 4];
        let (key, source) = match kind {
            TraceKind::Url => (format!("https://site{}.example/{n}", n % 3), format!("site{}.example", n % 3)),
            TraceKind::Repost => (format!("{}", 90_000 + n), format!("author {}", n % 5)),
            _ => (format!("{kind} {n}"), format!("{kind} {n}")),
        };
        let mut at = START + n as Millis * 50 * MINUTE;
        let mut posts: Vec<PostRef> = Vec::new();
        for member in 0..proposed {
            if member > 1 && dice.u64(..3) == 0 {
                continue;
            }
            let who = if member + 1 == proposed { shape.members } else { member };
            at += dice.u64(..240) as Millis * 1_000 + 1_000;
            let repeats = posts.first().map(|first| (outcome, at - first.created_at));
            posts.push(PostRef {
                created_at: at,
                id: format!("{n}-{who}"),
                position: None,
                account: account(who),
                manner: if kind == TraceKind::Text && repeats.is_some() { Manner::Copied(980) } else { Manner::Plain },
                gains: test.trial(repeats),
            });
        }
        evidence.push(Evidence { kind, key, source, source_kind: kind, nats: gains(&posts), posts });
    }
    // Losses that belong to no key, like those of a whole day without repetition.
    for _ in 0..shape.keys {
        test.trial(None);
    }

    let (mut kinds, mut sources) = (BTreeMap::new(), BTreeMap::new());
    for evidence in &evidence {
        add(kinds.entry(evidence.kind).or_default(), evidence.nats);
        add(sources.entry((evidence.source_kind, evidence.source.clone())).or_default(), evidence.nats);
    }
    let mut unlisted = Unlisted::default();
    let listed = evidence.len().saturating_sub(2).max(1);
    for evidence in evidence.drain(listed..) {
        unlisted.trials += evidence.posts.iter().filter(|post| post.gains != [None; 3]).count() as u64;
        add(&mut unlisted.nats, evidence.nats);
    }
    let (number, discoveries) = (17, 2);
    let m = number as f64 + 2.0;
    let namings = [naming(&mut dice, proposed, elsewhere), naming(&mut dice, elsewhere, proposed)];
    let mut members: Vec<Member> = (0..shape.members)
        .map(|n| named(&mut dice, n, usize::from(n + elsewhere >= shape.members), &namings))
        .collect();
    members.sort_by(|x, y| y.log_e.total_cmp(&x.log_e).then_with(|| x.account.cmp(&y.account)));
    let times = |f: fn(Vec<Millis>) -> Option<Millis>| {
        f(evidence.iter().flat_map(|e| e.posts.iter().map(|post| post.created_at)).collect()).unwrap_or_default()
    };
    let mut cluster = Cluster {
        id: "c-01".into(),
        version: 2,
        lineage: vec!["c-00".into()],
        absorbed: Vec::new(),
        split_from: None,
        near_misses: Vec::new(),
        finding: Finding::Coordinated,
        single_source: None,
        flagged: false,
        first_seen: times(|times| times.into_iter().min()),
        last_seen: times(|times| times.into_iter().max()),
        log_e: 0.0,
        log_e_leave_one_source_out: 0.0,
        candidates_tested: 40,
        terms: Terms {
            alpha: ALPHA,
            safety: SAFETY,
            proposed,
            born: START - 15 * MINUTE,
            number,
            discoveries,
            bar: (2.11 * m * m.ln().powi(2) / (ALPHA * (discoveries as f64 + 1.0))).ln(),
        },
        history: 90 * MINUTE,
        windows: test.windows(),
        namings: namings.into_iter().take(1 + elsewhere.min(1)).map(|(naming, _)| naming).collect(),
        nats_by_kind: Vec::new(),
        nats_by_source: sources.into_iter().map(|((kind, source), nats)| SourceNats { kind, source, nats }).collect(),
        ties: ties(&members),
        members,
        evidence,
        unlisted,
    };
    let best = cluster.best_window();
    cluster.nats_by_kind = kinds.into_iter().map(|(kind, nats): (TraceKind, [f64; 3])| (kind, nats[best])).collect();
    cluster.nats_by_source.sort_by(|x, y| y.nats[best].total_cmp(&x.nats[best]));
    cluster.evidence.sort_by(|x, y| y.nats[best].total_cmp(&x.nats[best]));
    statistics(&mut cluster);
    cluster
}

/// The two statistics from the windows and the sources.
fn statistics(cluster: &mut Cluster) {
    let without = |gains: [f64; 3]| {
        let nats: Vec<f64> = cluster.windows.iter().zip(gains).map(|(window, gains)| window.nats - gains).collect();
        let most = nats.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + (nats.iter().map(|nats| (nats - most).exp()).sum::<f64>() / nats.len() as f64).ln()
    };
    let log_e = without([0.0; 3]);
    let least = cluster.nats_by_source.iter().map(|source| without(source.nats)).fold(log_e, f64::min);
    (cluster.log_e, cluster.log_e_leave_one_source_out) = (log_e, least);
}

/// The outcome test of one group.
#[derive(Default)]
struct Test {
    trials: u64,
    group: [[u64; 5]; 3],
    losses: [f64; 3],
    gains: [f64; 3],
}

impl Test {
    /// A member's post that repeats an object of this rarity, which another member used this long
    /// before.
    fn trial(&mut self, repeats: Option<(TrialOutcome, Millis)>) -> [Option<Gain>; 3] {
        let mut gained = [None; 3];
        for (window, width) in WINDOWS.into_iter().enumerate() {
            let day = window == 2;
            let outcome = match repeats {
                Some((outcome, age)) if age <= width && (!day || outcome == TrialOutcome::OwnWords) => outcome,
                _ => TrialOutcome::Nothing,
            };
            let (mut sum_g, mut sum_h) = (0.0, 0.0);
            for bet in TrialOutcome::ALL.into_iter().filter(|bet| *bet != TrialOutcome::Nothing) {
                let (g, h) = (self.g(window, bet), self.h(bet));
                if g > h {
                    (sum_g, sum_h) = (sum_g + g, sum_h + h);
                    if bet == outcome {
                        let gain = Gain { outcome, g, h };
                        self.gains[window] += gain.nats();
                        gained[window] = Some(gain);
                    }
                }
            }
            if gained[window].is_none() {
                self.losses[window] += ((1.0 - sum_g) / (1.0 - sum_h)).ln().min(0.0);
            }
            self.group[window][outcome as usize] += 1;
        }
        self.trials += 1;
        gained
    }

    fn g(&self, window: usize, outcome: TrialOutcome) -> f64 {
        (self.group[window][outcome as usize] as f64 + 0.5) / (self.trials as f64 + 2.5)
    }

    /// The crowd posts forty times as often as the group, and one in a hundred of its posts has
    /// each outcome.
    fn h(&self, outcome: TrialOutcome) -> f64 {
        let posts = 40.0 * self.trials as f64;
        SAFETY * (0.01 * posts + 50.0 * RATES[outcome as usize]) / (posts + 50.0)
    }

    fn windows(&self) -> Vec<WindowSum> {
        let of = |posts: u64| {
            let each = posts / 100;
            [each, each, each, each, posts - 4 * each]
        };
        (0..WINDOWS.len())
            .map(|window| WindowSum {
                width: WINDOWS[window],
                nats: self.losses[window] + self.gains[window],
                losses: self.losses[window],
                group: self.group[window],
                crowd: of(40 * self.trials),
                near: of(3 * self.trials),
            })
            .collect()
    }
}

/// How the accounts of a group were named, and the outcomes of each of its proposed accounts.
fn naming(dice: &mut Rng, proposed: usize, salt: usize) -> (Naming, Vec<[u32; 5]>) {
    // The first account has hardly any evidence, so that the effect of the share of members is
    // visible.
    let accounts: Vec<[u32; 5]> = (0..proposed)
        .map(|n| if n == 0 { [2, 1, 1, 0, 2] } else { [4, 2, 1, 1, 3].map(|few| few + dice.u64(..3) as u32) })
        .collect();
    let naming = Naming {
        from: START - 1_440 * MINUTE,
        until: START + 2_880 * MINUTE,
        group: std::array::from_fn(|o| accounts.iter().map(|outcomes| u64::from(outcomes[o])).sum()),
        crowd: [1.25 + salt as f64 / 3.0, 3.5, 10.0, 20.0 + 1.0 / 3.0, 950.0],
        cover: [0.0, 0.5][salt % 2],
        share_proposed: 0.96,
        share_others: 0.004,
        others: 985,
    };
    (naming, accounts)
}

/// An account with its outcomes from a naming; every third account was found afterwards.
fn named(dice: &mut Rng, n: usize, at: usize, namings: &[(Naming, Vec<[u32; 5]>); 2]) -> Member {
    let (naming, accounts) = &namings[at];
    let proposed = n % 3 != 2;
    let outcomes = match accounts.get(n % accounts.len().max(1)) {
        Some(outcomes) if proposed => *outcomes,
        _ => [4, 1, 0, 0, 1].map(|few| few + dice.u64(..2) as u32),
    };
    let own = outcomes.map(|count| if proposed { u64::from(count) } else { 0 });
    let (group, crowd): (u64, f64) = (naming.group.iter().sum(), naming.crowd.iter().sum());
    let nats: [f64; 5] = std::array::from_fn(|o| {
        let g = ((naming.group[o] - own[o]) as f64 + 0.5) / ((group - own.iter().sum::<u64>()) as f64 + 2.5);
        let h = (naming.crowd[o] + 20.0 * RATES[o]) / (crowd + 20.0);
        let alone = if o == 4 { (g / h).ln().clamp(-4.0, 0.0) } else { (g / (2.0 * h)).ln().clamp(-4.0, 4.0) };
        ((1.0 - naming.cover) * alone.exp() + naming.cover).ln()
    });
    // Two own words came from one text; for a proposed account, a tag is dropped as well.
    let dropped = [(TraceKind::Text, "text 0", 2.0 * nats[0]), (TraceKind::Hashtags, "hashtags 1", nats[1])];
    let dropped: Vec<DroppedSource> = dropped
        .into_iter()
        .take(1 + usize::from(proposed))
        .map(|(kind, source, nats)| DroppedSource { kind, source: source.into(), nats })
        .collect();
    let log_e = nats.iter().zip(outcomes).map(|(nats, count)| nats * f64::from(count)).sum::<f64>()
        - dropped.iter().map(|dropped| dropped.nats).sum::<f64>();
    let pi = if proposed { naming.share_proposed } else { naming.share_others };
    let posterior = 1.0 / (1.0 + (1.0 - pi) / pi * (-log_e.clamp(-30.0, 30.0)).exp());
    Member { log_e, dropped, proposed, naming: at, elsewhere: at > 0, ..member(n, outcomes, Some(posterior)) }
}

fn member(n: usize, outcomes: [u32; 5], posterior: Option<f64>) -> Member {
    let repeated: u32 = outcomes[..4].iter().sum();
    Member {
        account: account(n),
        account_name: format!("Account No. {n}"),
        log_e: 0.0,
        posterior,
        outcomes,
        dropped: Vec::new(),
        proposed: true,
        naming: 0,
        elsewhere: false,
        behaviour: Behaviour {
            posts: 20 + n as u64,
            reposts: 4,
            posts_on_cluster_keys: u64::from(repeated),
            first_post: START - 600 * MINUTE,
            last_post: START + 600 * MINUTE,
            ..Behaviour::default()
        },
    }
}

/// Ties of each account to the next one.
fn ties(members: &[Member]) -> Vec<Tie> {
    let tie = |(n, pair): (usize, &[Member])| {
        let mut pair = [pair[0].account.clone(), pair[1].account.clone()];
        pair.sort();
        let [a, b] = pair;
        let (co_acts, expected) = (3 + n as u32 % 4, 0.015_625 * (1.0 + n as f64));
        // The sum over more keys than these is negligible.
        let tail: f64 = (co_acts..co_acts + 60)
            .map(|keys| {
                let factorial: f64 = (1..=keys).map(|k| f64::from(k).ln()).sum();
                (f64::from(keys) * expected.ln() - expected - factorial).exp()
            })
            .sum();
        Tie { a, b, kind: TraceKind::Text, co_acts, expected, nats: -tail.ln(), median_lag_s: 42.5 }
    };
    let mut ties: Vec<Tie> = members.windows(2).enumerate().map(tie).collect();
    ties.sort_by(|x, y| y.nats.total_cmp(&x.nats));
    ties
}

fn gains(posts: &[PostRef]) -> [f64; 3] {
    std::array::from_fn(|window| posts.iter().filter_map(|post| post.gains[window]).map(Gain::nats).sum())
}

fn add(sums: &mut [f64; 3], nats: [f64; 3]) {
    sums.iter_mut().zip(nats).for_each(|(sum, nats)| *sum += nats);
}
