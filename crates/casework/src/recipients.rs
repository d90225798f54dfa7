//! Recipients of findings.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Tlp;

/// Classes of recipients. The class decides what a recipient sees of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A social-media company. It sees accounts of its own platform.
    Platform,
    /// Congress, with its leadership and committees.
    Congress,
    /// State and local government, including election officials.
    StateLocal,
    /// Private organisations.
    PrivateSector,
    /// Candidates and their campaigns.
    Candidate,
    /// The Secret Service.
    SecretService,
    /// The public.
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

/// How a recipient receives findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It fetches them from its TAXII collection.
    Taxii,
    /// They are sent to its webhook.
    Webhook,
    /// People give it a document.
    Document,
}

/// A person or organisation that may be notified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Short name; for a platform also its user name for HTTP Basic.
    pub name: String,
    /// Class of the recipient.
    pub class: Class,
    /// For a platform: its lower-case name, as in posts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// For state and local government: the state, a postal code of two capital letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether it is the chief election official of its state.
    #[serde(default)]
    pub chief_election_official: bool,
    /// A contact for people.
    #[serde(default)]
    pub contact: String,
    /// How it receives findings. Default: `taxii` for a platform, `document` for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// For a platform: the URL to which additions to its collection are sent as well. Nothing is
    /// sent before the webhook has a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// The most restricted TLP marking that it may receive.
    #[serde(default = "amber")]
    pub tlp_ceiling: Tlp,
}

fn amber() -> Tlp {
    Tlp::Amber
}

impl Recipient {
    /// How it receives findings.
    pub fn delivery(&self) -> Delivery {
        self.delivery.unwrap_or(match self.class {
            Class::Platform => Delivery::Taxii,
            _ => Delivery::Document,
        })
    }
}

/// A platform that receives findings about its own accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// Short name, also its user name for HTTP Basic.
    pub name: String,
    /// Lower-case name of the platform, as in posts. A partner sees accounts of this platform only.
    pub platform: String,
    /// The most restricted TLP marking that it may receive.
    #[serde(default = "amber")]
    pub tlp_ceiling: Tlp,
    /// The URL to which additions to its collection are sent as well. Nothing is sent before the
    /// webhook has a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

impl Default for Partner {
    fn default() -> Self {
        Self { name: String::new(), platform: String::new(), tlp_ceiling: amber(), webhook: None }
    }
}

impl Partner {
    /// The same partner as a recipient of class `platform`.
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
