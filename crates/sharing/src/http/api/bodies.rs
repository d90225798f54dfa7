//! Bodies of requests to the JSON API, and of its responses.

use messages::cluster::ClusterMessage;
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, schema::Type},
};

use crate::{
    publish::redaction,
    store::{CaseRow, FeedbackRow, Retraction, RetractionCase},
};
use casework::{
    Act,
    audit::Sealed,
    case::{Case, State, Step},
    handover::Handover,
    policy::{Fact, Outcome},
};

/// The person who sends the request.
#[derive(Serialize, ToSchema)]
pub(super) struct PersonBody {
    /// Empty for a visitor of a demonstration.
    pub name: String,
    /// reviewer, approver, admin.
    pub roles: Vec<&'static str>,
    /// Roles in which the person may sign off.
    pub sign_off_roles: Vec<String>,
    /// For the header X-CSRF-Token of requests that change something. Empty with a token, which does not need it.
    pub csrf: String,
    /// What the token of the request allows: read, deliveries, handovers. Only with a token, which has no role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<&'static str>>,
}

/// A page of cases.
#[derive(Serialize, ToSchema)]
pub(super) struct ListBody {
    /// Cases in all.
    pub total: usize,
    /// Number of cases in each state, whatever state is requested.
    pub states: std::collections::BTreeMap<String, i64>,
    /// This page.
    pub clusters: Vec<CaseRow>,
}

/// A case with its finding.
#[derive(Serialize, ToSchema)]
pub(super) struct CaseBody {
    /// Number of the case's changes. A step names the revision that the person saw.
    pub revision: i64,
    /// Whether it needs attention.
    pub needs_attention: bool,
    pub case: Case,
    /// The ids under which partners know the case, by partner.
    pub references: std::collections::BTreeMap<String, String>,
    #[schema(schema_with = finding)]
    pub cluster: ClusterMessage,
    /// Oldest first.
    pub history: Vec<Sealed>,
    /// Partners' feedback, oldest first.
    pub feedback: Vec<FeedbackRow>,
    /// Its withdrawals by partner, and whether the partner has acknowledged each.
    pub retractions: Vec<Retraction>,
    /// Retraction cases that partners' rejections opened.
    pub retraction_cases: Vec<RetractionCase>,
}

/// The policy's outcome for a case, and what each recipient that is notified would see.
#[derive(Serialize, ToSchema)]
pub(super) struct OutcomeBody {
    pub outcome: Outcome,
    /// By recipient.
    pub beside: std::collections::BTreeMap<String, Vec<redaction::Beside>>,
    /// SHA-256 of the STIX objects that each platform would get, by recipient. An approval covers these objects.
    pub objects: casework::policy::Rendered,
    /// By role of the outcome's `sign_offs`.
    pub who_may_sign_off: std::collections::BTreeMap<String, HoldersBody>,
}

/// Who may sign off in a role.
#[derive(Serialize, ToSchema)]
pub(super) struct HoldersBody {
    /// People of the file of users that hold the role.
    pub users: Vec<String>,
    /// The provider of logins, where there is one: it says with each login who holds the role.
    pub provider: Option<String>,
}

/// A step to take.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeBody {
    /// The `revision` of the case that the person saw. If the case was changed since then, the step is refused: 409.
    pub revision: i64,
    pub step: StepBody,
}

/// An action on a case.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "take", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum StepBody {
    /// Begins the review.
    BeginReview {},
    /// Records the sources-and-methods check.
    CheckSourcesAndMethods {
        /// What was considered.
        finding: String,
    },
    /// Records a fact that a rule of the policy requires.
    Record {
        /// What.
        fact: Fact,
    },
    /// Signs off in a role that the rules require. The person who is logged in has to hold the role.
    SignOff {
        /// The role.
        role: String,
        /// What was examined.
        comment: String,
    },
    /// Approves the sharing of the current version.
    Approve {
        /// Why.
        #[serde(default)]
        comment: String,
    },
    /// Decides not to share.
    Dismiss {
        /// Why.
        reason: String,
        /// Whether the accounts were found to be authentic, so that models can be trained with this verdict; `false` for any
        /// other reason.
        #[serde(default = "yes")]
        authentic: bool,
    },
    /// Takes back an approval or a dismissal.
    ReturnToReview {
        /// Why.
        reason: String,
    },
    /// Shares the approved version for the first time.
    Release {},
    /// Shares an approved later version.
    Update {},
    /// Withdraws everything that was shared.
    Retract {
        /// Why.
        reason: String,
    },
    /// Closes the case.
    Close {},
    /// Undoes the last decision of a case that is not shared, if nothing changed since.
    Undo {},
    /// Records that a person reviewed the reasons for attention.
    Attend {
        /// What was found.
        comment: String,
    },
    /// Proposes to renew the flags.
    ProposeRenewal {
        /// Why.
        reason: String,
    },
    /// Renews the flags. A person other than the proposer has to do it.
    Renew {},
    /// Puts the case under legal hold: it is neither erased nor deleted.
    PlaceHold {
        /// Why it must be preserved, and for whom.
        reason: String,
    },
    /// Lifts the legal hold. A person other than the one who placed it has to do it.
    LiftHold {
        /// Why it need not be preserved any more.
        reason: String,
    },
    /// Records that something was handed over to a recipient.
    RecordHandover {
        /// The recipient, the person who took it, how, and when.
        handover: Handover,
    },
    /// Withdraws some of the accounts that partners received.
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
pub(super) struct AccountBody {
    pub platform: String,
    pub account_id: String,
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
            StepBody::PlaceHold { reason } => return Act::PlaceHold { reason },
            StepBody::LiftHold { reason } => return Act::LiftHold { reason },
            StepBody::RecordHandover { handover } => return Act::RecordHandover(handover),
            StepBody::WithdrawAccounts { accounts, reason } => {
                let accounts = accounts.into_iter().map(|one| (one.platform, one.account_id));
                return Act::withdraw_accounts(accounts, reason);
            }
            StepBody::BeginReview {} => Step::BeginReview,
            StepBody::CheckSourcesAndMethods { finding } => Step::CheckSourcesAndMethods { finding },
            StepBody::Record { fact } => Step::Record(fact),
            StepBody::SignOff { role, comment } => Step::SignOff { role, comment },
            StepBody::Approve { comment } => Step::Approve { comment },
            StepBody::Dismiss { reason, authentic } => Step::Dismiss { reason, authentic },
            StepBody::ReturnToReview { reason } => Step::ReturnToReview { reason },
            StepBody::Release {} => Step::Release,
            StepBody::Update {} => Step::Update,
            StepBody::Retract { reason } => Step::Retract { reason },
            StepBody::Close {} => Step::Close,
            StepBody::Undo {} => Step::Undo,
        })
    }
}

/// The state of the case after the step.
#[derive(Serialize, ToSchema)]
pub(super) struct TakenBody {
    pub state: State,
    pub revision: i64,
    /// The step changed who receives what, so the earlier approval is no longer valid.
    pub needs_approval: bool,
}

/// Entries of the audit log: newest first, or oldest first with `after`.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditBody {
    pub entries: Vec<Sealed>,
}

/// Whether the audit log is intact.
#[derive(Serialize, ToSchema)]
pub(super) struct VerificationBody {
    pub whole: bool,
    /// Number of entries; of a broken log the number of the first bad entry.
    pub entry: i64,
    /// The last seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The same, or nothing.
pub(super) fn finding_or_null() -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    RefOr::T(Schema::OneOf(OneOfBuilder::new().item(finding()).item(null).build()))
}

/// The schema of a finding, which the description has from `messages`.
fn finding() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name("Finding"))
}
