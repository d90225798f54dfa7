//! Objects that more than one account used: a count in addition to the test, if the caller asks for
//! it.
//!
//! Every use counts here, also uses that the test ignores because habit explains them.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{
    accounts::{AccountId, Accounts},
    cluster::AccountRef,
    hash::{Map, Set, hash_strs},
    post::Millis,
    trace::TraceKind,
    tracer::Turn,
    uses::KeyId,
};

/// From this number of accounts on, an object's accounts are stored as a set.
const FEW: usize = 32;

/// An object that accounts used.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Kind of trace.
    pub kind: TraceKind,
    /// The object, in canonical form.
    pub key: String,
    /// Source of the object.
    pub source: String,
    /// Different accounts that used it.
    pub accounts: u64,
    /// Posts that used it.
    pub posts: u64,
    /// Event time of the first of them.
    pub first: Millis,
    /// Event time of the last of them.
    pub last: Millis,
    /// The account that posted the first of them.
    pub first_account: AccountRef,
    /// Id of the first of them.
    pub first_post: String,
}

enum Users {
    Few(SmallVec<[AccountId; 2]>),
    Many(Set<AccountId>),
}

impl Users {
    fn add(&mut self, account: AccountId) {
        match self {
            Users::Few(few) if few.contains(&account) => {}
            Users::Few(few) if few.len() < FEW => few.push(account),
            Users::Few(few) => {
                let many = few.drain(..).chain([account]).collect();
                *self = Users::Many(many);
            }
            Users::Many(many) => {
                many.insert(account);
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Users::Few(few) => few.len(),
            Users::Many(many) => many.len(),
        }
    }
}

struct Known {
    kind: TraceKind,
    key: Box<str>,
    /// `None` if the key is its own source.
    source: Option<Box<str>>,
    users: Users,
    posts: u64,
    first: Millis,
    last: Millis,
    account: AccountId,
    post: Arc<str>,
}

/// All objects, within the bound.
pub(crate) struct Objects {
    most: usize,
    known: Map<KeyId, Known>,
    dropped: u64,
}

impl Objects {
    pub(crate) fn new(most: usize) -> Objects {
        Objects { most: most.max(1), known: Map::default(), dropped: 0 }
    }

    pub(crate) fn turn(&mut self, turn: &Turn) {
        for trace in &turn.traces {
            let id = hash_strs(trace.kind as u64, &[&trace.key]);
            let known = self.known.entry(id).or_insert_with(|| Known {
                kind: trace.kind,
                key: trace.key.as_str().into(),
                source: (trace.source != trace.key).then(|| trace.source.as_str().into()),
                users: Users::Few(SmallVec::new()),
                posts: 0,
                first: turn.at,
                last: turn.at,
                account: turn.account,
                post: turn.post.id.clone(),
            });
            known.users.add(turn.account);
            known.posts += 1;
            known.first = known.first.min(turn.at);
            known.last = known.last.max(turn.at);
        }
        if self.known.len() > self.most {
            self.make_room();
        }
    }

    /// Drops the objects of the fewest accounts; of equal ones those unused for longest.
    fn make_room(&mut self) {
        let surplus = self.known.len() - (self.most - self.most / 10);
        let mut order: Vec<(usize, Millis, KeyId)> =
            self.known.iter().map(|(id, known)| (known.users.len(), known.last, *id)).collect();
        order.select_nth_unstable(surplus - 1);
        order[..surplus].iter().for_each(|(.., id)| drop(self.known.remove(id)));
        self.dropped += surplus as u64;
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Objects that at least two accounts used: those of the most accounts first, then by kind and
    /// key.
    pub(crate) fn shared(&self, accounts: &Accounts) -> Vec<Object> {
        let shared = self.known.values().filter(|known| known.users.len() > 1);
        let mut all: Vec<Object> = shared
            .map(|known| Object {
                kind: known.kind,
                key: known.key.to_string(),
                source: known.source.as_deref().unwrap_or(&known.key).to_owned(),
                accounts: known.users.len() as u64,
                posts: known.posts,
                first: known.first,
                last: known.last,
                first_account: accounts.name(known.account),
                first_post: known.post.to_string(),
            })
            .collect();
        all.sort_by(|x, y| y.accounts.cmp(&x.accounts).then_with(|| (x.kind, &x.key).cmp(&(y.kind, &y.key))));
        all
    }
}
