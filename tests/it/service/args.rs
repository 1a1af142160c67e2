//! Reading a call's arguments into a record: by position and by name, with one set of rules and of messages.

use croupier::codec::DocumentLimits;
use croupier::codec::xml::Reading;
use croupier::codec::xmlrpc::{XmlRpcDocument, write_call};
use croupier::model::fault::{Fault, Kind};
use croupier::service::args::Args;
use croupier::{Binary, DateTime, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Debug, PartialEq, Deserialize)]
struct Bet {
    stake: u32,
    on: Option<String>,
    #[serde(default = "one")]
    rounds: u32,
    note: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    stake: u32,
}

/// A parameter that once had another name.
#[derive(Debug, PartialEq, Deserialize)]
struct Renamed {
    #[serde(alias = "amount", alias = "bet")]
    stake: u32,
    rounds: u32,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Pair(u32, String);

#[derive(Debug, PartialEq, Deserialize)]
struct Wrapped(Strict);

fn one() -> u32 {
    1
}

fn json<A: DeserializeOwned>(text: &str) -> Result<A, Fault> {
    let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
    Args::Json(&raw).read_record()
}

fn xmlrpc<A: DeserializeOwned>(params: &impl Serialize) -> Result<A, Fault> {
    let mut bytes = Vec::new();
    write_call(&mut bytes, "bet", params, Default::default()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let document = XmlRpcDocument::read(&text, Reading::Strict, DocumentLimits::default()).unwrap();
    Args::Values(document.tape.values()).read_record()
}

fn bet(stake: u32, on: Option<&str>, rounds: u32, note: Option<&str>) -> Result<Bet, Fault> {
    Ok(Bet { stake, on: on.map(str::to_owned), rounds, note: note.map(str::to_owned) })
}

/// The message of a refusal, which must be of the kind that blames the parameters.
fn rejection<A: std::fmt::Debug>(taken: Result<A, Fault>) -> String {
    let fault = taken.unwrap_err();
    assert_eq!(fault.kind, Kind::BadParams, "{fault}");
    fault.message.into_owned()
}

#[test]
fn what_is_left_out_takes_its_default_or_is_nothing() {
    assert_eq!(json("[5]"), bet(5, None, 1, None));
    assert_eq!(xmlrpc(&(5,)), bet(5, None, 1, None));
    assert_eq!(json(r#"{"stake": 5}"#), bet(5, None, 1, None));
    assert_eq!(json(r#"[5, "red"]"#), bet(5, Some("red"), 1, None));
    assert_eq!(json(r#"[5, null, 3]"#), bet(5, None, 3, None));
    assert_eq!(xmlrpc(&(5, "red", 3)), bet(5, Some("red"), 3, None));
    assert_eq!(json(r#"{"note": "x", "rounds": 2, "stake": 5}"#), bet(5, None, 2, Some("x")));
    assert_eq!(json(r#"[5, "red", 3, "x"]"#), bet(5, Some("red"), 3, Some("x")));
}

#[test]
fn a_missing_required_parameter_is_named() {
    assert_eq!(rejection(json::<Bet>("[]")), "the parameter `stake` is missing");
    assert_eq!(rejection(xmlrpc::<Bet>(&())), "the parameter `stake` is missing");
    assert_eq!(rejection(json::<Bet>("{}")), "the parameter `stake` is missing");
    assert_eq!(rejection(json::<Bet>(r#"{"rounds": 1}"#)), "the parameter `stake` is missing");
    assert_eq!(rejection(Args::None.read_record::<Bet>()), "the parameter `stake` is missing");
    assert_eq!(rejection(json::<Renamed>("[1]")), "the parameter `rounds` is missing");
    assert_eq!(rejection(json::<Pair>("[1]")), "parameter 2 is missing");
}

#[test]
fn too_many_are_counted() {
    assert_eq!(rejection(json::<Bet>("[1, null, 1, null, 5]")), "the method takes at most 4 parameters, 5 given");
    assert_eq!(rejection(xmlrpc::<Strict>(&(1, 2))), "the method takes at most 1 parameter, 2 given");
    assert_eq!(rejection(json::<Strict>("[1, 2]")), "the method takes at most 1 parameter, 2 given");
    assert_eq!(rejection(json::<Renamed>("[1, 2, 3]")), "the method takes at most 2 parameters, 3 given");
    assert_eq!(rejection(json::<Renamed>("[1, 2, 3, 4, 5]")), "the method takes at most 2 parameters, 5 given");
    assert_eq!(rejection(json::<Pair>(r#"[1, "a", 3]"#)), "the method takes at most 2 parameters, 3 given");
    assert_eq!(rejection(json::<()>("[1]")), "the method takes no parameters, 1 given");
    assert_eq!(rejection(xmlrpc::<()>(&(1, 2))), "the method takes no parameters, 2 given");
    assert_eq!(rejection(json::<Wrapped>("[1, 2]")), "the method takes at most 1 parameter, 2 given");
}

#[test]
fn a_wrong_type_is_placed_and_named() {
    let message = rejection(json::<Bet>(r#"["5"]"#));
    assert_eq!(message, "parameter 1 (`stake`): invalid type: string \"5\", expected an integer from 0 to 4294967295");
    let message = rejection(xmlrpc::<Bet>(&("5",)));
    assert_eq!(message, "parameter 1 (`stake`): expected a non-negative integer of 32 bits, not the string `5`");
    let message = rejection(json::<Bet>(r#"{"stake": 5, "rounds": -1}"#));
    assert!(
        message
            .starts_with("parameter `rounds`: invalid value: integer `-1`, expected an integer from 0 to 4294967295"),
        "{message}"
    );
    let message = rejection(xmlrpc::<Bet>(&(5, "red", 1.5)));
    assert_eq!(message, "parameter 3 (`rounds`): expected a non-negative integer of 32 bits, not the double 1.5");
    let message = rejection(xmlrpc::<Pair>(&(5, 5)));
    assert_eq!(message, "parameter 2: expected a string, not the integer 5");
}

#[test]
fn an_unknown_name_is_refused_with_a_hint() {
    assert_eq!(rejection(json::<Bet>(r#"{"steak": 5}"#)), "there is no parameter `steak`; did you mean `stake`?");
    assert_eq!(rejection(json::<Bet>(r#"{"stake": 5, "colour": 1}"#)), "there is no parameter `colour`");
    assert_eq!(rejection(json::<()>(r#"{"stake": 5}"#)), "there is no parameter `stake`");
    assert_eq!(json::<Renamed>(r#"{"bet": 5, "rounds": 1}"#), Ok(Renamed { stake: 5, rounds: 1 }));
    let long = "x".repeat(100_000);
    let message = rejection(json::<Bet>(&format!(r#"{{"{long}": 5}}"#)));
    assert!(message.len() < 200, "{message}");
}

#[test]
fn a_name_that_occurs_twice_is_refused() {
    let twice = "the parameter `stake` is given twice";
    assert_eq!(rejection(json::<Bet>(r#"{"stake": 1, "stake": 2}"#)), twice);
    assert_eq!(rejection(json::<Bet>(r#"{"stake": 1, "st\u0061ke": 2}"#)), twice);
    assert_eq!(rejection(json::<Renamed>(r#"{"stake": 1, "bet": 2, "rounds": 1}"#)), twice);
    assert!(rejection(json::<(Value,)>(r#"[{"a": 1, "a": 2}]"#)).contains("two members `a`"));
}

#[test]
fn no_parameters_are_none_in_every_form() {
    for args in ["[]", "{}", " [ ] ", " { } "] {
        assert_eq!(json(args), Ok(()), "{args}");
    }
    assert_eq!(xmlrpc(&()), Ok(()));
    assert_eq!(Args::None.read_record(), Ok(()));
}

#[test]
fn arguments_are_a_list_or_an_object() {
    for args in ["5", "null", "\"a\"", "true"] {
        assert_eq!(rejection(json::<()>(args)), "the parameters are neither an array nor an object", "{args}");
    }
}

#[test]
fn free_forms_take_what_comes() {
    assert_eq!(json("[1, \"a\"]"), Ok(vec![Value::Int(1), Value::Text("a".into())]));
    assert_eq!(json::<Vec<Value>>("[]"), Ok(vec![]));
    assert_eq!(json("[7, \"a\"]"), Ok(Pair(7, "a".into())));
    assert_eq!(json("[7]"), Ok(Wrapped(Strict { stake: 7 })));
    assert_eq!(json(r#"{"stake": 7}"#), Ok(Wrapped(Strict { stake: 7 })));
    let map = std::collections::BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    assert_eq!(json(r#"{"b": 2, "a": 1}"#), Ok(map));
}

#[test]
fn dates_and_bytes_are_texts_in_json_and_themselves_in_xml_rpc() {
    let date: DateTime = "1998-07-17T14:08:55".parse().unwrap();
    let bytes = Binary(b"hi".to_vec());
    assert_eq!(json(r#"["1998-07-17T14:08:55", "aGk="]"#), Ok((date, bytes.clone())));
    assert_eq!(xmlrpc(&(date, bytes.clone())), Ok((date, bytes)));
    assert!(rejection(json::<(Binary,)>(r#"["a*"]"#)).contains("base64"));
    assert!(rejection(xmlrpc::<(Binary,)>(&("spin",))).contains("expected base64"));
}
