//! What requests to the JSON API carry, and what it answers.

use messages::cluster::ClusterMessage;
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{Ref, RefOr, Schema},
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

/// What went wrong, where, and what to do next.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// What.
    pub error: String,
    /// In which part of the request.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What to do, or what is allowed instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Who is asking.
#[derive(Serialize, ToSchema)]
pub(super) struct PersonBody {
    /// Empty for a visitor of a demonstration.
    pub name: String,
    /// reviewer, approver, admin.
    pub roles: Vec<&'static str>,
    /// Roles in which the person may sign off.
    pub sign_off_roles: Vec<String>,
    /// For the header X-CSRF-Token of whatever changes something. Empty with a token, which does not need it.
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
    /// Cases per state, whatever state is asked for.
    pub states: std::collections::BTreeMap<String, i64>,
    /// This page.
    pub clusters: Vec<CaseRow>,
}

/// A case with its finding.
#[derive(Serialize, ToSchema)]
pub(super) struct CaseBody {
    /// Counts changes: a step says which one it was decided on.
    pub revision: i64,
    /// Whether it waits for people.
    pub needs_attention: bool,
    pub case: Case,
    /// The ids under which partners know the case, by partner.
    pub references: std::collections::BTreeMap<String, String>,
    #[schema(schema_with = finding)]
    pub cluster: ClusterMessage,
    /// Oldest first.
    pub history: Vec<Sealed>,
    /// What partners said of it, oldest first.
    pub feedback: Vec<FeedbackRow>,
    /// What was withdrawn of it, by partner, and whether that partner knows.
    pub retractions: Vec<Retraction>,
    /// What partners' rejections opened.
    pub retraction_cases: Vec<RetractionCase>,
}

/// What the policy says of a case, and what each recipient that is told would see.
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
    /// The `revision` of the case that the step was decided on. A case that was changed since is left as it is: 409.
    pub revision: i64,
    pub step: StepBody,
}

/// Something done to a case.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "take", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum StepBody {
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
    /// Signs off in a role that the rules ask for, as whoever is logged in. It takes that role.
    SignOff {
        /// The role.
        role: String,
        /// What was examined.
        comment: String,
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
    /// Records that something was handed over to a recipient.
    RecordHandover {
        /// The recipient, the person who took it, how, and when.
        handover: Handover,
    },
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
        })
    }
}

/// Where the case stands now.
#[derive(Serialize, ToSchema)]
pub(super) struct TakenBody {
    pub state: State,
    pub revision: i64,
    /// The step changed who learns what, so the approval before it no longer holds.
    pub needs_approval: bool,
}

/// Entries of the audit log: newest first, or oldest first with `after`.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditBody {
    pub entries: Vec<Sealed>,
}

/// Whether the audit log is whole.
#[derive(Serialize, ToSchema)]
pub(super) struct VerificationBody {
    pub whole: bool,
    /// How many entries it has; of a broken log the first bad one.
    pub entry: i64,
    /// The last seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The schema of a finding, which the description has from `messages`.
fn finding() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name("Finding"))
}
