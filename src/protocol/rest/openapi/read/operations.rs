//! The operations of a document. One that cannot be called is left out with its reason.

use std::collections::{HashMap, HashSet};

use http::Method as Verb;
use serde_json::Value as Json;

use super::names::{NameSource, names};
use super::params::PlacedParam;
use super::schema::SchemaReader;
use super::security::{Demands, SecurityDemand};
use super::servers::StatedServer;
use super::source::{Node, Sources, Version};
use super::{body, params, path, responses, servers};
use crate::codec::rest::{PathPart, RestOperation};
use crate::model::interface::Method;
use crate::protocol::LeftOutOperation;
use crate::protocol::discovered;
use crate::protocol::discovered::is_valid_method_name;
use crate::protocol::rest::openapi::METHOD_NAME;

/// The members of a path that are operations.
const VERBS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];
/// The longest path, in bytes.
const MAX_PATH: usize = 8192;
/// The largest number of operations.
const MAX_OPERATIONS: usize = 20_000;

/// The operations of a document.
#[derive(Debug, Default)]
pub(super) struct Operations {
    pub(super) methods: Vec<Method>,
    pub(super) operations: Vec<RestOperation>,
    /// What they demand.
    pub(super) demands: Vec<SecurityDemand>,
    pub(super) left_out: Vec<LeftOutOperation>,
    /// The number of operations in the document.
    pub(super) count: usize,
}

/// An operation, and where it is in the document.
struct FoundOperation<'d> {
    verb: String,
    path: &'d str,
    item: Node<'d>,
    operation: Node<'d>,
}

/// What all operations have in common.
struct Context<'a> {
    version: Version,
    server: &'a StatedServer,
    location: &'a str,
}

/// Reads all operations.
pub(super) fn read<'d>(
    schemas: &mut SchemaReader<'d>,
    version: Version,
    server: &StatedServer,
    location: &str,
) -> Operations {
    let mut read = Operations::default();
    let found = find(schemas.sources, &mut read.left_out);
    read.count = found.len() + read.left_out.len();
    let context = Context { version, server, location };
    let (mut sources_of_names, mut demands) = (Vec::new(), Demands::default());
    for found in without_repeated_methods(found) {
        if schemas.is_exhausted() {
            break;
        }
        match operation(schemas, &context, &found) {
            Ok((method, operation)) => {
                let id = found.operation.text("operationId").to_owned();
                sources_of_names.push(NameSource { verb: found.verb, path: found.path.to_owned(), id });
                schemas.spend_on(&method);
                demands.add(read.methods.len(), schemas.sources, found.operation);
                read.methods.push(method);
                read.operations.push(operation);
            }
            Err(reason) => read.left_out.push(left_out(&found.verb, found.path, reason)),
        }
    }
    let own_names = read.methods.iter().map(|method| method.name.as_str()).filter(|name| !name.is_empty());
    let names = names(&sources_of_names, &own_names.collect());
    for ((method, operation), name) in read.methods.iter_mut().zip(&mut read.operations).zip(names) {
        if method.name.is_empty() {
            method.name = name;
        }
        operation.method.clone_from(&method.name);
    }
    read.demands = demands.named(|at| read.methods.get(at).map(|method| method.name.as_str()));
    read
}

fn left_out(verb: &str, path: &str, reason: String) -> LeftOutOperation {
    LeftOutOperation { name: format!("{verb} {path}"), reason }
}

/// All operations of the document, without HEAD where there is GET.
fn find<'d>(sources: &'d Sources<'d>, left: &mut Vec<LeftOutOperation>) -> Vec<FoundOperation<'d>> {
    let mut all = Vec::new();
    for (path, item) in sources.main().members("paths").filter(|(path, _)| !path.starts_with("x-")) {
        let item = match sources.followed(item) {
            Ok(followed) => followed,
            Err(reason) => {
                left.push(left_out("*", path, reason));
                continue;
            }
        };
        let own = VERBS.iter().filter_map(|verb| Some((verb.to_ascii_uppercase(), item.get(verb)?)));
        let further = item.members("additionalOperations").map(|(verb, operation)| (verb.to_owned(), operation));
        for (verb, operation) in own.chain(further).filter(|(_, operation)| operation.value.is_object()) {
            if verb == "HEAD" && item.get("get").is_some() {
                continue;
            }
            if all.len() < MAX_OPERATIONS {
                all.push(FoundOperation { verb, path, item, operation });
            } else if all.len() == MAX_OPERATIONS && left.len() < MAX_OPERATIONS {
                left.push(left_out(&verb, path, format!("there are more than {MAX_OPERATIONS} operations")));
            }
        }
    }
    all
}

/// One operation for each method of another croupier, which a POST calls if there is one, and all others.
fn without_repeated_methods(found: Vec<FoundOperation<'_>>) -> Vec<FoundOperation<'_>> {
    let mut chosen: HashMap<&str, usize> = HashMap::new();
    for (at, operation) in found.iter().enumerate() {
        let name = operation.operation.text(METHOD_NAME);
        let is_better =
            |known: &usize| operation.verb == "POST" && found.get(*known).is_some_and(|known| known.verb != "POST");
        if !name.is_empty() && chosen.get(name).is_none_or(is_better) {
            chosen.insert(name, at);
        }
    }
    let chosen: HashSet<usize> = chosen.into_values().collect();
    let is_needed =
        |(at, found): &(usize, FoundOperation<'_>)| found.operation.text(METHOD_NAME).is_empty() || chosen.contains(at);
    found.into_iter().enumerate().filter(is_needed).map(|(_, found)| found).collect()
}

/// The method and the request of an operation, without its name unless the document gives that of the method.
fn operation<'d>(
    schemas: &mut SchemaReader<'d>,
    context: &Context<'_>,
    found: &FoundOperation<'d>,
) -> Result<(Method, RestOperation), String> {
    let FoundOperation { verb, path, item, operation } = found;
    let verb = Verb::from_bytes(verb.as_bytes()).map_err(|_| "its verb is not valid".to_owned())?;
    if matches!(verb, Verb::TRACE | Verb::CONNECT) {
        return Err(format!("requests with the verb {verb} are not sent"));
    }
    if path.len() > MAX_PATH {
        return Err(format!("its path has more than {MAX_PATH} bytes"));
    }
    let prefix = prefix(context, *item, *operation)?;
    let declared = params::declared_params(schemas.sources, *item, *operation)?;
    let mut path = path::read(path);
    if !prefix.is_empty() {
        path.parts.insert(0, PathPart::Literal(prefix));
    }
    let own_name = Some(operation.text(METHOD_NAME)).filter(|name| is_valid_method_name(name));
    let mut placed = params::placed(schemas, context.version, &declared, &path.variables);
    let body = body::read(schemas, context.version, *operation, &declared, own_name.is_some())?;
    // What the body of such a request means is not defined (RFC 9110, section 9.3.1).
    let is_bodiless = matches!(verb, Verb::GET | Verb::HEAD);
    let body = match body {
        Some(body) if is_bodiless && body.form.required => {
            return Err(format!("a request with the verb {verb} cannot have a body"));
        }
        Some(body) if !is_bodiless => Some(body::join(&mut placed, body)),
        _ => None,
    };
    if let Some(param) = placed.iter().find(|param| param.param.name.is_empty()) {
        return Err(format!("a parameter in {} has no name", param.location));
    }
    let responses = responses::read(schemas, context.version, *operation, &verb);
    let has_get = verb == Verb::POST && own_name.is_some() && item.get("get").is_some();
    let (params, targets): (Vec<_>, Vec<_>) =
        placed.into_iter().map(|PlacedParam { param, target, .. }| (param, target)).unzip();
    let method = Method {
        name: own_name.unwrap_or_default().to_owned(),
        doc: doc(*operation, &responses.faults, own_name.is_some()),
        params,
        result: discovered::schema(responses.result),
        safe: verb.is_safe() || verb.as_str() == "QUERY" || has_get,
    };
    let request = RestOperation {
        method: String::new(),
        verb,
        path: path.parts,
        query: path.query,
        params: targets,
        body,
        accept: responses.accept,
        result: responses.form,
        refuses_as_unprocessable: responses.refuses_as_unprocessable,
    };
    Ok((method, request))
}

/// The path of an operation with a server of its own, below that of the document.
fn prefix(context: &Context<'_>, item: Node<'_>, operation: Node<'_>) -> Result<String, String> {
    let Some(own) = servers::of_operation(item, operation, context.location) else { return Ok(String::new()) };
    let host = |server: &StatedServer| {
        let url = server.url.as_ref().and_then(|url| url::Url::parse(url).ok())?;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()))
    };
    if host(&own).is_some() && host(&own) != host(context.server) {
        return Err("it is on another server".to_owned());
    }
    let below = own.path.strip_prefix(&context.server.path).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    below.map(str::to_owned).ok_or_else(|| "it is not below the path of the server".to_owned())
}

fn doc(operation: Node<'_>, faults: &str, is_own: bool) -> String {
    let [summary, description] = ["summary", "description"].map(|name| operation.text(name).trim());
    let deprecated = if operation.value.get("deprecated") == Some(&Json::Bool(true)) { "Deprecated." } else { "" };
    let summary = if description.starts_with(summary) { "" } else { summary };
    // Every method of croupier has the same faults.
    let faults = if is_own { "" } else { faults };
    let parts = [summary, description, deprecated, faults];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}
