//! What an operator can set about the audit log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::webhooks::check_url;

/// The `[sharing.audit]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Time between two checks of the whole log, and of the cases, shared objects and keys that it covers. The
    /// start checks it as well.
    #[schemars(range(min = 1, max = 1440), extend("unit" = "minutes"))]
    pub check_every_min: u32,
    /// File to which position and seal of the last entry are appended. Keep it where nobody who can write to
    /// the database can write: entries that are cut off the end of the log are noticed by it. None where empty.
    pub seal_file: String,
    /// URL to which the same is posted as JSON. None where empty.
    pub seal_webhook: String,
    /// A seal is written outside after so many entries at the latest.
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "entries"))]
    pub seal_every_entries: u32,
    /// A seal is written outside after so long at the latest, if there are new entries.
    #[schemars(range(min = 1, max = 1440), extend("unit" = "minutes"))]
    pub seal_every_min: u32,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            check_every_min: 60,
            seal_file: String::new(),
            seal_webhook: String::new(),
            seal_every_entries: 100,
            seal_every_min: 15,
        }
    }
}

impl Audit {
    pub(crate) fn check(&self, private: bool) -> Result<(), String> {
        if self.seal_webhook.is_empty() {
            return Ok(());
        }
        check_url(&self.seal_webhook, private).map_err(|why| format!("sharing.audit.seal_webhook: {why}"))
    }
}
