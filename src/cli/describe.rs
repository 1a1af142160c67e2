//! `croupier describe`: lists the methods of a server.

use std::io::{self, IsTerminal as _};
use std::time::Instant;

use serde_json::Value;
use tokio::runtime::Builder;

use super::add::search::{FoundServer, Search, search};
use super::args::DescribeArgs;
use super::openapi;
use super::pretty::Style;
use super::progress::waiting;
use super::target::{CREDENTIALS, Target};
use super::{Failure, say};
use crate::config::in_colour;
use crate::model::interface::{Interface, Method};
use crate::model::text::printable;
use crate::protocol::Protocol;
use crate::protocol::jsonrpc::openrpc::write;
use crate::protocol::xmlrpc::signature;
use crate::upstream::discovery::probe::InterfaceSource;

/// How many characters of a line of documentation are printed.
const LINE: usize = 2000;
/// The verbs of an OpenAPI document.
const VERBS: [&str; 8] = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

/// Prints the methods of a server with their parameters and help.
pub(super) fn describe(args: &DescribeArgs) -> Result<(), Failure> {
    let target = Target::new(&args.url, &args.server)?;
    let asking = format!("asking {}", target.location.url);
    let found = Builder::new_current_thread().enable_all().build()?.block_on(waiting(&asking, find(&target)))?;
    match found {
        Described::Methods(found) => match (&found.report.interface, args.json) {
            (None, _) => {
                let protocol = found.report.protocol.title();
                let reason = match &found.report.source {
                    InterfaceSource::ListMethodsFault(fault) => format!(": {}", printable(&fault.message, LINE)),
                    _ => String::new(),
                };
                Err(target.failed(format_args!("it speaks {protocol}, but does not list its methods{reason}")))
            }
            (Some(interface), true) => {
                print_document(&write::document(interface, &found.location.url));
                Ok(())
            }
            (Some(interface), false) => {
                print_methods(&found, interface);
                Ok(())
            }
        },
        Described::OpenApi(document) if args.json => {
            print_document(&document);
            Ok(())
        }
        Described::OpenApi(document) => {
            print_operations(&target.location.url, &document);
            Ok(())
        }
    }
}

/// What a server says of itself.
enum Described {
    Methods(Box<FoundServer>),
    OpenApi(Value),
}

async fn find(target: &Target) -> Result<Described, Failure> {
    let open_api = async || {
        let transport = target.transport()?;
        let document = openapi::fetch(&transport, Instant::now() + target.limit).await;
        document.map(Described::OpenApi).map_err(|error| target.failed(error))
    };
    let looked_for =
        Search { only: target.protocol, limit: target.limit, options: &target.options, credentials: CREDENTIALS };
    match search(&target.location, &looked_for).await {
        // The document of a REST server says more than its methods.
        Ok(found) if found.report.protocol == Protocol::Rest && found.location == target.location => {
            open_api().await.or_else(|_| Ok(Described::Methods(Box::new(found))))
        }
        Ok(found) => Ok(Described::Methods(Box::new(found))),
        Err(message) => {
            let failure = Failure::from(message).code(super::target::NO_RESULT);
            match target.protocol {
                None => open_api().await.map_err(|_| failure),
                Some(_) => Err(failure),
            }
        }
    }
}

/// Prints a document: for people on a terminal, otherwise as JSON of several lines too, which programs read alike.
fn print_document(document: &Value) {
    say(Style { colour: in_colour(io::stdout().is_terminal()) }.value(document));
}

fn print_methods(found: &FoundServer, interface: &Interface) {
    let count = interface.methods.len();
    let methods = if count == 1 { "method" } else { "methods" };
    say(format_args!("{}: {count} {methods} over {}", found.location.url, found.report.protocol.title()));
    for method in &interface.methods {
        say("");
        say(printable(&signature_line(interface, method), LINE));
        print_help(&method.doc);
    }
}

fn print_help(doc: &str) {
    for line in doc.lines().map(str::trim).filter(|line| !line.is_empty()) {
        say(format_args!("    {}", printable(line, LINE)));
    }
}

/// A method as one line. Parameters that have only a type, and a name by their position, are shown by their type.
fn signature_line(interface: &Interface, method: &Method) -> String {
    let line = signature::signature_line(interface, method);
    let named_by_position = |(at, name): (usize, &str)| name == format!("arg{}", at + 1);
    if !method.params.iter().map(|param| param.name.as_str()).enumerate().all(named_by_position) {
        return line;
    }
    (1..=method.params.len())
        .rev()
        .fold(line, |line, at| line.replace(&format!("arg{at}: "), "").replace(&format!("arg{at}?: "), "optional "))
}

/// Prints the operations of an OpenAPI document.
fn print_operations(url: &str, document: &Value) {
    let paths = document.get("paths").and_then(Value::as_object);
    let operations = paths.into_iter().flatten().flat_map(|(path, item)| {
        let verbs = VERBS.iter().filter_map(|verb| Some((*verb, item.get(*verb)?)));
        verbs.map(move |(verb, operation)| (path, verb, operation, item))
    });
    let operations: Vec<_> = operations.collect();
    let noun = if operations.len() == 1 { "operation" } else { "operations" };
    say(format_args!("{url}: {} {noun} over REST", operations.len()));
    for (path, verb, operation, item) in operations {
        say("");
        let params = operation_params(document, item, operation).join(", ");
        let params = if params.is_empty() { params } else { format!("  ({params})") };
        say(printable(&format!("{} {path}{params}", verb.to_uppercase()), LINE));
        let summary = ["summary", "description"].iter().find_map(|key| operation.get(*key)?.as_str());
        print_help(summary.unwrap_or_default());
    }
}

/// The parameters of an operation, in path and query, and the members of its body.
fn operation_params(document: &Value, item: &Value, operation: &Value) -> Vec<String> {
    let listed = [item, operation].into_iter().filter_map(|owner| owner.get("parameters")?.as_array()).flatten();
    let mut params: Vec<String> = listed
        .map(|param| resolved(document, param))
        .filter_map(|param| {
            let required = param.get("required").and_then(Value::as_bool).unwrap_or(false);
            let schema = param.get("schema").unwrap_or(&Value::Null);
            Some(param_text(document, param.get("name")?.as_str()?, schema, required))
        })
        .collect();
    let body = operation.get("requestBody").map(|body| resolved(document, body));
    let schema = body.and_then(|body| body.get("content")?.as_object()?.values().next()?.get("schema"));
    let schema = schema.map(|schema| resolved(document, schema));
    // A method takes an object of its parameters, or an array.
    let alternatives = schema.and_then(|schema| schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array());
    let object = alternatives
        .into_iter()
        .flatten()
        .map(|schema| resolved(document, schema))
        .chain(schema)
        .find(|schema| schema.get("properties").is_some());
    if let Some((object, members)) = object.and_then(|object| Some((object, object.get("properties")?.as_object()?))) {
        let required = object.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        params.extend(members.iter().map(|(name, schema)| {
            param_text(document, name, schema, required.iter().any(|required| required == name))
        }));
    }
    params
}

fn param_text(document: &Value, name: &str, schema: &Value, required: bool) -> String {
    let optional = if required { "" } else { "?" };
    match resolved(document, schema).get("type").and_then(Value::as_str) {
        Some(word) => format!("{name}{optional}: {word}"),
        None => format!("{name}{optional}"),
    }
}

/// The target of `$ref` in the same document, or the value itself.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let pointer = value.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::interface::Param;

    #[test]
    fn parameters_without_names_are_shown_by_their_types() {
        let param = |name: &str, required: bool| Param {
            name: name.to_owned(),
            doc: String::new(),
            schema: schemars::json_schema!({ "type": "integer" }),
            required,
        };
        let line = |params: Vec<Param>| {
            let method = Method { params, ..Method::undescribed("f") };
            signature_line(&Interface::default(), &method)
        };
        assert_eq!(line(vec![param("arg1", true), param("arg2", false)]), "f(int, optional int) -> mixed");
        assert_eq!(line(vec![param("spins", true)]), "f(spins: int) -> mixed");
        assert_eq!(line(Vec::new()), "f() -> mixed");
    }

    #[test]
    fn parameters_of_operations_are_found_where_documents_have_them() {
        let document = json!({
            "components": {
                "schemas": { "Id": { "type": "integer" }, "Body": { "properties": { "a": {}, "b": { "$ref": "#/components/schemas/Id" } }, "required": ["b"] } },
                "parameters": { "Id": { "name": "id", "in": "path", "required": true, "schema": { "$ref": "#/components/schemas/Id" } } },
            }
        });
        let item = json!({ "parameters": [{ "$ref": "#/components/parameters/Id" }] });
        let operation = json!({
            "parameters": [{ "name": "q", "in": "query", "schema": { "type": "string" } }],
            "requestBody": { "content": { "application/json": { "schema": { "anyOf": [{ "type": "array" }, { "$ref": "#/components/schemas/Body" }] } } } },
        });
        assert_eq!(operation_params(&document, &item, &operation), ["id: integer", "q?: string", "a?", "b: integer"]);
        assert!(operation_params(&document, &json!({}), &json!({})).is_empty());
    }
}
