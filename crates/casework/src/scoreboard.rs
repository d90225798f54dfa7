//! What became of findings at each partner: how many were released, fetched, acted on and disputed, and how long each interval took.
//!
//! Pure: the same releases give the same numbers. A **release** is one case that was released to one partner.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// One case that was released to one partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The partner.
    pub partner: String,
    /// Accounts of the partner's platform that were shared.
    pub accounts: u64,
    /// When the case was opened.
    pub found_at: Timestamp,
    /// When it was first released to the partner.
    pub released_at: Timestamp,
    /// When the partner was first handed the whole of that release.
    pub fetched_at: Option<Timestamp>,
    /// When the partner acted, in its own words.
    pub acted_at: Option<Timestamp>,
    /// Whether the partner rejects the case or an account of it.
    pub disputed: bool,
}

/// A way from one event to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// From the finding to the release.
    FindingToRelease,
    /// From the release to the first fetch.
    ReleaseToFetch,
    /// From the first fetch to the action.
    FetchToAction,
    /// From the finding to the action.
    FindingToAction,
}

impl Interval {
    /// All of them, in the order of time, the whole way last.
    pub const ALL: [Interval; 4] =
        [Interval::FindingToRelease, Interval::ReleaseToFetch, Interval::FetchToAction, Interval::FindingToAction];

    /// The name in metrics and in the JSON API.
    pub fn name(self) -> &'static str {
        match self {
            Interval::FindingToRelease => "finding_to_release",
            Interval::ReleaseToFetch => "release_to_fetch",
            Interval::FetchToAction => "fetch_to_action",
            Interval::FindingToAction => "finding_to_action",
        }
    }

    /// The name for people.
    pub fn label(self) -> &'static str {
        match self {
            Interval::FindingToRelease => "Finding to release",
            Interval::ReleaseToFetch => "Release to first fetch",
            Interval::FetchToAction => "First fetch to action",
            Interval::FindingToAction => "Finding to action",
        }
    }

    /// Its start, its end, and which ones are open.
    pub fn definition(self) -> [&'static str; 3] {
        const FOUND: &str = "the case was opened";
        const RELEASED: &str = "the case was first released to the partner";
        const FETCHED: &str = "the partner was first handed the last account of that release, by TAXII or the feed of accounts, or its \
                               webhook took it";
        const ACTED: &str = "the partner said that it acted on the case or an account of it (feedback \"actioned\", by the time that \
                             it wrote, not before the release)";
        match self {
            Interval::FindingToRelease => {
                [FOUND, RELEASED, "cases with accounts of the partner's platform that nobody has released or dismissed"]
            }
            Interval::ReleaseToFetch => [RELEASED, FETCHED, "released and not fetched"],
            Interval::FetchToAction => [FETCHED, ACTED, "fetched and not acted on"],
            Interval::FindingToAction => [FOUND, ACTED, "released and not acted on"],
        }
    }

    /// How long it took. `None` while it is open, or where it has not begun.
    fn of(self, release: &Release) -> Option<SignedDuration> {
        let (start, end) = self.ends(release);
        Some(start?.duration_until(end?).max(SignedDuration::ZERO))
    }

    fn is_open(self, release: &Release) -> bool {
        let (start, end) = self.ends(release);
        start.is_some() && end.is_none()
    }

    fn ends(self, release: &Release) -> (Option<Timestamp>, Option<Timestamp>) {
        let acted = release.acted_at.map(|at| at.max(release.released_at));
        match self {
            Interval::FindingToRelease => (Some(release.found_at), Some(release.released_at)),
            Interval::ReleaseToFetch => (Some(release.released_at), release.fetched_at),
            Interval::FetchToAction => (release.fetched_at, acted),
            Interval::FindingToAction => (Some(release.found_at), acted),
        }
    }
}

/// How long an interval took. Quantiles are of those that have ended, by nearest rank: the smallest time that at least that share of
/// them did not exceed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Times {
    /// Which one.
    pub interval: Interval,
    /// Releases for which it has ended.
    pub ended: u64,
    /// Releases, or cases, for which it has begun and not ended. They are in no quantile.
    pub open: u64,
    /// Median, seconds; null where none has ended.
    pub median_s: Option<i64>,
    /// Nine of ten took no longer, seconds; null where none has ended.
    pub p90_s: Option<i64>,
}

/// The numbers of one partner, or of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Score {
    /// The partner; null for all together.
    pub partner: Option<String>,
    /// Cases that were released to it.
    pub released: u64,
    /// Accounts in them; one counts once for each case.
    pub accounts: u64,
    /// Cases of which it was handed the whole first release.
    pub fetched: u64,
    /// Cases on which it said that it acted.
    pub acted_on: u64,
    /// Cases that it rejects, or an account of them.
    pub disputed: u64,
    /// The four intervals.
    pub times: Vec<Times>,
}

/// The numbers of all partners together, and of each. `undecided` says of how many cases nobody has decided: of all, and by partner. A
/// partner without a release has a row of zeros.
pub fn scores(releases: &[Release], undecided: (u64, &[(String, u64)])) -> (Score, Vec<Score>) {
    let (of_all, by_partner) = undecided;
    let all = score(None, &releases.iter().collect::<Vec<_>>(), of_all);
    let mut names: Vec<&str> = releases.iter().map(|release| &*release.partner).collect();
    names.extend(by_partner.iter().map(|(name, _)| &**name));
    names.sort_unstable();
    names.dedup();
    let of_partner = |name: &str| {
        let own: Vec<&Release> = releases.iter().filter(|release| release.partner == name).collect();
        let undecided = by_partner.iter().find(|(of, _)| of == name).map_or(0, |(_, n)| *n);
        score(Some(name.to_owned()), &own, undecided)
    };
    (all, names.into_iter().map(of_partner).collect())
}

fn score(partner: Option<String>, releases: &[&Release], undecided: u64) -> Score {
    let count = |is_it: fn(&Release) -> bool| releases.iter().filter(|release| is_it(release)).count() as u64;
    let times = Interval::ALL.map(|interval| {
        let mut took: Vec<i64> = releases.iter().filter_map(|release| Some(interval.of(release)?.as_secs())).collect();
        took.sort_unstable();
        let waiting = releases.iter().filter(|release| interval.is_open(release)).count() as u64;
        Times {
            interval,
            ended: took.len() as u64,
            open: if interval == Interval::FindingToRelease { undecided } else { waiting },
            median_s: nearest_rank(&took, 50),
            p90_s: nearest_rank(&took, 90),
        }
    });
    Score {
        partner,
        released: releases.len() as u64,
        accounts: releases.iter().map(|release| release.accounts).sum(),
        fetched: count(|release| release.fetched_at.is_some()),
        acted_on: count(|release| release.acted_at.is_some()),
        disputed: count(|release| release.disputed),
        times: times.into(),
    }
}

/// The smallest of sorted values that at least so many percent of them do not exceed.
fn nearest_rank(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    fn release(partner: &str, fetched: Option<i64>, acted: Option<i64>) -> Release {
        Release {
            partner: partner.to_owned(),
            accounts: 3,
            found_at: at(0),
            released_at: at(10),
            fetched_at: fetched.map(at),
            acted_at: acted.map(at),
            disputed: false,
        }
    }

    fn times(score: &Score, interval: Interval) -> (u64, u64, Option<i64>, Option<i64>) {
        let hours = |seconds: Option<i64>| seconds.map(|seconds| seconds / 3600);
        let times = score.times.iter().find(|times| times.interval == interval).unwrap();
        (times.ended, times.open, hours(times.median_s), hours(times.p90_s))
    }

    #[test]
    fn each_interval_has_its_start_its_end_and_its_open_ones() {
        let releases = [
            release("a", Some(12), Some(20)),
            release("a", Some(11), None),
            release("a", None, None),
            Release { disputed: true, ..release("b", Some(30), Some(5)) },
        ];
        let undecided = [("a".to_owned(), 2), ("b".to_owned(), 0), ("c".to_owned(), 1)];
        let (all, each) = scores(&releases, (2, &undecided));
        assert_eq!((all.released, all.accounts, all.fetched, all.acted_on, all.disputed), (4, 12, 3, 2, 1));
        assert_eq!(each.iter().map(|score| score.partner.as_deref().unwrap()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(times(&all, Interval::FindingToRelease), (4, 2, Some(10), Some(10)));
        assert_eq!(times(&each[0], Interval::ReleaseToFetch), (2, 1, Some(1), Some(2)));
        assert_eq!(times(&each[0], Interval::FetchToAction), (1, 1, Some(8), Some(8)));
        assert_eq!(times(&each[0], Interval::FindingToAction), (1, 2, Some(20), Some(20)));
        // A clock that is slow: the action counts from the release on, and no time is negative.
        assert_eq!(times(&each[1], Interval::FindingToAction), (1, 0, Some(10), Some(10)));
        assert_eq!(times(&each[1], Interval::FetchToAction), (1, 0, Some(0), Some(0)));
        // Nothing is known of a partner to whom nothing was released.
        assert_eq!(times(&each[2], Interval::FindingToRelease), (0, 1, None, None));
        assert_eq!(times(&each[2], Interval::FindingToAction), (0, 0, None, None));
    }

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let ten: Vec<i64> = (1..=10).collect();
        assert_eq!((nearest_rank(&ten, 50), nearest_rank(&ten, 90)), (Some(5), Some(9)));
        assert_eq!((nearest_rank(&[7], 50), nearest_rank(&[7], 90), nearest_rank(&[], 50)), (Some(7), Some(7), None));
        assert_eq!((nearest_rank(&[1, 2, 3], 50), nearest_rank(&[1, 2, 3], 90)), (Some(2), Some(3)));
    }
}
