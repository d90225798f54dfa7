//! `lockstep open`: one's own file of posts, in the browser.
//!
//! A page on loopback shows what each column is taken for, lets one correct it, runs `detect` and leads to the report. Only this
//! machine can reach it, only by the names of loopback, and only a form that the page itself gave out starts anything.

mod preview;

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::{Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use askama::Template;
use axum::{
    Form, Router,
    extract::{Path as Segment, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use clap::Args;
use detection::{detect::Phase, input::Input};
use indicatif::ProgressBar;
use runtime::{http, shutdown::Shutdown};

use self::preview::{Table, preview, table};
use crate::{
    Usage,
    config::{Config, ConfigFile},
    detect::{Run, prepare},
    input::InputOptions,
    progress::{count, counted},
};

/// Seconds between two looks at how far the work is.
const REFRESH: &str = "1";
/// What a page may load: its own style, and nothing from elsewhere. The report has its own rules.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Opens files of posts in the browser: what each column is taken for, a run with a progress bar, the report
///
/// The page is on this machine only. It shows what the columns of a table are taken for, and the posts made from the first rows; a wrong
/// column is corrected there. Then it does what `lockstep detect` does, and opens the report. Ends with ctrl-c.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep open posts.csv
  lockstep open export.xlsx --out results
  lockstep open posts.jsonl.gz --no-browser        prints the address only")]
pub struct Open {
    /// Files of posts
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Folder for the results, made where missing
    #[arg(long, value_name = "DIR", default_value = "lockstep-out")]
    out: PathBuf,
    /// Where the page is, an address of loopback [default: 127.0.0.1 and a free port]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Do not open the browser, print the address only
    #[arg(long)]
    no_browser: bool,
    #[command(flatten)]
    reading: InputOptions,
    #[command(flatten)]
    config: ConfigFile,
}

impl Open {
    pub fn run(self) -> Result<()> {
        let listen = self.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        if !listen.ip().is_loopback() {
            return Err(Usage(format!(
                "--listen {listen} could be reached from elsewhere: the page is for this machine only, for example 127.0.0.1:8090"
            ))
            .into());
        }
        if self.files.iter().any(|file| file == Path::new("-")) {
            return Err(Usage("standard input can be read only once: give a file".to_owned()).into());
        }
        let config = self.config.load()?;
        // What is wrong with the files or the options is said here, where the command was given.
        Input::open(&self.files, self.reading.options(&ProgressBar::hidden())?)?;
        prepare(&self.out)?;
        tokio::runtime::Runtime::new().context("cannot start")?.block_on(async {
            let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
            let listener = http::listen(listen).await?;
            let address = listener.local_addr().context("cannot tell the page's address")?;
            let session = Arc::new(OpenSession {
                files: self.files,
                out: self.out,
                config,
                address,
                token: token(),
                reading: Mutex::new(self.reading),
                work: Mutex::new(Work::None),
            });
            let url = format!("http://{address}/");
            eprintln!("The page is at {url}; end with ctrl-c.");
            if !self.no_browser && !in_browser(&url) {
                eprintln!("note: no browser could be opened from here; open the address yourself");
            }
            http::serve(router(session), listener, http::Serving::default(), shutdown).await;
            Ok(())
        })
    }
}

/// What the page needs to know.
struct OpenSession {
    files: Vec<PathBuf>,
    out: PathBuf,
    config: Config,
    address: SocketAddr,
    /// Stands in every form that the page gives out: another site's page cannot know it.
    token: String,
    reading: Mutex<InputOptions>,
    work: Mutex<Work>,
}

/// How far the run is.
#[derive(Clone)]
enum Work {
    None,
    Running {
        step: &'static str,
        done: u64,
        of: u64,
        unit: &'static str,
        began: Instant,
    },
    /// What was found, in a sentence, and what the reader was told of the files.
    Done {
        found: String,
        notes: Vec<String>,
    },
    Failed(String),
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each value is replaced whole, so that one is good whatever became of the thread that held it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 128 bits that nobody can guess: the standard library seeds its hashers from the system.
fn token() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

/// Asks the system to open an address; whether there was something to ask.
fn in_browser(url: &str) -> bool {
    let command = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = std::process::Stdio::null;
    let started = std::process::Command::new(command).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    started.is_ok()
}

fn router(session: Arc<OpenSession>) -> Router {
    let guard = session.clone();
    Router::new()
        .route("/", get(mapping))
        .route("/mapping", post(correct))
        .route("/run", get(running).post(start))
        .route("/out/{name}", get(result))
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is nothing here; the page is at /\n") })
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
            let port = guard.address.port();
            let ours = [guard.address.to_string(), format!("localhost:{port}")];
            async move {
                // A name from elsewhere that leads here is a site's attempt to read the page.
                if host.is_none_or(|host| !ours.contains(&host)) {
                    return (StatusCode::FORBIDDEN, "this page is to be had by its own address only\n").into_response();
                }
                let mut response = next.run(request).await;
                let headers = response.headers_mut();
                headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
                headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
                headers.insert(header::REFERRER_POLICY, header::HeaderValue::from_static("same-origin"));
                response
            }
        }))
        .with_state(session)
}

#[derive(Template)]
#[template(path = "open.html")]
struct Page<'a> {
    style: &'static str,
    token: &'a str,
    files: String,
    out: String,
    error: Option<String>,
    tables: Vec<Table>,
    /// Whether there is a table whose columns can be corrected.
    correctable: bool,
    platform: String,
    time_format: String,
    timezone: String,
    can_run: bool,
    found: Option<String>,
    notes: Vec<String>,
    failed: Option<String>,
    results: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "running.html")]
struct RunningPage {
    style: &'static str,
    step: &'static str,
    done: u64,
    of: u64,
    said: String,
}

/// Files of results that the page leads to, and their types.
const RESULTS: [(&str, &str, &str); 10] = [
    ("report.html", "text/html; charset=utf-8", "the findings to look at"),
    ("clusters.jsonl", "application/x-ndjson", "a group a line, with its evidence"),
    ("near_misses.jsonl", "application/x-ndjson", "groups that came close"),
    ("accounts.csv", "text/csv; charset=utf-8", "every account, the most suspect first"),
    ("ties.csv", "text/csv; charset=utf-8", "pairs of accounts"),
    ("objects.csv", "text/csv; charset=utf-8", "things that several accounts used"),
    ("network.graphml", "application/xml", "the network for igraph, networkx and Gephi"),
    ("network.gexf", "application/xml", "the network for Gephi"),
    ("summary.json", "application/json", "the numbers"),
    ("rejected.jsonl", "application/x-ndjson", "lines that could not be read, with the reason"),
];

async fn mapping(State(session): State<Arc<OpenSession>>) -> Response {
    let work = lock(&session.work).clone();
    if let Work::Running { .. } = work {
        return Redirect::to("/run").into_response();
    }
    let reading = lock(&session.reading).clone();
    let shown = {
        let (session, reading) = (session.clone(), reading.clone());
        tokio::task::spawn_blocking(move || preview(&session.files, &reading)).await
    };
    let (tables, error) = match shown {
        Ok(Ok(previews)) => (previews.iter().enumerate().map(|(at, shown)| table(at, shown, &reading)).collect(), None),
        Ok(Err(error)) => (Vec::new(), Some(crate::chain(&error))),
        Err(error) => (Vec::new(), Some(format!("the files could not be looked at: {error}"))),
    };
    let tables: Vec<Table> = tables;
    let (found, notes, failed) = match work {
        Work::Done { found, notes } => (Some(found), notes, None),
        Work::Failed(reason) => (None, Vec::new(), Some(reason)),
        Work::None | Work::Running { .. } => (None, Vec::new(), None),
    };
    let names: Vec<String> = session.files.iter().map(|file| file.display().to_string()).collect();
    let page = Page {
        style: presentation::STYLE,
        token: &session.token,
        files: names.join(", "),
        out: session.out.display().to_string(),
        can_run: error.is_none() && tables.iter().all(|table| table.refusal.is_none()),
        correctable: tables.iter().any(|table| !table.columns.is_empty()),
        error,
        tables,
        platform: reading.platform.clone().unwrap_or_default(),
        time_format: reading.time_format.clone().unwrap_or_default(),
        timezone: reading.timezone.clone().unwrap_or_default(),
        results: if found.is_some() {
            let there = |name: &str| session.out.join(name).is_file();
            RESULTS.iter().filter(|(name, ..)| there(name)).map(|(name, _, what)| (*name, *what)).collect()
        } else {
            Vec::new()
        },
        found,
        notes,
        failed,
    };
    html(page.render())
}

fn html(page: Result<String, askama::Error>) -> Response {
    match page {
        Ok(page) => ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the page cannot be written: {error}\n")).into_response()
        }
    }
}

/// A form as its fields in order: each column's name, then what it shall be.
type Fields = Vec<(String, String)>;

/// Whether a form is one that the page gave out.
fn is_ours(session: &OpenSession, fields: &Fields) -> bool {
    fields.iter().any(|(name, value)| name == "token" && *value == session.token)
}

fn refused() -> Response {
    (StatusCode::FORBIDDEN, "this form is not from the page as it is now: open the page again\n").into_response()
}

/// Takes over what a form says of the columns and of the table.
fn take(session: &OpenSession, fields: &Fields) {
    let said = |wanted: &str| {
        fields.iter().find(|(name, value)| name == wanted && !value.trim().is_empty()).map(|(_, value)| value.clone())
    };
    let mut reading = lock(&session.reading);
    reading.platform = said("platform");
    reading.time_format = said("time_format");
    reading.timezone = said("timezone");
    let values =
        |wanted: &'static str| fields.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let columns: Vec<&str> = values("name").collect();
    // What was said of other columns on the command line stays.
    reading.column.retain(|pair| pair.split_once('=').is_none_or(|(_, column)| !columns.contains(&column)));
    for (column, to) in columns.iter().zip(values("taken")).filter(|(_, to)| !to.is_empty()) {
        let pair = format!("{to}={column}");
        if !reading.column.contains(&pair) {
            reading.column.push(pair);
        }
    }
}

async fn correct(State(session): State<Arc<OpenSession>>, Form(fields): Form<Fields>) -> Response {
    if !is_ours(&session, &fields) {
        return refused();
    }
    take(&session, &fields);
    Redirect::to("/").into_response()
}

async fn start(State(session): State<Arc<OpenSession>>, Form(fields): Form<Fields>) -> Response {
    if !is_ours(&session, &fields) {
        return refused();
    }
    let starts = {
        let mut work = lock(&session.work);
        let rests = !matches!(*work, Work::Running { .. });
        if rests {
            *work = Work::Running { step: "Reading posts", done: 0, of: 0, unit: "bytes", began: Instant::now() };
        }
        rests
    };
    if starts {
        take(&session, &fields);
        let session = session.clone();
        std::thread::spawn(move || {
            // Whatever becomes of the run, the page must not wait for it for ever.
            let outcome = catch_unwind(AssertUnwindSafe(|| detect(&session)));
            *lock(&session.work) = match outcome {
                Ok(Ok((found, notes))) => Work::Done { found, notes },
                Ok(Err(error)) => Work::Failed(crate::chain(&error)),
                Err(_) => Work::Failed("the run broke down; the reason stands where the command was given".to_owned()),
            };
        });
    }
    Redirect::to("/run").into_response()
}

/// Does what `lockstep detect` does; returns what was found, in a sentence, and notes on the files.
fn detect(session: &OpenSession) -> Result<(String, Vec<String>)> {
    let reading = lock(&session.reading).clone();
    let mut notes: Vec<String> = Vec::new();
    let run = Run { files: &session.files, out: &session.out, report: true, memory_mib: 256 };
    let began = Instant::now();
    let detection = run.detect(
        &reading,
        &session.config,
        &ProgressBar::hidden(),
        &mut |line| {
            notes.push(line.to_string());
        },
        &mut |phase| {
            *lock(&session.work) = match phase {
                Phase::Reading(now) => Work::Running {
                    step: "Reading posts",
                    done: now.bytes,
                    of: now.total.unwrap_or(0),
                    unit: "bytes",
                    began,
                },
                Phase::Detecting { posts, of } => {
                    Work::Running { step: "Looking for groups", done: posts, of, unit: "posts", began }
                }
            };
        },
    )?;
    let bad = detection.counts.bad;
    if bad > 0 {
        notes.push(format!("{} could not be read, with the reasons in rejected.jsonl", counted(bad, "line")));
    }
    notes.extend(detection.counts.damaged.iter().map(ToString::to_string));
    Ok((format!("{} were read and looked through.", counted(detection.counts.posts, "post")), notes))
}

async fn running(State(session): State<Arc<OpenSession>>) -> Response {
    let work = lock(&session.work).clone();
    match work {
        Work::Running { step, done, of, unit, began } => {
            let took = Duration::from_secs(began.elapsed().as_secs());
            let said = if of > 0 {
                format!("{} of {} {unit}, {} s so far", count(done), count(of), took.as_secs())
            } else {
                format!("{} {unit}, {} s so far", count(done), took.as_secs())
            };
            let page = RunningPage { style: presentation::STYLE, step, done, of, said };
            let mut response = html(page.render());
            // The page shows its progress without a script.
            response.headers_mut().insert(header::REFRESH, header::HeaderValue::from_static(REFRESH));
            response
        }
        Work::Done { .. } => Redirect::to("/out/report.html").into_response(),
        Work::Failed(_) | Work::None => Redirect::to("/").into_response(),
    }
}

async fn result(State(session): State<Arc<OpenSession>>, Segment(name): Segment<String>) -> Response {
    // Only what stands in the list: a name is never a path.
    let Some((name, kind, _)) = RESULTS.iter().find(|(known, ..)| *known == name) else {
        return (StatusCode::NOT_FOUND, "there is no such file of results\n").into_response();
    };
    match tokio::fs::read(session.out.join(name)).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, *kind)], bytes).into_response(),
        Err(error) => (StatusCode::NOT_FOUND, format!("{name} cannot be read: {error}\n")).into_response(),
    }
}
