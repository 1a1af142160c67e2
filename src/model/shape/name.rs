//! Escapes names that XML does not allow as element names.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Converts a name to an NCName (Namespaces in XML 1.0, section 3). A character that is not allowed at its position
/// becomes `_x`, its code in four or eight hexadecimal digits, and `_`, as in SQL/XML (ISO 9075-14, section 9.1) and .NET;
/// so does a `_` before an `x`. The empty name becomes `_x_`.
///
/// ```
/// use croupier::model::shape::escape;
/// assert_eq!(escape("validator1.easyStructTest"), "validator1.easyStructTest");
/// assert_eq!(escape("2000"), "_x0032_000");
/// assert_eq!(escape("math:add"), "math_x003A_add");
/// assert_eq!(escape("_x"), "_x005F_x");
/// ```
pub fn escape(name: &str) -> Cow<'_, str> {
    let escaped = |at: usize, c: char| {
        let rest = name.get(at + c.len_utf8()..).unwrap_or_default();
        (c == '_' && rest.starts_with('x')) || !if at == 0 { may_begin(c) } else { may_follow(c) }
    };
    if name.is_empty() {
        return Cow::Borrowed("_x_");
    }
    if !name.char_indices().any(|(at, c)| escaped(at, c)) {
        return Cow::Borrowed(name);
    }
    let mut to = String::with_capacity(name.len() + 16);
    for (at, c) in name.char_indices() {
        if !escaped(at, c) {
            to.push(c);
            continue;
        }
        let code = u32::from(c);
        let width = if code > 0xffff { 8 } else { 4 };
        // Writing to a string cannot fail.
        let _ = write!(to, "_x{code:0width$X}_");
    }
    Cow::Owned(to)
}

/// Reverses [`escape`]. Other names are returned unchanged.
///
/// ```
/// use croupier::model::shape::unescape;
/// assert_eq!(unescape("_x0032_000"), "2000");
/// assert_eq!(unescape("_xyz_"), "_xyz_");
/// ```
pub fn unescape(name: &str) -> Cow<'_, str> {
    if name == "_x_" {
        return Cow::Borrowed("");
    }
    let Some(first) = name.find("_x") else { return Cow::Borrowed(name) };
    let (mut to, mut left) = (String::with_capacity(name.len()), name);
    let mut next = Some(first);
    while let Some(at) = next {
        let (before, rest) = left.split_at(at);
        to.push_str(before);
        match code(rest) {
            Some((c, length)) => {
                to.push(c);
                left = rest.get(length..).unwrap_or_default();
            }
            None => {
                to.push('_');
                left = rest.get(1..).unwrap_or_default();
            }
        }
        next = left.find("_x");
    }
    to.push_str(left);
    Cow::Owned(to)
}

/// The character whose escape is at the beginning of the text (`_x`, four or eight hexadecimal digits, `_`), and the length
/// of the escape.
fn code(text: &str) -> Option<(char, usize)> {
    let digits = text.get(2..)?;
    let length = digits.find('_').filter(|length| matches!(length, 4 | 8))?;
    let digits = digits.get(..length).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    Some((c, length + 3))
}

/// Whether a name may begin with this character (XML 1.0, section 2.3, without the colon).
fn may_begin(c: char) -> bool {
    matches!(c,
        'A'..='Z' | 'a'..='z' | '_'
        | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
        | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

fn may_follow(c: char) -> bool {
    may_begin(c) || matches!(c, '0'..='9' | '.' | '-' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_written_as_known() {
        for (name, escaped) in [
            ("spin", "spin"),
            ("a.b-c_d1", "a.b-c_d1"),
            ("math/add", "math_x002F_add"),
            ("a b", "a_x0020_b"),
            ("-a", "_x002D_a"),
            ("é\u{1F600}", "é\u{1F600}"),
            ("\u{F0000}", "_x000F0000_"),
            ("", "_x_"),
            ("_x_", "_x005F_x_"),
            ("_x0041_", "_x005F_x0041_"),
            ("__x", "__x005F_x"),
        ] {
            assert_eq!(escape(name), escaped);
            assert_eq!(unescape(escaped), name);
        }
        for strange in ["_x", "_x12_", "_xD800_", "_x110000_", "_x004g_", "a_x", "_x00000000000_"] {
            assert_eq!(unescape(strange), strange);
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "(_|x|[0-9A-F]|\\PC|\\p{Cc}){0,12}") {
            let escaped = escape(&name).into_owned();
            prop_assert_eq!(unescape(&escaped), name.as_str());
            let document = format!("<{escaped}/>");
            let xml = roxmltree::Document::parse(&document).unwrap();
            prop_assert_eq!(xml.root_element().tag_name().name(), escaped.as_str());
        }
    }
}
