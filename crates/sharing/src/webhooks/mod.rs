//! Webhooks by the Standard Webhooks scheme: what is added to a partner's collection also goes to its endpoint.
//!
//! The body is `{"type": …, "timestamp": …, "data": {"case", "collection", "objects"}}`, the very objects that the partner sees over
//! TAXII; the type is `objects.withdrawn` where any of the objects is withdrawn, else `objects.added`. `crates/sharing/STIX.md` describes it, so that whoever takes webhooks needs nothing else; a large change comes in several requests, each with whole
//! objects. The outbox is written in the transaction of the release (`store::deliveries`). A delivery keeps its id and its bytes
//! over all attempts: a process that dies after the answer and before noting it sends the same `webhook-id` again.
//!
//! Deliveries to one partner come one after the other; one that fails holds up that partner only.

pub(crate) mod send;
pub(crate) mod sign;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use runtime::shutdown::Shutdown;
use tokio::task::JoinSet;

use crate::{
    fault_injection,
    service::{Inner, Sharing, SharingError},
    store::{Attempted, Claimed},
};

/// How often the outbox is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// The pause after the first failure; each later one is four times the one before.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// The longest pause of our own accord.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);

/// Sends what is due until `shutdown`; requests under way are let end.
pub(crate) async fn run(sharing: &Sharing, shutdown: &Shutdown) -> Result<(), SharingError> {
    let config = &sharing.config().webhooks;
    let sender = send::Sender::new(config.timeout(), config.private)?;
    let mut busy: BTreeSet<String> = BTreeSet::new();
    let mut sending: JoinSet<(String, Result<(), SharingError>)> = JoinSet::new();
    while !shutdown.is_stopping() {
        match sharing.blocking(|inner| Ok(inner.store.partners_due(Timestamp::now())?)).await {
            Ok(due) => {
                for partner in due {
                    if busy.insert(partner.clone()) {
                        let (sharing, sender, stop) = (sharing.clone(), sender.clone(), shutdown.clone());
                        sending.spawn(async move {
                            let sent = send_all(&sharing, &sender, &partner, &stop).await;
                            (partner, sent)
                        });
                    }
                }
            }
            Err(error) => failed(&sharing.inner, &error),
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            Some(ended) = sending.join_next(), if !sending.is_empty() => done(&sharing.inner, &mut busy, ended),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    while let Some(ended) = sending.join_next().await {
        done(&sharing.inner, &mut busy, ended);
    }
    Ok(())
}

fn done(
    inner: &Inner,
    busy: &mut BTreeSet<String>,
    ended: Result<(String, Result<(), SharingError>), tokio::task::JoinError>,
) {
    match ended {
        Ok((partner, sent)) => {
            busy.remove(&partner);
            if let Err(error) = sent {
                failed(inner, &error);
            }
        }
        // Whose it was is not known: a claim that runs out lets everybody's deliveries go on.
        Err(error) => {
            busy.clear();
            failed(inner, &error.into());
        }
    }
}

fn failed(inner: &Inner, error: &SharingError) {
    inner.failed("webhook", error, "the outbox of webhooks could not be worked off, it is tried again");
}

/// Sends a partner's deliveries, one after the other, until none is due.
async fn send_all(
    sharing: &Sharing,
    sender: &send::Sender,
    partner: &str,
    shutdown: &Shutdown,
) -> Result<(), SharingError> {
    loop {
        let (sender, partner) = (sender.clone(), partner.to_owned());
        let went_on = sharing.blocking(move |inner| inner.send_next(&sender, &partner, &Timestamp::now)).await?;
        if !went_on || shutdown.is_stopping() {
            return Ok(());
        }
    }
}

impl Inner {
    /// Sends a partner's next delivery. Whether the one after it may be sent.
    pub(crate) fn send_next(
        &self,
        sender: &send::Sender,
        partner: &str,
        clock: &dyn Fn() -> Timestamp,
    ) -> Result<bool, SharingError> {
        let now = clock();
        let claimed_until = now.checked_add(self.config.webhooks.claim()).unwrap_or(Timestamp::MAX);
        let Some(claimed) = self.store.claim_delivery(partner, now, claimed_until)? else { return Ok(false) };
        let (collection, objects) = self.store.delivered_objects(&claimed)?;
        let body = body(&claimed, &collection, &objects);
        fault_injection::crash_at("before a webhook is sent");
        let (timestamp, began) = (now.as_second(), Instant::now());
        let signatures = sign::signatures(&claimed.secrets, &claimed.id, timestamp, body.as_bytes());
        let timestamp = timestamp.to_string();
        let headers =
            [("webhook-id", &*claimed.id), ("webhook-timestamp", &*timestamp), ("webhook-signature", &*signatures)];
        let answer = sender.post(&claimed.url, &headers, body.as_bytes());
        fault_injection::crash_at("after a webhook is answered");
        let now = clock();
        let give_up = SignedDuration::from_hours(i64::from(self.config.webhooks.give_up_h));
        let (attempted, outcome) = judge(&claimed, &answer, give_up, random(), now);
        let name = match attempted {
            Attempted::Delivered => "delivered",
            Attempted::Again { .. } => "failed",
            Attempted::Dead => "dead",
            Attempted::Disabled => "disabled",
        };
        self.metrics.webhook_attempts.with_label_values(&[name]).inc();
        self.metrics.webhook_seconds.observe(began.elapsed().as_secs_f64());
        self.store.attempted(&claimed, &attempted, &outcome, now)?;
        if attempted == Attempted::Delivered {
            tracing::debug!(partner, id = claimed.id, "a webhook was delivered");
        } else {
            tracing::warn!(
                partner,
                id = claimed.id,
                attempt = claimed.attempts,
                outcome,
                came_of_it = name,
                "a webhook was not taken"
            );
        }
        Ok(matches!(attempted, Attempted::Delivered | Attempted::Dead))
    }
}

/// What an answer means. Pure.
fn judge(
    claimed: &Claimed,
    answer: &Result<send::Answer, String>,
    give_up: SignedDuration,
    random: f64,
    now: Timestamp,
) -> (Attempted, String) {
    let outcome = match answer {
        Ok(answer) if answer.text.is_empty() || (200..300).contains(&answer.status) => answer.status.to_string(),
        Ok(answer) => format!("{} {}", answer.status, answer.text),
        Err(error) => text_format::shorten(error, 240),
    };
    let status = answer.as_ref().map(|answer| answer.status).unwrap_or(0);
    if (200..300).contains(&status) {
        return (Attempted::Delivered, outcome);
    }
    if status == 410 {
        return (Attempted::Disabled, outcome);
    }
    let end = claimed.since.checked_add(give_up).unwrap_or(Timestamp::MAX);
    if now >= end {
        return (Attempted::Dead, outcome);
    }
    let mut at = now.checked_add(pause(claimed.attempts, random)).unwrap_or(end);
    // An endpoint that says when to come back is believed, but not beyond our own end.
    if matches!(status, 429 | 503)
        && let Ok(send::Answer { retry_after: Some(value), .. }) = answer
        && let Some(asked) = send::retry_after(value, now)
    {
        at = at.max(asked);
    }
    // One last attempt at the very end.
    (Attempted::Again { at: at.min(end) }, outcome)
}

/// How long to wait after that many attempts: exponential, and anywhere between half and all of it, so that partners that failed
/// together do not come back together.
fn pause(attempts: i64, random: f64) -> SignedDuration {
    let doublings = attempts.clamp(1, 12) as i32 - 1;
    let full = FIRST_PAUSE.as_secs_f64() * 4f64.powi(doublings);
    let full = full.min(LONGEST_PAUSE.as_secs_f64());
    SignedDuration::from_millis((full * (0.5 + random / 2.0) * 1_000.0) as i64)
}

/// From 0 to 1.
fn random() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}

/// The objects are spliced in as they were stored.
fn body(claimed: &Claimed, collection: &str, objects: &[String]) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        r#"{{"type":{},"timestamp":{},"data":{{"case":{},"collection":{},"objects":[{}]}}}}"#,
        text(&claimed.event),
        text(&claimed.created_at.to_string()),
        text(&claimed.reference),
        text(collection),
        objects.join(",")
    )
}
