//! Posts over HTTP, for processes that do not speak Kafka: `POST /v1/posts` with one post a line.
//!
//! Every line is answered for: the good ones are in the log when the answer comes, the bad ones are in `posts.dead-letter` and
//! listed in the answer with line, field and reason. When as many requests are under way as the intake takes, the answer is 429
//! with `Retry-After`: try again, nothing was taken.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use jiff::Timestamp;
use messages::{
    dead_letter::{DeadLetter, Source},
    topics::{POSTS, POSTS_DEAD_LETTER},
};
use runtime::{
    Log, NewRecord,
    metrics::{IntCounterVec, Metrics, MetricsError},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// Largest request, in bytes.
pub const MAX_BODY: usize = 16 * 1024 * 1024;
/// Requests under way before the intake says 429.
const AT_ONCE: usize = 4;
/// Seconds after which a client may try again.
const RETRY_S: &str = "1";
/// Bad lines listed in one answer; all of them are in the dead letters.
const LISTED: usize = 100;

/// The answer to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Posts now in the log.
    pub accepted: u64,
    /// Lines now among the dead letters.
    pub rejected: u64,
    /// The first hundred of them.
    pub errors: Vec<Rejected>,
}

/// A line that is no post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Its number in the request, from 1.
    pub line: u64,
    /// JSON path of the field; empty where the whole line is meant.
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

/// What operators see of the intake, registered once.
#[derive(Clone)]
pub struct IntakeMetrics {
    lines: IntCounterVec,
}

impl IntakeMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Result<IntakeMetrics, MetricsError> {
        let lines = metrics.counters(
            "lockstep_intake_lines_total",
            "Lines handed in over HTTP, by what became of them: accepted onto posts, or rejected to the dead letters.",
            &["outcome"],
        )?;
        for outcome in ["accepted", "rejected"] {
            lines.with_label_values(&[outcome]);
        }
        Ok(IntakeMetrics { lines })
    }
}

#[derive(Clone)]
struct Intake {
    log: Log,
    room: Arc<Semaphore>,
    metrics: IntakeMetrics,
}

/// The intake's route.
pub fn router(log: Log, metrics: IntakeMetrics) -> Router {
    let intake = Intake { log, room: Arc::new(Semaphore::new(AT_ONCE)), metrics };
    let routes = Router::new().route("/v1/posts", post(take)).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(intake);
    runtime::http::bounded(routes, AT_ONCE * 8, Duration::from_secs(60))
}

async fn take(State(intake): State<Intake>, body: Bytes) -> Response {
    let Ok(_room) = intake.room.try_acquire() else {
        let headers = [(RETRY_AFTER, RETRY_S)];
        return (StatusCode::TOO_MANY_REQUESTS, headers, "too many requests at once, try again\n").into_response();
    };
    let (records, taken) = read(&body);
    match intake.log.append(records).await {
        Ok(()) => {
            let lines = &intake.metrics.lines;
            lines.with_label_values(&["accepted"]).inc_by(taken.accepted);
            lines.with_label_values(&["rejected"]).inc_by(taken.rejected);
            Json(taken).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "posts cannot be appended");
            let headers = [(RETRY_AFTER, RETRY_S)];
            (StatusCode::SERVICE_UNAVAILABLE, headers, format!("{error}\n")).into_response()
        }
    }
}

/// One record a line that is not blank, and what to answer.
fn read(body: &[u8]) -> (Vec<NewRecord>, Taken) {
    let (mut records, mut taken) = (Vec::new(), Taken::default());
    for (line, value) in (1..).zip(body.split(|byte| *byte == b'\n')) {
        let value = value.trim_ascii();
        if value.is_empty() {
            continue;
        }
        match messages::post::decode(value) {
            Ok(post) => {
                taken.accepted += 1;
                records.push(NewRecord::new(POSTS, messages::post::key(&post), value));
            }
            Err(error) => {
                taken.rejected += 1;
                if taken.errors.len() < LISTED {
                    let (field, reason) = (error.path.clone(), error.reason.to_string());
                    taken.errors.push(Rejected { line, field, reason });
                }
                records.push(rejected(value, &error, "POST /v1/posts", line));
            }
        }
    }
    (records, taken)
}

/// A line that is no post, as a record of the dead letters.
pub fn rejected(value: &[u8], error: &messages::DecodeError, file: &str, line: u64) -> NewRecord {
    let source = Source::Line { file: file.to_owned(), line };
    let letter = DeadLetter::new(value, error, source, Timestamp::now());
    let headers = letter.headers();
    NewRecord { topic: Arc::from(POSTS_DEAD_LETTER), key: Vec::new(), value: Some(letter.value), headers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_answered_for() {
        let good =
            r#"{"id":"1","platform":"x","account_id":"a","account_name":"a","created_at":"2026-01-01T00:00:00Z"}"#;
        let bad = r#"{"id":"2","platform":"x","account_id":"a","account_name":"a","created_at":"yesterday"}"#;
        let (records, taken) = read(format!("{good}\r\n\n{bad}\nnot json").as_bytes());
        assert_eq!((taken.accepted, taken.rejected), (1, 2));
        assert_eq!((taken.errors[0].line, taken.errors[0].field.as_str()), (3, "created_at"));
        assert_eq!(taken.errors[1].line, 4);
        let topics: Vec<&str> = records.iter().map(|r| &*r.topic).collect();
        assert_eq!(topics, [POSTS, POSTS_DEAD_LETTER, POSTS_DEAD_LETTER]);
        assert_eq!(records[0].key, b"x:a");
        assert_eq!(records[1].value.as_deref(), Some(bad.as_bytes()));
    }
}
