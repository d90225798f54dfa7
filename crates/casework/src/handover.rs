//! Mandatory recipients, open duties to notify them, and deliveries that people recorded.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::recipients::{Class, Recipient};

/// A recipient that the rules make mandatory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MandatoryRecipient {
    /// The Secret Service, of a case directed against a major candidate (rule 4).
    SecretService,
    /// The chief election official of a state in which election systems were breached (rule 5).
    ChiefElectionOfficial {
        /// The state.
        state: String,
    },
}

impl fmt::Display for MandatoryRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MandatoryRecipient::SecretService => f.write_str("the Secret Service"),
            MandatoryRecipient::ChiefElectionOfficial { state } => write!(f, "the chief election official of {state}"),
        }
    }
}

impl MandatoryRecipient {
    /// Whether a recipient is this mandatory recipient.
    pub(crate) fn is(&self, recipient: &Recipient) -> bool {
        match self {
            MandatoryRecipient::SecretService => recipient.class == Class::SecretService,
            MandatoryRecipient::ChiefElectionOfficial { state } => {
                recipient.chief_election_official && recipient.state.as_ref() == Some(state)
            }
        }
    }
}

/// A duty to notify a mandatory recipient, for which no delivery is recorded yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OpenDuty {
    /// The mandatory recipient.
    pub whom: MandatoryRecipient,
    /// Since when.
    pub since: Timestamp,
    /// The end of a delay that is in force.
    pub not_before: Option<Timestamp>,
}

/// A delivery that a person recorded: to whom, when and how something was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Handover {
    /// The recipient, as in the recipients' file.
    pub recipient: String,
    /// The person or office that took it.
    pub to: String,
    /// How: in person, by courier, by secure mail.
    pub how: String,
    /// When.
    pub at: Timestamp,
}

/// A recorded delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecordedHandover {
    /// The duties that it fulfils: those that the recipient had when it was recorded.
    pub meets: Vec<MandatoryRecipient>,
    /// The version of the finding that was handed over.
    pub version: u32,
    /// What was handed over, to whom and how.
    pub handover: Handover,
    /// Who recorded it.
    pub by: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}
