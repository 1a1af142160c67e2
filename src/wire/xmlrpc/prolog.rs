//! What stands before and between the elements of an XML document, looked at before a tree is made of it.

use memchr::{memchr2, memmem};

use super::dialect::Reading;
use crate::fault::{Fault, Kind};
use crate::wire::Limits;

/// How many attributes one element may have; nobody's XML-RPC has any.
const ATTRIBUTES: usize = 32;
/// How many namespaces a document may declare in all.
const NAMESPACES: usize = 256;

/// How nearly every document begins.
const USUAL: &str = "<?xml version=\"1.0\"?>";

/// Where the root element of a document begins.
///
/// # Errors
/// `NotWellFormed` for a document type declaration, XML other than 1.0, text before the root, and, in strict
/// reading, white space before the XML declaration.
pub(super) fn root(text: &str, reading: Reading) -> Result<usize, Fault> {
    if let Some(behind) = text.strip_prefix(USUAL) {
        let blank = behind.bytes().take_while(u8::is_ascii_whitespace).count();
        if matches!(behind.as_bytes().get(blank..), Some([b'<', b'a'..=b'z', ..])) {
            return Ok(USUAL.len() + blank);
        }
    }
    let start = text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len();
    if start > 0 && reading == Reading::Strict && rest(text, start).starts_with("<?xml") {
        return Err(broken("white space stands before the XML declaration"));
    }
    let mut at = start;
    loop {
        let left = rest(text, at);
        let trimmed = left.trim_start_matches([' ', '\t', '\r', '\n']);
        at += left.len() - trimmed.len();
        if let Some(instruction) = trimmed.strip_prefix("<?") {
            let end = instruction.find("?>").ok_or_else(|| broken("a processing instruction does not end"))?;
            check_version(instruction.get(..end).unwrap_or_default())?;
            at += end + 4;
        } else if let Some(comment) = trimmed.strip_prefix("<!--") {
            at += comment.find("-->").ok_or_else(|| broken("a comment does not end"))? + 7;
        } else if trimmed.starts_with("<!") {
            return Err(broken("a document type declaration is not allowed"));
        } else if trimmed.starts_with('<') {
            return Ok(at);
        } else {
            return Err(broken("the document does not begin with an element"));
        }
    }
}

/// Counts elements, attributes and namespaces, so that no tree is begun for a document that has too many.
///
/// Where the document is not well-formed the count may go astray, but only behind the place at which a parser
/// stops: up to there both read the same tags.
pub(super) fn census(text: &str, limits: Limits) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    let (mut at, mut elements, mut namespaces) = (0, 0, 0);
    while let Some(found) = memchr::memchr(b'<', tail(bytes, at)) {
        at += found + 1;
        let left = tail(bytes, at);
        at += match left {
            [b'!', b'-', b'-', comment @ ..] => 3 + skip(comment, b"-->"),
            [b'!', ..] => skip(left, b"]]>"),
            [b'?', ..] => skip(left, b"?>"),
            [b'/', ..] => skip(left, b">"),
            _ => {
                let tag = Tag::read(left);
                if tag.attributes > ATTRIBUTES {
                    return Err(Fault::new(Kind::Limit, format!("an element has more than {ATTRIBUTES} attributes")));
                }
                elements += 1;
                namespaces += tag.namespaces;
                tag.length
            }
        };
    }
    if elements > limits.elements {
        return Err(Fault::new(Kind::Limit, format!("more than {} elements", limits.elements)));
    }
    if namespaces > NAMESPACES {
        return Err(Fault::new(Kind::Limit, format!("more than {NAMESPACES} namespace declarations")));
    }
    Ok(())
}

/// One start tag: how long it is behind its `<`, and what it holds.
struct Tag {
    length: usize,
    attributes: usize,
    namespaces: usize,
}

impl Tag {
    fn read(bytes: &[u8]) -> Tag {
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
            let name = left.get(..found).unwrap_or_default();
            namespaces += usize::from(memmem::find(name, b"xmlns").is_some());
            at += memchr2(*quote, *quote, tail(bytes, at)).map_or(bytes.len(), |end| end + 1);
        }
    }
}

fn check_version(instruction: &str) -> Result<(), Fault> {
    match instruction.strip_prefix("xml") {
        Some(declaration) if declaration.starts_with([' ', '\t', '\r', '\n']) && declaration.contains("version") => {
            let one = ["\"1.0\"", "'1.0'"].iter().any(|version| declaration.contains(version));
            if one { Ok(()) } else { Err(broken("only XML 1.0 is read")) }
        }
        _ => Ok(()),
    }
}

fn skip(bytes: &[u8], end: &[u8]) -> usize {
    memmem::find(bytes, end).map_or(bytes.len(), |at| at + end.len())
}

fn tail(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

fn rest(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

fn broken(message: &'static str) -> Fault {
    Fault::new(Kind::NotWellFormed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_behind_all_that_may_stand_before_it() {
        for (text, at) in [("<a/>", 0), ("<?xml version='1.0'?><a/>", 21), (" <!-- <b> --><?x <c> ?>\n<a/>", 24)] {
            assert_eq!(root(text, Reading::Lenient), Ok(at), "{text}");
        }
    }

    #[test]
    fn what_may_not_stand_there_is_refused() {
        for text in [
            "",
            "spin",
            "<!DOCTYPE a><a/>",
            "<?xml version='1.0'?><!DOCTYPE a []><a/>",
            "<!-- --><!DOCTYPE a><a/>",
            "<!-- <a/>",
            "<?xml version='1.1'?><a/>",
            "<?xml <a/>",
        ] {
            assert_eq!(root(text, Reading::Lenient).unwrap_err().kind, Kind::NotWellFormed, "{text}");
        }
        assert!(root("\n<?xml version='1.0'?><a/>", Reading::Strict).is_err());
        assert!(root("\n<a/>", Reading::Strict).is_ok());
    }

    #[test]
    fn quoted_brackets_and_comments_do_not_disturb_the_count() {
        let limits = Limits { depth: 64, elements: 2 };
        assert_eq!(census("<a b='>' c=\"<\"><!-- <x> --><![CDATA[<y>]]><?p <z> ?><b/></a>", limits), Ok(()));
        assert_eq!(census("<a><b/><c/></a>", limits).unwrap_err().kind, Kind::Limit);
    }

    #[test]
    fn a_crowd_of_attributes_or_namespaces_is_refused() {
        let many: String = (0..40).map(|n| format!(" a{n}='>'")).collect();
        assert_eq!(census(&format!("<a{many}/>"), Limits::default()).unwrap_err().kind, Kind::Limit);
        let spaces: String = (0..300).map(|n| format!("<a xmlns:n{n}='u{n}'/>")).collect();
        assert_eq!(census(&format!("<r>{spaces}</r>"), Limits::default()).unwrap_err().kind, Kind::Limit);
    }
}
