//! What of a client's request reaches an upstream besides the call, and what of the upstream's response comes back besides
//! the result. Without [`Forwarding`], nothing does.
//!
//! ```text
//! to the upstream   ForwardedRequest: headers that are passed on by name, Authorization, Cookie, headers that are made from
//!                   templates, Forwarded and X-Forwarded-*, and the query of the URL. Made once for each call, from its
//!                   Context; call_scope.rs adds it to the request, with a signed token of the caller (identity_token.rs)
//! to the client     ResponseHeaders: headers of the response by name, and Set-Cookie. The gateway adds them to its own
//! ```
//!
//! A header that concerns only the connection on which it came is not forwarded (RFC 9110, section 7.6.1): the
//! configuration does not accept the known ones, and those that `Connection` names are left out here.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, COOKIE, FORWARDED, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identity_token::IdentityToken;
use crate::http::public_url::X_FORWARDED_FOR;
use crate::http::timeout_header::TimeoutHeader;
use crate::model::interface::Interface;
use crate::protocol::Protocol;
use crate::protocol::mcp::client::message::NeedsSession;
use crate::service::hop_by_hop::{REPLACED, concerns_connection, remove_hop_by_hop};
use crate::service::response_headers::ResponseHeaders;
use crate::service::{Context, Identity, RequestTarget};
use crate::upstream::transport::{AppendedQuery, SessionCaller};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What of a client's request reaches an upstream, and what of its response comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// The headers of a request that are passed on.
    pub pass_headers: Vec<HeaderName>,
    /// Whether `Authorization` is passed on.
    pub pass_authorization: bool,
    /// The cookies that are passed on, and whose `Set-Cookie` comes back.
    pub pass_cookies: Cookies,
    /// Whether the query of the URL is appended to that of the upstream, for requests in which it has no meaning for
    /// croupier: those of XML-RPC, JSON-RPC and SOAP.
    pub pass_query: bool,
    /// The headers that are made for each request. One without a value is left out.
    pub set_headers: Vec<(HeaderName, HeaderTemplate)>,
    /// The signed token that says who calls. Without a caller there is none.
    pub identity_token: Option<Arc<IdentityToken>>,
    /// The headers that say where a request came from.
    pub forwarded: ForwardedForm,
    /// The header that says how much time is left for a call, which the transport writes for each request.
    pub timeout_header: Option<TimeoutHeader>,
    /// The headers of a response that come back to the client of a single call.
    pub return_headers: Vec<HeaderName>,
}

/// Which cookies pass between client and upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cookies {
    /// None.
    #[default]
    None,
    /// All of them.
    All,
    /// Those with these names.
    Named(Vec<String>),
}

/// In which headers an upstream is told where a request came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedForm {
    /// In none.
    #[default]
    Off,
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// In all of them.
    Both,
}

impl ForwardedForm {
    fn has_x_forwarded(self) -> bool {
        matches!(self, ForwardedForm::XForwarded | ForwardedForm::Both)
    }

    fn has_forwarded(self) -> bool {
        matches!(self, ForwardedForm::Forwarded | ForwardedForm::Both)
    }

    /// The headers that are written.
    pub fn names(self) -> Vec<HeaderName> {
        let x_forwarded = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST];
        let x_forwarded = x_forwarded.into_iter().filter(|_| self.has_x_forwarded());
        x_forwarded.chain(self.has_forwarded().then_some(FORWARDED)).collect()
    }
}

/// The text of a header, with placeholders such as `{identity.name}`.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderTemplate(Vec<Piece>);

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

/// What a template names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The name of the caller.
    IdentityName,
    /// The roles of the caller, with commas between them.
    IdentityRoles,
    /// The address of the client.
    ClientAddress,
    /// The id of the request.
    RequestId,
    /// The path of the group.
    Group,
    /// The method that is called; none for several calls in one request.
    Method,
}

impl Placeholder {
    /// All placeholders.
    pub const ALL: [Placeholder; 6] = [
        Placeholder::IdentityName,
        Placeholder::IdentityRoles,
        Placeholder::ClientAddress,
        Placeholder::RequestId,
        Placeholder::Group,
        Placeholder::Method,
    ];

    /// The name in a template, without its braces.
    pub fn name(self) -> &'static str {
        match self {
            Placeholder::IdentityName => "identity.name",
            Placeholder::IdentityRoles => "identity.roles",
            Placeholder::ClientAddress => "client.address",
            Placeholder::RequestId => "request.id",
            Placeholder::Group => "group",
            Placeholder::Method => "method",
        }
    }

    /// The value for a request; `None` if there is none, or if it is empty.
    fn value(self, context: &Context, group: &str, method: Option<&str>) -> Option<String> {
        let identity = context.identity.as_deref();
        let value = match self {
            Placeholder::IdentityName => escaped(&identity?.name, ""),
            Placeholder::IdentityRoles => roles(identity?),
            Placeholder::ClientAddress => context.client?.to_string(),
            Placeholder::RequestId => context.request_id.header_value()?.to_str().ok()?.to_owned(),
            Placeholder::Group => escaped(group, ""),
            Placeholder::Method => escaped(method?, ""),
        };
        Some(value).filter(|value| !value.is_empty())
    }
}

/// The roles of a caller. A comma within a role is escaped, so that no role looks like two.
fn roles(identity: &Identity) -> String {
    let roles: Vec<String> = identity.roles.iter().map(|role| escaped(role, ",")).collect();
    roles.join(",")
}

/// A text as a header can have it: visible ASCII characters, and spaces between them. All other bytes are percent-encoded,
/// and `%` and the bytes in `also` too, so that two texts are never the same header.
fn escaped(text: &str, also: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut escaped = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        // White space at the ends is not part of a value (RFC 9110, section 5.5).
        let is_plain = byte.is_ascii_graphic() || (byte == b' ' && at != 0 && at != last);
        if is_plain && byte != b'%' && !also.as_bytes().contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Why a text is not a template of a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderTemplateError {
    /// A placeholder is none of those that exist.
    #[error("there is no placeholder `{{{0}}}`")]
    Unknown(String),
    /// A brace has no partner.
    #[error("a `{{` or `}}` has no partner")]
    Unbalanced,
    /// A header cannot have the text.
    #[error("the text has characters that a header cannot have")]
    Invalid,
}

impl HeaderTemplate {
    /// A header of which the text is always the same.
    ///
    /// # Errors
    /// If a header cannot have the text.
    pub fn literal(text: impl Into<String>) -> Result<HeaderTemplate, HeaderTemplateError> {
        HeaderTemplate(vec![Piece::Text(text.into())]).checked()
    }

    /// A template with one value only.
    pub fn of(placeholder: Placeholder) -> HeaderTemplate {
        HeaderTemplate(vec![Piece::Value(placeholder)])
    }

    /// Reads a template. `{{` and `}}` stand for braces.
    ///
    /// ```
    /// use croupier::upstream::forwarding::HeaderTemplate;
    ///
    /// assert!(HeaderTemplate::parse("{identity.name}; via {group}").is_ok());
    /// assert!(HeaderTemplate::parse("{identity.nam}").is_err());
    /// ```
    ///
    /// # Errors
    /// If a placeholder is unknown, a brace has no partner, or a header cannot have the text.
    pub fn parse(text: &str) -> Result<HeaderTemplate, HeaderTemplateError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            if let Some((doubled, after)) =
                brace.split_at_checked(2).filter(|(doubled, _)| matches!(*doubled, "{{" | "}}"))
            {
                plain.push_str(doubled.get(..1).unwrap_or_default());
                rest = after;
                continue;
            }
            let inside = brace.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let (name, after) = inside.ok_or(HeaderTemplateError::Unbalanced)?;
            let placeholder = Placeholder::ALL.into_iter().find(|placeholder| placeholder.name() == name);
            let placeholder = placeholder.ok_or_else(|| HeaderTemplateError::Unknown(name.to_owned()))?;
            pieces.extend([Piece::Text(std::mem::take(&mut plain)), Piece::Value(placeholder)]);
            rest = after;
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        HeaderTemplate(pieces).checked()
    }

    fn checked(self) -> Result<HeaderTemplate, HeaderTemplateError> {
        let is_valid = |piece: &Piece| match piece {
            Piece::Text(text) => text.is_ascii() && HeaderValue::from_str(text).is_ok(),
            Piece::Value(_) => true,
        };
        if self.0.iter().all(is_valid) { Ok(self) } else { Err(HeaderTemplateError::Invalid) }
    }

    /// The header of a request; `None` if one of its values is missing.
    fn value(&self, context: &Context, group: &str, method: Option<&str>) -> Option<HeaderValue> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Value(placeholder) => text.push_str(&placeholder.value(context, group, method)?),
            }
        }
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn names(&self, placeholder: Placeholder) -> bool {
        self.0.contains(&Piece::Value(placeholder))
    }
}

impl fmt::Debug for HeaderTemplate {
    /// Omits the text, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderTemplate").finish_non_exhaustive()
    }
}

/// What of a client's request reaches the upstream, besides the call.
#[derive(Debug)]
pub(super) struct ForwardedRequest {
    headers: HeaderMap,
    query: Option<String>,
    /// Signs a token for each request to the upstream.
    identity_token: Option<Arc<IdentityToken>>,
    /// The request that it was made from.
    pub(super) context: Context,
}

impl ForwardedRequest {
    /// A hash of the headers, by which calls of one request are distinguished that layers have given different callers. Each
    /// token is another, so the caller counts in its place.
    pub(super) fn hash_headers(&self, hasher: &RandomState) -> u64 {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let caller = self.identity_token.as_ref().map(|_| &self.context.identity);
        hasher.hash_one((headers.collect::<Vec<_>>(), caller))
    }

    /// Adds it to a request to the upstream.
    pub(super) fn apply_to(&self, request: &mut Request<Bytes>) {
        // A name that is there already is replaced.
        request.headers_mut().extend(self.headers.clone());
        if request.extensions().get::<NeedsSession>().is_some() {
            let identity = self.identity_token.as_ref().and_then(|_| self.context.identity.clone());
            request.extensions_mut().insert(SessionCaller { headers: self.headers.clone(), identity });
        }
        if let Some(token) = &self.identity_token {
            token.apply_to(request.headers_mut(), self.context.identity.as_deref());
        }
        if let Some(query) = &self.query {
            request.extensions_mut().insert(AppendedQuery(query.clone()));
        }
    }
}

impl Forwarding {
    /// Whether nothing is forwarded.
    pub fn is_empty(&self) -> bool {
        *self == Forwarding::default()
    }

    /// Whether a header depends on the method that is called.
    pub(super) fn names_method(&self) -> bool {
        self.set_headers.iter().any(|(_, template)| template.names(Placeholder::Method))
    }

    /// Declares what is needed of each request and its response.
    pub(super) fn declare_in(&self, interface: &mut Interface) {
        let has_cookies = self.pass_cookies != Cookies::None;
        let mut needed = self.pass_headers.clone();
        needed.extend(self.pass_authorization.then_some(AUTHORIZATION));
        needed.extend(has_cookies.then_some(COOKIE));
        if !needed.is_empty() {
            needed.push(CONNECTION);
        }
        needed.retain(|header| !interface.request_headers.contains(header));
        interface.request_headers.extend(needed);
        interface.reads_request_target |= self.pass_query || self.forwarded != ForwardedForm::Off;
        let names_address = self.set_headers.iter().any(|(_, template)| template.names(Placeholder::ClientAddress));
        interface.reads_client_address |= names_address || self.forwarded != ForwardedForm::Off;
        interface.sets_response_headers |= has_cookies || !self.return_headers.is_empty();
    }

    /// What of a request reaches the upstream. `method` is the one that is called, `None` for several at once.
    pub(super) fn request(&self, context: &Context, group: &str, method: Option<&str>) -> ForwardedRequest {
        let mut headers = HeaderMap::new();
        if let Some(received) = &context.headers {
            self.pass_on(received, &mut headers);
        }
        for (name, template) in &self.set_headers {
            if let Some(value) = template.value(context, group, method) {
                headers.insert(name, value);
            }
        }
        if let Some(target) = &context.target {
            if self.forwarded.has_x_forwarded() {
                headers.extend(x_forwarded(context.client, target));
            }
            if self.forwarded.has_forwarded() {
                headers
                    .extend(HeaderValue::from_str(&forwarded(context.client, target)).ok().map(|it| (FORWARDED, it)));
            }
        }
        let identity_token = self.identity_token.clone();
        ForwardedRequest { headers, query: self.query(context), identity_token, context: context.clone() }
    }

    /// The headers of a request that is passed on unchanged: those of the client from end to end. Left out are those that concern a
    /// connection (RFC 9110, section 7.6.1) or the framing of the body, those that croupier writes itself, those with the
    /// credentials for croupier, those in `configured`, and those that [`request`](Forwarding::request) adds.
    pub(super) fn end_to_end<'n>(
        &'n self,
        received: &HeaderMap,
        credentials: &'n [HeaderName],
        configured: impl Iterator<Item = &'n HeaderName>,
    ) -> HeaderMap {
        let token = self.identity_token.as_ref().map(|token| &token.header);
        let timeout = self.timeout_header.as_ref().map(TimeoutHeader::name);
        let own = self.set_headers.iter().map(|(name, _)| name).chain(token).chain(timeout).chain(credentials);
        let own: Vec<Cow<'_, str>> = own.map(normalized).chain(configured.map(normalized)).collect();
        let is_own = |name: &HeaderName| {
            let name = normalized(name);
            name.starts_with("x-forwarded-") || REPLACED.contains(&&*name) || own.contains(&name)
        };
        let mut headers = received.clone();
        remove_hop_by_hop(&mut headers, is_own);
        headers
    }

    /// Leaves out of the headers of a response, which is passed on as it is, those that concern a connection and those in `not_returned`.
    /// Whether pages of other origins may call is not for the upstream to say, and what it says of its own credentials only if they
    /// are those of the client.
    pub(super) fn keep_returned(&self, received: &mut HeaderMap, not_returned: &[HeaderName]) {
        remove_hop_by_hop(received, |name| {
            name.as_str().starts_with("access-control-")
                || (*name == WWW_AUTHENTICATE && !self.pass_authorization)
                || not_returned.contains(name)
        });
    }

    fn pass_on(&self, received: &HeaderMap, headers: &mut HeaderMap) {
        for name in self.pass_headers.iter().filter(|name| !concerns_connection(name, received)) {
            for value in received.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if self.pass_authorization && !concerns_connection(&AUTHORIZATION, received) {
            let mut given = received.get_all(AUTHORIZATION).iter();
            // Of two, the upstream could believe another than croupier.
            if let (Some(only), None) = (given.next(), given.next()) {
                let mut only = only.clone();
                only.set_sensitive(true);
                headers.insert(AUTHORIZATION, only);
            }
        }
        if !concerns_connection(&COOKIE, received) {
            headers.extend(self.pass_cookies.select(received).map(|cookies| (COOKIE, cookies)));
        }
    }

    /// The query of a request, in a protocol in which it has no meaning of its own.
    fn query(&self, context: &Context) -> Option<String> {
        let without_meaning = [Protocol::XmlRpc, Protocol::JsonRpc, Protocol::Soap].map(Protocol::name);
        let is_unused = context.protocol.is_some_and(|protocol| without_meaning.contains(&protocol));
        let query = context.target.as_ref()?.query.as_ref().filter(|_| self.pass_query && is_unused)?;
        Some(query.clone()).filter(|query| !query.is_empty())
    }

    /// Notes the headers of a response that come back to the client, in place of those of a response before it.
    pub(super) fn return_headers_of(&self, received: &HeaderMap, to: &ResponseHeaders) {
        let cookies = received.get_all(SET_COOKIE).iter().filter(|cookie| self.pass_cookies.has_set(cookie));
        for cookie in cookies {
            to.append(SET_COOKIE, cookie.clone());
        }
        for name in self.return_headers.iter().filter(|name| !concerns_connection(name, received)) {
            let mut values = received.get_all(name).iter().cloned();
            if let Some(first) = values.next() {
                to.insert(name.clone(), first);
            }
            values.for_each(|value| to.append(name.clone(), value));
        }
    }
}

/// The name of a header as many servers compare it: without the difference between `-` and `_`.
fn normalized(name: &HeaderName) -> Cow<'_, str> {
    let name = name.as_str();
    if name.contains('_') { name.replace('_', "-").into() } else { name.into() }
}

impl Cookies {
    /// The cookies of a request in one header: HTTP/2 clients may send several (RFC 9113, section 8.2.3).
    fn select(&self, received: &HeaderMap) -> Option<HeaderValue> {
        if *self == Cookies::None {
            return None;
        }
        let pairs = received.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
        let pairs = pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty() && self.has(pair));
        let selected = pairs.collect::<Vec<_>>().join(&b"; "[..]);
        let mut value = HeaderValue::from_bytes(&selected).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether a cookie passes, by its name: what precedes the first `=`.
    fn has(&self, pair: &[u8]) -> bool {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        match self {
            Cookies::None => false,
            Cookies::All => true,
            Cookies::Named(names) => names.iter().any(|known| known.as_bytes() == name),
        }
    }

    /// Whether a `Set-Cookie` comes back.
    fn has_set(&self, value: &HeaderValue) -> bool {
        self.has(value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default())
    }
}

fn x_forwarded(client: Option<IpAddr>, target: &RequestTarget) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let values = [
        (X_FORWARDED_FOR, client.map(|client| client.to_string())),
        (X_FORWARDED_PROTO, Some(target.scheme.clone())),
        (X_FORWARDED_HOST, Some(target.host.clone())),
    ];
    for (name, value) in values {
        headers.extend(value.and_then(|value| Some((name, HeaderValue::from_str(&value).ok()?))));
    }
    headers
}

/// The value of `Forwarded` (RFC 7239, section 4). The quotes are those that addresses of IPv6 and ports need.
fn forwarded(client: Option<IpAddr>, target: &RequestTarget) -> String {
    let node = match client {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
        None => "unknown".to_owned(),
    };
    let RequestTarget { scheme, host, .. } = target;
    format!("for={node};host=\"{host}\";proto={scheme}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(template: &str, identity: Option<Identity>) -> Option<String> {
        let context =
            Context { identity: identity.map(Arc::new), client: "2001:db8::1".parse().ok(), ..Context::default() };
        let value = HeaderTemplate::parse(template).unwrap().value(&context, "/wheel", Some("spin"))?;
        assert!(value.is_sensitive());
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn templates_have_values_texts_and_braces() {
        let ann = Identity::new("ann").with_role("admin").with_role("staff");
        for (template, expected) in [
            ("plain", Some("plain")),
            ("{identity.name}", Some("ann")),
            ("a {identity.name} of {identity.roles}.", Some("a ann of admin,staff.")),
            ("{{{group}}} {method} {client.address}", Some("{/wheel} spin 2001:db8::1")),
            ("{request.id}", None),
        ] {
            assert_eq!(made(template, Some(ann.clone())).as_deref(), expected, "{template}");
        }
        assert_eq!(made("x{identity.name}", None), None);
        assert_eq!(made("x{identity.name}", Some(Identity::new(""))), None);
        assert_eq!(made("x{identity.roles}", Some(Identity::new("ann"))), None);
    }

    #[test]
    fn what_is_not_a_template_is_refused() {
        let error = |text: &str| HeaderTemplate::parse(text).unwrap_err();
        assert_eq!(error("{identity.nam}"), HeaderTemplateError::Unknown("identity.nam".to_owned()));
        assert_eq!(error("{}"), HeaderTemplateError::Unknown(String::new()));
        for text in ["{", "}", "a{group", "a}b", "{{}", "é}"] {
            assert_eq!(error(text), HeaderTemplateError::Unbalanced, "{text}");
        }
        for text in ["a\r\nb: c", "é", "\0", "{group}\n"] {
            assert_eq!(error(text), HeaderTemplateError::Invalid, "{text}");
        }
        assert_eq!(HeaderTemplate::literal("{not one}"), Ok(HeaderTemplate(vec![Piece::Text("{not one}".to_owned())])));
        assert!(!format!("{:?}", HeaderTemplate::literal("s3cret")).contains("s3cret"));
    }

    #[test]
    fn no_name_ends_a_header_or_looks_like_another() {
        for (name, expected) in [
            ("ann lee", "ann lee"),
            (" ann", "%20ann"),
            ("ann ", "ann%20"),
            (" ", "%20"),
            ("ann\r\nX-Roles: admin", "ann%0D%0AX-Roles: admin"),
            ("a%20n", "a%2520n"),
            ("jürgen\0\u{7f}", "j%C3%BCrgen%00%7F"),
        ] {
            assert_eq!(made("{identity.name}", Some(Identity::new(name))).as_deref(), Some(expected));
        }
        let roles = Identity::new("ann").with_role("a,admin").with_role("b");
        assert_eq!(made("{identity.roles}", Some(roles)).as_deref(), Some("a%2Cadmin,b"));
    }

    #[test]
    fn cookies_are_selected_by_name_and_joined() {
        let mut received = HeaderMap::new();
        for value in ["a=1; sid=2;b", "sidx=3; sid=4", ""] {
            received.append(COOKIE, value.parse().unwrap());
        }
        let named = Cookies::Named(vec!["sid".to_owned(), "b".to_owned()]);
        assert_eq!(Cookies::All.select(&received).unwrap(), "a=1; sid=2; b; sidx=3; sid=4");
        assert_eq!(named.select(&received).unwrap(), "sid=2; b; sid=4");
        assert_eq!(Cookies::None.select(&received), None);
        assert_eq!(Cookies::Named(vec!["x".to_owned()]).select(&received), None);
        let is_set = |value: &'static str| named.has_set(&HeaderValue::from_static(value));
        assert!(is_set("sid=1; Path=/") && is_set(" b ; Secure") && !is_set("x=sid; sid=1") && !is_set("SID=1"));
    }

    #[test]
    fn forwarded_has_the_quotes_that_it_needs() {
        let target = RequestTarget { scheme: "https".into(), host: "casino.example:8443".into(), query: None };
        for (client, node) in
            [(Some("192.0.2.1"), "192.0.2.1"), (Some("2001:db8::1"), "\"[2001:db8::1]\""), (None, "unknown")]
        {
            let client = client.map(|client| client.parse().unwrap());
            assert_eq!(forwarded(client, &target), format!("for={node};host=\"casino.example:8443\";proto=https"));
        }
    }
}
