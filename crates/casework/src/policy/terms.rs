//! What a decision about a case needs beside the case.

use std::collections::BTreeMap;

use messages::cluster::ClusterMessage;

use super::rules::{Policy, Rules};
use crate::{case::Case, recipients::Recipient};

/// SHA-256, in hex, of the objects that each recipient would receive by a release, by the recipient's
/// name. The caller renders them.
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
    /// What a release would send now; `None` where it is not rendered, as for automatic reviewers.
    pub rendered: Option<&'a Rendered>,
}

impl Policy {
    /// The terms for a decision about this finding.
    pub fn terms<'a>(&'a self, cluster: &'a ClusterMessage) -> Terms<'a> {
        Terms { cluster, recipients: &self.recipients, rules: &self.rules, rendered: None }
    }
}

impl<'a> Terms<'a> {
    /// The same with what a release would send now.
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
