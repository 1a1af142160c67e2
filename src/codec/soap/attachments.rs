//! The parts of a multipart message to which its root part refers.

use std::collections::HashMap;

/// The parts of a message by their `Content-ID`, without the angle brackets.
#[derive(Debug, Clone, Default)]
pub struct Attachments<'a> {
    parts: HashMap<String, &'a [u8]>,
}

impl<'a> Attachments<'a> {
    /// Adds a part. Of several parts with the same id the first counts.
    pub fn add(&mut self, content_id: &str, bytes: &'a [u8]) {
        let id = content_id.trim().trim_start_matches('<').trim_end_matches('>');
        self.parts.entry(id.to_owned()).or_insert(bytes);
    }

    /// The bytes of the part to which a `cid:` URL refers (RFC 2392).
    pub(super) fn bytes(&self, href: &str) -> Option<Vec<u8>> {
        let id = href.trim().strip_prefix("cid:")?;
        let found = self.parts.get(id);
        found.or_else(|| self.parts.get(&percent_decoded(id))).map(|bytes| bytes.to_vec())
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
