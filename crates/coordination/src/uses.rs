//! Which account used which key when, over the last seven days.
//!
//! An account's use of a key counts once in that time: sessions clump. Uses that habit explains do not count: a reader of a site, or a fan, has
//! used two keys of that source an hour before or earlier. What a repost carries (tags, links) is its author's: it counts only the first
//! time that an account repeats that author. A post without a use that counts is no trial, and part of no denominator.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    accounts::AccountId,
    hash::{Map, Set, hash_strs},
    params::Params,
    post::{HOUR, Millis, PostName},
    trace::{Trace, TraceKind},
    tracer::Turn,
};

/// Hash of a key and its trace kind.
pub(crate) type KeyId = u64;
/// Hash of a source and its kind.
pub(crate) type SourceId = u64;

/// Rarity looks back so far.
pub(crate) const RECENT: Millis = 6 * HOUR;

/// Uses of one source are habit so long after the second one.
const HABIT: Millis = HOUR;
/// Habits that are remembered without a look at whether they have lapsed.
const FEW_HABITS: usize = 100_000;

/// What a key is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "NameParts")]
pub(crate) struct KeyName {
    pub kind: TraceKind,
    pub key: Box<str>,
    /// `None` where the key is its own source.
    source: Option<Box<str>>,
    pub source_kind: TraceKind,
    /// Worked out once: naming and every gain ask for it.
    #[serde(skip_serializing)]
    source_id: SourceId,
}

/// The parts of a key's name, as a trace gives them and a snapshot holds them.
#[derive(Deserialize)]
struct NameParts {
    kind: TraceKind,
    key: Box<str>,
    source: Option<Box<str>>,
    source_kind: TraceKind,
}

impl From<NameParts> for KeyName {
    fn from(NameParts { kind, key, source, source_kind }: NameParts) -> KeyName {
        let source_id = hash_strs(source_kind as u64, &[source.as_deref().unwrap_or(&key)]);
        KeyName { kind, key, source, source_kind, source_id }
    }
}

impl KeyName {
    pub(crate) fn source(&self) -> &str {
        self.source.as_deref().unwrap_or(&self.key)
    }

    pub(crate) fn source_id(&self) -> SourceId {
        self.source_id
    }
}

/// A use of a key that counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Use {
    pub key: KeyId,
    pub name: Arc<KeyName>,
    /// Accounts that used the key in the last six hours, this one not counted.
    pub recent: u32,
}

/// A post with a use that counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// Its number among all of them, from 1.
    pub number: u64,
    pub at: Millis,
    pub account: AccountId,
    pub post: PostName,
    pub uses: SmallVec<[Use; 2]>,
    /// How it is on its text, and on the post that it repeats.
    pub text: crate::cluster::Manner,
    pub repost: crate::cluster::Manner,
    /// Accounts with a use in the last six hours.
    pub active: u32,
}

/// A key, and who used it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Key {
    pub name: Arc<KeyName>,
    /// By time; every account is in it once.
    pub uses: VecDeque<(Millis, AccountId)>,
    /// The posts of these uses, for texts only; in a box, because most keys are no texts.
    #[expect(clippy::box_collection, reason = "a key without posts is smaller so")]
    posts: Option<Box<VecDeque<PostName>>>,
}

impl Key {
    /// Accounts that used it from a time to another, both included.
    pub(crate) fn between(&self, from: Millis, until: Millis) -> usize {
        self.uses
            .partition_point(|(at, _)| *at <= until)
            .saturating_sub(self.uses.partition_point(|(at, _)| *at < from))
    }

    /// Who used it, and with which post, where that is known.
    pub(crate) fn posts(&self) -> impl Iterator<Item = (Millis, AccountId, &PostName)> {
        self.uses
            .iter()
            .zip(self.posts.iter().flat_map(|posts| posts.iter()))
            .map(|(&(at, account), post)| (at, account, post))
    }
}

/// What an account used.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Its posts with a use that counts, by time.
    pub posts: VecDeque<(Millis, SmallVec<[KeyId; 2]>)>,
    /// Uses in them.
    pub uses: u32,
    /// Those of the last six hours.
    recent: u32,
}

impl Account {
    /// Its posts from a time on.
    pub(crate) fn since(&self, at: Millis) -> std::collections::vec_deque::Iter<'_, (Millis, SmallVec<[KeyId; 2]>)> {
        self.posts.range(self.posts.partition_point(|(posted, _)| *posted < at)..)
    }
}

/// An account's uses of a source.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Habit {
    first: Millis,
    /// [`Millis::MAX`] before there was a second one.
    second: Millis,
    last: Millis,
}

/// The memory of uses.
#[derive(Serialize, Deserialize)]
pub(crate) struct Uses {
    retention: Millis,
    repeat: Millis,
    most: usize,
    keys: Map<KeyId, Key>,
    /// Keys with two uses or more. Most keys have one, and whoever asks for those in common need not look at them.
    #[serde(skip)]
    shared: Set<KeyId>,
    accounts: Map<AccountId, Account>,
    /// All uses in the order of their turns.
    line: VecDeque<(Millis, KeyId, AccountId)>,
    /// How many at the line's front are older than six hours, and how many so old that the same use counts again.
    old: usize,
    again: usize,
    /// Hashes of account and key of the others.
    once: Set<u64>,
    /// By account and source: what the account has used of it.
    habits: Map<u64, Habit>,
    /// Habits from which on those that have lapsed are looked for.
    next_sweep: usize,
    /// Accounts with a use in the last six hours.
    active: u32,
    /// Sum over keys of the number of their accounts, and of its square.
    sum: u64,
    squares: u64,
    trials: u64,
    evicted: u64,
}

fn source_id(trace: &Trace) -> SourceId {
    hash_strs(trace.source_kind as u64, &[&trace.source])
}

fn pair(account: AccountId, key: KeyId) -> u64 {
    xxh3_64_with_seed(&account.to_le_bytes(), key)
}

impl Uses {
    pub(crate) fn new(params: &Params) -> Uses {
        Uses {
            retention: params.retention,
            most: params.limits.uses,
            keys: Map::default(),
            shared: Set::default(),
            accounts: Map::default(),
            line: VecDeque::new(),
            old: 0,
            again: 0,
            repeat: params.repeat,
            once: Set::default(),
            habits: Map::default(),
            next_sweep: FEW_HABITS,
            active: 0,
            sum: 0,
            squares: 0,
            trials: 0,
            evicted: 0,
        }
    }

    /// Takes in a post; `None` where nothing of it counts.
    pub(crate) fn turn(&mut self, turn: Turn) -> Option<Trial> {
        let (at, account) = (turn.at, turn.account);
        self.pass_time(at);
        let mut uses: SmallVec<[Use; 2]> = SmallVec::new();
        let (text, repost) = (turn.manner(TraceKind::Text), turn.manner(TraceKind::Repost));
        // Whoever repeats its own words under another post does nothing new by that.
        let ids: SmallVec<[KeyId; 4]> =
            turn.traces.iter().map(|trace| hash_strs(trace.kind as u64, &[&trace.key])).collect();
        let text_again = turn
            .traces
            .iter()
            .zip(&ids)
            .any(|(trace, id)| trace.kind == TraceKind::Text && self.once.contains(&pair(account, *id)));
        // What a repost carries is its author's. Whoever has repeated that author before does nothing new by it.
        let author_again =
            turn.traces.iter().any(|trace| trace.kind == TraceKind::Repost && self.knows_source(account, trace, at));
        for (trace, id) in turn.traces.into_iter().zip(ids) {
            if (text_again && trace.kind == TraceKind::Reply)
                || (author_again && trace.kind != TraceKind::Repost)
                || self.habit(account, &trace, at)
                || !self.once.insert(pair(account, id))
            {
                continue;
            }
            let key = self.keys.entry(id).or_insert_with(|| {
                let source =
                    (trace.source != trace.key || trace.source_kind != trace.kind).then(|| trace.source.into());
                let name =
                    NameParts { kind: trace.kind, key: trace.key.into(), source, source_kind: trace.source_kind };
                let posts = (trace.kind == TraceKind::Text).then(Box::default);
                Key { name: Arc::new(name.into()), uses: VecDeque::with_capacity(1), posts }
            });
            let recent = key.between(at - RECENT, Millis::MAX) as u32;
            // Late posts come out of their turn.
            let place = key.uses.iter().rposition(|(known, _)| *known <= at).map_or(0, |i| i + 1);
            key.uses.insert(place, (at, account));
            if let Some(posts) = &mut key.posts {
                posts.insert(place, turn.post.clone());
            }
            let degree = key.uses.len() as u64;
            if degree == 2 {
                self.shared.insert(id);
            }
            self.sum += 1;
            self.squares += 2 * degree - 1;
            uses.push(Use { key: id, name: key.name.clone(), recent });
            self.line.push_back((at, id, account));
        }
        if uses.is_empty() {
            return None;
        }
        self.trials += 1;
        let known = self.accounts.entry(account).or_default();
        known.uses += uses.len() as u32;
        self.active += u32::from(known.recent == 0);
        known.recent += uses.len() as u32;
        let place = known.posts.iter().rposition(|(known, _)| *known <= at).map_or(0, |i| i + 1);
        known.posts.insert(place, (at, uses.iter().map(|used| used.key).collect()));
        Some(Trial { number: self.trials, at, account, post: turn.post, uses, text, repost, active: self.active })
    }

    /// Whether the account used a key of the same source before.
    fn knows_source(&self, account: AccountId, trace: &Trace, at: Millis) -> bool {
        trace.source != trace.key
            && self.habits.get(&pair(account, source_id(trace))).is_some_and(|habit| at > habit.first)
    }

    /// Whether habit explains a use: the account used two keys of the same source an hour before or earlier. Takes note of the use.
    fn habit(&mut self, account: AccountId, trace: &Trace, at: Millis) -> bool {
        if trace.source == trace.key {
            return false;
        }
        if self.habits.len() >= self.next_sweep {
            let oldest = at - self.retention;
            self.habits.retain(|_, habit| habit.last >= oldest);
            self.next_sweep = FEW_HABITS.max(2 * self.habits.len());
        }
        let new = Habit { first: at, second: Millis::MAX, last: at };
        let habit = self.habits.entry(pair(account, source_id(trace))).or_insert(new);
        habit.last = habit.last.max(at);
        if habit.second == Millis::MAX && at > habit.first {
            habit.second = at;
        }
        habit.second != Millis::MAX && at - habit.second >= HABIT
    }

    /// Uses beyond retention go; those older than six hours make nobody active.
    fn pass_time(&mut self, now: Millis) {
        while self.line.get(self.old).is_some_and(|(at, ..)| now - at > RECENT) {
            let (_, _, account) = self.line[self.old];
            self.old += 1;
            if let Some(known) = self.accounts.get_mut(&account) {
                known.recent -= 1;
                self.active -= u32::from(known.recent == 0);
            }
        }
        while let Some(&(at, key, account)) = self.line.get(self.again)
            && now - at > self.repeat
        {
            self.again += 1;
            self.once.remove(&pair(account, key));
        }
        while self.line.front().is_some_and(|(at, ..)| now - at > self.retention) {
            self.forget_oldest();
        }
        while self.line.len() > self.most {
            self.evicted += 1;
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((at, key_id, account)) = self.line.pop_front() else { return };
        let was_old = self.old > 0;
        self.old = self.old.saturating_sub(1);
        if self.again > 0 {
            self.again -= 1;
        } else {
            self.once.remove(&pair(account, key_id));
        }
        if let Some(key) = self.keys.get_mut(&key_id) {
            if let Some(place) = key.uses.iter().position(|used| *used == (at, account)) {
                self.sum -= 1;
                self.squares -= 2 * key.uses.len() as u64 - 1;
                key.uses.remove(place);
                if let Some(posts) = &mut key.posts {
                    posts.remove(place);
                }
            }
            match key.uses.len() {
                0 => drop(self.keys.remove(&key_id)),
                1 => drop(self.shared.remove(&key_id)),
                _ => {}
            }
        }
        if let Some(known) = self.accounts.get_mut(&account) {
            known.uses -= 1;
            if !was_old {
                known.recent -= 1;
                self.active -= u32::from(known.recent == 0);
            }
            if let Some(place) = known.posts.iter().position(|(posted, keys)| *posted == at && keys.contains(&key_id)) {
                known.posts[place].1.retain(|key| *key != key_id);
                if known.posts[place].1.is_empty() {
                    known.posts.remove(place);
                }
            }
            if known.uses == 0 {
                self.accounts.remove(&account);
            }
        }
    }

    pub(crate) fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(&id)
    }

    /// Whether a key has two uses or more.
    pub(crate) fn is_shared(&self, id: KeyId) -> bool {
        self.shared.contains(&id)
    }

    /// Works out what a snapshot does not hold.
    pub(crate) fn restored(&mut self) {
        self.shared = self.keys.iter().filter(|(_, key)| key.uses.len() > 1).map(|(id, _)| *id).collect();
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// The time of the newest turn.
    pub(crate) fn newest(&self) -> Millis {
        self.line.back().map_or(0, |(at, ..)| *at)
    }

    /// Uses of an account.
    pub(crate) fn activity(&self, account: AccountId) -> u32 {
        self.accounts.get(&account).map_or(0, |known| known.uses)
    }

    /// Accounts that used a key.
    pub(crate) fn degree(&self, key: KeyId) -> usize {
        self.keys.get(&key).map_or(0, |key| key.uses.len())
    }

    /// Chance that two uses, by whomever, are of one key: sum of d^2 / (sum of d)^2.
    pub(crate) fn coincidence(&self) -> f64 {
        self.squares as f64 / (self.sum as f64).powi(2).max(1.0)
    }

    /// First and last use of every account, each sorted.
    pub(crate) fn spans(&self) -> Spans {
        let mut spans = Spans::default();
        for known in self.accounts.values() {
            if let (Some((first, _)), Some((last, _))) = (known.posts.front(), known.posts.back()) {
                spans.first.push(*first);
                spans.last.push(*last);
            }
        }
        spans.first.sort_unstable();
        spans.last.sort_unstable();
        spans
    }

    /// Posts so far with a use that counts.
    pub(crate) fn trials(&self) -> u64 {
        self.trials
    }

    pub(crate) fn len(&self) -> usize {
        self.line.len()
    }

    pub(crate) fn keys_len(&self) -> usize {
        self.keys.len()
    }

    /// Accounts with a remembered use.
    pub(crate) fn accounts_len(&self) -> usize {
        self.accounts.len()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }
}

/// When accounts were first and last seen.
#[derive(Default)]
pub(crate) struct Spans {
    first: Vec<Millis>,
    last: Vec<Millis>,
}

impl Spans {
    /// Accounts whose time from first to last use meets a period.
    pub(crate) fn meeting(&self, from: Millis, until: Millis) -> usize {
        let before = self.last.partition_point(|last| *last < from);
        let after = self.first.len() - self.first.partition_point(|first| *first <= until);
        self.first.len() - before - after
    }
}
