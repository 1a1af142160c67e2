//! Which pages of other origins may call a group and read its responses: Cross-Origin Resource Sharing (Fetch standard,
//! section 3.3).
//!
//! [`CorsOptions`] are what an operator sets. `Cors` is the same for one group, with what its protocols, its
//! authentication and its upstream add, as values of headers that are ready. For each request it makes a `CorsGrant`: the
//! headers that let the page read the response.
//!
//! Before a browser sends a request that no form could send, it asks with a preflight request: `OPTIONS` with
//! `Access-Control-Request-Method`. It has no credentials and calls nothing.
//!
//! An origin is compared byte by byte with those that are allowed, because browsers write each origin in one form only. So
//! no other origin is taken for an allowed one, such as `https://casino.example.evil.example`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::Body;
use crate::model::text_form::text_form;
use crate::model::units::{Period, duration};

/// Which pages of other origins may call a group from a browser and read its responses.
///
/// It holds for all protocols and documents of the group. Without it, browsers let no page of another origin read a response.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CorsOptions {
    /// The origins of the pages, such as `"https://casino.example"`, each as browsers write it: scheme, host, and the port if
    /// it is not the usual one. `"*"` allows all origins.
    pub origins: Vec<Origin>,
    /// Further headers that pages may send. `Content-Type`, those of the group's protocols, such as `SOAPAction`, and those with the
    /// credentials of `auth` are always allowed.
    pub allow_headers: Vec<CorsHeader>,
    /// Further headers of responses that pages may read. Those that croupier writes, and `return-headers` of an upstream, can
    /// always be read.
    pub expose_headers: Vec<CorsHeader>,
    /// Whether browsers may send what they add by themselves: cookies, passwords that they remember, and client certificates.
    /// It cannot be combined with the origin `"*"`. Credentials that the page itself writes into a header do not need it.
    pub allow_credentials: bool,
    /// How long a browser may remember the response to a preflight request. Browsers have limits of their own.
    #[serde(with = "duration")]
    #[schemars(with = "Period", extend("maximum" = LONGEST))]
    pub max_age: Duration,
}

/// The longest time for which browsers remember a preflight response, in milliseconds: a day.
const LONGEST: u64 = 24 * 60 * 60 * 1000;

impl Default for CorsOptions {
    fn default() -> Self {
        CorsOptions {
            origins: Vec::new(),
            allow_headers: Vec::new(),
            expose_headers: Vec::new(),
            allow_credentials: false,
            max_age: Duration::from_secs(600),
        }
    }
}

impl CorsOptions {
    /// Whether pages of all origins may call.
    pub fn allows_any(&self) -> bool {
        self.origins.iter().any(Origin::is_any)
    }
}

/// The `format` of [`Origin`] in a JSON Schema.
pub const ORIGIN: &str = "origin";
/// The `format` of [`CorsHeader`] in a JSON Schema.
pub const HEADER: &str = "header-name";

/// An origin as browsers write it (HTML standard, section 7.1.1, "serialization of an origin"), or `*` for all.
///
/// ```
/// use croupier::http::cors::Origin;
///
/// assert!("https://casino.example".parse::<Origin>().is_ok());
/// for wrong in ["https://casino.example/", "https://Casino.example", "https://casino.example:443", "null"] {
///     assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

/// The text is not a valid [`Origin`]. The message says how it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It has no scheme, or its host is no host.
    #[error("an origin is a scheme, a host, and a port if it is not the usual one: `https://casino.example`")]
    Malformed,
    /// Browsers write the same origin in another way.
    #[error("browsers write it as `{0}`")]
    Other(String),
    /// The origin of all pages that have none of their own.
    #[error(
        "all pages in sandboxes and files have this origin, of whichever site they are; name the origin of the site"
    )]
    Opaque,
}

/// All origins.
const ANY: &str = "*";

impl Origin {
    fn is_any(&self) -> bool {
        self.0 == ANY
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Origin, OriginError> {
        if text == ANY {
            return Ok(Origin(ANY.to_owned()));
        }
        if text.eq_ignore_ascii_case("null") {
            return Err(OriginError::Opaque);
        }
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Malformed)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = split_port(authority).ok_or(OriginError::Malformed)?;
        let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
        if !is_scheme(&scheme) || !is_host(&host) {
            return Err(OriginError::Malformed);
        }
        let usual = match scheme.as_str() {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        };
        let port = port.filter(|port| Some(*port) != usual).map(|port| format!(":{port}")).unwrap_or_default();
        let written = format!("{scheme}://{host}{port}");
        if written == text { Ok(Origin(written)) } else { Err(OriginError::Other(written)) }
    }
}

/// The host and the port of an authority; `None` if the port is no number.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':').filter(|(host, _)| !host.starts_with('[') || host.ends_with(']')) {
        Some((host, "")) => Some((host, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((authority, None)),
    }
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Whether browsers write a host like this: without characters beyond ASCII, which they encode.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(Origin, OriginError, ORIGIN);

/// The name of a header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct CorsHeader(pub HeaderName);

/// The text is not the name of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name of a header has letters, digits and hyphens only")]
pub struct CorsHeaderError;

impl FromStr for CorsHeader {
    type Err = CorsHeaderError;

    fn from_str(text: &str) -> Result<CorsHeader, CorsHeaderError> {
        // `*` is a valid name of a header, but browsers read it as all headers, and with credentials as this one.
        if text == ANY {
            return Err(CorsHeaderError);
        }
        text.parse().map(CorsHeader).map_err(|_| CorsHeaderError)
    }
}

impl fmt::Display for CorsHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

text_form!(CorsHeader, CorsHeaderError, HEADER);

/// What a group adds to the options of its operator.
#[derive(Debug, Default)]
pub(crate) struct GroupHeaders {
    /// The verbs of its routes.
    pub(crate) verbs: Vec<Method>,
    /// The headers of requests: those of its protocols, and those with credentials.
    pub(crate) sent: Vec<HeaderName>,
    /// The headers of responses: those of its protocols, and those of its upstream.
    pub(crate) returned: Vec<HeaderName>,
}

/// The verbs that every group serves.
const VERBS: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];
/// The headers that croupier adds to responses of every protocol and that browsers hide otherwise.
const EXPOSED: [HeaderName; 8] = [
    header::ALLOW,
    HeaderName::from_static("cache-status"),
    HeaderName::from_static("croupier-fallback"),
    header::RETRY_AFTER,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("x-request-id"),
];

/// Which pages of other origins may call one group.
#[derive(Debug)]
pub(crate) struct Cors {
    /// The allowed origins; `None` for all.
    origins: Option<Vec<Origin>>,
    credentials: bool,
    allowed_verbs: HeaderValue,
    allowed_headers: HeaderValue,
    exposed_headers: HeaderValue,
    max_age: HeaderValue,
}

impl Cors {
    /// The rules of a group; `None` if no origin is allowed. If all are allowed, credentials are not.
    pub(crate) fn new(options: &CorsOptions, group: GroupHeaders) -> Option<Cors> {
        if options.origins.is_empty() {
            return None;
        }
        let any = options.allows_any();
        let names = |headers: &[CorsHeader]| headers.iter().map(|CorsHeader(name)| name.clone()).collect::<Vec<_>>();
        let allowed = [header::CONTENT_TYPE].into_iter().chain(group.sent);
        let exposed = EXPOSED.into_iter().chain(group.returned);
        Some(Cors {
            origins: (!any).then(|| options.origins.clone()),
            credentials: options.allow_credentials && !any,
            allowed_verbs: list(VERBS.into_iter().chain(group.verbs))?,
            allowed_headers: list(allowed.chain(names(&options.allow_headers)))?,
            exposed_headers: list(exposed.chain(names(&options.expose_headers)))?,
            max_age: HeaderValue::from(options.max_age.as_secs()),
        })
    }

    /// What the sender of a request may do.
    pub(crate) fn grant(self: &Arc<Cors>, headers: &HeaderMap) -> CorsGrant {
        let Some(origins) = &self.origins else {
            return CorsGrant { cors: self.clone(), origin: Some(HeaderValue::from_static(ANY)) };
        };
        let mut senders = headers.get_all(header::ORIGIN).iter();
        let sender = senders.next().filter(|_| senders.next().is_none());
        let allowed =
            sender.filter(|sender| origins.iter().any(|Origin(origin)| origin.as_bytes() == sender.as_bytes()));
        CorsGrant { cors: self.clone(), origin: allowed.cloned() }
    }
}

/// A list of names without repetitions; `None` if it is no value of a header.
fn list<T: AsRef<str> + PartialEq>(names: impl Iterator<Item = T>) -> Option<HeaderValue> {
    let mut different: Vec<T> = Vec::new();
    for name in names {
        if !different.contains(&name) {
            different.push(name);
        }
    }
    let different: Vec<&str> = different.iter().map(AsRef::as_ref).collect();
    HeaderValue::from_str(&different.join(", ")).ok()
}

/// What the sender of one request may do.
#[derive(Debug)]
pub(crate) struct CorsGrant {
    cors: Arc<Cors>,
    /// The origin that may read the response.
    origin: Option<HeaderValue>,
}

impl CorsGrant {
    /// Whether the page may make calls that its browser sends without asking first.
    ///
    /// Browsers send their own credentials with such a call, also where `allow-credentials` is not set. So if any origin is allowed,
    /// the group must not know its callers by them.
    pub(crate) fn allows_without_preflight(&self, has_auth: bool) -> bool {
        self.origin.is_some() && (self.cors.origins.is_some() || !has_auth)
    }

    /// Whether the page may read the response.
    pub(crate) fn allows_origin(&self) -> bool {
        self.origin.is_some()
    }

    /// Adds the headers that let the page read a response.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        if self.cors.origins.is_some() {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        let Some(origin) = &self.origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.cors.exposed_headers.clone());
        if self.cors.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// The response to a preflight request, without the headers that every response has.
    pub(crate) fn preflight_response(&self) -> Response<Body> {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.origin.is_some() {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.cors.allowed_verbs.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.cors.allowed_headers.clone());
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.cors.max_age.clone());
        }
        response
    }
}

/// Whether a browser asks what a page of another origin may send.
pub(crate) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for text in [
            "*",
            "https://casino.example",
            "http://localhost:3000",
            "https://casino.example:80",
            "http://[::1]:8008",
            "https://xn--bcher-kva.example",
            "chrome-extension://abcdefgh",
            "capacitor://localhost",
        ] {
            assert_eq!(text.parse::<Origin>().map(|origin| origin.to_string()).as_deref(), Ok(text));
        }
        for (text, written) in [
            ("https://casino.example/", "https://casino.example"),
            ("https://casino.example/rpc?x#y", "https://casino.example"),
            ("HTTPS://Casino.Example", "https://casino.example"),
            ("https://casino.example:443", "https://casino.example"),
            ("http://casino.example:80", "http://casino.example"),
            ("http://casino.example:080", "http://casino.example"),
            ("http://casino.example:", "http://casino.example"),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError::Other(written.to_owned())), "{text}");
        }
        for text in [
            "",
            "casino.example",
            "//casino.example",
            "https://",
            "https://:80",
            "https://a b",
            "https://user@casino.example",
            "https://*.casino.example",
            "https://bücher.example",
            "https://[::1",
            "https://casino.example:70000",
            "https://casino.example, https://b.example",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError::Malformed), "{text}");
        }
        assert_eq!("null".parse::<Origin>(), Err(OriginError::Opaque));
    }

    fn cors(origins: &[&str]) -> Arc<Cors> {
        let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        let options = CorsOptions { origins, allow_credentials: true, ..CorsOptions::default() };
        Arc::new(Cors::new(&options, GroupHeaders::default()).unwrap())
    }

    fn allowed(cors: &Arc<Cors>, origins: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        let mut response = HeaderMap::new();
        cors.grant(&headers).apply(&mut response);
        let allowed =
            response.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|origin| origin.to_str().unwrap().to_owned());
        let all = cors.origins.is_none();
        assert_eq!(response.contains_key(header::VARY), !all);
        assert_eq!(response.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), allowed.is_some() && !all);
        allowed
    }

    #[test]
    fn only_the_origin_itself_is_allowed() {
        let own = cors(&["https://casino.example", "http://localhost:3000"]);
        for origin in ["https://casino.example", "http://localhost:3000"] {
            assert_eq!(allowed(&own, &[origin]).as_deref(), Some(origin));
        }
        for other in [
            "null",
            "",
            "*",
            "http://casino.example",
            "https://casino.example:8443",
            "https://casino.example:443",
            "https://Casino.example",
            "https://casino.example/",
            "https://casino.example.evil.example",
            "https://evilcasino.example",
            "https://sub.casino.example",
            "http://localhost",
            "http://localhost:30000",
            "https://casino.example http://localhost:3000",
        ] {
            assert_eq!(allowed(&own, &[other]), None, "{other}");
        }
        assert_eq!(allowed(&own, &[]), None);
        assert_eq!(allowed(&own, &["https://casino.example", "https://casino.example"]), None);
        for origin in ["https://evil.example", "null"] {
            assert_eq!(allowed(&cors(&["*", "https://casino.example"]), &[origin]).as_deref(), Some("*"));
        }
    }

    #[test]
    fn where_any_origin_is_allowed_browsers_ask_before_they_send_their_credentials() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static("https://casino.example"));
        let allows = |origins: &[&str], has_auth| cors(origins).grant(&headers).allows_without_preflight(has_auth);
        assert!(allows(&["https://casino.example"], true) && allows(&["https://casino.example"], false));
        assert!(!allows(&["https://other.example"], false));
        assert!(allows(&["*"], false) && !allows(&["*"], true));
    }
}
