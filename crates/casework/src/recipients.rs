//! Who may be told.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Tlp;

/// Classes of recipients: what they see of a case goes by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A social-media company, about accounts of its own platform.
    Platform,
    /// Congress, its leadership and committees.
    Congress,
    /// State and local government, election officials among them.
    StateLocal,
    /// Private organisations.
    PrivateSector,
    /// Candidates and their campaigns.
    Candidate,
    /// The Secret Service.
    SecretService,
    /// Everybody.
    Public,
}

impl Class {
    /// All classes.
    pub const ALL: [Class; 7] = [
        Class::Platform,
        Class::Congress,
        Class::StateLocal,
        Class::PrivateSector,
        Class::Candidate,
        Class::SecretService,
        Class::Public,
    ];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Class::Platform => "platform",
            Class::Congress => "congress",
            Class::StateLocal => "state_local",
            Class::PrivateSector => "private_sector",
            Class::Candidate => "candidate",
            Class::SecretService => "secret_service",
            Class::Public => "public",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::StateLocal => "state and local government",
            Class::PrivateSector => "private sector",
            Class::SecretService => "Secret Service",
            other => other.name(),
        })
    }
}

/// How a recipient gets what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It pulls from its TAXII collection.
    Taxii,
    /// It is called.
    Webhook,
    /// It gets a document that people hand over.
    Document,
}

/// Somebody who may be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Short name; of a platform also its user name for HTTP Basic.
    pub name: String,
    /// What it is.
    pub class: Class,
    /// Of a platform: its lower-case name, as in posts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Of state and local government: the state, two capital letters as the post writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether it is the chief election official of its state.
    #[serde(default)]
    pub chief_election_official: bool,
    /// Whom to reach there, for people.
    #[serde(default)]
    pub contact: String,
    /// How it gets what it gets. Default: `taxii` for a platform, `document` for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Of a platform: where what is added to its collection is sent as well. Nothing goes there before it has a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// The most restricted marking that it may receive.
    #[serde(default = "amber")]
    pub tlp_ceiling: Tlp,
}

fn amber() -> Tlp {
    Tlp::Amber
}

impl Recipient {
    /// How it gets what it gets.
    pub fn delivery(&self) -> Delivery {
        self.delivery.unwrap_or(match self.class {
            Class::Platform => Delivery::Taxii,
            _ => Delivery::Document,
        })
    }
}

/// A platform that is told about its own accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// Short name, also its user name for HTTP Basic.
    pub name: String,
    /// Lower-case name of the platform, as in posts. A partner sees accounts of this platform only.
    pub platform: String,
    /// The most restricted marking that this partner may receive.
    #[serde(default = "amber")]
    pub tlp_ceiling: Tlp,
    /// Where what is added to its collection is sent as well. Nothing goes there before it has a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

impl Default for Partner {
    fn default() -> Self {
        Self { name: String::new(), platform: String::new(), tlp_ceiling: amber(), webhook: None }
    }
}

impl Partner {
    /// The recipient of class `platform` that it is.
    pub fn recipient(&self) -> Recipient {
        Recipient {
            name: self.name.clone(),
            class: Class::Platform,
            platform: Some(self.platform.clone()),
            state: None,
            chief_election_official: false,
            contact: String::new(),
            delivery: None,
            webhook: self.webhook.clone(),
            tlp_ceiling: self.tlp_ceiling,
        }
    }
}
