//! The names of methods.
//!
//! The name of an operation is its `operationId`, in which every character that the name of a method cannot have becomes `_`.
//! Without an `operationId`, or if several operations have the same, it is made of verb and path: `GET /pets/{petId}` becomes
//! `get_pets_petId`. So a name depends on its own operation alone, not on the order in a document. Only operations whose paths
//! differ in nothing but such characters are numbered, in the order of their paths.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::protocol::discovered::is_valid_method_name;

/// What the name of an operation is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameSource {
    /// The verb in upper case.
    pub(super) verb: String,
    /// The path as the document has it.
    pub(super) path: String,
    /// Its `operationId`; may be empty.
    pub(super) id: String,
}

/// The names of operations, in their order. All are different, and none is among the `reserved` ones.
pub(super) fn names(operations: &[NameSource], reserved: &HashSet<&str>) -> Vec<String> {
    let ids: Vec<Option<String>> = operations.iter().map(|operation| from_id(&operation.id)).collect();
    let mut counts: HashMap<&str, usize> = reserved.iter().map(|name| (*name, 1)).collect();
    for id in ids.iter().flatten() {
        *counts.entry(id).or_default() += 1;
    }
    let unique = |id: &Option<String>| id.clone().filter(|id| counts.get(id.as_str()) == Some(&1));
    let mut names: Vec<Option<String>> = ids.iter().map(unique).collect();
    let used = names.iter().flatten().map(String::as_str).chain(reserved.iter().copied());
    let mut taken: HashMap<String, usize> = used.map(|name| (name.to_owned(), 1)).collect();
    let mut made: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (at, operation) in operations.iter().enumerate().filter(|(at, _)| names.get(*at) == Some(&None)) {
        made.insert((&operation.path, &operation.verb), at);
    }
    for ((path, verb), at) in made {
        let name = from_path(verb, path);
        let count = taken.entry(name.clone()).or_default();
        *count += 1;
        let mut number = *count;
        let mut numbered = name.clone();
        while number > 1 && taken.contains_key(&numbered) {
            numbered = format!("{name}_{number}");
            number += 1;
        }
        taken.entry(numbered.clone()).or_insert(1);
        if let Some(place) = names.get_mut(at) {
            *place = Some(numbered);
        }
    }
    names.into_iter().map(Option::unwrap_or_default).collect()
}

/// The name from an `operationId`; `None` if it has nothing that a name can have, or means something else.
fn from_id(id: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/".contains(c);
    let name = collapsed(id.chars().map(|c| if allowed(c) { c } else { '_' }));
    let name = name.trim_matches(['_', '/']);
    let is_reserved = ["rpc.", "system."].iter().any(|prefix| name.starts_with(prefix));
    let has_odd_segment = name.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    (is_valid_method_name(name) && !is_reserved && !has_odd_segment).then(|| name.to_owned())
}

/// The name from verb and path.
fn from_path(verb: &str, path: &str) -> String {
    let text = format!("{}_{}", verb.to_ascii_lowercase(), path.replace(['{', '}'], ""));
    let name = collapsed(text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
    name.trim_matches('_').to_owned()
}

/// The characters, with one `_` for several behind one another.
fn collapsed(characters: impl Iterator<Item = char>) -> String {
    let mut text = String::new();
    for c in characters {
        if c != '_' || !text.ends_with('_') {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(operations: &[(&str, &str, &str)]) -> Vec<String> {
        let operation = |(verb, path, id): &(&str, &str, &str)| NameSource {
            verb: (*verb).to_owned(),
            path: (*path).to_owned(),
            id: (*id).to_owned(),
        };
        names(&operations.iter().map(operation).collect::<Vec<_>>(), &HashSet::new())
    }

    #[test]
    fn a_name_is_the_id_or_the_verb_and_the_path() {
        for (operation, name) in [
            (("GET", "/pets", "listPets"), "listPets"),
            (("GET", "/pets", "repos/get"), "repos/get"),
            (("GET", "/pets", "admin-api-keys--list"), "admin_api_keys_list"),
            (("GET", "/pets", "find pet by id"), "find_pet_by_id"),
            (("PUT", "/items/{id}", "put_items__id__put"), "put_items_id_put"),
            (("GET", "/pets", "_private"), "private"),
            (("GET", "/pets/{petId}", ""), "get_pets_petId"),
            (("GET", "/pets/{petId}", "приве́т"), "get_pets_petId"),
            (("GET", "/pets/{petId}", "system.listMethods"), "get_pets_petId"),
            (("GET", "/pets/{petId}", "a/../b"), "get_pets_petId"),
            (("DELETE", "/", ""), "delete"),
            (("GET", "/a.{format}/b-c", ""), "get_a_format_b_c"),
        ] {
            assert_eq!(named(&[operation]), [name], "{operation:?}");
        }
    }

    #[test]
    fn names_do_not_depend_on_the_order() {
        let operations = [
            ("GET", "/a", "read"),
            ("GET", "/b", "read"),
            ("GET", "/c-d", ""),
            ("GET", "/c_d", ""),
            ("POST", "/e", "get_c_d_2"),
            ("GET", "/f", "get_a"),
        ];
        let expected = ["get_a_2", "get_b", "get_c_d", "get_c_d_3", "get_c_d_2", "get_a"];
        assert_eq!(named(&operations), expected);
        let mut reversed = operations;
        reversed.reverse();
        let mut names = named(&reversed);
        names.reverse();
        assert_eq!(names, expected);
    }
}
