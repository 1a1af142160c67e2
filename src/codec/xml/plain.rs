//! A one-pass reader of element trees, for documents that have only elements, attributes, text and references.
//!
//! It never reports an error: on anything that it does not recognize, valid or not, it gives up, and roxmltree reads the
//! document. It must never read a document differently from roxmltree; a property test below compares the two.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::escape;
use super::prolog::{ATTRIBUTES, NAMESPACES, Start};
use super::tree::{Namespace, TreeBuilder, XmlAttribute, XmlTree};
use crate::codec::DocumentLimits;

/// The initial capacity for open elements and declared prefixes.
const USUAL: usize = 8;

/// The bytes that may be in a name: ASCII letters, digits, `_`, `-` and `.`.
const OF_NAMES: [bool; 256] = of_names();

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "the compiler runs this, over all bytes")]
const fn of_names() -> [bool; 256] {
    let mut of = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        of[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'_' | b'-' | b'.');
        byte += 1;
    }
    of
}

/// Reads the document whose root begins at `start`; `None` if it contains anything unusual.
pub(super) fn read(text: &str, start: Start, limits: DocumentLimits) -> Option<XmlTree<'_>> {
    if !start.plain || has_unusual_characters(text) {
        return None;
    }
    let left = limits.elements;
    let mut reader = PlainXmlReader {
        text,
        at: start.at,
        left,
        builder: TreeBuilder::default(),
        open: Vec::with_capacity(USUAL),
        scope: Vec::with_capacity(USUAL),
        declared: 0,
    };
    while reader.step()? {}
    reader.blank();
    (reader.at == text.len()).then(|| reader.builder.finish())
}

/// Whether the text contains a character that XML forbids or normalizes, or `]]>`, which is forbidden in text.
pub(in crate::codec) fn has_unusual_characters(text: &str) -> bool {
    let bytes = text.as_bytes();
    let control = bytes.iter().fold(false, |found, byte| found | (*byte < 0x20 && *byte != b'\n' && *byte != b'\t'));
    // Most documents are short: searching for one byte first is cheaper than setting up a search for a substring.
    control
        || (memchr(b']', bytes).is_some() && memmem::find(bytes, b"]]>").is_some())
        || (memchr(0xef, bytes).is_some() && memmem::find(bytes, b"\xef\xbf").is_some())
}

struct PlainXmlReader<'a> {
    text: &'a str,
    at: usize,
    /// How many more elements and attributes are allowed.
    left: usize,
    builder: TreeBuilder<'a>,
    /// The open elements: their qualified names, and how many prefixes were in scope before each.
    open: Vec<(&'a str, usize)>,
    /// The prefixes in scope; the empty prefix is the default namespace.
    scope: Vec<(&'a str, Namespace)>,
    /// How many namespaces have been declared so far.
    declared: usize,
}

/// A qualified name; its prefix may be empty.
struct PrefixedName<'a> {
    whole: &'a str,
    prefix: &'a str,
    local: &'a str,
}

impl<'a> PlainXmlReader<'a> {
    /// Reads a tag or a text; returns whether the root is still open.
    fn step(&mut self) -> Option<bool> {
        match self.rest() {
            [b'<', b'/', ..] => self.end_tag()?,
            [b'<', ..] => self.start_tag()?,
            _ => self.content()?,
        }
        Some(!self.open.is_empty())
    }

    fn start_tag(&mut self) -> Option<()> {
        self.at += 1;
        let name = self.name()?;
        let outside = self.scope.len();
        let mut given: Vec<(PrefixedName<'a>, &'a str)> = Vec::new();
        while self.blank() && !self.rest().starts_with(b">") && !self.rest().starts_with(b"/") {
            let (name, value) = self.attribute()?;
            match (name.prefix, name.local) {
                ("", "xmlns") => self.declare("", value)?,
                ("xmlns", prefix) => self.declare(prefix, value)?,
                _ if given.len() < ATTRIBUTES => given.push((name, value)),
                _ => return None,
            }
        }
        let declared = self.scope.get(outside..).unwrap_or_default();
        if has_ambiguous_names(declared) || declared.len() + given.len() > ATTRIBUTES {
            return None;
        }
        self.left = self.left.checked_sub(1 + given.len() + declared.len())?;
        let namespace = self.namespace(name.prefix)?;
        self.builder.enter(name.local, namespace);
        for (name, value) in given {
            let namespace = if name.prefix.is_empty() { None } else { self.namespace(name.prefix)? };
            self.builder.attribute(XmlAttribute { namespace, name: name.local, value: Cow::Borrowed(value) });
        }
        self.open.push((name.whole, outside));
        match self.rest() {
            [b'>', ..] => self.at += 1,
            [b'/', b'>', ..] => {
                self.at += 2;
                self.leave();
            }
            _ => return None,
        }
        (!self.builder.has_ambiguous_names()).then_some(())
    }

    fn end_tag(&mut self) -> Option<()> {
        let (name, _) = self.open.last()?;
        let behind = self.rest().get(2..)?.strip_prefix(name.as_bytes())?;
        self.at = self.text.len() - behind.len();
        self.blank();
        self.rest().starts_with(b">").then(|| self.at += 1)?;
        self.leave();
        Some(())
    }

    fn leave(&mut self) {
        self.builder.leave();
        if let Some((_, outside)) = self.open.pop() {
            self.scope.truncate(outside);
        }
    }

    /// The text up to the next tag, with its references resolved.
    fn content(&mut self) -> Option<()> {
        let length = memchr(b'<', self.rest())?;
        let content = self.text.get(self.at..self.at + length)?;
        self.at += length;
        self.builder.text(escape::resolve(content)?);
        Some(())
    }

    fn attribute(&mut self) -> Option<(PrefixedName<'a>, &'a str)> {
        let name = self.name()?;
        let [b'=', quote @ (b'"' | b'\''), rest @ ..] = self.rest() else { return None };
        let length = memchr(*quote, rest)?;
        let start = self.at + 2;
        let value = self.text.get(start..start + length)?;
        self.at = start + length + 1;
        let unusual = value.bytes().any(|byte| matches!(byte, b'&' | b'<' | b'\t' | b'\n'));
        (!unusual).then_some((name, value))
    }

    /// A name of ASCII letters, digits, `_`, `-` and `.`, with at most one colon in it.
    fn name(&mut self) -> Option<PrefixedName<'a>> {
        let first = self.part()?;
        let begun = self.at;
        if !self.rest().starts_with(b":") {
            return Some(PrefixedName { whole: first, prefix: "", local: first });
        }
        self.at += 1;
        let local = self.part()?;
        let whole = self.text.get(begun - first.len()..self.at)?;
        (!self.rest().starts_with(b":")).then_some(PrefixedName { whole, prefix: first, local })
    }

    /// A name or a part of one, without a colon.
    fn part(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let begins = rest.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_');
        let belongs = |byte: &u8| OF_NAMES.get(usize::from(*byte)).is_some_and(|belongs| *belongs);
        let length = rest.iter().position(|byte| !belongs(byte)).filter(|_| begins)?;
        let part = self.text.get(self.at..self.at + length)?;
        self.at += length;
        Some(part)
    }

    /// Declares a prefix. Prefixes and namespaces that XML reserves are left to roxmltree.
    fn declare(&mut self, prefix: &'a str, uri: &'a str) -> Option<()> {
        let reserved = prefix.starts_with("xml") || uri.is_empty() || uri.starts_with("http://www.w3.org/XML/1998");
        if reserved || uri == "http://www.w3.org/2000/xmlns/" || self.declared == NAMESPACES {
            return None;
        }
        let namespace = self.builder.declare(Cow::Borrowed(uri));
        self.scope.push((prefix, namespace));
        self.declared += 1;
        Some(())
    }

    /// The namespace of a prefix: `None` if the prefix is not declared, `Some(None)` for no default namespace.
    fn namespace(&self, prefix: &str) -> Option<Option<Namespace>> {
        let found = self.scope.iter().rev().find(|(declared, _)| *declared == prefix).map(|(_, namespace)| *namespace);
        if found.is_none() && !prefix.is_empty() { None } else { Some(found) }
    }

    /// Skips white space; returns whether there was any, or none is needed before what follows.
    fn blank(&mut self) -> bool {
        let blank = self.rest().iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n')).count();
        self.at += blank;
        blank > 0 || matches!(self.rest(), [b'>' | b'/', ..])
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

fn has_ambiguous_names(declared: &[(&str, Namespace)]) -> bool {
    declared.iter().enumerate().any(|(at, (one, _))| declared.iter().skip(at + 1).any(|(other, _)| one == other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::xml::tree::Element;
    use crate::codec::xml::{Reading, prolog};

    fn plain(text: &str, limits: DocumentLimits) -> Option<XmlTree<'_>> {
        prolog::start(text, Reading::Lenient).ok().and_then(|start| read(text, start, limits))
    }

    /// Everything that a user of the tree can see of an element.
    fn shown(element: Element<'_, '_>) -> String {
        let attributes = element.attributes().iter();
        let attributes: Vec<_> = attributes.map(|it| (it.name, it.value.as_ref(), element.namespace_of(it))).collect();
        let inside: Vec<String> = element.elements().map(shown).collect();
        let (name, namespace) = (element.name(), element.namespace());
        let (text, mixed, empty) = (element.text().ok(), element.no_text().is_err(), element.is_empty());
        format!("{name} {namespace:?} {attributes:?} {text:?} {mixed} {empty} {inside:?}")
    }

    fn same(text: &str, limits: DocumentLimits) -> Result<bool, TestCaseError> {
        let Some(tree) = plain(text, limits) else { return Ok(false) };
        prop_assert_eq!(prolog::census(text, limits), Ok(()), "the census of {}", text);
        let other = XmlTree::read_any(text, limits);
        prop_assert!(other.is_ok(), "{} is read, but {:?}", text, other);
        let [one, other] = [tree, other.unwrap_or_default()].map(|tree| tree.root().map(shown));
        prop_assert_eq!(one, other, "{}", text);
        Ok(true)
    }

    #[test]
    fn documents_of_real_clients_are_plain() {
        for text in [
            "<a/>",
            "<?xml version=\"1.0\" encoding='utf-8'?>\n<s:E xmlns:s=\"urn:s\" xmlns=\"urn:d\">\n <s:B a=\"1\" s:b='\"'>\
             <c xmlns=\"urn:e\">&lt;&#228;&amp;</c ><d/><e ></e>\n</s:B>\n</s:E>\n",
            "<a>text<b/>more</a>",
            "<a xmlns:p='u'><p:b xmlns:p='v'/><p:c/></a>",
        ] {
            assert!(same(text, DocumentLimits::default()).unwrap(), "{text}");
        }
    }

    #[test]
    fn unusual_or_invalid_documents_are_left_to_roxmltree() {
        for text in [
            "<a><!-- --></a>",
            "<a><![CDATA[b]]></a>",
            "<a><?b c?></a>",
            "<a>\r\n</a>",
            "<a b='&lt;'/>",
            "<a b='\t'/>",
            "<a",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>b",
            "<a b/>",
            "<a b=c/>",
            "<a b='1'c='2'/>",
            "<a b='1' b='2'/>",
            "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>",
            "<p:a/>",
            "<a p:b=''/>",
            "<a xmlns:p='u'><b xmlns:p=''/></a>",
            "<a xmlns='u'><b xmlns=''/></a>",
            "<xml:a/>",
            "<a xmlns:xml='u'/>",
            "<a:b:c xmlns:a='u'/>",
            "<:a/>",
            "<a:/>",
            "<1/>",
            "<a>&nbsp;</a>",
            "<a>&#0;</a>",
            "<ä/>",
            "<a xmlns:p='u' xmlns:p='v'/>",
            "< a/>",
            "<a / >",
        ] {
            assert_eq!(plain(text, DocumentLimits::default()), None, "{text}");
        }
        let limits = |elements| DocumentLimits { elements, ..DocumentLimits::default() };
        let text = "<a b='1' xmlns='u'><c/></a>";
        assert!(plain(text, limits(4)).is_some() && plain(text, limits(3)).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn both_readers_build_the_same_tree(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "<a>", "</a>", "<b/>", "<p:a xmlns:p='u'>", "</p:a>", "<p:b/>", "<p:b p:c='1' c='2'/>", "<a xmlns='v'>", "<b ",
                "c='d'", " c=\"d\"", " xmlns:q=\"w\"", " xmlns='x'", " q:c='&amp;'", ">", "/>", " ", "\n", "text", "&lt;", "&#13;",
                "&x;", "]]>", "<!-- -->", "é", "\u{ffff}", "<", "'", "=", "</a ", "<a\n",
            ]), 0..12),
            elements in 1..8_usize,
            whole in any::<bool>(),
        ) {
            let inside = pieces.concat();
            let text = if whole { format!("<a xmlns:p='o'>{inside}</a>") } else { inside };
            same(&text, DocumentLimits { elements, ..DocumentLimits::default() })?;
            same(&text, DocumentLimits::default())?;
        }
    }
}
