//! The named schemas of a document. Different types with the same name in two groups get different names, and so do types whose
//! names client generators do not distinguish.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::component_names::ComponentNames;
use super::schema;
use crate::model::interface::Interface;

/// The name of the schema of all errors.
pub(super) const PROBLEM: &str = "Problem";

/// The named schemas.
pub(super) struct Components<'a> {
    schemas: NamedSchemas,
    known: Vec<ComponentNames<'a>>,
}

impl<'a> Components<'a> {
    /// The schemas that every document has.
    pub(super) fn new() -> Components<'a> {
        let mut schemas = NamedSchemas::default();
        schemas.add(PROBLEM, problem());
        Components { schemas, known: Vec::new() }
    }

    /// Adds the definitions of a group. Groups with equal definitions share them.
    pub(super) fn add(&mut self, interface: &'a Interface) -> ComponentNames<'a> {
        if let Some(known) = self.known.iter().find(|known| known.interface().defs == interface.defs) {
            return known.for_interface(interface);
        }
        let mut names = ComponentNames::new(interface);
        for name in interface.defs.keys() {
            // Reserves the name: the schemas can be converted only when all names are known.
            names.insert(name, self.schemas.add(name, Value::Null));
        }
        for (name, definition) in &interface.defs {
            if let Some(free) = names.get(name) {
                self.schemas.by_name.insert(free.clone(), schema::convert(definition, &names));
            }
        }
        self.known.push(names.clone());
        names
    }

    /// The schemas by their names.
    pub(super) fn into_schemas(self) -> NamedSchemas {
        self.schemas
    }
}

/// Schemas whose names differ in more than punctuation and capitals, so that generators of clients make a class of each.
#[derive(Default)]
pub(super) struct NamedSchemas {
    /// The schemas by their names.
    pub(super) by_name: Map<String, Value>,
    names: GeneratorNames,
}

impl NamedSchemas {
    /// Adds a schema under a name like this one, and returns that name.
    pub(super) fn add(&mut self, name: &str, schema: Value) -> String {
        let name = self.names.add(component_name(name), "_");
        self.by_name.insert(name.clone(), schema);
        name
    }
}

/// A reference to a component.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A name with only the characters that the name of a component can have.
fn component_name(name: &str) -> String {
    // Nothing remains of a name in another script.
    const NAMELESS: &str = "Type";
    if !name.contains(|c: char| c.is_ascii_alphanumeric()) {
        return NAMELESS.to_owned();
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

/// Names that differ in their letters and digits. Generators of clients derive the names of classes and files from them, and
/// two that are the same overwrite each other.
#[derive(Default)]
pub(super) struct GeneratorNames(HashSet<String>);

impl GeneratorNames {
    /// Adds the name or, if there is one like it, the name with `separator` and a number behind it.
    pub(super) fn add(&mut self, name: String, separator: &str) -> String {
        let letters = |name: &str| -> String {
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
        };
        if self.0.insert(letters(&name)) {
            return name;
        }
        let numbered = (2_u32..).map(|number| format!("{name}{separator}{number}"));
        let mut numbered = numbered.filter(|candidate| self.0.insert(letters(candidate)));
        numbered.next().unwrap_or_default()
    }
}

/// The schema of every error (RFC 9457), with the members that croupier adds.
fn problem() -> Value {
    json!({
        "title": PROBLEM,
        "description": "Why a request failed (RFC 9457).",
        "type": "object",
        "properties": {
            "type": { "type": "string", "description": "`about:blank`: the type of the problem is that of the status." },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "The status." },
            "detail": { "type": "string", "description": "What is wrong, for people." },
            "kind": {
                "type": "string",
                "description": "The kind of the failure in one word; `refused` if no call started.",
            },
            "code": { "type": "integer", "description": "The code of the service, if it has one." },
            "parameter": { "type": "string", "description": "The parameter that is wrong, if one is." },
            "in": {
                "enum": ["path", "query", "body", "route"],
                "description": "Where that parameter is in a request to a route; `route` if the route sets it.",
            },
        },
        "required": ["type", "title", "status", "detail", "kind"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_in_more_than_punctuation() {
        let mut schemas = NamedSchemas::default();
        let mut add = |name: &str| schemas.add(name, json!({}));
        assert_eq!(add("Order.Line"), "Order.Line");
        assert_eq!(add("orderLine"), "orderLine_2");
        assert_eq!(add("Order_Line"), "Order_Line_3");
        assert_eq!(add("OrderLine2"), "OrderLine2_2");
        assert_eq!(add("a b/c"), "a_b_c");
        assert_eq!(add("\u{433}\u{43e}\u{440}"), "Type");
        assert_eq!(add("\u{434}"), "Type_2");
    }
}
