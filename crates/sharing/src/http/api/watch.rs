//! The watch list: groups that the detector reported without flagging them, the decisions of reviewers, and the sample.

use super::*;
use crate::{
    service::watch::NotDecided,
    store::watch::{DrawRow, GroupQuery, GroupRow, SampledRow},
};
use casework::watch::{
    Action, Standing,
    estimate::{Answers, Figures},
    sample::{Answer, Stratum},
};
use messages::cluster::{ClusterMessage, Status};

/// Groups of the sample in an answer.
const SAMPLED: usize = 1_000;

/// A page of groups.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupsBody {
    /// Groups in all.
    total: usize,
    /// First what a person can decide and the detector could not.
    groups: Vec<GroupRow>,
}

/// A group with its evidence and history.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupBody {
    group: GroupRow,
    /// Null if it is not kept any more.
    #[schema(schema_with = bodies::finding_or_null)]
    cluster: Option<ClusterMessage>,
    /// Oldest first.
    history: Vec<casework::audit::Sealed>,
}

/// A decision about a group.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecideGroupBody {
    /// The `revision` of the group that the person saw. If the group was changed since then, the decision is refused: 409.
    revision: i64,
    decision: GroupDecisionBody,
}

/// What a reviewer decides about a group.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "take", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum GroupDecisionBody {
    /// Keeps it on the list as watched.
    Watch {
        /// What to look for.
        #[serde(default)]
        #[schema(max_length = 4_000)]
        note: String,
    },
    /// Takes it off the list.
    Dismiss {
        /// Why.
        #[schema(max_length = 4_000)]
        reason: String,
        /// Whether the accounts were found to be authentic, so that models can be trained with this verdict.
        #[serde(default)]
        authentic: bool,
    },
    /// Puts it back on the list as if nobody had decided.
    PutBack {
        /// Why.
        #[schema(max_length = 4_000)]
        reason: String,
    },
    /// Opens a case, with nothing shared.
    OpenCase {
        /// Why.
        #[schema(max_length = 4_000)]
        reason: String,
    },
    /// Answers about a group of the sample.
    Answer {
        answer: Answer,
        /// Why.
        #[schema(max_length = 4_000)]
        reason: String,
    },
}

/// The group after the decision.
#[derive(Serialize, ToSchema)]
pub(super) struct DecidedBody {
    standing: Standing,
    revision: i64,
}

/// The sample, and what follows from the answers.
#[derive(Serialize, ToSchema)]
pub(super) struct SampleBody {
    /// The parts of the last draw.
    last_draw: Vec<DrawRow>,
    /// Precision and recall among the groups that the detector reported. Operations that were never proposed do not count.
    figures: Figures,
    strata: Vec<StratumBody>,
    /// Those without an answer first.
    groups: Vec<SampledRow>,
}

/// What is known of one kind of group.
#[derive(Serialize, ToSchema)]
pub(super) struct StratumBody {
    stratum: Stratum,
    /// Groups of the kind at the last draw.
    population: u64,
    answered: usize,
    inauthentic: usize,
    unclear: u64,
    waiting: u64,
}

impl From<Answers> for StratumBody {
    fn from(part: Answers) -> Self {
        Self {
            stratum: part.stratum,
            population: part.population,
            answered: part.answers.len(),
            inauthentic: part.answers.iter().filter(|(_, yes)| *yes).count(),
            unclear: part.unclear,
            waiting: part.waiting,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WantedGroups {
    status: Option<String>,
    standing: Option<String>,
    page: Option<String>,
}

impl WantedGroups {
    /// The query, and the names of the parameters with unknown values.
    fn query(&self, limit: usize) -> (GroupQuery, Vec<&'static str>) {
        let mut odd = Vec::new();
        let mut known = |name: &'static str, known: bool| {
            if !known {
                odd.push(name);
            }
        };
        let standing = self.standing.as_deref().map(Standing::from_name);
        known("standing", standing != Some(None));
        let named = |text: &str| Status::ALL.into_iter().find(|status| status.name() == text);
        let status = self.status.as_deref().map(named);
        known("status", status != Some(None));
        let page = self.page.as_deref().map(|text| text.parse::<usize>().ok().filter(|n| (1..=1_000_000).contains(n)));
        known("page", page != Some(None));
        let offset = (page.flatten().unwrap_or(1) - 1) * limit;
        (GroupQuery { standing: standing.flatten(), status: status.flatten(), offset, limit }, odd)
    }
}

/// Groups that the detector reported without flagging them. Nothing of them is shared with anybody.
#[utoipa::path(get, path = "/api/watch/groups", params(
    ("standing" = Option<Standing>, Query, description = "only this standing; without it, those on the list"),
    ("status" = Option<String>, Query, description = "status of the finding", pattern = "^(flagged|single_source|coordinated|faded|near_miss)$"),
    ("page" = Option<u32>, Query, description = "from 1", minimum = 1, maximum = 1_000_000),
), responses(
    (status = 200, body = GroupsBody, description = "a page of groups"),
    (status = 400, body = ErrorBody, description = "a parameter has an unknown value"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
pub(super) async fn groups(
    Shared(sharing): Shared<Sharing>,
    wanted: Result<Query<WantedGroups>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let limit = sharing.config().console_page;
    let response = match wanted.map(|Query(wanted)| wanted.query(limit)) {
        Err(rejection) => json_error(StatusCode::BAD_REQUEST, &rejection.body_text()),
        Ok((_, odd)) if !odd.is_empty() => odd_query(&odd),
        Ok((query, _)) => {
            answer(&sharing, move |inner| {
                let (groups, total) = inner.store.groups(&query)?;
                Ok(Some(GroupsBody { total, groups }))
            })
            .await
        }
    };
    counted(&sharing, "api", "watch", began, response)
}

/// A group with its evidence and history.
#[utoipa::path(get, path = "/api/watch/groups/{id}", params(("id" = String, Path, description = "id of the cluster")), responses(
    (status = 200, body = GroupBody, description = "the group"),
    (status = 400, body = ErrorBody, description = "the id is not UTF-8"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 404, body = ErrorBody, description = "there is no such group"),
))]
pub(super) async fn group(Shared(sharing): Shared<Sharing>, Id(id): Id) -> Response<Body> {
    let began = Instant::now();
    let response = answer(&sharing, move |inner| {
        let Some((group, mut cluster)) = inner.store.group(&id)? else { return Ok(None) };
        if let Some(cluster) = &mut cluster {
            cluster.take_positions();
        }
        Ok(Some(GroupBody { group, cluster, history: inner.group_history(&id)? }))
    })
    .await;
    counted(&sharing, "api", "watch_group", began, response)
}

/// Takes a decision about a group, in the name of whoever is logged in.
#[utoipa::path(post, path = "/api/watch/groups/{id}/decisions", params(
    ("id" = String, Path, description = "id of the cluster"),
    ("X-CSRF-Token" = String, Header, description = "the session's token, from /api/person"),
), request_body = DecideGroupBody, responses(
    (status = 200, body = DecidedBody, description = "the decision was taken"),
    (status = 400, body = ErrorBody, description = "the body is not a decision"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
    (status = 403, body = ErrorBody, description = "the role or the token is missing"),
    (status = 404, body = ErrorBody, description = "there is no such group, or it is not in the sample"),
    (status = 409, body = ErrorBody, description = "the group was changed in the meantime"),
    (status = 413, body = ErrorBody, description = "the body is too large"),
    (status = 422, body = ErrorBody, description = "the decision is not allowed"),
))]
pub(super) async fn decide_group(
    Shared(sharing): Shared<Sharing>,
    Id(id): Id,
    Posted { person, form }: Posted<DecideGroupBody>,
) -> Response<Body> {
    let began = Instant::now();
    let response = decided(&sharing, &person, id, form).await;
    counted(&sharing, "api", "watch_decide", began, response)
}

async fn decided(sharing: &Sharing, person: &Person, id: String, body: DecideGroupBody) -> Response<Body> {
    if !person.can(Task::DecideGroup) {
        return forbidden(person, "the role reviewer");
    }
    let seen = body.revision;
    let action = match body.decision {
        GroupDecisionBody::Watch { note } => Action::Watch { note },
        GroupDecisionBody::Dismiss { reason, authentic } => Action::Dismiss { reason, authentic },
        GroupDecisionBody::PutBack { reason } => Action::PutBack { reason },
        GroupDecisionBody::OpenCase { reason } => Action::OpenCase { reason },
        GroupDecisionBody::Answer { answer, reason } => {
            return after(sharing, sharing.answer_sample(&id, seen, (answer, reason), &person.name).await, id).await;
        }
    };
    after(sharing, sharing.decide_group(&id, seen, action, &person.name).await, id).await
}

async fn after(sharing: &Sharing, taken: Result<(), NotDecided>, id: String) -> Response<Body> {
    match taken {
        Ok(()) => {
            answer(sharing, move |inner| {
                let found = inner.store.group(&id)?;
                Ok(found.map(|(row, _)| DecidedBody { standing: row.group.standing, revision: row.revision }))
            })
            .await
        }
        Err(NotDecided::NoGroup) => missing(),
        Err(error @ NotDecided::Changed) => fault(
            StatusCode::CONFLICT,
            &error.to_string(),
            Some("revision".to_owned()),
            Some("load the group again, and repeat the decision if it still applies".to_owned()),
        ),
        Err(NotDecided::Refused(refused)) => {
            fault(StatusCode::UNPROCESSABLE_ENTITY, &refused.to_string(), Some("decision".to_owned()), None)
        }
        Err(NotDecided::Failed(error)) => json_failed(sharing, &error),
    }
}

/// The sample of groups that reviewers are asked about, and precision and recall of the flag as their answers estimate them.
#[utoipa::path(get, path = "/api/watch/sample", responses(
    (status = 200, body = SampleBody, description = "the sample and the estimate"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
pub(super) async fn sample(Shared(sharing): Shared<Sharing>) -> Response<Body> {
    let began = Instant::now();
    let response = answer(&sharing, |inner| {
        let (answers, figures) = inner.estimate()?;
        Ok(Some(SampleBody {
            last_draw: inner.store.last_draw()?,
            figures,
            strata: answers.into_iter().map(StratumBody::from).collect(),
            groups: inner.store.sampled_groups(false, SAMPLED)?,
        }))
    })
    .await;
    counted(&sharing, "api", "watch_sample", began, response)
}
