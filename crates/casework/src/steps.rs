//! Taking a step: whether it is allowed now, and how it changes the case.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    audit::Entry,
    case::{Case, Illegal, State, Statement, Step, Undo, Versions},
    facts::{Recorded, SignOff, is_same_person},
    feedback::Meaning,
    policy::{self, Terms},
};

impl Case {
    /// Takes a step, or returns the reason for the refusal and leaves the case unchanged. A release
    /// asks the policy under `terms`.
    pub fn take(&mut self, step: Step, by: &str, terms: &Terms<'_>, now: Timestamp) -> Result<Entry, Illegal> {
        let refuse = |why: &str| {
            Err(Illegal { case: self.id.clone(), verb: step.verb(), why: why.to_owned(), allowed: self.allowed() })
        };
        let statement =
            |text: &str| Statement { by: by.to_owned(), at: now, version: self.version, text: text.to_owned() };
        let shared = self.state.is_shared();
        let open = shared || self.state == State::InReview;
        let undo = Undo::before(self, &step, by, now);
        let (action, text) = match &step {
            Step::BeginReview => {
                if self.state != State::Nominated {
                    return refuse(&format!("it is {}", self.state));
                }
                self.state = State::InReview;
                ("in_review", "review begins".to_owned())
            }
            Step::CheckSourcesAndMethods { finding } => {
                if !open && self.state != State::Approved {
                    return refuse(&format!("it is {}", self.state));
                }
                if text_format::is_blank(finding) {
                    return refuse("the check has no text: enter what was considered");
                }
                self.checked = Some(statement(finding));
                ("sources_and_methods_checked", finding.clone())
            }
            Step::Record(fact) => {
                if !open && self.state != State::Approved {
                    return refuse(&format!("it is {}", self.state));
                }
                if let Err(why) = fact.check(&self.facts, by, terms, now) {
                    return refuse(&why);
                }
                let mut text = fact.summary();
                let scope = policy::decide(self, terms, now).scope(self);
                let record = Recorded { by: by.to_owned(), at: now, version: self.version, what: () };
                self.facts.take(fact.clone(), record);
                let changes = fact.changes_notifications() || policy::decide(self, terms, now).scope(self) != scope;
                if changes && self.approved.as_ref().is_some_and(|statement| statement.version == self.version) {
                    // What was approved is no longer what would be shared.
                    self.approved = None;
                    text.push_str("; the approval was given without this fact, so the case has to be approved again");
                    if self.state == State::Approved {
                        self.state = State::InReview;
                    }
                }
                (fact.action(), text)
            }
            Step::SignOff { role, comment } => {
                if !open && self.state != State::Approved {
                    return refuse(&format!("it is {}", self.state));
                }
                if let Err(why) = policy::check_sign_off(role, comment, terms) {
                    return refuse(&why);
                }
                let what = SignOff { role: role.clone(), comment: comment.clone(), held: true };
                let replaced = policy::newest_sign_off_of(self, by).filter(|earlier| earlier.what.role != *role);
                let replaced = replaced.map(|earlier| format!("; it replaces the sign-off as {}", earlier.what.role));
                let text = format!("{role}: {comment}{}", replaced.unwrap_or_default());
                self.facts.sign_offs.push(Recorded { by: by.to_owned(), at: now, version: self.version, what });
                ("signed_off", text)
            }
            Step::Approve { comment } => {
                // An approval can be given again where it no longer covers who gets what.
                let scope = policy::decide(self, terms, now).scope(self);
                let covers = self.approved_scope.as_ref() == Some(&scope) && terms.not_as_approved(self).is_empty();
                let outdated = self.state == State::Approved && !covers;
                if !open && !outdated {
                    return refuse(&format!("it is {}", self.state));
                }
                let approved = self.approved.as_ref().is_some_and(|statement| statement.version == self.version);
                if shared && approved && self.released_version == Some(self.version) {
                    return refuse("partners already have this version");
                }
                self.approved = Some(statement(comment));
                self.approved_scope = Some(scope);
                self.approved_objects = terms.rendered.cloned().unwrap_or_default();
                if !shared {
                    self.state = State::Approved;
                }
                ("approved", comment.clone())
            }
            Step::Dismiss { reason, authentic } => {
                if !matches!(self.state, State::InReview | State::Approved) {
                    return refuse(&format!("it is {}", self.state));
                }
                if let Some(why) = policy::dismissal_blocked(self, terms) {
                    return refuse(&why);
                }
                if text_format::is_blank(reason) {
                    return refuse("a dismissal needs a reason");
                }
                self.state = State::Dismissed;
                let undecided = if *authentic { "" } else { " (this does not say that the accounts are authentic)" };
                ("dismissed", format!("{reason}{undecided}"))
            }
            Step::ReturnToReview { reason } => {
                if !matches!(self.state, State::Approved | State::Dismissed) {
                    return refuse(&format!("it is {}", self.state));
                }
                if text_format::is_blank(reason) {
                    return refuse("a return to review needs a reason");
                }
                self.approved = None;
                self.state = State::InReview;
                ("returned_to_review", reason.clone())
            }
            Step::Release | Step::Update => {
                let right = match step {
                    Step::Release => self.state == State::Approved,
                    _ => shared,
                };
                if !right {
                    return refuse(&format!("it is {}", self.state));
                }
                let Some(approved) = self.approved.as_ref().filter(|a| a.version == self.version) else {
                    return refuse(&format!("version {} is not approved", self.version));
                };
                if is_same_person(&approved.by, by) {
                    return refuse(&format!(
                        "{by} approved it: accounts are named only when two different people agree"
                    ));
                }
                let outcome = policy::decide(self, terms, now);
                if self.approved_scope.as_ref() != Some(&outcome.scope(self)) {
                    return refuse(
                        "who gets what is no longer what was approved (recipients, rules or withdrawn accounts changed): approve it again",
                    );
                }
                let changed = terms.not_as_approved(self);
                if !changed.is_empty() {
                    return refuse(&format!(
                        "what {} would receive is no longer what was approved: look at it and approve it again",
                        changed.join(", ")
                    ));
                }
                if let Some(own) = outcome.sign_offs.iter().find(|needed| needed.is_by(by)) {
                    return refuse(&format!(
                        "{by} signed off as {}: another person has to release, or another person who holds the role has to sign off",
                        own.role
                    ));
                }
                let blocks: Vec<String> =
                    outcome.blocking().map(|block| format!("{} ({})", block.text, block.rule)).collect();
                if !blocks.is_empty() {
                    return refuse(&blocks.join("; "));
                }
                let notified: Vec<String> = outcome.notified().map(|decision| decision.recipient.clone()).collect();
                let first = self.first_released_at.is_none();
                let text = format!(
                    "version {} is shared with {}; approved by {}, {} by {by}",
                    self.version,
                    if notified.is_empty() { "nobody".to_owned() } else { notified.join(", ") },
                    approved.by,
                    if first { "released" } else { "updated" },
                );
                let version = self.version;
                let had: BTreeMap<String, Versions> = terms
                    .recipients
                    .iter()
                    .filter_map(|recipient| Some((recipient.name.clone(), self.received_versions(recipient)?)))
                    .collect();
                let noted = self.notified.get_or_insert(had);
                for name in notified {
                    noted.entry(name).or_insert(Versions { first: version, last: version }).last = version;
                }
                self.released_by = Some(statement(&text));
                self.first_released_at.get_or_insert(now);
                self.released_version = Some(self.version);
                self.state = if first { State::Released } else { State::Updated };
                (if first { "released" } else { "updated" }, text)
            }
            Step::Retract { reason } => {
                if !shared {
                    return refuse(&format!("it is {}", self.state));
                }
                if text_format::is_blank(reason) {
                    return refuse("a retraction needs a reason");
                }
                self.state = State::Retracted;
                ("retracted", reason.clone())
            }
            Step::Close => {
                if !shared && !matches!(self.state, State::Retracted | State::Dismissed) {
                    return refuse(&format!("it is {}", self.state));
                }
                if let Some(why) = policy::closing_blocked(self, terms, now) {
                    return refuse(&why);
                }
                self.state = State::Closed;
                ("closed", "nothing more to do".to_owned())
            }
            Step::Undo => {
                if let Some(why) = self.undo_blocked() {
                    return refuse(why);
                }
                ("undone", self.undo_decision())
            }
        };
        self.undo = undo;
        self.changed_at = now;
        Ok(self.entry(by, action, text, now))
    }
}

/// The label that a reviewer's step gives to a finding, for the next training.
#[derive(Debug, Clone)]
pub struct Label {
    /// The reviewer.
    pub by: String,
    /// A verdict, or that earlier verdicts no longer hold.
    pub meaning: Meaning,
    /// The reviewer's reason.
    pub note: Option<String>,
    /// Time of the step.
    pub at: Timestamp,
}

impl Label {
    /// The label that a step gives.
    pub fn of(step: &Step, by: &str, at: Timestamp) -> Label {
        let note = step.reason().filter(|text| !text.is_empty()).map(|text| text_format::shorten(text, 2_000));
        Label { by: by.to_owned(), meaning: step.meaning(), note, at }
    }
}

#[cfg(test)]
mod tests;
