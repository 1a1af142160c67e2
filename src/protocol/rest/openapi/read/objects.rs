//! Objects whose members are known: those of one schema, or of several that `allOf` combines.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::source::{Node, Sources};

/// How deep `allOf` may be nested, with references between the levels.
const DEEPEST: usize = 32;
/// The largest number of members.
const MAX_MEMBERS: usize = 5000;
/// The keywords that say nothing about the members of an object.
const WITHOUT_EFFECT: [&str; 17] = [
    "title",
    "description",
    "type",
    "nullable",
    "discriminator",
    "example",
    "examples",
    "default",
    "deprecated",
    "xml",
    "externalDocs",
    "readOnly",
    "writeOnly",
    "$schema",
    "$id",
    "$comment",
    "$anchor",
];

/// Which way a value goes. Requests have no members that are `readOnly`, and responses none that are `writeOnly`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    Request,
    Response,
}

/// The members of an object.
#[derive(Debug, Default)]
pub(super) struct Members<'d> {
    /// The members in order.
    pub(super) members: Vec<(&'d str, Node<'d>)>,
    /// The names of those that are required.
    pub(super) required: Vec<&'d str>,
    /// Whether there may be others, by a keyword that says so.
    pub(super) is_open: bool,
    /// Whether there may be no others, by a keyword that says so.
    is_closed: bool,
    /// The place of each member, while they are gathered.
    places: HashMap<&'d str, usize>,
}

/// The members of an object that go in a direction; `None` if the schema says more than which members there are, or if schemas
/// that it combines do not agree on a member.
pub(super) fn merged<'d>(sources: &'d Sources<'d>, node: Node<'d>, direction: Direction) -> Option<Members<'d>> {
    let mut merged = Members::default();
    add(sources, &mut merged, node, 0)?;
    let is_other = |member: Node<'d>| is_of_other_direction(sources, member, direction);
    let others: Vec<&str> =
        merged.members.iter().filter(|(_, member)| is_other(*member)).map(|(name, _)| *name).collect();
    merged.members.retain(|(name, _)| !others.contains(name));
    merged.required.retain(|name| !others.contains(name));
    (merged.is_closed || !merged.members.is_empty()).then_some(merged)
}

fn add<'d>(sources: &'d Sources<'d>, to: &mut Members<'d>, node: Node<'d>, depth: usize) -> Option<()> {
    sources.visit()?;
    let node = sources.follow(node).filter(|_| depth < DEEPEST)?;
    let members = node.value.as_object()?;
    if !matches!(node.text("type"), "" | "object") || node.value.get("type").is_some_and(Json::is_array) {
        return None;
    }
    for inner in node.items("allOf") {
        add(sources, to, inner, depth + 1)?;
    }
    for (key, value) in members {
        match (key.as_str(), value) {
            ("allOf" | "properties", _) => {}
            ("required", Json::Array(names)) => {
                for name in names.iter().filter_map(Json::as_str) {
                    if !to.required.contains(&name) {
                        to.required.push(name);
                    }
                }
            }
            // A truth value is a mistake, which says nothing.
            ("required", _) => {}
            ("additionalProperties", Json::Bool(allowed)) => {
                // One of several schemas would refuse the members of the others.
                if !allowed && depth > 0 {
                    return None;
                }
                to.is_open |= *allowed;
                to.is_closed |= !*allowed;
            }
            ("additionalProperties", Json::Object(schema)) if depth == 0 || schema.is_empty() => to.is_open = true,
            (key, _) if key.starts_with("x-") || WITHOUT_EFFECT.contains(&key) => {}
            _ => return None,
        }
    }
    for (name, member) in node.members("properties") {
        sources.visit()?;
        let is_full = to.members.len() >= MAX_MEMBERS;
        let known = to.places.get(name).and_then(|at| to.members.get_mut(*at));
        match known {
            None if is_full => return None,
            None => {
                to.places.insert(name, to.members.len());
                to.members.push((name, member));
            }
            Some((_, known)) if known.value == member.value || has_only_annotations(member.value) => {}
            Some((_, known)) if has_only_annotations(known.value) => *known = member,
            Some(_) => return None,
        }
    }
    Some(())
}

/// Whether a schema only describes its value.
fn has_only_annotations(schema: &Json) -> bool {
    schema.as_object().is_some_and(|members| {
        members.keys().all(|key| key.starts_with("x-") || key != "type" && WITHOUT_EFFECT.contains(&key.as_str()))
    })
}

/// Whether a member goes in the other direction only.
pub(super) fn is_of_other_direction<'d>(sources: &'d Sources<'d>, member: Node<'d>, direction: Direction) -> bool {
    let key = match direction {
        Direction::Request => "readOnly",
        Direction::Response => "writeOnly",
    };
    let target = member.reference().and_then(|target| sources.target(member.document, target));
    member.is_true(key) || target.is_some_and(|target| target.is_true(key))
}
