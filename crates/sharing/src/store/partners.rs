//! Partners and their keys.

use super::{
    KeyRow, PartnerRow, Store, StoreError,
    audit_log::append_audit,
    database::values,
    from_json,
    objects::{NewCollection, add_collection, grant},
};
use crate::{
    audit::Entry,
    config::{self, Tlp},
};

impl Store {
    /// Makes the partners those of the configuration; one that is gone loses access but keeps its history.
    pub fn set_partners(&self, partners: &[config::Partner]) -> Result<(), StoreError> {
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
                            "partner {:?} was set up for platform {platform:?} and is now {:?} in sharing.partners: give \
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
                        tx.run(
                            "insert into partners (name, platform, tlp_ceiling, active, pseudonym_key, collection)
                             values (?1, ?2, ?3, 1, ?4, ?5)",
                            values![
                                &partner.name,
                                &partner.platform,
                                ceiling,
                                &crate::keys::random_bytes()[..],
                                number
                            ],
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
                "select name, platform, tlp_ceiling, pseudonym_key, collection from partners where active = 1 order by name",
                values![],
            )?;
            rows.into_iter()
                .map(|mut row| {
                    let ceiling: String = row.take(2)?;
                    Ok(PartnerRow {
                        name: row.take(0)?,
                        platform: row.take(1)?,
                        tlp_ceiling: from_json("a TLP ceiling", &format!("{ceiling:?}"))?,
                        pseudonym_key: row.take(3)?,
                        collection: row.take(4)?,
                    })
                })
                .collect()
        })
    }

    /// Adds a key of a partner in use.
    pub fn add_key(&self, key_id: &str, partner: &str, hash: &[u8], entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| {
            let known: Option<i64> =
                tx.value("select active from partners where name = ?1 and active = 1", values![partner])?;
            if known.is_none() {
                return Err(StoreError::Partner(format!(
                    "there is no partner {partner:?}: add it to sharing.partners first"
                )));
            }
            tx.run(
                "insert into api_keys (key_id, partner, hash, created_at) values (?1, ?2, ?3, ?4)",
                values![key_id, partner, hash, entry.at],
            )?;
            append_audit(tx, vec![entry])
        })
    }

    /// The key, if it and its partner are in use.
    pub fn key(&self, key_id: &str) -> Result<Option<KeyRow>, StoreError> {
        self.read(|db| {
            let row = db.row(
                "select k.partner, k.hash from api_keys k join partners p on p.name = k.partner
                 where k.key_id = ?1 and k.revoked_at is null and p.active = 1",
                values![key_id],
            )?;
            row.map(|mut row| Ok(KeyRow { partner: row.take(0)?, hash: row.take(1)? })).transpose()
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
