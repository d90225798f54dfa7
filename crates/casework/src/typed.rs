//! Texts that people type. Characters that nobody sees, and characters that change the direction of the text around them, could make a
//! record look different from what it says. They are refused, with the place.

use crate::{Act, case::Step, facts::Fact};

impl Act {
    /// What is wrong with the texts of the action.
    pub(crate) fn check_texts(&self) -> Result<(), String> {
        let mut texts: Vec<(&str, &str)> = Vec::new();
        match self {
            Act::Step(step) => texts_of_step(step, &mut texts),
            Act::Attend { comment } => texts.push(("the comment", comment)),
            Act::ProposeRenewal { reason } | Act::WithdrawAccounts { reason, .. } => texts.push(("the reason", reason)),
            Act::RecordHandover(handover) => {
                texts
                    .extend([("who took it", handover.to.as_str()), ("how it was handed over", handover.how.as_str())]);
            }
            Act::Renew => {}
        }
        texts.into_iter().try_for_each(|(what, text)| check_typed(text, what))
    }
}

/// Refuses a text with a character that nobody sees or that changes the direction of text; `what` names the text.
pub fn check_typed(text: &str, what: &str) -> Result<(), String> {
    let Some((place, hidden)) = text_format::hidden_character(text) else { return Ok(()) };
    let before: String = text.chars().take(place).collect();
    let after = match before.chars().count() {
        0 => "at its beginning".to_owned(),
        n => format!("after {:?}", before.chars().skip(n.saturating_sub(20)).collect::<String>()),
    };
    Err(format!(
        "{what} has the character U+{:04X} {after}, which is not shown or changes the direction of the text: remove it",
        u32::from(hidden)
    ))
}

fn texts_of_step<'a>(step: &'a Step, texts: &mut Vec<(&'static str, &'a str)>) {
    match step {
        Step::CheckSourcesAndMethods { finding } => texts.push(("the check", finding)),
        Step::Record(fact) => texts_of_fact(fact, texts),
        Step::SignOff { comment, .. } | Step::Approve { comment } => texts.push(("the comment", comment)),
        Step::Dismiss { reason, .. } | Step::ReturnToReview { reason } | Step::Retract { reason } => {
            texts.push(("the reason", reason));
        }
        Step::BeginReview | Step::Release | Step::Update | Step::Close => {}
    }
}

fn texts_of_fact<'a>(fact: &'a Fact, texts: &mut Vec<(&'static str, &'a str)>) {
    match fact {
        Fact::Targets(targets) => {
            texts.extend(targets.targets.iter().map(|target| ("the name of a target", target.name.as_str())));
            // The suggestions themselves are the detector's words.
            texts.extend(targets.suggestions.values().map(|answer| ("the answer to a suggestion", answer.as_str())));
        }
        Fact::Breaches(breaches) => {
            texts.extend(
                breaches.breaches.iter().map(|breach| ("the system that was breached", breach.system.as_str())),
            );
            texts.push(("the reason", &breaches.why));
        }
        Fact::Delay(delay) => {
            texts.extend([("the approver", delay.approver.as_str()), ("the reason", delay.why.as_str())])
        }
        Fact::Consideration(considered) => texts.extend([
            ("what was considered about security", considered.security.as_str()),
            ("what was considered about political sensitivity", considered.political_sensitivity.as_str()),
        ]),
        Fact::PublicNotice(notice) => {
            texts.extend(
                [&notice.amplifies, &notice.revictimises]
                    .map(|answer| ("the reason of an answer", answer.why.as_str())),
            );
        }
        Fact::Duties(duties) => {
            let of_duty = duties
                .duties
                .iter()
                .flat_map(|duty| [("the duty", &duty.duty), ("who has to notify whom", &duty.whom)]);
            texts.extend(of_duty.map(|(what, text)| (what, text.as_str())));
            texts.push(("the reason", &duties.why));
        }
        Fact::Objection(objection) => {
            texts.extend([
                ("whose objection it is", objection.from.as_str()),
                ("the objection", objection.text.as_str()),
            ]);
        }
        // Names of states and of recipients are compared with those that are known.
        Fact::ConfirmDelay(_) | Fact::Chosen(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::{
        facts::{
            Answer, Breach, Breaches, Consideration, Delay, Duties, Duty, Objection, PublicNotice, Target, TargetKind,
            Targets,
        },
        handover::Handover,
    };

    /// Every action with a text, each with one of its texts as given.
    fn acts(text: &str) -> Vec<Act> {
        let (text, fine) = (text.to_owned(), || "fine".to_owned());
        let answer = |why: String| Answer { yes: false, why };
        let target = Target { kind: TargetKind::Other, name: text.clone(), recipient: None };
        let handover = |to: String, how: String| {
            Act::RecordHandover(Handover { recipient: "a".to_owned(), to, how, at: Timestamp::UNIX_EPOCH })
        };
        let facts = vec![
            Fact::Targets(Targets { targets: vec![target], suggestions: BTreeMap::new() }),
            Fact::Targets(Targets { targets: vec![], suggestions: [("a".to_owned(), text.clone())].into() }),
            Fact::Breaches(Breaches {
                breaches: vec![Breach { state: "OH".to_owned(), system: text.clone() }],
                why: fine(),
            }),
            Fact::Breaches(Breaches { breaches: vec![], why: text.clone() }),
            Fact::Delay(Delay { state: "OH".to_owned(), approver: text.clone(), until: Timestamp::MAX, why: fine() }),
            Fact::Delay(Delay { state: "OH".to_owned(), approver: fine(), until: Timestamp::MAX, why: text.clone() }),
            Fact::Consideration(Consideration { security: text.clone(), political_sensitivity: fine() }),
            Fact::Consideration(Consideration { security: fine(), political_sensitivity: text.clone() }),
            Fact::PublicNotice(PublicNotice { amplifies: answer(text.clone()), revictimises: answer(fine()) }),
            Fact::PublicNotice(PublicNotice { amplifies: answer(fine()), revictimises: answer(text.clone()) }),
            Fact::Duties(Duties { duties: vec![Duty { duty: text.clone(), whom: fine() }], why: fine() }),
            Fact::Duties(Duties { duties: vec![Duty { duty: fine(), whom: text.clone() }], why: fine() }),
            Fact::Duties(Duties { duties: vec![], why: text.clone() }),
            Fact::Objection(Objection { from: text.clone(), text: fine() }),
            Fact::Objection(Objection { from: fine(), text: text.clone() }),
        ];
        let steps = vec![
            Step::CheckSourcesAndMethods { finding: text.clone() },
            Step::SignOff { role: "counsel".to_owned(), comment: text.clone() },
            Step::Approve { comment: text.clone() },
            Step::Dismiss { reason: text.clone(), authentic: true },
            Step::ReturnToReview { reason: text.clone() },
            Step::Retract { reason: text.clone() },
        ];
        let others = vec![
            Act::Attend { comment: text.clone() },
            Act::ProposeRenewal { reason: text.clone() },
            Act::WithdrawAccounts { accounts: Default::default(), reason: text.clone() },
            handover(text.clone(), fine()),
            handover(fine(), text.clone()),
        ];
        let steps = steps.into_iter().chain(facts.into_iter().map(Step::Record)).map(Act::Step);
        steps.chain(others).collect()
    }

    #[test]
    fn a_hidden_character_is_refused_in_every_text() {
        for hidden in [
            '\u{0}',
            '\u{7}',
            '\u{1b}',
            '\u{85}',
            '\u{200b}',
            '\u{200f}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            for act in acts(&format!("before{hidden}after")) {
                let refused = act.check_texts().unwrap_err();
                let said = format!("has the character U+{:04X} after \"before\"", u32::from(hidden));
                assert!(refused.contains(&said) && refused.ends_with("remove it"), "{act:?}: {refused}");
            }
        }
        for fine in ["two\r\nlines\tand a tab", "نیم\u{200c}فاصله", "👩\u{200d}🚒", "é ع 字", ""] {
            for act in acts(fine) {
                assert_eq!(act.check_texts(), Ok(()), "{act:?}");
            }
        }
        assert!(check_typed("\u{202e}x", "it").unwrap_err().contains("at its beginning"));
    }
}
