//! All the faces of a group, put together from what an operator chose.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::face::Face;
use super::jsonrpc::{JsonRpc, OpenRpc};
use super::page::{Directory, Listed, OwnListed, Page, Protocol};
use super::rest::{OpenApi, OpenApiOfAll, Rest, RestOptions};
use super::soap::{Soap, SoapOptions, Wsdl, namespace_of};
use super::xmlrpc::XmlRpc;
use crate::service::Service;
use crate::site::Site;
use crate::wire::{Limits, json, xmlrpc};

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
            let (site, groups) = (site.clone(), around.listed.clone());
            faces.push(Arc::new(Page { site, protocols: self.protocols(), groups, namespace }));
        }
        if self.has(FaceName::Rest) {
            faces.push(Arc::new(OpenApi { site: site.clone(), cors: self.rest.cors.clone() }));
            faces.push(Arc::new(Rest { options: self.rest.clone(), dialect: self.json, limits: self.limits }));
        }
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

/// The faces of all groups together, which come before those of whatever group is at `/`.
///
/// `described` are the groups that have a REST face, by their paths.
pub fn of_root(around: &Surroundings, described: Vec<(String, Arc<dyn Service>)>) -> Vec<Arc<dyn Face>> {
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
