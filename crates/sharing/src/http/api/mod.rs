//! The JSON API of the console: everything that its pages show and do. Described by OpenAPI 3.1 at `/api/openapi.json`.

use std::time::Instant;

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Path, Query, State as Shared, rejection::QueryRejection},
    http::{Response, StatusCode, request::Parts},
    routing::{get, post},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    http::{
        Server,
        access::{Person, Posted},
        filters::{DELIVERIES_ON_A_PAGE, WantedCases, WantedDeliveries},
        respond::{ErrorBody, counted, fault, json_error, json_failed, json_response},
    },
    service::{Inner, Sharing, SharingError},
    store::{Delivery, DeliveryState, Retraction, RetractionCase, StoreError},
    token::Scope,
};
use casework::{
    Act, Role, Task,
    case::State,
    policy::{self, Decision, Policy},
};

mod appeals;
mod bodies;
mod description;
mod partners;
mod scoreboard;
mod watch;

use bodies::*;
use partners::*;

/// Entries of the audit log in an answer.
const ENTRIES: i64 = 200;

/// Its routes.
pub(crate) fn routes() -> Router<Server> {
    Router::new()
        .route("/api/openapi.json", get(description))
        .route("/api/person", get(person))
        .route("/api/clusters", get(list))
        .route("/api/clusters/{id}", get(one))
        .route("/api/clusters/{id}/outcome", get(outcome))
        .route("/api/clusters/{id}/steps", post(step))
        .route("/api/deliveries", get(deliveries))
        .route("/api/deliveries/{id}/resend", post(resend))
        .route("/api/deliveries/{id}/discard", post(discard))
        .route("/api/retractions", get(retractions))
        .route("/api/retractions/{number}/acknowledgement", post(acknowledgement))
        .route("/api/retraction_cases", get(retraction_cases))
        .route("/api/retraction_cases/{number}/decision", post(decision))
        .route("/api/watch/groups", get(watch::groups))
        .route("/api/watch/groups/{id}", get(watch::group))
        .route("/api/watch/groups/{id}/decisions", post(watch::decide_group))
        .route("/api/watch/sample", get(watch::sample))
        .route("/api/appeals", get(appeals::appeals).post(appeals::record_appeal))
        .route("/api/appeals/{number}/decision", post(appeals::decide_appeal))
        .route("/api/scoreboard", get(scoreboard::scoreboard))
        .route("/api/recipients", get(recipients))
        .route("/api/audit", get(audit))
        .route("/api/audit/verification", get(verification))
}

/// The id in a path; one that is not UTF-8 is refused in JSON as all else.
struct Id(String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Id(id)),
            Err(rejection) => Err(fault(
                StatusCode::BAD_REQUEST,
                &rejection.body_text(),
                Some("path".to_owned()),
                Some("write the id as UTF-8, percent-encoded".to_owned()),
            )),
        }
    }
}

/// This description.
#[utoipa::path(get, path = "/api/openapi.json", responses(
    (status = 200, description = "OpenAPI 3.1"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn description(Shared(sharing): Shared<Sharing>) -> Response<Body> {
    let began = Instant::now();
    counted(&sharing, "api", "openapi", began, json_response(StatusCode::OK, &description::openapi()))
}

/// Who is logged in, and the token for whatever changes something.
#[utoipa::path(get, path = "/api/person", responses(
    (status = 200, body = PersonBody, description = "who asks"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn person(Shared(sharing): Shared<Sharing>, person: Person) -> Response<Body> {
    let began = Instant::now();
    let roles = Role::ALL.into_iter().filter(|role| person.may(*role)).map(Role::name).collect();
    let sign_off_roles = person.sign_off_roles.into_iter().collect();
    let scopes = person.token.map(|scopes| scopes.into_iter().map(Scope::name).collect());
    let body = PersonBody { name: person.name, roles, sign_off_roles, csrf: person.csrf, scopes };
    counted(&sharing, "api", "person", began, ok(&body))
}

/// Cases, filtered, searched and ordered, a page at a time.
#[utoipa::path(get, path = "/api/clusters", params(
    ("q" = Option<String>, Query, description = "words, each whole or its beginning: cluster, case, account, topic, key", max_length = 400),
    ("state" = Option<State>, Query, description = "state of the case"),
    ("status" = Option<String>, Query, description = "status of the finding", pattern = "^(flagged|single_source|coordinated|faded|near_miss)$"),
    ("platform" = Option<String>, Query, description = "a platform of its accounts"),
    ("attention" = Option<String>, Query, description = "1: only cases that need attention", pattern = "^(0|1|true|false)$"),
    ("demo" = Option<String>, Query, description = "1: only cases of a demonstration; 0: none of them", pattern = "^(0|1|true|false)$"),
    ("sort" = Option<String>, Query, description = "default: changed", pattern = "^(changed|seen|evidence|probability|accounts)$"),
    ("dir" = Option<String>, Query, description = "default: desc", pattern = "^(asc|desc)$"),
    ("page" = Option<u32>, Query, description = "from 1", minimum = 1, maximum = 1_000_000),
), responses(
    (status = 200, body = ListBody, description = "a page of cases"),
    (status = 400, body = ErrorBody, description = "a parameter has an unknown value"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn list(Shared(sharing): Shared<Sharing>, wanted: Result<Query<WantedCases>, QueryRejection>) -> Response<Body> {
    let began = Instant::now();
    let limit = sharing.config().console_page;
    let response = match wanted.map(|Query(wanted)| wanted.query(limit)) {
        Err(rejection) => json_error(StatusCode::BAD_REQUEST, &rejection.body_text()),
        Ok((_, odd)) if !odd.is_empty() => odd_query(&odd),
        Ok((query, _)) => {
            answer(&sharing, move |inner| {
                let (clusters, total) = inner.store.cases(&query)?;
                let states = inner.store.counted(&query)?.into_iter().collect();
                Ok(Some(ListBody { total, states, clusters }))
            })
            .await
        }
    };
    counted(&sharing, "api", "list", began, response)
}

/// A case with its finding and history.
#[utoipa::path(get, path = "/api/clusters/{id}", params(("id" = String, Path, description = "id of the cluster")), responses(
    (status = 200, body = CaseBody, description = "the case"),
    (status = 400, body = ErrorBody, description = "the id is not UTF-8"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 404, body = ErrorBody, description = "there is no such cluster"),
))]
async fn one(Shared(sharing): Shared<Sharing>, Id(id): Id) -> Response<Body> {
    let began = Instant::now();
    let response = answer(&sharing, move |inner| {
        let Some(mut stored) = inner.store.case(&id)? else { return Ok(None) };
        stored.cluster.take_positions();
        let history = inner.store.history(&stored.case.id)?;
        let feedback = inner.store.feedback_of(&stored.case.id)?;
        let retractions = inner.store.retractions_of(&stored.case.id)?;
        let retraction_cases = inner.store.retraction_cases_of(&stored.case.id)?;
        let references = inner.store.references_by_partner(&stored.case.id)?;
        Ok(Some(CaseBody {
            revision: stored.revision,
            needs_attention: stored.case.needs_attention(),
            case: stored.case,
            references,
            cluster: stored.cluster,
            history,
            feedback,
            retractions,
            retraction_cases,
        }))
    })
    .await;
    counted(&sharing, "api", "cluster", began, response)
}

/// The policy's outcome for a case: who would be notified of what, by which rules, and what is required before a release.
#[utoipa::path(get, path = "/api/clusters/{id}/outcome", params(("id" = String, Path, description = "id of the cluster")), responses(
    (status = 200, body = OutcomeBody, description = "the policy's outcome"),
    (status = 400, body = ErrorBody, description = "the id is not UTF-8"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 404, body = ErrorBody, description = "there is no such cluster"),
))]
async fn outcome(Shared(server): Shared<Server>, Id(id): Id) -> Response<Body> {
    let began = Instant::now();
    let Server { sharing, access } = server;
    let response = answer(&sharing, move |inner| {
        let Some(stored) = inner.store.case(&id)? else { return Ok(None) };
        let rendered = inner.rendered(&stored)?;
        let terms = inner.policy.terms(&stored.cluster).with_rendered(Some(&rendered));
        let outcome = policy::decide(&stored.case, &terms, Timestamp::now());
        let notified: Vec<&Decision> = outcome.notified().collect();
        let beside = inner.beside(&stored, &notified)?;
        let who_may_sign_off = outcome
            .sign_offs
            .iter()
            .map(|needed| {
                let (users, provider) = access.holders(&needed.role);
                (needed.role.clone(), HoldersBody { users, provider })
            })
            .collect();
        Ok(Some(OutcomeBody { outcome, beside, objects: rendered, who_may_sign_off }))
    })
    .await;
    counted(&sharing, "api", "outcome", began, response)
}

/// Takes a step, in the name of whoever is logged in.
#[utoipa::path(post, path = "/api/clusters/{id}/steps", params(
    ("id" = String, Path, description = "id of the cluster"),
    ("X-CSRF-Token" = String, Header, description = "the session's token, from /api/person"),
), request_body = TakeBody, responses(
    (status = 200, body = TakenBody, description = "the step was taken"),
    (status = 400, body = ErrorBody, description = "the body is not a step"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 403, body = ErrorBody, description = "the role or the token is missing"),
    (status = 404, body = ErrorBody, description = "there is no such cluster"),
    (status = 409, body = ErrorBody, description = "somebody else changed the case in the meantime"),
    (status = 413, body = ErrorBody, description = "the body is too large"),
    (status = 422, body = ErrorBody, description = "the step is not allowed; `next` lists the allowed steps"),
))]
async fn step(
    Shared(sharing): Shared<Sharing>,
    Id(id): Id,
    Posted { person, form }: Posted<TakeBody>,
) -> Response<Body> {
    let began = Instant::now();
    let response = take(&sharing, &person, id, form).await;
    counted(&sharing, "api", "step", began, response)
}

async fn take(sharing: &Sharing, person: &Person, id: String, body: TakeBody) -> Response<Body> {
    let act = Act::from(body.step);
    if !person.may_take(&act) {
        return forbidden(person, &act.needs().to_string());
    }
    match sharing.act_seen(&id, body.revision, act, &person.name).await {
        Ok(taken) => {
            answer(sharing, move |inner| {
                let revision = inner.store.case(&id)?.map(|stored| stored.revision);
                let (state, needs_approval) = (taken.state, taken.took_approval_back);
                Ok(revision.map(|revision| TakenBody { state, revision, needs_approval }))
            })
            .await
        }
        Err(SharingError::NoCase(_)) => missing(),
        Err(SharingError::Illegal(illegal)) => fault(
            StatusCode::UNPROCESSABLE_ENTITY,
            &format!("cannot {} the case: {}", illegal.verb, illegal.why),
            Some("step".to_owned()),
            Some(format!("allowed now: {}", illegal.allowed)),
        ),
        Err(SharingError::Store(StoreError::Conflict(_))) => fault(
            StatusCode::CONFLICT,
            "somebody else changed the case in the meantime, so nothing was done",
            Some("revision".to_owned()),
            Some("load the case again, and repeat the step if it still applies".to_owned()),
        ),
        Err(error) => json_failed(sharing, &error),
    }
}

/// The recipients and the rules.
#[utoipa::path(get, path = "/api/recipients", responses(
    (status = 200, body = Policy, description = "recipients and the data of the rules"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn recipients(Shared(sharing): Shared<Sharing>) -> Response<Body> {
    let began = Instant::now();
    let response = ok(&sharing.inner.policy);
    counted(&sharing, "api", "recipients", began, response)
}

/// Which entries.
#[derive(Debug, Default, Deserialize)]
struct Range {
    before: Option<i64>,
    after: Option<i64>,
}

/// Entries of the audit log: newest first, or oldest first with `after`, as a program asks that follows the log.
#[utoipa::path(get, path = "/api/audit", params(
    ("before" = Option<i64>, Query, description = "only entries before this number, newest first"),
    ("after" = Option<i64>, Query, description = "only entries after this number, oldest first; 0 begins at the first entry"),
), responses(
    (status = 200, body = AuditBody, description = "at most 200 entries"),
    (status = 400, body = ErrorBody, description = "`before` or `after` is not a number, or both are given"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn audit(Shared(sharing): Shared<Sharing>, asked: Result<Query<Range>, QueryRejection>) -> Response<Body> {
    let began = Instant::now();
    let response = match asked {
        Err(rejection) => json_error(StatusCode::BAD_REQUEST, &rejection.body_text()),
        Ok(Query(Range { before: Some(_), after: Some(_) })) => odd_query(&["before", "after"]),
        Ok(Query(Range { after: Some(after), .. })) => {
            answer(&sharing, move |inner| Ok(Some(AuditBody { entries: inner.store.audit_after(after, ENTRIES)? })))
                .await
        }
        Ok(Query(Range { before, .. })) => {
            answer(&sharing, move |inner| Ok(Some(AuditBody { entries: inner.store.audit_before(before, ENTRIES)? })))
                .await
        }
    };
    counted(&sharing, "api", "audit", began, response)
}

/// Checks every seal of the audit log.
#[utoipa::path(get, path = "/api/audit/verification", responses(
    (status = 200, body = VerificationBody, description = "whether the log is intact"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn verification(Shared(sharing): Shared<Sharing>) -> Response<Body> {
    let began = Instant::now();
    let response = answer(&sharing, |inner| {
        Ok(Some(match inner.store.verify_audit(None)? {
            Ok((entry, seal)) => VerificationBody { whole: true, entry, seal: Some(seal), error: None },
            Err(broken) => {
                VerificationBody { whole: false, entry: broken.seq, seal: None, error: Some(broken.to_string()) }
            }
        }))
    })
    .await;
    counted(&sharing, "api", "verification", began, response)
}

/// What the work finds, on the blocking side; nothing is 404.
async fn answer<T: Serialize + Send + 'static>(
    sharing: &Sharing,
    work: impl FnOnce(&Inner) -> Result<Option<T>, SharingError> + Send + 'static,
) -> Response<Body> {
    match sharing.blocking(work).await {
        Ok(Some(body)) => ok(&body),
        Ok(None) => missing(),
        Err(error) => json_failed(sharing, &error),
    }
}

fn ok(body: &impl Serialize) -> Response<Body> {
    match serde_json::to_value(body) {
        Ok(body) => json_response(StatusCode::OK, &body),
        Err(error) => {
            tracing::error!(%error, "a response could not be written");
            json_error(StatusCode::INTERNAL_SERVER_ERROR, "the response could not be written")
        }
    }
}

fn missing() -> Response<Body> {
    fault(
        StatusCode::NOT_FOUND,
        "there is no such cluster",
        Some("path".to_owned()),
        Some("it may have been merged into another cluster: search in /api/clusters".to_owned()),
    )
}
