//! What the user learns while files are read: how columns are read, and how many cells were read in
//! which way.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use messages::dialect::csv::{CellCount, Columns, Taken};
use serde_json::{Value, json};

use super::error::shown;

/// Something that the user should know of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The file, as given; for a member of an archive, with the member's name.
    pub file: Arc<Path>,
    /// Whether it may be a mistake; otherwise it is only information.
    pub warning: bool,
    /// The message.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.file), self.text)
    }
}

/// Receives notices. Without a receiver they go to the log.
#[derive(Clone, Default)]
pub struct NoticeSink(Option<Arc<Take>>);

/// The receiver of a notice.
type Take = dyn Fn(&Notice) + Send + Sync;

impl NoticeSink {
    /// Calls `take` for each notice.
    pub fn new(take: impl Fn(&Notice) + Send + Sync + 'static) -> NoticeSink {
        NoticeSink(Some(Arc::new(take)))
    }

    pub(super) fn tell(&self, notice: &Notice) {
        match &self.0 {
            Some(take) => take(notice),
            None if notice.warning => tracing::warn!("{notice}"),
            None => tracing::info!("{notice}"),
        }
    }
}

impl fmt::Debug for NoticeSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "NoticeSink(..)" } else { "NoticeSink" })
    }
}

/// Counts of a table.
#[derive(Debug, Clone)]
pub struct TableCounts {
    /// The file, as given; for a member of an archive, with the member's name.
    pub file: Arc<Path>,
    /// Its layout.
    pub layout: &'static str,
    /// Rows after the header, and skipped lines before it.
    pub rows: u64,
    /// Its columns, in the order of the header.
    pub columns: Vec<ColumnCount>,
}

/// How a column was read, and counts of its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnCount {
    /// Its name in the header.
    pub column: String,
    /// How it was read.
    pub taken: Taken,
    /// Counts of its cells; none for a column that is not read.
    pub cells: CellCount,
}

impl TableCounts {
    /// One entry per column, for `summary.json`.
    pub fn entries(&self) -> impl Iterator<Item = Value> {
        self.columns.iter().map(|column| {
            let (taken_for, by) = match column.taken {
                Taken::For(field, by) => (field.name(), Some(by.name())),
                Taken::Ignored => ("ignored", None),
                Taken::NotRead => ("not read", None),
            };
            json!({
                "file": shown(&self.file),
                "layout": self.layout,
                "column": column.column,
                "taken_for": taken_for,
                "by": by,
                "read": column.cells.read,
                "missing": column.cells.missing,
                "unreadable": column.cells.unreadable,
                "repaired": column.cells.repaired,
            })
        })
    }
}

/// How each column is read; all columns that are not read are named.
pub(super) fn description(columns: &Columns) -> String {
    let mut read = Vec::new();
    let (mut ignored, mut left) = (Vec::new(), Vec::new());
    for (column, taken) in columns.taken() {
        let column = if column.is_empty() { "(no name)" } else { column };
        match taken {
            Taken::For(field, _) if field.name() == column => read.push(column.to_owned()),
            Taken::For(field, _) => read.push(format!("{field} from {column}")),
            Taken::Ignored => ignored.push(column),
            Taken::NotRead => left.push(column),
        }
    }
    let mut text = format!("{}: {}", columns.layout().name(), read.join(", "));
    if let Some(platform) = columns.platform().filter(|_| !read.iter().any(|part| part.starts_with("platform"))) {
        text.push_str(&format!(", platform is {platform}"));
    }
    for (what, names) in [("not read", left), ("ignored", ignored)] {
        if !names.is_empty() {
            text.push_str(&format!("; {what}: {}", names.join(", ")));
        }
    }
    text
}
