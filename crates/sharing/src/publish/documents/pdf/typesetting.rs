//! Typesetting: breaks text into lines, and places lines and tables on pages.

use std::sync::Arc;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use parley::{Alignment, FontFamily, FontWeight, LayoutContext, LineHeight, OverflowWrap, StyleProperty};

use super::{BOTTOM, Colour, GRID, INK, LEFT, RIGHT, SHADE, SOFT, TOP, plain};
use crate::publish::documents::{
    content::{Block, Content, Table, Text},
    fonts::{FAMILIES, Fonts},
};

const TITLE: Style = Style { size: 19.0, leading: 25.0, strong: true, colour: INK };
const CHAPTER: Style = Style { size: 13.0, leading: 18.0, strong: true, colour: INK };
const SECTION: Style = Style { size: 10.5, leading: 15.0, strong: true, colour: INK };
const BODY: Style = Style { size: 10.0, leading: 14.6, strong: false, colour: INK };
const CELL: Style = Style { size: 8.6, leading: 12.0, strong: false, colour: INK };
const HEAD: Style = Style { size: 8.0, leading: 12.0, strong: true, colour: SOFT };

/// Space between paragraphs.
const GAP: f32 = 7.0;
/// Space above and below the text of a cell.
const PAD: f32 = 3.2;
/// Space between columns.
const GUTTER: f32 = 12.0;
/// Indentation of the text of a list.
const INDENT: f32 = 14.0;

/// Style of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub size: f32,
    pub leading: f32,
    pub strong: bool,
    pub colour: Colour,
}

/// A line of text, ready to be drawn.
pub(super) struct Line {
    pub text: Arc<str>,
    pub runs: Vec<Run>,
    /// Distance of the baseline from the line's upper edge.
    pub baseline: f32,
    pub width: f32,
    pub leading: f32,
    pub colour: Colour,
}

/// Glyphs of one font, from left to right.
pub(super) struct Run {
    pub x: f32,
    pub font: Font,
    pub size: f32,
    pub glyphs: Vec<KrillaGlyph>,
}

/// An element with its position on a page.
pub(super) enum Mark {
    Line {
        line: Line,
        x: f32,
        y: f32,
        leaf: Leaf,
    },
    Fill {
        left: f32,
        top: f32,
        right: f32,
        bottom: f32,
        colour: Colour,
    },
    /// Position of a heading, for the outline.
    Heading {
        title: String,
        y: f32,
    },
}

/// The part of the document to which a line belongs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leaf {
    /// A part of the text, by number.
    Content(usize),
    /// A part that is repeated on every page and read out only once.
    Artifact,
}

/// The structure of the document for screen readers; numbers are leaves.
pub(super) enum Structure {
    Heading { level: u8, title: String, leaf: usize },
    Paragraph { leaf: usize },
    List { items: Vec<(usize, usize)> },
    Table { head: Vec<usize>, rows: Vec<Vec<usize>> },
}

/// A document divided into pages.
#[derive(Default)]
pub(super) struct Sheet {
    pub pages: Vec<Vec<Mark>>,
    pub structure: Vec<Structure>,
    pub leaves: usize,
}

pub(super) struct Setter {
    fonts: Fonts,
    layouts: LayoutContext<()>,
}

impl Setter {
    pub fn new(fonts: Fonts) -> Setter {
        Setter { fonts, layouts: LayoutContext::new() }
    }

    /// Sets a whole document.
    pub fn set(&mut self, content: &Content) -> Sheet {
        let mut pages = Pages { sheet: Sheet { pages: vec![Vec::new()], ..Sheet::default() }, y: TOP };
        pages.heading(self, 1, &plain(&content.title, true));
        for (index, block) in content.blocks.iter().enumerate() {
            match block {
                Block::Heading(level, text) => {
                    // A heading goes with what it is the heading of.
                    let next = match content.blocks.get(index + 1) {
                        Some(Block::Table(_)) => 4.0 * CELL.leading,
                        _ => 2.0 * BODY.leading,
                    };
                    pages.room(CHAPTER.leading + 2.0 * GAP + next);
                    pages.heading(self, *level, text);
                }
                Block::Paragraph(text) => {
                    let leaf = pages.leaf();
                    let lines = self.lines(text, BODY, RIGHT - LEFT, false);
                    pages.lines(lines, LEFT, Leaf::Content(leaf));
                    pages.y += GAP;
                    pages.sheet.structure.push(Structure::Paragraph { leaf });
                }
                Block::List(items) => pages.list(self, items),
                Block::Table(table) => pages.table(self, table),
            }
        }
        pages.sheet
    }

    /// One line, as wide as it is.
    pub fn line(&mut self, text: &str, style: Style) -> Option<Line> {
        self.lines(&plain(text, style.strong), style, f32::MAX, false).into_iter().next()
    }

    /// The width that a text would like to have.
    fn width(&mut self, text: &Text, style: Style) -> f32 {
        self.lines(text, style, f32::MAX, false).iter().map(|line| line.width).fold(0.0, f32::max)
    }

    fn lines(&mut self, text: &Text, style: Style, width: f32, right: bool) -> Vec<Line> {
        let words: Arc<str> = text.plain().into();
        if words.trim().is_empty() {
            return Vec::new();
        }
        let mut builder = self.layouts.ranged_builder(&mut self.fonts.context, &words, 1.0, false);
        builder.push_default(StyleProperty::FontFamily(FontFamily::from(FAMILIES)));
        builder.push_default(StyleProperty::FontSize(style.size));
        builder.push_default(StyleProperty::LineHeight(LineHeight::Absolute(style.leading)));
        builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::Anywhere));
        let mut start = 0;
        for span in &text.0 {
            let end = start + span.text.len();
            if span.strong || style.strong {
                builder.push(StyleProperty::FontWeight(FontWeight::BOLD), start..end);
            }
            start = end;
        }
        let mut layout = builder.build(&*words);
        layout.break_all_lines((width < f32::MAX).then_some(width));
        if width < f32::MAX {
            layout.align(if right { Alignment::Right } else { Alignment::Start }, Default::default());
        }
        let mut lines = Vec::new();
        for line in layout.lines() {
            let metrics = *line.metrics();
            let mut x = metrics.offset;
            let mut runs = Vec::new();
            for run in line.runs() {
                let size = run.font_size();
                let glyphs = glyphs(&run);
                let advance: f32 = glyphs.iter().map(|glyph| glyph.x_advance * size).sum();
                if let Some(font) = self.fonts.drawn(run.font()) {
                    runs.push(Run { x, font, size, glyphs });
                }
                x += advance;
            }
            lines.push(Line {
                text: words.clone(),
                runs,
                baseline: metrics.baseline - metrics.block_min_coord,
                width: metrics.advance - metrics.trailing_whitespace,
                leading: style.leading,
                colour: style.colour,
            });
        }
        lines
    }
}

/// A run's glyphs from left to right, with the text that each stands for.
fn glyphs(run: &parley::layout::Run<'_, ()>) -> Vec<KrillaGlyph> {
    let size = run.font_size();
    let mut glyphs: Vec<KrillaGlyph> = Vec::new();
    // The later letters of a ligature have no glyph: their text belongs to the glyph of the first, which comes after them
    // where text runs from right to left.
    let mut ahead = None;
    for cluster in run.visual_clusters() {
        let mut range = cluster.text_range();
        if cluster.is_ligature_continuation() {
            match glyphs.last_mut() {
                Some(glyph) if !run.is_rtl() => glyph.text_range.end = glyph.text_range.end.max(range.end),
                _ => ahead = Some(ahead.unwrap_or(range.end).max(range.end)),
            }
            continue;
        }
        range.end = range.end.max(ahead.take().unwrap_or_default());
        for glyph in cluster.glyphs() {
            glyphs.push(KrillaGlyph::new(
                GlyphId::new(glyph.id),
                glyph.advance / size,
                glyph.x / size,
                glyph.y / size,
                0.0,
                range.clone(),
                None,
            ));
        }
    }
    glyphs
}

/// Which part of a table a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Head,
    Body,
}

/// Pages being filled.
struct Pages {
    sheet: Sheet,
    y: f32,
}

impl Pages {
    fn leaf(&mut self) -> usize {
        self.sheet.leaves += 1;
        self.sheet.leaves - 1
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.sheet.pages.last_mut() {
            page.push(mark);
        }
    }

    /// Begins a page where this one has not so much room left. True if it did.
    fn room(&mut self, height: f32) -> bool {
        let full = self.y + height > BOTTOM && self.y > TOP;
        if full {
            self.sheet.pages.push(Vec::new());
            self.y = TOP;
        }
        full
    }

    /// Lines one below the other; the first two and the last two stay together.
    fn lines(&mut self, lines: Vec<Line>, x: f32, leaf: Leaf) {
        let count = lines.len();
        for (index, line) in lines.into_iter().enumerate() {
            let left = count - index;
            let together = if count > 1 && (index == 0 || left == 2) { 2.min(left) } else { 1 };
            let together = if count == 3 && index == 0 { 3 } else { together };
            self.room(together as f32 * line.leading);
            let (y, leading) = (self.y, line.leading);
            self.mark(Mark::Line { line, x, y, leaf });
            self.y += leading;
        }
    }

    fn heading(&mut self, setter: &mut Setter, level: u8, text: &Text) {
        let style = match level {
            1 => TITLE,
            2 => CHAPTER,
            _ => SECTION,
        };
        if self.y > TOP {
            self.y += GAP;
        }
        let leaf = self.leaf();
        let y = self.y;
        let title = text.plain();
        let lines = setter.lines(text, style, RIGHT - LEFT, false);
        self.lines(lines, LEFT, Leaf::Content(leaf));
        self.mark(Mark::Heading { title: title.clone(), y });
        self.y += if level == 1 { GAP } else { 2.0 };
        self.sheet.structure.push(Structure::Heading { level, title, leaf });
    }

    fn list(&mut self, setter: &mut Setter, items: &[Text]) {
        let mut leaves = Vec::new();
        for item in items {
            let lines = setter.lines(item, BODY, RIGHT - LEFT - INDENT, false);
            if lines.is_empty() {
                continue;
            }
            let (label, body) = (self.leaf(), self.leaf());
            self.room(lines.len().min(3) as f32 * BODY.leading);
            let y = self.y;
            if let Some(line) = setter.line("•", BODY) {
                self.mark(Mark::Line { line, x: LEFT + 2.0, y, leaf: Leaf::Content(label) });
            }
            self.lines(lines, LEFT + INDENT, Leaf::Content(body));
            self.y += 2.5;
            leaves.push((label, body));
        }
        self.y += GAP - 2.5;
        self.sheet.structure.push(Structure::List { items: leaves });
    }

    /// A table; its head is repeated on every page.
    fn table(&mut self, setter: &mut Setter, table: &Table) {
        let widths = widths(setter, table);
        let head = self.leaves(widths.len());
        self.room(4.0 * CELL.leading + 4.0 * PAD);
        self.row(setter, table, &table.head, &widths, Some(&head), Row::Head);
        let mut rows = Vec::new();
        for cells in &table.rows {
            let leaves = self.leaves(widths.len());
            self.row(setter, table, cells, &widths, Some(&leaves), Row::Body);
            rows.push(leaves);
        }
        self.y += GAP + 3.0;
        self.sheet.structure.push(Structure::Table { head, rows });
    }

    fn leaves(&mut self, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.leaf()).collect()
    }

    /// One row, on a new page under the head again where this one is full. A row stays on one page: what is filled in is
    /// never so long that it could not.
    fn row(
        &mut self,
        setter: &mut Setter,
        table: &Table,
        cells: &[Text],
        widths: &[f32],
        leaves: Option<&[usize]>,
        row: Row,
    ) {
        let style = if row == Row::Head { HEAD } else { CELL };
        let set: Vec<Vec<Line>> = cells
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                setter.lines(cell, style, *width, table.numbers.get(column).copied().unwrap_or_default())
            })
            .collect();
        let height = set.iter().map(Vec::len).max().unwrap_or_default().max(1) as f32 * style.leading + 2.0 * PAD;
        let is_head = row == Row::Head;
        if !is_head && self.room(height) {
            self.row(setter, table, &table.head, widths, None, Row::Head);
        }
        let right = LEFT + 8.0 + widths.iter().sum::<f32>() + GUTTER * widths.len().saturating_sub(1) as f32;
        let top = self.y;
        if is_head {
            self.mark(Mark::Fill { left: LEFT, top, right, bottom: top + height, colour: SHADE });
        }
        let mut x = LEFT + 4.0;
        for (column, lines) in set.into_iter().enumerate() {
            let leaf = leaves.and_then(|leaves| leaves.get(column)).map_or(Leaf::Artifact, |leaf| Leaf::Content(*leaf));
            let mut y = top + PAD;
            for line in lines {
                let leading = line.leading;
                self.mark(Mark::Line { line, x, y, leaf });
                y += leading;
            }
            x += widths.get(column).copied().unwrap_or_default() + GUTTER;
        }
        self.y = top + height;
        let y = self.y;
        self.mark(Mark::Fill { left: LEFT, top: y - 0.5, right, bottom: y, colour: GRID });
    }
}

/// Widths of a table's columns: what each would like to have where that fits; otherwise the wide ones share what the narrow
/// ones leave.
fn widths(setter: &mut Setter, table: &Table) -> Vec<f32> {
    let columns = table.head.len();
    let mut like = vec![0.0f32; columns];
    for (style, cells) in std::iter::once((HEAD, &table.head)).chain(table.rows.iter().map(|row| (CELL, row))) {
        for (column, cell) in cells.iter().enumerate().take(columns) {
            // A hair more, since lines are broken where they are a rounding error too long.
            like[column] = like[column].max(setter.width(cell, style) + 0.5);
        }
    }
    let room = RIGHT - LEFT - 8.0 - GUTTER * columns.saturating_sub(1) as f32;
    let mut left = room;
    let mut open: Vec<usize> = (0..columns).collect();
    let mut widths = like.clone();
    while !open.is_empty() {
        let share = left / open.len() as f32;
        let (narrow, wide): (Vec<usize>, Vec<usize>) = open.iter().partition(|column| like[**column] <= share);
        if narrow.is_empty() {
            for column in wide {
                widths[column] = share;
            }
            break;
        }
        left -= narrow.iter().map(|column| like[*column]).sum::<f32>();
        open = wide;
    }
    // What is left over goes to the columns of words, so that the table is as wide as the text; a small table stays small.
    let wanted = widths.iter().sum::<f32>();
    let over = room - wanted;
    let words: Vec<usize> =
        (0..columns).filter(|column| !table.numbers.get(*column).copied().unwrap_or_default()).collect();
    if over > 0.0 && wanted > room / 2.0 {
        for column in &words {
            widths[*column] += over / words.len() as f32;
        }
    }
    widths
}
