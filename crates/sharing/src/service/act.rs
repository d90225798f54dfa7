//! What a person does to a case that was seen in one state: a step, or what may follow a release.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Sharing, SharingError};
use casework::{
    Role,
    case::{State, Step},
    retraction::account_key,
};

/// Something to do to a case.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A step of the case's life.
    Step(Step),
    /// Says that what the case asked attention for was looked at.
    Attend { comment: String },
    /// Proposes that its flags go on.
    ProposeRenewal { reason: String },
    /// Renews them, by somebody other than whoever proposed it.
    Renew,
    /// Withdraws some of its accounts, as (platform, account id).
    WithdrawAccounts { accounts: Vec<(String, String)>, reason: String },
}

impl Act {
    /// Who may do it: what changes what partners have is for approvers.
    pub fn needs(&self) -> Role {
        match self {
            Act::Step(Step::Release | Step::Update | Step::Retract { .. })
            | Act::Renew
            | Act::WithdrawAccounts { .. } => Role::Approver,
            Act::Step(_) | Act::Attend { .. } | Act::ProposeRenewal { .. } => Role::Reviewer,
        }
    }
}

impl Sharing {
    /// Does it for somebody who saw the case at that revision: refused as a conflict where it was changed since.
    pub(crate) async fn act_seen(
        &self,
        cluster_id: &str,
        seen: i64,
        act: Act,
        by: &str,
    ) -> Result<State, SharingError> {
        let (id, by) = (cluster_id.to_owned(), by.to_owned());
        self.blocking(move |inner| {
            let (seen, now) = (Some(seen), Timestamp::now());
            match act {
                Act::Step(step) => inner.step(&id, seen, step, &by, now),
                Act::Attend { comment } => inner.attend(&id, seen, &comment, &by, now),
                Act::ProposeRenewal { reason } => inner.propose_renewal(&id, seen, &reason, &by, now),
                Act::Renew => inner.renew(&id, seen, &by, now),
                Act::WithdrawAccounts { accounts, reason } => {
                    let keys: BTreeSet<String> =
                        accounts.iter().map(|(platform, id)| account_key(platform, id)).collect();
                    inner.withdraw_accounts(&id, seen, &keys, &reason, &by, now)
                }
            }
        })
        .await
    }
}
