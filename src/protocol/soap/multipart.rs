//! Multipart messages (RFC 2387): the root part is the envelope, and the others are what it refers to (XOP 1.0).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Response};
use memchr::memmem;

use crate::codec::soap::Attachments;
use crate::http::media_type;

/// The most parts of a message. Further parts are passed over.
const MAX_PARTS: usize = 1000;
/// The longest headers of a part, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// A message whose parts have been found.
pub(super) struct Multipart<'a> {
    /// The bytes of the root part.
    pub(super) root: Cow<'a, [u8]>,
    /// The character encoding that the root part names.
    pub(super) charset: Option<&'a str>,
    /// The other parts.
    pub(super) attachments: Attachments<'a>,
}

/// One part: its headers, and its content.
struct Part<'a> {
    head: &'a [u8],
    body: &'a [u8],
}

/// The parts of a response; `None` if it is not `multipart/related`, or has no part.
pub(super) fn multipart<B: AsRef<[u8]>>(response: &Response<B>) -> Option<Multipart<'_>> {
    let headers: &HeaderMap = response.headers();
    if !media_type::media_type(headers).eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    let boundary = media_type::parameter(headers, "boundary").filter(|boundary| !boundary.is_empty())?;
    let parts = parts(response.body().as_ref(), boundary);
    let start = media_type::parameter(headers, "start").map(bare);
    let is_start = |part: &Part<'_>| start.is_some() && part.header("content-id").map(bare) == start;
    let root_at = parts.iter().position(is_start).unwrap_or_default();
    let root = parts.get(root_at)?;
    let content_type = root.header("content-type").unwrap_or_default();
    let mut attachments = Attachments::new(response.body().as_ref().len());
    for (_, part) in parts.iter().enumerate().filter(|(at, _)| *at != root_at) {
        if let Some(id) = part.header("content-id") {
            attachments.add(bare(id), part.content());
        }
    }
    let charset = media_type::parameter_of(content_type.as_bytes(), "charset");
    Some(Multipart { root: root.content(), charset, attachments })
}

/// A `Content-ID` without its angle brackets.
fn bare(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id)
}

/// The parts between the lines that consist of the boundary (RFC 2046, section 5.1.1).
fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<Part<'a>> {
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut parts = Vec::new();
    let mut begin: Option<usize> = None;
    for at in finder.find_iter(body) {
        let is_line = at == 0 || body.get(at - 1) == Some(&b'\n');
        let behind = body.get(at + delimiter.len()..).unwrap_or_default();
        let is_last = behind.starts_with(b"--");
        let line_end = behind.iter().position(|byte| *byte == b'\n');
        let is_alone = line_end
            .and_then(|end| behind.get(..end))
            .is_some_and(|line| line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')));
        if !is_line || !(is_last || is_alone) {
            continue;
        }
        if let Some(part) = begin.and_then(|begin| body.get(begin..at)) {
            parts.extend(Part::read(part));
        }
        if is_last || parts.len() == MAX_PARTS {
            return parts;
        }
        begin = line_end.map(|end| at + delimiter.len() + end + 1);
    }
    // The end may be missing.
    if let Some(part) = begin.and_then(|begin| body.get(begin..)) {
        parts.extend(Part::read(part));
    }
    parts
}

impl<'a> Part<'a> {
    /// Divides a part into headers and content. The line end before the delimiter belongs to the delimiter.
    fn read(part: &'a [u8]) -> Option<Part<'a>> {
        let part = part.strip_suffix(b"\n").unwrap_or(part);
        let part = part.strip_suffix(b"\r").unwrap_or(part);
        let start = part.get(..part.len().min(MAX_HEAD)).unwrap_or_default();
        for (blank, skipped) in [(&b"\r\n\r\n"[..], 4), (b"\n\n", 2)] {
            if let Some(end) = memmem::find(start, blank) {
                return Some(Part { head: part.get(..end)?, body: part.get(end + skipped..)? });
            }
        }
        // A part without headers begins with an empty line.
        let body = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n"))?;
        Some(Part { head: &[], body })
    }

    /// The value of a header; of a folded one, its first line.
    fn header(&self, name: &str) -> Option<&'a str> {
        self.head.split(|byte| *byte == b'\n').find_map(|line| {
            let line = std::str::from_utf8(line).ok()?;
            let (own, value) = line.split_once(':')?;
            own.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The content, decoded.
    fn content(&self) -> Cow<'a, [u8]> {
        let coding = self.header("content-transfer-encoding").unwrap_or_default();
        if coding.eq_ignore_ascii_case("base64") {
            let packed: Vec<u8> = self.body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            if let Ok(bytes) = STANDARD.decode(packed) {
                return Cow::Owned(bytes);
            }
        }
        Cow::Borrowed(self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(content_type: &str, body: &str) -> Response<Vec<u8>> {
        Response::builder().header("content-type", content_type).body(body.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_root_is_the_part_that_start_names_or_the_first() {
        let body = "preamble\r\n--b b\r\nContent-ID: <one>\r\n\r\nfirst --b b\r\n\r\n--b b  \r\ncontent-id: <two@x>\r\n\
                    Content-Type: text/xml; charset=latin1\r\n\r\nsecond\r\n--b b--\r\nepilogue";
        let named = response("multipart/related; boundary=\"b b\"; start=\"<two@x>\"; start-info=\"<one>\"", body);
        let found = multipart(&named).unwrap();
        assert_eq!((found.root.as_ref(), found.charset), (&b"second"[..], Some("latin1")));
        let first = response("Multipart/Related; boundary=\"b b\"", body);
        assert_eq!(multipart(&first).unwrap().root.as_ref(), b"first --b b\r\n");
        for other in [
            response("text/xml", body),
            response("multipart/related", body),
            response("multipart/related; boundary=c", body),
        ] {
            assert!(multipart(&other).is_none());
        }
    }

    #[test]
    fn parts_without_headers_or_an_end_are_read() {
        for (body, root) in [
            ("--b\n\nx\n--b--", "x"),
            ("--b\r\nA: b\r\n\r\nx", "x"),
            ("--b\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n--b--", "hi"),
        ] {
            let response = response("multipart/related; boundary=b", body);
            assert_eq!(multipart(&response).unwrap().root.as_ref(), root.as_bytes(), "{body}");
        }
        let truncated = response("multipart/related; boundary=b", "--b");
        assert!(multipart(&truncated).is_none());
    }
}
