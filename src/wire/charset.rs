//! From the bytes of an XML document to its text, whatever encoding they are in.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::fault::{Fault, Kind};
use crate::text::abridge;

/// A declaration up to this length has a version and no encoding.
const SHORTEST: usize = "<?xml version=\"1.0\"?".len();
/// How far into a document its declaration is looked for, in bytes.
const DECLARATION: usize = 256;

/// The text of an XML document.
///
/// What decides is, in this order: a byte order mark, the `charset` of the Content-Type, the XML declaration,
/// and UTF-8 where nobody says anything (RFC 7303, section 3). A header that contradicts the declaration and does
/// not fit the bytes is a framework's default, and the declaration is believed instead.
///
/// # Errors
/// `Encoding` for a name that is none of the supported encodings, `Character` for bytes that are no text in it.
pub fn decode<'a>(bytes: &'a [u8], charset: Option<&str>) -> Result<Cow<'a, str>, Fault> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return Charset::Table(encoding).text(bytes.get(length..).unwrap_or_default());
    }
    let declared = declared(bytes);
    match (charset, declared) {
        (None, None) => by_first_bytes(bytes).text(bytes),
        (Some(label), None) | (None, Some(label)) => Charset::named(label)?.text(bytes),
        (Some(label), Some(declared)) => {
            let text = Charset::named(label).and_then(|charset| charset.text(bytes));
            text.or_else(|fault| Charset::named(declared).and_then(|it| it.text(bytes)).map_err(|_| fault))
        }
    }
}

/// An encoding, with those apart that the WHATWG's table would take for windows-1252.
enum Charset {
    Ascii,
    Latin1,
    Table(&'static Encoding),
}

impl Charset {
    fn named(label: &str) -> Result<Charset, Fault> {
        let label = label.trim();
        match label.to_ascii_lowercase().as_str() {
            "us-ascii" | "ascii" | "ansi_x3.4-1968" | "iso646-us" => return Ok(Charset::Ascii),
            "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "latin-1" | "l1" => return Ok(Charset::Latin1),
            "utf8" | "utf-8" => return Ok(Charset::Table(UTF_8)),
            _ => {}
        }
        Encoding::for_label_no_replacement(label.as_bytes())
            .map(Charset::Table)
            .ok_or_else(|| Fault::new(Kind::Encoding, format!("the encoding `{}` is not supported", abridge(label))))
    }

    fn text(self, bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
        let (text, name) = match self {
            Charset::Ascii => {
                (std::str::from_utf8(bytes).ok().filter(|it| it.is_ascii()).map(Cow::Borrowed), "US-ASCII")
            }
            Charset::Latin1 => (Some(encoding_rs::mem::decode_latin1(bytes)), "ISO-8859-1"),
            Charset::Table(encoding) if encoding == UTF_8 => {
                (std::str::from_utf8(bytes).ok().map(Cow::Borrowed), "UTF-8")
            }
            Charset::Table(encoding) => {
                (encoding.decode_without_bom_handling_and_without_replacement(bytes), encoding.name())
            }
        };
        text.ok_or_else(|| Fault::new(Kind::Character, format!("some bytes are no {name} characters")))
    }
}

/// The encoding of a document that names none: a `<` of two bytes is UTF-16 (XML 1.0, appendix F).
fn by_first_bytes(bytes: &[u8]) -> Charset {
    match bytes {
        [0, b'<', ..] => Charset::Table(UTF_16BE),
        [b'<', 0, ..] => Charset::Table(UTF_16LE),
        _ => Charset::Table(UTF_8),
    }
}

/// The encoding that the XML declaration names.
fn declared(bytes: &[u8]) -> Option<&str> {
    let start = bytes.trim_ascii_start();
    if !start.starts_with(b"<?xml") {
        return None;
    }
    let head = start.get(..start.len().min(DECLARATION))?;
    let declaration = head.get(..memchr::memchr(b'>', head)?)?;
    if declaration.len() <= SHORTEST {
        return None;
    }
    let after = declaration.get(memchr::memmem::find(declaration, b"encoding")? + 8..)?;
    let value = after.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, rest) = value.split_first()?;
    let label = rest.split(|byte| byte == quote).next().filter(|_| matches!(quote, b'"' | b'\''))?;
    std::str::from_utf8(label).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn each_encoding_is_read() {
        let text = "<a>é</a>";
        for (bytes, charset) in [
            (text.as_bytes().to_vec(), None),
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), None),
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), Some("iso-8859-1")),
            (utf16(text, true, true), None),
            (utf16(text, false, true), None),
            (utf16(text, true, false), None),
            (utf16(text, false, false), Some("utf-16le")),
            (b"<a>\xe9</a>".to_vec(), Some("ISO-8859-1")),
            (b"<a>\xe9</a>".to_vec(), Some("windows-1252")),
            (b"<a>\xe9</a>".to_vec(), Some("iso-8859-15")),
            (text.as_bytes().to_vec(), Some("utf8")),
        ] {
            assert_eq!(decode(&bytes, charset).unwrap(), text, "{charset:?}");
        }
    }

    #[test]
    fn the_declaration_counts_where_the_header_is_silent_or_impossible() {
        let bytes = b"<?xml version='1.0' encoding = 'ISO-8859-1' ?><a>\xe9</a>";
        assert!(decode(bytes, None).unwrap().contains('é'));
        assert!(decode(bytes, Some("utf-8")).unwrap().contains('é'));
    }

    #[test]
    fn latin1_and_windows_1252_differ_where_they_do() {
        assert_eq!(decode(b"\x80", Some("iso-8859-1")).unwrap(), "\u{80}");
        assert_eq!(decode(b"\x80", Some("windows-1252")).unwrap(), "€");
    }

    #[test]
    fn wrong_bytes_and_unknown_names_have_their_own_faults() {
        assert_eq!(decode(b"<a>\xff</a>", None).unwrap_err().kind, Kind::Character);
        assert_eq!(decode(b"<a>\xe9</a>", Some("us-ascii")).unwrap_err().kind, Kind::Character);
        assert_eq!(decode(b"\xff\xfe<\0\0\xd8", None).unwrap_err().kind, Kind::Character);
        assert_eq!(decode(b"<a/>", Some("ebcdic-cp-be")).unwrap_err().kind, Kind::Encoding);
        assert_eq!(decode(b"<a/>", Some("replacement")).unwrap_err().kind, Kind::Encoding);
    }
}
