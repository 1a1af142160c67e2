//! Finds the items of an array that is a member of the object in a JSON text which arrives in pieces.

use memchr::memchr2;

use crate::codec::portions::{Boundary, DocumentParts, RowDocuments, RowScanner, Search};
use crate::model::fault::{Fault, Kind};

/// Finds the array that is the value of the member `name` of the object in a text. `around` is what precedes and follows
/// the items of a portion, so that they are a text that is read as the whole is. `empty_tail` is what closes the object
/// behind an empty array; it gets the names of the members that precede the array. A row may have `most` bytes.
pub(crate) fn find_rows(
    text: &[u8],
    name: &[u8],
    most: usize,
    around: [&[u8]; 2],
    empty_tail: impl FnOnce(&[&[u8]]) -> Vec<u8>,
) -> Search<RowDocuments> {
    let mut head = HeadReader::new(text);
    let mut names = Vec::new();
    let found = loop {
        match head.next_member(names.is_empty()) {
            Some(Ok(member)) if member == name => break head.is_array(),
            Some(Ok(member)) => {
                names.push(member);
                match head.skip_value() {
                    Some(true) => {}
                    Some(false) => return Search::None,
                    None => return Search::Undecided,
                }
            }
            Some(Err(NoMember)) => return Search::None,
            None => return Search::Undecided,
        }
    };
    match found {
        Some(true) => {
            let parts = DocumentParts {
                head: text.get(..head.at).unwrap_or_default().to_vec(),
                around: around.map(<[u8]>::to_vec),
                empty_tail: empty_tail(&names),
            };
            Search::Found(RowDocuments::new(JsonRowScanner::default(), parts, most))
        }
        Some(false) => Search::None,
        None => Search::Undecided,
    }
}

/// A name and a value, as they are written.
type RawMember<'a> = (&'a [u8], &'a [u8]);

/// The members that precede the member `name` in a text whose rest has not arrived, and where the value of that member begins.
/// `None` if it does not begin in the text.
pub(crate) fn members_before<'a>(text: &'a [u8], name: &[u8]) -> Option<(Vec<RawMember<'a>>, usize)> {
    let mut head = HeadReader::new(text);
    let mut members = Vec::new();
    loop {
        let Ok(member) = head.next_member(members.is_empty())? else { return None };
        if member == name {
            return Some((members, head.at));
        }
        let begin = head.at;
        head.skip_value().filter(|is_value| *is_value)?;
        members.push((member, text.get(begin..head.at)?));
    }
}

/// There is no further member, or none that this reads.
struct NoMember;

/// Reads the members of an object that precede its array. Each method returns `None` if the text is too short.
struct HeadReader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> HeadReader<'a> {
    /// Begins behind a byte order mark, if there is one.
    fn new(text: &'a [u8]) -> HeadReader<'a> {
        HeadReader { text, at: if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } }
    }

    fn skip_blank(&mut self) -> Option<u8> {
        let rest = self.text.get(self.at..)?;
        let found = rest.iter().position(|byte| !is_blank(*byte))?;
        self.at += found;
        rest.get(found).copied()
    }

    /// The name of the next member, with its escapes; the position is then before its value.
    fn next_member(&mut self, is_first: bool) -> Option<Result<&'a [u8], NoMember>> {
        if self.skip_blank()? != if is_first { b'{' } else { b',' } {
            return Some(Err(NoMember));
        }
        self.at += 1;
        if self.skip_blank()? != b'"' {
            return Some(Err(NoMember));
        }
        let start = self.at + 1;
        let mut scanner = JsonRowScanner { at: start, is_string: true, ..JsonRowScanner::default() };
        if !scanner.pass_string(self.text) {
            return None;
        }
        self.at = scanner.at;
        let name = self.text.get(start..self.at - 1)?;
        let colon = self.skip_blank()? == b':';
        self.at += 1;
        // A name with escapes may be any name.
        Some(if colon && !name.contains(&b'\\') { Ok(name) } else { Err(NoMember) })
    }

    /// Whether an array begins here, which is entered.
    fn is_array(&mut self) -> Option<bool> {
        let is_array = self.skip_blank()? == b'[';
        self.at += usize::from(is_array);
        Some(is_array)
    }

    /// Passes over a value; returns whether there is one.
    fn skip_value(&mut self) -> Option<bool> {
        self.skip_blank()?;
        let mut scanner = JsonRowScanner { at: self.at, ..JsonRowScanner::default() };
        loop {
            match scanner.next_mark(self.text)? {
                (b',' | b'}' | b']', at) if scanner.open == 0 => {
                    let is_value = at > self.at;
                    self.at = at;
                    return Some(is_value);
                }
                (b'[' | b'{', _) => scanner.open += 1,
                (b'}' | b']', _) => scanner.open -= 1,
                _ => {}
            }
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Finds where the items of an array end.
#[derive(Debug, Default)]
struct JsonRowScanner {
    at: usize,
    /// Whether the position is inside a string, behind its opening quotation mark.
    is_string: bool,
    /// How many arrays and objects of the current item are open.
    open: usize,
    /// Where the current item begins, behind a comma if it is not the first.
    begin: usize,
    /// Whether the current item follows a comma.
    is_next: bool,
}

impl JsonRowScanner {
    /// Passes over the rest of a string; returns whether it has arrived.
    fn pass_string(&mut self, text: &[u8]) -> bool {
        loop {
            let rest = text.get(self.at..).unwrap_or_default();
            let Some(found) = memchr2(b'"', b'\\', rest) else {
                self.at = text.len().max(self.at);
                return false;
            };
            match rest.get(found..) {
                Some([b'"', ..]) => {
                    self.at += found + 1;
                    self.is_string = false;
                    return true;
                }
                Some([_, _, ..]) => self.at += found + 2,
                _ => {
                    // The escaped character has not arrived.
                    self.at += found;
                    return false;
                }
            }
        }
    }

    /// The next bracket or comma outside of strings, and where it is.
    fn next_mark(&mut self, text: &[u8]) -> Option<(u8, usize)> {
        loop {
            if self.is_string && !self.pass_string(text) {
                return None;
            }
            let rest = text.get(self.at..).unwrap_or_default();
            let is_mark = |byte: &u8| matches!(byte, b'"' | b',' | b'[' | b']' | b'{' | b'}');
            let Some(found) = rest.iter().position(is_mark) else {
                self.at = text.len().max(self.at);
                return None;
            };
            let at = self.at + found;
            self.at = at + 1;
            match rest.get(found) {
                Some(b'"') => self.is_string = true,
                Some(mark) => return Some((*mark, at)),
                None => return None,
            }
        }
    }
}

impl RowScanner for JsonRowScanner {
    fn next_boundary(&mut self, text: &[u8]) -> Result<Option<Boundary>, Fault> {
        while let Some((mark, at)) = self.next_mark(text) {
            match mark {
                b'[' | b'{' => self.open += 1,
                b']' | b'}' if self.open > 0 => self.open -= 1,
                b',' if self.open == 0 => {
                    self.begin = at + 1;
                    self.is_next = true;
                    return Ok(Some(Boundary::Row { end: at, next: at + 1 }));
                }
                b']' => {
                    let item = text.get(self.begin..at).unwrap_or_default();
                    if item.iter().all(|byte| is_blank(*byte)) {
                        return if self.is_next { Err(no_item()) } else { Ok(Some(Boundary::ArrayEnd)) };
                    }
                    // The end of the array is found again, behind the last item.
                    self.at = at;
                    self.begin = at;
                    self.is_next = false;
                    return Ok(Some(Boundary::Row { end: at, next: at }));
                }
                b'}' => return Err(no_item()),
                _ => {}
            }
        }
        Ok(None)
    }

    fn shift(&mut self, bytes: usize) {
        self.at = self.at.saturating_sub(bytes);
        self.begin = self.begin.saturating_sub(bytes);
    }
}

fn no_item() -> Fault {
    Fault::new(Kind::NotWellFormed, "the document is not JSON: an item of an array is missing")
}
