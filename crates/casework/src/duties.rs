//! Rules 4 and 5 as duties: who must be notified of a case, and whether a delivery to them is
//! recorded.
//!
//! A duty begins with the recorded fact that causes it. Only a recorded delivery ends it. No step
//! ends a case that has an open duty.

use jiff::{SignedDuration, Timestamp};

use crate::{
    audit::Entry,
    case::{Case, Illegal},
    handover::{Handover, MandatoryRecipient, OpenDuty, RecordedHandover},
    policy::{self, Terms},
    recipients::Recipient,
};

impl Case {
    /// The duties for which no delivery is recorded. Each later version that is released has to be
    /// delivered as well.
    pub fn find_open_duties(&self, now: Timestamp) -> Vec<OpenDuty> {
        let secret_service =
            self.facts.protected.iter().map(|record| (MandatoryRecipient::SecretService, record.at, None::<Timestamp>));
        let breaches =
            self.facts.breaches.iter().flat_map(|record| record.what.breaches.iter().map(move |b| (b, record.at)));
        let officials = breaches.map(|(breach, recorded)| {
            let since = self.facts.breached_since.get(&breach.state).copied().unwrap_or(recorded);
            let delay = policy::delay_in_force(self, &breach.state, now).map(|delay| delay.what.until);
            (MandatoryRecipient::ChiefElectionOfficial { state: breach.state.clone() }, since, delay)
        });
        let mut open: Vec<OpenDuty> = Vec::new();
        for (whom, since, not_before) in secret_service.chain(officials) {
            let delivered = self.handovers.iter().filter(|handover| handover.meets.contains(&whom));
            let delivered = delivered.map(|handover| handover.version).max();
            let since = match (delivered, self.released_version, &self.released_by) {
                (Some(delivered), Some(released), _) if delivered >= released => continue,
                // An earlier version was delivered: this duty is as old as the later version.
                (Some(_), Some(_), Some(release)) => release.at,
                _ => since,
            };
            if open.iter().all(|duty| duty.whom != whom) {
                open.push(OpenDuty { whom, since, not_before });
            }
        }
        open
    }

    /// Brings the duties of the case up to date. Returns the audit entry if they changed.
    pub(crate) fn refresh_duties(&mut self, now: Timestamp) -> Option<Entry> {
        let open = self.find_open_duties(now);
        if open == self.duties {
            return None;
        }
        let mut changes = Vec::new();
        for duty in &open {
            let before = self.duties.iter().find(|before| before.whom == duty.whom);
            match (duty.not_before, before) {
                (Some(until), Some(before)) if before.not_before == Some(until) => {}
                (Some(until), _) => changes.push(format!("{} must be notified by {until} at the latest", duty.whom)),
                (None, Some(before)) if before.not_before.is_some() => {
                    changes.push(format!("the delay is over: {} must be notified now", duty.whom));
                }
                (None, Some(before)) if before.since == duty.since => {}
                (None, _) => changes.push(format!("{} must be notified, and no delivery is recorded", duty.whom)),
            }
        }
        for before in self.duties.iter().filter(|before| open.iter().all(|duty| duty.whom != before.whom)) {
            changes
                .push(format!("the duty to notify {} is fulfilled, or the fact behind it was taken back", before.whom));
        }
        self.duties = open;
        self.changed_at = now;
        Some(self.entry("lockstep", "duties_changed", changes.join("; "), now))
    }

    /// Whether a recipient must be notified now, or had to be notified before.
    pub fn must_be_notified(&self, recipient: &Recipient) -> bool {
        let fulfilled = self.handovers.iter().flat_map(|handover| &handover.meets);
        self.duties.iter().map(|duty| &duty.whom).chain(fulfilled).any(|whom| whom.is(recipient))
    }

    /// Why the case cannot end: somebody must be notified first.
    pub(crate) fn duties_blocking(&self, now: Timestamp) -> Option<String> {
        let open: Vec<String> = self.find_open_duties(now).iter().map(|duty| duty.whom.to_string()).collect();
        (!open.is_empty()).then(|| {
            format!(
                "{} must be notified first: hand over the document, and record to whom, when and how",
                open.join(" and ")
            )
        })
    }

    /// Records that something was handed over to a recipient.
    pub fn record_handover(
        &mut self,
        handover: Handover,
        by: &str,
        terms: &Terms<'_>,
        now: Timestamp,
    ) -> Result<Entry, Illegal> {
        let refuse = |why: String| {
            Err(Illegal { case: self.id.clone(), verb: "record a delivery of", why, allowed: self.allowed() })
        };
        for (text, what) in [(&handover.to, "who took it"), (&handover.how, "how it was handed over")] {
            if text_format::is_blank(text) {
                return refuse(format!("{what} is empty: enter it"));
            }
        }
        let (Some(first), Some(version)) = (self.first_released_at, self.released_version) else {
            return refuse("it was never released, so nothing can have been handed over".to_owned());
        };
        if handover.at > now {
            return refuse(format!("{} is in the future", handover.at));
        }
        // A form gives the time to the minute.
        if handover.at + SignedDuration::from_mins(1) <= first {
            return refuse(format!("{} is before the release at {first}", handover.at));
        }
        let Some(recipient) = terms.recipients.iter().find(|recipient| recipient.name == handover.recipient) else {
            return refuse(format!("there is no recipient {:?}", handover.recipient));
        };
        let duties = self.duties.iter().map(|duty| duty.whom.clone());
        let fulfilled_before = self.handovers.iter().flat_map(|handover| handover.meets.iter().cloned());
        let mut meets: Vec<MandatoryRecipient> =
            duties.chain(fulfilled_before).filter(|whom| whom.is(recipient)).collect();
        meets.sort();
        meets.dedup();
        let received = self.received_versions(recipient).map(|versions| versions.last);
        if received.is_none() && meets.is_empty() {
            return refuse(format!("{} was not chosen to be notified", recipient.name));
        }
        // A mandatory recipient can receive the released version even if the release did not name
        // it.
        let version = if meets.is_empty() { received.unwrap_or(version) } else { version };
        let text = format!(
            "version {version} was handed over to {} ({}) at {}: {}",
            handover.recipient, handover.to, handover.at, handover.how
        );
        self.handovers.push(RecordedHandover { meets, version, handover, by: by.to_owned(), recorded_at: now });
        self.changed_at = now;
        Ok(self.entry(by, "delivery_recorded", text, now))
    }
}
