//! Errors and warnings, in the words of the command line.

use std::fmt::Display;

use pyo3::{
    create_exception,
    exceptions::{PyException, PyUserWarning},
    prelude::*,
};

create_exception!(
    lockstep,
    LockstepError,
    PyException,
    "Why something cannot be done, in the words of the command line."
);
create_exception!(
    lockstep,
    InputWarning,
    PyUserWarning,
    "Something in the posts, or in how they were read, may be a mistake."
);

/// Errors become exceptions with the same text.
pub(crate) fn failed(error: impl Display) -> PyErr {
    LockstepError::new_err(error.to_string())
}
