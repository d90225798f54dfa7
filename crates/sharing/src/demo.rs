//! The demo's own reviewers: they approve whatever comes, so that a demonstration gets to the end by itself.
//!
//! Active only where the configuration says `reviewers = "demo"`. Everything they do says that no person looked.

use jiff::Timestamp;

use crate::{
    audit::Entry,
    case::{Case, Illegal, State, Step},
};

/// Who approves in a demonstration.
pub const APPROVER: &str = "demo reviewer 1 (automatic)";
/// Who releases in a demonstration.
pub const RELEASER: &str = "demo reviewer 2 (automatic)";
/// Stands wherever their work is shown.
pub const NOTICE: &str = "DEMO: approved by the demo policy, no person looked";

/// Takes a case as far as partners. Returns what the audit log has to say, nothing where there is nothing to do.
pub fn review(case: &mut Case, now: Timestamp) -> Result<Vec<Entry>, Illegal> {
    let shared = matches!(case.state, State::Released | State::Updated);
    if shared && case.released_version == Some(case.version)
        || matches!(case.state, State::Dismissed | State::Retracted | State::Closed)
    {
        return Ok(Vec::new());
    }
    case.demo = true;
    let mut entries = Vec::new();
    let mut steps = Vec::new();
    if case.state == State::Nominated {
        steps.push((Step::BeginReview, APPROVER));
    }
    steps.push((Step::CheckSourcesAndMethods { finding: "evidence is public posts only".to_owned() }, APPROVER));
    if case.state != State::Approved {
        let comment = format!("version {} may be shared", case.version);
        steps.push((Step::Approve { comment }, APPROVER));
    }
    steps.push((if shared { Step::Update } else { Step::Release }, RELEASER));
    for (step, by) in steps {
        let mut entry = case.take(step, by, now)?;
        entry.text = format!("{} [demo policy, no person looked]", entry.text);
        entries.push(entry);
    }
    Ok(entries)
}

/// Withdraws what was shared of a case, for example because its cluster is flagged no longer. Nothing where nothing was shared.
pub fn retract(case: &mut Case, reason: String, now: Timestamp) -> Result<Option<Entry>, Illegal> {
    if !matches!(case.state, State::Released | State::Updated) {
        return Ok(None);
    }
    case.demo = true;
    let mut entry = case.take(Step::Retract { reason }, RELEASER, now)?;
    entry.text = format!("{} [demo policy, no person looked]", entry.text);
    Ok(Some(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_demo_reviewers_release_a_case_and_say_that_nobody_looked() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let (mut case, _) = Case::nominate("c", 1, now);
        let entries = review(&mut case, now).unwrap();
        assert_eq!(case.state, State::Released);
        assert!(case.demo);
        assert!(entries.iter().all(|e| e.text.contains("no person looked")));
        assert_eq!(review(&mut case, now).unwrap(), vec![]);
        case.see(2, now);
        assert_eq!(review(&mut case, now).unwrap().len(), 3);
        assert_eq!(case.state, State::Updated);
    }

    #[test]
    fn what_is_flagged_no_longer_is_withdrawn_once() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let (mut case, _) = Case::nominate("c", 1, now);
        let retract = |case: &mut Case| retract(case, "flagged no longer".to_owned(), now).unwrap();
        assert_eq!(retract(&mut case), None, "nothing was shared");
        review(&mut case, now).unwrap();
        case.see(2, now);
        assert!(retract(&mut case).unwrap().text.contains("flagged no longer"));
        assert_eq!(case.state, State::Retracted);
        assert_eq!(retract(&mut case), None);
    }
}
