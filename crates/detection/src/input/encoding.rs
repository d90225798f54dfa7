//! The encoding of a file's text: given by the user, recognised from the first bytes if they are
//! unambiguous, else UTF-8.

use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Bytes of text that are read at a time.
const BUFFER: usize = 64 * 1024;

/// What the start of a file says about its encoding.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    /// UTF-8, or nearly: lines that are not UTF-8 are bad lines.
    Utf8,
    /// Certainly another encoding.
    Other(&'static Encoding),
    /// More than half of the lines are not UTF-8, and their encoding is uncertain.
    Unknown,
}

/// Looks at the start of a file.
pub(super) fn see(head: &[u8]) -> Seen {
    if head.starts_with(b"\xFF\xFE") {
        return Seen::Other(UTF_16LE);
    }
    if head.starts_with(b"\xFE\xFF") {
        return Seen::Other(UTF_16BE);
    }
    if let Some(encoding) = utf16_without_mark(head) {
        return Seen::Other(encoding);
    }
    // A character may be cut at the end.
    let whole = match head.iter().rposition(|b| *b == b'\n') {
        Some(end) => &head[..end],
        None => head,
    };
    if std::str::from_utf8(whole).is_ok() {
        return Seen::Utf8;
    }
    if is_western(whole) {
        return Seen::Other(WINDOWS_1252);
    }
    let lines = whole.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let (bad, all) =
        lines.fold((0, 0), |(bad, all), line| (bad + usize::from(std::str::from_utf8(line).is_err()), all + 1));
    // The header of a table is mostly ASCII.
    if bad * 2 > all || (bad > 1 && bad * 2 > all - 1) { Seen::Unknown } else { Seen::Utf8 }
}

/// Text with two bytes per character has zeros at every other place, and only there.
fn utf16_without_mark(head: &[u8]) -> Option<&'static Encoding> {
    let head = &head[..head.len().min(4096) & !1];
    if head.len() < 8 {
        return None;
    }
    let zeros = |from: usize| head.iter().skip(from).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let half = head.len() / 2;
    if odd * 2 > half && even * 20 < half {
        Some(UTF_16LE)
    } else if even * 2 > half && odd * 20 < half {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Whether bytes beyond ASCII are single letters with accents and signs that Western European texts
/// have in Windows-1252, and nothing in them is UTF-8. Cyrillic or Greek letters stand in long
/// runs; Polish, Czech and Turkish texts have letters where there are none here.
fn is_western(bytes: &[u8]) -> bool {
    let usual = |b: u8| match b {
        0x80
        | 0x85
        | 0x91..=0x97
        | 0x99
        | 0xA0
        | 0xA1
        | 0xA3
        | 0xA7
        | 0xAA
        | 0xAB
        | 0xB0
        | 0xB4
        | 0xB7
        | 0xBA
        | 0xBB
        | 0xBF => true,
        0xD0 | 0xD7 | 0xDD | 0xDE | 0xF0 | 0xF7 | 0xFD..=0xFF => false,
        0xC0..=0xFC => true,
        _ => false,
    };
    let (mut high, mut run) = (0, 0);
    for (at, byte) in bytes.iter().enumerate() {
        if byte.is_ascii() {
            run = 0;
            continue;
        }
        high += 1;
        run += 1;
        if run > 3 || !usual(*byte) {
            return false;
        }
        // A sequence that is UTF-8 would be one.
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        if (0xC2..=0xDF).contains(byte) && (0x80..=0xBF).contains(&next) {
            return false;
        }
    }
    high > 1
}

/// Text of another encoding as UTF-8.
pub(super) struct Transcoding<R> {
    inner: R,
    decoder: Decoder,
    input: Vec<u8>,
    /// The part of `input` that is not decoded yet.
    left: std::ops::Range<usize>,
    output: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Transcoding<R> {
    pub(super) fn new(inner: R, encoding: &'static Encoding) -> Self {
        Transcoding {
            inner,
            // Removes the byte order mark.
            decoder: encoding.new_decoder_with_bom_removal(),
            input: vec![0; BUFFER],
            left: 0..0,
            output: Vec::with_capacity(BUFFER * 3),
            given: 0,
            ended: false,
        }
    }
}

impl<R: Read> Read for Transcoding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.output.len() {
            if self.ended && self.left.is_empty() {
                return Ok(0);
            }
            if self.left.is_empty() {
                let read = self.inner.read(&mut self.input)?;
                self.left = 0..read;
                self.ended = read == 0;
            }
            self.output.resize(BUFFER * 3, 0);
            let input = &self.input[self.left.clone()];
            let (_, read, written, _) = self.decoder.decode_to_utf8(input, &mut self.output, self.ended);
            self.left.start += read;
            self.output.truncate(written);
            self.given = 0;
        }
        let taken = buffer.len().min(self.output.len() - self.given);
        buffer[..taken].copy_from_slice(&self.output[self.given..self.given + taken]);
        self.given += taken;
        Ok(taken)
    }
}

/// An encoding by one of its names: `windows-1252`, `latin1`, `utf-16le`, `shift_jis` and so on.
pub fn encoding(label: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label(label.trim().as_bytes()).ok_or_else(|| {
        format!("{label:?} is no encoding: expected for example utf-8, windows-1252, utf-16le or shift_jis")
    })
}

/// Whether text in this encoding needs no conversion.
pub(super) fn is_utf8(encoding: &'static Encoding) -> bool {
    encoding == UTF_8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sure_is_seen() {
        let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let windows = |text: &str| WINDOWS_1252.encode(text).0.into_owned();
        for (head, want) in [
            ("id,text\n1,Grüße\n".as_bytes().to_vec(), Seen::Utf8),
            (utf16("\u{feff}id,text\n"), Seen::Other(UTF_16LE)),
            (utf16("id,text\n1,hallo\n"), Seen::Other(UTF_16LE)),
            (windows("id,text\n1,Grüße aus Köln\n2,José\n"), Seen::Other(WINDOWS_1252)),
            // Cyrillic in Windows-1251.
            (b"id,text\n1,\xEF\xF0\xE8\xE2\xE5\xF2\n2,\xEF\xF0\xE8\xE2\xE5\xF2\n".to_vec(), Seen::Unknown),
            // One damaged line.
            (b"id,text\n1,a\n2,\xFF\n3,b\n4,c\n".to_vec(), Seen::Utf8),
            (b"id,text\n1,a\0\0\0\0\0\0\0\0\0\0\n".to_vec(), Seen::Utf8),
        ] {
            assert_eq!(see(&head), want, "{head:?}");
        }
    }

    #[test]
    fn text_comes_out_as_utf8_whatever_the_pieces() {
        let text = "Grüße ".repeat(40_000);
        let bytes: Vec<u8> = std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let mut out = String::new();
        Transcoding::new(&bytes[..], UTF_16LE).read_to_string(&mut out).unwrap();
        assert!(out == text);
    }
}
