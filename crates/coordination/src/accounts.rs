//! The accounts seen, and their behaviour.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::{AccountRef, Behaviour},
    hash::{Map, hash_strs},
    post::{Millis, Post, within_reach},
};

/// Number of an account, in order of its first post.
pub(crate) type AccountId = u32;

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Accounts {
    numbers: Map<u64, AccountId>,
    seen: Map<AccountId, Account>,
    /// Numbers given so far. No number is given twice, so an account that was forgotten comes back
    /// as a new one.
    given: AccountId,
    #[serde(skip)]
    platform: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Account {
    pub platform: Arc<str>,
    pub id: Box<str>,
    pub name: Box<str>,
    pub behaviour: Behaviour,
}

/// The fields of a post that describe its account. Every waiting post has one, so it is small and
/// needs one allocation.
#[derive(Serialize, Deserialize)]
pub(crate) struct Profile {
    /// Platform, account, name and client, one after another.
    names: Box<str>,
    /// The ends of the first three.
    ends: [usize; 3],
    has_client: bool,
    repost: bool,
    deleted: bool,
    default_profile: Option<bool>,
    at: Millis,
    created_at: Option<Millis>,
    followers: Option<u64>,
    following: Option<u64>,
}

impl Profile {
    pub(crate) fn of(post: &Post<'_>) -> Profile {
        let (platform, account, name) = (&*post.platform, &*post.account_id, &*post.account_name);
        let ends = [platform.len(), platform.len() + account.len(), platform.len() + account.len() + name.len()];
        Profile {
            names: [platform, account, name, post.client.as_deref().unwrap_or_default()].concat().into(),
            ends,
            has_client: post.client.is_some(),
            repost: post.repost_of.is_some() || crate::trace::quoted_repost(post).is_some(),
            deleted: post.deleted_at.is_some(),
            default_profile: post.default_profile,
            at: within_reach(post.created_at),
            created_at: post.account_created_at.map(within_reach),
            followers: post.followers,
            following: post.following,
        }
    }

    pub(crate) fn platform(&self) -> &str {
        self.part(0, self.ends[0])
    }

    fn account(&self) -> &str {
        self.part(self.ends[0], self.ends[1])
    }

    fn name(&self) -> &str {
        self.part(self.ends[1], self.ends[2])
    }

    fn client(&self) -> Option<&str> {
        self.has_client.then(|| self.part(self.ends[2], self.names.len()))
    }

    /// A snapshot consists of bytes from outside: ends that do not fit must not cause a panic.
    fn part(&self, start: usize, end: usize) -> &str {
        self.names.get(start..end).unwrap_or_default()
    }
}

impl Accounts {
    /// Returns the account's number, and adds the post to the account's behaviour. If the post is a
    /// repost whose original was seen, `fast` says whether it came within the narrowest window.
    pub(crate) fn observe(&mut self, profile: Profile, fast: Option<bool>) -> AccountId {
        let mut hash = hash_strs(0, &[profile.platform(), profile.account()]);
        let (seen, given, platform) = (&mut self.seen, &mut self.given, &mut self.platform);
        // Names with equal hashes can be constructed on purpose. Nobody may act under the name of
        // another account, so the next number is used then.
        let other = |account: &Account| *account.platform != *profile.platform() || *account.id != *profile.account();
        while self.numbers.get(&hash).and_then(|number| seen.get(number)).is_some_and(other) {
            hash = hash.wrapping_add(1);
        }
        let number = *self.numbers.entry(hash).or_insert_with(|| {
            *given += 1;
            *given
        });
        let account = seen.entry(number).or_insert_with(|| {
            let platform = match platform {
                Some(known) if **known == *profile.platform() => known.clone(),
                other => other.insert(Arc::from(profile.platform())).clone(),
            };
            let behaviour = Behaviour { first_post: profile.at, ..Behaviour::default() };
            Account { platform, id: profile.account().into(), name: Box::default(), behaviour }
        });
        if !profile.name().is_empty() && *account.name != *profile.name() {
            account.name = profile.name().into();
        }
        let known = &mut account.behaviour;
        known.posts += 1;
        known.reposts += u64::from(profile.repost);
        known.deleted += u64::from(profile.deleted);
        known.timed_reposts += u64::from(fast.is_some());
        known.fast_reposts += u64::from(fast == Some(true));
        known.hours[hour_of_day(profile.at)] += 1;
        known.first_post = known.first_post.min(profile.at);
        known.last_post = known.last_post.max(profile.at);
        known.created_at = profile.created_at.or(known.created_at);
        known.followers = profile.followers.or(known.followers);
        known.following = profile.following.or(known.following);
        known.default_profile = profile.default_profile.or(known.default_profile);
        if profile.client().is_some() && profile.client() != known.client.as_deref() {
            known.client = profile.client().map(str::to_owned);
        }
        number
    }

    pub(crate) fn get(&self, number: AccountId) -> Option<&Account> {
        self.seen.get(&number)
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        self.seen.iter().map(|(number, account)| (*number, account))
    }

    /// The name of an account; empty for one that was forgotten.
    pub(crate) fn name(&self, number: AccountId) -> AccountRef {
        let account = self.get(number);
        AccountRef {
            platform: account.map_or(String::new(), |a| a.platform.to_string()),
            account_id: account.map_or(String::new(), |a| a.id.to_string()),
        }
    }

    /// If there are more than `most` accounts, forgets those that were inactive longest and need
    /// not be kept. Returns them in order.
    pub(crate) fn tidy(&mut self, most: usize, keep: impl Fn(AccountId) -> bool) -> Vec<AccountId> {
        if self.seen.len() <= most {
            return Vec::new();
        }
        let mut silent: Vec<(Millis, AccountId)> = self
            .seen
            .iter()
            .filter(|(number, _)| !keep(**number))
            .map(|(number, account)| (account.behaviour.last_post, *number))
            .collect();
        silent.sort_unstable();
        silent.truncate(self.seen.len() - (most - most / 10));
        let mut gone: Vec<AccountId> = silent.into_iter().map(|(_, number)| number).collect();
        gone.sort_unstable();
        for number in &gone {
            self.seen.remove(number);
        }
        self.numbers.retain(|_, number| gone.binary_search(number).is_err());
        gone
    }

    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }
}

fn hour_of_day(at: Millis) -> usize {
    (at.div_euclid(3_600_000)).rem_euclid(24) as usize
}
