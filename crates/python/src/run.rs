//! A run: posts in, findings out.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use detection::{
    detect::{Phase, detect_and_describe},
    input::{BadLine, Counts, Input, NoticeSink, Stop},
};
use jiff::Timestamp;
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyDict, PyString},
};
use pyo3_arrow::input::AnyRecordBatch;

use crate::{
    cells,
    errors::{InputWarning, failed},
    findings::Findings,
    options,
};

/// Posts from files or from a table.
enum Posts {
    Files(Vec<PathBuf>),
    Table(AnyRecordBatch),
}

impl Posts {
    fn of(posts: &Bound<'_, PyAny>) -> PyResult<Posts> {
        if posts.hasattr("__arrow_c_stream__")? || posts.hasattr("__arrow_c_array__")? {
            return Ok(Posts::Table(posts.extract()?));
        }
        if let Ok(file) = posts.extract::<PathBuf>() {
            return Ok(Posts::Files(vec![file]));
        }
        if !posts.is_instance_of::<PyString>()
            && let Ok(files) = posts.extract::<Vec<PathBuf>>()
        {
            return Ok(Posts::Files(files));
        }
        Err(PyTypeError::new_err(format!(
            "posts must be a table (pandas, polars, pyarrow or anything else with __arrow_c_stream__), a path or a list of paths, not {}; \
             pandas has __arrow_c_stream__ from version 2.2 on, with pyarrow",
            posts.get_type().name()?
        )))
    }
}

/// Finds groups that act in lockstep. `posts` is a table, a path or a list of paths.
#[pyfunction]
#[pyo3(signature = (posts, *, config=None, on_progress=None, **options))]
pub fn detect(
    py: Python<'_>,
    posts: &Bound<'_, PyAny>,
    config: Option<PathBuf>,
    on_progress: Option<Py<PyAny>>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Findings> {
    let posts = Posts::of(posts)?;
    let (config, mut reading, warnings) = options::read(config.as_deref(), options)?;
    let collected: Arc<Mutex<Vec<(bool, String)>>> = Arc::default();
    let notices = collected.clone();
    reading.notices = NoticeSink::new(move |notice| {
        notices.lock().unwrap_or_else(PoisonError::into_inner).push((notice.warning, notice.to_string()));
    });
    let stop = Stop::default();
    reading.stop = stop.clone();
    let tolerance = i64::try_from(config.future_tolerance_s).unwrap_or(i64::MAX).saturating_mul(1_000);
    reading.latest = Some(Timestamp::now().as_millisecond().saturating_add(tolerance));
    let input = match posts {
        Posts::Files(files) => Input::open(&files, reading).map_err(failed)?,
        Posts::Table(table) => {
            let (header, rows) = cells::table(table.into_reader()?);
            Input::table("the table", header, rows, reading)
        }
    };
    let mut rejected: Vec<BadLine> = Vec::new();
    let mut raised: Option<PyErr> = None;
    let outcome = py.detach(|| {
        let mut on_phase = |phase: Phase| {
            if raised.is_some() {
                return;
            }
            raised = Python::attach(|py| report_progress(py, on_progress.as_ref(), phase)).err();
            if raised.is_some() {
                stop.request();
            }
        };
        detect_and_describe(input, &config, &mut |bad| rejected.push(bad), &mut on_phase)
    });
    if let Some(error) = raised {
        return Err(error);
    }
    let collected = std::mem::take(&mut *collected.lock().unwrap_or_else(PoisonError::into_inner));
    let mut notices = Vec::new();
    for (is_warning, text) in collected {
        if is_warning { warn(py, &text)? } else { notices.push(text) }
    }
    let detection = outcome.map_err(failed)?;
    for warning in &warnings {
        warn(py, warning)?;
    }
    warn_about(py, &detection.counts, &rejected)?;
    if detection.counts.posts == 0 {
        // Empty results would look like the finding that there are no groups.
        return Err(failed(format!("no post could be read: {}", why_no_posts(&detection.counts, &rejected))));
    }
    Ok(Findings::new(detection, rejected, notices))
}

/// Calls `on_progress(phase, done, total)`. Ctrl-C raises KeyboardInterrupt here, which stops the
/// run.
fn report_progress(py: Python<'_>, on_progress: Option<&Py<PyAny>>, phase: Phase) -> PyResult<()> {
    py.check_signals()?;
    let Some(on_progress) = on_progress else { return Ok(()) };
    let event = match phase {
        Phase::Reading(progress) => ("reading", progress.bytes, progress.total),
        Phase::Detecting { posts, of } => ("detecting", posts, Some(of)),
    };
    on_progress.call1(py, event).map(drop)
}

/// Warns about fields and lines that could not be read.
fn warn_about(py: Python<'_>, counts: &Counts, rejected: &[BadLine]) -> PyResult<()> {
    if let Some(first) = rejected.first() {
        warn(py, &format!("{} rejected, see Findings.rejected; the first: {first}", counted(counts.bad, "line")))?;
    }
    for (field, unreadable) in &counts.unreadable {
        let posts = counted(unreadable.posts, "post");
        let count = if unreadable.posts == 1 { "counts" } else { "count" };
        warn(
            py,
            &format!(
                "`{field}` cannot be read in {posts}, which {count} without this field; the first: {}",
                unreadable.first
            ),
        )?;
    }
    if counts.local_times > 0 {
        let posts = counted(counts.local_times, "post");
        warn(
            py,
            &format!("the times of {posts} have no offset from UTC and were read as UTC; set their zone with timezone"),
        )?;
    }
    for damage in &counts.damaged {
        warn(py, &format!("{damage}; the results cover the rest"))?;
    }
    Ok(())
}

fn why_no_posts(counts: &Counts, rejected: &[BadLine]) -> String {
    match (counts.damaged.first(), rejected.first()) {
        (Some(damage), _) => damage.to_string(),
        (None, Some(first)) => format!("{} rejected, the first: {first}", counted(counts.bad, "line")),
        (None, None) if counts.not_posts > 0 => format!("{} hold no post", counted(counts.not_posts, "value")),
        (None, None) => "the input has only blank lines or a header".to_owned(),
    }
}

fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn warn(py: Python<'_>, text: &str) -> PyResult<()> {
    py.import("warnings")?.call_method1("warn", (text, py.get_type::<InputWarning>(), 1)).map(drop)
}
