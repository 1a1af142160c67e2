//! Signatures and help texts in the forms that servers return.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::xmlrpc::signature::signature_line;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn texts(words: &[&str]) -> Value {
    Value::Array(words.iter().map(|word| text(word)).collect())
}

fn described(signature: Option<Value>, help: &str) -> MethodDescription {
    MethodDescription { name: "m".into(), signature, help: Some(text(help)) }
}

/// The method as a line.
fn shown(signature: Option<Value>, help: &str) -> String {
    let interface = interface(&[described(signature, help)]);
    signature_line(&interface, &interface.methods[0])
}

#[test]
fn signatures_are_read_in_every_form_that_servers_send() {
    let nested = |all: &[&[&str]]| Some(Value::Array(all.iter().map(|words| texts(words)).collect()));
    for (signature, expected) in [
        (nested(&[&["boolean", "string"]]), "m(arg1: string) -> boolean"),
        (Some(texts(&["boolean", "string", "boolean"])), "m(arg1: string, arg2: boolean) -> boolean"),
        (nested(&[&["array"], &["array", "int"]]), "m(arg1?: int) -> array"),
        (nested(&[&["int", "int", "int"], &["double", "double", "double"]]), "m(arg1: mixed, arg2: mixed) -> mixed"),
        (nested(&[&["dateTime.iso8601", "base64", "i8"]]), "m(arg1: base64, arg2: int) -> dateTime.iso8601"),
        (Some(text("undef")), "m(...args) -> mixed"),
        (Some(text("signatures not supported")), "m(...args) -> mixed"),
        (Some(Value::Array(Vec::new())), "m(...args) -> mixed"),
        (Some(Value::Struct(Vec::new())), "m(...args) -> mixed"),
        (Some(Value::Nil), "m(...args) -> mixed"),
        (Some(Value::Array(vec![Value::Int(1)])), "m(...args) -> mixed"),
        (None, "m(...args) -> mixed"),
    ] {
        assert_eq!(shown(signature.clone(), ""), expected, "{signature:?}");
    }
}

#[test]
fn the_help_gives_names_and_types_and_says_what_is_optional() {
    let help =
        "Start\n@param string name  Which\n@param boolean wait  Wait for it (default true)\n@return boolean result Yes";
    let flat = Some(texts(&["boolean", "string", "boolean"]));
    assert_eq!(shown(flat.clone(), help), "m(name: string, wait?: boolean) -> boolean");
    assert_eq!(shown(None, help), "m(name: string, wait?: boolean) -> boolean");
    assert_eq!(shown(Some(texts(&["int", "int", "int", "int"])), help), "m(name: int, wait?: int, arg3: int) -> int");
    assert_eq!(shown(flat, "@param int a\n@param int a"), "m(arg1: string, arg2: boolean) -> boolean");
    let method = &interface(&[described(None, help)]).methods[0];
    assert_eq!((method.doc.as_str(), method.params[0].doc.as_str()), ("Start", "Which"));
    assert_eq!(method.result.as_value(), &json!({ "type": "boolean", "description": "Yes" }));
}

#[test]
fn only_methods_that_may_be_called_are_listed() {
    let listed = texts(&[
        "supervisor.start",
        "_hidden",
        "system.pid",
        "system.multicall",
        "system.multiCall",
        "system.getCapabilities",
        "system.listNotifications",
        "system.methodExist",
        "a b",
        "",
        "supervisor.start",
    ]);
    let own = ["supervisor.start", "system.pid", "system.listNotifications", "system.methodExist"];
    assert_eq!(names(&listed).unwrap(), own);
    let hidden = MethodDescription { name: "_hidden".into(), signature: None, help: None };
    assert!(interface(&[hidden]).methods.is_empty());
}

#[test]
fn a_result_that_is_not_a_list_of_names_is_an_error() {
    for (result, message) in [
        (Value::Struct(Vec::new()), "the result of `system.listMethods` is not a list"),
        (Value::Array(vec![Value::Int(1)]), "the result of `system.listMethods` has items that are not names"),
    ] {
        assert_eq!(names(&result).unwrap_err().message, message);
    }
}

proptest! {
    #[test]
    fn no_help_is_too_strange(help in "(@|:|param|return|string|name|\n| |\\PC){0,40}") {
        interface(&[described(None, &help)]);
    }
}
