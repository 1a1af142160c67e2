//! HTTP requests that are passed on to a REST upstream as they are, and their responses.
//!
//! ```text
//! request    verb, path and query as the client has sent them, below the path of the server; its headers end to end
//!            (forwarding.rs leaves out what the client may not say); its body while it arrives (UnreadBody)
//! response   status, headers end to end, and the body while it arrives; addresses of the server in it become those of the group
//! ```
//!
//! Nothing is decoded, held back or limited in size, so both directions take constant memory, and each side sets the pace of the
//! other.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version, header};
use url::Url;

use super::Upstream;
use super::incoming_rows::CalledMethod;
use super::return_links::rewrite_links;
use super::version::Description;
use crate::codec::rest::{PathPart, RestOperation};
use crate::http::media_type;
use crate::model::fault::{Fault, Kind};
use crate::protocol::client_codec::{BelowServer, ClientCodec};
use crate::service::future::MaybeReady;
use crate::service::passthrough::{HttpCall, RawBody, RawResponse};
use crate::service::{Call, CallFuture, Output};
use crate::upstream::transport::{Incoming, KeepCoding, Repeat, SecretParams};

/// How many bytes the path and the query of a request may have.
const MAX_TARGET: usize = 60 << 10;

/// The headers of a response that decide about the origin of croupier, which has other groups, or are about the credentials of the
/// upstream.
const NOT_RETURNED: [HeaderName; 7] = [
    header::ALT_SVC,
    header::PROXY_AUTHENTICATE,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("public-key-pins"),
    HeaderName::from_static("service-worker-allowed"),
];

/// The headers of a response with an address.
const WITH_ADDRESSES: [HeaderName; 3] = [header::LOCATION, header::CONTENT_LOCATION, header::LINK];

/// Where the addresses in a response lead.
struct ReturnAddresses {
    /// The addresses of the servers, with the path that precedes those of all operations and without a slash at its end.
    servers: Vec<Url>,
    /// The URL of the group, without a slash at its end.
    group: String,
    /// The secrets in the query of each request.
    secrets: SecretParams,
}

impl Upstream {
    /// Passes a request on.
    pub(super) fn pass_http(&self, description: &Arc<Description>, call: Call<'_>, http: &HttpCall<'_>) -> CallFuture {
        let request = match self.http_request(description, &call, http) {
            Ok(request) => request,
            Err(fault) => return MaybeReady::now(Err(fault)),
        };
        let (upstream, method) = (self.clone(), CalledMethod::new(call.method, description.clone()));
        let scope = self.scope(&call, Some(&method.name));
        let body = http.body.clone();
        let may_repeat = body.is_empty() && http.verb.is_idempotent();
        let repeat = if may_repeat { Repeat::Harmless } else { Repeat::Unsent };
        let group_url = http.group_url.to_owned();
        MaybeReady::later(async move {
            let (head, incoming) = match upstream.send_request(request, repeat, &scope).await {
                Ok(received) => received,
                // The error is that of the client; the one who reads its body knows more of it.
                Err(_) if body.has_failed() => return Err(Fault::new(Kind::Structure, "the request broke off")),
                Err(fault) => return Err(fault),
            };
            upstream.http_response(head, incoming, &method.description, group_url).map(Output::Raw)
        })
    }

    fn http_request(
        &self,
        description: &Description,
        call: &Call<'_>,
        http: &HttpCall<'_>,
    ) -> Result<Request<Bytes>, Fault> {
        self.find(description, call.method)?;
        let Some(ClientCodec::Rest(codec)) = &description.codec else {
            return Err(Fault::no_such_method(call.method));
        };
        let operation = codec.binding.operation(call.method).ok_or_else(|| Fault::no_such_method(call.method))?;
        let target = target(operation, http)?;
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = http.verb.clone();
        *request.uri_mut() =
            target.parse().map_err(|error| Fault::bad_params(format!("the path cannot be passed on: {error}")))?;
        let configured = self.inner.transport.header_names();
        *request.headers_mut() = self.inner.options.forwarding.end_to_end(http.headers, http.credentials, configured);
        request.headers_mut().append(header::VIA, via(http.version));
        if http.body.is_empty() && http.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0") {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
        }
        let extensions = request.extensions_mut();
        extensions.insert(BelowServer { base: codec.binding.base.clone() });
        extensions.insert(KeepCoding);
        if !http.body.is_empty() {
            extensions.insert(http.body.clone());
        }
        Ok(request)
    }

    /// The response with what is passed on of it.
    fn http_response(
        &self,
        head: http::response::Parts,
        body: Incoming,
        description: &Description,
        group_url: String,
    ) -> Result<RawResponse, Fault> {
        let status = head.status;
        if status.is_informational() {
            let message = format!("the upstream server responded with HTTP status {status}, which ends no request");
            return Err(Fault::new(Kind::Unreachable, message));
        }
        let mut headers = head.headers;
        let sets_cookies = headers.contains_key(header::SET_COOKIE);
        self.inner.options.forwarding.keep_returned(&mut headers, &NOT_RETURNED);
        // Neither has a body (RFC 9110, sections 15.3.5 and 15.4.5), so what they say of its length is of no use.
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            headers.remove(header::CONTENT_LENGTH);
        }
        if WITH_ADDRESSES.iter().any(|name| headers.contains_key(name)) {
            let addresses = self.return_addresses(description, group_url);
            for name in [header::LOCATION, header::CONTENT_LOCATION] {
                addresses.rewrite(&mut headers, &name);
            }
            rewrite_links(&mut headers, |target| addresses.returned(target));
        }
        headers.append(header::VIA, via(head.version));
        let is_stream = media_type::is_event_stream(&headers);
        // From here on, the client sets the pace.
        let body = body.with_deadline(None);
        let body = if is_stream { body.with_any_progress() } else { body };
        let mut response = RawResponse::with_headers(status, headers, RawBody::Coming(Box::pin(body)));
        response.sets_cookies = sets_cookies;
        let is_error = status.is_client_error() || status.is_server_error();
        Ok(response.with_fault(is_error.then(|| Kind::Service(Some(i32::from(status.as_u16()))))))
    }

    fn return_addresses(&self, description: &Description, group_url: String) -> ReturnAddresses {
        let base = match &description.codec {
            Some(ClientCodec::Rest(codec)) => codec.binding.base.as_str(),
            _ => "",
        };
        let servers = self.inner.transport.urls().filter_map(|url| {
            let mut url = Url::parse(&url).ok()?;
            url.set_query(None);
            let own = url.path().trim_end_matches('/').to_owned();
            url.set_path(if own.is_empty() { base } else { &own });
            Some(url)
        });
        let secrets = self.inner.transport.secret_query().clone();
        ReturnAddresses { servers: servers.collect(), group: group_url, secrets }
    }
}

/// The value of `Via` for a message that was received in this version (RFC 9110, section 7.6.3).
fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_09 => "0.9 croupier",
        Version::HTTP_10 => "1.0 croupier",
        Version::HTTP_2 => "2 croupier",
        Version::HTTP_3 => "3 croupier",
        _ => "1.1 croupier",
    })
}

/// The path of a request below that of the server, with its query.
fn target(operation: &RestOperation, http: &HttpCall<'_>) -> Result<String, Fault> {
    let mut values = http.path_values.iter();
    let mut target = String::with_capacity(128);
    for part in &operation.path {
        match part {
            PathPart::Literal(text) => target.push_str(text),
            // The router has refused segments that another reader could understand as a part of the path.
            PathPart::Param(_) => target.push_str(values.next().copied().unwrap_or_default()),
        }
    }
    if !http.query.is_empty() {
        target.push('?');
        target.push_str(http.query);
    }
    if target.len() > MAX_TARGET {
        return Err(Fault::new(Kind::Limit, format!("the path and the query have more than {MAX_TARGET} bytes")));
    }
    Ok(target)
}

impl ReturnAddresses {
    /// Makes an address of a server one of the group. One that leads to another place of a server is removed: callers do not
    /// learn where a server is. All others stay, without the secrets of the configuration.
    fn rewrite(&self, headers: &mut HeaderMap, name: &HeaderName) {
        let Some(text) = headers.get(name).and_then(|value| value.to_str().ok()) else { return };
        match self.returned(text).and_then(|address| HeaderValue::from_str(&address).ok()) {
            Some(address) => drop(headers.insert(name.clone(), address)),
            None => drop(headers.remove(name)),
        }
    }

    /// The address that clients get in place of this one; `None` if they get none.
    fn returned(&self, text: &str) -> Option<String> {
        let text = self.secrets.remove_from(text);
        let is_absolute = text.starts_with('/') || Url::parse(&text).is_ok();
        if !is_absolute {
            return Some(text);
        }
        let resolved: Vec<(&Url, Url)> =
            self.servers.iter().filter_map(|server| Some((server, server.join(&text).ok()?))).collect();
        let is_of = |(server, url): &&(&Url, Url)| {
            (server.scheme(), server.host_str(), server.port_or_known_default())
                == (url.scheme(), url.host_str(), url.port_or_known_default())
        };
        let own: Vec<&(&Url, Url)> = resolved.iter().filter(is_of).collect();
        if own.is_empty() {
            return Some(text);
        }
        own.iter().find_map(|(server, url)| {
            let rest = url.path().strip_prefix(server.path().trim_end_matches('/'))?;
            let is_below = rest.is_empty() || rest.starts_with('/');
            let behind = url.as_str().get(url[..url::Position::AfterPath].len()..)?;
            is_below.then(|| format!("{}{rest}{behind}", self.group))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_server_become_those_of_the_group() {
        let addresses = ReturnAddresses {
            servers: vec!["http://inner:8131/v1".parse().unwrap(), "http://other:8131/v1".parse().unwrap()],
            group: "https://casino.example/pets".to_owned(),
            secrets: SecretParams::new(vec![("key".to_owned(), "s3cret".to_owned())]),
        };
        for (location, expected) in [
            ("http://inner:8131/v1/pets/8?a=1#b", Some("https://casino.example/pets/pets/8?a=1#b")),
            ("http://other:8131/v1/pets/8", Some("https://casino.example/pets/pets/8")),
            ("HTTP://INNER:8131/v1", Some("https://casino.example/pets")),
            ("//inner:8131/v1/a%2Fb", Some("https://casino.example/pets/a%2Fb")),
            ("/v1/pets/8", Some("https://casino.example/pets/pets/8")),
            ("/v1/../admin", None),
            ("/v10/pets", None),
            ("http://inner:8131/login", None),
            ("http://inner/v1/pets", Some("http://inner/v1/pets")),
            ("https://inner:8131/v1/pets", Some("https://inner:8131/v1/pets")),
            ("https://elsewhere.example/x", Some("https://elsewhere.example/x")),
            ("/v1/pets/8?key=s3cret", Some("https://casino.example/pets/pets/8")),
            ("?page=2&key=s3cret", Some("?page=2")),
            ("8", Some("8")),
            ("?page=2", Some("?page=2")),
            ("", Some("")),
        ] {
            let mut headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(location))]);
            addresses.rewrite(&mut headers, &header::LOCATION);
            let rewritten = headers.get(header::LOCATION).map(|value| value.to_str().unwrap());
            assert_eq!(rewritten, expected, "{location}");
        }
    }
}
