//! What becomes of the types of Rust services and of upstreams' documents, and that nothing makes a schema too long.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;

fn param(name: &str, schema: Value, required: bool) -> Param {
    let doc = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    Param { name: name.into(), doc, schema: schema.try_into().unwrap(), required }
}

fn method(params: Vec<Param>, result: Value) -> Method {
    Method { name: "m".into(), doc: String::new(), params, result: result.try_into().unwrap(), safe: false }
}

fn defs(defs: Value) -> Map<String, Value> {
    serde_json::from_value(defs).unwrap()
}

/// The schema of an optional parameter.
fn plain_with(schema: Value, definitions: Value) -> Value {
    let mut root = input_schema(&method(vec![param("it", schema, false)], json!({})), &defs(definitions));
    root["properties"]["it"].take()
}

fn plain(schema: Value) -> Value {
    plain_with(schema, json!({}))
}

fn output_with(schema: Value, definitions: Value) -> OutputSchema {
    output_schema(&method(Vec::new(), schema), &defs(definitions))
}

#[derive(JsonSchema, Deserialize)]
#[allow(dead_code, reason = "only its schema is of interest")]
struct Bet {
    /// Where the chips lie.
    on: Place,
    /// How many chips.
    #[schemars(range(min = 1, max = 500))]
    chips: u32,
    /// The name of the player.
    player: Option<String>,
    /// Bets that depend on this one.
    #[serde(default)]
    further: Vec<Bet>,
    odds: (u8, f64),
    notes: BTreeMap<String, i64>,
}

#[derive(JsonSchema, Deserialize)]
#[allow(dead_code, reason = "only its schema is of interest")]
enum Place {
    /// All red pockets.
    Red,
    /// All black pockets.
    Black,
    Pocket(u8),
}

fn of_type<T: JsonSchema>() -> (schemars::Schema, Map<String, Value>) {
    let mut generator = SchemaGenerator::default();
    let schema = generator.subschema_for::<T>();
    (schema, generator.take_definitions(true))
}

#[test]
fn the_root_is_an_object_that_takes_no_other_arguments() {
    let none = method(Vec::new(), json!({}));
    let empty = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    assert_eq!(input_schema(&none, &Map::new()), empty);
    let two = method(vec![param("a", json!({ "type": "string" }), true), param("@b", json!(true), false)], json!({}));
    let expected = json!({
        "type": "object",
        "properties": { "a": { "type": "string" }, "@b": {} },
        "required": ["a"],
        "additionalProperties": false,
    });
    assert_eq!(input_schema(&two, &Map::new()).to_string(), expected.to_string());
}

#[test]
fn free_arguments_are_a_list() {
    let free = input_schema(&method(vec![Param::free_arguments()], json!({})), &Map::new());
    let args = &free["properties"]["args"];
    assert_eq!((&args["type"], &args["items"]), (&json!("array"), &json!({})));
    assert_eq!((args.get("x-free-arguments"), free.get("required")), (None, None));
    assert!(args["description"].as_str().unwrap().starts_with("All arguments"));
}

#[test]
fn types_of_rust_become_plain() {
    let (schema, defs) = of_type::<Bet>();
    let bet = method(Vec::new(), json!({}));
    let bet =
        Method { params: vec![Param { name: "bet".into(), doc: "The bet.".into(), schema, required: true }], ..bet };
    let root = input_schema(&bet, &defs);
    let bet = &root["properties"]["bet"];
    assert_eq!(bet["description"], "The bet.");
    let members = &bet["properties"];
    assert_eq!(
        members["chips"],
        json!({ "type": "integer", "description": "How many chips.", "minimum": 1, "maximum": 500 })
    );
    assert_eq!(members["player"], json!({ "type": ["string", "null"], "description": "The name of the player." }));
    assert_eq!(
        members["odds"],
        json!({
            "type": "array",
            "description": "Items in this order: {\"type\":\"integer\",\"minimum\":0,\"maximum\":255}; number.",
            "items": { "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 255 }, { "type": "number" }] },
            "maxItems": 2,
            "minItems": 2,
        })
    );
    assert_eq!(
        members["notes"],
        json!({ "type": "object", "description": "Members may have any name; the value of each: integer." })
    );
    let on = &members["on"];
    assert_eq!(on["description"], "Where the chips lie.");
    assert_eq!(on["anyOf"][0], json!({ "type": "string", "description": "All red pockets.", "enum": ["Red"] }));
    assert_eq!(on["anyOf"][2]["properties"]["Pocket"]["maximum"], 255);
    // The innermost of three levels.
    let innermost = &members["further"]["items"]["properties"]["further"]["items"]["properties"]["further"]["items"];
    assert_eq!(innermost, &json!({ "type": "object", "description": "Not shown in full." }));
    jsonschema::meta::validate(&root).unwrap();
}

#[test]
fn choices_of_documented_texts_are_one_list() {
    let schema = json!({ "oneOf": [
        { "type": "string", "const": "Red", "description": "All red pockets." },
        { "type": "string", "enum": ["Black", "Green"] },
        { "type": "null" },
    ] });
    let expected = json!({
        "type": ["string", "null"],
        "description": "\"Red\": All red pockets.",
        "enum": ["Red", "Black", "Green", null],
    });
    assert_eq!(plain(schema), expected);
    let types =
        json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }, { "type": "null" }, { "type": "string" }] });
    assert_eq!(plain(types), json!({ "type": ["string", "integer", "null"] }));
    assert_eq!(plain(json!({ "anyOf": [{ "type": "string" }, true] })), json!({}));
}

#[test]
fn keywords_that_clients_refuse_are_left_out() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-04/schema#", "$id": "x", "$comment": "c", "$defs": {}, "x-mcp-header": "H",
        "type": "object", "not": {}, "if": {}, "then": {}, "else": {}, "dependentRequired": { "a": ["b"] },
        "dependentSchemas": {}, "unevaluatedProperties": false, "propertyNames": {}, "additionalProperties": false,
        "nullable": true, "readOnly": true, "contains": {},
        "patternProperties": { "^x-": { "type": "string" } },
        "properties": { "list": { "type": "array" }, "one": { "const": 7 }, "two": { "enum": [1, 1.0, "a", "a"] } },
        "required": ["list", "unknown", "list"],
    });
    let expected = json!({
        "type": "object",
        "description": "Members with names that match `^x-`; the value of each: string.",
        "properties": {
            "list": { "type": "array", "items": {} },
            "one": { "type": "integer", "enum": [7] },
            "two": { "type": ["integer", "string"], "enum": [1, "a"] },
            "unknown": {},
        },
        "required": ["list", "unknown"],
    });
    assert_eq!(plain(schema), expected);
}

#[test]
fn bounds_that_javascript_would_round_are_in_the_description() {
    let large = json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX, "description": "A serial number" });
    let expected =
        json!({ "type": "integer", "description": "A serial number. At most 18446744073709551615.", "minimum": 0 });
    assert_eq!(plain(large), expected);
    let bounded = |schema: Value| {
        let mut plain = plain(schema);
        plain.as_object_mut().unwrap().shift_remove("type");
        plain
    };
    assert_eq!(
        bounded(json!({ "type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10, "maximum": 20 })),
        json!({ "minimum": 1, "maximum": 9 })
    );
    assert_eq!(
        bounded(json!({ "type": "integer", "format": "int8", "minimum": -5.0 })),
        json!({ "minimum": -5, "maximum": 127 })
    );
    assert_eq!(
        bounded(json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1.5 })),
        json!({ "exclusiveMinimum": 0, "maximum": 1.5 })
    );
    let largest = 1_u64 << 53;
    assert_eq!(bounded(json!({ "type": "integer", "maximum": largest })), json!({ "maximum": largest }));
    assert_eq!(
        bounded(json!({ "type": "integer", "maximum": largest + 1 })),
        json!({ "description": "At most 9007199254740993." })
    );
}

#[test]
fn defaults_of_another_type_are_in_the_description() {
    assert_eq!(plain(json!({ "type": "integer", "default": 7 })), json!({ "type": "integer", "default": 7 }));
    assert_eq!(
        plain(json!({ "type": "integer", "default": "seven" })),
        json!({ "type": "integer", "description": "Default: \"seven\"." })
    );
    let beyond = plain(json!({ "type": "integer", "default": u64::MAX }));
    assert_eq!(beyond, json!({ "type": "integer", "description": "Default: 18446744073709551615." }));
    assert_eq!(plain(json!({ "type": "string", "default": null })), json!({ "type": "string" }));
    let long = "a".repeat(2000);
    assert_eq!(plain(json!({ "default": long })), json!({ "description": "Has a default value." }));
    let referred = plain_with(json!({ "$ref": "#/$defs/N", "default": "x" }), json!({ "N": { "type": "integer" } }));
    assert_eq!(referred, json!({ "type": "integer", "description": "Default: \"x\"." }));
}

#[test]
fn bytes_formats_and_examples() {
    let bytes = json!({ "type": "string", "contentEncoding": "base64" });
    assert_eq!(plain(bytes), json!({ "type": "string", "description": "Bytes in base64." }));
    let date = json!({ "type": "string", "format": "date-time", "examples": ["1998-07-17T14:08:55Z"] });
    let expected =
        json!({ "type": "string", "description": "Example: \"1998-07-17T14:08:55Z\".", "format": "date-time" });
    assert_eq!(plain(date.clone()), expected);
    let phone = json!({ "type": "string", "format": "phone", "pattern": "^[0-9]+$" });
    assert_eq!(plain(phone), json!({ "type": "string", "description": "Format: phone.", "pattern": "^[0-9]+$" }));
    // A date of a result may lack a time zone, which the format demands.
    let expected = json!({ "type": "string", "description": "A date and time (ISO 8601)." });
    assert_eq!(output_with(date, json!({})).schema["properties"]["result"], expected);
}

#[test]
fn combined_schemas_become_one() {
    let definitions = json!({
        "Animal": { "type": "object", "description": "An animal.", "properties": { "name": { "type": "string" } }, "required": ["name"] },
        "Size": { "type": "number", "minimum": 0 },
    });
    let schema = json!({
        "description": "A dog.",
        "allOf": [
            { "$ref": "#/$defs/Animal" },
            { "properties": { "size": { "$ref": "#/$defs/Size" }, "name": { "maxLength": 20 } }, "required": ["size", "name"] },
            { "properties": { "size": { "type": "integer", "minimum": -3, "maximum": 9 } } },
        ],
    });
    let expected = json!({
        "type": "object",
        "description": "A dog.",
        "properties": {
            "name": { "type": "string", "maxLength": 20 },
            "size": { "type": "integer", "minimum": 0, "maximum": 9 },
        },
        "required": ["name", "size"],
    });
    assert_eq!(plain_with(schema, definitions), expected);
}

#[test]
fn choices_beside_members() {
    let text = || json!({ "type": "string" });
    // The description says which members go together.
    let restricted = json!({
        "type": "object",
        "properties": { "a": text(), "b": text(), "c": text() },
        "oneOf": [{ "required": ["a"] }, { "required": ["b", "c"] }],
    });
    let expected = json!({
        "type": "object",
        "description": "Required: `a`, or `b` and `c`.",
        "properties": { "a": text(), "b": text(), "c": text() },
    });
    assert_eq!(plain(restricted), expected);
    // Members that only some alternatives have are added to the common ones.
    let extended = json!({
        "type": "object",
        "description": "A pet.",
        "properties": { "name": text() },
        "oneOf": [
            { "properties": { "kind": { "const": "cat" }, "lives": { "type": "integer" } } },
            { "properties": { "kind": { "const": "dog" } } },
            { "type": "null" },
        ],
    });
    let written = plain(extended);
    assert_eq!(written["description"], "A pet.");
    assert_eq!(written["anyOf"].as_array().map(Vec::len), Some(2), "{written}");
    assert_eq!(written["anyOf"][0]["properties"]["name"], text());
    assert_eq!(written["anyOf"][0]["properties"]["kind"], json!({ "type": "string", "enum": ["cat"] }));
    // Null is one more alternative, if there are several.
    let nullable = json!({ "anyOf": [{ "type": "null" }, { "type": "array", "minItems": 1 }, { "type": "string", "minLength": 2 }] });
    assert_eq!(
        plain(nullable),
        json!({ "anyOf": [
            { "type": "array", "items": {}, "minItems": 1 }, { "type": "string", "minLength": 2 }, { "type": "null" },
        ] })
    );
}

#[test]
fn tuples_are_lists_with_words() {
    let schema = json!({
        "type": "array",
        "prefixItems": [
            { "type": "integer", "title": "pocket", "description": "Where the ball lies." },
            { "type": "integer", "title": "spins" },
        ],
        "items": false,
        "minItems": 2,
    });
    let expected = json!({
        "type": "array",
        "description": "Items in this order: `pocket` (integer): Where the ball lies; `spins` (integer).",
        "items": { "type": "integer" },
        "maxItems": 2,
        "minItems": 2,
    });
    assert_eq!(plain(schema), expected);
    let open = json!({ "type": "array", "prefixItems": [{ "type": "integer" }] });
    assert_eq!(plain(open), json!({ "type": "array", "description": "Items in this order: integer.", "items": {} }));
}

#[test]
fn results_that_are_no_objects_are_wrapped() {
    let record = json!({ "$ref": "#/$defs/Record" });
    let definitions = json!({
        "Record": { "type": "object", "properties": { "n": { "type": "integer", "default": 3 } }, "additionalProperties": false },
    });
    let own = OutputSchema {
        schema: json!({ "type": "object", "properties": { "n": { "type": "integer" } } }),
        is_wrapped: false,
    };
    assert_eq!(output_with(record.clone(), definitions.clone()), own);
    let map = output_with(json!({ "type": "object", "additionalProperties": { "type": "integer" } }), json!({}));
    assert_eq!((map.is_wrapped, &map.schema["properties"]), (false, &json!({})));
    for (schema, result) in [
        (json!({ "type": "integer" }), json!({ "type": "integer" })),
        (json!({ "type": "null" }), json!({ "type": "null" })),
        (json!({}), json!({})),
        (json!({ "type": ["object", "null"] }), json!({ "type": ["object", "null"] })),
        (json!({ "type": "object", "enum": [{}] }), json!({ "type": "object", "enum": [{}] })),
        (
            json!({ "type": "array", "items": record }),
            json!({ "type": "array", "items": { "type": "object", "properties": { "n": { "type": "integer" } } } }),
        ),
    ] {
        let wrapped = json!({ "type": "object", "properties": { "result": result }, "required": ["result"] });
        assert_eq!(output_with(schema, definitions.clone()), OutputSchema { schema: wrapped, is_wrapped: true });
    }
    // A choice of records is no record for clients.
    let choice = json!({ "anyOf": [record, { "type": "object", "required": ["m"] }] });
    assert!(output_with(choice, definitions).is_wrapped);
}

#[test]
fn long_schemas_have_less_detail_but_all_parameters() {
    // Each level has ten members of the next one: 5,000 members at the third level of five parameters.
    let level = |next: &str| {
        let members = (0..10).map(|n| (format!("member{n}"), json!({ "$ref": format!("#/$defs/{next}") })));
        json!({ "type": "object", "properties": members.collect::<Map<_, _>>() })
    };
    let definitions = json!({ "A": level("B"), "B": level("C"), "C": level("D"), "D": { "type": "string" } });
    let params = (0..5).map(|n| param(&format!("p{n}"), json!({ "$ref": "#/$defs/A" }), true)).collect();
    let root = input_schema(&method(params, json!({})), &defs(definitions));
    assert!(root.to_string().len() <= MAX_BYTES);
    assert_eq!(root["additionalProperties"], false);
    for n in 0..5 {
        let last = &root["properties"][format!("p{n}")]["properties"]["member9"];
        assert_eq!(last["properties"]["member9"], json!({ "type": "object", "description": "Not shown in full." }));
    }
}

#[test]
fn more_parameters_than_there_is_room_for() {
    let params = (0..5000).map(|n| param(&format!("param{n}"), json!({ "type": "string" }), true)).collect();
    let root = input_schema(&method(params, json!({})), &Map::new());
    assert!(root.to_string().len() <= MAX_BYTES);
    let listed = root["properties"].as_object().unwrap().len();
    assert!(listed > 100);
    assert_eq!(root["description"], format!("Has {} more parameters, which are not listed.", 5000 - listed));
    assert_eq!((root.get("additionalProperties"), root["required"].as_array().unwrap().len()), (None, listed));
}

/// Schemas that would be endless or huge without bounds.
fn hostile() -> Vec<(Value, Value)> {
    let nested = (0..100).fold(json!({ "type": "string" }), |inner, _| json!({ "type": "array", "items": inner }));
    let nested_choice =
        (0..60).fold(json!({ "minLength": 1 }), |inner, _| json!({ "anyOf": [inner, { "type": "array" }] }));
    let fan = |keyword: &str| json!({ keyword: vec![json!({ "$ref": "#/$defs/A" }); 50] });
    let members =
        |count: usize| (0..count).map(|n| (format!("m{n}"), json!({ "$ref": "#/$defs/A" }))).collect::<Map<_, _>>();
    let itself = json!({ "$ref": "#/$defs/A" });
    let bulky =
        json!({ "type": "string", "enum": vec!["\u{1}".repeat(5000); 40], "description": "\u{1}".repeat(9000) });
    let distinct: Vec<Value> = (0..30_000).map(Value::from).collect();
    vec![
        (nested, json!({})),
        (nested_choice, json!({})),
        (itself.clone(), json!({ "A": itself })),
        (itself.clone(), json!({ "A": { "$ref": "#/$defs/B" }, "B": { "allOf": [{ "$ref": "#/$defs/A" }] } })),
        (itself.clone(), json!({ "A": fan("allOf") })),
        (itself.clone(), json!({ "A": fan("anyOf") })),
        (itself.clone(), json!({ "A": fan("prefixItems") })),
        (itself.clone(), json!({ "A": { "properties": members(200) } })),
        (
            itself.clone(),
            json!({ "A": { "properties": members(9), "anyOf": fan("anyOf")["anyOf"], "allOf": fan("oneOf")["oneOf"] } }),
        ),
        (itself.clone(), json!({ "A": { "additionalProperties": itself, "patternProperties": { "a": itself } } })),
        (itself.clone(), json!({ "A": bulky })),
        (
            itself.clone(),
            json!({ "A": { "enum": distinct, "required": (0..9000).map(|n| n.to_string()).collect::<Vec<_>>() } }),
        ),
        (json!({ "$ref": "#/$defs/none" }), json!({})),
        (
            json!({ "$ref": 7, "type": 8, "properties": 9, "required": "a", "enum": {}, "anyOf": {}, "minimum": "x" }),
            json!({}),
        ),
        (
            json!({ "type": ["array", "nothing", 3], "items": [{}], "prefixItems": {}, "minItems": -1, "maxItems": 1.5 }),
            json!({}),
        ),
        (json!({ "type": "integer", "minimum": 1e300, "exclusiveMaximum": i64::MIN, "maximum": 0.5 }), json!({})),
        (json!({ "properties": { "a".repeat(90_000): {} }, "required": ["\n".repeat(70_000)] }), json!({})),
    ]
}

#[test]
fn nothing_makes_a_schema_endless_or_too_long() {
    for (schema, definitions) in hostile() {
        let name = schema.to_string().chars().take(100).collect::<String>();
        let method = method(vec![param("it", schema.clone(), true), param("other", json!({}), true)], schema);
        let definitions = defs(definitions);
        let input = input_schema(&method, &definitions);
        let output = output_schema(&method, &definitions).schema;
        assert!(input["properties"].get("other").is_some(), "{name}");
        for written in [input, output] {
            assert!(written.to_string().len() <= MAX_BYTES, "{name}: {}", written.to_string().len());
            check(&written, true, &name);
            jsonschema::meta::validate(&written).unwrap();
        }
    }
}

/// Panics for a keyword that clients refuse.
fn check(schema: &Value, is_root: bool, name: &str) {
    let allowed = "type description format enum properties required items anyOf default minimum maximum exclusiveMinimum \
                   exclusiveMaximum multipleOf minLength maxLength minItems maxItems uniqueItems minProperties \
                   maxProperties pattern";
    let keywords = schema.as_object().unwrap();
    for keyword in keywords.keys() {
        let is_allowed = allowed.split_whitespace().any(|known| known == keyword);
        assert!(is_allowed || is_root && keyword == "additionalProperties", "{name}: {keyword}");
    }
    if is_root {
        assert_eq!(keywords["type"], "object", "{name}");
        assert!(keywords["properties"].is_object() && !keywords.contains_key("anyOf"), "{name}");
    }
    let is_type = |word: &str| {
        keywords.get("type").is_some_and(|it| it == word || it.as_array().is_some_and(|it| it.contains(&word.into())))
    };
    assert!(!is_type("array") || keywords.contains_key("items"), "{name}");
    for required in keywords.get("required").and_then(Value::as_array).into_iter().flatten() {
        assert!(keywords["properties"].get(required.as_str().unwrap()).is_some(), "{name}: {required}");
    }
    let members = keywords.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(_, member)| member);
    let alternatives = keywords.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    members.chain(alternatives).chain(keywords.get("items")).for_each(|inner| check(inner, false, name));
}

/// Schemas with all keywords that are converted, and references to the definitions `A` and `B`.
fn any_schema() -> impl Strategy<Value = Value> {
    let value =
        || prop_oneof![Just(json!(null)), Just(json!(1)), Just(json!(2.5)), Just(json!("a")), Just(json!(true))];
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(true)),
        Just(json!({ "type": "string", "minLength": 1 })),
        Just(json!({ "type": "integer", "exclusiveMinimum": 0, "format": "uint8" })),
        Just(json!({ "type": ["number", "null"], "maximum": 2.5 })),
        Just(json!({ "type": "null" })),
        Just(json!({ "type": "object", "additionalProperties": { "type": "integer" } })),
        Just(json!({ "$ref": "#/$defs/A" })),
        Just(json!({ "$ref": "#/$defs/B", "type": "object" })),
        prop::collection::vec(value(), 1..4).prop_map(|values| json!({ "enum": values })),
        value().prop_map(|value| json!({ "const": value, "description": "One." })),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let several = || prop::collection::vec(inner.clone(), 1..4);
        let members = || prop::collection::btree_map("[ab]", inner.clone(), 0..3);
        let required = || prop::collection::vec("[abc]", 0..3);
        prop_oneof![
            inner.clone().prop_map(|items| json!({ "type": ["array", "null"], "items": items, "uniqueItems": true })),
            (several(), any::<bool>()).prop_map(|(fixed, further)| json!({
                "type": "array", "prefixItems": fixed, "items": further, "maxItems": 4,
            })),
            (members(), required()).prop_map(|(members, required)| json!({
                "type": "object", "properties": members, "required": required,
            })),
            (members(), several(), "anyOf|oneOf|allOf").prop_map(|(members, all, keyword)| json!({
                "type": ["object", "null"], "properties": members, keyword: all,
            })),
            several().prop_map(|all| json!({ "anyOf": all })),
            several().prop_map(|all| json!({ "oneOf": all, "description": "One of these." })),
            (several(), several()).prop_map(|(all, any)| json!({ "allOf": all, "anyOf": any })),
        ]
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        (0..3).prop_map(Value::from),
        Just(json!(2.5)),
        "[ab]?".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn what_is_valid_remains_valid(
        (schema, a, b) in (any_schema(), any_schema(), any_schema()),
        values in prop::collection::vec(any_value(), 40),
    ) {
        let definitions = json!({ "A": a, "B": b });
        let source = json!({ "$defs": definitions, "allOf": [schema] });
        let plain = [plain_with(schema.clone(), definitions.clone()), output_with(schema.clone(), definitions).schema];
        let wrapped = plain[1]["properties"].get("result").is_some();
        // A reference that leads to itself is no valid schema.
        let Ok(source) = jsonschema::validator_for(&source) else { return Ok(()) };
        for value in values.iter().filter(|value| source.is_valid(value)) {
            prop_assert!(jsonschema::is_valid(&plain[0], value), "{} {}", plain[0], value);
            let result = if wrapped { json!({ "result": value }) } else { value.clone() };
            prop_assert!(jsonschema::is_valid(&plain[1], &result), "{} {}", plain[1], result);
        }
        check(&plain[1], true, "output");
        check(&plain[0], false, "input");
        prop_assert!(plain.iter().all(|plain| plain.to_string().len() <= MAX_BYTES));
    }
}
