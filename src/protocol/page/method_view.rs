//! The section of one method on a page: its documentation, its types, its form and the panel of its requests.

use serde::Serialize;
use serde_json::Value;

use super::input::Input;
use super::prose::{Paragraph, prose};
use super::templates;
use super::type_text::{plain, words};
use crate::http::routes;
use crate::http::routes::RouteTable;
use crate::model::interface;
use crate::model::interface::Interface;
use crate::protocol::xmlrpc::signature;

/// The most bytes of JSON Schema in the section of a method. Longer schemas are cut at the end of a line.
const MAX_SCHEMA: usize = 48 << 10;

/// What all sections of a page have in common.
pub(super) struct SectionWriter<'a> {
    pub(super) interface: &'a Interface,
    /// The REST routes that the operator added.
    pub(super) routes: &'a RouteTable,
    /// Whether the page can make calls.
    pub(super) calls: bool,
    /// The prefix of all paths.
    pub(super) root: &'a str,
    /// The path of the group, without a slash at its end.
    pub(super) here: &'a str,
}

/// The variables of the template.
#[derive(Serialize)]
struct SectionView<'a> {
    method: MethodView<'a>,
    /// The position of the method among those of the group, from 1.
    at: usize,
    /// The index of the method in the data for the script.
    index: usize,
    calls: bool,
    root: &'a str,
    here: &'a str,
}

#[derive(Serialize)]
struct MethodView<'a> {
    name: &'a str,
    signature: String,
    doc: Vec<Paragraph>,
    params: Vec<ParamView<'a>>,
    result: TypeView,
    /// The REST routes to the method.
    routes: Vec<RouteView<'a>>,
}

/// A REST route.
#[derive(Serialize)]
struct RouteView<'a> {
    verb: &'a str,
    path: &'a str,
    /// The parameters with fixed values, as `name = value`.
    fixed: Vec<String>,
}

#[derive(Serialize)]
struct ParamView<'a> {
    name: &'a str,
    doc: Vec<Paragraph>,
    required: bool,
    default: Option<String>,
    /// The type of its values.
    r#type: TypeView,
    input: Input,
}

/// A type in words.
#[derive(Serialize)]
struct TypeView {
    words: String,
    doc: Vec<Paragraph>,
    /// The schema, if the words do not say all of it.
    schema: Option<SchemaText>,
}

/// A schema as text.
#[derive(Serialize)]
struct SchemaText {
    text: String,
    /// The number of lines that are left out.
    omitted: usize,
}

impl SectionWriter<'_> {
    /// The section of a method, as HTML. `at` is its position among the methods of the group, from 1, and `index` its index in
    /// the data for the script.
    ///
    /// # Errors
    /// If the template cannot be rendered.
    pub(super) fn render(
        &self,
        method: &interface::Method,
        at: usize,
        index: usize,
    ) -> Result<String, minijinja::Error> {
        let view =
            SectionView { method: self.method(method), at, index, calls: self.calls, root: self.root, here: self.here };
        templates::render("method.html", &view)
    }

    fn method<'m>(&'m self, method: &'m interface::Method) -> MethodView<'m> {
        let routes = self.routes.routes().iter().filter(|route| route.method() == method.name);
        let mut left = MAX_SCHEMA;
        MethodView {
            name: &method.name,
            signature: signature::signature_line(self.interface, method),
            doc: prose(&method.doc),
            params: method.params.iter().map(|item| self.param(item, &mut left)).collect(),
            result: self.type_view(method.result.as_value(), true, &mut left),
            routes: routes.map(|item| route(item)).collect(),
        }
    }

    fn param<'m>(&self, param: &'m interface::Param, left: &mut usize) -> ParamView<'m> {
        ParamView {
            name: &param.name,
            doc: prose(&param.doc),
            required: param.required,
            default: param.schema.get("default").filter(|default| !default.is_null()).map(plain),
            r#type: self.type_view(param.schema.as_value(), false, left),
            input: Input::of(self.interface, param),
        }
    }

    /// A type; `documented` adds the description in its schema, if it is not shown otherwise. Schemas take bytes from `left`.
    fn type_view(&self, schema: &Value, documented: bool, left: &mut usize) -> TypeView {
        let resolved = self.interface.resolve(schema);
        let doc = resolved.get("description").and_then(Value::as_str).filter(|_| documented).unwrap_or_default();
        let composed = ["properties", "items", "prefixItems", "additionalProperties", "anyOf", "oneOf", "allOf"]
            .iter()
            .any(|key| resolved.get(key).is_some_and(|value| value.is_object() || value.is_array()));
        TypeView {
            words: words(self.interface, resolved),
            doc: prose(doc),
            schema: composed.then(|| schema_text(resolved, left)),
        }
    }
}

fn route(route: &routes::RestRoute) -> RouteView<'_> {
    let (verb, path) = (route.template().verb().as_str(), route.template().path());
    let fixed = route.args().iter().map(|(name, value)| format!("{name} = {value}")).collect();
    RouteView { verb, path, fixed }
}

/// As many lines of a schema as fit into `left` bytes, which become fewer by those that are used.
fn schema_text(schema: &Value, left: &mut usize) -> SchemaText {
    let mut text = serde_json::to_string_pretty(schema).unwrap_or_default();
    let mut omitted = 0;
    if text.len() > *left {
        let end = text.as_bytes().iter().take(*left).rposition(|byte| *byte == b'\n').unwrap_or(0);
        omitted = text.get(end..).unwrap_or_default().trim_start_matches('\n').lines().count();
        text.truncate(end);
    }
    *left = left.saturating_sub(text.len());
    SchemaText { text, omitted }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_cut_at_the_end_of_a_line() {
        let schema = json!({ "a": 1, "é": 2 });
        let cut = |bytes: usize| {
            let mut left = bytes;
            let SchemaText { text, omitted } = schema_text(&schema, &mut left);
            (text, omitted, left)
        };
        assert_eq!(cut(100), ("{\n  \"a\": 1,\n  \"é\": 2\n}".to_owned(), 0, 77));
        assert_eq!(cut(22), ("{\n  \"a\": 1,\n  \"é\": 2".to_owned(), 1, 1));
        assert_eq!(cut(14), ("{\n  \"a\": 1,".to_owned(), 2, 3));
        assert_eq!(cut(0), (String::new(), 4, 0));
    }
}
