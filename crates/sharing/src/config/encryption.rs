//! What an operator can set about the encryption of secrets in the database.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::database_url::is_postgres;

/// The `[sharing.encryption]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Encryption {
    /// Keys of 64 hexadecimal digits, separated by spaces; the first encrypts, all decrypt. Better in the
    /// environment, LOCKSTEP__SHARING__ENCRYPTION__KEY, or in a file. The file is used where empty.
    pub key: String,
    /// File with the keys, one a line. Where empty, it is beside a database that is a file, under the
    /// database's name with ".key", and .lockstep/sharing.key with PostgreSQL. It is made, readable by
    /// its owner alone, where it is missing and the database has no encrypted secrets yet.
    pub key_file: String,
}

impl Default for Encryption {
    fn default() -> Self {
        // Tests leave no file in the folder in which they run.
        let key = if cfg!(test) { "7".repeat(64) } else { String::new() };
        Self { key, key_file: String::new() }
    }
}

impl Encryption {
    /// Meaning what is wrong with the values, with the name of the key.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !self.key.is_empty() && !self.key_file.is_empty() {
            return Err(
                "sharing.encryption has both key and key_file: the keys must be in one place, remove one of the two"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The file of keys; `None` where the keys are in the configuration or the environment.
    pub fn file(&self, database: &str) -> Option<PathBuf> {
        if !self.key.is_empty() {
            return None;
        }
        Some(PathBuf::from(match (self.key_file.is_empty(), is_postgres(database)) {
            (false, _) => self.key_file.clone(),
            (true, true) => ".lockstep/sharing.key".to_owned(),
            (true, false) => format!("{database}.key"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_keys_is_beside_the_database_unless_it_is_named() {
        let mut encryption = Encryption { key: String::new(), key_file: String::new() };
        assert_eq!(encryption.file("/var/lib/s.sqlite"), Some(PathBuf::from("/var/lib/s.sqlite.key")));
        assert_eq!(encryption.file("postgres://h/d"), Some(PathBuf::from(".lockstep/sharing.key")));
        encryption.key_file = "/etc/lockstep/key".to_owned();
        assert_eq!(encryption.file("/var/lib/s.sqlite"), Some(PathBuf::from("/etc/lockstep/key")));
        encryption.key = "x".to_owned();
        assert!(encryption.check().unwrap_err().contains("both key and key_file"));
        encryption.key_file.clear();
        assert_eq!((encryption.file("s"), encryption.check()), (None, Ok(())));
    }
}
