//! The first rows of the files, and as what each column is read.

use std::path::PathBuf;

use anyhow::Result;
use detection::input::{Input, Preview};
use indicatif::ProgressBar;
use messages::dialect::csv::{Field, Taken};

use crate::input::InputOptions;

/// Rows of the file that the page shows, and letters of a post.
const SHOWN_ROWS: usize = 5;
const SHOWN_LETTERS: usize = 600;

pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) label: String,
    pub(super) chosen: bool,
}

pub(super) struct ColumnRow {
    /// Its place in the form.
    pub(super) id: String,
    pub(super) column: String,
    pub(super) not_read: bool,
    pub(super) cells: Vec<String>,
    pub(super) choices: Vec<Choice>,
}

pub(super) struct Table {
    pub(super) file: String,
    pub(super) layout: String,
    pub(super) columns: Vec<ColumnRow>,
    pub(super) posts: Vec<String>,
    pub(super) rejected: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) refusal: Option<String>,
}

pub(super) fn preview(files: &[PathBuf], reading: &InputOptions) -> Result<Vec<Preview>> {
    Ok(Input::open(files, reading.options(&ProgressBar::hidden())?)?.preview(SHOWN_ROWS)?)
}

pub(super) fn table(at: usize, preview: &Preview, reading: &InputOptions) -> Table {
    let short = |text: &str, most: usize| -> String {
        let mut short: String = text.chars().take(most).collect();
        if text.chars().count() > most {
            short.push('…');
        }
        short
    };
    let columns = preview.columns.iter().enumerate().map(|(place, column)| {
        let set = |name: &str| reading.column.iter().any(|pair| *pair == format!("{name}={}", column.column));
        let (taken, not_read) = match column.taken {
            Taken::For(field, _) => (field.name().to_owned(), false),
            Taken::Ignored => ("left alone".to_owned(), false),
            Taken::NotRead => ("not read".to_owned(), true),
        };
        let mut choices = vec![Choice { value: "", label: format!("as recognised ({taken})"), chosen: false }];
        let fields = Field::ALL.into_iter().filter(|field| field.is_mappable());
        choices.extend(fields.map(|field| Choice {
            value: field.name(),
            label: field.name().to_owned(),
            chosen: set(field.name()),
        }));
        choices.push(Choice { value: "ignore", label: "leave it alone".to_owned(), chosen: set("ignore") });
        ColumnRow {
            id: format!("column-{at}-{place}"),
            column: column.column.clone(),
            not_read,
            cells: column.cells.iter().map(|cell| short(cell, 60)).collect(),
            choices,
        }
    });
    Table {
        file: preview.file.display().to_string(),
        layout: preview.layout.clone(),
        columns: columns.collect(),
        posts: preview.posts.iter().flatten().map(|post| short(post, SHOWN_LETTERS)).collect(),
        rejected: preview.posts.iter().filter_map(|post| post.as_ref().err().cloned()).collect(),
        warnings: preview.concerns.warnings.clone(),
        refusal: preview.concerns.refusal.clone(),
    }
}
