//! From the answers of XML-RPC's `system.listMethods`, `system.methodSignature` and `system.methodHelp` to an interface.
//!
//! Servers answer these as they like: signatures are lists of lists, one flat list, a text, nothing at all or a fault,
//! and parameters have no names. All of it is a hint. How many parameters there are is a guess that nobody should be held
//! to: some servers list optional parameters as if they were not.

mod help;
#[cfg(test)]
mod tests;

use schemars::Schema;
use serde_json::{Value as Json, json};

use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Interface, Method, Param};
use crate::model::value::Value;
use crate::protocol::discovered::{may_be_called, schema};
use help::{Help, Said};

/// The methods by which servers speak of themselves, or that stand for other calls: they are the protocol's, not the
/// service's.
const OWN: [&str; 13] = [
    "system.listMethods",
    "system.methodSignature",
    "system.methodHelp",
    "system.methodExist",
    "system.describeMethods",
    "system.multicall",
    "system.multiCall",
    "system.getCapabilities",
    "system.capabilities",
    "system.introspection",
    "system.identity",
    "system.status",
    "system.listNotifications",
];

/// What a server has said of one method.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// The result of `system.methodSignature`; `None` for a fault, or if it was not called.
    pub signature: Option<Value>,
    /// The result of `system.methodHelp`; `None` for a fault, or if it was not called.
    pub help: Option<Value>,
}

/// The names of a service's methods in an answer to `system.listMethods`, in its order and each once, without private
/// ones and without those that are the protocol's own.
///
/// # Errors
/// `Structure` where the answer is no list of names, which is how some servers say that they know no such method.
///
/// ```
/// use croupier::protocol::xmlrpc::introspection::names;
/// use croupier::Value;
/// let text = |name: &str| Value::Text(name.to_owned());
/// let answer = Value::Array(vec![text("spin"), text("_seed"), text("system.listMethods")]);
/// assert_eq!(names(&answer)?, ["spin"]);
/// assert!(names(&Value::Struct(Vec::new())).is_err());
/// # Ok::<(), croupier::Fault>(())
/// ```
pub fn names(answer: &Value) -> Result<Vec<String>, Fault> {
    let wrong = |what: &str| Fault::new(Kind::Structure, format!("the answer to `system.listMethods` {what}"));
    let Value::Array(items) = answer else { return Err(wrong("is no list")) };
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    let mut seen = std::collections::HashSet::new();
    for item in items {
        let Value::Text(name) = item else { return Err(wrong("holds something else than names")) };
        if may_be_called(name) && !OWN.contains(&name.as_str()) && seen.insert(name) {
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// The interface of a server that has said this of its methods. It has no title and no documentation of its own, and
/// the number of its methods' parameters is a guess.
///
/// Parameters are called what the help calls them, in lines such as `@param string name  which it is`, and otherwise
/// `arg1`, `arg2` and so on. They must be given unless signatures of several lengths, or the help, say otherwise.
pub fn interface(methods: &[Described]) -> Interface {
    let methods = methods.iter().filter(|method| may_be_called(&method.name) && !OWN.contains(&method.name.as_str()));
    Interface { methods: methods.map(method).collect(), ..Interface::default() }
}

fn method(described: &Described) -> Method {
    let help = match &described.help {
        Some(Value::Text(text)) => Help::read(text),
        _ => Help::default(),
    };
    let signature = described.signature.as_ref().and_then(|answer| Signature::of(&signatures(answer)));
    let Signature { result, params } = signature.unwrap_or_else(|| Signature::told(&help));
    let mut params: Vec<_> =
        params.into_iter().enumerate().map(|(at, told)| param(at, told, help.params.get(at))).collect();
    if !are_unlike(&params) {
        for (at, param) in params.iter_mut().enumerate() {
            param.name = numbered(at);
        }
    }
    let said = help.result.as_ref();
    Method { name: described.name.clone(), doc: help.text, params, result: explained(result, said), safe: false }
}

fn param(at: usize, (kind, required): (Json, bool), said: Option<&Said>) -> Param {
    let name = said.map(|said| said.name.clone()).filter(|name| !name.is_empty());
    Param {
        name: name.unwrap_or_else(|| numbered(at)),
        doc: said.map(|said| said.text.clone()).unwrap_or_default(),
        schema: schema(kind),
        required: required && !said.is_some_and(Said::is_optional),
    }
}

fn numbered(at: usize) -> String {
    format!("arg{}", at + 1)
}

fn are_unlike(params: &[Param]) -> bool {
    let names: std::collections::HashSet<_> = params.iter().map(|param| &param.name).collect();
    names.len() == params.len()
}

/// A result's schema with what the help says about it.
fn explained(mut kind: Json, said: Option<&Said>) -> Schema {
    if let (Json::Object(members), Some(said)) = (&mut kind, said)
        && !said.text.is_empty()
    {
        members.insert("description".to_owned(), said.text.clone().into());
    }
    schema(kind)
}

/// What a method takes and answers: schemas, and whether each parameter must be given.
struct Signature {
    result: Json,
    params: Vec<(Json, bool)>,
}

impl Signature {
    /// One signature for all that a method has. Where they differ in a type it may be any; what only the longer ones
    /// have is optional.
    fn of(all: &[Vec<&str>]) -> Option<Signature> {
        let shortest = all.iter().map(Vec::len).min()?;
        let longest = all.iter().map(Vec::len).max()?;
        let kind = |at: usize| {
            let mut kinds = all.iter().filter_map(|signature| signature.get(at)).map(|word| kind_of(word));
            let first = kinds.next().unwrap_or(Json::Bool(true));
            if kinds.all(|kind| kind == first) { first } else { Json::Bool(true) }
        };
        Some(Signature { result: kind(0), params: (1..longest).map(|at| (kind(at), at < shortest)).collect() })
    }

    /// What the help alone says.
    fn told(help: &Help) -> Signature {
        let kind = |said: &Said| said.kind.as_deref().map_or(Json::Bool(true), kind_of);
        Signature {
            result: help.result.as_ref().map_or(Json::Bool(true), kind),
            params: help.params.iter().map(|said| (kind(said), true)).collect(),
        }
    }
}

/// The signatures in an answer: a list of them, or one that is not in a list. A text, such as `undef` or `signatures not
/// supported`, holds none.
fn signatures(answer: &Value) -> Vec<Vec<&str>> {
    let Value::Array(items) = answer else { return Vec::new() };
    if let Some(flat) = words(items) {
        return vec![flat];
    }
    let lists = items.iter().filter_map(|item| match item {
        Value::Array(items) => words(items),
        _ => None,
    });
    lists.collect()
}

/// The words of one signature, the result's first.
fn words(items: &[Value]) -> Option<Vec<&str>> {
    let words: Vec<_> =
        items.iter().map_while(|item| if let Value::Text(word) = item { Some(word.as_str()) } else { None }).collect();
    (!words.is_empty() && words.len() == items.len()).then_some(words)
}

/// The schema of a type's name in XML-RPC, or in the languages of those who write help texts.
fn kind_of(word: &str) -> Json {
    match word.trim().to_ascii_lowercase().as_str() {
        "int" | "i4" | "i1" | "i2" | "ex:i1" | "ex:i2" => json!({ "type": "integer", "format": "int32" }),
        "integer" | "i8" | "ex:i8" | "long" => json!({ "type": "integer", "format": "int64" }),
        "boolean" | "bool" => json!({ "type": "boolean" }),
        "double" | "float" | "number" | "ex:float" => json!({ "type": "number" }),
        "string" | "str" | "text" => json!({ "type": "string" }),
        "datetime.iso8601" | "datetime" | "date" | "iso8601" => json!({ "type": "string", "format": "date-time" }),
        "base64" | "binary" | "bytes" => json!({ "type": "string", "contentEncoding": "base64" }),
        "array" | "list" | "tuple" => json!({ "type": "array" }),
        "struct" | "dict" | "dictionary" | "map" | "hash" | "object" => json!({ "type": "object" }),
        "nil" | "null" | "none" | "void" | "ex:nil" => json!({ "type": "null" }),
        _ => Json::Bool(true),
    }
}
