//! The parts of a multipart message to which its root part refers.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

/// The parts of a message by their `Content-ID`, without the angle brackets.
#[derive(Debug, Clone, Default)]
pub struct Attachments<'a> {
    parts: HashMap<&'a str, Cow<'a, [u8]>>,
    /// How many bytes may still be taken. Without this limit, a small message could refer to a large part again and again.
    left: Cell<usize>,
}

impl<'a> Attachments<'a> {
    /// No parts yet. At most this many bytes can be taken from them.
    pub fn new(most: usize) -> Attachments<'a> {
        Attachments { parts: HashMap::new(), left: Cell::new(most) }
    }

    /// Adds a part. Of several parts with the same id the first counts.
    pub fn add(&mut self, content_id: &'a str, bytes: Cow<'a, [u8]>) {
        self.parts.entry(content_id).or_insert(bytes);
    }

    /// The bytes of the part to which a `cid:` URL refers (RFC 2392); `None` if there is no such part.
    pub(super) fn bytes(&self, href: &str) -> Option<Vec<u8>> {
        let id = href.trim().strip_prefix("cid:")?;
        let found = self.parts.get(id).or_else(|| self.parts.get(percent_decoded(id).as_str()))?;
        self.left.set(self.left.get().checked_sub(found.len())?);
        Some(found.to_vec())
    }
}

/// A text with its percent-encoded bytes decoded (RFC 3986, section 2.1); unchanged if they are no UTF-8.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
