//! What a page consists of, and the headers of all of it.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};

use crate::http::body::Body;
use crate::model::interface::PageSection;
use crate::protocol::frontend;

/// What a page may do: its own script and style sheet, calls to its own server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// What a page of an operator's own may do: style sheets and pictures from its own server, forms that lead there, and
/// nothing else; above all no script.
const OWN_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                          base-uri 'none'; frame-ancestors 'none'";

/// How a page is kept: asked for again each time, with what it was before.
const REVALIDATE: &str = "no-cache";

/// How a part is kept: for a year and without asking, since its address changes with it.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// One part of a page.
pub(super) struct Asset {
    content_type: &'static str,
    text: &'static str,
    /// What a section of a service adds to it.
    addition: fn(&PageSection) -> &'static str,
    /// A hash of the text.
    pub(super) version: LazyLock<String>,
}

pub(super) static STYLE: Asset = Asset {
    content_type: "text/css; charset=utf-8",
    text: include_str!("page.css"),
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
    ),
    addition: |section| section.script,
    version: LazyLock::new(|| hash(SCRIPT.text)),
};

impl Asset {
    /// The part at this place below a page.
    pub(super) fn at(tail: &str) -> Option<&'static Asset> {
        match tail {
            "page.css" => Some(&STYLE),
            "page.js" => Some(&SCRIPT),
            _ => None,
        }
    }

    /// The response with this part of a page to which a service may have added a section.
    pub(super) fn response(&'static self, request: &Parts, section: Option<&PageSection>) -> Response<Body> {
        let addition = section.map(self.addition).unwrap_or_default();
        let body = if addition.is_empty() {
            Body::whole(self.text.as_bytes())
        } else {
            Body::whole([self.text, addition].concat())
        };
        conditional(request, &self.version_with(section), IMMUTABLE, self.content_type, body)
    }

    /// A hash of the text with what the section adds.
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

/// The response with a page of an operator's own, which shows what is now and is kept by nobody.
pub(super) fn own(html: String) -> Response<Body> {
    let mut response = frontend::ok(const { HeaderValue::from_static("text/html; charset=utf-8") }, Body::whole(html));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(OWN_POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A page's response.
pub(super) fn page(request: &Parts, html: String) -> Response<Body> {
    let version = hash(&html);
    let mut response = conditional(request, &version, REVALIDATE, "text/html; charset=utf-8", Body::whole(html));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The whole response, or 304 where the client has this version already (RFC 9110, section 13.1.2).
///
/// The validator is a weak one, since the same text may be packed on its way.
fn conditional(
    request: &Parts,
    version: &str,
    kept: &'static str,
    content_type: &'static str,
    body: Body,
) -> Response<Body> {
    let tag = format!("W/\"{version}\"");
    let mut response = if has(request, &tag) {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        frontend::ok(HeaderValue::from_static(content_type), body)
    };
    let headers = response.headers_mut();
    headers.extend(HeaderValue::try_from(tag).map(|tag| (header::ETAG, tag)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn has(request: &Parts, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let values = request.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim() == "*" || opaque(one) == opaque(tag))
}

/// A hash that is the same in every process of one build.
pub(super) fn hash(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
