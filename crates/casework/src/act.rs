//! What a person does to a case: a step of its life, or what may follow a release. And who may do it.

use std::collections::BTreeSet;

use crate::{Role, accounts::account_key, case::Step, duties::Handover, facts::Fact};

/// Something to do to a case.
#[derive(Debug, Clone)]
pub enum Act {
    /// A step of the case's life.
    Step(Step),
    /// Says that what the case asked attention for was looked at.
    Attend {
        /// What was found.
        comment: String,
    },
    /// Proposes that its flags go on.
    ProposeRenewal {
        /// Why.
        reason: String,
    },
    /// Renews them, by somebody other than whoever proposed it.
    Renew,
    /// Records that something was handed over to a recipient.
    RecordHandover(Handover),
    /// Withdraws some of its accounts.
    WithdrawAccounts {
        /// Their keys ([`account_key`]).
        accounts: BTreeSet<String>,
        /// Why.
        reason: String,
    },
}

impl Act {
    /// Withdraws accounts, named as (platform, account id).
    pub fn withdraw_accounts(accounts: impl IntoIterator<Item = (String, String)>, reason: String) -> Act {
        let accounts = accounts.into_iter().map(|(platform, id)| account_key(&platform, &id)).collect();
        Act::WithdrawAccounts { accounts, reason }
    }

    /// Who may do it: what changes what partners have is for approvers.
    pub fn needs(&self) -> Role {
        match self {
            Act::Step(Step::Release | Step::Update | Step::Retract { .. })
            | Act::Renew
            | Act::RecordHandover(_)
            | Act::Step(Step::Record(Fact::ConfirmDelay(_)))
            | Act::WithdrawAccounts { .. } => Role::Approver,
            Act::Step(_) | Act::Attend { .. } | Act::ProposeRenewal { .. } => Role::Reviewer,
        }
    }
}
