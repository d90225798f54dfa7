//! Who is told of a case, by which rule, of how much, and what still stands in the way.
//!
//! Nine rules ([`Rule`]) after the notification practice of US agencies for foreign interference in elections. They read what
//! people recorded about a case ([`Facts`]), who may be told ([`Recipient`]) and what is data about each class of recipients
//! ([`Rules`], from the file that `sharing.recipients` names). [`decide`] puts them together into an [`Outcome`]. Pure: no I/O,
//! no clock.
//!
//! A case cannot be released around it: [`crate::case::Case::take`] asks for the outcome itself.
//!
//! Absent on purpose: anything that reads an opinion, a party or a name. Names are compared with names, never understood; a
//! test swaps them and nothing else may change. What the detector says of a finding's targets is a suggestion that a reviewer
//! answers, not a fact.

mod check;
mod decide;
mod explain;
mod file;
mod rules;

pub use crate::facts::is_same_person;
pub use crate::facts::{
    Answer, Breach, Breaches, ConfirmedDelay, Consideration, Delay, Duties, Duty, Fact, Facts, Objection, PublicNotice,
    Recorded, SignOff, Target, TargetKind, Targets,
};
pub use crate::recipients::{Class, Delivery, Partner, Recipient};
pub(crate) use decide::delay as delay_in_force;
pub use decide::is_confirmed;
pub use decide::{Approval, Because, Block, Decision, Missing, Outcome, Terms, decide};
pub use decide::{closing_blocked, dismissal_blocked};
pub use explain::Explanation;
pub use file::PolicyFile;
pub use rules::{AccountIds, ClassRule, Elsewhere, Policy, Product, Redaction, Rule, Rules, Told, VOLUNTARY};

#[cfg(test)]
mod tests;
