//! The decision panel of a case: what is required before a release, and a form for each step. If a step is refused, the form keeps
//! the text that was typed.

mod form;
mod marks;
mod sign_offs;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use crate::http::access::{Access, Person};
use casework::{
    CaseRecord, Role,
    case::State,
    policy::{self, Answer, Class, Delay, Needs, Outcome, Policy, Recorded, TargetKind, is_same_person},
};
pub(super) use form::Sent;
use form::{ROWS, account_value, kind_name};
use marks::{Mark, form_for, marks, stages};
use sign_offs::SignOffRow;

/// Accounts with a checkbox.
const BOXES: usize = 500;

/// A step that was refused.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub sent: Sent,
    pub why: String,
    pub allowed: String,
    /// Somebody else changed the case in the meantime.
    pub conflict: bool,
}

#[derive(Template)]
#[template(path = "review.html")]
pub(super) struct ReviewForms {
    action: String,
    csrf: String,
    revision: i64,
    stages: Vec<(String, &'static str)>,
    note: Option<String>,
    reviews: bool,
    releases: bool,
    state: State,
    version: u32,
    /// Whether the case is approved, and something else would be sent than what the approval covers.
    approval_is_outdated: bool,
    /// Whether facts can be recorded in this state.
    open: bool,
    shared: bool,
    /// Whether there is a version that can be shared and is not shared yet.
    pending: bool,
    blocks: Vec<BlockView>,
    notified: Vec<String>,
    refused: Option<Refused>,
    marks: BTreeMap<&'static str, Mark>,
    kinds: Vec<(&'static str, &'static str)>,
    targets: Vec<TargetRow>,
    suggestions: Vec<(String, String, String)>,
    recipients: Vec<RecipientRow>,
    breaches: Vec<(String, String)>,
    breaches_why: String,
    delays: Vec<String>,
    /// Delays that the person may confirm: value of the form, and text.
    to_confirm: Vec<(String, String)>,
    /// Delays that the person may take back, likewise.
    to_withdraw: Vec<(String, String)>,
    /// Open mandatory notifications, with the time since when or until when.
    must_be_notified: Vec<String>,
    /// Recipients to which a delivery by hand can be recorded.
    handed_to: Vec<String>,
    handovers: Vec<String>,
    approvers: String,
    security: String,
    political: String,
    questions: Vec<Question>,
    duties: Vec<(String, String)>,
    duties_why: String,
    /// Roles in which the person may sign off.
    roles: Vec<String>,
    sign_offs: Vec<SignOffRow>,
    signed: Vec<String>,
    objections: Vec<String>,
    attention: Vec<String>,
    /// The last decision, if it can be undone.
    undo: Option<String>,
    valid_until: Option<String>,
    /// The proposal to renew the version that partners have: name, time, reason.
    proposed: Option<(String, String, String)>,
    /// The legal hold: name, time, reason.
    hold: Option<(String, String, String)>,
    /// Accounts that partners received.
    accounts: Vec<AccountBox>,
    further_accounts: usize,
}

struct AccountBox {
    value: String,
    name: String,
    platform: String,
    ticked: bool,
}

struct BlockView {
    text: String,
    number: u8,
    rule: &'static str,
    form: &'static str,
}

struct TargetRow {
    kind: &'static str,
    name: String,
    recipient: String,
}

struct RecipientRow {
    name: String,
    class: String,
    ticked: bool,
    must: bool,
}

struct Question {
    name: &'static str,
    text: &'static str,
    answer: &'static str,
    why: String,
}

impl ReviewForms {
    pub fn new(
        stored: &CaseRecord,
        outcome: &Outcome,
        policy: &Policy,
        (person, access): (&Person, &Access),
        refused: Option<Refused>,
        demo: bool,
    ) -> ReviewForms {
        let CaseRecord { case, revision, .. } = stored;
        let facts = &case.facts;
        let (reviews, releases) = (person.may(Role::Reviewer), person.may(Role::Approver));
        let shared = matches!(case.state, State::Released | State::Updated);
        let note = match (person.name.is_empty(), reviews || releases) {
            (true, _) if demo => Some("This is a demonstration: nothing can be changed here.".to_owned()),
            (true, _) => Some("Log in to work on this case.".to_owned()),
            (false, false) if person.sign_off_roles.is_empty() => Some(
                "You can read this case. To decide, you need the role reviewer; to release, the role approver."
                    .to_owned(),
            ),
            _ => None,
        };
        let shared_accounts =
            stored.released.as_ref().filter(|_| shared && releases).map_or(&[][..], |released| &released.accounts);
        let delays = |concern: &dyn Fn(&Recorded<Delay>) -> bool| -> Vec<(String, String)> {
            let unconfirmed = facts.delays.iter().filter(|record| !policy::is_confirmed(facts, record));
            let named = |record: &Recorded<Delay>| {
                let Delay { state, until, .. } = &record.what;
                (format!("{state} {until}"), format!("{state} until {} UTC", text_format::minute(*until)))
            };
            unconfirmed.filter(|record| concern(record)).map(named).collect()
        };
        // A refused form is shown as it was sent.
        let sent = |form: &str| refused.as_ref().filter(|r| !r.conflict && r.sent.get("step") == form).map(|r| &r.sent);
        let ticked: BTreeSet<String> =
            sent("withdraw_accounts").map(|sent| sent.all("account").map(str::to_owned).collect()).unwrap_or_default();
        let kept = |form: &str, field: &str, otherwise: &str| -> String {
            sent(form).map_or_else(|| otherwise.to_owned(), |sent| sent.get(field).to_owned())
        };
        let pairs = |form: &'static str, fields: [&str; 2], recorded: Vec<(String, String)>| {
            let mut rows = match sent(form) {
                Some(sent) => sent.rows(fields, |[a, b]| (a, b)),
                None => recorded,
            };
            rows.resize_with((rows.len() + 2).min(ROWS), Default::default);
            rows
        };
        let mut targets: Vec<TargetRow> = match sent("targets") {
            Some(sent) => sent
                .rows(["kind", "name", "recipient"], |[kind, name, recipient]| (kind, name, recipient))
                .into_iter()
                .filter(|(_, name, _)| !name.is_empty())
                .map(|(kind, name, recipient)| TargetRow {
                    kind: TargetKind::ALL.into_iter().map(kind_name).find(|known| *known == kind).unwrap_or(""),
                    name,
                    recipient,
                })
                .collect(),
            None => facts
                .targets
                .iter()
                .flat_map(|record| &record.what.targets)
                .map(|target| TargetRow {
                    kind: kind_name(target.kind),
                    name: target.name.clone(),
                    recipient: target.recipient.clone().unwrap_or_default(),
                })
                .collect(),
        };
        targets.resize_with((targets.len() + 2).min(ROWS), || TargetRow {
            kind: "",
            name: String::new(),
            recipient: String::new(),
        });
        let suggestions = outcome.suggestions.iter().take(ROWS).enumerate().map(|(n, (name, answer))| {
            let said = kept("targets", &format!("said_{n}"), answer.as_deref().unwrap_or_default());
            (name.clone(), text_format::shorten(name, 80), said)
        });
        let approval_is_outdated = case.state == State::Approved
            && (case.approved_scope.as_ref() != Some(&outcome.scope(case))
                || outcome.blocking().any(|block| block.needs == Needs::Approval));
        let recipients = outcome.recipients.iter().map(|decision| RecipientRow {
            name: decision.recipient.clone(),
            class: decision.class.to_string(),
            ticked: match sent("chosen") {
                Some(sent) => sent.all("recipient").any(|name| name == decision.recipient),
                None => decision.notified,
            },
            must: decision.must,
        });
        let notice = facts.public_notice.as_ref().map(|record| &record.what);
        let question = |name: &'static str, text: &'static str, answer: Option<&Answer>| {
            let recorded = answer.map_or("", |answer| if answer.yes { "yes" } else { "no" });
            let answer_kept = kept("public_notice", name, recorded);
            Question {
                name,
                text,
                answer: ["yes", "no"].into_iter().find(|known| *known == answer_kept).unwrap_or(""),
                why: kept("public_notice", &format!("{name}_why"), answer.map_or("", |answer| &answer.why)),
            }
        };
        let considered = facts.consideration.as_ref().map(|record| &record.what);
        let asked_for = policy.rules.sign_off_roles();
        let recorded_duties = facts.duties.iter().flat_map(|record| &record.what.duties);
        let recorded_breaches = facts.breaches.iter().flat_map(|record| &record.what.breaches);
        ReviewForms {
            action: format!("/clusters/{}/steps", crate::http::respond::path_segment(&case.cluster_id)),
            csrf: person.csrf.clone(),
            revision: *revision,
            stages: stages(case),
            note,
            reviews,
            releases,
            state: case.state,
            version: case.version,
            approval_is_outdated,
            open: shared || matches!(case.state, State::InReview | State::Approved),
            shared,
            pending: matches!(case.state, State::InReview | State::Approved)
                || shared && (case.released_version != Some(case.version) || !case.attention.is_empty()),
            blocks: outcome
                .blocking()
                .map(|block| BlockView {
                    text: text_format::shorten(&block.text, 400),
                    number: block.number,
                    rule: block.rule.title(),
                    form: form_for(block.needs),
                })
                .collect(),
            notified: outcome.notified().map(|decision| decision.recipient.clone()).collect(),
            marks: marks(case, outcome),
            kinds: TargetKind::ALL.map(|kind| (kind_name(kind), kind.label())).to_vec(),
            targets,
            suggestions: suggestions.collect(),
            recipients: recipients.collect(),
            breaches: pairs(
                "breaches",
                ["state", "system"],
                recorded_breaches.map(|breach| (breach.state.clone(), breach.system.clone())).collect(),
            ),
            breaches_why: kept("breaches", "why", facts.breaches.as_ref().map_or("", |record| &record.what.why)),
            delays: facts
                .delays
                .iter()
                .map(|record| {
                    let delay = &record.what;
                    format!(
                        "{} until {} UTC, approver {}: {}",
                        delay.state,
                        text_format::minute(delay.until),
                        delay.approver,
                        if policy::is_confirmed(facts, record) {
                            "confirmed"
                        } else {
                            "not confirmed, so not in force"
                        }
                    )
                })
                .collect(),
            to_confirm: delays(&|record| is_same_person(&record.what.approver, &person.name)),
            to_withdraw: delays(&|record| {
                is_same_person(&record.by, &person.name) || is_same_person(&record.what.approver, &person.name)
            }),
            must_be_notified: case
                .duties
                .iter()
                .map(|duty| match duty.not_before {
                    Some(until) => format!("{} by {} UTC at the latest", duty.whom, text_format::minute(until)),
                    None => format!("{}, since {} UTC", duty.whom, text_format::minute(duty.since)),
                })
                .collect(),
            handed_to: policy
                .recipients
                .iter()
                .filter(|recipient| recipient.class != Class::Platform && case.first_released_at.is_some())
                .filter(|recipient| case.received_versions(recipient).is_some() || case.must_be_notified(recipient))
                .map(|recipient| recipient.name.clone())
                .collect(),
            handovers: case
                .handovers
                .iter()
                .map(|recorded| {
                    let handover = &recorded.handover;
                    let text = format!(
                        "version {} to {} ({}), {} UTC: {}; recorded by {}",
                        recorded.version,
                        handover.recipient,
                        handover.to,
                        text_format::minute(handover.at),
                        handover.how,
                        recorded.by
                    );
                    text_format::shorten(&text, 400)
                })
                .collect(),
            approvers: policy.rules.delay_approvers.join(", "),
            security: kept("consideration", "security", considered.map_or("", |what| &what.security)),
            political: kept("consideration", "political", considered.map_or("", |what| &what.political_sensitivity)),
            questions: vec![
                question(
                    "amplifies",
                    "Does the notice spread the message further than it has spread so far?",
                    notice.map(|notice| &notice.amplifies),
                ),
                question(
                    "revictimises",
                    "Does the notice cause new harm to the victims of the operation?",
                    notice.map(|notice| &notice.revictimises),
                ),
            ],
            duties: pairs(
                "duties",
                ["duty", "whom"],
                recorded_duties.map(|duty| (duty.duty.clone(), duty.whom.clone())).collect(),
            ),
            duties_why: kept("duties", "why", facts.duties.as_ref().map_or("", |record| &record.what.why)),
            roles: person.sign_off_roles.iter().filter(|role| asked_for.contains(role.as_str())).cloned().collect(),
            sign_offs: sign_offs::rows(outcome, access),
            signed: facts.sign_offs.iter().map(sign_offs::signed).collect(),
            objections: facts
                .objections
                .iter()
                .map(|record| text_format::shorten(&format!("{}: {}", record.what.from, record.what.text), 200))
                .collect(),
            attention: case.attention.iter().map(|attention| text_format::shorten(&attention.text, 400)).collect(),
            undo: case.undo.as_ref().map(|undo| {
                format!(
                    "{}, by {}, {} UTC",
                    undo.decision,
                    text_format::shorten(&undo.by, 60),
                    text_format::minute(undo.at)
                )
            }),
            valid_until: case.valid_until.filter(|_| shared).map(text_format::minute),
            proposed: case.renewal.as_ref().filter(|word| shared && Some(word.version) == case.released_version).map(
                |word| {
                    (
                        text_format::shorten(&word.by, 60),
                        text_format::minute(word.at),
                        text_format::shorten(&word.text, 600),
                    )
                },
            ),
            hold: case.hold.as_ref().map(|hold| {
                (
                    text_format::shorten(&hold.by, 60),
                    text_format::minute(hold.at),
                    text_format::shorten(&hold.reason, 600),
                )
            }),
            further_accounts: shared_accounts.len().saturating_sub(BOXES),
            accounts: shared_accounts
                .iter()
                .take(BOXES)
                .map(|account| {
                    let value = account_value(&account.platform, &account.account_id);
                    AccountBox {
                        ticked: ticked.contains(&value),
                        value,
                        name: text_format::shorten(&format!("{} {}", account.account_id, account.account_name), 80),
                        platform: text_format::shorten(&account.platform, 40),
                    }
                })
                .collect(),
            refused,
        }
    }

    /// The text of a field: what was typed, if the form was refused.
    fn kept(&self, form: &str, field: &str) -> &str {
        self.refused
            .as_ref()
            .filter(|refused| !refused.conflict && refused.sent.get("step") == form)
            .map_or("", |refused| refused.sent.get(field))
    }

    /// The refusal of this form.
    fn error(&self, form: &str) -> Option<&Refused> {
        self.refused.as_ref().filter(|refused| !refused.conflict && refused.sent.get("step") == form)
    }

    fn mark(&self, form: &str) -> &Mark {
        static NONE: Mark = Mark { class: "quiet", text: String::new() };
        self.marks.get(form).unwrap_or(&NONE)
    }

    /// Whether the form is open: it is if it was refused.
    fn is_open(&self, form: &str) -> bool {
        self.error(form).is_some()
    }

    fn share_step(&self) -> &'static str {
        if self.shared { "update" } else { "release" }
    }

    /// Whether the page has a form for that step now.
    fn has_form(&self, step: &str) -> bool {
        match step {
            "begin" => self.reviews && self.state == State::Nominated,
            "approve" => self.reviews && self.is_state(&["in_review", "released", "updated"]),
            "release" => self.releases && self.state == State::Approved,
            "update" => self.releases && self.shared,
            "retract" => self.releases && self.shared,
            "dismiss" => self.reviews && self.is_state(&["in_review", "approved"]),
            "return" => self.reviews && self.is_state(&["approved", "dismissed"]),
            "close" => self.reviews && self.is_state(&["released", "updated", "retracted", "dismissed"]),
            "undo" => self.reviews && self.undo.is_some(),
            "attend" => self.reviews && !self.attention.is_empty(),
            "propose_renewal" => self.reviews && self.shared,
            "renew" => self.shared && self.proposed.is_some(),
            "place_hold" => self.reviews && self.hold.is_none(),
            "lift_hold" => self.releases && self.hold.is_some(),
            "withdraw_accounts" => self.releases && self.shared,
            "handover" => self.releases && !self.handed_to.is_empty(),
            "sign_off" => self.open && !self.roles.is_empty(),
            "confirm_delay" => self.releases && !self.to_confirm.is_empty(),
            "withdraw_delay" => self.reviews && self.open && !self.to_withdraw.is_empty(),
            _ => self.reviews && self.open,
        }
    }

    fn is_state(&self, names: &[&str]) -> bool {
        names.contains(&self.state.name())
    }
}
