//! Tokens with which scripts and other services use the JSON API.
//!
//! A token allows less than a login: what decides about a case (approve, dismiss, release, retract) is never done with a token.

use std::{collections::BTreeSet, fmt, str::FromStr};

use jiff::Timestamp;
use serde::Serialize;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Reads all that the JSON API shows.
    Read,
    /// Sends deliveries to webhooks again and discards them. The owner must be an admin, or a service.
    Deliveries,
    /// Records that a document was handed over to a recipient. The owner must be a person with the role approver.
    Handovers,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Scope; 3] = [Scope::Read, Scope::Deliveries, Scope::Handovers];

    /// The name on the command line, in the database and in the JSON API.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Deliveries => "deliveries",
            Scope::Handovers => "handovers",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Scope, String> {
        Scope::ALL
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or_else(|| "scopes are read, deliveries and handovers".to_owned())
    }
}

/// A token for the JSON API, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Names the token; also its part before the secret.
    pub id: String,
    /// A person of the users' file, or the name of a service.
    pub owner: String,
    /// Whether the owner is a service.
    pub service: bool,
    /// What the token allows.
    pub scopes: BTreeSet<Scope>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// Who issued it.
    pub created_by: String,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was last used, to the quarter of an hour.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// The owner as in the audit log: no person's name has a colon.
    pub fn actor(&self) -> String {
        if self.service { format!("service:{}", self.owner) } else { self.owner.clone() }
    }
}
