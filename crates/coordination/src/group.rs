//! The third state machine: co-acts and test reports in, candidates and clusters out.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    accounts::Accounts,
    bursts::Bursts,
    candidate::{BySource, Candidate, KeyEvidence},
    cluster::{
        Cluster, Evidence, Finding, KeyTest, KeyTrial, Member, PostRef, SilentKeys, SourceNats, Step, Terms, Tie,
        TraceKind, Trials,
    },
    error_control::{e_bh_distinct, e_lond_bar},
    hash::{Map, Set},
    history::AccountId,
    identity::{Campaign, Identities, Identity, Passed, campaigns},
    params::Params,
    post::Millis,
    stage::{Born, CandidateId, CoAct, KeyName, Orders, Report},
    stats::Evicted,
    ties::{KindTie, Ties},
};

/// Groups of up to so many accounts ...
const SMALL: usize = 4;
/// ... need this force, nats per member: three accounts that chance has tied on one key and on a pair's own are as easily found as not.
const LEAST_FORCE: f64 = 2.0;

/// The group machine.
#[derive(Serialize, Deserialize)]
pub(crate) struct Grouper {
    ties: Ties,
    bursts: Bursts,
    /// Living candidates by number, which is their order of birth.
    candidates: BTreeMap<CandidateId, Candidate>,
    by_member: Map<AccountId, Vec<CandidateId>>,
    /// The living candidate that a group of ties was last found to be like, by the hash of its members.
    known: Map<u64, CandidateId>,
    /// Candidates that have passed the test, and how far.
    passed: BTreeMap<CandidateId, Finding>,
    /// How many ever passed in the stream: as anything, and as coordinated.
    discoveries: [u64; 2],
    /// Candidates of which there is news.
    news: bool,
    /// Candidates proposed so far: the number of hypotheses.
    proposed: CandidateId,
    identities: Identities,
    told: u64,
    evicted: Evicted,
}

/// Whether two candidates are of one campaign, by their members.
fn alike(one: &Candidate, other: &Candidate, params: &Params) -> bool {
    let both = one.members.iter().filter(|member| other.members.binary_search(member).is_ok()).count();
    both as f64 >= params.same_campaign * one.members.len().min(other.members.len()) as f64
}

/// What a test says, if it is of the cluster's own numbers, and the posts on its key.
type Told<'e> = (Option<&'e KeyEvidence>, Vec<PostRef>);

/// What a tick is told of event time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick {
    pub at: Millis,
    /// Event time since the first post.
    pub history: Millis,
    /// The stream has ended: a snapshot of all that is known.
    pub last: bool,
}

impl Grouper {
    pub(crate) fn new(params: &Params) -> Grouper {
        Grouper {
            ties: Ties::new(params),
            bursts: Bursts::new(params),
            candidates: BTreeMap::new(),
            by_member: Map::default(),
            known: Map::default(),
            passed: BTreeMap::new(),
            discoveries: [0; 2],
            news: false,
            proposed: 0,
            identities: Identities::default(),
            told: 0,
            evicted: Evicted::default(),
        }
    }

    /// Takes in co-acts in the order of their turns, whatever shards they come from. A post earns a pair one credit, that of its
    /// most surprising trace.
    pub(crate) fn co_acts(&mut self, mut co_acts: Vec<CoAct>) {
        co_acts.sort_by(|x, y| {
            let rank = |c: &CoAct| (c.turn, c.pair);
            rank(x).cmp(&rank(y)).then(y.nats.total_cmp(&x.nats)).then((x.kind, x.key).cmp(&(y.kind, y.key)))
        });
        co_acts.dedup_by_key(|co_act| (co_act.turn, co_act.pair));
        for co_act in &co_acts {
            self.bursts.met(co_act);
            self.ties.credit(co_act);
        }
    }

    /// The groups that ties propose, for [`tick`](Self::tick).
    pub(crate) fn tied(&mut self, params: &Params) -> Vec<Vec<AccountId>> {
        self.ties.groups(params.min_members, params.max_members)
    }

    /// A tick: takes in the reports of all shards and what ties and company propose, tells of clusters, proposes candidates, keeps the
    /// tables in bounds.
    pub(crate) fn tick(
        &mut self,
        tick: Tick,
        mut reports: Vec<Report>,
        proposals: Vec<Vec<AccountId>>,
        accounts: &Accounts,
        params: &Params,
        clusters: &mut Vec<Cluster>,
    ) -> Orders {
        // A test that closes in the tick in which it was followed is reported once, closed.
        reports.sort_by_key(|report| (report.candidate, report.key));
        let mut settled = Vec::new();
        for report in reports {
            if let Some(candidate) = self.candidates.get_mut(&report.candidate) {
                settled.push(report.candidate);
                candidate.report(tick.at, report, params);
            }
        }
        settled.dedup();
        for id in &settled {
            if let Some(candidate) = self.candidates.get_mut(id) {
                candidate.settle(params);
            }
        }
        self.news |= !settled.is_empty();
        if std::mem::take(&mut self.news) || tick.last {
            self.judge(tick.last, params);
            self.publish(tick, accounts, params, clusters);
        }
        let mut orders = Orders::default();
        if !tick.last {
            orders.born = self.propose(tick, proposals, params);
            orders.dropped = self.give_up(&settled, params);
            orders.dropped.extend(self.tidy(tick.at, params));
        }
        orders
    }

    /// Forgets the ties of accounts that are forgotten.
    pub(crate) fn forget(&mut self, accounts: &[AccountId]) {
        self.ties.forget(accounts);
        self.bursts.forget(accounts);
    }

    /// Whether an account is a member of a living candidate.
    pub(crate) fn is_member(&self, account: AccountId) -> bool {
        self.by_member.contains_key(&account)
    }

    /// Which candidates pass: by e-LOND while the stream goes on, so that of all that is ever told at most a share of alpha is
    /// false on average; and by e-BH over all that were ever proposed when it has ended. A campaign is often proposed many times over:
    /// it counts as one discovery, so that it does not lower the bar for what else is found.
    fn judge(&mut self, last: bool, params: &Params) {
        let mut standings: Vec<(CandidateId, [f64; 2], bool)> = Vec::with_capacity(self.candidates.len());
        for (id, candidate) in &mut self.candidates {
            let standing = candidate.standing(params);
            let named = standing.named.len() >= params.min_members;
            standings.push((*id, [standing.log_e, standing.log_e_without_best], named));
        }
        for (place, finding) in [Finding::SingleSource, Finding::Coordinated].into_iter().enumerate() {
            let reached = |passed: &BTreeMap<CandidateId, Finding>, id| passed.get(&id).is_some_and(|f| *f <= finding);
            // How far each is above its bar, before any discovery lowers it.
            let mut ahead: Vec<(f64, CandidateId)> = standings
                .iter()
                .filter(|(id, log_e, named)| *named && log_e[place] > 0.0 && !reached(&self.passed, *id))
                .map(|(id, log_e, _)| (log_e[place] - e_lond_bar(u64::from(*id), 0, params.alpha), *id))
                .collect();
            ahead.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
            for (margin, id) in ahead {
                if margin + (self.discoveries[place] as f64 + 1.0).ln() < 0.0 {
                    break;
                }
                let known = self.passed.iter().filter(|(_, found)| **found <= finding).map(|(id, _)| *id);
                if let Some(candidate) = self.candidates.get(&id)
                    && !known.filter_map(|id| self.candidates.get(&id)).any(|known| alike(known, candidate, params))
                {
                    self.discoveries[place] += 1;
                }
                self.passed.insert(id, finding);
            }
            if last {
                let log_e: Vec<f64> = standings.iter().map(|(_, log_e, _)| log_e[place]).collect();
                let candidate = |i: usize| self.candidates.get(&standings[i].0);
                let same = |i: usize, j: usize| {
                    candidate(i).zip(candidate(j)).is_some_and(|(one, other)| alike(one, other, params))
                };
                for i in e_bh_distinct(&log_e, u64::from(self.proposed), params.alpha, same) {
                    let (id, _, named) = standings[i];
                    if named && !reached(&self.passed, id) {
                        self.passed.insert(id, finding);
                    }
                }
            }
        }
    }

    /// Where a candidate that has passed stands now. It stands while its e-value alone would still be believed, that is while it
    /// is at least 1 / alpha, and at least three members pass.
    fn standing(&mut self, id: CandidateId, reached: Finding, params: &Params) -> Option<Passed> {
        let candidate = self.candidates.get_mut(&id)?;
        let (all, wide) = (candidate.members.clone(), candidate.wide);
        let standing = candidate.standing(params);
        let believed = -params.alpha.ln();
        let mut members = standing.named.clone();
        let (finding, strength) = if members.len() < params.min_members {
            members = all.iter().map(|member| (*member, 0.0)).collect();
            (Finding::Faded, standing.log_e)
        } else if reached == Finding::Coordinated && standing.log_e_without_best >= believed {
            (Finding::Coordinated, standing.log_e_without_best)
        } else if standing.log_e >= believed {
            (Finding::SingleSource, standing.log_e)
        } else {
            (Finding::Faded, standing.log_e)
        };
        Some(Passed { candidate: id, finding, strength, wide, members })
    }

    fn publish(&mut self, tick: Tick, accounts: &Accounts, params: &Params, clusters: &mut Vec<Cluster>) {
        let passed: Vec<(CandidateId, Finding)> = self.passed.iter().map(|(id, finding)| (*id, *finding)).collect();
        let passed = passed.into_iter().filter_map(|(id, reached)| self.standing(id, reached, params)).collect();
        let campaigns = campaigns(passed, params.same_campaign);
        let name = |number: AccountId| {
            let account = accounts.name(number);
            format!("{}:{}", account.platform, account.account_id)
        };
        for (place, identity) in self.identities.update(&campaigns, params.same_campaign, tick.at, tick.last, name) {
            if let Some(cluster) = self.cluster(&campaigns[place], identity, accounts, params) {
                self.told += 1;
                clusters.push(cluster);
            }
        }
    }

    fn propose(&mut self, tick: Tick, proposals: Vec<Vec<AccountId>>, params: &Params) -> Vec<Born> {
        let mut born = Vec::new();
        let bursts = self.bursts.groups(tick.at);
        let narrow = proposals.into_iter().map(|members| (members, false));
        for (members, wide) in narrow.chain(bursts) {
            let hash = members.iter().fold(0, |hash, member| xxh3_64_with_seed(&member.to_le_bytes(), hash));
            if self.known.get(&hash).is_some_and(|id| self.candidates.contains_key(id)) {
                continue;
            }
            if let Some(like) = self.like(&members, params) {
                self.known.insert(hash, like);
                continue;
            }
            if members.len() <= SMALL && self.ties.force(&members) < LEAST_FORCE {
                continue;
            }
            let id = self.proposed;
            self.known.insert(hash, id);
            self.proposed += 1;
            for member in &members {
                self.by_member.entry(*member).or_default().push(id);
            }
            let members: Arc<[AccountId]> = members.into();
            let mut candidate = Candidate::new(members.clone(), tick.at, tick.history, params);
            candidate.wide = wide;
            self.candidates.insert(id, candidate);
            born.push(Born { id, members, at: tick.at });
        }
        born
    }

    /// A living candidate with about these members.
    fn like(&self, members: &[AccountId], params: &Params) -> Option<CandidateId> {
        let mut both: Map<CandidateId, usize> = Map::default();
        for id in members.iter().flat_map(|member| self.by_member.get(member).into_iter().flatten()) {
            *both.entry(*id).or_insert(0) += 1;
        }
        both.into_iter()
            .filter(|(id, both)| {
                self.candidates.get(id).is_some_and(|candidate| {
                    let either = candidate.members.len() + members.len() - both;
                    *both as f64 >= params.same_candidate * either as f64
                })
            })
            .map(|(id, _)| id)
            .min()
    }

    /// Candidates whose members have been seen to go their own ways are tested no further. They stay known for a while, so that they
    /// are not proposed again at once; as hypotheses they count for ever.
    fn give_up(&mut self, settled: &[CandidateId], params: &Params) -> Vec<CandidateId> {
        let mut given_up = Vec::new();
        for id in settled {
            if let Some(candidate) = self.candidates.get_mut(id)
                && !candidate.given_up
                && candidate.standing(params).log_e < params.give_up
                && !self.passed.contains_key(id)
            {
                candidate.give_up();
                given_up.push(*id);
            }
        }
        given_up
    }

    fn tidy(&mut self, now: Millis, params: &Params) -> Vec<CandidateId> {
        self.evicted.ties += self.ties.tidy(now);
        self.bursts.tidy(now);
        let idle = |c: &Candidate| if c.given_up { params.give_up_rest } else { params.candidate_retention };
        let mut gone: Vec<CandidateId> = self
            .candidates
            .iter()
            .filter(|(_, c)| now - c.touched > idle(c) && c.open() == 0)
            .map(|(id, _)| *id)
            .collect();
        let most = params.limits.candidates;
        if self.candidates.len() - gone.len() > most {
            let passed = &self.passed;
            let mut weakest: Vec<(f64, CandidateId)> = self
                .candidates
                .iter_mut()
                .filter(|(id, _)| !passed.contains_key(id))
                .map(|(id, c)| (c.standing(params).log_e, *id))
                .collect();
            weakest.sort_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
            let surplus = self.candidates.len() - gone.len() - most;
            self.evicted.candidates += surplus.min(weakest.len()) as u64;
            gone.extend(weakest.into_iter().take(surplus).map(|(_, id)| id));
        }
        gone.sort_unstable();
        gone.dedup();
        for id in &gone {
            self.drop_candidate(*id);
        }
        if !gone.is_empty() {
            let living = &self.candidates;
            self.known.retain(|_, id| living.contains_key(id));
        }
        gone
    }

    /// A candidate that is dropped for age is dormant: what was last said of its cluster stays said.
    fn drop_candidate(&mut self, id: CandidateId) {
        let Some(candidate) = self.candidates.remove(&id) else {
            return;
        };
        self.passed.remove(&id);
        for member in candidate.members.iter() {
            if let Some(ids) = self.by_member.get_mut(member) {
                ids.retain(|known| *known != id);
                if ids.is_empty() {
                    self.by_member.remove(member);
                }
            }
        }
    }

    /// A campaign in full: the numbers are those of its strongest candidate; posts of members that only other candidates
    /// name are listed too, with zero nats, so that every named account has its evidence.
    fn cluster(
        &mut self,
        campaign: &Campaign,
        identity: Identity,
        accounts: &Accounts,
        params: &Params,
    ) -> Option<Cluster> {
        let (&best, others) = campaign.candidates.split_first()?;
        let standing = self.candidates.get_mut(&best)?.standing(params).clone();
        let mut named_by_others = Vec::with_capacity(others.len());
        for id in others {
            if let Some(other) = self.candidates.get_mut(id) {
                named_by_others.push((*id, other.standing(params).named.clone()));
            }
        }
        let candidate = self.candidates.get(&best)?;
        let is_member = |number: &AccountId| campaign.members.binary_search_by_key(number, |m| m.0).is_ok();
        let posts = |entry: &KeyEvidence, members: &[AccountId]| -> Vec<PostRef> {
            let acts = entry.outcome.acts.iter().map(|act| (members[usize::from(act.member)], act));
            let named = acts.filter(|(account, _)| is_member(account));
            named
                .map(|(account, act)| PostRef {
                    created_at: act.at,
                    id: act.post.id.to_string(),
                    account: accounts.name(account),
                    manner: act.post.manner,
                })
                .collect()
        };
        // By key, and by the tests on it, since a key that fell silent may be tested again: what it says, and the posts.
        let mut evidence: BTreeMap<(&KeyName, usize), Told<'_>> = BTreeMap::new();
        let (listed, rest) = candidate.evidence();
        let followed = candidate.followed().saturating_sub(listed.len() as u64);
        for entry in listed {
            let again = evidence.range((&*entry.name, 0)..=(&*entry.name, usize::MAX)).count();
            evidence.insert((&*entry.name, again), (Some(entry), posts(entry, &candidate.members)));
        }
        for other in others.iter().filter_map(|id| self.candidates.get(id)) {
            for entry in other.evidence().0 {
                let posts = posts(entry, &other.members);
                if posts.len() >= 2 {
                    evidence.entry((&*entry.name, 0)).or_default().1.extend(posts);
                }
            }
        }
        for (_, posts) in evidence.values_mut() {
            posts.sort_unstable();
            posts.dedup();
        }
        let on_keys = evidence.values().flat_map(|(_, posts)| posts);
        let elsewhere = |member: &(AccountId, f64)| {
            let (id, named) = named_by_others.iter().find(|(_, named)| named.contains(member))?;
            Some(trials(self.candidates.get(id)?, member.0, named.len()))
        };
        let members = members(campaign, (candidate, &standing.named), elsewhere, on_keys, accounts);
        let mut evidence: Vec<Evidence> = evidence
            .iter()
            .map(|((name, _), (entry, posts))| Evidence {
                kind: name.kind,
                key: name.key.to_string(),
                source: name.source.to_string(),
                source_kind: name.source_kind,
                nats: entry.map_or(0.0, |entry| entry.nats),
                posts: posts.clone(),
                test: entry.map(|entry| key_test(entry, &candidate.members, &members, accounts)),
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
            log_e: standing.log_e,
            log_e_leave_one_source_out: standing.log_e_without_best,
            candidates_tested: u64::from(self.proposed),
            terms: Terms { alpha: params.alpha, safety: params.safety, proposed: candidate.members.len() },
            history: candidate.history,
            nats_by_kind: nats_by_kind(candidate.by_kind()),
            nats_by_source: nats_by_source(&candidate.by_source()),
            silent_keys: SilentKeys { keys: rest.keys, followed, nats: rest.nats },
            members,
            ties: self.ties_among(campaign, accounts),
            evidence,
        })
    }

    fn ties_among(&self, campaign: &Campaign, accounts: &Accounts) -> Vec<Tie> {
        let mut ties = Vec::new();
        for (i, &(a, _)) in campaign.members.iter().enumerate() {
            for &(b, _) in &campaign.members[i + 1..] {
                let parts = self.ties.get(a, b).into_iter().flat_map(|tie| tie.by_kind());
                ties.extend(parts.filter_map(|part| tie((a, b), part, accounts)));
            }
        }
        sort_ties(&mut ties);
        ties
    }

    /// Ties with at least `co_acts` credited co-acts of one kind, strongest first, then by account and kind.
    pub(crate) fn ties(&self, co_acts: u32, accounts: &Accounts) -> Vec<Tie> {
        let mut ties: Vec<Tie> = self
            .ties
            .iter()
            .filter(|(_, tie)| tie.co_acts() >= co_acts as usize)
            .flat_map(|(pair, tie)| tie.by_kind().map(move |part| (pair, part)))
            .filter(|(_, part)| part.co_acts >= co_acts)
            .filter_map(|(pair, part)| tie(pair, part, accounts))
            .collect();
        sort_ties(&mut ties);
        ties
    }

    /// By account: nats of its strongest tie, and ln of its best e-value as a member of any candidate.
    pub(crate) fn suspects(&self, params: &Params) -> BTreeMap<AccountId, (f64, Option<f64>)> {
        let mut suspects: BTreeMap<AccountId, (f64, Option<f64>)> = BTreeMap::new();
        for ((a, b), tie) in self.ties.iter() {
            for account in [a, b] {
                let best = suspects.entry(account).or_default();
                best.0 = best.0.max(tie.nats);
            }
        }
        for candidate in self.candidates.values() {
            for (account, log_e) in candidate.members.iter().zip(candidate.member_log_e(params)) {
                let best = suspects.entry(*account).or_default();
                best.1 = Some(best.1.map_or(log_e, |known| known.max(log_e)));
            }
        }
        suspects
    }

    pub(crate) fn tie_count(&self) -> usize {
        self.ties.len()
    }

    pub(crate) fn living(&self) -> usize {
        self.candidates.len()
    }

    pub(crate) fn proposed(&self) -> u64 {
        u64::from(self.proposed)
    }

    pub(crate) fn told(&self) -> u64 {
        self.told
    }

    pub(crate) fn evicted(&self) -> Evicted {
        self.evicted
    }
}

fn members<'p>(
    campaign: &Campaign,
    (candidate, named): (&Candidate, &[(AccountId, f64)]),
    by_others: impl Fn(&(AccountId, f64)) -> Option<Trials>,
    on_keys: impl Iterator<Item = &'p PostRef>,
    accounts: &Accounts,
) -> Vec<Member> {
    let mut posts: BTreeMap<(&str, &str), Set<&str>> = BTreeMap::new();
    for post in on_keys {
        let account = (post.account.platform.as_str(), post.account.account_id.as_str());
        posts.entry(account).or_default().insert(post.id.as_str());
    }
    let mut members: Vec<Member> = campaign
        .members
        .iter()
        .filter_map(|member| {
            let &(number, log_e) = member;
            let known = accounts.get(number)?;
            let posts = posts.get(&(&*known.platform, &*known.id)).map_or(0, |posts| posts.len() as u64);
            let mut behaviour = known.behaviour.clone();
            behaviour.posts_on_cluster_keys = posts;
            let account_name = known.name.to_string();
            let elsewhere = !named.contains(member);
            Some(Member {
                account: accounts.name(number),
                account_name,
                log_e,
                elsewhere,
                trials: if elsewhere { by_others(member) } else { None },
                rest: candidate.beyond(number),
                behaviour,
            })
        })
        .collect();
    members.sort_by(|x, y| y.log_e.total_cmp(&x.log_e).then_with(|| x.account.cmp(&y.account)));
    members
}

/// How a candidate that names so many tested one of them.
fn trials(candidate: &Candidate, account: AccountId, named: usize) -> Trials {
    let keys = candidate.evidence().0.into_iter().filter_map(|entry| {
        let (_, trial) = entry.outcome.trials().find(|(place, _)| candidate.members[*place] == account)?;
        Some(KeyTrial {
            kind: entry.name.kind,
            key: entry.name.key.to_string(),
            source: entry.name.source.to_string(),
            source_kind: entry.name.source_kind,
            trial,
        })
    });
    Trials { proposed: candidate.members.len(), named, keys: keys.collect(), rest: candidate.beyond(account) }
}

/// The arithmetic of one key; accounts that are not named stay so.
fn key_test(entry: &KeyEvidence, candidate: &[AccountId], members: &[Member], accounts: &Accounts) -> KeyTest {
    let named: Vec<Option<usize>> = candidate
        .iter()
        .map(|number| {
            let account = accounts.name(*number);
            members.iter().position(|member| member.account == account)
        })
        .collect();
    let mut shares = vec![None; members.len()];
    for (place, share) in named.iter().zip(entry.outcome.shares.iter()) {
        if let Some(place) = place {
            shares[*place] = Some(*share);
        }
    }
    KeyTest {
        epsilon: entry.epsilon,
        steps: entry
            .outcome
            .acts
            .iter()
            .map(|act| Step { member: named[usize::from(act.member)], others: act.others, chance: act.chance })
            .collect(),
        others_after: entry.outcome.others,
        chance_after: entry.outcome.chance,
        shares,
    }
}

fn tie((a, b): (AccountId, AccountId), part: KindTie, accounts: &Accounts) -> Option<Tie> {
    accounts.get(a)?;
    accounts.get(b)?;
    let (a, b) = (accounts.name(a), accounts.name(b));
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    Some(Tie {
        a,
        b,
        kind: part.kind,
        co_acts: part.co_acts,
        distinct_keys: part.distinct_keys,
        nats: part.nats,
        median_lag_s: part.median_lag_s,
    })
}

fn sort_ties(ties: &mut [Tie]) {
    ties.sort_by(|x, y| y.nats.total_cmp(&x.nats).then_with(|| (&x.a, &x.b, x.kind).cmp(&(&y.a, &y.b, y.kind))));
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
