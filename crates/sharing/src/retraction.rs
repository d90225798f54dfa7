//! Withdrawing single accounts, and deciding what a partner's rejection asks for.
//!
//! A withdrawal is the safe direction: one person suffices. What was withdrawn by people stays out of every later version of the case.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use messages::cluster::{ClusterAccount, ClusterMessage};

use crate::{
    audit::Entry,
    case::{Case, Illegal, State, Step},
    service::{Inner, Sharing, SharingError},
    stix::Publication,
    store::{NewObject, Retraction, RetractionCase},
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

impl Sharing {
    /// Withdraws accounts, as (platform, account id), from every partner that was told of them.
    pub async fn withdraw_accounts(
        &self,
        cluster_id: &str,
        accounts: Vec<(String, String)>,
        reason: &str,
        by: &str,
    ) -> Result<State, SharingError> {
        let (cluster_id, reason, by) = (cluster_id.to_owned(), reason.to_owned(), by.to_owned());
        let accounts: BTreeSet<String> = accounts.iter().map(|(platform, id)| account_key(platform, id)).collect();
        self.blocking(move |inner| {
            inner.withdraw_accounts(&cluster_id, None, &accounts, &reason, &by, Timestamp::now())
        })
        .await
    }

    /// Open retraction cases, oldest first; with `all` the decided ones too.
    pub async fn retraction_cases(&self, all: bool) -> Result<Vec<RetractionCase>, SharingError> {
        self.blocking(move |inner| Ok(inner.store.retraction_cases(all)?)).await
    }

    /// Decides a retraction case in the name of `by`.
    pub async fn decide_retraction(&self, number: i64, decision: Decision, by: &str) -> Result<(), SharingError> {
        let by = by.to_owned();
        self.blocking(move |inner| inner.decide_retraction(number, &decision, &by, Timestamp::now())).await
    }

    /// Withdrawals that partners have not taken note of, the most overdue first; with `overdue` only those that are due.
    pub async fn retractions_waiting(&self, overdue: bool) -> Result<Vec<Retraction>, SharingError> {
        self.blocking(move |inner| {
            let by = if overdue { Timestamp::now() } else { Timestamp::MAX };
            Ok(inner.store.retractions_due(by)?)
        })
        .await
    }

    /// Notes that a partner knows of a withdrawal, as it told a person.
    pub async fn acknowledge_retraction(&self, number: i64, note: &str, by: &str) -> Result<(), SharingError> {
        let (note, by) = (note.to_owned(), by.to_owned());
        self.blocking(move |inner| Ok(inner.store.acknowledge(number, &by, &note, Timestamp::now())?)).await
    }
}

impl Inner {
    pub(crate) fn withdraw_accounts(
        &self,
        cluster_id: &str,
        seen: Option<i64>,
        accounts: &BTreeSet<String>,
        reason: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<State, SharingError> {
        self.change(cluster_id, seen, now, |inner, stored, now| {
            let before = stored.released.clone();
            let entry = stored.case.withdraw_accounts(before.as_ref(), accounts, reason, by, now)?;
            let Some(before) = before else { return Ok((vec![entry], Vec::new())) };
            let (gone, rest) = (only(&before, accounts), without(&before, accounts));
            stored.released = Some(before.clone());
            let shared = crate::store::StoredCase { cluster: rest.clone(), ..stored.clone() };
            let publish = inner.for_partners(&shared, now, |p| withdrawal(p, &gone))?;
            crate::stix::note_withdrawn(&mut stored.case, &before, Some(&rest));
            stored.released = Some(rest);
            Ok((vec![entry], publish))
        })
    }

    pub(crate) fn decide_retraction(
        &self,
        number: i64,
        decision: &Decision,
        by: &str,
        now: Timestamp,
    ) -> Result<(), SharingError> {
        let open = self.store.retraction_case(number)?.filter(|case| case.state == "open");
        let open = open.ok_or_else(|| SharingError::NoRetractionCase(number))?;
        match decision {
            Decision::Keep { reason } => {
                if reason.trim().is_empty() {
                    return Err(SharingError::Refused(format!(
                        "retraction case {number} cannot be kept without a reason: say why what was shared stands"
                    )));
                }
                let entry = Entry {
                    at: now,
                    actor: by.to_owned(),
                    subject: open.case,
                    action: "retraction_case_kept".to_owned(),
                    text: format!("retraction case {number}: {reason}"),
                };
                Ok(self.store.end_retraction_case(number, "kept", entry)?)
            }
            // The withdrawal settles the retraction case in its own transaction.
            Decision::Withdraw => {
                let reason = format!("retraction case {number}: {}", open.reason);
                if open.accounts.is_empty() {
                    self.step(&open.cluster_id, None, Step::Retract { reason }, by, now)?;
                    return Ok(());
                }
                let keys: BTreeSet<String> = open.accounts.iter().map(|id| account_key(&open.platform, id)).collect();
                // Where nothing else would be left, it is the whole case.
                let shared = self.store.case(&open.cluster_id)?.and_then(|stored| stored.released);
                if shared.is_some_and(|shared| without(&shared, &keys).accounts.is_empty()) {
                    self.step(&open.cluster_id, None, Step::Retract { reason }, by, now)?;
                } else {
                    self.withdraw_accounts(&open.cluster_id, None, &keys, &reason, by, now)?;
                }
                Ok(())
            }
        }
    }
}

impl Case {
    /// Takes accounts out of a case that is shared, for good.
    fn withdraw_accounts(
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
        let Some(shared) = shared.filter(|_| matches!(self.state, State::Released | State::Updated)) else {
            return refuse(&format!("it is {}", self.state));
        };
        if reason.trim().is_empty() {
            return refuse("a withdrawal needs a reason");
        }
        let known: BTreeSet<String> = shared.accounts.iter().map(key_of).collect();
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

/// Platform and id as one key, the one of [`Case::withdrawn`] and [`Case::left_out`].
pub(crate) fn account_key(platform: &str, id: &str) -> String {
    format!("{platform}\u{1f}{id}")
}

/// The finding without these accounts, as far as partners see it.
pub(crate) fn without(cluster: &ClusterMessage, accounts: &BTreeSet<String>) -> ClusterMessage {
    keep(cluster, |key| !accounts.contains(key))
}

fn only(cluster: &ClusterMessage, accounts: &BTreeSet<String>) -> ClusterMessage {
    keep(cluster, |key| accounts.contains(key))
}

fn keep(cluster: &ClusterMessage, kept: impl Fn(&str) -> bool) -> ClusterMessage {
    let mut cluster = cluster.clone();
    let mut places = BTreeMap::new();
    for (index, account) in cluster.accounts.iter().enumerate() {
        if kept(&key_of(account)) {
            places.insert(index, places.len());
        }
    }
    cluster.accounts.retain(|account| kept(&key_of(account)));
    for evidence in &mut cluster.evidence {
        evidence.posts.retain(|post| kept(&account_key(&post.platform, &post.account_id)));
    }
    // Ties name accounts by their place.
    cluster.ties.retain_mut(|tie| match (places.get(&tie.a), places.get(&tie.b)) {
        (Some(a), Some(b)) => {
            (tie.a, tie.b) = (*a, *b);
            true
        }
        _ => false,
    });
    cluster
}

/// What a partner gets when accounts leave what it was told: their revoked indicators, what says so, and the new picture of the rest.
/// The other accounts' indicators stay as they are: a withdrawal renews nothing.
fn withdrawal(publication: &Publication, gone: &ClusterMessage) -> Vec<NewObject> {
    if gone.accounts.iter().all(|account| account.platform != publication.platform) {
        return Vec::new();
    }
    let mut objects = publication.objects();
    objects.retain(|object| {
        let renews = matches!(object.kind.as_str(), "indicator" | "relationship");
        !renews || object.body.contains("\"revoked\":true")
    });
    let of_gone = Publication { cluster: gone, before: Some(gone), ..*publication };
    let says_so = |object: &NewObject| object.kind == "note" && object.body.contains("\"abstract\":\"Withdrawn\"");
    if !objects.iter().any(says_so) {
        objects.extend(of_gone.retraction().into_iter().filter(says_so));
    }
    objects
}

/// The account that a pattern of ours names.
pub(crate) fn account_of_pattern(pattern: &str) -> Option<String> {
    let quoted = pattern.strip_prefix("[user-account:user_id = '")?.strip_suffix("']")?;
    let (mut id, mut escaped) = (String::with_capacity(quoted.len()), false);
    for c in quoted.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            c => {
                id.push(c);
                escaped = false;
            }
        }
    }
    Some(id)
}

fn key_of(account: &ClusterAccount) -> String {
    account_key(&account.platform, &account.account_id)
}
