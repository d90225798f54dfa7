//! One step on many cases: a preview, the confirmation, and its undo.

use std::time::Instant;

use askama::Template;
use axum::{
    body::Body,
    extract::State as Shared,
    http::{Response, StatusCode},
};
use casework::{Act, Role, case::Step};

use super::{Shell, review::Sent};
use crate::{
    http::{
        access::{Person, Posted},
        respond::{MessagePage, counted, failed, from_path_segment, html, path_segment, report},
    },
    service::{
        Sharing, SharingError,
        many::{Done, MOST_CASES, Preview},
    },
    store::StoreError,
};

/// A step that can be taken on many cases. Sharing and withdrawing are decided on the page of each case.
#[derive(Clone, Copy)]
pub(super) struct ManyStep {
    /// The name in forms, the same as in the form of a single case.
    pub name: &'static str,
    /// On buttons.
    pub label: &'static str,
    /// The field for a text, with its label, and whether the text is required.
    text: Option<(&'static str, &'static str, bool)>,
    /// Whether it is a decision that can be undone.
    can_be_undone: bool,
}

/// The steps, in the order of the list.
pub(super) const STEPS: [ManyStep; 6] = [
    ManyStep { name: "begin", label: "Begin review", text: None, can_be_undone: true },
    ManyStep {
        name: "approve",
        label: "Approve",
        text: Some(("comment", "Why these cases may be shared, and which evidence against them you considered", false)),
        can_be_undone: true,
    },
    ManyStep {
        name: "dismiss",
        label: "Dismiss",
        text: Some(("reason", "Reason not to share these cases", true)),
        can_be_undone: true,
    },
    ManyStep {
        name: "return",
        label: "Return to review",
        text: Some(("reason", "Reason to review these cases again", true)),
        can_be_undone: true,
    },
    ManyStep {
        name: "attend",
        label: "Mark as reviewed",
        text: Some(("comment", "What you found, and what you will do", true)),
        can_be_undone: false,
    },
    ManyStep { name: "close", label: "Close", text: None, can_be_undone: false },
];

#[derive(Template)]
#[template(path = "many_preview.html")]
struct PreviewPage {
    shell: Shell,
    step: ManyStep,
    applies: Vec<AppliesView>,
    refused: Vec<RefusedView>,
    /// Selected cases that do not exist, or are more than a request may have.
    left_out: usize,
    error: Option<String>,
    text: String,
    authentic: bool,
}

struct AppliesView {
    href: String,
    id: String,
    accounts: String,
    before: String,
    after: String,
    notified: Option<String>,
    /// Revision and cluster, for the form.
    seen: String,
}

struct RefusedView {
    href: String,
    id: String,
    why: String,
}

#[derive(Template)]
#[template(path = "many_done.html")]
struct DonePage {
    shell: Shell,
    label: &'static str,
    done: Vec<DoneView>,
    refused: Vec<RefusedView>,
    can_be_undone: bool,
}

struct DoneView {
    href: String,
    id: String,
    state: String,
    seen: String,
}

/// Shows what the step would do to each selected case. Changes nothing.
pub(super) async fn preview(
    Shared(sharing): Shared<Sharing>,
    Posted { person, form }: Posted<Vec<(String, String)>>,
) -> Response<Body> {
    let began = Instant::now();
    let sent = Sent(form);
    let ids: Vec<String> = sent.all("case").map(from_path_segment).collect();
    let response = match allowed(&person, &sent, ids.len()) {
        Ok(step) => show_preview(&sharing, person, step, ids, &sent, None).await,
        Err(why) => refuse(why),
    };
    counted(&sharing, "console", "preview", began, response)
}

/// Takes the step on each case that is as the preview showed it.
pub(super) async fn confirm(
    Shared(sharing): Shared<Sharing>,
    Posted { person, form }: Posted<Vec<(String, String)>>,
) -> Response<Body> {
    let began = Instant::now();
    let sent = Sent(form);
    let seen = seen(&sent);
    let response = match allowed(&person, &sent, seen.len()) {
        Err(why) => refuse(why),
        Ok(step) => {
            let missing = step.text.filter(|(field, _, required)| *required && text_format::is_blank(sent.get(field)));
            match sent.act().and_then(|act| missing.map_or(Ok(act), |_| Err("enter a text".to_owned()))) {
                Ok(act) => take(&sharing, person, act, seen, step.label, step.can_be_undone).await,
                Err(why) => {
                    let ids = seen.into_iter().map(|(id, _)| id).collect();
                    show_preview(&sharing, person, step, ids, &sent, Some(why)).await
                }
            }
        }
    };
    counted(&sharing, "console", "many", began, response)
}

/// Undoes a step on each case that nobody changed since.
pub(super) async fn undo(
    Shared(sharing): Shared<Sharing>,
    Posted { person, form }: Posted<Vec<(String, String)>>,
) -> Response<Body> {
    let began = Instant::now();
    let seen = seen(&Sent(form));
    let response = match person.may(Role::Reviewer) {
        true if !seen.is_empty() => take(&sharing, person, Act::Step(Step::Undo), seen, "Undo", false).await,
        true => refuse("no case is selected"),
        false => refuse("this needs the role reviewer, which you do not have"),
    };
    counted(&sharing, "console", "undo", began, response)
}

/// The step that a form names, or why it cannot be taken.
fn allowed(person: &Person, sent: &Sent, selected: usize) -> Result<ManyStep, &'static str> {
    if !person.may(Role::Reviewer) {
        return Err("this needs the role reviewer, which you do not have");
    }
    if selected == 0 {
        return Err("no case is selected: go back and select the cases");
    }
    STEPS.into_iter().find(|step| step.name == sent.get("step")).ok_or("no step is chosen: go back and choose a step")
}

/// Cases of a form with the revision that was seen.
fn seen(sent: &Sent) -> Vec<(String, i64)> {
    let pair = |text: &str| {
        let (revision, id) = text.split_once(' ')?;
        Some((from_path_segment(id), revision.parse().ok()?))
    };
    sent.all("seen").filter_map(pair).take(MOST_CASES).collect()
}

async fn show_preview(
    sharing: &Sharing,
    person: Person,
    step: ManyStep,
    ids: Vec<String>,
    sent: &Sent,
    error: Option<String>,
) -> Response<Body> {
    let selected = ids.len();
    // Any text does for a preview: an empty one is refused when the step is taken.
    let placeholder = ["comment", "reason"].map(|field| (field.to_owned(), "preview".to_owned()));
    let form = [("step".to_owned(), step.name.to_owned())].into_iter().chain(placeholder).collect();
    let act = match Sent(form).act() {
        Ok(act) => act,
        Err(why) => return refuse(&why),
    };
    let previews = match sharing.preview(ids, act, &person.name).await {
        Ok(previews) => previews,
        Err(error) => return failed(sharing, &error),
    };
    let left_out = selected.saturating_sub(previews.len());
    let (mut applies, mut refused) = (Vec::new(), Vec::new());
    for Preview { cluster_id, case_id, accounts, revision, before, after } in previews {
        let (href, id) = (href(&cluster_id), text_format::shorten(&case_id, 60));
        match after {
            Ok((after, notified)) => applies.push(AppliesView {
                href,
                id,
                accounts: text_format::count(accounts, "account"),
                before: before.to_string(),
                after: after.to_string(),
                notified: (step.name == "approve").then(|| match notified.is_empty() {
                    true => "nobody".to_owned(),
                    false => text_format::list(&notified),
                }),
                seen: format!("{revision} {}", path_segment(&cluster_id)),
            }),
            Err(illegal) => refused.push(RefusedView { href, id, why: text_format::shorten(&illegal.why, 400) }),
        }
    }
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let text = step.text.map_or("", |(field, ..)| sent.get(field)).to_owned();
    let authentic = error.is_none() || sent.get("authentic") == "yes";
    let page = move |shell| PreviewPage { shell, step, applies, refused, left_out, error, text, authentic };
    match sharing.blocking(move |inner| Shell::new(inner, &person, "many")).await {
        Ok(shell) => html(status, &page(shell)),
        Err(error) => failed(sharing, &error),
    }
}

async fn take(
    sharing: &Sharing,
    person: Person,
    act: Act,
    seen: Vec<(String, i64)>,
    label: &'static str,
    can_be_undone: bool,
) -> Response<Body> {
    let results = match sharing.act_on_many(seen, act, &person.name).await {
        Ok(results) => results,
        Err(error) => return failed(sharing, &error),
    };
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for (cluster_id, result) in results {
        let (href, id) = (href(&cluster_id), text_format::shorten(&cluster_id, 60));
        match result {
            Ok(Done { state, revision }) => {
                done.push(DoneView {
                    href,
                    id,
                    state: state.to_string(),
                    seen: format!("{revision} {}", path_segment(&cluster_id)),
                });
            }
            Err(error) => refused.push(RefusedView { href, id, why: why(sharing, &error) }),
        }
    }
    match sharing.blocking(move |inner| Shell::new(inner, &person, "many")).await {
        Ok(shell) => html(StatusCode::OK, &DonePage { shell, label, done, refused, can_be_undone }),
        Err(error) => failed(sharing, &error),
    }
}

/// Why the step was not taken on a case.
fn why(sharing: &Sharing, error: &SharingError) -> String {
    match error {
        SharingError::Illegal(illegal) => text_format::shorten(&illegal.why, 400),
        SharingError::Store(StoreError::Conflict(_)) => "somebody else changed the case in the meantime".to_owned(),
        SharingError::NoCase(_) => "there is no such case".to_owned(),
        error => {
            report(sharing, error);
            "the service could not take the step; the reason is in its log".to_owned()
        }
    }
}

fn refuse(why: &str) -> Response<Body> {
    let text = format!("Not done: {why}.");
    html(StatusCode::UNPROCESSABLE_ENTITY, &MessagePage { title: "The step was refused", text: text.into() })
}

fn href(cluster_id: &str) -> String {
    format!("/clusters/{}", path_segment(cluster_id))
}
