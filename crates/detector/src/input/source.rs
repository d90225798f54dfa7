//! One file: counted, decompressed, and its format told from its first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use messages::dialect::Dialect;

use super::InputError;

/// How much is looked at to tell the format.
const HEAD: usize = 64 * 1024;
const BUFFER: usize = 128 * 1024;

/// A file whose format is known.
pub(super) enum Source {
    /// One JSON value a line.
    Lines(Box<dyn BufRead>),
    /// One JSON value over several lines: a document or an array.
    Document(Box<dyn BufRead>),
    /// Rows under a header.
    Table { content: Box<dyn BufRead>, delimiter: u8 },
    /// Columns.
    Parquet(File),
}

/// Opens a file; `taken` counts the bytes that are taken from it.
pub(super) fn open(path: &Path, dialect: Dialect, taken: &Arc<AtomicU64>) -> Result<Source, InputError> {
    let fail = |source| InputError::Open { file: path.to_owned(), source };
    let (raw, file): (Box<dyn Read>, Option<File>) = if path == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(path).map_err(fail)?;
        (Box::new(file.try_clone().map_err(fail)?), Some(file))
    };
    let counted = Counted { inner: raw, taken: Arc::clone(taken) };
    let mut raw: Box<dyn BufRead> = Box::new(BufReader::with_capacity(BUFFER, counted));
    let magic = peek(&mut raw, |head| head.len() >= 4).map_err(fail)?;
    let mut content: Box<dyn BufRead> = match magic.as_slice() {
        [] => {
            return Err(InputError::Empty { file: path.to_owned() });
        }
        [b'P', b'A', b'R', b'1', ..] => return parquet(path, dialect, magic, raw, file),
        [0x1F, 0x8B, ..] => {
            let compressed = Cursor::new(magic).chain(raw);
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(compressed)))
        }
        [0x28, 0xB5, 0x2F, 0xFD, ..] => {
            let compressed = Cursor::new(magic).chain(raw);
            let decoder = zstd::stream::read::Decoder::with_buffer(compressed).map_err(fail)?;
            Box::new(BufReader::with_capacity(BUFFER, decoder))
        }
        _ => Box::new(Cursor::new(magic).chain(raw)),
    };
    // A failure here comes again when the content is read, and is reported there with its place.
    let mut head = Vec::new();
    let failure = fill(&mut content, &mut head, |head| head.contains(&b'\n')).err();
    if head.is_empty() && failure.is_none() {
        return Err(InputError::Empty { file: path.to_owned() });
    }
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return Err(InputError::Utf16 { file: path.to_owned() });
    }
    if head.contains(&0) {
        return Err(InputError::Binary { file: path.to_owned() });
    }
    let format = format(path, dialect, &head)?;
    let skip = usize::from(head.starts_with(b"\xEF\xBB\xBF")) * 3;
    let rest: Box<dyn BufRead> = match failure {
        None => content,
        Some(error) => Box::new(BufReader::new(Failed(Some(error)))),
    };
    let start = Cursor::new(head.split_off(skip));
    let content: Box<dyn BufRead> = Box::new(start.chain(rest));
    Ok(match format {
        Format::Lines => Source::Lines(content),
        Format::Document => Source::Document(content),
        Format::Table(delimiter) => Source::Table { content, delimiter },
    })
}

enum Format {
    Lines,
    Document,
    Table(u8),
}

fn format(path: &Path, dialect: Dialect, head: &[u8]) -> Result<Format, InputError> {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let first = text.lines().next().unwrap_or_default().trim_end();
    let json = first.starts_with(['{', '[']);
    let named = |end: &str| {
        let name = path.to_string_lossy().to_lowercase();
        let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
        name.ends_with(end)
    };
    let says_json = [".jsonl", ".ndjson", ".json"].into_iter().any(named);
    match dialect {
        Dialect::Csv if json => Err(InputError::Format {
            file: path.to_owned(),
            reason: "holds JSON, not CSV: choose another dialect".to_owned(),
        }),
        Dialect::Csv => Ok(Format::Table(delimiter(first))),
        Dialect::Lockstep if json && !first.starts_with('[') => Ok(Format::Lines),
        Dialect::Lockstep if !json && !says_json => Ok(Format::Table(delimiter(first))),
        // A value printed over several lines begins with a lone bracket.
        _ if first.starts_with('[') || first == "{" => Ok(Format::Document),
        _ if json || says_json => Ok(Format::Lines),
        _ => Err(InputError::Format {
            file: path.to_owned(),
            reason: format!(
                "holds no JSON, as the dialect {dialect} is written in: it begins with {:?}",
                messages::excerpt(first.as_bytes())
            ),
        }),
    }
}

/// The one of the three usual ones that is most frequent in the header.
fn delimiter(header: &str) -> u8 {
    let count = |delimiter: &u8| header.bytes().filter(|b| b == delimiter).count();
    [b';', b'\t', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// Parquet is read from its end, so that a pipe has to be stored first.
fn parquet(
    path: &Path,
    dialect: Dialect,
    magic: Vec<u8>,
    raw: Box<dyn BufRead>,
    file: Option<File>,
) -> Result<Source, InputError> {
    if dialect != Dialect::Lockstep {
        return Err(InputError::Format {
            file: path.to_owned(),
            reason: format!("is Parquet, but the dialect {dialect} is not: leave the dialect out"),
        });
    }
    if let Some(file) = file.filter(|file| file.metadata().is_ok_and(|about| about.is_file())) {
        return Ok(Source::Parquet(file));
    }
    let spill = |source| InputError::Spill { dir: std::env::temp_dir(), source };
    let mut stored = tempfile::tempfile().map_err(spill)?;
    io::copy(&mut Cursor::new(magic).chain(raw), &mut stored).map_err(spill)?;
    Ok(Source::Parquet(stored))
}

/// Takes bytes off until they are enough, at most [`HEAD`].
fn peek(reader: &mut dyn BufRead, enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    fill(reader, &mut head, enough)?;
    Ok(head)
}

fn fill(reader: &mut dyn BufRead, head: &mut Vec<u8>, enough: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    while head.len() < HEAD && !enough(head) {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            break;
        }
        let taken = buffer.len().min(HEAD - head.len());
        head.extend_from_slice(&buffer[..taken]);
        reader.consume(taken);
    }
    Ok(())
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

/// Gives back an error met while looking ahead.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
