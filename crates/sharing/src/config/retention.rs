//! What an operator can set about how long the database keeps what is finished.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[sharing.retention]` table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Finished cases (dismissed, withdrawn, or closed after their flags expired) are deleted so long after their last change, with their
    /// posts, feedback, deliveries and shared objects; 0 keeps them for ever. A case stays as long as it needs attention, a partner does
    /// not know of its withdrawal yet, or something about it waits to be sent. The audit log keeps its entries for ever.
    #[schemars(range(min = 0, max = 36_500), extend("unit" = "days"))]
    pub cases_days: u32,
    /// Deliveries to webhooks that were taken or discarded are deleted so long after they were made; 0 keeps them for ever.
    #[schemars(range(min = 0, max = 36_500), extend("unit" = "days"))]
    pub deliveries_days: u32,
}
