//! Withdrawal of single accounts, and decisions about partners' rejections.
//!
//! A withdrawal is the safe direction, so one person is enough. No later version of the case shares
//! an account that people withdrew.

use std::collections::BTreeSet;

use jiff::Timestamp;
use messages::cluster::ClusterMessage;

use crate::{
    accounts::{account_key, key_of_account, without},
    act::Act,
    audit::Entry,
    case::{Case, Illegal, State, Step},
};

/// Decision of people about a retraction case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The partner is right: the accounts, or the whole case, are withdrawn from all partners.
    Withdraw,
    /// The finding stays shared.
    Keep {
        /// Reason for keeping it.
        reason: String,
    },
}

/// A partner's rejection, to be decided by people.
#[derive(Debug, Clone, Copy)]
pub struct Rejection<'a> {
    /// Number of the retraction case.
    pub number: i64,
    /// Id of the case that is rejected.
    pub case: &'a str,
    /// Platform of the partner that rejected it.
    pub platform: &'a str,
    /// The rejected accounts, all of that platform; empty if the whole case is rejected.
    pub accounts: &'a [String],
    /// The partner's reason.
    pub reason: &'a str,
}

impl Rejection<'_> {
    /// The finding stays shared. Returns the audit entry, or an error if the reason is missing.
    pub fn keep(&self, reason: &str, by: &str, now: Timestamp) -> Result<Entry, String> {
        let number = self.number;
        if text_format::is_blank(reason) {
            return Err(format!(
                "retraction case {number} cannot be decided without a reason: enter why the finding stays shared"
            ));
        }
        let reason = text_format::without_hidden(reason);
        Ok(Entry {
            at: now,
            actor: by.to_owned(),
            subject: self.case.to_owned(),
            action: "retraction_case_kept".to_owned(),
            text: format!("retraction case {number}: {reason}"),
        })
    }

    /// The partner is right: withdraws the accounts from all partners, or the whole case if
    /// partners would have no account left.
    pub fn withdraw(&self, shared: Option<&ClusterMessage>) -> Act {
        let reason = format!("retraction case {}: {}", self.number, self.reason);
        let accounts: BTreeSet<String> = self.accounts.iter().map(|id| account_key(self.platform, id)).collect();
        let nothing_left = shared.is_some_and(|shared| without(shared, &accounts).accounts.is_empty());
        if accounts.is_empty() || nothing_left {
            Act::Step(Step::Retract { reason })
        } else {
            Act::WithdrawAccounts { accounts, reason }
        }
    }

    /// Whether a change of the case decides this rejection: `withdrawn`, or `lapsed` if the case
    /// was closed.
    pub fn settled_by(&self, case: &Case) -> Option<&'static str> {
        let left_out = |id: &String| case.left_out.contains(&account_key(self.platform, id));
        match case.state {
            State::Retracted => Some("withdrawn"),
            State::Closed => Some("lapsed"),
            _ if !self.accounts.is_empty() && self.accounts.iter().all(left_out) => Some("withdrawn"),
            _ => None,
        }
    }
}

impl Case {
    /// Removes accounts from a shared case, permanently.
    pub fn withdraw_accounts(
        &mut self,
        shared: Option<&ClusterMessage>,
        accounts: &BTreeSet<String>,
        reason: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Entry, Illegal> {
        let refuse = |why: &str| {
            Err(Illegal {
                case: self.id.clone(),
                verb: "withdraw accounts from",
                why: why.to_owned(),
                allowed: self.allowed(),
            })
        };
        let Some(shared) = shared.filter(|_| self.state.is_shared()) else {
            return refuse(&format!("it is {}", self.state));
        };
        if text_format::is_blank(reason) {
            return refuse("a withdrawal needs a reason");
        }
        let known: BTreeSet<String> = shared.accounts.iter().map(key_of_account).collect();
        if accounts.is_empty() {
            return refuse("no account is named");
        }
        if let Some(other) = accounts.iter().find(|key| !known.contains(*key)) {
            return refuse(&format!("partners did not receive account {}", other.replace('\u{1f}', ":")));
        }
        if accounts.len() == known.len() {
            return refuse("no account would be left: retract the whole case");
        }
        self.left_out.extend(accounts.iter().cloned());
        self.changed_at = now;
        let names: Vec<String> = accounts.iter().map(|key| key.replace('\u{1f}', ":")).collect();
        let text = format!("{}: {}", text_format::shorten(&names.join(", "), 400), reason);
        Ok(self.entry(by, "accounts_withdrawn", text, now))
    }
}
