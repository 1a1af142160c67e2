//! What a JSON text may not hold although its syntax allows it, looked for before anything is made of the text.

use std::borrow::Cow;

use memchr::memchr2;

use crate::codec::Limits;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

/// How deep serde_json reads: it counts its recursion from 128 down, and stops at nothing.
const DEEPEST: usize = if Limits::DEEPEST < 127 { Limits::DEEPEST } else { 127 };
/// How many names, and how much depth, there is room for from the beginning: a request has no more of its own.
const USUAL: usize = 8;
/// Up to this many names, comparing all pairs is cheaper than sorting them.
const FEW: usize = 12;
/// With fewer digits than this an integer has at most 64 bits.
const SHORT: usize = 19;
/// With fewer digits than this before its point, and no exponent, a number is no larger than any double.
const LONG: usize = 300;

/// How names begin that serde_json takes for messages to itself: its tree would read the text behind such a name as a
/// value, which nobody has looked through.
const PRIVATE: &str = "$serde_json::private::";

/// A text that means one thing to whoever reads it, if its syntax is sound; that is for serde_json to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedJson<'a> {
    text: &'a str,
    unfit: Option<&'a str>,
}

impl<'a> CheckedJson<'a> {
    /// The text, without a byte order mark before it. A number in it may be one that no machine has.
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The text, if every number in it is an integer of 64 bits or no larger than a double can be.
    ///
    /// # Errors
    /// `BadParams`, with the first number that is not.
    pub fn exact(self) -> Result<&'a str, Fault> {
        match self.unfit {
            None => Ok(self.text),
            Some(number) if is_integer(number.as_bytes()) => {
                Err(Fault::bad_params(format!("the integer `{}` is beyond 64 bits", abridge(number))))
            }
            Some(number) => Err(Fault::bad_params(format!("no double is as large as `{}`", abridge(number)))),
        }
    }

    /// Whether [`exact`](CheckedJson::exact) finds nothing.
    pub fn is_exact(self) -> bool {
        self.unfit.is_none()
    }
}

/// Looks once over a JSON text (RFC 8259), without recursion, for what readers disagree about or cannot read: names
/// that an object has twice, or that serde_json takes for its own; halves of surrogate pairs; numbers beyond what
/// machines have. A byte order mark is passed over.
///
/// Whether the text is JSON at all is left to serde_json. In what serde_json reads, nothing of this is then left.
///
/// # Errors
/// `Character` for bytes that are no UTF-8 and for half a surrogate pair, `Structure` for an object with two members
/// of one name or with one of serde_json's own, `Limit` for more depth or more values than allowed, `NotWellFormed`
/// where a string has no end.
pub fn check(bytes: &[u8], limits: Limits) -> Result<CheckedJson<'_>, Fault> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Fault::new(Kind::Character, "the document is not valid UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (open, names) = (Vec::with_capacity(USUAL), Vec::with_capacity(USUAL));
    let mut scan = JsonScanner { text, at: 0, left: limits.elements, limits, open, names, unfit: None };
    scan.run()?;
    Ok(CheckedJson { text, unfit: scan.unfit })
}

/// What stands open around a place in the text.
enum OpenContainer {
    Array,
    /// An object: its names begin here among all that are remembered.
    Object {
        names: usize,
        name_next: bool,
    },
}

struct JsonScanner<'a> {
    text: &'a str,
    at: usize,
    /// How many more values there may be.
    left: usize,
    limits: Limits,
    open: Vec<OpenContainer>,
    /// The names in all objects that are open, those of an inner one behind those of the outer.
    names: Vec<Cow<'a, str>>,
    /// The first number that no machine has.
    unfit: Option<&'a str>,
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

    /// Passes over a string up to its closing quote, and remembers it if it is a name.
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

    /// Whether there are escapes in the string that begins here.
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

    /// Passes over a number up to its last character.
    fn number(&mut self) -> Result<(), Fault> {
        self.value()?;
        let start = self.at;
        self.skip(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        let number = self.text.get(start..self.at).unwrap_or_default();
        if self.unfit.is_none() && !is_fit(number) {
            self.unfit = Some(number);
        }
        self.at -= 1;
        Ok(())
    }

    fn skip(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
    }
}

/// What serde_json says of a text that is no JSON.
pub fn not_well_formed(error: serde_json::Error) -> Fault {
    Fault::new(Kind::NotWellFormed, format!("the document is not JSON: {error}"))
}

/// How many bytes behind `\u` belong to one character: four, or ten where it takes a pair of surrogates to say it. Of
/// what is no code at all, none.
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

/// Whether a machine has the number: an integer of 64 bits, or anything else that is not beyond all doubles.
fn is_fit(number: &str) -> bool {
    let bytes = number.as_bytes();
    if is_integer(bytes) {
        return bytes.len() < SHORT || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
    }
    let small = bytes.len() < LONG && !bytes.iter().any(|byte| matches!(byte, b'e' | b'E'));
    small || number.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_integer(number: &[u8]) -> bool {
    number.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-'))
}

/// A name that occurs twice. Sorts the names if they are many.
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
        check(text.as_bytes(), Limits::default()).err().map(|fault| fault.kind)
    }

    #[test]
    fn what_is_checked_is_never_too_deep_for_serde_json() {
        let limits = Limits { depth: usize::MAX, ..Limits::default() };
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        let (deepest, deeper) = (nested(DEEPEST), nested(DEEPEST + 1));
        assert!(check(deepest.as_bytes(), limits).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&deepest).is_ok());
        assert!(check(deeper.as_bytes(), limits).is_err());
    }

    /// Were all pairs of names compared, this would not come to its end.
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
    fn numbers_that_no_machine_has_are_told_and_not_refused_at_once() {
        let checked = check(b"[1, 1e400, 99999999999999999999]", Limits::default()).unwrap();
        assert_eq!(checked.text(), "[1, 1e400, 99999999999999999999]");
        assert!(!checked.is_exact() && checked.exact().unwrap_err().message.contains("`1e400`"));
        for fit in ["18446744073709551615", "-9223372036854775808", "1e308", "0e9999", "0.1", "-0"] {
            assert!(check(fit.as_bytes(), Limits::default()).unwrap().is_exact(), "{fit}");
        }
    }
}
