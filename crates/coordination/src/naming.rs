//! Naming: once a group has passed, which accounts belong to it?
//!
//! The posts of a day before to a day after the group's shared posts, as far back as naming looks, get an outcome again, looking both ways:
//! own words within a day, other keys within two hours, before or after. An account's evidence is the likelihood ratio of its outcomes
//! between the group's rates and the crowd's (doubled), a share of real members' posts being cover; [`crate::Naming`] states it. What its
//! best source gave is dropped. An account that was in the group as proposed was chosen by two of its keys: of it what a second source gave
//! before the proposal is dropped, too. The share of real members is estimated by EM, among the proposed accounts and among all others, and
//! accounts are named while the mean of (1 - posterior) is at most 0.03 and each posterior is at least 0.9. This is a model-based rate and
//! no finite-sample guarantee.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    accounts::AccountId,
    cluster::{Naming, TrialOutcome},
    hash::Map,
    outcome::{CAP, REFERENCE, rarity},
    params::Params,
    post::{DAY, HOUR, Millis},
    trace::TraceKind,
    uses::{Key, KeyId, KeyName, SourceId, Spans, Uses},
};

/// Naming looks back as far as so many of the members' posts reach, by powers of two in days: a group of a few posts a week needs months,
/// and one of thousands an hour a day.
const MOST_POSTS: usize = 6_000;
/// Accounts of the imagined crowd.
const IMAGINED: f64 = 20.0;
/// Rounds of EM, where it begins, and the bounds of its shares.
const ROUNDS: usize = 30;
const BEGIN: [f64; 2] = [0.5, 0.01];
const SHARES: (f64, f64) = (0.0005, 0.99);
/// Shares of real members' posts that may be cover, the likeliest of which is taken.
const COVERS: [f64; 4] = [0.0, 0.5, 0.75, 0.9];
/// Posts that are looked at one by one for the next moment, before it is searched for.
const NEAR_BY: usize = 8;
/// Least posterior of an account that is named, and most nats that count for it.
const LEAST_POSTERIOR: f64 = 0.9;
const MOST_NATS: f64 = 30.0;

/// What a use of a member's key gave: who, when, what, and through which of the members' keys.
struct Gave {
    at: Millis,
    account: AccountId,
    /// Place among the members' keys.
    key: u32,
    outcome: TrialOutcome,
}

/// A judged post that repeats something: its outcome, the account's source that gave it, and whether it was there when the group was
/// proposed.
struct Gain {
    outcome: TrialOutcome,
    /// Place in the account's sources.
    source: u32,
    chosen: bool,
}

/// The judged posts of an account.
struct Acts<'u> {
    account: AccountId,
    outcomes: [u32; 5],
    /// By time.
    gains: SmallVec<[Gain; 2]>,
    /// The sources of its gains, each by the name of one of its keys.
    sources: SmallVec<[&'u Arc<KeyName>; 2]>,
}

/// What a source adds to an account's evidence, and what of that by posts from before the proposal, nats.
struct Source {
    /// Place in the account's sources.
    of: u32,
    nats: f64,
    chosen: f64,
}

/// What naming says of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub account: AccountId,
    pub nats: f64,
    pub posterior: f64,
    pub outcomes: [u32; 5],
    /// Sources that were dropped, by the name of one of their keys, and what they would have added.
    pub dropped: SmallVec<[(Arc<KeyName>, f64); 2]>,
    pub proposed: bool,
}

/// The result of naming a group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub terms: Naming,
    /// Accounts that are named, in order.
    pub named: Vec<Judged>,
    /// Others with evidence for them, in order.
    pub others: Vec<Judged>,
}

fn width(kind: TraceKind) -> Millis {
    if kind == TraceKind::Text { DAY } else { 2 * HOUR }
}

/// A key that members used.
struct SharedKey<'u> {
    id: KeyId,
    key: &'u Key,
    /// Its source, by number.
    source: u32,
    /// Where the members' uses of it are.
    uses: std::ops::Range<usize>,
}

/// Keys that members used, in order of their ids, and their uses of them.
struct Shared<'u> {
    keys: Vec<SharedKey<'u>>,
    /// By key, then by time.
    uses: Vec<(Millis, AccountId)>,
    /// How many sources the keys have.
    sources: usize,
}

impl<'u> Shared<'u> {
    fn new(members: &[AccountId], uses: &'u Uses, since: Millis) -> Shared<'u> {
        let mut all: Vec<(KeyId, Millis, AccountId)> = Vec::new();
        for member in members {
            for (at, keys) in uses.account(*member).into_iter().flat_map(|account| account.since(since)) {
                // What nobody else used, nor the member again, says nothing.
                all.extend(keys.iter().filter(|key| uses.is_shared(**key)).map(|key| (*key, *at, *member)));
            }
        }
        all.sort_unstable();
        let mut shared = Shared { keys: Vec::new(), uses: Vec::with_capacity(all.len()), sources: 0 };
        let mut sources: Map<SourceId, u32> = Map::default();
        for by in all.chunk_by(|x, y| x.0 == y.0) {
            let Some(key) = uses.key(by[0].0) else { continue };
            let first = shared.uses.len();
            shared.uses.extend(by.iter().map(|(_, at, account)| (*at, *account)));
            let next = sources.len() as u32;
            let source = *sources.entry(key.name.source_id()).or_insert(next);
            shared.keys.push(SharedKey { id: by[0].0, key, source, uses: first..shared.uses.len() });
        }
        shared.sources = sources.len();
        shared
    }

    /// Every key with the members' uses of it.
    fn keys(&self) -> impl Iterator<Item = (&SharedKey<'u>, &[(Millis, AccountId)])> {
        self.keys.iter().map(|key| (key, &self.uses[key.uses.clone()]))
    }
}

/// Uses in order of time that lie within a width of a moment.
#[derive(Default)]
struct Window {
    first: usize,
    end: usize,
}

impl Window {
    /// How many lie around a moment that is no earlier than the last.
    fn move_to(&mut self, at: Millis, width: Millis, time: impl Fn(usize) -> Option<Millis>) -> usize {
        while time(self.end).is_some_and(|then| then <= at + width) {
            self.end += 1;
        }
        while self.first < self.end && time(self.first).is_some_and(|then| then < at - width) {
            self.first += 1;
        }
        self.end - self.first
    }
}

/// Since when posts are judged.
fn look_back(members: &[AccountId], uses: &Uses) -> Millis {
    let newest = uses.newest();
    let posts = |since: Millis| -> usize {
        members.iter().filter_map(|member| uses.account(*member)).map(|account| account.since(since).count()).sum()
    };
    let mut since = newest - DAY;
    for days in [2, 4, 8, 16, 32, 64, 128] {
        let earlier = newest - days * DAY;
        if posts(earlier) > MOST_POSTS {
            break;
        }
        since = earlier;
    }
    since
}

/// Names the accounts of a group; `None` where its members share nothing in what is remembered.
pub(crate) fn name(members: &[AccountId], born: Millis, uses: &Uses, spans: &Spans, params: &Params) -> Option<Named> {
    let is_member = |account: AccountId| members.binary_search(&account).is_ok();
    let accounts = uses.accounts_len() as f64;
    let since = look_back(members, uses);
    let shared = Shared::new(members, uses, since);
    let (mut from, mut until) = (Millis::MAX, Millis::MIN);
    for (SharedKey { key, .. }, by) in shared.keys() {
        let width = width(key.name.kind);
        for pair in by.windows(2).filter(|pair| pair[1].0 - pair[0].0 <= width) {
            from = from.min(pair[0].0);
            until = until.max(pair[1].0);
        }
    }
    if from > until {
        return None;
    }
    let (from, until) = (since.max(from - DAY), until + DAY);
    // What everybody's uses of the members' keys gave.
    let mut gave: Vec<Gave> = Vec::new();
    for (place, (SharedKey { key, .. }, by)) in (0u32..).zip(shared.keys()) {
        let width = width(key.name.kind);
        // All windows move forward: over the key's uses, and over the members' among them.
        let mut next = key.uses.partition_point(|(then, _)| *then < from);
        let before = key.uses.partition_point(|(then, _)| *then < from - width);
        let (mut all, mut inside) = (Window { first: before, end: before }, Window::default());
        for &(at, _) in by {
            if key.name.kind != TraceKind::Text && key.between(at - width, at + width) > params.popular + by.len() {
                continue; // more accounts outside than can say anything
            }
            next += key.uses.range(next..).take_while(|(then, _)| *then < at - width).count();
            let end = (at + width).min(until);
            for &(then, account) in key.uses.range(next..).take_while(|(then, _)| *then <= end) {
                next += 1;
                let inside = inside.move_to(then, width, |place| by.get(place).map(|(at, _)| *at));
                // An account uses a key once in a window, so that only a member's use is itself among the members'.
                let inside = inside.saturating_sub(usize::from(is_member(account)));
                if inside == 0 {
                    continue;
                }
                let all = all.move_to(then, width, |place| key.uses.get(place).map(|(at, _)| *at)) - 1;
                let outcome = rarity(key.name.kind, all.saturating_sub(inside), accounts, params.popular);
                if outcome != TrialOutcome::Nothing {
                    gave.push(Gave { at: then, account, key: place, outcome });
                }
            }
        }
    }
    gave.sort_unstable_by_key(|one| (one.account, one.at));
    // Each judged account's posts.
    let mut all: Vec<Acts<'_>> = Vec::new();
    // By source, its place among those of the account that is looked at, where it is there.
    let mut places: Vec<u32> = vec![u32::MAX; shared.sources];
    let mut acts = |account: AccountId, gave: &[Gave]| {
        let Some(known) = uses.account(account) else { return };
        let first = known.posts.partition_point(|(at, _)| *at < from);
        let to_the_last = known.posts.back().is_some_and(|(at, _)| *at <= until);
        let end = if to_the_last { known.posts.len() } else { known.posts.partition_point(|(at, _)| *at <= until) };
        if first >= end {
            return;
        }
        let mut gains: SmallVec<[Gain; 2]> = SmallVec::new();
        let mut sources: SmallVec<[&Arc<KeyName>; 2]> = SmallVec::new();
        let mut numbers: SmallVec<[u32; 8]> = SmallVec::new();
        let mut start = first;
        for same in gave.chunk_by(|x, y| x.at == y.at) {
            let at = same[0].at;
            start += known.posts.range(start..).take(NEAR_BY).take_while(|(posted, _)| *posted < at).count();
            if known.posts.get(start).is_some_and(|(posted, _)| *posted < at) {
                start = known.posts.partition_point(|(posted, _)| *posted < at);
            }
            // More than one post may bear the same time, but an account's use of a key is remembered of one of them at any time.
            for (_, keys) in known.posts.range(start..end.max(start)).take_while(|(posted, _)| *posted == at) {
                let of = same.iter().filter_map(|one| {
                    let key = &shared.keys[one.key as usize];
                    Some((one.outcome, keys.iter().position(|known| *known == key.id)?, key))
                });
                // Of equal ones the first in the post.
                let best = of.min_by_key(|(outcome, place, _)| (*outcome, *place));
                let Some((outcome, _, key)) = best else { continue };
                let place = &mut places[key.source as usize];
                if *place == u32::MAX {
                    *place = sources.len() as u32;
                    sources.push(&key.key.name);
                    numbers.push(key.source);
                }
                gains.push(Gain { outcome, source: *place, chosen: at <= born });
            }
        }
        numbers.into_iter().for_each(|source| places[source as usize] = u32::MAX);
        let mut outcomes = [0u32; 5];
        gains.iter().for_each(|gain| outcomes[gain.outcome as usize] += 1);
        outcomes[TrialOutcome::Nothing as usize] = (end - first - gains.len()) as u32;
        all.push(Acts { account, outcomes, gains, sources });
    };
    let mut by_account = gave.chunk_by(|x, y| x.account == y.account).peekable();
    for &member in members {
        // Members count whatever they did.
        while let Some(one) = by_account.next_if(|one| one[0].account < member) {
            acts(one[0].account, one);
        }
        acts(member, by_account.next_if(|one| one[0].account == member).unwrap_or_default());
    }
    by_account.for_each(|one| acts(one[0].account, one));
    let mut terms = Naming { from, until, ..Naming::default() };
    let mut judged_others = 0;
    for of in &all {
        if is_member(of.account) {
            terms.group.iter_mut().zip(of.outcomes).for_each(|(sum, n)| *sum += u64::from(n));
        } else {
            judged_others += 1;
            let posts = f64::from(of.outcomes.iter().sum::<u32>());
            terms.crowd.iter_mut().zip(of.outcomes).for_each(|(sum, n)| *sum += f64::from(n) / posts);
        }
    }
    let others = spans.meeting(from, until).saturating_sub(all.len() - judged_others).max(judged_others);
    terms.others = others as u64;
    terms.crowd[TrialOutcome::Nothing as usize] += (others - judged_others) as f64;
    all.retain(|of| !of.gains.is_empty());
    // Of all that was tried for the cover of real members, what makes the proposed accounts likeliest; the least of equal ones.
    let mut best: Option<(f64, Naming, Vec<Judged>)> = None;
    for cover in COVERS {
        terms.cover = cover;
        let (likelihood, judged) = judge(&mut terms, &all, members, params);
        if best.as_ref().is_none_or(|(most, ..)| likelihood > *most) {
            best = Some((likelihood, terms, judged));
        }
    }
    let (_, terms, mut judged) = best?;
    judged.sort_by(|x, y| {
        y.posterior.total_cmp(&x.posterior).then(y.nats.total_cmp(&x.nats)).then(x.account.cmp(&y.account))
    });
    let (mut wrong, mut named) = (0.0, 0);
    for judged in &judged {
        wrong += 1.0 - judged.posterior;
        if judged.posterior < LEAST_POSTERIOR || wrong / (named + 1) as f64 > params.naming_rate {
            break;
        }
        named += 1;
    }
    if named < params.min_members {
        named = 0;
    }
    let mut others = judged.split_off(named);
    others.retain(|judged| judged.nats > 0.0);
    judged.sort_unstable_by_key(|judged| judged.account);
    others.sort_unstable_by_key(|judged| judged.account);
    Some(Named { terms, named: judged, others })
}

/// Everybody's evidence, by a share of cover, and the shares of real members: ln of the likelihood of the proposed accounts (over that of their
/// being like everybody else), and the accounts.
fn judge(terms: &mut Naming, all: &[Acts<'_>], members: &[AccountId], params: &Params) -> (f64, Vec<Judged>) {
    let of_others = ratios(terms, [0; 5], params.safety);
    let mut judged: Vec<Judged> = Vec::with_capacity(all.len());
    let mut gave: Vec<Source> = Vec::new();
    let mut places: Vec<Option<usize>> = Vec::new();
    for of in all {
        let proposed = members.binary_search(&of.account).is_ok();
        let ratios = if proposed { ratios(terms, of.outcomes, params.safety) } else { of_others };
        let mut nats: f64 = ratios.iter().zip(of.outcomes).map(|(ratio, n)| ratio * f64::from(n)).sum();
        gave.clear();
        places.clear();
        places.resize(of.sources.len(), None);
        for gain in &of.gains {
            let ratio = ratios[gain.outcome as usize];
            if ratio <= 0.0 {
                continue;
            }
            let chosen = if gain.chosen { ratio } else { 0.0 };
            let place = *places[gain.source as usize].get_or_insert_with(|| {
                gave.push(Source { of: gain.source, nats: 0.0, chosen: 0.0 });
                gave.len() - 1
            });
            gave[place].nats += ratio;
            gave[place].chosen += chosen;
        }
        let mut dropped: SmallVec<[(Arc<KeyName>, f64); 2]> = SmallVec::new();
        let names = &of.sources;
        let mut drop_best = |of: fn(&Source) -> f64| {
            // Of equal ones, the first that the account used.
            let Some(best) = (0..gave.len()).rev().max_by(|x, y| of(&gave[*x]).total_cmp(&of(&gave[*y]))) else {
                return;
            };
            let best = gave.remove(best);
            if of(&best) > 0.0 {
                nats -= of(&best);
                dropped.push((names[best.of as usize].clone(), of(&best)));
            }
        };
        drop_best(|source| source.nats);
        if proposed {
            drop_best(|source| source.chosen);
        }
        judged.push(Judged { account: of.account, nats, posterior: 0.0, outcomes: of.outcomes, dropped, proposed });
    }
    let shares = [true, false].map(|proposed| {
        let odds: Vec<f64> = judged.iter().filter(|j| j.proposed == proposed).map(|j| odds(j.nats)).collect();
        let all = if proposed { odds.len() as u64 } else { terms.others };
        let mut share = BEGIN[usize::from(!proposed)];
        for _ in 0..ROUNDS {
            let members: f64 = odds.iter().map(|odds| posterior(*odds, share)).sum();
            let before = std::mem::replace(&mut share, (members / all.max(1) as f64).clamp(SHARES.0, SHARES.1));
            if share == before {
                break; // no later round changes it
            }
        }
        share
    });
    [terms.share_proposed, terms.share_others] = shares;
    let mut likelihood = 0.0;
    for judged in &mut judged {
        let share = shares[usize::from(!judged.proposed)];
        let odds = odds(judged.nats);
        judged.posterior = posterior(odds, share);
        if judged.proposed {
            likelihood += (1.0 - share + share * odds).ln();
        }
    }
    (likelihood, judged)
}

/// What a post with each outcome adds to an account's evidence, nats; `own` are the account's counts if they are in the group's.
pub(crate) fn ratios(terms: &Naming, own: [u32; 5], safety: f64) -> [f64; 5] {
    let group = |o: usize| (terms.group[o] - u64::from(own[o])) as f64;
    let all: f64 = (0..5).map(group).sum();
    let crowd: f64 = terms.crowd.iter().sum();
    std::array::from_fn(|o| {
        let g = (group(o) + 0.5) / (all + 2.5);
        let h = (terms.crowd[o] + IMAGINED * REFERENCE[o]) / (crowd + IMAGINED);
        let alone = if o == TrialOutcome::Nothing as usize {
            (g / h).ln().clamp(-CAP, 0.0)
        } else {
            (g / (safety * h)).ln().clamp(-CAP, CAP)
        };
        ((1.0 - terms.cover) * alone.exp() + terms.cover).ln()
    })
}

/// How much likelier what an account did is if it belongs to the group.
fn odds(nats: f64) -> f64 {
    nats.clamp(-MOST_NATS, MOST_NATS).exp()
}

fn posterior(odds: f64, share: f64) -> f64 {
    share * odds / (share * odds + 1.0 - share)
}
