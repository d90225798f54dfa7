//! Posts over HTTP, for processes without a Kafka client: `POST /v1/posts` with one post per line.
//!
//! The answer accounts for every line: good lines are in the log when the answer comes, bad lines
//! are in `posts.dead-letter` and listed in the answer with line, field and reason. Optional fields
//! that cannot be read do not cost the post; the answer counts them by name. A body may be packed
//! with gzip or Zstandard (`Content-Encoding`). A body that is packed in another way is refused
//! with 415, one that unpacks to more than [`MAX_UNPACKED`] bytes with 413, and a damaged one with
//! 400; nothing of such a body is accepted. If too many requests are in progress, the answer is 429
//! with `Retry-After`: nothing was accepted, and the client should try again. While the log does not
//! answer, the answer is 503 with `Retry-After`, at once or after some seconds.

use std::{
    collections::BTreeMap,
    io::Read,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, RETRY_AFTER},
    },
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
    metrics::{IntCounterVec, Label, Metrics, MetricsError},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// Largest request, in bytes.
pub const MAX_BODY: usize = 16 * 1024 * 1024;
/// Largest request after unpacking, in bytes.
pub const MAX_UNPACKED: usize = 4 * MAX_BODY;
/// Most requests in progress; more get the answer 429.
const AT_ONCE: usize = 4;
/// Seconds after which a client may try again.
const RETRY_S: &str = "1";
/// The same while the log does not answer.
const OUTAGE_RETRY_S: &str = "5";
/// Time between two requests that are let through during an outage.
const TRY_EVERY: Duration = Duration::from_secs(20);
/// Longest time of an append. The log itself gives up earlier, unless its properties say otherwise.
const APPEND: Duration = Duration::from_secs(20);
/// Bad lines that one answer lists; all of them are in the dead letters.
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
    /// Optional fields that could not be read, by name, and the number of accepted posts with each.
    /// These posts are kept without the field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unreadable_fields: BTreeMap<String, u64>,
}

/// A line that is not a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Its number in the request, from 1.
    pub line: u64,
    /// JSON path of the field; empty if the whole line is meant.
    pub field: String,
    /// The reason.
    pub reason: String,
}

/// Metrics of the intake, registered once.
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
            &[Label::listed("outcome", ["accepted", "rejected"])],
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
    /// When a request was last let through during an outage, to see whether it is over.
    tried: Arc<Mutex<Instant>>,
    metrics: IntakeMetrics,
}

impl Intake {
    /// Whether a request may try the log during an outage: one in every [`TRY_EVERY`].
    fn may_try(&self, now: Instant) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let may = now.saturating_duration_since(*tried) >= TRY_EVERY;
        if may {
            *tried = now;
        }
        may
    }
}

/// The intake's route.
pub fn router(log: Log, metrics: IntakeMetrics) -> Router {
    let intake =
        Intake { log, room: Arc::new(Semaphore::new(AT_ONCE)), tried: Arc::new(Mutex::new(Instant::now())), metrics };
    let routes = Router::new().route("/v1/posts", post(take)).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(intake);
    runtime::http::bounded(routes, AT_ONCE * 8, Duration::from_secs(60))
}

async fn take(State(intake): State<Intake>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(_room) = intake.room.try_acquire() else {
        let headers = [(RETRY_AFTER, RETRY_S)];
        return (StatusCode::TOO_MANY_REQUESTS, headers, "too many requests at once, try again\n").into_response();
    };
    if let Some(outage) = intake.log.outage().filter(|_| !intake.may_try(Instant::now())) {
        return unavailable(OUTAGE_RETRY_S, &format!("{}, since {:.0}", outage.reason, outage.since));
    }
    let body = match unpacked(&headers, body).await {
        Ok(body) => body,
        Err((status, why)) => return (status, format!("{why}\n")).into_response(),
    };
    let (records, taken) = read(&body);
    match tokio::time::timeout(APPEND, intake.log.append(records)).await {
        Ok(Ok(())) => {
            let lines = &intake.metrics.lines;
            lines.with_label_values(&["accepted"]).inc_by(taken.accepted);
            lines.with_label_values(&["rejected"]).inc_by(taken.rejected);
            Json(taken).into_response()
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "posts cannot be appended");
            let retry = if error.is_unreachable() { OUTAGE_RETRY_S } else { RETRY_S };
            unavailable(retry, &error.to_string())
        }
        Err(_) => {
            tracing::error!(seconds = APPEND.as_secs(), "posts could not be appended in time");
            unavailable(OUTAGE_RETRY_S, &format!("the log did not answer for {} s", APPEND.as_secs()))
        }
    }
}

/// The answer when the log does not take posts: some may be on it, and all should be sent again.
fn unavailable(retry: &'static str, why: &str) -> Response {
    let text = format!("{why}; send all of it again after {retry} s\n");
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, retry)], text).into_response()
}

/// The unpacked body, or why it cannot be unpacked.
async fn unpacked(headers: &HeaderMap, body: Bytes) -> Result<Bytes, (StatusCode, String)> {
    let codings: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| String::from_utf8_lossy(value.as_bytes()).split(',').map(str::to_owned).collect::<Vec<_>>())
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .collect();
    let zstd = match codings.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return Ok(body),
        ["gzip" | "x-gzip"] => false,
        ["zstd"] => true,
        _ => {
            let why = format!(
                "a body with Content-Encoding: {} is not accepted: send it unpacked, or packed once with gzip or zstd",
                messages::excerpt(codings.join(", ").as_bytes())
            );
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
    };
    let unpacking = tokio::task::spawn_blocking(move || {
        let mut out = Vec::new();
        let most = MAX_UNPACKED as u64 + 1;
        let read = if zstd {
            zstd::stream::read::Decoder::with_buffer(&body[..])
                .and_then(|decoder| decoder.take(most).read_to_end(&mut out))
        } else {
            flate2::bufread::MultiGzDecoder::new(&body[..]).take(most).read_to_end(&mut out)
        };
        read.map(|_| out)
    });
    let damaged =
        |why: String| (StatusCode::BAD_REQUEST, format!("the body cannot be unpacked, nothing was accepted: {why}"));
    let out =
        unpacking.await.map_err(|error| damaged(error.to_string()))?.map_err(|error| damaged(error.to_string()))?;
    if out.len() > MAX_UNPACKED {
        let why = format!("the body unpacks to more than {MAX_UNPACKED} bytes, nothing was accepted: send it in parts");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    Ok(out.into())
}

/// One record for each line that is not blank, and the answer.
fn read(body: &[u8]) -> (Vec<NewRecord>, Taken) {
    let (mut records, mut taken) = (Vec::new(), Taken::default());
    for (line, value) in (1..).zip(body.split(|byte| *byte == b'\n')) {
        let value = value.trim_ascii();
        if value.is_empty() {
            continue;
        }
        match messages::post::read(value) {
            Ok((post, unreadable)) => {
                taken.accepted += 1;
                for error in unreadable {
                    *taken.unreadable_fields.entry(error.field()).or_default() += 1;
                }
                records.push(NewRecord::new(POSTS, messages::post::key(&post), value));
            }
            Err(error) => {
                taken.rejected += 1;
                if taken.errors.len() < LISTED {
                    let (field, reason) = (error.path.clone(), error.reason.to_string());
                    taken.errors.push(Rejected { line, field, reason });
                }
                records.push(rejected(value, value.len() as u64, &error, "POST /v1/posts", line));
            }
        }
    }
    (records, taken)
}

/// A line that is not a post, as a record of the dead letters. `value` may be only the start of a
/// line of `length` bytes.
pub fn rejected(value: &[u8], length: u64, error: &messages::DecodeError, file: &str, line: u64) -> NewRecord {
    let source = Source::Line { file: file.to_owned(), line };
    let letter = DeadLetter::of_start(value, length, error, source, Timestamp::now());
    let headers = letter.headers();
    NewRecord { topic: Arc::from(POSTS_DEAD_LETTER), key: Vec::new(), value: Some(letter.value), headers }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const GOOD: &str =
        r#"{"id":"1","platform":"x","account_id":"a","account_name":"a","created_at":"2026-01-01T00:00:00Z"}"#;

    fn encoded(coding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))])
    }

    #[tokio::test]
    async fn a_packed_body_is_unpacked_within_bounds() {
        let gzip = |bytes: &[u8]| {
            let mut packed = Vec::new();
            flate2::read::GzEncoder::new(bytes, flate2::Compression::default()).read_to_end(&mut packed).unwrap();
            Bytes::from(packed)
        };
        let zstd = |bytes: &[u8]| Bytes::from(zstd::encode_all(bytes, 1).unwrap());
        let same = Bytes::from(GOOD);
        for (coding, body) in [
            ("gzip", gzip(GOOD.as_bytes())),
            ("X-GZip", gzip(GOOD.as_bytes())),
            ("zstd", zstd(GOOD.as_bytes())),
            ("identity", same.clone()),
        ] {
            assert_eq!(unpacked(&encoded(coding), body).await, Ok(same.clone()), "{coding}");
        }
        assert_eq!(unpacked(&HeaderMap::new(), same.clone()).await, Ok(same.clone()));
        let bomb = vec![b' '; MAX_UNPACKED + 1];
        for (coding, body, status, word) in [
            ("br", same.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "gzip or zstd"),
            ("gzip, gzip", same.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "gzip, gzip"),
            ("gzip", same.clone(), StatusCode::BAD_REQUEST, "nothing was accepted"),
            ("zstd", same.clone(), StatusCode::BAD_REQUEST, "nothing was accepted"),
            ("gzip", gzip(&bomb), StatusCode::PAYLOAD_TOO_LARGE, "67108864"),
            ("zstd", zstd(&bomb), StatusCode::PAYLOAD_TOO_LARGE, "67108864"),
        ] {
            let (found, why) = unpacked(&encoded(coding), body).await.unwrap_err();
            assert_eq!(found, status, "{coding}");
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn a_line_too_long_for_the_log_is_cut_and_fields_that_cannot_be_read_are_counted() {
        let long = format!("{{\"id\":\"{}\"}}", "x".repeat(3 << 20));
        let odd = GOOD.replace('}', r#","followers":"many","lang":[1]}"#);
        let (records, taken) = read(format!("{long}\n{odd}").as_bytes());
        assert_eq!((taken.accepted, taken.rejected), (1, 1));
        assert_eq!(taken.unreadable_fields, [("followers".to_owned(), 1), ("lang".to_owned(), 1)].into());
        assert!(records.iter().all(|record| record.size() < runtime::MAX_RECORD_BYTES / 2));
        let cut = records[0].headers.iter().find(|(name, _)| name == "lockstep-cut-from").unwrap();
        assert_eq!(cut.1, long.len().to_string().into_bytes());
    }

    #[test]
    fn every_line_is_answered_for() {
        let good = GOOD;
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
