//! The page of a case: the finding, its recipients, the forms for a decision, and the history.

use std::{sync::Arc, time::Instant};

use askama::Template;
use axum::{
    body::Body,
    extract::{Path, Query, State as Shared, rejection::QueryRejection},
    http::{Response, StatusCode},
};
use jiff::Timestamp;
use messages::{
    cluster::{ClusterMessage, Status},
    feedback::Verdict,
};
use serde::Deserialize;

use super::{
    Shell, documents,
    retractions::{self, CaseView, WaitingView},
    review::{Refused, ReviewForms, Sent},
};
use crate::{
    http::{
        Server,
        access::{self, Access, Person, Posted},
        respond::{counted, failed, html, no_case, path_segment},
    },
    publish::redaction,
    service::{Inner, Sharing, SharingError, posts},
    store::{FeedbackRow, StoreError},
};
use casework::CaseRecord;
use casework::{
    Act, Reviewers,
    audit::Sealed,
    case::{Case, State, Step},
    policy::{self, Decision, Outcome, Policy, Rendered},
};
use presentation::{cluster, description, posts::Posts};

/// Entries of feedback on the page.
const FEEDBACK: usize = 200;
/// Steps of the history on the page.
const HISTORY: usize = 200;

/// Filters of the finding, parsed from the query string.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    account: Option<String>,
    key: Option<String>,
    kind: Option<String>,
    sort: Option<String>,
    order: Option<String>,
    done: Option<String>,
}

impl Asked {
    /// What was done, as the address says it.
    pub(super) fn done(&self) -> Option<&str> {
        self.done.as_deref()
    }

    pub(super) fn shown(&self, links: bool) -> cluster::Shown {
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
        cluster::Shown {
            account: number(&self.account),
            key: number(&self.key),
            kind: self.kind.as_deref().and_then(|kind| kind.parse().ok()),
            sort: cluster::Sort::from_name(self.sort.as_deref().unwrap_or_default()),
            order: cluster::AccountOrder::from_name(self.order.as_deref().unwrap_or_default()),
            links,
        }
    }
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    shell: Shell,
    title: String,
    state: String,
    state_class: &'static str,
    demo_case: bool,
    advice: String,
    done: Option<&'static str>,
    refused: bool,
    body: String,
    /// Whether the page has the sections about the test and about the model.
    counted: bool,
    judged: bool,
    review_forms: String,
    over: bool,
    recipients: Vec<RecipientView>,
    missing: Vec<String>,
    approvals: Vec<(String, String, Option<String>)>,
    notes: Vec<String>,
    attention: Vec<(String, String)>,
    feedback: Vec<FeedbackView>,
    further_feedback: usize,
    rejected: Vec<CaseView>,
    withdrawn: Vec<WaitingView>,
    left_out: usize,
    case_id: String,
    cluster_id: String,
    /// Open appeals of its accounts.
    appeals: usize,
    /// Whether people can object to what documents say: without a contact there are none.
    contact: bool,
    /// Whether documents are made as PDF, too.
    pdf: bool,
    /// Ids of related clusters, as examples to compare with.
    related: Vec<String>,
    history: Vec<StepView>,
    earlier: usize,
}

struct RecipientView {
    name: String,
    class: String,
    verdict: &'static str,
    badge: &'static str,
    open: bool,
    products: String,
    tlp: &'static str,
    because: Vec<(u8, String)>,
    blocks: Vec<(u8, String)>,
    statements: Vec<&'static str>,
    before: Option<String>,
    comparison: Vec<redaction::Beside>,
    documents: Vec<documents::Link>,
    /// Of a platform: the objects that it would get.
    sent: Option<documents::SentObjects>,
}

/// A partner's feedback.
struct FeedbackView {
    partner: String,
    account: String,
    verdict: &'static str,
    badge: &'static str,
    at: String,
    note: String,
}

struct StepView {
    time: String,
    actor: String,
    action: String,
    text: String,
}

pub(super) async fn page(
    Shared(server): Shared<Server>,
    person: Person,
    Path(id): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let response = show(&server, person, id, asked, None).await;
    counted(&server.sharing, "console", "cluster", began, response)
}

/// Takes a step. If it is refused, shows the page again with the reason and the text that was typed.
pub(super) async fn step(
    Shared(server): Shared<Server>,
    Path(id): Path<String>,
    Posted { person, form }: Posted<Vec<(String, String)>>,
) -> Response<Body> {
    let began = Instant::now();
    let sent = Sent(form);
    let response = match take(&server.sharing, &person, &id, &sent).await {
        Ok(needs_approval) => {
            let mut to = format!("/clusters/{}?done=", path_segment(&id));
            let step = if needs_approval { "approval_taken_back" } else { sent.get("step") };
            to.extend(url::form_urlencoded::byte_serialize(step.as_bytes()));
            access::redirect(&to)
        }
        Err(Ok(refused)) => show(&server, person, id, Asked::default(), Some(refused)).await,
        Err(Err(SharingError::NoCase(_))) => no_case(),
        Err(Err(error)) => failed(&server.sharing, &error),
    };
    counted(&server.sharing, "console", "step", began, response)
}

/// Takes the step. Returns whether a record took an approval back.
async fn take(
    sharing: &Sharing,
    person: &Person,
    id: &str,
    sent: &Sent,
) -> Result<bool, Result<Refused, SharingError>> {
    let refuse =
        |why: String, allowed: String, conflict: bool| Err(Ok(Refused { sent: sent.clone(), why, allowed, conflict }));
    let act = match sent.act() {
        Ok(act) => act,
        Err(why) => return refuse(why, String::new(), false),
    };
    let needed = act.needs();
    if !person.holds(needed) {
        return refuse(format!("this needs {needed}, which you do not have"), String::new(), false);
    }
    let Ok(seen) = sent.get("revision").parse::<i64>() else {
        return refuse("the form does not say which state of the case it is about".to_owned(), String::new(), false);
    };
    let records = matches!(act, Act::Step(Step::Record(_)));
    match sharing.act_seen(id, seen, act, &person.name).await {
        Ok(taken) => Ok(records && taken.took_approval_back),
        Err(SharingError::Illegal(illegal)) => refuse(illegal.why, illegal.allowed, false),
        Err(SharingError::Store(StoreError::Conflict(_))) => refuse(String::new(), String::new(), true),
        Err(error) => Err(Err(error)),
    }
}

async fn show(server: &Server, person: Person, id: String, asked: Asked, refused: Option<Refused>) -> Response<Body> {
    let Server { sharing, access } = server;
    let status = match &refused {
        None => StatusCode::OK,
        Some(Refused { conflict: true, .. }) => StatusCode::CONFLICT,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let shown = asked.shown(false);
    let case = id.clone();
    let quoted = sharing.blocking(move |inner| {
        let stored = inner.store.case(&case)?;
        Ok(stored.map(|stored| {
            let posts = cluster::quoted(&stored.cluster, cluster::Limits::CONSOLE, &shown, posts::MOST + 1);
            posts.into_iter().map(posts::Wanted::from).collect::<Vec<_>>()
        }))
    });
    let posts = match quoted.await {
        Ok(Some(quoted)) => posts::look_up(sharing, quoted).await,
        Ok(None) => return no_case(),
        Err(error) => return failed(sharing, &error),
    };
    let access = Arc::clone(access);
    match sharing.blocking(move |inner| case_page(inner, (&person, &access), &id, &asked, refused, &posts)).await {
        Ok(Some(page)) => html(status, &page),
        Ok(None) => no_case(),
        Err(error) => failed(sharing, &error),
    }
}

/// Renders the page. Blocks: a graph costs milliseconds.
fn case_page(
    inner: &Inner,
    (person, access): (&Person, &Access),
    id: &str,
    asked: &Asked,
    refused: Option<Refused>,
    posts: &Posts,
) -> Result<Option<CasePage>, SharingError> {
    let Some(stored) = inner.store.case(id)? else {
        return Ok(None);
    };
    let mut history = inner.store.history(&stored.case.id)?;
    let earlier = history.len().saturating_sub(HISTORY);
    history.drain(..earlier);
    let CaseRecord { case, cluster, .. } = &stored;
    let is_demo = inner.config.reviewers == Reviewers::Demo || case.demo;
    let now = Timestamp::now();
    let over = matches!(case.state, State::Dismissed | State::Retracted | State::Closed);
    let rendered = if over || is_demo { None } else { Some(inner.rendered(&stored)?) };
    let terms = inner.policy.terms(cluster).with_rendered(rendered.as_ref());
    let outcome = policy::decide(case, &terms, now);
    let feedback = inner.store.feedback_of(&case.id)?;
    let further_feedback = feedback.len().saturating_sub(FEEDBACK);
    let is_refused = refused.is_some();
    let forms = ReviewForms::new(&stored, &outcome, &inner.policy, (person, access), refused, is_demo);
    let review_forms = forms.render().map_err(|error| SharingError::Config(format!("the forms of a case: {error}")))?;
    Ok(Some(CasePage {
        shell: Shell::new(inner, person, "case")?,
        title: title(cluster),
        state: case.state.to_string(),
        state_class: case.state.name(),
        demo_case: is_demo,
        advice: advice(case),
        done: asked.done.as_deref().filter(|_| !is_refused).and_then(done),
        refused: is_refused,
        body: cluster::body(cluster, "cluster", cluster::Limits::CONSOLE, Some(&asked.shown(!is_demo)), posts),
        counted: !cluster.windows.is_empty(),
        judged: cluster.model.is_some(),
        review_forms,
        over,
        recipients: recipients(inner, &stored, &outcome, rendered.as_ref())?,
        missing: outcome.missing.iter().map(|missing| text_format::shorten(&missing.text, 400)).collect(),
        approvals: outcome
            .approvals
            .iter()
            .map(|approval| (approval.who.clone(), approval.what.clone(), approval.by.clone()))
            .collect(),
        notes: outcome.notes.iter().map(|note| text_format::shorten(note, 400)).collect(),
        attention: case
            .attention
            .iter()
            .map(|attention| (text_format::shorten(&attention.text, 400), text_format::minute(attention.since)))
            .collect(),
        further_feedback,
        rejected: inner.store.retraction_cases_of(&case.id)?.into_iter().rev().map(retractions::case_view).collect(),
        withdrawn: inner
            .store
            .retractions_of(&case.id)?
            .into_iter()
            .rev()
            .map(|one| retractions::waiting_view(one, now))
            .collect(),
        left_out: case.left_out.len(),
        feedback: feedback.into_iter().rev().take(FEEDBACK).map(feedback_view).collect(),
        case_id: case.id.clone(),
        cluster_id: path_segment(&cluster.cluster_id),
        appeals: inner.store.open_appeals_of(id)?.len(),
        contact: !inner.config.contact.trim().is_empty(),
        pdf: cfg!(feature = "pdf"),
        related: cluster
            .lineage
            .iter()
            .chain(&cluster.split_from)
            .take(2)
            .map(|id| text_format::shorten(id, 80))
            .collect(),
        history: history.into_iter().rev().map(step_view).collect(),
        earlier,
    }))
}

fn title(cluster: &ClusterMessage) -> String {
    let accounts = text_format::count(description::size(cluster), "account");
    let what = match cluster.status {
        _ if description::is_count(cluster) => "with one text",
        Status::NearMiss => "that came close",
        _ => "in lockstep",
    };
    format!("{accounts} {what}")
}

fn recipients(
    inner: &Inner,
    stored: &CaseRecord,
    outcome: &Outcome,
    rendered: Option<&Rendered>,
) -> Result<Vec<RecipientView>, SharingError> {
    let open: Vec<&Decision> = outcome.recipients.iter().filter(|decision| is_open(decision)).collect();
    let mut beside = inner.beside(stored, &open)?;
    let mut views: Vec<RecipientView> = outcome
        .recipients
        .iter()
        .map(|decision| RecipientView {
            sent: rendered.and_then(|rendered| documents::sent(stored, decision, rendered)),
            comparison: beside.remove(&decision.recipient).unwrap_or_default(),
            ..recipient(stored, decision, &inner.policy)
        })
        .collect();
    // Recipients that are notified come first: the reviewer has to check what they see.
    views.sort_by_key(|view| !view.open);
    Ok(views)
}

/// Whether the page shows at once what the recipient will see.
fn is_open(decision: &Decision) -> bool {
    decision.notified || !decision.blocks.is_empty()
}

fn recipient(stored: &CaseRecord, decision: &Decision, policy: &Policy) -> RecipientView {
    let (verdict, badge) = match (decision.notified, decision.must, decision.blocks.is_empty()) {
        (_, _, false) => ("blocked", "single"),
        (true, true, _) => ("mandatory", "good"),
        (true, false, _) => ("notified", "good"),
        (false, ..) => ("not notified", ""),
    };
    let products: Vec<&str> = decision.products.iter().map(|product| product.label()).collect();
    RecipientView {
        name: decision.recipient.clone(),
        class: decision.class.to_string(),
        verdict,
        badge,
        open: is_open(decision),
        products: text_format::list(&products),
        tlp: decision.tlp.label(),
        because: decision.because.iter().map(|b| (b.number, text_format::shorten(&b.text, 300))).collect(),
        blocks: decision.blocks.iter().map(|b| (b.number, text_format::shorten(&b.text, 300))).collect(),
        statements: decision.statements.clone(),
        before: decision.has_version.map(|version| format!("already has version {version}")),
        documents: documents::links(stored, decision, policy),
        sent: None,
        comparison: Vec::new(),
    }
}

fn feedback_view(row: FeedbackRow) -> FeedbackView {
    let (verdict, badge) = match row.verdict {
        Some(Verdict::Confirmed) => ("confirmed", "good"),
        Some(Verdict::Rejected) => ("rejected", "state-retracted"),
        Some(Verdict::Actioned) => ("actioned", "good"),
        Some(Verdict::AlreadyKnown) => ("already known", "coordinated"),
        None => ("taken back", ""),
    };
    FeedbackView {
        partner: text_format::shorten(&row.partner, 64),
        account: row.account.map_or_else(|| "the whole case".to_owned(), |id| text_format::shorten(&id, 60)),
        verdict,
        badge,
        at: text_format::minute(row.at),
        note: text_format::shorten(row.note.as_deref().unwrap_or_default(), 2_000),
    }
}

fn step_view(Sealed { entry, .. }: Sealed) -> StepView {
    StepView {
        time: text_format::second(entry.at),
        actor: text_format::shorten(&entry.actor, 60),
        action: text_format::shorten(&entry.action.replace('_', " "), 60),
        text: text_format::shorten(&entry.text, 4_000),
    }
}

/// The confirmation that the page shows after a step.
fn done(step: &str) -> Option<&'static str> {
    Some(match step {
        "begin" => "The review has begun.",
        "check" => "The sources-and-methods check is recorded.",
        "approve" => "Approved. Another person has to release it.",
        "dismiss" => "Dismissed. Nothing was shared.",
        "return" => "Back in review.",
        "release" => {
            "Released. Partners can fetch it now. Deliver the documents to all other recipients, and record each delivery."
        }
        "update" => {
            "Updated. Partners can fetch the newer version now. Deliver the documents to all other recipients, and record each delivery."
        }
        "retract" => "Retracted. The finding is withdrawn from everybody who was notified.",
        "close" => "Closed.",
        "undo" => "Undone: the case is as it was before the last decision.",
        "sign_off" => "The sign-off is recorded.",
        "approval_taken_back" => {
            "Recorded. This changes who receives what, so the approval is no longer valid: the case needs a new approval before a release."
        }
        "handover" => "The delivery is recorded.",
        "confirm_delay" => "The delay is confirmed and in force.",
        "withdraw_delay" => "The delay is taken back.",
        "attend" => "Recorded as reviewed.",
        "propose_renewal" => "Proposed. Another person has to renew it.",
        "place_hold" => "The case is under legal hold. It is neither erased nor deleted.",
        "lift_hold" => "The legal hold is lifted.",
        "renew" => "Renewed. Partners receive new versions.",
        "withdraw_accounts" => "Withdrawn. Every partner that received these accounts is notified of the withdrawal.",
        "targets" | "breaches" | "delay" | "consideration" | "public_notice" | "duties" | "chosen" | "objection" => {
            "Recorded."
        }
        _ => return None,
    })
}

/// The state of the case, as a sentence.
fn advice(case: &Case) -> String {
    match case.state {
        State::Nominated => "Nobody has reviewed this case yet. Nothing has been shared.".to_owned(),
        State::InReview => "This case is in review. Nothing has been shared.".to_owned(),
        State::Approved => {
            let by = case.approved.as_ref().map_or("One reviewer", |statement| statement.by.as_str());
            format!("{by} approved it; another person has to release it. Nothing has been shared.")
        }
        State::Dismissed => "This case was dismissed. Nothing was shared.".to_owned(),
        State::Released | State::Updated => match case.released_version {
            Some(version) if version == case.version => format!(
                "Version {version} is shared: each partner receives the accounts of its own platform. Whether the partner acts on them \
                 is its own, voluntary decision."
            ),
            Some(version) => {
                format!("Partners have version {version}; version {} is newer and needs review.", case.version)
            }
            None => String::new(),
        },
        State::Retracted => "The finding has been withdrawn from everybody who was notified.".to_owned(),
        State::Closed => "This case is closed.".to_owned(),
    }
}
