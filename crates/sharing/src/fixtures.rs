//! Findings for tests: an invented group with realistic timing.

use std::collections::BTreeMap;

use crate::{
    audit::Entry,
    case::{Case, Illegal, Step},
    config::Tlp,
    policy::{Consideration, Duties, Fact, Rules, Targets, Terms},
};
use jiff::Timestamp;
use messages::cluster::{ClusterAccount, ClusterMessage, Evidence, ModelRef, PostRef, Reason, SourceNats, Status, Tie};

/// What the policy asks for of every case, of one that is directed against nobody.
pub(crate) fn facts() -> Vec<Fact> {
    let word = || "looked at".to_owned();
    vec![
        Fact::Targets(Targets::default()),
        Fact::Consideration(Consideration { security: word(), political_sensitivity: word() }),
        Fact::Duties(Duties { duties: Vec::new(), why: word() }),
    ]
}

/// A step under the rules without a file, on a finding that suggests no target, with no recipient set up.
pub(crate) fn take(case: &mut Case, step: Step, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
    let (cluster, rules) = (cluster("c1", case.version), Rules::with_marking(Tlp::Amber));
    case.take(step, by, &Terms { cluster: &cluster, recipients: &[], rules: &rules }, now)
}

/// A small generator, so that a fixture is the same every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    /// In [0, 1).
    pub fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Twelve accounts on two platforms, forty keys of three kinds, over three days.
pub(crate) fn cluster(id: &str, version: u32) -> ClusterMessage {
    sized(id, version, 12, 40)
}

pub(crate) fn sized(id: &str, version: u32, members: usize, keys: usize) -> ClusterMessage {
    let seed = id.bytes().fold(7u64, |a, b| a.wrapping_mul(31).wrapping_add(u64::from(b)));
    let mut dice = Dice::new(seed);
    let start = 1_475_900_000_000i64 + (dice.roll() * 4e8) as i64;
    let accounts: Vec<ClusterAccount> = (0..members)
        .map(|n| ClusterAccount {
            platform: if n % 6 == 5 { "bluesky" } else { "twitter" }.to_owned(),
            account_id: format!("{}", 781_200_000 + n * 977 + (seed % 1000) as usize),
            account_name: format!("patriot_{}{:02}", ["anna", "news", "tex", "liberty"][n % 4], n * 7 % 89),
            log_e: 34.0 - n as f64 * 1.7,
            elsewhere: false,
            trials: None,
            rest: None,
            posts: 120 + (dice.roll() * 300.0) as u64,
        })
        .collect();
    let mut evidence: Vec<Evidence> = (0..keys)
        .map(|k| {
            let kind = ["repost", "url", "text"][k % 3];
            let at = start + (dice.roll() * 2.6e8) as i64 / 3_600_000 * 3_600_000 + (dice.roll() * 9e5) as i64;
            let mut posts: Vec<PostRef> = Vec::new();
            for account in &accounts {
                if dice.roll() < 0.62 {
                    let lag = -(1.0 - dice.roll()).ln() * 14_000.0;
                    posts.push(PostRef {
                        id: format!("{}", 784_000_000_000_000_000u64 + (dice.roll() * 1e15) as u64),
                        platform: account.platform.clone(),
                        account_id: account.account_id.clone(),
                        created_at: Timestamp::from_millisecond(at + lag as i64).unwrap(),
                    });
                }
            }
            posts.sort_by_key(|post| post.created_at);
            let source = match kind {
                "repost" => format!("@source_{}", k % 4),
                "url" => ["dailyheadline.example", "realtruth.example"][k / 3 % 2].to_owned(),
                _ => format!("en/template-{}", k % 5),
            };
            Evidence {
                kind: kind.to_owned(),
                key: match kind {
                    "repost" => format!("{}", 783_900_000_000_000_000u64 + k as u64 * 7_919),
                    "url" => format!("https://{source}/2016/10/story-{k}"),
                    _ => format!("they do not want you to see what happened in district {k}"),
                },
                source,
                nats: 2.0 * posts.len() as f64 * dice.roll() - 0.4,
                source_kind: None,
                posts,
                test: None,
            }
        })
        .collect();
    evidence.sort_by(|a, b| b.nats.total_cmp(&a.nats));
    let mut traces: BTreeMap<String, f64> = BTreeMap::new();
    let mut by_source: BTreeMap<(String, String), f64> = BTreeMap::new();
    for e in &evidence {
        *traces.entry(e.kind.clone()).or_default() += e.nats;
        *by_source.entry((e.kind.clone(), e.source.clone())).or_default() += e.nats;
    }
    let mut sources: Vec<SourceNats> =
        by_source.into_iter().map(|((kind, source), nats)| SourceNats { kind, source, nats }).collect();
    sources.sort_by(|a, b| b.nats.total_cmp(&a.nats));
    let log_e: f64 = traces.values().sum();
    let mut ties = Vec::new();
    for a in 0..members {
        for b in a + 1..members {
            let nats = 22.0 * dice.roll() * dice.roll() + if a / 4 == b / 4 { 10.0 } else { 0.0 };
            if nats > 7.0 {
                ties.push(Tie {
                    a,
                    b,
                    kind: ["repost", "url", "text"][(a + b) % 3].to_owned(),
                    co_acts: 3 + (nats / 2.0) as u32,
                    nats,
                    median_lag_s: 4.0 + 20.0 * dice.roll(),
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
    ClusterMessage {
        schema_version: 1,
        cluster_id: id.to_owned(),
        version,
        lineage: Vec::new(),
        status: Status::Flagged,
        first_seen: *times.iter().min().unwrap(),
        last_seen: *times.iter().max().unwrap(),
        log_e,
        log_e_leave_one_source_out: log_e - sources[0].nats,
        candidates_tested: 214,
        test: None,
        history_hours: 61.0,
        traces,
        sources,
        score: 3.1,
        intercept: None,
        probability: 0.957,
        features: Default::default(),
        reasons: vec![
            reason("trace_kinds", Some(3.0), 1.62, "they act together in three different ways"),
            reason("median_lag_s", Some(11.3), 1.17, "typically eleven seconds lie between two of them"),
            reason("share_on_cluster_keys", Some(0.41), 0.66, "two fifths of all they post is on these keys"),
            reason("account_age_spread_days", None, 0.0, "how old the accounts are is not known"),
            reason("posting_hour_entropy", Some(2.4), -0.38, "they post around the clock, as many do"),
            reason("deletion_rate", Some(0.01), -0.21, "they hardly delete anything"),
        ],
        model: ModelRef { name: "logistic".to_owned(), version: "1".to_owned() },
        unlisted: messages::cluster::Unlisted { keys: 7, nats: -1.9, ..Default::default() },
        evidence,
        ties,
        accounts,
        topics: vec!["election".to_owned()],
        targets: Vec::new(),
    }
}

/// A cluster whose every text tries to break the page.
pub(crate) fn hostile(id: &str) -> ClusterMessage {
    let mut cluster = sized(id, 1, 4, 6);
    let nasty = [
        "<script>alert(1)</script>".to_owned(),
        "\"><img src=x onerror=alert(1)>' onload='x".to_owned(),
        format!("\u{202E}{}", "W".repeat(10_000)),
        "</title></style></svg><h1>x\0\u{7}</h1>{{ 7*7 }}".to_owned(),
    ];
    for (index, account) in cluster.accounts.iter_mut().enumerate() {
        account.account_name = nasty[index % 4].clone();
    }
    for (index, evidence) in cluster.evidence.iter_mut().enumerate() {
        evidence.key = nasty[index % 4].clone();
        evidence.source = nasty[(index + 1) % 4].clone();
        evidence.kind = nasty[(index + 2) % 4].clone();
        for post in &mut evidence.posts {
            post.id = nasty[(index + 3) % 4].clone();
        }
    }
    for reason in &mut cluster.reasons {
        reason.text = nasty[0].clone();
        reason.feature = nasty[1].clone();
        reason.contribution = f64::NAN;
    }
    cluster.model.name = nasty[3].clone();
    cluster.topics = nasty.to_vec();
    cluster.lineage = nasty.to_vec();
    cluster.log_e = f64::INFINITY;
    cluster
}
