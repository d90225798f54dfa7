//! The Python package `lockstep`: [`detection`] on files, and on tables of pandas, polars and
//! pyarrow.
//!
//! Tables come in, and results go out, through the Arrow C stream interface (`__arrow_c_stream__`),
//! so the package itself needs no Python library. A column of a table is read like a column of a
//! file: each value becomes the cell that it would be in a file (`cells`). Findings become tables
//! (`tables`). Errors and warnings have the texts of the command line.
//!
//! Absent: detection logic, and the services.

#![cfg(feature = "module")]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cells;
mod errors;
mod explain;
mod findings;
mod options;
mod run;
mod tables;

use pyo3::prelude::*;

/// The part of the package written in Rust.
#[pymodule]
mod _lockstep {
    #[pymodule_export]
    use super::findings::{Findings, Table};
    #[pymodule_export]
    use super::{
        errors::{InputWarning, LockstepError},
        explain::explain,
        run::detect,
    };

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
