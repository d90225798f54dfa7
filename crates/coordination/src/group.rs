//! The outcome test of one group: does it repeat itself more than everybody else does, and more than the people around it do?
//!
//! Each post has one outcome against a group, in each window: the rarest thing in it that *another* member used within the window before.
//! The group bets on the outcomes that it has had more often than the null says. g is (own earlier trials with the outcome, and 1/2, of all,
//! and 5/2), and h is 2 max(c, d): c the rate of everybody else's posts since the group's birth or in the last six hours, d that of the
//! people near it. A member's post multiplies the window's e-value by g / h, at most e^4, if its outcome is bet on; else by
//! (1 - sum g) / (1 - sum h) over the outcomes bet on, if that is less than 1. The bets are chosen before the post is seen. If every
//! outcome's chance given the past is at most h, the expected factor is at most 1, so that the product is a test martingale.

mod live;
mod touches;

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use self::live::{LiveKeys, MemberUse};
pub(crate) use self::touches::Touches;
use crate::{
    accounts::AccountId,
    cluster::{Gain, Manner, TrialOutcome, WINDOWS},
    gains::{EvidencePost, Gains, log_mean_exp},
    hash::Set,
    outcome::{REFERENCE, rarity},
    params::Params,
    post::{DAY, HOUR, Millis},
    ticks::{Tick, Ticks},
    trace::TraceKind,
    uses::{KeyId, RECENT, Trial, Use, Uses},
};

/// Number of a group, in order of birth.
pub(crate) type GroupId = u64;

/// Posts of the imagined crowd.
const IMAGINED: f64 = 50.0;
/// Posts of people near the group from which their rates count.
const NEAR_POSTS: u64 = 50;
/// Outcomes that can be bet on: all but nothing.
const BETS: usize = 4;
/// Accounts near a group.
const MOST_NEAR: usize = 10_000;
/// Days of a group's evidence that are kept apart.
const DAYS: usize = 8;

/// Counts as of one moment.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Rates {
    crowd: [[u64; BETS]; 3],
    near: [[u64; BETS]; 3],
    near_posts: u64,
    /// The group's own trials.
    trials: u64,
}

/// A group of accounts, frozen at birth, and its test.
#[derive(Serialize, Deserialize)]
pub(crate) struct Group {
    /// In order.
    pub members: Arc<[AccountId]>,
    pub born: Millis,
    /// Event time from the stream's first use to its birth.
    pub history: Millis,
    /// Trials of everybody before its birth.
    before: u64,
    live: LiveKeys,
    near: Set<AccountId>,
    rates: Rates,
    /// The same as they stood at the ticks of the last six hours, each from the tick of this number to the next of them.
    past: VecDeque<(u64, Rates)>,
    /// The last tick before the last post that touched it.
    period: u64,
    /// What each outcome's chance is taken for, as of the tick of this number.
    null: [[f64; BETS]; 3],
    settled: u64,
    /// Outcomes of its own trials.
    pub outcomes: [[u64; 5]; 3],
    /// Sum of gains and losses, and of losses, by window.
    pub nats: [f64; 3],
    pub losses: [f64; 3],
    days: VecDeque<(i64, [f64; 3])>,
    /// What gave the gains.
    pub gains: Gains,
    /// The last trial.
    pub touched: Millis,
    /// Whether there is a trial that was not judged yet.
    pub fresh: bool,
    /// Components of the network that members are in, and when that was looked up.
    components: Vec<u64>,
    generation: u64,
}

/// What a post touches of a group, and what comes of it.
pub(crate) struct Touched {
    /// Keys that the group holds from now on.
    pub held: SmallVec<[KeyId; 2]>,
    /// Keys that it no longer holds, in order.
    pub gone: Vec<KeyId>,
    /// Whether its account is near the group from now on.
    pub near: bool,
}

/// Tells whether an account is tied to a group.
pub(crate) trait Components {
    fn components(&self, account: AccountId) -> [Option<u64>; 2];
    fn generation(&self) -> u64;
}

impl Group {
    /// A group that is born at the last tick.
    pub(crate) fn new(members: Arc<[AccountId]>, ticks: &Ticks, start: Millis, uses: &Uses) -> Group {
        let Tick { number, at: born, trials } = ticks.last();
        let mut group = Group {
            born,
            history: (born - start).max(0),
            before: trials,
            live: LiveKeys::default(),
            near: Set::default(),
            rates: Rates::default(),
            past: VecDeque::from([(number, Rates::default())]),
            period: number,
            null: [[0.0; BETS]; 3],
            settled: 0,
            outcomes: [[0; 5]; 3],
            nats: [0.0; 3],
            losses: [0.0; 3],
            days: VecDeque::new(),
            gains: Gains::default(),
            touched: born,
            fresh: false,
            components: Vec::new(),
            generation: u64::MAX,
            members: members.clone(),
        };
        let mut past: Vec<(Millis, AccountId, KeyId)> = Vec::new();
        for member in members.iter() {
            let posts = uses.account(*member).into_iter().flat_map(|account| &account.posts);
            for (at, keys) in posts.filter(|(at, _)| born - at <= DAY) {
                past.extend(keys.iter().map(|key| (*at, *member, *key)));
            }
        }
        past.sort_unstable();
        for (at, account, key) in past {
            if let Some(known) = uses.key(key) {
                group.live.remember(key, &known.name, MemberUse { at, account, post: None, manner: Manner::Plain });
            }
        }
        group
    }

    /// Keys that members used of late.
    pub(crate) fn held(&self) -> impl Iterator<Item = KeyId> {
        self.live.ids()
    }

    /// Accounts near the group.
    pub(crate) fn near(&self) -> impl Iterator<Item = AccountId> {
        self.near.iter().copied()
    }

    /// Takes in a post: of a member it is a trial, of anybody else a count.
    pub(crate) fn post(
        &mut self,
        trial: &Trial,
        touches: Touches,
        ticks: &Ticks,
        components: &impl Components,
        params: &Params,
    ) -> Touched {
        let (at, account) = (trial.at, trial.account);
        let found = self.found(trial, touches, params);
        let mut touched = Touched { held: SmallVec::new(), gone: self.pass_ticks(ticks), near: false };
        if touches.is_member() {
            self.settle_null(ticks, params);
            self.bet(trial, &found, params);
            self.touched = self.touched.max(at);
            self.fresh = true;
            for used in &trial.uses {
                let manner = manner(trial, used.name.kind);
                let by_member = MemberUse { at, account, post: Some(trial.post.clone()), manner };
                if self.live.remember(used.key, &used.name, by_member) {
                    touched.held.push(used.key);
                }
            }
            return touched;
        }
        let near = self.near.contains(&account);
        for (window, (outcome, _)) in found.iter().enumerate() {
            if let Some(count) = self.rates.crowd[window].get_mut(*outcome as usize) {
                *count += 1;
                self.rates.near[window][*outcome as usize] += u64::from(near);
            }
        }
        if !near
            && found[2].0 == TrialOutcome::OwnWords
            && self.near.len() < MOST_NEAR
            && !self.tied(account, components)
        {
            self.near.insert(account);
            touched.near = true;
        }
        touched
    }

    /// A post of an account near the group that used nothing of it counts, too. Returns the keys that the group no longer holds.
    pub(crate) fn near_post(&mut self, ticks: &Ticks) -> Vec<KeyId> {
        let gone = self.pass_ticks(ticks);
        self.rates.near_posts += 1;
        gone
    }

    fn tied(&mut self, account: AccountId, network: &impl Components) -> bool {
        if self.generation != network.generation() {
            self.generation = network.generation();
            self.components = self.members.iter().flat_map(|member| network.components(*member)).flatten().collect();
            self.components.sort_unstable();
            self.components.dedup();
        }
        network.components(account).into_iter().flatten().any(|of| self.components.binary_search(&of).is_ok())
    }

    /// The post's outcome in each window, with the use that gave it.
    fn found<'t>(&self, trial: &'t Trial, touches: Touches, params: &Params) -> [(TrialOutcome, Option<&'t Use>); 3] {
        let mut best: [(TrialOutcome, Option<&Use>); 3] = [(TrialOutcome::Nothing, None); 3];
        for (place, used) in trial.uses.iter().enumerate() {
            if !touches.may_hold(place) {
                continue;
            }
            let Some(live) = self.live.get(used.key) else { continue };
            let Some(newest) = live.newest.iter().find(|known| known.account != trial.account) else { continue };
            let age = trial.at - newest.at;
            if !(0..=WINDOWS[2]).contains(&age) {
                continue;
            }
            let text = used.name.kind == TraceKind::Text;
            let inside = live.times.len() - live.times.partition_point(|at| trial.at - *at > RECENT);
            // The account itself is in neither count, member or not.
            let outside = (used.recent as usize).saturating_sub(inside);
            let outcome = rarity(used.name.kind, outside, f64::from(trial.active), params.popular);
            for (window, width) in WINDOWS.into_iter().enumerate() {
                if age <= width && (text || width < DAY) && outcome < best[window].0 {
                    best[window] = (outcome, Some(used));
                }
            }
        }
        best
    }

    fn bet(&mut self, trial: &Trial, found: &[(TrialOutcome, Option<&Use>); 3], params: &Params) {
        let day = trial.at.div_euclid(DAY);
        let mut gains: [Option<Gain>; 3] = [None; 3];
        let mut moved = [0.0; 3];
        for (window, (outcome, _)) in found.iter().enumerate() {
            let (mut sum_g, mut sum_h, mut gain, mut bets) = (0.0, 0.0, None, false);
            for bet in TrialOutcome::ALL.into_iter().take(BETS) {
                let g = (self.outcomes[window][bet as usize] as f64 + 0.5) / (self.rates.trials as f64 + 2.5);
                let h = self.null[window][bet as usize];
                if g > h {
                    bets = true;
                    (sum_g, sum_h) = (sum_g + g, sum_h + h);
                    if bet == *outcome {
                        gain = Some(Gain { outcome: bet, g, h });
                    }
                }
            }
            if let Some(gain) = gain {
                moved[window] = gain.nats();
                gains[window] = Some(gain);
            } else if bets {
                moved[window] = ((1.0 - sum_g).max(1e-9) / (1.0 - sum_h).max(1e-9)).ln().min(0.0);
                self.losses[window] += moved[window];
            }
            self.nats[window] += moved[window];
        }
        for (window, (outcome, _)) in found.iter().enumerate() {
            self.outcomes[window][*outcome as usize] += 1;
        }
        self.rates.trials += 1;
        self.gains.begin();
        match self.days.back_mut().filter(|known| known.0 >= day) {
            Some((_, nats)) => nats.iter_mut().zip(moved).for_each(|(sum, nats)| *sum += nats),
            None => self.days.push_back((day, moved)),
        }
        if self.days.len() > DAYS {
            self.days.pop_front();
        }
        // By use: one post may give through one key in one window and through another in another.
        for used in &trial.uses {
            let mut mine: [Option<Gain>; 3] = [None; 3];
            for window in 0..3 {
                if found[window].1.is_some_and(|by| by.key == used.key) {
                    mine[window] = gains[window];
                }
            }
            if mine.iter().any(Option::is_some) {
                self.gained(trial, used, mine, params);
            }
        }
    }

    /// Takes note of what a post gave through a key. Whom it repeats belongs to the evidence, too.
    fn gained(&mut self, trial: &Trial, used: &Use, gains: [Option<Gain>; 3], params: &Params) {
        let live = self.live.get(used.key);
        let repeated = live.into_iter().flat_map(|live| live.newest.iter().rev());
        let repeated = repeated.filter(|known| known.account != trial.account).filter_map(|known| {
            let MemberUse { at, account, manner, .. } = *known;
            Some(EvidencePost { at, account, post: known.post.clone()?, manner, gains: [None; 3] })
        });
        let post = EvidencePost {
            at: trial.at,
            account: trial.account,
            post: trial.post.clone(),
            manner: manner(trial, used.name.kind),
            gains,
        };
        self.gains.add(used, repeated, post, params.max_evidence);
    }

    /// The group's trials.
    pub(crate) fn trials(&self) -> u64 {
        self.rates.trials
    }

    /// Takes note of the ticks since the last post that touched the group, before anything changes. Returns the keys that it no longer
    /// holds, in order.
    fn pass_ticks(&mut self, ticks: &Ticks) -> Vec<KeyId> {
        let now = ticks.last();
        if self.period == now.number {
            return Vec::new();
        }
        // So the counts have stood since the tick after that post.
        self.past.push_back((self.period + 1, self.rates));
        self.period = now.number;
        while self.past.get(1).is_some_and(|(number, _)| *number <= ticks.oldest()) {
            self.past.pop_front();
        }
        self.live.sweep(now.at)
    }

    /// Settles what is expected of others as of the last tick, until the next one.
    fn settle_null(&mut self, ticks: &Ticks, params: &Params) {
        let now = ticks.last();
        if self.settled == now.number {
            return;
        }
        self.settled = now.number;
        let of = |tick: Tick| {
            let known = self.past.partition_point(|(number, _)| *number <= tick.number).checked_sub(1);
            let rates = known.map(|place| self.past[place].1).unwrap_or_default();
            (rates, tick.trials.saturating_sub(self.before + rates.trials))
        };
        let born = self.past.front().map_or(0, |(number, _)| *number);
        let (rates, posts) = of(now);
        let late = ticks.first_since(born);
        // A group that was born at this tick has no past.
        let (of_late, posts_of_late) = if late == now { Default::default() } else { of(late) };
        for window in 0..3 {
            for (outcome, reference) in REFERENCE.into_iter().enumerate().take(BETS) {
                let rate = |since: &Rates, posts_since: u64| -> f64 {
                    let x = (rates.crowd[window][outcome] - since.crowd[window][outcome]) as f64;
                    let n = (posts - posts_since) as f64;
                    let crowd = (x + IMAGINED * reference) / (n + IMAGINED);
                    let (y, m) = (
                        rates.near[window][outcome] - since.near[window][outcome],
                        rates.near_posts - since.near_posts,
                    );
                    let near = if m >= NEAR_POSTS { (y as f64 + 1.0) / (m as f64 + 5.0) } else { 0.0 };
                    crowd.max(near)
                };
                self.null[window][outcome] =
                    params.safety * rate(&Rates::default(), 0).max(rate(&of_late, posts_of_late));
            }
        }
    }

    /// ln of the e-value.
    pub(crate) fn log_e(&self) -> f64 {
        log_mean_exp(self.nats)
    }

    /// The least of the same with one source's gains left out.
    pub(crate) fn leave_one_out(&self) -> f64 {
        self.gains.without_best(self.nats)
    }

    /// Works the statistic out after new trials.
    pub(crate) fn settle(&mut self) {
        self.gains.settle(self.nats);
    }

    /// ln of the e-value of the last seven days alone.
    pub(crate) fn log_e_of_late(&self, now: Millis) -> f64 {
        let first = (now - 7 * DAY).div_euclid(DAY);
        let mut sum = [0.0; 3];
        for (_, nats) in self.days.iter().filter(|(day, _)| *day > first) {
            sum.iter_mut().zip(nats).for_each(|(sum, nats)| *sum += nats);
        }
        log_mean_exp(sum)
    }

    /// Outcomes of everybody else's posts in a window, and of the posts of people near the group.
    pub(crate) fn others(&self, window: usize, trials: u64) -> ([u64; 5], [u64; 5]) {
        let full = |counts: [u64; BETS], posts: u64| {
            let [t, a, b, c] = counts;
            [t, a, b, c, posts.saturating_sub(t + a + b + c)]
        };
        let posts = (trials - self.before).saturating_sub(self.rates.trials);
        (full(self.rates.crowd[window], posts), full(self.rates.near[window], self.rates.near_posts))
    }
}

fn manner(trial: &Trial, kind: TraceKind) -> Manner {
    match kind {
        TraceKind::Text => trial.text,
        TraceKind::Repost => trial.repost,
        _ => Manner::Plain,
    }
}

const _: () = assert!(RECENT == 6 * HOUR);
