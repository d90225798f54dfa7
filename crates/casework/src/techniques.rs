//! Techniques of the DISARM framework, and what in a finding supports naming one.
//!
//! - T0049.003 Bots Amplify via Automated Forwarding and Reposting: reposts speak for the finding and are at a machine's pace. It takes
//!   both reposting and automation.
//! - T0084.001 Use Copypasta: texts speak for the finding. That trace is the same text, but for small edits, by several accounts.
//! - T0118 Amplify Existing Narrative: reposts speak for the finding. What is reposted was there before.
//! - T0146.007 Automated Account Asset: any trace that speaks for the finding is at a machine's pace. "Displaying automated behaviour"
//!   is the whole definition.
//! - T0150.008 Bulk Created Asset: three quarters of the accounts were made within one week, and the model counts that for the
//!   finding. Creation dates are the first sign that DISARM lists.
//!
//! At a machine's pace means: at least half of the ties of that kind rest on three common acts or more that lie, in the median, no more
//! than ten seconds apart. Links, hashtags, media, replies and mentions support no technique by themselves: the page behind a shared link may
//! be the group's own, and what is said in a reply is not read.

use messages::cluster::{ClusterMessage, TraceKind};

/// Longest time between two acts that people hardly keep up, seconds.
const MACHINE_LAG_S: f64 = 10.0;

/// Fewest common acts of a tie whose pace says something.
const MACHINE_ACTS: u32 = 3;

/// Smallest share of accounts made within one week that speaks of bulk creation.
const BULK_SHARE: f64 = 0.75;

/// A technique that Lockstep may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Technique {
    /// T0049.003.
    BotsRepost,
    /// T0084.001.
    Copypasta,
    /// T0118.
    Amplify,
    /// T0146.007.
    AutomatedAccount,
    /// T0150.008.
    BulkCreated,
}

impl Technique {
    /// All of them, in the order in which they are named.
    pub const ALL: [Technique; 5] = [
        Technique::BotsRepost,
        Technique::Copypasta,
        Technique::Amplify,
        Technique::AutomatedAccount,
        Technique::BulkCreated,
    ];

    /// DISARM's number.
    pub fn number(self) -> &'static str {
        match self {
            Technique::BotsRepost => "T0049.003",
            Technique::Copypasta => "T0084.001",
            Technique::Amplify => "T0118",
            Technique::AutomatedAccount => "T0146.007",
            Technique::BulkCreated => "T0150.008",
        }
    }

    /// When Lockstep names it.
    pub fn rule(self) -> &'static str {
        match self {
            Technique::BotsRepost => {
                "The accounts repost the same posts far more often than others do, and at a machine's pace: at least half of \
                 the pairs tied by reposts did so three times or more, in the median no more than ten seconds apart."
            }
            Technique::Copypasta => {
                "The accounts post the same text, but for small edits, far more often than others do."
            }
            Technique::Amplify => {
                "The accounts repost the same posts far more often than others do: what they spread was there before. What it \
                 says is not read."
            }
            Technique::AutomatedAccount => {
                "At least half of the pairs tied by one kind of act acted together three times or more, in the median no more than \
                 ten seconds apart."
            }
            Technique::BulkCreated => {
                "At least three quarters of the accounts whose creation time is known were made within one week, and the model counts \
                 that for the finding."
            }
        }
    }

    fn is_supported(self, cluster: &ClusterMessage) -> bool {
        // Kinds of traces that speak for the finding.
        let kinds: Vec<TraceKind> =
            cluster.traces.iter().filter(|(_, nats)| **nats > 0.0).map(|(kind, _)| *kind).collect();
        match self {
            Technique::BotsRepost => kinds.contains(&TraceKind::Repost) && at_machine_pace(cluster, TraceKind::Repost),
            Technique::Copypasta => kinds.contains(&TraceKind::Text),
            Technique::Amplify => kinds.contains(&TraceKind::Repost),
            Technique::AutomatedAccount => kinds.iter().any(|kind| at_machine_pace(cluster, *kind)),
            Technique::BulkCreated => cluster.reasons.iter().any(|reason| {
                reason.feature == "creation_burst"
                    && reason.value.is_some_and(|share| share >= BULK_SHARE)
                    && reason.contribution > 0.0
            }),
        }
    }
}

/// The techniques that a finding supports.
pub fn techniques(cluster: &ClusterMessage) -> Vec<Technique> {
    Technique::ALL.into_iter().filter(|technique| technique.is_supported(cluster)).collect()
}

fn at_machine_pace(cluster: &ClusterMessage, kind: TraceKind) -> bool {
    let ties = || cluster.ties.iter().filter(|tie| tie.kind == kind);
    let fast = ties().filter(|tie| tie.co_acts >= MACHINE_ACTS && tie.median_lag_s <= MACHINE_LAG_S).count();
    fast > 0 && fast * 2 >= ties().count()
}

#[cfg(test)]
mod tests {
    use presentation::fixtures;

    use super::*;

    /// One kind that speaks for the finding, with ties of so many acts and such lags.
    fn finding(kind: TraceKind, ties: &[(u32, f64)]) -> ClusterMessage {
        let mut cluster = fixtures::cluster("c", 1);
        cluster.reasons.clear();
        cluster.traces = [(kind, 30.0)].into();
        let tie = cluster.ties[0].clone();
        cluster.ties = ties
            .iter()
            .map(|(co_acts, lag)| messages::cluster::Tie { kind, co_acts: *co_acts, median_lag_s: *lag, ..tie.clone() })
            .collect();
        cluster
    }

    #[test]
    fn a_technique_is_named_only_where_the_evidence_supports_it() {
        use Technique::*;
        let slow = [(9, 11.0), (5, 400.0)];
        let fast = [(3, 10.0), (5, 400.0)];
        type Case<'a> = (TraceKind, &'a [(u32, f64)], &'a [Technique]);
        let cases: &[Case] = &[
            (TraceKind::Repost, &slow, &[Amplify]),
            (TraceKind::Repost, &fast, &[BotsRepost, Amplify, AutomatedAccount]),
            (TraceKind::Repost, &[], &[Amplify]),
            (TraceKind::Repost, &[(2, 1.0)], &[Amplify]),
            (TraceKind::Repost, &[(9, f64::NAN)], &[Amplify]),
            (TraceKind::Repost, &[(3, 10.0), (5, 400.0), (5, 400.0)], &[Amplify]),
            (TraceKind::Text, &slow, &[Copypasta]),
            (TraceKind::Text, &fast, &[Copypasta, AutomatedAccount]),
            (TraceKind::Url, &slow, &[]),
            (TraceKind::Url, &fast, &[AutomatedAccount]),
            (TraceKind::Hashtags, &slow, &[]),
            (TraceKind::Media, &slow, &[]),
            (TraceKind::Reply, &slow, &[]),
            (TraceKind::Mention, &slow, &[]),
        ];
        for (kind, ties, expected) in cases {
            assert_eq!(techniques(&finding(*kind, ties)), *expected, "{kind} {ties:?}");
        }
        // A kind that speaks against the finding supports nothing.
        let mut against = finding(TraceKind::Text, &fast);
        against.traces.insert(TraceKind::Text, -1.0);
        assert_eq!(techniques(&against), []);
    }

    #[test]
    fn bulk_creation_needs_a_known_share_that_the_model_counts() {
        let mut cluster = finding(TraceKind::Url, &[]);
        for (value, contribution, named) in [
            (Some(0.8), 0.4, true),
            (Some(0.75), 0.1, true),
            (Some(0.74), 0.4, false),
            (Some(1.0), 0.0, false),
            (Some(1.0), -0.2, false),
            (Some(f64::NAN), 0.4, false),
            (None, 0.4, false),
        ] {
            cluster.reasons = vec![messages::cluster::Reason {
                feature: "creation_burst".to_owned(),
                value,
                contribution,
                text: String::new(),
            }];
            assert_eq!(techniques(&cluster) == [Technique::BulkCreated], named, "{value:?} {contribution}");
        }
    }
}
