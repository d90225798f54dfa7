//! Random draws that give the same numbers on every machine: `ChaCha8` for the bits, `libm` for the
//! curves.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// A stream of random numbers for one part of a world.
///
/// Each part draws from its own stream, which has the part's name, so that a change of one part
/// (for example without a campaign) does not change the draws of the others.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of `part` in the world with this seed.
    pub(crate) fn new(seed: u64, part: &str) -> Self {
        // FNV-1a never changes; the standard library's hashers do not promise this.
        let name = part
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self::keyed(seed, name)
    }

    /// The stream with two numbers as its name.
    pub(crate) fn keyed(seed: u64, key: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&key.to_le_bytes());
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `low..high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// In `low..high`: log-uniform if `low` is above 0, otherwise uniform.
    pub(crate) fn spread(&mut self, low: f64, high: f64) -> f64 {
        if low > 0.0 && high > low {
            low * libm::exp(self.unit() * libm::log(high / low))
        } else {
            self.between(low, high)
        }
    }

    /// Uniform in `0..n`; 0 if `n` is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Standard normal (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// Log-normal, given its median and the standard deviation of its logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// Exponential with the given mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// Pareto with minimum 1: heavier tails for a smaller `shape`.
    pub(crate) fn pareto(&mut self, shape: f64) -> f64 {
        libm::pow(1.0 - self.unit(), -1.0 / shape)
    }

    /// Poisson; approximated by the normal distribution if the mean is large.
    pub(crate) fn poisson(&mut self, mean: f64) -> usize {
        if mean > 30.0 {
            return libm::round(mean + libm::sqrt(mean) * self.normal()).max(0.0) as usize;
        }
        let floor = libm::exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > floor {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Number of trials until the first success, with this mean, at least 1.
    pub(crate) fn geometric(&mut self, mean: f64) -> usize {
        if mean <= 1.0 {
            return 1;
        }
        let stop = libm::log(1.0 - 1.0 / mean);
        1 + libm::floor(libm::log(1.0 - self.unit()) / stop) as usize
    }

    /// A rank in `0..n` that favours low ranks: the logarithm of the rank is uniform.
    pub(crate) fn rank(&mut self, n: usize) -> usize {
        let rank = libm::pow((n + 1) as f64, self.unit()) as usize;
        rank.clamp(1, n.max(1)) - 1
    }

    /// One of `items`, which must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// An index drawn in proportion to its weight; `None` if no weight is positive.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let total: f64 = weights.iter().sum();
        let mut left = self.unit() * total;
        let mut last = None;
        for (index, &weight) in weights.iter().enumerate() {
            if weight > 0.0 {
                last = Some(index);
                left -= weight;
                if left < 0.0 {
                    break;
                }
            }
        }
        last
    }

    /// `count` different numbers in `0..n`, in random order.
    pub(crate) fn sample(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        let count = count.min(n);
        for place in 0..count {
            let other = place + self.below(n - place);
            all.swap(place, other);
        }
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_and_differ_by_part() {
        let mut crowd = Draw::new(1, "crowd");
        let mut again = Draw::new(1, "crowd");
        let mut other = Draw::new(1, "campaign");
        let first = crowd.bits();
        assert_eq!(first, again.bits());
        assert_ne!(first, other.bits());
    }

    #[test]
    fn curves_have_the_moments_they_are_named_for() {
        let mut draw = Draw::new(7, "moments");
        let n = 20_000;
        let mean =
            |draw: &mut Draw, one: &dyn Fn(&mut Draw) -> f64| (0..n).map(|_| one(draw)).sum::<f64>() / f64::from(n);
        assert!((mean(&mut draw, &|d| d.exponential(40.0)) - 40.0).abs() < 1.5);
        assert!((mean(&mut draw, &|d| d.poisson(3.0) as f64) - 3.0).abs() < 0.06);
        assert!((mean(&mut draw, &|d| d.poisson(80.0) as f64) - 80.0).abs() < 0.4);
        assert!((mean(&mut draw, &|d| d.geometric(12.0) as f64) - 12.0).abs() < 0.4);
        let below = mean(&mut draw, &|d| f64::from(u8::from(d.log_normal(90.0, 1.3) < 90.0)));
        assert!((below - 0.5).abs() < 0.02);
    }

    #[test]
    fn samples_are_without_repeats() {
        let mut sample = Draw::new(3, "sample").sample(50, 80);
        sample.sort_unstable();
        assert_eq!(sample, (0..50).collect::<Vec<_>>());
    }
}
