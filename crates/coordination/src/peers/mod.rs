//! The methods of the published tools, as baselines: the same ties, with the same weights, on the
//! same input.
//!
//! [`coortweet`] is CooRTweet 2.1.3 (Righetti and Balluff): accounts that shared the same objects
//! within a window, undirected, flagged by a quantile of the edge weights. [`cooccurrence`] is
//! coordination-network-toolkit (Graham and the QUT Digital Observatory): the same counted by
//! message, directed. Neither asks how often two accounts would meet by chance; the engine does.
//!
//! Both run as a sweep: the shares of an object are in order of time, and each is compared only
//! with its neighbours within the window. Ties are computed account by account, passed on in order
//! of names, and never stored: the memory is that of the input and of one account's ties, the time
//! that of the pairs within the window.

pub mod cooccurrence;
pub mod coortweet;
mod names;
mod words;

pub use words::{Tokens, normalised_message, normalised_text};

use crate::hash::Map;
use names::Names;

/// Shares (account, object, time, post), in the order of the input, on which both methods may
/// depend.
#[derive(Debug, Default)]
pub struct Shares {
    objects: Names,
    accounts: Names,
    contents: Names,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    object: u32,
    account: u32,
    content: u32,
    /// Seconds, of any epoch.
    at: f64,
}

impl Shares {
    /// One share: `content` is the post's id, `at` in seconds since any epoch. An equal share
    /// counts again. A share whose time is not finite is in no pair.
    pub fn push(&mut self, object: &str, account: &str, content: &str, at: f64) {
        let row = Row {
            object: self.objects.id(object),
            account: self.accounts.id(account),
            content: self.contents.id(content),
            // Zero has only one sign, so that order and distance agree.
            at: at + 0.0,
        };
        self.rows.push(row);
    }

    /// How many shares there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many different accounts shared.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// How many different objects were shared.
    pub fn objects(&self) -> usize {
        self.objects.len()
    }
}

/// Rows, prepared for the sweep. A row's number is its index in the order that the method gives to
/// rows.
#[derive(Debug)]
struct Index {
    /// `account` is the rank of its name, `object` the rank of its first row.
    rows: Vec<Row>,
    /// Numbers of the rows that are compared, by (object, time, number).
    order: Vec<u32>,
    /// The index of a row in `order`; [`ABSENT`] if it is not compared.
    place: Vec<u32>,
    /// Numbers of the rows that are compared, by (account, object, time, number).
    by_account: Vec<u32>,
    /// The end of each account's part of `by_account`.
    ends: Vec<u32>,
    /// The account of each rank, and the object.
    accounts: Vec<u32>,
    objects: Vec<u32>,
    /// Whether a content has at most one row that is compared.
    single: Vec<bool>,
}

const ABSENT: u32 = u32::MAX;

impl Index {
    fn new(shares: &Shares, mut rows: Vec<Row>, takes_part: impl Fn(&Row) -> bool) -> Index {
        let accounts = shares.accounts.sorted();
        let mut rank = vec![0; accounts.len()];
        for (place, account) in accounts.iter().enumerate() {
            rank[*account as usize] = place as u32;
        }
        let mut order: Vec<u32> = Vec::with_capacity(rows.len());
        order.extend((0_u32..).zip(&rows).filter(|(_, row)| row.at.is_finite() && takes_part(row)).map(|(r, _)| r));
        let mut objects = Vec::new();
        let mut object_rank = vec![ABSENT; shares.objects.len()];
        for row in &mut rows {
            row.account = rank[row.account as usize];
            let new = &mut object_rank[row.object as usize];
            if *new == ABSENT {
                *new = objects.len() as u32;
                objects.push(row.object);
            }
            row.object = *new;
        }
        drop(object_rank);
        order.sort_unstable_by(|x, y| {
            let (a, b) = (&rows[*x as usize], &rows[*y as usize]);
            a.object.cmp(&b.object).then(a.at.total_cmp(&b.at)).then(x.cmp(y))
        });
        let mut place = vec![ABSENT; rows.len()];
        let mut ends = vec![0_u32; accounts.len()];
        let mut single = vec![true; shares.contents.len()];
        let mut seen = vec![false; shares.contents.len()];
        for (at, r) in order.iter().enumerate() {
            place[*r as usize] = at as u32;
            let row = &rows[*r as usize];
            ends[row.account as usize] += 1;
            let content = row.content as usize;
            single[content] = !std::mem::replace(&mut seen[content], true);
        }
        let mut end = 0;
        for count in &mut ends {
            end += *count;
            *count = end - *count;
        }
        // Filled in the order of `order`, so that each part is in that order; each start becomes
        // its end.
        let mut by_account = vec![0; order.len()];
        for r in &order {
            let next = &mut ends[rows[*r as usize].account as usize];
            by_account[*next as usize] = *r;
            *next += 1;
        }
        Index { rows, order, place, by_account, ends, accounts, objects, single }
    }

    fn accounts(&self) -> u32 {
        self.accounts.len() as u32
    }

    fn of_account(&self, account: u32) -> &[u32] {
        let start = account.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        &self.by_account[start as usize..self.ends[account as usize] as usize]
    }

    fn row(&self, r: u32) -> &Row {
        &self.rows[r as usize]
    }

    /// The other rows of the row's object that are near in time, each with whether it comes before
    /// the row, until `visit` returns false. `near` gets the row's time and the other's; a row that
    /// is farther away in time must not be nearer.
    fn neighbours(&self, r: u32, near: impl Fn(f64, f64) -> bool, mut visit: impl FnMut(u32, bool) -> bool) {
        let row = self.row(r);
        let at = self.place[r as usize] as usize;
        let reach = |q: &&u32| {
            let other = self.row(**q);
            other.object == row.object && near(row.at, other.at)
        };
        let stopped = self.order[..at].iter().rev().take_while(reach).any(|q| !visit(*q, true));
        if !stopped {
            self.order[at + 1..].iter().take_while(reach).any(|q| !visit(*q, false));
        }
    }
}

/// Lags of one account's pairs by partner, for their medians, in whole milliseconds. Equal lags are
/// counted together, so that memory is bounded by the lags that the window allows.
#[derive(Debug, Default)]
struct Lags {
    /// Number of occurrences, by (partner, lag).
    counts: Map<(u32, u64), u64>,
}

impl Lags {
    fn push(&mut self, partner: u32, seconds: f64) {
        *self.counts.entry((partner, (seconds.abs() * 1e3).round() as u64)).or_insert(0) += 1;
    }

    /// Medians in seconds, by partner in rising order. Afterwards there are none left.
    fn medians(&mut self, mut each: impl FnMut(u32, f64)) {
        let mut all: Vec<((u32, u64), u64)> = self.counts.drain().collect();
        all.sort_unstable();
        for lags in all.chunk_by(|x, y| x.0.0 == y.0.0) {
            let count: u64 = lags.iter().map(|(_, often)| often).sum();
            let nth = |n: u64| {
                let mut seen = 0;
                let at = lags.iter().find(|(_, often)| {
                    seen += often;
                    seen > n
                });
                at.map_or(0, |((_, lag), _)| *lag)
            };
            each(lags[0].0.0, (nth((count - 1) / 2) + nth(count / 2)) as f64 / 2e3);
        }
    }
}

/// Quantile of type 7 (Hyndman and Fan 1996), R's default, in the floating-point steps of R 4's
/// `quantile`, because a rounding error there decides whether a weight is above the threshold.
/// `counts` are (value, number of occurrences), in rising order.
fn quantile(counts: &[(u32, u64)], p: f64) -> Option<f64> {
    let n: u64 = counts.iter().map(|(_, often)| often).sum();
    let index = 1.0 + n.checked_sub(1)? as f64 * p;
    let (low, high) = (index.floor(), index.ceil());
    let nth = |n: f64| {
        let mut seen = 0;
        counts
            .iter()
            .find(|(_, often)| {
                seen += often;
                seen as f64 >= n
            })
            .map(|(value, _)| f64::from(*value))
    };
    let (low_value, high_value) = (nth(low)?, nth(high)?);
    let h = index - low;
    Some(if h > 0.0 && high_value != low_value { (1.0 - h) * low_value + h * high_value } else { low_value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_quantile(values: &[u32], p: f64, expected: f64) {
        let mut counts: Vec<(u32, u64)> = Vec::new();
        for value in values {
            match counts.last_mut() {
                Some((last, n)) if last == value => *n += 1,
                _ => counts.push((*value, 1)),
            }
        }
        assert_eq!(quantile(&counts, p), Some(expected), "{p} of {values:?}");
    }

    #[test]
    fn quantiles_are_of_type_7() {
        check_quantile(&[1, 2, 3, 4], 0.5, 2.5);
        check_quantile(&[1, 2, 3, 4], 0.0, 1.0);
        check_quantile(&[1, 2, 3, 4], 1.0, 4.0);
        // 1 + 3 * 0.9 = 3.7: 0.7 of the way from the third to the fourth.
        check_quantile(&[1, 2, 3, 13], 0.9, (1.0 - 0.7000000000000002) * 3.0 + 0.7000000000000002 * 13.0);
        check_quantile(&[1, 1, 1, 5], 0.5, 1.0);
        check_quantile(&[7], 0.3, 7.0);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn medians_of_lags_by_partner() {
        let mut lags = Lags::default();
        for (partner, lag) in [(2, 3.0), (1, 1.0), (2, 1.0), (2, -2.0), (1, 4.0)] {
            lags.push(partner, lag);
        }
        let mut medians = Vec::new();
        lags.medians(|partner, median| medians.push((partner, median)));
        assert_eq!(medians, [(1, 2.5), (2, 2.0)]);
        (0..300).for_each(|n| lags.push(7, f64::from(n % 3)));
        assert_eq!(lags.counts.len(), 3, "equal lags are counted together");
        lags.medians(|partner, median| assert_eq!((partner, median), (7, 1.0)));
    }
}
