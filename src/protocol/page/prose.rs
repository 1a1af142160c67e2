//! Documentation in the form of doc comments, split into paragraphs and code for a page.

use serde::Serialize;

/// A paragraph: pieces of text, some of them code.
pub(super) type Paragraph = Vec<Piece>;

/// A piece of a paragraph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    text: String,
    /// Whether it was between backticks.
    code: bool,
}

/// The paragraphs of a text, which blank lines separate.
pub(super) fn prose(text: &str) -> Vec<Paragraph> {
    let mut paragraphs = vec![String::new()];
    for line in text.lines().map(str::trim) {
        match paragraphs.last_mut() {
            Some(last) if !line.is_empty() => {
                last.push_str(if last.is_empty() { "" } else { " " });
                last.push_str(line);
            }
            _ => paragraphs.push(String::new()),
        }
    }
    paragraphs.iter().filter(|paragraph| !paragraph.is_empty()).map(|paragraph| pieces(paragraph)).collect()
}

fn pieces(paragraph: &str) -> Paragraph {
    let mut pieces = Vec::new();
    let mut rest = paragraph;
    while let Some((before, code, after)) = next_code(rest) {
        pieces.extend(piece(before, false));
        pieces.extend(piece(code, true));
        rest = after;
    }
    pieces.extend(piece(rest, false));
    pieces
}

fn piece(text: &str, code: bool) -> Option<Piece> {
    (!text.is_empty()).then(|| Piece { text: text.to_owned(), code })
}

/// The text before the first code, the code, and the text after it. A backtick without a second one is text.
fn next_code(text: &str) -> Option<(&str, &str, &str)> {
    let (before, behind) = text.split_once('`')?;
    let (code, after) = behind.split_once('`')?;
    Some((before, code, after))
}

/// A reason as a sentence.
pub(super) fn sentence(reason: &str) -> String {
    let reason = reason.trim();
    let mut letters = reason.chars();
    let first: String = letters.next().map(char::to_uppercase).into_iter().flatten().collect();
    let end = if reason.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_part_paragraphs_and_backticks_code() {
        let said = |text: &str| -> Vec<String> {
            let mark = |piece: &Piece| if piece.code { format!("[{}]", piece.text) } else { piece.text.clone() };
            prose(text).iter().map(|paragraph| paragraph.iter().map(mark).collect()).collect()
        };
        assert_eq!(said(""), Vec::<String>::new());
        assert_eq!(said("One\n line.\n\n \nAn `other`: `b`"), ["One line.", "An [other]: [b]"]);
        assert_eq!(said("a ` alone"), ["a ` alone"]);
        assert_eq!(said("``"), Vec::<String>::from([String::new()]));
    }

    #[test]
    fn a_reason_becomes_a_sentence() {
        for (reason, expected) in [
            ("nothing is at /x", "Nothing is at /x."),
            ("`a` is not a number", "`a` is not a number."),
            ("It is so.", "It is so."),
            ("nothing is at /a…", "Nothing is at /a…"),
            ("", "."),
        ] {
            assert_eq!(sentence(reason), expected);
        }
    }
}
