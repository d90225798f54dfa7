//! From a header to how each of its columns is read.

use super::fields::{Field, normal};
use super::layouts::{Choice, Names, ToolLayout};
use super::mapping::Mapping;
use super::{Columns, Layout, UNKNOWN_PLATFORM};
use crate::error::DecodeError;
use crate::times::TableTimes;

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// As a field of a post.
    For(Field, By),
    /// Not read, because the user said so.
    Ignored,
    /// Not read.
    NotRead,
}

/// Why a column is read as a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// It has the field's own name.
    Name,
    /// It has another name of the field.
    Alias,
    /// It has this name in the table of the tool.
    Layout,
    /// The user mapped it.
    Mapping,
}

impl By {
    /// A word for the reason.
    pub fn name(self) -> &'static str {
        match self {
            By::Name => "name",
            By::Alias => "alias",
            By::Layout => "layout",
            By::Mapping => "mapping",
        }
    }
}

/// Doubts about a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concerns {
    /// Why the table must not be read with this header.
    pub refusal: Option<String>,
    /// What the user should check.
    pub warnings: Vec<String>,
}

/// The columns by which CooRTweet's layout is recognised, and those of
/// coordination-network-toolkit's.
const COORTWEET: [&str; 2] = ["object_id", "content_id"];
const TOOLKIT: [&str; 8] =
    ["message_id", "user_id", "username", "repost_id", "reply_id", "message", "timestamp", "urls"];
const COORTWEET_FIELDS: [(Field, &str); 4] = [
    (Field::Object, "object_id"),
    (Field::Id, "content_id"),
    (Field::AccountId, "account_id"),
    (Field::CreatedAt, "timestamp_share"),
];
const TOOLKIT_FIELDS: [(Field, &str); 8] = [
    (Field::Id, "message_id"),
    (Field::AccountId, "user_id"),
    (Field::AccountName, "username"),
    (Field::RepostOf, "repost_id"),
    (Field::ReplyTo, "reply_id"),
    (Field::Text, "message"),
    (Field::CreatedAt, "timestamp"),
    (Field::Urls, "urls"),
];
/// Names of a column that may say which posts are reposts.
const REPOST_FLAGS: [&str; 9] =
    ["retweet", "repost", "reblog", "reshare", "boost", "forwarded", "reposted", "reblogged", "rt"];
/// Names of a column that holds a date without a time of day.
const DATES: [&str; 6] = ["date", "day", "publish_date", "post_date", "tweet_date", "created_date"];

/// Number of cells that are known names. The header is the line with the most.
pub fn known_names(cells: &[String], mapping: &Mapping) -> usize {
    let mapped = |cell: &str| {
        mapping.fields.iter().flat_map(|(_, columns)| columns).chain(&mapping.ignore).any(|column| same(column, cell))
    };
    let known = |cell: &str| {
        let name = normal(cell);
        Field::ALL.into_iter().any(|field| field.name() == name || field.aliases().contains(&name.as_str()))
    };
    let layout = ToolLayout::of(&Names::of(cells)).map_or(0, |layout| layout.needs.len());
    layout + cells.iter().filter(|cell| !cell.trim().is_empty() && (known(cell) || mapped(cell))).count()
}

impl Columns {
    /// Reads a header. `platform` is that of rows without a platform.
    pub fn new<'h>(header: impl IntoIterator<Item = &'h str>, platform: Option<&str>) -> Result<Columns, DecodeError> {
        let mapping = Mapping { platform: platform.map(str::to_owned), ..Mapping::default() };
        Columns::mapped(header, &mapping, i64::MAX)
    }

    /// Reads a header with the user's mapping. Times after `latest` (milliseconds from 1970) are
    /// refused. An error's path is the field that has no column, or the columns that conflict.
    pub fn mapped<'h>(
        header: impl IntoIterator<Item = &'h str>,
        mapping: &Mapping,
        latest: i64,
    ) -> Result<Columns, DecodeError> {
        let header: Vec<String> =
            header.into_iter().map(|name| name.trim().trim_start_matches('\u{feff}').trim().to_owned()).collect();
        let names: Vec<String> = header.iter().map(|name| normal(name)).collect();
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        let tool = ToolLayout::of(&Names::of(&header));
        let layout = if COORTWEET.into_iter().all(has) {
            Layout::CooRTweet
        } else if TOOLKIT.into_iter().all(has) {
            Layout::CoordinationNetworkToolkit
        } else {
            tool.map_or(Layout::Native, |tool| Layout::Tool(tool.name))
        };
        let mut taking = Taking {
            taken: vec![Taken::NotRead; header.len()],
            header,
            names,
            places: vec![Vec::new(); Field::ALL.len()],
        };
        taking.mapping(mapping)?;
        match (layout, tool) {
            (Layout::Tool(_), Some(tool)) => taking.tool(tool),
            _ => taking.names(layout)?,
        }
        let Taking { header, names, taken, mut places } = taking;

        // `platform = "twitter"` in a mapping names a platform if no column has that name.
        let constant = mapping.platform.clone().or_else(|| {
            let named = mapping.columns(Field::Platform)?.first()?;
            places[Field::Platform as usize].is_empty().then(|| named.clone())
        });
        let by_layout = match layout {
            Layout::Native => None,
            Layout::CooRTweet | Layout::CoordinationNetworkToolkit => Some(UNKNOWN_PLATFORM),
            Layout::Tool(_) => tool.and_then(|tool| tool.platform),
        };
        let platform = constant.or_else(|| by_layout.map(str::to_owned));
        if platform.is_some() {
            places[Field::PlatformOfLink as usize].clear();
        }
        let columns = Columns {
            layout,
            times: TableTimes::new(mapping.time_format.clone(), mapping.time_zone.clone(), latest, mapping.any_time),
            missing: mapping.missing.clone(),
            header,
            names,
            taken,
            places,
            platform,
            make_ids: mapping.make_ids,
        };
        for required in [Field::Id, Field::Platform, Field::AccountId, Field::CreatedAt] {
            let given = match required {
                Field::Id => columns.makes_ids(),
                Field::Platform => {
                    columns.platform.is_some() || !columns.places[Field::PlatformOfLink as usize].is_empty()
                }
                _ => false,
            };
            if columns.places[required as usize].is_empty() && !given {
                let reason = match required {
                    Field::Id => {
                        "is required, but the header has no such column; if the posts have no ids, --make-ids makes them of account, time and \
                         text"
                    }
                    _ => "is required, but the header has no such column",
                };
                return Err(DecodeError::new(required.name(), reason, columns.header.join(", ").as_bytes()));
            }
        }
        Ok(columns)
    }

    /// How each column is read, in the order of the header.
    pub fn taken(&self) -> impl Iterator<Item = (&str, Taken)> {
        self.header.iter().map(String::as_str).zip(self.taken.iter().copied())
    }

    /// What the user should know before the table is read. `filled` says whether a column has a
    /// value in any of the sampled rows.
    pub fn concerns(&self, filled: &dyn Fn(usize) -> bool) -> Concerns {
        let mut concerns = Concerns::default();
        if matches!(self.layout, Layout::Tool(_)) {
            return concerns;
        }
        let reads = |field: Field| !self.places[field as usize].is_empty();
        for place in 0..self.header.len() {
            if self.taken[place] != Taken::NotRead || self.names[place].is_empty() || !filled(place) {
                continue;
            }
            let column = &self.header[place];
            let way_out = |field: Field| {
                format!(
                    "say --column {field}={} to read it, or --column ignore={} to leave it",
                    quoted(column),
                    quoted(column)
                )
            };
            let words: Vec<&str> = self.names[place].split('_').collect();
            let any = |known: &[&str]| words.iter().any(|word| known.contains(word));
            let starts = |known: &[&str]| words.iter().any(|word| known.iter().any(|start| word.starts_with(start)));
            let repost =
                starts(&["retweet", "repost", "reshare", "reblog", "boost", "forward", "referenced", "sourcetweet"])
                    || any(&["share", "shared", "shares", "original", "parent", "fwd", "rt"]);
            let account =
                any(&["user", "userid", "author", "account", "name", "username", "screen", "channel", "page", "owner"]);
            let number = any(&["count", "counts", "num", "number", "total", "n"]);
            let id = any(&["id", "ids", "uri", "guid", "key", "of", "from", "status", "tweetid", "postid", "str"])
                || starts(&["retweetid", "repostid", "retweetedid"]);
            let time = any(&["time", "date", "at", "day", "hour", "timestamp", "created"]);
            if repost && (id || account) && !number && !time && !reads(Field::RepostOf) {
                let text = format!(
                    "column {} looks like the id of a repost, and is not read: reposts would count as the accounts' own posts; {}",
                    quoted(column),
                    way_out(if account { Field::RepostOfAccount } else { Field::RepostOf }),
                );
                match account {
                    true => concerns.warnings.push(text),
                    false => _ = concerns.refusal.get_or_insert(text),
                }
            } else if any(&["object"]) && id && !reads(Field::Object) {
                concerns.refusal.get_or_insert(format!(
                    "column {} looks like the object that was shared, and is not read; {}",
                    quoted(column),
                    way_out(Field::Object),
                ));
            } else if (REPOST_FLAGS.contains(&&*self.names[place]) || (repost && any(&["is"])))
                && !reads(Field::RepostOf)
                && !reads(Field::IsRepost)
            {
                concerns.warnings.push(format!(
                    "column {} may say which posts are reposts, and is not read: their words would count as their own; {}, or --column \
                     repost_of={} if it has the id of the original",
                    quoted(column),
                    way_out(Field::IsRepost),
                    quoted(column),
                ));
            } else if !reads(Field::Text)
                && !number
                && !time
                && any(&[
                    "text",
                    "tweet",
                    "message",
                    "content",
                    "body",
                    "caption",
                    "post",
                    "title",
                    "description",
                    "comment",
                    "snippet",
                ])
                && !any(&["id", "type", "url", "link", "lang"])
            {
                concerns.warnings.push(format!(
                    "column {} looks like a text, and is not read; {}",
                    quoted(column),
                    way_out(Field::Text)
                ));
            } else if !reads(Field::Urls)
                && !reads(Field::Object)
                && !number
                && any(&["url", "urls", "link", "links", "href", "object", "domain"])
            {
                concerns.warnings.push(format!(
                    "column {} looks like a link, and is not read; {}",
                    quoted(column),
                    way_out(Field::Urls)
                ));
            } else if any(&["time", "hour"])
                && !reads(Field::Time)
                && self.places[Field::CreatedAt as usize]
                    .iter()
                    .flatten()
                    .any(|at| DATES.contains(&self.names[*at].as_str()))
            {
                concerns.warnings.push(format!(
                    "column {} looks like a time of day, and is not read; {}",
                    quoted(column),
                    way_out(Field::Time)
                ));
            }
        }
        concerns
    }
}

/// A header while its columns are assigned to fields.
struct Taking {
    header: Vec<String>,
    names: Vec<String>,
    taken: Vec<Taken>,
    /// By field: alternatives, best first; the columns of one alternative count together.
    places: Vec<Vec<Vec<usize>>>,
}

impl Taking {
    fn take(&mut self, field: Field, by: By, alternatives: Vec<Vec<usize>>) {
        for place in alternatives.iter().flatten() {
            if self.taken[*place] == Taken::NotRead {
                self.taken[*place] = Taken::For(field, by);
            }
        }
        self.places[field as usize] = alternatives;
    }

    /// The user's mapping comes first.
    fn mapping(&mut self, mapping: &Mapping) -> Result<(), DecodeError> {
        for name in &mapping.ignore {
            for place in self.called(name) {
                self.taken[place] = Taken::Ignored;
            }
        }
        for (field, columns) in &mapping.fields {
            let mut alternatives = Vec::new();
            for column in columns {
                match self.called(column).as_slice() {
                    [place] => alternatives.push(vec![*place]),
                    // The name of a platform, not of a column.
                    [] if *field == Field::Platform => {}
                    [] => {
                        return Err(DecodeError::new(
                            field.name(),
                            format!(
                                "is to be taken from the column {}, but the header has no such column",
                                quoted(column)
                            ),
                            self.header.join(", ").as_bytes(),
                        ));
                    }
                    _ => {
                        return Err(DecodeError::new(
                            field.name(),
                            format!(
                                "is to be taken from the column {}, but the header has that name twice",
                                quoted(column)
                            ),
                            self.header.join(", ").as_bytes(),
                        ));
                    }
                }
            }
            self.take(*field, By::Mapping, alternatives);
        }
        Ok(())
    }

    fn called(&self, column: &str) -> Vec<usize> {
        let exact: Vec<usize> = (0..self.header.len()).filter(|at| self.header[*at] == column.trim()).collect();
        match exact.is_empty() {
            true => (0..self.header.len()).filter(|at| same(column, &self.header[*at])).collect(),
            false => exact,
        }
    }

    fn tool(&mut self, tool: &ToolLayout) {
        let header = Names::of(&self.header);
        for (field, choice, names) in tool.fields {
            if !self.places[*field as usize].is_empty() {
                continue;
            }
            let mut alternatives: Vec<Vec<usize>> = Vec::new();
            for name in *names {
                let mut found = header.places(name);
                found.retain(|place| self.taken[*place] != Taken::Ignored);
                if found.is_empty() {
                    continue;
                }
                match choice {
                    Choice::First if alternatives.is_empty() => alternatives.push(vec![found[0]]),
                    Choice::First => {}
                    Choice::Fallback => alternatives.push(vec![found[0]]),
                    Choice::All if alternatives.is_empty() => alternatives.push(found),
                    Choice::All => alternatives[0].extend(found),
                }
            }
            self.take(*field, By::Layout, alternatives);
        }
    }

    /// Assigns columns by the fields' names and aliases. Two columns for one field are an error.
    fn names(&mut self, layout: Layout) -> Result<(), DecodeError> {
        // A tool's own columns have priority over others with the same meaning.
        let own: &[(Field, &str)] = match layout {
            Layout::CooRTweet => &COORTWEET_FIELDS,
            Layout::CoordinationNetworkToolkit => &TOOLKIT_FIELDS,
            Layout::Native | Layout::Tool(_) => &[],
        };
        for (field, name) in own {
            let place = (0..self.names.len()).find(|at| self.names[*at] == *name && self.taken[*at] == Taken::NotRead);
            if let Some(place) = place.filter(|_| self.places[*field as usize].is_empty()) {
                self.take(*field, By::Layout, vec![vec![place]]);
            }
        }
        for field in Field::ALL {
            if !self.places[field as usize].is_empty()
                || (field == Field::Object && layout != Layout::CooRTweet)
                || field == Field::Time
                || field == Field::PlatformOfLink
            {
                continue;
            }
            let mut found = self.free(field);
            if found.len() > 1 && field == Field::CreatedAt {
                // A date and a time of day together are one time.
                let time = found.iter().position(|place| self.names[*place] == "time");
                if let Some(time) = time {
                    let time = found.remove(time);
                    let all_dates = found.iter().all(|place| DATES.contains(&self.names[*place].as_str()));
                    if all_dates && self.places[Field::Time as usize].is_empty() {
                        self.take(Field::Time, By::Name, vec![vec![time]]);
                    }
                }
            }
            if found.len() > 1 && matches!(field, Field::AccountId) {
                // If there is a column of ids, `author` is a name.
                found.retain(|place| self.names[*place] != "author");
            }
            // Names do not decide anything, so the one that is first among the aliases is shown.
            found.sort_by_key(|place| rank(field, &self.names[*place]));
            if found.len() > 1 && field != Field::AccountName {
                let columns: Vec<String> = found.iter().map(|place| quoted(&self.header[*place])).collect();
                return Err(DecodeError::new(
                    field.name(),
                    format!(
                        "could be any of the columns {}: choose with --column {field}=NAME, or leave one out with --column ignore=NAME",
                        columns.join(" and "),
                    ),
                    b"",
                ));
            }
            if let Some(place) = found.first() {
                let by = if self.names[*place] == field.name() { By::Name } else { By::Alias };
                self.take(field, by, vec![vec![*place]]);
            }
        }
        // A handle identifies an account if there is no id.
        if self.places[Field::AccountId as usize].is_empty() && !self.places[Field::AccountName as usize].is_empty() {
            let name = std::mem::take(&mut self.places[Field::AccountName as usize]);
            for place in name.iter().flatten() {
                self.taken[*place] = Taken::For(Field::AccountId, By::Alias);
            }
            self.places[Field::AccountId as usize] = name;
        }
        Ok(())
    }

    /// Columns with one of a field's names that are not assigned yet.
    fn free(&self, field: Field) -> Vec<usize> {
        let known = |name: &str| name == field.name() || field.aliases().contains(&name);
        (0..self.names.len())
            .filter(|place| self.taken[*place] == Taken::NotRead && known(&self.names[*place]))
            .collect()
    }
}

fn rank(field: Field, name: &str) -> usize {
    if name == field.name() {
        0
    } else {
        1 + field.aliases().iter().position(|alias| *alias == name).unwrap_or(usize::MAX - 1)
    }
}

/// Whether the user's name is that of a column.
fn same(given: &str, column: &str) -> bool {
    given.trim().eq_ignore_ascii_case(column.trim()) || (!normal(given).is_empty() && normal(given) == normal(column))
}

/// A column's name for a message and a command line.
fn quoted(name: &str) -> String {
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/".contains(&b)) {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}
