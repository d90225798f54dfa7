//! The times of all posts: their period, their distribution over it, and a few posts far from all
//! others.

use coordination::Millis;
use jiff::Timestamp;

/// Bins of the histogram of posts over time.
const BINS: usize = 240;

/// A gap of this many days separates a few posts from all others. "A few" is at most this many
/// posts, or this share of all posts.
const GAP_DAYS: f64 = 30.0;
const FEW_POSTS: usize = 10;
const FEW_PARTS: usize = 1_000;
const DAY: f64 = 86_400_000.0;

/// A few posts at one end of the period, with a gap of over 30 days between them and all others.
/// Often their clocks are wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Apart {
    /// Whether they come after all others or before.
    pub late: bool,
    /// How many posts.
    pub posts: u64,
    /// Days between them and the others.
    pub days: f64,
    /// Time of the nearest other post.
    pub others: Timestamp,
}

/// A few posts far after, or far before, all others. `times` is sorted.
pub(super) fn apart(times: &[Millis]) -> Vec<Apart> {
    let few = FEW_POSTS.max(times.len() / FEW_PARTS);
    let gap = |pair: &[Millis]| (pair[1] - pair[0]) as f64 / DAY;
    let wide = |place: &usize| gap(&times[*place..*place + 2]) > GAP_DAYS;
    let most = times.len().saturating_sub(1);
    // More than half of all posts are not a few.
    let few = few.min(times.len() / 2);
    let before = (0..few.min(most)).rev().find(wide);
    let after = (most.saturating_sub(few)..most).find(wide);
    let time = |at: Millis| Timestamp::from_millisecond(at).unwrap_or_default();
    let early = before.map(|place| Apart {
        late: false,
        posts: place as u64 + 1,
        days: gap(&times[place..place + 2]),
        others: time(times[place + 1]),
    });
    let late = after.filter(|place| before.is_none_or(|before| before < *place)).map(|place| Apart {
        late: true,
        posts: (times.len() - place - 1) as u64,
        days: gap(&times[place..place + 2]),
        others: time(times[place]),
    });
    early.into_iter().chain(late).collect()
}

/// The first and the last time. `times` is sorted.
pub(super) fn period(times: &[Millis]) -> Option<(Timestamp, Timestamp)> {
    let time = |at: Option<&Millis>| Timestamp::from_millisecond(*at?).ok();
    Some((time(times.first())?, time(times.last())?))
}

/// Posts in each part of the period; all parts have the same length.
pub(super) fn histogram(times: &[Millis]) -> Vec<u64> {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else { return Vec::new() };
    let span = (last - first).max(1) as f64;
    let mut bins = vec![0; BINS];
    for at in times {
        let bin = ((at - first) as f64 / span * BINS as f64) as usize;
        bins[bin.min(BINS - 1)] += 1;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_posts_far_from_all_others_are_told() {
        let day = 86_400_000;
        let month: Vec<Millis> = (0..1_000).map(|n| n * day / 40).collect();
        let with = |more: &[i64]| {
            let mut times = month.clone();
            times.extend(more.iter().map(|at| at * day));
            times.sort_unstable();
            let told = apart(&times);
            told.into_iter().map(|apart| (apart.late, apart.posts, apart.days.round() as i64)).collect::<Vec<_>>()
        };
        assert_eq!(with(&[]), []);
        assert_eq!(with(&[54, 54]), [], "not far enough");
        assert_eq!(with(&[60, 61, 62, 63, 64]), [(true, 5, 35)]);
        assert_eq!(with(&[-16_000]), [(false, 1, 16_000)]);
        assert_eq!(with(&[-16_000, 60, 100]), [(false, 1, 16_000), (true, 2, 35)], "the gap nearest to the others");
        assert_eq!(with(&(60..75).collect::<Vec<_>>()), [], "fifteen posts are more than a few");
        assert_eq!(apart(&[]), []);
        assert_eq!(apart(&[0, 90 * day]).len(), 1);
    }
}
