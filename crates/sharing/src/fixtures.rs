//! Cases for tests: what the policy asks for of every case.

use jiff::Timestamp;

use crate::{
    audit::Entry,
    case::{Case, Illegal, Step},
    config::Tlp,
    policy::{Consideration, Duties, Fact, Rules, Targets, Terms},
};
use presentation::fixtures::cluster;

/// What the policy asks for of every case, of one that is directed against nobody.
pub(crate) fn facts() -> Vec<Fact> {
    let word = || "looked at".to_owned();
    vec![
        Fact::Targets(Targets::default()),
        Fact::Consideration(Consideration { security: word(), political_sensitivity: word() }),
        Fact::Duties(Duties { duties: Vec::new(), why: word() }),
    ]
}

/// A step under the rules without a file, on a finding that suggests no target, with no recipient set up.
pub(crate) fn take(case: &mut Case, step: Step, by: &str, now: Timestamp) -> Result<Entry, Illegal> {
    let (cluster, rules) = (cluster("c1", case.version), Rules::with_marking(Tlp::Amber));
    case.take(step, by, &Terms { cluster: &cluster, recipients: &[], rules: &rules }, now)
}
