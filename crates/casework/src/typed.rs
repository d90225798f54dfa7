//! Texts that people type. Invisible characters, and characters that change the direction of the
//! text around them, could make a record look different from its content. They are removed from
//! texts about a case. In settings they are refused with an error that names the place.

use crate::{Act, case::Step, facts::Fact};

impl Act {
    /// Removes hidden characters from the texts of the action.
    pub(crate) fn clean(&mut self) {
        let mut texts: Vec<&mut String> = Vec::new();
        match self {
            Act::Step(step) => texts_of_step(step, &mut texts),
            Act::Attend { comment } => texts.push(comment),
            Act::ProposeRenewal { reason }
            | Act::PlaceHold { reason }
            | Act::LiftHold { reason }
            | Act::WithdrawAccounts { reason, .. } => texts.push(reason),
            Act::RecordHandover(handover) => texts.extend([&mut handover.to, &mut handover.how]),
            Act::Renew => {}
        }
        for text in texts {
            *text = text_format::without_hidden(text);
        }
    }
}

/// Refuses a text with an invisible character or a character that changes the direction of text.
/// `what` names the text in the error.
pub(crate) fn check_typed(text: &str, what: &str) -> Result<(), String> {
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

fn texts_of_step<'a>(step: &'a mut Step, texts: &mut Vec<&'a mut String>) {
    match step {
        Step::CheckSourcesAndMethods { finding } => texts.push(finding),
        Step::Record(fact) => texts_of_fact(fact, texts),
        Step::SignOff { comment, .. } | Step::Approve { comment } => texts.push(comment),
        Step::Dismiss { reason, .. } | Step::ReturnToReview { reason } | Step::Retract { reason } => texts.push(reason),
        Step::BeginReview | Step::Release | Step::Update | Step::Close | Step::Undo => {}
    }
}

fn texts_of_fact<'a>(fact: &'a mut Fact, texts: &mut Vec<&'a mut String>) {
    match fact {
        Fact::Targets(targets) => {
            texts.extend(targets.targets.iter_mut().map(|target| &mut target.name));
            // The detector wrote the suggestions; people wrote the answers to them.
            texts.extend(targets.suggestions.values_mut());
        }
        Fact::Breaches(breaches) => {
            texts.extend(breaches.breaches.iter_mut().map(|breach| &mut breach.system));
            texts.push(&mut breaches.why);
        }
        Fact::Delay(delay) => texts.extend([&mut delay.approver, &mut delay.why]),
        Fact::Consideration(considered) => {
            texts.extend([&mut considered.security, &mut considered.political_sensitivity]);
        }
        Fact::PublicNotice(notice) => texts.extend([&mut notice.amplifies.why, &mut notice.revictimises.why]),
        Fact::Duties(duties) => {
            texts.extend(duties.duties.iter_mut().flat_map(|duty| [&mut duty.duty, &mut duty.whom]));
            texts.push(&mut duties.why);
        }
        Fact::Objection(objection) => texts.extend([&mut objection.from, &mut objection.text]),
        // Names of states and of recipients are compared with those that are known.
        Fact::ConfirmDelay(_) | Fact::WithdrawDelay(_) | Fact::Chosen(_) => {}
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
            Act::PlaceHold { reason: text.clone() },
            Act::LiftHold { reason: text.clone() },
            Act::WithdrawAccounts { accounts: Default::default(), reason: text.clone() },
            handover(text.clone(), fine()),
            handover(fine(), text.clone()),
        ];
        let steps = steps.into_iter().chain(facts.into_iter().map(Step::Record)).map(Act::Step);
        steps.chain(others).collect()
    }

    #[test]
    fn hidden_characters_are_removed_from_every_text() {
        let cleaned = |text: &str| -> Vec<String> {
            let clean = |mut act: Act| {
                act.clean();
                format!("{act:?}")
            };
            acts(text).into_iter().map(clean).collect()
        };
        let as_they_are = |text: &str| acts(text).iter().map(|act| format!("{act:?}")).collect::<Vec<_>>();
        for hidden in [
            '\u{0}',
            '\u{7}',
            '\u{1b}',
            '\u{200b}',
            '\u{200f}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert_eq!(cleaned(&format!("before{hidden}after")), as_they_are("beforeafter"), "{hidden:?}");
        }
        for end in ['\u{b}', '\u{85}', '\u{2028}'] {
            assert_eq!(cleaned(&format!("before{end}after")), as_they_are("before\nafter"), "{end:?}");
        }
        for fine in ["two\r\nlines\tand a tab", "نیم\u{200c}فاصله", "👩\u{200d}🚒", "é ع 字", ""] {
            assert_eq!(cleaned(fine), as_they_are(fine), "{fine:?}");
        }
    }

    #[test]
    fn a_setting_with_a_hidden_character_is_refused_with_its_place() {
        let said = check_typed("before\u{202e}x", "it").unwrap_err();
        assert!(said.contains("it has the character U+202E after \"before\"") && said.ends_with("remove it"), "{said}");
        assert!(check_typed("\u{202e}x", "it").unwrap_err().contains("at its beginning"));
        assert_eq!(check_typed("two\nlines", "it"), Ok(()));
    }
}
