//! What a finding says in words that need no statistics: for counsel, a press office, or the desk of a platform that hears objections.
//!
//! Names no account and quotes nothing. Every number is one of the finding.

use messages::cluster::{ClusterMessage, Status};
use text_format::thousands;

use crate::description;

/// The largest N of "at most one group in N": beyond it a larger number says nothing more to a reader.
const LARGEST: u64 = 1_000_000;

/// What no finding shows, whatever its numbers are.
pub const NOT_SHOWN: [&str; 6] = [
    "Who runs these accounts, and for whom. No person, company, party or government is named as behind them.",
    "That any single account did something wrong. It is about a group; an account can be in it by mistake.",
    "That what the accounts say is false. Nobody and no program judged their opinions.",
    "That anybody was influenced. How many people saw the posts was not measured.",
    "That there is no innocent reason. People who share a habit, an event or an employer can act alike.",
    "What is in posts that were not seen. It can change the picture.",
];

/// An explanation, in sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainWords {
    /// What the accounts did.
    pub did: Vec<String>,
    /// What others did in the same time; empty if this is not known.
    pub others: Vec<String>,
    /// How far this goes.
    pub strength: Vec<String>,
}

/// Explains a finding.
pub fn explain(cluster: &ClusterMessage) -> PlainWords {
    let mut did = vec![description::headline(cluster)];
    let mut others = Vec::new();
    if let Some(best) = description::best_window(cluster) {
        let [group, crowd, near] = [&best.group, &best.crowd, &best.near].map(description::repeats);
        did.push(format!(
            "{} of their {} repeat what another account of the group posted in the {} before.",
            thousands(group.0),
            text_format::count(group.1, "post"),
            description::window(best.seconds)
        ));
        others.push(match crowd.1 {
            0 => "Nobody else posted in the same time.".to_owned(),
            all => format!(
                "Of the {} that everybody else wrote in the same time, {} repeat the group in this way.",
                text_format::count(all, "post"),
                thousands(crowd.0)
            ),
        });
        if near.1 > 0 {
            others.push(format!(
                "Of the {} of people near the group, who use the same links or tags, {} do.",
                text_format::count(near.1, "post"),
                thousands(near.0)
            ));
        }
    }
    PlainWords { did, others, strength: strength(cluster) }
}

fn strength(cluster: &ClusterMessage) -> Vec<String> {
    match cluster.status {
        _ if description::is_count(cluster) => {
            return vec!["This is a count and not a finding.".to_owned(), description::standing(cluster).to_owned()];
        }
        Status::NearMiss => {
            return vec![
                "The group did not reach the bar that Lockstep sets. So this is not a finding about its accounts."
                    .to_owned(),
            ];
        }
        _ => {}
    }
    let single = cluster.status == Status::SingleSource;
    let nats = if single { cluster.log_e } else { cluster.log_e_leave_one_source_out };
    let mut said = match one_in(nats) {
        Some(n) => vec![format!(
            "{}, evidence this strong would turn up in at most one group in {}.",
            description::null(cluster),
            thousands(n)
        )],
        None => vec!["The evidence is not stronger than what turns up in many groups.".to_owned()],
    };
    said.push(match single {
        true => "Most of it comes from a single source, such as one site or one author. Fans of one author or readers of one site can \
                 look like this."
            .to_owned(),
        false => "The single source that speaks most for the group, such as one site or one author, is left out of this number.".to_owned(),
    });
    if cluster.status == Status::Faded {
        said.push("The last days of the group alone would not reach the bar any more.".to_owned());
    }
    said
}

/// N of "at most one group in N": a number whose expected value is at most 1 reaches N in at most one of N groups (Markov).
fn one_in(nats: f64) -> Option<u64> {
    let n = nats.exp();
    // A comparison that is false for NaN, too.
    (n >= 2.0).then(|| if n >= LARGEST as f64 { LARGEST } else { n.floor() as u64 })
}

/// Words that a reader without statistics does not know, or knows otherwise; no explanation has them.
pub const FORBIDDEN: [&str; 34] = [
    "algorithm",
    "baseline",
    "bayes",
    "calibrat",
    "cluster",
    "coefficient",
    "confidence",
    "correlat",
    "deviation",
    "discovery rate",
    "distribution",
    "e-value",
    "hypothes",
    "inference",
    "likelihood",
    "log-odds",
    "logarithm",
    "lond",
    "median",
    "model",
    "nats",
    "odds",
    "outlier",
    "p-value",
    "percentile",
    "posterior",
    "probab",
    "quantile",
    "regression",
    "sigma",
    "signific",
    "statistic",
    "threshold",
    "variance",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fixtures;

    fn text(cluster: &ClusterMessage) -> String {
        let PlainWords { did, others, strength } = explain(cluster);
        [did, others, strength].concat().join(" ")
    }

    /// The numbers in a text, as they are written.
    fn numbers(text: &str) -> BTreeSet<String> {
        let is_part = |c: char| c.is_ascii_digit() || c == ',' || c == '.';
        let found = text.split(|c| !is_part(c)).map(|number| number.trim_matches([',', '.']).to_owned());
        found.filter(|number| number.chars().any(|c| c.is_ascii_digit())).collect()
    }

    /// Every number that an explanation of this finding may have, computed from the fields of the message.
    fn of_finding(c: &ClusterMessage) -> BTreeSet<String> {
        let mut allowed = BTreeSet::new();
        let mut count = |n: u64| {
            allowed.insert(thousands(n));
        };
        count(c.accounts.len() as u64 + c.unlisted.accounts);
        if let Some(best) = c.windows.get(c.best_window()) {
            for counts in [&best.group, &best.crowd, &best.near] {
                let all: u64 = counts.iter().sum();
                count(all);
                count(all - counts[4]);
            }
            allowed.extend(numbers(&description::window(best.seconds)));
        }
        for nats in [c.log_e, c.log_e_leave_one_source_out] {
            allowed.insert(thousands((nats.exp().floor() as u64).min(1_000_000)));
        }
        let mut lags: Vec<f64> = c.ties.iter().map(|tie| tie.median_lag_s).collect();
        lags.sort_by(f64::total_cmp);
        allowed.extend(
            lags.get(lags.len() / 2).map(|lag| numbers(&text_format::seconds_in_words(*lag))).unwrap_or_default(),
        );
        allowed.extend(numbers(&text_format::span_in_words(c.first_seen, c.last_seen)));
        // An account's platform may have a digit in its name.
        c.accounts.iter().for_each(|account| allowed.extend(numbers(&account.platform)));
        allowed
    }

    fn findings() -> Vec<ClusterMessage> {
        let mut weak = fixtures::cluster("weak", 1);
        (weak.log_e, weak.log_e_leave_one_source_out) = (3.0, 2.5);
        let mut nothing = fixtures::cluster("nothing", 1);
        (nothing.log_e, nothing.log_e_leave_one_source_out) = (f64::NAN, f64::NEG_INFINITY);
        let mut faded = fixtures::cluster("faded", 1);
        faded.status = Status::Faded;
        let mut single = fixtures::cluster("single", 1);
        single.status = Status::SingleSource;
        vec![
            fixtures::cluster("a", 1),
            fixtures::sized("b", 1, 300, 40),
            fixtures::near_miss("n"),
            fixtures::one_text("t", 1_234),
            fixtures::of_version_1(),
            fixtures::hostile("<h>"),
            weak,
            nothing,
            faded,
            single,
        ]
    }

    #[test]
    fn no_explanation_has_a_word_of_statistics() {
        let always = NOT_SHOWN.join(" ");
        for cluster in findings() {
            let text = format!("{} {always}", text(&cluster)).to_lowercase();
            for word in FORBIDDEN {
                assert!(!text.contains(word), "{word:?} of {}: {text}", cluster.cluster_id);
            }
        }
    }

    #[test]
    fn every_number_is_one_of_the_finding() {
        for cluster in findings() {
            let (said, allowed) = (numbers(&text(&cluster)), of_finding(&cluster));
            let invented: Vec<&String> = said.difference(&allowed).collect();
            assert!(invented.is_empty(), "{invented:?} of {}: {}", cluster.cluster_id, text(&cluster));
        }
    }

    #[test]
    fn numbers_follow_the_finding() {
        let mut c = fixtures::cluster("a", 1);
        assert!(text(&c).contains("at most one group in 1,000,000"), "{}", text(&c));
        c.log_e_leave_one_source_out = 4321.5_f64.ln();
        assert!(text(&c).contains("at most one group in 4,321."), "{}", text(&c));
        let best = c.best_window();
        c.windows[best].crowd = [1, 2, 3, 4, 8_990];
        assert!(
            text(&c).contains("Of the 9,000 posts that everybody else wrote in the same time, 10 repeat"),
            "{}",
            text(&c)
        );
        c.log_e_leave_one_source_out = 0.1;
        assert!(text(&c).contains("not stronger than what turns up in many groups"), "{}", text(&c));
    }

    #[test]
    fn what_is_no_finding_says_so_and_names_no_chance() {
        for (cluster, words) in [
            (fixtures::near_miss("n"), "did not reach the bar"),
            (fixtures::one_text("t", 40), "a count and not a finding"),
        ] {
            let text = text(&cluster);
            assert!(text.contains(words) && !text.contains("one group in"), "{text}");
        }
    }

    #[test]
    fn nobody_is_named() {
        let cluster = fixtures::cluster("a", 1);
        let text = text(&cluster);
        for account in &cluster.accounts {
            assert!(!text.contains(&account.account_id) && !text.contains(&account.account_name), "{text}");
        }
    }
}
