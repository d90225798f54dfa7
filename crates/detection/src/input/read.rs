//! Reads one file after another and makes posts of them.

mod lines;
mod progress;

use std::io::{self, BufRead, Cursor, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use coordination::{Millis, Post};
use jiff::Timestamp;
use messages::DecodeError;
use messages::dialect::{ArchiveAccount, Context, Dialect, Layering, MAX_DOCUMENT_BYTES, Record};
use messages::post;

use self::lines::{Lines, lines_in, next_line};
use super::error::shown;
use super::rows::{Rows, TableRow};
use super::source::{self, Failed, Found, Source};
use super::{BadLine, Counts, InputError, InputSource, Options, PeerRow, Preview, Progress, TableRows};

/// The longest line of a foreign dialect. A page of posts can be one line.
const MAX_FOREIGN_LINE: usize = 256 << 20;
/// The longest native line that is read completely.
const MAX_NATIVE_LINE: usize = 4 * post::MAX_VALUE_BYTES;
/// Bytes of a JSON file that are read to recognise its format.
const HEAD: usize = 64 * 1024;
/// The largest `account.js` that is read.
const MAX_ACCOUNT_BYTES: u64 = 1 << 20;
/// The latest accepted time in a table, from now on: some posts are scheduled, and some clocks are
/// wrong.
const AHEAD: Millis = 366 * 86_400_000;

/// Receives a post, its bytes in the native dialect, and its row if that is in the layout of
/// another tool.
pub(super) type Sink<'c> = super::OnRow<'c, InputError>;

pub(super) struct Reading<'c> {
    pub(super) options: &'c Options,
    sink: &'c mut Sink<'c>,
    on_bad: &'c mut dyn FnMut(BadLine),
    on_progress: &'c mut dyn FnMut(Progress),
    total: Option<u64>,
    taken: Arc<AtomicU64>,
    /// Bytes of the files before this one, and of this one; none for a pipe.
    before: u64,
    size: u64,
    since_progress: u64,
    file: Arc<Path>,
    /// The dialect of this file.
    dialect: Dialect,
    context: Rc<Context>,
    counts: Counts,
    /// The latest accepted time in a table.
    pub(super) latest: Millis,
    /// The layout of the table that is being read.
    pub(super) layout_name: &'static str,
    /// For a preview: number of rows to show.
    pub(super) preview_rows: Option<usize>,
    pub(super) previews: Vec<Preview>,
}

impl<'c> Reading<'c> {
    pub(super) fn new(
        options: &'c Options,
        total: Option<u64>,
        sink: &'c mut Sink<'c>,
        on_bad: &'c mut dyn FnMut(BadLine),
        on_progress: &'c mut dyn FnMut(Progress),
    ) -> Self {
        Reading {
            options,
            sink,
            on_bad,
            on_progress,
            total,
            taken: Arc::default(),
            before: 0,
            size: 0,
            since_progress: 0,
            file: Path::new("").into(),
            dialect: options.dialect.unwrap_or(Dialect::Lockstep),
            context: Rc::default(),
            counts: Counts::default(),
            latest: now().saturating_add(AHEAD),
            layout_name: "",
            preview_rows: None,
            previews: Vec::new(),
        }
    }

    pub(super) fn all(mut self, source: InputSource) -> Result<Counts, InputError> {
        self.source(source)?;
        Ok(self.counts)
    }

    /// How the input would be read, from its first rows.
    pub(super) fn previews(mut self, source: InputSource, rows: usize) -> Result<Vec<Preview>, InputError> {
        self.preview_rows = Some(rows);
        self.source(source)?;
        Ok(self.previews)
    }

    fn source(&mut self, source: InputSource) -> Result<(), InputError> {
        match source {
            InputSource::Files(files) => self.files(&files),
            InputSource::Table(name, header, rows) => {
                self.file = name.into();
                self.table(&mut MemoryRows { rows, given: 0 }, header, None, &mut |_, _| {})
            }
            InputSource::Posts(posts) => {
                self.file = Path::new("posts in memory").into();
                self.dialect = Dialect::Lockstep;
                for (number, post) in (1..).zip(posts) {
                    let value = post::encode(&post);
                    self.value(&value, &mut Lines::from(&value, number))?;
                }
                self.counts.rows = self.counts.posts + self.counts.bad;
                Ok(())
            }
        }
    }

    fn files(&mut self, files: &[PathBuf]) -> Result<(), InputError> {
        let taken = Arc::clone(&self.taken);
        for file in files {
            self.before = self.taken.load(Ordering::Relaxed);
            self.size = std::fs::metadata(file).map_or(0, |about| about.len());
            source::open(file, self.options, &taken, &mut |found| self.found(found))?;
            self.progress();
        }
        Ok(())
    }

    fn found(&mut self, found: Found<'_>) -> Result<(), InputError> {
        self.file = found.path.as_path().into();
        if let Some((encoding, seen)) = found.encoding {
            let how = if seen { "; --encoding names another" } else { "" };
            self.notice(seen, format!("is read as {encoding}{how}"));
        }
        let before = (self.counts.posts, self.counts.bad, self.counts.not_posts);
        match found.source {
            Source::Table(table) => return self.text_table(table),
            Source::Parquet(content) => return self.parquet(content),
            Source::Workbook(content, kind) => return self.workbook(content, kind),
            Source::Json(content) => self.json(content)?,
        }
        let counts = &mut self.counts;
        counts.rows += (counts.posts - before.0) + (counts.bad - before.1) + (counts.not_posts - before.2);
        Ok(())
    }

    /// Reads JSON. Its beginning shows which dialect it is, and whether each line is one value.
    fn json(&mut self, mut content: Box<dyn BufRead + '_>) -> Result<(), InputError> {
        let mut head = Vec::new();
        let failure = source::fill(&mut content, &mut head, HEAD, |_| false).err();
        let recognised = Dialect::recognise(&head);
        self.dialect = self.options.dialect.or(recognised).unwrap_or(Dialect::Lockstep);
        if self.options.dialect.is_none()
            && let Some(dialect) = recognised.filter(|dialect| *dialect != Dialect::Lockstep)
        {
            self.notice(false, format!("taken for {} (--dialect {dialect})", dialect.about()));
        }
        if let Some(rows) = self.preview_rows {
            self.preview_json(&head, rows);
            return Ok(());
        }
        let account = self.account();
        if self.dialect == Dialect::TwitterArchive
            && account.is_none()
            && !head.trim_ascii_start().starts_with(b"Grailbird.")
        {
            // Older archives name the account in every post.
            let reason = "an archive's posts do not name their account: put account.js beside the file, or name the account (on the \
                          command line with --account ID:NAME)";
            return Err(InputError::Format { file: self.path(), reason: reason.to_owned() });
        }
        let context = Context {
            account,
            platform: self.options.platform.clone(),
            timezone: self.options.mapping.time_zone.clone(),
        };
        self.context = Rc::new(context);
        let layering = Layering::of(&head, head.len() < HEAD && failure.is_none());
        let rest: Box<dyn BufRead + '_> = match failure {
            None => content,
            Some(error) => Box::new(io::BufReader::new(Failed(Some(error)))),
        };
        let content: Box<dyn BufRead + '_> = Box::new(Cursor::new(head).chain(rest));
        match layering {
            Layering::Lines => self.lines(content),
            Layering::Document => self.document(content),
        }
    }

    /// How JSON would be read: its dialect, and the first posts.
    fn preview_json(&mut self, head: &[u8], rows: usize) {
        let context = Context {
            account: self.options.account.clone(),
            platform: self.options.platform.clone(),
            timezone: self.options.mapping.time_zone.clone(),
        };
        let mut posts: Vec<Result<String, String>> = Vec::new();
        for value in messages::dialect::values(head) {
            if posts.len() >= rows {
                break;
            }
            let _ = self.dialect.decode(value, &context, &mut |record: Record<'_>| {
                match record.outcome {
                    Ok(Some(post)) => posts.push(Ok(String::from_utf8_lossy(&post::encode(&post)).into_owned())),
                    Ok(None) => {}
                    // The part that was read may end inside a value.
                    Err(_) if head.ends_with(record.raw.trim_ascii_end()) && !posts.is_empty() => {}
                    Err(error) => posts.push(Err(error.to_string())),
                }
                if posts.len() >= rows { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        }
        self.previews.push(Preview {
            file: Arc::clone(&self.file),
            layout: format!("JSON of the dialect {}, which has no columns", self.dialect),
            platform: None,
            columns: Vec::new(),
            posts,
            concerns: Default::default(),
        });
    }

    /// The account of an archive: as given by the user, or from `account.js` next to the file.
    fn account(&mut self) -> Option<ArchiveAccount> {
        if self.options.account.is_some() || self.dialect != Dialect::TwitterArchive {
            return self.options.account.clone();
        }
        let beside = self.file.with_file_name("account.js");
        let mut script = Vec::new();
        std::fs::File::open(&beside).ok()?.take(MAX_ACCOUNT_BYTES).read_to_end(&mut script).ok()?;
        match ArchiveAccount::of_archive(&script) {
            Ok(account) => {
                let name = if account.name.is_empty() {
                    account.id.clone()
                } else {
                    format!("{} ({})", account.name, account.id)
                };
                self.notice(false, format!("posts of {name}, by {}", beside.display()));
                Some(account)
            }
            Err(error) => {
                self.notice(true, format!("{} does not name the account: {error}", beside.display()));
                None
            }
        }
    }

    fn lines(&mut self, mut content: Box<dyn BufRead + '_>) -> Result<(), InputError> {
        let limit = match self.dialect {
            Dialect::Lockstep => MAX_NATIVE_LINE,
            _ => MAX_FOREIGN_LINE,
        };
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            number += 1;
            let outcome = next_line(&mut content, &mut line, limit);
            let text = line.trim_ascii();
            match outcome {
                Ok(0) => return Ok(()),
                Ok(length) if length > line.len() => {
                    let reason = format!("has {length} bytes, more than the {limit} allowed in one line");
                    self.bad_start(number, DecodeError::new("", reason, &line), &line, length as u64);
                }
                Ok(_) if text.is_empty() => {}
                Ok(_) => self.value(text, &mut Lines::from(text, number))?,
                Err(error) => {
                    if !text.is_empty() {
                        self.bad(number, DecodeError::new("", "breaks off with its file", &line), &line);
                    }
                    self.damaged(number, error);
                    return Ok(());
                }
            }
            self.count_towards_progress()?;
        }
    }

    /// A document: values over several lines, one after another. It is held in memory once, and its
    /// records are taken out of it one by one.
    fn document(&mut self, mut content: Box<dyn BufRead + '_>) -> Result<(), InputError> {
        let mut bytes = Vec::new();
        let limit = MAX_DOCUMENT_BYTES as u64;
        let failure = content.by_ref().take(limit + 1).read_to_end(&mut bytes).err();
        if bytes.len() > MAX_DOCUMENT_BYTES {
            let reason = format!(
                "has more than {MAX_DOCUMENT_BYTES} bytes, the most for one document: split it, or write one post a line"
            );
            self.bad(1, DecodeError::new("", reason, &bytes), &bytes);
            return Ok(());
        }
        let mut lines = Lines::from(&bytes, 1);
        for value in messages::dialect::values(&bytes) {
            self.value(value, &mut lines)?;
        }
        if let Some(error) = failure {
            // The rest of the last record was reported as a broken one.
            self.damaged(lines_in(&bytes), error);
        }
        Ok(())
    }

    /// One JSON value, with all records in it.
    fn value(&mut self, value: &[u8], lines: &mut Lines<'_>) -> Result<(), InputError> {
        if memchr::memchr(0, value).is_some() && value.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace()) {
            let reason =
                "holds nothing but NUL bytes: it was wiped, or the file was made longer than what was written to it";
            self.bad(lines.number(value), DecodeError::new("", reason, b""), value);
            return Ok(());
        }
        let context = Rc::clone(&self.context);
        let mut stopped = None;
        let _ = self.dialect.decode(value, &context, &mut |record| match self.record(record, lines) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                stopped = Some(error);
                ControlFlow::Break(())
            }
        });
        stopped.map_or(Ok(()), Err)
    }

    fn record(&mut self, record: Record<'_>, lines: &mut Lines<'_>) -> Result<(), InputError> {
        self.count_towards_progress()?;
        match record.outcome {
            Ok(Some(post)) => {
                if !record.unreadable.is_empty() || record.local_time {
                    let line = lines.number(record.raw);
                    self.counts.local_times += u64::from(record.local_time);
                    for error in record.unreadable {
                        self.unreadable(line, error);
                    }
                }
                if self.dialect == Dialect::Lockstep {
                    if let Some(error) = self.too_late(&post) {
                        self.bad(lines.number(record.raw), error, record.raw);
                        return Ok(());
                    }
                    self.counts.posts += 1;
                    (self.sink)(&post, record.raw, None)
                } else {
                    let line = lines.number(record.raw);
                    self.foreign(&post, None, line, || record.raw.to_vec())
                }
            }
            Ok(None) => {
                self.counts.not_posts += 1;
                Ok(())
            }
            Err(mut error) => {
                if record.raw.contains(&0) {
                    error.reason = "holds NUL bytes, which no text has".into();
                }
                self.bad(lines.number(record.raw), error, record.raw);
                Ok(())
            }
        }
    }

    /// Counts an optional field that could not be read. The post is kept without it.
    fn unreadable(&mut self, line: u64, error: DecodeError) {
        let field = error.field();
        match self.counts.unreadable.get_mut(&field) {
            Some(known) => known.posts += 1,
            None => {
                let first = format!("{}:{line}: {error}", shown(&self.file));
                self.counts.unreadable.insert(field, super::Unreadable { posts: 1, first });
            }
        }
    }

    /// A post that was not read from the native dialect. It is written in that dialect, and may
    /// then be too long.
    pub(super) fn foreign(
        &mut self,
        post: &Post<'_>,
        row: Option<&PeerRow<'_>>,
        line: u64,
        raw: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), InputError> {
        if let Some(error) = self.too_late(post) {
            self.bad(line, error, &raw());
            return Ok(());
        }
        let native = post::encode(post);
        if native.len() > post::MAX_VALUE_BYTES {
            let reason = format!(
                "has {} bytes in the native dialect, the most for one post is {}",
                native.len(),
                post::MAX_VALUE_BYTES
            );
            let raw = raw();
            self.bad(line, DecodeError::new("", reason, &raw), &raw);
            return Ok(());
        }
        self.counts.posts += 1;
        (self.sink)(post, &native, row)
    }

    /// Why a post later than `latest` is rejected.
    fn too_late(&self, post: &Post<'_>) -> Option<DecodeError> {
        let latest = self.options.latest.filter(|latest| post.created_at > *latest)?;
        let shown = |at| Timestamp::from_millisecond(at).map_or_else(|_| format!("{at} ms"), |at| at.to_string());
        let reason = format!(
            "lies in the future: the latest time that is taken is {} (detector.future_tolerance_s after now); the clock that wrote it, or \
             the unit of its number, is wrong",
            shown(latest)
        );
        Some(DecodeError::new("created_at", reason, shown(post.created_at).as_bytes()))
    }
}

/// Rows of a table in memory.
struct MemoryRows {
    rows: TableRows,
    given: u64,
}

impl Rows for MemoryRows {
    fn next(&mut self, row: &mut TableRow, _: &dyn Fn(&[&str]) -> bool) -> io::Result<bool> {
        let Some(cells) = self.rows.next().transpose()? else { return Ok(false) };
        self.given += 1;
        *row = TableRow::of(self.given, cells.iter().map(String::as_str));
        Ok(true)
    }
}

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}
