//! What a server says of itself, read into an interface: each protocol's own description, as data that has arrived.
//! Nothing here asks anybody.

use std::collections::HashMap;

use schemars::Schema;
use serde_json::Value as Json;

/// Whether a method may have this name: letters, digits, `_`, `.`, `:` and `/`, and no `_` at the beginning, since such
/// methods are private.
pub(super) fn may_be_called(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/".contains(c);
    !name.is_empty() && !name.starts_with('_') && name.chars().all(allowed)
}

/// How often each name was wanted for a definition, so that many of one name do not take long.
#[derive(Debug, Default)]
pub(super) struct Taken(HashMap<String, usize>);

impl Taken {
    /// The name, or with a number behind it, so that nobody else has it.
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

/// A schema of JSON; one that says nothing where it is neither an object nor a truth value.
pub(super) fn schema(json: Json) -> Schema {
    Schema::try_from(json).unwrap_or_default()
}
