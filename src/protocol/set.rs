//! All the faces of a group, put together from what an operator chose.

use std::sync::Arc;

use http::Request;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::frontend::{Claim, Frontend, GroupHead};
use super::jsonrpc::server::{JsonRpc, OpenRpc};
use super::page::{Directory, GroupSummary, Page, PageProtocol, PageSummary};
use super::rest::server as rest;
use super::rest::server::{Checked, Described, OpenApi, OpenApiOfAll, Part, Rest, RestOptions, Wrong};
use super::soap::server::{Soap, SoapOptions, Wsdl, namespace_of};
use super::xmlrpc::server::XmlRpc;
use crate::codec::{Limits, json, xmlrpc};
use crate::http::public_url::PublicUrl;
use crate::http::routes::{RestRoute, RouteTable};
use crate::model::interface::Interface;

/// A face, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// XML-RPC.
    XmlRpc,
    /// JSON-RPC 2.0, described by OpenRPC.
    JsonRpc,
    /// JSON over plain HTTP, described by OpenAPI.
    Rest,
    /// SOAP 1.1 and 1.2, described by WSDL.
    Soap,
    /// A page for people.
    Page,
}

impl Protocol {
    /// All faces there are.
    pub const ALL: [Protocol; 5] =
        [Protocol::XmlRpc, Protocol::JsonRpc, Protocol::Rest, Protocol::Soap, Protocol::Page];
}

/// Which faces a group has, and how each of them reads and writes.
#[derive(Debug, Clone, PartialEq)]
pub struct ProtocolSet {
    /// Those that the group has (all by default).
    pub names: Vec<Protocol>,
    /// How large a request's document may be.
    pub limits: Limits,
    /// How many calls one `system.multicall` or JSON-RPC batch may hold (1,000 by default).
    pub multicall: usize,
    /// How XML-RPC is read and written.
    pub xml_rpc: xmlrpc::XmlRpcDialect,
    /// How JSON is written.
    pub json: json::JsonDialect,
    /// Whether requests of JSON-RPC 1.0 are answered too.
    pub json_rpc_1: bool,
    /// What REST has to choose.
    pub rest: RestOptions,
    /// What SOAP has to choose.
    pub soap: SoapOptions,
    /// By which paths of an operator's choice REST calls methods, beside the methods' own.
    pub routes: Vec<RestRoute>,
}

impl Default for ProtocolSet {
    fn default() -> Self {
        ProtocolSet {
            names: Protocol::ALL.to_vec(),
            limits: Limits::default(),
            multicall: XmlRpc::default().multicall,
            xml_rpc: xmlrpc::XmlRpcDialect::default(),
            json: json::JsonDialect::default(),
            json_rpc_1: false,
            rest: RestOptions::default(),
            soap: SoapOptions::default(),
            routes: Vec::new(),
        }
    }
}

/// What faces know of the server around their group.
#[derive(Clone, Default)]
pub struct ServerInfo {
    /// Under which address clients know the server.
    pub public_url: Arc<PublicUrl>,
    /// All groups, for people.
    pub listed: Arc<[GroupSummary]>,
    /// The pages of the operator's own.
    pub own: Arc<[PageSummary]>,
}

impl ProtocolSet {
    /// The faces of the group at a path, in the order in which they are asked: whoever wants a request for its query
    /// or its path comes before those that take any.
    pub fn of_group(&self, path: &str, around: &ServerInfo) -> Vec<Arc<dyn Frontend>> {
        let (public_url, namespace) =
            (&around.public_url, self.soap.namespace.clone().unwrap_or_else(|| namespace_of(path)));
        let routes = Arc::new(self.table());
        let mut faces: Vec<Arc<dyn Frontend>> = Vec::new();
        if self.has(Protocol::Soap) {
            faces.push(Arc::new(Wsdl { public_url: public_url.clone(), namespace: namespace.clone() }));
            let mut soap = Soap::new(namespace.clone());
            (soap.options, soap.limits, soap.public_url) = (self.soap.clone(), self.limits, public_url.clone());
            faces.push(Arc::new(soap));
        }
        if self.has(Protocol::XmlRpc) {
            faces.push(Arc::new(XmlRpc { dialect: self.xml_rpc, limits: self.limits, multicall: self.multicall }));
        }
        if self.has(Protocol::JsonRpc) {
            faces.push(Arc::new(JsonRpc {
                dialect: self.json,
                limits: self.limits,
                batch: self.multicall,
                version_1: self.json_rpc_1,
                public_url: public_url.clone(),
            }));
            faces.push(Arc::new(OpenRpc { public_url: public_url.clone() }));
        }
        if self.has(Protocol::Page) {
            let (public_url, groups, routes) = (public_url.clone(), around.listed.clone(), routes.clone());
            faces.push(Arc::new(Page { public_url, protocols: self.protocols(), groups, namespace, routes }));
        }
        if self.has(Protocol::Rest) {
            faces.push(Arc::new(OpenApi {
                public_url: public_url.clone(),
                cors: self.rest.cors.clone(),
                routes: routes.clone(),
            }));
            faces.push(Arc::new(Rest { options: self.rest.clone(), dialect: self.json, limits: self.limits, routes }));
        }
        faces
    }

    /// The routes by their paths, of which there are none where there is no REST.
    pub fn table(&self) -> RouteTable {
        RouteTable::new(if self.has(Protocol::Rest) { &self.routes } else { &[] })
    }

    /// What is wrong with the routes of a group that has this interface, or does not have it yet.
    pub fn check_routes(&self, interface: &Interface) -> Checked {
        let mut checked = rest::check(&self.routes, interface);
        if !self.has(Protocol::Rest) && !self.routes.is_empty() {
            let wrong = Wrong::new(0, Part::RestRoute(None), "the group has routes, but it is not reached over REST");
            checked.wrong.push(wrong.hint("add \"rest\" to `protocols`, or leave `protocols` out"));
        }
        let before = self.before_rest();
        for (at, route) in self.routes.iter().enumerate() {
            if before.iter().any(|frontend| takes(frontend.as_ref(), route)) {
                let message = format!("at `{}` there is a document of the group", route.template());
                checked.wrong.push(Wrong::new(at, Part::RestRoute(None), message).hint("take another path"));
            }
        }
        checked
    }

    /// The faces that are asked before REST is, which takes whatever is left.
    fn before_rest(&self) -> Vec<Arc<dyn Frontend>> {
        let names = self.names.iter().copied().filter(|name| *name != Protocol::Rest).collect();
        let others = ProtocolSet { names, routes: Vec::new(), ..self.clone() };
        let mut faces = others.of_group("/", &ServerInfo::default());
        faces.push(Arc::new(OpenApi::default()));
        faces
    }

    /// Whether the group has a face.
    pub fn has(&self, name: Protocol) -> bool {
        self.names.contains(&name)
    }

    fn protocols(&self) -> Vec<PageProtocol> {
        let named = [
            (Protocol::XmlRpc, PageProtocol::XmlRpc),
            (Protocol::JsonRpc, PageProtocol::JsonRpc),
            (Protocol::Rest, PageProtocol::Rest),
            (Protocol::Soap, PageProtocol::Soap),
        ];
        named.into_iter().filter(|(name, _)| self.has(*name)).map(|(_, protocol)| protocol).collect()
    }
}

/// Whether a face takes the requests to a route without variables.
fn takes(frontend: &dyn Frontend, route: &RestRoute) -> bool {
    let (verb, path) = (route.template().verb(), route.template().path());
    // No face has a document at a path that has to be escaped.
    let Ok(request) = Request::builder().method(verb).uri(path).body(()) else { return false };
    let is_literal = route.template().variables().next().is_none();
    let (head, tail) = (request.into_parts().0, path.trim_start_matches('/'));
    is_literal && frontend.claims(&GroupHead::new(&head, tail)) != Claim::No
}

/// The faces of all groups together, which come before those of whatever group is at `/`.
///
/// `described` are the groups that have a REST face.
pub fn of_root(around: &ServerInfo, described: Vec<Described>) -> Vec<Arc<dyn Frontend>> {
    let mut faces: Vec<Arc<dyn Frontend>> = Vec::new();
    if around.listed.len() > 1 {
        let (public_url, groups, pages) = (around.public_url.clone(), around.listed.clone(), around.own.clone());
        faces.push(Arc::new(Directory { public_url, groups, pages }));
    }
    if !described.is_empty() {
        faces.push(Arc::new(OpenApiOfAll {
            public_url: around.public_url.clone(),
            groups: described,
            cors: Vec::new(),
        }));
    }
    faces
}
