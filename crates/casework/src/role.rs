//! What a person may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a person may do. No role has another in it: who decides is not who lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Records facts, begins review, approves, dismisses and returns cases.
    Reviewer,
    /// Releases, updates and retracts. Two different people are needed all the same.
    Approver,
    /// Manages partners, users and deliveries.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Reviewer, Role::Approver, Role::Admin];

    /// In configuration, in the store and on pages.
    pub fn name(self) -> &'static str {
        match self {
            Role::Reviewer => "reviewer",
            Role::Approver => "approver",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        Role::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| "roles are reviewer, approver and admin".to_owned())
    }
}

/// Something that a person does and that is no step of a case; who may take which step is [`Act::needs`](crate::Act::needs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Sends deliveries again, or gives them up.
    ManageDeliveries,
    /// Notes that a partner knows of a withdrawal.
    AcknowledgeWithdrawal,
    /// Decides what a partner rejected.
    DecideRejection,
}

impl Task {
    /// The roles that may do it, each by itself.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Task::ManageDeliveries => &[Role::Admin],
            Task::AcknowledgeWithdrawal => &[Role::Admin, Role::Approver],
            Task::DecideRejection => &[Role::Approver],
        }
    }
}
