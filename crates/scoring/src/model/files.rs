//! Files of models: read, written atomically, or refused with a reason.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use atomic_file::Kind;

use super::{FORMAT, FORMAT_TREES};
use crate::features::Subject;

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The attempted action.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The content of a file is wrong.
    #[error("{}: {reason}; restore the file or train the model again", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file was written in a format that this version does not read.
    #[error("{}: model format {found}, this version reads {FORMAT} and {FORMAT_TREES}; train the model again", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// The format found.
        found: u64,
    },
    /// The model was fitted on another feature list.
    #[error("{}: fitted on other features: {difference}; train the model again", path.display())]
    Features {
        /// Which file.
        path: PathBuf,
        /// The difference as text.
        difference: String,
    },
    /// The model has another subject.
    #[error("{model} is a model of {found}s and cannot judge {wanted}s; choose another one")]
    Subject {
        /// Name and version.
        model: String,
        /// Its subject.
        found: Subject,
        /// The wanted subject.
        wanted: Subject,
    },
    /// The version exists already, with other content.
    #[error("{} holds another model; choose another version", path.display())]
    Exists {
        /// The version's folder.
        path: PathBuf,
    },
    /// No model is in service.
    #[error(
        "no model is in service: there is no active.toml in {}; put one in service with \
         `lockstep models promote NAME VERSION`; there are: {known}",
        path.display()
    )]
    NoneActive {
        /// The registry's folder.
        path: PathBuf,
        /// The models in the registry.
        known: String,
    },
    /// There is no earlier version to return to.
    #[error("cannot go back: {reason}")]
    NoEarlierModel {
        /// The reason.
        reason: String,
    },
    /// There is no such model.
    #[error("no model {wanted:?} in {}; there are: {known}", path.display())]
    Unknown {
        /// The wanted model.
        wanted: String,
        /// The registry's folder.
        path: PathBuf,
        /// The models in the registry.
        known: String,
    },
    /// A name or version with characters other than a-z, 0-9, `.`, `_` and `-`.
    #[error(
        "{0:?} cannot be a model's name or version; use a-z, 0-9, '.', '_' and '-', starting with a letter or digit"
    )]
    Name(String),
    /// A text that should be a model's name and version.
    #[error("{0:?} names no model: write NAME/VERSION, for example cluster/2")]
    NameVersion(String),
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    fs::read(path).map_err(|source| ModelError::Io { action: "read", path: path.to_owned(), source })
}

/// Replaces a file atomically: a reader sees the old bytes or the new ones.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    atomic_file::write(path, Kind::State, |out| out.write_all(bytes)).map_err(|source| ModelError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

pub(crate) fn corrupt(path: &Path, reason: impl Into<String>) -> ModelError {
    ModelError::Corrupt { path: path.to_owned(), reason: reason.into() }
}

/// Names and versions become folder names, so they must not lead to other folders.
pub(crate) fn check_name(name: &str) -> Result<(), ModelError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if starts_well && name.chars().all(allowed) { Ok(()) } else { Err(ModelError::Name(name.to_owned())) }
}
