//! The results in Python: the findings of a run, and tables.

use std::{path::PathBuf, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{ArrowError, Field};
use detection::{detect::Detection, input::BadLine};
use pyo3::{prelude::*, types::PyCapsule};
use pyo3_arrow::ffi::{ArrayIterator, to_stream_pycapsule};

use crate::{errors::failed, explain::explained, tables};

/// The findings of a run, with counts of the posts that were read.
#[pyclass(frozen, module = "lockstep")]
pub struct Findings {
    detection: Detection,
    rejected: Vec<BadLine>,
    notices: Vec<String>,
}

impl Findings {
    pub(crate) fn new(detection: Detection, rejected: Vec<BadLine>, notices: Vec<String>) -> Findings {
        Findings { detection, rejected, notices }
    }
}

#[pymethods]
impl Findings {
    /// Every group that was ever reported, in its last state; flagged groups first.
    #[getter]
    fn clusters(&self) -> PyResult<Table> {
        made(tables::clusters(&self.detection.clusters))
    }

    /// Groups that came close but did not pass the test, nearest to their threshold first. Their members
    /// are not named.
    #[getter]
    fn near_misses(&self) -> PyResult<Table> {
        made(tables::clusters(&self.detection.near_misses))
    }

    /// Every account: accounts of flagged groups first, then by suspicion.
    #[getter]
    fn accounts(&self) -> PyResult<Table> {
        made(tables::accounts(&self.detection.accounts))
    }

    /// Pairs of accounts that share more than chance explains, strongest first.
    #[getter]
    fn ties(&self) -> PyResult<Table> {
        made(tables::ties(&self.detection))
    }

    /// Links, texts, hashtags and other objects that at least two accounts used, and the groups in
    /// whose evidence they are.
    #[getter]
    fn objects(&self) -> PyResult<Table> {
        made(tables::objects(&self.detection))
    }

    /// Lines, rows and posts that could not be read, with the reason.
    #[getter]
    fn rejected(&self) -> PyResult<Table> {
        made(tables::rejected(&self.rejected))
    }

    /// The numbers, as in `summary.json`.
    #[getter]
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = self.detection.summary().to_string();
        py.import("json")?.call_method1("loads", (text,))
    }

    /// How files and columns were interpreted.
    #[getter]
    fn notices(&self) -> Vec<String> {
        self.notices.clone()
    }

    /// The arithmetic behind a group, computed again step by step, as `lockstep explain` prints it.
    /// `cluster_id` may be the beginning of an id.
    fn explain(&self, cluster_id: &str) -> PyResult<String> {
        let mut lines = String::new();
        for cluster in self.detection.clusters.iter().chain(&self.detection.near_misses) {
            lines.push_str(&tables::line(cluster).map_err(failed)?);
            lines.push('\n');
        }
        explained(&lines, cluster_id, "these findings")
    }

    /// Writes the files of `lockstep detect` to a folder, except the report: clusters.jsonl,
    /// near_misses.jsonl, ties.csv, accounts.csv, objects.csv, network.graphml, network.gexf and
    /// summary.json.
    fn write(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        py.detach(|| self.detection.write(&folder)).map_err(failed)
    }

    fn __repr__(&self) -> String {
        let tally = self.detection.tally();
        format!(
            "<lockstep.Findings: {} posts of {} accounts; groups: {} flagged, {} coordinated, {} on a single source, {} faded, {} near misses>",
            self.detection.counts.posts,
            self.detection.accounts_seen,
            tally.flagged.groups,
            tally.coordinated.groups,
            tally.single_source.groups,
            tally.faded.groups,
            tally.near_miss.groups,
        )
    }
}

/// A table of findings. `polars.DataFrame(table)`, `pyarrow.table(table)` and everything else that
/// reads Arrow streams accept it.
#[pyclass(frozen, module = "lockstep")]
pub struct Table {
    batch: RecordBatch,
}

fn made(batch: Result<RecordBatch, ArrowError>) -> PyResult<Table> {
    Ok(Table { batch: batch.map_err(failed)? })
}

#[pymethods]
impl Table {
    /// The Arrow C stream interface.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let field = Field::new_struct("", self.batch.schema().fields().clone(), false);
        let array: ArrayRef = Arc::new(StructArray::from(self.batch.clone()));
        let stream = ArrayIterator::new(std::iter::once(Ok(array)), field.into());
        Ok(to_stream_pycapsule(py, Box::new(stream), requested_schema)?)
    }

    /// The names of the columns.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.batch.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The number of rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    /// As a pyarrow table; needs pyarrow.
    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("pyarrow")?.call_method1("table", (slf,))
    }

    /// As a pandas data frame; needs pandas and pyarrow.
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Table::to_arrow(slf)?.call_method0("to_pandas")
    }

    /// As a polars data frame; needs polars.
    fn to_polars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("polars")?.call_method1("DataFrame", (slf,))
    }

    fn __repr__(&self) -> String {
        format!("<lockstep.Table: {} rows; {}>", self.batch.num_rows(), self.column_names().join(", "))
    }
}
