//! The same action on many cases: a preview, and the action on each case.

use std::collections::HashSet;

use casework::{
    Act,
    case::{Illegal, State},
    policy,
};
use jiff::Timestamp;

use super::{Inner, Sharing, SharingError, Taken};

/// Cases of one request at most.
pub(crate) const MOST_CASES: usize = 200;

/// What an action would do to a case.
pub(crate) struct Preview {
    pub cluster_id: String,
    pub case_id: String,
    /// Accounts in the finding.
    pub accounts: u64,
    /// The revision that the preview is about.
    pub revision: i64,
    pub before: State,
    /// The state afterwards, and who would be notified by a release then. The error is the refusal.
    pub after: Result<(State, Vec<String>), Illegal>,
}

/// The result for a case: its state, and its revision, which an undo has to name.
pub(crate) struct Done {
    pub state: State,
    pub revision: i64,
}

impl Sharing {
    /// What `act` would do to each case, in the order of `cluster_ids`. Clusters without a case are left out.
    pub(crate) async fn preview(
        &self,
        cluster_ids: Vec<String>,
        act: Act,
        by: &str,
    ) -> Result<Vec<Preview>, SharingError> {
        let by = by.to_owned();
        self.blocking(move |inner| inner.preview(&cluster_ids, &act, &by, Timestamp::now())).await
    }

    /// Takes `act` on each case that has the revision that was seen. Each case is a transaction of its own, with its own entry in
    /// the audit log.
    pub(crate) async fn act_on_many(
        &self,
        seen: Vec<(String, i64)>,
        act: Act,
        by: &str,
    ) -> Result<Vec<(String, Result<Done, SharingError>)>, SharingError> {
        let by = by.to_owned();
        self.blocking(move |inner| {
            let each = |(id, revision): (String, i64)| {
                let done = inner.act_and_read(&id, revision, act.clone(), &by, Timestamp::now());
                (id, done)
            };
            Ok(seen.into_iter().map(each).collect())
        })
        .await
    }
}

impl Inner {
    fn preview(
        &self,
        cluster_ids: &[String],
        act: &Act,
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<Preview>, SharingError> {
        let mut known = HashSet::new();
        let mut previews = Vec::new();
        for id in cluster_ids.iter().filter(|id| known.insert(id.as_str())).take(MOST_CASES) {
            let Some(record) = self.store.case(id)? else { continue };
            let (revision, before) = (record.revision, record.case.state);
            let (cluster_id, case_id) = (record.case.cluster_id.clone(), record.case.id.clone());
            let accounts = presentation::description::size(&record.cluster);
            let after = record.on_act(act.clone(), by, &self.settings(), now).map(|effects| {
                let record = &effects.record;
                let outcome = policy::decide(&record.case, &record.terms(&self.policy), now);
                let notified = outcome.notified().map(|decision| decision.recipient.clone()).collect();
                (record.case.state, notified)
            });
            previews.push(Preview { cluster_id, case_id, accounts, revision, before, after });
        }
        Ok(previews)
    }

    fn act_and_read(&self, id: &str, seen: i64, act: Act, by: &str, now: Timestamp) -> Result<Done, SharingError> {
        let Taken { state, .. } = self.act(id, Some(seen), act, by, now)?;
        Ok(Done { state, revision: self.record(id)?.revision })
    }
}
