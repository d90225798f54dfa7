//! Who decides cases.

use serde::{Deserialize, Serialize};

/// Who decides cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reviewers {
    /// People. Cases wait until they have decided.
    #[default]
    People,
    /// Two automatic demo reviewers that approve everything. For demos only; everything that they
    /// approve is marked as such.
    Demo,
}

/// The notice shown with everything that the demo's reviewers approved.
pub const DEMO_NOTICE: &str = "DEMO: approved by the demo policy, no person looked";
