//! Deliveries of webhooks, as people look at them and change them. What sends them is above: `webhooks`.

use casework::audit::Entry;
use jiff::{SignedDuration, Timestamp};

use super::{Sharing, SharingError};
use crate::{
    key::{new_webhook_secret, shown_webhook_secret},
    store::{Delivery, DeliveryQuery},
};

/// How long the secret before signs as well after a rotation.
const ROTATION: SignedDuration = SignedDuration::from_hours(24);

impl Sharing {
    /// A new secret for a partner's webhook, to be shown once. The one before signs as well for a day. What waits is sent at once.
    pub async fn webhook_secret(&self, partner: &str) -> Result<String, SharingError> {
        let partner = partner.to_owned();
        self.blocking(move |inner| {
            let secret = new_webhook_secret();
            let now = Timestamp::now();
            let until = now.checked_add(ROTATION).unwrap_or(Timestamp::MAX);
            let text = "the webhook has a new secret; the one before signs as well for a day";
            let entry = by_operator(format!("partner {partner}"), "webhook_secret_issued", text.to_owned(), now);
            inner.store.set_webhook_secret(&partner, &secret, until, entry)?;
            Ok(shown_webhook_secret(&secret))
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
