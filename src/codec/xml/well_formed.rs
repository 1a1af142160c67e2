//! Whether a document that is passed on without being decoded is well-formed, so that its receiver can parse it.
//!
//! [`check_whole`] checks a document that has arrived. It counts the tags, which costs a few instructions for each byte: if
//! there are as many end tags as start tags and no `<` that does not begin a tag, only the names in the tags are unchecked, and
//! software that writes tags does not mistake those. Any other document is parsed. Of a document that arrives in pieces, [`CharacterCheck`] checks
//! what servers get wrong in the middle of a text: characters that XML forbids, bytes that are not valid in the encoding, and
//! references to what is not declared.

use memchr::{memchr, memchr_iter, memmem};

use super::charset::{CertainCharset, one_line_end};
use super::tree::{XmlTree, syntax};
use super::{escape, prolog};
use crate::codec::DocumentLimits;
use crate::model::fault::{Fault, Kind};

/// The longest reference, with `&` and `;`.
const LONGEST_REFERENCE: usize = 32;
/// The XML declarations of most documents.
const USUAL_PROLOGS: [&[u8]; 5] = [
    b"",
    b"<?xml version=\"1.0\"?>",
    b"<?xml version='1.0'?>",
    b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    b"<?xml version=\"1.0\" encoding=\"utf-8\"?>",
];

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
    let may_end_section = memchr(b']', content).is_some() && memmem::find(content, b"]]>").is_some();
    if has_balanced_tags(content) && !may_end_section {
        check_characters(content, charset)?;
        let unfinished = references(content)?;
        return unfinished.map_or(Ok(()), |_| Err(broken("a reference does not end")));
    }
    check_characters(content, charset)?;
    let text = match charset {
        CertainCharset::Latin1 => encoding_rs::mem::decode_latin1(content),
        CertainCharset::Ascii | CertainCharset::Utf8 => String::from_utf8_lossy(content),
    };
    parse(&one_line_end(text))
}

fn parse(text: &str) -> Result<(), Fault> {
    let limits = DocumentLimits::default();
    prolog::census_of_response(text, limits)?;
    XmlTree::read_any(text, limits).map(|_| ()).map_err(|error| syntax(&error, limits))
}

/// Whether a document has as many end tags as start tags, and each `<` begins one: no comments, CDATA sections, declarations or
/// processing instructions.
fn has_balanced_tags(document: &[u8]) -> bool {
    /// So many counts fit into a byte, and are a multiple of what the compiler can count at a time.
    const PART: usize = 240;
    let (mut tags, mut ends, mut empty, mut has_others) = (0, 0, 0, false);
    let next = document.get(1..).unwrap_or_default();
    for (part, next) in document.chunks(PART).zip(next.chunks(PART)) {
        let (mut in_tags, mut in_ends, mut in_empty, mut others) = (0_u8, 0_u8, 0_u8, 0_u8);
        for (byte, next) in part.iter().zip(next) {
            let (begins, is_end) = (u8::from(*byte == b'<'), u8::from(*next == b'/'));
            in_tags += begins;
            in_ends += begins & is_end;
            in_empty += u8::from(*byte == b'/') & u8::from(*next == b'>');
            // The names of tags begin with letters, or with `_`, which is behind them.
            others |= begins & (is_end ^ 1) & u8::from(*next < b'A');
        }
        tags += usize::from(in_tags);
        ends += usize::from(in_ends);
        empty += usize::from(in_empty);
        has_others |= others > 0;
    }
    tags == 2 * ends + empty && tags > 0 && !has_others
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
        let unfinished = if self.has_sections { None } else { references(text)? };
        if let Some(at) = unfinished {
            return Ok(at);
        }
        // `<!` may have arrived in part.
        Ok(if text.ends_with(b"<") { whole - 1 } else { whole })
    }
}

/// Refuses characters that XML forbids, and bytes that are not valid in the encoding. Returns the length of the text up to a
/// character that is not there as a whole.
fn check_characters(text: &[u8], charset: CertainCharset) -> Result<usize, Fault> {
    let (mut forbidden, mut high) = (0, 0);
    for byte in text {
        let is_line_end = (*byte == b'\n') | (*byte == b'\r');
        forbidden |= u8::from((*byte < 0x20) & (*byte != b'\t') & !is_line_end);
        high |= *byte;
    }
    if forbidden > 0 {
        return Err(broken("a character is not allowed in XML"));
    }
    let invalid = || Err(Fault::new(Kind::Character, "the document is not valid in its encoding"));
    if charset == CertainCharset::Latin1 || high < 0x80 {
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

/// Checks the references in a text. Returns where the last one begins, if it is not there as a whole.
fn references(text: &[u8]) -> Result<Option<usize>, Fault> {
    for at in memchr_iter(b'&', text) {
        if reference(text.get(at..).unwrap_or_default())?.is_none() {
            return Ok(Some(at));
        }
    }
    Ok(None)
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
        for (document, is_balanced) in [
            ("<a/>", true),
            ("<a>b &amp; &#27979; &#x1F600; \u{fffd}\u{e9}\u{1f600}</a>\n", true),
            ("\u{feff}<?xml version='1.0' encoding='utf-8'?>\r\n<a>\t<b.c-d_e:f/>\n<g></g></a>", true),
            ("<a x='1' xmlns:y=\"urn:y]\"  ><b c=''/></a >", true),
            ("<a><b d = \"'&lt;>\"/>b > c]] ></a >", true),
            ("<a><![CDATA[ & < &#0; ]]]]><![CDATA[>]]><!-- &nbsp; < --><?p & ?></a><!-- b -->", false),
            ("<a><\u{e9}/>b/></a>", false),
        ] {
            let root = memmem::find(document.as_bytes(), b"<a").unwrap();
            assert_eq!(has_balanced_tags(&document.as_bytes()[root..]), is_balanced, "{document}");
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
            "<a>b < c</a>",
            "<a>b <3</a>",
            "<a><br></a>",
            "<a>",
            "<a/><![CDATA[]]>",
            "<a>]]></a>",
            "<a></a></a></b>",
            "<a>&amp</a>",
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
        /// What is passed is well-formed by a parser's rules, but for the names of tags; and all that is well-formed is passed.
        #[test]
        fn what_is_passed_can_be_parsed(
            pieces in prop::collection::vec(select(vec![
                "<a>", "<b c='d'>", "<a><e/></a>", "<e/>", "<f g=\"&#9;\" />", "h", " ", "&amp;", "&#x41;", "&i;", "&", "<", ">",
                "<![CDATA[", "]]>", "]", "<!--", "-->", "<?j", "?>", "\u{1}", "\u{e9}", "\u{ffff}", "<!k>",
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
