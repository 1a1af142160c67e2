//! A response that is a stream of events (HTML, section 9.2.6), of which one is the response to a message of MCP.
//!
//! Other events, such as notifications of progress and requests of the server, are skipped. The data of each line are moved to the
//! beginning of the buffer, so an event takes no more memory than its bytes.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr2;
use serde_json::value::RawValue;

use super::cancel_on_drop::CancelOnDrop;
use crate::protocol::mcp::client::message::{MessageHead, MessageId};

/// The response that a stream of events will have.
pub(super) struct ExpectedEvent {
    pub(super) finder: EventFinder,
    /// Cancels the call if the body is dropped before the response has come.
    pub(super) cancel: Option<CancelOnDrop>,
}

/// Finds the response to a message in a stream of events.
#[derive(Debug)]
pub(super) struct EventFinder {
    id: MessageId,
    /// How many bytes at the beginning of the buffer are the data of the event.
    data_length: usize,
    has_data: bool,
    /// Where the next line begins.
    line: usize,
    /// Up to where the end of the line has been searched.
    searched: usize,
    /// Whether the last line has ended with CR, which LF may follow.
    after_cr: bool,
    is_first_line: bool,
}

impl EventFinder {
    pub(super) fn new(id: MessageId) -> EventFinder {
        EventFinder { id, data_length: 0, has_data: false, line: 0, searched: 0, after_cr: false, is_first_line: true }
    }

    /// The response, once all of it is in the buffer. The events before it are removed.
    pub(super) fn find(&mut self, buffer: &mut BytesMut) -> Option<Bytes> {
        loop {
            if self.after_cr && buffer.len() > self.line {
                self.after_cr = false;
                if buffer.get(self.line) == Some(&b'\n') {
                    (self.line, self.searched) = (self.line + 1, self.line + 1);
                }
            }
            let Some(offset) = memchr2(b'\n', b'\r', buffer.get(self.searched..)?) else {
                self.searched = buffer.len();
                return None;
            };
            let (begin, end) = (self.line, self.searched + offset);
            self.after_cr = buffer.get(end) == Some(&b'\r');
            (self.line, self.searched) = (end + 1, end + 1);
            if begin < end {
                self.read_line(buffer, begin, end);
            } else if let Some(response) = self.end_event(buffer) {
                return Some(response);
            }
        }
    }

    /// The response at the end of the stream, where an empty line may be missing.
    pub(super) fn finish(&mut self, buffer: &mut BytesMut) -> Option<Bytes> {
        let end = buffer.len();
        if self.line < end {
            self.read_line(buffer, self.line, end);
            self.line = end;
        }
        self.end_event(buffer)
    }

    /// Reads a line. Its data are moved behind those of the lines before it.
    fn read_line(&mut self, buffer: &mut BytesMut, begin: usize, end: usize) {
        let is_first = std::mem::take(&mut self.is_first_line);
        let Some(line) = buffer.get(begin..end) else { return };
        let line = if is_first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let value = match line.strip_prefix(b"data") {
            Some([b':', value @ ..]) => value.strip_prefix(b" ").unwrap_or(value),
            Some([]) => &[],
            _ => return,
        };
        let length = value.len();
        if std::mem::replace(&mut self.has_data, true)
            && let Some(separator) = buffer.get_mut(self.data_length)
        {
            *separator = b'\n';
            self.data_length += 1;
        }
        buffer.copy_within(end - length..end, self.data_length);
        self.data_length += length;
    }

    /// Ends an event, and returns its data if they are the response.
    fn end_event(&mut self, buffer: &mut BytesMut) -> Option<Bytes> {
        let data = buffer.get(..self.data_length).unwrap_or_default();
        if self.has_data && self.is_response(data) {
            return Some(buffer.split_to(self.data_length).freeze());
        }
        buffer.advance(self.line.min(buffer.len()));
        (self.line, self.searched, self.data_length, self.has_data) = (0, 0, 0, false);
        None
    }

    /// Whether a message is the response: it has the `id` of the request, or is an error without `id`, which a server sends if it could
    /// not read the request.
    fn is_response(&self, message: &[u8]) -> bool {
        let Ok(head) = serde_json::from_slice::<MessageHead<'_>>(message) else { return false };
        let id = head.id.map(RawValue::get).filter(|id| *id != "null");
        head.method.is_none() && id.map_or(head.error, |id| MessageId::read(id) == Some(self.id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The response that is found in a stream, which arrives in pieces of this size.
    fn found(stream: &str, piece: usize) -> Option<String> {
        let mut finder = EventFinder::new(MessageId(17));
        let mut buffer = BytesMut::new();
        let mut found = None;
        for piece in stream.as_bytes().chunks(piece) {
            buffer.extend_from_slice(piece);
            found = finder.find(&mut buffer);
            if found.is_some() {
                break;
            }
        }
        let found = found.or_else(|| finder.finish(&mut buffer));
        found.map(|found| String::from_utf8(found.to_vec()).unwrap())
    }

    const RESPONSE: &str = r#"{"id":17,"result":1}"#;

    #[test]
    fn the_response_is_found_among_other_events() {
        let progress = r#"{"method":"notifications/progress","params":{"progress":0.5}}"#;
        let asked = r#"{"id":17,"method":"ping"}"#;
        for end in ["\n", "\r\n", "\r"] {
            let lines = [
                "\u{feff}: hello",
                "",
                "id: 1",
                "data:",
                "",
                "event: message",
                &format!("data: {progress}"),
                "",
                &format!("data: {asked}"),
                "",
                "retry: 10",
                &format!("data:{RESPONSE}"),
                "",
                "data: more",
            ];
            let stream = lines.join(end);
            for piece in 1..stream.len() {
                assert_eq!(found(&stream, piece).as_deref(), Some(RESPONSE), "{end:?} {piece}");
            }
        }
    }

    #[test]
    fn data_of_several_lines_are_one_text() {
        let stream = "data: {\"id\": 17,\ndatabase: 3\ndata: \"result\":\ndata:  1}\n\n";
        for piece in 1..stream.len() {
            assert_eq!(found(stream, piece).as_deref(), Some("{\"id\": 17,\n\"result\":\n 1}"), "{piece}");
        }
    }

    #[test]
    fn an_error_without_an_id_is_the_response() {
        for (data, is_response) in [
            (r#"{"id":null,"error":{}}"#, true),
            (r#"{"error":{}}"#, true),
            (r#"{"id":18,"error":{}}"#, false),
            (r#"{"id":"17","result":1}"#, true),
            (r#"{"id":null,"result":1}"#, false),
            (r#"{"id":17,"result":1"#, false),
            ("[]", false),
        ] {
            assert_eq!(found(&format!("data: {data}\n\n"), 7).is_some(), is_response, "{data}");
        }
        assert_eq!(found(&format!("data: {RESPONSE}"), 5).as_deref(), Some(RESPONSE));
    }

    proptest! {
        #[test]
        fn any_stream_is_read_the_same_in_any_pieces(
            lines in prop::collection::vec(
                prop_oneof![Just(format!("data: {RESPONSE}")), "data:? ?[a-z\"{}]{0,4}", "[a-z:]{0,6}", Just(String::new())],
                0..12,
            ),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\r"]), 12),
            piece in 1_usize..40,
        ) {
            let stream: String = lines.iter().zip(&ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
            prop_assert_eq!(found(&stream, piece), found(&stream, usize::MAX));
        }
    }
}
