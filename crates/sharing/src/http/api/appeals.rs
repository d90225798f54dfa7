//! Appeals of accounts that a case names.

use super::*;
use casework::appeal::{Appeal, NewAppeal};

/// Appeals.
#[derive(Serialize, ToSchema)]
pub(super) struct AppealsBody {
    /// Open ones first, by due date.
    appeals: Vec<Appeal>,
}

/// An appeal to record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAppealBody {
    /// Id of the cluster that the case is about.
    cluster_id: String,
    /// Platform of the account.
    platform: String,
    /// Id of the account.
    account_id: String,
    /// Who appeals, and how to reach them.
    from: String,
    /// What they say.
    #[schema(max_length = 4_000)]
    text: String,
}

/// The decision about an appeal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppealDecisionBody {
    /// Whether the account was named by mistake. Then it is withdrawn from everybody who received it.
    upheld: bool,
    /// Why.
    #[schema(max_length = 4_000)]
    reason: String,
}

/// The recorded appeal.
#[derive(Serialize, ToSchema)]
pub(super) struct AppealNumberBody {
    number: i64,
}

/// All appeals.
#[utoipa::path(get, path = "/api/appeals", responses(
    (status = 200, body = AppealsBody, description = "all appeals"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
pub(super) async fn appeals(Shared(sharing): Shared<Sharing>) -> Response<Body> {
    let began = Instant::now();
    let response = answer(&sharing, |inner| Ok(Some(AppealsBody { appeals: inner.store.appeals(true)? }))).await;
    counted(&sharing, "api", "appeals", began, response)
}

/// Records an appeal: from then on nothing more of the case is released, updated or renewed. For reviewers and approvers.
#[utoipa::path(post, path = "/api/appeals", params(
    ("X-CSRF-Token" = String, Header, description = "the session's token, from /api/person"),
), request_body = NewAppealBody, responses(
    (status = 200, body = AppealNumberBody, description = "the appeal is recorded"),
    (status = 400, body = ErrorBody, description = "the body is not an appeal"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 403, body = ErrorBody, description = "the role or the token is missing"),
    (status = 404, body = ErrorBody, description = "there is no such cluster"),
    (status = 409, body = ErrorBody, description = "the case was changed in the meantime"),
    (status = 413, body = ErrorBody, description = "the body is too large"),
    (status = 422, body = ErrorBody, description = "the appeal is refused"),
))]
pub(super) async fn record_appeal(
    Shared(sharing): Shared<Sharing>,
    Posted { person, form }: Posted<NewAppealBody>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match person.can(Task::RecordAppeal) {
        false => forbidden(&person, "the role reviewer or approver"),
        true => {
            let NewAppealBody { cluster_id, platform, account_id, from, text } = form;
            let appeal = NewAppeal { platform, account_id, from, text };
            match sharing.record_appeal(&cluster_id, appeal, &person.name).await {
                Ok(number) => ok(&AppealNumberBody { number }),
                Err(error) => refused(&sharing, error),
            }
        }
    };
    counted(&sharing, "api", "appeal_record", began, response)
}

/// Decides an appeal. For approvers who neither recorded it nor approved or released the case.
#[utoipa::path(post, path = "/api/appeals/{number}/decision", params(
    ("number" = i64, Path, description = "number of the appeal"),
    ("X-CSRF-Token" = String, Header, description = "the session's token, from /api/person"),
), request_body = AppealDecisionBody, responses(
    (status = 200, body = DoneBody, description = "the appeal is decided"),
    (status = 400, body = ErrorBody, description = "the body is not a decision, or the number is none"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 403, body = ErrorBody, description = "the role or the token is missing"),
    (status = 409, body = ErrorBody, description = "the case was changed in the meantime"),
    (status = 413, body = ErrorBody, description = "the body is too large"),
    (status = 422, body = ErrorBody, description = "the decision is refused"),
))]
pub(super) async fn decide_appeal(
    Shared(sharing): Shared<Sharing>,
    Number(number): Number,
    Posted { person, form }: Posted<AppealDecisionBody>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match person.can(Task::DecideAppeal) {
        false => forbidden(&person, "the role approver"),
        true => match sharing.decide_appeal(number, form.upheld, &form.reason, &person.name).await {
            Ok(()) => done(&sharing, Ok(())),
            Err(error) => refused(&sharing, error),
        },
    };
    counted(&sharing, "api", "appeal_decide", began, response)
}

fn refused(sharing: &Sharing, error: SharingError) -> Response<Body> {
    match error {
        SharingError::NoCase(_) => missing(),
        SharingError::Store(error @ StoreError::Conflict(_)) => {
            fault(StatusCode::CONFLICT, &error.to_string(), None, Some("load the appeal and its case again".to_owned()))
        }
        error => done(sharing, Err(error)),
    }
}
