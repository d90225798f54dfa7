//! The features of an account: what it does together with others, nothing about who it is.
//!
//! Absent on purpose: the name, the age, an empty profile, followers, and how much an account
//! posts. They say nothing about acting in concert, they hit people who are merely new, and they
//! distinguish collections. Numbers that grow with activity are used only after division by
//! activity: copies as a share of texts, and keys in common as the chance of that number given how
//! active both accounts are.
//!
//! A group that almost passed ([`Finding::NearMiss`]) and a group on one source
//! ([`Finding::SingleSource`]) are evidence about an account, but less than a group that passed:
//! each is a feature of its own, and the model of clusters is not used for either. A faded group
//! was withdrawn, so it is no evidence.

use coordination::{AccountEvidence, Finding, SingleSource};

use super::{Feature, Table, described, show_log_odds, show_nats, show_number, show_share, show_yes_no, signed_log1p};

/// An account with any evidence, in the form that its model uses.
#[derive(Debug, Clone, PartialEq)]
pub struct SuspectAccount {
    /// The evidence against it.
    pub evidence: AccountEvidence,
    /// The cluster that names it; or else a near miss (which names nobody) that proposes it.
    pub cluster: Option<Named>,
}

/// The cluster that names an account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Named {
    /// The finding of the statistics.
    pub finding: Finding,
    /// Why it is [`Finding::SingleSource`]; `None` for every other finding.
    pub single_source: Option<SingleSource>,
    /// The score of the model of clusters, in nats of calibrated log-odds; used only if the cluster
    /// is coordinated.
    pub score: f64,
}

/// Greatest log-odds of a cluster that count: anything beyond is as good as certain.
const MOST_SCORE: f64 = 8.0;
/// Imagined texts, with the usual share of copies, that are added to an account's own: one copied
/// text out of one is not a habit.
const PRIOR_TEXTS: f64 = 5.0;
const PRIOR_COPIES: f64 = 0.05 * PRIOR_TEXTS;

/// All features of an account, in the order of every dataset row and every model's weights.
pub static ACCOUNT_FEATURES: [Feature; 10] = described(&TABLE);

/// Each with its value, or `None` if it is not known.
pub(super) const TABLE: Table<fn(&SuspectAccount) -> Option<f64>, 10> = [
    (
        Feature {
            name: "suspicion",
            unit: "ln(1 + x), signed",
            formula: "sign(x) ln(1 + |x|), x = how much it acts like others for one so active, by the engine's ranking",
            reads: "evidence.suspicion",
            monotone: 1,
            label: "how much it acts like others for an account so active",
            show: |v| show_number(v.signum() * v.abs().exp_m1()),
        },
        |a| Some(signed_log1p(a.evidence.suspicion)),
    ),
    (
        Feature {
            name: "tie_nats",
            unit: "ln(1 + nats)",
            formula: "ln(1 + max(x, 0)), x = -ln of the chance of as many keys in common as it has with the account it is tied to most \
                      strongly, given how active both are and how popular keys are",
            reads: "evidence.tie_nats",
            monotone: 1,
            label: "the surprise of what it has in common with one other account",
            show: show_nats,
        },
        |a| Some(a.evidence.tie_nats.max(0.0).ln_1p()),
    ),
    (
        Feature {
            name: "copied_share",
            unit: "share",
            formula: "(own texts that repeat another account's of the day before + 0.25) / (own texts + 5); unknown without own texts",
            reads: "evidence (texts, copies)",
            monotone: 1,
            label: "the part of its own texts that repeat another account's",
            show: show_share,
        },
        |a| {
            let (texts, copies) = (f64::from(a.evidence.texts), f64::from(a.evidence.copies));
            (texts > 0.0).then(|| (copies.min(texts) + PRIOR_COPIES) / (texts + PRIOR_TEXTS))
        },
    ),
    (
        Feature {
            name: "log_e",
            unit: "ln(1 + nats), signed",
            formula: "sign(x) ln(1 + |x|), x = evidence in nats that it belongs to the group that names it most strongly; 0 where no \
                      group judged it",
            reads: "evidence.log_e",
            monotone: 1,
            label: "the evidence that it belongs to a group",
            show: show_nats,
        },
        |a| Some(signed_log1p(a.evidence.log_e.unwrap_or(0.0))),
    ),
    (
        Feature {
            name: "posterior",
            unit: "probability",
            formula: "probability that it belongs to the group that names it most strongly, by that group's naming; 0 where no group \
                      judged it",
            reads: "evidence.posterior",
            monotone: 1,
            label: "the probability that it belongs to a group",
            show: show_share,
        },
        |a| Some(a.evidence.posterior.unwrap_or(0.0).clamp(0.0, 1.0)),
    ),
    (
        Feature {
            name: "named",
            unit: "0 or 1",
            formula: "1 where a coordinated cluster names it, else 0",
            reads: "cluster.finding",
            monotone: 1,
            label: "whether a coordinated group names it",
            show: show_yes_no,
        },
        |a| a.in_a(Finding::Coordinated, None),
    ),
    (
        Feature {
            name: "named_single_source",
            unit: "0 or 1",
            formula: "1 where a cluster names it that passes only with its best source in, else 0",
            reads: "cluster (finding, single_source)",
            monotone: 0,
            label: "whether a group that stands on one source only names it",
            show: show_yes_no,
        },
        |a| a.in_a(Finding::SingleSource, Some(SingleSource::BestSource)),
    ),
    (
        Feature {
            name: "wrote_one_text",
            unit: "0 or 1",
            formula: "1 where it is one of many accounts that wrote one text and no other cluster names it, else 0",
            reads: "cluster (finding, single_source)",
            monotone: 0,
            label: "whether it is one of many accounts that wrote one text",
            show: show_yes_no,
        },
        |a| a.in_a(Finding::SingleSource, Some(SingleSource::OneText)),
    ),
    (
        Feature {
            name: "near_miss",
            unit: "0 or 1",
            formula: "1 where a proposed group that came close to passing has it and no cluster names it, else 0",
            reads: "cluster.finding",
            monotone: 0,
            label: "whether a group that came close to passing has it",
            show: show_yes_no,
        },
        |a| a.in_a(Finding::NearMiss, None),
    ),
    (
        Feature {
            name: "cluster_score",
            unit: "nats",
            formula: "log-odds, held in -8 to 8, that the model of clusters gives the coordinated cluster that names it; unknown where \
                      none does",
            reads: "cluster (finding, score)",
            monotone: 1,
            label: "the score of the coordinated group that names it",
            show: show_log_odds,
        },
        |a| {
            let cluster = a.cluster.filter(|cluster| cluster.finding == Finding::Coordinated);
            cluster.map(|cluster| cluster.score.clamp(-MOST_SCORE, MOST_SCORE))
        },
    ),
];

impl SuspectAccount {
    /// 1 if its cluster has this finding and reason, else 0.
    fn in_a(&self, finding: Finding, why: Option<SingleSource>) -> Option<f64> {
        let is = self.cluster.is_some_and(|cluster| cluster.finding == finding && cluster.single_source == why);
        Some(f64::from(u8::from(is)))
    }
}

#[cfg(test)]
mod tests {
    use coordination::AccountRef;

    use super::*;
    use crate::features::account_values;

    fn account() -> SuspectAccount {
        let evidence = AccountEvidence {
            account: AccountRef { platform: "x".into(), account_id: "a".into() },
            account_name: String::new(),
            posts: 7,
            last_post: 0,
            tie_nats: 0.0,
            texts: 0,
            copies: 0,
            suspicion: 0.0,
            log_e: None,
            posterior: None,
        };
        SuspectAccount { evidence, cluster: None }
    }

    fn value(account: &SuspectAccount, name: &str) -> Option<f64> {
        let at = ACCOUNT_FEATURES.iter().position(|feature| feature.name == name).unwrap();
        account_values(account)[at]
    }

    #[test]
    fn values_match_those_worked_by_hand() {
        let mut account = account();
        for (feature, value) in ACCOUNT_FEATURES.iter().zip(account_values(&account)) {
            let unknown = ["copied_share", "cluster_score"].contains(&feature.name);
            assert_eq!(value, (!unknown).then_some(0.0), "{}", feature.name);
        }
        let e = 1f64.exp();
        account.evidence.suspicion = e - 1.0;
        account.evidence.tie_nats = e * e - 1.0;
        (account.evidence.texts, account.evidence.copies) = (5, 2);
        (account.evidence.log_e, account.evidence.posterior) = (Some(1.0 - e), Some(0.25));
        let close = |name: &str, expected: f64| {
            let found = value(&account, name);
            assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{name}: {found:?}");
        };
        close("suspicion", 1.0);
        close("tie_nats", 2.0);
        close("copied_share", 0.225);
        // Evidence that it acts independently is evidence.
        close("log_e", -1.0);
        close("posterior", 0.25);
        (account.evidence.suspicion, account.evidence.log_e) = (f64::NAN, Some(f64::INFINITY));
        assert_eq!((value(&account, "suspicion"), value(&account, "log_e")), (None, None));
    }

    #[test]
    fn one_copy_is_no_habit() {
        let share = |texts, copies| {
            let mut account = account();
            (account.evidence.texts, account.evidence.copies) = (texts, copies);
            value(&account, "copied_share").unwrap()
        };
        assert!(share(1, 1) < share(20, 10) && share(1, 1) > share(20, 1));
    }

    #[test]
    fn every_finding_counts_as_what_it_is() {
        use SingleSource::{BestSource, OneText};
        for (finding, single_source, expected) in [
            (Finding::Coordinated, None, [1.0, 0.0, 0.0, 0.0]),
            (Finding::SingleSource, Some(BestSource), [0.0, 1.0, 0.0, 0.0]),
            (Finding::SingleSource, Some(OneText), [0.0, 0.0, 1.0, 0.0]),
            (Finding::NearMiss, None, [0.0, 0.0, 0.0, 1.0]),
            (Finding::Faded, None, [0.0; 4]),
        ] {
            let account = SuspectAccount { cluster: Some(Named { finding, single_source, score: -99.0 }), ..account() };
            let found =
                ["named", "named_single_source", "wrote_one_text", "near_miss"].map(|name| value(&account, name));
            assert_eq!(found, expected.map(Some), "{finding:?} {single_source:?}");
            // The model of clusters judges only coordinated clusters.
            let score = value(&account, "cluster_score");
            assert_eq!(score, (finding == Finding::Coordinated).then_some(-8.0), "{finding:?}");
        }
    }

    #[test]
    fn who_an_account_is_and_how_much_it_posts_move_nothing() {
        let mut other = account();
        other.evidence.account = AccountRef { platform: "y".into(), account_id: "bot1234567".into() };
        (other.evidence.posts, other.evidence.last_post) = (9_999, 1_800_000_000_000);
        assert_eq!(account_values(&account()), account_values(&other));
    }
}
