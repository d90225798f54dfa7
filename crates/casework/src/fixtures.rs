//! Test fixtures: the facts that the policy requires of every case, and steps under the default
//! rules.

use jiff::Timestamp;
use messages::cluster::ClusterMessage;

use crate::{
    Tlp,
    audit::Entry,
    case::{Case, Illegal, Step},
    policy::{Consideration, Duties, Fact, Rules, Targets, Terms},
};

/// The facts that the policy requires of every case, for a case without a target.
pub fn facts() -> Vec<Fact> {
    let word = || "looked at".to_owned();
    vec![
        Fact::Targets(Targets::default()),
        Fact::Consideration(Consideration { security: word(), political_sensitivity: word() }),
        Fact::Duties(Duties { duties: Vec::new(), why: word() }),
    ]
}

/// Takes a step under the default rules, with no recipient configured.
pub fn take(case: &mut Case, cluster: &ClusterMessage, step: Step, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
    let rules = Rules::with_marking(Tlp::Amber);
    case.take(step, by, &Terms { cluster, recipients: &[], rules: &rules, rendered: None }, now)
}
