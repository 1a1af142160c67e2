//! The members of an endpoint: the groups whose tools it has. A group's own endpoint has one member; an endpoint of several joined groups
//! has an address of its own.
//!
//! A joined group is called through [`JoinedGroups`], the service of the endpoint, and not directly. The gateway may replace that service,
//! such as by one that refuses every call while the server stops, and this then holds for all groups.

use std::sync::Arc;

use super::options::McpOptions;
use crate::codec::json::JsonDialect;
use crate::model::fault::Fault;
use crate::model::interface::{Interface, Method};
use crate::protocol::frontend;
use crate::protocol::mcp::names;
use crate::service::future::MaybeReady;
use crate::service::{Call, CallFuture, Context, RpcService};

/// A group that is joined with others at one endpoint.
#[derive(Clone)]
pub struct JoinedGroup {
    /// The path of the group.
    pub path: String,
    /// The prefix of the names of its tools, unique among the groups: letters, digits, `_` and `-`.
    pub prefix: String,
    /// The service of the group, within its limits and layers.
    pub service: Arc<dyn RpcService>,
    /// How values that JSON cannot express are written.
    pub dialect: JsonDialect,
    /// Which of its methods are tools, and how they are shown.
    pub options: McpOptions,
}

impl JoinedGroup {
    /// The default prefix of the group at a path: the path with `_` in place of each slash inside it, such as `wheel_european`, and
    /// `root` for the group at `/`.
    pub fn prefix_of(path: &str) -> String {
        names::prefix_of(path)
    }
}

/// A group of an endpoint.
pub(super) struct Member {
    /// The path and the service of a joined group; `None` if the endpoint is the group's own.
    joined: Option<(String, Arc<dyn RpcService>)>,
    /// The prefix of the names of its tools; empty if the endpoint is the group's own.
    pub(super) prefix: String,
    pub(super) dialect: JsonDialect,
    pub(super) options: McpOptions,
}

impl Member {
    /// The only member of a group's own endpoint.
    pub(super) fn own(dialect: JsonDialect, options: McpOptions) -> Member {
        Member { joined: None, prefix: String::new(), dialect, options }
    }

    pub(super) fn joined(group: JoinedGroup) -> Member {
        let JoinedGroup { path, prefix, service, dialect, options } = group;
        Member { joined: Some((path, service)), prefix, dialect, options }
    }

    /// The path of a joined group; `None` if the endpoint is the group's own.
    pub(super) fn path(&self) -> Option<&str> {
        self.joined.as_ref().map(|(path, _)| path.as_str())
    }

    /// The service of the group. `endpoint` is the service of the endpoint.
    pub(super) fn group_service<'s>(&'s self, endpoint: &'s dyn RpcService) -> &'s dyn RpcService {
        self.joined.as_ref().map_or(endpoint, |(_, service)| service.as_ref())
    }

    /// Begins a call of a method of the group, through the service of the endpoint.
    pub(super) fn start_call(&self, endpoint: &dyn RpcService, call: Call<'_>) -> CallFuture {
        match &self.joined {
            None => frontend::start_call(endpoint, call),
            Some((path, _)) => endpoint.call(Call { method: &format!("{path}{SEPARATOR}{}", call.method), ..call }),
        }
    }

    /// Whether a caller may call a method in view of its effects. Everyone may call safe methods. Callers without an identity on other
    /// machines may call the rest only with the option `anonymous-effects`.
    pub(super) fn may_have_effects(&self, method: &Method, caller: &Context) -> bool {
        let is_local = caller.client.is_none_or(|client| client.to_canonical().is_loopback());
        method.safe || is_local || caller.identity.is_some() || self.options.anonymous_effects
    }
}

/// Separates the path of a joined group from the name of its method. The path of a group has no white space.
const SEPARATOR: char = ' ';

/// The service of an endpoint of several groups. It is called with the path of a group, a space and the name of a method. Its interface
/// lists no methods; those of a group are in the interface of the group's own service.
pub struct JoinedGroups {
    interface: Arc<Interface>,
    groups: Box<[JoinedGroup]>,
}

impl JoinedGroups {
    /// The interface is made of those that the groups have now. Make another service when one of them changes.
    pub fn new(groups: Vec<JoinedGroup>) -> JoinedGroups {
        let described: Vec<_> = groups.iter().map(|group| (group, group.service.interface())).collect();
        let has = |has: fn(&Interface) -> bool| described.iter().any(|(_, interface)| has(interface));
        let mut request_headers = Vec::new();
        for header in described.iter().flat_map(|(_, interface)| &interface.request_headers) {
            if !request_headers.contains(header) {
                request_headers.push(header.clone());
            }
        }
        let interface = Interface {
            title: "croupier".to_owned(),
            doc: described.iter().map(|(group, interface)| doc_line(group, interface)).collect(),
            incomplete: has(|interface| interface.incomplete),
            request_headers,
            reads_request_target: has(|interface| interface.reads_request_target),
            reads_client_address: has(|interface| interface.reads_client_address),
            sets_response_headers: has(|interface| interface.sets_response_headers),
            ..Interface::default()
        };
        JoinedGroups { interface: Arc::new(interface), groups: groups.into() }
    }
}

/// The line about a group in the documentation of the endpoint, which clients get as `instructions`.
fn doc_line(group: &JoinedGroup, interface: &Interface) -> String {
    let title = if interface.title.is_empty() { &group.path } else { &interface.title };
    let first = interface.doc.trim().lines().next().unwrap_or_default();
    format!("`{}_…`: {title}. {first}", group.prefix).trim_end().to_owned() + "\n"
}

impl RpcService for JoinedGroups {
    fn interface(&self) -> Arc<Interface> {
        self.interface.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        let found = call.method.split_once(SEPARATOR).and_then(|(path, method)| {
            let group = self.groups.iter().find(|group| group.path == path)?;
            Some((group, method))
        });
        let Some((group, method)) = found else {
            return MaybeReady::now(Err(Fault::no_such_method(call.method)));
        };
        if let Some(record) = &call.context.record {
            record.note_called_group(&group.path);
            if record.trace().is_some() && group.service.interface().method(method).is_some() {
                record.note_known_method();
            }
        }
        frontend::start_call(group.service.as_ref(), Call { method, ..call })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::args::Args;
    use crate::service::local::Local;

    fn group(path: &str, prefix: &str, result: &'static str) -> JoinedGroup {
        let service = Local::new("A house", ()).about("It has rooms.\nAnd a garden.");
        let service = service.method("a.b", move |(): &(), (): ()| result).build().unwrap();
        let (path, prefix) = (path.to_owned(), prefix.to_owned());
        let (dialect, options) = (JsonDialect::default(), McpOptions::default());
        JoinedGroup { path, prefix, service: Arc::new(service), dialect, options }
    }

    #[tokio::test]
    async fn a_call_goes_to_its_group_and_to_no_other() {
        let joined = JoinedGroups::new(vec![group("/a", "a", "one"), group("/a/b", "a_b", "two")]);
        assert_eq!(joined.interface().doc, "`a_…`: A house. It has rooms.\n`a_b_…`: A house. It has rooms.\n");
        let context = Context::default();
        for (path, expected) in [("/a", Some("one")), ("/a/b", Some("two")), ("/b", None), ("", None)] {
            for method in ["a.b", "_a", "b"] {
                let called = joined.call(Call::new(&format!("{path} {method}"), Args::None, &context)).await;
                let expected = expected.filter(|_| method == "a.b");
                let value = match called {
                    Ok(output) => Some(output.into_value(crate::model::value::SizeBudget::new(100)).await.unwrap()),
                    Err(_) => None,
                };
                assert_eq!(
                    value,
                    expected.map(|text| crate::model::value::Value::Text(text.into())),
                    "{path} {method}"
                );
            }
        }
        assert!(joined.call(Call::new("/a", Args::None, &context)).await.is_err());
    }
}
