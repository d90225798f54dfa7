//! A tie of two accounts, and the chance that they have that number of common keys by coincidence.

use serde::{Deserialize, Serialize};

use crate::{accounts::AccountId, trace::TraceKind};

/// Two accounts, the smaller number first.
pub(crate) type Pair = (AccountId, AccountId);

/// A tie of the network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Edge {
    /// Keys in common.
    pub keys: u32,
    /// Their mean number by chance.
    pub expected: f64,
    /// -ln of the chance of at least as many.
    pub nats: f64,
    pub kind: TraceKind,
    /// Median time between the two uses, seconds.
    pub lag: f64,
}

/// -ln of the chance that a Poisson variable with this mean is at least `n`, for a mean below `n`.
pub(crate) fn poisson_nats(n: u32, mean: f64) -> f64 {
    let mean = mean.max(1e-300);
    let n = f64::from(n);
    let ln_factorial: f64 = (2..=n as u32).map(|k| f64::from(k).ln()).sum();
    // The first term, and the sum of all as a multiple of it.
    let (mut sum, mut term, mut k) = (1.0, 1.0, n);
    while term > sum * 1e-15 {
        k += 1.0;
        term *= mean / k;
        sum += term;
    }
    mean - n * mean.ln() + ln_factorial - f64::ln(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_those_of_the_tables() {
        for (n, mean, chance) in [(2, 0.1, 0.00467884), (3, 1.0, 0.0803014), (10, 4.0, 0.00813224), (2, 1e-6, 5e-13)] {
            let got = (-poisson_nats(n, mean)).exp();
            assert!((got / chance - 1.0).abs() < 1e-4, "{n} {mean}: {got}");
        }
    }
}
