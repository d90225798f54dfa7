//! Result files, written whole or not at all.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use atomic_file::Kind;

/// A result file or its folder cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

/// Writes a file whole or not at all.
pub(crate) fn create(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), WriteError> {
    let fail = |source| WriteError { path: path.to_owned(), source };
    atomic_file::write(path, Kind::Result, |out| write(out)).map_err(fail)
}
