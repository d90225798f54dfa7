//! Lines of text, and their numbers.

use std::io::{self, BufRead, Read};

/// Bytes of a bad line that are kept if it is too long for any post.
pub(super) const KEPT_OF_LONG_LINE: usize = 64 * 1024;

/// Reads a line with its end. The returned length is greater than that of `line` if it was over the
/// limit and cut; it is 0 at the end of the file. After an error, `line` holds the bytes before the
/// error.
pub(super) fn next_line(content: &mut dyn BufRead, line: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
    line.clear();
    let mut length = Read::take(&mut *content, limit as u64 + 1).read_until(b'\n', line)?;
    if length > limit {
        if line.last() != Some(&b'\n') {
            length += content.skip_until(b'\n')?;
        }
        line.truncate(KEPT_OF_LONG_LINE);
    }
    Ok(length)
}

/// The number of the line in which a part of a text begins. Parts must be asked for in order, so
/// that each line is counted once.
pub(super) struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
    first: u64,
    line: u64,
}

impl<'b> Lines<'b> {
    /// `first` is the number of the line in which `bytes` begin.
    pub(super) fn from(bytes: &'b [u8], first: u64) -> Self {
        Lines { bytes, at: 0, first, line: first }
    }

    pub(super) fn number(&mut self, part: &[u8]) -> u64 {
        let start = (part.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        if start > self.bytes.len() {
            return self.line;
        }
        if start < self.at {
            (self.at, self.line) = (0, self.first);
        }
        self.line += memchr::memchr_iter(b'\n', &self.bytes[self.at..start]).count() as u64;
        self.at = start;
        self.line
    }
}

/// Number of lines.
pub(super) fn lines_in(bytes: &[u8]) -> u64 {
    1 + bytes.iter().filter(|b| **b == b'\n').count() as u64
}
