//! Webhooks by the Standard Webhooks scheme: what is added to a partner's collection also goes to its endpoint.
//!
//! The body is `{"type": "objects.added", "timestamp": …, "data": {"case", "collection", "objects"}}`, the very objects that the partner
//! sees over TAXII, so that whoever takes webhooks needs nothing else; a large change comes in several requests, each with whole
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
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{
    audit::Entry,
    crash,
    service::{Inner, Sharing, SharingError},
    store::{Attempted, Claimed, Delivery, DeliveryQuery},
};

/// How often the outbox is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// The pause after the first failure; each later one is four times the one before.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// The longest pause of our own accord.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);
/// How long the secret before signs as well after a rotation.
const ROTATION: SignedDuration = SignedDuration::from_hours(24);

/// The `[sharing.webhooks]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Hours after which a delivery is given up.
    pub give_up_h: u32,
    /// Seconds that one request may take.
    pub timeout_s: u32,
    /// Whether endpoints may have addresses that are not public, and on loopback be without TLS.
    pub private: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { give_up_h: 72, timeout_s: 10, private: false }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(1..=24 * 30).contains(&self.give_up_h) {
            return Err(format!("sharing.webhooks.give_up_h is {}: set 1 to 720 hours", self.give_up_h));
        }
        if !(1..=15).contains(&self.timeout_s) {
            return Err(format!("sharing.webhooks.timeout_s is {}: set 1 to 15 seconds", self.timeout_s));
        }
        Ok(())
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_s))
    }

    /// How long a delivery belongs to whoever sends it: longer than a request can take.
    fn claim(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.timeout_s) * 2 + 1)
    }
}

impl Sharing {
    /// A new secret for a partner's webhook, to be shown once. The one before signs as well for a day. What waits is sent at once.
    pub async fn webhook_secret(&self, partner: &str) -> Result<String, SharingError> {
        let partner = partner.to_owned();
        self.blocking(move |inner| {
            let secret = sign::new_secret();
            let now = Timestamp::now();
            let until = now.checked_add(ROTATION).unwrap_or(Timestamp::MAX);
            let text = "the webhook has a new secret; the one before signs as well for a day";
            let entry = by_operator(format!("partner {partner}"), "webhook_secret_issued", text.to_owned(), now);
            inner.store.set_webhook_secret(&partner, &secret, until, entry)?;
            Ok(sign::shown(&secret))
        })
        .await
    }

    /// Deliveries, newest first.
    pub async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, SharingError> {
        self.blocking(move |inner| Ok(inner.store.deliveries(&query)?)).await
    }

    /// Sends a delivery again, whatever became of it, with the same id.
    pub async fn resend(&self, id: &str) -> Result<(), SharingError> {
        self.resend_by(id, OPERATOR).await
    }

    /// Takes a dead delivery off the alert: the partner has it some other way.
    pub async fn discard_delivery(&self, id: &str) -> Result<(), SharingError> {
        self.discard_by(id, OPERATOR).await
    }

    /// Sends a delivery again, in the name of `by`.
    pub(crate) async fn resend_by(&self, id: &str, by: &str) -> Result<(), SharingError> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.blocking(move |inner| {
            let entry = by_person(&id, "delivery_resent", "it is to be sent again", by);
            Ok(inner.store.resend(&id, entry)?)
        })
        .await
    }

    /// Takes a dead delivery off the alert, in the name of `by`.
    pub(crate) async fn discard_by(&self, id: &str, by: &str) -> Result<(), SharingError> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.blocking(move |inner| {
            let entry = by_person(&id, "delivery_discarded", "it need not be sent any more", by);
            Ok(inner.store.discard(&id, entry)?)
        })
        .await
    }
}

/// Whoever may run the command line with the database at hand.
const OPERATOR: &str = "operator (command line)";

fn by_person(id: &str, action: &str, text: &str, actor: String) -> Entry {
    let (subject, action, text) = (format!("delivery {id}"), action.to_owned(), text.to_owned());
    Entry { at: Timestamp::now(), actor, subject, action, text }
}

fn by_operator(subject: String, action: &str, text: String, at: Timestamp) -> Entry {
    Entry { at, actor: OPERATOR.to_owned(), subject, action: action.to_owned(), text }
}

/// Sends what is due until `shutdown`; requests under way are let end.
pub(crate) async fn run(sharing: &Sharing, shutdown: &Shutdown) -> Result<(), SharingError> {
    let config = &sharing.config().webhooks;
    let sender = send::Sender::new(config.timeout(), config.private);
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
    inner.metrics.errors.with_label_values(&["webhook"]).inc();
    tracing::warn!(%error, "the outbox of webhooks could not be worked off, it is tried again");
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
        crash::here("before a webhook is sent");
        let (timestamp, began) = (now.as_second(), Instant::now());
        let signatures = sign::signatures(&claimed.secrets, &claimed.id, timestamp, body.as_bytes());
        let timestamp = timestamp.to_string();
        let headers =
            [("webhook-id", &*claimed.id), ("webhook-timestamp", &*timestamp), ("webhook-signature", &*signatures)];
        let answer = sender.post(&claimed.url, &headers, body.as_bytes());
        crash::here("after a webhook is answered");
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
        r#"{{"type":"objects.added","timestamp":{},"data":{{"case":{},"collection":{},"objects":[{}]}}}}"#,
        text(&claimed.created_at.to_string()),
        text(&claimed.case_id),
        text(collection),
        objects.join(",")
    )
}
