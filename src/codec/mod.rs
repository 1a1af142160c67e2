//! Values on a wire: how each protocol writes and reads what serde can say.

pub mod json;
pub mod soap;
pub mod tape;
pub mod xml;
pub mod xmlrpc;

/// How large and how deep a document may be before it is refused, counted before anything is allocated for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many arrays and structs may stand inside each other (64 by default); never more than
    /// [`DEEPEST`](Limits::DEEPEST), whatever is set here.
    pub depth: usize,
    /// How many elements a document may have (250,000 by default). Attributes, comments, processing instructions
    /// and sections of CDATA are counted with them.
    pub elements: usize,
}

impl Limits {
    /// How deep values may be at all: reading and writing them recurses, and a worker's stack is 2 MiB.
    pub const DEEPEST: usize = crate::model::value::DEEPEST;
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 64, elements: 250_000 }
    }
}
