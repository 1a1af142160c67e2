//! Whether a document that is passed on without being decoded is well-formed, so that its receiver can parse it.
//!
//! [`check_whole`] checks a document that has arrived: in one pass over its tags if they are plain, which costs a few
//! instructions for each byte, and with a parser otherwise. Of a document that arrives in pieces, [`CharacterCheck`] checks what
//! servers get wrong in the middle of a text and what costs next to nothing to find: characters that XML forbids, bytes that
//! are not valid in the encoding, and references to what is not declared. It does not follow the tags.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memmem};

use super::charset::CertainCharset;
use super::tree::{XmlTree, syntax};
use super::{escape, prolog};
use crate::codec::DocumentLimits;
use crate::model::fault::{Fault, Kind};

/// The longest reference, with `&` and `;`.
const LONGEST_REFERENCE: usize = 32;
/// How many elements may be open so that the tags of a document are plain.
const PLAIN_DEPTH: usize = 64;

/// The XML declarations of most documents.
const USUAL_PROLOGS: [&[u8]; 5] = [
    b"",
    b"<?xml version=\"1.0\"?>",
    b"<?xml version='1.0'?>",
    b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    b"<?xml version=\"1.0\" encoding=\"utf-8\"?>",
];

/// What a byte can be in plain tags and in the text between them.
const NAME: u8 = 1;
const TEXT: u8 = 2;
const CLASS: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "the compiler runs this, over all bytes")]
const fn classes() -> [u8; 256] {
    let mut class = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let is_name = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.');
        let is_text = matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7f) && !matches!(byte, b'<' | b'&' | b']');
        class[at] = if is_name {
            NAME | TEXT
        } else if is_text {
            TEXT
        } else {
            0
        };
        at += 1;
    }
    class
}

fn is(byte: u8, class: u8) -> bool {
    CLASS.get(usize::from(byte)).is_some_and(|own| own & class != 0)
}

/// Checks the XML declaration, if there is one: `prolog` is what precedes the root element.
///
/// # Errors
/// `NotWellFormed` for a malformed declaration, and for anything but a byte order mark before it.
pub(crate) fn check_prolog(prolog: &[u8]) -> Result<(), Fault> {
    let prolog = prolog.strip_prefix(b"\xef\xbb\xbf").unwrap_or(prolog);
    if USUAL_PROLOGS.contains(&prolog.trim_ascii_end()) {
        return Ok(());
    }
    let text = std::str::from_utf8(prolog).map_err(|_| broken("the XML declaration is malformed"))?;
    prolog::declaration(text)
}

/// Checks a document whose root element begins at `root`.
///
/// # Errors
/// `NotWellFormed`, `Character`, or `Limit` for a document that has too much mark-up.
pub(crate) fn check_whole(document: &[u8], root: usize, charset: CertainCharset) -> Result<(), Fault> {
    let (prolog, content) = document.split_at_checked(root).unwrap_or_default();
    check_prolog(prolog)?;
    match has_plain_tags(content) {
        Some(true) => Ok(()),
        Some(false) => check_characters(content, charset).map(|_| ()),
        None => {
            check_characters(content, charset)?;
            let text = match charset {
                CertainCharset::Latin1 => encoding_rs::mem::decode_latin1(content),
                CertainCharset::Ascii | CertainCharset::Utf8 => String::from_utf8_lossy(content),
            };
            let text = super::charset::one_line_end(text);
            parse(&text)
        }
    }
}

fn parse(text: &Cow<'_, str>) -> Result<(), Fault> {
    let limits = DocumentLimits::default();
    prolog::census(text, limits)?;
    XmlTree::read_any(text, limits).map(|_| ()).map_err(|error| syntax(&error, limits))
}

/// Whether the document consists of one element with plain tags and text: `Some(true)` if all of it is ASCII, `Some(false)`
/// if not. `None` if it has anything else, or is not well-formed.
fn has_plain_tags(document: &[u8]) -> Option<bool> {
    // Where the names of the open elements begin, and their lengths.
    let mut open = [(0, 0); PLAIN_DEPTH];
    let (mut depth, mut at, mut is_ascii) = (0_usize, 0, true);
    loop {
        match document.get(at..)? {
            [b'<', b'/', end @ ..] => {
                depth = depth.checked_sub(1)?;
                let (start, length) = *open.get(depth)?;
                let name = document.get(start..start + length)?;
                if end.get(..length)? != name || *end.get(length)? != b'>' {
                    return None;
                }
                at += length + 3;
            }
            [b'<', tag @ ..] => {
                let length = tag.iter().position(|byte| !is(*byte, NAME))?;
                let begins_name = tag.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_');
                let (after, is_empty) = match tag.get(length..)? {
                    [b'>', ..] => (length + 1, false),
                    [b'/', b'>', ..] => (length + 2, true),
                    _ => plain_attributes(tag, length)?,
                };
                if !begins_name {
                    return None;
                }
                if !is_empty {
                    *open.get_mut(depth)? = (at + 1, length);
                    depth += 1;
                }
                at += after + 1;
            }
            _ => return None,
        }
        if depth == 0 {
            let is_end = document.get(at..)?.trim_ascii().is_empty();
            return is_end.then_some(is_ascii);
        }
        // The text up to the next tag.
        loop {
            match *document.get(at)? {
                b'<' => break,
                b'&' => at += reference(document.get(at..)?).ok()??,
                byte if is(byte, TEXT) => at += 1,
                0x80.. => {
                    is_ascii = false;
                    at += 1;
                }
                _ => return None,
            }
        }
    }
}

/// Reads attributes behind the name in a tag, with values of ASCII and without references. Returns the index after the tag,
/// and whether the element is empty.
fn plain_attributes(tag: &[u8], mut at: usize) -> Option<(usize, bool)> {
    loop {
        let rest = tag.get(at..)?;
        let blank = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let rest = rest.get(blank..)?;
        match rest {
            [b'>', ..] => return Some((at + blank + 1, false)),
            [b'/', b'>', ..] => return Some((at + blank + 2, true)),
            [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] if blank > 0 => {}
            _ => return None,
        }
        let length = rest.iter().position(|byte| !is(*byte, NAME))?;
        let [b'=', quote @ (b'"' | b'\''), value @ ..] = rest.get(length..)? else { return None };
        let end = memchr(*quote, value)?;
        let is_plain = |byte: &u8| is(*byte, TEXT) || *byte == b']';
        value.get(..end)?.iter().all(is_plain).then_some(())?;
        at += blank + length + end + 3;
    }
}

/// The check of the characters of a document that arrives in pieces.
#[derive(Debug)]
pub(crate) struct CharacterCheck {
    charset: CertainCharset,
    /// Whether there has been a CDATA section, a comment or a declaration, in which references have no meaning.
    has_sections: bool,
    /// The beginning of a reference, a section or a character whose end has not arrived.
    rest: Vec<u8>,
}

impl CharacterCheck {
    pub(crate) fn new(charset: CertainCharset) -> CharacterCheck {
        CharacterCheck { charset, has_sections: false, rest: Vec::new() }
    }

    /// Checks the next piece.
    ///
    /// # Errors
    /// `NotWellFormed` or `Character`.
    pub(crate) fn check(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let mut checked = 0;
        if !self.rest.is_empty() {
            // Only a few bytes can be left over: they are checked with as many of the piece as can belong to them.
            let (before, mut text) = (self.rest.len(), std::mem::take(&mut self.rest));
            text.extend_from_slice(piece.get(..LONGEST_REFERENCE).unwrap_or(piece));
            match self.check_part(&text)?.checked_sub(before) {
                Some(of_piece) => checked = of_piece,
                None => {
                    self.rest = text;
                    return Ok(());
                }
            }
        }
        let left = piece.get(checked..).unwrap_or_default();
        let checked = self.check_part(left)?;
        self.rest.extend_from_slice(left.get(checked..).unwrap_or_default());
        Ok(())
    }

    /// Checks that the document does not end within a character or a reference.
    ///
    /// # Errors
    /// `NotWellFormed` if it does.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        if self.rest.is_empty() { Ok(()) } else { Err(broken("the document is not complete")) }
    }

    /// Returns how much of a text has been checked.
    fn check_part(&mut self, text: &[u8]) -> Result<usize, Fault> {
        let whole = check_characters(text, self.charset)?;
        let text = text.get(..whole).unwrap_or_default();
        self.has_sections |= memmem::find(text, b"<!").is_some();
        if !self.has_sections {
            for at in memchr_iter(b'&', text) {
                if reference(text.get(at..).unwrap_or_default())?.is_none() {
                    return Ok(at);
                }
            }
        }
        // `<!` may have arrived in part.
        Ok(if text.ends_with(b"<") { whole - 1 } else { whole })
    }
}

/// Refuses characters that XML forbids, and bytes that are not valid in the encoding. Returns the length of the text up to a
/// character that is not there as a whole.
fn check_characters(text: &[u8], charset: CertainCharset) -> Result<usize, Fault> {
    let is_forbidden = |byte: u8| (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r');
    if text.iter().fold(false, |found, byte| found | is_forbidden(*byte)) {
        return Err(broken("a character is not allowed in XML"));
    }
    let invalid = || Err(Fault::new(Kind::Character, "the document is not valid in its encoding"));
    if charset == CertainCharset::Latin1 || text.is_ascii() {
        return Ok(text.len());
    }
    if charset == CertainCharset::Ascii {
        return invalid();
    }
    let length = match std::str::from_utf8(text) {
        Ok(_) => text.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return invalid(),
    };
    // U+FFFE and U+FFFF.
    let forbidden = |at: usize| matches!(text.get(at + 2), Some(0xbe | 0xbf));
    if memchr(0xef, text).is_some() && memmem::find_iter(text, b"\xef\xbf").any(forbidden) {
        return Err(broken("a character is not allowed in XML"));
    }
    Ok(length)
}

/// The length of a reference to a character or a predefined entity; `None` if it is not there as a whole.
fn reference(text: &[u8]) -> Result<Option<usize>, Fault> {
    let undeclared = || Err(broken("a reference is not to a character or a predefined entity"));
    let text = text.get(..LONGEST_REFERENCE).unwrap_or(text);
    let Some(end) = memchr(b';', text) else {
        return if text.len() < LONGEST_REFERENCE { Ok(None) } else { undeclared() };
    };
    let name = text.get(1..end).and_then(|name| std::str::from_utf8(name).ok());
    match name.and_then(escape::referred) {
        Some(_) => Ok(Some(end + 1)),
        None => undeclared(),
    }
}

fn broken(message: &'static str) -> Fault {
    Fault::new(Kind::NotWellFormed, format!("not well-formed: {message}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn whole(document: &[u8], charset: CertainCharset) -> Result<(), Fault> {
        check_whole(document, memmem::find(document, b"<a").unwrap_or_default(), charset)
    }

    fn in_pieces(document: &[u8], size: usize, charset: CertainCharset) -> Result<(), Fault> {
        let mut check = CharacterCheck::new(charset);
        document.chunks(size).try_for_each(|piece| check.check(piece))?;
        check.finish()
    }

    const SIZES: [usize; 5] = [1, 2, 3, 7, 1000];

    #[test]
    fn well_formed_documents_are_passed() {
        for (document, is_plain) in [
            ("<a/>", true),
            ("<a>b &amp; &#27979; &#x1F600; \u{fffd}\u{e9}\u{1f600}</a>\n", true),
            ("\u{feff}<?xml version='1.0' encoding='utf-8'?>\r\n<a>\t<b.c-d_e:f/>\n<g></g></a>", true),
            ("<a x='1>' xmlns:y=\"urn:y]\"  ><b c=''/></a>", true),
            ("<a><b d = \"'&lt;\"/>]] ></a >", false),
            ("<a><![CDATA[ & < &#0; ]]]]><![CDATA[>]]><!-- &nbsp; < --><?p & ?></a><!-- b -->", false),
            ("<a><\u{e9}/></a>", false),
        ] {
            let root = memmem::find(document.as_bytes(), b"<a").unwrap();
            assert_eq!(has_plain_tags(&document.as_bytes()[root..]).is_some(), is_plain, "{document}");
            assert_eq!(whole(document.as_bytes(), CertainCharset::Utf8), Ok(()), "{document}");
            for size in SIZES {
                assert_eq!(in_pieces(document.as_bytes(), size, CertainCharset::Utf8), Ok(()), "{document}, {size}");
            }
        }
        assert_eq!(whole(b"<a>\xe9\x96</a>", CertainCharset::Latin1), Ok(()));
        assert_eq!(whole(b"<a>\xe9<!-- --></a>", CertainCharset::Latin1), Ok(()));
        let deep = [b"<a>".repeat(500), b"</a>".repeat(500)].concat();
        assert_eq!(whole(&deep, CertainCharset::Utf8), Ok(()));
    }

    /// Those that are refused in pieces as well.
    const OF_CHARACTERS: [&[u8]; 11] = [
        b"<a>\x1b</a>",
        b"<a>\0</a>",
        b"<a>\xef\xbf\xbf</a>",
        b"<a>\xef\xbf\xbe</a>",
        b"<a>\x96</a>",
        b"<a>\xe2\x82</a>",
        b"<a>&#0;</a>",
        b"<a>&#xD800;</a>",
        b"<a>&laquo;</a>",
        b"<a>b & c and much more than any reference can have</a>",
        b"<a/>\0",
    ];

    #[test]
    fn documents_that_no_parser_takes_are_refused() {
        for document in OF_CHARACTERS {
            let text = String::from_utf8_lossy(document);
            assert!(whole(document, CertainCharset::Utf8).is_err(), "{text}");
            for size in SIZES {
                assert!(in_pieces(document, size, CertainCharset::Utf8).is_err(), "{text} in pieces of {size}");
            }
        }
        for document in [
            "<a>AT&T</a>",
            "<a b='&nbsp;'/>",
            "<a b='<'/>",
            "<a b=c/>",
            "<a b/>",
            "<a b='c'd='e'/>",
            "<a>b < c</a>",
            "<a>b <3</a>",
            "<a><b></a></b>",
            "<a><br></a>",
            "<a>",
            "<a></a></a>",
            "<a></ab>",
            "<a/><a/>",
            "<a/>b",
            "<a/><![CDATA[]]>",
            "<a>]]></a>",
            "<a><!DOCTYPE a></a>",
            "<a><![CDATA[",
            "\n<?xml version='1.0'?><a/>",
            "<?xml version='1.1'?><a/>",
            "<?xml version='1.0'><a/>",
        ] {
            assert!(whole(document.as_bytes(), CertainCharset::Utf8).is_err(), "{document}");
        }
        assert!(whole(b"<a>\xe9</a>", CertainCharset::Ascii).is_err());
        assert!(in_pieces(b"<a>\xe9</a>", 3, CertainCharset::Ascii).is_err());
    }

    proptest! {
        /// What is passed is well-formed by a parser's rules.
        #[test]
        fn what_is_passed_can_be_parsed(
            pieces in prop::collection::vec(select(vec![
                "<a>", "</a>", "<b c='d'>", "</b>", "<e/>", "<f g=\"&#9;\" />", "h", " ", "&amp;", "&#x41;", "&i;", "&", "<",
                "<![CDATA[", "]]>", "]", "<!--", "-->", "<?j", "?>", "\u{1}", "\u{e9}", "\u{ffff}", "<!k>", "<l m n='o'>", "/>",
            ]), 0..12),
        ) {
            let document = format!("<a>{}</a>", pieces.concat());
            let whole = whole(document.as_bytes(), CertainCharset::Utf8);
            // roxmltree takes forbidden characters in comments and processing instructions.
            let parsed = roxmltree::Document::parse(&document).is_ok() && !document.contains(['\u{1}', '\u{ffff}']);
            prop_assert_eq!(parsed, whole.is_ok(), "{}", document);
        }

        #[test]
        fn the_size_of_pieces_makes_no_difference(
            pieces in prop::collection::vec(select(vec![
                "<a>", "h", "&amp;", "&#x41;", "&i;", "&", "<", "<!", "!", ";", "\u{e9}", "\u{fffd}", "\u{ffff}",
            ]), 0..12),
            size in 1_usize..9,
        ) {
            let document = pieces.concat();
            // References have no meaning from a section on, and behind one a piece may be read with it or before it.
            let whole = in_pieces(document.as_bytes(), usize::MAX, CertainCharset::Utf8);
            let parted = in_pieces(document.as_bytes(), size, CertainCharset::Utf8);
            if !document.contains("<!") {
                prop_assert_eq!(whole.is_ok(), parted.is_ok(), "{}", document);
            }
        }
    }
}
