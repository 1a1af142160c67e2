//! Tuples as components of their own: lists of which each item has a type of its own.
//!
//! Generators of clients make a named type of each component, which suits a tuple well. And there are tools that read a
//! tuple in an answer wrongly (schemathesis 4.32 is one of them), unless it is a component behind a reference.

use serde_json::{Map, Value, json};

use super::components::free;

/// What makes a list a tuple.
const TUPLE: &str = "prefixItems";
/// Keywords whose values are data, whatever they look like.
const DATA: &[&str] = &["const", "default", "enum", "examples"];

/// Moves every tuple within the components into one of its own.
pub(super) fn in_components(schemas: &mut Map<String, Value>) {
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in names {
        let Some(mut schema) = schemas.get_mut(&name).map(Value::take) else { continue };
        move_inner(&mut schema, schemas);
        schemas.insert(name, schema);
    }
}

/// Moves every tuple within the schema of an answer into the components. If the answer itself is one, it stands behind
/// a reference.
pub(super) fn in_answer(schema: &mut Value, schemas: &mut Map<String, Value>) {
    move_inner(schema, schemas);
    move_out(schema, schemas);
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next());
    if target.and_then(|name| schemas.get(name)).is_some_and(|target| target.get(TUPLE).is_some()) {
        *schema = json!({ "allOf": [schema.take()] });
    }
}

fn move_inner(schema: &mut Value, schemas: &mut Map<String, Value>) {
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

/// Puts a reference in the place of a tuple.
fn move_out(schema: &mut Value, schemas: &mut Map<String, Value>) {
    if !schema.get(TUPLE).is_some_and(Value::is_array) {
        return;
    }
    let known = schemas.iter().find(|(_, known)| *known == schema).map(|(name, _)| name.clone());
    let name = known.unwrap_or_else(|| free(schemas, "Tuple"));
    let tuple = std::mem::replace(schema, json!({ "$ref": format!("#/components/schemas/{name}") }));
    schemas.insert(name, tuple);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_move_out_wherever_they_stand_and_only_once() {
        let pair = json!({ "prefixItems": [{ "type": "integer" }, true] });
        let mut schemas = Map::from_iter([
            ("Pair".to_owned(), json!({ "prefixItems": [true] })),
            ("Record".to_owned(), json!({ "properties": { "pair": pair }, "default": pair })),
        ]);
        in_components(&mut schemas);
        assert_eq!(schemas["Record"]["properties"]["pair"], json!({ "$ref": "#/components/schemas/Tuple" }));
        assert_eq!((&schemas["Tuple"], &schemas["Record"]["default"]), (&pair, &pair));
        assert_eq!(schemas["Pair"], json!({ "prefixItems": [true] }));

        let mut answer = pair.clone();
        in_answer(&mut answer, &mut schemas);
        assert_eq!(answer, json!({ "allOf": [{ "$ref": "#/components/schemas/Tuple" }] }));
        let mut answer = json!({ "items": { "$ref": "#/components/schemas/Pair" } });
        in_answer(&mut answer, &mut schemas);
        assert_eq!(answer, json!({ "items": { "$ref": "#/components/schemas/Pair" } }));
        assert_eq!(schemas.len(), 3);
    }
}
