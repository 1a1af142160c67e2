//! Splits what a program writes into lines of a bounded length.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;

use crate::protocol::mcp::request_id::IdFinder;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its end.
    Whole(Bytes),
    /// A line that is too long. Only the `id` of the message in it is kept.
    TooLong(Option<Box<str>>),
}

/// The bytes that have arrived and are not a whole line yet.
#[derive(Debug)]
pub(super) struct LineBuffer {
    pub(super) buffer: BytesMut,
    /// Up to where the end of the line has been searched.
    searched: usize,
    /// The longest line, in bytes.
    limit: usize,
    /// Reads the `id` in a line that is too long, whose bytes are dropped.
    id_finder: Option<IdFinder>,
}

impl LineBuffer {
    pub(super) fn new(limit: usize) -> LineBuffer {
        LineBuffer { buffer: BytesMut::new(), searched: 0, limit, id_finder: None }
    }

    /// The next line, if it has arrived.
    pub(super) fn next(&mut self) -> Option<Line> {
        let end = self.buffer.get(self.searched..).and_then(|rest| memchr(b'\n', rest)).map(|end| self.searched + end);
        if self.id_finder.is_none() && end.unwrap_or(self.buffer.len()) > self.limit {
            self.id_finder = Some(IdFinder::default());
        }
        if let Some(finder) = &mut self.id_finder {
            let until = end.unwrap_or(self.buffer.len());
            finder.read(self.buffer.get(..until).unwrap_or_default());
            self.buffer.advance(end.map_or(until, |end| end + 1));
            self.searched = 0;
            end?;
            return self.id_finder.take().map(|finder| Line::TooLong(finder.id().map(Into::into)));
        }
        let Some(end) = end else {
            self.searched = self.buffer.len();
            return None;
        };
        let mut line = self.buffer.split_to(end + 1);
        self.searched = 0;
        let length = end - usize::from(line.get(..end).is_some_and(|line| line.ends_with(b"\r")));
        line.truncate(length);
        Some(Line::Whole(line.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_arrive() {
        let long = format!(r#"{{"result":"{}","id":17}}"#, "x".repeat(100));
        let text = format!("{{}}\r\n\n{long}\n0123456789\n0123456789A\nrest");
        for piece in 1..text.len() {
            let mut lines = LineBuffer::new(10);
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(piece) {
                lines.buffer.extend_from_slice(piece);
                while let Some(line) = lines.next() {
                    found.push(line);
                }
                assert!(lines.buffer.len() <= 10 + piece.len());
            }
            let whole = |text: &'static str| Line::Whole(Bytes::from_static(text.as_bytes()));
            let expected =
                [whole("{}"), whole(""), Line::TooLong(Some("17".into())), whole("0123456789"), Line::TooLong(None)];
            assert_eq!(found, expected, "{piece}");
        }
    }
}
