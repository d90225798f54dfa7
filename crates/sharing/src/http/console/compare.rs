//! Two clusters side by side.

use std::time::Instant;

use askama::Template;
use axum::{
    body::Body,
    extract::{Query, State as Shared, rejection::QueryRejection},
    http::{Response, StatusCode},
};

use super::{Shell, review::Sent};
use crate::{
    http::{
        access::{self, Person, Posted},
        respond::{MessagePage, counted, failed, from_path_segment, html, no_case, path_segment},
    },
    service::{Inner, Sharing, SharingError},
};
use presentation::compare::{Comparison, compare};

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    shell: Shell,
    clusters: [ClusterView; 2],
    comparison: Comparison,
}

struct ClusterView {
    href: String,
    id: String,
    state: String,
    state_class: &'static str,
}

/// Compares the clusters that the query string names as `case`.
pub(super) async fn page(
    Shared(sharing): Shared<Sharing>,
    person: Person,
    asked: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let asked = Sent(asked.map(|Query(asked)| asked).unwrap_or_default());
    let ids: Vec<String> = asked.all("case").map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
    let response = match <[String; 2]>::try_from(ids) {
        Err(_) => choose_two(),
        Ok(ids) => match sharing.blocking(move |inner| compare_page(inner, &person, &ids)).await {
            Ok(Some(page)) => html(StatusCode::OK, &page),
            Ok(None) => no_case(),
            Err(error) => failed(&sharing, &error),
        },
    };
    counted(&sharing, "console", "compare", began, response)
}

/// Leads from the list of cases, whose form is sent with a token, to the page without one.
pub(super) async fn chosen(Posted { form, .. }: Posted<Vec<(String, String)>>) -> Response<Body> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for id in Sent(form).all("case").take(3) {
        query.append_pair("case", id);
    }
    access::redirect(&format!("/cases/compare?{}", query.finish()))
}

fn choose_two() -> Response<Body> {
    html(
        StatusCode::UNPROCESSABLE_ENTITY,
        &MessagePage { title: "Select two cases to compare", text: "Select exactly two cases in the list.".into() },
    )
}

fn compare_page(inner: &Inner, person: &Person, ids: &[String; 2]) -> Result<Option<ComparePage>, SharingError> {
    // People type an id as it is; forms send it encoded.
    let find = |id: &str| match inner.store.case(id)? {
        Some(record) => Ok(Some(record)),
        None => inner.store.case(&from_path_segment(id)),
    };
    let [a, b] = ids;
    let (Some(a), Some(b)) = (find(a)?, find(b)?) else { return Ok(None) };
    let view = |case: &casework::case::Case| ClusterView {
        href: format!("/clusters/{}", path_segment(&case.cluster_id)),
        id: text_format::shorten(&case.cluster_id, 80),
        state: case.state.to_string(),
        state_class: case.state.name(),
    };
    Ok(Some(ComparePage {
        shell: Shell::new(inner, person, "compare")?,
        clusters: [view(&a.case), view(&b.case)],
        comparison: compare(&a.cluster, &b.cluster),
    }))
}
