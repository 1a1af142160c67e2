//! The variables of the template of a group's page, made from its interface.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::assets::{SCRIPT, STYLE};
use super::forms::forms;
use super::input::Input;
use super::outage::OutageView;
use super::prose::{Paragraph, prose};
use super::type_text::{plain, words};
use super::{GroupSummary, Page, root, templates};
use crate::http::routes;
use crate::http::routes::RouteTable;
use crate::model::interface;
use crate::model::interface::Interface;
use crate::protocol::xmlrpc::signature;

/// The variables of the template.
#[derive(Serialize)]
pub(super) struct GroupView<'a> {
    title: &'a str,
    doc: Vec<Paragraph>,
    /// The prefix of all paths.
    root: &'a str,
    /// The path of the page, without a slash at its end.
    here: &'a str,
    /// The group's public address.
    url: String,
    style: Cow<'static, str>,
    script: Cow<'static, str>,
    version: &'a str,
    methods: Vec<MethodView<'a>>,
    /// Why the service cannot be used, if it cannot.
    outage: Option<OutageView>,
    /// The rendered section of the service, if it has one.
    section: Option<minijinja::Value>,
    protocols: Vec<ProtocolChoice>,
    /// The names of these protocols.
    protocol_names: Vec<&'static str>,
    /// The other groups.
    others: Vec<&'a GroupSummary>,
    /// The data for the script, as JSON.
    data: String,
}

/// A protocol that the reader can choose for calls.
#[derive(Serialize)]
struct ProtocolChoice {
    name: &'static str,
    title: &'static str,
}

#[derive(Serialize)]
struct MethodView<'a> {
    name: &'a str,
    signature: String,
    doc: Vec<Paragraph>,
    params: Vec<ParamView<'a>>,
    result: TypeView,
    safe: bool,
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
    schema: Option<String>,
}

/// The variables for a group at the path of the request.
///
/// # Errors
/// Where the template of the service's own section is malformed.
pub(super) fn group<'a>(
    page: &'a Page,
    interface: &'a Interface,
    base: &'a str,
    path: &'a str,
) -> Result<GroupView<'a>, minijinja::Error> {
    let section = interface.page_section.as_deref();
    let shown = section.filter(|_| !page.protocols.is_empty());
    let rendered = shown.map(|section| templates::render_text(section.template, &section.data)).transpose()?;
    let root = root(base);
    let title = if interface.title.is_empty() { path } else { &interface.title };
    let others = page.groups.iter().filter(|group| !group.is_at(path)).collect();
    let url = format!("{base}{path}");
    Ok(GroupView {
        title,
        doc: prose(&interface.doc),
        root,
        here: path.trim_end_matches('/'),
        style: STYLE.version_with(section),
        script: SCRIPT.version_with(section),
        version: env!("CARGO_PKG_VERSION"),
        methods: interface.methods.iter().map(|item| method(interface, item, &page.routes)).collect(),
        outage: None,
        section: rendered.map(minijinja::Value::from_safe_string),
        protocols: page
            .protocols
            .iter()
            .map(|item| ProtocolChoice { name: item.name(), title: item.title() })
            .collect(),
        protocol_names: page.protocols.iter().map(|item| item.name()).collect(),
        others,
        data: data(page, interface, &url, &format!("{root}{path}")),
        url,
    })
}

impl GroupView<'_> {
    /// The same variables during an outage of the service.
    pub(super) fn during(self, outage: Option<OutageView>) -> Self {
        GroupView { outage, ..self }
    }
}

fn method<'a>(interface: &'a Interface, method: &'a interface::Method, routes: &'a RouteTable) -> MethodView<'a> {
    let routes = routes.routes().iter().filter(|route| route.method() == method.name);
    MethodView {
        name: &method.name,
        signature: signature::signature_line(interface, method),
        doc: prose(&method.doc),
        params: method.params.iter().map(|item| param(interface, item)).collect(),
        result: type_view(interface, method.result.as_value(), true),
        safe: method.safe,
        routes: routes.map(|item| route(item)).collect(),
    }
}

fn route(route: &routes::RestRoute) -> RouteView<'_> {
    let (verb, path) = (route.template().verb().as_str(), route.template().path());
    let fixed = route.args().iter().map(|(name, value)| format!("{name} = {value}")).collect();
    RouteView { verb, path, fixed }
}

fn param<'a>(interface: &'a Interface, param: &'a interface::Param) -> ParamView<'a> {
    ParamView {
        name: &param.name,
        doc: prose(&param.doc),
        required: param.required,
        default: param.schema.get("default").filter(|default| !default.is_null()).map(plain),
        r#type: type_view(interface, param.schema.as_value(), false),
        input: Input::of(interface, param),
    }
}

/// A type; `documented` adds the description in its schema, if it is not shown otherwise.
fn type_view(interface: &Interface, schema: &Value, documented: bool) -> TypeView {
    let resolved = interface.resolve(schema);
    let doc = resolved.get("description").and_then(Value::as_str).filter(|_| documented).unwrap_or_default();
    let composed = ["properties", "items", "prefixItems", "additionalProperties", "anyOf", "oneOf", "allOf"]
        .iter()
        .any(|key| resolved.get(key).is_some_and(|value| value.is_object() || value.is_array()));
    let whole = composed.then(|| serde_json::to_string_pretty(resolved).unwrap_or_default());
    TypeView { words: words(interface, resolved), doc: prose(doc), schema: whole }
}

/// The data for the script: the types of values, and addresses.
fn data(page: &Page, interface: &Interface, url: &str, path: &str) -> String {
    let (methods, definitions) = forms(interface);
    templates::escape_misleading(
        json!({
            "url": url,
            "path": path,
            "namespace": page.namespace,
            "methods": methods,
            "definitions": definitions,
            "section": interface.page_section.as_ref().map(|section| &section.script_data),
        })
        .to_string(),
    )
}
