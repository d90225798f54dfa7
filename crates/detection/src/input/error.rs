//! Why files could not be read at all.

use std::io;
use std::path::{Path, PathBuf};

use messages::DecodeError;

/// Why files could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No file was named.
    #[error("no input: name at least one file, or - for standard input")]
    NoFiles,
    /// The file does not exist, or may not be read.
    #[error("cannot open {}: {source}", file.display())]
    Open {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder was named.
    #[error("{} is a folder: name the files in it", file.display())]
    Directory {
        /// Which.
        file: PathBuf,
    },
    /// The file is empty.
    #[error("{} is empty: expected posts as NDJSON, CSV, Excel or Parquet", shown(file))]
    Empty {
        /// Which file.
        file: PathBuf,
    },
    /// A binary file without a known compression.
    #[error(
        "{} is a binary file of an unknown kind: expected NDJSON, CSV, Excel or Parquet, plain, .gz, .zst, .xz, .bz2 or .zip",
        shown(file)
    )]
    Binary {
        /// Which file.
        file: PathBuf,
    },
    /// Text that is not UTF-8, and whose encoding is uncertain.
    #[error(
        "{}: more than half of its lines are not UTF-8: name its encoding, for example --encoding windows-1252, windows-1251 or shift_jis, or \
         save it as UTF-8",
        shown(file)
    )]
    Encoding {
        /// Which file.
        file: PathBuf,
    },
    /// Text that the dialect cannot contain.
    #[error("{}: {reason}", shown(file))]
    Format {
        /// Which file.
        file: PathBuf,
        /// What was found and what to do.
        reason: String,
    },
    /// A table without the required columns of a post.
    #[error("{}: column {error}; {}", shown(file), columns(error, separator.as_deref()))]
    Header {
        /// Which file.
        file: PathBuf,
        /// Which column.
        error: Box<DecodeError>,
        /// Separator of the cells, in a table of text.
        separator: Option<String>,
    },
    /// A table whose columns would be misread.
    #[error("{}: {reason}", shown(file))]
    Columns {
        /// Which file.
        file: PathBuf,
        /// What is doubtful, and what to do.
        reason: String,
    },
    /// A table with ids that were rounded.
    #[error("{}:{line}: column {error}", shown(file))]
    Rounded {
        /// Which file.
        file: PathBuf,
        /// Its line from 1; the row, in Parquet and workbooks.
        line: u64,
        /// Which column, and what to do.
        error: Box<DecodeError>,
    },
    /// The file breaks off or its compression is damaged.
    #[error("{} breaks off in line {line}, near byte {byte}: {source}; the lines before it were read", shown(file))]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// Line (Parquet: row) at which reading stopped, from 1.
        line: u64,
        /// Bytes read from the stored file. Reading is ahead by a buffer of at most 128 KiB.
        byte: u64,
        /// The reason.
        source: io::Error,
    },
    /// A sorted run cannot be written: no space or no permission.
    #[error("cannot sort with a temporary file in {}: {source}; free some space there, or allow more memory", dir.display())]
    Spill {
        /// Where.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The caller's own error, or its request to stop, ended the reading.
    #[error("stopped before all posts were read")]
    Stopped,
}

/// The name of a file, for messages.
pub(super) fn shown(file: &Path) -> std::borrow::Cow<'_, str> {
    if file == Path::new("-") { "standard input".into() } else { file.to_string_lossy() }
}

/// What to do about a header in which a column is missing or occurs twice.
fn columns(error: &DecodeError, separator: Option<&str>) -> String {
    if !error.reason.starts_with("is required") {
        return "see --show-mapping".to_owned();
    }
    let parted = separator
        .map(|by| format!("its cells are separated by {by:?}; ").replace("\"tab\"", "tabs"))
        .unwrap_or_default();
    match error.path.as_str() {
        "platform" => {
            "name the platform of all rows (on the command line with --platform), or add the column".to_owned()
        }
        field => format!(
            "{parted}a table of posts has the columns id, platform, account_id and created_at, or those of a tool that is known: say which \
             column it is with --column {field}=NAME, or see --show-mapping"
        ),
    }
}
