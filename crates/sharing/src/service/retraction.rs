//! Withdrawing single accounts, and deciding what a partner's rejection asks for.
//!
//! A withdrawal is the safe direction: one person suffices. What was withdrawn by people stays out of every later version of the case.

use std::collections::BTreeSet;

use jiff::Timestamp;

use casework::{
    audit::Entry,
    case::{State, Step},
    retraction::{Decision, account_key, only, without},
};

use super::{Inner, Sharing, SharingError};
use crate::{
    publish::stix::{self, withdrawal::withdrawal},
    store::{Retraction, RetractionCase, StoredCase},
};

impl Sharing {
    /// Withdraws accounts, as (platform, account id), from every partner that was told of them.
    pub async fn withdraw_accounts(
        &self,
        cluster_id: &str,
        accounts: Vec<(String, String)>,
        reason: &str,
        by: &str,
    ) -> Result<State, SharingError> {
        let (cluster_id, reason, by) = (cluster_id.to_owned(), reason.to_owned(), by.to_owned());
        let accounts: BTreeSet<String> = accounts.iter().map(|(platform, id)| account_key(platform, id)).collect();
        self.blocking(move |inner| {
            inner.withdraw_accounts(&cluster_id, None, &accounts, &reason, &by, Timestamp::now())
        })
        .await
    }

    /// Open retraction cases, oldest first; with `all` the decided ones too.
    pub async fn retraction_cases(&self, all: bool) -> Result<Vec<RetractionCase>, SharingError> {
        self.blocking(move |inner| Ok(inner.store.retraction_cases(all)?)).await
    }

    /// Decides a retraction case in the name of `by`.
    pub async fn decide_retraction(&self, number: i64, decision: Decision, by: &str) -> Result<(), SharingError> {
        let by = by.to_owned();
        self.blocking(move |inner| inner.decide_retraction(number, &decision, &by, Timestamp::now())).await
    }

    /// Withdrawals that partners have not taken note of, the most overdue first; with `overdue` only those that are due.
    pub async fn retractions_waiting(&self, overdue: bool) -> Result<Vec<Retraction>, SharingError> {
        self.blocking(move |inner| {
            let by = if overdue { Timestamp::now() } else { Timestamp::MAX };
            Ok(inner.store.retractions_due(by)?)
        })
        .await
    }

    /// Notes that a partner knows of a withdrawal, as it told a person.
    pub async fn acknowledge_retraction(&self, number: i64, note: &str, by: &str) -> Result<(), SharingError> {
        let (note, by) = (note.to_owned(), by.to_owned());
        self.blocking(move |inner| Ok(inner.store.acknowledge(number, &by, &note, Timestamp::now())?)).await
    }
}

impl Inner {
    pub(crate) fn withdraw_accounts(
        &self,
        cluster_id: &str,
        seen: Option<i64>,
        accounts: &BTreeSet<String>,
        reason: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<State, SharingError> {
        self.change(cluster_id, seen, now, |inner, stored, now| {
            let before = stored.released.clone();
            let entry = stored.case.withdraw_accounts(before.as_ref(), accounts, reason, by, now)?;
            let Some(before) = before else { return Ok((vec![entry], Vec::new())) };
            let (gone, rest) = (only(&before, accounts), without(&before, accounts));
            stored.released = Some(before.clone());
            let shared = StoredCase { cluster: rest.clone(), ..stored.clone() };
            let publish = inner.for_partners(&shared, now, |p| withdrawal(p, &gone))?;
            stix::note_withdrawn(&mut stored.case, &before, Some(&rest));
            stored.released = Some(rest);
            Ok((vec![entry], publish))
        })
    }

    pub(crate) fn decide_retraction(
        &self,
        number: i64,
        decision: &Decision,
        by: &str,
        now: Timestamp,
    ) -> Result<(), SharingError> {
        let open = self.store.retraction_case(number)?.filter(|case| case.state == "open");
        let open = open.ok_or_else(|| SharingError::NoRetractionCase(number))?;
        match decision {
            Decision::Keep { reason } => {
                if reason.trim().is_empty() {
                    return Err(SharingError::Refused(format!(
                        "retraction case {number} cannot be kept without a reason: say why what was shared stands"
                    )));
                }
                let entry = Entry {
                    at: now,
                    actor: by.to_owned(),
                    subject: open.case,
                    action: "retraction_case_kept".to_owned(),
                    text: format!("retraction case {number}: {reason}"),
                };
                Ok(self.store.end_retraction_case(number, "kept", entry)?)
            }
            // The withdrawal settles the retraction case in its own transaction.
            Decision::Withdraw => {
                let reason = format!("retraction case {number}: {}", open.reason);
                if open.accounts.is_empty() {
                    self.step(&open.cluster_id, None, Step::Retract { reason }, by, now)?;
                    return Ok(());
                }
                let keys: BTreeSet<String> = open.accounts.iter().map(|id| account_key(&open.platform, id)).collect();
                // Where nothing else would be left, it is the whole case.
                let shared = self.store.case(&open.cluster_id)?.and_then(|stored| stored.released);
                if shared.is_some_and(|shared| without(&shared, &keys).accounts.is_empty()) {
                    self.step(&open.cluster_id, None, Step::Retract { reason }, by, now)?;
                } else {
                    self.withdraw_accounts(&open.cluster_id, None, &keys, &reason, by, now)?;
                }
                Ok(())
            }
        }
    }
}
