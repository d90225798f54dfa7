//! Expiry of flags, and cases that need attention.
//!
//! Flags at partners expire by themselves (`valid_until`). Some days before, the case needs
//! attention, and two people together may renew the flags. If nobody renews them, the case is
//! closed on that day, with an audit entry. A shared case also needs attention when its cluster is
//! no longer flagged or was merged into another cluster: people then decide about the withdrawal.

use jiff::{SignedDuration, Timestamp, Unit};
use messages::cluster::Status;

use crate::{
    Reviewers,
    audit::Entry,
    case::{Attention, AttentionReason, Case, Illegal, State, Statement},
    facts::is_same_person,
};

/// Applies a cluster's newest status to a shared case that people decide.
pub fn on_status(case: &mut Case, status: Status, reviewers: Reviewers, now: Timestamp) -> Option<Entry> {
    if reviewers != Reviewers::People || !case.state.is_shared() {
        return None;
    }
    if status == Status::Flagged {
        let before = case.attention.len();
        case.attention.retain(|attention| attention.why != AttentionReason::NotFlagged);
        return (case.attention.len() < before)
            .then(|| case.entry("lockstep", "attention_settled", "its cluster is flagged again".to_owned(), now));
    }
    let text = match status {
        Status::Faded => "its cluster has faded: later posts contradict it".to_owned(),
        other => format!("its cluster is no longer flagged; its status is {}", status_words(other)),
    };
    case.mark_for_attention(AttentionReason::NotFlagged, text, now)
}

fn status_words(status: Status) -> &'static str {
    match status {
        Status::Flagged => "flagged",
        Status::SingleSource => "of a single source",
        Status::Coordinated => "coordinated only",
        Status::Faded => "faded",
        Status::NearMiss => "a near miss: it did not pass the test",
    }
}

impl Case {
    /// Whether the case waits for people: for a review, a release or an update.
    pub fn needs_attention(&self) -> bool {
        if self.duties.iter().any(|duty| duty.not_before.is_none()) {
            return true;
        }
        match self.state {
            State::Nominated | State::InReview | State::Approved => true,
            State::Released | State::Updated => {
                self.released_version != Some(self.version) || !self.attention.is_empty()
            }
            State::Dismissed | State::Retracted | State::Closed => false,
        }
    }

    /// Marks the case. `None` if the case already has this mark.
    pub fn mark_for_attention(&mut self, why: AttentionReason, text: String, now: Timestamp) -> Option<Entry> {
        if !self.state.is_shared() || self.attention.iter().any(|attention| attention.why == why) {
            return None;
        }
        let entry = self.entry("lockstep", "needs_attention", format!("needs attention: {text}"), now);
        self.attention.push(Attention { why, since: now, text });
        self.changed_at = now;
        Some(entry)
    }

    /// Removes the marks that a step settles: those of a case that was just shared again, withdrawn
    /// or closed.
    pub fn settle_attention(&mut self) {
        self.attention.clear();
        self.renewal = None;
    }

    /// Records that a person looked at the reasons for attention.
    pub fn attend(&mut self, comment: &str, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
        if self.attention.is_empty() {
            return self.refuse("attend to", "it does not need attention");
        }
        if text_format::is_blank(comment) {
            return self.refuse("attend to", "enter what was found");
        }
        self.attention.clear();
        self.changed_at = now;
        Ok(self.entry(by, "attended", comment.to_owned(), now))
    }

    /// Proposes to renew the flags. Another person has to renew them.
    pub fn propose_renewal(&mut self, reason: &str, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
        if !self.state.is_shared() {
            return self.refuse("propose to renew", &format!("it is {}", self.state));
        }
        if text_format::is_blank(reason) {
            return self.refuse("propose to renew", "enter why the accounts should stay flagged");
        }
        let version = self.released_version.unwrap_or(self.version);
        self.renewal = Some(Statement { by: by.to_owned(), at: now, version, text: reason.to_owned() });
        self.changed_at = now;
        Ok(self.entry(by, "renewal_proposed", reason.to_owned(), now))
    }

    /// Renews the flags that partners have.
    pub fn renew(&mut self, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
        if !self.state.is_shared() {
            return self.refuse("renew", &format!("it is {}", self.state));
        }
        let Some(proposed) = self.renewal.clone().filter(|word| Some(word.version) == self.released_version) else {
            return self.refuse("renew", "nobody has proposed it for the version that partners have");
        };
        if is_same_person(&proposed.by, by) {
            return self.refuse(
                "renew",
                &format!("{by} proposed it: accounts are named only when two different people agree"),
            );
        }
        self.renewal = None;
        self.attention.retain(|attention| attention.why != AttentionReason::RunsOut);
        self.state = State::Updated;
        self.changed_at = now;
        let text = format!("version {} is renewed; proposed by {}, renewed by {by}", proposed.version, proposed.by);
        Ok(self.entry(by, "renewed", text, now))
    }

    /// Closes the case because its flags have expired. `None` if nothing is shared.
    pub fn expire(&mut self, now: Timestamp) -> Option<Entry> {
        if !self.state.is_shared() {
            return None;
        }
        self.state = State::Closed;
        self.settle_attention();
        self.changed_at = now;
        let text = "the flags expired and nobody renewed them: the indicators that partners have are no longer valid"
            .to_owned();
        Some(self.entry("lockstep", "expired", text, now))
    }

    pub(crate) fn refuse<T>(&self, verb: &'static str, why: &str) -> Result<T, Illegal> {
        Err(Illegal { case: self.id.clone(), verb, why: why.to_owned(), allowed: self.allowed() })
    }
}

/// Time at which indicators shared now expire: their `valid_until`.
pub fn valid_until(cluster: &messages::cluster::ClusterMessage, now: Timestamp, days: u32) -> Timestamp {
    days_after(now.max(cluster.last_seen), days)
}

/// The time `days` days of 24 hours later.
pub fn days_after(time: Timestamp, days: u32) -> Timestamp {
    time.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
}

/// A time in UTC, to the minute.
pub fn day(time: Timestamp) -> String {
    time.round(Unit::Second).unwrap_or(time).strftime("%Y-%m-%d %H:%M UTC").to_string()
}
