//! Endpoints of partners, to which webhooks go: where they are, and the secrets that sign what goes there.

use casework::audit::Entry;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    audit_log::append_audit,
    database::{Dialect, Session, values},
    encryption::WEBHOOK_SECRET,
};

impl Store {
    /// Makes the endpoints those of the configuration. One that has moved is tried again; one that is gone keeps its queue.
    pub fn set_webhooks<'a>(
        &self,
        wanted: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let wanted: Vec<(&str, &str)> = wanted.into_iter().collect();
        self.write(|tx| {
            tx.run("update webhooks set active = 0", values![])?;
            // No process but this one can have left a claim in a file; on a server it may be another's, and runs out.
            if tx.dialect() == Dialect::Sqlite {
                tx.run("update deliveries set claimed_until = 0 where state = 'pending'", values![])?;
            }
            // Before there was this state, what waited for an endpoint that is gone was pending.
            tx.run(
                "update deliveries set state = 'disabled' where state = 'pending'
                 and partner in (select partner from webhooks where disabled_at is not null)",
                values![],
            )?;
            for (partner, url) in wanted {
                let before: Option<String> =
                    tx.value("select url from webhooks where partner = ?1", values![partner])?;
                match before {
                    Some(before) => {
                        tx.run("update webhooks set active = 1, url = ?2 where partner = ?1", values![partner, url])?;
                        if before != url {
                            enable(tx, partner, now)?;
                        }
                    }
                    None => {
                        tx.run(
                            "insert into webhooks (partner, collection, url, active)
                             select name, collection, ?2, 1 from partners where name = ?1",
                            values![partner, url],
                        )?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Gives an endpoint a new secret; the one before signs as well until `previous_until`. What waits is tried at once.
    pub fn set_webhook_secret(
        &self,
        partner: &str,
        secret: &[u8],
        previous_until: Timestamp,
        entry: Entry,
    ) -> Result<(), StoreError> {
        let secret = self.locker.encrypt(secret, WEBHOOK_SECRET, partner)?;
        self.write(|tx| {
            let changed = tx.run(
                "update webhooks set previous = secret, previous_until = ?3, secret = ?2 where partner = ?1 and active = 1",
                values![partner, secret, previous_until],
            )?;
            if changed == 0 {
                return Err(StoreError::Partner(format!(
                    "partner {partner:?} has no webhook: set its webhook in the configuration first"
                )));
            }
            enable(tx, partner, entry.at)?;
            append_audit(tx, vec![entry])
        })
    }

    /// Endpoints that have no secret yet: nothing goes to them.
    pub fn webhooks_without_secret(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let sql = "select partner from webhooks where active = 1 and secret is null order by partner";
            db.rows(sql, values![])?.into_iter().map(|mut row| row.take(0)).collect()
        })
    }
}

/// The endpoint may be tried again, and what waits for it has all its time.
fn enable(tx: &mut dyn Session, partner: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.run("update webhooks set disabled_at = null where partner = ?1", values![partner])?;
    tx.run(
        "update deliveries set state = 'pending', since = ?2, next_at = ?2 where partner = ?1 and state in ('pending', 'disabled')",
        values![partner, now],
    )?;
    Ok(())
}
