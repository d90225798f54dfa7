//! Tables in workbooks of spreadsheets.
//!
//! Ids are text there, or numbers of at most 15 digits: a longer number has been rounded, and is
//! refused.

use std::fs::File;
use std::io::{self, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{Data, DataType, ExcelDateTime, Ods, Range, Reader, Xls, Xlsx};

use super::InputError;
use super::parquet_file::float;
use super::read::Reading;
use super::rows::{Rows, TableRow};
use super::source::Workbook;

/// Rows among which the header is searched.
const PREAMBLE: usize = 30;

impl Reading<'_> {
    pub(super) fn workbook(&mut self, content: File, kind: Workbook) -> Result<(), InputError> {
        let content = BufReader::new(content);
        let chosen = self.options.sheet.clone();
        // The library may panic on damaged files. Nothing is used after a panic.
        let read = catch_unwind(AssertUnwindSafe(|| match kind {
            Workbook::Xlsx => {
                Xlsx::new(content).map_err(|e| e.to_string()).and_then(|book| sheet(book, chosen.as_deref()))
            }
            Workbook::Xls => {
                Xls::new(content).map_err(|e| e.to_string()).and_then(|book| sheet(book, chosen.as_deref()))
            }
            Workbook::Ods => {
                Ods::new(content).map_err(|e| e.to_string()).and_then(|book| sheet(book, chosen.as_deref()))
            }
        }));
        let read = read.unwrap_or_else(|_| Err("its parts contradict each other".to_owned()));
        let Sheet { name, others, range } = match read {
            Ok(sheet) => sheet,
            Err(reason) => {
                return Err(InputError::Format {
                    file: self.path(),
                    reason: format!("cannot be read as a workbook: {reason}"),
                });
            }
        };
        if !others.is_empty() {
            self.notice(true, format!("sheet {name:?} is read, and not {}; --sheet names another", others.join(", ")));
        }
        if range.is_empty() {
            return Err(InputError::Empty { file: self.path() });
        }
        let first = range.start().map_or(0, |(row, _)| u64::from(row));
        let clocked = clocked(&range);
        let mut rows = SheetRows { range, clocked, at: 0, first };
        let mapping = self.options.mapping_with_platform();
        let header = (0..PREAMBLE.min(rows.range.height()))
            .map(|at| (messages::dialect::csv::known_names(&rows.cells(at), &mapping), at))
            .filter(|(known, at)| *at == 0 || *known >= 3)
            .max_by_key(|(known, at)| (*known, usize::MAX - at))
            .map_or(0, |(_, at)| at);
        if header > 0 {
            self.passed_over(header as u64);
            self.notice(
                false,
                format!("the header is row {}; the rows before it are passed over", first + header as u64 + 1),
            );
        }
        rows.at = header + 1;
        let names = rows.cells(header);
        self.table(&mut rows, names, None, &mut |_, _| {})?;
        self.took_all();
        Ok(())
    }
}

struct Sheet {
    name: String,
    others: Vec<String>,
    range: Range<Data>,
}

/// The sheet that was chosen by its name or number, or else the first that is not empty.
fn sheet<B: Reader<BufReader<File>>>(mut book: B, chosen: Option<&str>) -> Result<Sheet, String>
where
    B::Error: std::fmt::Display,
{
    let names = book.sheet_names();
    let mut range = |name: &str| book.worksheet_range(name).map_err(|error| error.to_string());
    if let Some(chosen) = chosen {
        let number = chosen.parse::<usize>().ok().and_then(|number| names.get(number.checked_sub(1)?));
        let name = names.iter().find(|name| *name == chosen).or(number);
        let Some(name) = name else {
            return Err(format!("it has no sheet {chosen:?}; there are {}", names.join(", ")));
        };
        return Ok(Sheet { name: name.clone(), others: Vec::new(), range: range(name)? });
    }
    let mut first = None;
    for name in &names {
        let range = range(name)?;
        if !range.is_empty() {
            first = Some((name.clone(), range));
            break;
        }
    }
    let (name, range) = first.ok_or("none of its sheets holds anything")?;
    let others = names.into_iter().filter(|other| *other != name).collect();
    Ok(Sheet { name, others, range })
}

/// For each column, whether any of its dates has a time of day: only then does a date without one
/// mean midnight.
fn clocked(range: &Range<Data>) -> Vec<bool> {
    let mut clocked = vec![false; range.width()];
    for row in range.rows() {
        for (column, cell) in row.iter().enumerate() {
            if let Data::DateTime(time) = cell
                && time.as_f64().fract() != 0.0
            {
                clocked[column] = true;
            }
        }
    }
    clocked
}

struct SheetRows {
    range: Range<Data>,
    clocked: Vec<bool>,
    at: usize,
    /// Rows of the sheet before the range.
    first: u64,
}

impl SheetRows {
    fn cells(&self, at: usize) -> Vec<String> {
        let row = self.range.rows().nth(at).unwrap_or_default();
        row.iter().zip(&self.clocked).map(|(cell, clocked)| text(cell, *clocked)).collect()
    }
}

impl Rows for SheetRows {
    fn next(&mut self, row: &mut TableRow, _: &dyn Fn(&[&str]) -> bool) -> io::Result<bool> {
        while self.at < self.range.height() {
            let width = self.range.width();
            self.at += 1;
            let empty = (0..width).all(|column| self.range.get((self.at - 1, column)).is_none_or(DataType::is_empty));
            if empty {
                continue;
            }
            let cells: Vec<String> = (0..width)
                .map(|column| {
                    self.range
                        .get((self.at - 1, column))
                        .map_or_else(String::new, |cell| text(cell, self.clocked[column]))
                })
                .collect();
            *row = TableRow::of(self.first + self.at as u64, cells.iter().map(String::as_str));
            return Ok(true);
        }
        Ok(false)
    }

    fn progress(&self) -> Option<u64> {
        Some(self.at as u64 * 1000 / self.range.height().max(1) as u64)
    }
}

/// A cell as text.
fn text(cell: &Data, clocked: bool) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
            format!("{number:.0}")
        }
        Data::Float(number) => float(*number),
        Data::Bool(truth) => truth.to_string(),
        Data::DateTime(time) => moment(time, clocked),
        Data::Error(error) => error.to_string(),
    }
}

fn moment(time: &ExcelDateTime, clocked: bool) -> String {
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    if time.is_duration() || time.as_f64() < 1.0 {
        return format!("{hour:02}:{minute:02}:{second:02}.{milli:03}");
    }
    if !clocked {
        return format!("{year:04}-{month:02}-{day:02}");
    }
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03}")
}
