//! Names for anonymous types: that of free-form values, and those of the parts of rpc style.

use std::collections::{BTreeMap, BTreeSet};

use super::RESULT;
use crate::model::shape::{MethodShape, Shapes};

/// The unique names of anonymous types.
pub(super) struct TypeNames {
    /// The type of free-form values.
    pub(super) any: String,
    /// The types of parts, by [`key`].
    parts: BTreeMap<String, String>,
}

impl TypeNames {
    pub(super) fn new(shapes: &Shapes) -> TypeNames {
        let mut taken: BTreeSet<String> = shapes.definitions().iter().map(|def| def.element.clone()).collect();
        let any = reserve("Value".to_owned(), &mut taken);
        let mut parts = BTreeMap::new();
        for method in shapes.methods() {
            for param in method.params.iter().map(|param| Some(param.element.as_str())).chain([None]) {
                let name = reserve(format!("{}_{}", method.element, param.unwrap_or(RESULT)), &mut taken);
                parts.insert(key(method, param), name);
            }
        }
        TypeNames { any, parts }
    }

    /// The type of a parameter of a method; without a parameter, that of the result.
    pub(super) fn part(&self, method: &MethodShape, param: Option<&str>) -> &str {
        self.parts.get(&key(method, param)).map_or("", String::as_str)
    }
}

/// The key of a parameter or a result. It is unique, because the name of an element has no space.
fn key(method: &MethodShape, param: Option<&str>) -> String {
    format!("{} {}", method.element, param.unwrap_or_default())
}

/// Reserves a name. Appends `_` until the name is unique.
fn reserve(mut name: String, taken: &mut BTreeSet<String>) -> String {
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}
