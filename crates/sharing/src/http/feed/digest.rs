//! The page of a digest, to which the mail leads: the same counts, for a partner that has its key.

use askama::Template;
use axum::extract::{Query, rejection::QueryRejection};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;

use super::*;
use crate::{
    config::digest::{Every, Period},
    http::respond::{failed, html},
    publish::digest::Digest,
};

#[derive(Template)]
#[template(path = "digest.html")]
struct DigestPage {
    identity: String,
    partner: String,
    days: String,
    lines: Vec<(String, &'static str)>,
}

/// The period of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    days: Option<i64>,
    until: Option<Date>,
}

impl Wanted {
    /// A day or a week; the last week where nothing is said.
    fn period(&self, now: Timestamp) -> Option<Period> {
        let every = match self.days {
            None | Some(7) => Every::Weekly,
            Some(1) => Every::Daily,
            Some(_) => return None,
        };
        match self.until {
            None => every.last_period(now),
            Some(date) => {
                let until = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
                Period::before(until, self.days.unwrap_or(7))
            }
        }
    }
}

/// Counts of what was shared with the partner in a day or a week, as a page. It names no account.
#[utoipa::path(get, path = "/feed/digest", params(
    ("days" = Option<i64>, Query, description = "1 or 7; default: 7"),
    ("until" = Option<String>, Query, description = "the day after the last one, in UTC; default: the last Monday, or today", format = Date),
), responses(
    (status = 200, body = String, content_type = "text/html", description = "the page"),
    (status = 400, body = ErrorBody, description = "a parameter is unknown or has a value that is not allowed"),
    (status = 401, body = ErrorBody, description = "no valid key of a partner"),
), security(("partner_password" = []), ("partner_key" = [])))]
pub(crate) async fn page(
    Shared(server): Shared<Server>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    request: Request,
) -> Response<Body> {
    let began = Instant::now();
    let Server { sharing, access } = server;
    let parts = request.into_parts().0;
    let wanted = wanted.ok().and_then(|Query(wanted)| wanted.period(Timestamp::now()));
    let made = sharing.blocking(move |inner| {
        let partner = match caller(inner, &access, &parts)? {
            Ok(partner) => partner,
            Err(response) => return Ok(*response),
        };
        let Some(period) = wanted else {
            let next = Some("there are days (1 or 7) and until, a date such as 2026-11-30".to_owned());
            return Ok(fault(StatusCode::BAD_REQUEST, "there is no such period", Some("query".to_owned()), next));
        };
        let Some(counts) = inner.store.digest_counts(&partner, period)? else { return Ok(unauthorized()) };
        let digest = Digest { identity: &inner.config.identity, partner: &partner, period, counts, public_url: "" };
        let lines = counts.lines().map(|(count, words)| (text_format::thousands(count), words)).to_vec();
        let page = DigestPage {
            identity: inner.config.identity.clone(),
            days: digest.days(),
            partner: partner.clone(),
            lines,
        };
        Ok(html(StatusCode::OK, &page))
    });
    let response = made.await.unwrap_or_else(|error| failed(&sharing, &error));
    counted(&sharing, "feed", "digest", began, response)
}
