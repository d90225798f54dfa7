//! The simplest possible rules, as a reference for real methods.
//!
//! Each rule uses the posts of a whole file, in any order.

use std::collections::{BTreeMap, BTreeSet};

use coordination::{Millis, Post};

use crate::peers::{Accounts, Verdicts};

const MINUTE: Millis = 60_000;
/// Identical texts count if they are at most this far apart.
const SAME_TEXT: Millis = 60 * MINUTE;
/// Texts with fewer characters are equal by chance.
const LEAST_TEXT: usize = 15;
/// An account with at least this number of such texts is flagged.
const LEAST_TEXTS: usize = 2;
/// Uses of a hashtag count if they are at most this far apart.
const CO_HASHTAG: Millis = 5 * MINUTE;
/// Hashtags of more accounts than this are no evidence.
const MOST_ACCOUNTS: usize = 200;

/// *Same text*: the number of different texts of an account that equal a text of another account
/// within an hour, in lower case and without links, mentions and digits. Reposts have no text of
/// their own. Flags accounts with at least two such texts.
pub(crate) fn same_text(posts: &[Post<'_>]) -> Verdicts {
    let mut accounts = Accounts::default();
    let mut uses: BTreeMap<String, Vec<Use>> = BTreeMap::new();
    for (post, at) in (0..).zip(posts) {
        let account = accounts.number(at);
        if at.repost_of.is_some() || at.text.trim_start().starts_with("RT @") {
            continue;
        }
        let text = plain(&at.text);
        if text.chars().count() >= LEAST_TEXT {
            uses.entry(text).or_default().push(Use { at: at.created_at, account, post });
        }
    }
    let mut texts: BTreeMap<u32, usize> = BTreeMap::new();
    for uses in uses.into_values() {
        let repeated = near_another_account(uses, SAME_TEXT);
        let by: BTreeSet<u32> = repeated.iter().map(|one| one.account).collect();
        by.into_iter().for_each(|account| *texts.entry(account).or_insert(0) += 1);
    }
    let key = |account: &u32| accounts.names()[*account as usize].clone();
    Verdicts {
        flagged: Some(texts.iter().filter(|(_, n)| **n >= LEAST_TEXTS).map(|(account, _)| key(account)).collect()),
        scores: texts.iter().map(|(account, n)| (key(account), *n as f64)).collect(),
    }
}

/// *Co-hashtag*: how often an account used a hashtag, once per post, that another account used
/// within five minutes; hashtags of more than 200 accounts are left out. Only ranks.
pub(crate) fn co_hashtag(posts: &[Post<'_>]) -> Verdicts {
    let mut accounts = Accounts::default();
    let mut uses: BTreeMap<String, Vec<Use>> = BTreeMap::new();
    for (post, at) in (0..).zip(posts) {
        let account = accounts.number(at);
        let tags: BTreeSet<String> = at.hashtags.iter().map(|tag| tag.to_lowercase()).collect();
        for tag in tags {
            uses.entry(tag).or_default().push(Use { at: at.created_at, account, post });
        }
    }
    let mut together = Vec::new();
    for uses in uses.into_values() {
        let by: BTreeSet<u32> = uses.iter().map(|one| one.account).collect();
        if by.len() <= MOST_ACCOUNTS {
            together.extend(near_another_account(uses, CO_HASHTAG).iter().map(|one| one.account));
        }
    }
    ranking(&accounts, together.into_iter())
}

/// *Activity*: how many posts an account has. Only ranks.
pub(crate) fn activity(posts: &[Post<'_>]) -> Verdicts {
    let mut accounts = Accounts::default();
    let by: Vec<u32> = posts.iter().map(|post| accounts.number(post)).collect();
    ranking(&accounts, by.into_iter())
}

/// How often each account occurs.
fn ranking(accounts: &Accounts, occurs: impl Iterator<Item = u32>) -> Verdicts {
    let mut times: BTreeMap<u32, f64> = BTreeMap::new();
    occurs.for_each(|account| *times.entry(account).or_insert(0.0) += 1.0);
    let scores = times.into_iter().map(|(account, n)| (accounts.names()[account as usize].clone(), n));
    Verdicts { flagged: None, scores: scores.collect() }
}

/// One use of a text or a hashtag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use {
    at: Millis,
    account: u32,
    /// Index of the post.
    post: u32,
}

/// The uses that are at most this far from another account's use, by time.
fn near_another_account(mut uses: Vec<Use>, window: Millis) -> Vec<Use> {
    uses.sort_by_key(|one| (one.at, one.post));
    let before = nearest(uses.iter());
    let mut after = nearest(uses.iter().rev());
    after.reverse();
    let near =
        |one: &Use, other: &Option<Millis>| other.is_some_and(|other| one.at.abs_diff(other) <= window.unsigned_abs());
    let both = before.iter().zip(&after);
    let near_another_account =
        uses.iter().zip(both).filter(|(one, (before, after))| near(one, before) || near(one, after));
    near_another_account.map(|(one, _)| *one).collect()
}

/// For each use, the time of the last use by another account before it, in the order of the
/// iterator.
fn nearest<'u>(uses: impl Iterator<Item = &'u Use>) -> Vec<Option<Millis>> {
    // The last use, and the last use by an account other than that one's.
    let (mut last, mut other): (Option<Use>, Option<Use>) = (None, None);
    uses.map(|one| {
        let found = [last, other].into_iter().flatten().find(|before| before.account != one.account);
        if last.is_some_and(|last| last.account != one.account) {
            other = last;
        }
        last = Some(*one);
        found.map(|before| before.at)
    })
    .collect()
}

/// A text in lower case, without links, mentions and digits.
fn plain(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower
        .split_whitespace()
        .filter(|word| !["http://", "https://", "www.", "@"].iter().any(|start| word.starts_with(start)));
    let words = words.map(|word| word.chars().filter(|c| !c.is_numeric()).collect::<String>());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(
        id: usize,
        account: &'static str,
        minute: Millis,
        text: &'static str,
        tags: &[&'static str],
    ) -> Post<'static> {
        Post {
            id: id.to_string().into(),
            platform: "x".into(),
            account_id: account.into(),
            created_at: minute * MINUTE,
            text: text.into(),
            hashtags: tags.iter().map(|tag| (*tag).into()).collect(),
            ..Post::default()
        }
    }

    fn scores(verdicts: &Verdicts) -> Vec<(&str, f64)> {
        verdicts.scores.iter().map(|(account, score)| (account.account_id.as_str(), *score)).collect()
    }

    #[test]
    fn the_same_text_within_the_hour_by_others() {
        let long = "This text is long enough";
        let other = "That text is long enough, too";
        let mut posts = vec![
            post(0, "a", 0, long, &[]),
            post(1, "b", 60, "@ann this TEXT is long enough 123 https://e.example/1", &[]),
            post(2, "c", 121, long, &[]),
            post(3, "c", 122, long, &[]),
            post(4, "a", 500, other, &[]),
            post(5, "b", 501, other, &[]),
            post(6, "d", 502, "RT @a: That text is long enough, too", &[]),
            post(7, "e", 503, "short", &[]),
            post(8, "f", 504, "short", &[]),
            post(9, "g", 505, other, &[]),
        ];
        posts[9].repost_of = Some("4".into());
        let found = same_text(&posts);
        // c is 61 minutes after b, and its own posts do not count.
        assert_eq!(scores(&found), [("a", 2.0), ("b", 2.0)]);
        assert_eq!(found.flagged.unwrap().len(), 2);
        posts[2].created_at -= MINUTE;
        let found = same_text(&posts);
        assert_eq!(scores(&found), [("a", 2.0), ("b", 2.0), ("c", 1.0)], "a text counts once");
        assert_eq!(found.flagged.unwrap().len(), 2);
        assert_eq!(plain("www.e.example 2016 @you HTTP://E.EXAMPLE/x"), "");
    }

    #[test]
    fn a_hashtag_of_others_within_five_minutes() {
        let mut posts = vec![
            post(0, "a", 0, "", &["One", "one", "two"]),
            post(1, "b", 5, "", &["ONE"]),
            post(2, "b", 5, "", &["two"]),
            post(3, "c", 11, "", &["one"]),
            post(4, "d", 0, "", &[]),
        ];
        assert_eq!(scores(&co_hashtag(&posts)), [("a", 2.0), ("b", 2.0)], "twice in one post is one use");
        assert_eq!(co_hashtag(&posts).flagged, None);
        let crowd: Vec<String> = (0..MOST_ACCOUNTS).map(|n| format!("crowd{n}")).collect();
        for (n, account) in crowd.into_iter().enumerate() {
            posts.push(Post { account_id: account.into(), ..post(100 + n, "", 900, "", &["one"]) });
        }
        assert_eq!(
            scores(&co_hashtag(&posts)),
            [("a", 1.0), ("b", 1.0)],
            "a hashtag that everybody uses is no evidence"
        );
    }

    #[test]
    fn activity_counts_posts() {
        let posts = [post(0, "a", 0, "", &[]), post(1, "b", 5, "", &[]), post(2, "a", 9, "", &[])];
        assert_eq!(scores(&activity(&posts)), [("a", 2.0), ("b", 1.0)]);
    }
}
