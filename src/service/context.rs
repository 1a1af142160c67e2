//! What is known of the request that a call came in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::{Extensions, HeaderMap};

use crate::service::request_id::RequestId;
use crate::service::request_record::RequestRecord;
use crate::service::response_headers::ResponseHeaders;
use crate::service::result_memory::ResultMemory;
use crate::service::trace_context::TraceContext;

/// What is known of a request, whatever its protocol.
///
/// A layer can pass a changed copy to what is inside it. A clone allocates nothing unless there are extensions.
///
/// ```
/// use std::sync::Arc;
///
/// use croupier::service::layer::GroupLayer;
/// use croupier::service::{Call, CallFuture, Context, Identity, RpcService};
///
/// /// Names every caller after its address.
/// struct ByAddress;
///
/// impl GroupLayer for ByAddress {
///     fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
///         let name = call.context.peer.map_or("local".to_owned(), |peer| peer.ip().to_string());
///         let context = Context { identity: Some(Arc::new(Identity::new(name))), ..call.context.clone() };
///         next.call(Call { context: &context, ..call })
///     }
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The address of the client. `None` for a unix socket, and inside another HTTP server that gives the gateway no
    /// [`PeerAddress`](crate::server::PeerAddress): such a client counts as one of a unix socket.
    pub peer: Option<SocketAddr>,
    /// The address of the client behind trusted proxies: the one that they have forwarded, or else that of `peer`. `None` if
    /// neither is known.
    pub client: Option<IpAddr>,
    /// The name of the protocol of the request, such as `json-rpc`; `None` if the call did not come through a gateway.
    pub protocol: Option<&'static str>,
    /// The id of the request, for log lines and for requests to upstreams.
    pub request_id: RequestId,
    /// The trace that the request is a part of: that of its `traceparent`, or one that begins here if the server has spans.
    /// `None` if there is neither. Its id is sent to upstreams.
    pub trace: Option<Arc<TraceContext>>,
    /// When the call began, from which the limits on its time count; `None` if they count from when they see the call.
    /// All calls of a batch have begun with their request, so one deadline covers the batch.
    pub begun: Option<Instant>,
    /// When the result is of no use any more.
    pub deadline: Option<Instant>,
    /// The headers of the request that the service or one of its layers asks for in
    /// [`Interface::request_headers`](crate::model::interface::Interface::request_headers); `None` if they ask for none.
    pub headers: Option<Arc<HeaderMap>>,
    /// The URL to which the client has sent the request; `None` if the service does not
    /// [ask for it](crate::model::interface::Interface::reads_request_target).
    pub target: Option<Arc<RequestTarget>>,
    /// Headers for the response, which layers and upstreams add to; `None` if none of them
    /// [declares](crate::model::interface::Interface::sets_response_headers) that it does, and for the parts of an aggregate.
    pub response_headers: Option<ResponseHeaders>,
    /// Who calls, if a layer has found out.
    pub identity: Option<Arc<Identity>>,
    /// Where a result that is made as a whole takes its memory from; `None` if there is no limit on it.
    pub result_memory: Option<ResultMemory>,
    /// Where facts for the access log are noted; `None` if there is no access log.
    pub record: Option<Arc<RequestRecord>>,
    /// Data that layers and handlers share, by type. Those of the HTTP request if the gateway is called as a tower
    /// service, else empty at first.
    pub extensions: Extensions,
}

impl Context {
    /// The same request without its caller, for what is said to everyone.
    #[cfg(feature = "server")]
    pub(crate) fn without_identity(&self) -> Context {
        Context { identity: None, ..self.clone() }
    }

    /// The value of a header of the request. `None` if the request does not have it, or if it is not text.
    ///
    /// **A header must be declared**, by the service with [`request_header`](crate::service::local::Builder::request_header)
    /// or by a layer in [`request_headers`](crate::service::layer::GroupLayer::request_headers). Without a declaration the
    /// value is `None` for every request, also for one that has the header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.as_ref()?.get(name)?.to_str().ok()
    }
}

/// Parts of the URL to which a client has sent a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestTarget {
    /// `http` or `https`, as the client has sent the request: a trusted proxy may have received it over TLS.
    pub scheme: String,
    /// The host under which the client knows the server, with its port.
    pub host: String,
    /// The query, without its question mark.
    pub query: Option<String>,
}

/// Who calls: an account, a client certificate's subject, or the holder of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The name of the caller, unique among all callers.
    pub name: String,
    /// The roles of the caller, for access rules.
    pub roles: BTreeSet<String>,
    /// What the caller's token may be used for (RFC 6749, section 3.3).
    pub scopes: BTreeSet<String>,
    /// How the caller has proven to be who they are, such as `api-key` or `jwt`; empty if a layer has said so.
    pub proven_by: &'static str,
    /// What else is known of the caller, such as roles, by names that the layer chooses.
    pub attributes: BTreeMap<String, String>,
}

impl Identity {
    /// A caller of this name, without roles and attributes.
    pub fn new(name: impl Into<String>) -> Identity {
        Identity { name: name.into(), ..Identity::default() }
    }

    /// Adds a role.
    pub fn with_role(mut self, role: impl Into<String>) -> Identity {
        self.roles.insert(role.into());
        self
    }

    /// Adds an attribute, or replaces its value.
    pub fn with(mut self, attribute: impl Into<String>, value: impl Into<String>) -> Identity {
        self.attributes.insert(attribute.into(), value.into());
        self
    }
}
