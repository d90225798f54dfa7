//! The published tools' methods on the same posts, with the settings that their users would choose.
//!
//! One network for each kind of trace that the engine reads as well: the same link, the same
//! reposted original, the same hashtag (CooRTweet only; the other tool has no such network), the
//! same text. A pair counts as published if any network publishes it: with CooRTweet's default,
//! above the median weight of its network, for accounts that shared at least twice; with
//! coordination-network-toolkit's, two or more messages. A connected component of at least three
//! accounts is a cluster.
//!
//! On labelled files ([`real`](crate::real)) the tools are measured by accounts: those on a tie
//! that the tool publishes, and a ranking by ties.

use std::collections::{BTreeMap, BTreeSet};

use coordination::{
    Post,
    peers::{
        Shares, Tokens,
        cooccurrence::{Match, Messages},
        coortweet::{Groups, Subgraph},
        normalised_message, normalised_text,
    },
};
use messages::cluster::Status;
use simulator::AccountKey;

use crate::found::{Found, FoundCluster, State};

/// CooRTweet's `min_participation`, and the toolkit's `min_edge_weight`: both tools' default.
const LEAST: u32 = 2;
/// CooRTweet's `edge_weight`: its default.
const QUANTILE: f64 = 0.5;
/// The toolkit's `similarity_threshold`: its default.
const SIMILARITY: f64 = 0.8;
/// Least accounts of a cluster, as in the engine.
const LEAST_ACCOUNTS: usize = 3;

/// Numbers accounts in the order of their first post.
#[derive(Default)]
pub(crate) struct Accounts {
    numbers: BTreeMap<AccountKey, u32>,
    names: Vec<AccountKey>,
}

impl Accounts {
    /// The number of a post's account.
    pub(crate) fn number(&mut self, post: &Post<'_>) -> u32 {
        let key = AccountKey { platform: post.platform.to_string(), account_id: post.account_id.to_string() };
        let names = &mut self.names;
        *self.numbers.entry(key).or_insert_with_key(|key| {
            names.push(key.clone());
            (names.len() - 1) as u32
        })
    }

    /// The name of the account for the other tools.
    fn name(&mut self, post: &Post<'_>) -> String {
        self.number(post).to_string()
    }

    /// The accounts in the order of their numbers.
    pub(crate) fn names(&self) -> &[AccountKey] {
        &self.names
    }
}

/// A method's verdicts on accounts.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Verdicts {
    /// The flagged accounts; `None` if the method only ranks.
    pub flagged: Option<BTreeSet<AccountKey>>,
    /// Suspicion of each account, the higher the more; accounts without a score come last, all
    /// equal.
    pub scores: BTreeMap<AccountKey, f64>,
}

/// The ties of one account, by which users of the tools rank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Strength {
    heaviest: u32,
    sum: u64,
    ties: u64,
}

/// The strengths of accounts, by their numbers, while ties are read.
struct Tied {
    strengths: Vec<Strength>,
    flagged: BTreeSet<u32>,
}

impl Tied {
    fn new(accounts: &Accounts) -> Tied {
        Tied { strengths: vec![Strength::default(); accounts.names.len()], flagged: BTreeSet::new() }
    }

    /// A tie of an account.
    fn add(&mut self, account: u32, weight: u32) {
        let strength = &mut self.strengths[account as usize];
        strength.heaviest = strength.heaviest.max(weight);
        strength.sum += u64::from(weight);
        strength.ties += 1;
    }

    /// Accounts rank by their heaviest tie, then by the sum of weights, then by the number of ties.
    fn verdicts(self, accounts: &Accounts) -> Verdicts {
        let order: BTreeSet<Strength> = self.strengths.iter().copied().collect();
        let rank: BTreeMap<Strength, f64> =
            order.into_iter().zip(0_u32..).map(|(s, rank)| (s, f64::from(rank))).collect();
        let tied = accounts.names.iter().zip(&self.strengths).filter(|(_, strength)| strength.ties > 0);
        let key = |number: &u32| accounts.names[*number as usize].clone();
        Verdicts {
            flagged: Some(self.flagged.iter().map(key).collect()),
            // An account without a tie must rank below every account with one.
            scores: tied.map(|(account, strength)| (account.clone(), 1.0 + rank[strength])).collect(),
        }
    }
}

/// Kinds of objects that posts may have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    Link,
    Repost,
    Hashtag,
    Text,
}

/// CooRTweet's networks while posts are added.
pub(crate) struct CooRTweet {
    accounts: Accounts,
    networks: Vec<(Object, Shares)>,
}

impl Default for CooRTweet {
    fn default() -> CooRTweet {
        CooRTweet::of(&[Object::Link, Object::Repost, Object::Hashtag, Object::Text])
    }
}

impl CooRTweet {
    /// One network for each of these kinds.
    pub(crate) fn of(objects: &[Object]) -> CooRTweet {
        let networks = objects.iter().map(|object| (*object, Shares::default())).collect();
        CooRTweet { accounts: Accounts::default(), networks }
    }

    pub(crate) fn post(&mut self, post: &Post<'_>) {
        let account = self.accounts.name(post);
        let content = format!("{}/{}", post.platform, post.id);
        let at = post.created_at as f64 / 1_000.0;
        for (object, shares) in &mut self.networks {
            match object {
                Object::Link => post.urls.iter().for_each(|url| shares.push(url, &account, &content, at)),
                Object::Hashtag => {
                    post.hashtags.iter().for_each(|tag| shares.push(&tag.to_lowercase(), &account, &content, at));
                }
                Object::Repost => post.repost_of.iter().for_each(|id| shares.push(id, &account, &content, at)),
                Object::Text if post.repost_of.is_none() => {
                    // An empty text is not a shared object.
                    let text = normalised_text(&post.text);
                    if !text.is_empty() {
                        shares.push(&text, &account, &content, at);
                    }
                }
                Object::Text => {}
            }
        }
    }

    pub(crate) fn found(self, window_s: f64) -> Found {
        let mut pairs = Vec::new();
        for (_, shares) in &self.networks {
            let groups = Groups::detect(shares, window_s, LEAST);
            groups.network(QUANTILE, Subgraph::Weighted).edges(false, |edge| pairs.extend(pair(edge.from, edge.to)));
        }
        found(self.accounts, pairs)
    }

    /// Accounts by their ties; those on an edge above the quantile are flagged.
    pub(crate) fn verdicts(self, window_s: f64, quantile: f64) -> Verdicts {
        let mut tied = Tied::new(&self.accounts);
        for (_, shares) in &self.networks {
            let groups = Groups::detect(shares, window_s, LEAST);
            groups.network(quantile, Subgraph::Whole).edges(false, |edge| {
                let Some((a, b)) = pair(edge.from, edge.to) else { return };
                for end in [a, b] {
                    tied.add(end, edge.full.weight);
                    if edge.full.weight_threshold {
                        tied.flagged.insert(end);
                    }
                }
            });
        }
        tied.verdicts(&self.accounts)
    }
}

/// The toolkit's networks while posts are added.
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

    /// Accounts by their ties; those with a tie of at least two messages are flagged.
    pub(crate) fn verdicts(self, window_s: f64) -> Verdicts {
        let mut tied = Tied::new(&self.accounts);
        self.networks.iter().for_each(|messages| read_ties(messages, window_s, Match::Same, &mut tied));
        tied.verdicts(&self.accounts)
    }
}

/// The toolkit's network of similar texts while posts are added.
#[derive(Default)]
pub(crate) struct Similar {
    accounts: Accounts,
    messages: Messages,
}

impl Similar {
    pub(crate) fn post(&mut self, post: &Post<'_>) {
        let account = self.accounts.name(post);
        if post.repost_of.is_none() {
            let message = format!("{}/{}", post.platform, post.id);
            self.messages.push_words(&message, &account, post.created_at as f64 / 1_000.0, &Tokens::of(&post.text));
        }
    }

    /// Accounts by their ties; those with a tie of at least two messages are flagged.
    pub(crate) fn verdicts(self, window_s: f64) -> Verdicts {
        let mut tied = Tied::new(&self.accounts);
        read_ties(&self.messages, window_s, Match::Similar(SIMILARITY), &mut tied);
        tied.verdicts(&self.accounts)
    }
}

/// A tie is directed: its weight is that of the first account, and it names both.
fn read_ties(messages: &Messages, window_s: f64, of: Match, tied: &mut Tied) {
    messages.ties(window_s, 1, of, false, |tie| {
        let (Ok(first), Ok(second)) = (tie.user_1.parse(), tie.user_2.parse()) else { return };
        tied.add(first, tie.weight);
        if tie.weight >= LEAST {
            tied.flagged.extend([first, second]);
        }
    });
}

/// Two accounts by number, the smaller first; an account is not paired with itself.
fn pair(a: &str, b: &str) -> Option<(u32, u32)> {
    let (a, b): (u32, u32) = (a.parse().ok()?, b.parse().ok()?);
    (a != b).then_some((a.min(b), a.max(b)))
}

/// Turns pairs into clusters.
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

    fn verdicts(verdicts: &Verdicts) -> (String, Vec<(&str, f64)>) {
        let flagged = verdicts.flagged.iter().flatten().map(|account| account.account_id.as_str()).collect();
        (flagged, verdicts.scores.iter().map(|(account, score)| (account.account_id.as_str(), *score)).collect())
    }

    #[test]
    fn accounts_rank_by_their_heaviest_tie_then_by_all_of_them() {
        let mut toolkit = Cooccurrence::default();
        posts().iter().for_each(|post| toolkit.post(post));
        // At 4 seconds: b and c share twice, d and e repost twice, a shares with nobody.
        let narrow = toolkit.verdicts(4.0);
        assert_eq!(verdicts(&narrow), ("bcde".to_owned(), vec![("b", 2.0), ("c", 2.0), ("d", 2.0), ("e", 2.0)]));
        let mut tool = CooRTweet::of(&[Object::Link, Object::Repost]);
        posts().iter().for_each(|post| tool.post(post));
        // a has two edges of weight 2 within 10 seconds, and so have b and c; d and e have one. All
        // weights are equal: none is above the quantile.
        let equal = tool.verdicts(10.0, 0.9);
        let scores = vec![("a", 2.0), ("b", 2.0), ("c", 2.0), ("d", 1.0), ("e", 1.0)];
        assert_eq!(verdicts(&equal), (String::new(), scores));
        let mut similar = Similar::default();
        for (n, (account, text)) in
            [("a", "one two three four five"), ("b", "one two three four five!"), ("c", "six")].into_iter().enumerate()
        {
            similar.post(&Post {
                id: n.to_string().into(),
                platform: "x".into(),
                account_id: account.into(),
                text: text.into(),
                ..Post::default()
            });
        }
        // One message each: a tie that is not published.
        assert_eq!(verdicts(&similar.verdicts(10.0)), (String::new(), vec![("a", 2.0), ("b", 2.0)]));
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
