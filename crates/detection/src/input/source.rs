//! One file: counts its bytes, decompresses it, opens archives, converts it to UTF-8, and
//! recognises its format from the first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use messages::dialect::Dialect;
use messages::dialect::csv::known_names;
use zip::ZipArchive;

use super::encoding::{self, Seen, Transcoding};
use super::rows::split_line;
use super::{InputError, Options};

/// Bytes that are read to recognise the format.
const HEAD: usize = 64 * 1024;
const BUFFER: usize = 128 * 1024;
/// Memory that unpacking .xz may use, in KiB: many times what `xz -9` needs.
const XZ_MEMORY: u32 = 1 << 20;
/// Greatest depth of archives inside archives.
const DEEPEST: usize = 3;
/// Lines among which the header of a table is searched: some tools write a few lines before it.
const PREAMBLE: usize = 30;

/// A file whose format is known.
pub(super) enum Source<'s> {
    /// JSON values, one per line or over several lines.
    Json(Box<dyn BufRead + 's>),
    /// Rows under a header.
    Table(TableSource<'s>),
    /// A Parquet file.
    Parquet(File),
    /// A workbook of a spreadsheet.
    Workbook(File, Workbook),
}

/// The text of a table.
pub(super) struct TableSource<'s> {
    pub(super) content: Box<dyn BufRead + 's>,
    pub(super) delimiter: u8,
    /// Lines before the header.
    pub(super) preamble: u64,
}

/// The format of a workbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workbook {
    /// Office Open XML, .xlsx.
    Xlsx,
    /// The format of Excel before 2007, .xls.
    Xls,
    /// OpenDocument, .ods.
    Ods,
}

/// A file or a member of an archive, with its recognised format.
pub(super) struct Found<'s> {
    /// Its path; for a member, the archive's path and the member's name.
    pub(super) path: PathBuf,
    pub(super) source: Source<'s>,
    /// The encoding, if it is not UTF-8, and whether it was recognised or given by the user.
    pub(super) encoding: Option<(&'static str, bool)>,
}

/// Receives the content of a file: one source, or one for each member of an archive.
pub(super) type Take<'t> = dyn FnMut(Found<'_>) -> Result<(), InputError> + 't;

/// Opens a file. `taken` counts the bytes that are read from it.
pub(super) fn open(
    path: &Path,
    options: &Options,
    taken: &Arc<AtomicU64>,
    take: &mut Take<'_>,
) -> Result<(), InputError> {
    let fail = |source| InputError::Open { file: path.to_owned(), source };
    let (raw, file): (Box<dyn Read>, Option<File>) = if path == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(path).map_err(fail)?;
        (Box::new(file.try_clone().map_err(fail)?), Some(file))
    };
    let counted = Counted { inner: raw, taken: Arc::clone(taken) };
    let stored = file.as_ref().is_some_and(|file| file.metadata().is_ok_and(|about| about.is_file()));
    let start = taken.load(Ordering::Relaxed);
    let opening = Opening { path: path.to_owned(), options, depth: 0, stored, start };
    opening.stream(Box::new(BufReader::with_capacity(BUFFER, counted)), file, taken, take)
}

struct Opening<'o> {
    path: PathBuf,
    options: &'o Options,
    depth: usize,
    /// Bytes read from the files before this one.
    start: u64,
    /// Whether all of it is stored; a pipe may give its next line in an hour.
    stored: bool,
}

impl Opening<'_> {
    fn stream(
        &self,
        mut raw: Box<dyn BufRead + '_>,
        file: Option<File>,
        taken: &Arc<AtomicU64>,
        take: &mut Take<'_>,
    ) -> Result<(), InputError> {
        let path = &self.path;
        let fail = |source| InputError::Open { file: path.clone(), source };
        let magic = peek(&mut raw, |head| head.len() >= 10).map_err(fail)?;
        let found = |source| Found { path: path.clone(), source, encoding: None };
        let content: Box<dyn BufRead + '_> = match magic.as_slice() {
            [] => return Err(InputError::Empty { file: path.clone() }),
            [b'P', b'A', b'R', b'1', ..] => {
                self.native("Parquet")?;
                return take(found(Source::Parquet(seekable(magic, raw, file)?)));
            }
            [b'P', b'K', 3, 4, ..] => {
                return self.zip(seekable(magic, raw, file)?, taken, take);
            }
            [0xD0, 0xCF, 0x11, 0xE0, ..] => {
                self.native("a workbook")?;
                return take(found(Source::Workbook(seekable(magic, raw, file)?, Workbook::Xls)));
            }
            [0x1F, 0x8B, ..] => {
                Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(Cursor::new(magic).chain(raw))))
            }
            [0x28, 0xB5, 0x2F, 0xFD, ..] => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(Cursor::new(magic).chain(raw)).map_err(fail)?;
                // Archives are packed with `--long=31`.
                decoder.window_log_max(31).map_err(fail)?;
                Box::new(BufReader::with_capacity(BUFFER, decoder))
            }
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => {
                let decoder = XzReader::new_mem_limit(Cursor::new(magic).chain(raw), true, XZ_MEMORY);
                Box::new(BufReader::with_capacity(BUFFER, decoder))
            }
            // The start of a block, or of an empty file, follows the name.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, ..] => {
                Box::new(BufReader::with_capacity(BUFFER, MultiBzDecoder::new(Cursor::new(magic).chain(raw))))
            }
            _ => Box::new(Cursor::new(magic).chain(raw)),
        };
        self.text(content, take)
    }

    /// Recognises the encoding and the format of text.
    fn text(&self, mut content: Box<dyn BufRead + '_>, take: &mut Take<'_>) -> Result<(), InputError> {
        let path = &self.path;
        // A failure here occurs again when the content is read, and is reported there with its
        // place.
        let mut head = Vec::new();
        let one_line = |head: &[u8]| !self.stored && head.trim_ascii_start().starts_with(b"{") && head.contains(&b'\n');
        let failure = fill(&mut content, &mut head, HEAD, one_line).err();
        if head.is_empty() && failure.is_none() {
            return Err(InputError::Empty { file: path.clone() });
        }
        let other = match self.options.encoding {
            Some(chosen) => (!encoding::is_utf8(chosen)).then_some((chosen, false)),
            None => match encoding::see(&head) {
                Seen::Utf8 => None,
                Seen::Other(seen) => Some((seen, true)),
                Seen::Unknown if is_binary(&head) => return Err(InputError::Binary { file: path.clone() }),
                Seen::Unknown => return Err(InputError::Encoding { file: path.clone() }),
            },
        };
        let rest: Box<dyn BufRead + '_> = match failure {
            None => content,
            Some(error) => Box::new(BufReader::new(Failed(Some(error)))),
        };
        let mut content: Box<dyn BufRead + '_> = Box::new(Cursor::new(head.clone()).chain(rest));
        if let Some((other, _)) = other {
            content = Box::new(BufReader::with_capacity(BUFFER, Transcoding::new(content, other)));
            head.clear();
            if let Err(error) = fill(&mut content, &mut head, HEAD, |_| false) {
                content = Box::new(BufReader::new(Failed(Some(error))));
            }
            content = Box::new(Cursor::new(head.clone()).chain(content));
        }
        if is_binary(&head) {
            return Err(InputError::Binary { file: path.clone() });
        }
        if head.starts_with(b"\xEF\xBB\xBF") {
            skip(&mut content, 3).map_err(|source| InputError::Open { file: path.clone(), source })?;
        }
        let source = match self.format(&head)? {
            Format::Json => Source::Json(content),
            Format::Table { delimiter, preamble } => Source::Table(TableSource { content, delimiter, preamble }),
        };
        let encoding = other.map(|(encoding, seen)| (encoding.name(), seen));
        take(Found { path: path.clone(), source, encoding })
    }

    /// Opens the members of an archive, or the workbook that the archive is.
    fn zip(&self, file: File, taken: &Arc<AtomicU64>, take: &mut Take<'_>) -> Result<(), InputError> {
        let damaged = |error: zip::result::ZipError| InputError::Open {
            file: self.path.clone(),
            source: io::Error::other(error),
        };
        let mut archive = ZipArchive::new(BufReader::new(file.try_clone().map_err(|error| damaged(error.into()))?))
            .map_err(damaged)?;
        let names: Vec<String> = (0..archive.len())
            .map(|at| Ok(archive.by_index_raw(at)?.name()?.into_owned()))
            .collect::<Result<_, zip::result::ZipError>>()
            .map_err(damaged)?;
        let has = |name: &str| names.iter().any(|known| known == name);
        let workbook = if has("xl/workbook.xml") || has("xl/workbook.bin") {
            Some(Workbook::Xlsx)
        } else if has("content.xml") && has("mimetype") {
            Some(Workbook::Ods)
        } else {
            None
        };
        if let Some(workbook) = workbook {
            self.native("a workbook")?;
            return take(Found { path: self.path.clone(), source: Source::Workbook(file, workbook), encoding: None });
        }
        // The bytes that were looked at are read again: members are counted by their packed size.
        if self.depth == 0 {
            taken.store(self.start, Ordering::Relaxed);
        }
        let mut opened = 0;
        for (at, name) in names.iter().enumerate() {
            let hidden =
                name.starts_with("__MACOSX/") || name.rsplit('/').next().is_some_and(|last| last.starts_with('.'));
            let member = archive.by_index(at).map_err(damaged)?;
            if member.is_dir() || hidden {
                continue;
            }
            if self.depth == DEEPEST {
                return Err(InputError::Binary { file: self.path.clone() });
            }
            opened += 1;
            let packed = member.compressed_size();
            let inside = Opening {
                path: self.path.join(name),
                options: self.options,
                depth: self.depth + 1,
                stored: true,
                start: self.start,
            };
            match inside.stream(Box::new(BufReader::with_capacity(BUFFER, member)), None, taken, take) {
                // An archive may contain an empty file of notes.
                Err(InputError::Empty { .. }) if names.len() > 1 => {}
                outcome => outcome?,
            }
            if self.depth == 0 {
                taken.fetch_add(packed, Ordering::Relaxed);
            }
        }
        if opened == 0 {
            return Err(InputError::Empty { file: self.path.clone() });
        }
        if self.depth == 0 {
            taken.store(self.start + file.metadata().map_or(0, |about| about.len()), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Tables that are not text are read with the native dialect and as tables; other dialects
    /// refuse them.
    fn native(&self, what: &str) -> Result<(), InputError> {
        let Some(dialect) = self.options.dialect else { return Ok(()) };
        if dialect == Dialect::Lockstep || (dialect == Dialect::Csv && what != "Parquet") {
            return Ok(());
        }
        Err(InputError::Format {
            file: self.path.clone(),
            reason: format!("is {what}, but the dialect {dialect} is not: leave the dialect out"),
        })
    }

    fn format(&self, head: &[u8]) -> Result<Format, InputError> {
        let dialect = self.options.dialect;
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\0' | '\u{1e}'));
        let first = text.lines().next().unwrap_or_default().trim_end();
        let json = first.starts_with(['{', '[']) || messages::dialect::is_script(text.as_bytes());
        let named = |end: &str| {
            let name = self.path.to_string_lossy().to_lowercase();
            let packed = [".gz", ".zst", ".xz", ".bz2"].into_iter().find_map(|end| name.strip_suffix(end));
            packed.unwrap_or(&name).ends_with(end)
        };
        let says_json = [".jsonl", ".ndjson", ".json"].into_iter().any(named);
        match dialect {
            Some(Dialect::Csv) if json => Err(InputError::Format {
                file: self.path.clone(),
                reason: "holds JSON, not CSV: choose another dialect".to_owned(),
            }),
            Some(Dialect::Csv) => Ok(self.table(head)),
            None | Some(Dialect::Lockstep) if !json && !says_json => Ok(self.table(head)),
            _ if json || says_json => Ok(Format::Json),
            _ => Err(InputError::Format {
                file: self.path.clone(),
                reason: format!(
                    "holds no JSON, as the dialect {} is written in: it begins with {:?}",
                    dialect.unwrap_or(Dialect::Lockstep),
                    messages::excerpt(first.as_bytes())
                ),
            }),
        }
    }

    /// The separator of the cells and the line of the header: those with which most names are
    /// known. If no name is known, the separator is the most frequent candidate in the first line.
    fn table(&self, head: &[u8]) -> Format {
        let lines: Vec<&[u8]> = head.split(|b| *b == b'\n').take(PREAMBLE).collect();
        let told = lines.first().and_then(|line| {
            let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
            let line = line.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(line);
            match line {
                [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => Some(*delimiter),
                b"sep=" | b"SEP=" => Some(b'\t'),
                _ => None,
            }
        });
        let mut best = (0, 0, b',', 0);
        for (number, line) in lines.iter().enumerate() {
            let line = line.trim_ascii_end();
            for delimiter in [b',', b';', b'\t', b'|'] {
                if told.is_some_and(|told| told != delimiter) {
                    continue;
                }
                let cells: Vec<String> =
                    split_line(line, delimiter).iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
                let known = if cells.len() > 1 { known_names(&cells, &self.options.mapping) } else { 0 };
                // A header below the first line must be more than a row with a word or two.
                if known > best.0 && (number == 0 || known >= 3) {
                    best = (known, cells.len(), delimiter, number as u64);
                }
            }
            if best.0 >= 3 {
                break;
            }
        }
        if best.0 > 0 {
            return Format::Table { delimiter: best.2, preamble: best.3 };
        }
        let header = usize::from(told.is_some()).min(lines.len().saturating_sub(1));
        let count = |delimiter: &u8| lines[header].iter().filter(|b| *b == delimiter).count();
        let delimiter = told.or_else(|| [b'|', b';', b'\t', b','].into_iter().max_by_key(count)).unwrap_or(b',');
        Format::Table { delimiter, preamble: header as u64 }
    }
}

enum Format {
    Json,
    Table { delimiter: u8, preamble: u64 },
}

/// Whether bytes are binary: the first line that is more than zeros contains a control character,
/// or has both zeros and bytes that are not UTF-8. A zero byte in a later line only makes that line
/// bad.
fn is_binary(head: &[u8]) -> bool {
    let Some(first) = head.split(|b| *b == b'\n').find(|line| line.iter().any(|b| *b != 0 && !b.is_ascii_whitespace()))
    else {
        return head.contains(&0);
    };
    let control = |b: &u8| (*b < 9 && *b != 0) || (14..32).contains(b) && *b != 27;
    let zeros = first.iter().filter(|b| **b == 0).count();
    let text = std::str::from_utf8(&first[..first.len().min(HEAD - 4)]).is_ok();
    first.iter().filter(|b| control(b)).count() * 20 > first.len()
        || zeros * 2 > first.len()
        || (!text && (head.contains(&0) || first.iter().any(control)))
}

/// The file itself if it can be read from its end, as Parquet and archives require; else its
/// content is stored in a temporary file first.
fn seekable(magic: Vec<u8>, raw: Box<dyn BufRead + '_>, file: Option<File>) -> Result<File, InputError> {
    if let Some(mut file) = file.filter(|file| file.metadata().is_ok_and(|about| about.is_file())) {
        let spill = |source| InputError::Spill { dir: std::env::temp_dir(), source };
        file.rewind().map_err(spill)?;
        return Ok(file);
    }
    let spill = |source| InputError::Spill { dir: std::env::temp_dir(), source };
    let mut stored = tempfile::tempfile().map_err(spill)?;
    io::copy(&mut Cursor::new(magic).chain(raw), &mut stored).map_err(spill)?;
    stored.rewind().map_err(spill)?;
    Ok(stored)
}

/// Reads bytes until they are enough, at most [`HEAD`].
fn peek(reader: &mut dyn BufRead, enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    fill(reader, &mut head, HEAD, enough)?;
    Ok(head)
}

/// Reads bytes until they are enough, at most `most`. Bytes before an error are in `head`.
pub(super) fn fill(
    reader: &mut dyn BufRead,
    head: &mut Vec<u8>,
    most: usize,
    enough: impl Fn(&[u8]) -> bool,
) -> io::Result<()> {
    while head.len() < most && !enough(head) {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            break;
        }
        let taken = buffer.len().min(most - head.len());
        head.extend_from_slice(&buffer[..taken]);
        reader.consume(taken);
    }
    Ok(())
}

/// Skips a known number of bytes.
fn skip(content: &mut dyn BufRead, bytes: u64) -> io::Result<()> {
    io::copy(&mut content.take(bytes), &mut io::sink()).map(|_| ())
}

struct Counted<R> {
    inner: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Returns an error that occurred while looking ahead.
pub(super) struct Failed(pub(super) Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
