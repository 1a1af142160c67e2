//! The style sheet and the script of pages, and the headers of pages and their parts.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::http::body::Body;
use crate::model::interface::PageSection;
use crate::protocol::frontend;
use crate::service::entity_tag::is_listed;

/// The content security policy of a page: its own script and style sheet, and calls to its own server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The content security policy of a page made from an operator's template: style sheets and pictures from its own
/// server, and forms that lead to it. No script runs.
const OWN_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                          base-uri 'none'; frame-ancestors 'none'";

/// The part of the style sheet that every page needs, for pages that carry it in themselves.
pub(super) const BASE_STYLE: &str = include_str!("base.css");

/// Caching of a page: clients validate it for each use.
const REVALIDATE: &str = "no-cache";

/// Caching of a part: for a year without validation, because its address has a hash of its content.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// One part of a page.
pub(super) struct Asset {
    content_type: &'static str,
    text: &'static str,
    /// What the section of a service adds to this part.
    addition: fn(&PageSection) -> &'static str,
    /// A hash of the text.
    pub(super) version: LazyLock<String>,
}

pub(super) static STYLE: Asset = Asset {
    content_type: "text/css; charset=utf-8",
    text: concat!(include_str!("base.css"), include_str!("page.css")),
    addition: |section| section.style,
    version: LazyLock::new(|| hash(STYLE.text)),
};

pub(super) static SCRIPT: Asset = Asset {
    content_type: "text/javascript; charset=utf-8",
    text: concat!(
        include_str!("script/json.js"),
        include_str!("script/xml.js"),
        include_str!("script/calls.js"),
        include_str!("script/code.js"),
        include_str!("script/forms.js"),
        include_str!("script/list.js"),
    ),
    addition: |section| section.script,
    version: LazyLock::new(|| hash(SCRIPT.text)),
};

impl Asset {
    /// The part at a path below that of a page.
    pub(super) fn at(tail: &str) -> Option<&'static Asset> {
        match tail {
            "page.css" => Some(&STYLE),
            "page.js" => Some(&SCRIPT),
            _ => None,
        }
    }

    /// The response with this part, for a page to which a service may add a section.
    pub(super) fn response(&'static self, request: &Parts, section: Option<&PageSection>) -> Response<Body> {
        let addition = section.map(self.addition).unwrap_or_default();
        let body = if addition.is_empty() {
            Body::whole(self.text.as_bytes())
        } else {
            Body::whole([self.text, addition].concat())
        };
        conditional(request, &self.version_with(section), IMMUTABLE, self.content_type, body)
    }

    /// A hash of the text and of what the section adds.
    pub(super) fn version_with(&'static self, section: Option<&PageSection>) -> Cow<'static, str> {
        match section.map(self.addition).unwrap_or_default() {
            "" => Cow::Borrowed(&self.version),
            addition => Cow::Owned(hash(&[&self.version, addition].concat())),
        }
    }
}

/// A part of a page that is not built in.
pub(super) fn part(request: &Parts, version: &str, content_type: &'static str, body: Body) -> Response<Body> {
    conditional(request, version, IMMUTABLE, content_type, body)
}

/// The response with a page made from an operator's template. It shows current data and is not cached.
pub(super) fn own(html: String) -> Response<Body> {
    let mut response = frontend::ok(const { HeaderValue::from_static("text/html; charset=utf-8") }, Body::whole(html));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(OWN_POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Makes a response a page with this status that carries its style sheet in itself, marked by a nonce. It is about one
/// request and is not cached. The other headers stay.
pub(super) fn single(headers: &mut HeaderMap, nonce: &str) {
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'none'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    headers.extend(HeaderValue::try_from(policy).map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for name in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::ETAG] {
        headers.remove(name);
    }
}

/// The response with a page.
pub(super) fn page(request: &Parts, html: String) -> Response<Body> {
    let version = hash(&html);
    let mut response = conditional(request, &version, REVALIDATE, "text/html; charset=utf-8", Body::whole(html));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The whole response, or 304 if the client has this version already (RFC 9110, section 13.1.2).
///
/// The validator is weak, because the response may be compressed later.
fn conditional(
    request: &Parts,
    version: &str,
    caching: &'static str,
    content_type: &'static str,
    body: Body,
) -> Response<Body> {
    let tag = format!("W/\"{version}\"");
    let mut response = if is_listed(&request.headers, tag.as_bytes()) {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        frontend::ok(HeaderValue::from_static(content_type), body)
    };
    let headers = response.headers_mut();
    headers.extend(HeaderValue::try_from(tag).map(|tag| (header::ETAG, tag)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A hash that is the same in every process of a build.
pub(super) fn hash(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use crate::protocol::Protocol;

    /// The tables by protocol in the script of calls: their names and their keys.
    fn tables(script: &str) -> Vec<(&str, Vec<&str>)> {
        let table = |part| {
            let (name, rest): (&str, &str) = str::split_once(part, " = {\n")?;
            let (body, _) = rest.split_once("\n};")?;
            let members = body.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
            let keys = members.filter_map(|member| Some(member.split_once(':')?.0.trim().trim_matches('\'')));
            name.chars().all(char::is_alphanumeric).then(|| (name, keys.collect()))
        };
        script.split("\nconst ").filter_map(table).collect()
    }

    #[test]
    fn the_page_can_call_every_protocol() {
        let tables = tables(include_str!("script/calls.js"));
        assert_eq!(tables.len(), 2, "requests and results: {tables:?}");
        for (name, keys) in tables {
            for protocol in Protocol::OF_PAGES {
                assert!(keys.contains(&protocol.name()), "`{name}` in script/calls.js has no `{protocol}`: {keys:?}");
            }
        }
    }
}
