//! Withdrawing single accounts, and deciding what a partner's rejection asks for.
//!
//! A withdrawal is the safe direction: one person suffices. What was withdrawn by people stays out of every later version of the case.

use std::collections::BTreeSet;

use jiff::Timestamp;
use messages::cluster::ClusterMessage;

use crate::{
    accounts::{account_key, key_of_account, without},
    act::Act,
    audit::Entry,
    case::{Case, Illegal, State, Step},
};

/// What people make of a retraction case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The partner is right: the accounts, or the whole case, are withdrawn from everybody.
    Withdraw,
    /// What was said stands.
    Keep {
        /// Why.
        reason: String,
    },
}

/// A partner's rejection that people decide.
#[derive(Debug, Clone, Copy)]
pub struct Rejection<'a> {
    /// The number of the retraction case.
    pub number: i64,
    /// The case in question.
    pub case: &'a str,
    /// The platform of whoever rejected it.
    pub platform: &'a str,
    /// The accounts in question, all of that platform; empty where the whole case is.
    pub accounts: &'a [String],
    /// What they said.
    pub reason: &'a str,
}

impl Rejection<'_> {
    /// What was said stands: what the audit log has to say, or why it has to be said otherwise.
    pub fn keep(&self, reason: &str, by: &str, now: Timestamp) -> Result<Entry, String> {
        let number = self.number;
        if text_format::is_blank(reason) {
            return Err(format!(
                "retraction case {number} cannot be kept without a reason: say why what was shared stands"
            ));
        }
        Ok(Entry {
            at: now,
            actor: by.to_owned(),
            subject: self.case.to_owned(),
            action: "retraction_case_kept".to_owned(),
            text: format!("retraction case {number}: {reason}"),
        })
    }

    /// The partner is right: the accounts are withdrawn from everybody, or the whole case where nothing else would be left of what partners
    /// have.
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

    /// Whether a change of the case settles it, and how: `withdrawn`, or `lapsed` where the case was closed.
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
    /// Takes accounts out of a case that is shared, for good.
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
            return refuse(&format!("partners were not told of account {}", other.replace('\u{1f}', ":")));
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
