//! Checks a JSON text for what the syntax allows and readers disagree about, before any value is built from it.

use std::borrow::Cow;

use memchr::memchr2;

use crate::codec::DocumentLimits;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

/// The deepest nesting that serde_json reads: it refuses the 128th level.
const DEEPEST: usize = if DocumentLimits::DEEPEST < 127 { DocumentLimits::DEEPEST } else { 127 };
/// The initial capacity for names and for nesting, enough for nearly every request.
const USUAL: usize = 8;
/// Up to this many names, comparing all pairs is cheaper than sorting them.
const FEW: usize = 12;

/// The prefix of member names that serde_json uses internally. Its tree parses the text under such a name as a value,
/// and that text has not been checked.
const PRIVATE: &str = "$serde_json::private::";

/// A text that means the same to every JSON reader, provided that its syntax is valid, which serde_json checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedJson<'a> {
    text: &'a str,
}

impl<'a> CheckedJson<'a> {
    /// The text without its byte order mark.
    pub fn text(self) -> &'a str {
        self.text
    }
}

/// Scans a JSON text (RFC 8259) once, without recursion, for what readers disagree about or cannot represent: repeated
/// member names, names that serde_json uses internally, unpaired surrogates. A leading byte order
/// mark is skipped.
///
/// The scan does not check the syntax; serde_json does. A text that passes both has none of these problems. For the same
/// reason several JSON texts behind one another, such as one in each line, pass as well: the limits then hold for all of them
/// together, and the caller reads them one by one.
///
/// # Errors
/// `Character` for invalid UTF-8 and for an unpaired surrogate, `Structure` for a repeated member name or one that
/// serde_json uses internally, `Limit` for too much depth or too many values, `NotWellFormed` for an unterminated
/// string.
pub fn check(bytes: &[u8], limits: DocumentLimits) -> Result<CheckedJson<'_>, Fault> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Fault::new(Kind::Character, "the document is not valid UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (open, names) = (Vec::with_capacity(USUAL), Vec::with_capacity(USUAL));
    let mut scan = JsonScanner { text, at: 0, left: limits.elements, limits, open, names };
    scan.run()?;
    Ok(CheckedJson { text })
}

/// A container that encloses the current position.
enum OpenContainer {
    Array,
    /// An object. `names` is the index of its first name in [`JsonScanner::names`].
    Object {
        names: usize,
        name_next: bool,
    },
}

struct JsonScanner<'a> {
    text: &'a str,
    at: usize,
    /// How many more values are allowed.
    left: usize,
    limits: DocumentLimits,
    open: Vec<OpenContainer>,
    /// The member names of all open objects, those of inner objects last.
    names: Vec<Cow<'a, str>>,
}

impl<'a> JsonScanner<'a> {
    fn run(&mut self) -> Result<(), Fault> {
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'"' => self.string()?,
                b'{' => self.begin(OpenContainer::Object { names: self.names.len(), name_next: true })?,
                b'[' => self.begin(OpenContainer::Array)?,
                b'}' | b']' => self.end()?,
                b',' => self.name_next(true),
                b':' => self.name_next(false),
                b'-' | b'0'..=b'9' => self.number()?,
                b'a'..=b'z' => {
                    self.value()?;
                    self.skip(|byte| byte.is_ascii_lowercase());
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Counts a value.
    fn value(&mut self) -> Result<(), Fault> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            Fault::new(Kind::Limit, format!("the document has more than {} values", self.limits.elements))
        })?;
        Ok(())
    }

    fn begin(&mut self, open: OpenContainer) -> Result<(), Fault> {
        self.value()?;
        let deepest = self.limits.depth.min(DEEPEST);
        if self.open.len() == deepest {
            return Err(Fault::new(Kind::Limit, format!("values nest deeper than {deepest}")));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(OpenContainer::Object { names, .. }) = self.open.pop() else { return Ok(()) };
        let own = self.names.get_mut(names..).unwrap_or_default();
        if let Some(name) = repeated(own) {
            let name = abridge(name);
            return Err(Fault::new(Kind::Structure, format!("an object has two members `{name}`")));
        }
        self.names.truncate(names);
        Ok(())
    }

    fn name_next(&mut self, next: bool) {
        if let Some(OpenContainer::Object { name_next, .. }) = self.open.last_mut() {
            *name_next = next;
        }
    }

    /// Skips a string up to its closing quote, and records it if it is a member name.
    fn string(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let escaped = self.pass_over_string()?;
        if !matches!(self.open.last(), Some(OpenContainer::Object { name_next: true, .. })) {
            return self.value();
        }
        let quoted = self.text.get(start..=self.at).unwrap_or_default();
        let name = match escaped {
            false => Cow::Borrowed(quoted.get(1..quoted.len() - 1).unwrap_or_default()),
            true => Cow::Owned(serde_json::from_str(quoted).map_err(not_well_formed)?),
        };
        if name.starts_with(PRIVATE) {
            return Err(Fault::new(Kind::Structure, format!("no member may be called `{}`", abridge(&name))));
        }
        self.names.push(name);
        Ok(())
    }

    /// Skips the string that begins here, and returns whether it contains escapes.
    fn pass_over_string(&mut self) -> Result<bool, Fault> {
        let (mut escaped, mut at) = (false, self.at + 1);
        loop {
            let rest = self.text.as_bytes().get(at..).unwrap_or_default();
            let Some(found) = memchr2(b'"', b'\\', rest) else {
                return Err(Fault::new(Kind::NotWellFormed, "the document ends within a string"));
            };
            match rest.get(found..) {
                Some([b'\\', b'u', code @ ..]) => at += found + 2 + code_units(code)?,
                Some([b'\\', ..]) => at += found + 2,
                _ => {
                    self.at = at + found;
                    return Ok(escaped);
                }
            }
            escaped = true;
        }
    }

    /// Skips a number up to its last character.
    fn number(&mut self) -> Result<(), Fault> {
        self.value()?;
        self.skip(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        self.at -= 1;
        Ok(())
    }

    fn skip(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
    }
}

/// Converts a syntax error of serde_json into a fault.
pub fn not_well_formed(error: serde_json::Error) -> Fault {
    Fault::new(Kind::NotWellFormed, format!("the document is not JSON: {error}"))
}

/// The number of bytes after `\u` that encode one character: four, or ten for a surrogate pair. Zero if no four
/// hexadecimal digits follow.
fn code_units(code: &[u8]) -> Result<usize, Fault> {
    let alone = || Fault::new(Kind::Character, "the document has half a surrogate pair");
    match unit(code) {
        Some(0xd800..=0xdbff) => match code.get(4..) {
            Some([b'\\', b'u', low @ ..]) if matches!(unit(low), Some(0xdc00..=0xdfff)) => Ok(10),
            _ => Err(alone()),
        },
        Some(0xdc00..=0xdfff) => Err(alone()),
        Some(_) => Ok(4),
        None => Ok(0),
    }
}

fn unit(code: &[u8]) -> Option<u16> {
    let digits = code.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The first name found twice. Sorts the names if there are more than [`FEW`].
fn repeated<'n>(names: &'n mut [Cow<'_, str>]) -> Option<&'n str> {
    if names.len() > FEW {
        names.sort_unstable();
        return names.iter().zip(names.iter().skip(1)).find(|(one, next)| one == next).map(|(one, _)| one.as_ref());
    }
    let mut pairs = names.iter().enumerate();
    pairs.find(|(at, name)| names.iter().skip(at + 1).any(|other| other == *name)).map(|(_, name)| name.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<Kind> {
        check(text.as_bytes(), DocumentLimits::default()).err().map(|fault| fault.kind)
    }

    #[test]
    fn checked_text_is_never_too_deep_for_serde_json() {
        let limits = DocumentLimits { depth: usize::MAX, ..DocumentLimits::default() };
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        let (deepest, deeper) = (nested(DEEPEST), nested(DEEPEST + 1));
        assert!(check(deepest.as_bytes(), limits).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&deepest).is_ok());
        assert!(check(deeper.as_bytes(), limits).is_err());
    }

    /// Comparing all pairs of names would take minutes here.
    #[test]
    fn very_many_names_are_compared_in_time() {
        let long = "n".repeat(200);
        let member = |number: usize| format!("\"{long}{number}\":0");
        let members = (0..100_000).map(member).collect::<Vec<_>>().join(",");
        assert_eq!(kind(&format!("{{{members}}}")), None);
        assert_eq!(kind(&format!("{{{members},{}}}", member(99_999))), Some(Kind::Structure));
    }

    #[test]
    fn names_are_compared_within_their_own_object_only() {
        assert_eq!(kind(r#"[{"a":{"a":1,"b":[{"a":2}]},"b":"a"},{"a":"b"}]"#), None);
        assert_eq!(kind(r#"{"a":{"b":1},"c":[{}],"a":1}"#), Some(Kind::Structure));
    }

    #[test]
    fn several_texts_pass_and_share_the_limits() {
        assert_eq!(kind("{\"a\":1}\n{\"a\":2}\n[3] \"b\" 4"), None);
        let limits = DocumentLimits { elements: 3, ..DocumentLimits::default() };
        assert!(check(b"1\n2\n3", limits).is_ok());
        assert_eq!(check(b"1\n2\n3\n4", limits).unwrap_err().kind, Kind::Limit);
    }
}
