//! The named schemas of a document. Different types with the same name in two groups get different names.

use serde_json::{Map, Value, json};

use super::component_names::ComponentNames;
use super::schema;
use crate::model::interface::Interface;

/// The name of the schema of all errors.
pub(super) const PROBLEM: &str = "Problem";

/// The named schemas.
pub(super) struct Components<'a> {
    schemas: Map<String, Value>,
    known: Vec<ComponentNames<'a>>,
}

impl<'a> Components<'a> {
    /// The schemas that every document has.
    pub(super) fn new() -> Components<'a> {
        let schemas = Map::from_iter([(PROBLEM.to_owned(), problem())]);
        Components { schemas, known: Vec::new() }
    }

    /// Adds the definitions of a group. Groups with equal definitions share them.
    pub(super) fn add(&mut self, interface: &'a Interface) -> ComponentNames<'a> {
        if let Some(known) = self.known.iter().find(|known| known.interface().defs == interface.defs) {
            return known.for_interface(interface);
        }
        let mut names = ComponentNames::new(interface);
        for name in interface.defs.keys() {
            let free = unique_name(&self.schemas, name);
            // Reserves the name: the schemas can be converted only when all names are known.
            self.schemas.insert(free.clone(), Value::Null);
            names.insert(name, free);
        }
        for (name, definition) in &interface.defs {
            if let Some(free) = names.get(name) {
                self.schemas.insert(free.clone(), schema::convert(definition, &names));
            }
        }
        self.known.push(names.clone());
        names
    }

    /// The schemas by their names.
    pub(super) fn into_schemas(self) -> Map<String, Value> {
        self.schemas
    }
}

/// A unique name with only the characters that the name of a component can have.
pub(super) fn unique_name(schemas: &Map<String, Value>, name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
    let mut candidates = std::iter::once(name.clone()).chain(numbered);
    candidates.find(|candidate| !schemas.contains_key(candidate)).unwrap_or(name)
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
