//! The baseline: what share of acts an account is expected to make, from what it did before.

use std::collections::VecDeque;

use crate::{cluster::TraceKind, hash::Map, params::Params, post::Millis, trace::Past};

/// Number of an account inside the engine.
pub(crate) type AccountId = u32;
/// Hash of a source and its trace kind.
pub(crate) type SourceId = u64;

const KINDS: usize = TraceKind::ALL.len();
/// Added to the acts on a source, so that few acts make no habit.
const SOURCE_PRIOR: f64 = 5.0;

/// Acts per account, per source and per both, decayed over time.
///
/// Weights grow instead of values shrinking (forward decay, Cormode et al. 2009): an act at time t weighs
/// 2^((t - start) / half-life), and a ratio of two sums is the ratio of decayed counts.
pub(crate) struct History {
    lag: Millis,
    half_life: f64,
    session: f64,
    start: Option<Millis>,
    /// Acts too young for the lagged baseline, oldest first.
    young: VecDeque<Act>,
    accounts: Vec<AccountHistory>,
    kinds: [f64; KINDS],
    sources: Map<SourceId, Weight>,
    habits: Map<(AccountId, SourceId), Weight>,
    recent_total: Decaying,
}

#[derive(Clone, Copy)]
struct Act {
    at: Millis,
    account: AccountId,
    source: SourceId,
}

/// Decayed acts, with and without those of the last day.
#[derive(Clone, Copy, Default)]
struct Weight {
    all: f64,
    lagged: f64,
}

#[derive(Clone, Copy, Default)]
struct AccountHistory {
    kinds: [f64; KINDS],
    recent: Decaying,
}

/// A count that falls to 1/e in one session.
#[derive(Clone, Copy, Default)]
struct Decaying {
    value: f64,
    at: Millis,
}

impl Decaying {
    fn now(self, at: Millis, session: f64) -> f64 {
        self.value * (-(at.saturating_sub(self.at).max(0)) as f64 / session).exp()
    }

    fn add(&mut self, at: Millis, session: f64) {
        self.value = self.now(at, session) + 1.0;
        self.at = self.at.max(at);
    }
}

impl History {
    pub(crate) fn new(params: &Params) -> History {
        History {
            lag: params.baseline_lag,
            half_life: params.baseline_half_life as f64,
            session: params.session as f64,
            start: None,
            young: VecDeque::new(),
            accounts: Vec::new(),
            kinds: [0.0; KINDS],
            sources: Map::default(),
            habits: Map::default(),
            recent_total: Decaying::default(),
        }
    }

    /// Event time since the first act.
    pub(crate) fn length(&self, now: Millis) -> Millis {
        self.start.map_or(0, |start| now.saturating_sub(start).max(0))
    }

    /// The share of the next acts on a key of this kind and source that this account is expected to make by itself.
    ///
    /// The greatest of: its share of all acts of the kind; its share of the present hour's acts (sessions clump); its share of the
    /// source's acts in the lagged baseline. Before there is a lagged baseline, all acts so far stand in for it: that costs power
    /// where accounts bring a source of their own, and keeps a fandom's first day from looking like a campaign.
    pub(crate) fn share(&self, account: AccountId, kind: TraceKind, source: SourceId, now: Millis) -> f64 {
        self.share_with(account, kind, source, now, 0.0)
    }

    /// The share of an account that is just acting: its act is part of its session.
    pub(crate) fn share_acting(&self, account: AccountId, kind: TraceKind, source: SourceId, now: Millis) -> f64 {
        self.share_with(account, kind, source, now, 1.0)
    }

    fn share_with(&self, account: AccountId, kind: TraceKind, source: SourceId, now: Millis, acting: f64) -> f64 {
        let Some(history) = self.accounts.get(account as usize) else {
            return 1.0;
        };
        let unit = self.weight(now);
        let k = kind as usize;
        let overall = (history.kinds[k] + unit) / (self.kinds[k] + unit);
        let (recent, all_recent) = (history.recent.now(now, self.session), self.recent_total.now(now, self.session));
        let recent = (recent + acting) / (all_recent + acting + 1.0);
        let of = |habit: fn(&Weight) -> f64| {
            let mine = self.habits.get(&(account, source)).map_or(0.0, habit);
            if mine == 0.0 { 0.0 } else { mine / (self.sources.get(&source).map_or(0.0, habit) + SOURCE_PRIOR * unit) }
        };
        let habit = if self.length(now) < self.lag { of(|w| w.all) } else { of(|w| w.lagged) };
        overall.max(recent).max(habit).min(1.0)
    }

    /// Takes note of an act; `now` never runs backwards, `at` may be earlier.
    pub(crate) fn add(&mut self, account: AccountId, kind: TraceKind, source: SourceId, now: Millis) {
        self.start.get_or_insert(now);
        self.ripen(now);
        let unit = self.weight(now);
        if self.accounts.len() <= account as usize {
            self.accounts.resize(account as usize + 1, AccountHistory::default());
        }
        let history = &mut self.accounts[account as usize];
        history.kinds[kind as usize] += unit;
        history.recent.add(now, self.session);
        self.kinds[kind as usize] += unit;
        self.recent_total.add(now, self.session);
        self.sources.entry(source).or_default().all += unit;
        self.habits.entry((account, source)).or_default().all += unit;
        self.young.push_back(Act { at: now, account, source });
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
        let mut used: hashbrown::HashSet<SourceId, crate::hash::FixedState> = hashbrown::HashSet::default();
        used.extend(self.habits.keys().map(|(_, source)| *source));
        self.sources.retain(|source, _| used.contains(source));
        (before - self.habits.len()) as u64
    }

    pub(crate) fn habits(&self) -> usize {
        self.habits.len()
    }

    fn weight(&self, at: Millis) -> f64 {
        let age = at - self.start.unwrap_or(at);
        (age as f64 / self.half_life).exp2()
    }
}

/// [`History`] as seen by a trace reader at one moment.
pub(crate) struct Baseline<'h> {
    pub history: &'h History,
    pub now: Millis,
}

impl Past for Baseline<'_> {
    fn baseline_acts(&self, kind: TraceKind, source: &str) -> f64 {
        let weight = self.history.sources.get(&source_id(kind, source)).map_or(0.0, |w| w.lagged);
        weight / self.history.weight(self.now)
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

    #[test]
    fn an_account_never_seen_is_expected_everywhere() {
        close(history().share(3, TraceKind::Url, 1, 0), 1.0);
    }

    #[test]
    fn the_share_of_all_acts_counts_when_the_session_is_over() {
        let mut h = history();
        for i in 0..99 {
            h.add(i % 33, TraceKind::Url, u64::from(i), 0);
        }
        // Three acts and one for the unknown, out of 99 and one.
        close(h.share(0, TraceKind::Url, 1_000, 20 * HOUR), 4.0 / 100.0);
    }

    #[test]
    fn a_habit_is_lagged_once_there_is_a_day_of_history() {
        let mut h = history();
        for t in 0..10 {
            h.add(0, TraceKind::Url, 7, t * HOUR);
            for other in 1..100 {
                h.add(other, TraceKind::Url, 8, t * HOUR);
            }
        }
        // On the first day, all acts so far are the habit.
        close(h.share(0, TraceKind::Url, 7, 20 * HOUR), 10.0 / 15.0);
        // A day later, only those a day old: t = 0..=5.
        h.tidy(29 * HOUR, 1_000_000);
        close(h.share(0, TraceKind::Url, 7, 29 * HOUR), 6.0 / 11.0);
    }

    #[test]
    fn the_present_session_counts() {
        let mut h = history();
        for i in 0..1_000 {
            h.add(i + 1, TraceKind::Url, 1, 0);
        }
        let now = 48 * HOUR;
        h.add(0, TraceKind::Url, 2, now);
        h.add(0, TraceKind::Url, 3, now);
        h.add(5, TraceKind::Url, 3, now);
        close(h.share(0, TraceKind::Url, 9, now), 2.0 / 4.0);
    }

    #[test]
    fn eviction_keeps_the_strongest_habits() {
        let mut h = history();
        for i in 0..100u32 {
            for _ in 0..=i {
                h.add(i, TraceKind::Url, u64::from(i), 0);
            }
        }
        assert_eq!(h.tidy(0, 50), 55);
        assert_eq!(h.habits(), 45);
        assert!(h.habits.contains_key(&(99, 99)) && !h.habits.contains_key(&(0, 0)));
    }
}
