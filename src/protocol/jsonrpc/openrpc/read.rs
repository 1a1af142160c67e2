//! Reads an OpenRPC document, which is the result of `rpc.discover` or a file, into an interface.
//!
//! Source: the OpenRPC specification 1.3.2 (spec.open-rpc.org). Its schemas follow draft 7 of JSON Schema; those of
//! an interface follow draft 2020-12.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::codec::DocumentLimits;
use crate::codec::json::{check, not_well_formed};
use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Interface, Method, Param};
use crate::model::text::abridge;
use crate::protocol::discovered::{is_valid_method_name, schema};
use crate::protocol::discovered_schemas::{SchemaReader, resolve_reference};

/// The largest number of references in a chain that leads to a parameter or a result.
const HOPS: usize = 8;
/// The largest number of JSON values in all converted schemas together.
const VALUES: usize = 500_000;

/// The content of an OpenRPC document.
#[derive(Debug, Clone)]
pub struct OpenRpcDescription {
    /// The methods that can be called.
    pub interface: Interface,
    /// The methods that accept their arguments by name only.
    pub by_name: BTreeSet<String>,
}

/// Reads the text of a document.
///
/// # Errors
/// The errors of [`document`]; `NotWellFormed` if the text is not JSON; `Limit` if it is too large or nested too deep.
pub fn read(text: &[u8]) -> Result<OpenRpcDescription, Fault> {
    let checked = check(text, DocumentLimits { elements: VALUES, depth: 100 })?;
    document(&serde_json::from_str(checked.text()).map_err(not_well_formed)?)
}

/// Reads a document. Its depth must be bounded, as that of a text that `serde_json` has read is.
///
/// # Errors
/// `Structure`, with the place, if it is not an OpenRPC document; `Limit` if its schemas become too large with their
/// references.
///
/// ```
/// use croupier::protocol::jsonrpc::openrpc::read::document;
/// let discovered = document(&serde_json::json!({
///     "openrpc": "1.3.2",
///     "info": { "title": "Sums", "version": "1" },
///     "methods": [{ "name": "add", "params": [{ "name": "a", "required": true, "schema": { "type": "integer" } }] }],
/// }))?;
/// assert_eq!(discovered.interface.methods[0].params[0].name, "a");
/// # Ok::<(), croupier::Fault>(())
/// ```
pub fn document(document: &Json) -> Result<OpenRpcDescription, Fault> {
    if !document.get("openrpc").is_some_and(Json::is_string) {
        return Err(wrong("", "it has no member `openrpc` with a version"));
    }
    let methods = document.get("methods").and_then(Json::as_array);
    let methods = methods.ok_or_else(|| wrong("", "it has no array `methods`"))?;
    let mut reader = Reader { document, schemas: SchemaReader::new(VALUES, "the OpenRPC document") };
    let (mut all, mut by_name, mut seen) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (at, method) in methods.iter().enumerate() {
        let place = format!("methods[{at}]");
        let method = reader.follow(method, &place)?;
        let name = text(method, "name");
        if name.is_empty() {
            return Err(wrong(&place, "it has no `name`"));
        }
        if !is_valid_method_name(&name) || name.starts_with("rpc.") || !seen.insert(name.clone()) {
            continue;
        }
        if method.get("paramStructure").is_some_and(|how| how == "by-name") {
            by_name.insert(name.clone());
        }
        all.push(reader.method(method, name, &place)?);
    }
    let defs = reader.schemas.into_definitions()?;
    let info = document.get("info").unwrap_or(&Json::Null);
    let (title, doc) = (text(info, "title"), text(info, "description"));
    Ok(OpenRpcDescription { interface: Interface { title, doc, methods: all, defs, ..Interface::default() }, by_name })
}

fn wrong(place: &str, what: &str) -> Fault {
    let message = match place {
        "" => format!("the OpenRPC document: {what}"),
        place => format!("the OpenRPC document, `{place}`: {what}"),
    };
    Fault::new(Kind::Structure, message)
}

fn text(of: &Json, name: &str) -> String {
    of.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

/// The documentation of an object: its description, or else its summary.
fn doc_of(of: &Json) -> String {
    let [summary, description] = ["summary", "description"].map(|name| text(of, name));
    if description.is_empty() { summary } else { description }
}

struct Reader<'d> {
    document: &'d Json,
    schemas: SchemaReader<'d>,
}

impl<'d> Reader<'d> {
    /// Follows the references of an object to their end.
    fn follow(&self, it: &'d Json, place: &str) -> Result<&'d Json, Fault> {
        let mut it = it;
        for _ in 0..HOPS {
            let Some(target) = it.get("$ref").and_then(Json::as_str) else { return Ok(it) };
            let found = resolve_reference(self.document, target);
            it = found.ok_or_else(|| wrong(place, &format!("the reference `{}` leads nowhere", abridge(target))))?;
        }
        Err(wrong(place, "there are too many references in a chain"))
    }

    fn method(&mut self, method: &'d Json, name: String, place: &str) -> Result<Method, Fault> {
        let params = match method.get("params") {
            None => &[],
            Some(params) => params.as_array().ok_or_else(|| wrong(place, "its `params` are not an array"))?.as_slice(),
        };
        let mut read = Vec::with_capacity(params.len());
        let mut seen = BTreeSet::new();
        for (at, param) in params.iter().enumerate() {
            let place = format!("{place}.params[{at}]");
            let param = self.param(self.follow(param, &place)?, &place)?;
            if !seen.insert(param.name.clone()) {
                return Err(wrong(&place, &format!("there are two parameters `{}`", abridge(&param.name))));
            }
            read.push(param);
        }
        let result = match method.get("result") {
            None => json!({ "type": "null" }),
            Some(result) => {
                let result = self.follow(result, &format!("{place}.result"))?;
                result.get("schema").map_or(Ok(Json::Bool(true)), |schema| self.schemas.read(schema, self.document))?
            }
        };
        Ok(Method { name, doc: doc_of(method), params: read, result: schema(result), safe: false })
    }

    /// Reads a content descriptor.
    fn param(&mut self, param: &'d Json, place: &str) -> Result<Param, Fault> {
        let name = text(param, "name");
        if name.is_empty() {
            return Err(wrong(place, "it has no `name`"));
        }
        let own =
            param.get("schema").map_or(Ok(Json::Bool(true)), |schema| self.schemas.read(schema, self.document))?;
        let required = param.get("required") == Some(&Json::Bool(true));
        Ok(Param { name, doc: doc_of(param), schema: schema(own), required })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::diagnostics::diagnostics;
    use crate::demo::wheel::{Chance, Family, WheelTable};
    use crate::protocol::jsonrpc::openrpc::write as openrpc;
    use crate::service::RpcService;

    fn of(methods: Json, components: Json) -> Result<OpenRpcDescription, Fault> {
        document(&json!({ "openrpc": "1.3.2", "methods": methods, "components": components }))
    }

    fn same(own: &Interface) {
        let text = openrpc::document(own, "http://localhost/").to_string();
        let read = read(text.as_bytes()).unwrap().interface;
        assert_eq!((&read.title, &read.doc, &read.defs), (&own.title, &own.doc, &own.defs));
        assert_eq!(read.methods.len(), own.methods.len());
        for (one, other) in read.methods.iter().zip(&own.methods) {
            assert_eq!((&one.name, &one.doc, &one.result), (&other.name, &other.doc, &other.result));
            let params = |method: &Method| {
                let params = method.params.iter();
                let params = params.map(|it| (it.name.clone(), it.doc.clone(), it.schema.clone(), it.required));
                params.collect::<Vec<_>>()
            };
            let mut expected = params(other);
            expected.sort_by_key(|param| !param.3);
            assert_eq!(params(one), expected, "{}", one.name);
        }
    }

    #[test]
    fn our_own_documents_read_back_as_the_interface() {
        for family in [Family::American, Family::European, Family::French, Family::TripleZero, Family::Mini] {
            same(WheelTable::new(family, Chance::seeded(7)).service().unwrap().interface().as_ref());
        }
        same(&diagnostics().unwrap().interface());
    }

    #[test]
    fn references_are_followed_and_circles_kept() {
        let methods = json!([{
            "name": "m",
            "paramStructure": "by-name",
            "params": [{ "$ref": "#/components/contentDescriptors/p" }],
            "result": { "name": "r", "schema": { "$ref": "#/components/schemas/Folder~1%20a" } },
        }]);
        let folder = json!({
            "properties": {
                "in": { "type": "array", "items": { "$ref": "#/components/schemas/Folder~1%20a" } },
                "x": { "$ref": "http://other.example/" },
            },
            "default": { "$ref": "#/no" },
        });
        let components = json!({
            "contentDescriptors": { "p": { "name": "p", "schema": { "$ref": "#/components/schemas/Number" } } },
            "schemas": { "Folder/ a": folder, "Number": { "type": "integer" } },
        });
        let OpenRpcDescription { interface, by_name } = of(methods, components).unwrap();
        assert!(by_name.contains("m"));
        let method = &interface.methods[0];
        assert_eq!(method.result.as_value(), &json!({ "$ref": "#/$defs/Folder~1 a" }));
        assert_eq!(interface.defs["Number"], json!({ "type": "integer" }));
        let inner = &interface.defs["Folder/ a"];
        assert_eq!(inner["properties"]["in"]["items"]["$ref"], "#/$defs/Folder~1 a");
        assert_eq!((&inner["properties"]["x"], &inner["default"]["$ref"]), (&json!({}), &json!("#/no")));
    }

    #[test]
    fn errors_say_where() {
        for (methods, message) in [
            (json!({}), "the OpenRPC document: it has no array `methods`"),
            (json!([{}]), "the OpenRPC document, `methods[0]`: it has no `name`"),
            (
                json!([{ "name": "m", "params": 1 }]),
                "the OpenRPC document, `methods[0]`: its `params` are not an array",
            ),
            (
                json!([{ "name": "m", "params": [{ "name": "a" }, {}] }]),
                "the OpenRPC document, `methods[0].params[1]`: it has no `name`",
            ),
            (
                json!([{ "name": "m", "params": [{ "name": "a" }, { "name": "a" }] }]),
                "the OpenRPC document, `methods[0].params[1]`: there are two parameters `a`",
            ),
            (
                json!([{ "name": "m", "params": [{ "$ref": "#/x" }] }]),
                "the OpenRPC document, `methods[0].params[0]`: the reference `#/x` leads nowhere",
            ),
            (
                json!([{ "name": "m", "result": { "$ref": "#/methods/0/result" } }]),
                "the OpenRPC document, `methods[0].result`: there are too many references in a chain",
            ),
        ] {
            assert_eq!(of(methods, json!({})).unwrap_err().message, message);
        }
        assert_eq!(
            document(&json!([])).unwrap_err().message,
            "the OpenRPC document: it has no member `openrpc` with a version"
        );
        assert!(read(b"{").is_err() && read(b"<html>").is_err());
    }

    #[test]
    fn private_methods_and_the_protocol_s_own_are_left_out() {
        let named = |name: &str| json!({ "name": name, "params": [] });
        let discovered =
            of(json!([named("rpc.discover"), named("_a"), named("a"), named("a"), named("b c")]), json!({}));
        let names: Vec<_> = discovered.unwrap().interface.methods.into_iter().map(|method| method.name).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn references_into_each_other_do_not_make_a_small_document_large() {
        let nested = |depth: usize| (0..depth).fold(json!({ "type": "string" }), |inner, _| json!({ "not": inner }));
        let read = |chains: usize| {
            let schemas = json!({ "D": { "anyOf": (0..chains).map(|_| nested(90)).collect::<Vec<_>>() } });
            let each =
                |at| (0..90).map(move |depth| format!("#/components/schemas/D/anyOf/{at}{}", "/not".repeat(depth)));
            let all: Vec<_> = (0..chains).flat_map(each).map(|target| json!({ "$ref": target })).collect();
            let params = json!([{ "name": "a", "schema": { "anyOf": all } }]);
            of(json!([{ "name": "m", "params": params }]), json!({ "schemas": schemas }))
        };
        assert_eq!(read(4).unwrap().interface.defs.len(), 360);
        assert_eq!(read(200).unwrap_err().kind, Kind::Limit);
    }
}
