//! Errors and warnings, with the texts of the command line.

use std::fmt::Display;

use pyo3::{
    create_exception,
    exceptions::{PyException, PyUserWarning},
    prelude::*,
};

create_exception!(lockstep, LockstepError, PyException, "An error, with the text of the command line.");
create_exception!(lockstep, InputWarning, PyUserWarning, "A possible mistake in the posts or in how they were read.");

/// An exception with the text of an error.
pub(crate) fn failed(error: impl Display) -> PyErr {
    LockstepError::new_err(error.to_string())
}
