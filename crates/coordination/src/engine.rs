//! The engine: one state machine from posts to clusters.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use hashbrown::HashSet;

use crate::{
    accounts::{Accounts, Profile},
    candidate::{BySource, Candidate, CandidateId, KeyEvidence, KeyName, MemberAct, Rest, Test, Totals},
    cluster::{Cluster, Evidence, Finding, Member, PostRef, SilentKeys, SourceNats, Tie, TraceKind},
    error_control::e_bh,
    hash::{FixedState, Map, hash_strs},
    history::{AccountId, Baseline, History, SourceId, source_id},
    identity::{Campaign, Identities, Identity, Passed, campaigns},
    order::Reorder,
    params::{Params, ParamsError},
    post::{Millis, Post},
    stats::{AccountEvidence, Evicted, Outcome, Sizes, Stats},
    ties::{CoAct, KeyId, Ties},
    trace::{Reader, Trace, read, readers},
};

/// The detection engine. It owns no clock and does no I/O: it is told the event time and answers with clusters.
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
    readers: [Box<dyn Reader>; TraceKind::ALL.len()],
    order: Reorder<Arrived>,
    seen: Recent,
    accounts: Accounts,
    history: History,
    keys: Map<KeyId, Key>,
    ties: Ties,
    /// Living candidates by number, which is their order of birth.
    candidates: BTreeMap<CandidateId, Candidate>,
    by_member: Map<AccountId, Vec<CandidateId>>,
    /// Candidates that have passed the test, and how far.
    passed: BTreeMap<CandidateId, Finding>,
    /// Open tests in the order in which they close.
    closing: VecDeque<(Millis, KeyId, CandidateId)>,
    /// Candidates proposed so far: the number of hypotheses.
    proposed: CandidateId,
    identities: Identities,
    /// `None` before the first post.
    next_tick: Option<Millis>,
    stats: Stats,
}

/// A post as it waits for its turn.
struct Arrived {
    post: Arc<str>,
    profile: Profile,
    traces: Vec<Trace>,
}

/// A live key: the acts on it of late, and the tests open on it.
struct Key {
    name: KeyName,
    first: Millis,
    last: Millis,
    ring: VecDeque<Act>,
    /// Acts that the ring has forgotten although they are inside the horizon.
    overflowed: bool,
    tests: Vec<Test>,
    /// Candidates that have had their test on this key.
    tested: Vec<CandidateId>,
}

#[derive(Clone, Copy)]
struct Act {
    at: Millis,
    account: AccountId,
    /// The account's expected share of acts when it acted.
    share: f64,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(params: Params) -> Result<Engine, ParamsError> {
        params.validate()?;
        Ok(Engine {
            readers: readers(&params),
            order: Reorder::new(params.allowed_lateness),
            seen: Recent::new(params.horizon + params.allowed_lateness),
            accounts: Accounts::default(),
            history: History::new(&params),
            keys: Map::default(),
            ties: Ties::new(&params),
            candidates: BTreeMap::new(),
            by_member: Map::default(),
            passed: BTreeMap::new(),
            closing: VecDeque::new(),
            proposed: 0,
            identities: Identities::default(),
            next_tick: None,
            stats: Stats::default(),
            params,
        })
    }

    /// Takes in one post and pushes the clusters of which there is something new to say.
    ///
    /// `now` is the event time the stream has come to; the watermark is `now - allowed_lateness` and never falls. Posts
    /// ahead of the watermark may come in any order and wait until it has passed them, so that every order gives the same
    /// clusters. A post behind it still counts, out of its turn, while it is inside the horizon.
    pub fn on_post(&mut self, now: Millis, post: &Post<'_>, clusters: &mut Vec<Cluster>) -> Outcome {
        self.order.advance(now);
        self.release(clusters);
        let outcome = self.admit(post);
        self.stats.count(outcome);
        outcome
    }

    /// Takes note that event time has come to `now` without a post.
    pub fn on_time(&mut self, now: Millis, clusters: &mut Vec<Cluster>) {
        self.order.advance(now);
        self.release(clusters);
        self.tick(self.order.watermark(), clusters);
    }

    /// Ends the stream: releases what is waiting, closes every test and evaluates a last time.
    pub fn finish(&mut self, clusters: &mut Vec<Cluster>) {
        let mut last = None;
        while let Some((at, arrived)) = self.order.drain_next() {
            self.turn(at, arrived, clusters);
            last = Some(at);
        }
        let end = last.or(self.next_tick).unwrap_or(0).max(self.order.watermark());
        self.close_tests(Millis::MAX);
        if self.next_tick.is_some() {
            self.evaluate(end, true, clusters);
        }
    }

    /// Counts and table sizes.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.watermark = self.order.watermark();
        stats.sizes = Sizes {
            waiting: self.order.len(),
            keys: self.keys.len(),
            ties: self.ties.len(),
            accounts: self.accounts.len(),
            habits: self.history.habits(),
            candidates: self.candidates.len(),
            open_tests: self.closing.len(),
        };
        stats.candidates_proposed = u64::from(self.proposed);
        stats
    }

    /// Ties with at least `co_acts` credited co-acts of one kind, strongest first, then by account and kind.
    pub fn ties(&self, co_acts: u32) -> Vec<Tie> {
        let mut ties: Vec<Tie> = self
            .ties
            .iter()
            .filter(|(_, tie)| tie.co_acts.len() >= co_acts as usize)
            .flat_map(|(pair, tie)| tie.by_kind().map(move |part| (pair, part)))
            .filter(|(_, part)| part.co_acts >= co_acts)
            .map(|(pair, part)| self.tie(pair, part))
            .collect();
        ties.sort_by(|x, y| y.nats.total_cmp(&x.nats).then_with(|| (&x.a, &x.b, x.kind).cmp(&(&y.a, &y.b, y.kind))));
        ties
    }

    /// Every account with any evidence, in order of platform and id.
    pub fn accounts(&self) -> Vec<AccountEvidence> {
        let mut ties: Map<AccountId, f64> = Map::default();
        for ((a, b), tie) in self.ties.iter() {
            for account in [a, b] {
                let best = ties.entry(account).or_insert(0.0);
                *best = best.max(tie.nats);
            }
        }
        let mut tests: Map<AccountId, f64> = Map::default();
        for (id, candidate) in &self.candidates {
            let log_e = candidate.member_log_e(self.open_tests(*id, candidate), &self.params);
            for (account, log_e) in candidate.members.iter().zip(log_e) {
                let best = tests.entry(*account).or_insert(f64::NEG_INFINITY);
                *best = best.max(log_e);
            }
        }
        let mut all: Vec<AccountEvidence> = ties
            .into_iter()
            .map(|(number, tie_nats)| AccountEvidence {
                account: self.accounts.name(number),
                posts: self.accounts.get(number).behaviour.posts,
                tie_nats,
                log_e: tests.get(&number).copied(),
            })
            .collect();
        all.sort_by(|x, y| x.account.cmp(&y.account));
        all
    }

    fn admit(&mut self, post: &Post<'_>) -> Outcome {
        let late = post.created_at < self.order.watermark();
        if late && post.created_at < self.order.watermark() - self.params.horizon {
            return Outcome::TooLate;
        }
        if !self.seen.insert(hash_strs(1, &[&post.platform, &post.id]), post.created_at) {
            return Outcome::Duplicate;
        }
        let traces = read(&self.readers, post);
        let arrived = Arrived { post: post.id.as_ref().into(), profile: Profile::of(post), traces };
        // The platform parts posts of equal time and id.
        self.order.push(post.created_at, &format!("{}\0{}", post.id, post.platform), arrived);
        if late { Outcome::Late } else { Outcome::Accepted }
    }

    fn release(&mut self, clusters: &mut Vec<Cluster>) {
        while let Some((at, arrived)) = self.order.pop() {
            self.turn(at, arrived, clusters);
        }
    }

    /// Evaluates at every tick up to `now`. While no test is open nothing can change, so quiet stretches are passed over: that
    /// makes no difference to what is found, however often event time is told in between.
    fn tick(&mut self, now: Millis, clusters: &mut Vec<Cluster>) {
        let tick = self.params.tick;
        while let Some(next) = self.next_tick
            && next <= now
        {
            self.evaluate(next, false, clusters);
            let quiet = self.closing.is_empty();
            self.next_tick = Some(if quiet { (now.div_euclid(tick) + 1) * tick } else { next + tick });
        }
    }

    /// A post's turn in event-time order.
    fn turn(&mut self, at: Millis, arrived: Arrived, clusters: &mut Vec<Cluster>) {
        self.next_tick.get_or_insert((at.div_euclid(self.params.tick) + 1) * self.params.tick);
        self.tick(at, clusters);
        let account = self.accounts.observe(arrived.profile);
        let mut earned: Vec<(AccountId, CoAct)> = Vec::new();
        let mut acts: Vec<(TraceKind, SourceId)> = Vec::with_capacity(arrived.traces.len());
        for mut trace in arrived.traces {
            let past = Baseline { history: &self.history, now: at };
            if self.readers[trace.kind as usize].resolve(at, &mut trace, &past) {
                acts.push(self.act(at, account, &arrived.post, trace, &mut earned));
            }
        }
        self.credit(at, account, earned);
        for (kind, source) in acts {
            self.stats.acts[kind as usize] += 1;
            self.history.add(account, kind, source, at);
        }
    }

    /// One act: stage B for the tests on its key, then stage A against the ring.
    fn act(
        &mut self,
        at: Millis,
        account: AccountId,
        post: &Arc<str>,
        trace: Trace,
        earned: &mut Vec<(AccountId, CoAct)>,
    ) -> (TraceKind, SourceId) {
        let Engine { params, history, keys, candidates, by_member, closing, .. } = self;
        let kind = trace.kind;
        let source = source_id(trace.source_kind, &trace.source);
        let id = hash_strs(kind as u64 + 1, &[&trace.key, "key"]);
        let key = keys.entry(id).or_insert_with(|| Key {
            name: KeyName {
                kind,
                source: trace.source.into(),
                source_kind: trace.source_kind,
                source_id: source,
                key: trace.key.into(),
            },
            first: at,
            last: at,
            ring: VecDeque::new(),
            overflowed: false,
            tests: Vec::new(),
            tested: Vec::new(),
        });
        // The source that the key was first seen with is its source.
        let source = key.name.source_id;
        key.forget(at, params.horizon);

        for test in key.tests.iter_mut().filter(|test| at - test.opened <= params.test_window) {
            let place = candidates.get(&test.candidate).and_then(|c| c.place(account));
            test.observe(place.map(|member| MemberAct { at, member, post: post.clone() }), params.safety);
            if place.is_some()
                && let Some(candidate) = candidates.get_mut(&test.candidate)
            {
                candidate.touched = at;
            }
        }
        for candidate_id in by_member.get(&account).into_iter().flatten() {
            let Some(candidate) = candidates.get_mut(candidate_id) else {
                continue;
            };
            if !key.may_open(*candidate_id, candidate) {
                continue;
            }
            let Some(member) = candidate.place(account) else {
                continue;
            };
            let shares = candidate.members.iter().map(|m| history.share(*m, kind, source, at)).collect();
            key.tests.push(Test::open(
                *candidate_id,
                shares,
                MemberAct { at, member, post: post.clone() },
                params.safety,
            ));
            key.tested.push(*candidate_id);
            candidate.open.push(id);
            closing.push_back((at + params.test_window, id, *candidate_id));
        }

        let act = Act { at, account, share: history.share_acting(account, kind, source, at) };
        key.co_acts(act, params, |other, lag, nats| {
            let co_act = CoAct { kind, key: id, lag, nats };
            match earned.iter_mut().find(|(known, _)| *known == other) {
                Some((_, best)) if best.nats >= nats => {}
                Some((_, best)) => *best = co_act,
                None => earned.push((other, co_act)),
            }
        });
        key.remember(act, params.ring);
        (kind, source)
    }

    /// A post earns a pair one credit, that of its most surprising trace.
    fn credit(&mut self, at: Millis, account: AccountId, earned: Vec<(AccountId, CoAct)>) {
        for (other, co_act) in earned {
            self.ties.credit(account, other, at, co_act);
        }
    }

    /// A tick: closes tests that are over, tells of clusters, proposes candidates, keeps the tables in bounds.
    fn evaluate(&mut self, now: Millis, last: bool, clusters: &mut Vec<Cluster>) {
        self.close_tests(now);
        self.judge();
        self.publish(now, last, clusters);
        if !last {
            self.propose(now);
            self.tidy(now);
        }
    }

    fn close_tests(&mut self, now: Millis) {
        while let Some(&(ends, key, candidate)) = self.closing.front()
            && ends < now
        {
            self.closing.pop_front();
            let Some(key_state) = self.keys.get_mut(&key) else {
                continue;
            };
            let Some(place) = key_state.tests.iter().position(|test| test.candidate == candidate) else {
                continue;
            };
            let test = key_state.tests.remove(place);
            if let Some(candidate) = self.candidates.get_mut(&candidate) {
                candidate.open.retain(|open| *open != key);
                candidate.close(key_state.name.clone(), test, &self.params);
            }
        }
    }

    /// Which candidates pass, by e-BH over all that were ever proposed.
    fn judge(&mut self) {
        let ids: Vec<CandidateId> = self.candidates.keys().copied().collect();
        let totals: Vec<Totals> =
            self.candidates.iter().map(|(id, c)| c.totals(self.open_tests(*id, c), &self.params)).collect();
        for (finding, statistic) in [
            (Finding::SingleSource, (|t: &Totals| t.log_e) as fn(&Totals) -> f64),
            (Finding::Coordinated, |t: &Totals| t.log_e_without_best),
        ] {
            let log_e: Vec<f64> = totals.iter().map(statistic).collect();
            for place in e_bh(&log_e, u64::from(self.proposed), self.params.alpha) {
                let id = ids[place];
                if self.passed.get(&id).is_none_or(|known| *known > finding)
                    && self.named(id).len() >= self.params.min_members
                {
                    self.passed.insert(id, finding);
                }
            }
        }
    }

    /// A candidate's members that pass the member test, with their ln e-values.
    fn named(&self, id: CandidateId) -> Vec<(AccountId, f64)> {
        let Some(candidate) = self.candidates.get(&id) else {
            return Vec::new();
        };
        let log_e = candidate.member_log_e(self.open_tests(id, candidate), &self.params);
        let mut places = e_bh(&log_e, log_e.len() as u64, self.params.alpha);
        places.sort_unstable();
        places.into_iter().map(|place| (candidate.members[place], log_e[place])).collect()
    }

    /// Where a candidate that has passed stands now. It stands while its e-value alone would still be believed, that is while it
    /// is at least 1 / alpha, and at least three members pass.
    fn standing(&self, id: CandidateId, reached: Finding) -> Option<Passed> {
        let candidate = self.candidates.get(&id)?;
        let totals = candidate.totals(self.open_tests(id, candidate), &self.params);
        let believed = -self.params.alpha.ln();
        let mut members = self.named(id);
        let (finding, strength) = if members.len() < self.params.min_members {
            members = candidate.members.iter().map(|member| (*member, 0.0)).collect();
            (Finding::Faded, totals.log_e)
        } else if reached == Finding::Coordinated && totals.log_e_without_best >= believed {
            (Finding::Coordinated, totals.log_e_without_best)
        } else if totals.log_e >= believed {
            (Finding::SingleSource, totals.log_e)
        } else {
            (Finding::Faded, totals.log_e)
        };
        Some(Passed { candidate: id, finding, strength, members })
    }

    fn publish(&mut self, now: Millis, last: bool, clusters: &mut Vec<Cluster>) {
        let passed: Vec<Passed> = self.passed.iter().filter_map(|(&id, &reached)| self.standing(id, reached)).collect();
        let campaigns = campaigns(passed, self.params.same_campaign);
        let accounts = &self.accounts;
        let name = |number: AccountId| {
            let account = accounts.get(number);
            format!("{}:{}", account.platform, account.id)
        };
        for (place, identity) in self.identities.update(&campaigns, self.params.same_campaign, now, last, name) {
            if let Some(cluster) = self.cluster(&campaigns[place], identity) {
                self.stats.clusters_told += 1;
                clusters.push(cluster);
            }
        }
    }

    fn propose(&mut self, now: Millis) {
        for members in self.ties.groups(self.params.min_members, self.params.max_members) {
            if self.known_candidate(&members) {
                continue;
            }
            let id = self.proposed;
            self.proposed += 1;
            for member in &members {
                self.by_member.entry(*member).or_default().push(id);
            }
            self.candidates.insert(id, Candidate::new(members, now, self.history.length(now)));
        }
    }

    fn known_candidate(&self, members: &[AccountId]) -> bool {
        let mut looked_at: HashSet<CandidateId, FixedState> = HashSet::default();
        members.iter().flat_map(|m| self.by_member.get(m).into_iter().flatten()).any(|id| {
            looked_at.insert(*id)
                && self.candidates.get(id).is_some_and(|candidate| {
                    let both = candidate.members.iter().filter(|m| members.binary_search(m).is_ok()).count();
                    let either = candidate.members.len() + members.len() - both;
                    both as f64 >= self.params.same_candidate * either as f64
                })
        })
    }

    fn tidy(&mut self, now: Millis) {
        for reader in &mut self.readers {
            reader.expire(now);
        }
        let horizon = self.params.horizon;
        self.keys.retain(|_, key| now - key.last <= horizon || !key.tests.is_empty());
        let limits = self.params.limits;
        let mut evicted = Evicted {
            keys: self.evict_keys(limits.keys),
            ties: self.ties.tidy(now),
            habits: self.history.tidy(now, limits.habits),
            ..Evicted::default()
        };

        let idle = self.params.candidate_retention;
        let mut gone: Vec<CandidateId> = self
            .candidates
            .iter()
            .filter(|(_, c)| now - c.touched > idle && c.open.is_empty())
            .map(|(id, _)| *id)
            .collect();
        if self.candidates.len() - gone.len() > limits.candidates {
            let mut weakest: Vec<(f64, CandidateId)> = self
                .candidates
                .iter()
                .filter(|(id, _)| !self.passed.contains_key(id))
                .map(|(id, c)| (c.totals(self.open_tests(*id, c), &self.params).log_e, *id))
                .collect();
            weakest.sort_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
            let surplus = self.candidates.len() - gone.len() - limits.candidates;
            evicted.candidates = surplus.min(weakest.len()) as u64;
            gone.extend(weakest.into_iter().take(surplus).map(|(_, id)| id));
        }
        for id in gone {
            self.drop_candidate(id);
        }
        self.stats.evicted += evicted;
    }

    /// The longest idle keys without a test go first.
    fn evict_keys(&mut self, most: usize) -> u64 {
        if self.keys.len() <= most {
            return 0;
        }
        let mut idle: Vec<(Millis, KeyId)> =
            self.keys.iter().filter(|(_, k)| k.tests.is_empty()).map(|(id, k)| (k.last, *id)).collect();
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
        self.passed.remove(&id);
        for key in &candidate.open {
            if let Some(key) = self.keys.get_mut(key) {
                key.tests.retain(|test| test.candidate != id);
            }
        }
        for member in &candidate.members {
            if let Some(ids) = self.by_member.get_mut(member) {
                ids.retain(|known| *known != id);
                if ids.is_empty() {
                    self.by_member.remove(member);
                }
            }
        }
    }

    fn open_tests<'e>(
        &'e self,
        id: CandidateId,
        candidate: &'e Candidate,
    ) -> impl Iterator<Item = (&'e KeyName, &'e Test)> {
        candidate.open.iter().filter_map(move |key| {
            let key = self.keys.get(key)?;
            let test = key.tests.iter().find(|test| test.candidate == id)?;
            Some((&key.name, test))
        })
    }

    /// A campaign in full: the numbers are those of its strongest candidate; posts of members that only other candidates
    /// name are listed too, with zero nats, so that every named account has its evidence.
    fn cluster(&self, campaign: &Campaign, identity: Identity) -> Option<Cluster> {
        let (&best, others) = campaign.candidates.split_first()?;
        let candidate = self.candidates.get(&best)?;
        let totals = candidate.totals(self.open_tests(best, candidate), &self.params);
        let by_source = candidate.by_source(self.open_tests(best, candidate), &self.params);
        let (listed, rest) = candidate.evidence(self.open_tests(best, candidate), &self.params);
        let mut evidence: BTreeMap<KeyName, (f64, Vec<PostRef>)> = BTreeMap::new();
        let is_member = |number: &AccountId| campaign.members.binary_search_by_key(number, |m| m.0).is_ok();
        let mut add = |entry: KeyEvidence, members: &[AccountId], counts: bool| {
            let acts = entry.acts.into_iter().map(|act| (members[usize::from(act.member)], act));
            let posts = acts.filter(|(account, _)| is_member(account)).map(|(account, act)| PostRef {
                created_at: act.at,
                id: act.post.to_string(),
                account: self.accounts.name(account),
            });
            let posts: Vec<PostRef> = posts.collect();
            if counts || posts.len() >= 2 {
                let known = evidence.entry(entry.name).or_default();
                known.0 += if counts { entry.nats } else { 0.0 };
                known.1.extend(posts);
            }
        };
        for entry in listed {
            add(entry, &candidate.members, true);
        }
        for id in others {
            let Some(other) = self.candidates.get(id) else {
                continue;
            };
            for entry in other.evidence(self.open_tests(*id, other), &self.params).0 {
                add(entry, &other.members, false);
            }
        }
        let mut evidence: Vec<Evidence> = evidence
            .into_iter()
            .map(|(name, (nats, mut posts))| {
                posts.sort_unstable();
                posts.dedup();
                Evidence { kind: name.kind, key: name.key.to_string(), source: name.source.to_string(), nats, posts }
            })
            .collect();
        evidence.sort_by(|x, y| {
            y.nats.total_cmp(&x.nats).then_with(|| (x.kind, &x.source, &x.key).cmp(&(y.kind, &y.source, &y.key)))
        });
        let times = || evidence.iter().flat_map(|e| e.posts.iter().map(|p| p.created_at));
        Some(Cluster {
            id: identity.id,
            version: identity.version,
            lineage: identity.lineage,
            finding: campaign.finding,
            first_seen: times().min()?,
            last_seen: times().max()?,
            log_e: totals.log_e,
            log_e_leave_one_source_out: totals.log_e_without_best,
            candidates_tested: u64::from(self.proposed),
            history: candidate.history,
            nats_by_kind: nats_by_kind(candidate.by_kind(self.open_tests(best, candidate), &self.params)),
            nats_by_source: nats_by_source(&by_source),
            silent_keys: silent(rest),
            members: self.members(campaign, &evidence),
            ties: self.ties_among(campaign),
            evidence,
        })
    }

    fn members(&self, campaign: &Campaign, evidence: &[Evidence]) -> Vec<Member> {
        let mut on_keys: BTreeMap<(&str, &str), HashSet<&str, FixedState>> = BTreeMap::new();
        for post in evidence.iter().flat_map(|e| &e.posts) {
            let account = (post.account.platform.as_str(), post.account.account_id.as_str());
            on_keys.entry(account).or_default().insert(post.id.as_str());
        }
        let mut members: Vec<Member> = campaign
            .members
            .iter()
            .map(|&(number, log_e)| {
                let known = self.accounts.get(number);
                let posts = on_keys.get(&(&*known.platform, &*known.id)).map_or(0, |posts| posts.len() as u64);
                let mut behaviour = known.behaviour.clone();
                behaviour.posts_on_cluster_keys = posts;
                Member { account: self.accounts.name(number), account_name: known.name.to_string(), log_e, behaviour }
            })
            .collect();
        members.sort_by(|x, y| y.log_e.total_cmp(&x.log_e).then_with(|| x.account.cmp(&y.account)));
        members
    }

    fn ties_among(&self, campaign: &Campaign) -> Vec<Tie> {
        let mut ties = Vec::new();
        for (i, &(a, _)) in campaign.members.iter().enumerate() {
            for &(b, _) in &campaign.members[i + 1..] {
                let parts = self.ties.get(a, b).into_iter().flat_map(|tie| tie.by_kind());
                ties.extend(parts.map(|part| self.tie((a, b), part)));
            }
        }
        ties.sort_by(|x, y| y.nats.total_cmp(&x.nats).then_with(|| (&x.a, &x.b, x.kind).cmp(&(&y.a, &y.b, y.kind))));
        ties
    }

    fn tie(&self, (a, b): (AccountId, AccountId), part: crate::ties::KindTie) -> Tie {
        let (a, b) = (self.accounts.name(a), self.accounts.name(b));
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        Tie {
            a,
            b,
            kind: part.kind,
            co_acts: part.co_acts,
            distinct_keys: part.distinct_keys,
            nats: part.nats,
            median_lag_s: part.median_lag_s,
        }
    }
}

impl Key {
    fn forget(&mut self, now: Millis, horizon: Millis) {
        while self.ring.front().is_some_and(|act| now - act.at > horizon) {
            self.ring.pop_front();
        }
        if self.ring.is_empty() && self.tests.is_empty() {
            // Silent for a whole horizon: what follows is a new story.
            self.first = now;
            self.overflowed = false;
            self.tested.clear();
        }
    }

    fn remember(&mut self, act: Act, most: usize) {
        if self.ring.len() >= most {
            self.ring.pop_front();
            self.overflowed = true;
        }
        let place = self.ring.iter().rposition(|known| known.at <= act.at).map_or(0, |i| i + 1);
        self.ring.insert(place, act);
        self.last = self.last.max(act.at);
    }

    /// Whether a test of this candidate may open: once, and only on what began after its birth.
    fn may_open(&self, id: CandidateId, candidate: &Candidate) -> bool {
        if self.tested.contains(&id) {
            return false;
        }
        // What members did here before the birth may be why they were proposed. Where the ring has forgotten acts, nobody
        // can say that none of them was a member's.
        self.first >= candidate.born
            || (!self.overflowed && self.ring.iter().all(|act| candidate.place(act.account).is_none()))
    }

    /// Calls back with every other account that acted on this key shortly before, the time between, and the nats that the pair
    /// earns: -ln of the greater of the chances that either acts here by itself among so many acts.
    fn co_acts(&self, new: Act, params: &Params, mut earned: impl FnMut(AccountId, Millis, f64)) {
        let within = |window: Millis| self.ring.iter().filter(|act| (new.at - act.at).abs() <= window).count();
        let mut done: Vec<AccountId> = Vec::new();
        for window in params.windows {
            let n = within(window);
            if n == 0 || (n >= params.ring && self.overflowed) {
                continue; // more acts than the ring can hold: how many is not known, and none is surprising
            }
            let n = (2 * n).max(within(2 * window)) as f64 + 1.0;
            for act in self.ring.iter().rev().filter(|act| (new.at - act.at).abs() <= window) {
                if act.account == new.account || done.contains(&act.account) {
                    continue;
                }
                done.push(act.account);
                let chance = -(-params.safety * new.share.max(act.share) * n).exp_m1();
                let nats = -chance.clamp(1e-9, 0.999).ln();
                if nats >= params.min_credit {
                    earned(act.account, (new.at - act.at).abs(), nats);
                }
            }
        }
    }
}

/// Post ids seen of late, in two generations: a repeated delivery is told from a new post for at least one span of event time.
struct Recent {
    span: Millis,
    turn: Millis,
    young: HashSet<u64, FixedState>,
    old: HashSet<u64, FixedState>,
}

impl Recent {
    fn new(span: Millis) -> Recent {
        Recent { span: span.max(1), turn: Millis::MIN, young: HashSet::default(), old: HashSet::default() }
    }

    /// `false` where it was there already.
    fn insert(&mut self, id: u64, at: Millis) -> bool {
        let turn = at.div_euclid(self.span);
        if turn > self.turn {
            let next = turn == self.turn.saturating_add(1);
            let young = std::mem::take(&mut self.young);
            self.old = if next { young } else { HashSet::default() };
            self.turn = turn;
        }
        !self.old.contains(&id) && self.young.insert(id)
    }
}

fn nats_by_kind(by_kind: [f64; TraceKind::ALL.len()]) -> Vec<(TraceKind, f64)> {
    TraceKind::ALL.into_iter().zip(by_kind).filter(|(_, nats)| *nats != 0.0).collect()
}

fn nats_by_source(by_source: &BySource) -> Vec<SourceNats> {
    let mut sources: Vec<SourceNats> = by_source
        .iter()
        .map(|((kind, source), nats)| SourceNats { kind: *kind, source: source.to_string(), nats: *nats })
        .collect();
    sources.sort_by(|x, y| y.nats.total_cmp(&x.nats).then_with(|| (x.kind, &x.source).cmp(&(y.kind, &y.source))));
    sources
}

fn silent(rest: Rest) -> SilentKeys {
    SilentKeys { keys: rest.keys, nats: rest.nats }
}
