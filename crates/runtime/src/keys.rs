//! API keys, `lockstep_<key id>_<secret>`, and files that hold them as hashes.
//!
//! The secret has 244 random bits, so a fast hash is enough: there is nothing to guess. The key id
//! finds the key; the secret is compared in constant time.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use atomic_file::Kind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "lockstep_";

/// A new key: its id, the whole key to be shown once, and the hash to be kept.
pub fn generate() -> (String, String, Vec<u8>) {
    generate_with(PREFIX)
}

/// The same with another prefix.
pub fn generate_with(prefix: &str) -> (String, String, Vec<u8>) {
    let id = text_format::hex(&random_bytes()[..8]);
    let secret = text_format::hex(&random_bytes());
    let hash = Sha256::digest(secret.as_bytes()).to_vec();
    (id.clone(), format!("{prefix}{id}_{secret}"), hash)
}

/// Key id and secret of a key as presented; `None` if it does not have the form of a key.
pub fn parse(key: &str) -> Option<(&str, &str)> {
    parse_with(PREFIX, key)
}

/// The same with another prefix.
pub fn parse_with<'a>(prefix: &str, key: &'a str) -> Option<(&'a str, &'a str)> {
    let (id, secret) = key.strip_prefix(prefix)?.split_once('_')?;
    let hex = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    (hex(id, 16) && hex(secret, 64)).then_some((id, secret))
}

/// Whether the secret is the one that was hashed.
pub fn matches(secret: &str, hash: &[u8]) -> bool {
    Sha256::digest(secret.as_bytes())[..].ct_eq(hash).into()
}

/// 32 bytes from the operating system's generator, 244 bits of them random.
pub fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    bytes[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    bytes
}

/// A file of keys cannot be used, or a change of it makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("cannot use the file of keys {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Cause of the failure, and what to do.
        why: String,
    },
    /// The change makes no sense.
    #[error("{0}")]
    Refused(String),
}

/// A key in a file, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// Names the key; also its part before the secret.
    pub id: String,
    /// The owner's name.
    pub owner: String,
    /// SHA-256 of the secret, hexadecimal.
    hash: String,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Time at which the key expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Time at which the key was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl StoredKey {
    /// Whether the key gives access.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// The keys of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    #[serde(default)]
    keys: Vec<StoredKey>,
}

impl Keys {
    /// Reads the file; no keys if there is no file.
    pub fn read(path: &Path) -> Result<Keys, KeysError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Keys::default()),
            Err(error) => return Err(file_error(path, format!("{error}; check its permissions"))),
        };
        let keys: Keys = toml::from_str(&text)
            .map_err(|error| file_error(path, format!("{}; restore a copy of the file", error.message())))?;
        for key in &keys.keys {
            if key.hash.len() != 64 || !key.hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
                return Err(file_error(
                    path,
                    format!("the hash of key {} is not 64 hexadecimal digits; restore a copy of the file", key.id),
                ));
            }
        }
        Ok(keys)
    }

    /// Writes the file whole or not at all, readable by its owner only. `command` is the command
    /// that manages the file.
    pub fn write(&self, path: &Path, command: &str) -> Result<(), KeysError> {
        let fail = |error: io::Error| file_error(path, format!("{error}; choose a folder that can be written to"));
        let text = toml::to_string_pretty(self).map_err(|error| file_error(path, error.to_string()))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(fail)?;
        atomic_file::write(path, Kind::Secret, |file| {
            writeln!(file, "# Hashes of API keys. Change the file with `{command}`.")?;
            file.write_all(text.as_bytes())
        })
        .map_err(fail)
    }

    /// All keys, oldest first.
    pub fn list(&self) -> &[StoredKey] {
        &self.keys
    }

    /// Valid keys of an owner.
    pub fn valid<'a>(&'a self, owner: &'a str, now: Timestamp) -> impl Iterator<Item = &'a StoredKey> {
        self.keys.iter().filter(move |key| key.owner == owner && key.is_valid(now))
    }

    /// Adds a key and returns it; this is the only time that it can be seen.
    pub fn add(&mut self, owner: &str, now: Timestamp, expires_at: Option<Timestamp>) -> Result<String, KeysError> {
        let plain = (1..=64).contains(&owner.len())
            && owner.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
        if !plain {
            return Err(KeysError::Refused(format!(
                "{owner:?} cannot be the name of a key's owner: use 1 to 64 of a-z, 0-9, '-', '_' and '.'"
            )));
        }
        let (id, key, hash) = generate();
        self.keys.push(StoredKey {
            id,
            owner: owner.to_owned(),
            hash: text_format::hex(&hash),
            created_at: now,
            expires_at,
            revoked_at: None,
        });
        Ok(key)
    }

    /// Lets the valid keys of an owner expire at `end`, unless they expire earlier.
    pub fn end(&mut self, owner: &str, now: Timestamp, end: Timestamp) {
        for key in self.keys.iter_mut().filter(|key| key.owner == owner && key.is_valid(now)) {
            key.expires_at = Some(key.expires_at.map_or(end, |at| at.min(end)));
        }
    }

    /// Revokes a key. `None` if there is no such key that is not revoked.
    pub fn revoke(&mut self, id: &str, now: Timestamp) -> Option<StoredKey> {
        let key = self.keys.iter_mut().find(|key| key.id == id && key.revoked_at.is_none())?;
        key.revoked_at = Some(now);
        Some(key.clone())
    }

    /// The owner of a key as presented, if the key is valid.
    pub fn owner(&self, presented: &str, now: Timestamp) -> Option<&str> {
        let (id, secret) = parse(presented)?;
        let key = self.keys.iter().find(|key| key.id == id && key.is_valid(now));
        // Compared in any case, so that an unknown key takes as long as a wrong secret.
        let hash = text_format::hex(&Sha256::digest(secret.as_bytes()));
        let none = "0".repeat(64);
        let right: bool = hash.as_bytes().ct_eq(key.map_or(none.as_str(), |key| &key.hash).as_bytes()).into();
        key.filter(|_| right).map(|key| key.owner.as_str())
    }
}

fn file_error(path: &Path, why: String) -> KeysError {
    KeysError::File { path: path.display().to_string(), why }
}

/// A file of keys that a running service reads again when the file changes.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    last: Mutex<(Option<Seen>, Arc<Keys>)>,
}

/// Distinguishes two versions of the file: each is a file of its own, renamed into place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    modified: SystemTime,
    length: u64,
    number: u64,
}

impl Seen {
    fn look(path: &Path) -> Option<Seen> {
        let meta = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&meta);
        #[cfg(not(unix))]
        let number = 0;
        Some(Seen { modified: meta.modified().ok()?, length: meta.len(), number })
    }
}

impl KeyFile {
    /// Opens the file. A file that is there and cannot be read is an error.
    pub fn open(path: impl Into<PathBuf>) -> Result<KeyFile, KeysError> {
        let path = path.into();
        Keys::read(&path)?;
        Ok(KeyFile { path, last: Mutex::default() })
    }

    /// The keys as they are now. No key is valid while the file cannot be read, so that a revoked
    /// key gives no access.
    pub fn now(&self) -> Arc<Keys> {
        let seen = Seen::look(&self.path);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_none() || last.0 != seen {
            let keys = Keys::read(&self.path).unwrap_or_else(|error| {
                tracing::error!(%error, "no key is valid until the file can be read");
                Keys::default()
            });
            *last = (seen, Arc::new(keys));
        }
        Arc::clone(&last.1)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_key_is_recognised_and_another_is_not() {
        let (id, key, hash) = generate();
        let (found, secret) = parse(&key).unwrap();
        assert_eq!(found, id);
        assert!(matches(secret, &hash));
        let (_, other, _) = generate();
        assert!(!matches(parse(&other).unwrap().1, &hash));
        for bad in ["", "lockstep_", "lockstep_x_y", "lockstep__", &key[..key.len() - 1]] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_of_keys_holds_hashes_and_says_whose_a_key_is_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/producers.toml");
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let later = |hours: i64| now + SignedDuration::from_hours(hours);
        let file = KeyFile::open(&path).unwrap();
        assert_eq!(file.now().list(), []);

        let mut keys = Keys::read(&path).unwrap();
        let first = keys.add("collector", now, None).unwrap();
        let second = keys.add("collector", now, Some(later(48))).unwrap();
        keys.write(&path, "lockstep producers").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(parse(&first).unwrap().1) && text.contains("lockstep producers"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(file.now().owner(&first, now), Some("collector"));
        assert_eq!(file.now().owner(&second, later(47)), Some("collector"));
        assert_eq!(file.now().owner(&second, later(48)), None);
        let forged = format!("{}{}", &first[..first.len() - 1], if first.ends_with('0') { '1' } else { '0' });
        assert_eq!(file.now().owner(&forged, now), None);

        keys.end("collector", now, later(1));
        assert_eq!(keys.valid("collector", now).count(), 2);
        let third = keys.add("collector", now, None).unwrap();
        keys.revoke(parse(&first).unwrap().0, now).unwrap();
        assert_eq!(keys.revoke(parse(&first).unwrap().0, now), None);
        keys.write(&path, "lockstep producers").unwrap();
        assert_eq!(file.now().owner(&first, now), None);
        assert_eq!(file.now().owner(&second, later(2)), None);
        assert_eq!(file.now().owner(&third, later(2)), Some("collector"));

        fs::write(&path, "keys = 7").unwrap();
        assert_eq!(file.now().owner(&third, now), None, "nobody while the file cannot be read");
        assert!(KeyFile::open(&path).unwrap_err().to_string().contains("restore a copy"));
        assert!(keys.add("Not A Name", now, None).is_err());
    }
}
