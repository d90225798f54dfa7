//! The appeal of a named account: somebody says that the account is in a case by mistake.
//!
//! From the moment at which it is recorded nothing more of the case is released, updated or renewed,
//! and an approval that was not carried out yet is void. A second person decides before a due date.
//! If the appeal is upheld, the account is withdrawn from everybody who received it, and no later
//! version of the case shares it.

use jiff::Timestamp;
use messages::cluster::ClusterMessage;
use serde::{Deserialize, Serialize};

use crate::{
    accounts::account_key,
    act::Act,
    audit::Entry,
    case::{Case, Illegal, State, Step},
    facts::is_same_person,
    record::CaseRecord,
    retraction::Rejection,
};

/// Longest text of an appeal, and of the reason for its outcome, characters.
pub const LONGEST_TEXT: usize = 4_000;

/// An appeal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Appeal {
    /// Number of the appeal.
    pub number: i64,
    /// Id of the case.
    pub case: String,
    /// Id of the cluster.
    pub cluster_id: String,
    /// Platform of the account.
    pub platform: String,
    /// Id of the account.
    pub account_id: String,
    /// Who appealed, and how to reach them.
    pub from: String,
    /// What they say.
    pub text: String,
    /// Who recorded it.
    pub recorded_by: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// When it has to be decided.
    pub due: Timestamp,
    /// The outcome, once it is decided.
    pub outcome: Option<AppealOutcome>,
}

/// The outcome of an appeal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AppealOutcome {
    /// Whether the account was named by mistake.
    pub upheld: bool,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// What somebody says who appeals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAppeal {
    /// Platform of the account.
    pub platform: String,
    /// Id of the account.
    pub account_id: String,
    /// Who appeals, and how to reach them.
    pub from: String,
    /// What they say.
    pub text: String,
}

/// What follows from an upheld appeal.
#[derive(Debug, Clone)]
pub enum Consequence {
    /// The account is withdrawn from everybody who received it.
    Withdraw(Act),
    /// Nobody received it: no later version shares it.
    LeaveOut,
}

fn text_of(text: &str, what: &str) -> Result<String, String> {
    let text = text_format::without_hidden(text.trim());
    if text_format::is_blank(&text) {
        return Err(format!("{what} is empty: enter it"));
    }
    match text.chars().count() {
        n if n > LONGEST_TEXT => Err(format!("{what} has {n} characters: {LONGEST_TEXT} at most, link to the rest")),
        _ => Ok(text),
    }
}

fn names(cluster: &ClusterMessage, platform: &str, account_id: &str) -> bool {
    cluster.accounts.iter().any(|account| account.platform == platform && account.account_id == account_id)
}

impl NewAppeal {
    /// Records the appeal: the appeal, and its audit entry. The case loses an approval that was not
    /// carried out yet.
    pub fn record(
        self,
        record: &mut CaseRecord,
        (number, due): (i64, Timestamp),
        by: &str,
        now: Timestamp,
    ) -> Result<(Appeal, Entry), String> {
        let (from, text) = (text_of(&self.from, "who appeals")?, text_of(&self.text, "the appeal")?);
        let shared = record.released.as_ref();
        if ![Some(&record.cluster), shared].into_iter().flatten().any(|c| names(c, &self.platform, &self.account_id)) {
            return Err(format!("the case does not name account {}:{}", self.platform, self.account_id));
        }
        let case = &mut record.case;
        if matches!(case.state, State::Dismissed | State::Retracted | State::Closed) {
            return Err(format!("the case is {}: nothing of it is shared", case.state));
        }
        if case.left_out.contains(&account_key(&self.platform, &self.account_id)) {
            return Err("the account was withdrawn already, and no later version shares it".to_owned());
        }
        let pending =
            case.approved.is_some() && case.approved.as_ref().map(|word| word.version) != case.released_version;
        let suspended = match pending {
            true => "; the approval that was not carried out yet is void",
            false => "",
        };
        if pending {
            case.approved = None;
            if case.state == State::Approved {
                case.state = State::InReview;
            }
        }
        case.undo = None;
        case.changed_at = now;
        let entry = case.entry(
            by,
            "appeal_recorded",
            format!(
                "appeal {number} for {}:{}, from {from}: {text}; due {}; nothing is released before it is decided{suspended}",
                self.platform,
                self.account_id,
                crate::attention::day(due)
            ),
            now,
        );
        let appeal = Appeal {
            number,
            case: case.id.clone(),
            cluster_id: case.cluster_id.clone(),
            platform: self.platform,
            account_id: self.account_id,
            from,
            text,
            recorded_by: by.to_owned(),
            at: now,
            due,
            outcome: None,
        };
        Ok((appeal, entry))
    }
}

/// Refuses an action that would share more of a case while an appeal is open.
pub fn suspends(open: &[Appeal], act: &Act, case: &Case) -> Option<Illegal> {
    let verb = match act {
        Act::Step(step @ (Step::Release | Step::Update)) => step.verb(),
        Act::Renew => "renew",
        _ => return None,
    };
    let appeal = open.iter().find(|appeal| appeal.outcome.is_none())?;
    let why = format!("appeal {} for {}:{} is open", appeal.number, appeal.platform, appeal.account_id);
    Some(Illegal { case: case.id.clone(), verb, why, allowed: "decide the appeal".to_owned() })
}

impl Appeal {
    /// Decides the appeal, by a second person: neither who recorded it nor who approved the case.
    pub fn decide(
        &self,
        record: &CaseRecord,
        upheld: bool,
        reason: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<(AppealOutcome, Entry, Option<Consequence>), String> {
        if let Some(outcome) = &self.outcome {
            return Err(format!("{} has decided it already", outcome.by));
        }
        let case = &record.case;
        let approver = case.approved.as_ref().map(|word| word.by.as_str());
        let releaser = case.released_by.as_ref().map(|word| word.by.as_str());
        for (person, did) in [
            (Some(self.recorded_by.as_str()), "recorded the appeal"),
            (approver, "approved the case"),
            (releaser, "released the case"),
        ] {
            if person.is_some_and(|person| is_same_person(person, by)) {
                return Err(format!("you {did}: another person has to decide the appeal"));
            }
        }
        let reason = text_of(reason, "the reason")?;
        let word = if upheld { "upheld" } else { "rejected" };
        let text = format!("appeal {} for {}:{} is {word}: {reason}", self.number, self.platform, self.account_id);
        let entry = case.entry(by, "appeal_decided", text, now);
        let consequence = upheld.then(|| match record.released.as_ref().filter(|_| case.state.is_shared()) {
            Some(shared) if names(shared, &self.platform, &self.account_id) => {
                let accounts = [self.account_id.clone()];
                let rejection = Rejection {
                    number: self.number,
                    case: &self.case,
                    platform: &self.platform,
                    accounts: &accounts,
                    reason: &reason,
                };
                Consequence::Withdraw(match rejection.withdraw(Some(shared)) {
                    Act::Step(_) => Act::Step(Step::Retract { reason: text_of_withdrawal(self, &reason) }),
                    Act::WithdrawAccounts { accounts, .. } => {
                        Act::WithdrawAccounts { accounts, reason: text_of_withdrawal(self, &reason) }
                    }
                    other => other,
                })
            }
            _ => Consequence::LeaveOut,
        });
        Ok((AppealOutcome { upheld, by: by.to_owned(), at: now, reason }, entry, consequence))
    }

    /// Keeps the account out of every later version of a case of which nobody received it.
    pub fn leave_out(&self, case: &mut Case, by: &str, now: Timestamp) -> Entry {
        case.left_out.insert(account_key(&self.platform, &self.account_id));
        case.approved = None;
        if case.state == State::Approved {
            case.state = State::InReview;
        }
        case.changed_at = now;
        let text = format!("{}:{}: no later version shares the account", self.platform, self.account_id);
        case.entry(by, "account_left_out", text, now)
    }

    /// Whether the appeal waits for longer than it may.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.outcome.is_none() && self.due <= now
    }
}

fn text_of_withdrawal(appeal: &Appeal, reason: &str) -> String {
    format!("appeal {}: {reason}", appeal.number)
}

#[cfg(test)]
mod tests {
    use presentation::fixtures;

    use super::*;
    use crate::case::Statement;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn record(state: State) -> CaseRecord {
        let cluster = fixtures::cluster("a", 1);
        let (mut case, _) = Case::nominate("a", 1, at(0));
        let word = |by: &str| Some(Statement { by: by.to_owned(), at: at(0), version: 1, text: String::new() });
        case.state = state;
        let released = state.is_shared().then(|| cluster.clone());
        if released.is_some() {
            (case.released_by, case.released_version) = (word("bob"), Some(1));
        }
        if matches!(state, State::Approved | State::Released) {
            case.approved = word("ann");
        }
        CaseRecord { case, cluster, released, revision: 1 }
    }

    fn appeal(record: &CaseRecord) -> NewAppeal {
        let account = &record.cluster.accounts[0];
        NewAppeal {
            platform: account.platform.clone(),
            account_id: account.account_id.clone(),
            from: "Jo, jo@example.org".to_owned(),
            text: "this is my own account".to_owned(),
        }
    }

    fn recorded(record: &mut CaseRecord) -> (Appeal, Entry) {
        appeal(record).record(record, (1, at(86_400)), "eve", at(10)).unwrap()
    }

    #[test]
    fn a_pending_release_is_suspended_at_once() {
        let mut pending = record(State::Approved);
        let (open, entry) = recorded(&mut pending);
        assert_eq!((pending.case.state, &pending.case.approved), (State::InReview, &None));
        assert!(entry.text.contains("the approval that was not carried out yet is void"), "{}", entry.text);
        for act in [Act::Step(Step::Release), Act::Step(Step::Update), Act::Renew] {
            let refused = suspends(std::slice::from_ref(&open), &act, &pending.case).unwrap();
            assert!(refused.why.contains("appeal 1"), "{}", refused.why);
        }
        // To withdraw is always possible, and so is to look again.
        let retract = Act::Step(Step::Retract { reason: "x".to_owned() });
        assert!(suspends(std::slice::from_ref(&open), &retract, &pending.case).is_none());
        let (outcome, ..) = open.decide(&pending, false, "it posts with the others", "bob", at(20)).unwrap();
        let decided = Appeal { outcome: Some(outcome), ..open };
        assert!(suspends(&[decided], &Act::Step(Step::Release), &pending.case).is_none());
        // What partners have stays approved.
        let mut shared = record(State::Released);
        recorded(&mut shared);
        assert!(shared.case.approved.is_some());
    }

    #[test]
    fn only_a_named_account_and_a_live_case_can_be_appealed() {
        let mut of = record(State::InReview);
        let unknown = NewAppeal { account_id: "nobody".to_owned(), ..appeal(&of) };
        assert!(unknown.record(&mut of, (1, at(9)), "eve", at(1)).unwrap_err().contains("does not name"));
        let silent = NewAppeal { text: " \u{200b}".to_owned(), ..appeal(&of) };
        assert!(silent.record(&mut of, (1, at(9)), "eve", at(1)).unwrap_err().contains("is empty"));
        for state in [State::Dismissed, State::Retracted, State::Closed] {
            let mut over = record(state);
            assert!(appeal(&over).record(&mut over, (1, at(9)), "eve", at(1)).is_err(), "{state}");
        }
    }

    #[test]
    fn a_second_person_decides() {
        let mut shared = record(State::Released);
        let (open, _) = recorded(&mut shared);
        for (by, did) in [("Eve", "recorded the appeal"), ("ann", "approved the case"), ("bob", "released the case")] {
            let why = open.decide(&shared, true, "a mistake", by, at(20)).unwrap_err();
            assert!(why.contains(did), "{why}");
        }
        assert!(open.decide(&shared, true, " ", "cy", at(20)).is_err(), "a reason is needed");
        let (outcome, entry, consequence) = open.decide(&shared, true, "a mistake", "cy", at(20)).unwrap();
        assert!(outcome.upheld && entry.text.contains("upheld"));
        let Some(Consequence::Withdraw(Act::WithdrawAccounts { accounts, reason })) = consequence else { panic!() };
        assert_eq!((accounts.len(), reason.as_str()), (1, "appeal 1: a mistake"));
        let again = Appeal { outcome: Some(outcome), ..open.clone() };
        assert!(again.decide(&shared, false, "x", "dee", at(30)).is_err());
        assert!(open.is_overdue(at(86_400)) && !open.is_overdue(at(86_399)) && !again.is_overdue(at(90_000)));
    }

    #[test]
    fn the_last_account_takes_the_case_with_it_and_an_unshared_one_is_left_out() {
        let mut alone = record(State::Released);
        alone.released.as_mut().unwrap().accounts.truncate(1);
        let (open, _) = recorded(&mut alone);
        let (.., consequence) = open.decide(&alone, true, "a mistake", "cy", at(20)).unwrap();
        assert!(matches!(consequence, Some(Consequence::Withdraw(Act::Step(Step::Retract { .. })))));
        let mut unshared = record(State::InReview);
        let (open, _) = recorded(&mut unshared);
        let (.., consequence) = open.decide(&unshared, true, "a mistake", "cy", at(20)).unwrap();
        assert!(matches!(consequence, Some(Consequence::LeaveOut)));
        open.leave_out(&mut unshared.case, "cy", at(20));
        assert_eq!(unshared.case.left_out.len(), 1);
        assert!(appeal(&unshared).record(&mut unshared, (2, at(9)), "eve", at(30)).is_err(), "it is out already");
    }
}
