//! Bursts: many accounts on one key within a minute. Bursts with common accounts propose a group at
//! once; ties come too late for a short campaign, or for accounts that also do much else.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    accounts::AccountId,
    hash::Map,
    params::Params,
    post::{HOUR, Millis},
    uses::{KeyId, Trial, Uses},
};

/// Least accounts of a burst, and its longest duration.
const LEAST: usize = 5;
const WINDOW: Millis = 60_000;
/// At least this share of the key's users in the hour before a burst's end is in the burst: a viral
/// key is not a burst.
const CONCENTRATED: f64 = 0.5;
/// Bursts belong to one series if they share at least two accounts, and this part of the smaller
/// one.
const SHARED: f64 = 0.2;
/// Most series that are remembered, and most accounts of one.
const MOST: usize = 5_000;
const MOST_ACCOUNTS: usize = 200;

/// Bursts with common accounts.
#[derive(Default, Serialize, Deserialize)]
struct Series {
    /// Number of bursts of each account; sorted.
    accounts: Vec<(AccountId, u32)>,
    bursts: u32,
    last: Millis,
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Bursts {
    /// Keys with a burst since the last tick, and the time at which it ended.
    fresh: Map<KeyId, Millis>,
    series: Map<u32, Series>,
    of: Map<AccountId, SmallVec<[u32; 2]>>,
    next: u32,
}

impl Bursts {
    /// Processes a post that [`Uses`] has just processed.
    pub(crate) fn trial(&mut self, trial: &Trial, uses: &Uses) {
        for used in &trial.uses {
            let Some(key) = uses.key(used.key).filter(|key| key.uses.len() >= LEAST) else { continue };
            let burst = key.uses.iter().rev().nth(LEAST - 1);
            if burst.is_some_and(|(at, _)| trial.at - at <= WINDOW && *at <= trial.at) {
                self.fresh.insert(used.key, trial.at);
            }
        }
    }

    /// The groups that bursts since the last tick propose.
    pub(crate) fn propose(&mut self, now: Millis, uses: &Uses, params: &Params) -> Vec<Vec<AccountId>> {
        let mut fresh: Vec<(Millis, KeyId)> = self.fresh.drain().map(|(key, at)| (at, key)).collect();
        fresh.sort_unstable();
        let mut groups = Vec::new();
        for (end, id) in fresh {
            let Some(key) = uses.key(id) else { continue };
            let users = |since: Millis| {
                let first = key.uses.partition_point(|(at, _)| *at < since);
                key.uses.range(first..).take_while(|(at, _)| *at <= end).map(|(_, account)| *account)
            };
            let mut burst: Vec<AccountId> = users(end - WINDOW).collect();
            burst.sort_unstable();
            burst.dedup();
            let concentrated = burst.len() as f64 >= CONCENTRATED * users(end - HOUR).count() as f64;
            if burst.len() < LEAST || burst.len() > MOST_ACCOUNTS || !concentrated {
                continue;
            }
            let mut both: Map<u32, usize> = Map::default();
            for account in &burst {
                self.of.get(account).into_iter().flatten().for_each(|series| *both.entry(*series).or_insert(0) += 1);
            }
            let alike = both.into_iter().filter(|(series, both)| {
                let size = self.series.get(series).map_or(0, |series| series.accounts.len());
                *both >= 2 && *both as f64 >= SHARED * burst.len().min(size) as f64
            });
            let series =
                alike.max_by_key(|(series, both)| (*both, std::cmp::Reverse(*series))).map(|(series, _)| series);
            let number = series.unwrap_or_else(|| {
                self.next += 1;
                self.next
            });
            let known = self.series.entry(number).or_default();
            for account in burst {
                match known.accounts.binary_search_by_key(&account, |(known, _)| *known) {
                    Ok(place) => known.accounts[place].1 += 1,
                    Err(place) if known.accounts.len() < MOST_ACCOUNTS => {
                        known.accounts.insert(place, (account, 1));
                        self.of.entry(account).or_default().push(number);
                    }
                    Err(_) => {}
                }
            }
            known.bursts += 1;
            known.last = end;
            if known.bursts >= 2 {
                let often = known.accounts.iter().filter(|(_, bursts)| *bursts >= 2).map(|(account, _)| *account);
                groups.push(known.accounts.iter().map(|(account, _)| *account).collect());
                groups.push(often.collect());
            }
        }
        self.tidy(now, params);
        groups.retain(|group: &Vec<AccountId>| group.len() >= params.min_members);
        groups
    }

    fn tidy(&mut self, now: Millis, params: &Params) {
        let mut gone: Vec<(Millis, u32)> = self
            .series
            .iter()
            .filter(|(_, series)| now - series.last > params.retention)
            .map(|(number, series)| (series.last, *number))
            .collect();
        if self.series.len() - gone.len() > MOST {
            gone = self.series.iter().map(|(number, series)| (series.last, *number)).collect();
            gone.sort_unstable();
            gone.truncate(self.series.len() - MOST + MOST / 10);
        }
        gone.sort_unstable();
        for (_, number) in gone {
            for (account, _) in self.series.remove(&number).into_iter().flat_map(|series| series.accounts) {
                if let hashbrown::hash_map::Entry::Occupied(mut of) = self.of.entry(account) {
                    of.get_mut().retain(|known| *known != number);
                    if of.get().is_empty() {
                        of.remove();
                    }
                }
            }
        }
    }
}
