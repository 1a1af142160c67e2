//! Values on a wire: how each protocol writes and reads what serde can say.

pub mod charset;
pub mod xmlrpc;

/// How large and how deep a document may be before it is refused, counted before anything is allocated for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many elements may stand inside each other as values: arrays in structs in arrays (64 by default).
    pub depth: usize,
    /// How many elements a document may have (250,000 by default).
    pub elements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 64, elements: 250_000 }
    }
}
