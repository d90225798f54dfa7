//! Deliveries to webhooks, and withdrawals that partners have not acknowledged, and rejections that people decide.

use super::*;

/// A page of deliveries, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveriesBody {
    deliveries: Vec<Delivery>,
    /// Whether there is a further page.
    more: bool,
}

/// Withdrawals that partners have not acknowledged.
#[derive(Serialize, ToSchema)]
pub(super) struct RetractionsBody {
    /// The most overdue first.
    retractions: Vec<Retraction>,
}

/// Cases that rejections opened.
#[derive(Serialize, ToSchema)]
pub(super) struct RetractionCasesBody {
    retraction_cases: Vec<RetractionCase>,
}

/// How it is known that a partner has taken note.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoteBody {
    /// Who said so, when, by what means.
    #[schema(max_length = 4_000)]
    note: String,
}

/// What people make of a rejection.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "decide", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum DecisionBody {
    /// The partner is right: withdrawn from everybody.
    Withdraw {},
    /// What was shared stands.
    Keep {
        /// Why.
        #[schema(max_length = 4_000)]
        reason: String,
    },
}

/// That it was done.
#[derive(Serialize, ToSchema)]
pub(super) struct DoneBody {
    done: bool,
}

/// Deliveries to webhooks, newest first, a page at a time.
#[utoipa::path(get, path = "/api/deliveries", params(
    ("partner" = Option<String>, Query, description = "to this partner only"),
    ("state" = Option<DeliveryState>, Query, description = "in this state only"),
    ("page" = Option<u32>, Query, description = "from 1", minimum = 1, maximum = 1_000_000),
), responses(
    (status = 200, body = DeliveriesBody, description = "a page of deliveries"),
    (status = 400, body = ErrorBody, description = "a parameter has an unknown value"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
pub(super) async fn deliveries(
    Shared(sharing): Shared<Sharing>,
    wanted: Result<Query<WantedDeliveries>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match wanted.map(|Query(wanted)| wanted.query()) {
        Err(rejection) => json_error(StatusCode::BAD_REQUEST, &rejection.body_text()),
        Ok((_, odd)) if !odd.is_empty() => odd_query(&odd),
        Ok((query, _)) => {
            answer(&sharing, move |inner| {
                let mut deliveries = inner.store.deliveries(&query)?;
                let more = deliveries.len() > DELIVERIES_ON_A_PAGE;
                deliveries.truncate(DELIVERIES_ON_A_PAGE);
                Ok(Some(DeliveriesBody { deliveries, more }))
            })
            .await
        }
    };
    counted(&sharing, "api", "deliveries", began, response)
}

/// Sends a delivery again, whatever became of it, with the same id. For admins.
#[utoipa::path(post, path = "/api/deliveries/{id}/resend", params(
    ("id" = String, Path, description = "id of the delivery"),
    ("X-CSRF-Token" = String, Header, description = "the session's token, from /api/person"),
), responses(
    (status = 200, body = DoneBody, description = "the delivery is sent at once"),
    (status = 400, body = ErrorBody, description = "the id is not UTF-8"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 403, body = ErrorBody, description = "the role or the token is missing"),
    (status = 422, body = ErrorBody, description = "there is no such delivery"),
))]
pub(super) async fn resend(
    Shared(sharing): Shared<Sharing>,
    Id(id): Id,
    Posted { person, .. }: Posted<Nothing>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match person.can(Task::ManageDeliveries) {
        false => forbidden(&person, "the role admin"),
        _ if id.contains('\0') => nowhere("there is no such delivery"),
        _ => done(&sharing, sharing.resend_by(&id, &person.name).await),
    };
    counted(&sharing, "api", "resend", began, response)
}

/// Takes a dead delivery off the alert: the partner has it some other way. For admins.
#[utoipa::path(post, path = "/api/deliveries/{id}/discard", params(
    ("id" = String, Path, description = "id of the delivery"),
    ("X-CSRF-Token" = String, Header, description = "the session's token, from /api/person"),
), responses(
    (status = 200, body = DoneBody, description = "the delivery is discarded"),
    (status = 400, body = ErrorBody, description = "the id is not UTF-8"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 403, body = ErrorBody, description = "the role or the token is missing"),
    (status = 422, body = ErrorBody, description = "there is no such delivery, or it is neither dead nor disabled"),
))]
pub(super) async fn discard(
    Shared(sharing): Shared<Sharing>,
    Id(id): Id,
    Posted { person, .. }: Posted<Nothing>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match person.can(Task::ManageDeliveries) {
        false => forbidden(&person, "the role admin"),
        _ if id.contains('\0') => nowhere("there is no such delivery"),
        _ => done(&sharing, sharing.discard_by(&id, &person.name).await),
    };
    counted(&sharing, "api", "discard", began, response)
}

/// What is asked for beside the usual.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Flags {
    overdue: Option<String>,
    all: Option<String>,
}

/// Withdrawals that partners have not acknowledged.
#[utoipa::path(get, path = "/api/retractions", params(
    ("overdue" = Option<String>, Query, description = "1: only those that are overdue", pattern = "^(0|1|true|false)$"),
), responses(
    (status = 200, body = RetractionsBody, description = "the most overdue first"),
    (status = 400, body = ErrorBody, description = "a parameter has an unknown value"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
pub(super) async fn retractions(
    Shared(sharing): Shared<Sharing>,
    asked: Result<Query<Flags>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match asked.map(|Query(asked)| flag(asked.overdue.as_deref())) {
        Err(rejection) => json_error(StatusCode::BAD_REQUEST, &rejection.body_text()),
        Ok(None) => odd_query(&["overdue"]),
        Ok(Some(overdue)) => {
            answer(&sharing, move |inner| {
                let by = if overdue { Timestamp::now() } else { Timestamp::MAX };
                Ok(Some(RetractionsBody { retractions: inner.store.retractions_due(by)? }))
            })
            .await
        }
    };
    counted(&sharing, "api", "retractions", began, response)
}

/// Notes that a partner knows of a withdrawal, as somebody there said. For approvers and admins.
#[utoipa::path(post, path = "/api/retractions/{number}/acknowledgement", params(
    ("number" = i64, Path, description = "number of the withdrawal"),
    ("X-CSRF-Token" = String, Header, description = "the session's token, from /api/person"),
), request_body = NoteBody, responses(
    (status = 200, body = DoneBody, description = "the acknowledgement is recorded"),
    (status = 400, body = ErrorBody, description = "the number or the body cannot be read"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 403, body = ErrorBody, description = "the role or the token is missing"),
    (status = 413, body = ErrorBody, description = "the body is too large"),
    (status = 422, body = ErrorBody, description = "there is no such open withdrawal, or the note is empty"),
))]
pub(super) async fn acknowledgement(
    Shared(sharing): Shared<Sharing>,
    Number(number): Number,
    Posted { person, form }: Posted<NoteBody>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match person.can(Task::AcknowledgeWithdrawal) {
        false => forbidden(&person, "the role approver or admin"),
        true => done(&sharing, sharing.acknowledge_retraction(number, &form.note, &person.name).await),
    };
    counted(&sharing, "api", "acknowledgement", began, response)
}

/// Cases that a partner's rejection opened, oldest first.
#[utoipa::path(get, path = "/api/retraction_cases", params(
    ("all" = Option<String>, Query, description = "1: also decided cases", pattern = "^(0|1|true|false)$"),
), responses(
    (status = 200, body = RetractionCasesBody, description = "oldest first"),
    (status = 400, body = ErrorBody, description = "a parameter has an unknown value"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
pub(super) async fn retraction_cases(
    Shared(sharing): Shared<Sharing>,
    asked: Result<Query<Flags>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match asked.map(|Query(asked)| flag(asked.all.as_deref())) {
        Err(rejection) => json_error(StatusCode::BAD_REQUEST, &rejection.body_text()),
        Ok(None) => odd_query(&["all"]),
        Ok(Some(all)) => {
            answer(&sharing, move |inner| {
                Ok(Some(RetractionCasesBody { retraction_cases: inner.store.retraction_cases(all)? }))
            })
            .await
        }
    };
    counted(&sharing, "api", "retraction_cases", began, response)
}

/// Decides what a rejection asks for; one person suffices. For approvers.
#[utoipa::path(post, path = "/api/retraction_cases/{number}/decision", params(
    ("number" = i64, Path, description = "number of the retraction case"),
    ("X-CSRF-Token" = String, Header, description = "the session's token, from /api/person"),
), request_body = DecisionBody, responses(
    (status = 200, body = DoneBody, description = "the rejection is decided"),
    (status = 400, body = ErrorBody, description = "the number or the body cannot be read"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 403, body = ErrorBody, description = "the role or the token is missing"),
    (status = 409, body = ErrorBody, description = "somebody else changed the case in the meantime"),
    (status = 413, body = ErrorBody, description = "the body is too large"),
    (status = 422, body = ErrorBody, description = "there is no such open retraction case, or this decision is not possible"),
))]
pub(super) async fn decision(
    Shared(sharing): Shared<Sharing>,
    Number(number): Number,
    Posted { person, form }: Posted<DecisionBody>,
) -> Response<Body> {
    let began = Instant::now();
    let decision = match form {
        DecisionBody::Withdraw {} => casework::retraction::Decision::Withdraw,
        DecisionBody::Keep { reason } => casework::retraction::Decision::Keep { reason },
    };
    let response = match person.can(Task::DecideRejection) {
        false => forbidden(&person, "the role approver"),
        true => done(&sharing, sharing.decide_retraction(number, decision, &person.name).await),
    };
    counted(&sharing, "api", "decision", began, response)
}

/// A body that says nothing.
pub(super) struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: serde::Deserializer<'de>>(given: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(given).map(|_| Nothing)
    }
}

/// The number in a path.
pub(super) struct Number(pub(super) i64);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Path::<i64>::from_request_parts(parts, state).await.map(|Path(number)| Number(number)).map_err(|rejection| {
            fault(
                StatusCode::BAD_REQUEST,
                &rejection.body_text(),
                Some("path".to_owned()),
                Some("write a number".to_owned()),
            )
        })
    }
}

/// 1 or 0, which it is where nothing is said.
pub(super) fn flag(text: Option<&str>) -> Option<bool> {
    match text {
        Some("1" | "true") => Some(true),
        None | Some("0" | "false") => Some(false),
        _ => None,
    }
}

pub(super) fn odd_query(odd: &[&str]) -> Response<Body> {
    fault(
        StatusCode::BAD_REQUEST,
        "a parameter has a value that is not allowed",
        Some(format!("query: {}", odd.join(", "))),
        Some("see /api/openapi.json for the allowed values".to_owned()),
    )
}

pub(super) fn forbidden(person: &Person, needed: &str) -> Response<Body> {
    if person.token.is_some() {
        let next = "log in at the console: a token reads, and with its scopes records handovers or manages deliveries";
        let why = format!("this needs {needed}, and no scope of the token allows it");
        return fault(StatusCode::FORBIDDEN, &why, None, Some(next.to_owned()));
    }
    let why = format!("this needs {needed}, which {:?} does not have", person.name);
    fault(StatusCode::FORBIDDEN, &why, None, Some("ask the administrator of this service".to_owned()))
}

pub(super) fn nowhere(why: &str) -> Response<Body> {
    fault(StatusCode::UNPROCESSABLE_ENTITY, why, Some("path".to_owned()), Some("load the list again".to_owned()))
}

/// That it was done, or why not.
pub(super) fn done(sharing: &Sharing, done: Result<(), SharingError>) -> Response<Body> {
    match done {
        Ok(()) => ok(&DoneBody { done: true }),
        Err(SharingError::Store(StoreError::Partner(why))) => nowhere(&why),
        Err(error @ SharingError::NoRetractionCase(_)) => nowhere(&error.to_string()),
        Err(SharingError::Refused(why)) => fault(StatusCode::UNPROCESSABLE_ENTITY, &why, Some("body".to_owned()), None),
        Err(SharingError::Illegal(illegal)) => fault(
            StatusCode::UNPROCESSABLE_ENTITY,
            &format!("cannot {} the case: {}", illegal.verb, illegal.why),
            None,
            Some(format!("allowed now: {}", illegal.allowed)),
        ),
        Err(SharingError::Store(StoreError::Conflict(_))) => fault(
            StatusCode::CONFLICT,
            "somebody else changed the case in the meantime, so nothing was done",
            None,
            Some("load it again, and repeat the request if it still applies".to_owned()),
        ),
        Err(error) => json_failed(sharing, &error),
    }
}
