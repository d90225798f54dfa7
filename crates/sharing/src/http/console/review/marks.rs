//! The stages of a case, and what is recorded or required for each form.

use std::collections::BTreeMap;

use casework::{
    case::{Case, State},
    policy::{Needs, Outcome, Recorded},
};
use jiff::Timestamp;

/// Status of a record.
pub(super) struct Mark {
    pub class: &'static str,
    pub text: String,
}

/// The stages of the case, with the current one marked.
pub(super) fn stages(case: &Case) -> Vec<(String, &'static str)> {
    let way: &[State] = match case.state {
        State::Dismissed => &[State::Nominated, State::InReview, State::Dismissed],
        State::Retracted => &[State::Nominated, State::InReview, State::Approved, State::Released, State::Retracted],
        State::Updated => &[State::Nominated, State::InReview, State::Approved, State::Released, State::Updated],
        State::Closed => &[State::Nominated, State::InReview, State::Closed],
        _ => &[State::Nominated, State::InReview, State::Approved, State::Released],
    };
    let here = way.iter().position(|state| *state == case.state).unwrap_or(0);
    way.iter()
        .enumerate()
        .map(|(place, state)| {
            let class = match place.cmp(&here) {
                std::cmp::Ordering::Less => "past",
                std::cmp::Ordering::Equal => "here",
                std::cmp::Ordering::Greater => "to-come",
            };
            (state.to_string(), class)
        })
        .collect()
}

pub(super) fn marks(case: &Case, outcome: &Outcome) -> BTreeMap<&'static str, Mark> {
    let facts = &case.facts;
    let mut marks = BTreeMap::new();
    let said = |by: &str, at: Timestamp, version: u32, lasts: bool| {
        let text = format!("{by}, {} UTC", text_format::minute(at));
        if lasts || version == case.version {
            Mark { class: "done", text: format!("recorded by {text}") }
        } else {
            Mark { class: "stale", text: format!("for version {version} only, by {text}") }
        }
    };
    fn of<T>(record: &Option<Recorded<T>>) -> Option<(&str, Timestamp, u32)> {
        record.as_ref().map(|record| (record.by.as_str(), record.at, record.version))
    }
    let word = |word: &Option<casework::case::Statement>| {
        word.as_ref().map(|statement| (statement.by.clone(), statement.at, statement.version))
    };
    let needed = |form: &str| outcome.blocking().any(|block| form_for(block.needs) == form);
    for (form, record, lasts) in [
        ("targets", of(&facts.targets), false),
        ("breaches", of(&facts.breaches), true),
        ("consideration", of(&facts.consideration), false),
        ("public_notice", of(&facts.public_notice), false),
        ("duties", of(&facts.duties), true),
        ("chosen", of(&facts.chosen), true),
    ] {
        let mark = match record {
            Some((by, at, version)) => said(by, at, version, lasts),
            None if needed(form) => Mark { class: "missing", text: "required".to_owned() },
            None => Mark { class: "quiet", text: "not recorded".to_owned() },
        };
        marks.insert(form, mark);
    }
    for (form, record) in [("check", word(&case.checked)), ("approve", word(&case.approved))] {
        let mark = match record {
            Some((by, at, version)) => said(&by, at, version, false),
            None => Mark { class: "missing", text: "required".to_owned() },
        };
        marks.insert(form, mark);
    }
    let signs = if needed("sign_off") {
        Mark { class: "missing", text: "required".to_owned() }
    } else {
        Mark { class: "quiet", text: text_format::count(facts.sign_offs.len() as u64, "sign-off") }
    };
    marks.insert("sign_off", signs);
    marks
}

/// The form that records what a block needs.
pub(super) fn form_for(needs: Needs) -> &'static str {
    match needs {
        Needs::Approval => "approve",
        Needs::SignOff => "sign_off",
        Needs::SourcesAndMethodsCheck => "check",
        Needs::Consideration => "consideration",
        Needs::Targets => "targets",
        Needs::Breaches => "breaches",
        Needs::PublicNotice => "public_notice",
        Needs::Duties => "duties",
        Needs::Recipients => "chosen",
    }
}
