//! Where clients of OAuth learn which authorization server has the tokens of a group: the metadata of protected resources (RFC 9728).
//!
//! A *resource* is an address that a token is for: the path of a group, and that of its MCP endpoint. A group has resources if one of
//! its authenticators knows an authorization server. A request without a token gets the address of the metadata of its resource in
//! `WWW-Authenticate`. Clients that do not read that header make the address themselves, by inserting `/.well-known/…` before the
//! path of the resource.
//!
//! Clients also ask each server whether it is its own authorization server. croupier never is, and says so with status 404 also where
//! a group or a page at `/` would respond otherwise.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::http::body::Body;
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::model::interface::Interface;
use crate::protocol::Protocol;
use crate::protocol::frontend::{
    Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest, ok, path_of_group,
};
use crate::server::auth::GroupAuth;
use crate::server::group_router::GroupRouter;
use crate::service::access::AccessRules;
use crate::service::future::MaybeReady;
use crate::service::{Context, RpcService};

/// The path before that of a resource (RFC 9728, section 3).
const METADATA: &str = "/.well-known/oauth-protected-resource";
/// The paths before that of an issuer (RFC 8414, section 3.1; OpenID Connect Discovery 1.0, section 4).
const OF_ISSUERS: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
/// What clients of MCP send with each request, also those that ask for metadata.
const OF_CLIENTS: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// What an address may have that cannot stand in the quoted text of a challenge.
const UNQUOTED: &AsciiSet = &CONTROLS.add(b'"').add(b'\\');

/// The resources of one group.
pub(super) struct ProtectedResource {
    /// Their paths below that of the group, the shortest first. There is at least one.
    endpoints: Vec<&'static str>,
    /// The issuers of the authorization servers. There is at least one.
    issuers: Vec<String>,
    scopes: Vec<String>,
    /// The service of the group, for its title.
    service: Arc<dyn RpcService>,
}

impl ProtectedResource {
    /// The resources of a group with these frontends; `None` if it has none.
    pub(super) fn new(
        frontends: &[Arc<dyn Frontend>],
        auth: &GroupAuth,
        access: Option<&AccessRules>,
        service: Arc<dyn RpcService>,
    ) -> Option<ProtectedResource> {
        let issuers = auth.authorization_servers();
        let mut endpoints: Vec<_> =
            frontends.iter().filter(|frontend| !frontend.is_page()).map(|frontend| frontend.resource()).collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        if issuers.is_empty() || endpoints.is_empty() {
            return None;
        }
        Some(ProtectedResource {
            endpoints,
            issuers,
            scopes: access.map(AccessRules::scopes).unwrap_or_default(),
            service,
        })
    }

    /// The address of the metadata of the resource that a request of this frontend is for.
    pub(super) fn metadata_url(
        &self,
        frontend: &dyn Frontend,
        (head, tail): (&Parts, &str),
        context: &Context,
        public_url: &PublicUrl,
    ) -> String {
        let asked = self.endpoints.iter().find(|endpoint| **endpoint == frontend.resource());
        let endpoint = asked.or_else(|| self.endpoints.first()).copied().unwrap_or_default();
        let (base, path) = (public_url.base(head, context.peer), joined(path_of_group(head, tail), endpoint));
        let path = if path == "/" { "" } else { path.as_str() };
        utf8_percent_encode(&format!("{base}{METADATA}{path}"), UNQUOTED).to_string()
    }

    fn document(&self, address: &str) -> Value {
        let mut members = Map::new();
        members.insert("resource".to_owned(), address.into());
        members.insert("authorization_servers".to_owned(), self.issuers.clone().into());
        // Lists without elements are left out (RFC 9728, section 3.2).
        if !self.scopes.is_empty() {
            members.insert("scopes_supported".to_owned(), self.scopes.clone().into());
        }
        members.insert("bearer_methods_supported".to_owned(), vec!["header"].into());
        members.insert("resource_name".to_owned(), self.service.interface().title.as_str().into());
        Value::Object(members)
    }
}

/// The path of an endpoint below that of its group.
fn joined(path: &str, endpoint: &str) -> String {
    if endpoint.is_empty() { path.to_owned() } else { format!("{}/{endpoint}", path.trim_end_matches('/')) }
}

/// The frontends for the documents that clients of OAuth look for, with the paths at which they are mounted. `resources` are those of
/// all groups, each with the path of the group and its aliases.
pub(super) fn well_known(
    public_url: &Arc<PublicUrl>,
    resources: &[(Vec<&str>, Arc<ProtectedResource>)],
) -> Vec<(&'static str, Arc<dyn Frontend>)> {
    let mut by_path = GroupRouter::default();
    // A group may be mounted at the endpoint of another one. It gets the requests, so its resource comes first.
    for is_group in [true, false] {
        for (paths, resource) in resources {
            for endpoint in resource.endpoints.iter().filter(|endpoint| endpoint.is_empty() == is_group) {
                for path in paths {
                    let _is_taken = by_path.mount(&joined(path, endpoint), resource.clone()).is_err();
                }
            }
        }
    }
    let only = match resources {
        [(paths, resource)] => paths
            .first()
            .zip(resource.endpoints.first())
            .map(|(path, endpoint)| (joined(path, endpoint).into(), resource.clone())),
        _ => None,
    };
    let metadata = ResourceMetadata { public_url: public_url.clone(), by_path, only };
    let mut frontends: Vec<(&'static str, Arc<dyn Frontend>)> = vec![(METADATA, Arc::new(metadata))];
    frontends.extend(OF_ISSUERS.map(|path| (path, Arc::new(NoAuthorizationServer) as Arc<dyn Frontend>)));
    frontends
}

/// Serves the metadata of all resources, each at its own path below [`METADATA`].
struct ResourceMetadata {
    public_url: Arc<PublicUrl>,
    by_path: GroupRouter<Arc<ProtectedResource>>,
    /// The resource that is described at the path without that of a resource, with its path: clients that do not make the whole path
    /// ask there. `None` if there are several groups with resources.
    only: Option<(Box<str>, Arc<ProtectedResource>)>,
}

impl ResourceMetadata {
    /// The resource that a request asks for, and its address.
    fn find(&self, request: &GroupRequest<'_>) -> Option<(&ProtectedResource, String)> {
        let base = self.public_url.base(request.head, request.context.peer);
        let asked = request.tail;
        if let Some(resource) = self.at(asked) {
            // The address is, byte for byte, that which the client has made the path of (RFC 9728, section 3.3).
            let address = if asked.is_empty() { base } else { format!("{base}/{asked}") };
            return Some((resource, address));
        }
        if asked.is_empty() {
            let (path, resource) = self.only.as_ref()?;
            return Some((resource, format!("{base}{path}")));
        }
        // The public address may have a path, which a proxy removes from those of requests, but not from this one.
        let uri = base.parse::<Uri>().ok()?;
        let (origin, prefix) = (base.strip_suffix(uri.path())?, uri.path().trim_start_matches('/'));
        let below = asked.strip_prefix(prefix)?;
        let inside = below.strip_prefix('/').or_else(|| below.is_empty().then_some(""))?;
        Some((self.at(inside)?, format!("{origin}/{asked}")))
    }

    /// The resource at a path without its first slash.
    fn at(&self, path: &str) -> Option<&ProtectedResource> {
        let (resource, rest) = self.by_path.find(path).ok().flatten()?;
        rest.is_empty().then_some(resource.as_ref())
    }
}

impl Frontend for ResourceMetadata {
    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        vec![OF_CLIENTS]
    }

    fn verbs(&self, _: &Interface, _: &str) -> &'static [Method] {
        &[Method::GET, Method::HEAD]
    }

    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        if matches!(head.parts.method, Method::GET | Method::HEAD) { Claim::Yes } else { Claim::No }
    }

    fn serve(&self, _: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let response = match self.find(&request) {
            Some((resource, address)) => {
                let text = format!("{:#}\n", resource.document(&address));
                ok(const { HeaderValue::from_static("application/json") }, Body::whole(text))
            }
            None => not_found("no resource at this path takes tokens of an authorization server"),
        };
        MaybeReady::now(FrontendResponse { response, method: Box::from(""), fault: None })
    }
}

/// Says that croupier has no tokens.
struct NoAuthorizationServer;

impl Frontend for NoAuthorizationServer {
    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        vec![OF_CLIENTS]
    }

    fn verbs(&self, _: &Interface, _: &str) -> &'static [Method] {
        &[]
    }

    fn claims(&self, _: &GroupHead<'_>) -> Claim {
        Claim::Yes
    }

    fn serve(&self, _: &Arc<dyn RpcService>, _: GroupRequest<'_>) -> FrontendFuture {
        let response = not_found("this server is no authorization server");
        MaybeReady::now(FrontendResponse { response, method: Box::from(""), fault: None })
    }
}

fn not_found(reason: &str) -> Response<Body> {
    HttpRejection::new(StatusCode::NOT_FOUND, reason).into_response()
}
