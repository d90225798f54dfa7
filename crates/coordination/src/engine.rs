//! The engine: memory, network, groups and findings wired by direct calls.

use serde::{Deserialize, Serialize};

use crate::{
    accounts::AccountId,
    bursts::Bursts,
    cluster::{Cluster, Tie},
    described::{Moment, sort_ties, tie},
    findings::{Findings, shared},
    floods::Floods,
    group::{Group, GroupId},
    groups::{Groups, Repeated, ThreadGroups},
    judge::{Judge, NoJudge},
    network::Network,
    objects::{Object, Objects},
    params::{Params, ParamsError},
    post::{HOUR, Millis, Post},
    ranking::suspicion,
    snapshot::{self, SnapshotError},
    stats::{AccountEvidence, Evicted, Outcome, Sizes, Stats},
    ticks::Ticks,
    tracer::{ReadPost, Reader, Tracer},
    uses::{Trial, Uses},
};

/// Posts that are gathered before the threads are put to work.
const BATCH: usize = 4_096;

/// Runs the work of all threads, in any order or at the same time.
pub trait Executor: Send + Sync {
    /// Runs every job to its end. A job may hand in jobs of its own.
    fn run(&self, jobs: Vec<Job<'_>>);
}

/// A part of the engine's work that others do not touch meanwhile.
pub type Job<'w> = Box<dyn FnOnce() + Send + 'w>;

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
    judge: Box<dyn Judge>,
    state: State,
    objects: Option<Objects>,
}

/// All that a snapshot holds.
#[derive(Serialize, Deserialize)]
struct State {
    tracer: Tracer,
    uses: Uses,
    network: Network,
    bursts: Bursts,
    /// The living groups, by thread.
    groups: Vec<ThreadGroups>,
    /// Posts that have had their turn and that the groups have yet to take in.
    gathered: Vec<Trial>,
    findings: Findings,
    floods: Floods,
    /// Groups proposed so far.
    proposed: GroupId,
    /// Event time of the first and the newest post that has had its turn.
    start: Option<Millis>,
    newest: Millis,
    /// `None` before the first post.
    next_tick: Option<Millis>,
    ticks: Ticks,
    /// When silent groups are next looked for.
    next_look: Millis,
    stats: Stats,
    #[serde(skip)]
    repeated: Repeated,
}

impl Engine {
    /// An engine that has seen nothing, on one thread.
    pub fn new(params: Params) -> Result<Engine, ParamsError> {
        Engine::with_threads(params, 1, Box::new(InTurn))
    }

    /// An engine that has seen nothing, whose groups are divided among threads. Its findings do not depend on the number of threads.
    pub fn with_threads(params: Params, threads: u16, executor: Box<dyn Executor>) -> Result<Engine, ParamsError> {
        params.validate()?;
        let state = State {
            tracer: Tracer::new(&params),
            uses: Uses::new(&params),
            network: Network::new(),
            bursts: Bursts::default(),
            groups: (0..threads.max(1)).map(|_| ThreadGroups::default()).collect(),
            gathered: Vec::new(),
            findings: Findings::default(),
            floods: Floods::default(),
            proposed: 0,
            start: None,
            newest: Millis::MIN,
            next_tick: None,
            ticks: Ticks::default(),
            next_look: Millis::MIN,
            stats: Stats::default(),
            repeated: Repeated::default(),
        };
        Ok(Engine { reader: Reader::new(&params), params, executor, judge: Box::new(NoJudge), state, objects: None })
    }

    /// Puts a judge in service: groups that stand are judged again, and what changes is told at the next tick that has news. Without a judge
    /// nothing is flagged. A snapshot does not hold it.
    pub fn set_judge(&mut self, judge: Box<dyn Judge>) {
        self.judge = judge;
        self.state.findings.judge_again(&*self.judge);
    }

    /// From here on, ties and copies older than `retention` stay in [`ties`](Self::ties) and [`accounts`](Self::accounts), each tie as it
    /// was at its strongest: for a stream with an end, of which all is told. The past proposes nothing and tests nothing, takes at most
    /// `limits.ties` ties, and is no part of a snapshot.
    pub fn keep_past(&mut self) {
        self.state.network.keep_past();
    }

    /// From here on, counts the accounts and posts of every thing that is used, for [`objects`](Self::objects); of at most so many things:
    /// beyond that, those of the fewest accounts go, and are counted. No part of a snapshot.
    pub fn count_objects(&mut self, most: usize) {
        self.objects.get_or_insert_with(|| Objects::new(most));
    }

    /// Things that two accounts or more used since [`count_objects`](Self::count_objects), those of the most accounts first; and how many
    /// things were dropped for want of room. Nothing where they are not counted.
    pub fn objects(&self) -> (Vec<Object>, u64) {
        match &self.objects {
            Some(objects) => (objects.shared(&self.state.tracer.accounts), objects.dropped()),
            None => (Vec::new(), 0),
        }
    }

    /// The state as bytes, for [`restore`](Self::restore); see there. May be taken after any post.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        snapshot::write(&self.params, &self.state)
    }

    /// Goes back to a snapshot: from here on this engine finds what that one would have found, to the last bit. It keeps the
    /// snapshot's number of threads.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        self.state = snapshot::read(&self.params, snapshot)?;
        self.state.uses.restored();
        self.state.network.restored();
        self.state.findings.judge_again(&*self.judge);
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
        self.on_read_after(now, Millis::MIN, post, clusters)
    }

    /// The same for a post of one of several streams that are read at different speeds. `own` is the newest event time of the
    /// post's own stream before it. Whether the post is late is judged by it, so that the outcome of each post does not depend on
    /// how far the other streams were read, as long as `now` is not beyond a stream's newest post.
    pub fn on_read_after(&mut self, now: Millis, own: Millis, post: ReadPost, clusters: &mut Vec<Cluster>) -> Outcome {
        self.state.tracer.advance(now);
        self.release(false, clusters);
        let outcome = self.state.tracer.admit(post, own, self.params.horizon);
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

    /// Ends the stream: releases what is waiting and tells everything that stands, near misses too.
    pub fn finish(&mut self, clusters: &mut Vec<Cluster>) {
        self.release(true, clusters);
        if self.state.next_tick.is_some() {
            self.tick(self.state.newest, true, clusters);
        }
    }

    /// Counts and table sizes.
    pub fn stats(&self) -> Stats {
        let State { tracer, uses, network, groups, findings, stats, .. } = &self.state;
        let mut stats = stats.clone();
        stats.watermark = tracer.watermark();
        stats.sizes = Sizes {
            waiting: tracer.waiting(),
            keys: uses.keys_len(),
            uses: uses.len(),
            ties: network.len(),
            texts: tracer.texts.len(),
            accounts: tracer.accounts.len(),
            candidates: groups.iter().map(ThreadGroups::len).sum(),
        };
        stats.candidates_proposed = self.state.proposed;
        stats.too_large = network.too_large();
        stats.discoveries = findings.discoveries();
        stats.near_misses = findings.near_misses_told();
        stats.clusters_told = findings.told();
        stats.evicted += Evicted {
            uses: uses.evicted(),
            ties: network.evicted(),
            texts: tracer.texts.evicted(),
            ..Evicted::default()
        };
        stats
    }

    /// All ties of the network, strongest first, then by account.
    pub fn ties(&mut self) -> Vec<Tie> {
        self.flush();
        let State { tracer, network, .. } = &self.state;
        let edges = network.edges();
        let mut ties: Vec<Tie> = edges.iter().filter_map(|(pair, edge)| tie(*pair, edge, &tracer.accounts)).collect();
        sort_ties(&mut ties);
        ties
    }

    /// Every account, in order of platform and id.
    pub fn accounts(&mut self) -> Vec<AccountEvidence> {
        self.flush();
        let State { tracer, network, findings, .. } = &self.state;
        let judged = findings.judged();
        let suspects = suspicion(&tracer.accounts, network, |account| judged.get(&account).map(|(nats, _)| *nats));
        let mut all: Vec<AccountEvidence> = suspects
            .into_iter()
            .map(|(number, known)| {
                let judged = judged.get(&number);
                AccountEvidence {
                    account: tracer.accounts.name(number),
                    account_name: tracer.accounts.get(number).map_or(String::new(), |known| known.name.to_string()),
                    posts: known.posts,
                    last_post: known.last_post,
                    tie_nats: known.tie_nats,
                    texts: known.texts,
                    copies: known.copies,
                    suspicion: known.suspicion,
                    log_e: judged.map(|(nats, _)| *nats),
                    posterior: judged.map(|(_, posterior)| *posterior),
                }
            })
            .collect();
        all.sort_by(|x, y| x.account.cmp(&y.account));
        all
    }

    fn release(&mut self, end: bool, clusters: &mut Vec<Cluster>) {
        while let Some(at) = self.state.tracer.next_at(end) {
            self.ticks(at, clusters);
            let state = &mut self.state;
            let Some(turn) = state.tracer.turn() else { return };
            if let Some(objects) = &mut self.objects {
                objects.turn(&turn);
            }
            state.newest = state.newest.max(turn.at);
            if let Some(trial) = state.uses.turn(turn) {
                state.start.get_or_insert(trial.at);
                for used in &trial.uses {
                    state.stats.uses[used.name.kind] += 1;
                }
                state.network.trial(&trial, &state.uses, &self.params);
                state.bursts.trial(&trial, &state.uses);
                state.floods.trial(&trial, &state.uses, &self.params);
                state.gathered.push(trial);
                if state.gathered.len() >= BATCH {
                    self.flush();
                }
            }
        }
    }

    /// After this nothing can change any more until the next post: no key of a group is live.
    fn active_until(&self) -> Millis {
        self.state.newest.saturating_add(2 * self.params.tick)
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
            self.tick(next, false, clusters);
            next += tick;
        }
        self.state.next_tick = Some(next);
    }

    /// The groups take in what has been gathered.
    fn flush(&mut self) {
        let params = &self.params;
        let State { network, groups, gathered, ticks, .. } = &mut self.state;
        if gathered.is_empty() {
            return;
        }
        let (network, trials, ticks) = (&*network, &**gathered, &*ticks);
        let jobs = groups
            .iter_mut()
            .map(|groups| -> Job<'_> { Box::new(move || groups.posts(trials, ticks, network, params)) });
        self.executor.run(jobs.collect());
        gathered.clear();
    }

    fn tick(&mut self, at: Millis, last: bool, clusters: &mut Vec<Cluster>) {
        self.flush();
        let params = &self.params;
        let State {
            tracer,
            uses,
            network,
            bursts,
            groups,
            findings,
            floods,
            proposed,
            start,
            ticks,
            next_look,
            stats,
            repeated,
            ..
        } = &mut self.state;
        if !last {
            ticks.push(at, uses.trials());
        }
        let mut groups = Groups(groups);
        let mut gone: Vec<GroupId> = Vec::new();
        if last || at >= *next_look {
            *next_look = at.saturating_add(HOUR);
            let silent = |groups: &Groups<'_>, id: GroupId| groups.get(id).map_or(0, |group| at - group.touched);
            let (mut passed, others): (Vec<GroupId>, Vec<GroupId>) =
                groups.ids().into_iter().partition(|id| findings.has_passed(*id));
            gone = others;
            gone.retain(|id| silent(&groups, *id) > params.candidate_retention);
            // Silence changes nothing of what was told: groups that have passed stay to the end of the stream, unless they are too many.
            let surplus = passed.len().saturating_sub(params.limits.candidates);
            if surplus > 0 {
                passed.sort_by_key(|id| (std::cmp::Reverse(silent(&groups, *id)), *id));
                stats.evicted.candidates += surplus as u64;
                gone.extend(passed.into_iter().take(surplus));
                gone.sort_unstable();
            }
        }
        let moment = Moment {
            at,
            last,
            proposed: *proposed,
            leaving: &gone,
            uses,
            network,
            accounts: &tracer.accounts,
            judge: &*self.judge,
            params,
        };
        findings.tick(&moment, &mut groups, clusters);
        floods.tell(&moment, |account| findings.is_named(account), clusters);
        if last {
            return;
        }
        let proposals = network.propose(at, uses, params).into_iter().chain(bursts.propose(at, uses, params));
        for members in proposals {
            if repeated.is_like_one(&members, &groups, params.same_candidate) {
                continue;
            }
            groups.insert(*proposed, Group::new(shared(members), ticks, start.unwrap_or(at), uses));
            *proposed += 1;
        }
        let most = params.limits.candidates;
        let living = groups.len() - gone.len();
        if living > most {
            let mut weakest: Vec<(f64, GroupId)> = groups
                .ids()
                .into_iter()
                .filter(|id| !gone.contains(id) && !findings.has_passed(*id))
                .filter_map(|id| Some((groups.get(id)?.log_e(), id)))
                .collect();
            weakest.sort_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
            weakest.truncate(living - most);
            stats.evicted.candidates += weakest.len() as u64;
            gone.extend(weakest.into_iter().map(|(_, id)| id));
        }
        for id in gone {
            groups.remove(id);
            findings.drop_group(id);
        }
        tracer.expire(at);
        network.tidy(at, params);
        let forgotten: Vec<AccountId> =
            tracer.accounts.tidy(params.limits.accounts, |account| groups.is_member(account));
        network.forget(&forgotten);
        stats.evicted.accounts += forgotten.len() as u64;
    }
}
