//! The review console: server-rendered pages. They work without a script; `assets/console.js` makes them
//! faster to use.

mod appeals;
mod case;
mod compare;
mod deliveries;
mod documents;
mod many;
mod pages;
mod queue;
mod retractions;
mod review;
mod scoreboard;
mod watch;

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    routing::{get, post},
};

use jiff::Timestamp;

use crate::{
    http::{
        Server,
        access::Person,
        respond::{MessagePage, html, respond},
    },
    service::{Inner, SharingError},
};
use casework::Reviewers;

/// Its routes.
pub(crate) fn routes() -> Router<Server> {
    Router::new()
        .route("/", get(queue::page))
        .route("/cases/preview", post(many::preview))
        .route("/cases/steps", post(many::confirm))
        .route("/cases/undo", post(many::undo))
        .route("/cases/compare", get(compare::page).post(compare::chosen))
        .route("/clusters/{id}", get(case::page))
        .route("/clusters/{id}/steps", post(case::step))
        .route("/clusters/{id}/documents/{recipient}/{file}", get(documents::file))
        .route("/clusters/{id}/explanation/{file}", get(documents::explanation))
        .route("/clusters/{id}/objects/{recipient}", get(documents::objects))
        .route("/deliveries", get(deliveries::page))
        .route("/deliveries/{id}", post(deliveries::change))
        .route("/retractions", get(retractions::page))
        .route("/retractions/{number}/acknowledge", post(retractions::acknowledge))
        .route("/retractions/cases/{number}", post(retractions::decide))
        .route("/watch", get(watch::page))
        .route("/watch/sample", get(watch::sample::page))
        .route("/watch/groups/{id}", get(watch::group).post(watch::decide))
        .route("/appeals", get(appeals::page).post(appeals::record))
        .route("/appeals/{number}", post(appeals::decide))
        .route("/scoreboard", get(scoreboard::page))
        .route("/partners", get(pages::partners))
        .route("/audit", get(pages::audit))
        .route("/help", get(pages::help))
        .route("/assets/style.css", get(style))
        .route("/assets/console.css", get(console_style))
        .route("/assets/console.js", get(script))
        .route("/assets/icon.svg", get(icon))
}

/// The parts around every page.
struct Shell {
    demo: Option<&'static str>,
    /// Empty for a visitor of a demonstration.
    name: String,
    /// Whether the configuration has a way to log in.
    can_log_in: bool,
    roles: String,
    csrf: String,
    here: &'static str,
    /// Number of cases that need attention.
    waiting: i64,
    /// Number of deliveries that were given up.
    dead: i64,
    /// Number of open appeals.
    appeals: i64,
    /// Number of rejections to decide and of overdue withdrawals.
    withdrawals: i64,
}

impl Shell {
    /// Reads the store, so it blocks.
    fn new(inner: &Inner, person: &Person, here: &'static str) -> Result<Shell, SharingError> {
        let waiting = crate::store::CaseQuery { attention: true, ..Default::default() };
        let roles: Vec<&str> = person.roles.iter().map(|role| role.name()).collect();
        let (_, dead, _) = inner.store.delivery_counts()?;
        let (_, overdue, rejected) = inner.store.retraction_counts(Timestamp::now())?;
        Ok(Shell {
            dead,
            appeals: inner.store.appeal_counts(Timestamp::now())?.0,
            withdrawals: overdue + rejected,
            demo: (inner.config.reviewers == Reviewers::Demo).then_some(casework::DEMO_NOTICE),
            name: person.name.clone(),
            can_log_in: !inner.config.login.users.is_empty() || !inner.config.login.provider.issuer.is_empty(),
            roles: roles.join(", "),
            csrf: person.csrf.clone(),
            here,
            waiting: inner.store.counted(&waiting)?.iter().map(|(_, n)| n).sum(),
        })
    }

    fn is(&self, here: &str) -> bool {
        self.here == here
    }
}

/// No such page.
pub(crate) async fn lost() -> Response<Body> {
    html(
        StatusCode::NOT_FOUND,
        &MessagePage { title: "There is no such page", text: "Go back to the list of cases.".into() },
    )
}

async fn style() -> Response<Body> {
    asset("text/css; charset=utf-8", presentation::STYLE)
}

async fn console_style() -> Response<Body> {
    asset("text/css; charset=utf-8", include_str!("../../../assets/console.css"))
}

async fn script() -> Response<Body> {
    asset("text/javascript; charset=utf-8", include_str!("../../../assets/console.js"))
}

async fn icon() -> Response<Body> {
    asset("image/svg+xml", include_str!("../../../assets/icon.svg"))
}

fn asset(media: &'static str, text: &'static str) -> Response<Body> {
    let mut response = respond(StatusCode::OK, media, text.to_owned());
    // Browsers load it again some minutes after an update of the program, not with every page.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    response
}

#[cfg(test)]
mod tests;
