//! The baseline: what share of acts an account is expected to make, from what it did before.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::TraceKind,
    hash::{Map, Set},
    params::Params,
    post::Millis,
};

/// Number of an account inside the engine.
pub type AccountId = u32;
/// Hash of a source and its trace kind.
pub type SourceId = u64;

const KINDS: usize = TraceKind::ALL.len();
/// Added to the acts on a source, so that few acts make no habit.
const SOURCE_PRIOR: f64 = 5.0;
/// Half-lives after which the weights are scaled down again.
const REBASE: f64 = 256.0;

/// Acts per account, per source and per both, decayed over time.
///
/// Weights grow instead of values shrinking (forward decay, Cormode et al. 2009): an act at time t weighs
/// 2^((t - origin) / half-life), and a ratio of two sums is the ratio of decayed counts.
///
/// What is known of accounts is the same on every shard; what is known of sources is each shard's own.
#[derive(Serialize, Deserialize)]
pub(crate) struct History {
    lag: Millis,
    half_life: f64,
    session: f64,
    start: Option<Millis>,
    origin: Millis,
    /// Acts too young for the lagged baseline, oldest first.
    young: VecDeque<Act>,
    accounts: Map<AccountId, AccountHistory>,
    kinds: [f64; KINDS],
    sources: Map<SourceId, Weight>,
    habits: Map<(AccountId, SourceId), Weight>,
    recent_total: Decaying,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Act {
    at: Millis,
    account: AccountId,
    source: SourceId,
}

/// Decayed acts, with and without those of the last day.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Weight {
    all: f64,
    lagged: f64,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct AccountHistory {
    kinds: [f64; KINDS],
    recent: Decaying,
}

/// A count that falls to 1/e in one session.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Decaying {
    value: f64,
    at: Millis,
}

impl Decaying {
    fn now(self, at: Millis, session: f64) -> f64 {
        let age = at.saturating_sub(self.at);
        if age <= 0 { self.value } else { self.value * (-(age as f64) / session).exp() }
    }

    fn add(&mut self, at: Millis, session: f64) {
        self.value = self.now(at, session) + 1.0;
        self.at = self.at.max(at);
    }
}

/// The baseline at one moment, for a kind and a source: what does not depend on the account.
pub(crate) struct Moment<'h> {
    history: &'h History,
    kind: usize,
    source: SourceId,
    now: Millis,
    unit: f64,
    all_of_kind: f64,
    all_recent: f64,
    all_of_source: f64,
}

impl Moment<'_> {
    /// The share of the next acts on a key of this kind and source that this account is expected to make by itself.
    ///
    /// The greatest of: its share of all acts of the kind; its share of the present hour's acts (sessions clump); its share of the
    /// source's acts in the lagged baseline. The stream's first day is part of that baseline at once: that costs power where accounts
    /// bring a source of their own, and keeps a fandom's first day from looking like a campaign.
    pub(crate) fn share(&self, account: AccountId) -> f64 {
        self.share_with(account, 0.0)
    }

    /// The share of an account that is just acting: its act is part of its session.
    pub(crate) fn share_acting(&self, account: AccountId) -> f64 {
        self.share_with(account, 1.0)
    }

    fn share_with(&self, account: AccountId, acting: f64) -> f64 {
        let history = self.history;
        let Some(known) = history.accounts.get(&account) else {
            return 1.0;
        };
        let overall = (known.kinds[self.kind] + self.unit) / (self.all_of_kind + self.unit);
        let recent = (known.recent.now(self.now, history.session) + acting) / (self.all_recent + acting + 1.0);
        let habit = history
            .habits
            .get(&(account, self.source))
            .map_or(0.0, |habit| habit.lagged / (self.all_of_source + SOURCE_PRIOR * self.unit));
        overall.max(recent).max(habit).min(1.0)
    }
}

impl History {
    pub(crate) fn new(params: &Params) -> History {
        History {
            lag: params.baseline_lag,
            half_life: params.baseline_half_life as f64,
            session: params.session as f64,
            start: None,
            origin: 0,
            young: VecDeque::new(),
            accounts: Map::default(),
            kinds: [0.0; KINDS],
            sources: Map::default(),
            habits: Map::default(),
            recent_total: Decaying::default(),
        }
    }

    /// What the baseline says at this moment of a kind and a source.
    pub(crate) fn at(&self, kind: TraceKind, source: SourceId, now: Millis) -> Moment<'_> {
        Moment {
            history: self,
            kind: kind as usize,
            source,
            now,
            unit: self.weight(now),
            all_of_kind: self.kinds[kind as usize],
            all_recent: self.recent_total.now(now, self.session),
            all_of_source: self.sources.get(&source).map_or(0.0, |of_source| of_source.lagged),
        }
    }

    /// Takes note of an act of an account; `now` never runs backwards, `at` may be earlier.
    pub(crate) fn add(&mut self, account: AccountId, kind: TraceKind, now: Millis) {
        if self.start.is_none() {
            self.start = Some(now);
            self.origin = now;
        }
        self.rebase(now);
        // Whatever shard the act belongs to: on all of them, habits come of age at the same moment.
        self.ripen(now);
        let unit = self.weight(now);
        let history = self.accounts.entry(account).or_default();
        history.kinds[kind as usize] += unit;
        history.recent.add(now, self.session);
        self.kinds[kind as usize] += unit;
        self.recent_total.add(now, self.session);
    }

    /// Takes note of its source too, where the source is this shard's.
    pub(crate) fn add_habit(&mut self, account: AccountId, source: SourceId, now: Millis) {
        let unit = self.weight(now);
        // A baseline is at least a day long, or accounts of one habit look like strangers until it is: acts of the stream's first day
        // belong to it from the beginning, and in the second day it stands still.
        let early = self.start.is_none_or(|start| now.saturating_sub(start) < self.lag);
        let lagged = if early { unit } else { 0.0 };
        for weight in [self.sources.entry(source).or_default(), self.habits.entry((account, source)).or_default()] {
            weight.all += unit;
            weight.lagged += lagged;
        }
        if !early {
            self.young.push_back(Act { at: now, account, source });
        }
    }

    /// Forgets accounts.
    pub(crate) fn forget(&mut self, accounts: &[AccountId]) {
        for account in accounts {
            self.accounts.remove(account);
        }
    }

    /// Moves acts that have come of age into the lagged baseline.
    fn ripen(&mut self, now: Millis) {
        while let Some(act) = self.young.front().copied()
            && now - act.at >= self.lag
        {
            self.young.pop_front();
            let unit = self.weight(act.at);
            if let Some(weight) = self.sources.get_mut(&act.source) {
                weight.lagged += unit;
            }
            if let Some(weight) = self.habits.get_mut(&(act.account, act.source)) {
                weight.lagged += unit;
            }
        }
    }

    /// Brings the lagged baseline up to date and keeps the tables within `most` habits; returns how many were evicted.
    pub(crate) fn tidy(&mut self, now: Millis, most: usize) -> u64 {
        self.ripen(now);
        if self.habits.len() <= most {
            return 0;
        }
        let before = self.habits.len();
        let mut weights: Vec<(f64, AccountId, SourceId)> =
            self.habits.iter().map(|(&(account, source), w)| (w.all, account, source)).collect();
        let keep = most - most / 10;
        weights.select_nth_unstable_by(keep, |x, y| y.0.total_cmp(&x.0).then_with(|| (x.1, x.2).cmp(&(y.1, y.2))));
        for &(_, account, source) in &weights[keep..] {
            self.habits.remove(&(account, source));
        }
        let mut used: Set<SourceId> = Set::default();
        used.extend(self.habits.keys().map(|(_, source)| *source));
        self.sources.retain(|source, _| used.contains(source));
        (before - self.habits.len()) as u64
    }

    pub(crate) fn habits(&self) -> usize {
        self.habits.len()
    }

    fn weight(&self, at: Millis) -> f64 {
        (at.saturating_sub(self.origin) as f64 / self.half_life).exp2()
    }

    /// Scales everything down before the weights grow beyond what a number can hold.
    fn rebase(&mut self, now: Millis) {
        if now.saturating_sub(self.origin) as f64 <= REBASE * self.half_life {
            return;
        }
        let scale = 1.0 / self.weight(now);
        self.origin = now;
        self.kinds.iter_mut().for_each(|sum| *sum *= scale);
        self.accounts.values_mut().for_each(|account| account.kinds.iter_mut().for_each(|sum| *sum *= scale));
        for weight in self.sources.values_mut().chain(self.habits.values_mut()) {
            weight.all *= scale;
            weight.lagged *= scale;
        }
    }
}

/// Sources of different kinds are different sources.
pub(crate) fn source_id(kind: TraceKind, source: &str) -> SourceId {
    crate::hash::hash_strs(kind as u64 + 1, &[source])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;

    fn history() -> History {
        History::new(&Params { baseline_half_life: i64::MAX / 4, ..Params::default() })
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    fn share(h: &History, account: AccountId, source: SourceId, now: Millis) -> f64 {
        h.at(TraceKind::Url, source, now).share(account)
    }

    fn add(h: &mut History, account: AccountId, source: SourceId, now: Millis) {
        h.add(account, TraceKind::Url, now);
        h.add_habit(account, source, now);
    }

    #[test]
    fn an_account_never_seen_is_expected_everywhere() {
        close(share(&history(), 3, 1, 0), 1.0);
    }

    #[test]
    fn the_share_of_all_acts_counts_when_the_session_is_over() {
        let mut h = history();
        for i in 0..99 {
            add(&mut h, i % 33, u64::from(i), 0);
        }
        // Three acts and one for the unknown, out of 99 and one.
        close(share(&h, 0, 1_000, 20 * HOUR), 4.0 / 100.0);
    }

    #[test]
    fn a_habit_is_lagged_but_for_the_first_day() {
        let mut h = history();
        for t in (0..10).chain([24, 26]) {
            add(&mut h, 0, 7, t * HOUR);
            for other in 1..100 {
                add(&mut h, other, 8, t * HOUR);
            }
        }
        // On the first two days, all acts of the first are the habit.
        close(share(&h, 0, 7, 20 * HOUR), 10.0 / 15.0);
        close(share(&h, 0, 7, 40 * HOUR), 10.0 / 15.0);
        // From then on, those a day old.
        h.tidy(49 * HOUR, 1_000_000);
        close(share(&h, 0, 7, 49 * HOUR), 11.0 / 16.0);
    }

    #[test]
    fn the_present_session_counts() {
        let mut h = history();
        for i in 0..1_000 {
            add(&mut h, i + 1, 1, 0);
        }
        let now = 48 * HOUR;
        add(&mut h, 0, 2, now);
        add(&mut h, 0, 3, now);
        add(&mut h, 5, 3, now);
        close(share(&h, 0, 9, now), 2.0 / 4.0);
    }

    #[test]
    fn eviction_keeps_the_strongest_habits() {
        let mut h = history();
        for i in 0..100u32 {
            for _ in 0..=i {
                add(&mut h, i, u64::from(i), 0);
            }
        }
        assert_eq!(h.tidy(0, 50), 55);
        assert_eq!(h.habits(), 45);
        assert!(h.habits.contains_key(&(99, 99)) && !h.habits.contains_key(&(0, 0)));
    }

    #[test]
    fn decades_do_not_overflow() {
        let mut h = History::new(&Params::default());
        const YEAR: Millis = 365 * 24 * HOUR;
        for year in 0..100 {
            add(&mut h, 0, 7, year * YEAR);
            add(&mut h, 1, 7, year * YEAR);
        }
        let share = share(&h, 0, 8, 99 * YEAR + HOUR);
        assert!((share - 2.0 / 3.0).abs() < 0.001, "{share}");
    }
}
