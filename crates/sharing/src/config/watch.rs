//! What an operator can set about the watch list.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[sharing.watch]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Watch {
    /// Most groups that are kept for the watch list and its sample, flagged ones included. If there are more, groups that
    /// left the list go first, then dismissed ones, then the last of the list; the metric counts them as evicted.
    #[schemars(range(min = 10, max = 1_000_000), extend("unit" = "groups"))]
    pub groups: usize,
    /// A group without news leaves the list after so long, and is deleted so long after it left. Draws of the sample and
    /// their answers count for so long.
    #[schemars(range(min = 1, max = 3650), extend("unit" = "days"))]
    pub days: u32,
    /// Groups of each status that are drawn for reviewers at a time; 0 draws none, and then nothing is estimated.
    #[schemars(range(min = 0, max = 1_000), extend("unit" = "groups"))]
    pub sample: usize,
    /// Time between two draws.
    #[schemars(range(min = 1, max = 365), extend("unit" = "days"))]
    pub sample_every_days: u32,
    /// Seed of the draws. The same seed and groups give the same sample.
    #[schemars(range(min = 0, max = 1_000_000_000), extend("unit" = "numbers"))]
    pub sample_seed: u64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { groups: 2_000, days: 90, sample: 5, sample_every_days: 7, sample_seed: 1 }
    }
}
