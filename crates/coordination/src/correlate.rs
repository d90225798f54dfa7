//! The second state machine: acts in, co-acts and test reports out.
//!
//! One shard holds the keys, the rings, the tests and the habits of its own sources. Every shard is told of every act's account
//! and time, because what is expected of an account rests on all that it does; that part is small and the same everywhere.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    hash::Map,
    history::{AccountId, History, SourceId},
    params::Params,
    post::Millis,
    stage::{Act, Activity, Born, CandidateId, CoAct, KeyId, KeyName, Orders, Report},
    stats::Evicted,
    test::Test,
};

/// The correlate machine of one shard.
#[derive(Serialize, Deserialize)]
pub(crate) struct Correlator {
    shard: u16,
    history: History,
    keys: Map<KeyId, Key>,
    candidates: BTreeMap<CandidateId, Candidate>,
    /// Living candidates and the place in each, by member.
    by_member: Map<AccountId, Vec<(CandidateId, u8)>>,
    /// Open tests in the order in which they close.
    closing: VecDeque<(Millis, KeyId, CandidateId)>,
    /// Tests of which there is something new to tell.
    fresh: Vec<(KeyId, CandidateId)>,
    evicted: Evicted,
    #[serde(skip)]
    scratch: Vec<AccountId>,
    #[serde(skip)]
    habits: Vec<(AccountId, SourceId)>,
}

/// What this machine needs to know of a candidate.
#[derive(Serialize, Deserialize)]
struct Candidate {
    members: Arc<[AccountId]>,
    born: Millis,
    /// Keys with open tests.
    open: Vec<KeyId>,
}

/// A live key: the acts on it of late, and the tests on it.
#[derive(Serialize, Deserialize)]
struct Key {
    name: Arc<KeyName>,
    first: Millis,
    last: Millis,
    /// Acts since the key was first seen.
    count: u32,
    ring: VecDeque<RingAct>,
    /// Acts that the ring has forgotten although they are inside the horizon.
    overflowed: bool,
    /// By candidate; `None` where the test is over.
    tests: Vec<(CandidateId, Option<Box<Test>>)>,
    open: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct RingAct {
    at: Millis,
    account: AccountId,
    /// The account's expected share of acts when it acted.
    share: f32,
}

impl Correlator {
    pub(crate) fn new(params: &Params, shard: u16) -> Correlator {
        Correlator {
            shard,
            history: History::new(params),
            keys: Map::default(),
            candidates: BTreeMap::new(),
            by_member: Map::default(),
            closing: VecDeque::new(),
            fresh: Vec::new(),
            evicted: Evicted::default(),
            scratch: Vec::new(),
            habits: Vec::new(),
        }
    }

    /// Takes in acts in the order of their turns: `activity` of all shards, `acts` of this one.
    pub(crate) fn acts(
        &mut self,
        activity: &[Activity],
        acts: &mut VecDeque<Act>,
        params: &Params,
        co_acts: &mut Vec<CoAct>,
    ) {
        for post in activity.chunk_by(|a, b| a.turn == b.turn) {
            // All traces of a post are judged by what was known before it.
            let mine = post.iter().filter(|act| act.shard == self.shard).count();
            let mut habits = std::mem::take(&mut self.habits);
            habits.extend(acts.iter().take(mine).map(|act| (act.account, act.source)));
            for act in acts.drain(..mine) {
                self.act(act, params, co_acts);
            }
            for act in post {
                self.history.add(act.account, act.kind, act.at);
            }
            for (account, source) in habits.drain(..) {
                self.history.add_habit(account, source, post[0].at);
            }
            self.habits = habits;
        }
    }

    /// One act: stage B for the tests on its key, then stage A against the ring.
    fn act(&mut self, act: Act, params: &Params, co_acts: &mut Vec<CoAct>) {
        let Correlator { history, keys, candidates, by_member, closing, fresh, scratch, .. } = self;
        let Act { turn, at, account, key: id, source, name, post } = act;
        let kind = name.kind;
        let key = keys.entry(id).or_insert_with(|| Key::new(name, at));
        key.forget(at, params.horizon);
        key.count += 1;
        let now = history.at(kind, source, at);

        for &(candidate_id, member) in by_member.get(&account).into_iter().flatten() {
            match key.tests.binary_search_by_key(&candidate_id, |test| test.0) {
                Ok(place) => {
                    if let Some(test) = &mut key.tests[place].1 {
                        let told = test.fresh;
                        test.observe(at, member, &post, key.count, params.safety);
                        if test.fresh && !told {
                            fresh.push((id, candidate_id));
                        }
                    }
                }
                Err(place) => {
                    let Some(candidate) = candidates.get_mut(&candidate_id) else {
                        continue;
                    };
                    if !key.may_open(candidate) {
                        continue;
                    }
                    let shares = candidate.members.iter().map(|m| now.share(*m) as f32).collect();
                    let test = Test::open(shares, at, member, post.clone(), key.count);
                    key.tests.insert(place, (candidate_id, Some(Box::new(test))));
                    key.open += 1;
                    candidate.open.push(id);
                    closing.push_back((at + params.test_window, id, candidate_id));
                    fresh.push((id, candidate_id));
                }
            }
        }

        let new = RingAct { at, account, share: now.share_acting(account) as f32 };
        key.co_acts(new, params, scratch, |other, lag, nats| {
            co_acts.push(CoAct { turn, at, pair: (account, other), kind, key: id, lag, nats });
        });
        key.remember(new, params.ring);
    }

    /// Closes the tests that are over and tells what is new.
    pub(crate) fn tick(&mut self, now: Millis, params: &Params, reports: &mut Vec<Report>) {
        while let Some(&(ends, key_id, candidate_id)) = self.closing.front()
            && ends < now
        {
            self.closing.pop_front();
            let Some(key) = self.keys.get_mut(&key_id) else {
                continue;
            };
            let Ok(place) = key.tests.binary_search_by_key(&candidate_id, |test| test.0) else {
                continue;
            };
            let Some(test) = key.tests[place].1.take() else {
                continue;
            };
            key.open -= 1;
            if let Some(candidate) = self.candidates.get_mut(&candidate_id) {
                if let Some(place) = candidate.open.iter().position(|open| *open == key_id) {
                    candidate.open.swap_remove(place);
                }
                reports.push(Report {
                    candidate: candidate_id,
                    key: key_id,
                    name: key.name.clone(),
                    closed: true,
                    outcome: test.outcome(key.count, params.safety),
                });
            }
        }
        for (key_id, candidate_id) in std::mem::take(&mut self.fresh) {
            let Some(key) = self.keys.get_mut(&key_id) else {
                continue;
            };
            let Ok(place) = key.tests.binary_search_by_key(&candidate_id, |test| test.0) else {
                continue;
            };
            if let Some(test) = key.tests[place].1.as_mut().filter(|test| test.fresh) {
                test.fresh = false;
                reports.push(Report {
                    candidate: candidate_id,
                    key: key_id,
                    name: key.name.clone(),
                    closed: false,
                    outcome: test.outcome(key.count, params.safety),
                });
            }
        }
    }

    /// Does what the group machine has ordered, and keeps the tables within their bounds.
    pub(crate) fn obey(&mut self, now: Millis, orders: &Orders, params: &Params, shards: usize) {
        for id in &orders.dropped {
            self.drop_candidate(*id);
        }
        for Born { id, members, at } in &orders.born {
            for (place, member) in members.iter().enumerate() {
                self.by_member.entry(*member).or_default().push((*id, place as u8));
            }
            self.candidates.insert(*id, Candidate { members: members.clone(), born: *at, open: Vec::new() });
        }
        self.history.forget(&orders.forgotten);
        let horizon = params.horizon;
        self.keys.retain(|_, key| now - key.last <= horizon || key.open > 0);
        self.evicted.keys += self.evict_keys(params.limits.keys.div_ceil(shards));
        self.evicted.habits += self.history.tidy(now, params.limits.habits.div_ceil(shards));
    }

    /// The longest idle keys without a test go first.
    fn evict_keys(&mut self, most: usize) -> u64 {
        if self.keys.len() <= most {
            return 0;
        }
        let mut idle: Vec<(Millis, KeyId)> =
            self.keys.iter().filter(|(_, k)| k.open == 0).map(|(id, k)| (k.last, *id)).collect();
        idle.sort_unstable();
        let surplus = (self.keys.len() - (most - most / 10)).min(idle.len());
        for (_, id) in &idle[..surplus] {
            self.keys.remove(id);
        }
        surplus as u64
    }

    fn drop_candidate(&mut self, id: CandidateId) {
        let Some(candidate) = self.candidates.remove(&id) else {
            return;
        };
        for key in &candidate.open {
            if let Some(key) = self.keys.get_mut(key)
                && let Ok(place) = key.tests.binary_search_by_key(&id, |test| test.0)
                && key.tests[place].1.take().is_some()
            {
                key.open -= 1;
            }
        }
        for member in candidate.members.iter() {
            if let Some(ids) = self.by_member.get_mut(member) {
                ids.retain(|(known, _)| *known != id);
                if ids.is_empty() {
                    self.by_member.remove(member);
                }
            }
        }
    }

    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn habits(&self) -> usize {
        self.history.habits()
    }

    pub(crate) fn open_tests(&self) -> usize {
        self.closing.len()
    }

    pub(crate) fn evicted(&self) -> Evicted {
        self.evicted
    }
}

impl Key {
    fn new(name: KeyName, at: Millis) -> Key {
        Key {
            name: Arc::new(name),
            first: at,
            last: at,
            count: 0,
            ring: VecDeque::with_capacity(1),
            overflowed: false,
            tests: Vec::new(),
            open: 0,
        }
    }

    fn forget(&mut self, now: Millis, horizon: Millis) {
        while self.ring.front().is_some_and(|act| now - act.at > horizon) {
            self.ring.pop_front();
        }
        if self.ring.is_empty() && self.open == 0 {
            // Silent for a whole horizon: what follows is a new story.
            self.first = now;
            self.count = 0;
            self.overflowed = false;
            self.tests.clear();
        }
    }

    fn remember(&mut self, act: RingAct, most: usize) {
        if self.ring.len() >= most {
            self.ring.pop_front();
            self.overflowed = true;
        }
        let place = self.ring.iter().rposition(|known| known.at <= act.at).map_or(0, |i| i + 1);
        self.ring.insert(place, act);
        self.last = self.last.max(act.at);
    }

    /// Whether a test of this candidate may open: only on what began after its birth.
    ///
    /// What members did here before the birth may be why they were proposed. Where the ring has forgotten acts, nobody
    /// can say that none of them was a member's.
    fn may_open(&self, candidate: &Candidate) -> bool {
        self.first >= candidate.born
            || (!self.overflowed && self.ring.iter().all(|act| candidate.members.binary_search(&act.account).is_err()))
    }

    /// Calls back with every other account that acted on this key shortly before, the time between, and the nats that the pair
    /// earns: -ln of the greater of the chances that either acts here by itself among so many acts.
    fn co_acts(
        &self,
        new: RingAct,
        params: &Params,
        done: &mut Vec<AccountId>,
        mut earned: impl FnMut(AccountId, Millis, f64),
    ) {
        if self.ring.is_empty() {
            return;
        }
        // Acts are in order of time: those within a window are the last ones, unless this act is late itself.
        let in_order = self.ring.back().is_none_or(|last| last.at <= new.at);
        let within = |window: Millis| {
            if in_order {
                self.ring.len() - self.ring.partition_point(|act| new.at - act.at > window)
            } else {
                self.ring.iter().filter(|act| (new.at - act.at).abs() <= window).count()
            }
        };
        // Pairs whose chance is beyond this earn too little.
        let most = -(-(-params.min_credit).exp()).ln_1p();
        done.clear();
        for window in params.windows {
            let n = within(window);
            if n == 0 || (n >= params.ring && self.overflowed) {
                continue; // more acts than the ring can hold: how many is not known, and none is surprising
            }
            let n = (2 * n).max(within(2 * window)) as f64 + 1.0;
            if params.safety * f64::from(new.share) * n > most {
                break; // among so many acts this account is no surprise, whoever the other is; wider windows have no fewer
            }
            for act in self.ring.iter().rev() {
                let lag = new.at - act.at;
                if lag > window {
                    break;
                }
                if -lag > window || act.account == new.account || done.contains(&act.account) {
                    continue;
                }
                done.push(act.account);
                let chance = params.safety * f64::from(new.share.max(act.share)) * n;
                if chance <= most {
                    earned(act.account, lag.abs(), -(-(-chance).exp_m1()).max(1e-9).ln());
                }
            }
        }
    }
}
