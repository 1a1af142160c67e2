//! Long arrays in documents that arrive in pieces: their rows are found as their bytes come, and read a portion at a time.
//!
//! A document with a long array consists of a head (up to the first row), rows, and a tail. [`RowDocuments`] cuts the rows
//! into portions. Each portion is made a document of its own: the head of the whole document, the rows, and what closes the
//! elements or brackets that the head opens. The same reader that reads whole documents reads these. At the end it reads
//! the head with the tail, a document with an empty array. So a document is accepted in portions if it is accepted as a
//! whole, and its rows have the same values; only limits on the number of rows differ.
//!
//! The [`RowScanner`] of a format only has to find where rows end in a document that is well-formed. In one that is not,
//! it may find any end: up to the first error, it sees the same tokens as the reader, and the reader then finds the error in
//! the portion that contains it.

use crate::model::fault::{Fault, Kind};

/// How many bytes of rows are read at a time; a longer row is read alone.
const PORTION: usize = 16 << 10;
/// How many rows are read at a time.
const MOST_ROWS: usize = 1000;

/// A place between rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundary {
    /// A row ends at `end`; what follows it begins at `next`, behind a separator if the format has one.
    Row {
        /// The index after the row.
        end: usize,
        /// The index of what follows.
        next: usize,
    },
    /// The array ends: its closing tag or bracket is behind the last row.
    ArrayEnd,
}

/// Finds the ends of rows in a text that grows. It keeps its place, so that each byte is looked at only once.
pub(super) trait RowScanner: Send {
    /// The next boundary; `None` if the text has to grow first. It is not called again after the end of the array.
    ///
    /// # Errors
    /// `NotWellFormed` for what cannot be a row.
    fn next_boundary(&mut self, text: &[u8]) -> Result<Option<Boundary>, Fault>;

    /// Tells that this many bytes have been removed from the start of the text.
    fn shift(&mut self, bytes: usize);
}

/// The result of the search for rows in the beginning of a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Search<T> {
    /// The rows begin here.
    Found(T),
    /// The beginning is too short to decide it.
    Undecided,
    /// The document has no rows where they would be.
    None,
}

/// A document with rows, divided into small documents.
pub(crate) struct RowDocuments {
    scanner: Box<dyn RowScanner>,
    /// The document up to its first row.
    head: Vec<u8>,
    /// What precedes and follows the rows of a portion, so that they are a document.
    around: [Vec<u8>; 2],
    /// What follows the head in a document without rows, if the array closes immediately.
    empty_tail: Vec<u8>,
    /// The longest row or tail, in bytes.
    most: usize,
    /// What has been read and is not yet taken, behind `start`.
    text: Vec<u8>,
    /// Where the rows begin that have not been taken.
    start: usize,
    /// Where the complete rows end, and what follows them begins.
    end: usize,
    next: usize,
    /// How many rows are complete.
    rows: usize,
    /// Whether the end of the array has been found.
    is_at_end: bool,
}

/// The parts of the documents that [`RowDocuments`] makes.
pub(super) struct DocumentParts {
    /// The document up to its first row.
    pub(super) head: Vec<u8>,
    /// What precedes and follows the rows of a portion.
    pub(super) around: [Vec<u8>; 2],
    /// What follows the head in a document with an empty array.
    pub(super) empty_tail: Vec<u8>,
}

impl RowDocuments {
    /// The documents for the rows that `scanner` finds. A row, and what follows the array, may have `most` bytes.
    pub(super) fn new(scanner: impl RowScanner + 'static, parts: DocumentParts, most: usize) -> RowDocuments {
        let DocumentParts { head, around, empty_tail } = parts;
        RowDocuments {
            scanner: Box::new(scanner),
            head,
            around,
            empty_tail,
            most,
            text: Vec::new(),
            start: 0,
            end: 0,
            next: 0,
            rows: 0,
            is_at_end: false,
        }
    }

    /// The length of the head, behind which the [text of the rows](RowDocuments::push) begins.
    pub(crate) fn head_length(&self) -> usize {
        self.head.len()
    }

    /// The document with its own head and no row.
    pub(crate) fn empty_document(&self) -> Vec<u8> {
        [self.head.as_slice(), &self.empty_tail].concat()
    }

    /// Appends what has arrived of the document, behind its head.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.text.drain(..self.start);
            self.scanner.shift(self.start);
            self.end -= self.start;
            self.next -= self.start;
            self.start = 0;
        }
        self.text.extend_from_slice(bytes);
    }

    /// Looks for the ends of rows. Returns whether a whole portion is complete, or all rows are.
    ///
    /// # Errors
    /// `NotWellFormed` for what cannot be a row, and `Limit` for a row or a tail that is too long.
    pub(crate) fn find_portion(&mut self) -> Result<bool, Fault> {
        while !self.is_at_end {
            if self.rows >= MOST_ROWS || self.end - self.start >= PORTION {
                return Ok(true);
            }
            match self.scanner.next_boundary(&self.text)? {
                Some(Boundary::Row { end, next }) => {
                    self.check_length("a row", end - self.next)?;
                    (self.end, self.next) = (end, next);
                    self.rows += 1;
                }
                Some(Boundary::ArrayEnd) => self.is_at_end = true,
                None => {
                    self.check_length("a row", self.text.len() - self.next)?;
                    return Ok(false);
                }
            }
        }
        self.check_length("what follows the rows", self.text.len() - self.next)?;
        Ok(true)
    }

    fn check_length(&self, what: &str, length: usize) -> Result<(), Fault> {
        if length <= self.most {
            return Ok(());
        }
        let most = self.most;
        Err(Fault::new(Kind::Limit, format!("{what} is longer than the {most} bytes that a long array allows")))
    }

    /// Whether there is a complete row.
    pub(crate) fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// A document with the complete rows that have been found, and how many there are; `None` if there are none.
    pub(crate) fn portion(&self) -> Option<(Vec<u8>, usize)> {
        let rows = self.text.get(self.start..self.end)?;
        let [before, behind] = &self.around;
        (self.rows > 0).then(|| ([before.as_slice(), rows, behind].concat(), self.rows))
    }

    /// Removes the complete rows that have been found.
    pub(crate) fn remove_portion(&mut self) {
        self.start = self.next;
        self.end = self.next;
        self.rows = 0;
    }

    /// The document of the head and the tail, once all rows have been taken and nothing more arrives.
    ///
    /// # Errors
    /// `NotWellFormed` if the array has no end.
    pub(crate) fn last_document(&self) -> Result<Vec<u8>, Fault> {
        match self.text.get(self.next..).filter(|_| self.is_at_end) {
            Some(tail) => Ok([self.head.as_slice(), tail].concat()),
            None => Err(Fault::new(Kind::NotWellFormed, "the document ends within an array")),
        }
    }
}
