//! Names of accounts and posts that a recipient does not see. They must not reach it through a key,
//! a source or a text either.

use std::collections::{BTreeSet, HashSet};

use aho_corasick::AhoCorasick;
use messages::cluster::{ClusterAccount, ClusterMessage, TraceKind};

use casework::policy::{AccountIds, Redaction};
use presentation::description::{self, Named};

/// Names that are hidden from a recipient.
pub(crate) struct Hidden<'a> {
    /// Finds lower-case ids and names of accounts: all of them in one pass over a text. `None` if
    /// there are too many names for one automaton; then every text counts as one that names an
    /// account.
    accounts: Option<AhoCorasick>,
    posts: HashSet<&'a str>,
    /// The platform of a recipient that sees only its own platform.
    own: Option<&'a str>,
}

impl<'a> Hidden<'a> {
    /// The names that are hidden from a recipient that sees accounts of the platforms for which
    /// `named` holds. `gone` are accounts that have left the group.
    pub fn new(
        cluster: &'a ClusterMessage,
        gone: &[&'a ClusterAccount],
        named: &dyn Fn(&str) -> bool,
        shows: &Redaction,
        own: Option<&'a str>,
    ) -> Hidden<'a> {
        let hides = |account: &'a ClusterAccount| {
            let id = (!named(&account.platform)).then_some(&*account.account_id);
            let name = (!named(&account.platform) || !shows.handles).then_some(&*account.account_name);
            [id, name].into_iter().flatten()
        };
        let accounts: BTreeSet<String> = cluster
            .accounts
            .iter()
            .chain(gone.iter().copied())
            .flat_map(hides)
            .map(|name| name.trim().trim_start_matches('@').to_lowercase())
            .filter(|name| name.chars().count() >= 3)
            .collect();
        let posts = cluster
            .evidence
            .iter()
            .flat_map(|evidence| &evidence.posts)
            .filter(|post| !shows.post_ids || !named(&post.platform))
            .map(|post| &*post.id)
            .collect();
        Hidden { accounts: AhoCorasick::new(accounts).ok(), posts, own }
    }

    /// The names that are hidden from a platform that received the version `before` of the cluster.
    pub fn from_platform(
        cluster: &'a ClusterMessage,
        before: Option<&'a ClusterMessage>,
        platform: &'a str,
        shows: &Redaction,
    ) -> Hidden<'a> {
        let gone = gone(cluster, before);
        let named = |other: &str| shows.account_ids == AccountIds::OwnPlatform && other == platform;
        Hidden::new(cluster, &gone, &named, shows, Some(platform))
    }

    /// Whether a text names something hidden.
    pub fn is_in(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        self.accounts.as_ref().is_none_or(|accounts| accounts.is_match(&lower))
            || self.posts.contains(text)
            || text.split(|c: char| !c.is_alphanumeric()).any(|word| self.posts.contains(word))
    }

    /// Whether `text`, a post or an account as `platform:id`, is on another platform than the
    /// recipient's.
    pub fn is_elsewhere(&self, kind: TraceKind, text: &str) -> bool {
        let platform = text.split_once(':').map(|(platform, _)| platform);
        matches!(description::trace_kind(kind).names, Named::Post | Named::Account)
            && self.own.is_some()
            && platform.is_some()
            && platform != self.own
    }
}

/// Accounts of an earlier version that are no longer in the group.
pub(crate) fn gone<'a>(cluster: &ClusterMessage, before: Option<&'a ClusterMessage>) -> Vec<&'a ClusterAccount> {
    let still: HashSet<(&str, &str)> =
        cluster.accounts.iter().map(|account| (&*account.platform, &*account.account_id)).collect();
    before
        .iter()
        .flat_map(|before| &before.accounts)
        .filter(|account| !still.contains(&(&*account.platform, &*account.account_id)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, time::Instant};

    use super::*;
    use casework::{
        Tlp,
        policy::{Class, Rules},
    };
    use presentation::fixtures;

    /// Accounts of another platform, and texts of which every seventh names one of them.
    #[test]
    fn ten_thousand_names_are_found_as_by_a_search_for_each() {
        const NAMES: usize = 10_000;
        const TEXTS: usize = 300;
        let mut cluster = fixtures::cluster("c", 1);
        cluster.evidence.clear();
        let pattern = cluster.accounts[0].clone();
        cluster.accounts = (0..NAMES)
            .map(|n| ClusterAccount {
                platform: "bluesky".to_owned(),
                account_id: format!("did:plc:{:016x}", n.wrapping_mul(0x9e37_79b9)),
                account_name: format!("Grüße{n}.bsky.social"),
                ..pattern.clone()
            })
            .collect();
        let texts: Vec<String> = (0..TEXTS)
            .map(|n| {
                let name = format!("GRÜSSE und Grüße{}.BSKY.social", n * 31 % NAMES);
                let name = if n % 7 == 0 { &*name } else { "nobody of the group" };
                format!("text {n}: {} said {name} and https://example.org/{n}", "many words ".repeat(12))
            })
            .collect();
        let shows = Rules::with_marking(Tlp::Amber).class(Class::Platform).shows;
        let began = Instant::now();
        let hidden = Hidden::from_platform(&cluster, None, "twitter", &shows);
        let found: Vec<bool> = texts.iter().map(|text| black_box(hidden.is_in(text))).collect();
        let in_one_pass = began.elapsed();

        let began = Instant::now();
        let names: BTreeSet<String> = (cluster.accounts.iter())
            .flat_map(|account| [account.account_id.to_lowercase(), account.account_name.to_lowercase()])
            .collect();
        let names_of = |text: &String| {
            let text = text.to_lowercase();
            names.iter().any(|name| text.contains(name))
        };
        let expected: Vec<bool> = texts.iter().map(|text| black_box(names_of(text))).collect();
        let one_by_one = began.elapsed();
        assert_eq!(found, expected);
        assert_eq!(found.iter().filter(|found| **found).count(), TEXTS.div_ceil(7));
        eprintln!(
            "{NAMES} accounts, {TEXTS} texts: {in_one_pass:?} in one pass, {one_by_one:?} one name after the other"
        );
    }

    #[test]
    fn short_names_are_not_searched_for_and_case_makes_no_difference() {
        let mut cluster = fixtures::cluster("c", 1);
        cluster.evidence.clear();
        let pattern = cluster.accounts[0].clone();
        let account = |id: &str, name: &str| ClusterAccount {
            platform: "bluesky".to_owned(),
            account_id: id.to_owned(),
            account_name: name.to_owned(),
            ..pattern.clone()
        };
        cluster.accounts = vec![account("12", "@Ann.Example"), account("9007199254740993", "al")];
        let shows = Rules::with_marking(Tlp::Amber).class(Class::Platform).shows;
        let hidden = Hidden::from_platform(&cluster, None, "twitter", &shows);
        for named in ["see ann.example!", "SEE ANN.EXAMPLE", "https://example.org/9007199254740993"] {
            assert!(hidden.is_in(named), "{named}");
        }
        for other in ["ann example", "12 apples", "also"] {
            assert!(!hidden.is_in(other), "{other}");
        }
    }
}
