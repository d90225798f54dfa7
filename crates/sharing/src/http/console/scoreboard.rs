//! The scoreboard: what became of findings at each partner, as counts and as a plot of times.

use std::time::Instant;

use askama::Template;
use axum::{
    body::Body,
    extract::{Query, State as Shared, rejection::QueryRejection},
    http::{Response, StatusCode},
};
use casework::scoreboard::{Interval, Score, Times};
use jiff::Timestamp;

use super::Shell;
use crate::{
    http::{
        access::Person,
        filters::WantedScoreboard,
        respond::{counted, failed, html},
    },
    service::{
        Inner, Sharing, SharingError,
        scoreboard::{DAYS, Scoreboard},
    },
};

/// Periods to choose from, in days.
const PERIODS: [u32; 4] = [7, 30, DAYS, 365];
/// The time at the left end of the plot and at the right one, seconds. In between the scale is logarithmic.
const ENDS: (f64, f64) = (60.0, 365.0 * 86_400.0);
/// Marks of the scale, seconds.
const MARKS: [(&str, f64); 6] = [
    ("1 min", ENDS.0),
    ("1 h", 3_600.0),
    ("1 d", 86_400.0),
    ("1 w", 7.0 * 86_400.0),
    ("30 d", 30.0 * 86_400.0),
    ("1 y", ENDS.1),
];

#[derive(Template)]
#[template(path = "scoreboard.html")]
struct ScoreboardPage {
    shell: Shell,
    periods: Vec<(u32, bool)>,
    since: String,
    counts: Vec<CountsView>,
    intervals: Vec<IntervalView>,
    marks: Vec<MarkView>,
}

struct CountsView {
    name: String,
    score: Score,
}

struct IntervalView {
    id: &'static str,
    label: &'static str,
    definition: [&'static str; 3],
    rows: Vec<RowView>,
}

struct RowView {
    name: String,
    ended: String,
    open: String,
    plot: Option<PlotView>,
}

struct PlotView {
    median: String,
    p90: String,
    /// Places in the plot, percent of its width.
    at: String,
    until: String,
}

struct MarkView {
    label: &'static str,
    at: String,
    anchor: &'static str,
}

pub(super) async fn page(
    Shared(sharing): Shared<Sharing>,
    person: Person,
    asked: Result<Query<WantedScoreboard>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let days = asked.ok().and_then(|Query(asked)| asked.days(DAYS)).unwrap_or(DAYS);
    let response = match sharing.blocking(move |inner| scoreboard_page(inner, &person, days)).await {
        Ok(page) => html(StatusCode::OK, &page),
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "scoreboard", began, response)
}

fn scoreboard_page(inner: &Inner, person: &Person, days: u32) -> Result<ScoreboardPage, SharingError> {
    let Scoreboard { since, all, partners } = inner.scoreboard(days, Timestamp::now())?;
    let scores: Vec<Score> = partners.into_iter().chain([all]).collect();
    let intervals = Interval::ALL.map(|interval| IntervalView {
        id: interval.name(),
        label: interval.label(),
        definition: interval.definition(),
        rows: scores.iter().flat_map(|score| row(score, interval)).collect(),
    });
    Ok(ScoreboardPage {
        shell: Shell::new(inner, person, "scoreboard")?,
        periods: PERIODS.map(|period| (period, period == days)).to_vec(),
        since: text_format::day(since),
        intervals: intervals.into(),
        counts: scores.into_iter().map(|score| CountsView { name: name(&score), score }).collect(),
        marks: MARKS
            .map(|(label, seconds)| MarkView {
                label,
                at: place(seconds),
                anchor: match seconds {
                    seconds if seconds <= ENDS.0 => "start",
                    seconds if seconds >= ENDS.1 => "end",
                    _ => "middle",
                },
            })
            .into(),
    })
}

fn name(score: &Score) -> String {
    score.partner.as_deref().map_or_else(|| "All partners".to_owned(), |name| text_format::shorten(name, 64))
}

fn row(score: &Score, interval: Interval) -> Option<RowView> {
    let Times { ended, open, median_s, p90_s, .. } = score.times.iter().find(|times| times.interval == interval)?;
    let words = |seconds: i64| text_format::seconds_in_words(seconds as f64);
    let plot = median_s.zip(*p90_s).map(|(median, p90)| PlotView {
        median: words(median),
        p90: words(p90),
        at: place(median as f64),
        until: place(p90 as f64),
    });
    let count = text_format::thousands;
    Some(RowView { name: name(score), ended: count(*ended), open: count(*open), plot })
}

/// Where a time is in the plot, in percent of its width.
fn place(seconds: f64) -> String {
    let (from, to) = ENDS;
    format!("{:.1}", 100.0 * (seconds.clamp(from, to) / from).ln() / (to / from).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_logarithmic_between_its_ends() {
        assert_eq!(
            [0.0, 60.0, 3_600.0, 86_400.0, 31_536_000.0, 1e12].map(place),
            ["0.0", "0.0", "31.1", "55.2", "100.0", "100.0"]
        );
    }
}
