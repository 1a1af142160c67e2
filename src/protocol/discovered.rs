//! Helpers shared by the readers of descriptions, which turn WSDL, OpenAPI, OpenRPC and introspection results into an interface.
//! The readers work on data in memory; none of them sends a request.

use std::collections::HashMap;

use schemars::Schema;
use serde_json::Value as Json;

/// A document of a description, such as WSDL or OpenAPI.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Its path or address, for messages and for references that are relative to it.
    pub location: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// The document that each reference leads to: the index of the document with the reference, the reference as the reader of
/// the description returns it, and the index of the document that it leads to.
pub type Links = HashMap<(usize, String), usize>;

/// An operation of a description that cannot be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutOperation {
    /// The name in the document: of REST, the verb and the path.
    pub name: String,
    /// Why it cannot be called.
    pub reason: String,
}

/// Whether a public method can have this name: it consists of letters, digits, `_`, `.`, `:` and `/`. It does not begin
/// with `_`, because such methods are private.
pub(super) fn is_valid_method_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/".contains(c);
    !name.is_empty() && !name.starts_with('_') && name.chars().all(allowed)
}

/// Makes the names of definitions unique. It counts how often each name was requested, so that numbering many definitions
/// of the same name takes linear time.
#[derive(Debug, Default)]
pub(super) struct UniqueNames(HashMap<String, usize>);

impl UniqueNames {
    /// The name, with a number appended if it is used already.
    pub(super) fn unique(&mut self, name: &str, is_taken: impl Fn(&str) -> bool) -> String {
        let count = self.0.entry(name.to_owned()).or_default();
        loop {
            *count += 1;
            let unique = if *count == 1 { name.to_owned() } else { format!("{name}_{count}") };
            if !is_taken(&unique) {
                return unique;
            }
        }
    }
}

/// A JSON value as a schema; a value that is neither an object nor a boolean allows everything.
pub(super) fn schema(json: Json) -> Schema {
    Schema::try_from(json).unwrap_or_default()
}
