//! API keys of partners: `lockstep_<key id>_<secret>`.
//!
//! The secret has 244 random bits, so a fast hash is enough: there is nothing to guess. The key id finds the row; the secret
//! is compared in constant time. A partner has as many keys as it likes; [`Sharing::rotate_key`] gives it a new one and lets the old
//! ones end a while later, so that nothing stands still in between.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use casework::audit::Entry;

use super::{Inner, Sharing, SharingError};
use crate::{
    key::{Key, generate},
    store::StoreError,
};

/// How stale a key's time of last use may be: reading a feed should not write.
const USED_EVERY: SignedDuration = SignedDuration::from_mins(15);

/// What is done about a partner's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    /// The partner may have no valid key yet.
    NoneYet,
    /// They stay as they are.
    Stay,
    /// They end at that time at the latest.
    EndAt(Timestamp),
}

impl Sharing {
    /// A new API key for a partner, without an end. This is the only time that it can be seen.
    pub async fn issue_key(&self, partner: &str) -> Result<String, SharingError> {
        self.new_key(partner, None, Others::Stay, "lockstep").await
    }

    /// One more key for a partner, which ends after `lasts`.
    pub async fn extra_key(
        &self,
        partner: &str,
        lasts: Option<SignedDuration>,
        by: &str,
    ) -> Result<String, SharingError> {
        self.new_key(partner, lasts, Others::Stay, by).await
    }

    /// A partner's first key; refused where it has one.
    pub async fn first_key(
        &self,
        partner: &str,
        lasts: Option<SignedDuration>,
        by: &str,
    ) -> Result<String, SharingError> {
        self.new_key(partner, lasts, Others::NoneYet, by).await
    }

    /// A new key in place of a partner's others, which go on for `overlap`.
    pub async fn rotate_key(
        &self,
        partner: &str,
        lasts: Option<SignedDuration>,
        overlap: SignedDuration,
        by: &str,
    ) -> Result<String, SharingError> {
        self.new_key(partner, lasts, Others::EndAt(Timestamp::now() + overlap), by).await
    }

    async fn new_key(
        &self,
        partner: &str,
        lasts: Option<SignedDuration>,
        others: Others,
        by: &str,
    ) -> Result<String, SharingError> {
        let (partner, by) = (partner.to_owned(), by.to_owned());
        self.blocking(move |inner| {
            let now = Timestamp::now();
            let (id, key, hash) = generate();
            let expires_at = lasts.map(|lasts| now + lasts);
            let mut entries = vec![entry(now, &by, &partner, "key_issued", format!("API key {id} was issued{}", until(expires_at)))];
            let valid: Vec<Key> =
                inner.store.keys(&partner)?.into_iter().filter(|key| key.is_valid(now)).collect();
            let ends = match others {
                Others::NoneYet if !valid.is_empty() => {
                    return Err(StoreError::Partner(format!(
                        "partner {partner:?} has a valid key already ({}): `lockstep partners rotate {partner}` replaces it, \
                         `lockstep partners key {partner}` adds another",
                        valid.iter().map(|key| key.id.as_str()).collect::<Vec<_>>().join(", ")
                    ))
                    .into());
                }
                Others::NoneYet | Others::Stay => None,
                Others::EndAt(end) => Some(end),
            };
            for old in valid.iter().filter(|old| ends.is_some_and(|end| old.expires_at.is_none_or(|at| at > end))) {
                let text = format!("API key {}, replaced by {id}, is valid{}", old.id, until(ends));
                entries.push(entry(now, &by, &partner, "key_replaced", text));
            }
            inner.store.add_key(&id, &partner, &hash, now, expires_at, ends, entries)?;
            inner.show_keys(now);
            Ok(key)
        })
        .await
    }

    /// Takes a key back at once. `Err` where there is no such key in use.
    pub async fn revoke_key(&self, id: &str, by: &str) -> Result<Key, SharingError> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.blocking(move |inner| {
            let now = Timestamp::now();
            let found = inner.store.all_keys()?.into_iter().find(|key| key.id == id && key.revoked_at.is_none());
            let Some(mut key) = found else {
                return Err(StoreError::Partner(format!(
                    "there is no key {id:?} in use: `lockstep partners list` shows the ids of keys, 16 letters and digits each"
                ))
                .into());
            };
            inner.store.revoke_key(&id, now, entry(now, &by, &key.partner, "key_revoked", format!("API key {id} was revoked")))?;
            inner.show_keys(now);
            key.revoked_at = Some(now);
            Ok(key)
        })
        .await
    }

    /// Every key of partners in use, by partner, oldest first.
    pub async fn keys(&self) -> Result<Vec<Key>, SharingError> {
        self.blocking(|inner| Ok(inner.store.all_keys()?)).await
    }
}

impl Inner {
    /// Shows on the metrics how old each partner's newest key is and when its last one ends.
    pub(crate) fn show_keys(&self, now: Timestamp) {
        let keys = match self.store.all_keys() {
            Ok(keys) => keys,
            Err(error) => {
                self.metrics.errors.with_label_values(&["store"]).inc();
                tracing::warn!(%error, "cannot look through keys");
                return;
            }
        };
        self.metrics.key_age.reset();
        self.metrics.key_expires.reset();
        let mut partners: HashMap<&str, Vec<&Key>> = HashMap::new();
        for key in keys.iter().filter(|key| key.is_valid(now)) {
            partners.entry(&key.partner).or_default().push(key);
        }
        for (partner, keys) in partners {
            if let Some(newest) = keys.iter().map(|key| key.created_at).max() {
                self.metrics.key_age.with_label_values(&[partner]).set(now.duration_since(newest).as_secs());
            }
            // A partner with a key that has no end is not going to be left without one.
            let last = keys
                .iter()
                .map(|key| key.expires_at)
                .collect::<Option<Vec<_>>>()
                .and_then(|ends| ends.into_iter().max());
            if let Some(last) = last {
                self.metrics.key_expires.with_label_values(&[partner]).set(last.as_second());
            }
        }
    }

    /// Writes down which keys and tokens were used.
    pub(crate) fn write_used(&self) -> Result<(), StoreError> {
        // Whoever comes while another writes returns when that is written, and not before.
        let _writing = self.used_keys.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, at) in self.used_keys.take() {
            self.store.key_used(&id, at, at - USED_EVERY)?;
        }
        for (id, at) in self.used_tokens.take() {
            self.store.token_used(&id, at, at - USED_EVERY)?;
        }
        Ok(())
    }
}

/// Keys used since it was last written down.
#[derive(Default)]
pub(crate) struct Used {
    last: Mutex<HashMap<String, Timestamp>>,
    writing: Mutex<()>,
}

impl Used {
    pub fn note(&self, id: &str, at: Timestamp) {
        let mut used = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get_mut(id) {
            Some(last) => *last = at,
            None => drop(used.insert(id.to_owned(), at)),
        }
    }

    fn take(&self) -> HashMap<String, Timestamp> {
        mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn entry(at: Timestamp, by: &str, partner: &str, action: &str, text: String) -> Entry {
    Entry { at, actor: by.to_owned(), subject: format!("partner {partner}"), action: action.to_owned(), text }
}

fn until(end: Option<Timestamp>) -> String {
    end.map_or(String::new(), |end| format!(" until {}", end.strftime("%Y-%m-%d %H:%M UTC")))
}
