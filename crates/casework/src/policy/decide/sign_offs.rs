//! Sign-offs in the roles that the rules require, and which of them count.
//!
//! A person counts once: neither who approved the version nor who releases it can also sign off,
//! and of two sign-offs of one person only the newer one counts.

use std::collections::BTreeSet;

use serde::Serialize;

use super::*;
use crate::facts::SignOff;

/// A role that has to sign off before recipients are notified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NeededSignOff {
    /// The role.
    pub role: String,
    /// The recipients that wait for it.
    pub recipients: Vec<String>,
    /// Who signed off.
    pub by: Option<String>,
    /// Why recorded sign-offs in this role do not count.
    pub not_counted: Vec<String>,
}

impl NeededSignOff {
    /// Whether this person gave it.
    pub(crate) fn is_by(&self, name: &str) -> bool {
        self.by.as_ref().is_some_and(|by| is_same_person(by, name))
    }
}

/// The newest sign-off of a person for the version that would be shared.
pub(crate) fn newest_sign_off_of<'a>(case: &'a Case, name: &str) -> Option<&'a Recorded<SignOff>> {
    let counts = |record: &&Recorded<SignOff>| record.version == case.version && record.what.held;
    case.facts.sign_offs.iter().rev().filter(counts).find(|record| is_same_person(&record.by, name))
}

/// Roles that have to sign off before a class is notified.
pub(super) fn sign_offs(case: &Case, terms: &Terms<'_>, outcome: &mut Outcome) {
    // A recipient that must be notified needs no sign-off: a role that does not sign would have a
    // veto.
    for decision in outcome.recipients.iter_mut().filter(|decision| decision.notified && !decision.must) {
        for role in &terms.rules.class(decision.class).sign_off {
            let known = outcome.sign_offs.iter().position(|needed| needed.role == *role);
            let index = known.unwrap_or_else(|| {
                outcome.sign_offs.push(needed(role, case));
                outcome.sign_offs.len() - 1
            });
            let needed = &mut outcome.sign_offs[index];
            needed.recipients.push(decision.recipient.clone());
            if needed.by.is_none() {
                let mut text = format!(
                    "{} is notified only after {role} has signed off version {}",
                    decision.recipient, case.version
                );
                for why in &needed.not_counted {
                    text.push_str(&format!("; {why}"));
                }
                decision.blocks.push(block(Rule::NominateThenDecide, Needs::SignOff, text));
            }
            outcome.approvals.push(Approval {
                who: role.clone(),
                what: format!("the notification of {}", decision.recipient),
                by: needed.by.clone(),
            });
        }
    }
}

fn needed(role: &str, case: &Case) -> NeededSignOff {
    let mut needed = NeededSignOff { role: role.to_owned(), recipients: Vec::new(), by: None, not_counted: Vec::new() };
    let of_version = case.facts.sign_offs.iter().rev().filter(|record| record.version == case.version);
    let mut said = BTreeSet::new();
    for record in of_version.filter(|record| record.what.role == role) {
        let by = &record.by;
        let approved = case.approved.as_ref().filter(|statement| statement.version == case.version);
        let why = if !record.what.held {
            format!(
                "{by} recorded it when no role was needed for it: a person who holds the role has to sign off again"
            )
        } else if approved.is_some_and(|word| is_same_person(&word.by, by)) {
            format!("{by} signed off and approved: another person who holds the role has to sign off")
        } else if let Some(newer) = newest_sign_off_of(case, by).filter(|newer| newer.what.role != role) {
            format!("{by} signed off as {} later, and a person counts once", newer.what.role)
        } else {
            needed.by = Some(by.clone());
            break;
        };
        if said.insert(why.clone()) {
            needed.not_counted.push(why);
        }
    }
    if needed.by.is_some() {
        needed.not_counted.clear();
    }
    needed
}
