//! Sentences of a description, for what no keyword of the plain subset can say.

use serde_json::Value;

use super::plain::Plain;
use crate::model::text::excerpt;

/// The longest JSON text in a sentence, in bytes.
const MAX_IN_SENTENCE: usize = 300;

/// What a value is, in a few words or as a short schema.
pub(super) fn brief(plain: &Plain) -> String {
    if plain.is_any() {
        return "any value".to_owned();
    }
    let types = || match plain.types.as_slice() {
        [] => "any value".to_owned(),
        types => types.join(" or "),
    };
    if plain.has_only_types() {
        return types();
    }
    if let Some(values) = &plain.values {
        let texts: Vec<String> = values.iter().take(20).map(Value::to_string).collect();
        let text = texts.join(", ");
        if texts.len() == values.len() && text.len() <= MAX_IN_SENTENCE {
            return if texts.len() == 1 { text } else { format!("one of {text}") };
        }
        return types();
    }
    let undocumented = Plain { doc: None, ..plain.clone() };
    let schema = undocumented.to_value().to_string();
    if schema.len() <= MAX_IN_SENTENCE { schema } else { types() }
}

/// What the items of a tuple are: each with its name, its type and its documentation.
pub(super) fn tuple(items: &[(String, Plain)]) -> String {
    let item = |(name, plain): &(String, Plain)| {
        let mut text = if name.is_empty() { brief(plain) } else { format!("`{name}` ({})", brief(plain)) };
        if let Some(doc) = &plain.doc {
            text.push_str(": ");
            text.push_str(excerpt(doc, 80).trim_end_matches('.'));
        }
        text
    };
    format!("Items in this order: {}.", items.iter().map(item).collect::<Vec<_>>().join("; "))
}

/// Which members of a record go together: the names that each alternative requires.
pub(super) fn groups(alternatives: &[Plain]) -> Option<String> {
    let group = |plain: &Plain| match plain.required.as_slice() {
        [] => None,
        names => Some(names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")),
    };
    let mut groups: Vec<String> = alternatives.iter().map(group).collect::<Option<_>>()?;
    groups.dedup();
    (!groups.is_empty()).then(|| format!("Required: {}.", groups.join(", or ")))
}
