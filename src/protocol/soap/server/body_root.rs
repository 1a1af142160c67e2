//! Finds the root element of a document before the document is parsed, to choose its protocol.

use std::borrow::Cow;

use memchr::{memchr, memmem};

/// The largest part of a UTF-16 document that is searched, in bytes.
const MAX_UTF16: usize = 8192;

/// The local name of the root element of a document; `None` if the scan does not find it. The scan runs for every request
/// in XML and does not allocate, except for UTF-16.
pub(super) fn root_name(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    match body {
        [0xef, 0xbb, 0xbf, rest @ ..] => find(rest).map(Cow::Borrowed),
        [0xff, 0xfe, rest @ ..] | rest @ [1..0x80, 0, ..] => {
            find(&ascii_of_utf16(rest, 0)).map(|name| Cow::Owned(name.to_vec()))
        }
        [0xfe, 0xff, rest @ ..] | rest @ [0, 1..0x80, ..] => {
            find(&ascii_of_utf16(rest, 1)).map(|name| Cow::Owned(name.to_vec()))
        }
        _ => find(body).map(Cow::Borrowed),
    }
}

/// The ASCII characters of a UTF-16 text; others become `?`. `low` is the index of the low byte in each pair.
fn ascii_of_utf16(wide: &[u8], low: usize) -> Vec<u8> {
    let pairs = wide.get(..MAX_UTF16).unwrap_or(wide).chunks_exact(2);
    pairs.map(|pair| pair.get(low).copied().filter(|_| pair.get(1 - low) == Some(&0)).unwrap_or(b'?')).collect()
}

fn find(mut left: &[u8]) -> Option<&[u8]> {
    loop {
        left = left.trim_ascii_start();
        left = match left {
            [b'<', b'?', rest @ ..] => after(rest, b"?>")?,
            [b'<', b'!', b'-', b'-', rest @ ..] => after(rest, b"-->")?,
            [b'<', b'!', rest @ ..] => after_doctype(rest)?,
            [b'<', rest @ ..] => return local_name(rest),
            _ => return None,
        };
    }
}

fn local_name(tag: &[u8]) -> Option<&[u8]> {
    let end = tag.iter().position(|byte| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n'))?;
    let name = tag.get(..end)?;
    match memchr(b':', name) {
        Some(colon) => name.get(colon + 1..),
        None => Some(name),
    }
}

fn after<'a>(bytes: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    // A declaration is short: a loop over its bytes is faster than setting up a substring search.
    let near = bytes.get(..64).unwrap_or(bytes).windows(end.len()).position(|window| window == end);
    let at = near.or_else(|| memmem::find(bytes, end))?;
    bytes.get(at + end.len()..)
}

/// What follows a document type declaration. The parser refuses the document because of the declaration.
fn after_doctype(bytes: &[u8]) -> Option<&[u8]> {
    let close = memchr(b'>', bytes)?;
    match memchr(b'[', bytes).filter(|open| *open < close) {
        None => bytes.get(close + 1..),
        Some(_) => after(bytes.get(memchr(b']', bytes)?..)?, b">"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &[u8]) -> Option<String> {
        root_name(body).map(|name| String::from_utf8_lossy(&name).into_owned())
    }

    #[test]
    fn the_root_is_found_after_everything_that_may_precede_it() {
        let utf16 = |text: &str, big: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let declared = "<?xml version='1.0' encoding='UTF-16'?><s:Envelope xmlns:s='ä'/>";
        let marked = |big| utf16(&format!("\u{feff}{declared}"), big);
        for body in [
            b"<Envelope/>".to_vec(),
            b"<?xml version='1.0'?>\n<soap:Envelope xmlns:soap=''>".to_vec(),
            b"\xef\xbb\xbf <!-- <a> --><?p > ?>\r\n<e:Envelope\n".to_vec(),
            b"<!DOCTYPE a SYSTEM 'b'><Envelope>".to_vec(),
            b"<!DOCTYPE a [<!ENTITY b 'c'>]><Envelope>".to_vec(),
            [b"<?xml version='1.0'".to_vec(), vec![b' '; 500], b"?><Envelope/>".to_vec()].concat(),
            utf16(declared, true),
            utf16(declared, false),
            marked(true),
            marked(false),
        ] {
            assert_eq!(found(&body).as_deref(), Some("Envelope"), "{}", String::from_utf8_lossy(&body));
        }
        assert_eq!(found(b"<?xml version=\"1.0\"?><methodCall>").as_deref(), Some("methodCall"));
        for body in ["", " ", "<", "<?xml", "<!--", "<!DOCTYPE a [", "<!", "Envelope", "{}", "<Envelope"] {
            assert_eq!(found(body.as_bytes()), None, "{body}");
        }
    }
}
