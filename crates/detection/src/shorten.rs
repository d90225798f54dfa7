//! Shortens a message to a size limit. The sizes of its parts are measured once, and the size of a
//! cut is a sum of these.

use std::{collections::BTreeSet, io};

use messages::cluster::{ClusterAccount, ClusterError, ClusterMessage, Evidence, PostRef, Unlisted, rounded_nats};
use serde::Serialize;

/// Bytes by which the sums that replace cut parts may be longer than before.
const SUMS: usize = 512;

/// The message, shortened until it takes at most `bytes` when written. The remaining parts keep all
/// their arithmetic, and cut parts are replaced by their sums, so that all totals still match. The
/// order of cuts is: ties, then sources, while either takes more than a quarter of the limit; then
/// posts, those of the weakest keys first; then all sources except the one that is left out; all
/// ties; the accounts' dropped sources; and their names. Accounts are never cut: if they do not
/// fit, the function returns an error.
pub fn shortened(message: ClusterMessage, bytes: usize) -> Result<ClusterMessage, ClusterError> {
    let mut shortener = Shortener { message };
    loop {
        shortener.message.check()?;
        let size = size(&shortener.message).map_err(|error| shortener.not_json(&error))?;
        if size <= bytes {
            return Ok(shortener.message);
        }
        let over = size + SUMS - bytes.min(size);
        let cut = shortener.cut(over, bytes / 4).map_err(|error| shortener.not_json(&error))?;
        if cut == 0 {
            let ClusterMessage { cluster_id, accounts, .. } = shortener.message;
            return Err(ClusterError::TooLarge { cluster_id, accounts: accounts.len(), bytes: size, limit: bytes });
        }
    }
}

/// A message from which parts are cut.
struct Shortener {
    message: ClusterMessage,
}

impl Shortener {
    fn not_json(&self, error: &serde_json::Error) -> ClusterError {
        ClusterError::Json { cluster_id: self.message.cluster_id.clone(), reason: error.to_string() }
    }

    /// Cuts parts of `over` bytes in total, if there are enough. Returns the bytes that it cut.
    fn cut(&mut self, over: usize, quarter: usize) -> Result<usize, serde_json::Error> {
        let mut left = over;
        self.cut_ties(&mut left, quarter)?;
        self.cut_sources(&mut left, quarter)?;
        self.cut_posts(&mut left)?;
        self.cut_sources(&mut left, 0)?;
        self.cut_ties(&mut left, 0)?;
        self.cut_accounts(&mut left, |account| {
            if !account.dropped.is_empty() {
                let nats = account.dropped.drain(..).map(|dropped| dropped.nats).sum::<f64>();
                account.dropped_nats = Some(rounded_nats(nats + account.dropped_nats.unwrap_or_default()));
            }
        })?;
        self.cut_accounts(&mut left, |account| account.account_name.clear())?;
        Ok(over - left)
    }

    /// Cuts the weakest ties while all take more than `room`.
    fn cut_ties(&mut self, left: &mut usize, room: usize) -> Result<(), serde_json::Error> {
        let sizes = sizes(&self.message.ties)?;
        let mut taken: usize = sizes.iter().sum();
        for size in sizes.into_iter().rev() {
            if *left == 0 || taken <= room {
                break;
            }
            self.message.ties.pop();
            self.message.unlisted.ties += 1;
            taken -= size;
            *left = left.saturating_sub(size);
        }
        Ok(())
    }

    /// Sums up the sources with the smallest gains while all take more than `room`.
    fn cut_sources(&mut self, left: &mut usize, room: usize) -> Result<(), serde_json::Error> {
        let sizes = sizes(&self.message.sources)?;
        let mut taken: usize = sizes.iter().sum();
        let left_out = self.left_out();
        let most = |place: usize| self.message.sources[place].by_window.into_iter().fold(0.0, f64::max);
        let mut order: Vec<usize> = (0..sizes.len()).filter(|&place| Some(place) != left_out).collect();
        order.sort_by(|&x, &y| most(x).total_cmp(&most(y)).then(y.cmp(&x)));
        let mut gone = BTreeSet::new();
        for place in order {
            if *left == 0 || taken <= room {
                break;
            }
            gone.insert(place);
            taken -= sizes[place];
            *left = left.saturating_sub(sizes[place]);
        }
        for &place in &gone {
            self.message.unlisted.sources += 1;
            add(&mut self.message.unlisted.source_nats, self.message.sources[place].by_window);
        }
        retain(&mut self.message.sources, &gone);
        Ok(())
    }

    /// Sums up the weakest keys; of the last key that must be cut, only as many posts as needed.
    fn cut_posts(&mut self, left: &mut usize) -> Result<(), serde_json::Error> {
        let sizes = sizes(&self.message.evidence)?;
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by(|&x, &y| self.message.evidence[x].nats.total_cmp(&self.message.evidence[y].nats).then(y.cmp(&x)));
        let best = self.message.best_window();
        let mut gone = BTreeSet::new();
        for place in order {
            if *left == 0 {
                break;
            }
            let key = &mut self.message.evidence[place];
            let before = key.by_window;
            if sizes[place] > *left {
                let posts = cut_posts(key, left, best)?;
                posts.iter().for_each(|post| count(&mut self.message.unlisted, post));
            }
            // The first post of a key is cut only together with the others.
            if *left > 0 {
                key.posts.drain(..).for_each(|post| count(&mut self.message.unlisted, &post));
                key.by_window = [0.0; 3];
                *left = left.saturating_sub(sizes[place]);
                gone.insert(place);
            }
            add(
                &mut self.message.unlisted.nats,
                [0, 1, 2].map(|window| before[window] - self.message.evidence[place].by_window[window]),
            );
        }
        retain(&mut self.message.evidence, &gone);
        Ok(())
    }

    /// Shortens accounts, the weakest first.
    fn cut_accounts(
        &mut self,
        left: &mut usize,
        shorten: impl Fn(&mut ClusterAccount),
    ) -> Result<(), serde_json::Error> {
        for account in self.message.accounts.iter_mut().rev() {
            if *left == 0 {
                break;
            }
            let before = size(account)?;
            shorten(account);
            *left = left.saturating_sub(before.saturating_sub(size(account)?));
        }
        Ok(())
    }

    /// Index in `sources` of the source that `log_e_leave_one_source_out` leaves out: the one
    /// without which least evidence remains.
    fn left_out(&self) -> Option<usize> {
        let without = |place: usize| {
            let source = &self.message.sources[place];
            let nats = self.message.windows.iter().zip(source.by_window).map(|(window, gains)| window.nats - gains);
            log_mean_exp(&nats.collect::<Vec<f64>>())
        };
        (0..self.message.sources.len()).min_by(|&x, &y| without(x).total_cmp(&without(y)))
    }
}

/// Cuts the posts of a key with the smallest gains, except the first post, until no more bytes are
/// `left` to cut. Returns these posts.
fn cut_posts(evidence: &mut Evidence, left: &mut usize, best: usize) -> Result<Vec<PostRef>, serde_json::Error> {
    let sizes = sizes(&evidence.posts)?;
    let most = |place: usize| evidence.posts[place].gains.iter().map(|gain| gain.nats()).fold(0.0, f64::max);
    let mut order: Vec<usize> = (1..sizes.len()).collect();
    order.sort_by(|&x, &y| most(x).total_cmp(&most(y)).then(y.cmp(&x)));
    let mut gone = BTreeSet::new();
    for place in order {
        if *left == 0 {
            break;
        }
        gone.insert(place);
        *left = left.saturating_sub(sizes[place]);
    }
    let posts = gone.iter().map(|&place| evidence.posts[place].clone()).collect();
    retain(&mut evidence.posts, &gone);
    let mut sums = [0.0; 3];
    for gain in evidence.posts.iter().flat_map(|post| &post.gains) {
        if let Some(sum) = sums.get_mut(gain.window) {
            *sum += gain.nats();
        }
    }
    evidence.by_window = sums.map(rounded_nats);
    evidence.nats = evidence.by_window.get(best).copied().unwrap_or_default();
    Ok(posts)
}

/// Counts a post that is cut.
fn count(unlisted: &mut Unlisted, post: &PostRef) {
    *if post.gains.is_empty() { &mut unlisted.posts } else { &mut unlisted.trials } += 1;
}

fn add(sums: &mut [f64; 3], nats: [f64; 3]) {
    sums.iter_mut().zip(nats).for_each(|(sum, nats)| *sum = rounded_nats(*sum + nats));
}

fn retain<T>(items: &mut Vec<T>, gone: &BTreeSet<usize>) {
    let mut places = 0..;
    items.retain(|_| places.next().is_some_and(|place| !gone.contains(&place)));
}

fn log_mean_exp(nats: &[f64]) -> f64 {
    let most = nats.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + (nats.iter().map(|nats| (nats - most).exp()).sum::<f64>() / nats.len() as f64).ln()
}

/// Bytes of every item of a list, with the comma before the next one.
fn sizes<T: Serialize>(items: &[T]) -> Result<Vec<usize>, serde_json::Error> {
    items.iter().map(|item| size(item).map(|size| size + 1)).collect()
}

/// Bytes of a value as JSON.
fn size(value: &impl Serialize) -> Result<usize, serde_json::Error> {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value)?;
    Ok(count.0)
}

#[cfg(test)]
mod tests;
