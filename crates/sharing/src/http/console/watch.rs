//! The watch list: groups that the detector reported without flagging them, one of them with its evidence, and the sample that reviewers
//! are asked about.

pub(super) mod sample;

use std::time::Instant;

use askama::Template;
use axum::{
    body::Body,
    extract::{Path, Query, State as Shared, rejection::QueryRejection},
    http::{Response, StatusCode},
};
use messages::cluster::Status;
use presentation::{cluster, description, posts::Posts};
use serde::Deserialize;

use super::{Shell, case::Asked, review::Sent};
use crate::{
    http::{
        access::{self, Person, Posted},
        respond::{MessagePage, counted, failed, html, path_segment},
    },
    service::{Inner, Sharing, SharingError, posts, watch::NotDecided},
    store::watch::{AnswerRow, GroupQuery, GroupRow},
};
use casework::{
    Task,
    watch::{
        Action, LONGEST_REASON, Standing,
        sample::{Answer, Stratum},
    },
};

/// Groups of the sample on its page.
const SAMPLED: usize = 300;
/// Entries of a group's history on its page.
const HISTORY: usize = 100;
/// The statuses that a group on the list can have.
const STATUSES: [Status; 3] = [Status::Coordinated, Status::SingleSource, Status::NearMiss];

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    status: Option<String>,
    standing: Option<String>,
    page: Option<String>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "watch.html")]
struct ListPage {
    shell: Shell,
    statuses: Vec<(&'static str, &'static str, bool)>,
    tabs: Vec<(&'static str, String, bool)>,
    standing: Option<&'static str>,
    filtered: bool,
    waiting: usize,
    total: usize,
    from: usize,
    to: usize,
    rows: Vec<RowView>,
    previous: Option<String>,
    next: Option<String>,
    days: u32,
}

struct RowView {
    href: String,
    title: String,
    detail: String,
    id: String,
    badge: &'static str,
    status: &'static str,
    standing: &'static str,
    decided: Option<String>,
    probability: String,
    evidence: String,
    seen: String,
}

pub(super) async fn page(
    Shared(sharing): Shared<Sharing>,
    person: Person,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let wanted = wanted.map(|Query(wanted)| wanted).unwrap_or_default();
    let response = match sharing.blocking(move |inner| list_page(inner, &person, &wanted)).await {
        Ok(page) => html(StatusCode::OK, &page),
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "watch", began, response)
}

fn list_page(inner: &Inner, person: &Person, wanted: &Wanted) -> Result<ListPage, SharingError> {
    let limit = inner.config.console_page;
    let number = wanted.page.as_deref().and_then(|text| text.parse::<usize>().ok()).unwrap_or(1);
    let named = |name: &str| STATUSES.into_iter().find(|status| status.name() == name);
    let query = GroupQuery {
        standing: wanted.standing.as_deref().and_then(Standing::from_name),
        status: wanted.status.as_deref().and_then(named),
        offset: number.clamp(1, 1_000_000).saturating_sub(1) * limit,
        limit,
    };
    let (rows, total) = inner.store.groups(&query)?;
    let address = |standing: Option<Standing>, page: usize| {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        if let Some(standing) = standing {
            pairs.append_pair("standing", standing.name());
        }
        if let Some(status) = query.status {
            pairs.append_pair("status", status.name());
        }
        if page > 1 {
            pairs.append_pair("page", &page.to_string());
        }
        let pairs = pairs.finish();
        if pairs.is_empty() { "/watch".to_owned() } else { format!("/watch?{pairs}") }
    };
    let tab = |label: &'static str, standing| (label, address(standing, 1), query.standing == standing);
    let at = query.offset / limit.max(1) + 1;
    Ok(ListPage {
        shell: Shell::new(inner, person, "watch")?,
        statuses: STATUSES
            .map(|status| (status.name(), description::status(status), query.status == Some(status)))
            .to_vec(),
        tabs: vec![
            tab("on the list", None),
            tab("watched", Some(Standing::Watched)),
            tab("dismissed", Some(Standing::Dismissed)),
            tab("with a case", Some(Standing::Case)),
        ],
        standing: query.standing.map(Standing::name),
        filtered: query.standing.is_some() || query.status.is_some(),
        waiting: inner.store.sampled_groups(true, SAMPLED)?.len(),
        total,
        from: query.offset + 1,
        to: query.offset + rows.len(),
        previous: (at > 1).then(|| address(query.standing, at - 1)),
        next: (query.offset + rows.len() < total).then(|| address(query.standing, at + 1)),
        rows: rows.into_iter().map(row_view).collect(),
        days: inner.config.watch.days,
    })
}

fn badge(status: Status) -> &'static str {
    match status {
        Status::Flagged => "flagged",
        Status::SingleSource | Status::Faded => "single",
        Status::NearMiss => "near",
        Status::Coordinated => "coordinated",
    }
}

fn title(row: &GroupRow) -> String {
    let accounts = text_format::count(row.accounts.max(0).unsigned_abs(), "account");
    format!("{accounts} on {}", text_format::shorten(&row.platforms.replace(", ", " and "), 60))
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "not decided",
        Standing::Watched => "watched",
        Standing::Dismissed => "dismissed",
        Standing::Case => "with a case",
        Standing::Flagged => "flagged",
        Standing::Gone => "withdrawn or expired",
    }
}

fn row_view(row: GroupRow) -> RowView {
    let kinds: Vec<String> =
        row.kinds.split(", ").filter(|kind| !kind.is_empty()).map(description::stored_trace_kind).collect();
    RowView {
        href: format!("/watch/groups/{}", path_segment(&row.group.cluster_id)),
        title: title(&row),
        detail: match kinds.is_empty() {
            true => "no evidence by kind".to_owned(),
            false => format!("same {}", text_format::shorten(&text_format::list(&kinds), 80)),
        },
        id: text_format::shorten(&row.group.cluster_id, 24),
        badge: badge(row.group.status),
        status: description::status(row.group.status),
        standing: standing(row.group.standing),
        decided: row.group.decision.as_ref().map(|decision| {
            format!("{}: {}", text_format::shorten(&decision.by, 40), text_format::shorten(&decision.reason, 120))
        }),
        probability: row.probability.map_or_else(|| "none".to_owned(), text_format::percent),
        evidence: text_format::number(row.log_e),
        seen: text_format::minute(row.last_seen),
    }
}

/// A refused form, with what was typed.
#[derive(Clone)]
struct Refusal {
    form: String,
    why: String,
    typed: String,
}

#[derive(Template)]
#[template(path = "watch_group.html")]
struct GroupPage {
    shell: Shell,
    title: String,
    action: String,
    case: Option<String>,
    row: RowView,
    revision: i64,
    version: u32,
    can: bool,
    listed: bool,
    dismissed: bool,
    watched: bool,
    near_miss: bool,
    decision: Option<(String, String, String)>,
    done: Option<&'static str>,
    refused: Option<Refusal>,
    sampled: Option<SampleView>,
    body: Option<String>,
    history: Vec<(String, String, String, String)>,
    longest: usize,
}

struct SampleView {
    stratum: &'static str,
    answered: Option<String>,
    answers: Vec<(&'static str, &'static str, bool)>,
    /// Why this person is not asked.
    not_asked: Option<String>,
}

impl GroupPage {
    fn error(&self, form: &str) -> Option<&Refusal> {
        self.refused.as_ref().filter(|refused| refused.form == form)
    }

    fn kept(&self, form: &str) -> &str {
        self.error(form).map_or("", |refused| &refused.typed)
    }
}

pub(super) async fn group(
    Shared(sharing): Shared<Sharing>,
    person: Person,
    Path(id): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let response = show(&sharing, person, id, asked, (StatusCode::OK, None)).await;
    counted(&sharing, "console", "watch_group", began, response)
}

/// Takes a decision or an answer. If it is refused, shows the page again with the reason and the text that was typed.
pub(super) async fn decide(
    Shared(sharing): Shared<Sharing>,
    Path(id): Path<String>,
    Posted { person, form }: Posted<Vec<(String, String)>>,
) -> Response<Body> {
    let began = Instant::now();
    let sent = Sent(form);
    let step = sent.get("do").to_owned();
    let response = match take(&sharing, &person, &id, &sent).await {
        Ok(()) if step == "open_case" => access::redirect(&format!("/clusters/{}", path_segment(&id))),
        Ok(()) => {
            let mut to = format!("/watch/groups/{}?done=", path_segment(&id));
            to.extend(url::form_urlencoded::byte_serialize(step.as_bytes()));
            access::redirect(&to)
        }
        Err(NotDecided::NoGroup) => no_group(),
        Err(NotDecided::Failed(error)) => failed(&sharing, &error),
        Err(error) => {
            let status = match &error {
                NotDecided::Changed => StatusCode::CONFLICT,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            let refused = Refusal { form: step, why: error.to_string(), typed: sent.get("reason").to_owned() };
            show(&sharing, person, id, Asked::default(), (status, Some(refused))).await
        }
    };
    counted(&sharing, "console", "watch_decide", began, response)
}

async fn take(sharing: &Sharing, person: &Person, id: &str, sent: &Sent) -> Result<(), NotDecided> {
    let refuse = |why: &str| Err(NotDecided::Refused(casework::watch::Refused(why.to_owned())));
    if !person.can(Task::DecideGroup) {
        return refuse("this needs the role reviewer, which you do not have");
    }
    let Ok(seen) = sent.get("revision").parse::<i64>() else {
        return refuse("the form does not say which state of the group it is about");
    };
    let reason = sent.get("reason").to_owned();
    let action = match sent.get("do") {
        "watch" => Action::Watch { note: reason },
        "dismiss" => Action::Dismiss { reason, authentic: sent.get("authentic") == "yes" },
        "put_back" => Action::PutBack { reason },
        "open_case" => Action::OpenCase { reason },
        "answer" => {
            let Some(answer) = Answer::from_name(sent.get("answer")) else { return refuse("choose an answer") };
            return sharing.answer_sample(id, seen, (answer, reason), &person.name).await;
        }
        _ => return refuse("choose what to do with the group"),
    };
    sharing.decide_group(id, seen, action, &person.name).await
}

fn no_group() -> Response<Body> {
    html(
        StatusCode::NOT_FOUND,
        &MessagePage {
            title: "There is no such group",
            text: "It may have been withdrawn or merged into another group. The watch list shows all groups.".into(),
        },
    )
}

async fn show(
    sharing: &Sharing,
    person: Person,
    id: String,
    asked: Asked,
    (status, refused): (StatusCode, Option<Refusal>),
) -> Response<Body> {
    let shown = asked.shown(false);
    let wanted = id.clone();
    let quoted = sharing.blocking(move |inner| {
        Ok(inner.store.group(&wanted)?.map(|(_, found)| {
            let quoted = found
                .iter()
                .flat_map(|found| cluster::quoted(found, cluster::Limits::CONSOLE, &shown, posts::MOST + 1));
            quoted.map(posts::Wanted::from).collect::<Vec<_>>()
        }))
    });
    let posts = match quoted.await {
        Ok(Some(quoted)) => posts::look_up(sharing, quoted).await,
        Ok(None) => return no_group(),
        Err(error) => return failed(sharing, &error),
    };
    match sharing.blocking(move |inner| group_page(inner, &person, &id, &asked, refused, &posts)).await {
        Ok(Some(page)) => html(status, &page),
        Ok(None) => no_group(),
        Err(error) => failed(sharing, &error),
    }
}

fn group_page(
    inner: &Inner,
    person: &Person,
    id: &str,
    asked: &Asked,
    refused: Option<Refusal>,
    posts: &Posts,
) -> Result<Option<GroupPage>, SharingError> {
    let Some((row, found)) = inner.store.group(id)? else { return Ok(None) };
    let has_case = inner.store.case(id)?.is_some();
    let group = &row.group;
    let listed = group.standing.is_listed() && !has_case;
    let mut history = inner.group_history(id)?;
    let earlier = history.len().saturating_sub(HISTORY);
    history.drain(..earlier);
    let sampled = inner.store.sample_of(id)?.map(|(stratum, answer)| SampleView {
        stratum: stratum_words(stratum),
        not_asked: match &answer {
            Some(answer) if answer.by != person.name => Some("One answer is enough, and it is given.".to_owned()),
            _ => group.check_answer(&person.name).err().map(|refused| refused.0),
        },
        answers: Answer::ALL
            .map(|one| (one.name(), answer_words(one), answer.as_ref().is_some_and(|given| given.answer == one)))
            .to_vec(),
        answered: answer.as_ref().map(answered),
    });
    Ok(Some(GroupPage {
        shell: Shell::new(inner, person, "watch_group")?,
        title: title(&row),
        action: format!("/watch/groups/{}", path_segment(id)),
        case: has_case.then(|| format!("/clusters/{}", path_segment(id))),
        revision: row.revision,
        version: group.version,
        can: person.can(Task::DecideGroup),
        listed,
        dismissed: group.standing == Standing::Dismissed && !has_case,
        watched: group.standing == Standing::Watched,
        near_miss: group.status == Status::NearMiss,
        decision: group.decision.as_ref().map(|decision| {
            (
                text_format::shorten(&decision.by, 60),
                text_format::minute(decision.at),
                text_format::shorten(&decision.reason, LONGEST_REASON),
            )
        }),
        done: asked.done().filter(|_| refused.is_none()).and_then(done),
        refused,
        sampled,
        body: found
            .map(|found| cluster::body(&found, "cluster", cluster::Limits::CONSOLE, Some(&asked.shown(true)), posts)),
        history: history
            .into_iter()
            .rev()
            .map(|sealed| {
                (
                    text_format::second(sealed.entry.at),
                    text_format::shorten(&sealed.entry.actor, 60),
                    text_format::shorten(&sealed.entry.action.replace('_', " "), 60),
                    text_format::shorten(&sealed.entry.text, LONGEST_REASON),
                )
            })
            .collect(),
        longest: LONGEST_REASON,
        row: row_view(row),
    }))
}

fn done(step: &str) -> Option<&'static str> {
    Some(match step {
        "watch" => "Kept on the list as watched.",
        "dismiss" => "Dismissed. The group is off the list.",
        "put_back" => "Back on the list, as if nobody had decided.",
        "answer" => "Your answer is recorded.",
        _ => return None,
    })
}

fn stratum_words(stratum: Stratum) -> &'static str {
    match stratum {
        Stratum::Flagged => "flagged",
        Stratum::Coordinated => "coordinated",
        Stratum::SingleSource => "single source",
        Stratum::NearMiss => "near miss",
        Stratum::Dismissed => "dismissed from the watch list",
    }
}

fn answer_words(answer: Answer) -> &'static str {
    match answer {
        Answer::Inauthentic => "inauthentic: the accounts hide that they act together",
        Answer::Authentic => "authentic: the accounts are what they seem",
        Answer::CannotTell => "cannot tell from this evidence",
    }
}

fn answered(answer: &AnswerRow) -> String {
    format!(
        "{}, by {}, {} UTC: {}",
        answer.answer.name().replace('_', " "),
        text_format::shorten(&answer.by, 60),
        text_format::minute(answer.at),
        text_format::shorten(&answer.reason, 600)
    )
}
