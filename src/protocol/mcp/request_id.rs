//! The `id` of a request: a text or a number (JSON-RPC 2.0, section 4).

use serde_json::Value;
use serde_json::value::RawValue;

/// How many bytes of an `id` [`IdFinder`] keeps.
const LONGEST_ID: usize = 256;

/// Whether a JSON text is a text or a number, as an `id` is.
pub(crate) fn is_id(id: &RawValue) -> bool {
    id.get().starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit())
}

/// The key of an `id`, equal for all ways to write the same one: JSON can escape a character of a text.
pub(crate) fn id_key(id: &str) -> Box<str> {
    match serde_json::from_str::<Value>(id) {
        Ok(text @ Value::String(_)) => text.to_string().into(),
        // A number is compared as text: it may exceed 64 bits.
        _ => id.into(),
    }
}

/// Finds the `id` of a message that is too long for memory, while its bytes are read and dropped.
#[derive(Debug, Default)]
pub(crate) struct IdFinder {
    /// How many arrays and objects are open.
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    /// The name or value that is being read, if it is one of the message itself, up to one byte more than is kept.
    token: Vec<u8>,
    /// Whether the value that is being read is that of `id`.
    is_id: bool,
    id: Option<Box<str>>,
}

impl IdFinder {
    /// Takes the next bytes of the message.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.read_byte(*byte);
        }
    }

    /// The `id`, as text, if one that is valid has been read.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn read_byte(&mut self, byte: u8) {
        if self.in_string {
            self.keep(byte);
            self.in_string = self.is_escaped || byte != b'"';
            self.is_escaped = !self.is_escaped && byte == b'\\';
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.token.clear();
            }
            b'}' | b']' => {
                self.end_value();
                self.depth = self.depth.saturating_sub(1);
            }
            b':' if self.depth == 1 => {
                self.is_id = self.token == b"\"id\"";
                self.token.clear();
            }
            b',' => self.end_value(),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => self.keep(byte),
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.token.len() <= LONGEST_ID {
            self.token.push(byte);
        }
    }

    fn end_value(&mut self) {
        if self.depth != 1 {
            return;
        }
        if std::mem::take(&mut self.is_id) && self.token.len() <= LONGEST_ID {
            let value = serde_json::from_slice::<&RawValue>(&self.token).ok();
            self.id = value.filter(|id| is_id(id)).map(|id| id.get().into());
        }
        self.token.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_message_is_found_while_it_passes_by() {
        let found = |text: &str| {
            let mut finder = IdFinder::default();
            for byte in text.bytes() {
                finder.read(&[byte]);
            }
            finder.id().map(str::to_owned)
        };
        let long = "x".repeat(LONGEST_ID);
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":17,"method":"ping"}"#, Some("17")),
            (r#"{"method":"x","params":{"id":4,"b":[{"id":5}]},"id" : "a\"}," }"#, Some(r#""a\"},""#)),
            (r#"{"params":"\"id\":4,","id":-3}"#, Some("-3")),
            (r#"{"id":{"id":4},"x":5}"#, None),
            (r#"{"id":null}"#, None),
            (r#"["id",4]"#, None),
            (r#"{"method":"id","params":4}"#, None),
            (&format!(r#"{{"id":"{long}"}}"#), None),
            (&format!(r#"{{"{long}":"{long}","id":8,"#), Some("8")),
            ("}]},,:", None),
        ] {
            assert_eq!(found(text).as_deref(), expected, "{text}");
        }
    }
}
