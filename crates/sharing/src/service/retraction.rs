//! Withdrawing single accounts, and deciding what a partner's rejection asks for.
//!
//! A withdrawal is the safe direction: one person suffices. What was withdrawn by people stays out of every later version of the case.

use jiff::Timestamp;

use casework::{Act, case::State, retraction::Decision};

use super::{Inner, Sharing, SharingError};
use crate::store::{Retraction, RetractionCase};

/// Longest note or reason, in characters.
pub(crate) const LONGEST_NOTE: usize = 4_000;

impl Sharing {
    /// Withdraws accounts, as (platform, account id), from every partner that was told of them.
    pub async fn withdraw_accounts(
        &self,
        cluster_id: &str,
        accounts: Vec<(String, String)>,
        reason: &str,
        by: &str,
    ) -> Result<State, SharingError> {
        let (cluster_id, by) = (cluster_id.to_owned(), by.to_owned());
        let act = Act::withdraw_accounts(accounts, reason.to_owned());
        self.blocking(move |inner| Ok(inner.act(&cluster_id, None, act, &by, Timestamp::now())?.state)).await
    }

    /// Open retraction cases, oldest first; with `all` the decided ones too.
    pub async fn retraction_cases(&self, all: bool) -> Result<Vec<RetractionCase>, SharingError> {
        self.blocking(move |inner| Ok(inner.store.retraction_cases(all)?)).await
    }

    /// Decides a retraction case in the name of `by`.
    pub async fn decide_retraction(&self, number: i64, decision: Decision, by: &str) -> Result<(), SharingError> {
        if let Decision::Keep { reason } = &decision {
            check_length(reason)?;
        }
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
        let note = text_format::without_hidden(note);
        let note = note.trim();
        if text_format::is_blank(note) {
            return Err(SharingError::Refused("say how you know that the partner has taken note".to_owned()));
        }
        check_length(note)?;
        let (note, by) = (note.to_owned(), by.to_owned());
        self.blocking(move |inner| Ok(inner.store.acknowledge(number, &by, &note, Timestamp::now())?)).await
    }
}

fn check_length(text: &str) -> Result<(), SharingError> {
    match text.chars().count() {
        n if n > LONGEST_NOTE => {
            Err(SharingError::Refused(format!("it has {n} characters: {LONGEST_NOTE} at most, link to the rest")))
        }
        _ => Ok(()),
    }
}

impl Inner {
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
                let entry = open.rejection().keep(reason, by, now).map_err(SharingError::Refused)?;
                Ok(self.store.end_retraction_case(number, "kept", entry)?)
            }
            // The withdrawal settles the retraction case in its own transaction.
            Decision::Withdraw => {
                let shared = self.store.case(&open.cluster_id)?.and_then(|record| record.released);
                let act = open.rejection().withdraw(shared.as_ref());
                self.act(&open.cluster_id, None, act, by, now)?;
                Ok(())
            }
        }
    }
}
