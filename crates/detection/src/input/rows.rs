//! Rows of a table as text: lines, cells and quotation marks.
//!
//! A quotation mark that is opened and never closed is the most frequent fault of such tables: it
//! swallows the rows after it. So a cell over several lines is doubted as soon as one of its lines
//! is a row by itself. Then its first line is read with its quotation marks as ordinary characters,
//! and the other lines are read as rows.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use memchr::{memchr, memchr_iter};
use messages::DecodeError;
use messages::post::MAX_VALUE_BYTES;

/// The longest line that is kept completely, to be reported.
const LONGEST_LINE: usize = 4 * MAX_VALUE_BYTES;
/// Bytes that are kept of a longer one.
const KEPT_OF_LONG_LINE: usize = 64 * 1024;
/// Most lines of one cell. Beyond them, a quotation mark was opened and never closed.
const MOST_LINES: usize = 10_000;

/// A row, or a line that could not be read as one.
#[derive(Debug, Default, Clone)]
pub(super) struct TableRow {
    /// Its first line, from 1; the row in Parquet and in workbooks.
    pub(super) line: u64,
    /// The bytes as read, without the line end.
    pub(super) raw: Vec<u8>,
    /// Its cells, one after another, and the end of each.
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Why it is not a row.
    pub(super) fault: Option<DecodeError>,
    /// Whether the file breaks off in this row.
    pub(super) broken: bool,
}

impl TableRow {
    /// A row of given cells.
    pub(super) fn of<'c>(line: u64, cells: impl IntoIterator<Item = &'c str>) -> TableRow {
        let mut row = TableRow { line, ..TableRow::default() };
        for cell in cells {
            row.text.extend_from_slice(cell.as_bytes());
            row.ends.push(row.text.len());
        }
        row
    }

    /// Its cells.
    pub(super) fn cells(&self) -> Result<Vec<&str>, std::str::Utf8Error> {
        let text = std::str::from_utf8(&self.text)?;
        let mut start = 0;
        Ok(self
            .ends
            .iter()
            .map(|end| {
                // Ends are at separators, which are ASCII.
                let cell = text.get(start..*end).unwrap_or_default();
                start = *end;
                cell
            })
            .collect())
    }

    /// Its cells as bytes.
    pub(super) fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let cell = &self.text[start..*end];
            start = *end;
            cell
        })
    }

    /// Approximate memory of the row.
    pub(super) fn size(&self) -> usize {
        self.raw.len() + self.text.len() + self.ends.len() * size_of::<usize>() + size_of::<TableRow>()
    }
}

/// Gives the rows of a table, one after another.
pub(super) trait Rows {
    /// Reads the next row into `row`; `false` after the last. `is_row` says whether cells are a row
    /// of the table by themselves.
    fn next(&mut self, row: &mut TableRow, is_row: &dyn Fn(&[&str]) -> bool) -> io::Result<bool>;

    /// The part that has been read, in thousandths, if the number of bytes does not show it.
    fn progress(&self) -> Option<u64> {
        None
    }

    /// Lines with a quotation mark that is not closed. It was read as an ordinary character.
    fn stray_quotes(&self) -> u64 {
        0
    }
}

/// Rows of text.
pub(super) struct TextRows<R> {
    content: R,
    delimiter: u8,
    /// Lines that were read in advance, with their ends.
    ahead: VecDeque<Line>,
    /// Lines read from the content.
    taken: u64,
    stray_quotes: u64,
    /// Number of cells of a row, once known.
    width: Option<usize>,
    broken: Option<io::Error>,
}

#[derive(Debug, Default)]
struct Line {
    number: u64,
    bytes: Vec<u8>,
    /// Bytes that were cut off.
    cut: usize,
}

impl<R: BufRead> TextRows<R> {
    pub(super) fn new(content: R, delimiter: u8) -> Self {
        TextRows { content, delimiter, ahead: VecDeque::new(), taken: 0, stray_quotes: 0, width: None, broken: None }
    }

    /// Skips lines before the header.
    pub(super) fn pass_over(&mut self, lines: u64) -> io::Result<()> {
        for _ in 0..lines {
            self.line()?;
        }
        Ok(())
    }

    /// Sets the number of cells of a row.
    pub(super) fn width(&mut self, cells: usize) {
        self.width = Some(cells);
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.ahead.pop_front() {
            return Ok(Some(line));
        }
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let mut line = Line { number: self.taken + 1, ..Line::default() };
        let outcome = Read::take(&mut self.content, LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line.bytes);
        match outcome {
            Ok(0) => return Ok(None),
            Ok(length) if length > LONGEST_LINE => {
                let more = if line.bytes.last() == Some(&b'\n') { 0 } else { self.content.skip_until(b'\n')? };
                line.bytes.truncate(KEPT_OF_LONG_LINE);
                line.cut = length + more;
            }
            Ok(_) => {}
            Err(error) if line.bytes.trim_ascii().is_empty() => return Err(error),
            // The bytes before the break are a row that breaks off.
            Err(error) => self.broken = Some(error),
        }
        self.taken += 1;
        Ok(Some(line))
    }

    /// Reads a cell over several lines to its end. If its lines are rows by themselves, the first
    /// line is read with its quotation marks as ordinary characters.
    fn several_lines(
        &mut self,
        first: Line,
        mut cells: Cells,
        row: &mut TableRow,
        is_row: &dyn Fn(&[&str]) -> bool,
    ) -> io::Result<()> {
        let mut more: Vec<Line> = Vec::new();
        let mut size = first.bytes.len();
        let end_of = |line: &Line| line.bytes.len() - trimmed(&line.bytes).len();
        cells.feed(&first.bytes[first.bytes.len() - end_of(&first)..]);
        let stray = loop {
            if self.broken.is_some() {
                break false;
            }
            let Some(line) = self.line()? else { break true };
            size += line.bytes.len();
            let alone = split_line(trimmed(&line.bytes), self.delimiter);
            // At the end of a real first cell over several lines come as many cells as a row has;
            // its quotation mark shows that it is such an end.
            let ends_a_cell = alone.first().is_some_and(|cell| cell.contains(&b'"'));
            let is_a_row = Some(alone.len()) == self.width && !ends_a_cell && {
                let alone: Option<Vec<&str>> = alone.iter().map(|cell| std::str::from_utf8(cell).ok()).collect();
                alone.is_some_and(|alone| is_row(&alone))
            };
            let content = trimmed(&line.bytes);
            let open = cells.line(content, self.delimiter);
            if open {
                cells.feed(&line.bytes[content.len()..]);
            }
            let long = more.len() >= MOST_LINES || size > LONGEST_LINE;
            more.push(line);
            if is_a_row || (open && long) {
                break true;
            }
            if !open {
                break false;
            }
        };
        if stray {
            self.stray_quotes += 1;
            for line in more.into_iter().rev() {
                self.ahead.push_front(line);
            }
            set(row, first.number, trimmed(&first.bytes), Cells::unquoted(trimmed(&first.bytes), self.delimiter));
            return Ok(());
        }
        let mut raw = first.bytes;
        more.iter().for_each(|line| raw.extend_from_slice(&line.bytes));
        set(row, first.number, trimmed(&raw), cells);
        row.broken = self.broken.is_some();
        row.fault = row.broken.then(|| DecodeError::new("", "breaks off with its file", &row.raw));
        Ok(())
    }
}

impl<R: BufRead> Rows for TextRows<R> {
    fn next(&mut self, row: &mut TableRow, is_row: &dyn Fn(&[&str]) -> bool) -> io::Result<bool> {
        (row.fault, row.broken) = (None, false);
        let line = loop {
            match self.line()? {
                None => return Ok(false),
                Some(line) if line.bytes.trim_ascii().is_empty() && !line.bytes.contains(&self.delimiter) => {}
                Some(line) => break line,
            }
        };
        let content = trimmed(&line.bytes);
        let broken = self.broken.is_some() && self.ahead.is_empty();
        if line.cut > 0 || memchr(0, content).is_some() || broken {
            let reason = if line.cut > 0 {
                format!("has {} bytes, more than the {LONGEST_LINE} allowed in one line", line.cut)
            } else if memchr(0, content).is_some() {
                "holds a NUL byte: this line was damaged".to_owned()
            } else {
                "breaks off with its file".to_owned()
            };
            set(row, line.number, content, Cells::default());
            row.fault = Some(DecodeError::new("", reason, content));
            row.broken = broken;
            return Ok(true);
        }
        if memchr(b'"', content).is_none() {
            set(row, line.number, content, Cells::unquoted(content, self.delimiter));
            return Ok(true);
        }
        let mut cells = Cells::default();
        let open = cells.line(content, self.delimiter);
        let fits = |cells: &Cells| self.width.is_none_or(|width| cells.ends.len() == width);
        if open || !fits(&cells) {
            // A quotation mark inside a quoted cell that is not doubled may have ended the
            // quotation: `"No" he said, …`.
            let mut strict = Cells { strict: true, ..Cells::default() };
            if cells.junk && !strict.line(content, self.delimiter) && self.width == Some(strict.ends.len()) {
                self.stray_quotes += 1;
                set(row, line.number, content, strict);
                return Ok(true);
            }
            if open {
                self.several_lines(line, cells, row, is_row)?;
                return Ok(true);
            }
            let plain = Cells::unquoted(content, self.delimiter);
            if self.width == Some(plain.ends.len()) {
                self.stray_quotes += 1;
                cells = plain;
            }
        }
        set(row, line.number, content, cells);
        Ok(true)
    }

    fn stray_quotes(&self) -> u64 {
        self.stray_quotes
    }
}

/// Writes the result into a row, whose memory is reused.
fn set(row: &mut TableRow, line: u64, raw: &[u8], cells: Cells) {
    row.line = line;
    row.raw.clear();
    row.raw.extend_from_slice(raw);
    row.text = cells.text;
    row.ends = cells.ends;
}

/// A line without its end.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The cells of one line, without their quotation marks.
pub(super) fn split_line(line: &[u8], delimiter: u8) -> Vec<Vec<u8>> {
    let mut cells = Cells::default();
    if cells.line(line, delimiter) {
        cells = Cells::unquoted(line, delimiter);
    }
    let mut start = 0;
    cells
        .ends
        .iter()
        .map(|end| {
            let cell = cells.text[start..*end].to_vec();
            start = *end;
            cell
        })
        .collect()
}

/// Cells that are being read.
#[derive(Debug, Default)]
struct Cells {
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Whether a quotation is open.
    quoted: bool,
    /// Whether a quoted cell contains a quotation mark that is neither doubled nor at its end.
    junk: bool,
    /// Whether such a mark ends the quotation.
    strict: bool,
}

impl Cells {
    /// Cells of a line whose quotation marks are ordinary characters.
    fn unquoted(line: &[u8], delimiter: u8) -> Cells {
        let mut cells = Cells { text: Vec::with_capacity(line.len()), ..Cells::default() };
        let mut start = 0;
        for at in memchr_iter(delimiter, line) {
            cells.text.extend_from_slice(&line[start..at]);
            cells.ends.push(cells.text.len());
            start = at + 1;
        }
        cells.text.extend_from_slice(&line[start..]);
        cells.ends.push(cells.text.len());
        cells
    }

    /// Adds bytes to an open cell: a line end.
    fn feed(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    /// Reads a line without its end. Returns whether a quotation is open at its end.
    fn line(&mut self, line: &[u8], delimiter: u8) -> bool {
        let mut at = 0;
        let mut fresh = !self.quoted;
        while at < line.len() {
            let rest = &line[at..];
            if fresh && rest[0] == b'"' {
                (self.quoted, fresh) = (true, false);
                at += 1;
            } else if self.quoted {
                let mark = memchr(b'"', rest).unwrap_or(rest.len());
                self.text.extend_from_slice(&rest[..mark]);
                at += mark + 1;
                if mark < rest.len() {
                    at += self.mark(rest.get(mark + 1).copied(), delimiter);
                }
            } else {
                let end = memchr(delimiter, rest).unwrap_or(rest.len());
                self.text.extend_from_slice(&rest[..end]);
                at += end;
                fresh = false;
                if end < rest.len() {
                    self.ends.push(self.text.len());
                    fresh = true;
                    at += 1;
                }
            }
        }
        if !self.quoted {
            self.ends.push(self.text.len());
        }
        self.quoted
    }

    /// Handles a quotation mark in a quoted cell. Returns how many bytes after it belong to it.
    fn mark(&mut self, next: Option<u8>, delimiter: u8) -> usize {
        match next {
            Some(b'"') => {
                self.text.push(b'"');
                return 1;
            }
            None => self.quoted = false,
            Some(next) if next == delimiter => self.quoted = false,
            // Some programs write `\"` for a quotation mark in a text.
            Some(_) if self.text.last() == Some(&b'\\') && !self.strict => {
                self.text.pop();
                self.text.push(b'"');
            }
            Some(_) => {
                self.junk = true;
                self.text.push(b'"');
                if self.strict {
                    // The quotation mark at the start belongs to the text as well.
                    let start = self.ends.last().copied().unwrap_or(0);
                    self.text.insert(start, b'"');
                    self.quoted = false;
                }
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(content: &str, delimiter: u8, width: usize) -> (Vec<Vec<String>>, u64) {
        let mut rows = TextRows::new(content.as_bytes(), delimiter);
        rows.width(width);
        let mut row = TableRow::default();
        let mut all = Vec::new();
        while rows.next(&mut row, &|cells| cells[0].parse::<u32>().is_ok()).unwrap() {
            all.push(row.cells().unwrap().iter().map(|cell| (*cell).to_owned()).collect());
        }
        (all, rows.stray_quotes())
    }

    #[track_caller]
    fn check(content: &str, delimiter: u8, width: usize, want: &[&[&str]], stray: u64) {
        let (got, quotes) = rows(content, delimiter, width);
        assert_eq!(got, want, "{content}");
        assert_eq!(quotes, stray, "{content}");
    }

    #[test]
    fn quotation_marks_as_they_should_be() {
        check(
            "1,\"a,b\"\r\n2,\"say \"\"no\"\"\"\n\n3,\n",
            b',',
            2,
            &[&["1", "a,b"], &["2", "say \"no\""], &["3", ""]],
            0,
        );
        check(
            "1,\"two\nlines, and\n\nfour, 4\"\n2,b\n",
            b',',
            2,
            &[&["1", "two\nlines, and\n\nfour, 4"], &["2", "b"]],
            0,
        );
        check("\"1\";\"\"\n", b';', 2, &[&["1", ""]], 0);
        check("1,\"a \\\"b\\\" c\"\n", b',', 2, &[&["1", "a \"b\" c"]], 0);
    }

    #[test]
    fn a_stray_mark_swallows_no_row() {
        check(
            "1\t\"not closed\n2\tb\n3\t\"nor this\n4\tlast\n",
            b'\t',
            2,
            &[&["1", "\"not closed"], &["2", "b"], &["3", "\"nor this"], &["4", "last"]],
            2,
        );
        check("1,\"not closed\n2,b\n3,c\"\n", b',', 2, &[&["1", "\"not closed"], &["2", "b"], &["3", "c\""]], 1);
        check("1\t\"No\" he said\n2\tb\n", b'\t', 2, &[&["1", "\"No\" he said"], &["2", "b"]], 1);
        check("1,\"open to the end\n", b',', 2, &[&["1", "\"open to the end"]], 1);
    }

    #[test]
    fn a_bad_line_is_one_line() {
        let mut rows = TextRows::new(&b"1,a\0b\n2,b\n"[..], b',');
        let mut row = TableRow::default();
        assert!(rows.next(&mut row, &|_| false).unwrap());
        assert_eq!(
            (row.line, row.fault.as_ref().unwrap().reason.as_ref()),
            (1, "holds a NUL byte: this line was damaged")
        );
        assert!(rows.next(&mut row, &|_| false).unwrap());
        assert_eq!((row.line, row.cells().unwrap()), (2, vec!["2", "b"]));
    }
}
