//! The accounts seen, and how each behaves.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::{AccountRef, Behaviour},
    hash::{Map, hash_strs},
    history::AccountId,
    post::{Millis, Post, within_reach},
};

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Accounts {
    numbers: Map<u64, AccountId>,
    seen: Map<AccountId, Account>,
    /// Numbers given so far. None is given twice, so that an account that was forgotten comes back as an unknown one.
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

/// What of a post describes its account.
#[derive(Serialize, Deserialize)]
pub(crate) struct Profile {
    pub platform: Box<str>,
    pub account: Box<str>,
    pub name: Box<str>,
    repost: bool,
    deleted: bool,
    behaviour: Behaviour,
}

impl Profile {
    pub(crate) fn of(post: &Post<'_>) -> Profile {
        Profile {
            platform: post.platform.as_ref().into(),
            account: post.account_id.as_ref().into(),
            name: post.account_name.as_ref().into(),
            repost: post.repost_of.is_some() || crate::trace::quoted_repost(post).is_some(),
            deleted: post.deleted_at.is_some(),
            behaviour: Behaviour {
                created_at: post.account_created_at.map(within_reach),
                followers: post.followers,
                following: post.following,
                default_profile: post.default_profile,
                client: post.client.as_deref().map(str::to_string),
                first_post: within_reach(post.created_at),
                last_post: within_reach(post.created_at),
                ..Behaviour::default()
            },
        }
    }
}

impl Accounts {
    /// The account's number; what the post says of it is added to what is known.
    /// Where it is a repost whose original was seen too, `fast` says whether it came within the narrowest window.
    pub(crate) fn observe(&mut self, profile: Profile, fast: Option<bool>) -> AccountId {
        let mut hash = hash_strs(0, &[&profile.platform, &profile.account]);
        let (seen, given, platform) = (&mut self.seen, &mut self.given, &mut self.platform);
        // Names of equal hash can be made on purpose; nobody may act in the name of another, so the next place is taken then.
        let other = |account: &Account| *account.platform != *profile.platform || account.id != profile.account;
        while self.numbers.get(&hash).and_then(|number| seen.get(number)).is_some_and(other) {
            hash = hash.wrapping_add(1);
        }
        let number = *self.numbers.entry(hash).or_insert_with(|| {
            *given += 1;
            *given
        });
        let account = seen.entry(number).or_insert_with(|| {
            let platform = match platform {
                Some(known) if **known == *profile.platform => known.clone(),
                other => other.insert(Arc::from(&*profile.platform)).clone(),
            };
            let behaviour = Behaviour { first_post: profile.behaviour.first_post, ..Behaviour::default() };
            Account { platform, id: profile.account, name: Box::default(), behaviour }
        });
        if !profile.name.is_empty() && account.name != profile.name {
            account.name = profile.name;
        }
        let (known, new) = (&mut account.behaviour, profile.behaviour);
        known.posts += 1;
        known.reposts += u64::from(profile.repost);
        known.deleted += u64::from(profile.deleted);
        known.timed_reposts += u64::from(fast.is_some());
        known.fast_reposts += u64::from(fast == Some(true));
        known.hours[hour_of_day(new.first_post)] += 1;
        known.first_post = known.first_post.min(new.first_post);
        known.last_post = known.last_post.max(new.last_post);
        known.created_at = new.created_at.or(known.created_at);
        known.followers = new.followers.or(known.followers);
        known.following = new.following.or(known.following);
        known.default_profile = new.default_profile.or(known.default_profile);
        if new.client.is_some() && new.client != known.client {
            known.client = new.client;
        }
        number
    }

    pub(crate) fn get(&self, number: AccountId) -> Option<&Account> {
        self.seen.get(&number)
    }

    /// What an account is called; nothing for one that was forgotten.
    pub(crate) fn name(&self, number: AccountId) -> AccountRef {
        let account = self.get(number);
        AccountRef {
            platform: account.map_or(String::new(), |a| a.platform.to_string()),
            account_id: account.map_or(String::new(), |a| a.id.to_string()),
        }
    }

    /// Where there are more than `most` accounts, forgets those longest silent that are not to be kept; returns them in order.
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
