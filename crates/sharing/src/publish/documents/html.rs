//! A document as one HTML file that loads nothing, for reading on a screen and for printing with the marking on every page.

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::content::{Block, Content, Table};
use casework::Tlp;

/// The language of documents.
pub(super) const LANGUAGE: &str = "en";

/// Characters of a cell that is not broken into lines: a time, a number of 20 digits.
const SHORT: usize = 20;

const STYLE: &str = include_str!("../../../assets/document.css");

#[derive(Template)]
#[template(path = "documents/document.html")]
struct Page<'a> {
    paper: &'a Content,
    language: &'static str,
    style: &'static str,
    style_hash: String,
    colour: &'static str,
    date: String,
}

impl Page<'_> {
    /// How a column looks: numbers stand at the right, and short cells are not broken into lines.
    fn class(table: &Table, column: &usize) -> &'static str {
        let short = |cells: &Vec<super::content::Text>| {
            cells.get(*column).is_none_or(|cell| cell.plain().chars().count() <= SHORT)
        };
        if table.numbers.get(*column).copied().unwrap_or_default() {
            "n"
        } else if table.rows.iter().all(short) {
            "s"
        } else {
            "w"
        }
    }
}

/// The one style that documents have, as a source of a content security policy.
pub(crate) fn style_source() -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE.as_bytes())))
}

/// Draws a document. Fails, with the template's reason, only where a template has a mistake.
pub(super) fn render(paper: &Content) -> Result<String, String> {
    let page = Page {
        paper,
        language: LANGUAGE,
        style: STYLE,
        style_hash: STANDARD.encode(Sha256::digest(STYLE.as_bytes())),
        colour: match paper.tlp {
            Tlp::Clear => "clear",
            Tlp::Green => "green",
            Tlp::Amber | Tlp::AmberStrict => "amber",
            Tlp::Red => "red",
        },
        date: text_format::day(paper.dated),
    };
    page.render().map_err(|error| error.to_string())
}
