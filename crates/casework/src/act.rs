//! Actions of people on a case: a step, or an action after the release. Also which role each action
//! needs.

use std::collections::BTreeSet;

use crate::{Holding, Role, accounts::account_key, case::Step, facts::Fact, handover::Handover};

/// An action on a case.
#[derive(Debug, Clone)]
pub enum Act {
    /// A step of the case.
    Step(Step),
    /// Records that a person looked at the reasons for attention.
    Attend {
        /// What the person found.
        comment: String,
    },
    /// Proposes to renew the flags.
    ProposeRenewal {
        /// Reason for the renewal.
        reason: String,
    },
    /// Renews the flags. A person other than the proposer has to do it.
    Renew,
    /// Records that something was handed over to a recipient.
    RecordHandover(Handover),
    /// Puts the case under legal hold.
    PlaceHold {
        /// Why it must be preserved.
        reason: String,
    },
    /// Lifts the legal hold. A person other than the one who placed it has to do it.
    LiftHold {
        /// Why it need not be preserved any more.
        reason: String,
    },
    /// Withdraws some of its accounts.
    WithdrawAccounts {
        /// Keys of the accounts ([`account_key`]).
        accounts: BTreeSet<String>,
        /// Reason for the withdrawal.
        reason: String,
    },
}

impl Act {
    /// Withdraws accounts, given as (platform, account id).
    pub fn withdraw_accounts(accounts: impl IntoIterator<Item = (String, String)>, reason: String) -> Act {
        let accounts = accounts.into_iter().map(|(platform, id)| account_key(&platform, &id)).collect();
        Act::WithdrawAccounts { accounts, reason }
    }

    /// The role that the action needs. An action that changes what partners have, or gives a held case
    /// free, needs an approver.
    pub fn needs(&self) -> Holding<'_> {
        Holding::Role(match self {
            Act::Step(Step::SignOff { role, .. }) => return Holding::SignOffRole(role),
            Act::Step(Step::Release | Step::Update | Step::Retract { .. })
            | Act::Renew
            | Act::RecordHandover(_)
            | Act::LiftHold { .. }
            | Act::Step(Step::Record(Fact::ConfirmDelay(_)))
            | Act::WithdrawAccounts { .. } => Role::Approver,
            Act::Step(_) | Act::Attend { .. } | Act::ProposeRenewal { .. } | Act::PlaceHold { .. } => Role::Reviewer,
        })
    }
}
