//! The Python package `lockstep`: [`detection`] on files, and on tables of pandas, polars and
//! pyarrow.
//!
//! A table comes in through the Arrow C stream interface (`__arrow_c_stream__`), and results go out
//! through it, so that no Python library is needed by the package itself. A column of a table is
//! understood as a column of a file would be: each value becomes the cell that it would be in a
//! file (`cells`), and what was found becomes tables (`tables`). The text of errors and warnings is
//! the command line's.
//!
//! What is absent: detection logic, and anything of the services.

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

/// The part of the package that is written in Rust.
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
