//! Finds the end of a value in a JSON text that arrives in pieces.

use memchr::memchr2;

/// Finds where a value ends that is a member of an object. Nothing but its end is looked for: the value may be no JSON.
#[derive(Debug, Default)]
pub(crate) struct ValueEnd {
    /// How many arrays and objects of the value are open.
    open: usize,
    /// Whether a string is open.
    is_string: bool,
    /// Whether the next character of the string is escaped.
    is_escaped: bool,
}

impl ValueEnd {
    /// Looks for the end in the next piece. Returns how many bytes of it belong to the value; `None` if all of them do, and the
    /// value goes on.
    pub(crate) fn find(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.is_string {
                at += self.pass_string(piece.get(at..)?)?;
            }
            let is_mark = |byte: &u8| matches!(byte, b'"' | b',' | b'[' | b']' | b'{' | b'}');
            at += piece.get(at..)?.iter().position(is_mark)?;
            match piece.get(at)? {
                b'"' => self.is_string = true,
                b'[' | b'{' => self.open += 1,
                b']' | b'}' if self.open > 0 => self.open -= 1,
                b',' if self.open > 0 => {}
                _ => return Some(at),
            }
            at += 1;
        }
    }

    /// Passes over the rest of a string. Returns its length with the quotation mark; `None` if it has not arrived.
    fn pass_string(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = usize::from(std::mem::take(&mut self.is_escaped));
        loop {
            at += memchr2(b'"', b'\\', piece.get(at..)?)?;
            if piece.get(at) == Some(&b'"') {
                self.is_string = false;
                return Some(at + 1);
            }
            at += 2;
            if at > piece.len() {
                self.is_escaped = true;
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of the value if the text comes in pieces of this size.
    fn found(text: &[u8], size: usize) -> Option<usize> {
        let mut end = ValueEnd::default();
        let mut before = 0;
        for piece in text.chunks(size) {
            if let Some(at) = end.find(piece) {
                return Some(before + at);
            }
            before += piece.len();
        }
        None
    }

    #[test]
    fn a_value_ends_at_the_same_place_however_it_is_cut() {
        for value in [
            "null",
            " 12.50e3 ",
            r#""a \" b \\""#,
            r#"[1,"]",{"x":[","],"}":"\\\""}]"#,
            r#"{"a":{"b":[[],{}]},"c":"{"}"#,
            "[]",
            "",
        ] {
            for rest in [",\"id\":7}", "}"] {
                let text = format!("{value}{rest}");
                for size in 1..=text.len() {
                    assert_eq!(found(text.as_bytes(), size), Some(value.len()), "{text} in pieces of {size}");
                }
            }
            assert_eq!(found(value.as_bytes(), 3), None, "{value}");
        }
    }
}
