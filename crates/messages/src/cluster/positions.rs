//! Positions of the posts in a cluster's evidence in the topic `posts`, for readers who may read
//! that topic and want to see the posts.
//!
//! They are in a header of the record and not in the message, so that the same posts give the same
//! message, however they arrived.

use std::{collections::BTreeMap, fmt::Write};

use super::{ClusterMessage, LogPosition, PostRef};
use crate::error::DecodeError;

/// The header's name. Its value has an entry for each post in the evidence, in the order of the
/// message, separated by commas: partition and offset as `2:1045`, or empty if the position is not
/// known.
pub const HEADER: &str = "lockstep-posts";
/// Longer headers are left out: a record has only this much space next to the largest message.
const LONGEST: usize = 64 * 1024;

/// Positions of posts, by platform and id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<(String, String), LogPosition>);

impl Positions {
    /// The header of a message with some of these posts; `None` if none of them is known, or if it
    /// would be too long.
    pub fn header(&self, message: &ClusterMessage) -> Option<(String, Vec<u8>)> {
        let mut text = String::new();
        let mut known = false;
        for (place, post) in message.evidence.iter().flat_map(|evidence| &evidence.posts).enumerate() {
            if place > 0 {
                text.push(',');
            }
            if let Some(at) = self.0.get(&(post.platform.clone(), post.id.clone())) {
                known = true;
                // Writing to a string never fails.
                let _ = write!(text, "{}:{}", at.partition, at.offset);
            }
            if text.len() > LONGEST {
                return None;
            }
        }
        known.then(|| (HEADER.to_owned(), text.into_bytes()))
    }
}

impl ClusterMessage {
    /// Removes the positions of its posts from the message and returns them.
    pub fn take_positions(&mut self) -> Positions {
        let posts =
            self.posts_mut().filter_map(|post| Some(((post.platform.clone(), post.id.clone()), post.log.take()?)));
        Positions(posts.collect())
    }

    /// Fills in the positions of its posts from the headers of its record. Without that header they
    /// remain unknown.
    ///
    /// # Errors
    /// The header does not fit this message. Then the positions remain unknown as well.
    pub fn set_positions(&mut self, headers: &[(String, Vec<u8>)]) -> Result<(), DecodeError> {
        let Some((_, value)) = headers.iter().find(|(name, _)| name == HEADER) else { return Ok(()) };
        let wrong = |reason: &'static str| DecodeError::new(HEADER, reason, value);
        let text = std::str::from_utf8(value).map_err(|_| wrong("is not UTF-8"))?;
        let read = |entry: &str| -> Option<Option<LogPosition>> {
            if entry.is_empty() {
                return Some(None);
            }
            let (partition, offset) = entry.split_once(':')?;
            Some(Some(LogPosition { partition: partition.parse().ok()?, offset: offset.parse().ok()? }))
        };
        let places: Option<Vec<Option<LogPosition>>> = text.split(',').map(read).collect();
        let places = places.ok_or_else(|| wrong("has an entry that is not a partition and an offset"))?;
        if places.len() != self.posts_mut().count() {
            return Err(wrong("does not have one entry for each post in the evidence"));
        }
        self.posts_mut().zip(places).for_each(|(post, place)| post.log = place);
        Ok(())
    }

    fn posts_mut(&mut self) -> impl Iterator<Item = &mut PostRef> {
        self.evidence.iter_mut().flat_map(|evidence| &mut evidence.posts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn places_travel_in_a_header_and_the_message_knows_nothing_of_them() {
        let mut cluster = fixtures::one_text(30);
        for (n, post) in cluster.evidence[0].posts.iter_mut().enumerate() {
            post.position = coordination::Position::new(n as i32 % 4, n as i64);
        }
        let mut message = ClusterMessage::new(&cluster, None, Vec::new(), Vec::new()).unwrap();
        let whole = message.clone();
        let positions = message.take_positions();
        assert!(positions.0.len() == 30 && !String::from_utf8(message.encode().unwrap()).unwrap().contains("offset"));
        message.evidence[0].posts[2].id = "unknown".to_owned();
        let header = positions.header(&message).unwrap();
        assert!(header.1.starts_with(b"0:0,1:1,,3:3,0:4,"), "{header:?}");
        assert_eq!(Positions::default().header(&message), None);

        let other = ("other".to_owned(), b"x".to_vec());
        let mut read = ClusterMessage::decode(&message.encode().unwrap()).unwrap();
        read.set_positions(std::slice::from_ref(&other)).unwrap();
        assert_eq!(read.evidence[0].posts[0].log, None);
        read.set_positions(&[other, header]).unwrap();
        let places =
            |message: &ClusterMessage| message.evidence[0].posts.iter().map(|post| post.log).collect::<Vec<_>>();
        let (read, mut wanted) = (places(&read), places(&whole));
        wanted[2] = None;
        assert_eq!(read, wanted);
    }

    #[test]
    fn a_header_that_is_none_of_the_message_is_refused() {
        let mut message = ClusterMessage::new(&fixtures::one_text(2), None, Vec::new(), Vec::new()).unwrap();
        message.take_positions();
        for wrong in ["", "1:2", "1:2,3:4,5:6", "1:2,x", "1:2,3:4:5", "1:2,3", "1:2,3:\u{e4}", "99999999999:2,1:1"] {
            let error = message.set_positions(&[(HEADER.to_owned(), wrong.as_bytes().to_vec())]).unwrap_err();
            assert_eq!(error.field(), HEADER, "{wrong}");
            assert!(message.evidence[0].posts.iter().all(|post| post.log.is_none()), "{wrong}");
        }
    }
}
