//! The keys of an upstream that say what of a client's request reaches it, and what of its response comes back.
//!
//! Names of headers are compared without regard to case, and with `_` as `-`: servers behind CGI, WSGI or FastCGI know a
//! header by one name in which both are the same.

use std::ops::Range;
use std::sync::Arc;

use http::HeaderName;
use http::header::USER_AGENT;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::identity_token::IdentityTokenFile;
use super::problem::Problem;
use crate::codec::jws::SigningKey;
use crate::http::timeout_header::TimeoutHeader;
use crate::model::text::abridge;
use crate::service::hop_by_hop::HOP_BY_HOP;
use crate::upstream::forwarding::{Cookies, Forwarding, HeaderTemplate, HeaderTemplateError, Placeholder};

/// Which cookies pass: all, or those with these names.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum PassCookies {
    /// Whether all cookies pass.
    All(bool),
    /// The names of the cookies that pass.
    Named(Vec<String>),
}

impl PassCookies {
    pub(super) fn cookies(&self) -> Cookies {
        match self {
            PassCookies::All(false) => Cookies::None,
            PassCookies::All(true) => Cookies::All,
            PassCookies::Named(names) => Cookies::Named(names.clone()),
        }
    }
}

/// The headers that carry the identity of the caller to the upstream. A client's own headers of these names never reach the upstream.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ForwardIdentityFile {
    /// The header with the name of the caller.
    #[schemars(with = "Option<String>")]
    name: Option<Spanned<String>>,
    /// The header with the roles of the caller, with commas between them.
    #[schemars(with = "Option<String>")]
    roles: Option<Spanned<String>>,
    /// A signed token (JWT) with the identity of the caller, for an upstream that others can reach too: `key`, `issuer` and
    /// `audience`, and if they are needed `header` (`Authorization` without it), `key-id`, `lifetime` (60 s) and `describe-as`.
    #[schemars(with = "Option<IdentityTokenFile>")]
    pub(super) jwt: Option<Spanned<IdentityTokenFile>>,
}

/// The value of a header in `set-headers`, once it has been read.
pub(super) enum HeaderText<'f> {
    /// With placeholders, as it is written in the file.
    Template(&'f str),
    /// A text from a file or the environment, in which braces have no meaning.
    Literal(String),
}

/// The keys that name headers.
pub(super) struct HeaderKeys<'f> {
    pub(super) pass_headers: &'f [Spanned<String>],
    /// The name and value of each header, with its place.
    pub(super) set_headers: Vec<(&'f str, Option<HeaderText<'f>>, Range<usize>)>,
    pub(super) forward_identity: &'f ForwardIdentityFile,
    /// The key of the signed token; `None` if it cannot be used.
    pub(super) signing_key: Option<SigningKey>,
    pub(super) timeout_header: Option<&'f Spanned<String>>,
    pub(super) return_headers: &'f [Spanned<String>],
    /// The names in `headers`.
    pub(super) fixed: Vec<&'f str>,
}

/// Resolves the keys that name headers. `forwarding` has the other keys already.
pub(super) fn resolve(keys: HeaderKeys<'_>, forwarding: Forwarding, problems: &mut Vec<Problem>) -> Forwarding {
    let mut reader = NameReader { taken: Vec::new(), problems };
    for name in keys.fixed {
        reader.taken.push((plain(name), "headers"));
    }
    for name in forwarding.forwarded.names() {
        reader.taken.push((plain(name.as_str()), "forwarded"));
    }
    let identity = keys.forward_identity;
    let mut set_headers = Vec::new();
    for (name, placeholder) in
        [(&identity.name, Placeholder::IdentityName), (&identity.roles, Placeholder::IdentityRoles)]
    {
        let Some(name) = name else { continue };
        if let Some(header) = reader.request_header(name.get_ref(), name.span(), "forward-identity", refused_if_set) {
            set_headers.push((header, HeaderTemplate::of(placeholder)));
        }
    }
    let token = identity.jwt.as_ref().map(Spanned::get_ref).and_then(|file| {
        let name = &file.header;
        let header = reader.request_header(name.get_ref(), name.span(), "forward-identity", refused_if_signed)?;
        Some(Arc::new(file.token(header, keys.signing_key?)))
    });
    for (name, text, span) in keys.set_headers {
        let header = reader.request_header(name, span.clone(), "set-headers", refused_if_set);
        let template = match text {
            Some(HeaderText::Template(text)) => HeaderTemplate::parse(text),
            Some(HeaderText::Literal(text)) => HeaderTemplate::literal(text),
            None => continue,
        };
        match (header, template) {
            (Some(header), Ok(template)) => set_headers.push((header, template)),
            (_, Err(error)) => reader.problems.push(template_problem(&error, span)),
            (None, Ok(_)) => {}
        }
    }
    let passed = keys.pass_headers.iter();
    let pass_headers = passed
        .filter_map(|name| reader.request_header(name.get_ref(), name.span(), "pass-headers", refused_if_passed))
        .collect();
    let timeout_header = keys.timeout_header.and_then(|name| {
        reader.request_header(name.get_ref(), name.span(), "timeout-header", refused_if_set).map(TimeoutHeader::new)
    });
    let return_headers = keys.return_headers.iter().filter_map(|name| reader.response_header(name)).collect();
    Forwarding { pass_headers, set_headers, identity_token: token, timeout_header, return_headers, ..forwarding }
}

/// Whether the upstream gets another `User-Agent` than that of croupier.
pub(super) fn has_user_agent(forwarding: &Forwarding) -> bool {
    let set = forwarding.set_headers.iter().map(|(name, _)| name);
    forwarding.pass_headers.iter().chain(set).any(|name| *name == USER_AGENT)
}

/// A name as it is compared with others.
pub(super) fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

fn template_problem(error: &HeaderTemplateError, span: Range<usize>) -> Problem {
    let names = Placeholder::ALL.map(|placeholder| format!("`{{{}}}`", placeholder.name())).join(", ");
    let problem = Problem::at(span, error.to_string());
    match error {
        HeaderTemplateError::Unknown(_) => {
            problem.hint(format!("the placeholders are {names}; a brace is `{{{{` or `}}}}`"))
        }
        HeaderTemplateError::Unbalanced => {
            problem.hint(format!("a brace is `{{{{` or `}}}}`; the placeholders are {names}"))
        }
        HeaderTemplateError::Invalid => problem.hint("use visible ASCII characters and spaces"),
    }
}

/// Reads names of headers.
struct NameReader<'p> {
    /// The names in requests to the upstream, with their keys.
    taken: Vec<(String, &'static str)>,
    problems: &'p mut Vec<Problem>,
}

/// What is wrong with the name of a header, and what to write instead.
type Refusal = (&'static str, &'static str);

impl NameReader<'_> {
    /// A name of a header of requests to the upstream. `refused` says which names the key does not accept.
    fn request_header(
        &mut self,
        name: &str,
        span: Range<usize>,
        key: &'static str,
        refused: fn(&str) -> Option<Refusal>,
    ) -> Option<HeaderName> {
        let header = self.header(name, span.clone(), refused)?;
        let compared = plain(name);
        if let Some((_, other)) = self.taken.iter().find(|(taken, _)| *taken == compared) {
            let message = format!("the header `{}` of `{key}` is also one of `{other}`", abridge(name));
            let hint = "the upstream would get two headers of one name: name it once (upper and lower case are the same, and so \
                        are `_` and `-`)";
            self.problems.push(Problem::at(span, message).hint(hint));
            return None;
        }
        self.taken.push((compared, key));
        Some(header)
    }

    /// A name of a header of responses to the client.
    fn response_header(&mut self, name: &Spanned<String>) -> Option<HeaderName> {
        self.header(name.get_ref(), name.span(), refused_if_returned)
    }

    fn header(&mut self, name: &str, span: Range<usize>, refused: fn(&str) -> Option<Refusal>) -> Option<HeaderName> {
        let shown = abridge(name);
        let Ok(header) = name.parse::<HeaderName>() else {
            self.problems.push(Problem::at(span, format!("`{shown}` is not a valid name of a header")));
            return None;
        };
        match refused(&plain(name)) {
            None => Some(header),
            Some((reason, hint)) => {
                self.problems.push(Problem::at(span, format!("the header `{shown}` {reason}")).hint(hint));
                None
            }
        }
    }
}

/// Headers of requests that croupier writes, or that would change what the upstream returns into something that croupier
/// cannot read.
const OWN: [&str; 14] = [
    "host",
    "accept",
    "accept-charset",
    "accept-encoding",
    "expect",
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "soapaction",
    "set-cookie",
    "max-forwards",
];
const TRACE: [&str; 3] = ["x-request-id", "traceparent", "tracestate"];

const LEAVE_OUT: &str = "leave it out";

fn concerns_one_connection(name: &str) -> bool {
    HOP_BY_HOP.contains(&name) || matches!(name, "http2-settings" | "close")
}

/// The names that no key can send to an upstream.
fn refused_always(name: &str) -> Option<Refusal> {
    if name == "proxy" || name.starts_with("proxy-") {
        return Some(("is for proxies", LEAVE_OUT));
    }
    if concerns_one_connection(name) {
        return Some(("concerns one connection only", "leave it out (RFC 9110, section 7.6.1)"));
    }
    if OWN.contains(&name) || name.starts_with("content-") {
        return Some(("is written by croupier, or would change the form of the response", LEAVE_OUT));
    }
    if TRACE.contains(&name) {
        return Some(("is sent by croupier already", LEAVE_OUT));
    }
    None
}

fn refused_if_set(name: &str) -> Option<Refusal> {
    match name {
        "authorization" => Some((
            "has keys of its own",
            "write `user` and `password`, `bearer`, `oauth2`, or `pass-authorization = true`",
        )),
        "cookie" => Some(("has a key of its own", "write `pass-cookies = true`, or the names of the cookies")),
        _ => refused_always(name),
    }
}

/// Whether `Authorization` has other values is found out where all of its keys are.
fn refused_if_signed(name: &str) -> Option<Refusal> {
    if name == "authorization" { None } else { refused_if_set(name) }
}

fn refused_if_passed(name: &str) -> Option<Refusal> {
    match name {
        "authorization" => Some(("has a key of its own", "write `pass-authorization = true`")),
        "forwarded" => Some(("may be made up by the client", "write `forwarded = \"forwarded\"`")),
        "x-real-ip" => {
            Some(("may be made up by the client", "write `set-headers = { X-Real-IP = \"{client.address}\" }`"))
        }
        _ if name.starts_with("x-forwarded-") => {
            Some(("may be made up by the client", "write `forwarded = \"x-forwarded\"`"))
        }
        _ => refused_if_set(name),
    }
}

/// Headers of responses that croupier writes, or that would say something about croupier instead of the upstream.
const OF_CROUPIER: [&str; 14] = [
    "server",
    "date",
    "allow",
    "vary",
    "cache-control",
    "pragma",
    "expires",
    "age",
    "location",
    "refresh",
    "strict-transport-security",
    "clear-site-data",
    "x-content-type-options",
    "x-frame-options",
];

fn refused_if_returned(name: &str) -> Option<Refusal> {
    match name {
        "set-cookie" => Some(("has a key of its own", "write `pass-cookies = true`, or the names of the cookies")),
        "www-authenticate" | "authentication-info" => {
            Some(("asks for credentials that are those of croupier", LEAVE_OUT))
        }
        _ if concerns_one_connection(name) => {
            Some(("concerns one connection only", "leave it out (RFC 9110, section 7.6.1)"))
        }
        _ if name.starts_with("access-control-") || name.starts_with("cross-origin-") => Some((
            "is for browsers, to which croupier itself says what they may do",
            "write `cors`, a key of the group",
        )),
        _ if OF_CROUPIER.contains(&name)
            || TRACE.contains(&name)
            || name.starts_with("content-")
            || name.starts_with("proxy-") =>
        {
            Some(("is written by croupier, whose response is another than that of the upstream", LEAVE_OUT))
        }
        _ => None,
    }
}
