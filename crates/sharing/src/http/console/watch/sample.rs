//! The sample that reviewers are asked about, and what follows from their answers.

use std::time::Instant;

use askama::Template;
use axum::{
    body::Body,
    extract::State as Shared,
    http::{Response, StatusCode},
};
use jiff::Timestamp;

use super::{RowView, SAMPLED, answered, row_view, stratum_words};
use crate::{
    http::{
        access::Person,
        console::Shell,
        respond::{counted, failed, html},
    },
    service::{Inner, Sharing, SharingError},
    store::watch::SampledRow,
};
use casework::watch::estimate::{Answers, Estimate};

#[derive(Template)]
#[template(path = "watch_sample.html")]
struct SamplePage {
    shell: Shell,
    on: bool,
    every: u32,
    most: usize,
    drawn_at: Option<String>,
    precision: Option<Shares>,
    recall: Option<Shares>,
    strata: Vec<StratumView>,
    waiting: Vec<SampledView>,
    answered: Vec<SampledView>,
    days: u32,
}

/// A share with its interval, in percent.
struct Shares {
    value: String,
    low: String,
    high: String,
}

struct StratumView {
    name: &'static str,
    population: u64,
    answered: usize,
    inauthentic: usize,
    unclear: u64,
    waiting: u64,
}

struct SampledView {
    row: RowView,
    stratum: &'static str,
    answer: Option<String>,
}

pub(in crate::http::console) async fn page(Shared(sharing): Shared<Sharing>, person: Person) -> Response<Body> {
    let began = Instant::now();
    let response = match sharing.blocking(move |inner| sample_page(inner, &person)).await {
        Ok(page) => html(StatusCode::OK, &page),
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "watch_sample", began, response)
}

fn sample_page(inner: &Inner, person: &Person) -> Result<SamplePage, SharingError> {
    let (answers, figures) = inner.estimate()?;
    let drawn_at: Option<Timestamp> = inner.store.last_draw()?.first().map(|part| part.drawn_at);
    let shares = |estimate: Estimate| Shares {
        value: text_format::percent(estimate.value),
        low: text_format::percent(estimate.low),
        high: text_format::percent(estimate.high),
    };
    let view = |sampled: SampledRow| SampledView {
        stratum: stratum_words(sampled.stratum),
        answer: sampled.answer.as_ref().map(answered),
        row: row_view(sampled.group),
    };
    let (waiting, answered): (Vec<SampledRow>, Vec<SampledRow>) =
        inner.store.sampled_groups(false, SAMPLED)?.into_iter().partition(|sampled| sampled.answer.is_none());
    let watch = &inner.config.watch;
    Ok(SamplePage {
        shell: Shell::new(inner, person, "watch_sample")?,
        on: watch.sample > 0,
        every: watch.sample_every_days,
        most: watch.sample,
        drawn_at: drawn_at.map(text_format::minute),
        precision: figures.precision.map(shares),
        recall: figures.recall.map(shares),
        strata: answers.iter().map(stratum_view).collect(),
        waiting: waiting.into_iter().map(view).collect(),
        answered: answered.into_iter().map(view).collect(),
        days: watch.days,
    })
}

fn stratum_view(part: &Answers) -> StratumView {
    StratumView {
        name: stratum_words(part.stratum),
        population: part.population,
        answered: part.answers.len(),
        inauthentic: part.answers.iter().filter(|(_, yes)| *yes).count(),
        unclear: part.unclear,
        waiting: part.waiting,
    }
}
