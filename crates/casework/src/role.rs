//! Roles, and the tasks that each role may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Role of a person. No role includes another, so that who decides is not who manages access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Records facts, begins review, approves, dismisses and returns cases.
    Reviewer,
    /// Releases, updates and retracts. A release still needs a second person who approved.
    Approver,
    /// Manages partners, users and deliveries.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 3] = [Role::Reviewer, Role::Approver, Role::Admin];

    /// The name in configuration, in the database and on pages.
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

/// What a person has to hold to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding<'a> {
    /// A role.
    Role(Role),
    /// A role in which the rules of sharing ask for sign-offs.
    SignOffRole(&'a str),
}

impl fmt::Display for Holding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holding::Role(role) => write!(f, "the role {role}"),
            Holding::SignOffRole(role) => write!(f, "the sign-off role {}", text_format::shorten(role, 60)),
        }
    }
}

/// A task that is not a step of a case. [`Act::needs`](crate::Act::needs) gives the role for each
/// step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Resends or discards deliveries.
    ManageDeliveries,
    /// Records that a partner knows of a withdrawal.
    AcknowledgeWithdrawal,
    /// Decides about a partner's rejection.
    DecideRejection,
    /// Records the appeal of a named account.
    RecordAppeal,
    /// Decides an appeal.
    DecideAppeal,
    /// Decides about a group of the watch list, or answers about one of the sample.
    DecideGroup,
}

impl Task {
    /// The roles that may do the task; any of them is enough.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Task::ManageDeliveries => &[Role::Admin],
            Task::AcknowledgeWithdrawal => &[Role::Admin, Role::Approver],
            Task::DecideRejection => &[Role::Approver],
            Task::RecordAppeal => &[Role::Reviewer, Role::Approver],
            Task::DecideAppeal => &[Role::Approver],
            Task::DecideGroup => &[Role::Reviewer],
        }
    }
}
