//! The arithmetic behind a cluster.

use detection::explain::{Explanation, find};
use pyo3::prelude::*;

use crate::errors::failed;

/// The arithmetic behind a cluster, computed again from its line: `cluster` is a line of
/// clusters.jsonl, or the `json` of a row of `Findings.clusters`.
#[pyfunction]
pub fn explain(cluster: &str) -> PyResult<String> {
    explained(cluster, "", "this text")
}

/// Explains the cluster whose id begins with `id`, among several lines.
pub(crate) fn explained(lines: &str, id: &str, place: &str) -> PyResult<String> {
    let message = find(lines.as_bytes(), id).map_err(|error| failed(format!("{place} {error}")))?;
    Ok(Explanation::of(&message).map_err(failed)?.to_string())
}
