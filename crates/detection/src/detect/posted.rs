//! Texts of the posts in evidence. They are looked up at the end, when it is known which posts
//! these are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use coordination::TraceKind;
use messages::cluster::ClusterMessage;

use crate::input::{InputError, SortedPosts};

/// The most bytes of a text that are kept: enough for a quotation, not for an article.
const LONGEST: usize = 2_000;

/// The text of one post.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Its text, cut if it is long; empty if the file has none.
    pub text: String,
}

/// Texts by platform and id of the post. Posts that are not in the files have no entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posted {
    by_platform: BTreeMap<String, HashMap<String, Said>>,
}

impl Posted {
    /// The text of a post; `None` if the post is not in the files or was not asked for.
    pub fn get(&self, platform: &str, id: &str) -> Option<&Said> {
        self.by_platform.get(platform)?.get(id)
    }

    /// All of them: platform, id and text, in no order within a platform.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Said)> {
        self.by_platform
            .iter()
            .flat_map(|(platform, posts)| posts.iter().map(move |(id, said)| (platform.as_str(), id.as_str(), said)))
    }

    /// How many posts.
    pub fn len(&self) -> usize {
        self.by_platform.values().map(HashMap::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a post.
    pub fn insert(&mut self, platform: &str, id: &str, said: Said) {
        self.by_platform.entry(platform.to_owned()).or_default().insert(id.to_owned(), said);
    }
}

/// Posts whose texts are asked for.
#[derive(Default)]
pub(super) struct Wanted(HashSet<Vec<u8>>);

impl Wanted {
    pub(super) fn post(&mut self, platform: &str, id: &str) {
        // The same key as the sorter's.
        self.0.insert([id.as_bytes(), b"\0", platform.as_bytes()].concat());
    }

    /// Adds the posts of a group's evidence, and the originals of those that are reposts.
    pub(super) fn evidence_of(&mut self, cluster: &ClusterMessage) {
        for evidence in &cluster.evidence {
            let platforms: BTreeSet<&str> = evidence.posts.iter().map(|post| &*post.platform).collect();
            evidence.posts.iter().for_each(|post| self.post(&post.platform, &post.id));
            if matches!(evidence.kind, TraceKind::Repost | TraceKind::Reply) {
                for platform in platforms {
                    if let Some(id) = evidence.key.strip_prefix(platform).and_then(|rest| rest.strip_prefix(':')) {
                        self.post(platform, id);
                    }
                }
            }
        }
    }

    /// Looks the posts up. Reading starts again at the first post, and is at the end afterwards.
    pub(super) fn look_up(self, posts: &mut SortedPosts) -> Result<Posted, InputError> {
        let mut found = Posted::default();
        if self.0.is_empty() {
            return Ok(found);
        }
        posts.rewind()?;
        loop {
            if posts.advance()?.is_none() {
                return Ok(found);
            }
            if !self.0.contains(posts.key()) {
                continue;
            }
            // Sorted posts were decoded once before.
            let Ok(post) = messages::post::decode(posts.raw()) else { continue };
            let mut text = post.text.into_owned();
            if text.len() > LONGEST {
                text.truncate((0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0));
                text.push('…');
            }
            let said = Said { text };
            found.insert(&post.platform, &post.id, said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Input, Options};

    #[test]
    fn posts_are_looked_up_from_memory_and_from_spilled_runs_alike() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("posts.jsonl");
        let filler = "word ".repeat(100);
        let post = |n: usize| {
            format!(
                "{{\"id\":\"{n}\",\"platform\":\"x\",\"account_id\":\"a{n}\",\"created_at\":{},\"text\":\"text {n} {filler}\"}}\n",
                1_700_000_000 - n
            )
        };
        std::fs::write(&file, (0..5_000).map(post).collect::<String>()).unwrap();
        for (memory_mib, spills) in [(1, true), (64, false)] {
            let options = Options { memory_mib, ..Options::default() };
            let input = Input::open(std::slice::from_ref(&file), options).unwrap();
            let mut posts = input.sorted(&mut |bad| panic!("{bad}"), &mut |_| {}).unwrap();
            assert_eq!(posts.spilled_runs() > 0, spills);
            let all = |posts: &mut SortedPosts| {
                let mut seen = Vec::new();
                while let Some(raw) = posts.advance().unwrap() {
                    seen.push(raw.to_vec());
                }
                seen
            };
            let first = all(&mut posts);
            assert_eq!(first.len(), 5_000);
            let mut wanted = Wanted::default();
            wanted.post("x", "17");
            wanted.post("x", "4999");
            wanted.post("y", "17");
            let found = wanted.look_up(&mut posts).unwrap();
            assert_eq!(found.len(), 2);
            let said = &found.get("x", "4999").unwrap().text;
            assert!(said.starts_with("text 4999 word") && said.len() < LONGEST);
            assert_eq!(found.get("y", "17"), None);
            posts.rewind().unwrap();
            assert!(all(&mut posts) == first, "the same posts in the same order");
        }
    }
}
