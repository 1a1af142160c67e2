//! What a server says of itself, read into an interface: each protocol's own description, as data that has arrived.
//! Nothing here asks anybody.

pub mod introspection;
pub mod wsdl;

use schemars::Schema;
use serde_json::Value as Json;

/// Whether a method may have this name: letters, digits, `_`, `.`, `:` and `/`, and no `_` at the beginning, since such
/// methods are private.
fn may_be_called(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/".contains(c);
    !name.is_empty() && !name.starts_with('_') && name.chars().all(allowed)
}

/// A schema of JSON; one that says nothing where it is neither an object nor a truth value.
fn schema(json: Json) -> Schema {
    Schema::try_from(json).unwrap_or_default()
}
