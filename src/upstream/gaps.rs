//! What of a description is not used. The rest of it is.

use std::fmt;

use crate::model::text::abridge;
use crate::protocol::LeftOutOperation;

/// What of a description cannot be used, although the rest can.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DescriptionGaps {
    /// The operations that are left out.
    pub(crate) left_out: Vec<LeftOutOperation>,
    /// The documents that it imports and that cannot be read.
    pub(crate) unread: Vec<UnreadImport>,
    /// The credentials that it demands and that requests do not have, a sentence each.
    pub(crate) credentials: Vec<String>,
}

/// An import of a description that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadImport {
    /// The path or the name of the file.
    pub(crate) location: String,
    pub(crate) reason: String,
}

impl fmt::Display for UnreadImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be read: {}", abridge(&self.location), self.reason)
    }
}

impl DescriptionGaps {
    /// A sentence for each part that is not used, at most `most` of them and one more that says how many there are.
    pub(crate) fn sentences(&self, most: usize) -> Vec<String> {
        let unread = self.unread.iter().map(|unread| format!("its import {unread}"));
        let left_out = self
            .left_out
            .iter()
            .map(|operation| format!("its operation `{}` is left out: {}", abridge(&operation.name), operation.reason));
        let count = self.unread.len() + self.left_out.len();
        let mut sentences: Vec<String> = unread.chain(left_out).take(most).collect();
        if count > most {
            sentences.push(format!("{} more of its imports and operations cannot be read", count - most));
        }
        sentences
    }
}

impl UnreadImport {
    /// The reason why a file is not there that was not read with the others.
    pub(crate) fn of_file(name: String) -> UnreadImport {
        let reason = format!("the file `{}` is not read", abridge(&name));
        UnreadImport { location: name, reason }
    }
}
