//! What the readers of descriptions share: WSDL, OpenRPC and introspection results become an interface.
//! The readers work on data that has arrived; none of them sends a request.

use std::collections::HashMap;

use schemars::Schema;
use serde_json::Value as Json;

/// Whether a method may have this name: letters, digits, `_`, `.`, `:` and `/`, and no `_` at the beginning, since such
/// methods are private.
pub(super) fn may_be_called(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/".contains(c);
    !name.is_empty() && !name.starts_with('_') && name.chars().all(allowed)
}

/// How often each name was requested for a definition, so that many definitions of one name are numbered quickly.
#[derive(Debug, Default)]
pub(super) struct Taken(HashMap<String, usize>);

impl Taken {
    /// The name, with a number appended if it is used already.
    pub(super) fn free(&mut self, name: &str, is_taken: impl Fn(&str) -> bool) -> String {
        let count = self.0.entry(name.to_owned()).or_default();
        loop {
            *count += 1;
            let free = if *count == 1 { name.to_owned() } else { format!("{name}_{count}") };
            if !is_taken(&free) {
                return free;
            }
        }
    }
}

/// A JSON value as a schema; a value that is neither an object nor a boolean allows everything.
pub(super) fn schema(json: Json) -> Schema {
    Schema::try_from(json).unwrap_or_default()
}
