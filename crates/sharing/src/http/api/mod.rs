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
use messages::cluster::ClusterMessage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{
    OpenApi, ToSchema,
    openapi::{Ref, RefOr, Schema},
};

use crate::{
    http::{
        Server,
        access::{Person, Posted},
        console::{DELIVERIES, Wanted, WantedDeliveries, acknowledge_as, decide_as},
        respond::{counted, json_error, json_failed, json_response},
    },
    publish::redaction,
    service::{Inner, Sharing, SharingError},
    store::{CaseRow, Delivery, DeliveryState, FeedbackRow, Retraction, RetractionCase, StoreError},
};
use casework::{
    Act, Role, Task,
    audit::Sealed,
    case::{Case, State, Step},
    policy::{self, Fact, Outcome, Policy},
};

mod partners;

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

/// What went wrong, where, and what to do next.
#[derive(Serialize, ToSchema)]
struct ErrorBody {
    /// What.
    error: String,
    /// In which part of the request.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// What to do, or what is allowed instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Who is asking.
#[derive(Serialize, ToSchema)]
struct PersonBody {
    /// Empty for a visitor of a demonstration.
    name: String,
    /// reviewer, approver, admin.
    roles: Vec<&'static str>,
    /// For the header X-CSRF-Token of whatever changes something.
    csrf: String,
}

/// A page of cases.
#[derive(Serialize, ToSchema)]
struct ListBody {
    /// Cases in all.
    total: usize,
    /// Cases per state, whatever state is asked for.
    states: std::collections::BTreeMap<String, i64>,
    /// This page.
    clusters: Vec<CaseRow>,
}

/// A case with its finding.
#[derive(Serialize, ToSchema)]
struct CaseBody {
    /// Counts changes: a step says which one it was decided on.
    revision: i64,
    /// Whether it waits for people.
    needs_attention: bool,
    case: Case,
    #[schema(schema_with = finding)]
    cluster: ClusterMessage,
    /// Oldest first.
    history: Vec<Sealed>,
    /// What partners said of it, oldest first.
    feedback: Vec<FeedbackRow>,
    /// What was withdrawn of it, by partner, and whether that partner knows.
    retractions: Vec<Retraction>,
    /// What partners' rejections opened.
    retraction_cases: Vec<RetractionCase>,
}

/// What the policy says of a case, and what each recipient that is told would see.
#[derive(Serialize, ToSchema)]
struct OutcomeBody {
    outcome: Outcome,
    /// By recipient.
    beside: std::collections::BTreeMap<String, Vec<redaction::Beside>>,
}

/// A step to take.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TakeBody {
    /// The `revision` of the case that the step was decided on. A case that was changed since is left as it is: 409.
    revision: i64,
    step: StepBody,
}

/// Something done to a case.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "take", rename_all = "snake_case", deny_unknown_fields)]
enum StepBody {
    /// Starts to look.
    BeginReview {},
    /// Records the sources-and-methods check.
    CheckSourcesAndMethods {
        /// What was considered.
        finding: String,
    },
    /// Records what a rule of the policy asks for.
    Record {
        /// What.
        fact: Fact,
    },
    /// Says that the present version may be shared.
    Approve {
        /// Why.
        #[serde(default)]
        comment: String,
    },
    /// Says that it may not be shared.
    Dismiss {
        /// Why.
        reason: String,
        /// The accounts are found to be what they seem, and models may learn from it; `false` for any other reason.
        #[serde(default = "yes")]
        authentic: bool,
    },
    /// Takes an approval or a dismissal back.
    ReturnToReview {
        /// Why.
        reason: String,
    },
    /// Shares the approved version for the first time.
    Release {},
    /// Shares an approved later version.
    Update {},
    /// Withdraws what was shared.
    Retract {
        /// Why.
        reason: String,
    },
    /// Ends the case.
    Close {},
    /// Says that what the case asked attention for was looked at.
    Attend {
        /// What was found.
        comment: String,
    },
    /// Proposes that flags which run out go on.
    ProposeRenewal {
        /// Why.
        reason: String,
    },
    /// Renews them, by somebody other than whoever proposed it.
    Renew {},
    /// Withdraws some of the accounts that partners were told of.
    WithdrawAccounts {
        /// Which.
        accounts: Vec<AccountBody>,
        /// Why.
        reason: String,
    },
}

/// An account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccountBody {
    platform: String,
    account_id: String,
}

fn yes() -> bool {
    true
}

impl From<StepBody> for Act {
    fn from(body: StepBody) -> Act {
        Act::Step(match body {
            StepBody::Attend { comment } => return Act::Attend { comment },
            StepBody::ProposeRenewal { reason } => return Act::ProposeRenewal { reason },
            StepBody::Renew {} => return Act::Renew,
            StepBody::WithdrawAccounts { accounts, reason } => {
                let accounts = accounts.into_iter().map(|one| (one.platform, one.account_id));
                return Act::withdraw_accounts(accounts, reason);
            }
            StepBody::BeginReview {} => Step::BeginReview,
            StepBody::CheckSourcesAndMethods { finding } => Step::CheckSourcesAndMethods { finding },
            StepBody::Record { fact } => Step::Record(fact),
            StepBody::Approve { comment } => Step::Approve { comment },
            StepBody::Dismiss { reason, authentic } => Step::Dismiss { reason, authentic },
            StepBody::ReturnToReview { reason } => Step::ReturnToReview { reason },
            StepBody::Release {} => Step::Release,
            StepBody::Update {} => Step::Update,
            StepBody::Retract { reason } => Step::Retract { reason },
            StepBody::Close {} => Step::Close,
        })
    }
}

/// Where the case stands now.
#[derive(Serialize, ToSchema)]
struct TakenBody {
    state: State,
    revision: i64,
}

/// Entries of the audit log, newest first.
#[derive(Serialize, ToSchema)]
struct AuditBody {
    entries: Vec<Sealed>,
}

/// Whether the audit log is whole.
#[derive(Serialize, ToSchema)]
struct VerificationBody {
    whole: bool,
    /// How many entries it has; of a broken log the first bad one.
    entry: i64,
    /// The last seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lockstep review console",
        description = "Cases, the policy's outcome, and the steps that people take. The session's cookie says who asks; whatever \
                       changes something carries the session's token (GET /api/person) in the header X-CSRF-Token. Every \
                       error says what went wrong and what to do next.",
        license(name = "Apache-2.0")
    ),
    paths(
        description, person, list, one, outcome, step, deliveries, resend, discard, retractions, acknowledgement,
        retraction_cases, decision, recipients, audit, verification
    ),
    components(schemas(ErrorBody)),
    modifiers(&Session),
    security(("session" = []))
)]
struct Api;

struct Session;

impl utoipa::Modify for Session {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
        let components = openapi.components.get_or_insert_default();
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("lockstep")));
        components.add_security_scheme("session", cookie);
    }
}

fn finding() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name("Finding"))
}

/// The description, with the schema of a finding as `messages` has it.
fn openapi() -> Value {
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    let mut schema = schemars::schema_for!(ClusterMessage).to_value();
    let parts = schema.as_object_mut().and_then(|schema| schema.remove("$defs"));
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    let mut found = vec![("Finding".to_owned(), schema)];
    if let Some(Value::Object(parts)) = parts {
        found.extend(parts.into_iter().map(|(name, part)| (format!("Finding{name}"), part)));
    }
    for (name, mut part) in found {
        refer(&mut part);
        document["components"]["schemas"][name] = part;
    }
    document
}

/// Makes references inside one schema such within the description, and leaves out formats of schemars' own.
fn refer(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(to)) = fields.get_mut("$ref") {
                *to = to.replace("#/$defs/", "#/components/schemas/Finding");
            }
            fields.remove("format");
            fields.values_mut().for_each(refer);
        }
        Value::Array(items) => items.iter_mut().for_each(refer),
        _ => {}
    }
}

/// This description.
#[utoipa::path(get, path = "/api/openapi.json", responses(
    (status = 200, description = "OpenAPI 3.1"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn description(Shared(sharing): Shared<Sharing>) -> Response<Body> {
    let began = Instant::now();
    counted(&sharing, "api", "openapi", began, json_response(StatusCode::OK, &openapi()))
}

/// Who is logged in, and the token for whatever changes something.
#[utoipa::path(get, path = "/api/person", responses(
    (status = 200, body = PersonBody, description = "who asks"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn person(Shared(sharing): Shared<Sharing>, person: Person) -> Response<Body> {
    let began = Instant::now();
    let roles = Role::ALL.into_iter().filter(|role| person.may(*role)).map(Role::name).collect();
    let body = PersonBody { name: person.name, roles, csrf: person.csrf };
    counted(&sharing, "api", "person", began, ok(&body))
}

/// Cases, filtered, searched and ordered, a page at a time.
#[utoipa::path(get, path = "/api/clusters", params(
    ("q" = Option<String>, Query, description = "words, each whole or its beginning: cluster, case, account, topic, key", max_length = 400),
    ("state" = Option<State>, Query, description = "where the case stands"),
    ("status" = Option<String>, Query, description = "what the detector says", pattern = "^(flagged|single_source|coordinated|faded|near_miss)$"),
    ("platform" = Option<String>, Query, description = "a platform that has accounts in it"),
    ("attention" = Option<String>, Query, description = "1: only cases that wait for people", pattern = "^(0|1|true|false)$"),
    ("demo" = Option<String>, Query, description = "1: only cases of a demonstration; 0: none of them", pattern = "^(0|1|true|false)$"),
    ("sort" = Option<String>, Query, description = "default: changed", pattern = "^(changed|seen|evidence|probability|accounts)$"),
    ("dir" = Option<String>, Query, description = "default: desc", pattern = "^(asc|desc)$"),
    ("page" = Option<u32>, Query, description = "from 1", minimum = 1, maximum = 1_000_000),
), responses(
    (status = 200, body = ListBody, description = "a page of cases"),
    (status = 400, body = ErrorBody, description = "a parameter cannot be understood"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn list(Shared(sharing): Shared<Sharing>, wanted: Result<Query<Wanted>, QueryRejection>) -> Response<Body> {
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
        Ok(Some(CaseBody {
            revision: stored.revision,
            needs_attention: stored.case.needs_attention(),
            case: stored.case,
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

/// Who would be told of a case now, of what, by which rules, and what stands in the way.
#[utoipa::path(get, path = "/api/clusters/{id}/outcome", params(("id" = String, Path, description = "id of the cluster")), responses(
    (status = 200, body = OutcomeBody, description = "what the policy says"),
    (status = 400, body = ErrorBody, description = "the id is not UTF-8"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 404, body = ErrorBody, description = "there is no such cluster"),
))]
async fn outcome(Shared(sharing): Shared<Sharing>, Id(id): Id) -> Response<Body> {
    let began = Instant::now();
    let response = answer(&sharing, move |inner| {
        let Some(stored) = inner.store.case(&id)? else { return Ok(None) };
        let outcome = policy::decide(&stored.case, &inner.policy.terms(&stored.cluster), Timestamp::now());
        let platform =
            |name: &str| inner.policy.recipients.iter().find(|recipient| recipient.name == name)?.platform.as_deref();
        let beside = outcome
            .told()
            .map(|decision| {
                let seen = redaction::beside(&stored.cluster, &decision.shows, platform(&decision.recipient));
                (decision.recipient.clone(), seen)
            })
            .collect();
        Ok(Some(OutcomeBody { outcome, beside }))
    })
    .await;
    counted(&sharing, "api", "outcome", began, response)
}

/// Takes a step, in the name of whoever is logged in.
#[utoipa::path(post, path = "/api/clusters/{id}/steps", params(
    ("id" = String, Path, description = "id of the cluster"),
    ("X-CSRF-Token" = String, Header, description = "the session's token, from /api/person"),
), request_body = TakeBody, responses(
    (status = 200, body = TakenBody, description = "it was taken"),
    (status = 400, body = ErrorBody, description = "the body is not a step"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 403, body = ErrorBody, description = "the role or the token is missing"),
    (status = 404, body = ErrorBody, description = "there is no such cluster"),
    (status = 409, body = ErrorBody, description = "somebody else changed the case meanwhile"),
    (status = 413, body = ErrorBody, description = "the body is too large"),
    (status = 422, body = ErrorBody, description = "the step is not allowed; `next` says what is"),
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
    let role = act.needs();
    if !person.may(role) {
        return forbidden(person, role.name());
    }
    match sharing.act_seen(&id, body.revision, act, &person.name).await {
        Ok(state) => {
            answer(sharing, move |inner| {
                let revision = inner.store.case(&id)?.map(|stored| stored.revision);
                Ok(revision.map(|revision| TakenBody { state, revision }))
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
            "somebody else changed the case meanwhile, so nothing was done",
            Some("revision".to_owned()),
            Some("load the case again, and repeat the step if it still stands".to_owned()),
        ),
        Err(error) => json_failed(sharing, &error),
    }
}

/// Who may be told, and by which rules.
#[utoipa::path(get, path = "/api/recipients", responses(
    (status = 200, body = Policy, description = "recipients and what is data about the rules"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn recipients(Shared(sharing): Shared<Sharing>) -> Response<Body> {
    let began = Instant::now();
    let response = ok(&sharing.inner.policy);
    counted(&sharing, "api", "recipients", began, response)
}

/// Which entries.
#[derive(Debug, Default, Deserialize)]
struct Before {
    before: Option<i64>,
}

/// Entries of the audit log, newest first.
#[utoipa::path(get, path = "/api/audit", params(
    ("before" = Option<i64>, Query, description = "only entries before that one"),
), responses(
    (status = 200, body = AuditBody, description = "at most 200 entries"),
    (status = 400, body = ErrorBody, description = "`before` is no number"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
async fn audit(Shared(sharing): Shared<Sharing>, asked: Result<Query<Before>, QueryRejection>) -> Response<Body> {
    let began = Instant::now();
    let response = match asked {
        Err(rejection) => json_error(StatusCode::BAD_REQUEST, &rejection.body_text()),
        Ok(Query(Before { before })) => {
            answer(&sharing, move |inner| Ok(Some(AuditBody { entries: inner.store.audit_before(before, ENTRIES)? })))
                .await
        }
    };
    counted(&sharing, "api", "audit", began, response)
}

/// Checks every seal of the audit log.
#[utoipa::path(get, path = "/api/audit/verification", responses(
    (status = 200, body = VerificationBody, description = "whether the log is whole"),
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
            tracing::error!(%error, "an answer could not be written");
            json_error(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written")
        }
    }
}

fn missing() -> Response<Body> {
    fault(
        StatusCode::NOT_FOUND,
        "there is no such cluster",
        Some("path".to_owned()),
        Some("it may have been merged into another one: look it up in /api/clusters".to_owned()),
    )
}

fn fault(status: StatusCode, error: &str, at: Option<String>, next: Option<String>) -> Response<Body> {
    let body = ErrorBody { error: error.to_owned(), at, next };
    json_response(status, &json!(body))
}
