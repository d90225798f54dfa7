//! Appeals of accounts that a case names: recorded, and decided by a second person. What is decided: [`casework::appeal`].

use casework::{
    Act, CaseRecord, Effects, Reviewers,
    appeal::{Appeal, Consequence, NewAppeal, suspends},
    attention::days_after,
};
use jiff::Timestamp;

use super::{Inner, Sharing, SharingError};

impl Sharing {
    /// Records an appeal: from then on nothing more of the case is shared. Returns its number.
    pub(crate) async fn record_appeal(
        &self,
        cluster_id: &str,
        appeal: NewAppeal,
        by: &str,
    ) -> Result<i64, SharingError> {
        let (cluster_id, by) = (cluster_id.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.record_appeal(&cluster_id, appeal, &by, Timestamp::now())).await
    }

    /// Decides an appeal.
    pub(crate) async fn decide_appeal(
        &self,
        number: i64,
        upheld: bool,
        reason: &str,
        by: &str,
    ) -> Result<(), SharingError> {
        let (reason, by) = (reason.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.decide_appeal(number, upheld, &reason, &by, Timestamp::now())).await
    }
}

impl Inner {
    pub(crate) fn record_appeal(
        &self,
        cluster_id: &str,
        appeal: NewAppeal,
        by: &str,
        now: Timestamp,
    ) -> Result<i64, SharingError> {
        if self.config.reviewers == Reviewers::Demo {
            // Nobody would be there to obey it.
            return Err(SharingError::Refused(
                "the demo's automatic reviewers decide: there are no appeals".to_owned(),
            ));
        }
        let mut record = self.record(cluster_id)?;
        let now = record.case.after(now);
        let due = days_after(now, self.config.appeal_due_days);
        let number = self.store.next_appeal()?;
        let (appeal, entry) = appeal.record(&mut record, (number, due), by, now).map_err(SharingError::Refused)?;
        let change = self.change_of(effects(record, vec![entry], now), &[])?;
        self.store.add_appeal(&appeal, &change, now)?;
        self.count_cases();
        Ok(number)
    }

    pub(crate) fn decide_appeal(
        &self,
        number: i64,
        upheld: bool,
        reason: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<(), SharingError> {
        let open = self.store.appeals(false)?.into_iter().find(|appeal| appeal.number == number);
        let mut appeal =
            open.ok_or_else(|| SharingError::Refused(format!("appeal {number} is not open, or there is none")))?;
        let mut record = self.record(&appeal.cluster_id)?;
        let now = record.case.after(now);
        let (outcome, entry, consequence) =
            appeal.decide(&record, upheld, reason, by, now).map_err(SharingError::Refused)?;
        let partners = self.store.partners()?;
        let change = match consequence {
            None => None,
            Some(Consequence::Withdraw(act)) => {
                Some(self.change_of(record.on_act(act, by, &self.settings(), now)?, &partners)?)
            }
            Some(Consequence::LeaveOut) => {
                let entry = appeal.leave_out(&mut record.case, by, now);
                Some(self.change_of(effects(record, vec![entry], now), &partners)?)
            }
        };
        appeal.outcome = Some(outcome);
        let added = self.store.end_appeal(&appeal, entry, change.as_ref(), now)?;
        self.metrics.objects.inc_by(added as u64);
        self.count_cases();
        Ok(())
    }

    /// Refuses what would share more of a case while an appeal is open.
    pub(super) fn check_appeals(&self, record: &CaseRecord, act: &Act) -> Result<(), SharingError> {
        let open: Vec<Appeal> = self.store.open_appeals_of(&record.case.cluster_id)?;
        match suspends(&open, act, &record.case) {
            Some(illegal) => Err(illegal.into()),
            None => Ok(()),
        }
    }
}

fn effects(record: CaseRecord, audit: Vec<casework::audit::Entry>, at: Timestamp) -> Effects {
    Effects { at, record, audit, publish: None, label: None, refused: None }
}
