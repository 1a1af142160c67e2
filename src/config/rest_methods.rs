//! The methods of a REST upstream that its table describes: each with its request, and every mistake at its place.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use toml::Spanned;

use super::aggregate::literal::{literal, type_mismatch};
use super::problem::Problem;
use super::sources::within;
use crate::model::interface::{Interface, Param};
use crate::model::text::abridge;
use crate::protocol::rest::methods::{
    ParamIn, RestMethod, RestMethodError, RestMethodPart, RestParam, UpstreamRoute, check,
};

/// The keywords of JSON Schema whose values are schemas, and those whose values are tables or arrays of schemas.
const SCHEMAS: [&str; 4] = ["items", "additionalProperties", "not", "contains"];
const OF_SCHEMAS: [&str; 7] = ["properties", "patternProperties", "$defs", "anyOf", "oneOf", "allOf", "prefixItems"];

/// A method of a REST upstream that has no document, or whose document lacks it.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RestMethodFile {
    /// The verb and the path below that of the upstream, with a variable in braces for each parameter in the path:
    /// `"GET /users/{id}"`. A query behind the path is sent with every call.
    #[schemars(with = "String")]
    route: Spanned<String>,
    /// What the method does.
    #[serde(default)]
    doc: String,
    /// The parameters by their names. Positional arguments are in the order of these tables.
    #[schemars(with = "BTreeMap<String, RestParamFile>")]
    #[serde(default)]
    params: BTreeMap<Spanned<String>, RestParamFile>,
    /// The type of the result: `"string"`, `"integer"`, `"number"`, `"boolean"`, `"array"`, `"object"`, `"any"`, or a JSON Schema
    /// without `$ref`. A result of another type than `"string"` and `"any"` is read as JSON. Without it, any.
    #[schemars(with = "Option<TypeFile>")]
    #[serde(default)]
    result: Option<Spanned<TypeFile>>,
}

/// A parameter of such a method.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RestParamFile {
    /// The name in the request, if it is another one.
    #[serde(default)]
    name: Option<String>,
    /// Where it is in the request. Without it, in the path if that has a variable of this name; otherwise in the query of GET,
    /// HEAD, DELETE and OPTIONS, and in the body of other requests, which is then a JSON object.
    #[schemars(with = "Option<ParamIn>")]
    #[serde(default, rename = "in")]
    place: Option<Spanned<ParamIn>>,
    /// The type of its values, as for `result`. Without it, any.
    #[schemars(with = "Option<TypeFile>")]
    #[serde(default, rename = "type")]
    kind: Option<Spanned<TypeFile>>,
    /// Whether a call must give it. Without it, a parameter in the path must be given unless it has a `default`, and no other.
    #[schemars(with = "Option<bool>")]
    #[serde(default)]
    required: Option<Spanned<bool>>,
    /// The default, for the documents of the group. It is sent only in a path.
    #[schemars(with = "Option<serde_json::Value>")]
    #[serde(default)]
    default: Option<Spanned<toml::Value>>,
    /// What the parameter means.
    #[serde(default)]
    doc: String,
}

/// A type: a word, or a JSON Schema without `$ref`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
enum TypeFile {
    /// A type by its name.
    Word(TypeWord),
    /// A JSON Schema.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    Schema(toml::Table),
}

/// A type by its name.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum TypeWord {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
    Any,
}

/// Makes the methods of a table, in the order of the file. Those with problems are left out, and the problems reported. `text` is
/// that of the file.
pub(super) fn resolve(
    files: &BTreeMap<Spanned<String>, RestMethodFile>,
    text: &str,
    problems: &mut Vec<Problem>,
) -> Vec<RestMethod> {
    let mut files: Vec<(&Spanned<String>, &RestMethodFile)> = files.iter().collect();
    files.sort_by_key(|(name, _)| name.span().start);
    let (mut methods, mut places) = (Vec::new(), Vec::new());
    for (name, file) in files {
        let route = UpstreamRoute::read(file.route.get_ref()).map_err(|error| {
            let problem = Problem::at(within(text, &file.route, Some(&error.span)), error.message);
            problems.push(Problem { hint: error.hint, ..problem });
        });
        let result = file.result.as_ref().map(|result| read_type(result, problems));
        let mut params: Vec<_> = file.params.iter().collect();
        params.sort_by_key(|(name, _)| name.span().start);
        let params = params.into_iter().map(|(name, file)| param(name, file, problems)).collect();
        let Ok(route) = route else { continue };
        let result = result.unwrap_or(Json::Bool(true));
        methods.push(RestMethod {
            params,
            result,
            doc: file.doc.clone(),
            ..RestMethod::new(name.get_ref().as_str(), route)
        });
        places.push(MethodPlaces { text, name, file });
    }
    problems.extend(check(&methods).into_iter().map(|error| problem(error, &places)));
    methods
}

fn param(name: &Spanned<String>, file: &RestParamFile, problems: &mut Vec<Problem>) -> RestParam {
    let schema = file.kind.as_ref().map_or(Json::Bool(true), |kind| read_type(kind, problems));
    let default = file.default.as_ref().and_then(|default| {
        let value = literal(default).map_err(|problem| problems.push(problem)).ok()?;
        let described = Param {
            name: name.get_ref().clone(),
            doc: String::new(),
            schema: schemars::Schema::try_from(schema.clone()).unwrap_or_default(),
            required: false,
        };
        let mismatch = type_mismatch(&Interface::default(), &described, &value);
        problems.extend(mismatch.map(|message| Problem::at(default.span(), message)));
        Some(value)
    });
    RestParam {
        name_in_request: file.name.clone(),
        place: file.place.as_ref().map(|place| *place.get_ref()),
        schema,
        required: file.required.as_ref().map(|required| *required.get_ref()),
        default,
        doc: file.doc.clone(),
        ..RestParam::new(name.get_ref().as_str())
    }
}

/// The JSON Schema of a type.
fn read_type(file: &Spanned<TypeFile>, problems: &mut Vec<Problem>) -> Json {
    let word = |name: &str| json!({ "type": name });
    match file.get_ref() {
        TypeFile::Word(TypeWord::String) => word("string"),
        TypeFile::Word(TypeWord::Integer) => word("integer"),
        TypeFile::Word(TypeWord::Number) => word("number"),
        TypeFile::Word(TypeWord::Boolean) => word("boolean"),
        TypeFile::Word(TypeWord::Array) => word("array"),
        TypeFile::Word(TypeWord::Object) => word("object"),
        TypeFile::Word(TypeWord::Any) => Json::Bool(true),
        TypeFile::Schema(table) => {
            let value = literal(&Spanned::new(file.span(), toml::Value::Table(table.clone())));
            let checked = value.and_then(|schema| match wrong_schema(&schema) {
                Some(message) => Err(Problem::at(file.span(), message)),
                None => Ok(schema),
            });
            checked.map_err(|problem| problems.push(problem)).unwrap_or(Json::Bool(true))
        }
    }
}

/// What is wrong with a JSON Schema, as far as it decides how values are read.
fn wrong_schema(schema: &Json) -> Option<String> {
    let keywords = match schema {
        Json::Object(keywords) => keywords,
        Json::Bool(_) => return None,
        _ => return Some("a schema is a table, `true` or `false`".to_owned()),
    };
    let is_type = |name: &Json| {
        let known = ["string", "integer", "number", "boolean", "array", "object", "null"];
        name.as_str().is_some_and(|name| known.contains(&name))
    };
    for (keyword, value) in keywords {
        let wrong = match (keyword.as_str(), value) {
            ("$ref" | "$dynamicRef", _) => Some(format!("a schema cannot have `{keyword}` here")),
            ("type", Json::Array(names)) if !names.is_empty() && names.iter().all(is_type) => None,
            ("type", name) if is_type(name) => None,
            ("type", name) => Some(format!("{} is not a `type` of JSON Schema", abridge(&name.to_string()))),
            (keyword, value) if SCHEMAS.contains(&keyword) => wrong_schema(value),
            (keyword, Json::Object(schemas)) if OF_SCHEMAS.contains(&keyword) => {
                schemas.values().find_map(wrong_schema)
            }
            (keyword, Json::Array(schemas)) if OF_SCHEMAS.contains(&keyword) => schemas.iter().find_map(wrong_schema),
            _ => None,
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

/// Where the parts of a method are in the file.
struct MethodPlaces<'f> {
    text: &'f str,
    name: &'f Spanned<String>,
    file: &'f RestMethodFile,
}

impl MethodPlaces<'_> {
    fn span(&self, part: &RestMethodPart) -> Range<usize> {
        let param = |name: &str| self.file.params.iter().find(|(key, _)| key.get_ref() == name);
        let found = match part {
            RestMethodPart::Name => None,
            RestMethodPart::Route(part) => Some(within(self.text, &self.file.route, part.as_ref())),
            RestMethodPart::Param(name) => param(name).map(|(key, _)| key.span()),
            RestMethodPart::Place(name) => {
                param(name).map(|(key, param)| param.place.as_ref().map_or_else(|| key.span(), Spanned::span))
            }
            RestMethodPart::Required(name) => {
                param(name).map(|(key, param)| param.required.as_ref().map_or_else(|| key.span(), Spanned::span))
            }
        };
        found.unwrap_or_else(|| self.name.span())
    }
}

/// The problem of a method, at its place in the file.
fn problem(error: RestMethodError, places: &[MethodPlaces<'_>]) -> Problem {
    let span = |method: usize, part: &RestMethodPart| places.get(method).map(|places| places.span(part));
    let problem = match span(error.method, &error.part) {
        Some(span) => Problem::at(span, error.message),
        None => Problem::whole(error.message),
    };
    let related = error.related.and_then(|(method, part)| span(method, &part));
    let problem = related.into_iter().fold(problem, |problem, span| problem.related(span, "the other"));
    Problem { hint: error.hint, ..problem }
}
