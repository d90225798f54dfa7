//! coordination-network-toolkit (its repository's head): `co_retweet`, `co_link`, `co_reply`,
//! `co_tweet`, `co_similar_tweet`, `co_post`.
//!
//! ```
//! use coordination::peers::cooccurrence::{Match, Messages};
//!
//! let mut messages = Messages::default();
//! messages.push("1", "ann", 0.0, &["x"]);
//! messages.push("2", "ann", 1.0, &["x"]);
//! messages.push("3", "bob", 2.0, &["x"]);
//! let mut ties = Vec::new();
//! messages.ties(1.0, 1, Match::Same, false, |tie| ties.push((tie.user_1.to_owned(), tie.user_2.to_owned(), tie.weight)));
//! assert_eq!(ties, [("ann".into(), "bob".into(), 1), ("bob".into(), "ann".into(), 1)]);
//! ```
//!
//! # The definition
//! A tie is directed. Its weight is the number of different messages of `user_1` that have at least
//! one of `user_2` with the same key and a time from `t - window` to `t + window`, both inclusive,
//! where t is the time of `user_1`'s message. It is kept from the least weight on. An account's
//! ties to itself, by two messages of its own, are stored by the toolkit and left out of its
//! exports. Of the messages of one id, the first counts and the others are ignored, whoever wrote
//! them; but see [`Messages::push_each`].

use super::{Index, Lags, Names, Shares, Tokens};
use crate::hash::Set;

/// What makes two messages match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Match {
    /// The same key.
    Same,
    /// Words with at least this Jaccard similarity: `co_similar_tweet`. A message without words
    /// matches none.
    Similar(f64),
}

/// One account's messages and another's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tie<'a> {
    /// The account whose messages are counted.
    pub user_1: &'a str,
    /// The account with whose messages they match.
    pub user_2: &'a str,
    /// Messages of `user_1` with a match.
    pub weight: u32,
    /// Different keys that matched.
    pub keys: u32,
    /// Median seconds between matching messages, to the millisecond.
    pub median_lag_s: f64,
}

/// Messages in the order of the input.
#[derive(Debug, Default)]
pub struct Messages {
    shares: Shares,
    /// (message, key) of the messages from [`Messages::push_each`].
    seen: Set<(u32, u32)>,
    words: Names,
    /// Numbers of the words of each message in rising order, and the end of each message's numbers.
    tokens: Vec<u32>,
    ends: Vec<usize>,
}

impl Messages {
    /// A message with its keys, such as the post that it reposts, if its id is new. Without keys,
    /// its id counts as used nevertheless.
    pub fn push(&mut self, message: &str, user: &str, at: f64, keys: &[&str]) {
        if self.is_new(message) {
            self.shares.accounts.id(user);
            keys.iter().for_each(|key| self.shares.push(key, user, message, at));
        }
    }

    /// A message with its links. The toolkit identifies links by (message, link): if an id comes
    /// again, its new links count, with the later row's user and time.
    pub fn push_each(&mut self, message: &str, user: &str, at: f64, keys: &[&str]) {
        let id = self.shares.contents.id(message);
        for key in keys {
            if self.seen.insert((id, self.shares.objects.id(key))) {
                self.shares.push(key, user, message, at);
            }
        }
    }

    /// A message by its words, for [`Match::Similar`], if its id is new.
    pub fn push_words(&mut self, message: &str, user: &str, at: f64, words: &Tokens) {
        if self.is_new(message) && !words.words().is_empty() {
            self.shares.push("", user, message, at);
            // Messages without words.
            self.ends.resize(self.shares.contents.len() - 1, self.tokens.len());
            let start = self.tokens.len();
            self.tokens.extend(words.words().iter().map(|word| self.words.id(word)));
            self.tokens[start..].sort_unstable();
            self.ends.push(self.tokens.len());
        }
    }

    /// The shares that are compared.
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// The ties, by the bytes of both names. The window is in seconds. `loops` says whether ties of
    /// an account to itself are wanted.
    pub fn ties(&self, time_window: f64, min_edge_weight: u32, of: Match, loops: bool, mut each: impl FnMut(Tie<'_>)) {
        let index = Index::new(&self.shares, self.shares.rows.clone(), |_| true);
        let account = |rank: u32| self.shares.accounts.name(index.accounts[rank as usize]);
        let mut tallies = vec![Tally::default(); index.accounts.len()];
        let mut partners = Vec::new();
        let mut lags = Lags::default();
        // Partners for which a message with several keys has already been counted.
        let mut counted: Set<(u32, u32)> = Set::default();
        for a in 0..index.accounts() {
            for &r in index.of_account(a) {
                let row = *index.row(r);
                index.neighbours(
                    r,
                    |t_1, t_2| t_1 - time_window <= t_2 && t_2 <= t_1 + time_window,
                    |q, _| {
                        let other = index.row(q);
                        let unwanted = other.account == a && (!loops || other.content == row.content);
                        if unwanted || !self.matches(of, row.content, other.content) {
                            return true;
                        }
                        let b = other.account;
                        let tally = &mut tallies[b as usize];
                        if tally.keys == 0 {
                            partners.push(b);
                        }
                        lags.push(b, other.at - row.at);
                        if tally.keys == 0 || tally.last_key != row.object {
                            tally.keys += 1;
                            tally.last_key = row.object;
                        }
                        let new = if index.single[row.content as usize] {
                            tally.weight == 0 || tally.last_row != r
                        } else {
                            counted.insert((b, row.content))
                        };
                        tally.last_row = r;
                        tally.weight += u32::from(new);
                        true
                    },
                );
            }
            lags.medians(|b, median| tallies[b as usize].median_lag_s = median);
            partners.sort_unstable();
            for b in partners.drain(..) {
                let tally = std::mem::take(&mut tallies[b as usize]);
                if tally.weight >= min_edge_weight {
                    each(Tie {
                        user_1: account(a),
                        user_2: account(b),
                        weight: tally.weight,
                        keys: tally.keys,
                        median_lag_s: tally.median_lag_s,
                    });
                }
            }
            counted.clear();
        }
    }

    fn is_new(&mut self, message: &str) -> bool {
        let before = self.shares.contents.len();
        self.shares.contents.id(message) as usize == before
    }

    fn matches(&self, of: Match, x: u32, y: u32) -> bool {
        let Match::Similar(least) = of else { return true };
        let (x, y) = (self.tokens(x), self.tokens(y));
        let (fewer, more) = (x.len().min(y.len()), x.len().max(y.len()));
        // The similarity is at most the ratio of the sizes.
        if fewer == 0 || (fewer as f64 / more as f64) < least {
            return false;
        }
        let (mut i, mut j, mut both) = (0, 0, 0_usize);
        while i < x.len() && j < y.len() {
            let (a, b) = (x[i], y[j]);
            both += usize::from(a == b);
            i += usize::from(a <= b);
            j += usize::from(b <= a);
        }
        both as f64 / (x.len() + y.len() - both) as f64 >= least
    }

    fn tokens(&self, content: u32) -> &[u32] {
        let end = |content: u32| self.ends.get(content as usize).copied().unwrap_or(self.tokens.len());
        &self.tokens[content.checked_sub(1).map_or(0, end)..end(content)]
    }
}

#[derive(Debug, Clone, Default)]
struct Tally {
    weight: u32,
    keys: u32,
    last_key: u32,
    last_row: u32,
    median_lag_s: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    type Message<'a> = (&'a str, &'a str, f64, &'a [&'a str]);

    fn show(messages: &Messages, window: f64, least: u32, of: Match) -> Vec<String> {
        let mut found = Vec::new();
        messages
            .ties(window, least, of, false, |tie| found.push(format!("{}>{} {}", tie.user_1, tie.user_2, tie.weight)));
        found
    }

    fn check(messages: &[Message<'_>], window: f64, least: u32, expected: &[&str]) {
        let (mut whole, mut each) = (Messages::default(), Messages::default());
        for (message, user, at, keys) in messages {
            whole.push(message, user, *at, keys);
            each.push_each(message, user, *at, keys);
        }
        assert_eq!(show(&whole, window, least, Match::Same), expected);
        assert_eq!(show(&each, window, least, Match::Same), expected, "as links");
    }

    #[test]
    fn each_direction_counts_its_own_messages() {
        let messages: [Message<'_>; 3] = [("1", "a", 0.0, &["x"]), ("2", "a", 2.0, &["x"]), ("3", "b", 1.0, &["x"])];
        check(&messages, 1.0, 1, &["a>b 2", "b>a 1"]);
        check(&messages, 1.0, 2, &["a>b 2"]);
        check(&messages, 0.9, 1, &[]);
    }

    #[test]
    fn loops_take_two_messages() {
        let mut messages = Messages::default();
        for (message, at, keys) in [("1", 0.0, &["x", "y"][..]), ("2", 1.0, &["x"]), ("3", 9.0, &["x"])] {
            messages.push_each(message, "a", at, keys);
        }
        let mut loops = Vec::new();
        messages.ties(1.0, 1, Match::Same, true, |tie| loops.push((tie.user_1 == tie.user_2, tie.weight)));
        assert_eq!(loops, [(true, 2)]);
        assert_eq!(show(&messages, 1.0, 1, Match::Same), [""; 0]);
    }

    #[test]
    fn the_window_is_inclusive_on_both_sides() {
        check(&[("1", "a", 0.5, &["x"]), ("2", "b", 10.5, &["x"])], 10.0, 1, &["a>b 1", "b>a 1"]);
        check(&[("1", "a", 0.5, &["x"]), ("2", "b", 0.5, &["x"])], 0.0, 1, &["a>b 1", "b>a 1"]);
    }

    #[test]
    fn a_message_counts_once_however_many_keys_match() {
        let messages: [Message<'_>; 2] = [("1", "a", 0.0, &["x", "y"]), ("2", "b", 1.0, &["x", "y"])];
        check(&messages, 1.0, 1, &["a>b 1", "b>a 1"]);
        let mut links = Messages::default();
        messages.iter().for_each(|(message, user, at, keys)| links.push_each(message, user, *at, keys));
        links.ties(1.0, 1, Match::Same, false, |tie| assert_eq!((tie.keys, tie.median_lag_s), (2, 1.0)));
    }

    #[test]
    fn a_repeated_id_is_ignored_but_for_its_new_links() {
        let messages: [Message<'_>; 3] =
            [("1", "a", 0.0, &["x"]), ("2", "b", 0.0, &["y"]), ("1", "c", 0.0, &["x", "y"])];
        let (mut whole, mut links) = (Messages::default(), Messages::default());
        for (message, user, at, keys) in messages {
            whole.push(message, user, at, keys);
            links.push_each(message, user, at, keys);
        }
        assert_eq!(show(&whole, 1.0, 1, Match::Same), [""; 0]);
        assert_eq!(show(&links, 1.0, 1, Match::Same), ["b>c 1", "c>b 1"]);
        // An id without a key counts as used as well.
        let mut reposts = Messages::default();
        for (message, user, keys) in [("1", "a", &[][..]), ("1", "a", &["x"]), ("2", "b", &["x"])] {
            reposts.push(message, user, 0.0, keys);
        }
        assert_eq!(show(&reposts, 1.0, 1, Match::Same), [""; 0]);
    }

    #[test]
    fn similarity_is_jaccard_of_word_sets() {
        let mut messages = Messages::default();
        // 4 of 5 words, then 4 of 6; no word at all; and the same words too late.
        for (id, user, at, text) in [
            ("1", "a", 0.0, "one two three four"),
            ("2", "b", 1.0, "One two three @x FOUR five"),
            ("3", "c", 1.0, "one two three four six seven"),
            ("4", "d", 1.0, "@y"),
            ("5", "e", 1.0, "@z"),
            ("6", "f", 99.0, "one two three four"),
        ] {
            messages.push_words(id, user, at, &Tokens::of(text));
        }
        assert_eq!(show(&messages, 1.0, 1, Match::Similar(0.8)), ["a>b 1", "b>a 1"]);
        assert_eq!(
            show(&messages, 1.0, 1, Match::Similar(4.0 / 6.0)),
            ["a>b 1", "a>c 1", "b>a 1", "c>a 1"],
            "b and c share 4 of 7"
        );
        assert_eq!(show(&messages, 100.0, 1, Match::Similar(1.0)), ["a>f 1", "f>a 1"]);
    }
}
