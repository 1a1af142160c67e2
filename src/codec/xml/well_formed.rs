//! Whether a document that is passed on without being read is well-formed: as far as a parser would need to take it.
//!
//! The check reads a document once, in pieces of any size, and builds nothing. It finds what servers get wrong: characters that
//! XML forbids, bytes that are not valid in the encoding, references to what is not declared, a `<` or `&` that is not
//! escaped, elements that are not closed, and declarations. It leaves to the receiver what no server gets wrong by accident,
//! such as an attribute that is given twice.

use memchr::{memchr, memchr2, memchr3, memmem};

use super::charset::CertainCharset;
use super::{Reading, escape, prolog};
use crate::model::fault::{Fault, Kind};

/// The longest tag or reference, in bytes: what of it has arrived is kept until its end arrives.
const LONGEST_TOKEN: usize = 16 << 10;
/// The longest reference, with `&` and `;`.
const LONGEST_REFERENCE: usize = 32;
/// How many bytes the names of the open elements may have, with their lengths.
const DEEPEST: usize = 64 << 10;

/// The check of one document, behind what precedes its root element.
#[derive(Debug)]
pub(crate) struct WellFormedCheck {
    charset: CertainCharset,
    /// The names of the open elements, each followed by its length in one byte.
    open: Vec<u8>,
    has_root: bool,
    /// What ends the comment, CDATA section or processing instruction that encloses the current position.
    section: Option<&'static [u8]>,
    /// The beginning of a tag, a reference or a character whose end has not arrived.
    rest: Vec<u8>,
}

impl WellFormedCheck {
    /// The check of a document that begins with `prolog`, up to the first byte of its root element.
    ///
    /// # Errors
    /// `NotWellFormed` for white space before the XML declaration, and a malformed declaration.
    pub(crate) fn after(prolog: &[u8], charset: CertainCharset) -> Result<WellFormedCheck, Fault> {
        let prolog = prolog.strip_prefix(b"\xef\xbb\xbf").unwrap_or(prolog);
        // The beginning of the root element ends the search of the prolog.
        let mut text = String::from_utf8_lossy(prolog).into_owned();
        text.push('<');
        prolog::start(&text, Reading::Strict)?;
        Ok(WellFormedCheck { charset, open: Vec::with_capacity(128), has_root: false, section: None, rest: Vec::new() })
    }

    /// Checks the next piece.
    ///
    /// # Errors
    /// `NotWellFormed`, or `Limit` for tags that are too long or nest too deeply.
    pub(crate) fn check(&mut self, piece: &[u8]) -> Result<(), Fault> {
        if self.rest.is_empty() {
            let read = self.read(piece)?;
            self.rest.extend_from_slice(piece.get(read..).unwrap_or_default());
        } else {
            let mut text = std::mem::take(&mut self.rest);
            text.extend_from_slice(piece);
            let read = self.read(&text)?;
            text.drain(..read);
            self.rest = text;
        }
        if self.rest.len() > LONGEST_TOKEN { Err(too_long()) } else { Ok(()) }
    }

    /// Checks that the document is complete.
    ///
    /// # Errors
    /// `NotWellFormed` if it is not.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        let is_complete = self.has_root && self.open.is_empty() && self.section.is_none() && self.rest.is_empty();
        if is_complete { Ok(()) } else { Err(broken("the document is not complete")) }
    }

    /// Reads what has arrived; returns how much of it has been read.
    fn read(&mut self, arrived: &[u8]) -> Result<usize, Fault> {
        let whole = self.whole_characters(arrived)?;
        let text = arrived.get(..whole).unwrap_or_default();
        let may_end_section = memchr(b']', text).is_some();
        let mut at = 0;
        while at < text.len() {
            let rest = text.get(at..).unwrap_or_default();
            if let Some(end) = self.section {
                let Some(found) = memmem::find(rest, end) else {
                    // The end may have arrived in part.
                    return Ok((text.len() + 1).saturating_sub(end.len()).max(at));
                };
                at += found + end.len();
                self.section = None;
                continue;
            }
            let found = memchr2(b'<', b'&', rest);
            let content = rest.get(..found.unwrap_or(rest.len())).unwrap_or_default();
            if self.open.is_empty() && !content.trim_ascii().is_empty() {
                return Err(broken("text does not belong outside the root element"));
            }
            if may_end_section && memmem::find(content, b"]]>").is_some() {
                return Err(broken("`]]>` is not allowed in text"));
            }
            let Some(found) = found else {
                // `]]>` may have arrived in part.
                let ends = content.iter().rev().take(2).take_while(|byte| **byte == b']').count();
                return Ok(text.len() - ends);
            };
            let token = rest.get(found..).unwrap_or_default();
            let length = match token {
                [b'&', ..] if self.open.is_empty() => {
                    return Err(broken("text does not belong outside the root element"));
                }
                [b'&', ..] => reference(token)?,
                _ => self.mark_up(token)?,
            };
            at += found;
            match length {
                Some(length) => at += length,
                None => return Ok(at),
            }
        }
        Ok(at)
    }

    /// The length of the text up to a character that has not arrived as a whole.
    fn whole_characters(&self, text: &[u8]) -> Result<usize, Fault> {
        let has_control =
            text.iter().fold(false, |found, byte| found | (*byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')));
        if has_control {
            return Err(broken("a character is not allowed in XML"));
        }
        let invalid = || Err(Fault::new(Kind::Character, "the document is not valid in its encoding"));
        match self.charset {
            CertainCharset::Latin1 => Ok(text.len()),
            CertainCharset::Ascii if text.is_ascii() => Ok(text.len()),
            CertainCharset::Ascii => invalid(),
            CertainCharset::Utf8 => {
                let length = match std::str::from_utf8(text) {
                    Ok(_) => text.len(),
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    Err(_) => return invalid(),
                };
                // U+FFFE and U+FFFF.
                let forbidden = |at: usize| matches!(text.get(at + 2), Some(0xbe | 0xbf));
                match memchr(0xef, text).is_some() && memmem::find_iter(text, b"\xef\xbf").any(forbidden) {
                    true => Err(broken("a character is not allowed in XML")),
                    false => Ok(length),
                }
            }
        }
    }

    /// Reads a tag, or the beginning of a section. Returns its length; `None` if it has not arrived as a whole.
    fn mark_up(&mut self, token: &[u8]) -> Result<Option<usize>, Fault> {
        const SECTIONS: [(&[u8], &[u8]); 3] = [(b"<?", b"?>"), (b"<!--", b"-->"), (b"<![CDATA[", b"]]>")];
        match token {
            [] | [_] => Ok(None),
            [_, b'/', rest @ ..] => self.end_tag(rest),
            [_, b'!' | b'?', ..] => {
                if let Some((start, end)) = SECTIONS.iter().find(|(start, _)| token.starts_with(start)) {
                    if self.open.is_empty() && start.ends_with(b"[") {
                        return Err(broken("text does not belong outside the root element"));
                    }
                    self.section = Some(*end);
                    Ok(Some(start.len()))
                } else if SECTIONS.iter().any(|(start, _)| start.starts_with(token)) {
                    Ok(None)
                } else {
                    Err(broken("a declaration is not allowed in the document"))
                }
            }
            [_, rest @ ..] => self.start_tag(rest),
        }
    }

    /// Reads a start tag behind its `<`.
    fn start_tag(&mut self, tag: &[u8]) -> Result<Option<usize>, Fault> {
        if self.open.is_empty() && self.has_root {
            return Err(broken("there is a second root element"));
        }
        let Some(length) = tag.iter().position(|byte| !belongs_to_name(*byte)) else { return unfinished(tag) };
        let name = tag.get(..length).unwrap_or_default();
        if !name.first().is_some_and(|first| begins_name(*first)) {
            return Err(broken("a `<` does not begin a tag"));
        }
        self.has_root = true;
        if tag.get(length) == Some(&b'>') {
            self.enter(name)?;
            return Ok(Some(length + 2));
        }
        let Some((end, is_empty)) = attributes(tag, length)? else { return unfinished(tag) };
        if !is_empty {
            self.enter(name)?;
        }
        Ok(Some(end + 1))
    }

    fn enter(&mut self, name: &[u8]) -> Result<(), Fault> {
        let length = u8::try_from(name.len()).map_err(|_| too_long())?;
        self.open.extend_from_slice(name);
        self.open.push(length);
        if self.open.len() > DEEPEST { Err(too_long()) } else { Ok(()) }
    }

    /// Reads an end tag behind its `</`.
    fn end_tag(&mut self, tag: &[u8]) -> Result<Option<usize>, Fault> {
        let Some(length) = memchr(b'>', tag) else { return unfinished(tag) };
        let name = tag.get(..length).unwrap_or_default().trim_ascii_end();
        let outside = self.open.pop().and_then(|length| self.open.len().checked_sub(usize::from(length)));
        if outside.and_then(|outside| self.open.get(outside..)) != Some(name) {
            return Err(broken("an end tag does not close the element that was opened last"));
        }
        self.open.truncate(outside.unwrap_or_default());
        Ok(Some(length + 3))
    }
}

/// Reads what follows the name of a start tag. Returns the index after the tag and whether the element is empty; `None` if
/// the tag has not arrived as a whole.
fn attributes(tag: &[u8], mut at: usize) -> Result<Option<(usize, bool)>, Fault> {
    loop {
        let rest = tag.get(at..).unwrap_or_default();
        let Some(found) = memchr3(b'>', b'"', b'\'', rest) else { return Ok(None) };
        let before = rest.get(..found).unwrap_or_default();
        let quote = match rest.get(found) {
            Some(b'>') | None => {
                let blank = before.trim_ascii();
                let is_empty = blank == b"/" && before.ends_with(b"/");
                return match blank.is_empty() || is_empty {
                    true => Ok(Some((at + found + 1, is_empty))),
                    false => Err(broken("an attribute has no value")),
                };
            }
            Some(quote) => *quote,
        };
        let name = before.trim_ascii().strip_suffix(b"=").unwrap_or_default().trim_ascii_end();
        let is_name =
            name.first().is_some_and(|first| begins_name(*first)) && name.iter().all(|byte| belongs_to_name(*byte));
        if !is_name || !before.first().is_some_and(u8::is_ascii_whitespace) {
            return Err(broken("an attribute is malformed"));
        }
        let value = rest.get(found + 1..).unwrap_or_default();
        let Some(length) = memchr(quote, value) else { return Ok(None) };
        let value = value.get(..length).unwrap_or_default();
        if memchr(b'<', value).is_some() {
            return Err(broken("`<` is not allowed in the value of an attribute"));
        }
        for start in memchr::memchr_iter(b'&', value) {
            if reference(value.get(start..).unwrap_or_default())?.is_none() {
                return Err(undeclared());
            }
        }
        at += found + length + 2;
    }
}

/// The length of a reference to a character or a predefined entity; `None` if it has not arrived as a whole.
fn reference(text: &[u8]) -> Result<Option<usize>, Fault> {
    let text = text.get(..LONGEST_REFERENCE).unwrap_or(text);
    let Some(end) = memchr(b';', text) else {
        return if text.len() < LONGEST_REFERENCE { Ok(None) } else { Err(undeclared()) };
    };
    let name = text.get(1..end).and_then(|name| std::str::from_utf8(name).ok());
    match name.and_then(escape::referred) {
        Some(_) => Ok(Some(end + 1)),
        None => Err(undeclared()),
    }
}

/// A name may begin with any byte of a character beyond ASCII.
fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':' | 0x80..)
}

fn belongs_to_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.' | 0x80..)
}

/// The result for a tag whose end has not arrived.
fn unfinished(tag: &[u8]) -> Result<Option<usize>, Fault> {
    if tag.len() > LONGEST_TOKEN { Err(too_long()) } else { Ok(None) }
}

fn undeclared() -> Fault {
    broken("a reference is not to a character or a predefined entity")
}

fn too_long() -> Fault {
    Fault::new(Kind::Limit, "the tags of the document are too long or nest too deeply")
}

fn broken(message: &'static str) -> Fault {
    Fault::new(Kind::NotWellFormed, format!("not well-formed: {message}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// Checks a document of which this many bytes arrive at a time.
    fn checked(document: &[u8], piece: usize, charset: CertainCharset) -> Result<(), Fault> {
        let root = memmem::find(document, b"<a").unwrap_or_default();
        let (prolog, content) = document.split_at(root);
        let mut check = WellFormedCheck::after(prolog, charset)?;
        content.chunks(piece.max(1)).try_for_each(|piece| check.check(piece))?;
        check.finish()
    }

    const PIECES: [usize; 4] = [1, 3, 7, 1000];

    #[test]
    fn well_formed_documents_are_passed() {
        for document in [
            "<a/>",
            "\u{feff}<?xml version='1.0' encoding='utf-8'?>\r\n<a>b &amp; &#27979; &#x1F600; \u{fffd}\u{e9}\u{1f600}</a>\n",
            "<a ><b c='>' d = \"'&lt;\"/><e.f-g_h:i>]] ></e.f-g_h:i ></a >",
            "<a><![CDATA[ & < &#0; ]]]]><![CDATA[>]]><!-- &nbsp; < --><?p & ?></a><!-- b -->",
            "<a\n>\t</a\n>",
        ] {
            for piece in PIECES {
                assert_eq!(checked(document.as_bytes(), piece, CertainCharset::Utf8), Ok(()), "{document}");
            }
        }
        assert_eq!(checked(b"<a>\xe9\x96</a>", 2, CertainCharset::Latin1), Ok(()));
    }

    #[test]
    fn documents_that_no_parser_takes_are_refused() {
        for document in [
            "<a>\u{1b}</a>".as_bytes(),
            b"<a>\0</a>",
            "<a>\u{ffff}</a>".as_bytes(),
            "<a>\u{fffe}</a>".as_bytes(),
            b"<a>\x96</a>",
            b"<a>\xe2\x82</a>",
            b"<a>&#0;</a>",
            b"<a>&#xD800;</a>",
            b"<a>&laquo;</a>",
            b"<a>b & c</a>",
            b"<a>AT&T</a>",
            b"<a b='&nbsp;'/>",
            b"<a b='<'/>",
            b"<a b=c/>",
            b"<a b/>",
            b"<a b='c'd='e'/>",
            b"<a>b < c</a>",
            b"<a><b></a></b>",
            b"<a><br></a>",
            b"<a>",
            b"<a></a></a>",
            b"<a/><a/>",
            b"<a/>b",
            b"<a/>\0",
            b"<a/><![CDATA[]]>",
            b"<a>]]></a>",
            b"<a><!DOCTYPE a></a>",
            b"<a><![CDATA[",
            b"\n<?xml version='1.0'?><a/>",
            b"<?xml version='1.1'?><a/>",
        ] {
            for piece in PIECES {
                let text = String::from_utf8_lossy(document);
                assert!(checked(document, piece, CertainCharset::Utf8).is_err(), "{text} in pieces of {piece}");
            }
        }
        assert!(checked(b"<a>\xe9</a>", 1000, CertainCharset::Ascii).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let long = [b"<a b='".as_slice(), &b"c".repeat(LONGEST_TOKEN)].concat();
        assert_eq!(checked(&long, 1000, CertainCharset::Utf8).unwrap_err().kind, Kind::Limit);
        let deep = b"<a>".repeat(DEEPEST);
        assert_eq!(checked(&deep, 1000, CertainCharset::Utf8).unwrap_err().kind, Kind::Limit);
        let long_name = [b"<".as_slice(), &b"a".repeat(256), b">"].concat();
        assert_eq!(checked(&long_name, 1000, CertainCharset::Utf8).unwrap_err().kind, Kind::Limit);
    }

    proptest! {
        /// What is passed is well-formed by a parser's rules, and the pieces make no difference.
        #[test]
        fn what_is_passed_can_be_parsed(
            pieces in prop::collection::vec(select(vec![
                "<a>", "</a>", "<b c='d'>", "</b>", "<e/>", "<f g=\"&#9;\" />", "h", " ", "&amp;", "&#x41;", "&i;", "&", "<",
                "<![CDATA[", "]]>", "]", "<!--", "-->", "<?j", "?>", "\u{1}", "\u{e9}", "\u{ffff}", "<!k>",
            ]), 0..12),
            size in 1_usize..9,
        ) {
            let document = format!("<a>{}</a>", pieces.concat());
            let whole = checked(document.as_bytes(), usize::MAX, CertainCharset::Utf8);
            prop_assert_eq!(checked(document.as_bytes(), size, CertainCharset::Utf8).is_ok(), whole.is_ok(), "{}", document);
            // roxmltree takes forbidden characters in comments and processing instructions, and refuses `--` in a comment.
            if document.contains("<!--") || document.contains("<?") {
                return Ok(());
            }
            prop_assert_eq!(roxmltree::Document::parse(&document).is_ok(), whole.is_ok(), "{}", document);
        }
    }
}
