//! Clusters and rows made up for tests.

use coordination::{
    AccountEvidence, AccountRef, Behaviour, Cluster, Evidence, Finding, Manner, Member, PostRef, SourceNats, Tie,
    TraceKind,
};

use crate::{Account, LabelSource, Named, Origin, Row};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A small generator (SplitMix64), so that tests need no crate for it.
pub struct Dice(pub u64);

impl Dice {
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.unit() * n as f64) as u64
    }
}

/// An inauthentic cluster acts within seconds, was made within days and posts little else; an organic one does not.
/// `overlap` in 0 to 1 makes them alike.
pub fn cluster(inauthentic: bool, overlap: f64, seed: u64) -> Cluster {
    let mut dice = Dice(seed);
    let like_inauthentic = if dice.unit() < overlap / 2.0 { !inauthentic } else { inauthentic };
    let size = 4 + dice.below(12) as usize;
    let account = |n: usize| AccountRef { platform: "x".into(), account_id: format!("{seed}-{n}") };
    let pace = if like_inauthentic { 8_000.0 } else { 400_000.0 };
    let members = (0..size)
        .map(|n| {
            let posts = 20 + dice.below(200);
            let on_keys = if like_inauthentic { posts * 6 / 10 } else { posts / 8 };
            let mut hours = [0; 24];
            for _ in 0..posts {
                hours[((8 + dice.below(if like_inauthentic { 8 } else { 16 })) % 24) as usize] += 1;
            }
            let age =
                if like_inauthentic { 30 * DAY + dice.below(9) as i64 * DAY } else { dice.below(3_000) as i64 * DAY };
            Member {
                account: account(n),
                account_name: format!("user{:05}", dice.below(90_000) + 10_000),
                log_e: 5.0 + dice.unit(),
                elsewhere: false,
                trials: None,
                rest: None,
                behaviour: Behaviour {
                    posts,
                    reposts: posts / 3,
                    posts_on_cluster_keys: on_keys,
                    deleted: dice.below(3),
                    timed_reposts: posts / 6,
                    fast_reposts: if like_inauthentic { posts / 12 } else { posts / 60 },
                    hours,
                    first_post: 0,
                    last_post: 3 * DAY,
                    created_at: (n % 5 != 4).then_some(1_400_000_000_000 - age),
                    followers: Some(dice.below(1_000)),
                    following: None,
                    default_profile: Some(dice.unit() < if like_inauthentic { 0.7 } else { 0.2 }),
                    client: Some(if like_inauthentic { "bot".into() } else { format!("app{}", dice.below(4)) }),
                },
            }
        })
        .collect();
    let kinds = [TraceKind::Url, TraceKind::Hashtags, TraceKind::Text];
    let evidence: Vec<Evidence> = (0..6)
        .map(|k| {
            let mut at = 1_400_000_000_000 + k as i64 * 5 * HOUR;
            let posts = (0..size).map(|n| {
                at += (pace * (0.2 + dice.unit())) as i64;
                let manner = if k % 3 == 2 { Manner::Wording(7 << (n % 3)) } else { Manner::Plain };
                PostRef { created_at: at, id: format!("{seed}-{k}-{n}"), account: account(n), manner }
            });
            let posts = posts.collect();
            Evidence {
                kind: kinds[k % 3],
                key: format!("key{k}"),
                source: format!("s{}", k % 4),
                source_kind: kinds[k % 3],
                nats: 4.0 + dice.unit(),
                posts,
                test: None,
            }
        })
        .collect();
    let nats = |kind| evidence.iter().filter(|e| e.kind == kind).map(|e| e.nats).sum::<f64>();
    let log_e = evidence.iter().map(|e| e.nats).sum::<f64>();
    let source = |s: &str| SourceNats {
        kind: TraceKind::Url,
        source: s.into(),
        nats: evidence.iter().filter(|e| e.source == s).map(|e| e.nats).sum(),
    };
    Cluster {
        id: format!("cluster-{seed}"),
        version: 1,
        lineage: Vec::new(),
        finding: Finding::Coordinated,
        members,
        first_seen: 1_400_000_000_000,
        last_seen: 1_400_000_000_000 + DAY,
        log_e,
        log_e_leave_one_source_out: log_e / 2.0,
        candidates_tested: 10,
        terms: Default::default(),
        history: 3 * DAY,
        nats_by_kind: kinds.map(|kind| (kind, nats(kind))).to_vec(),
        nats_by_source: ["s0", "s1", "s2", "s3"].map(source).to_vec(),
        ties: (1..size)
            .map(|n| Tie {
                a: account(0),
                b: account(n),
                kind: TraceKind::Url,
                co_acts: 3,
                distinct_keys: 3,
                nats: 9.0,
                median_lag_s: 4.0,
            })
            .collect(),
        silent_keys: Default::default(),
        evidence,
    }
}

/// Labelled accounts over two worlds with five seeds each: inauthentic ones keep more company.
pub fn account_rows() -> Vec<Row> {
    let mut dice = Dice(11);
    let row = |n: u64| {
        let inauthentic = n.is_multiple_of(3);
        let origin = Origin {
            inauthentic,
            label_source: LabelSource::Simulator,
            weight: 1.0,
            campaign: format!("group-{}", n % 7),
            benign_class: String::new(),
            world: ["mixed", "debate"][(n % 2) as usize].to_owned(),
            seed: n / 2 % 5,
            language: String::new(),
        };
        let evidence = AccountEvidence {
            account: AccountRef { platform: "x".into(), account_id: format!("a{n}") },
            posts: 9,
            last_post: n as i64 * HOUR,
            tie_nats: 5.0,
            company: dice.unit() * if inauthentic { 90.0 } else { 30.0 },
            log_e: n.is_multiple_of(4).then(|| 9.0 * dice.unit()),
        };
        let score = if inauthentic { 2.0 } else { -1.0 } + dice.unit();
        let cluster = (n % 5 < 2).then_some(Named { finding: Finding::Coordinated, score });
        Row::of_account(&Account { evidence, cluster }, origin)
    };
    (0..240).map(row).collect()
}

/// Labelled rows over two worlds with five seeds each.
pub fn rows(overlap: f64) -> Vec<Row> {
    let row = |n: u64| {
        let inauthentic = n.is_multiple_of(3);
        let world = ["mixed", "debate"][(n % 2) as usize];
        let campaign = format!("group-{}", n % 7);
        let origin = Origin {
            inauthentic,
            label_source: LabelSource::Simulator,
            weight: 1.0,
            campaign,
            benign_class: String::new(),
            world: world.to_owned(),
            seed: n / 2 % 5,
            language: String::new(),
        };
        Row::new(&cluster(inauthentic, overlap, n + 1), origin)
    };
    (0..240).map(row).collect()
}
