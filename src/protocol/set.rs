//! All the faces of a group, put together from what an operator chose.

use std::sync::Arc;

use http::Request;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::frontend::{Claim, Face, GroupHead};
use super::jsonrpc::server::{JsonRpc, OpenRpc};
use super::page::{Directory, Listed, OwnListed, Page, Protocol};
use super::rest::server as rest;
use super::rest::server::{Checked, Described, OpenApi, OpenApiOfAll, Part, Rest, RestOptions, Wrong};
use super::soap::server::{Soap, SoapOptions, Wsdl, namespace_of};
use super::xmlrpc::server::XmlRpc;
use crate::codec::{Limits, json, xmlrpc};
use crate::http::public_url::Site;
use crate::http::routes::{Route, Table};
use crate::model::interface::Interface;

/// A face, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaceName {
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

impl FaceName {
    /// All faces there are.
    pub const ALL: [FaceName; 5] =
        [FaceName::XmlRpc, FaceName::JsonRpc, FaceName::Rest, FaceName::Soap, FaceName::Page];
}

/// Which faces a group has, and how each of them reads and writes.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceSet {
    /// Those that the group has (all by default).
    pub names: Vec<FaceName>,
    /// How large a request's document may be.
    pub limits: Limits,
    /// How many calls one `system.multicall` or JSON-RPC batch may hold (1,000 by default).
    pub multicall: usize,
    /// How XML-RPC is read and written.
    pub xml_rpc: xmlrpc::Dialect,
    /// How JSON is written.
    pub json: json::Dialect,
    /// Whether requests of JSON-RPC 1.0 are answered too.
    pub json_rpc_1: bool,
    /// What REST has to choose.
    pub rest: RestOptions,
    /// What SOAP has to choose.
    pub soap: SoapOptions,
    /// By which paths of an operator's choice REST calls methods, beside the methods' own.
    pub routes: Vec<Route>,
}

impl Default for FaceSet {
    fn default() -> Self {
        FaceSet {
            names: FaceName::ALL.to_vec(),
            limits: Limits::default(),
            multicall: XmlRpc::default().multicall,
            xml_rpc: xmlrpc::Dialect::default(),
            json: json::Dialect::default(),
            json_rpc_1: false,
            rest: RestOptions::default(),
            soap: SoapOptions::default(),
            routes: Vec::new(),
        }
    }
}

/// What faces know of the server around their group.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// Under which address clients know the server.
    pub site: Arc<Site>,
    /// All groups, for people.
    pub listed: Arc<[Listed]>,
    /// The pages of the operator's own.
    pub own: Arc<[OwnListed]>,
}

impl FaceSet {
    /// The faces of the group at a path, in the order in which they are asked: whoever wants a request for its query
    /// or its path comes before those that take any.
    pub fn of_group(&self, path: &str, around: &Surroundings) -> Vec<Arc<dyn Face>> {
        let (site, namespace) = (&around.site, self.soap.namespace.clone().unwrap_or_else(|| namespace_of(path)));
        let routes = Arc::new(self.table());
        let mut faces: Vec<Arc<dyn Face>> = Vec::new();
        if self.has(FaceName::Soap) {
            faces.push(Arc::new(Wsdl { site: site.clone(), namespace: namespace.clone() }));
            let mut soap = Soap::new(namespace.clone());
            (soap.options, soap.limits, soap.site) = (self.soap.clone(), self.limits, site.clone());
            faces.push(Arc::new(soap));
        }
        if self.has(FaceName::XmlRpc) {
            faces.push(Arc::new(XmlRpc { dialect: self.xml_rpc, limits: self.limits, multicall: self.multicall }));
        }
        if self.has(FaceName::JsonRpc) {
            faces.push(Arc::new(JsonRpc {
                dialect: self.json,
                limits: self.limits,
                batch: self.multicall,
                version_1: self.json_rpc_1,
                site: site.clone(),
            }));
            faces.push(Arc::new(OpenRpc { site: site.clone() }));
        }
        if self.has(FaceName::Page) {
            let (site, groups, routes) = (site.clone(), around.listed.clone(), routes.clone());
            faces.push(Arc::new(Page { site, protocols: self.protocols(), groups, namespace, routes }));
        }
        if self.has(FaceName::Rest) {
            faces.push(Arc::new(OpenApi { site: site.clone(), cors: self.rest.cors.clone(), routes: routes.clone() }));
            faces.push(Arc::new(Rest { options: self.rest.clone(), dialect: self.json, limits: self.limits, routes }));
        }
        faces
    }

    /// The routes by their paths, of which there are none where there is no REST.
    pub fn table(&self) -> Table {
        Table::new(if self.has(FaceName::Rest) { &self.routes } else { &[] })
    }

    /// What is wrong with the routes of a group that has this interface, or does not have it yet.
    pub fn check_routes(&self, interface: &Interface) -> Checked {
        let mut checked = rest::check(&self.routes, interface);
        if !self.has(FaceName::Rest) && !self.routes.is_empty() {
            let wrong = Wrong::new(0, Part::Route(None), "the group has routes, but it is not reached over REST");
            checked.wrong.push(wrong.hint("name \"rest\" among its `faces`, or leave `faces` out"));
        }
        let before = self.before_rest();
        for (at, route) in self.routes.iter().enumerate() {
            if before.iter().any(|face| takes(face.as_ref(), interface, route)) {
                let message = format!("at `{}` there is a document of the group", route.template());
                checked.wrong.push(Wrong::new(at, Part::Route(None), message).hint("take another path"));
            }
        }
        checked
    }

    /// The faces that are asked before REST is, which takes whatever is left.
    fn before_rest(&self) -> Vec<Arc<dyn Face>> {
        let names = self.names.iter().copied().filter(|name| *name != FaceName::Rest).collect();
        let others = FaceSet { names, routes: Vec::new(), ..self.clone() };
        let mut faces = others.of_group("/", &Surroundings::default());
        faces.push(Arc::new(OpenApi::default()));
        faces
    }

    /// Whether the group has a face.
    pub fn has(&self, name: FaceName) -> bool {
        self.names.contains(&name)
    }

    fn protocols(&self) -> Vec<Protocol> {
        let named = [
            (FaceName::XmlRpc, Protocol::XmlRpc),
            (FaceName::JsonRpc, Protocol::JsonRpc),
            (FaceName::Rest, Protocol::Rest),
            (FaceName::Soap, Protocol::Soap),
        ];
        named.into_iter().filter(|(name, _)| self.has(*name)).map(|(_, protocol)| protocol).collect()
    }
}

/// Whether a face takes the requests to a route without variables.
fn takes(face: &dyn Face, interface: &Interface, route: &Route) -> bool {
    let (verb, path) = (route.template().verb(), route.template().path());
    // No face has a document at a path that has to be escaped.
    let Ok(request) = Request::builder().method(verb).uri(path).body(()) else { return false };
    let is_literal = route.template().variables().next().is_none();
    let (head, tail) = (request.into_parts().0, path.trim_start_matches('/'));
    is_literal && face.claims(interface, &GroupHead::new(&head, tail)) != Claim::No
}

/// The faces of all groups together, which come before those of whatever group is at `/`.
///
/// `described` are the groups that have a REST face.
pub fn of_root(around: &Surroundings, described: Vec<Described>) -> Vec<Arc<dyn Face>> {
    let mut faces: Vec<Arc<dyn Face>> = Vec::new();
    if around.listed.len() > 1 {
        let (site, groups, pages) = (around.site.clone(), around.listed.clone(), around.own.clone());
        faces.push(Arc::new(Directory { site, groups, pages }));
    }
    if !described.is_empty() {
        faces.push(Arc::new(OpenApiOfAll { site: around.site.clone(), groups: described, cors: Vec::new() }));
    }
    faces
}
