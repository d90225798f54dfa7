//! Partners and their keys.

use jiff::Timestamp;

use super::{
    KeyRow, PartnerRow, Store, StoreError,
    audit_log::append_covering,
    contents::{self, Covers},
    database::values,
    encryption::PSEUDONYM_KEY,
    objects::{NewCollection, add_collection, grant},
};
use crate::key::Key;
use casework::{Tlp, audit::Entry, policy::Partner};

impl Store {
    /// Makes the partners those of the configuration; one that is gone loses access but keeps its history.
    pub fn set_partners(&self, partners: &[Partner]) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.run("update partners set active = 0", values![])?;
            for partner in partners {
                let ceiling = tlp_name(partner.tlp_ceiling);
                let platform: Option<String> =
                    tx.value("select platform from partners where name = ?1", values![&partner.name])?;
                match platform {
                    Some(platform) if platform != partner.platform => {
                        // Its collection holds accounts of the old platform.
                        return Err(StoreError::Partner(format!(
                            "partner {:?} was set up for platform {platform:?} and is now {:?} in the recipients' file: give \
                             the new platform a partner with a name of its own",
                            partner.name, partner.platform
                        )));
                    }
                    Some(_) => {
                        tx.run(
                            "update partners set active = 1, tlp_ceiling = ?2 where name = ?1",
                            values![&partner.name, ceiling],
                        )?;
                    }
                    None => {
                        let id = uuid::Uuid::new_v4().to_string();
                        let title = format!("{}: accounts acting in lockstep", partner.platform);
                        let description = format!(
                            "Accounts of {} in released findings of coordinated inauthentic behaviour. One indicator per \
                             account. What is done about an account is the platform's own, voluntary decision.",
                            partner.platform
                        );
                        let findings = NewCollection {
                            id: &id,
                            title: &title,
                            description: &description,
                            alias: Some(&format!("findings-{}", partner.name)),
                            ..OURS
                        };
                        let number = add_collection(tx, &findings)?;
                        grant(tx, &partner.name, number, true, false)?;
                        let pseudonym_key =
                            self.locker.encrypt(&crate::key::random_bytes(), PSEUDONYM_KEY, &partner.name)?;
                        tx.run(
                            "insert into partners (name, platform, tlp_ceiling, active, pseudonym_key, collection)
                             values (?1, ?2, ?3, 1, ?4, ?5)",
                            values![&partner.name, &partner.platform, ceiling, pseudonym_key, number],
                        )?;
                    }
                }
                let feedback =
                    tx.value::<Option<i64>>("select feedback from partners where name = ?1", values![&partner.name])?;
                if feedback.flatten().is_none() {
                    let number = add_collection(
                        tx,
                        &NewCollection {
                            id: &uuid::Uuid::new_v4().to_string(),
                            title: &format!("{}: feedback", partner.platform),
                            description: "Post what you found out about shared accounts here, as sighting, opinion or note. \
                                          Only you and those who sent you the findings can read it.",
                            alias: Some(&format!("feedback-{}", partner.name)),
                            ..OURS
                        },
                    )?;
                    // Readable, so that a partner can check what it sent, and take it back.
                    grant(tx, &partner.name, number, true, true)?;
                    tx.run("update partners set feedback = ?2 where name = ?1", values![&partner.name, number])?;
                }
            }
            // Its feedback is read from the beginning of that collection.
            tx.run(
                "insert into inboxes (partner, collection, read_until)
                 select name, feedback, 0 from partners
                 where feedback is not null and name not in (select partner from inboxes)",
                values![],
            )?;
            Ok(())
        })
    }

    /// Partners in use, by name.
    pub fn partners(&self) -> Result<Vec<PartnerRow>, StoreError> {
        self.read(|db| {
            let rows = db.rows(
                "select name, platform, pseudonym_key, collection from partners where active = 1 order by name",
                values![],
            )?;
            rows.into_iter()
                .map(|mut row| {
                    let (name, platform): (String, String) = (row.take(0)?, row.take(1)?);
                    let key: Vec<u8> = row.take(2)?;
                    let pseudonym_key = self.locker.decrypt(&key, PSEUDONYM_KEY, &name)?;
                    Ok(PartnerRow { name, platform, pseudonym_key, collection: row.take(3)? })
                })
                .collect()
        })
    }

    /// Adds a key of a partner in use; its other keys end at `others_end` at the latest.
    #[allow(clippy::too_many_arguments)]
    pub fn add_key(
        &self,
        key_id: &str,
        partner: &str,
        hash: &[u8],
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
        others_end: Option<Timestamp>,
        entries: Vec<Entry>,
    ) -> Result<(), StoreError> {
        self.write(|tx| {
            let known: Option<i64> =
                tx.value("select active from partners where name = ?1 and active = 1", values![partner])?;
            if known.is_none() {
                return Err(StoreError::Partner(format!(
                    "there is no partner {partner:?}: add it first, as a recipient of class platform in the file that \
                     sharing.recipients names"
                )));
            }
            if let Some(end) = others_end {
                tx.run(
                    "update api_keys set expires_at = ?2
                     where partner = ?1 and revoked_at is null and (expires_at is null or expires_at > ?2)",
                    values![partner, end],
                )?;
            }
            tx.run(
                "insert into api_keys (key_id, partner, hash, created_at, expires_at) values (?1, ?2, ?3, ?4, ?5)",
                values![key_id, partner, hash, created_at, expires_at],
            )?;
            let covers = Covers { keys: Some(contents::keys(tx)?), ..Covers::default() };
            append_covering(tx, entries, covers.text()?)
        })
    }

    /// Takes a key back.
    pub fn revoke_key(&self, key_id: &str, now: Timestamp, entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.run(
                "update api_keys set revoked_at = ?2 where key_id = ?1 and revoked_at is null",
                values![key_id, now],
            )?;
            let covers = Covers { keys: Some(contents::keys(tx)?), ..Covers::default() };
            append_covering(tx, vec![entry], covers.text()?)
        })
    }

    /// Writes when a key was last used, unless that was written after `stale`.
    pub fn key_used(&self, key_id: &str, at: Timestamp, stale: Timestamp) -> Result<(), StoreError> {
        let written: Option<Option<Timestamp>> =
            self.read(|db| db.value("select last_used_at from api_keys where key_id = ?1", values![key_id]))?;
        if written.flatten().is_some_and(|written| written >= stale) {
            return Ok(());
        }
        self.write(|tx| {
            tx.run("update api_keys set last_used_at = ?2 where key_id = ?1", values![key_id, at]).map(drop)
        })
    }

    /// The key, if it and its partner are in use.
    pub fn key(&self, key_id: &str, now: Timestamp) -> Result<Option<KeyRow>, StoreError> {
        self.read(|db| {
            let row = db.row(
                "select k.partner, k.hash from api_keys k join partners p on p.name = k.partner
                 where k.key_id = ?1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > ?2) and p.active = 1",
                values![key_id, now],
            )?;
            row.map(|mut row| Ok(KeyRow { partner: row.take(0)?, hash: row.take(1)? })).transpose()
        })
    }

    /// The keys of a partner, oldest first.
    pub fn keys(&self, partner: &str) -> Result<Vec<Key>, StoreError> {
        Ok(self.all_keys()?.into_iter().filter(|key| key.partner == partner).collect())
    }

    /// The keys of all partners in use, by partner, oldest first.
    pub fn all_keys(&self) -> Result<Vec<Key>, StoreError> {
        self.read(|db| {
            let rows = db.rows(
                "select k.key_id, k.partner, k.created_at, k.expires_at, k.last_used_at, k.revoked_at
                 from api_keys k join partners p on p.name = k.partner
                 where p.active = 1 order by k.partner, k.created_at, k.key_id",
                values![],
            )?;
            rows.into_iter()
                .map(|mut row| {
                    Ok(Key {
                        id: row.take(0)?,
                        partner: row.take(1)?,
                        created_at: row.take(2)?,
                        expires_at: row.take(3)?,
                        last_used_at: row.take(4)?,
                        revoked_at: row.take(5)?,
                    })
                })
                .collect()
        })
    }
}

/// What collections of partners have in common.
const OURS: NewCollection<'static> = NewCollection {
    root: "lockstep",
    id: "",
    title: "",
    description: "",
    alias: None,
    media_types: "application/stix+json;version=2.1",
};

fn tlp_name(tlp: Tlp) -> &'static str {
    match tlp {
        Tlp::Clear => "clear",
        Tlp::Green => "green",
        Tlp::Amber => "amber",
        Tlp::AmberStrict => "amber+strict",
        Tlp::Red => "red",
    }
}
