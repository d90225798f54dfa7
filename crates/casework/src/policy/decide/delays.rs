//! Delays for a state's chief election official: which delay is in force, and which records are
//! refused.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::facts::{Delay, Facts, is_confirmed};

/// The delay in force for a state: recorded, confirmed by its approver, and not over.
pub(crate) fn delay<'a>(case: &'a Case, state: &str, now: Timestamp) -> Option<&'a Recorded<Delay>> {
    let in_force = |record: &&Recorded<Delay>| {
        record.what.state == state && record.what.until > now && is_confirmed(&case.facts, record)
    };
    case.facts.delays.iter().rev().find(in_force)
}

/// The reason to refuse a delay that `by` records at `now`, if there is one.
pub(crate) fn delay_fault(delay: &Delay, by: &str, facts: &Facts, rules: &Rules, now: Timestamp) -> Option<String> {
    let days = i64::from(rules.longest_delay_days);
    // The limit counts from the first record of the breach, so that renewals come to an end.
    let since = facts.breached_since.get(&delay.state).copied();
    let since = since.or(facts.breaches.as_ref().map(|record| record.at)).unwrap_or(now);
    let longest = since.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX);
    let renews = renewed_by_the_same_approver(&delay.state, delay.until, &delay.approver, facts);
    if text_format::is_blank(&delay.approver) {
        Some("a delay needs a named approver".to_owned())
    } else if is_same_person(&delay.approver, by) {
        Some(format!("{by} cannot approve a delay and record it: the approver is another person"))
    } else if !rules.delay_approvers.is_empty()
        && !rules.delay_approvers.iter().any(|name| is_same_person(name, &delay.approver))
    {
        Some(format!(
            "{} may not approve a delay; people who may: {}",
            delay.approver,
            rules.delay_approvers.join(", ")
        ))
    } else if let Some(fault) = renews {
        Some(fault)
    } else if delay.until <= now {
        Some(format!("the delay ends at {}, which is in the past", delay.until))
    } else if delay.until > longest {
        Some(format!(
            "the delay ends at {}, more than {days} days after the breach was recorded ({since})",
            delay.until
        ))
    } else {
        None
    }
}

/// The reason to refuse a second delay for a state by the approver of a confirmed delay: another
/// person has to approve a renewal. Delays that nobody confirmed do not count, so that a wrong date
/// can be corrected.
pub(crate) fn renewed_by_the_same_approver(
    state: &str,
    until: Timestamp,
    approver: &str,
    facts: &Facts,
) -> Option<String> {
    let same = |record: &&Recorded<Delay>| {
        record.what.state == state
            && record.what.until != until
            && is_same_person(&record.what.approver, approver)
            && is_confirmed(facts, record)
    };
    facts.delays.iter().find(same).map(|earlier| {
        format!("{approver} approved the delay until {}: another person has to approve a renewal", earlier.what.until)
    })
}
