//! A document as PDF: tagged for screen readers (PDF/UA-1), archivable (PDF/A-2a), with the marking and the
//! page number on every page. The same document gives the same bytes.

mod typesetting;

use krilla::{
    Document, SerializeSettings,
    color::rgb,
    configure::{Accessibility, Archival, ConfigurationBuilder},
    destination::XyzDestination,
    geom::{PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    outline::{Outline, OutlineNode},
    page::{Page, PageSettings},
    paint::{Fill, Paint},
    surface::Surface,
    tagging::{
        Artifact, ArtifactType, ContentTag, Identifier, ListNumbering, Node, SpanTag, TableHeaderScope, Tag, TagGroup,
        TagTree,
    },
};

use super::{
    content::{Content, Text},
    fonts::Fonts,
    html,
};
use crate::publish::documents::pdf::typesetting::{Leaf, Line, Mark, Setter, Sheet, Structure, Style};
use casework::Tlp;

/// A4, points.
const PAGE: (f32, f32) = (595.28, 841.89);
const LEFT: f32 = 62.0;
const RIGHT: f32 = PAGE.0 - 62.0;
const TOP: f32 = 92.0;
const BOTTOM: f32 = PAGE.1 - 84.0;

/// Red, green, blue.
#[derive(Debug, Clone, Copy)]
struct Colour(u8, u8, u8);

impl Colour {
    fn paint(self) -> Paint {
        rgb::Color::new(self.0, self.1, self.2).into()
    }
}

const INK: Colour = Colour(0x1c, 0x1e, 0x21);
const SOFT: Colour = Colour(0x55, 0x5b, 0x63);
const GRID: Colour = Colour(0xc9, 0xcd, 0xd2);
const SHADE: Colour = Colour(0xf1, 0xf2, 0xf4);
const BLACK: Colour = Colour(0, 0, 0);

const SMALL: Style = Style { size: 8.0, leading: 11.0, strong: false, colour: SOFT };
/// TLP 2.0: the label is at least 12 points high.
const LABEL: Style = Style { size: 12.0, leading: 16.0, strong: true, colour: BLACK };

/// The foreground of a label on black (FIRST, Traffic Light Protocol 2.0, "TLP in RGB").
fn colour(tlp: Tlp) -> Colour {
    match tlp {
        Tlp::Clear => Colour(0xff, 0xff, 0xff),
        Tlp::Green => Colour(0x33, 0xff, 0x00),
        Tlp::Amber | Tlp::AmberStrict => Colour(0xff, 0xc0, 0x00),
        Tlp::Red => Colour(0xff, 0x2b, 0x2b),
    }
}

/// Writes a document as PDF. Fails only if the PDF writer cannot represent the content.
pub(super) fn render(content: &Content, fonts: Fonts) -> Result<Vec<u8>, String> {
    let mut setter = Setter::new(fonts);
    let Sheet { pages, structure, leaves } = setter.set(content);
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_A)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| format!("{error:?}"))?;
    let mut document = Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    document.set_metadata(metadata(content));
    let settings = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or("a page has a size")?;
    let count = pages.len();
    let mut drawn: Vec<Vec<Identifier>> = (0..leaves).map(|_| Vec::new()).collect();
    let mut outline = Outline::new();
    for (index, marks) in pages.iter().enumerate() {
        let mut page: Page<'_> = document.start_page_with(settings.clone());
        let mut surface = page.surface();
        furniture(&mut surface, &mut setter, content, index + 1, count);
        for mark in marks {
            match mark {
                Mark::Line { line, x, y, leaf: Leaf::Content(leaf) } => {
                    let id = surface.start_tagged(ContentTag::Span(SpanTag::empty()));
                    draw(&mut surface, line, *x, *y);
                    surface.end_tagged();
                    if let Some(ids) = drawn.get_mut(*leaf) {
                        ids.push(id);
                    }
                }
                Mark::Line { line, x, y, leaf: Leaf::Artifact } => {
                    artifact(&mut surface, ArtifactType::PaginationOther, |surface| draw(surface, line, *x, *y));
                }
                Mark::Fill { left, top, right, bottom, colour } => {
                    artifact(&mut surface, ArtifactType::Layout, |surface| {
                        fill(surface, *left, *top, *right, *bottom, *colour);
                    });
                }
                Mark::Heading { title, y } => {
                    let place = XyzDestination::new(index, Point::from_xy(LEFT, *y));
                    outline.push_child(OutlineNode::new(title.clone(), place));
                }
            }
        }
        surface.finish();
        page.finish();
    }
    document.set_outline(outline);
    let mut tree = TagTree::new().with_lang(Some(html::LANGUAGE.to_owned()));
    for part in structure {
        if let Some(group) = tagged(part, &mut drawn) {
            tree.push(group);
        }
    }
    document.set_tag_tree(tree);
    document.finish().map_err(|error| format!("{error:?}"))
}

fn metadata(content: &Content) -> Metadata {
    let time = content.dated.to_zoned(jiff::tz::TimeZone::UTC);
    let part = |value: i8| u8::try_from(value).unwrap_or_default();
    let date = DateTime::new(u16::try_from(time.year()).unwrap_or_default())
        .month(part(time.month()))
        .day(part(time.day()))
        .hour(part(time.hour()))
        .minute(part(time.minute()))
        .second(part(time.second()))
        .utc_offset_hour(0);
    Metadata::new()
        .title(content.title.clone())
        .language(html::LANGUAGE.to_owned())
        .authors(vec![content.from.clone()])
        .keywords(vec![content.tlp.label().to_owned()])
        .creator("Lockstep".to_owned())
        .creation_date(date)
        .document_id(format!("{} {}", content.reference, content.title))
}

/// The parts of every page other than the text.
fn furniture(surface: &mut Surface<'_>, setter: &mut Setter, content: &Content, page: usize, pages: usize) {
    let number = format!("Page {page} of {pages}");
    let warning = content.warning.unwrap_or_default();
    let above = [content.from.clone(), text_format::day(content.dated)].join(" · ");
    let below = content.reference.clone();
    let label = Style { colour: colour(content.tlp), ..LABEL };
    for (kind, y, lines) in
        [(ArtifactType::Header, 36.0, [&above, warning]), (ArtifactType::Footer, PAGE.1 - 58.0, [&below, &number])]
    {
        let marking = setter.line(content.tlp.label(), label);
        let small = lines.map(|text| setter.line(text, SMALL));
        artifact(surface, kind, |surface| {
            if let Some(marking) = &marking {
                let left = RIGHT - marking.width - 16.0;
                fill(surface, left, y, RIGHT, y + 22.0, BLACK);
                draw(surface, marking, left + 8.0, y + 3.0);
            }
            for (index, line) in small.iter().enumerate() {
                if let Some(line) = line {
                    draw(surface, line, LEFT, y + index as f32 * SMALL.leading);
                }
            }
        });
    }
}

fn artifact(surface: &mut Surface<'_>, kind: ArtifactType, what: impl FnOnce(&mut Surface<'_>)) {
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(kind)));
    what(surface);
    surface.end_tagged();
}

fn fill(surface: &mut Surface<'_>, left: f32, top: f32, right: f32, bottom: f32, colour: Colour) {
    let Some(area) = Rect::from_ltrb(left, top, right, bottom) else { return };
    let mut path = PathBuilder::new();
    path.push_rect(area);
    let Some(path) = path.finish() else { return };
    surface.set_fill(Some(Fill { paint: colour.paint(), ..Fill::default() }));
    surface.draw_path(&path);
}

/// Draws a line of text whose upper left corner is at `x`, `y`.
fn draw(surface: &mut Surface<'_>, line: &Line, x: f32, y: f32) {
    surface.set_fill(Some(Fill { paint: line.colour.paint(), ..Fill::default() }));
    for run in &line.runs {
        let start = Point::from_xy(x + run.x, y + line.baseline);
        surface.draw_glyphs(start, &run.glyphs, run.font.clone(), &line.text, run.size, false);
    }
}

/// A part of the document for screen readers. `None` if nothing of it was drawn.
fn tagged(part: Structure, drawn: &mut [Vec<Identifier>]) -> Option<TagGroup> {
    let mut group = |tag: krilla::tagging::TagKind, leaf: usize| -> TagGroup {
        let ids = drawn.get_mut(leaf).map(std::mem::take).unwrap_or_default();
        TagGroup::with_children(tag, ids.into_iter().map(Node::from).collect())
    };
    let group = match part {
        Structure::Heading { level, title, leaf } => {
            let level = std::num::NonZeroU16::new(u16::from(level))?;
            group(Tag::Hn(level, Some(title)).into(), leaf)
        }
        Structure::Paragraph { leaf } => group(Tag::P.into(), leaf),
        Structure::List { items } => {
            let mut list = TagGroup::new(Tag::L(ListNumbering::Disc));
            for (label, body) in items {
                let mut item = TagGroup::new(Tag::LI);
                item.push(group(Tag::Lbl.into(), label));
                item.push(group(Tag::LBody.into(), body));
                list.push(item);
            }
            list
        }
        Structure::Table { head, rows } => {
            let mut table = TagGroup::new(Tag::Table);
            let mut top = TagGroup::new(Tag::TR);
            for leaf in head {
                top.push(group(Tag::TH(TableHeaderScope::Column).into(), leaf));
            }
            table.push(TagGroup::with_children(Tag::THead, vec![top.into()]));
            let mut body = TagGroup::new(Tag::TBody);
            for row in rows {
                let mut cells = TagGroup::new(Tag::TR);
                for leaf in row {
                    cells.push(group(Tag::TD.into(), leaf));
                }
                body.push(cells);
            }
            if !body.children.is_empty() {
                table.push(body);
            }
            table
        }
    };
    (!group.children.is_empty()).then_some(group)
}

fn plain(text: &str, strong: bool) -> Text {
    let mut out = Text::default();
    out.push(text, strong);
    out
}
