//! Characters that XML forbids, in documents that are read all the same.
//!
//! XML 1.0 has no form for U+0000 to U+001F except for tab and line ends, nor for U+FFFE and U+FFFF (section 2.2), and
//! parsers refuse a document that has one, raw or as a character reference. Servers send them: the colours of a terminal are
//! U+001B. [`without_forbidden`] replaces each of them before the document is parsed. To keep them, it replaces them by characters of a
//! private use area that the document does not use, and [`Placeholders::restore`] puts them back into the texts that were
//! read. A parser then sees nothing that it does not know, and a text in any form (CDATA, references) is treated alike.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::{InvalidCharacters, is_xml_char};

/// The first character of the private use plane (U+F0000 to U+FFFFD) and the first byte of all of its characters.
const PLANE: u32 = 0xf_0000;
const PLANE_BYTE: u8 = 0xf3;
/// How many characters stand for the forbidden ones, and how many times they fit into the plane.
const BLOCK: u32 = 32;
const BLOCKS: usize = 2047;
const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];
/// The longest reference to a character, between `&` and `;`, leading zeros included.
const LONGEST_REFERENCE: usize = 16;

/// A document without forbidden characters.
pub(in crate::codec) struct CleanedDocument {
    pub(in crate::codec) text: String,
    /// What stands for the forbidden characters; `None` if they are replaced for good.
    pub(in crate::codec) placeholders: Option<Placeholders>,
}

/// The characters that stand for the forbidden ones in one document: a block of a private use area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codec) struct Placeholders(u32);

/// The document without its forbidden characters; `None` if it has none, or `how` refuses them. NUL bytes behind the
/// document are left out: some servers send the end of a C string.
pub(in crate::codec) fn without_forbidden(text: &str, how: InvalidCharacters) -> Option<CleanedDocument> {
    let content = text.trim_end_matches(['\0', ' ', '\t', '\r', '\n']);
    let (mut is_sound, mut blocks) = (content.len() == text.trim_end_matches(BLANK).len(), vec![false; BLOCKS]);
    let mut note = |c: char| {
        let block = u32::from(c).checked_sub(PLANE).and_then(|offset| usize::try_from(offset / BLOCK).ok());
        if let Some(used) = block.and_then(|block| blocks.get_mut(block)) {
            *used = true;
        }
    };
    walk(content, |piece| match piece {
        Piece::Text(text) if memchr(PLANE_BYTE, text.as_bytes()).is_some() => text.chars().for_each(&mut note),
        Piece::Text(_) => {}
        Piece::Reference(_, c) => note(c),
        Piece::Forbidden(_) => is_sound = false,
    });
    if is_sound || how == InvalidCharacters::Refuse {
        return None;
    }
    // A document that uses every block is no text that anybody has written.
    let unused = blocks.iter().position(|used| !used).and_then(|block| u32::try_from(block).ok());
    let unused = unused.map(|block| Placeholders(PLANE + block * BLOCK));
    let placeholders = unused.filter(|_| how == InvalidCharacters::Keep);
    let mut cleaned = String::with_capacity(content.len());
    walk(content, |piece| match piece {
        Piece::Text(text) | Piece::Reference(text, _) => cleaned.push_str(text),
        Piece::Forbidden(c) => cleaned.push(c.zip(placeholders).and_then(|(c, it)| it.of(c)).unwrap_or('\u{fffd}')),
    });
    Some(CleanedDocument { text: cleaned, placeholders })
}

impl Placeholders {
    /// What stands for a forbidden character. U+FFFE and U+FFFF take the places of tab and line feed, which are allowed.
    fn of(self, c: char) -> Option<char> {
        let place = match u32::from(c) {
            0xfffe => u32::from('\t'),
            0xffff => u32::from('\n'),
            code => code,
        };
        char::from_u32(self.0 + place).filter(|_| place < BLOCK)
    }

    /// The forbidden character that a character stands for; any other character itself.
    fn meant_by(self, c: char) -> char {
        let place = u32::from(c).checked_sub(self.0).filter(|place| *place < BLOCK);
        let code = place.map_or(u32::from(c), |place| match place {
            0x9 => 0xfffe,
            0xa => 0xffff,
            place => place,
        });
        char::from_u32(code).unwrap_or(c)
    }

    /// Puts the forbidden characters back into a text of the document.
    pub(in crate::codec) fn restore(self, text: &mut Cow<'_, str>) {
        if memchr(PLANE_BYTE, text.as_bytes()).is_some() {
            *text = Cow::Owned(text.chars().map(|c| self.meant_by(c)).collect());
        }
    }
}

/// A part of a document.
enum Piece<'a> {
    /// Text and mark-up without forbidden characters.
    Text(&'a str),
    /// A reference to an allowed character, and that character.
    Reference(&'a str, char),
    /// A forbidden character, raw or as a reference; `None` for a reference to a number that is no character.
    Forbidden(Option<char>),
}

/// Passes all parts of a document to `each`, in order.
fn walk<'a>(text: &'a str, mut each: impl FnMut(Piece<'a>)) {
    let bytes = text.as_bytes();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    // `copied` is where the text begins that has not been passed on; up to `literal` references have no meaning.
    let (mut at, mut copied, mut literal) = (0, 0, 0);
    while let Some(skipped) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| is_notable(*byte))) {
        at += skipped;
        let rest = part(at, text.len());
        let (length, piece) = match rest.as_bytes() {
            [b'<', ..] if at >= literal => {
                literal = at + section(rest.as_bytes());
                (1, None)
            }
            [b'&', b'#', ..] if at >= literal => match referred(rest) {
                Some((length, Some(c))) if is_xml_char(c) => (length, Some(Piece::Reference(part(at, at + length), c))),
                Some((length, c)) => (length, Some(Piece::Forbidden(c))),
                None => (1, None),
            },
            _ => match rest.chars().next() {
                Some(c) if !is_xml_char(c) => (c.len_utf8(), Some(Piece::Forbidden(Some(c)))),
                c => (c.map_or(1, char::len_utf8), None),
            },
        };
        if let Some(piece) = piece {
            each(Piece::Text(part(copied, at)));
            each(piece);
            copied = at + length;
        }
        at += length;
    }
    each(Piece::Text(part(copied, text.len())));
}

/// Whether a forbidden character, a reference or mark-up may begin with this byte.
fn is_notable(byte: u8) -> bool {
    matches!(byte, 0..=0x8 | 0xb | 0xc | 0xe..=0x1f | 0xef | b'&' | b'<')
}

/// The length of the CDATA section, comment or processing instruction that begins here; 0 if none does.
fn section(text: &[u8]) -> usize {
    let end = match text {
        [b'<', b'!', b'[', ..] => b"]]>".as_slice(),
        [b'<', b'!', b'-', b'-', ..] => b"-->",
        [b'<', b'?', ..] => b"?>",
        _ => return 0,
    };
    memmem::find(text, end).unwrap_or(text.len())
}

/// The length of the character reference that begins here, and its character if its number is one. `None` if it is not
/// well-formed.
fn referred(text: &str) -> Option<(usize, Option<char>)> {
    let end = text.bytes().take(LONGEST_REFERENCE).position(|byte| byte == b';')?;
    let number = text.get(2..end)?;
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    is_number.then(|| (end + 1, u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document with stand-ins, put back in the whole of it.
    fn kept(text: &str) -> Option<String> {
        let CleanedDocument { text, placeholders } = without_forbidden(text, InvalidCharacters::Keep)?;
        assert!(text.chars().all(is_xml_char), "{text:?}");
        let mut text = Cow::Owned(text);
        if let Some(placeholders) = placeholders {
            placeholders.restore(&mut text);
        }
        Some(text.into_owned())
    }

    #[test]
    fn forbidden_characters_are_kept_and_everything_else_as_it_was() {
        for (text, expected) in [
            ("<a>\u{1b}[1mb\0\u{ffff}\u{fffe}\t\n</a>", "<a>\u{1b}[1mb\0\u{ffff}\u{fffe}\t\n</a>"),
            ("<a>&#27;&#x1B;&#0;&#65;&amp;</a>", "<a>\u{1b}\u{1b}\0&#65;&amp;</a>"),
            ("<a>&#xD800;&#x110000;&#99999999999;</a>", "<a>\u{fffd}\u{fffd}\u{fffd}</a>"),
            ("<a><![CDATA[&#27;\u{1}]]>&#2;</a>", "<a><![CDATA[&#27;\u{1}]]>\u{2}</a>"),
            ("<a><!-- &#27; -->\u{3}</a>", "<a><!-- &#27; -->\u{3}</a>"),
            ("<a>\u{f0000}\u{1}&#xF0020;\u{fffd}</a>", "<a>\u{f0000}\u{1}&#xF0020;\u{fffd}</a>"),
            ("<a/>\n\0\0", "<a/>"),
        ] {
            assert_eq!(kept(text).as_deref(), Some(expected), "{text:?}");
        }
        for sound in ["<a/>", "<a>\u{f0000}&#65;\u{fffd}\u{e9}</a>\n", "<a>&#;&#x;&#1&b;</a>", "", "<![CDATA[&#0;"] {
            assert_eq!(kept(sound), None, "{sound:?}");
        }
    }

    #[test]
    fn forbidden_characters_are_replaced_or_left_to_the_parser() {
        let replaced = without_forbidden("<a>\u{1b}&#27;b</a>", InvalidCharacters::Replace).unwrap();
        assert_eq!((replaced.text.as_str(), replaced.placeholders), ("<a>\u{fffd}\u{fffd}b</a>", None));
        assert!(without_forbidden("<a>\u{1b}</a>", InvalidCharacters::Refuse).is_none());
    }

    #[test]
    fn a_document_with_all_private_characters_has_no_room_for_others() {
        let all: String = (PLANE..PLANE + BLOCK * 2047).filter_map(char::from_u32).chain(['\u{1}']).collect();
        let cleaned = without_forbidden(&all, InvalidCharacters::Keep).unwrap();
        assert!(cleaned.placeholders.is_none() && cleaned.text.ends_with('\u{fffd}'));
    }
}
