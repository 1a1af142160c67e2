//! The named schemas of a document, kept apart where two groups mean different types by one name.

use serde_json::{Map, Value, json};

use super::component_names::ComponentNames;
use super::schema;
use crate::model::interface::Interface;

/// The name of the schema of all errors.
pub(super) const PROBLEM: &str = "Problem";

/// Named schemas, as they have been collected.
pub(super) struct Components<'a> {
    schemas: Map<String, Value>,
    known: Vec<ComponentNames<'a>>,
}

impl<'a> Components<'a> {
    /// Only what every document has.
    pub(super) fn new() -> Components<'a> {
        let schemas = Map::from_iter([(PROBLEM.to_owned(), problem())]);
        Components { schemas, known: Vec::new() }
    }

    /// Adds a group's definitions. Groups whose definitions are all alike share them.
    pub(super) fn add(&mut self, interface: &'a Interface) -> ComponentNames<'a> {
        if let Some(known) = self.known.iter().find(|known| known.interface().defs == interface.defs) {
            return known.for_interface(interface);
        }
        let mut names = ComponentNames::new(interface);
        for name in interface.defs.keys() {
            let free = free(&self.schemas, name);
            // Holds the place until all names are known, on which the schemas depend.
            self.schemas.insert(free.clone(), Value::Null);
            names.insert(name, free);
        }
        for (name, definition) in &interface.defs {
            if let Some(free) = names.get(name) {
                self.schemas.insert(free.clone(), schema::of(definition, &names));
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

/// A name that no other definition has, of the characters that a component's name may have.
pub(super) fn free(schemas: &Map<String, Value>, name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
    let mut candidates = std::iter::once(name.clone()).chain(numbered);
    candidates.find(|candidate| !schemas.contains_key(candidate)).unwrap_or(name)
}

/// What every error is (RFC 9457), with what is added to it here.
fn problem() -> Value {
    json!({
        "title": PROBLEM,
        "description": "Why a request has no answer (RFC 9457).",
        "type": "object",
        "properties": {
            "type": { "type": "string", "description": "`about:blank`: the status says what sort of problem it is." },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "The status." },
            "detail": { "type": "string", "description": "What is wrong, for the person who reads it." },
            "kind": {
                "type": "string",
                "description": "What sort of failure it is, in one word; `refused` where it was no call at all.",
            },
            "code": { "type": "integer", "description": "The service's own code, if it has one for this." },
            "parameter": { "type": "string", "description": "The parameter that is wrong, if it is one of them." },
            "in": {
                "enum": ["path", "query", "body", "route"],
                "description": "Where that parameter stands in the request to a route; `route` if nowhere in it.",
            },
        },
        "required": ["type", "title", "status", "detail", "kind"],
    })
}
