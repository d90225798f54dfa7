//! Tables: from rows to posts, whatever stores the rows.
//!
//! The first rows are examined before any is handed over: they decide how dates are written and
//! whether the header is complete. Doubts are reported, or the table is refused, before the first
//! post.

use messages::DecodeError;
use messages::dialect::csv::{CellCounts, Columns, Field, RowError, Taken};
use messages::post;

use super::notice::{ColumnCount, TableCounts, description};
use super::read::Reading;
use super::rows::{Rows, TableRow, TextRows};
use super::source::TableSource;
use super::{InputError, PeerRow, Preview, PreviewColumn};

/// Most rows that are examined first.
const SAMPLE: usize = 5_000;
/// Most bytes of these rows.
const SAMPLE_BYTES: usize = 4 << 20;

impl Reading<'_> {
    /// A table of text.
    pub(super) fn text_table(&mut self, source: TableSource<'_>) -> Result<(), InputError> {
        let mut rows = TextRows::new(source.content, source.delimiter);
        let mut header = TableRow::default();
        let first = rows.pass_over(source.preamble).and_then(|()| rows.next(&mut header, &|_| false));
        match first {
            Err(error) => {
                self.damaged(1, error);
                return Ok(());
            }
            Ok(false) => return Ok(()),
            Ok(true) => {}
        }
        if let Some(error) = header.fault.take() {
            self.bad(header.line, error, &header.raw);
            return Ok(());
        }
        let names: Vec<String> = header.bytes().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        rows.width(names.len());
        let line = header.line;
        let separator = match source.delimiter {
            b'\t' => "tab".to_owned(),
            other => char::from(other).to_string(),
        };
        if source.preamble > 0 {
            self.passed_over(source.preamble);
            self.notice(false, format!("the header is line {line}; {} before it passed over", lines(source.preamble)));
        }
        self.table(&mut rows, names, Some(&separator), &mut |rows, width| rows.width(width))
    }

    /// A table whose header was read. `width` tells the rows how many cells they have, if that
    /// matters.
    pub(super) fn table<R: Rows>(
        &mut self,
        rows: &mut R,
        mut header: Vec<String>,
        separator: Option<&str>,
        width: &mut dyn FnMut(&mut R, usize),
    ) -> Result<(), InputError> {
        // The header may have to grow, and whether a line is a row depends on the columns: so the
        // columns are determined twice.
        let known = self.columns(&header, separator)?;
        let mut sample = Vec::new();
        let mut size = 0;
        let mut failed = None;
        while sample.len() < SAMPLE && size < SAMPLE_BYTES {
            let mut row = TableRow::default();
            match rows.next(&mut row, &|cells| known.is_timed(cells)) {
                Ok(true) => {
                    size += row.size();
                    sample.push(row);
                }
                Ok(false) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let mut columns = known;
        if let Some(whole) = whole_header(&header, &sample) {
            header = whole;
            columns = self.columns(&header, separator)?;
            width(rows, header.len());
        }
        let cells: Vec<Vec<&str>> =
            sample.iter().filter(|row| row.fault.is_none()).filter_map(|row| row.cells().ok()).collect();
        let filled = |place: usize| {
            cells.is_empty()
                || cells
                    .iter()
                    .any(|cells| cells.get(place).is_some_and(|cell| !self.options.mapping.missing.holds(cell)))
        };
        let concerns = columns.concerns(&filled);
        let settled = columns.settle_times(&cells);
        if let Some(rows_shown) = self.preview_rows {
            let preview = self.preview(&columns, &cells, rows_shown);
            let mut concerns = concerns;
            concerns.warnings.extend(settled.err().map(|error| error.to_string()));
            self.previews.push(Preview { concerns, ..preview });
            return Ok(());
        }
        self.notice(false, description(&columns));
        for warning in concerns.warnings {
            self.notice(true, warning);
        }
        if let Some(reason) = concerns.refusal {
            return Err(InputError::Columns { file: self.path(), reason });
        }
        settled.map_err(|error| InputError::Columns { file: self.path(), reason: format!("column {error}") })?;
        if let Some((column, example)) = shortened_ids(&columns, &cells) {
            return Err(InputError::Columns {
                file: self.path(),
                reason: format!(
                    "column `{column}`: all long ids end in zeros, as {example:?} does: a spreadsheet rounded them to 15 digits, so that other \
                     ids have become the same one; export the ids as text"
                ),
            });
        }
        // This happens before anything is handed over: a reader that passes posts on could not take
        // them back.
        let mut scratch = CellCounts::new(columns.len());
        for (row, cells) in sample.iter().filter_map(|row| Some((row, row.cells().ok()?))) {
            if let Err(RowError::Table(error)) = columns.read(&cells, &mut scratch)
                && row.fault.is_none()
            {
                return Err(InputError::Rounded { file: self.path(), line: row.line, error: error.into() });
            }
        }
        drop(cells);

        let mut counting = Counting::new(columns.len());
        for row in sample {
            self.row(&row, &columns, &mut counting)?;
        }
        let mut row = TableRow::default();
        while failed.is_none() {
            match rows.next(&mut row, &|cells| columns.is_timed(cells)) {
                Ok(true) => {
                    self.row(&row, &columns, &mut counting)?;
                    if counting.rows.is_multiple_of(1024)
                        && let Some(thousandths) = rows.progress()
                    {
                        self.took_part(thousandths);
                    }
                }
                Ok(false) => break,
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            self.damaged(counting.last_line + u64::from(!counting.broken), error);
        }
        self.ended(&columns, counting, rows.stray_quotes())
    }

    fn row(&mut self, row: &TableRow, columns: &Columns, counting: &mut Counting) -> Result<(), InputError> {
        counting.rows += 1;
        (counting.last_line, counting.broken) = (row.line, row.broken);
        self.count_row();
        if let Some(error) = &row.fault {
            self.bad(row.line, error.clone(), &row.raw);
            return Ok(());
        }
        let raw = || if row.raw.is_empty() { cells_as_json(row) } else { row.raw.clone() };
        let Ok(cells) = row.cells() else {
            counting.not_utf8 += 1;
            if counting.first_not_utf8 == 0 {
                counting.first_not_utf8 = row.line;
            }
            let column = row.bytes().position(|cell| std::str::from_utf8(cell).is_err());
            let column = column.and_then(|place| columns.header().get(place).cloned()).unwrap_or_default();
            let reason =
                "is not UTF-8: if the file is in another encoding, name it with --encoding, for example windows-1252";
            self.bad(row.line, DecodeError::new(column, reason, &row.raw), &row.raw);
            return Ok(());
        };
        if columns.repeats(cells.iter().copied()) {
            counting.headers += 1;
            self.passed_over_row();
            return Ok(());
        }
        match columns.read(&cells, &mut counting.counts) {
            Ok(post) => self.foreign(&post, PeerRow::new(columns, &cells).as_ref(), row.line, raw)?,
            Err(RowError::Row(error)) => self.bad(row.line, error, &raw()),
            Err(RowError::Table(error)) => {
                return Err(InputError::Rounded { file: self.path(), line: row.line, error: error.into() });
            }
        }
        self.count_towards_progress()
    }

    /// Reports the notices about a table as a whole.
    fn ended(&mut self, columns: &Columns, counting: Counting, stray_quotes: u64) -> Result<(), InputError> {
        let Counting { counts, rows, not_utf8, first_not_utf8, headers, .. } = counting;
        if not_utf8 * 2 > rows {
            return Err(InputError::Encoding { file: self.path() });
        }
        if not_utf8 > 0 {
            self.notice(true, format!("{} not UTF-8, the first is line {first_not_utf8}", are(not_utf8, "line")));
        }
        if headers > 0 {
            self.notice(
                false,
                format!(
                    "{} passed over",
                    are(headers, "repeated header").replace(" is", " was").replace(" are", " were")
                ),
            );
        }
        if stray_quotes > 0 {
            let text =
                format!("{} a quotation mark that is not closed; read as they stand", have(stray_quotes, "line"));
            self.notice(true, text);
        }
        if counts.times_without_zone > 0 && !self.zone_is_known() {
            let text = format!(
                "{} without a zone, taken as UTC; --timezone names another",
                are(counts.times_without_zone, "time")
            );
            self.notice(false, text);
        }
        if counts.reposts_by_text > 0 {
            let text = format!(
                "{} said to be reposts, but no column has the id of what they repeat: those of one text are taken as reposts of one post",
                are(counts.reposts_by_text, "post")
            );
            self.notice(true, text);
        }
        if columns.makes_ids() {
            let text = "no column has the posts' ids: they are made of account, time and text, so posts that are alike in all three count once";
            self.notice(true, text.to_owned());
        }
        let cells = columns.taken().zip(&counts.columns);
        let columns: Vec<ColumnCount> = cells
            .map(|((column, taken), cells)| ColumnCount { column: column.to_owned(), taken, cells: *cells })
            .collect();
        for column in &columns {
            let Taken::For(field, _) = column.taken else { continue };
            let required = matches!(field, Field::Id | Field::AccountId | Field::CreatedAt | Field::Object);
            if column.cells.unreadable > 0 && !required {
                let text = format!(
                    "column {}: {} not be read, and {field} is not known there",
                    column.column,
                    could(column.cells.unreadable, "cell"),
                );
                self.notice(true, text);
            }
            if column.cells.repaired > 0 {
                let text = format!(
                    "column {}: {} read without what stood around it (blanks, .0, =\"…\")",
                    column.column,
                    are(column.cells.repaired, "id"),
                );
                self.notice(false, text);
            }
        }
        let layout = self.layout_name;
        self.table_ended(TableCounts { file: self.file(), layout, rows, columns });
        Ok(())
    }

    fn columns(&mut self, header: &[String], separator: Option<&str>) -> Result<Columns, InputError> {
        let mapping = self.options.mapping_with_platform();
        let columns = Columns::mapped(header.iter().map(String::as_str), &mapping, self.latest);
        let columns = columns.map_err(|error| match looks_like_a_row(header) {
            true => InputError::Format {
                file: self.path(),
                reason: format!(
                    "has no header: its first line is {:?}; put a line with the names of the columns before it",
                    messages::excerpt(header.join(separator.filter(|s| s.len() == 1).unwrap_or(",")).as_bytes())
                ),
            },
            false => {
                InputError::Header { file: self.path(), error: error.into(), separator: separator.map(str::to_owned) }
            }
        })?;
        self.layout_name = columns.layout().name();
        Ok(columns)
    }

    fn preview(&self, columns: &Columns, cells: &[Vec<&str>], rows: usize) -> Preview {
        let first = |place: usize| {
            cells.iter().take(rows).map(|cells| cells.get(place).copied().unwrap_or_default().to_owned()).collect()
        };
        let shown = columns
            .taken()
            .enumerate()
            .map(|(place, (column, taken))| PreviewColumn { column: column.to_owned(), taken, cells: first(place) })
            .collect();
        let mut counts = CellCounts::new(columns.len());
        let posts = cells.iter().take(rows).map(|cells| match columns.read(cells, &mut counts) {
            Ok(post) => Ok(String::from_utf8_lossy(&post::encode(&post)).into_owned()),
            Err(RowError::Row(error) | RowError::Table(error)) => Err(error.to_string()),
        });
        Preview {
            file: self.file(),
            layout: columns.layout().name().to_owned(),
            platform: columns.platform().map(str::to_owned),
            columns: shown,
            posts: posts.collect(),
            concerns: Default::default(),
        }
    }
}

/// Counts while a table is read.
struct Counting {
    counts: CellCounts,
    rows: u64,
    headers: u64,
    not_utf8: u64,
    first_not_utf8: u64,
    last_line: u64,
    /// Whether the file broke off in that line.
    broken: bool,
}

impl Counting {
    fn new(columns: usize) -> Counting {
        Counting {
            counts: CellCounts::new(columns),
            rows: 0,
            headers: 0,
            not_utf8: 0,
            first_not_utf8: 0,
            last_line: 0,
            broken: false,
        }
    }
}

/// The complete header: R's `write.table` names one column less than there are, and some programs
/// end each row with a separator.
fn whole_header(header: &[String], sample: &[TableRow]) -> Option<Vec<String>> {
    let rows: Vec<Vec<&str>> =
        sample.iter().filter(|row| row.fault.is_none()).filter_map(|row| row.cells().ok()).collect();
    if rows.is_empty() || rows.iter().any(|row| row.len() != header.len() + 1) {
        return None;
    }
    let mut whole = header.to_vec();
    match rows.iter().all(|row| row.last().is_some_and(|cell| cell.is_empty())) {
        true => whole.push(String::new()),
        false => whole.insert(0, String::new()),
    }
    Some(whole)
}

/// Whether the first line is already a row: no name is known in it, and one of its cells is a
/// number or a time.
fn looks_like_a_row(header: &[String]) -> bool {
    header.len() > 1
        && header.iter().any(|cell| {
            let cell = cell.trim();
            let digits = cell.bytes().filter(u8::is_ascii_digit).count();
            digits >= 8 || cell.contains("://")
        })
}

/// The column of ids that a spreadsheet has cut to 15 digits, so that all long ids end in zeros;
/// with one of these ids.
fn shortened_ids<'c>(columns: &'c Columns, cells: &[Vec<&'c str>]) -> Option<(&'c str, &'c str)> {
    [Field::Id, Field::AccountId, Field::RepostOf, Field::ReplyTo].into_iter().find_map(|field| {
        let mut long: Vec<&str> = cells
            .iter()
            .filter_map(|cells| columns.cell_of(cells, field))
            .map(str::trim)
            .filter(|id| id.len() > 15 && id.bytes().all(|b| b.is_ascii_digit()))
            .collect();
        long.sort_unstable();
        long.dedup();
        let cut = |id: &&str| id[15..].bytes().all(|b| b == b'0');
        if long.len() < 3 || !long.iter().all(cut) {
            return None;
        }
        let place = columns.taken().find(|(_, taken)| matches!(taken, Taken::For(known, _) if *known == field))?;
        Some((place.0, long[0]))
    })
}

fn cells_as_json(row: &TableRow) -> Vec<u8> {
    let cells: Vec<String> = row.bytes().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
    serde_json::Value::from(cells).to_string().into_bytes()
}

fn lines(number: u64) -> String {
    if number == 1 { "1 line".to_owned() } else { format!("{number} lines") }
}

fn are(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what} is") } else { format!("{number} {what}s are") }
}

fn have(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what} has") } else { format!("{number} {what}s have") }
}

fn could(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what} could") } else { format!("{number} {what}s could") }
}
