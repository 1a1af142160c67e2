//! Checks of an XML document before it is parsed: where its root begins, and how much mark-up it has.

use std::borrow::Cow;

use memchr::{memchr_iter, memmem};

use super::Reading;
use crate::codec::DocumentLimits;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

/// The most attributes that an element may have. XML-RPC uses none.
pub(super) const ATTRIBUTES: usize = 32;
/// The most namespace declarations in a message.
pub(super) const NAMESPACES: usize = 32;
/// How much mark-up a message may have.
const OF_MESSAGES: Bounds =
    Bounds { attributes: ATTRIBUTES, namespaces: NAMESPACES, copies: usize::MAX, comparisons: usize::MAX };
/// How much mark-up a WSDL document may have, which combines several schemas. Some servers declare a namespace at each
/// element that needs one.
const OF_DESCRIPTIONS: Bounds =
    Bounds { attributes: 8192, namespaces: 100_000, copies: 32 << 20, comparisons: 32 << 20 };
/// How much mark-up a response of an upstream may have: rows with an attribute for each column, and declarations at each element
/// that needs one. roxmltree takes two bytes for each copy of a declaration, so 8 MiB for all.
const OF_RESPONSES: Bounds = Bounds { attributes: 4096, namespaces: 1 << 20, copies: 4 << 20, comparisons: 64 << 20 };
/// How many comparisons of attributes there may be for each byte of a response.
const COMPARISONS_PER_BYTE: usize = 16;
/// The most `<` and the most `=` in any document: roxmltree allocates for that many elements and attributes before it
/// parses the first one.
const MARKS: usize = 1 << 20;

/// How much mark-up a kind of document may have, apart from its elements.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// The most attributes of an element.
    attributes: usize,
    /// The most namespace declarations.
    namespaces: usize,
    /// The most declarations that roxmltree may copy: at each element with a declaration, those of all elements around it.
    copies: usize,
    /// The most comparisons of names: roxmltree compares each attribute with the others of its element.
    comparisons: usize,
}

const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];
/// The character of a byte order mark. Software that puts documents together leaves some in front of the declaration.
const MARK: char = '\u{feff}';

/// The beginning of nearly every document.
const USUAL: &str = "<?xml version=\"1.0\"?>";

/// Where the root element of a document begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codec) struct Start {
    /// Its offset in bytes.
    pub(in crate::codec) at: usize,
    /// Whether only a declaration and white space precede it.
    pub(in crate::codec) plain: bool,
}

/// Finds the root element of a document.
///
/// # Errors
/// `NotWellFormed` for a document type declaration, XML other than 1.0, text before the root, and, in strict
/// reading, white space before the XML declaration.
pub(in crate::codec) fn start(text: &str, reading: Reading) -> Result<Start, Fault> {
    if let Some(behind) = text.strip_prefix(USUAL) {
        let root = behind.trim_ascii_start();
        if matches!(root.as_bytes(), [b'<', b'a'..=b'z', ..]) {
            return Ok(Start { at: text.len() - root.len(), plain: true });
        }
    }
    let mut left = text.get(before_document(text, reading)..).unwrap_or_default();
    if is_declaration(left) {
        if left.len() < text.len() && reading == Reading::Strict {
            return Err(broken("there is white space before the XML declaration"));
        }
        left = Declaration(left).pass()?;
    }
    let mut plain = true;
    loop {
        left = left.trim_start_matches(BLANK);
        if let Some(instruction) = left.strip_prefix("<?") {
            check_instruction(left)?;
            left = behind(instruction, "?>").ok_or_else(|| broken("a processing instruction does not end"))?;
        } else if let Some(comment) = left.strip_prefix("<!--") {
            left = behind(comment, "-->").ok_or_else(|| broken("a comment does not end"))?;
        } else if left.starts_with("<!") {
            return Err(no_doctype());
        } else if left.starts_with('<') {
            return Ok(Start { at: text.len() - left.len(), plain });
        } else if left.is_empty() {
            return Err(broken("there is no element in the document"));
        } else {
            return Err(broken("the document does not begin with an element"));
        }
        plain = false;
    }
}

/// Checks what precedes a root element: at most an XML declaration, followed by white space.
///
/// # Errors
/// `NotWellFormed` for anything else.
#[cfg(feature = "server")]
pub(super) fn declaration(text: &str) -> Result<(), Fault> {
    let behind = if is_declaration(text) { Declaration(text).pass()? } else { text };
    let is_blank = behind.trim_start_matches(BLANK).is_empty();
    if is_blank { Ok(()) } else { Err(broken("the XML declaration is not at the beginning of the document")) }
}

/// The length of what precedes a document and is not part of it: white space and, in lenient reading, byte order marks.
pub(in crate::codec) fn before_document(text: &str, reading: Reading) -> usize {
    let is_skipped = |c: char| BLANK.contains(&c) || (c == MARK && reading == Reading::Lenient);
    text.len() - text.trim_start_matches(is_skipped).len()
}

/// The census: counts the mark-up before the document is parsed, so that no tree is allocated for a document that has too
/// much, and checks what roxmltree does not check.
///
/// In a document that is not well-formed the count can be wrong, but only after the position at which a parser stops:
/// up to there both see the same tags.
pub(in crate::codec) fn census(text: &str, limits: DocumentLimits) -> Result<(), Fault> {
    count(text, limits, OF_MESSAGES)
}

/// As [`census`], with the limits for a WSDL document.
pub(in crate::codec) fn census_of_description(text: &str, limits: DocumentLimits) -> Result<(), Fault> {
    count(text, limits, OF_DESCRIPTIONS)
}

/// As [`census`], with the limits for a response of an upstream.
pub(in crate::codec) fn census_of_response(text: &str, limits: DocumentLimits) -> Result<(), Fault> {
    let comparisons = OF_RESPONSES.comparisons.max(text.len().saturating_mul(COMPARISONS_PER_BYTE));
    count(text, limits, Bounds { comparisons, ..OF_RESPONSES })
}

/// The text with its document type declaration (XML 1.0, section 2.8) replaced by spaces, so that other positions stay. What
/// is declared in it is neither read nor expanded.
pub fn without_doctype(text: &str) -> Cow<'_, str> {
    let mut left = text.get(before_document(text, Reading::Lenient)..).unwrap_or_default();
    loop {
        left = left.trim_start_matches(BLANK);
        let rest = if let Some(instruction) = left.strip_prefix("<?") {
            behind(instruction, "?>")
        } else if let Some(comment) = left.strip_prefix("<!--") {
            behind(comment, "-->")
        } else {
            break;
        };
        let Some(rest) = rest else { return Cow::Borrowed(text) };
        left = rest;
    }
    let length = left.starts_with("<!DOCTYPE").then(|| doctype_length(left.as_bytes())).flatten();
    let Some((doctype, rest)) = length.and_then(|length| left.split_at_checked(length)) else {
        return Cow::Borrowed(text);
    };
    let before = text.get(..text.len() - left.len()).unwrap_or_default();
    let spaces = doctype.chars().map(|c| if c == '\n' { '\n' } else { ' ' });
    Cow::Owned(before.chars().chain(spaces).chain(rest.chars()).collect())
}

/// The length of a document type declaration with its internal subset; `None` if it does not end.
fn doctype_length(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut is_in_subset) = (0, false);
    loop {
        let left = bytes.get(at..)?;
        at += match left {
            [b'<', b'!', b'-', b'-', comment @ ..] => 4 + memmem::find(comment, b"-->")? + 3,
            [b'<', b'?', instruction @ ..] => 2 + memmem::find(instruction, b"?>")? + 2,
            [quote @ (b'"' | b'\''), text @ ..] => 1 + memchr::memchr(*quote, text)? + 1,
            [b'>', ..] if !is_in_subset => return Some(at + 1),
            [byte, ..] => {
                is_in_subset = (is_in_subset || *byte == b'[') && *byte != b']';
                1
            }
            [] => return None,
        };
    }
}

fn count(text: &str, limits: DocumentLimits, bounds: Bounds) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    if memchr_iter(b'<', bytes).count().max(memchr_iter(b'=', bytes).count()) > MARKS.max(4 * limits.elements) {
        return Err(Fault::new(Kind::Limit, "the document has too many `<` or `=`"));
    }
    let (mut at, mut counted, mut namespaces) = (0, 0, 0);
    let mut scopes = Scopes::default();
    while let Some(found) = memchr::memchr(b'<', tail(bytes, at)) {
        check_references(bytes.get(at..at + found).unwrap_or_default())?;
        at += found + 1;
        let left = tail(bytes, at);
        counted += 1;
        at += match left {
            [b'!', b'-', b'-', comment @ ..] => 3 + skip(comment, b"-->"),
            [b'!', b'[', ..] => skip(left, b"]]>"),
            [b'!', ..] => return Err(no_doctype()),
            [b'?', ..] => {
                // An XML declaration can only be at the very beginning, and is not counted.
                if at > 1 {
                    check_instruction(text.get(at - 1..).unwrap_or_default())?;
                } else if is_declaration(text) {
                    counted -= 1;
                }
                skip(left, b"?>")
            }
            [b'/', ..] => {
                counted -= 1;
                scopes.leave();
                skip(left, b">")
            }
            _ => {
                let tag = Tag::read(left, bounds.attributes);
                if tag.attributes > bounds.attributes {
                    let message = format!("an element has more than {} attributes", bounds.attributes);
                    return Err(Fault::new(Kind::Limit, message));
                }
                counted += tag.attributes;
                namespaces += tag.namespaces;
                if bounds.copies < usize::MAX {
                    let is_empty = tag.length >= 2 && left.get(tag.length - 2) == Some(&b'/');
                    scopes.enter(&tag, is_empty);
                    if scopes.copies > bounds.copies {
                        return Err(Fault::new(
                            Kind::Limit,
                            "the document declares too many namespaces inside each other",
                        ));
                    }
                    if scopes.comparisons > bounds.comparisons {
                        return Err(Fault::new(Kind::Limit, "elements of the document have too many attributes"));
                    }
                }
                tag.length
            }
        };
        if counted > limits.elements {
            return Err(Fault::new(Kind::Limit, too_many(limits)));
        }
    }
    if namespaces > bounds.namespaces {
        let message = format!("the document has more than {} namespace declarations", bounds.namespaces);
        return Err(Fault::new(Kind::Limit, message));
    }
    Ok(())
}

/// How many namespaces are declared at each open element and those around it.
#[derive(Default)]
struct Scopes {
    open: Vec<usize>,
    /// How many declarations a parser copies up to here.
    copies: usize,
    /// How many names a parser compares up to here.
    comparisons: usize,
}

impl Scopes {
    fn enter(&mut self, tag: &Tag, is_empty: bool) {
        let outer = self.open.last().copied().unwrap_or(1);
        let attributes = tag.attributes.saturating_mul(tag.attributes);
        let declared = if tag.namespaces > 0 { outer.saturating_mul(tag.namespaces + 1) } else { 0 };
        self.comparisons = self.comparisons.saturating_add(attributes);
        self.copies = self.copies.saturating_add(declared);
        if !is_empty {
            self.open.push(outer.saturating_add(tag.namespaces));
        }
    }

    fn leave(&mut self) {
        self.open.pop();
    }
}

/// Refuses references to characters that XML forbids.
fn check_references(text: &[u8]) -> Result<(), Fault> {
    for at in memmem::find_iter(text, b"&#") {
        let name = tail(text, at + 1);
        let length = name.iter().skip(1).take_while(|byte| byte.is_ascii_alphanumeric()).count() + 1;
        let ends = name.get(length) == Some(&b';');
        let name = name.get(..length).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        if !ends || super::escape::referred(name).is_none() {
            let message = format!("not well-formed: `&{}` refers to no character of XML", abridge(name));
            return Err(Fault::new(Kind::NotWellFormed, message));
        }
    }
    Ok(())
}

/// One start tag: its length after the `<`, and what it contains.
struct Tag {
    length: usize,
    attributes: usize,
    namespaces: usize,
}

impl Tag {
    /// Reads the tag that begins after its `<`, up to its end or one attribute more than `most`.
    fn read(bytes: &[u8], most: usize) -> Tag {
        let (mut at, mut attributes, mut namespaces) = (0, 0, 0);
        loop {
            let left = tail(bytes, at);
            let Some(found) = left.iter().position(|byte| matches!(byte, b'>' | b'"' | b'\'')) else {
                return Tag { length: bytes.len(), attributes, namespaces };
            };
            at += found + 1;
            let Some(quote) = left.get(found).filter(|byte| **byte != b'>') else {
                return Tag { length: at, attributes, namespaces };
            };
            attributes += 1;
            if attributes > most {
                return Tag { length: at, attributes, namespaces };
            }
            let name = left.get(..found).unwrap_or_default();
            namespaces += usize::from(memmem::find(name, b"xmlns").is_some());
            at += memchr::memchr(*quote, tail(bytes, at)).map_or(bytes.len(), |end| end + 1);
        }
    }
}

/// Whether an XML declaration begins here.
fn is_declaration(text: &str) -> bool {
    text.strip_prefix("<?xml").is_some_and(|rest| rest.starts_with(BLANK) || rest.starts_with("?>"))
}

/// Refuses an XML declaration that is not at the beginning of the document.
fn check_instruction(text: &str) -> Result<(), Fault> {
    if is_declaration(text) {
        Err(broken("an XML declaration is not at the beginning of the document"))
    } else {
        Ok(())
    }
}

/// The unread rest of an XML declaration.
struct Declaration<'a>(&'a str);

impl<'a> Declaration<'a> {
    /// Checks the declaration and returns the text after it.
    fn pass(mut self) -> Result<&'a str, Fault> {
        let malformed = || broken("the XML declaration is malformed");
        self.0 = self.0.strip_prefix("<?xml").unwrap_or_default();
        match self.value("version") {
            Some("1.0") => {}
            Some(_) => return Err(broken("only XML 1.0 is supported")),
            None => return Err(malformed()),
        }
        let encoding = self.value("encoding").is_none_or(is_encoding);
        let standalone = self.value("standalone").is_none_or(|word| matches!(word, "yes" | "no"));
        let end = self.0.trim_start_matches(BLANK).strip_prefix("?>");
        end.filter(|_| encoding && standalone).ok_or_else(malformed)
    }

    /// Reads white space and `name = "value"`, and returns the value; reads nothing if something else follows.
    fn value(&mut self, name: &str) -> Option<&'a str> {
        let found = self.0.strip_prefix(BLANK)?.trim_start_matches(BLANK).strip_prefix(name)?;
        let quoted = found.trim_start_matches(BLANK).strip_prefix('=')?.trim_start_matches(BLANK);
        let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, rest) = quoted.strip_prefix(quote)?.split_once(quote)?;
        self.0 = rest;
        Some(value)
    }
}

fn is_encoding(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The message for a document with more mark-up than the limits allow.
pub(in crate::codec) fn too_many(limits: DocumentLimits) -> String {
    format!("the document has more than {} elements, attributes and comments", limits.elements)
}

fn behind<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    text.split_once(end).map(|(_, rest)| rest)
}

fn skip(bytes: &[u8], end: &[u8]) -> usize {
    memmem::find(bytes, end).map_or(bytes.len(), |at| at + end.len())
}

fn tail(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

fn no_doctype() -> Fault {
    broken("a document type declaration is not allowed")
}

fn broken(message: &'static str) -> Fault {
    Fault::new(Kind::NotWellFormed, format!("not well-formed: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_after_everything_that_may_precede_it() {
        for (text, at, plain) in [
            ("<a/>", 0, true),
            ("<?xml version='1.0'?><a/>", 21, true),
            ("\n<?xml\tversion = \"1.0\"\nencoding='UTF-8' standalone='no' ?>\n<a/>", 59, true),
            (" <!-- <b> --><?x <c> ?>\n<a/>", 24, false),
            ("\n\u{feff}\u{feff} <?xml version='1.0'?><a/>", 29, true),
            ("<?xml-stylesheet version='2'?><a/>", 30, false),
        ] {
            assert_eq!(start(text, Reading::Lenient), Ok(Start { at, plain }), "{text}");
        }
    }

    #[test]
    fn anything_else_before_the_root_is_refused() {
        for text in [
            "",
            "spin",
            "<!DOCTYPE a><a/>",
            "<?xml version='1.0'?><!DOCTYPE a []><a/>",
            "<!-- --><!DOCTYPE a><a/>",
            "<!-- <a/>",
            "<?x <a/>",
            "<?xml version='1.1'?><a/>",
            "<?xml version='1.1' encoding='1.0'?><a/>",
            "<?xml?><a/>",
            "<?xml <a/>",
            "<?xml encoding='utf-8' version='1.0'?><a/>",
            "<?xml version='1.0'encoding='utf-8'?><a/>",
            "<?xml version='1.0' encoding=''?><a/>",
            "<?xml version='1.0' standalone='maybe'?><a/>",
            "<?xml version='1.0' more='1'?><a/>",
            "<!-- --><?xml version='1.0'?><a/>",
        ] {
            assert_eq!(start(text, Reading::Lenient).unwrap_err().kind, Kind::NotWellFormed, "{text}");
        }
        assert!(start("\n<?xml version='1.0'?><a/>", Reading::Strict).is_err());
        assert!(start("\u{feff}<?xml version='1.0'?><a/>", Reading::Strict).is_err());
        assert!(start("\n<?xml-stylesheet?><a/>", Reading::Strict).is_ok());
        assert!(start("\n<a/>", Reading::Strict).is_ok());
    }

    #[test]
    fn references_must_be_to_characters() {
        let check = |text| census(text, DocumentLimits::default());
        for text in ["<a>&#65;&amp;&#x10FFFF;</a>", "<a><![CDATA[&#0;]]><!-- &#0; --><?p &#0;?></a>", "<a>&nbsp;</a>"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in
            ["<a>&#0;</a>", "<a>&#xD800;</a>", "<a>b&#x110000;</a>", "<a>&#;</a>", "<a>&#X41;</a>", "<a>&#65</a>"]
        {
            assert_eq!(check(text).unwrap_err().kind, Kind::NotWellFormed, "{text}");
        }
    }

    #[test]
    fn a_declaration_inside_the_document_is_refused() {
        assert!(census("<?xml version='1.0'?><a/>", DocumentLimits::default()).is_ok());
        assert!(census("<a><?xml\tversion='1.0'?></a>", DocumentLimits::default()).is_err());
    }

    #[test]
    fn quoted_brackets_and_comments_do_not_change_the_count() {
        let count = |text, elements| census(text, DocumentLimits { depth: 64, elements }).is_ok();
        // Two elements, two attributes, a comment, a section and an instruction.
        let text = "<a b='>' c=\"<\"><!-- <x> --><![CDATA[<y>]]><?p <z> ?><b/></a>";
        assert!(count(text, 7) && !count(text, 6));
        assert!(count("<a><b/><c/></a>", 3) && !count("<a><b/><c/></a>", 2));
        // The declaration is none of them, but an instruction in its place is.
        assert!(count("<?xml version='1.0'?><a><b/></a>", 2) && !count("<?p q?><a><b/></a>", 2));
    }

    #[test]
    fn too_many_attributes_or_namespaces_are_refused() {
        let many: String = (0..40).map(|n| format!(" a{n}='>'")).collect();
        assert_eq!(census(&format!("<a{many}/>"), DocumentLimits::default()).unwrap_err().kind, Kind::Limit);
        let spaces: String = (0..300).map(|n| format!("<a xmlns:n{n}='u{n}'/>")).collect();
        assert_eq!(census(&format!("<r>{spaces}</r>"), DocumentLimits::default()).unwrap_err().kind, Kind::Limit);
    }

    #[test]
    fn descriptions_may_declare_a_namespace_at_each_element() {
        let check = |text: &str| census_of_description(text, DocumentLimits::default()).map_err(|fault| fault.kind);
        let each: String = (0..20_000).map(|n| format!("<a xmlns:q{n}='u'/>")).collect();
        assert_eq!(check(&format!("<r xmlns='a' xmlns:b='b'>{each}</r>")), Ok(()));
        let many: String = (0..4000).map(|n| format!(" xmlns:q{n}='u{n}'")).collect();
        assert_eq!(check(&format!("<r{many}><a><b/></a><c>{}</c></r>", "<d e='f'/>".repeat(10_000))), Ok(()));
        // Each of these would copy all declarations around it.
        let copies = "<a xmlns:z='z'/>".repeat(20_000);
        assert_eq!(check(&format!("<r{many}>{copies}</r>")), Err(Kind::Limit));
        let nested = format!("{}{}", "<a xmlns:z='z'>".repeat(20_000), "</a>".repeat(20_000));
        assert_eq!(check(&nested), Err(Kind::Limit));
        let attributes: String = (0..8000).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(check(&format!("<a{attributes}/>")), Err(Kind::Limit));
    }

    #[test]
    fn responses_may_have_many_attributes_and_declare_a_namespace_at_each_element() {
        let limits = DocumentLimits { elements: 10_000_000, ..DocumentLimits::default() };
        let check = |text: &str| census_of_response(text, limits).map_err(|fault| fault.kind);
        let columns: String = (0..200).map(|n| format!(" ows_Column{n}='{n}'")).collect();
        let rows = format!("<z:row xmlns:z='u'{columns}/>").repeat(3000);
        assert_eq!(check(&format!("<r xmlns='a' xmlns:b='b'>{rows}</r>")), Ok(()));
        let many: String = (0..4000).map(|n| format!(" xmlns:q{n}='u{n}'")).collect();
        assert_eq!(check(&format!("<r{many}>{}</r>", "<a xmlns:z='z'/>".repeat(20_000))), Err(Kind::Limit));
        let attributes: String = (0..4000).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(check(&format!("<r>{}</r>", format!("<a{attributes}/>").repeat(20))), Err(Kind::Limit));
        assert_eq!(check(&format!("<a{attributes}{attributes}/>")), Err(Kind::Limit));
    }

    #[test]
    fn a_document_type_is_passed_over() {
        for (text, expected) in [
            ("<!DOCTYPE a><a/>", "            <a/>"),
            ("<?xml version='1.0'?>\n<!DOCTYPE a>\n<a/>", "<?xml version='1.0'?>\n            \n<a/>"),
            ("<!DOCTYPE a SYSTEM \"]>\"\n[<!ENTITY é '>]'>]>é", &format!("{}\n{}é", " ".repeat(23), " ".repeat(19))),
            ("<!-- x --><!DOCTYPE a [<!-- ]> ' --><?p ]>' ?>]><a/>", &format!("<!-- x -->{}<a/>", " ".repeat(38))),
            ("<!DOCTYPE a [ ><a/>", "<!DOCTYPE a [ ><a/>"),
            ("<!DOCTYPE a '><a/>", "<!DOCTYPE a '><a/>"),
            ("<a/><!DOCTYPE a>", "<a/><!DOCTYPE a>"),
            ("", ""),
        ] {
            assert_eq!(without_doctype(text), expected, "{text}");
        }
    }
}
