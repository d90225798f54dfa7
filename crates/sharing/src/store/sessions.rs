//! Sessions of people at the console. What makes one valid: [`crate::http::access`].

use jiff::Timestamp;

use super::{Store, StoreError, audit_log::append_audit, database::values, from_json, to_json};
use casework::audit::Entry;

/// A session as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub person: String,
    /// Names of roles with a comma between.
    pub roles: String,
    /// Roles in which the person may sign off, where a provider says so.
    pub sign_off_roles: Vec<String>,
    pub stamp: Option<String>,
    pub csrf: String,
    pub began_at: Timestamp,
    pub seen_at: Timestamp,
}

impl Store {
    /// Keeps a new session, under the hash of its id.
    pub fn add_session(&self, hash: &[u8], row: &SessionRow, entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.run(
                "insert into sessions (hash, person, roles, stamp, csrf, began_at, seen_at, sign_off_roles)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                values![
                    hash,
                    &row.person,
                    &row.roles,
                    row.stamp.clone(),
                    &row.csrf,
                    row.began_at,
                    row.seen_at,
                    to_json(&row.sign_off_roles)?
                ],
            )?;
            append_audit(tx, vec![entry])
        })
    }

    /// The session of that hash.
    pub fn session(&self, hash: &[u8]) -> Result<Option<SessionRow>, StoreError> {
        self.read(|db| {
            let row = db.row(
                "select person, roles, stamp, csrf, began_at, seen_at, sign_off_roles from sessions where hash = ?1",
                values![hash],
            )?;
            row.map(|mut row| {
                Ok(SessionRow {
                    person: row.take(0)?,
                    roles: row.take(1)?,
                    stamp: row.take(2)?,
                    csrf: row.take(3)?,
                    began_at: row.take(4)?,
                    seen_at: row.take(5)?,
                    sign_off_roles: from_json("a session", &row.take::<String>(6)?)?,
                })
            })
            .transpose()
        })
    }

    /// Notes that a session is in use.
    pub fn touch_session(&self, hash: &[u8], now: Timestamp) -> Result<(), StoreError> {
        self.write(|tx| tx.run("update sessions set seen_at = ?2 where hash = ?1", values![hash, now]).map(drop))
    }

    /// Ends a session.
    pub fn end_session(&self, hash: &[u8], entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| match tx.run("delete from sessions where hash = ?1", values![hash])? {
            0 => Ok(()),
            _ => append_audit(tx, vec![entry]),
        })
    }

    /// Forgets sessions that began or were last seen too long ago.
    pub fn forget_sessions(&self, began_before: Timestamp, seen_before: Timestamp) -> Result<u64, StoreError> {
        self.write(|tx| {
            tx.run("delete from sessions where began_at < ?1 or seen_at < ?2", values![began_before, seen_before])
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::store::database::tests::{Place, on_both_databases};
    use casework::{Tlp, policy::Partner};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn entry() -> Entry {
        Entry {
            at: at(0),
            actor: "ann".to_owned(),
            subject: "user ann".to_owned(),
            action: "logged_in".to_owned(),
            text: String::new(),
        }
    }

    on_both_databases!(fn sessions_are_kept_touched_ended_and_forgotten, keys_end_and_are_replaced_and_revoked);

    fn sessions_are_kept_touched_ended_and_forgotten((_folder, place): Place) {
        let store = Store::open_unlocked(&place);
        let row = SessionRow {
            person: "ann".to_owned(),
            roles: "reviewer".to_owned(),
            sign_off_roles: vec!["public affairs".to_owned()],
            stamp: None,
            csrf: "token".to_owned(),
            began_at: at(0),
            seen_at: at(0),
        };
        let stamped = SessionRow { stamp: Some("7f".to_owned()), began_at: at(50), seen_at: at(50), ..row.clone() };
        store.add_session(b"one", &row, entry()).unwrap();
        store.add_session(b"two", &stamped, entry()).unwrap();
        assert_eq!(store.session(b"one").unwrap(), Some(row));
        assert_eq!(store.session(b"two").unwrap(), Some(stamped));
        assert_eq!(store.session(b"three").unwrap(), None);
        store.touch_session(b"one", at(60)).unwrap();
        assert_eq!(store.session(b"one").unwrap().unwrap().seen_at, at(60));
        assert_eq!(store.forget_sessions(at(-10), at(55)).unwrap(), 1, "two was seen too long ago");
        assert_eq!(store.forget_sessions(at(10), at(55)).unwrap(), 1, "one began too long ago");
        store.add_session(b"four", &session(), entry()).unwrap();
        store.end_session(b"four", entry()).unwrap();
        store.end_session(b"four", entry()).unwrap();
        assert_eq!(store.session(b"four").unwrap(), None);
        assert_eq!(store.history("user ann").unwrap().len(), 4, "what has ended does not end again");
    }

    fn session() -> SessionRow {
        SessionRow {
            person: "ann".to_owned(),
            roles: String::new(),
            sign_off_roles: Vec::new(),
            stamp: None,
            csrf: String::new(),
            began_at: at(0),
            seen_at: at(0),
        }
    }

    fn keys_end_and_are_replaced_and_revoked((_folder, place): Place) {
        let store = Store::open_unlocked(&place);
        let partner = Partner {
            name: "birds".to_owned(),
            platform: "twitter".to_owned(),
            tlp_ceiling: Tlp::Amber,
            webhook: None,
        };
        store.set_partners(&[partner]).unwrap();
        let add = |id: &str, expires, others| store.add_key(id, "birds", b"hash", at(0), expires, others, vec![]);
        let opens = |id: &str, now| store.key(id, now).unwrap().is_some();
        add("a", None, None).unwrap();
        add("b", Some(at(100)), None).unwrap();
        add("c", None, Some(at(200))).unwrap();
        assert!(opens("a", at(199)) && !opens("a", at(200)), "replaced, and valid for a while");
        assert!(opens("b", at(99)) && !opens("b", at(100)), "one that ends sooner is not made longer");
        assert!(opens("c", at(100_000)));
        store.revoke_key("c", at(10), entry()).unwrap();
        assert!(!opens("c", at(11)));
        let minute = SignedDuration::from_mins(1);
        store.key_used("a", at(5), at(5) - minute).unwrap();
        store.key_used("a", at(9), at(9) - minute).unwrap();
        let keys = store.all_keys().unwrap();
        let shown: Vec<_> = keys.iter().map(|k| (k.id.as_str(), k.expires_at, k.last_used_at, k.revoked_at)).collect();
        let expected = [
            ("a", Some(at(200)), Some(at(5)), None),
            ("b", Some(at(100)), None, None),
            ("c", None, None, Some(at(10))),
        ];
        assert_eq!(shown, expected);
        store.set_partners(&[]).unwrap();
        assert!(!opens("a", at(0)), "a partner that is gone from the configuration gets nothing");
    }
}
