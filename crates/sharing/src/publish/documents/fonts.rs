//! The fonts of documents. They are part of the program, so that documents look the same on every machine.

use std::{collections::HashMap, sync::Arc};

use krilla::text::Font;
use parley::{
    FontContext,
    fontique::{Blob, Collection, CollectionOptions, FontInfo, SourceCache},
};

use super::finding::spell;

/// The fonts, in the order in which a character is looked up: Latin, Greek and Cyrillic; Arabic, Hebrew,
/// Armenian, Georgian and symbols; Chinese, Japanese and Korean.
const FILES: [&[u8]; 4] = [
    include_bytes!("../../../assets/fonts/OpenSans-Regular.ttf"),
    include_bytes!("../../../assets/fonts/OpenSans-Bold.ttf"),
    include_bytes!("../../../assets/fonts/DejaVuSans.ttf"),
    include_bytes!("../../../assets/fonts/wqy-microhei.ttc"),
];
/// The font families of a line of text.
pub(super) const FAMILIES: &str = "'Open Sans', 'DejaVu Sans', 'WenQuanYi Micro Hei'";

pub(super) struct Fonts {
    pub context: FontContext,
    files: Vec<(FontInfo, Blob<u8>)>,
    drawn: HashMap<u64, Font>,
}

impl Fonts {
    pub fn new() -> Fonts {
        let mut collection = Collection::new(CollectionOptions { shared: false, system_fonts: false });
        let mut files = Vec::new();
        for file in FILES {
            let blob = Blob::new(Arc::new(file));
            for (_, fonts) in collection.register_fonts(blob.clone(), None) {
                files.extend(fonts.into_iter().map(|font| (font, blob.clone())));
            }
        }
        Fonts {
            context: FontContext { collection, source_cache: SourceCache::default() },
            files,
            drawn: HashMap::new(),
        }
    }

    /// Whether there is a glyph for a character.
    pub fn has(&self, c: char) -> bool {
        // Private-use characters differ from font to font.
        let private = matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}');
        !private
            && self.files.iter().any(|(font, blob)| {
                font.charmap_index()
                    .charmap(blob.as_ref())
                    .is_some_and(|map| map.map(c).is_some_and(|glyph| glyph != 0))
            })
    }

    /// Replaces every character without a glyph by its number, so that nothing is dropped.
    pub fn spell(&self, text: &mut String) {
        if text.chars().all(|c| c.is_ascii() || self.has(c)) {
            return;
        }
        let mut out = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            if c.is_ascii() || self.has(c) {
                out.push(c);
            } else {
                spell(c, &mut out);
            }
        }
        *text = out;
    }

    /// The font for a run of glyphs, as the writer of the PDF wants it.
    pub fn drawn(&mut self, font: &parley::FontData) -> Option<Font> {
        let id = font.data.id();
        if let Some(known) = self.drawn.get(&id) {
            return Some(known.clone());
        }
        let (data, _) = font.data.clone().into_raw_parts();
        let new = Font::new(data.into(), font.index)?;
        self.drawn.insert(id, new.clone());
        Some(new)
    }
}
