//! What the calls of a request have in their [`Context`], and what the log records of the request before they begin.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::request::Parts;

use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::protocol::frontend::{Frontend, GroupHead};
use crate::server::auth::{AuthRequest, Authenticated, GroupAuth};
use crate::server::clients::ClientAccount;
use crate::server::group::Group;
use crate::service::request_record::Stage;
use crate::service::response_headers::ResponseHeaders;
use crate::service::{Context, RequestTarget};

/// Notes the group and the protocol of a request for the log.
pub(super) fn note_claim(context: &Context, group: &Group, frontend: &Arc<dyn Frontend>) {
    if let Some(record) = &context.record {
        if !group.is_directory {
            record.note_group(&group.path);
        }
        record.note_protocol(frontend.protocol().name());
        record.enter(Stage::Body);
    }
}

/// Notes the protocol of a request whose body has been read, and that its call begins.
pub(super) fn note_protocol(context: &mut Context, protocol: &'static str) {
    context.protocol = Some(protocol);
    if let Some(record) = &context.record {
        record.note_protocol(protocol);
        record.enter(Stage::Call);
    }
}

/// Notes what the calls of a group read of their request, and where they add headers to its response.
pub(super) fn note_request(context: &mut Context, group: &Group, head: &Parts, public_url: &PublicUrl) {
    if !group.request_headers.is_empty() {
        context.headers = Some(Arc::new(group.select_headers(&head.headers)));
    }
    if group.reads_request_target {
        context.target = Some(Arc::new(request_target(head, public_url, context.peer)));
    }
    if group.sets_response_headers {
        context.response_headers = Some(ResponseHeaders::default());
    }
}

/// Notes when a request has to end by the words of its client.
pub(super) fn note_stated_time(
    context: &mut Context,
    head: &Parts,
    public_url: &PublicUrl,
) -> Result<(), HttpRejection> {
    let stated = public_url.stated_time(&head.headers);
    let stated = stated.map_err(|error| HttpRejection::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    context.deadline = stated.and_then(|time| Instant::now().checked_add(time));
    Ok(())
}

/// Finds out who has sent a request, and notes it in the context of its calls.
pub(super) async fn authenticate(
    auth: &Arc<GroupAuth>,
    group: &Group,
    frontend: &Arc<dyn Frontend>,
    head: &GroupHead<'_>,
    context: &mut Context,
    public_url: &PublicUrl,
) -> Result<(), HttpRejection> {
    let request = AuthRequest { head: head.parts, client: context.client };
    let authenticated: Authenticated = auth.authenticate(&request, &group.path).await;
    context.identity = authenticated.map_err(|refusal| {
        let resources = group.protected_resources.as_ref();
        let metadata = resources.map(|resources| resources.metadata_url(frontend.as_ref(), head, context, public_url));
        auth.rejection(refusal, metadata.as_deref())
    })?;
    if let (Some(record), Some(identity)) = (&context.record, &context.identity) {
        record.note_user(identity);
    }
    Ok(())
}

/// Notes where a call takes the memory for its result from, when it has begun, and when it has to end. The times include the
/// time that it has waited for the description of its upstream.
pub(super) fn begin_call(context: &mut Context, group: &Group, client: &ClientAccount, waited: Duration) {
    context.result_memory = client.result_memory().cloned();
    let now = Instant::now();
    let begun = now.checked_sub(waited).unwrap_or(now);
    context.begun = Some(begun);
    let limit = group.deadline.and_then(|limit| begun.checked_add(limit));
    context.deadline = [context.deadline, limit].into_iter().flatten().min();
}

/// The URL to which a client has sent a request, as far as the client and trusted proxies say it.
fn request_target(head: &Parts, public_url: &PublicUrl, peer: Option<SocketAddr>) -> RequestTarget {
    let base = public_url.base(head, peer);
    let (scheme, rest) = base.split_once("://").unwrap_or_default();
    let host = rest.split('/').next().unwrap_or_default();
    RequestTarget { scheme: scheme.to_owned(), host: host.to_owned(), query: head.uri.query().map(str::to_owned) }
}
