//! Keys of the secrets in the database: where they come from, how they are replaced, and what happens when they are lost.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;

use super::SharingError;
use crate::{config::Config, encryption::Keys, store::Store};

/// With which keys the secrets in the database are encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionState {
    /// Where the keys come from: a file, or `sharing.encryption.key`.
    pub place: String,
    /// Ids of the keys, in order; the first encrypts. None where there is no file yet.
    pub keys: Vec<String>,
    /// Id of the key that encrypted the secrets; none where they are not encrypted yet.
    pub encrypted_with: Option<String>,
}

/// Gives the store its keys, and makes a file of keys where there is none and nothing is encrypted yet. Secrets of an earlier version, and
/// those of a key that is no longer the first, are encrypted anew.
pub(super) fn unlock(store: &mut Store, config: &Config) -> Result<(), SharingError> {
    let keys = match (read(config)?, config.encryption.file(&config.database)) {
        (Some(keys), _) => keys,
        (None, None) => return Err(SharingError::Config("sharing.encryption.key is empty".to_owned())),
        (None, Some(file)) => match store.encrypted_with()? {
            Some(key_id) => {
                return Err(store.lost(&key_id, &format!("and there is no file of keys {}", file.display()))?.into());
            }
            None => create(&file)?,
        },
    };
    let keys = Arc::new(keys);
    let changed = store.unlock(Arc::clone(&keys), Timestamp::now())?;
    if changed > 0 {
        tracing::info!(secrets = changed, key = keys.first(), "encrypted the secrets in the database");
    }
    Ok(())
}

/// Gives the store the keys that there are, to read secrets with. Changes nothing.
pub(super) fn read_with_keys(store: &mut Store, config: &Config) -> Result<(), SharingError> {
    if let Some(keys) = read(config)? {
        store.read_with(keys);
    }
    Ok(())
}

fn read(config: &Config) -> Result<Option<Keys>, SharingError> {
    let setting = |why: String| SharingError::Config(format!("sharing.encryption: {why}"));
    match config.encryption.file(&config.database) {
        Some(file) => Keys::read(&file).map_err(setting),
        None => Keys::given(&config.encryption.key).map(Some).map_err(setting),
    }
}

fn create(file: &Path) -> Result<Keys, SharingError> {
    let (keys, is_new) =
        Keys::create(file).map_err(|why| SharingError::Config(format!("sharing.encryption.key_file: {why}")))?;
    if is_new {
        tracing::info!(
            file = %file.display(),
            "made a file with the key of the secrets in the database; keep a copy apart from the database's backups"
        );
    }
    Ok(keys)
}

/// With which keys the secrets are encrypted. Changes nothing, except that it brings the tables up to date. Blocks.
pub fn encryption_state(config: &Config) -> Result<EncryptionState, SharingError> {
    config.check().map_err(SharingError::Config)?;
    let keys = read(config)?;
    let store = Store::open(&config.database, config.database_connections)?;
    let place = match (&keys, config.encryption.file(&config.database)) {
        (Some(keys), _) => keys.place(),
        (None, Some(file)) => file.display().to_string(),
        (None, None) => "sharing.encryption.key".to_owned(),
    };
    Ok(EncryptionState {
        place,
        keys: keys.map(|keys| keys.ids()).unwrap_or_default(),
        encrypted_with: store.encrypted_with()?,
    })
}

/// Puts a new key into the file, before the others, and encrypts all secrets with it. A running service reads the file again by itself.
/// Returns how many secrets there were. Blocks.
pub fn rotate_encryption(config: &Config) -> Result<usize, SharingError> {
    config.check().map_err(SharingError::Config)?;
    let Some(file) = config.encryption.file(&config.database) else {
        return Err(SharingError::Refused(
            "the keys are in sharing.encryption.key, which this command cannot change: write a new key before the old one, separated by \
             a space (`openssl rand -hex 32` makes one), and restart the service, which encrypts the secrets with the new key; then \
             remove the old key"
                .to_owned(),
        ));
    };
    // First with the keys that are there: a new key helps nobody where the old one is lost.
    let mut store = Store::open(&config.database, config.database_connections)?;
    unlock(&mut store, config)?;
    Keys::rotate(&file).map_err(|why| SharingError::Config(format!("sharing.encryption.key_file: {why}")))?;
    let keys = read(config)?.ok_or_else(|| SharingError::Config(format!("{} is gone", file.display())))?;
    Ok(store.unlock(Arc::new(keys), Timestamp::now())?)
}

/// Gives up secrets whose key is lost: webhooks need new secrets then, and pseudonyms change. Refused where the key is there. Blocks.
pub fn reset_encryption(config: &Config, by: &str) -> Result<(), SharingError> {
    config.check().map_err(SharingError::Config)?;
    let mut store = Store::open(&config.database, config.database_connections)?;
    let keys = match (read(config)?, config.encryption.file(&config.database)) {
        (Some(keys), _) => keys,
        (None, Some(file)) => create(&file)?,
        (None, None) => return Err(SharingError::Config("sharing.encryption.key is empty".to_owned())),
    };
    match store.encrypted_with()? {
        Some(known) if !keys.ids().contains(&known) => {}
        _ => {
            return Err(SharingError::Refused(format!(
                "no key is lost: the secrets in the database can be read with the keys in {}, and nothing was changed",
                keys.place()
            )));
        }
    }
    Ok(store.reset_secrets(Arc::new(keys), by, Timestamp::now())?)
}
