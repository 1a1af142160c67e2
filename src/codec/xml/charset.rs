//! Decodes the bytes of an XML document to text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

/// The length of a declaration with a version and nothing else; a shorter one cannot name an encoding.
const SHORTEST: usize = "<?xml version=\"1.0\"?".len();

/// Decodes an XML document to text and normalizes its line ends to line feeds (XML 1.0, section 2.11).
///
/// The encoding is taken from the first of these that is present: a byte order mark, the `charset` parameter of the
/// Content-Type, the XML declaration or the zero bytes of UTF-16; otherwise it is UTF-8 (RFC 7303, section 3). If the
/// bytes are not valid in the encoding of the header, the document's own declaration is used: such headers are usually a
/// framework's default.
///
/// # Errors
/// `Encoding` for an unsupported encoding, `Character` for bytes that are not valid in the encoding.
pub fn decode<'a>(bytes: &'a [u8], charset: Option<&str>) -> Result<Cow<'a, str>, Fault> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return Charset::Table(encoding).text(bytes.get(length..).unwrap_or_default()).map(one_line_end);
    }
    let wide = wide(bytes);
    let named = |label| match Charset::named(label, bytes)? {
        charset if charset.wide() == wide => charset.text(bytes),
        charset => Err(charset.mismatch()),
    };
    let own = wide.map(Encoding::name).or_else(|| declared(bytes));
    let text = match (charset.filter(|label| !label.is_empty()), own) {
        (None, None) => Charset::Table(UTF_8).text(bytes),
        (Some(label), None) | (None, Some(label)) => named(label),
        (Some(label), Some(own)) => named(label).or_else(|fault| named(own).map_err(|_| fault)),
    };
    text.map(one_line_end)
}

/// Decodes an XML document as [`decode`] does, with U+FFFD for bytes that are not valid in the encoding.
///
/// # Errors
/// `Encoding` for an unsupported encoding.
pub fn decode_replacing<'a>(bytes: &'a [u8], charset: Option<&str>) -> Result<Cow<'a, str>, Fault> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        let content = bytes.get(length..).unwrap_or_default();
        return Ok(one_line_end(encoding.decode_without_bom_handling(content).0));
    }
    let wide = wide(bytes);
    let own = wide.map(Encoding::name).or_else(|| declared(bytes));
    let label = charset.filter(|label| !label.is_empty()).or(own).unwrap_or("utf-8");
    let named = match (Charset::named(label, bytes), own) {
        (Err(_), Some(own)) => Charset::named(own, bytes),
        (named, _) => named,
    }?;
    // An encoding whose mark-up would not be found in these bytes cannot be meant.
    let named = if named.wide() == wide { named } else { Charset::Table(wide.unwrap_or(UTF_8)) };
    let text = match named {
        Charset::Latin1 => encoding_rs::mem::decode_latin1(bytes),
        Charset::Ascii if bytes.is_ascii() => String::from_utf8_lossy(bytes),
        Charset::Ascii => {
            let ascii = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' };
            Cow::Owned(bytes.iter().map(ascii).collect())
        }
        Charset::Table(encoding) => encoding.decode_without_bom_handling(bytes).0,
    };
    Ok(one_line_end(text))
}

/// The encoding of a document about which BOM, `charset` parameter and XML declaration agree.
#[cfg(feature = "server")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertainCharset {
    /// US-ASCII.
    Ascii,
    /// ISO-8859-1.
    Latin1,
    /// UTF-8.
    Utf8,
}

/// Whether BOM, `charset` parameter and XML declaration agree on one ASCII-compatible encoding. If they do, every reader
/// finds the same mark-up in these bytes, whichever of the three it follows.
pub fn is_certain(bytes: &[u8], charset: Option<&str>) -> bool {
    agreed(bytes, charset).is_some()
}

/// As [`is_certain`]; returns the encoding if it is certain.
#[cfg(feature = "server")]
pub(crate) fn certainty(bytes: &[u8], charset: Option<&str>) -> Option<CertainCharset> {
    agreed(bytes, charset).map(|charset| match charset {
        Charset::Ascii => CertainCharset::Ascii,
        Charset::Latin1 => CertainCharset::Latin1,
        Charset::Table(_) => CertainCharset::Utf8,
    })
}

/// The ASCII-compatible encoding on which BOM, `charset` parameter and XML declaration agree.
fn agreed(bytes: &[u8], charset: Option<&str>) -> Option<Charset> {
    let labels = [charset.filter(|label| !label.is_empty()), declared(bytes)];
    let marked = Encoding::for_bom(bytes).map(|(encoding, _)| Ok(Charset::Table(encoding)));
    let mut named = labels.into_iter().flatten().map(|label| Charset::named(label, bytes)).chain(marked);
    let first = named.next().unwrap_or(Ok(Charset::Table(UTF_8)));
    let plain =
        |charset: &Charset| matches!(charset, Charset::Ascii | Charset::Latin1) || *charset == Charset::Table(UTF_8);
    first.ok().filter(|first| plain(first) && named.all(|other| other == Ok(*first)) && wide(bytes).is_none())
}

/// Whether a document that begins with these bytes is read as UTF-8, whatever follows: neither the `charset` parameter nor
/// the XML declaration names another encoding, and there is no byte order mark.
#[cfg(feature = "server")]
pub(crate) fn is_named_utf8(bytes: &[u8], charset: Option<&str>) -> bool {
    let labels = [charset.filter(|label| !label.is_empty()), declared(bytes)];
    let is_utf8 = |label| Charset::named(label, bytes) == Ok(Charset::Table(UTF_8));
    labels.into_iter().flatten().all(is_utf8) && Encoding::for_bom(bytes).is_none() && wide(bytes).is_none()
}

/// Whether the bytes are `text` in UTF-8, apart from line ends.
pub fn is_utf8(bytes: &[u8], text: &str) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|own| one_line_end(Cow::Borrowed(own)) == text)
}

/// Replaces every CR LF and every lone CR by LF.
pub(in crate::codec) fn one_line_end(text: Cow<'_, str>) -> Cow<'_, str> {
    match memchr::memchr(b'\r', text.as_bytes()) {
        None => text,
        Some(_) => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
    }
}

/// An encoding. ASCII and ISO-8859-1 are separate because the WHATWG table maps both names to windows-1252.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Charset {
    Ascii,
    Latin1,
    Table(&'static Encoding),
}

impl Charset {
    /// The encoding with this name. `utf-16` alone does not say the byte order, so the first bytes decide.
    fn named(label: &str, bytes: &[u8]) -> Result<Charset, Fault> {
        let label = label.trim();
        if label.eq_ignore_ascii_case("utf-8") {
            return Ok(Charset::Table(UTF_8));
        }
        match label.to_ascii_lowercase().as_str() {
            "us-ascii" | "ascii" | "ansi_x3.4-1968" | "iso646-us" => return Ok(Charset::Ascii),
            "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "latin-1" | "l1" => return Ok(Charset::Latin1),
            "utf8" => return Ok(Charset::Table(UTF_8)),
            "utf-16" | "utf16" => return Ok(Charset::Table(wide(bytes).unwrap_or(UTF_16LE))),
            _ => {}
        }
        Encoding::for_label_no_replacement(label.as_bytes())
            .map(Charset::Table)
            .ok_or_else(|| Fault::new(Kind::Encoding, format!("the encoding `{}` is not supported", abridge(label))))
    }

    fn text(self, bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
        let text = match self {
            Charset::Latin1 => Some(encoding_rs::mem::decode_latin1(bytes)),
            Charset::Ascii => std::str::from_utf8(bytes).ok().filter(|it| it.is_ascii()).map(Cow::Borrowed),
            Charset::Table(encoding) if encoding == UTF_8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Charset::Table(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes),
        };
        text.ok_or_else(|| self.mismatch())
    }

    /// The encoding, if it is UTF-16 in either byte order.
    fn wide(&self) -> Option<&'static Encoding> {
        match self {
            Charset::Table(encoding) => Some(*encoding).filter(|it| *it == UTF_16BE || *it == UTF_16LE),
            Charset::Ascii | Charset::Latin1 => None,
        }
    }

    fn mismatch(&self) -> Fault {
        let name = match self {
            Charset::Ascii => "US-ASCII",
            Charset::Latin1 => "ISO-8859-1",
            Charset::Table(encoding) => encoding.name(),
        };
        Fault::new(Kind::Character, format!("the document is not valid {name}"))
    }
}

/// The byte order of a UTF-16 document without a byte order mark: the zero byte of its first character, which is in
/// ASCII, comes first or second (XML 1.0, appendix F).
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0, 1..0x80, ..] => Some(UTF_16BE),
        [1..0x80, 0, ..] => Some(UTF_16LE),
        _ => None,
    }
}

/// The encoding that the XML declaration names.
fn declared(bytes: &[u8]) -> Option<&str> {
    let start = bytes.trim_ascii_start();
    if !start.starts_with(b"<?xml") {
        return None;
    }
    let declaration = start.get(..memchr::memchr(b'>', start)?)?;
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
            (text.as_bytes().to_vec(), Some("")),
            (utf16(text, true, false), Some("utf-16")),
            (utf16(text, false, false), Some("UTF-16")),
            (utf16(text, false, false), Some("utf-8")),
        ] {
            assert_eq!(decode(&bytes, charset).unwrap(), text, "{charset:?}");
        }
    }

    #[test]
    fn the_declaration_counts_if_the_header_is_missing_or_wrong() {
        let bytes = b"<?xml version='1.0' encoding = 'ISO-8859-1' ?><a>\xe9</a>";
        assert!(decode(bytes, None).unwrap().contains('é'));
        assert!(decode(bytes, Some("utf-8")).unwrap().contains('é'));
        let far = [b"<?xml version='1.0'".to_vec(), vec![b' '; 1000], b"encoding='latin1'?><a>\xc3\xa9</a>".to_vec()];
        assert!(decode(&far.concat(), None).unwrap().contains("Ã©"));
    }

    #[test]
    fn an_ascii_declaration_of_utf_16_is_not_believed() {
        let bytes = b"<?xml version='1.0' encoding='UTF-16'?><a/>";
        assert_eq!(decode(bytes, None).unwrap_err().kind, Kind::Character);
        assert_eq!(decode(bytes, Some("utf-8")).unwrap().len(), bytes.len());
        assert_eq!(decode(b"<a/>", Some("utf-16")).unwrap_err().kind, Kind::Character);
        assert_eq!(decode(b"<?xml encoding='utf-8'?><a/>", Some("utf-16")).unwrap().len(), 28);
    }

    #[test]
    fn mark_up_is_certain_if_all_sources_agree() {
        let declared = |label: &str| format!("<?xml version='1.0' encoding='{label}'?><a/>").into_bytes();
        let marked = [b"\xef\xbb\xbf".to_vec(), b"<a/>".to_vec()].concat();
        for (bytes, charset) in [
            (b"<a/>".to_vec(), None),
            (b"<a/>".to_vec(), Some("UTF-8")),
            (declared("utf-8"), Some("utf8")),
            (declared("ISO-8859-1"), None),
            (declared("us-ascii"), Some("US-ASCII")),
            (marked.clone(), Some("utf-8")),
        ] {
            assert!(is_certain(&bytes, charset), "{charset:?} {}", String::from_utf8_lossy(&bytes));
        }
        for (bytes, charset) in [
            (declared("utf-7"), Some("utf-8")),
            (declared("utf-7"), None),
            (declared("iso-8859-1"), Some("utf-8")),
            (b"<a/>".to_vec(), Some("iso-2022-jp")),
            (b"<a/>".to_vec(), Some("ibm037")),
            (declared("shift_jis"), None),
            (marked, Some("iso-8859-1")),
            (utf16("<a/>", true, false), None),
            (utf16("<a/>", true, true), None),
        ] {
            assert!(!is_certain(&bytes, charset), "{charset:?} {}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn line_ends_become_line_feeds() {
        assert_eq!(decode(b"<a>\r\n\r\r\n\n\r</a>", None).unwrap(), "<a>\n\n\n\n\n</a>");
        assert!(matches!(decode(b"<a>\n</a>", None), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn invalid_bytes_can_be_replaced() {
        for (bytes, charset, expected) in [
            (b"<a>b\x96c\xe2</a>".as_slice(), None, "<a>b\u{fffd}c\u{fffd}</a>"),
            (b"<a>\xe9\r\n</a>", Some("us-ascii"), "<a>\u{fffd}\n</a>"),
            (b"\xef\xbb\xbf<a>\xff</a>", Some("iso-8859-1"), "<a>\u{fffd}</a>"),
            (b"\xff\xfe<\0\0\xd8a\0", None, "<\u{fffd}a"),
            (b"<a>\x96</a>", Some("utf-16"), "<a>\u{fffd}</a>"),
            (
                b"<?xml version='1.0' encoding='utf-8'?><a>\x96</a>",
                Some("none"),
                "<?xml version='1.0' encoding='utf-8'?><a>\u{fffd}</a>",
            ),
            (b"<a>\xe9</a>", Some("latin1"), "<a>\u{e9}</a>"),
        ] {
            assert_eq!(decode_replacing(bytes, charset).unwrap(), expected, "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(decode_replacing(b"<a>\x96</a>", Some("ebcdic-cp-be")).unwrap_err().kind, Kind::Encoding);
    }

    #[test]
    fn latin1_and_windows_1252_are_different() {
        assert_eq!(decode(b"<\x80", Some("iso-8859-1")).unwrap(), "<\u{80}");
        assert_eq!(decode(b"<\x80", Some("windows-1252")).unwrap(), "<€");
    }

    #[test]
    fn invalid_bytes_and_unknown_names_have_different_faults() {
        assert_eq!(decode(b"<a>\xff</a>", None).unwrap_err().kind, Kind::Character);
        assert_eq!(decode(b"<a>\xe9</a>", Some("us-ascii")).unwrap_err().kind, Kind::Character);
        assert_eq!(decode(b"\xff\xfe<\0\0\xd8", None).unwrap_err().kind, Kind::Character);
        assert_eq!(decode(b"<a/>", Some("ebcdic-cp-be")).unwrap_err().kind, Kind::Encoding);
        assert_eq!(decode(b"<a/>", Some("replacement")).unwrap_err().kind, Kind::Encoding);
    }
}
