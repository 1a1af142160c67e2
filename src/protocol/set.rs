//! The frontends of a group, made from its settings.

use std::sync::Arc;

use super::Protocol;
use super::document::GroupDocument;
use super::frontend::{Claim, Frontend, GroupHead};
use super::jsonrpc::server::{FurtherMembers, JsonRpc, OpenRpc};
use super::mcp::server::{Mcp, McpOptions};
use super::page::{Directory, GroupSummary, Page, PageSummary};
use super::rest::server as rest;
use super::rest::server::{OpenApi, OpenApiOfAll, Rest, RestGroup, RouteError, RoutePart, RouteReport};
use super::soap::server::{Soap, SoapOptions, Wsdl, namespace_of};
use super::xmlrpc::server::XmlRpc;
use crate::codec::{DocumentLimits, json, xmlrpc};
use crate::http::public_url::PublicUrl;
use crate::http::routes::{RestRoute, RouteTable};
use crate::model::interface::Interface;
use http::Request;

/// The protocols of a group with their settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ProtocolSet {
    /// The protocols (all by default).
    pub names: Vec<Protocol>,
    /// The limits on the document of a request.
    pub limits: DocumentLimits,
    /// The largest number of calls in one `system.multicall` or JSON-RPC batch (`limits.batch`; 1,000 by default).
    pub batch: usize,
    /// The dialect of XML-RPC.
    pub xml_rpc: xmlrpc::XmlRpcDialect,
    /// The dialect of JSON.
    pub json: json::JsonDialect,
    /// Whether requests of JSON-RPC 1.0 are accepted too.
    pub json_rpc_1: bool,
    /// What becomes of members of a JSON-RPC request beyond those of the specification.
    pub json_rpc_members: FurtherMembers,
    /// The settings of SOAP.
    pub soap: SoapOptions,
    /// The settings of MCP.
    pub mcp: McpOptions,
    /// The REST routes that the operator adds to the paths of the methods.
    pub routes: Vec<RestRoute>,
}

impl Default for ProtocolSet {
    fn default() -> Self {
        ProtocolSet {
            names: Protocol::ALL.to_vec(),
            limits: DocumentLimits::default(),
            batch: XmlRpc::default().batch,
            xml_rpc: xmlrpc::XmlRpcDialect::default(),
            json: json::JsonDialect::default(),
            json_rpc_1: false,
            json_rpc_members: FurtherMembers::default(),
            soap: SoapOptions::default(),
            mcp: McpOptions::default(),
            routes: Vec::new(),
        }
    }
}

/// What frontends know of the server outside their own group.
#[derive(Clone, Default)]
pub struct ServerInfo {
    /// The public address of the server.
    pub public_url: Arc<PublicUrl>,
    /// All groups, for the lists on pages.
    pub listed: Arc<[GroupSummary]>,
    /// The pages made from the operator's templates.
    pub own: Arc<[PageSummary]>,
    /// The path of the MCP endpoint with the tools of several groups, if there is one.
    pub mcp: Option<Arc<str>>,
}

impl ProtocolSet {
    /// The frontends of the group at a path, in the order in which they can claim a request: those that look for a
    /// certain query or path precede those that accept any.
    pub fn of_group(&self, path: &str, info: &ServerInfo) -> Vec<Arc<dyn Frontend>> {
        let public_url = &info.public_url;
        let namespace = self.soap.namespace.clone().unwrap_or_else(|| namespace_of(path));
        let routes = Arc::new(self.route_table());
        let mut frontends: Vec<Arc<dyn Frontend>> = Vec::new();
        if self.has(Protocol::Soap) {
            frontends.push(Arc::new(Wsdl { public_url: public_url.clone(), namespace: namespace.clone() }));
            let mut soap = Soap::new(namespace.clone());
            soap.options = self.soap.clone();
            soap.limits = self.limits;
            soap.public_url = public_url.clone();
            frontends.push(Arc::new(soap));
        }
        if self.has(Protocol::XmlRpc) {
            frontends.push(Arc::new(XmlRpc { dialect: self.xml_rpc, limits: self.limits, batch: self.batch }));
        }
        if self.has(Protocol::Mcp) {
            let mcp = Mcp::new(self.json, self.limits, self.mcp.clone());
            frontends.push(Arc::new(mcp.with_documents(public_url.clone(), [self.documents(path, public_url)])));
        }
        if self.has(Protocol::JsonRpc) {
            frontends.push(Arc::new(JsonRpc {
                dialect: self.json,
                limits: self.limits,
                batch: self.batch,
                version_1: self.json_rpc_1,
                further_members: self.json_rpc_members.clone(),
                public_url: public_url.clone(),
            }));
            frontends.push(Arc::new(OpenRpc { public_url: public_url.clone() }));
        }
        if self.has(Protocol::Page) {
            frontends.push(Arc::new(Page {
                public_url: public_url.clone(),
                protocols: self.callable(),
                has_mcp: self.has(Protocol::Mcp),
                groups: info.listed.clone(),
                namespace,
                routes: routes.clone(),
            }));
        }
        if self.has(Protocol::Rest) {
            frontends.push(Arc::new(OpenApi { public_url: public_url.clone(), routes: routes.clone() }));
            frontends.push(Arc::new(Rest {
                dialect: self.json,
                limits: self.limits,
                routes,
                public_url: public_url.clone(),
            }));
        }
        frontends
    }

    /// The documents that describe the group at a path to programs: OpenAPI, OpenRPC and WSDL, as far as it has the protocols.
    pub fn documents(&self, path: &str, public_url: &Arc<PublicUrl>) -> Vec<Arc<dyn GroupDocument>> {
        let public_url = || public_url.clone();
        let mut documents: Vec<Arc<dyn GroupDocument>> = Vec::new();
        if self.has(Protocol::Rest) {
            documents.push(Arc::new(OpenApi { public_url: public_url(), routes: Arc::new(self.route_table()) }));
        }
        if self.has(Protocol::JsonRpc) {
            documents.push(Arc::new(OpenRpc { public_url: public_url() }));
        }
        if self.has(Protocol::Soap) {
            let namespace = self.soap.namespace.clone().unwrap_or_else(|| namespace_of(path));
            documents.push(Arc::new(Wsdl { public_url: public_url(), namespace }));
        }
        documents
    }

    /// The table of routes, which is empty without REST.
    pub fn route_table(&self) -> RouteTable {
        RouteTable::new(if self.has(Protocol::Rest) { &self.routes } else { &[] })
    }

    /// Checks the routes of the group against an interface, which may be empty if it is not known yet.
    pub fn check_routes(&self, interface: &Interface) -> RouteReport {
        let mut checked = rest::check(&self.routes, interface);
        if !self.has(Protocol::Rest) && !self.routes.is_empty() {
            let wrong = RouteError::new(
                0,
                RoutePart::Route(None),
                "the group has routes, but REST is not one of its protocols",
            );
            checked.wrong.push(wrong.hint("add \"rest\" to `protocols`, or leave `protocols` out"));
        }
        let before = self.before_rest();
        for (at, route) in self.routes.iter().enumerate() {
            if before.iter().any(|frontend| claims_route(frontend.as_ref(), route)) {
                let message = format!("`{}` is the path of a document of the group", route.template());
                checked.wrong.push(RouteError::new(at, RoutePart::Route(None), message).hint("choose another path"));
            }
        }
        checked
    }

    /// The frontends that precede REST, which claims every request that is left.
    fn before_rest(&self) -> Vec<Arc<dyn Frontend>> {
        let names = self.names.iter().copied().filter(|name| *name != Protocol::Rest).collect();
        let others = ProtocolSet { names, routes: Vec::new(), ..self.clone() };
        let mut frontends = others.of_group("/", &ServerInfo::default());
        frontends.push(Arc::new(OpenApi::default()));
        frontends
    }

    /// Whether the group has a protocol.
    pub fn has(&self, name: Protocol) -> bool {
        self.names.contains(&name)
    }

    /// The protocols in which the group's page makes calls.
    fn callable(&self) -> Vec<Protocol> {
        Protocol::OF_PAGES.into_iter().filter(|name| self.has(*name)).collect()
    }
}

/// Whether a frontend claims the requests for a route without variables.
fn claims_route(frontend: &dyn Frontend, route: &RestRoute) -> bool {
    let (verb, path) = (route.template().verb(), route.template().path());
    // No frontend has a document at a path that needs escaping.
    let Ok(request) = Request::builder().method(verb).uri(path).body(()) else { return false };
    let is_literal = route.template().variables().next().is_none();
    let (head, ()) = request.into_parts();
    let tail = path.trim_start_matches('/');
    is_literal && frontend.claims(&GroupHead::new(&head, tail)) != Claim::No
}

/// The frontends for all groups together, which precede those of a group at `/`: the directory, and the OpenAPI
/// document of the groups `described`, which are those with REST.
pub(crate) fn of_root(info: &ServerInfo, described: Vec<RestGroup>) -> Vec<Arc<dyn Frontend>> {
    let mut frontends: Vec<Arc<dyn Frontend>> = Vec::new();
    if info.listed.len() > 1 {
        frontends.push(Arc::new(Directory {
            public_url: info.public_url.clone(),
            groups: info.listed.clone(),
            pages: info.own.clone(),
            mcp: info.mcp.clone(),
        }));
    }
    if !described.is_empty() {
        frontends.push(Arc::new(OpenApiOfAll { public_url: info.public_url.clone(), groups: described }));
    }
    frontends
}
