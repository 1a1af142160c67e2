//! Turns the results of `system.listMethods`, `system.methodSignature` and `system.methodHelp` into an interface.
//!
//! Servers return these results in many forms: signatures are lists of lists, one flat list, a text, nothing or a fault,
//! and parameters have no names. All of it is a hint. The number of parameters is inferred and never enforced, because
//! some servers list optional parameters as if they were required.

mod help;
#[cfg(test)]
mod tests;

use schemars::Schema;
use serde_json::{Value as Json, json};

use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Interface, Method, Param};
use crate::model::value::Value;
use crate::protocol::discovered::{is_valid_method_name, schema};
use crate::protocol::system::is_builtin;
use help::{HelpEntry, HelpText};

/// What introspection returned for one method.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodDescription {
    /// Its name.
    pub name: String,
    /// The result of `system.methodSignature`; `None` for a fault, or if it was not called.
    pub signature: Option<Value>,
    /// The result of `system.methodHelp`; `None` for a fault, or if it was not called.
    pub help: Option<Value>,
}

/// The names of the methods of a service in the result of `system.listMethods`, in its order. Duplicates, private methods
/// and methods of the protocol itself are left out.
///
/// # Errors
/// `Structure` if the result is not a list of names. Some servers return such a result if they have no such method.
///
/// ```
/// use croupier::protocol::xmlrpc::introspection::names;
/// use croupier::Value;
/// let text = |name: &str| Value::Text(name.to_owned());
/// let result = Value::Array(vec![text("spin"), text("_seed"), text("system.listMethods")]);
/// assert_eq!(names(&result)?, ["spin"]);
/// assert!(names(&Value::Struct(Vec::new())).is_err());
/// # Ok::<(), croupier::Fault>(())
/// ```
pub fn names(result: &Value) -> Result<Vec<String>, Fault> {
    let wrong = |what: &str| Fault::new(Kind::Structure, format!("the result of `system.listMethods` {what}"));
    let Value::Array(items) = result else { return Err(wrong("is not a list")) };
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    let mut seen = std::collections::HashSet::new();
    for item in items {
        let Value::Text(name) = item else { return Err(wrong("has items that are not names")) };
        if is_valid_method_name(name) && !is_builtin(name) && seen.insert(name) {
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// The interface of a server whose introspection returned these descriptions. It has no title and no documentation, and
/// the number of parameters of each method is inferred.
///
/// Parameters have the names in the help text, from lines such as `@param string name  which it is`, and otherwise `arg1`,
/// `arg2` and so on. A method without signature and without parameters in its help text takes a list of all arguments
/// ([`Param::free_arguments`]). They are required unless signatures of different lengths, or the help text, say otherwise.
pub fn interface(methods: &[MethodDescription]) -> Interface {
    let methods = methods.iter().filter(|method| is_valid_method_name(&method.name) && !is_builtin(&method.name));
    Interface { methods: methods.map(method).collect(), ..Interface::default() }
}

fn method(described: &MethodDescription) -> Method {
    let help = match &described.help {
        Some(Value::Text(text)) => HelpText::read(text),
        _ => HelpText::default(),
    };
    let signature = described.signature.as_ref().and_then(|result| Signature::merge(&signatures(result)));
    let is_free = signature.is_none() && help.params.is_empty();
    let Signature { result, params } = signature.unwrap_or_else(|| Signature::from_help(&help));
    let mut params: Vec<_> =
        params.into_iter().enumerate().map(|(at, kind)| param(at, kind, help.params.get(at))).collect();
    if !are_distinct(&params) {
        for (at, param) in params.iter_mut().enumerate() {
            param.name = positional_name(at);
        }
    }
    if is_free {
        params.push(Param::free_arguments());
    }
    let entry = help.result.as_ref();
    Method {
        name: described.name.clone(),
        doc: help.text,
        params,
        result: with_description(result, entry),
        safe: false,
    }
}

fn param(at: usize, (kind, required): (Json, bool), entry: Option<&HelpEntry>) -> Param {
    let name = entry.map(|entry| entry.name.clone()).filter(|name| !name.is_empty());
    Param {
        name: name.unwrap_or_else(|| positional_name(at)),
        doc: entry.map(|entry| entry.text.clone()).unwrap_or_default(),
        schema: schema(kind),
        required: required && !entry.is_some_and(HelpEntry::is_optional),
    }
}

fn positional_name(at: usize) -> String {
    format!("arg{}", at + 1)
}

fn are_distinct(params: &[Param]) -> bool {
    let names: std::collections::HashSet<_> = params.iter().map(|param| &param.name).collect();
    names.len() == params.len()
}

/// The schema of a result, described by the help text.
fn with_description(mut kind: Json, entry: Option<&HelpEntry>) -> Schema {
    if let (Json::Object(members), Some(entry)) = (&mut kind, entry)
        && !entry.text.is_empty()
    {
        members.insert("description".to_owned(), entry.text.clone().into());
    }
    schema(kind)
}

/// The schemas of a result and of the parameters, and whether each parameter is required.
struct Signature {
    result: Json,
    params: Vec<(Json, bool)>,
}

impl Signature {
    /// Merges all signatures of a method into one. A type that differs between them becomes any type; parameters that the
    /// shortest signature does not have are optional.
    fn merge(all: &[Vec<&str>]) -> Option<Signature> {
        let shortest = all.iter().map(Vec::len).min()?;
        let longest = all.iter().map(Vec::len).max()?;
        let kind = |at: usize| {
            let mut kinds = all.iter().filter_map(|signature| signature.get(at)).map(|word| type_schema(word));
            let first = kinds.next().unwrap_or(Json::Bool(true));
            if kinds.all(|kind| kind == first) { first } else { Json::Bool(true) }
        };
        Some(Signature { result: kind(0), params: (1..longest).map(|at| (kind(at), at < shortest)).collect() })
    }

    /// The signature in the help text.
    fn from_help(help: &HelpText) -> Signature {
        let kind = |entry: &HelpEntry| entry.kind.as_deref().map_or(Json::Bool(true), type_schema);
        Signature {
            result: help.result.as_ref().map_or(Json::Bool(true), kind),
            params: help.params.iter().map(|entry| (kind(entry), true)).collect(),
        }
    }
}

/// The signatures in a result: a list of signatures, or one signature. A text, such as `undef` or `signatures not
/// supported`, has none.
fn signatures(result: &Value) -> Vec<Vec<&str>> {
    let Value::Array(items) = result else { return Vec::new() };
    if let Some(flat) = words(items) {
        return vec![flat];
    }
    let lists = items.iter().filter_map(|item| match item {
        Value::Array(items) => words(items),
        _ => None,
    });
    lists.collect()
}

/// The type words of one signature; the first is that of the result.
fn words(items: &[Value]) -> Option<Vec<&str>> {
    let words: Vec<_> =
        items.iter().map_while(|item| if let Value::Text(word) = item { Some(word.as_str()) } else { None }).collect();
    (!words.is_empty() && words.len() == items.len()).then_some(words)
}

/// The schema for the name of a type in XML-RPC or in a common programming language.
fn type_schema(word: &str) -> Json {
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
