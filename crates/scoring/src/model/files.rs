//! Files of models: read, written as a whole, and refused with a reason.

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
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not what it should be.
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
        /// The difference in words.
        difference: String,
    },
    /// The model judges something else.
    #[error("{model} is a model of {found}s and cannot judge {wanted}s; choose another one")]
    Subject {
        /// Name and version.
        model: String,
        /// What it judges.
        found: Subject,
        /// What it should.
        wanted: Subject,
    },
    /// The version is there already, with other content.
    #[error("{} holds another model; choose another version", path.display())]
    Exists {
        /// The version's folder.
        path: PathBuf,
    },
    /// Nobody has put a model in service.
    #[error(
        "no model is in service: there is no active.toml in {}; put one in service with \
         `lockstep models promote NAME VERSION`; there are: {known}",
        path.display()
    )]
    NoneActive {
        /// The registry's folder.
        path: PathBuf,
        /// What there is.
        known: String,
    },
    /// There is no version to go back to.
    #[error("cannot go back: {reason}")]
    NoWayBack {
        /// Why not.
        reason: String,
    },
    /// No such model.
    #[error("no model {wanted:?} in {}; there are: {known}", path.display())]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// The registry's folder.
        path: PathBuf,
        /// What there is.
        known: String,
    },
    /// A name or version with characters other than a-z, 0-9, `.`, `_` and `-`.
    #[error(
        "{0:?} cannot be a model's name or version; use a-z, 0-9, '.', '_' and '-', starting with a letter or digit"
    )]
    Name(String),
    /// A model was to be named by name and version.
    #[error("{0:?} names no model: write NAME/VERSION, for example cluster/2")]
    NameVersion(String),
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    fs::read(path).map_err(|source| ModelError::Io { action: "read", path: path.to_owned(), source })
}

/// Replaces a file as a whole: a reader sees the old bytes or the new.
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

/// Names and versions become folder names: nothing in them may lead elsewhere.
pub(crate) fn check_name(name: &str) -> Result<(), ModelError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if starts_well && name.chars().all(allowed) { Ok(()) } else { Err(ModelError::Name(name.to_owned())) }
}
