//! Finds the child elements of one element in a document that arrives in pieces.

use memchr::{memchr, memchr3, memmem};

use crate::codec::portions::{Boundary, DocumentParts, RowDocuments, RowScanner, Search};
use crate::model::fault::{Fault, Kind};

/// Whether an element is on the path from the root to the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnPath {
    /// It is.
    Yes,
    /// It is not; one that follows it may be.
    Beside,
    /// It is in a document without rows.
    Never,
}

/// Finds the element that has the rows of a document as its children: the innermost element of a path from the root. At
/// each level `on_path` says by the level, which is 0 for the root, and by the local name whether an element is on the
/// path. The path has `depth` elements. A row may have `most` bytes.
pub(crate) fn find_rows(
    text: &[u8],
    depth: usize,
    most: usize,
    on_path: impl Fn(usize, &[u8]) -> OnPath,
) -> Search<RowDocuments> {
    let mut tokens = Tokenizer::default();
    // The names of the elements of the path that are open, and how many other elements are open inside.
    let (mut path, mut others) = (Vec::with_capacity(depth), 0);
    loop {
        let token = match tokens.next(text) {
            Ok(Some(token)) => token,
            Ok(None) => return Search::Undecided,
            Err(_) => return Search::None,
        };
        match token {
            Token::Start { name, end } => {
                let name = text.get(name..end).map(tag_name).unwrap_or_default();
                let place = if others > 0 { OnPath::Beside } else { on_path(path.len(), local(name)) };
                match place {
                    OnPath::Yes => {}
                    OnPath::Beside => {
                        others += 1;
                        continue;
                    }
                    OnPath::Never => return Search::None,
                }
                path.push(name);
                if path.len() == depth {
                    let head = text.get(..end).unwrap_or_default().to_vec();
                    let end_tag = |name: &&[u8]| [b"</".as_slice(), name, b">"].concat();
                    let closing: Vec<u8> = path.iter().rev().flat_map(end_tag).collect();
                    let parts = DocumentParts { around: [head.clone(), closing.clone()], head, empty_tail: closing };
                    return Search::Found(RowDocuments::new(XmlRowScanner::default(), parts, most));
                }
            }
            // An element on the path that is empty, or ends before its child on the path begins, has no rows.
            Token::Empty { name, end } => {
                let name = text.get(name..end).map(tag_name).unwrap_or_default();
                if others == 0 && on_path(path.len(), local(name)) != OnPath::Beside {
                    return Search::None;
                }
            }
            Token::End { .. } if others > 0 => others -= 1,
            Token::End { .. } => return Search::None,
        }
    }
}

/// The qualified name at the beginning of this text.
fn tag_name(tag: &[u8]) -> &[u8] {
    let end = tag.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
    tag.get(..end.unwrap_or(tag.len())).unwrap_or_default()
}

fn local(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b':').next().unwrap_or_default()
}

/// A tag. Text, comments, CDATA sections and processing instructions are passed over.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A start tag whose name begins at `name`; `end` is the index after it.
    Start { name: usize, end: usize },
    /// The tag of an empty element.
    Empty { name: usize, end: usize },
    /// An end tag; `end` is the index after it.
    End { end: usize },
}

/// What encloses the current position.
#[derive(Debug, Clone, Copy, Default)]
enum Within {
    #[default]
    Content,
    StartTag,
    /// An attribute's value, up to this quotation mark.
    Quoted(u8),
    EndTag,
    /// A comment, CDATA section or processing instruction, up to this text.
    Section(&'static [u8]),
}

/// Finds the tags of a document. It keeps its place when the text ends inside a token.
#[derive(Debug, Default)]
struct Tokenizer {
    at: usize,
    /// Where the tag begins that encloses the current position.
    begin: usize,
    within: Within,
}

impl Tokenizer {
    /// The next tag; `None` if the text has to grow first.
    fn next(&mut self, text: &[u8]) -> Result<Option<Token>, Fault> {
        loop {
            let rest = text.get(self.at..).unwrap_or_default();
            match self.within {
                Within::Content => match memchr(b'<', rest) {
                    Some(found) => {
                        self.begin = self.at + found;
                        if !self.enter(text.get(self.begin + 1..).unwrap_or_default())? {
                            self.at = self.begin;
                            return Ok(None);
                        }
                    }
                    None => return Ok(self.wait(text.len())),
                },
                Within::StartTag => {
                    let Some(found) = memchr3(b'>', b'"', b'\'', rest) else { return Ok(self.wait(text.len())) };
                    let at = self.at + found;
                    self.at = at + 1;
                    match rest.get(found) {
                        Some(b'>') => {
                            self.within = Within::Content;
                            let (name, end) = (self.begin + 1, self.at);
                            let is_empty = at > name && text.get(at - 1) == Some(&b'/');
                            return Ok(Some(if is_empty {
                                Token::Empty { name, end }
                            } else {
                                Token::Start { name, end }
                            }));
                        }
                        Some(quote) => self.within = Within::Quoted(*quote),
                        None => {}
                    }
                }
                Within::Quoted(quote) => {
                    let Some(found) = memchr(quote, rest) else { return Ok(self.wait(text.len())) };
                    self.at += found + 1;
                    self.within = Within::StartTag;
                }
                Within::EndTag => {
                    let Some(found) = memchr(b'>', rest) else { return Ok(self.wait(text.len())) };
                    self.at += found + 1;
                    self.within = Within::Content;
                    return Ok(Some(Token::End { end: self.at }));
                }
                Within::Section(end) => {
                    let Some(found) = memmem::find(rest, end) else {
                        // The end may have arrived in part.
                        return Ok(self.wait((text.len() + 1).saturating_sub(end.len())));
                    };
                    self.at += found + end.len();
                    self.within = Within::Content;
                }
            }
        }
    }

    fn wait(&mut self, at: usize) -> Option<Token> {
        self.at = self.at.max(at);
        None
    }

    /// Enters the mark-up behind a `<`; returns whether enough of it has arrived.
    fn enter(&mut self, behind: &[u8]) -> Result<bool, Fault> {
        const SECTIONS: [(&[u8], &[u8]); 3] = [(b"?", b"?>"), (b"!--", b"-->"), (b"![CDATA[", b"]]>")];
        let (length, within) = match behind {
            [] => return Ok(false),
            [b'/', ..] => (1, Within::EndTag),
            [b'?' | b'!', ..] => match SECTIONS.iter().find(|(start, _)| behind.starts_with(start)) {
                Some((start, end)) => (start.len(), Within::Section(end)),
                None if SECTIONS.iter().any(|(start, _)| start.starts_with(behind)) => return Ok(false),
                None => {
                    let message = "not well-formed: a declaration is not allowed in the document";
                    return Err(Fault::new(Kind::NotWellFormed, message));
                }
            },
            _ => (0, Within::StartTag),
        };
        self.at = self.begin + 1 + length;
        self.within = within;
        Ok(true)
    }
}

/// Finds where the child elements of one element end.
#[derive(Debug, Default)]
struct XmlRowScanner {
    tokens: Tokenizer,
    /// How many elements of the current row are open.
    open: usize,
}

impl RowScanner for XmlRowScanner {
    fn next_boundary(&mut self, text: &[u8]) -> Result<Option<Boundary>, Fault> {
        while let Some(token) = self.tokens.next(text)? {
            let end = match token {
                Token::Start { .. } => {
                    self.open += 1;
                    continue;
                }
                Token::Empty { end, .. } => end,
                Token::End { .. } if self.open == 0 => return Ok(Some(Boundary::ArrayEnd)),
                Token::End { end } => {
                    self.open -= 1;
                    end
                }
            };
            if self.open == 0 {
                return Ok(Some(Boundary::Row { end, next: end }));
            }
        }
        Ok(None)
    }

    fn shift(&mut self, bytes: usize) {
        self.tokens.at = self.tokens.at.saturating_sub(bytes);
        self.tokens.begin = self.tokens.begin.saturating_sub(bytes);
    }
}
