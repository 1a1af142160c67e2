//! Moves tuples, which are lists with a type for each item, into components.
//!
//! Client generators make a named type of each component, which suits a tuple. Some tools also misread a tuple in a result
//! unless it is a component behind a reference, such as schemathesis 4.32.

use serde_json::{Value, json};

use super::components::{NamedSchemas, reference};

/// The keyword of a tuple.
const TUPLE: &str = "prefixItems";
/// The keywords whose values are data, even if they look like a schema.
const DATA: &[&str] = &["const", "default", "enum", "examples"];

/// Moves every tuple inside a component into a component of its own.
pub(super) fn in_components(schemas: &mut NamedSchemas) {
    let names: Vec<String> = schemas.by_name.keys().cloned().collect();
    for name in names {
        let Some(mut schema) = schemas.by_name.get_mut(&name).map(Value::take) else { continue };
        move_inner(&mut schema, schemas);
        schemas.by_name.insert(name, schema);
    }
}

/// Moves every tuple inside the schema of a result into the components. A result that is a tuple becomes a reference inside
/// `allOf`.
pub(super) fn in_result(schema: &mut Value, schemas: &mut NamedSchemas) {
    move_inner(schema, schemas);
    move_out(schema, schemas);
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next());
    if target.and_then(|name| schemas.by_name.get(name)).is_some_and(|target| target.get(TUPLE).is_some()) {
        *schema = json!({ "allOf": [schema.take()] });
    }
}

fn move_inner(schema: &mut Value, schemas: &mut NamedSchemas) {
    let inner: Vec<&mut Value> = match schema {
        Value::Array(all) => all.iter_mut().collect(),
        Value::Object(keywords) => keywords
            .iter_mut()
            .filter(|(keyword, _)| !DATA.contains(&keyword.as_str()))
            .map(|(_, value)| value)
            .collect(),
        _ => return,
    };
    for part in inner {
        move_inner(part, schemas);
        move_out(part, schemas);
    }
}

/// Replaces a tuple by a reference.
fn move_out(schema: &mut Value, schemas: &mut NamedSchemas) {
    if !schema.get(TUPLE).is_some_and(Value::is_array) {
        return;
    }
    let known = schemas.by_name.iter().find(|(_, known)| *known == schema).map(|(name, _)| name.clone());
    let tuple = schema.take();
    *schema = reference(&known.unwrap_or_else(|| schemas.add("Tuple", tuple)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_are_moved_to_components_once() {
        let pair = json!({ "prefixItems": [{ "type": "integer" }, true] });
        let mut schemas = NamedSchemas::default();
        schemas.add("Pair", json!({ "prefixItems": [true] }));
        schemas.add("Record", json!({ "properties": { "pair": pair }, "default": pair }));
        in_components(&mut schemas);
        assert_eq!(schemas.by_name["Record"]["properties"]["pair"], json!({ "$ref": "#/components/schemas/Tuple" }));
        assert_eq!((&schemas.by_name["Tuple"], &schemas.by_name["Record"]["default"]), (&pair, &pair));
        assert_eq!(schemas.by_name["Pair"], json!({ "prefixItems": [true] }));

        let mut result = pair.clone();
        in_result(&mut result, &mut schemas);
        assert_eq!(result, json!({ "allOf": [{ "$ref": "#/components/schemas/Tuple" }] }));
        let mut result = json!({ "items": { "$ref": "#/components/schemas/Pair" } });
        in_result(&mut result, &mut schemas);
        assert_eq!(result, json!({ "items": { "$ref": "#/components/schemas/Pair" } }));
        assert_eq!(schemas.by_name.len(), 3);
    }
}
