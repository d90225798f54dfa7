//! The recent ticks, with the number of trials before each.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{post::Millis, uses::RECENT};

/// A tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tick {
    /// Number of the tick, from 1.
    pub number: u64,
    pub at: Millis,
    /// Trials of everybody before it.
    pub trials: u64,
}

/// Ticks of the last six hours, and at least the last two.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ticks(VecDeque<Tick>);

impl Ticks {
    /// Adds a tick.
    pub(crate) fn push(&mut self, at: Millis, trials: u64) {
        self.0.push_back(Tick { number: self.last().number + 1, at, trials });
        while self.0.len() > 2 && self.0.front().is_some_and(|first| at - first.at > RECENT) {
            self.0.pop_front();
        }
    }

    /// The newest; number 0 before the first tick.
    pub(crate) fn last(&self) -> Tick {
        self.0.back().copied().unwrap_or(Tick { number: 0, at: Millis::MIN, trials: 0 })
    }

    /// The oldest known tick from this number on; the newest if there is none.
    pub(crate) fn first_since(&self, number: u64) -> Tick {
        self.0.iter().find(|tick| tick.number >= number).copied().unwrap_or(self.last())
    }

    /// The number of the oldest known tick.
    pub(crate) fn oldest(&self) -> u64 {
        self.0.front().map_or(0, |first| first.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::post::HOUR;

    #[test]
    fn ticks_of_six_hours_are_known_and_at_least_two() {
        let mut ticks = Ticks::default();
        assert_eq!(ticks.last().number, 0);
        (1..=20).for_each(|hour| ticks.push(hour * HOUR, hour as u64));
        assert_eq!((ticks.oldest(), ticks.last().number), (14, 20));
        assert_eq!((ticks.first_since(0).at, ticks.first_since(17).at), (14 * HOUR, 17 * HOUR));
        ticks.push(100 * HOUR, 21);
        assert_eq!((ticks.oldest(), ticks.last().trials, ticks.first_since(99).number), (20, 21, 21));
    }
}
