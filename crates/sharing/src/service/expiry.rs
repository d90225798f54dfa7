//! Flags that run out, and cases that people have to look at again.
//!
//! What partners hold expires by itself (`valid_until`). Some days before, the case asks for attention; two people may renew it. Where
//! nobody does, the case is closed on the day and the audit log says so. A shared case also asks for attention when its cluster is
//! flagged no longer or became part of another: it is for people to withdraw it.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use runtime::shutdown::Shutdown;

use casework::{Act, attention::days_after, case::State};

use super::{Inner, Sharing, SharingError};
use crate::store::{
    StoreError,
    precision::{By, Judged},
};

/// How often cases are looked at.
const EVERY: Duration = Duration::from_secs(600);
/// How often what waits is counted for the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// How often it is counted what was said of clusters and became of releases, which reads all of that.
const JUDGED_EVERY: Duration = Duration::from_secs(60);
/// What was said within this time counts.
const JUDGED_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Sharing {
    /// Proposes that the flags of a case go on; somebody else has to renew them.
    pub async fn propose_renewal(&self, cluster_id: &str, reason: &str, by: &str) -> Result<State, SharingError> {
        let (cluster_id, reason, by) = (cluster_id.to_owned(), reason.to_owned(), by.to_owned());
        self.blocking(move |inner| {
            Ok(inner.act(&cluster_id, None, Act::ProposeRenewal { reason }, &by, Timestamp::now())?.state)
        })
        .await
    }

    /// Renews the flags of a case: partners get new versions of what they have, valid for as long as a new one.
    pub async fn renew(&self, cluster_id: &str, by: &str) -> Result<State, SharingError> {
        let (cluster_id, by) = (cluster_id.to_owned(), by.to_owned());
        self.blocking(move |inner| Ok(inner.act(&cluster_id, None, Act::Renew, &by, Timestamp::now())?.state)).await
    }

    /// Notes that somebody has looked at what a case asked attention for.
    pub async fn attend(&self, cluster_id: &str, comment: &str, by: &str) -> Result<State, SharingError> {
        let (cluster_id, comment, by) = (cluster_id.to_owned(), comment.to_owned(), by.to_owned());
        self.blocking(move |inner| {
            Ok(inner.act(&cluster_id, None, Act::Attend { comment }, &by, Timestamp::now())?.state)
        })
        .await
    }

    /// Cases, by cluster id, whose flags run out within the notice time, soonest first.
    pub async fn running_out(&self) -> Result<Vec<(String, Timestamp)>, SharingError> {
        self.blocking(|inner| Ok(inner.store.running_out(inner.notice_until(Timestamp::now()))?)).await
    }

    /// Cases, by cluster id, that people have to look at again.
    pub async fn needing_attention(&self) -> Result<Vec<String>, SharingError> {
        self.blocking(|inner| Ok(inner.store.needing_attention()?)).await
    }
}

/// Looks at cases until `shutdown`, and counts what waits.
pub(crate) async fn run(sharing: &Sharing, shutdown: &Shutdown) -> Result<(), SharingError> {
    let (mut looked, mut judged) = (None::<std::time::Instant>, None::<std::time::Instant>);
    let mut found_duties = false;
    while !shutdown.is_stopping() {
        let look = looked.is_none_or(|looked| looked.elapsed() >= EVERY);
        let judge = judged.is_none_or(|judged| judged.elapsed() >= JUDGED_EVERY);
        let done = sharing
            .blocking(move |inner| {
                if !found_duties {
                    inner.find_duties(Timestamp::now())?;
                }
                if look {
                    inner.look_at_ends(Timestamp::now())?;
                }
                if judge {
                    inner.count_judged(Timestamp::now())?;
                    inner.count_releases(Timestamp::now())?;
                }
                inner.count_what_waits(Timestamp::now())
            })
            .await;
        match done {
            Ok(()) => {
                sharing.inner.succeeded("expiry", "cases are looked at");
                found_duties = true;
                let now = Some(std::time::Instant::now());
                looked = if look { now } else { looked };
                judged = if judge { now } else { judged };
            }
            Err(error) => {
                sharing.inner.failed("expiry", &error, "cases could not be looked at, it is tried again");
            }
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(COUNT_EVERY) => {}
        }
    }
    Ok(())
}

impl Inner {
    fn notice_until(&self, now: Timestamp) -> Timestamp {
        days_after(now, self.config.expiry_notice_days)
    }

    /// Closes cases whose flags have run out, and marks those whose flags soon will.
    pub(crate) fn look_at_ends(&self, now: Timestamp) -> Result<(), SharingError> {
        let mut due: BTreeSet<String> = self.store.delays_over(now)?.into_iter().collect();
        due.extend(self.store.running_out(self.notice_until(now))?.into_iter().map(|(cluster_id, _)| cluster_id));
        self.look_at(due, now)
    }

    /// Finds the duties of cases that an earlier version of the program stored.
    pub(crate) fn find_duties(&self, now: Timestamp) -> Result<(), SharingError> {
        self.look_at(self.store.with_duties()?.into_iter().collect(), now)
    }

    fn look_at(&self, cases: BTreeSet<String>, now: Timestamp) -> Result<(), SharingError> {
        for cluster_id in cases {
            let Some(effects) = self.record(&cluster_id)?.on_tick(&self.settings(), now) else { continue };
            match self.carry_out(effects) {
                // Somebody took a step meanwhile: the next look sees it as it is then.
                Ok(_) | Err(SharingError::Store(StoreError::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How often what was flagged turned out to be so.
    pub(crate) fn count_judged(&self, now: Timestamp) -> Result<(), SharingError> {
        let counts = self.store.judged_since(now - JUDGED_WITHIN)?;
        for by in By::ALL {
            for word in Judged::ALL {
                let n = counts.get(&(by, word)).copied().unwrap_or(0);
                self.metrics.judged.with_label_values(&[by.name(), word.name()]).set(n);
            }
        }
        Ok(())
    }

    fn count_what_waits(&self, now: Timestamp) -> Result<(), SharingError> {
        let metrics = &self.metrics;
        let (pending, dead, disabled) = self.store.delivery_counts()?;
        metrics.deliveries.with_label_values(&["pending"]).set(pending);
        metrics.deliveries.with_label_values(&["dead"]).set(dead);
        metrics.webhooks_disabled.set(disabled);
        let (waiting, overdue, open) = self.store.retraction_counts(now)?;
        metrics.retractions.with_label_values(&["waiting"]).set(waiting);
        metrics.retractions.with_label_values(&["overdue"]).set(overdue);
        metrics.retraction_cases.set(open);
        let (appeals, overdue) = self.store.appeal_counts(now)?;
        metrics.appeals.with_label_values(&["open"]).set(appeals);
        metrics.appeals.with_label_values(&["overdue"]).set(overdue);
        let (running_out, attention) = self.store.watched_counts(self.notice_until(now))?;
        metrics.running_out.set(running_out);
        metrics.attention.set(attention);
        let (duties, since) = self.store.open_duties()?;
        metrics.open_duties.set(duties);
        metrics.oldest_duty.set(since.map_or(0, |since| now.duration_since(since).as_secs().max(0)));
        Ok(())
    }
}
