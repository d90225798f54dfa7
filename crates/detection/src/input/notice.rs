//! What a reader of files is told beside the posts: what columns were taken for, and what became of their cells.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use messages::dialect::csv::{CellCount, Columns, Taken};
use serde_json::{Value, json};

use super::error::shown;

/// Something that the user should know of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The file, as given; of an archive with the name of its member.
    pub file: Arc<Path>,
    /// Whether it may be a mistake, and not only what was done.
    pub warning: bool,
    /// What there is to know.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.file), self.text)
    }
}

/// Takes notices. Without one they go to the log.
#[derive(Clone, Default)]
pub struct NoticeSink(Option<Arc<Take>>);

/// What is done with a notice.
type Take = dyn Fn(&Notice) + Send + Sync;

impl NoticeSink {
    /// Calls this for each notice.
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

/// What became of a table.
#[derive(Debug, Clone)]
pub struct TableCounts {
    /// The file, as given; of an archive with the name of its member.
    pub file: Arc<Path>,
    /// Its layout.
    pub layout: &'static str,
    /// Rows after the header, and lines before it that were passed over.
    pub rows: u64,
    /// Its columns, in the order of the header.
    pub columns: Vec<ColumnCount>,
}

/// What a column was taken for, and what became of its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnCount {
    /// Its name in the header.
    pub column: String,
    /// What it was taken for.
    pub taken: Taken,
    /// What became of its cells; nothing of a column that is not read.
    pub cells: CellCount,
}

impl TableCounts {
    /// One entry a column, for `summary.json`.
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

/// What each column is taken for and which are not read, all of them named.
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
