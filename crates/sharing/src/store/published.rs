//! What follows from objects that were added to a partner's collection: which objects of which case
//! the partner has, what was withdrawn from it, and what goes to its webhook.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    Change, StoreError,
    database::{Session, values},
    deliveries, releases, retractions,
};
use crate::object::{NewObject, about};

/// The newest `date_added` of a collection.
pub(super) fn last_added(tx: &mut dyn Session, collection: i64) -> Result<i64, StoreError> {
    Ok(tx.value("select last_added from collections where number = ?1", values![collection])?.unwrap_or(0))
}

/// Records what follows from the objects that were added to a collection after `before`. `due` is
/// the time that the partner has to acknowledge a withdrawal.
pub(super) fn after_publish(
    tx: &mut dyn Session,
    change: &Change,
    collection: i64,
    objects: &[NewObject],
    before: i64,
    due: SignedDuration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = tx.rows(
        "select date_added, id from objects where collection = ?1 and date_added > ?2 order by date_added",
        values![collection, before],
    )?;
    let given: BTreeMap<&str, &NewObject> = objects.iter().map(|object| (object.id.as_str(), object)).collect();
    let case = &change.stored.case;
    let mut added = Vec::with_capacity(rows.len());
    let mut withdrawn: Option<(i64, BTreeSet<String>)> = None;
    let (mut last_indicator, mut is_withdrawal) = (None, true);
    for mut row in rows {
        let (at, id): (i64, String) = (row.take(0)?, row.take(1)?);
        let Some(object) = given.get(id.as_str()) else { continue };
        added.push(deliveries::AddedObject { at, bytes: object.body.len(), revoked: object.is_revoked() });
        let Some(about) = about(object) else { continue };
        tx.run(
            "insert into shared_objects (collection, object, case_id, cluster_id, account) values (?1, ?2, ?3, ?4, ?5)
             on conflict (collection, object, case_id) do nothing",
            values![collection, &id, &case.id, &case.cluster_id, about.account.clone()],
        )?;
        if object.kind == "indicator" {
            last_indicator = Some(at);
            is_withdrawal &= about.revoked;
        }
        if let (true, Some(account)) = (about.revoked, about.account) {
            let (last, accounts) = withdrawn.get_or_insert((at, BTreeSet::new()));
            *last = at;
            accounts.insert(account);
        }
    }
    if let Some(last) = last_indicator {
        releases::keep(tx, change, collection, (before, last), is_withdrawal, now)?;
    }
    if let Some((last, accounts)) = withdrawn {
        retractions::add(tx, change, collection, &accounts, last, due, now)?;
    }
    deliveries::enqueue(tx, collection, &case.id, &added, now)
}
