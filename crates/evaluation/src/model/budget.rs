//! How many clusters people can examine.

use std::{fmt, str::FromStr};

/// How many clusters people can examine: those with the highest scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// This number of clusters per day (UTC, event time) and stream: a world with its seed, or a
    /// collection.
    PerDay(f64),
    /// This number per thousand clusters, all streams together.
    PerThousand(f64),
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Budget, String> {
        let wrong = || format!("`{text}` is not a number of alerts: write 5/day or 100/1000");
        let (n, of) = text.split_once('/').ok_or_else(wrong)?;
        let n: f64 = n.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0).ok_or_else(wrong)?;
        match of.trim() {
            "day" => Ok(Budget::PerDay(n)),
            "1000" => Ok(Budget::PerThousand(n)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Budget::PerDay(n) => write!(f, "{n} alerts a day and stream"),
            Budget::PerThousand(n) => write!(f, "{n} alerts of 1,000 clusters"),
        }
    }
}
