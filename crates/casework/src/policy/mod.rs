//! Which recipients are notified of a case, under which rule, what each sees, and what blocks a
//! release.
//!
//! Nine rules ([`Rule`]), modelled on how US agencies notify of foreign interference in elections.
//! Inputs: the facts that people recorded about a case ([`Facts`]), the recipients ([`Recipient`]),
//! and the settings of each class of recipients ([`Rules`], from the file that `sharing.recipients`
//! names). [`decide`] combines them into an [`Outcome`]. Pure: no I/O, no clock.
//!
//! No release can bypass the policy: [`crate::case::Case::take`] computes the outcome itself.
//!
//! Absent on purpose: anything that reads an opinion, a party or a name. Names are only compared
//! with names; a test swaps them and expects no other change. The targets that the detector
//! suggests are not facts: a reviewer has to answer each suggestion.

mod check;
mod decide;
mod explain;
mod file;
mod rules;
mod terms;

pub use crate::facts::{
    Answer, Breach, Breaches, ConfirmedDelay, Consideration, Delay, Duties, Duty, Fact, Facts, Objection, PublicNotice,
    Recorded, SignOff, Target, TargetKind, Targets,
};
pub use crate::facts::{is_confirmed, is_same_person};
pub use crate::recipients::{Class, Delivery, Partner, Recipient};
pub(crate) use check::check_sign_off;
pub(crate) use decide::delay as delay_in_force;
pub(crate) use decide::newest_sign_off_of;
pub use decide::{Approval, Because, Block, Decision, Missing, NeededSignOff, Needs, Outcome, decide};
pub use decide::{closing_blocked, dismissal_blocked};
pub use explain::Explanation;
pub use file::PolicyFile;
pub use rules::{AccountIds, ClassRule, Elsewhere, NotifyWhen, Policy, Product, Redaction, Rule, Rules, VOLUNTARY};
pub use terms::{Rendered, Terms};

#[cfg(test)]
mod tests;
