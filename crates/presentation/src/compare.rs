//! Two findings side by side: their figures, and the accounts, keys and sources that they have in common.

use std::collections::BTreeSet;

use messages::cluster::ClusterMessage;

use crate::{cluster, description};

/// Common things that are listed.
const LISTED: usize = 100;

/// Two findings side by side.
pub struct Comparison {
    /// Figures of both.
    pub rows: Vec<Row>,
    /// Accounts, keys and sources of both.
    pub common: Vec<Common>,
}

/// One figure of both findings.
pub struct Row {
    /// Its name.
    pub what: &'static str,
    /// The figure of each finding.
    pub values: [String; 2],
}

/// Things of one kind that both findings have.
pub struct Common {
    /// The kind, in the plural.
    pub what: &'static str,
    /// How many things each finding has, and how many they have in common, as a sentence.
    pub counts: String,
    /// The common things, at most 100.
    pub items: Vec<String>,
    /// Number of common things that are not listed.
    pub more: usize,
}

/// Compares two findings.
pub fn compare(a: &ClusterMessage, b: &ClusterMessage) -> Comparison {
    Comparison { rows: rows([a, b]), common: common([a, b]) }
}

fn rows(both: [&ClusterMessage; 2]) -> Vec<Row> {
    let row = |what, value: &dyn Fn(&ClusterMessage) -> String| Row { what, values: both.map(value) };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    vec![
        row("Status", &|c| cluster::badge(c).label.to_owned()),
        row("Probability", &|c| or_none(c.probability.map(text_format::percent))),
        row("Evidence, nats", &|c| text_format::number(c.log_e)),
        row("Without the strongest source, nats", &|c| text_format::number(c.log_e_leave_one_source_out)),
        row("Strongest source", &|c| {
            or_none(
                description::best_source(c)
                    .map(|best| format!("{} {}", best.kind, text_format::shorten(&best.source, 60))),
            )
        }),
        row("Accounts", &|c| text_format::thousands(description::size(c))),
        row("Platforms", &|c| text_format::list(&description::platforms(c))),
        row("Behaviour", &|c| {
            let kinds = description::kinds_by_nats(c);
            let did: Vec<&str> = kinds.iter().map(|kind| description::trace_kind(*kind).did).collect();
            text_format::list(&did)
        }),
        row("Posts that repeat a member", &|c| {
            or_none(description::best_window(c).map(|best| {
                let (repeats, all) = description::repeats(&best.group);
                format!("{}, within {}", text_format::part(repeats, all), description::window(best.seconds))
            }))
        }),
        row("Typical gap", &|c| or_none(description::typical_gap_s(c).map(text_format::seconds_in_words))),
        row("First seen, UTC", &|c| text_format::minute(c.first_seen)),
        row("Last seen, UTC", &|c| text_format::minute(c.last_seen)),
        row("Model", &|c| {
            or_none(c.model.as_ref().map(|model| {
                format!("{} {}", text_format::shorten(&model.name, 60), text_format::shorten(&model.version, 40))
            }))
        }),
    ]
}

fn common([a, b]: [&ClusterMessage; 2]) -> Vec<Common> {
    let accounts = |c: &ClusterMessage| -> BTreeSet<(String, String)> {
        c.accounts.iter().map(|account| (account.platform.to_string(), account.account_id.to_string())).collect()
    };
    let keys = |c: &ClusterMessage| -> BTreeSet<(String, String)> {
        c.evidence.iter().map(|key| (key.kind.name().to_owned(), key.key.to_string())).collect()
    };
    let sources = |c: &ClusterMessage| -> BTreeSet<(String, String)> {
        c.sources.iter().map(|source| (source.kind.name().to_owned(), source.source.to_string())).collect()
    };
    vec![
        of_kind("Accounts", "account", accounts(a), accounts(b)),
        of_kind("Keys", "key", keys(a), keys(b)),
        of_kind("Sources", "source", sources(a), sources(b)),
    ]
}

fn of_kind(what: &'static str, noun: &str, a: BTreeSet<(String, String)>, b: BTreeSet<(String, String)>) -> Common {
    let both: Vec<&(String, String)> = a.intersection(&b).collect();
    Common {
        what,
        counts: format!(
            "{} in common, of {} and {}",
            text_format::count(both.len() as u64, noun),
            text_format::thousands(a.len() as u64),
            text_format::thousands(b.len() as u64)
        ),
        items: both
            .iter()
            .take(LISTED)
            .map(|(kind, name)| format!("{} {}", text_format::shorten(kind, 24), text_format::shorten(name, 80)))
            .collect(),
        more: both.len().saturating_sub(LISTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn common_accounts_keys_and_sources_are_listed() {
        let a = fixtures::cluster("a", 1);
        let mut b = a.clone();
        b.accounts.truncate(3);
        b.accounts[0].account_id = "another".into();
        b.evidence.truncate(2);
        let Comparison { rows, common } = compare(&a, &b);
        let counts: Vec<&str> = common.iter().map(|common| &*common.counts).collect();
        assert_eq!(counts[0], format!("2 accounts in common, of {} and 3", a.accounts.len()));
        assert_eq!(counts[1], format!("2 keys in common, of {} and 2", a.evidence.len()));
        assert!(common[0].items.iter().all(|item| !item.contains("another")), "{:?}", common[0].items);
        let accounts = rows.iter().find(|row| row.what == "Accounts").unwrap();
        assert_eq!(accounts.values, [a.accounts.len().to_string(), "3".to_owned()]);
        let near = compare(&a, &fixtures::near_miss("n"));
        assert_eq!(near.rows[0].values, ["flagged", "near miss"]);
        assert_eq!(near.rows[1].values[1], "none");
    }
}
