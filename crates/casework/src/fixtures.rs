//! For tests: what the policy asks for of every case, and steps under the rules without a file.

use jiff::Timestamp;
use messages::cluster::ClusterMessage;

use crate::{
    Tlp,
    audit::Entry,
    case::{Case, Illegal, Step},
    policy::{Consideration, Duties, Fact, Rules, Targets, Terms},
};

/// What the policy asks for of every case, of one that is directed against nobody.
pub fn facts() -> Vec<Fact> {
    let word = || "looked at".to_owned();
    vec![
        Fact::Targets(Targets::default()),
        Fact::Consideration(Consideration { security: word(), political_sensitivity: word() }),
        Fact::Duties(Duties { duties: Vec::new(), why: word() }),
    ]
}

/// A step under the rules without a file, with no recipient set up.
pub fn take(case: &mut Case, cluster: &ClusterMessage, step: Step, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
    let rules = Rules::with_marking(Tlp::Amber);
    case.take(step, by, &Terms { cluster, recipients: &[], rules: &rules }, now)
}
