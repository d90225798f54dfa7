//! Options of `detect` and `ingest` for reading files of posts, and their notices.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use detection::input::{self, Counts, Input, NoticeSink, Options, Preview};
use indicatif::ProgressBar;
use messages::dialect::{
    ArchiveAccount, Dialect,
    csv::{Mapping, Taken},
};

use crate::{Usage, progress::counted};

/// Number of rows that `--show-mapping` prints.
const SHOWN_ROWS: usize = 3;
/// Number of characters of a cell that `--show-mapping` prints.
const SHOWN_LETTERS: usize = 32;

/// How files of posts are read
#[derive(Args, Debug, Clone)]
pub struct InputOptions {
    /// Format of the files; recognised from the content if not given: lockstep, x, twitter-archive,
    /// bluesky, mastodon, telegram, zeeschuimer, 4cat, snscrape, twint, apify or csv
    #[arg(long)]
    pub dialect: Option<Dialect>,
    /// Account of the posts in an archive of X, if there is no account.js next to the file
    #[arg(long, value_name = "ID[:NAME]")]
    pub account: Option<ArchiveAccount>,
    /// The platform of rows that name none
    #[arg(long, value_name = "NAME")]
    pub platform: Option<String>,
    /// A TOML file that maps columns to fields: text = "Message", and platform, time_format,
    /// timezone, na, ignore
    #[arg(long, value_name = "FILE", help_heading = "Tables (CSV, Excel, Parquet)")]
    pub map: Option<PathBuf>,
    /// Map a column: text=Message reads the text from it, ignore=Notes skips it; may be given
    /// several times
    #[arg(long, value_name = "FIELD=NAME", help_heading = "Tables (CSV, Excel, Parquet)")]
    pub column: Vec<String>,
    /// Create ids from account, time and text, for posts without ids
    #[arg(long, help_heading = "Tables (CSV, Excel, Parquet)")]
    pub make_ids: bool,
    /// Show how the first rows are read (the columns, their meaning, the posts made from them), and
    /// exit
    #[arg(long, help_heading = "Tables (CSV, Excel, Parquet)")]
    pub show_mapping: bool,
    /// Format of times: auto, day-first, month-first, excel (day numbers), or a pattern such as
    /// "%d.%m.%Y %H:%M"
    #[arg(long, value_name = "FORMAT", help_heading = "Tables (CSV, Excel, Parquet)")]
    pub time_format: Option<String>,
    /// Time zone of times without one, for example Europe/Berlin or +02:00 [default: UTC]
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true, help_heading = "Tables (CSV, Excel, Parquet)")]
    pub timezone: Option<String>,
    /// Words for a missing value, separated by commas [default: NA, N/A, nan, None, NULL and the
    /// like]
    #[arg(long, value_name = "WORDS", help_heading = "Tables (CSV, Excel, Parquet)")]
    pub na: Option<String>,
    /// Encoding of text, for example windows-1252 [default: UTF-8, or another if recognised with
    /// certainty]
    #[arg(long, value_name = "NAME", help_heading = "Tables (CSV, Excel, Parquet)")]
    pub encoding: Option<String>,
    /// Sheet of a workbook, by name or number [default: the first sheet with content]
    #[arg(long, value_name = "SHEET", help_heading = "Tables (CSV, Excel, Parquet)")]
    pub sheet: Option<String>,
}

impl InputOptions {
    /// The same options for the library. Invalid options are usage errors. Notices are printed on
    /// standard error, above the progress bar.
    pub fn options(&self, bar: &ProgressBar) -> Result<Options> {
        let mut mapping = Mapping { make_ids: self.make_ids, ..Mapping::default() };
        let usage = |flag: &str, reason: String| Usage(format!("{flag} {reason}"));
        if let Some(file) = &self.map {
            // An error in a file is not a usage error.
            input::read_mapping(file, &mut mapping).map_err(anyhow::Error::msg)?;
        }
        for pair in &self.column {
            mapping.set_pair(pair).map_err(|reason| usage("--column", reason))?;
        }
        let settings = [
            ("--time-format", "time_format", self.time_format.as_ref().map(|format| vec![format.clone()])),
            ("--timezone", "timezone", self.timezone.as_ref().map(|zone| vec![zone.clone()])),
            ("--na", "na", self.na.as_ref().map(|words| words.split(',').map(str::to_owned).collect())),
        ];
        for (flag, name, values) in settings {
            if let Some(values) = values {
                mapping.set(name, values).map_err(|reason| usage(flag, reason))?;
            }
        }
        let encoding =
            self.encoding.as_deref().map(input::encoding).transpose().map_err(|reason| usage("--encoding", reason))?;
        let bar = bar.clone();
        let notices = NoticeSink::new(move |notice| {
            let line = if notice.warning { format!("warning: {notice}") } else { notice.to_string() };
            bar.suspend(|| eprintln!("{line}"));
        });
        Ok(Options {
            dialect: self.dialect,
            account: self.account.clone(),
            platform: self.platform.clone(),
            mapping,
            encoding,
            sheet: self.sheet.clone(),
            notices,
            ..Options::default()
        })
    }

    /// What to do if no post could be read.
    pub fn advice(&self) -> &'static str {
        match self.dialect {
            None | Some(Dialect::Lockstep) => {
                "for a table, --show-mapping shows how its columns are read; for posts in the format of a platform, give the format \
                 with --dialect"
            }
            Some(Dialect::Csv) => "--show-mapping shows how the columns are read",
            Some(_) => "is this the dialect of the files? See --dialect",
        }
    }

    /// The dialect, as part of a sentence.
    pub fn by_dialect(&self) -> String {
        self.dialect.map_or_else(String::new, |dialect| format!(" by the dialect {dialect}"))
    }

    /// Prints how the first rows of the files are read.
    pub fn show_mapping(&self, files: &[PathBuf]) -> Result<()> {
        let options = self.options(&ProgressBar::hidden())?;
        let previews = Input::open(files, options)?.preview(SHOWN_ROWS)?;
        let mut text = String::new();
        previews.iter().for_each(|preview| text.push_str(&shown(preview)));
        print(&text)
    }
}

/// Warns about fields that could not be read, and about times whose zone was assumed.
pub fn print_warnings(counts: &Counts) {
    for (field, unreadable) in &counts.unreadable {
        eprintln!(
            "warning: `{field}` cannot be read in {}, which {} without this field; the first: {}",
            counted(unreadable.posts, "post"),
            if unreadable.posts == 1 { "counts" } else { "count" },
            unreadable.first
        );
    }
    if counts.local_times > 0 {
        eprintln!(
            "warning: the times of {} have no offset from UTC and were read as UTC; set their zone with --timezone",
            counted(counts.local_times, "post")
        );
    }
}

fn print(text: &str) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()) {
        // The reader has closed the pipe.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn shown(preview: &Preview) -> String {
    let mut text = format!("{}: {}\n", preview.file.display(), preview.layout);
    if let Some(platform) = &preview.platform {
        text.push_str(&format!("platform of rows without one: {platform}\n"));
    }
    let mut table = vec![["column".to_owned(), "read as".to_owned(), "first cells".to_owned()]];
    for column in &preview.columns {
        let taken = match column.taken {
            Taken::For(field, by) => format!("{field} (by {})", by.name()),
            Taken::Ignored => "ignored".to_owned(),
            Taken::NotRead => "not read".to_owned(),
        };
        let cells: Vec<String> = column.cells.iter().map(|cell| short(cell)).collect();
        let name = if column.column.is_empty() { "(no name)" } else { &column.column };
        table.push([name.to_owned(), taken, cells.join(" | ")]);
    }
    if !preview.columns.is_empty() {
        let width = |place: usize| table.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        for [column, taken, cells] in &table {
            text.push_str(format!("  {column:first$}  {taken:second$}  {cells}").trim_end());
            text.push('\n');
        }
    }
    for post in &preview.posts {
        match post {
            Ok(post) => text.push_str(&format!("post: {post}\n")),
            Err(reason) => text.push_str(&format!("rejected: {reason}\n")),
        }
    }
    for warning in &preview.concerns.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    if let Some(reason) = &preview.concerns.refusal {
        text.push_str(&format!("would be refused: {reason}\n"));
    }
    text
}

/// The start of a cell, in one line.
fn short(cell: &str) -> String {
    let line: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_LETTERS).collect();
    if cell.chars().count() > SHOWN_LETTERS { line + "…" } else { line }
}
