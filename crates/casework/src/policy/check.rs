//! Checks of facts that people record.

use jiff::Timestamp;

use super::{
    decide::{delay_fault, renewed_by_the_same_approver},
    terms::Terms,
};
use crate::facts::{Breach, Delay, Fact, Facts, Recorded, is_confirmed, is_same_person, is_state};

/// Longest text of a record, in characters.
const LONGEST: usize = 4_000;

impl Fact {
    /// Checks a fact. The error says what is wrong and what to do.
    pub fn check(&self, facts: &Facts, by: &str, terms: &Terms<'_>, now: Timestamp) -> Result<(), String> {
        let known = |name: &String| match terms.recipients.iter().any(|recipient| recipient.name == *name) {
            true => Ok(()),
            false if terms.recipients.is_empty() => Err(format!("there is no recipient {name:?}: none is configured")),
            false => {
                let all: Vec<&str> = terms.recipients.iter().map(|recipient| recipient.name.as_str()).collect();
                Err(format!("there is no recipient {name:?}; configured recipients: {}", all.join(", ")))
            }
        };
        match self {
            Fact::Targets(targets) => {
                for target in &targets.targets {
                    require_text(&target.name, "the name of a target")?;
                    target.recipient.iter().try_for_each(known)?;
                }
                targets
                    .suggestions
                    .iter()
                    .try_for_each(|(name, word)| require_text(word, &format!("the answer to the suggestion {name:?}")))
            }
            Fact::Breaches(breaches) => {
                for breach in &breaches.breaches {
                    require_text(&breach.system, "the system that was breached")?;
                    if !is_state(&breach.state) {
                        return Err(format!(
                            "{:?} is not a state: use its postal code of two capital letters, for example OH",
                            breach.state
                        ));
                    }
                }
                if breaches.breaches.is_empty() {
                    require_text(&breaches.why, "the reason why no breach is recorded")?;
                }
                let Some(before) = &facts.breaches else { return Ok(()) };
                let gone = |old: &&Breach| breaches.breaches.iter().all(|new| new.state != old.state);
                match before.what.breaches.iter().find(gone) {
                    Some(old) if is_same_person(&before.by, by) => {
                        Err(format!("{by} recorded the breach in {}: another person has to take it back", old.state))
                    }
                    Some(_) => require_text(&breaches.why, "the reason for taking back a breach"),
                    None => Ok(()),
                }
            }
            Fact::Delay(delay) => {
                require_text(&delay.why, "the reason for the delay")?;
                let breached = facts.breaches.iter().flat_map(|record| &record.what.breaches);
                if !breached.clone().any(|breach| breach.state == delay.state) {
                    return Err(format!("no breach is recorded in {:?}", delay.state));
                }
                delay_fault(delay, by, facts, terms.rules, now).map_or(Ok(()), Err)
            }
            Fact::ConfirmDelay(confirmed) => {
                let matches = |record: &&Recorded<Delay>| {
                    record.what.state == confirmed.state && record.what.until == confirmed.until
                };
                let Some(record) = facts.delays.iter().rev().find(matches) else {
                    return Err(format!("no delay for {:?} until {} is recorded", confirmed.state, confirmed.until));
                };
                if !is_same_person(&record.what.approver, by) {
                    return Err(format!("{} is its approver: only that person confirms it", record.what.approver));
                }
                if is_same_person(&record.by, by) {
                    return Err(format!("{by} recorded it: the approver is another person"));
                }
                if record.what.until <= now {
                    return Err(format!("the delay ended at {}", record.what.until));
                }
                renewed_by_the_same_approver(&record.what.state, record.what.until, by, facts).map_or(Ok(()), Err)
            }
            Fact::WithdrawDelay(withdrawn) => {
                let named = |record: &&Recorded<Delay>| {
                    record.what.state == withdrawn.state && record.what.until == withdrawn.until
                };
                let Some(record) = facts.delays.iter().rev().find(named) else {
                    return Err(format!("no delay for {:?} until {} is recorded", withdrawn.state, withdrawn.until));
                };
                if facts.delays.iter().any(|record| withdrawn.can_be_withdrawn(record, by, facts)) {
                    return Ok(());
                }
                Err(match is_confirmed(facts, record) {
                    true => "its approver has confirmed it: a confirmed delay lasts until its end, or until a delivery is recorded".to_owned(),
                    false => format!(
                        "{} recorded it and {} is its approver: only they take it back",
                        record.by, record.what.approver
                    ),
                })
            }
            Fact::Consideration(considered) => {
                require_text(&considered.security, "what was considered about security")?;
                require_text(&considered.political_sensitivity, "what was considered about political sensitivity")
            }
            Fact::PublicNotice(notice) => {
                require_text(&notice.amplifies.why, "the reason of the answer about amplifying")?;
                require_text(&notice.revictimises.why, "the reason of the answer about harming victims again")
            }
            Fact::Duties(duties) => {
                for duty in &duties.duties {
                    require_text(&duty.duty, "the duty")?;
                    require_text(&duty.whom, "who has to notify whom")?;
                }
                if duties.duties.is_empty() {
                    require_text(&duties.why, "the reason why no duty applies")
                } else {
                    Ok(())
                }
            }
            Fact::Chosen(names) => names.iter().try_for_each(known),
            Fact::Objection(objection) => {
                require_text(&objection.from, "whose objection it is")?;
                require_text(&objection.text, "the objection")
            }
        }
    }
}

/// What is wrong with a sign-off.
pub(crate) fn check_sign_off(role: &str, comment: &str, terms: &Terms<'_>) -> Result<(), String> {
    require_text(comment, "the comment of the sign-off")?;
    let roles = terms.rules.sign_off_roles();
    if roles.contains(role) {
        return Ok(());
    }
    let all: Vec<&str> = roles.into_iter().collect();
    Err(match all.as_slice() {
        [] => format!("no rule asks for a sign-off by {role:?}: the rules ask for none"),
        all => format!("no rule asks for a sign-off by {role:?}; the rules ask for: {}", all.join(", ")),
    })
}

fn require_text(text: &str, what: &str) -> Result<(), String> {
    if text_format::is_blank(text) {
        return Err(format!("{what} is empty: enter it"));
    }
    if text.chars().count() > LONGEST {
        return Err(format!("{what} is longer than {LONGEST} characters: shorten it"));
    }
    Ok(())
}
