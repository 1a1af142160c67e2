//! The schema of what two schemas both allow, as the parts of an `allOf` mean it.

use std::collections::{HashMap, HashSet};
use std::mem;

use serde_json::{Map, Value};

use super::budget::Budget;
use super::plain::{Plain, canonical};

/// What both schemas allow. Where that cannot be written, more is allowed. Annotations of the first count before those of
/// the second.
pub(super) fn intersection(first: Plain, second: Plain, budget: &mut Budget) -> Plain {
    if first == Plain::default() {
        return second;
    }
    if first.any_of.is_empty() && second.any_of.is_empty() {
        return plain_intersection(first, second, budget);
    }
    let annotations = Plain {
        doc: first.doc.clone().or_else(|| second.doc.clone()),
        default: first.default.clone().or_else(|| second.default.clone()),
        sentences: first.sentences.iter().chain(&second.sentences).cloned().collect(),
        ..Plain::default()
    };
    let (mut choice, mut other) = if first.any_of.is_empty() { (second, first) } else { (first, second) };
    // Of two choices, the second is not written: all pairs of their alternatives would be too many.
    other.any_of.clear();
    (other.doc, other.default) = (None, None);
    other.sentences.clear();
    let alternatives = mem::take(&mut choice.any_of);
    let any_of = intersect_each(other, alternatives, budget);
    annotated(any_of, annotations)
}

/// The alternatives of a choice, each together with another schema. If there is no room for that, the other schema
/// remains without alternatives.
pub(super) fn intersect_each(other: Plain, alternatives: Vec<Plain>, budget: &mut Budget) -> Vec<Plain> {
    if other == Plain::default() {
        return alternatives;
    }
    let size = other.to_value().to_string().len();
    if !budget.spend(size.saturating_mul(alternatives.len())) {
        return vec![other];
    }
    alternatives.into_iter().map(|alternative| intersection(alternative, other.clone(), budget)).collect()
}

fn plain_intersection(mut first: Plain, second: Plain, budget: &mut Budget) -> Plain {
    first.types = common_types(mem::take(&mut first.types), second.types);
    first.doc = first.doc.or(second.doc);
    second.sentences.into_iter().for_each(|sentence| first.add_sentence(sentence));
    first.format = first.format.or(second.format);
    first.default = first.default.or(second.default);
    first.values = match (first.values, second.values) {
        (Some(own), Some(other)) => Some(common_values(own, &other)),
        (own, other) => own.or(other),
    };
    add_properties(&mut first.properties, second.properties, budget);
    let known: HashSet<String> = first.required.iter().cloned().collect();
    first.required.extend(second.required.into_iter().filter(|name| !known.contains(name)));
    first.items = match (first.items, second.items) {
        (Some(own), Some(other)) => Some(Box::new(intersection(*own, *other, budget))),
        (own, other) => own.or(other),
    };
    add_bounds(&mut first.bounds, second.bounds);
    first
}

fn add_properties(own: &mut Vec<(String, Plain)>, others: Vec<(String, Plain)>, budget: &mut Budget) {
    let places: HashMap<String, usize> = own.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
    for (name, other) in others {
        match places.get(&name).and_then(|at| own.get_mut(*at)) {
            Some((_, plain)) => *plain = intersection(mem::take(plain), other, budget),
            None => own.push((name, other)),
        }
    }
}

/// A choice with annotations. A single alternative is no choice.
pub(super) fn annotated(mut alternatives: Vec<Plain>, annotations: Plain) -> Plain {
    match (alternatives.pop(), alternatives.is_empty()) {
        (Some(mut only), true) => {
            only.doc = annotations.doc.or(only.doc);
            only.default = annotations.default.or(only.default);
            annotations.sentences.into_iter().for_each(|sentence| only.add_sentence(sentence));
            only
        }
        (last, _) => {
            alternatives.extend(last);
            Plain { any_of: alternatives, ..annotations }
        }
    }
}

/// The types that both lists have. An integer is also a number. Lists that exclude each other leave the first.
fn common_types(first: Vec<&'static str>, second: Vec<&'static str>) -> Vec<&'static str> {
    if first.is_empty() || second.is_empty() {
        return if first.is_empty() { second } else { first };
    }
    let common = |word: &&'static str| match *word {
        word if second.contains(&word) => Some(word),
        "integer" if second.contains(&"number") => Some("integer"),
        "number" if second.contains(&"integer") => Some("integer"),
        _ => None,
    };
    let mut types: Vec<_> = first.iter().filter_map(common).collect();
    types.dedup();
    if types.is_empty() { first } else { types }
}

fn common_values(own: Vec<Value>, other: &[Value]) -> Vec<Value> {
    let others: HashSet<String> = other.iter().map(canonical).collect();
    let values: Vec<_> = own.iter().filter(|value| others.contains(&canonical(value))).cloned().collect();
    if values.is_empty() { own } else { values }
}

/// Adds bounds, of which the narrower one counts.
fn add_bounds(own: &mut Map<String, Value>, others: Map<String, Value>) {
    for (keyword, other) in others {
        let is_narrower = |known: &Value| match (known.as_f64(), other.as_f64()) {
            (Some(known), Some(other)) if keyword.starts_with("min") || keyword.starts_with("exclusiveMin") => {
                other > known
            }
            (Some(known), Some(other)) if keyword.starts_with("max") || keyword.starts_with("exclusiveMax") => {
                other < known
            }
            _ => false,
        };
        if own.get(&keyword).is_none_or(is_narrower) {
            own.insert(keyword, other);
        }
    }
}
