//! Automatic reviewers for the demo. They approve every case, so that a demo runs to the end
//! without people.
//!
//! Active only if the configuration says `reviewers = "demo"`. Every audit entry that they write
//! says that no person looked.

use jiff::Timestamp;

use crate::{
    audit::Entry,
    case::{Case, Illegal, State, Step},
    policy::{Consideration, Duties, Fact, Targets, Terms},
};

/// The automatic reviewer that approves.
pub const APPROVER: &str = "demo reviewer 1 (automatic)";
/// The automatic reviewer that releases.
pub const RELEASER: &str = "demo reviewer 2 (automatic)";

/// Result of an automatic review.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Audit entries to store; empty if nothing was done.
    pub entries: Vec<Entry>,
    /// Whether the case was released.
    pub released: bool,
    /// The step that was refused, if any. The case then waits for people.
    pub refused: Option<Illegal>,
}

/// Takes a case through all steps up to its release, or up to the first step that the policy
/// refuses.
pub fn review(case: &mut Case, terms: &Terms<'_>, now: Timestamp) -> Reviewed {
    let shared = case.state.is_shared();
    if shared && case.released_version == Some(case.version)
        || matches!(case.state, State::Dismissed | State::Retracted | State::Closed)
    {
        return Reviewed::default();
    }
    case.demo = true;
    let mut entries = Vec::new();
    let mut steps = Vec::new();
    if case.state == State::Nominated {
        steps.push((Step::BeginReview, APPROVER));
    }
    steps.push((Step::CheckSourcesAndMethods { finding: "evidence is public posts only".to_owned() }, APPROVER));
    let facts = recorded(case, terms);
    let approved = case.state == State::Approved && !facts.iter().any(Fact::changes_notifications);
    steps.extend(facts.into_iter().map(|fact| (Step::Record(fact), APPROVER)));
    if !approved {
        let comment = format!("version {} may be shared", case.version);
        steps.push((Step::Approve { comment }, APPROVER));
    }
    let mark = |mut entry: Entry| {
        entry.text = format!("{} [demo policy, no person looked]", entry.text);
        entry
    };
    steps.push((if shared { Step::Update } else { Step::Release }, RELEASER));
    for (step, by) in steps {
        match case.take(step, by, terms, now) {
            Ok(entry) => entries.push(mark(entry)),
            // The facts that people recorded bind the demo too: the case waits for people.
            Err(refused) => return Reviewed { entries, released: false, refused: Some(refused) },
        }
    }
    Reviewed { entries, released: true, refused: None }
}

/// The facts that the policy requires, marked as not examined. Facts that people recorded for this
/// version are kept.
fn recorded(case: &Case, terms: &Terms<'_>) -> Vec<Fact> {
    const NOBODY: &str = "not examined: demo policy, no person looked";
    let old = |version: Option<u32>| version != Some(case.version);
    let mut facts = Vec::new();
    if old(case.facts.targets.as_ref().map(|record| record.version)) {
        let earlier = case.facts.targets.as_ref().map(|record| record.what.targets.clone());
        let suggestions = terms.cluster.targets.iter().map(|name| (name.clone(), NOBODY.to_owned()));
        facts.push(Fact::Targets(Targets { targets: earlier.unwrap_or_default(), suggestions: suggestions.collect() }));
    }
    if old(case.facts.consideration.as_ref().map(|record| record.version)) {
        facts.push(Fact::Consideration(Consideration {
            security: NOBODY.to_owned(),
            political_sensitivity: NOBODY.to_owned(),
        }));
    }
    if case.facts.duties.is_none() {
        facts.push(Fact::Duties(Duties { duties: Vec::new(), why: NOBODY.to_owned() }));
    }
    facts
}

/// Withdraws a shared case, for example because its cluster is no longer flagged. `None` if the
/// case is not shared.
pub fn retract(case: &mut Case, reason: String, terms: &Terms<'_>, now: Timestamp) -> Result<Option<Entry>, Illegal> {
    if !case.state.is_shared() {
        return Ok(None);
    }
    case.demo = true;
    let mut entry = case.take(Step::Retract { reason }, RELEASER, terms, now)?;
    entry.text = format!("{} [demo policy, no person looked]", entry.text);
    Ok(Some(entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Tlp,
        policy::{Rules, Target, TargetKind},
    };
    use presentation::fixtures;

    fn on<T>(work: impl FnOnce(&Terms<'_>) -> T) -> T {
        let (cluster, rules) = (fixtures::cluster("c", 1), Rules::with_marking(Tlp::Amber));
        work(&Terms { cluster: &cluster, recipients: &[], rules: &rules, rendered: None })
    }

    #[test]
    fn two_demo_reviewers_release_a_case_and_say_that_nobody_looked() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let (mut case, _) = Case::nominate("c", 1, now);
        let review = |case: &mut Case| on(|terms| review(case, terms, now));
        let Reviewed { entries, released, .. } = review(&mut case);
        assert!(released);
        assert_eq!(case.state, State::Released);
        assert!(case.demo);
        assert!(entries.iter().all(|e| e.text.contains("no person looked")));
        assert_eq!(review(&mut case), Reviewed::default());
        case.record_newer_version(2, now);
        assert_eq!(review(&mut case).entries.len(), 5, "check, targets, consideration, approval, update");
        assert_eq!(case.state, State::Updated);
    }

    #[test]
    fn what_is_flagged_no_longer_is_withdrawn_once() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let (mut case, _) = Case::nominate("c", 1, now);
        let retract = |case: &mut Case| on(|terms| retract(case, "flagged no longer".to_owned(), terms, now)).unwrap();
        assert_eq!(retract(&mut case), None, "nothing was shared");
        on(|terms| review(&mut case, terms, now));
        case.record_newer_version(2, now);
        assert!(retract(&mut case).unwrap().text.contains("flagged no longer"));
        assert_eq!(case.state, State::Retracted);
        assert_eq!(retract(&mut case), None);
    }

    #[test]
    fn what_the_demo_cannot_record_again_waits_for_people() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let (mut case, _) = Case::nominate("c", 1, now);
        on(|terms| review(&mut case, terms, now));
        // A recorded target names a recipient that is no longer configured.
        let target = Target { kind: TargetKind::Candidate, name: "Doe".to_owned(), recipient: Some("gone".to_owned()) };
        case.facts.targets.as_mut().unwrap().what.targets.push(target);
        case.record_newer_version(2, now);
        let Reviewed { entries, released, refused } = on(|terms| review(&mut case, terms, now));
        assert!(!released && refused.is_some());
        assert_eq!(entries.iter().map(|e| e.action.as_str()).collect::<Vec<_>>(), ["sources_and_methods_checked"]);
        assert_eq!(case.released_version, Some(1));
    }
}
