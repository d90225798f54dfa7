//! How fast `ingest` sends posts.

use std::time::Duration;

use coordination::Millis;

/// Limits: posts per second, and the speed of the posts' own time.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    rate: Option<f64>,
    speedup: Option<f64>,
    /// Posts so far.
    posts: u64,
    /// Times of the first post and of the newest one.
    times: Option<(Millis, Millis)>,
}

impl Pace {
    pub fn new(rate: Option<f64>, speedup: Option<f64>) -> Pace {
        Pace { rate, speedup, ..Pace::default() }
    }

    /// The time since the start at which the next post is due, whose own time is `at`. A post that is
    /// older than those before it is due at once.
    pub fn due(&mut self, at: Millis) -> Duration {
        let (first, newest) = self.times.unwrap_or((at, at));
        let newest = newest.max(at);
        self.times = Some((first, newest));
        let by_rate = self.rate.map_or(0.0, |rate| self.posts as f64 / rate);
        let by_time = self.speedup.map_or(0.0, |speedup| newest.saturating_sub(first) as f64 / 1_000.0 / speedup);
        self.posts += 1;
        Duration::try_from_secs_f64(by_rate.max(by_time)).unwrap_or(Duration::MAX)
    }
}

/// A number above 0, for an option.
pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("give a number above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(pace: &mut Pace, at: Millis) -> u128 {
        pace.due(at).as_millis()
    }

    #[test]
    fn posts_are_due_by_rate_by_their_own_time_or_at_once() {
        let mut pace = Pace::new(None, None);
        assert_eq!([5_000, 99_000].map(|at| due(&mut pace, at)), [0, 0]);
        let mut pace = Pace::new(Some(4.0), None);
        assert_eq!([0, 0, 0].map(|at| due(&mut pace, at)), [0, 250, 500]);
        let mut pace = Pace::new(None, Some(10.0));
        let times = [60_000, 61_000, 50_000, 70_000, 60_500];
        assert_eq!(
            times.map(|at| due(&mut pace, at)),
            [0, 100, 100, 1_000, 1_000],
            "an older post waits for nothing more"
        );
        let mut pace = Pace::new(Some(1.0), Some(10.0));
        assert_eq!([0, 1_000, 90_000].map(|at| due(&mut pace, at)), [0, 1_000, 9_000], "the slower of both");
    }

    #[test]
    fn only_numbers_above_zero_are_taken() {
        assert_eq!(positive("2.5"), Ok(2.5));
        for wrong in ["0", "-1", "inf", "nan", "fast"] {
            assert!(positive(wrong).is_err(), "{wrong}");
        }
    }
}
