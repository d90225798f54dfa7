//! The texts of documents are Markdown templates, so that people who are responsible for a text can read
//! and change it. Values that Askama fills in are escaped here: a name cannot become markup.

use std::fmt::{self, Write};

use askama::filters::Escaper;
use pulldown_cmark::{Alignment, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::content::{Block, Table, Text};

/// Escapes values in a Markdown template.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Markdown;

impl Escaper for Markdown {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        for c in string.chars() {
            // CommonMark, 2.4: any ASCII punctuation may be escaped with a backslash. A line break would end the line's block.
            if c.is_ascii_punctuation() {
                dest.write_char('\\')?;
            }
            dest.write_char(if c.is_whitespace() { ' ' } else { c })?;
        }
        Ok(())
    }
}

/// Parses a filled-in template: its first heading is the title, the rest are blocks. Fails on markup that
/// documents do not support, and names it.
pub(super) fn read(text: &str) -> Result<(String, Vec<Block>), String> {
    let mut title = None;
    let mut blocks = Vec::new();
    let mut open = Open::default();
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Paragraph | Tag::Heading { .. } | Tag::TableHead | Tag::TableRow | Tag::TableCell) => {}
            Event::Start(Tag::Strong) => open.strong = true,
            Event::End(TagEnd::Strong) => open.strong = false,
            Event::Text(text) => open.text.push(&text, open.strong),
            Event::SoftBreak => open.text.push(" ", open.strong),
            Event::End(TagEnd::Heading(HeadingLevel::H1)) if title.is_none() => title = Some(open.take().plain()),
            Event::End(TagEnd::Heading(level @ (HeadingLevel::H2 | HeadingLevel::H3))) => {
                blocks.push(Block::Heading(level as u8, open.take()));
            }
            // In a list whose items stand apart each item is a paragraph, and ends as an item.
            Event::End(TagEnd::Paragraph) if open.list.is_some() => {}
            Event::End(TagEnd::Paragraph) => blocks.push(Block::Paragraph(open.take())),
            Event::Start(Tag::List(None)) if open.list.is_none() => open.list = Some(Vec::new()),
            Event::Start(Tag::Item) => {}
            Event::End(TagEnd::Item) => {
                let item = open.take();
                open.list.get_or_insert_default().push(item);
            }
            Event::End(TagEnd::List(_)) => blocks.push(Block::List(open.list.take().unwrap_or_default())),
            Event::Start(Tag::Table(columns)) => {
                open.table.numbers = columns.iter().map(|column| *column == Alignment::Right).collect();
            }
            Event::End(TagEnd::TableCell) => {
                let cell = open.take();
                open.cells.push(cell);
            }
            Event::End(TagEnd::TableHead) => open.table.head = std::mem::take(&mut open.cells),
            Event::End(TagEnd::TableRow) => {
                let cells = std::mem::take(&mut open.cells);
                open.table.rows.push(cells);
            }
            Event::End(TagEnd::Table) => blocks.push(Block::Table(std::mem::take(&mut open.table))),
            other => return Err(format!("documents have no {other:?}")),
        }
    }
    Ok((title.ok_or("the text has no title, a line that begins with one #")?, blocks))
}

#[derive(Default)]
struct Open {
    text: Text,
    strong: bool,
    list: Option<Vec<Text>>,
    table: Table,
    cells: Vec<Text>,
}

impl Open {
    fn take(&mut self) -> Text {
        std::mem::take(&mut self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        Markdown.write_escaped_str(&mut out, text).unwrap();
        out
    }

    #[test]
    fn what_is_filled_in_is_text_wherever_it_stands() {
        let hostile = "# x <b>&amp; | [a](http://b) **c** `d` 1. - ~ \\ \n\n## y \u{2028} &#0;";
        let text = format!("# t\n\n{0}\n\n- {0}\n\n| h |\n| --- |\n| {0} |\n", escaped(hostile));
        let (title, blocks) = read(&text).unwrap();
        assert_eq!(title, "t");
        let plain = hostile.replace(char::is_whitespace, " ");
        let Block::Paragraph(paragraph) = &blocks[0] else { panic!("{blocks:?}") };
        assert_eq!(paragraph.plain(), plain);
        let Block::List(items) = &blocks[1] else { panic!("{blocks:?}") };
        assert_eq!(items[0].plain(), plain);
        let Block::Table(table) = &blocks[2] else { panic!("{blocks:?}") };
        assert_eq!((table.rows.len(), table.rows[0][0].plain()), (1, plain));
    }

    #[test]
    fn markup_that_documents_do_not_have_is_refused_by_name() {
        for (text, what) in
            [("[a](https://b)", "Link"), ("![a](b)", "Image"), ("<b>", "Html"), ("1. x", "List(Some(1))")]
        {
            let refused = read(&format!("# t\n\n{text}")).unwrap_err();
            assert!(refused.contains(what), "{refused}");
        }
        assert!(read("no title").unwrap_err().contains("title"));
    }
}
