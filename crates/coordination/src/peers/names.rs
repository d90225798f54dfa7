//! Names as small numbers, in order of first appearance.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// One text with all names, and the end of each name in it.
#[derive(Debug, Default)]
pub(super) struct Names {
    text: String,
    ends: Vec<usize>,
    table: HashTable<u32>,
}

impl Names {
    pub(super) fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.get(name) {
            return id;
        }
        let id = self.ends.len() as u32;
        self.text.push_str(name);
        self.ends.push(self.text.len());
        let (text, ends) = (&self.text, &self.ends);
        self.table.insert_unique(xxh3_64(name.as_bytes()), id, |id| xxh3_64(slice(text, ends, *id).as_bytes()));
        id
    }

    pub(super) fn get(&self, name: &str) -> Option<u32> {
        self.table.find(xxh3_64(name.as_bytes()), |id| self.name(*id) == name).copied()
    }

    pub(super) fn name(&self, id: u32) -> &str {
        slice(&self.text, &self.ends, id)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All numbers, by the bytes of their names.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..self.len() as u32).collect();
        ids.sort_unstable_by_key(|id| self.name(*id));
        ids
    }
}

fn slice<'t>(text: &'t str, ends: &[usize], id: u32) -> &'t str {
    let start = id.checked_sub(1).map_or(0, |before| ends[before as usize]);
    &text[start..ends[id as usize]]
}
