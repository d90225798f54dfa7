//! Erasing an account, on behalf of an operator. What partners have of it is withdrawn first; then it goes from the database.

use std::collections::BTreeSet;

use casework::{
    Act,
    audit::{ERASED, Entry},
    case::Step,
};
use jiff::Timestamp;
use messages::erasure::Erasure;

use super::{Inner, Sharing, SharingError};
use crate::{publish::stix::evidence::without_posts_of_account, store::ErasedFromStore};

/// Why partners are asked to undo what they have.
const REASON: &str = "the account is erased";

impl Sharing {
    /// Learns the names of the account from cases and groups.
    pub async fn learn_account(&self, mut erasure: Erasure) -> Result<Erasure, SharingError> {
        self.blocking(move |inner| {
            inner.store.learn_account(&mut erasure)?;
            Ok(erasure)
        })
        .await
    }

    /// What an erasure would change in the database. Changes nothing.
    pub async fn would_erase(&self, erasure: &Erasure) -> Result<ErasedFromStore, SharingError> {
        let erasure = erasure.clone();
        let nothing = None::<fn(&ErasedFromStore) -> Entry>;
        self.blocking(move |inner| Ok(inner.store.erase_account(&erasure, without_posts(&erasure), nothing, false)?))
            .await
    }

    /// Who received the account in any case.
    pub async fn received_account(&self, erasure: &Erasure) -> Result<BTreeSet<String>, SharingError> {
        let erasure = erasure.clone();
        self.blocking(move |inner| Ok(inner.store.received_account(&erasure)?)).await
    }

    /// Keeps the posts of the cases under legal hold that are only on the log yet. Returns whether all of them were looked up.
    pub async fn keep_held_evidence(&self, log: &runtime::Log, erased: &ErasedFromStore) -> Result<bool, SharingError> {
        let mut all = true;
        for held in &erased.held {
            all &= self.keep_evidence_of(log, held.cluster_id.clone()).await?;
        }
        Ok(all)
    }

    /// In how many cases an erasure would withdraw the account from partners.
    pub async fn would_withdraw(&self, erasure: &Erasure) -> Result<u64, SharingError> {
        let erasure = erasure.clone();
        self.blocking(move |inner| Ok(inner.store.shared_with_account(&erasure)?.len() as u64)).await
    }

    /// Withdraws the account from every partner that has it, except in cases under legal hold. Returns in how many cases.
    pub async fn withdraw_erased(&self, erasure: &Erasure, by: &str) -> Result<u64, SharingError> {
        let (erasure, by) = (erasure.clone(), by.to_owned());
        self.blocking(move |inner| inner.withdraw_erased(&erasure, &by, Timestamp::now())).await
    }

    /// Erases the account from the database, with an entry in the audit log. `elsewhere` is what was erased from other places, for
    /// this entry; empty if nothing was.
    pub async fn erase_account(
        &self,
        erasure: &Erasure,
        by: &str,
        elsewhere: &str,
    ) -> Result<ErasedFromStore, SharingError> {
        let (erasure, by, elsewhere) = (erasure.clone(), by.to_owned(), elsewhere.to_owned());
        self.blocking(move |inner| inner.erase_account(&erasure, &by, &elsewhere, Timestamp::now())).await
    }

    /// Overwrites what was deleted in the files of the database.
    pub async fn scrub(&self) -> Result<(), SharingError> {
        self.blocking(|inner| Ok(inner.store.scrub()?)).await
    }
}

impl Inner {
    pub(crate) fn withdraw_erased(&self, erasure: &Erasure, by: &str, now: Timestamp) -> Result<u64, SharingError> {
        let shared = self.store.shared_with_account(erasure)?;
        for (cluster_id, accounts) in &shared {
            let reason = REASON.to_owned();
            let account = (erasure.platform().to_owned(), erasure.id().to_owned());
            let act = match accounts {
                0 | 1 => Act::Step(Step::Retract { reason }),
                _ => Act::withdraw_accounts([account], reason),
            };
            self.act(cluster_id, None, act, by, now)?;
        }
        Ok(shared.len() as u64)
    }

    pub(crate) fn erase_account(
        &self,
        erasure: &Erasure,
        by: &str,
        elsewhere: &str,
        now: Timestamp,
    ) -> Result<ErasedFromStore, SharingError> {
        // A name that somebody typed, and that is the account's own.
        let actor = erasure.in_text(by).unwrap_or_else(|| by.to_owned());
        let entry = |erased: &ErasedFromStore| {
            let rows = erased.rows.iter().map(|(what, rows)| format!("{what}: {rows}"));
            let held = erased.held.iter().map(|held| format!("not from {}, which is under legal hold", held.case));
            let elsewhere = Some(elsewhere.to_owned()).filter(|text| !text.is_empty());
            let all: Vec<String> = rows.chain(elsewhere).chain(held).collect();
            Entry {
                at: now,
                actor,
                subject: format!("{}:{}", erasure.platform(), erasure.token()),
                action: ERASED.to_owned(),
                text: format!("an account of {} is erased; {}", erasure.platform(), all.join(", ")),
            }
        };
        Ok(self.store.erase_account(erasure, without_posts(erasure), Some(entry), !elsewhere.is_empty())?)
    }
}

fn without_posts(erasure: &Erasure) -> impl Fn(&str) -> Option<String> {
    let id = erasure.id().to_owned();
    move |body| without_posts_of_account(body, &id)
}
