//! The scoreboard: what became of findings at each partner.

use super::*;
use crate::{
    http::filters::WantedScoreboard,
    service::scoreboard::{DAYS, Scoreboard},
};
use casework::scoreboard::{Interval, Score};

/// The scoreboard, with what its numbers mean.
#[derive(Serialize, ToSchema)]
pub(super) struct ScoreboardBody {
    /// Releases from this time on count.
    since: Timestamp,
    /// What each interval is.
    intervals: Vec<IntervalBody>,
    /// All partners together.
    all: Score,
    /// Each partner, by name.
    partners: Vec<Score>,
}

/// What an interval is.
#[derive(Serialize, ToSchema)]
pub(super) struct IntervalBody {
    interval: Interval,
    /// Its start.
    start: &'static str,
    /// Its end.
    end: &'static str,
    /// What is counted as open.
    open: &'static str,
}

/// What became of findings at each partner: counts of released, fetched, acted on and disputed cases, and how long it took.
#[utoipa::path(get, path = "/api/scoreboard", params(
    ("days" = Option<u32>, Query, description = "releases of so many last days; default: 90", minimum = 1, maximum = 3650),
), responses(
    (status = 200, body = ScoreboardBody, description = "the scoreboard"),
    (status = 400, body = ErrorBody, description = "`days` has a value that is not allowed"),
    (status = 401, body = ErrorBody, description = "nobody is logged in"),
))]
pub(super) async fn scoreboard(
    Shared(sharing): Shared<Sharing>,
    asked: Result<Query<WantedScoreboard>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match asked.map(|Query(asked)| asked.days(DAYS)) {
        Err(rejection) => json_error(StatusCode::BAD_REQUEST, &rejection.body_text()),
        Ok(None) => odd_query(&["days"]),
        Ok(Some(days)) => {
            answer(&sharing, move |inner| {
                let Scoreboard { since, all, partners } = inner.scoreboard(days, Timestamp::now())?;
                let intervals = Interval::ALL.map(|interval| {
                    let [start, end, open] = interval.definition();
                    IntervalBody { interval, start, end, open }
                });
                Ok(Some(ScoreboardBody { since, intervals: intervals.into(), all, partners }))
            })
            .await
        }
    };
    counted(&sharing, "api", "scoreboard", began, response)
}
