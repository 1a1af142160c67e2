//! The names of one group's definitions in an OpenAPI document.

use std::collections::HashMap;

use crate::model::interface::Interface;

/// The names that the definitions of one group have in the document.
#[derive(Clone)]
pub(super) struct ComponentNames<'a> {
    interface: &'a Interface,
    names: HashMap<&'a str, String>,
}

impl<'a> ComponentNames<'a> {
    /// No names yet.
    pub(super) fn new(interface: &'a Interface) -> ComponentNames<'a> {
        ComponentNames { interface, names: HashMap::new() }
    }

    /// The interface whose definitions these are.
    pub(super) fn interface(&self) -> &'a Interface {
        self.interface
    }

    /// The same names for another interface with equal definitions.
    pub(super) fn for_interface(&self, interface: &'a Interface) -> ComponentNames<'a> {
        ComponentNames { interface, names: self.names.clone() }
    }

    /// Sets the name of a definition.
    pub(super) fn insert(&mut self, definition: &'a str, name: String) {
        self.names.insert(definition, name);
    }

    /// The name of a definition.
    pub(super) fn get(&self, definition: &str) -> Option<&String> {
        self.names.get(definition)
    }

    /// A reference to one of the group's definitions as a reference into the document.
    pub(super) fn reference(&self, target: &str) -> String {
        let name = target.strip_prefix("#/$defs/").and_then(|name| self.names.get(name));
        name.map_or_else(|| target.to_owned(), |name| format!("#/components/schemas/{name}"))
    }
}
