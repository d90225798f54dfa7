//! The outbox of webhooks: what still has to get to the endpoints.
//!
//! A delivery names a span of its partner's collection, so the outbox holds no second copy of the objects, and a delivery is the same
//! bytes however often it is sent.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Store, StoreError,
    audit_log::append_audit,
    database::{Row, Session, Value, values},
    encryption::WEBHOOK_SECRET,
    releases, retractions,
};
use casework::audit::Entry;

/// Bytes of objects in one delivery, beyond which another one begins.
const PART_BYTES: usize = 512 * 1024;

/// The event of a delivery in which nothing is withdrawn.
const ADDED: &str = "objects.added";
/// The event of a delivery with withdrawn objects.
const WITHDRAWN: &str = "objects.withdrawn";

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Not there yet; it is tried again.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// The endpoint said that it is gone (410): nothing is sent until it has a new URL or a new secret.
    Disabled,
    /// Given up.
    Dead,
    /// Given up, and somebody said that this is in order.
    Discarded,
}

impl DeliveryState {
    /// All states.
    pub const ALL: [DeliveryState; 5] = [
        DeliveryState::Pending,
        DeliveryState::Delivered,
        DeliveryState::Disabled,
        DeliveryState::Dead,
        DeliveryState::Discarded,
    ];

    /// The name in the store, on the command line and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Disabled => "disabled",
            DeliveryState::Dead => "dead",
            DeliveryState::Discarded => "discarded",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<DeliveryState> {
        DeliveryState::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A delivery in a list.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Delivery {
    /// Its `webhook-id`.
    pub id: String,
    /// To whom.
    pub partner: String,
    /// The case it is about.
    pub case: String,
    /// `objects.added`, or `objects.withdrawn` where any of its objects is withdrawn.
    pub event: String,
    /// How many objects it carries.
    pub objects: i64,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is tried next, while it is pending.
    pub next_at: Option<Timestamp>,
    /// When it was last tried.
    pub last_at: Option<Timestamp>,
    /// What came of that.
    pub last_outcome: Option<String>,
}

/// Which deliveries to list; newest first.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    /// Of this partner only.
    pub partner: Option<String>,
    /// In this state only.
    pub state: Option<DeliveryState>,
    /// At most so many.
    pub limit: usize,
    /// Without so many of the newest.
    pub offset: usize,
}

/// A delivery that is this process's to send.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub number: i64,
    pub id: String,
    pub partner: String,
    pub case_id: String,
    /// Under which id the partner knows the case.
    pub reference: String,
    pub event: String,
    pub collection: i64,
    pub after_added: i64,
    pub until_added: i64,
    /// This one included.
    pub attempts: i64,
    pub since: Timestamp,
    pub created_at: Timestamp,
    pub url: String,
    /// One, or two while a rotation is under way.
    pub secrets: Vec<Vec<u8>>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Attempted {
    Delivered,
    Again {
        at: Timestamp,
    },
    Dead,
    /// The endpoint is gone for good.
    Disabled,
}

impl Store {
    /// Partners whose next delivery is due.
    pub fn partners_due(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let sql = "select w.partner from webhooks w join deliveries d on d.number =
                           (select min(number) from deliveries where partner = w.partner and state = 'pending')
                       where w.active = 1 and w.disabled_at is null and w.secret is not null
                         and d.next_at <= ?1 and d.claimed_until <= ?1 order by w.partner";
            db.rows(sql, values![now])?.into_iter().map(|mut row| row.take(0)).collect()
        })
    }

    /// Takes a partner's next delivery for this process until `until`, where it is due and nobody else has it. A later one never
    /// overtakes it.
    pub fn claim_delivery(
        &self,
        partner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Claimed>, StoreError> {
        self.write(|tx| {
            let row = tx.row(
                "select d.number, d.id, d.case_id, d.collection, d.after_added, d.until_added, d.attempts, d.since,
                        d.created_at, w.url, w.secret, w.previous, w.previous_until, d.event,
                        coalesce(r.reference, d.case_id)
                 from webhooks w join deliveries d on d.number =
                     (select min(number) from deliveries where partner = w.partner and state = 'pending')
                 left join case_references r on r.collection = d.collection and r.case_id = d.case_id
                 where w.partner = ?1 and w.active = 1 and w.disabled_at is null and w.secret is not null
                   and d.next_at <= ?2 and d.claimed_until <= ?2",
                values![partner, now],
            )?;
            let Some(mut row) = row else { return Ok(None) };
            let number: i64 = row.take(0)?;
            tx.run(
                "update deliveries set claimed_until = ?2, attempts = attempts + 1, last_at = ?3 where number = ?1",
                values![number, until, now],
            )?;
            let decrypt = |secret: Vec<u8>| self.locker.decrypt(&secret, WEBHOOK_SECRET, partner);
            let mut secrets: Vec<Vec<u8>> = vec![decrypt(row.take(10)?)?];
            if let (Some(previous), Some(end)) = (row.take(11)?, row.take::<Option<Timestamp>>(12)?)
                && now < end
            {
                secrets.push(decrypt(previous)?);
            }
            Ok(Some(Claimed {
                number,
                id: row.take(1)?,
                partner: partner.to_owned(),
                case_id: row.take(2)?,
                reference: row.take(14)?,
                event: row.take(13)?,
                collection: row.take(3)?,
                after_added: row.take(4)?,
                until_added: row.take(5)?,
                attempts: row.take::<i64>(6)? + 1,
                since: row.take(7)?,
                created_at: row.take(8)?,
                url: row.take(9)?,
                secrets,
            }))
        })
    }

    /// Id of the collection, and the objects that a delivery carries, in order.
    pub fn delivered_objects(&self, claimed: &Claimed) -> Result<(String, Vec<String>), StoreError> {
        self.read(|db| {
            let id = db.value("select id from collections where number = ?1", values![claimed.collection])?;
            let rows = db.rows(
                "select body from objects where collection = ?1 and date_added > ?2 and date_added <= ?3
                 order by date_added",
                values![claimed.collection, claimed.after_added, claimed.until_added],
            )?;
            let bodies = rows.into_iter().map(|mut row| row.take(0)).collect::<Result<_, _>>()?;
            Ok((id.unwrap_or_default(), bodies))
        })
    }

    /// Notes what came of an attempt. Nothing changes where the delivery is no longer pending.
    pub fn attempted(
        &self,
        claimed: &Claimed,
        attempted: &Attempted,
        outcome: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (state, next_at) = match attempted {
            Attempted::Delivered => (DeliveryState::Delivered, now),
            Attempted::Again { at } => (DeliveryState::Pending, *at),
            Attempted::Disabled => (DeliveryState::Disabled, now),
            Attempted::Dead => (DeliveryState::Dead, now),
        };
        self.write(|tx| {
            let changed = tx.run(
                "update deliveries set state = ?2, next_at = ?3, claimed_until = 0, last_outcome = ?4
                 where number = ?1 and state = 'pending'",
                values![claimed.number, state.name(), next_at, outcome],
            )?;
            if changed == 0 {
                return Ok(());
            }
            let Claimed { id, partner, case_id, attempts, .. } = claimed;
            let entry = |subject: &str, action: &str, text: String| Entry {
                at: now,
                actor: "lockstep".to_owned(),
                subject: subject.to_owned(),
                action: action.to_owned(),
                text,
            };
            match attempted {
                Attempted::Delivered => {
                    let text = format!("{id} was taken by the endpoint of {partner}: {outcome}; attempt {attempts}");
                    append_audit(tx, vec![entry(case_id, "delivered", text)])?;
                    retractions::acknowledge_span(
                        tx,
                        claimed.collection,
                        claimed.after_added + 1,
                        claimed.until_added,
                        retractions::AckedBy::Webhook,
                        now,
                    )?;
                    releases::fetched(tx, claimed.collection, claimed.after_added + 1, claimed.until_added, now)?;
                }
                Attempted::Dead => {
                    let text = format!("{id} was given up after {attempts} attempts; the last one for {partner}: {outcome}");
                    append_audit(tx, vec![entry(case_id, "delivery_given_up", text)])?;
                }
                Attempted::Disabled => {
                    tx.run("update webhooks set disabled_at = ?2 where partner = ?1", values![partner, now])?;
                    // PartnerFeedback once for all that waits.
                    let later = tx.run(
                        "update deliveries set state = 'disabled' where partner = ?1 and state = 'pending'",
                        values![partner],
                    )?;
                    let text = format!(
                        "the endpoint of {partner} says that it is gone ({outcome}); {id} and {} are not sent until it has a new \
                         URL or a new secret",
                        match later {
                            1 => "1 later delivery".to_owned(),
                            later => format!("{} later deliveries", text_format::thousands(later)),
                        }
                    );
                    append_audit(tx, vec![entry(&format!("partner {partner}"), "webhook_disabled", text)])?;
                }
                Attempted::Again { .. } => {}
            }
            Ok(())
        })
    }

    /// Deliveries, newest first.
    pub fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
        let (mut filter, mut values) = (vec!["1 = 1".to_owned()], Vec::<Value>::new());
        if let Some(partner) = &query.partner {
            values.push(partner.into());
            filter.push(format!("partner = ?{}", values.len()));
        }
        if let Some(state) = query.state {
            values.push(state.name().into());
            filter.push(format!("state = ?{}", values.len()));
        }
        let sql = format!(
            "select id, partner, case_id, objects, state, attempts, created_at, next_at, last_at, last_outcome, event
             from deliveries where {} order by number desc limit {} offset {}",
            filter.join(" and "),
            query.limit,
            query.offset
        );
        self.read(|db| db.rows(&sql, &values)?.into_iter().map(delivery).collect())
    }

    /// Sends a delivery again: at once, and with all the time to be tried. Refused where its endpoint is gone.
    pub fn resend(&self, id: &str, entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| {
            let gone: Option<String> = tx.value(
                "select w.partner from webhooks w join deliveries d on d.partner = w.partner
                 where d.id = ?1 and w.disabled_at is not null",
                values![id],
            )?;
            if let Some(partner) = gone {
                return Err(StoreError::Partner(format!(
                    "the endpoint of {partner} said that it is gone: give it a new URL in the configuration, or a new secret with \
                     `lockstep partners webhook-secret {partner}`, and all that waits for it is sent"
                )));
            }
            let changed = tx.run(
                "update deliveries set state = 'pending', since = ?2, next_at = ?2, claimed_until = 0 where id = ?1",
                values![id, entry.at],
            )?;
            known(changed, id)?;
            append_audit(tx, vec![entry])
        })
    }

    /// Meaning that a delivery that was given up, or waits for an endpoint that is gone, need not be sent any more.
    pub fn discard(&self, id: &str, entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| {
            let sql = "update deliveries set state = 'discarded' where id = ?1 and state in ('dead', 'disabled')";
            let changed = tx.run(sql, values![id])?;
            known(changed, id)?;
            append_audit(tx, vec![entry])
        })
    }

    /// Deliveries pending and dead, and endpoints that are disabled.
    pub fn delivery_counts(&self) -> Result<(i64, i64, i64), StoreError> {
        self.read(|db| {
            let mut count = |sql: &str| db.value::<i64>(sql, values![]).map(|n| n.unwrap_or(0));
            Ok((
                count("select count(*) from deliveries where state = 'pending'")?,
                count("select count(*) from deliveries where state = 'dead'")?,
                count("select count(*) from webhooks where active = 1 and disabled_at is not null")?,
            ))
        })
    }
}

/// Puts what was just added to a collection, in order, into the outbox, where the partner has an endpoint.
pub(super) fn enqueue(
    tx: &mut dyn Session,
    collection: i64,
    case_id: &str,
    added: &[AddedObject],
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "select partner, disabled_at from webhooks where collection = ?1 and active = 1";
    let (Some(mut endpoint), Some(first)) = (tx.row(sql, values![collection])?, added.first()) else {
        return Ok(());
    };
    let partner: String = endpoint.take(0)?;
    let state = match endpoint.take::<Option<Timestamp>>(1)? {
        Some(_) => DeliveryState::Disabled,
        None => DeliveryState::Pending,
    };
    let mut number: i64 = tx.value("select coalesce(max(number), 0) from deliveries", values![])?.unwrap_or(0);
    let mut after = first.at - 1;
    for Part { until, objects, withdraws } in parts(added) {
        number += 1;
        tx.run(
            "insert into deliveries (number, id, partner, collection, case_id, after_added, until_added, objects, state,
                                     attempts, created_at, since, next_at, claimed_until, event)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?10, 0, ?9, ?9, ?9, 0, ?11)",
            values![
                number,
                format!("msg_{}", uuid::Uuid::new_v4().simple()),
                &partner,
                collection,
                case_id,
                after,
                until,
                objects,
                now,
                state.name(),
                if withdraws { WITHDRAWN } else { ADDED }
            ],
        )?;
        after = until;
    }
    Ok(())
}

/// An object that was just added to a collection.
#[derive(Clone, Copy)]
pub(super) struct AddedObject {
    /// Its `date_added`.
    pub at: i64,
    pub bytes: usize,
    pub revoked: bool,
}

/// The objects of one delivery.
#[derive(Debug, PartialEq)]
struct Part {
    /// `date_added` of the last one.
    until: i64,
    objects: i64,
    /// Whether any of them is withdrawn.
    withdraws: bool,
}

fn parts(added: &[AddedObject]) -> Vec<Part> {
    let (mut parts, mut bytes, mut objects, mut withdraws) = (Vec::new(), 0, 0, false);
    for (index, object) in added.iter().enumerate() {
        bytes += object.bytes;
        objects += 1;
        withdraws |= object.revoked;
        let next = added.get(index + 1).map(|next| next.bytes);
        if next.is_none_or(|next| bytes + next > PART_BYTES) {
            parts.push(Part { until: object.at, objects, withdraws });
            (bytes, objects, withdraws) = (0, 0, false);
        }
    }
    parts
}

fn known(changed: u64, id: &str) -> Result<(), StoreError> {
    if changed == 0 {
        return Err(StoreError::Partner(format!(
            "there is no such delivery as {id:?}, or it is neither dead nor disabled: lockstep partners deliveries lists them"
        )));
    }
    Ok(())
}

fn delivery(mut row: Row) -> Result<Delivery, StoreError> {
    let state: String = row.take(4)?;
    let state = DeliveryState::from_name(&state)
        .ok_or_else(|| StoreError::Unreadable { what: "a delivery", why: format!("its state is {state:?}") })?;
    let next_at: Timestamp = row.take(7)?;
    Ok(Delivery {
        id: row.take(0)?,
        partner: row.take(1)?,
        case: row.take(2)?,
        event: row.take(10)?,
        objects: row.take(3)?,
        state,
        attempts: row.take(5)?,
        created_at: row.take(6)?,
        next_at: (state == DeliveryState::Pending).then_some(next_at),
        last_at: row.take(8)?,
        last_outcome: row.take(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_change_is_cut_between_objects() {
        let cut = |objects: &[(i64, usize, bool)]| {
            let added = objects.iter().map(|&(at, bytes, revoked)| AddedObject { at, bytes, revoked });
            let parts = parts(&added.collect::<Vec<_>>());
            parts.into_iter().map(|part| (part.until, part.objects, part.withdraws)).collect::<Vec<_>>()
        };
        let half = PART_BYTES / 2;
        assert_eq!(cut(&[]), []);
        assert_eq!(cut(&[(5, 10, false)]), [(5, 1, false)]);
        assert_eq!(cut(&[(5, half, true), (6, half, false), (7, 1, false)]), [(6, 2, true), (7, 1, false)]);
        // An object larger than a part goes alone.
        assert_eq!(cut(&[(5, 3 * PART_BYTES, false), (6, 1, false), (7, 1, true)]), [(5, 1, false), (7, 2, true)]);
    }
}
