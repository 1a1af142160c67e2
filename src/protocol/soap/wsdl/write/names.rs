//! Names for types that have none of their own: that of free-form values, and those of the parts of rpc style.

use std::collections::{BTreeMap, BTreeSet};

use super::RESULT;
use crate::model::shape::{MethodShape, Shapes};

/// The names that are given to types, none of them twice.
pub(super) struct Names {
    /// The type of free-form values.
    pub(super) any: String,
    /// By method and parameter, in the names of their elements. A result is the parameter without a name.
    parts: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn of(shapes: &Shapes) -> Names {
        let mut taken: BTreeSet<String> = shapes.definitions().iter().map(|def| def.element.clone()).collect();
        let any = free("Value".to_owned(), &mut taken);
        let mut parts = BTreeMap::new();
        for method in shapes.methods() {
            for param in method.params.iter().map(|param| Some(param.element.as_str())).chain([None]) {
                let name = free(format!("{}_{}", method.element, param.unwrap_or(RESULT)), &mut taken);
                parts.insert(key(method, param), name);
            }
        }
        Names { any, parts }
    }

    /// The type of a method's parameter; of its result where there is no parameter.
    pub(super) fn part(&self, method: &MethodShape, param: Option<&str>) -> &str {
        self.parts.get(&key(method, param)).map_or("", String::as_str)
    }
}

/// No name of an element has a blank.
fn key(method: &MethodShape, param: Option<&str>) -> String {
    format!("{} {}", method.element, param.unwrap_or_default())
}

/// The name, with as many `_` appended as make it unique.
fn free(mut name: String, taken: &mut BTreeSet<String>) -> String {
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}
