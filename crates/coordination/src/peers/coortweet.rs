//! CooRTweet 2.1.3: `detect_groups`, `flag_speed_share` and `generate_coordinated_network`.
//!
//! ```
//! use coordination::peers::{Shares, coortweet::{Groups, Subgraph}};
//!
//! let mut shares = Shares::default();
//! for (object, account, content, at) in
//!     [("x", "ann", "1", 0.0), ("x", "bob", "2", 5.0), ("y", "bob", "3", 60.0), ("y", "ann", "4", 61.0), ("y", "cat", "5", 99.0)]
//! {
//!     shares.push(object, account, content, at);
//! }
//! let groups = Groups::detect(&shares, 10.0, 2);
//! let network = groups.network(0.5, Subgraph::Whole);
//! network.edges(false, |edge| assert_eq!((edge.from, edge.to, edge.full.weight, edge.full.avg_time_delta), ("ann", "bob", 2, 3.0)));
//! ```
//!
//! # The definition
//! 1. Accounts with fewer than `min_participation` rows are left out. What is left is ordered by
//!    each account's first appearance, then as it came; an equal row counts again.
//! 2. Two rows of one object are a pair if their times differ by no more than the window. The one
//!    with the earlier time is the older; at equal times, the one that comes first in the order of
//!    step 1.
//! 3. A pair is dropped where the object's id equals either content's id, the contents are the
//!    same, or the accounts are.
//! 4. Rows whose content is in any pair are counted by account. The contents of accounts with at
//!    least `min_participation` such rows are kept, and the pairs where *either* content is.
//!    Contents are compared by id alone, whoever posted them.
//! 5. An edge joins two accounts, undirected, `from` before `to` by the bytes of their names; its
//!    weight is the number of pairs, so that a post with two objects counts twice. `n_content_id`
//!    and `n_content_id_y` are the unique older and newer contents, whichever of the two accounts
//!    posted them (CooRTweet's documentation says: by account); `edge_symmetry_score` is the lesser
//!    over the greater.
//! 6. Edges are flagged whose weight is *strictly* above the type-7 quantile of all weights.
//!
//! The fast network takes the pairs within a narrower window, applies step 4 to these, and flags
//! *every* pair of step 4 with the same two contents in the same order. Its weights have their own
//! quantile.
//!
//! Not copied: CooRTweet orders names by the locale, and igraph may print an undirected edge either
//! way round.

mod network;

pub use self::network::{Edge, Measures, Network, Subgraph};
use super::{ABSENT, Index, Lags, Row, Shares};
use crate::hash::{Map, Set};

/// Two shares of an object within the window; of the older one first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair<'a> {
    /// What both shared.
    pub object_id: &'a str,
    /// The older post, and the newer one.
    pub content_id: &'a str,
    /// See `content_id`.
    pub content_id_y: &'a str,
    /// Seconds between them.
    pub time_delta: f64,
    /// Who posted the older one, and the newer one.
    pub account_id: &'a str,
    /// See `account_id`.
    pub account_id_y: &'a str,
    /// Whether it is in the fast network; `None` if that was not asked for.
    pub fast: Option<bool>,
}

/// The result of `detect_groups`, to be swept as often as is needed.
#[derive(Debug)]
pub struct Groups<'s> {
    shares: &'s Shares,
    index: Index,
    time_window: f64,
    min_participation: u32,
    kept: Vec<bool>,
    fast: Option<Fast>,
}

#[derive(Debug)]
struct Fast {
    time_window: f64,
    kept: Vec<bool>,
    /// Contents that do not have one account and one time: what is said of one pair of them may
    /// hold for others.
    ambiguous: Vec<bool>,
    /// Fast pairs with an ambiguous content: (older, newer).
    pairs: Set<(u32, u32)>,
}

impl<'s> Groups<'s> {
    /// `detect_groups(x, time_window, min_participation)`. The window is in seconds, inclusive.
    pub fn detect(shares: &'s Shares, time_window: f64, min_participation: u32) -> Groups<'s> {
        let mut groups = Groups {
            shares,
            index: Index::new(shares, by_account(shares, min_participation), |row| {
                shares.objects.name(row.object) != shares.contents.name(row.content)
            }),
            time_window,
            min_participation,
            kept: vec![true; shares.contents.len()],
            fast: None,
        };
        groups.kept = groups.participating(time_window);
        groups
    }

    /// `flag_speed_share(x, result, min_participation, time_window)`: marks the pairs of a narrower
    /// window.
    pub fn flag_speed_share(&mut self, time_window: f64) {
        let kept = self.participating(time_window);
        let index = &self.index;
        let mut first = vec![ABSENT; self.shares.contents.len()];
        let mut ambiguous = vec![false; first.len()];
        for r in &index.order {
            let content = index.row(*r).content as usize;
            if first[content] == ABSENT {
                first[content] = *r;
            }
            let (x, y) = (index.row(*r), index.row(first[content]));
            ambiguous[content] |= x.account != y.account || x.at != y.at;
        }
        let mut pairs = Set::default();
        for r in &index.order {
            self.partners(*r, time_window, |q, q_is_older| {
                let (r, q) = (index.row(*r).content, index.row(q).content);
                let either = |of: &[bool]| of[r as usize] || of[q as usize];
                if !q_is_older && either(&ambiguous) && either(&kept) {
                    pairs.insert((r, q));
                }
                true
            });
        }
        self.fast = Some(Fast { time_window, kept, ambiguous, pairs });
    }

    /// Every pair: objects by their first row, then by the newer row and the older one in the order
    /// of step 1.
    pub fn pairs(&self, mut each: impl FnMut(Pair<'_>)) {
        let Index { order, rows, objects, accounts, .. } = &self.index;
        for of_object in order.chunk_by(|x, y| rows[*x as usize].object == rows[*y as usize].object) {
            let mut numbers = of_object.to_vec();
            numbers.sort_unstable();
            for y in numbers {
                let mut earlier = Vec::new();
                self.partners(y, self.time_window, |x, x_is_older| {
                    if x < y {
                        earlier.push((x, x_is_older));
                    }
                    true
                });
                earlier.sort_unstable();
                for (x, x_is_older) in earlier {
                    let (old, new) = if x_is_older { (x, y) } else { (y, x) };
                    let (old, new) = (self.index.row(old), self.index.row(new));
                    let account = |row: &Row| self.shares.accounts.name(accounts[row.account as usize]);
                    each(Pair {
                        object_id: self.shares.objects.name(objects[old.object as usize]),
                        content_id: self.shares.contents.name(old.content),
                        content_id_y: self.shares.contents.name(new.content),
                        time_delta: new.at - old.at,
                        account_id: account(old),
                        account_id_y: account(new),
                        fast: self.fast.as_ref().map(|fast| fast.has(old, new)),
                    });
                }
            }
        }
    }

    /// Step 4 for the pairs within a window that are kept so far: the contents to keep.
    fn participating(&self, time_window: f64) -> Vec<bool> {
        let mut paired = vec![false; self.shares.contents.len()];
        for r in &self.index.order {
            let content = self.index.row(*r).content as usize;
            if !paired[content] {
                self.partners(*r, time_window, |_, _| {
                    paired[content] = true;
                    false
                });
            }
        }
        if self.min_participation == 0 {
            return paired;
        }
        let mut participation = vec![0_u32; self.index.accounts.len()];
        let in_pair = || self.index.rows.iter().filter(|row| paired[row.content as usize]);
        in_pair().for_each(|row| participation[row.account as usize] += 1);
        let mut kept = vec![false; paired.len()];
        in_pair()
            .filter(|row| participation[row.account as usize] >= self.min_participation)
            .for_each(|row| kept[row.content as usize] = true);
        kept
    }

    /// Rows that make a pair with this one within a window, each with whether it is the older;
    /// until `visit` says stop.
    fn partners(&self, r: u32, time_window: f64, mut visit: impl FnMut(u32, bool) -> bool) {
        let row = self.index.row(r);
        self.index.neighbours(
            r,
            |x, y| (x - y).abs() <= time_window,
            |q, q_is_older| {
                let other = self.index.row(q);
                let pair = other.account != row.account
                    && other.content != row.content
                    && (self.kept[row.content as usize] || self.kept[other.content as usize]);
                !pair || visit(q, q_is_older)
            },
        );
    }

    /// Counts the pairs of every two accounts, by their ranks in rising order.
    fn sweep(&self, detail: Detail, mut each: impl FnMut(u32, u32, &Tally)) {
        let index = &self.index;
        let mut tallies = vec![Tally::default(); index.accounts.len()];
        let mut partners = Vec::new();
        let mut lags = Lags::default();
        // Which counts a single row of a partner has entered already, and for which account.
        let mut of_partner = vec![(ABSENT, 0_u8); if detail == Detail::Weights { 0 } else { index.rows.len() }];
        // The same for contents of several rows, by partner.
        let mut of_content: Map<(u32, u32), u8> = Map::default();
        for a in 0..index.accounts() {
            for &r in index.of_account(a) {
                let row = *index.row(r);
                self.partners(r, self.time_window, |q, q_is_older| {
                    let other = *index.row(q);
                    let b = other.account;
                    if b < a {
                        return true;
                    }
                    let tally = &mut tallies[b as usize];
                    if tally.full.weight == 0 {
                        partners.push(b);
                    }
                    let (old, new) = if q_is_older { (&other, &row) } else { (&row, &other) };
                    let is_fast = self.fast.as_ref().is_some_and(|fast| fast.has(old, new));
                    tally.full.weight += 1;
                    tally.fast.weight += u32::from(is_fast);
                    if detail == Detail::Weights {
                        return true;
                    }
                    let delta = new.at - old.at;
                    lags.push(b, delta);
                    tally.full.seconds += delta;
                    if is_fast {
                        tally.fast.seconds += delta;
                    }
                    tally.object(row.object, is_fast, detail == Detail::Objects);
                    let counts = |is_older: bool| {
                        let full = if is_older { OLDER } else { NEWER };
                        if is_fast { full | full << FAST } else { full }
                    };
                    let mut mine = if tally.row == r { tally.row_seen } else { 0 };
                    let mut count = |content: u32, seen: &mut u8, counts: u8| {
                        let seen = match index.single[content as usize] {
                            true => seen,
                            false => of_content.entry((b, content)).or_insert(0),
                        };
                        tally.count(counts & !*seen);
                        *seen |= counts;
                    };
                    count(row.content, &mut mine, counts(!q_is_older));
                    let theirs = &mut of_partner[q as usize];
                    if theirs.0 != a {
                        *theirs = (a, 0);
                    }
                    count(other.content, &mut theirs.1, counts(q_is_older));
                    (tally.row, tally.row_seen) = (r, mine);
                    true
                });
            }
            lags.medians(|b, median| tallies[b as usize].median_lag_s = median);
            partners.sort_unstable();
            for b in partners.drain(..) {
                each(a, b, &tallies[b as usize]);
                tallies[b as usize] = Tally::default();
            }
            of_content.clear();
        }
    }
}

impl Fast {
    fn has(&self, old: &Row, new: &Row) -> bool {
        let either = |of: &[bool]| of[old.content as usize] || of[new.content as usize];
        if either(&self.ambiguous) {
            self.pairs.contains(&(old.content, new.content))
        } else {
            new.at - old.at <= self.time_window && either(&self.kept)
        }
    }
}

/// Rows of accounts that have enough of them, by the account's first appearance.
fn by_account(shares: &Shares, min_participation: u32) -> Vec<Row> {
    let mut starts = vec![0; shares.accounts.len()];
    shares.rows.iter().for_each(|row| starts[row.account as usize] += 1);
    let mut end = 0;
    // Accounts have their numbers by first appearance.
    for start in &mut starts {
        let rows = *start;
        *start = if rows < min_participation { ABSENT } else { end };
        end += if rows < min_participation { 0 } else { rows };
    }
    let mut rows = vec![Row { object: 0, account: 0, content: 0, at: 0.0 }; end as usize];
    for row in &shares.rows {
        let next = &mut starts[row.account as usize];
        if *next != ABSENT {
            rows[*next as usize] = *row;
            *next += 1;
        }
    }
    rows
}

/// How much a sweep finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Weights,
    Edges,
    Objects,
}

const OLDER: u8 = 1;
const NEWER: u8 = 2;
/// By how many bits the counts of the fast network stand above those of the full one.
const FAST: u8 = 2;

/// What is counted for one account and one partner.
#[derive(Debug, Clone, Default)]
struct Tally {
    full: Part,
    fast: Part,
    median_lag_s: f64,
    /// The row that was counted last, and where.
    row: u32,
    row_seen: u8,
}

#[derive(Debug, Clone, Default)]
struct Part {
    weight: u32,
    older: u32,
    newer: u32,
    seconds: f64,
    objects: u32,
    last_object: u32,
    object_ids: Vec<u32>,
}

impl Tally {
    /// An account's rows come object by object.
    fn object(&mut self, object: u32, is_fast: bool, keep: bool) {
        for part in [Some(&mut self.full), is_fast.then_some(&mut self.fast)].into_iter().flatten() {
            if part.objects == 0 || part.last_object != object {
                part.objects += 1;
                part.last_object = object;
                if keep {
                    part.object_ids.push(object);
                }
            }
        }
    }

    fn count(&mut self, counts: u8) {
        for (part, shift) in [(&mut self.full, 0), (&mut self.fast, FAST)] {
            part.older += u32::from(counts >> shift & OLDER != 0);
            part.newer += u32::from(counts >> shift & NEWER != 0);
        }
    }
}

#[cfg(test)]
mod tests;
