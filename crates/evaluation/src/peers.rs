//! The published tools' methods on the same posts, as a user of theirs would run them.
//!
//! One network for each thing that the engine reads, too: the same link, the same original reposted, the same hashtag (CooRTweet only;
//! the other tool has no such network), the same text. A pair that any of them publishes is published: by CooRTweet's default, above
//! the median weight of its network, for accounts that shared at least twice; by coordination-network-toolkit's, two or more messages.
//! A connected component of at least three accounts is a cluster.

use std::collections::BTreeMap;

use coordination::{
    Post,
    peers::{
        Shares,
        cooccurrence::{Match, Messages},
        coortweet::{Groups, Subgraph},
        normalised_message, normalised_text,
    },
};
use messages::cluster::Status;
use simulator::AccountKey;

use crate::method::{Found, FoundCluster, State};

/// CooRTweet's `min_participation`, and the toolkit's `min_edge_weight`: both tools' default.
const LEAST: u32 = 2;
/// CooRTweet's `edge_weight`: its default.
const QUANTILE: f64 = 0.5;
/// Accounts of a cluster, as the engine has it.
const LEAST_ACCOUNTS: usize = 3;

/// Numbers accounts in the order of their first post.
#[derive(Default)]
pub(crate) struct Accounts {
    numbers: BTreeMap<AccountKey, u32>,
    names: Vec<AccountKey>,
}

impl Accounts {
    /// The number of a post's account, as the peers are given it.
    fn name(&mut self, post: &Post<'_>) -> String {
        let key = AccountKey { platform: post.platform.to_string(), account_id: post.account_id.to_string() };
        let names = &mut self.names;
        let number = *self.numbers.entry(key).or_insert_with_key(|key| {
            names.push(key.clone());
            (names.len() - 1) as u32
        });
        number.to_string()
    }
}

/// CooRTweet's networks, being filled.
#[derive(Default)]
pub(crate) struct CooRTweet {
    accounts: Accounts,
    networks: [Shares; 4],
}

impl CooRTweet {
    pub(crate) fn post(&mut self, post: &Post<'_>) {
        let account = self.accounts.name(post);
        let content = format!("{}/{}", post.platform, post.id);
        let at = post.created_at as f64 / 1_000.0;
        let [links, reposts, tags, texts] = &mut self.networks;
        post.urls.iter().for_each(|url| links.push(url, &account, &content, at));
        post.hashtags.iter().for_each(|tag| tags.push(&tag.to_lowercase(), &account, &content, at));
        match &post.repost_of {
            Some(original) => reposts.push(original, &account, &content, at),
            None => {
                // Nothing said is nothing shared.
                let text = normalised_text(&post.text);
                if !text.is_empty() {
                    texts.push(&text, &account, &content, at);
                }
            }
        }
    }

    pub(crate) fn found(self, window_s: f64) -> Found {
        let mut pairs = Vec::new();
        for shares in &self.networks {
            let groups = Groups::detect(shares, window_s, LEAST);
            groups.network(QUANTILE, Subgraph::Weighted).edges(false, |edge| pairs.extend(pair(edge.from, edge.to)));
        }
        found(self.accounts, pairs)
    }
}

/// The toolkit's networks, being filled.
#[derive(Default)]
pub(crate) struct Cooccurrence {
    accounts: Accounts,
    networks: [Messages; 3],
}

impl Cooccurrence {
    pub(crate) fn post(&mut self, post: &Post<'_>) {
        let account = self.accounts.name(post);
        let message = format!("{}/{}", post.platform, post.id);
        let at = post.created_at as f64 / 1_000.0;
        let [links, reposts, texts] = &mut self.networks;
        match &post.repost_of {
            // The toolkit leaves reposts out of its other networks.
            Some(original) => reposts.push(&message, &account, at, &[original]),
            None => {
                let urls: Vec<&str> = post.urls.iter().map(AsRef::as_ref).collect();
                links.push_each(&message, &account, at, &urls);
                let text = normalised_message(&post.text);
                if !text.is_empty() {
                    texts.push(&message, &account, at, &[&text]);
                }
            }
        }
    }

    pub(crate) fn found(self, window_s: f64) -> Found {
        let mut pairs = Vec::new();
        for messages in &self.networks {
            messages.ties(window_s, LEAST, Match::Same, false, |tie| pairs.extend(pair(tie.user_1, tie.user_2)));
        }
        found(self.accounts, pairs)
    }
}

/// Two accounts by number, the lesser first; nobody is paired with itself.
fn pair(a: &str, b: &str) -> Option<(u32, u32)> {
    let (a, b): (u32, u32) = (a.parse().ok()?, b.parse().ok()?);
    (a != b).then_some((a.min(b), a.max(b)))
}

/// Pairs to clusters.
fn found(accounts: Accounts, mut pairs: Vec<(u32, u32)>) -> Found {
    pairs.sort_unstable();
    pairs.dedup();
    let mut parents: Vec<u32> = (0..accounts.names.len() as u32).collect();
    for (a, b) in &pairs {
        let (a, b) = (root(&mut parents, *a), root(&mut parents, *b));
        parents[a.max(b) as usize] = a.min(b);
    }
    let mut components: BTreeMap<u32, Vec<AccountKey>> = BTreeMap::new();
    for number in 0..parents.len() as u32 {
        components.entry(root(&mut parents, number)).or_default().push(accounts.names[number as usize].clone());
    }
    let clusters = components.into_iter().filter(|(_, accounts)| accounts.len() >= LEAST_ACCOUNTS);
    Found {
        clusters: clusters
            .map(|(root, accounts)| FoundCluster {
                id: root.to_string(),
                states: vec![State { at: None, status: Status::Coordinated, accounts }],
                stands: true,
            })
            .collect(),
        pairs: Some(pairs),
        accounts: accounts.names,
        ..Found::default()
    }
}

fn root(parents: &mut [u32], mut of: u32) -> u32 {
    while parents[of as usize] != of {
        parents[of as usize] = parents[parents[of as usize] as usize];
        of = parents[of as usize];
    }
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Posts as (account, seconds, link, original, text).
    const POSTS: [(&str, i64, &str, &str, &str); 10] = [
        ("a", 0, "u", "", "one text"),
        ("b", 5, "u", "", "another text"),
        ("c", 9, "u", "", "yet another"),
        ("a", 1_000, "v", "", "text of a"),
        ("b", 1_005, "v", "", "text of b"),
        ("c", 1_009, "v", "", "text of c"),
        ("d", 2_000, "", "7", ""),
        ("e", 2_001, "", "7", ""),
        ("d", 3_000, "", "8", ""),
        ("e", 3_001, "", "8", ""),
    ];

    fn posts() -> Vec<Post<'static>> {
        let post = |(number, (account, at, url, original, text)): (
            usize,
            &(&'static str, i64, &'static str, &'static str, &'static str),
        )| Post {
            id: number.to_string().into(),
            platform: "x".into(),
            account_id: (*account).into(),
            created_at: at * 1_000,
            urls: (!url.is_empty()).then(|| (*url).into()).into_iter().collect(),
            repost_of: (!original.is_empty()).then(|| (*original).into()),
            text: (*text).into(),
            ..Post::default()
        };
        POSTS.iter().enumerate().map(post).collect()
    }

    fn check(found: &Found) {
        assert_eq!(found.pairs.as_deref(), Some(&[(0, 1), (0, 2), (1, 2), (3, 4)][..]));
        let clusters: Vec<String> = found
            .clusters
            .iter()
            .map(|cluster| cluster.states[0].accounts.iter().map(|a| a.account_id.as_str()).collect())
            .collect();
        assert_eq!(clusters, ["abc"], "a pair is no cluster");
    }

    #[test]
    fn the_toolkit_joins_who_shares_twice_within_the_window() {
        let mut toolkit = Cooccurrence::default();
        posts().iter().for_each(|post| toolkit.post(post));
        check(&toolkit.found(10.0));
        let mut narrow = Cooccurrence::default();
        posts().iter().for_each(|post| narrow.post(post));
        assert_eq!(narrow.found(4.0).pairs, Some(vec![(1, 2), (3, 4)]));
    }

    #[test]
    fn coortweet_publishes_edges_above_the_median_only() {
        let mut all_equal = CooRTweet::default();
        posts().iter().for_each(|post| all_equal.post(post));
        assert_eq!(all_equal.found(10.0).pairs, Some(Vec::new()), "no weight is above the median of equal ones");
        let mut one_more = CooRTweet::default();
        posts().iter().for_each(|post| one_more.post(post));
        for (number, account) in ["a", "b"].into_iter().enumerate() {
            one_more.post(&Post {
                id: format!("more{number}").into(),
                platform: "x".into(),
                account_id: account.into(),
                created_at: 9_000_000,
                urls: vec!["w".into()],
                text: account.into(),
                ..Post::default()
            });
        }
        assert_eq!(one_more.found(10.0).pairs, Some(vec![(0, 1)]));
    }
}
