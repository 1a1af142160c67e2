//! The metadata of protected resources (RFC 9728), in which OAuth clients find the authorization server of a group.
//!
//! A *resource* is a URL that a token is for: that of a group, or that of its MCP endpoint. A group has resources if one of its
//! authenticators knows an authorization server. The response to a request without a token has the URL of the metadata of its
//! resource in `WWW-Authenticate`. Clients that do not read that header make the URL themselves: they insert `/.well-known/…`
//! before the path of the resource.
//!
//! Clients also ask each server for the metadata of an authorization server. croupier is none, and returns status 404 for it, even
//! if a group or a page at `/` would respond otherwise.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::http::body::Body;
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::model::interface::Interface;
use crate::protocol::Protocol;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest, ok};
use crate::protocol::mcp::headers::VERSION;
use crate::server::auth::GroupAuth;
use crate::server::group_router::GroupRouter;
use crate::service::access::AccessRules;
use crate::service::future::MaybeReady;
use crate::service::{Context, RpcService};

/// The path before that of a resource (RFC 9728, section 3).
const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";
/// The paths before that of an issuer (RFC 8414, section 3.1; OpenID Connect Discovery 1.0, section 4).
const ISSUER_PATHS: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
/// The characters that are percent-encoded in the quoted URL of a challenge.
const ENCODED_IN_QUOTES: &AsciiSet = &CONTROLS.add(b'"').add(b'\\');

/// The resources of one group.
pub(super) struct ProtectedResources {
    /// Their paths below that of the group, the shortest first. There is at least one.
    endpoints: Vec<&'static str>,
    /// The issuers of the authorization servers. There is at least one.
    issuers: Vec<String>,
    /// The scopes that the access rules name; empty if they name none.
    scopes: Vec<String>,
    /// The service of the group, for its title.
    service: Arc<dyn RpcService>,
}

impl ProtectedResources {
    /// The resources of a group with these frontends; `None` if `auth` knows no authorization server.
    pub(super) fn new(
        frontends: &[Arc<dyn Frontend>],
        auth: Option<&GroupAuth>,
        access: Option<&AccessRules>,
        service: Arc<dyn RpcService>,
    ) -> Option<ProtectedResources> {
        let issuers = auth?.authorization_servers();
        let without_pages = frontends.iter().filter(|frontend| !frontend.is_page());
        let mut endpoints: Vec<_> = without_pages.map(|frontend| frontend.protected_resource()).collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        if issuers.is_empty() || endpoints.is_empty() {
            return None;
        }
        Some(ProtectedResources {
            endpoints,
            issuers,
            scopes: access.map(AccessRules::scopes).unwrap_or_default(),
            service,
        })
    }

    /// The URL of the metadata of the resource to which a request of this frontend belongs.
    #[cold]
    pub(super) fn metadata_url(
        &self,
        frontend: &dyn Frontend,
        head: &GroupHead<'_>,
        context: &Context,
        public_url: &PublicUrl,
    ) -> String {
        let own = self.endpoints.iter().find(|endpoint| **endpoint == frontend.protected_resource());
        let endpoint = own.or_else(|| self.endpoints.first()).copied().unwrap_or_default();
        let base = public_url.base(head.parts, context.peer);
        let path = endpoint_path(head.path(), endpoint);
        let path = if path == "/" { "" } else { path.as_str() };
        utf8_percent_encode(&format!("{base}{METADATA_PATH}{path}"), ENCODED_IN_QUOTES).to_string()
    }

    /// The metadata of the resource with this URL (RFC 9728, section 2).
    fn document(&self, url: &str) -> Value {
        let mut members = Map::new();
        members.insert("resource".to_owned(), url.into());
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

/// The path of an endpoint of the group at `path`.
fn endpoint_path(path: &str, endpoint: &str) -> String {
    if endpoint.is_empty() { path.to_owned() } else { format!("{}/{endpoint}", path.trim_end_matches('/')) }
}

/// The frontends for what OAuth clients request at `/.well-known`, with the paths at which they are mounted. `resources` are those
/// of all groups, each with the path of the group and its aliases.
pub(super) fn well_known(
    public_url: &Arc<PublicUrl>,
    resources: &[(Vec<&str>, Arc<ProtectedResources>)],
) -> Vec<(&'static str, Arc<dyn Frontend>)> {
    let mut by_path = GroupRouter::default();
    // If a group is mounted at the endpoint of another one, the requests go to that group. So groups come first.
    for is_group in [true, false] {
        for (paths, resource) in resources {
            for endpoint in resource.endpoints.iter().filter(|endpoint| endpoint.is_empty() == is_group) {
                for path in paths {
                    let _is_taken = by_path.mount(&endpoint_path(path, endpoint), resource.clone()).is_err();
                }
            }
        }
    }
    let only = match resources {
        [(paths, resource)] => paths
            .first()
            .zip(resource.endpoints.first())
            .map(|(path, endpoint)| (endpoint_path(path, endpoint).into(), resource.clone())),
        _ => None,
    };
    let metadata = ResourceMetadata { public_url: public_url.clone(), by_path, only };
    let mut frontends: Vec<(&'static str, Arc<dyn Frontend>)> = vec![(METADATA_PATH, Arc::new(metadata))];
    frontends.extend(ISSUER_PATHS.map(|path| (path, Arc::new(NoAuthorizationServer) as Arc<dyn Frontend>)));
    frontends
}

/// Serves the metadata of all resources, each at its own path below [`METADATA_PATH`].
struct ResourceMetadata {
    public_url: Arc<PublicUrl>,
    by_path: GroupRouter<Arc<ProtectedResources>>,
    /// The resource at [`METADATA_PATH`] itself, with its path, for clients that do not append the path of the resource. `None` if
    /// several groups have resources.
    only: Option<(Box<str>, Arc<ProtectedResources>)>,
}

impl ResourceMetadata {
    /// The requested resource, and its URL.
    fn find(&self, request: &GroupRequest<'_>) -> Option<(&ProtectedResources, String)> {
        let base = self.public_url.base(request.head, request.context.peer);
        let path = request.tail;
        if let Some(resource) = self.at(path) {
            // Clients compare the URL, byte for byte, with the one from which they have made the path (RFC 9728, section 3.3).
            let url = if path.is_empty() { base } else { format!("{base}/{path}") };
            return Some((resource, url));
        }
        if path.is_empty() {
            let (path, resource) = self.only.as_ref()?;
            return Some((resource, format!("{base}{path}")));
        }
        // The public URL may have a path. A proxy removes it from the beginning of other paths, but here METADATA_PATH is before
        // it.
        let uri = base.parse::<Uri>().ok()?;
        let (origin, prefix) = (base.strip_suffix(uri.path())?, uri.path().trim_start_matches('/'));
        let rest = path.strip_prefix(prefix)?;
        let below = rest.strip_prefix('/').or_else(|| rest.is_empty().then_some(""))?;
        Some((self.at(below)?, format!("{origin}/{path}")))
    }

    /// The resource at a path without its first slash.
    fn at(&self, path: &str) -> Option<&ProtectedResources> {
        let (resource, rest) = self.by_path.find(path).ok().flatten()?;
        rest.is_empty().then_some(resource.as_ref())
    }
}

impl Frontend for ResourceMetadata {
    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    /// MCP clients send it with each request, including those for metadata.
    fn request_headers(&self) -> Vec<HeaderName> {
        vec![VERSION]
    }

    fn verbs(&self, _: &Interface, _: &str) -> &'static [Method] {
        &[Method::GET, Method::HEAD]
    }

    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        if matches!(head.parts.method, Method::GET | Method::HEAD) { Claim::Yes } else { Claim::No }
    }

    fn serve(&self, _: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let response = match self.find(&request) {
            Some((resource, url)) => {
                let text = format!("{:#}\n", resource.document(&url));
                ok(const { HeaderValue::from_static("application/json") }, Body::whole(text))
            }
            None => not_found("there is no protected resource at this path"),
        };
        MaybeReady::now(FrontendResponse { response, method: Box::from(""), fault: None })
    }
}

/// Returns status 404: croupier issues no tokens.
struct NoAuthorizationServer;

impl Frontend for NoAuthorizationServer {
    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    /// MCP clients send it with each request, including those for metadata.
    fn request_headers(&self) -> Vec<HeaderName> {
        vec![VERSION]
    }

    fn verbs(&self, _: &Interface, _: &str) -> &'static [Method] {
        &[]
    }

    fn claims(&self, _: &GroupHead<'_>) -> Claim {
        Claim::Yes
    }

    fn serve(&self, _: &Arc<dyn RpcService>, _: GroupRequest<'_>) -> FrontendFuture {
        let response = not_found("this server is not an authorization server");
        MaybeReady::now(FrontendResponse { response, method: Box::from(""), fault: None })
    }
}

fn not_found(reason: &str) -> Response<Body> {
    HttpRejection::new(StatusCode::NOT_FOUND, reason).into_response()
}
