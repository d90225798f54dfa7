//! Flags that run out, and cases that people have to look at again.
//!
//! What partners hold expires by itself (`valid_until`). Some days before, the case asks for attention; two people may renew it. Where
//! nobody does, the case is closed on the day and the audit log says so. A shared case also asks for attention when its cluster is
//! flagged no longer or became part of another: it is for people to withdraw it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Unit};
use messages::cluster::Status;
use runtime::shutdown::Shutdown;
use serde::{Deserialize, Serialize};

use crate::{
    audit::Entry,
    case::{Case, Illegal, State, Word},
    config::Reviewers,
    service::{Inner, Sharing, SharingError},
    store::{
        StoreError, StoredCase,
        precision::{By, Judged},
    },
};

/// How often cases are looked at.
const EVERY: Duration = Duration::from_secs(600);
/// How often what waits is counted for the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// How often it is counted what was said of clusters, which reads all of that.
const JUDGED_EVERY: Duration = Duration::from_secs(60);
/// What was said within this time counts.
const JUDGED_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Something about a case that people should look at again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attention {
    /// What happened.
    pub why: Why,
    /// When it was noticed.
    pub since: Timestamp,
    /// In words.
    pub text: String,
}

/// What happened to a case that partners were told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The cluster is flagged no longer.
    NotFlagged,
    /// The cluster became part of another.
    Absorbed,
    /// The flags run out soon.
    RunsOut,
}

impl Sharing {
    /// Proposes that the flags of a case go on; somebody else has to renew them.
    pub async fn propose_renewal(&self, cluster_id: &str, reason: &str, by: &str) -> Result<State, SharingError> {
        let (cluster_id, reason, by) = (cluster_id.to_owned(), reason.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.propose_renewal(&cluster_id, None, &reason, &by, Timestamp::now())).await
    }

    /// Renews the flags of a case: partners get new versions of what they have, valid for as long as a new one.
    pub async fn renew(&self, cluster_id: &str, by: &str) -> Result<State, SharingError> {
        let (cluster_id, by) = (cluster_id.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.renew(&cluster_id, None, &by, Timestamp::now())).await
    }

    /// Notes that somebody has looked at what a case asked attention for.
    pub async fn attend(&self, cluster_id: &str, comment: &str, by: &str) -> Result<State, SharingError> {
        let (cluster_id, comment, by) = (cluster_id.to_owned(), comment.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.attend(&cluster_id, None, &comment, &by, Timestamp::now())).await
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
    while !shutdown.is_stopping() {
        let look = looked.is_none_or(|looked| looked.elapsed() >= EVERY);
        let judge = judged.is_none_or(|judged| judged.elapsed() >= JUDGED_EVERY);
        let done = sharing
            .blocking(move |inner| {
                if look {
                    inner.look_at_ends(Timestamp::now())?;
                }
                if judge {
                    inner.count_judged(Timestamp::now())?;
                }
                inner.count_what_waits(Timestamp::now())
            })
            .await;
        match done {
            Ok(()) => {
                let now = Some(std::time::Instant::now());
                looked = if look { now } else { looked };
                judged = if judge { now } else { judged };
            }
            Err(error) => {
                sharing.inner.metrics.errors.with_label_values(&["expiry"]).inc();
                tracing::warn!(%error, "cases could not be looked at, it is tried again");
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
        for (cluster_id, valid_until) in self.store.running_out(self.notice_until(now))? {
            let changed = self.change(&cluster_id, None, now, |_, stored, changed_at| {
                let case = &mut stored.case;
                let entry = if valid_until <= now {
                    case.expire(changed_at)
                } else {
                    case.ask_attention(
                        Why::RunsOut,
                        format!("its flags run out on {}: renew or leave them", day(valid_until)),
                        changed_at,
                    )
                };
                Ok((entry.into_iter().collect(), Vec::new()))
            });
            match changed {
                // Somebody took a step meanwhile: the next look sees it as it is then.
                Ok(_) | Err(SharingError::Store(StoreError::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// `seen` is the revision that it was decided on, here as below.
    pub(crate) fn attend(
        &self,
        cluster_id: &str,
        seen: Option<i64>,
        comment: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<State, SharingError> {
        self.change(cluster_id, seen, now, |_, stored, now| {
            Ok((vec![stored.case.attend(comment, by, now)?], Vec::new()))
        })
    }

    pub(crate) fn propose_renewal(
        &self,
        cluster_id: &str,
        seen: Option<i64>,
        reason: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<State, SharingError> {
        self.change(cluster_id, seen, now, |_, stored, now| {
            Ok((vec![stored.case.propose_renewal(reason, by, now)?], Vec::new()))
        })
    }

    pub(crate) fn renew(
        &self,
        cluster_id: &str,
        seen: Option<i64>,
        by: &str,
        now: Timestamp,
    ) -> Result<State, SharingError> {
        self.change(cluster_id, seen, now, |inner, stored, now| {
            let entry = stored.case.renew(by, now)?;
            let Some(released) = stored.released.clone() else { return Ok((vec![entry], Vec::new())) };
            // The version that partners have goes on, not a newer one that nobody has approved.
            let shared = StoredCase { cluster: released, ..stored.clone() };
            let publish = inner.for_partners(&shared, now, |p| p.objects())?;
            stored.case.valid_until = Some(valid_until(&shared.cluster, now, inner.config.valid_days));
            Ok((vec![entry], publish))
        })
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
        let (running_out, attention) = self.store.watched_counts(self.notice_until(now))?;
        metrics.running_out.set(running_out);
        metrics.attention.set(attention);
        Ok(())
    }
}

/// What the newest word on a cluster means for a case that people decide, if partners were told of it.
pub(crate) fn on_status(case: &mut Case, status: Status, reviewers: Reviewers, now: Timestamp) -> Option<Entry> {
    if reviewers != Reviewers::People || !shared(case) {
        return None;
    }
    if status == Status::Flagged {
        let before = case.attention.len();
        case.attention.retain(|attention| attention.why != Why::NotFlagged);
        return (case.attention.len() < before)
            .then(|| case.entry("lockstep", "attention_settled", "its cluster is flagged again".to_owned(), now));
    }
    let text = match status {
        Status::Faded => "its cluster has faded: nothing new connects the accounts".to_owned(),
        other => format!("its cluster is flagged no longer, it is {}", status_words(other)),
    };
    case.ask_attention(Why::NotFlagged, text, now)
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
    /// Marks the case; says nothing where it is marked so already.
    pub(crate) fn ask_attention(&mut self, why: Why, text: String, now: Timestamp) -> Option<Entry> {
        if !shared(self) || self.attention.iter().any(|attention| attention.why == why) {
            return None;
        }
        let entry = self.entry("lockstep", "needs_attention", format!("needs attention: {text}"), now);
        self.attention.push(Attention { why, since: now, text });
        self.changed_at = now;
        Some(entry)
    }

    /// What a step settles by itself: nothing is left to look at once the case was shared anew, withdrawn or closed.
    pub(crate) fn settle_attention(&mut self) {
        self.attention.clear();
        self.renewal = None;
    }

    fn attend(&mut self, comment: &str, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
        if self.attention.is_empty() {
            return self.refuse("attend to", "it asks for no attention");
        }
        if comment.trim().is_empty() {
            return self.refuse("attend to", "say what was found");
        }
        self.attention.clear();
        self.changed_at = now;
        Ok(self.entry(by, "attended", comment.to_owned(), now))
    }

    fn propose_renewal(&mut self, reason: &str, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
        if !shared(self) {
            return self.refuse("propose to renew", &format!("it is {}", self.state));
        }
        if reason.trim().is_empty() {
            return self.refuse("propose to renew", "say why the accounts should stay flagged");
        }
        let version = self.released_version.unwrap_or(self.version);
        self.renewal = Some(Word { by: by.to_owned(), at: now, version, text: reason.to_owned() });
        self.changed_at = now;
        Ok(self.entry(by, "renewal_proposed", reason.to_owned(), now))
    }

    fn renew(&mut self, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
        if !shared(self) {
            return self.refuse("renew", &format!("it is {}", self.state));
        }
        let Some(proposed) = self.renewal.clone().filter(|word| Some(word.version) == self.released_version) else {
            return self.refuse("renew", "nobody has proposed it for the version that partners have");
        };
        if proposed.by == by {
            return self.refuse(
                "renew",
                &format!("{by} proposed it: accounts are named only when two different people agree"),
            );
        }
        self.renewal = None;
        self.attention.retain(|attention| attention.why != Why::RunsOut);
        self.state = State::Updated;
        self.changed_at = now;
        let text = format!("version {} is renewed; proposed by {}, renewed by {by}", proposed.version, proposed.by);
        Ok(self.entry(by, "renewed", text, now))
    }

    fn expire(&mut self, now: Timestamp) -> Option<Entry> {
        if !shared(self) {
            return None;
        }
        self.state = State::Closed;
        self.settle_attention();
        self.changed_at = now;
        let text = "the flags ran out and nobody renewed them: what partners have is no longer valid".to_owned();
        Some(self.entry("lockstep", "expired", text, now))
    }

    fn refuse<T>(&self, verb: &'static str, why: &str) -> Result<T, Illegal> {
        Err(Illegal { case: self.id.clone(), verb, why: why.to_owned(), allowed: self.allowed() })
    }
}

/// When what is shared now runs out: the `valid_until` of the indicators.
pub(crate) fn valid_until(cluster: &messages::cluster::ClusterMessage, now: Timestamp, days: u32) -> Timestamp {
    days_after(now.max(cluster.last_seen), days)
}

fn shared(case: &Case) -> bool {
    matches!(case.state, State::Released | State::Updated)
}

fn days_after(time: Timestamp, days: u32) -> Timestamp {
    time.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
}

fn day(time: Timestamp) -> String {
    time.round(Unit::Second).unwrap_or(time).strftime("%Y-%m-%d %H:%M UTC").to_string()
}
