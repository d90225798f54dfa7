//! Secrets in the database: encrypted where they are written, decrypted where they are read. Stores
//! of earlier versions, and those whose key is no longer the first, are encrypted anew when they are
//! opened.

use std::sync::Arc;

use casework::audit::Entry;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    audit_log::append_audit,
    database::{Session, values},
};
use crate::encryption::{Keys, Undecryptable, hex, key_of};

/// Each column with a secret: the table, the column, the owner's column, and what it is.
const COLUMNS: [(&str, &str, &str, &str); 3] = [
    ("partners", "pseudonym_key", "name", PSEUDONYM_KEY),
    ("webhooks", "secret", "partner", WEBHOOK_SECRET),
    ("webhooks", "previous", "partner", WEBHOOK_SECRET),
];

pub(super) const PSEUDONYM_KEY: &str = "pseudonym key";
pub(super) const WEBHOOK_SECRET: &str = "webhook secret";

/// The keys of a store. None before the store is unlocked.
#[derive(Clone, Default)]
pub(crate) struct Locker(Option<Arc<Keys>>);

impl Locker {
    pub fn encrypt(&self, secret: &[u8], what: &str, whose: &str) -> Result<Vec<u8>, StoreError> {
        let keys = self.0.as_ref().ok_or_else(|| StoreError::Locked(LOCKED.to_owned()))?;
        keys.encrypt(secret, &place(what, whose)).map_err(|why| failed(what, whose, &why))
    }

    pub fn decrypt(&self, sealed: &[u8], what: &str, whose: &str) -> Result<Vec<u8>, StoreError> {
        let keys = self.0.as_ref().ok_or_else(|| StoreError::Locked(LOCKED.to_owned()))?;
        keys.decrypt(sealed, &place(what, whose)).map_err(|why| failed(what, whose, &why))
    }
}

const LOCKED: &str = "the secrets in the sharing database are locked: the keys were not read";

fn place(what: &str, whose: &str) -> String {
    format!("{what} of {whose}")
}

fn failed(what: &str, whose: &str, why: &Undecryptable) -> StoreError {
    StoreError::Locked(format!("the {what} of partner {whose:?} cannot be read: {why}"))
}

impl Store {
    /// Id of the key with which the secrets in the database are encrypted; `None` where they are not
    /// encrypted yet.
    pub fn encrypted_with(&self) -> Result<Option<String>, StoreError> {
        self.read(|db| db.value("select key_id from encryption", values![]))
    }

    /// Takes the keys to read secrets with, and changes nothing in the database.
    pub fn read_with(&mut self, keys: Keys) {
        self.locker = Locker(Some(Arc::new(keys)));
    }

    /// Takes the keys. Secrets that are not encrypted with the first of them are encrypted anew, all
    /// or none. Returns how many there were.
    pub fn unlock(&mut self, keys: Arc<Keys>, now: Timestamp) -> Result<usize, StoreError> {
        let locker = Locker(Some(Arc::clone(&keys)));
        self.locker = locker.clone();
        let known = self.encrypted_with()?;
        if known.as_ref() == Some(&keys.first()) && !self.has_secrets_of_other_keys(&keys.first())? {
            return Ok(0);
        }
        if let Some(known) = known.filter(|known| !keys.ids().contains(known)) {
            return Err(self.lost(&known, &format!("which is not in {}", keys.place()))?);
        }
        self.write(|tx| {
            // Read again, with no other writer beside it.
            let encrypted = tx.value::<String>("select key_id from encryption", values![])?.is_some();
            let mut changed = 0;
            for (table, column, owner, what) in COLUMNS {
                let select = format!("select {owner}, {column} from {table} where {column} is not null");
                for mut row in tx.rows(&select, values![])? {
                    let (whose, stored): (String, Vec<u8>) = (row.take(0)?, row.take(1)?);
                    let secret = if encrypted { locker.decrypt(&stored, what, &whose)? } else { stored };
                    let sealed = locker.encrypt(&secret, what, &whose)?;
                    let update = format!("update {table} set {column} = ?2 where {owner} = ?1");
                    tx.run(&update, values![&whose, sealed])?;
                    changed += 1;
                }
            }
            note_key(tx, &keys.first())?;
            if changed > 0 {
                let text = format!("{changed} secrets in the database were encrypted with key {}", keys.first());
                append_audit(tx, vec![entry(now, "lockstep", "secrets_encrypted", text)])?;
            }
            Ok(changed)
        })
    }

    /// Whether a secret is encrypted with another key: an instance that did not know of a new key
    /// yet may have written it.
    fn has_secrets_of_other_keys(&self, key_id: &str) -> Result<bool, StoreError> {
        self.read(|db| {
            for (table, column, ..) in COLUMNS {
                for mut row in
                    db.rows(&format!("select {column} from {table} where {column} is not null"), values![])?
                {
                    let stored: Vec<u8> = row.take(0)?;
                    if key_of(&stored).is_none_or(|id| hex(&id) != key_id) {
                        return Ok(true);
                    }
                }
            }
            Ok(false)
        })
    }

    /// What to say where the key is not there: what is lost, and how to go on.
    pub fn lost(&self, key_id: &str, where_not: &str) -> Result<StoreError, StoreError> {
        let count = |sql: &str| self.read(|db| db.value::<i64>(sql, values![]));
        let webhooks = count("select count(*) from webhooks where secret is not null")?.unwrap_or_default();
        let partners = count("select count(*) from partners")?.unwrap_or_default();
        Ok(StoreError::Locked(format!(
            "the secrets in the sharing database are encrypted with key {key_id}, {where_not}: put that key back, from a copy of \
             the file of keys (sharing.encryption). If the key is lost, the secrets of {webhooks} webhooks and the pseudonym keys of \
             {partners} partners are lost with it; cases, shared objects, API keys and the audit log are not encrypted and stay. To \
             go on without them: `lockstep encryption reset --accept-loss`. Then every partner with a webhook needs a new secret \
             (`lockstep partners webhook-secret NAME`), and the pseudonyms of accounts change"
        )))
    }

    /// Gives up secrets whose key is lost: webhooks have no secret then, and every partner has a new
    /// pseudonym key.
    pub fn reset_secrets(&mut self, keys: Arc<Keys>, entry_by: &str, now: Timestamp) -> Result<(), StoreError> {
        self.locker = Locker(Some(Arc::clone(&keys)));
        let locker = self.locker.clone();
        self.write(|tx| {
            let before: Option<String> = tx.value("select key_id from encryption", values![])?;
            for mut row in tx.rows("select name from partners", values![])? {
                let name: String = row.take(0)?;
                let key = locker.encrypt(&crate::key::random_bytes(), PSEUDONYM_KEY, &name)?;
                tx.run("update partners set pseudonym_key = ?2 where name = ?1", values![&name, key])?;
            }
            tx.run("update webhooks set secret = null, previous = null, previous_until = null", values![])?;
            note_key(tx, &keys.first())?;
            let text = format!(
                "the secrets of webhooks and the pseudonym keys that were encrypted with key {} were given up as lost; new pseudonym \
                 keys are encrypted with key {}",
                before.as_deref().unwrap_or("none"),
                keys.first()
            );
            append_audit(tx, vec![entry(now, entry_by, "secrets_reset", text)])
        })
    }
}

fn note_key(tx: &mut dyn Session, key_id: &str) -> Result<(), StoreError> {
    tx.run(
        "insert into encryption (one, key_id) values (1, ?1) on conflict (one) do update set key_id = ?1",
        values![key_id],
    )
    .map(drop)
}

fn entry(at: Timestamp, actor: &str, action: &str, text: String) -> Entry {
    Entry { at, actor: actor.to_owned(), subject: "database".to_owned(), action: action.to_owned(), text }
}

#[cfg(test)]
impl Store {
    /// Opens a database with a fixed key.
    pub fn open_unlocked(place: &str) -> Store {
        let mut store = Store::open(place, 4).unwrap();
        store.unlock(Arc::new(Keys::given(&"7".repeat(64)).unwrap()), Timestamp::UNIX_EPOCH).unwrap();
        store
    }
}

#[cfg(test)]
mod tests {
    use casework::{Tlp, policy::Partner};

    use super::*;
    use crate::store::database::tests::{Place, on_both_databases};

    fn keys(text: &str) -> Arc<Keys> {
        Arc::new(Keys::given(text).unwrap())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn fill(store: &Store) {
        let partner = |name: &str| Partner {
            name: name.to_owned(),
            platform: format!("of-{name}"),
            tlp_ceiling: Tlp::Amber,
            ..Partner::default()
        };
        store.set_partners(&[partner("birds"), partner("blue")]).unwrap();
        store.set_webhooks([("birds", "https://birds.example/hook")], at(0)).unwrap();
        for secret in [[1; 32], [2; 32]] {
            let entry = entry(at(1), "ida", "webhook_secret_issued", "a new secret".to_owned());
            store.set_webhook_secret("birds", &secret, at(90), entry).unwrap();
        }
    }

    /// Every secret as it is stored: pseudonym keys, then the secrets of webhooks.
    fn stored(store: &Store) -> Vec<Vec<u8>> {
        store
            .read(|db| {
                let mut found = Vec::new();
                for (table, column, owner, _) in COLUMNS {
                    let sql = format!("select {column} from {table} where {column} is not null order by {owner}");
                    for mut row in db.rows(&sql, values![])? {
                        found.push(row.take(0)?);
                    }
                }
                Ok(found)
            })
            .unwrap()
    }

    fn pseudonym_keys(store: &Store) -> Vec<Vec<u8>> {
        store.partners().unwrap().into_iter().map(|partner| partner.pseudonym_key).collect()
    }

    on_both_databases!(fn no_secret_is_stored_in_the_clear, a_store_of_an_earlier_version_is_encrypted_and_nothing_changes_for_partners, a_new_key_takes_over_and_the_old_one_is_accepted_meanwhile, a_lost_key_is_said_with_what_is_lost_and_how_to_go_on, a_secret_of_another_row_is_refused);

    fn no_secret_is_stored_in_the_clear((_folder, place): Place) {
        let mut store = Store::open(&place, 4).unwrap();
        assert!(
            store.set_partners(&[Partner { name: "a".into(), platform: "b".into(), ..Partner::default() }]).is_err()
        );
        store.unlock(keys(&"1".repeat(64)), at(0)).unwrap();
        fill(&store);
        let stored = stored(&store);
        assert_eq!(stored.len(), 4);
        for (secret, plain) in stored.iter().zip([None, None, Some([2; 32]), Some([1; 32])]) {
            assert!(crate::encryption::key_of(secret).is_some(), "{secret:?}");
            assert!(plain.is_none_or(|plain| !secret.windows(32).any(|part| part == plain)));
        }
        let keys = pseudonym_keys(&store);
        assert!(keys.iter().all(|key| key.len() == 32) && keys[0] != keys[1]);
    }

    fn a_store_of_an_earlier_version_is_encrypted_and_nothing_changes_for_partners((_folder, place): Place) {
        let mut store = Store::open_unlocked(&place);
        fill(&store);
        // As an earlier version left it: in the clear, without the table's row.
        let mut plain = Vec::new();
        store
            .write(|tx| {
                for (table, column, owner, what) in COLUMNS {
                    let sql =
                        format!("select {owner}, {column} from {table} where {column} is not null order by {owner}");
                    for mut row in tx.rows(&sql, values![])? {
                        let (whose, sealed): (String, Vec<u8>) = (row.take(0)?, row.take(1)?);
                        let secret = store.locker.decrypt(&sealed, what, &whose)?;
                        let update = format!("update {table} set {column} = ?2 where {owner} = ?1");
                        tx.run(&update, values![&whose, &secret[..]])?;
                        plain.push(secret);
                    }
                }
                tx.run("delete from encryption", values![]).map(drop)
            })
            .unwrap();
        assert_eq!(stored(&store), plain);
        let first = keys(&"1".repeat(64));
        assert_eq!(store.unlock(Arc::clone(&first), at(2)).unwrap(), 4);
        assert_eq!(store.encrypted_with().unwrap(), Some(first.first()));
        assert!(stored(&store).iter().all(|secret| !plain.contains(secret)));
        assert_eq!(pseudonym_keys(&store), plain[..2]);
        assert_eq!(store.unlock(first, at(3)).unwrap(), 0, "it is done once");
        let history = store.history("database").unwrap();
        assert_eq!(history.iter().filter(|entry| entry.entry.at == at(2)).count(), 1);
        assert!(store.verify_audit(None).unwrap().is_ok());
    }

    fn a_new_key_takes_over_and_the_old_one_is_accepted_meanwhile((_folder, place): Place) {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let mut store = Store::open(&place, 4).unwrap();
        store.unlock(keys(&one), at(0)).unwrap();
        fill(&store);
        let before = pseudonym_keys(&store);
        // Another instance that still has the old key first, and knows the new one.
        let mut other = Store::open(&place, 4).unwrap();
        other.unlock(keys(&format!("{one} {two}")), at(1)).unwrap();
        assert_eq!(store.unlock(keys(&format!("{two} {one}")), at(2)).unwrap(), 4);
        assert_eq!(pseudonym_keys(&store), before);
        assert_eq!(pseudonym_keys(&other), before);
        let entry = entry(at(3), "ida", "webhook_secret_issued", "a new secret".to_owned());
        other.set_webhook_secret("birds", &[3; 32], at(99), entry).unwrap();
        assert_eq!(store.locker.decrypt(&stored(&store)[2], WEBHOOK_SECRET, "birds").unwrap(), [3; 32]);
        assert_eq!(store.unlock(keys(&format!("{two} {one}")), at(3)).unwrap(), 4, "what the other instance wrote");
        // With the new key alone, once everything is encrypted with it.
        let mut alone = Store::open(&place, 4).unwrap();
        alone.unlock(keys(&two), at(4)).unwrap();
        assert_eq!(pseudonym_keys(&alone), before);
        assert_eq!(alone.locker.decrypt(&stored(&alone)[2], WEBHOOK_SECRET, "birds").unwrap(), [3; 32]);
    }

    fn a_lost_key_is_said_with_what_is_lost_and_how_to_go_on((_folder, place): Place) {
        let mut store = Store::open(&place, 4).unwrap();
        store.unlock(keys(&"1".repeat(64)), at(0)).unwrap();
        fill(&store);
        let (before, lost) = (pseudonym_keys(&store), store.encrypted_with().unwrap().unwrap());
        let mut store = Store::open(&place, 4).unwrap();
        let said = store.unlock(keys(&"2".repeat(64)), at(1)).unwrap_err().to_string();
        for part in [&lost, "1 webhooks", "2 partners", "encryption reset --accept-loss", "API keys and the audit log"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(store.encrypted_with().unwrap(), Some(lost), "nothing was changed");
        store.reset_secrets(keys(&"2".repeat(64)), "ida", at(2)).unwrap();
        let after = pseudonym_keys(&store);
        assert!(after.len() == 2 && after.iter().all(|key| !before.contains(key)));
        assert_eq!(store.webhooks_without_secret().unwrap(), ["birds"]);
        let entry = entry(at(3), "ida", "webhook_secret_issued", "a new secret".to_owned());
        store.set_webhook_secret("birds", &[4; 32], at(9), entry).unwrap();
        assert!(store.webhooks_without_secret().unwrap().is_empty());
        assert_eq!(store.unlock(keys(&"2".repeat(64)), at(4)).unwrap(), 0);
        let history = store.history("database").unwrap();
        let actions: Vec<&str> = history.iter().map(|sealed| &*sealed.entry.action).collect();
        assert!(actions.ends_with(&["secrets_reset", "webhook_secret_issued"]), "{actions:?}");
    }

    fn a_secret_of_another_row_is_refused((_folder, place): Place) {
        let store = Store::open_unlocked(&place);
        fill(&store);
        let swap = "update partners set pseudonym_key = (select pseudonym_key from partners where name = 'birds') where name = 'blue'";
        store.write(|tx| tx.run(swap, values![])).unwrap();
        let said = store.partners().unwrap_err().to_string();
        assert!(said.contains("pseudonym key of partner \"blue\"") && said.contains("another row"), "{said}");
        // In the clear is no way around it.
        store.write(|tx| tx.run("update partners set pseudonym_key = ?1", values![&[9u8; 32][..]])).unwrap();
        assert!(store.partners().is_err());
    }
}
