//! Inputs of a decision other than the case.

use std::collections::BTreeMap;

use messages::cluster::ClusterMessage;

use super::rules::{Policy, Rules};
use crate::{case::Case, recipients::Recipient};

/// SHA-256, in hex, of the objects that a release would send to each recipient, by name. The caller
/// renders the objects.
pub type Rendered = BTreeMap<String, String>;

/// Inputs of a decision other than the case.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The newest version of the finding.
    pub cluster: &'a ClusterMessage,
    /// The recipients.
    pub recipients: &'a [Recipient],
    /// The settings of all rules.
    pub rules: &'a Rules,
    /// Digests of the objects that a release would send now. `None` if they are not rendered, as
    /// for the reviewers of the demo.
    pub rendered: Option<&'a Rendered>,
}

impl Policy {
    /// The terms for a decision about this finding.
    pub fn terms<'a>(&'a self, cluster: &'a ClusterMessage) -> Terms<'a> {
        Terms { cluster, recipients: &self.recipients, rules: &self.rules, rendered: None }
    }
}

impl<'a> Terms<'a> {
    /// These terms with the digests of the objects that a release would send now.
    pub fn with_rendered(self, rendered: Option<&'a Rendered>) -> Terms<'a> {
        Terms { rendered, ..self }
    }

    /// Recipients that would receive other objects than the approval covers.
    pub fn not_as_approved(&self, case: &Case) -> Vec<&'a str> {
        let Some(rendered) = self.rendered else { return Vec::new() };
        let differs = |name: &&String| case.approved_objects.get(*name) != rendered.get(*name);
        rendered.keys().filter(differs).map(String::as_str).collect()
    }
}
