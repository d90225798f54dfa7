//! Invented clusters and rows for tests.

use coordination::{
    AccountEvidence, AccountRef, Behaviour, Cluster, Evidence, Finding, Gain, Manner, Member, Naming, PostRef,
    SourceNats, Terms, Tie, TraceKind, TrialOutcome, Unlisted, WINDOWS, WindowSum,
};
use fastrand::Rng;

use crate::{LabelSource, Named, Origin, Row, SuspectAccount};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Time of the groups' proposals.
const BORN: i64 = 1_400_000_000_000;

/// An inauthentic cluster repeats its own words within seconds, was created within days and posts
/// little else; an organic one does not. `overlap` from 0 to 1 makes both similar. All accounts
/// were observed for ten days.
pub fn cluster(inauthentic: bool, overlap: f64, seed: u64) -> Cluster {
    let mut dice = Rng::with_seed(seed);
    let like_inauthentic = if dice.f64() < overlap / 2.0 { !inauthentic } else { inauthentic };
    let size = 4 + dice.u64(..12) as usize;
    let account = |n: usize| AccountRef { platform: "x".into(), account_id: format!("{seed}-{n}") };
    let pace = if like_inauthentic { 8_000.0 } else { 400_000.0 };
    let members: Vec<Member> = (0..size).map(|n| member(account(n), n, like_inauthentic, &mut dice)).collect();
    let kinds = [TraceKind::Url, TraceKind::Hashtags, TraceKind::Text];
    let evidence: Vec<Evidence> = (0..6)
        .map(|k| {
            let kind = kinds[k % 3];
            let mut at = BORN + k as i64 * 5 * HOUR;
            let posts: Vec<PostRef> = (0..size)
                .map(|n| {
                    at += (pace * (0.2 + dice.f64())) as i64;
                    let copied = kind == TraceKind::Text && n > 0;
                    let manner = if copied { Manner::Copied(700 + dice.u64(..301) as u16) } else { Manner::Plain };
                    let outcome = if copied { TrialOutcome::OwnWords } else { TrialOutcome::Rare };
                    let gain = (n > 0).then_some(Gain { outcome, g: 0.4 + 0.2 * dice.f64(), h: 0.1 });
                    // Only own words count after two hours.
                    let gains = [gain, gain, gain.filter(|_| copied)];
                    PostRef {
                        created_at: at,
                        id: format!("{seed}-{k}-{n}"),
                        position: None,
                        account: account(n),
                        manner,
                        gains,
                    }
                })
                .collect();
            let nats = std::array::from_fn(|w| posts.iter().filter_map(|post| Some(post.gains[w]?.nats())).sum());
            let source = format!("s{}", k % 4);
            Evidence { kind, key: format!("key{k}"), source, source_kind: kind, nats, posts }
        })
        .collect();
    let gains = |of: &dyn Fn(&Evidence) -> bool| -> [f64; 3] {
        std::array::from_fn(|w| evidence.iter().filter(|e| of(e)).map(|e| e.nats[w]).sum())
    };
    let all = gains(&|_| true);
    let windows: Vec<WindowSum> = (0..WINDOWS.len())
        .map(|w| {
            let own_words = if like_inauthentic { 40 + dice.u64(..40) } else { dice.u64(..30) };
            let group = [own_words, 10 + dice.u64(..30), dice.u64(..20), dice.u64(..40), 10 + dice.u64(..40)];
            let losses = -3.0 - dice.f64();
            WindowSum {
                width: WINDOWS[w],
                nats: all[w] + losses,
                losses,
                group,
                crowd: [dice.u64(..100), dice.u64(..100), dice.u64(..200), dice.u64(..500), 4_000],
                near: [10 + dice.u64(..30), dice.u64(..30), dice.u64(..30), dice.u64(..60), 200],
            }
        })
        .collect();
    let mean = windows.iter().map(|window| window.nats.exp()).sum::<f64>() / windows.len() as f64;
    let log_e = mean.ln();
    let last_seen = evidence.iter().flat_map(|e| &e.posts).map(|post| post.created_at).max().unwrap_or(BORN);
    let mut cluster = Cluster {
        id: format!("cluster-{seed}"),
        version: 1,
        lineage: Vec::new(),
        absorbed: Vec::new(),
        split_from: None,
        near_misses: Vec::new(),
        finding: Finding::Coordinated,
        single_source: None,
        flagged: false,
        members,
        first_seen: BORN,
        last_seen,
        log_e,
        log_e_leave_one_source_out: log_e / 2.0,
        candidates_tested: 10,
        terms: Terms { alpha: 0.05, safety: 2.0, proposed: size + 2, born: BORN, number: 9, discoveries: 1, bar: 9.0 },
        history: 10 * DAY,
        namings: vec![Naming { from: BORN - DAY, until: last_seen, others: 1_000, ..Naming::default() }],
        nats_by_kind: Vec::new(),
        nats_by_source: ["s0", "s1", "s2", "s3"]
            .map(|source| {
                let nats = gains(&|e| e.source == source);
                SourceNats { kind: TraceKind::Url, source: source.into(), nats }
            })
            .to_vec(),
        ties: (1..size)
            .map(|n| Tie {
                a: account(0),
                b: account(n),
                kind: TraceKind::Url,
                co_acts: 3,
                expected: 0.01,
                nats: 15.0,
                median_lag_s: 4.0,
            })
            .collect(),
        windows,
        unlisted: Unlisted::default(),
        evidence: Vec::new(),
    };
    let best = cluster.best_window();
    cluster.nats_by_kind = kinds.map(|kind| (kind, gains(&|e| e.kind == kind)[best])).to_vec();
    cluster.evidence = evidence;
    cluster
}

fn member(account: AccountRef, n: usize, like_inauthentic: bool, dice: &mut Rng) -> Member {
    let posts = 20 + dice.u64(..200);
    let judged = (posts / 2) as u32;
    let own_words = if like_inauthentic { judged / 2 } else { judged / 20 };
    let shared = judged / 8;
    let mut hours = [0; 24];
    for _ in 0..posts {
        hours[((8 + dice.u64(..if like_inauthentic { 8 } else { 16 })) % 24) as usize] += 1;
    }
    let age = if like_inauthentic { 30 * DAY + dice.u64(..9) as i64 * DAY } else { dice.u64(..3_000) as i64 * DAY };
    let life = if like_inauthentic { HOUR + dice.u64(..20) as i64 * HOUR } else { DAY + dice.u64(..9) as i64 * DAY };
    Member {
        account,
        account_name: format!("user{:05}", dice.u64(..90_000) + 10_000),
        log_e: 5.0 + dice.f64(),
        posterior: Some(0.99),
        outcomes: [own_words, shared, shared, shared, judged - own_words - 3 * shared],
        dropped: Vec::new(),
        proposed: n % 4 != 3,
        naming: 0,
        elsewhere: false,
        behaviour: Behaviour {
            posts,
            reposts: posts / 3,
            posts_on_cluster_keys: u64::from(own_words + 3 * shared),
            deleted: dice.u64(..3),
            timed_reposts: posts / 6,
            fast_reposts: if like_inauthentic { posts / 12 } else { posts / 60 },
            hours,
            first_post: BORN - HOUR,
            last_post: BORN - HOUR + life,
            created_at: (n % 5 != 4).then_some(BORN - age),
            followers: Some(dice.u64(..1_000)),
            following: None,
            default_profile: Some(dice.f64() < if like_inauthentic { 0.7 } else { 0.2 }),
            client: Some(if like_inauthentic { "bot".into() } else { format!("app{}", dice.u64(..4)) }),
        },
    }
}

/// Labelled accounts over two worlds with five seeds each: inauthentic ones act more like others.
pub fn account_rows() -> Vec<Row> {
    let mut dice = Rng::with_seed(11);
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
        let log_e = n.is_multiple_of(4).then(|| 9.0 * dice.f64());
        let evidence = AccountEvidence {
            account: AccountRef { platform: "x".into(), account_id: format!("a{n}") },
            account_name: String::new(),
            posts: 9,
            last_post: n as i64 * HOUR,
            tie_nats: 5.0,
            texts: 6,
            copies: dice.u64(..if inauthentic { 6 } else { 3 }) as u32,
            suspicion: dice.f64() * if inauthentic { 90.0 } else { 30.0 },
            log_e,
            posterior: log_e.map(|log_e| log_e / 9.0),
        };
        let score = if inauthentic { 2.0 } else { -1.0 } + dice.f64();
        let cluster = (n % 5 < 2).then_some(Named { finding: Finding::Coordinated, single_source: None, score });
        Row::of_account(&SuspectAccount { evidence, cluster }, origin)
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
