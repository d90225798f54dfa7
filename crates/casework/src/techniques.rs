//! Techniques of the DISARM framework, and the evidence in a finding that supports each technique.
//!
//! - T0049.003 Bots Amplify via Automated Forwarding and Reposting: reposts are evidence for the
//!   finding and have a machine's pace. The technique needs both reposting and automation.
//! - T0084.001 Use Copypasta: texts are evidence for the finding. That trace is the same text,
//!   except for small edits, from several accounts.
//! - T0118 Amplify Existing Narrative: reposts are evidence for the finding. Reposted content
//!   existed before.
//! - T0146.007 Automated Account Asset: any trace that is evidence for the finding has a machine's
//!   pace. The whole definition is "Displaying automated behaviour".
//! - T0150.008 Bulk Created Asset: three quarters of the accounts were created within one week, and
//!   the model counts that for the finding. Creation dates are the first sign that DISARM lists.
//!
//! A machine's pace means: at least half of the ties of that kind have three or more common acts
//! whose median lag is at most ten seconds. Links, hashtags, media, replies and mentions alone
//! support no technique: the page behind a shared link may belong to the group, and the text of a
//! reply is not read.

use messages::cluster::{ClusterMessage, TraceKind};

/// Longest lag between two acts that people can hardly keep up with, in seconds.
const MACHINE_LAG_S: f64 = 10.0;

/// Fewest common acts of a tie from which its pace is judged.
const MACHINE_ACTS: u32 = 3;

/// Smallest share of accounts created within one week that indicates bulk creation.
const BULK_SHARE: f64 = 0.75;

/// A technique that Lockstep can name.
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
    /// All techniques, in the order in which they are named.
    pub const ALL: [Technique; 5] = [
        Technique::BotsRepost,
        Technique::Copypasta,
        Technique::Amplify,
        Technique::AutomatedAccount,
        Technique::BulkCreated,
    ];

    /// DISARM's id.
    pub fn number(self) -> &'static str {
        match self {
            Technique::BotsRepost => "T0049.003",
            Technique::Copypasta => "T0084.001",
            Technique::Amplify => "T0118",
            Technique::AutomatedAccount => "T0146.007",
            Technique::BulkCreated => "T0150.008",
        }
    }

    /// The rule by which Lockstep names the technique.
    pub fn rule(self) -> &'static str {
        match self {
            Technique::BotsRepost => {
                "The accounts repost the same posts far more often than others do, and at a machine's pace: at least half of \
                 the pairs tied by reposts did so three times or more, in the median no more than ten seconds apart."
            }
            Technique::Copypasta => {
                "The accounts post the same text, except for small edits, far more often than others do."
            }
            Technique::Amplify => {
                "The accounts repost the same posts far more often than others do. Reposted content existed before. Its \
                 text is not read."
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
        // Kinds of traces that are evidence for the finding.
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

/// The techniques that the evidence of a finding supports.
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

    /// A finding with one kind of trace as evidence; each tie has a number of acts and a lag.
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
        // A kind that is evidence against the finding supports nothing.
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
