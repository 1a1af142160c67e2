//! What every face is, and what all of them do alike.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};

use crate::body::Body;
use crate::fault::{Fault, Kind};
use crate::service::{Call, Context, Pending, Service};
use crate::wait::Soon;

/// A protocol seen from the client.
pub trait Face: Send + Sync + 'static {
    /// The HTTP methods that this face answers at the group's own path, or below it at `tail`.
    fn methods(&self, tail: &str) -> &'static [Method];

    /// Whether a request is this face's, by its head alone. `tail` is the path below the group's own, without the
    /// slash; it is empty at the group's own path.
    fn claims(&self, head: &Parts, tail: &str) -> bool;

    /// Reads a call, has it answered, and writes the answer. The body is read before this returns.
    fn serve(&self, service: &Arc<dyn Service>, head: &Parts, body: &[u8], context: &Context) -> Reply;
}

/// A reply that is on its way.
pub type Reply = Soon<Replied>;

/// A response, and what the access log says about it.
pub struct Replied {
    /// The response.
    pub response: Response<Body>,
    /// The method that was called; empty where the request did not say.
    pub method: Box<str>,
    /// Why the call has no answer, if it has none.
    pub fault: Option<Kind>,
}

/// Begins a call, unless its name makes it private: nothing that begins with `_` is ever reachable.
pub fn begin(service: &dyn Service, call: Call<'_>) -> Pending {
    if call.method.starts_with('_') {
        return Soon::now(Err(Fault::no_such_method(call.method)));
    }
    service.call(call)
}

/// A response of this content type with status 200.
pub fn ok(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The media type of a request, without its parameters; empty where it has none. Upper and lower case are alike.
pub fn media_type(head: &Parts) -> &str {
    let value = content_type(&head.headers).unwrap_or_default();
    let end = value.bytes().position(|byte| byte == b';').unwrap_or(value.len());
    value.get(..end).unwrap_or_default().trim_ascii()
}

/// The `charset` parameter of a message's content type.
pub fn charset(headers: &HeaderMap) -> Option<&str> {
    let value = content_type(headers).filter(|value| value.as_bytes().contains(&b';'))?;
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}
