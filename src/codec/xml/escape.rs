//! Writes text as XML character data and resolves references in character data.

use std::borrow::Cow;
use std::io::Write as _;

use memchr::memchr;

use super::{Characters, Control};

/// The class of a character by its first byte; 0 if the character is copied unchanged.
const ESCAPED: u8 = 1;
const FORBIDDEN: u8 = 2;
const PERHAPS: u8 = 3;
const FOREIGN: u8 = 4;

const CLASS: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "the compiler runs this, over the whole range")]
const fn classes() -> [u8; 256] {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte {
            0x09 | 0x0a => 0,
            0x26 | 0x3c | 0x3e | 0x0d => ESCAPED,
            0x00..0x20 => FORBIDDEN,
            0xef => PERHAPS,
            0x80.. => FOREIGN,
            _ => 0,
        };
        byte += 1;
    }
    class
}

/// Writes text as XML character data.
///
/// # Errors
/// The first character that XML forbids, if `how` refuses such characters.
pub(in crate::codec) fn text(to: &mut Vec<u8>, text: &str, how: Characters) -> Result<(), char> {
    let bytes = text.as_bytes();
    if bytes.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
        to.extend_from_slice(bytes);
        return Ok(());
    }
    let mut copied = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let class = CLASS.get(usize::from(*byte)).copied().unwrap_or_default();
        if class == 0 || (class == FOREIGN && !how.ascii) {
            continue;
        }
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { continue };
        if class == PERHAPS && super::is_xml_char(c) && !how.ascii {
            continue;
        }
        to.extend_from_slice(bytes.get(copied..at).unwrap_or_default());
        character(to, c, how)?;
        copied = at + c.len_utf8();
    }
    to.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    Ok(())
}

/// Whether a byte is a character that every dialect copies unchanged. It does not use the class table: the compiler can
/// vectorize these comparisons.
fn is_plain(byte: u8) -> bool {
    (0x20..0x80).contains(&byte) & (byte != b'&') & (byte != b'<') & (byte != b'>')
}

fn character(to: &mut Vec<u8>, c: char, how: Characters) -> Result<(), char> {
    match c {
        '&' => to.extend_from_slice(b"&amp;"),
        '<' => to.extend_from_slice(b"&lt;"),
        '>' => to.extend_from_slice(b"&gt;"),
        '\r' => to.extend_from_slice(b"&#13;"),
        c if super::is_xml_char(c) => reference(to, c),
        c => match how.control {
            Control::Refuse => return Err(c),
            Control::Strip => {}
            Control::Replace if how.ascii => reference(to, '\u{fffd}'),
            Control::Replace => to.extend_from_slice("\u{fffd}".as_bytes()),
        },
    }
    Ok(())
}

fn reference(to: &mut Vec<u8>, c: char) {
    // Writing to a vector cannot fail.
    let _ = write!(to, "&#{};", u32::from(c));
}

/// Replaces the references in a text; `None` if one is neither predefined nor a valid character reference.
pub(in crate::codec) fn resolve(text: &str) -> Option<Cow<'_, str>> {
    let mut next = memchr(b'&', text.as_bytes());
    if next.is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = next {
        out.push_str(rest.get(..at)?);
        let reference = rest.get(at + 1..)?;
        let end = memchr(b';', reference.as_bytes())?;
        out.push(referred(reference.get(..end)?)?);
        rest = reference.get(end + 1..)?;
        next = memchr(b'&', rest.as_bytes());
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// The character for a reference, given the text between `&` and `;`.
pub(in crate::codec) fn referred(name: &str) -> Option<char> {
    let number = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let code = match number.strip_prefix('x') {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok()?,
        None if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse().ok()?,
        _ => return None,
    };
    char::from_u32(code).filter(|c| super::is_xml_char(*c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(input: &str, how: Characters) -> Result<String, char> {
        let mut to = Vec::new();
        text(&mut to, input, how).map(|()| String::from_utf8(to).unwrap())
    }

    #[test]
    fn characters_that_xml_readers_change_are_escaped() {
        let input = "a<b>&c\r\n\t\"é'\u{fffd}\u{10ffff}]]>";
        let expected = "a&lt;b&gt;&amp;c&#13;\n\t\"é'\u{fffd}\u{10ffff}]]&gt;";
        assert_eq!(written(input, Characters::default()).as_deref(), Ok(expected));
    }

    #[test]
    fn an_ascii_dialect_writes_references() {
        let how = Characters { ascii: true, ..Characters::default() };
        assert_eq!(written("aé\u{fffd}€z", how).as_deref(), Ok("a&#233;&#65533;&#8364;z"));
    }

    #[test]
    fn forbidden_characters_follow_the_policy() {
        for c in ['\0', '\u{1}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            let input = format!("a{c}b");
            let with = |control| written(&input, Characters { control, ..Characters::default() });
            assert_eq!(with(Control::Refuse), Err(c));
            assert_eq!(with(Control::Strip).as_deref(), Ok("ab"));
            assert_eq!(with(Control::Replace).as_deref(), Ok("a\u{fffd}b"));
        }
    }
}
