//! The content of a document: headings, paragraphs, lists and tables. HTML and PDF are made from the same
//! content.

use jiff::Timestamp;

use casework::Tlp;

/// A whole document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Content {
    /// Its title, also the first heading.
    pub title: String,
    /// The sender.
    pub from: String,
    /// Its reference: case and version.
    pub reference: String,
    /// Its date.
    pub dated: Timestamp,
    /// Its marking, on every page.
    pub tlp: Tlp,
    /// A warning on every page: that it is not released, or that no person decided.
    pub warning: Option<&'static str>,
    /// Everything after the title.
    pub blocks: Vec<Block>,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// A heading; 2 for a chapter, 3 below it.
    Heading(u8, Text),
    /// A paragraph.
    Paragraph(Text),
    /// A list.
    List(Vec<Text>),
    /// A table.
    Table(Table),
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Table {
    /// Whether each column has numbers, which are aligned to the right.
    pub numbers: Vec<bool>,
    /// Names of the columns.
    pub head: Vec<Text>,
    /// Cells by row; as many as there are columns.
    pub rows: Vec<Vec<Text>>,
}

/// Text, in parts of normal and bold weight.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Text(pub Vec<Span>);

/// Text of one weight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    /// The text.
    pub text: String,
    /// Whether it is bold.
    pub strong: bool,
}

impl Text {
    /// Adds text in a weight.
    pub fn push(&mut self, text: &str, strong: bool) {
        match self.0.last_mut() {
            Some(last) if last.strong == strong => last.text.push_str(text),
            _ => self.0.push(Span { text: text.to_owned(), strong }),
        }
    }

    /// The text without weights.
    pub fn plain(&self) -> String {
        self.0.iter().map(|span| &*span.text).collect()
    }
}

#[cfg(feature = "pdf")]
impl Content {
    /// Mutable access to every text.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let blocks = self.blocks.iter_mut().flat_map(|block| -> Vec<&mut Text> {
            match block {
                Block::Heading(_, text) | Block::Paragraph(text) => vec![text],
                Block::List(items) => items.iter_mut().collect(),
                Block::Table(table) => table.head.iter_mut().chain(table.rows.iter_mut().flatten()).collect(),
            }
        });
        [&mut self.title, &mut self.from, &mut self.reference]
            .into_iter()
            .chain(blocks.flat_map(|text| text.0.iter_mut().map(|span| &mut span.text)))
    }
}
