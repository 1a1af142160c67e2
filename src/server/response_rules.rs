//! What becomes of a response once its call has ended: the memory that it holds until it is sent, the status and the headers that
//! its caller and its group demand, and what the log and the metrics record of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::http::body::{Body, PIECE};
use crate::http::public_url::PublicUrl;
use crate::model::fault::Kind;
use crate::protocol::frontend::{Frontend, FrontendResponse, GroupHead, GroupRequest, PassthroughFault};
use crate::server::admission::refusing_service;
use crate::server::auth::GroupAuth;
use crate::server::clients::{ClientAccount, Resource};
use crate::server::group::Group;
use crate::server::head_checks::busy;
use crate::server::request_body::{BodyMemory, SMALL};
use crate::service::counters::Ending;
use crate::service::request_record::RequestRecord;
use crate::service::result_memory::{NO_MEMORY, ReservedMemory};

/// Reserves the memory for a whole body that has none yet. Returns whether there is as much.
pub(super) fn reserve_whole(body: &mut Body, client: &ClientAccount) -> bool {
    let bytes = body.unreserved_bytes();
    if bytes <= SMALL {
        return true;
    }
    let mut memory = ReservedMemory::of(client.result_memory());
    let reserved = memory.try_extend_to(bytes);
    if reserved {
        body.hold_needed(memory);
    }
    reserved
}

/// The response to a call whose result has no memory: a fault in the form of the request, as for any other call that fails.
/// A request with a large body is not read again; its response has the form of a request that is refused.
pub(super) async fn refuse_result(
    group: &Group,
    frontend: &Arc<dyn Frontend>,
    request: GroupRequest<'_>,
) -> FrontendResponse {
    if request.body.len() <= SMALL {
        // The call has been counted already.
        let refusing = refusing_service(group.service.as_ref(), request.context, None, NO_MEMORY);
        let mut served = frontend.serve(&refusing, request).await;
        // What a protocol says of the group needs no call and may be as large again.
        if served.response.body_mut().unreserved_bytes() <= SMALL {
            return served;
        }
    }
    let response = frontend.refuse(request.head, busy(NO_MEMORY));
    FrontendResponse { response, method: Box::from(""), fault: Some(Kind::Busy) }
}

/// Makes a body hold what it needs of the shares of its client until it is sent.
pub(super) fn hold_memory(body: &mut Body, of_request: Option<BodyMemory>, client: &Arc<ClientAccount>) {
    // A whole body is made, and needs nothing of the request any more.
    let whole = body.as_whole().map(Bytes::len);
    if let Some(memory) = of_request.filter(|_| whole.is_none()) {
        body.hold(memory);
    }
    let size = whole.unwrap_or(PIECE);
    if size > SMALL {
        body.hold(client.overdraw(Resource::UnsentBytes, size));
    }
}

/// Adds what its calls and rules say to a response, and what the log and the metrics say of it.
pub(super) fn conclude(
    served: &mut FrontendResponse,
    request: &GroupRequest<'_>,
    (group, frontend): (&Group, &Arc<dyn Frontend>),
    public_url: &PublicUrl,
) {
    if let Some(headers) = &request.context.response_headers {
        headers.move_to(served.response.headers_mut());
    }
    if let Some(kind @ (Kind::Unauthenticated | Kind::Forbidden | Kind::RateLimited)) = served.fault {
        set_refusal_status(served, kind, request, (group, frontend), public_url);
    }
    if group.varies_by_caller {
        keep_private(served.response.headers_mut(), group.auth.as_deref());
    }
    // The status and the bytes of what is passed on are those of the upstream; only the log and the metrics learn of it.
    if let Some(PassthroughFault(kind)) = served.response.extensions_mut().remove() {
        served.fault.get_or_insert(kind);
    }
}

/// Keeps caches that several callers share from storing a response, which may name methods that other callers may not know.
fn keep_private(headers: &mut HeaderMap, auth: Option<&GroupAuth>) {
    let stored = headers.get(header::CACHE_CONTROL).is_none_or(|caching| caching == "no-cache");
    if stored {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    for name in auth.into_iter().flat_map(GroupAuth::headers) {
        headers.append(header::VARY, HeaderValue::from(name));
    }
}

/// Sets the HTTP status of a request whose only call was refused because of its caller. In protocols in which a fault has
/// status 200 or 500, clients and proxies would not know that credentials are missing. A batch has no fault of its own.
///
/// Status 401 carries the challenges of the group, and status 403 the scope that the token of the caller lacks.
#[cold]
fn set_refusal_status(
    served: &mut FrontendResponse,
    kind: Kind,
    request: &GroupRequest<'_>,
    (group, frontend): (&Group, &Arc<dyn Frontend>),
    public_url: &PublicUrl,
) {
    let GroupRequest { head, tail, context, .. } = *request;
    *served.response.status_mut() = kind.http_status();
    let Some(auth) = &group.auth else { return };
    let metadata = || {
        let resources = group.protected_resources.as_ref()?;
        Some(resources.metadata_url(frontend.as_ref(), &GroupHead::new(head, tail), context, public_url))
    };
    match kind {
        Kind::Unauthenticated => auth.challenge(served.response.headers_mut(), metadata().as_deref()),
        Kind::Forbidden => {
            let interface = group.service.interface();
            let is_safe = || interface.method(&served.method).is_some_and(|method| method.safe);
            let missing =
                group.access.as_ref().and_then(|access| access.missing_scope(&served.method, is_safe, context));
            if let Some(scope) = missing {
                auth.challenge_scope(served.response.headers_mut(), scope, metadata().as_deref());
            }
        }
        _ => {}
    }
}

/// Notes what the log and the trace say of a response to a call of this method.
pub(super) fn note_response(
    record: &RequestRecord,
    group: &Group,
    response: &Response<Body>,
    called: (&str, Option<Kind>),
) {
    let (method, fault) = called;
    if fault.is_none() && is_about_outage(response, group) {
        record.note_upstream_down();
    }
    if record.trace().is_some() && group.service.interface().method(method).is_some() {
        record.note_known_method();
    }
}

/// Whether a response without a fault says that an upstream has not described itself, or does not respond.
fn is_about_outage(response: &Response<Body>, group: &Group) -> bool {
    response.status() == StatusCode::SERVICE_UNAVAILABLE
        && (group.service.outage().is_some() || group.service.interface().incomplete)
}

/// How a request ends with this response.
pub(super) fn ending(served: &FrontendResponse) -> Ending {
    match served.fault {
        Some(kind) => Ending::Fault(kind),
        None if served.response.status().as_u16() >= 400 => Ending::Rejected,
        None => Ending::Success,
    }
}
