//! How often: token buckets per partner, per token of the JSON API, per address and per login.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::HashMapStateStore,
};

use crate::config::access;

/// Too often: how long to wait, and whose bucket was empty, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub wait: Duration,
    pub whose: &'static str,
}

impl TooMany {
    /// For `Retry-After`, in whole seconds.
    pub fn seconds(self) -> u64 {
        self.wait.as_secs() + 1
    }
}

type Buckets<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock>;

/// The buckets. A bucket that is full again is forgotten by [`Limits::forget`].
pub(crate) struct Limits {
    partners: Buckets<String>,
    tokens: Buckets<String>,
    strangers: Buckets<IpAddr>,
    logins: Buckets<(String, IpAddr)>,
    addresses: Buckets<IpAddr>,
    clock: DefaultClock,
}

impl Limits {
    pub fn new(config: &access::Limits) -> Self {
        let minute = |n: u32| Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        // All of a quarter of an hour's tries at once, then one at a time.
        let quarter = |n: u32| {
            let n = NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::with_period(Duration::from_secs(15 * 60) / n.get());
            quota.unwrap_or(Quota::per_hour(NonZeroU32::MIN)).allow_burst(n)
        };
        Self {
            partners: RateLimiter::hashmap(minute(config.partner_per_minute)),
            tokens: RateLimiter::hashmap(minute(config.partner_per_minute)),
            strangers: RateLimiter::hashmap(minute(config.stranger_per_minute)),
            logins: RateLimiter::hashmap(quarter(config.logins_per_quarter_hour)),
            // Colleagues behind one address may all come to work at nine.
            addresses: RateLimiter::hashmap(quarter(config.logins_per_quarter_hour.saturating_mul(10))),
            clock: DefaultClock::default(),
        }
    }

    /// One more request of a partner.
    pub fn partner(&self, name: &str) -> Result<(), TooMany> {
        self.take(&self.partners, &name.to_owned(), "partner")
    }

    /// One more request with that token of the JSON API; as many as a partner.
    pub fn token(&self, id: &str) -> Result<(), TooMany> {
        self.take(&self.tokens, &id.to_owned(), "token")
    }

    /// One more request without a valid key.
    pub fn stranger(&self, address: IpAddr) -> Result<(), TooMany> {
        self.take(&self.strangers, &network(address), "stranger")
    }

    /// One more try to log in.
    pub fn login(&self, name: &str, address: IpAddr) -> Result<(), TooMany> {
        let address = network(address);
        self.take(&self.addresses, &address, "login")?;
        let name = name.chars().take(64).collect();
        self.take(&self.logins, &(name, address), "login")
    }

    /// Forgets whoever has not been here for long: a table of strangers must not grow.
    pub fn forget(&self) {
        self.partners.retain_recent();
        self.tokens.retain_recent();
        self.strangers.retain_recent();
        self.logins.retain_recent();
        self.addresses.retain_recent();
    }

    fn take<K: Clone + Eq + std::hash::Hash>(
        &self,
        buckets: &Buckets<K>,
        key: &K,
        whose: &'static str,
    ) -> Result<(), TooMany> {
        buckets.check_key(key).map_err(|not| TooMany { wait: not.wait_time_from(self.clock.now()), whose })
    }
}

/// Whom an address stands for: whoever has one IPv6 address has the other 2^64 of its network too.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_runs_empty_and_says_how_long_to_wait() {
        let limits = Limits::new(&access::Limits { partner_per_minute: 3, ..Default::default() });
        assert!((0..3).all(|_| limits.partner("birds").is_ok()));
        let refused = limits.partner("birds").unwrap_err();
        assert!((1..=21).contains(&refused.seconds()), "{refused:?}");
        assert_eq!(limits.partner("blue"), Ok(()), "another partner has a bucket of its own");
    }

    #[test]
    fn tries_to_log_in_are_counted_by_name_and_by_address() {
        let limits = Limits::new(&access::Limits { logins_per_quarter_hour: 2, ..Default::default() });
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        assert!(limits.login("ann", here).is_ok() && limits.login("ann", here).is_ok());
        assert!(limits.login("ann", here).unwrap_err().wait > Duration::from_secs(60));
        assert!(limits.login("ann", there).is_ok(), "nobody locks ann out from elsewhere");
        assert!((0..17).all(|n| limits.login(&n.to_string(), here).is_ok()));
        assert!(limits.login("one more", here).is_err(), "nor tries every name from one address");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let a: IpAddr = "2001:db8:1:2:3:4:5:6".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::1".parse().unwrap();
        assert_eq!(network(a), network(b));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }
}
