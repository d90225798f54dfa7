//! Undoing the last decision of a case, as long as nothing of the case is shared.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Case, State, Statement, Step};

/// The last decision, and the state of the case before it. A later step clears it, and so does a
/// new version of the finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Undo {
    /// The decision, as a verb.
    pub decision: String,
    /// The person who decided.
    pub by: String,
    /// Time of the decision.
    pub at: Timestamp,
    /// The state before the decision.
    pub state: State,
    /// The approval before the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Statement>,
    /// Who gets what by that approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_scope: Option<String>,
    /// SHA-256 of the objects of each recipient by that approval.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub approved_objects: BTreeMap<String, String>,
}

impl Undo {
    /// The state that undoing `step` restores. `None` if the step cannot be undone: only decisions
    /// about a case that is not shared can be undone.
    pub(crate) fn before(case: &Case, step: &Step, by: &str, now: Timestamp) -> Option<Undo> {
        let is_decision = matches!(
            step,
            Step::BeginReview | Step::Approve { .. } | Step::Dismiss { .. } | Step::ReturnToReview { .. }
        );
        (is_decision && !case.state.is_shared()).then(|| Undo {
            decision: step.verb().to_owned(),
            by: by.to_owned(),
            at: now,
            state: case.state,
            approved: case.approved.clone(),
            approved_scope: case.approved_scope.clone(),
            approved_objects: case.approved_objects.clone(),
        })
    }
}

impl Case {
    /// Why the last decision cannot be undone. `None` if it can.
    pub(crate) fn undo_blocked(&self) -> Option<&'static str> {
        match &self.undo {
            _ if self.state.is_shared() => Some("it is shared: retract it, or withdraw accounts"),
            _ if matches!(self.state, State::Retracted | State::Closed) => Some("it is final"),
            None => Some(
                "there is no decision to undo: only the last decision can be undone, and only if nothing changed since",
            ),
            Some(_) => None,
        }
    }

    /// Undoes the last decision, if there is one. Returns the text for the audit log.
    pub(crate) fn undo_decision(&mut self) -> String {
        let Some(undo) = self.undo.take() else {
            return String::new();
        };
        let Undo { decision, by, at, state, approved, approved_scope, approved_objects } = undo;
        (self.state, self.approved) = (state, approved);
        (self.approved_scope, self.approved_objects) = (approved_scope, approved_objects);
        format!("{decision} by {by} at {at} is undone; the case is {state} again")
    }
}
