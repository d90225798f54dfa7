//! A document as one HTML file that loads nothing, for the screen and for printing with the marking on
//! every page.

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::content::{Block, Content, Table};
use casework::Tlp;

/// The language of documents.
pub(super) const LANGUAGE: &str = "en";

/// Maximum length of a cell without line breaks: a time, or a number of 20 digits.
const SHORT: usize = 20;

const STYLE: &str = include_str!("../../../assets/document.css");

#[derive(Template)]
#[template(path = "documents/document.html")]
struct Page<'a> {
    content: &'a Content,
    language: &'static str,
    style: &'static str,
    style_hash: String,
    colour: &'static str,
    date: String,
}

impl Page<'_> {
    /// Class of a cell: numbers are aligned to the right, and short cells have no line breaks.
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

/// The style of documents, as a source of a content security policy.
pub(crate) fn style_source() -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE.as_bytes())))
}

/// Renders a document. Fails only if a template has an error.
pub(super) fn render(content: &Content) -> Result<String, String> {
    let page = Page {
        content,
        language: LANGUAGE,
        style: STYLE,
        style_hash: STANDARD.encode(Sha256::digest(STYLE.as_bytes())),
        colour: match content.tlp {
            Tlp::Clear => "clear",
            Tlp::Green => "green",
            Tlp::Amber | Tlp::AmberStrict => "amber",
            Tlp::Red => "red",
        },
        date: text_format::day(content.dated),
    };
    page.render().map_err(|error| error.to_string())
}
