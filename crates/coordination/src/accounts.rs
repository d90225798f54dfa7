//! The accounts seen, and how each behaves.

use std::sync::Arc;

use crate::{
    cluster::{AccountRef, Behaviour},
    hash::{Map, hash_strs},
    history::AccountId,
    post::Post,
};

#[derive(Default)]
pub(crate) struct Accounts {
    numbers: Map<u64, AccountId>,
    seen: Vec<Account>,
}

pub(crate) struct Account {
    pub platform: Arc<str>,
    pub id: Box<str>,
    pub name: Box<str>,
    pub behaviour: Behaviour,
}

/// What of a post describes its account.
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
                created_at: post.account_created_at,
                followers: post.followers,
                following: post.following,
                default_profile: post.default_profile,
                client: post.client.as_deref().map(str::to_string),
                first_post: post.created_at,
                last_post: post.created_at,
                ..Behaviour::default()
            },
        }
    }
}

impl Accounts {
    /// The account's number; what the post says of it is added to what is known.
    pub(crate) fn observe(&mut self, profile: Profile) -> AccountId {
        let hash = hash_strs(0, &[&profile.platform, &profile.account]);
        let seen = &mut self.seen;
        let number = *self.numbers.entry(hash).or_insert_with(|| {
            let platform = seen
                .last()
                .filter(|a| *a.platform == *profile.platform)
                .map_or_else(|| Arc::from(&*profile.platform), |a| a.platform.clone());
            seen.push(Account {
                platform,
                id: profile.account,
                name: Box::default(),
                behaviour: Behaviour { first_post: profile.behaviour.first_post, ..Behaviour::default() },
            });
            (seen.len() - 1) as AccountId
        });
        let account = &mut seen[number as usize];
        if !profile.name.is_empty() && account.name != profile.name {
            account.name = profile.name;
        }
        let (known, new) = (&mut account.behaviour, profile.behaviour);
        known.posts += 1;
        known.reposts += u64::from(profile.repost);
        known.deleted += u64::from(profile.deleted);
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

    pub(crate) fn get(&self, number: AccountId) -> &Account {
        &self.seen[number as usize]
    }

    pub(crate) fn name(&self, number: AccountId) -> AccountRef {
        let account = self.get(number);
        AccountRef { platform: account.platform.to_string(), account_id: account.id.to_string() }
    }

    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }
}

fn hour_of_day(at: i64) -> usize {
    (at.div_euclid(3_600_000)).rem_euclid(24) as usize
}
