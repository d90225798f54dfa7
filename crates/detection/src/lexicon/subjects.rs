//! Subjects of posts, and of groups of posts.

use std::collections::{HashMap, VecDeque};

use xxhash_rust::xxh3::xxh3_64;

use super::Lexicon;

/// Posts whose subjects are remembered.
const REMEMBERED: usize = 1_000_000;
/// A subject of a cluster is a subject of at least this share of its posts ...
const SHARE: f64 = 0.1;
/// ... and of at least this number of them.
const LEAST: usize = 3;

/// Subjects of each recent post.
#[derive(Debug, Default)]
pub(crate) struct Subjects {
    pub(super) masks: HashMap<u64, u64, foldhash::fast::FixedState>,
    pub(super) order: VecDeque<u64>,
}

impl Subjects {
    pub(crate) fn remember(&mut self, post: u64, mask: u64) {
        if self.masks.insert(post, mask).is_some() {
            return;
        }
        self.order.push_back(post);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.masks.remove(&oldest);
        }
    }

    /// Posts with their subjects, the oldest first, for a checkpoint.
    pub(crate) fn kept(&self) -> Vec<(u64, u64)> {
        self.order.iter().filter_map(|post| Some((*post, *self.masks.get(post)?))).collect()
    }

    /// Restores what [`kept`](Self::kept) returned.
    pub(crate) fn again(kept: Vec<(u64, u64)>) -> Subjects {
        Subjects { order: kept.iter().map(|(post, _)| *post).collect(), masks: kept.into_iter().collect() }
    }

    /// Topics and targets of a group of posts, each in the lexicon's order.
    pub(crate) fn of<'p>(
        &self,
        lexicon: &Lexicon,
        posts: impl Iterator<Item = (&'p str, &'p str)>,
    ) -> (Vec<String>, Vec<String>) {
        let mut counts = vec![0usize; lexicon.names.len()];
        let mut all = 0;
        for (platform, id) in posts {
            all += 1;
            let mask = self.masks.get(&name(platform, id)).copied().unwrap_or(0);
            for (i, count) in counts.iter_mut().enumerate() {
                *count += usize::from(mask & (1 << i) != 0);
            }
        }
        let about = |i: &usize| counts[*i] >= LEAST && counts[*i] as f64 >= SHARE * all as f64;
        let names = |range: std::ops::Range<usize>| range.filter(about).map(|i| lexicon.names[i].clone()).collect();
        (names(0..lexicon.topics), names(lexicon.topics..lexicon.names.len()))
    }
}

/// The name of a post, as a hash.
pub(crate) fn name(platform: &str, id: &str) -> u64 {
    xxh3_64(format!("{platform}\0{id}").as_bytes())
}
