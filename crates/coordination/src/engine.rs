//! The engine: three state machines wired by direct calls.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::{Cluster, Tie, TraceKind},
    company::Company,
    correlate::Correlator,
    group::{Grouper, Tick},
    history::AccountId,
    params::{Params, ParamsError},
    post::{Millis, Post},
    snapshot::{self, SnapshotError},
    stage::{Act, Activity, CoAct, KeyId, Orders, Report},
    stats::{AccountEvidence, Evicted, Outcome, Sizes, Stats},
    tracer::{ReadPost, Reader, Tracer},
};

/// Acts that are gathered before the shards are put to work.
const BATCH: usize = 8_192;

/// Runs the shards' work, in any order or at the same time.
pub trait Executor: Send + Sync {
    /// Runs every job to its end. A job may hand in jobs of its own.
    fn run(&self, jobs: Vec<Job<'_>>);
}

/// A part of the engine's work that others do not touch meanwhile.
pub type Job<'w> = Box<dyn FnOnce() + Send + 'w>;

fn job<'w>(work: impl FnOnce() + Send + 'w) -> Job<'w> {
    Box::new(work)
}

/// One after the other, on the caller's thread.
struct InTurn;

impl Executor for InTurn {
    fn run(&self, jobs: Vec<Job<'_>>) {
        jobs.into_iter().for_each(|job| job());
    }
}

/// The detection engine. It owns no clock, no thread and does no I/O: it is told the event time and answers with clusters.
///
/// ```
/// use coordination::{Engine, Outcome, Params, Post};
///
/// let mut engine = Engine::new(Params::default())?;
/// let post = Post { id: "1".into(), platform: "x".into(), account_id: "ann".into(), ..Post::default() };
/// let mut clusters = Vec::new();
/// assert_eq!(engine.on_post(post.created_at, &post, &mut clusters), Outcome::Accepted);
/// engine.finish(&mut clusters);
/// assert!(clusters.is_empty());
/// # Ok::<(), coordination::ParamsError>(())
/// ```
pub struct Engine {
    params: Params,
    reader: Reader,
    executor: Box<dyn Executor>,
    state: State,
}

/// All that a snapshot holds.
#[derive(Serialize, Deserialize)]
struct State {
    tracer: Tracer,
    shards: Vec<Shard>,
    grouper: Grouper,
    ranking: Ranking,
    /// Acts of all shards since the last flush.
    activity: Vec<Activity>,
    /// `None` before the first post.
    next_tick: Option<Millis>,
    /// Event time of the newest post that has had its turn.
    newest: Millis,
    stats: Stats,
}

/// The company that accounts keep, and the posts that it has yet to take in: time, account, and how many of the keys are its.
#[derive(Serialize, Deserialize)]
struct Ranking {
    company: Company,
    posts: Vec<(Millis, AccountId, usize)>,
    keys: Vec<KeyId>,
}

impl Ranking {
    fn flush(&mut self) {
        let mut keys = self.keys.as_slice();
        for &(at, account, count) in &self.posts {
            let (mine, rest) = keys.split_at(count);
            self.company.post(at, account, mine);
            keys = rest;
        }
        self.posts.clear();
        self.keys.clear();
    }
}

#[derive(Serialize, Deserialize)]
struct Shard {
    correlator: Correlator,
    acts: VecDeque<Act>,
    #[serde(skip)]
    co_acts: Vec<CoAct>,
    #[serde(skip)]
    reports: Vec<Report>,
}

impl Engine {
    /// An engine that has seen nothing, on one shard.
    pub fn new(params: Params) -> Result<Engine, ParamsError> {
        Engine::sharded(params, 1, Box::new(InTurn))
    }

    /// An engine that has seen nothing, whose keys, rings, tests and habits are spread over shards by source. What it finds does not
    /// depend on how many there are, as long as no table is full: the bounds are parted among the shards.
    pub fn sharded(params: Params, shards: u16, executor: Box<dyn Executor>) -> Result<Engine, ParamsError> {
        params.validate()?;
        let shards = shards.max(1);
        let shard = |number| Shard {
            correlator: Correlator::new(&params, number),
            acts: VecDeque::new(),
            co_acts: Vec::new(),
            reports: Vec::new(),
        };
        let state = State {
            tracer: Tracer::new(&params, shards),
            shards: (0..shards).map(shard).collect(),
            grouper: Grouper::new(&params),
            ranking: Ranking { company: Company::new(&params), posts: Vec::new(), keys: Vec::new() },
            activity: Vec::new(),
            next_tick: None,
            newest: Millis::MIN,
            stats: Stats::default(),
        };
        Ok(Engine { reader: Reader::new(&params), params, executor, state })
    }

    /// The state as bytes, for [`restore`](Self::restore); see there. May be taken after any post.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        snapshot::write(&self.params, &self.state)
    }

    /// Goes back to a snapshot: from here on this engine finds what that one would have found, to the last bit. It keeps the
    /// snapshot's number of shards.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        self.state = snapshot::read(&self.params, snapshot)?;
        Ok(())
    }

    /// What reads posts for [`on_read`](Self::on_read); as many threads as wanted may have one.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Takes in one post and pushes the clusters of which there is something new to say.
    ///
    /// `now` is the event time the stream has come to; the watermark is `now - allowed_lateness` and never falls. Posts
    /// ahead of the watermark may come in any order and wait until it has passed them, so that every order gives the same
    /// clusters. A post behind it still counts, out of its turn, while it is inside the horizon.
    pub fn on_post(&mut self, now: Millis, post: &Post<'_>, clusters: &mut Vec<Cluster>) -> Outcome {
        let post = self.reader.read(post);
        self.on_read(now, post, clusters)
    }

    /// The same for a post that has been read already, on another thread perhaps.
    pub fn on_read(&mut self, now: Millis, post: ReadPost, clusters: &mut Vec<Cluster>) -> Outcome {
        self.state.tracer.advance(now);
        self.release(false, clusters);
        let outcome = self.state.tracer.admit(post, self.params.horizon);
        self.state.stats.count(outcome);
        outcome
    }

    /// Takes note that event time has come to `now` without a post.
    pub fn on_time(&mut self, now: Millis, clusters: &mut Vec<Cluster>) {
        self.state.tracer.advance(now);
        self.release(false, clusters);
        if self.state.next_tick.is_some() {
            self.ticks(self.state.tracer.watermark().min(self.active_until()), clusters);
        }
    }

    /// Ends the stream: releases what is waiting, closes every test and evaluates a last time.
    pub fn finish(&mut self, clusters: &mut Vec<Cluster>) {
        self.release(true, clusters);
        if self.state.next_tick.is_some() {
            self.tick(Tick { at: self.state.newest, history: 0, last: true }, clusters);
        }
    }

    /// Counts and table sizes.
    pub fn stats(&self) -> Stats {
        let State { tracer, shards, grouper, stats, .. } = &self.state;
        let sum = |of: fn(&Correlator) -> usize| shards.iter().map(|shard| of(&shard.correlator)).sum();
        let mut stats = stats.clone();
        stats.watermark = tracer.watermark();
        stats.sizes = Sizes {
            waiting: tracer.waiting(),
            keys: sum(Correlator::keys),
            ties: grouper.tie_count(),
            accounts: tracer.accounts.len(),
            habits: sum(Correlator::habits),
            candidates: grouper.living(),
            open_tests: sum(Correlator::open_tests),
        };
        stats.candidates_proposed = grouper.proposed();
        stats.clusters_told = grouper.told();
        stats.evicted += grouper.evicted();
        shards.iter().for_each(|shard| stats.evicted += shard.correlator.evicted());
        stats
    }

    /// Ties with at least `co_acts` credited co-acts of one kind, strongest first, then by account and kind.
    pub fn ties(&mut self, co_acts: u32) -> Vec<Tie> {
        self.flush();
        self.state.grouper.ties(co_acts, &self.state.tracer.accounts)
    }

    /// Every account with any evidence, in order of platform and id.
    pub fn accounts(&mut self) -> Vec<AccountEvidence> {
        self.flush();
        let State { tracer, grouper, ranking, .. } = &self.state;
        let mut suspects = grouper.suspects(&self.params);
        let company = ranking.company.scores();
        for number in company.keys() {
            suspects.entry(*number).or_default();
        }
        let mut all: Vec<AccountEvidence> = suspects
            .into_iter()
            .filter_map(|(number, (tie_nats, log_e))| {
                let behaviour = &tracer.accounts.get(number)?.behaviour;
                Some(AccountEvidence {
                    account: tracer.accounts.name(number),
                    posts: behaviour.posts,
                    last_post: behaviour.last_post,
                    tie_nats,
                    company: company.get(&number).copied().unwrap_or(0.0),
                    log_e,
                })
            })
            .collect();
        all.sort_by(|x, y| x.account.cmp(&y.account));
        all
    }

    fn release(&mut self, end: bool, clusters: &mut Vec<Cluster>) {
        while let Some(at) = self.state.tracer.next_at(end) {
            self.ticks(at, clusters);
            let Some(turn) = self.state.tracer.turn() else {
                return;
            };
            let state = &mut self.state;
            state.newest = state.newest.max(turn.at);
            let ranking = &mut state.ranking;
            let before = ranking.keys.len();
            // Single hashtags count however common they are, and those of reposts too.
            ranking.keys.extend(turn.tags);
            let others = turn.acts.iter().filter(|(activity, _)| activity.kind != TraceKind::Hashtags);
            ranking.keys.extend(others.map(|(_, act)| act.key));
            ranking.posts.push((turn.at, turn.account, ranking.keys.len() - before));
            for (activity, act) in turn.acts {
                state.stats.acts[activity.kind as usize] += 1;
                state.shards[usize::from(activity.shard)].acts.push_back(act);
                state.activity.push(activity);
            }
            if state.activity.len() >= BATCH {
                self.flush();
            }
        }
    }

    /// After this nothing can change any more until the next post: every test that it may have opened is over.
    fn active_until(&self) -> Millis {
        self.state.newest.saturating_add(self.params.test_window + 2 * self.params.tick)
    }

    /// Evaluates at every tick up to `now`. Ticks of quiet stretches are passed over but for the last before the next post, so that
    /// it makes no difference how often event time is told in between.
    fn ticks(&mut self, now: Millis, clusters: &mut Vec<Cluster>) {
        let tick = self.params.tick;
        let next = *self.state.next_tick.get_or_insert((now.div_euclid(tick) + 1) * tick);
        let mut next = next;
        while next <= now {
            if next > self.active_until() {
                next = next.max(now.div_euclid(tick) * tick);
            }
            let history = self.state.tracer.history(next);
            self.tick(Tick { at: next, history, last: false }, clusters);
            next += tick;
        }
        self.state.next_tick = Some(next);
    }

    /// Takes in what has been gathered.
    fn flush(&mut self) {
        self.take_in(None);
    }

    /// Takes in what has been gathered, and at a tick sees what the tests say and which groups are proposed. Ties and company know
    /// nothing of each other, and so this is two jobs.
    fn take_in(&mut self, tick: Option<Tick>) -> Vec<Vec<AccountId>> {
        let (params, executor) = (&self.params, &*self.executor);
        let State { tracer, shards, grouper, ranking, activity, .. } = &mut self.state;
        let gathered = &*activity;
        let (mut tied, mut close) = (Vec::new(), Vec::new());
        let ties = job(|| {
            let jobs = shards.iter_mut().map(|Shard { correlator, acts, co_acts, reports }| {
                job(move || {
                    correlator.acts(gathered, acts, params, co_acts);
                    if let Some(tick) = tick {
                        correlator.tick(if tick.last { Millis::MAX } else { tick.at }, params, reports);
                    }
                })
            });
            executor.run(jobs.collect());
            grouper.co_acts(shards.iter_mut().flat_map(|shard| shard.co_acts.drain(..)).collect());
            if tick.is_some() {
                tied = grouper.tied(params);
            }
        });
        let company = job(|| {
            ranking.flush();
            if let Some(tick) = tick {
                close = ranking.company.groups(params.min_members, params.max_members);
                tracer.expire(tick.at);
            }
        });
        executor.run(vec![ties, company]);
        activity.clear();
        tied.into_iter().chain(close).collect()
    }

    fn tick(&mut self, tick: Tick, clusters: &mut Vec<Cluster>) {
        let proposals = self.take_in(Some(tick));
        let (params, executor) = (&self.params, &*self.executor);
        let State { tracer, shards, grouper, ranking: Ranking { company, .. }, stats, .. } = &mut self.state;
        let reports = shards.iter_mut().flat_map(|shard| shard.reports.drain(..)).collect();
        let mut orders = grouper.tick(tick, reports, proposals, &tracer.accounts, params, clusters);
        if tick.last {
            return;
        }
        orders.forgotten = tracer.accounts.tidy(params.limits.accounts, |account| grouper.is_member(account));
        let (orders, count, mut evicted): (&Orders, usize, _) = (&orders, shards.len(), (0, 0));
        let jobs = shards
            .iter_mut()
            .map(|Shard { correlator, .. }| job(move || correlator.obey(tick.at, orders, params, count)));
        let jobs = jobs.chain([
            job(|| grouper.forget(&orders.forgotten)),
            job(|| {
                evicted = company.tidy(tick.at);
                company.forget(&orders.forgotten);
            }),
        ]);
        executor.run(jobs.collect());
        let (keys, ties) = evicted;
        stats.evicted += Evicted { keys, ties, accounts: orders.forgotten.len() as u64, ..Evicted::default() };
    }
}
