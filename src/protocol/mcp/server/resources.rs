//! The resources of an endpoint: the documentation of its groups, and the documents of their other protocols, with the same text as
//! over HTTP. The URI of a resource is `croupier://`, the path of the group, and the name of the document.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::answer::{JsonObject, ResultFrame, RpcError};
use super::message::Message;
use super::options::McpOptions;
use super::{CACHE_SCOPE, Mcp, TTL_MS};
use crate::http::public_url::PublicUrl;
use crate::model::interface::{Interface, Method};
use crate::model::text::abridge;
use crate::protocol::document::GroupDocument;
use crate::protocol::frontend::{GroupRequest, refuse_undescribed};
use crate::protocol::mcp::names::is_tool;
use crate::service::RpcService;

/// The error code for an unknown resource, in the revisions with a handshake.
const RESOURCE_NOT_FOUND: i32 = -32002;
/// What is percent-encoded in the path of a group.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The documents of the groups of an endpoint.
#[derive(Default)]
pub(super) struct Documents {
    public_url: Arc<PublicUrl>,
    /// The documents of each member. The documentation is not among them, because every group has one.
    by_member: Box<[Vec<Arc<dyn GroupDocument>>]>,
}

/// A group with what its resources are made of.
struct GroupResources<'m> {
    /// The path of the group, percent-encoded.
    path: Cow<'m, str>,
    service: &'m dyn RpcService,
    options: &'m McpOptions,
    documents: &'m [Arc<dyn GroupDocument>],
}

impl Mcp {
    /// The same frontend with documents as resources: those of each of its groups, in the order of the groups. `public_url` makes the
    /// addresses in the documents.
    #[must_use]
    pub fn with_documents(
        self,
        public_url: Arc<PublicUrl>,
        by_member: impl IntoIterator<Item = Vec<Arc<dyn GroupDocument>>>,
    ) -> Mcp {
        Mcp { documents: Documents { public_url, by_member: by_member.into_iter().collect() }, ..self }
    }

    /// The result of a method that begins with `resources/`.
    pub(super) fn answer_resources(
        &self,
        service: &dyn RpcService,
        request: GroupRequest<'_>,
        message: &Message<'_>,
        frame: &ResultFrame,
    ) -> Result<JsonObject, RpcError> {
        let params = message.params.as_ref();
        let groups = self.group_resources(service, request);
        let mut result = JsonObject::new();
        match &*message.method {
            "resources/read" => {
                let uri = params.and_then(|params| params.uri());
                let uri =
                    uri.ok_or_else(|| RpcError::invalid_params("`params.uri` is not the address of a resource"))?;
                result.insert("contents".to_owned(), json!([self.read(&groups, uri, request, frame)?]));
            }
            "resources/list" | "resources/templates/list" => {
                // Each list has one page, so no cursor is valid.
                if params.is_some_and(|params| params.cursor.is_some()) {
                    return Err(RpcError::invalid_params("the cursor is not valid"));
                }
                let (name, items) = match &*message.method {
                    "resources/list" => ("resources", groups.iter().flat_map(|group| group.list(request)).collect()),
                    _ => ("resourceTemplates", Vec::new()),
                };
                result.insert(name.to_owned(), Value::Array(items));
            }
            method => return Err(RpcError::no_such_method(abridge(method).as_ref(), frame.is_stateless)),
        }
        if frame.is_stateless {
            let is_incomplete = groups.iter().any(|group| group.service.interface().incomplete);
            result.insert("ttlMs".to_owned(), if is_incomplete { 0 } else { TTL_MS }.into());
            result.insert("cacheScope".to_owned(), CACHE_SCOPE.into());
        }
        Ok(result)
    }

    /// The groups of the endpoint with their documents.
    fn group_resources<'m>(
        &'m self,
        service: &'m dyn RpcService,
        request: GroupRequest<'m>,
    ) -> Vec<GroupResources<'m>> {
        let documents = self.documents.by_member.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
        let groups = self.members.iter().zip(documents).map(|(member, documents)| GroupResources {
            path: match member.path() {
                Some(path) => utf8_percent_encode(path, ENCODED).into(),
                None => Cow::Borrowed(request.path()),
            },
            service: member.group_service(service),
            options: &member.options,
            documents,
        });
        groups.collect()
    }

    /// The contents of a resource.
    fn read(
        &self,
        groups: &[GroupResources<'_>],
        uri: &str,
        request: GroupRequest<'_>,
        frame: &ResultFrame,
    ) -> Result<Value, RpcError> {
        let found = groups.iter().find_map(|group| {
            let name = uri.strip_prefix(group.base_uri().as_str())?;
            let mut documents = group.documents();
            Some((group, documents.find(|document| document.name() == name)?))
        });
        let Some((group, document)) = found else {
            let code = if frame.is_stateless { -32602 } else { RESOURCE_NOT_FOUND };
            let uri = abridge(uri);
            let error = RpcError::new(code, format!("there is no resource `{uri}`"));
            return Err(RpcError { data: Some(json!({ "uri": uri })), ..error });
        };
        if let Some(rejection) = refuse_undescribed(group.service) {
            return Err(RpcError::new(-32603, rejection.reason).caused_by_outage());
        }
        let base = self.documents.public_url.base(request.head, request.context.peer);
        let interface = group.service.interface_for(request.context);
        let text = match document.name() == Documentation.name() {
            true => document.text(&group.tools_of(&interface), &(base + &group.path)),
            false => document.text(&interface, &(base + &group.path)),
        };
        Ok(json!({ "uri": uri, "mimeType": document.media_type(), "text": text }))
    }
}

impl GroupResources<'_> {
    /// The beginning of the URIs of its resources.
    fn base_uri(&self) -> String {
        format!("croupier://{}/", self.path.trim_end_matches('/'))
    }

    /// The part of an interface that tools show: their methods, without parameters that have fixed values.
    fn tools_of(&self, interface: &Interface) -> Interface {
        let is_shown = |method: &&Method| is_tool(&method.name) && self.options.has(&method.name);
        let methods = interface
            .methods
            .iter()
            .filter(is_shown)
            .map(|method| self.options.without_fixed_args(method).into_owned());
        let (title, doc) = (interface.title.clone(), interface.doc.clone());
        Interface { title, doc, methods: methods.collect(), ..Interface::default() }
    }

    fn documents(&self) -> impl Iterator<Item = &dyn GroupDocument> {
        let documentation: &dyn GroupDocument = &Documentation;
        std::iter::once(documentation).chain(self.documents.iter().map(|document| document.as_ref()))
    }

    fn list(&self, request: GroupRequest<'_>) -> Vec<Value> {
        let (base, interface) = (self.base_uri(), self.service.interface_for(request.context));
        let title = if interface.title.is_empty() { &*self.path } else { &interface.title };
        let item = |document: &dyn GroupDocument| {
            json!({
                "uri": format!("{base}{}", document.name()),
                "name": document.name(),
                "title": format!("{title}: {}", document.title()),
                "mimeType": document.media_type(),
            })
        };
        self.documents().map(item).collect()
    }
}

/// The documentation of a group and its tools, as Markdown.
struct Documentation;

impl GroupDocument for Documentation {
    fn name(&self) -> &'static str {
        "doc"
    }

    fn title(&self) -> &'static str {
        "documentation"
    }

    fn media_type(&self) -> &'static str {
        "text/markdown"
    }

    fn text(&self, interface: &Interface, _: &str) -> String {
        let mut text = format!("# {}\n", on_one_line(&interface.title));
        add_doc(&interface.doc, &mut text);
        for method in &interface.methods {
            add_method(method, &mut text);
        }
        text
    }
}

fn add_method(method: &Method, to: &mut String) {
    // Writing into a text cannot fail.
    let _ = write!(to, "\n## `{}`\n", on_one_line(&method.name));
    add_doc(&method.doc, to);
    for (index, param) in method.params.iter().enumerate() {
        let (before, optional) = (if index == 0 { "\n" } else { "" }, if param.required { "" } else { " (optional)" });
        let _ = write!(to, "{before}- `{}`{optional}", on_one_line(&param.name));
        let doc = on_one_line(&param.doc);
        if !doc.is_empty() {
            let _ = write!(to, ": {doc}");
        }
        to.push('\n');
    }
}

fn add_doc(doc: &str, to: &mut String) {
    let doc = doc.trim();
    if !doc.is_empty() {
        let _ = write!(to, "\n{doc}\n");
    }
}

/// A text on one line, with a blank for each run of white space.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::interface::Param;
    use crate::model::name_patterns::NamePatterns;
    use crate::protocol::mcp::server::ToolOptions;
    use crate::service::local::Local;

    #[test]
    fn the_documentation_has_the_methods_and_their_parameters() {
        let param = |name: &str, doc: &str, required: bool| Param {
            name: name.to_owned(),
            doc: doc.to_owned(),
            schema: schemars::Schema::default(),
            required,
        };
        let spin = Method {
            doc: " Spins.\n\nTwice.\n".to_owned(),
            params: vec![param("spins", "How\noften.", true), param("seed", "", false)],
            ..Method::undescribed("wheel.spin")
        };
        let interface = Interface {
            title: "A wheel".to_owned(),
            doc: "It spins.".to_owned(),
            methods: vec![spin, Method::undescribed("_private"), Method::undescribed("rest")],
            ..Interface::default()
        };
        let expected = "# A wheel\n\nIt spins.\n\n## `wheel.spin`\n\nSpins.\n\nTwice.\n\n- `spins`: How often.\n- `seed` (optional)\n\n## `rest`\n";
        let of_group = |options: &McpOptions| {
            let service = Local::new("A wheel", ()).build().unwrap();
            let group = GroupResources { path: "/w".into(), service: &service, options, documents: &[] };
            Documentation.text(&group.tools_of(&interface), "")
        };
        assert_eq!(of_group(&McpOptions::default()), expected);
        let fixed =
            ToolOptions { args: JsonObject::from_iter([("seed".to_owned(), 4.into())]), ..ToolOptions::default() };
        let options = McpOptions {
            exclude: NamePatterns(vec!["rest".to_owned()]),
            tools: BTreeMap::from([("wheel.spin".to_owned(), fixed)]),
            ..McpOptions::default()
        };
        let (without_rest, _) = expected.split_once("\n## `rest`").unwrap();
        assert_eq!(of_group(&options), without_rest.replace("- `seed` (optional)\n", ""));
    }
}
