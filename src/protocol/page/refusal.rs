//! The page that says why a request was refused, for people with a browser.

use std::borrow::Cow;
use std::fmt::Display;

use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde::Serialize;

use super::assets::{self, BASE_STYLE};
use super::prose::{Paragraph, prose, sentence};
use super::templates;
use crate::http::body::Body;
use crate::http::rejection::RefusalReason;
use crate::model::text::abridge;
use crate::protocol::frontend;

/// A refusal, and what the page says besides.
pub(crate) struct Refusal<'a> {
    /// The request.
    pub(crate) head: &'a Parts,
    /// Its id.
    pub(crate) request_id: &'a dyn Display,
    /// The prefix of all paths.
    pub(crate) root: &'a str,
    /// The page from which people find the others; `None` if there is none.
    pub(crate) home: Option<RefusalLink>,
    /// The group or page that the request is for.
    pub(crate) place: Option<RefusalPlace>,
    /// The heading of `entries`.
    pub(crate) heading: String,
    /// What is there, for people to choose from; at most [`MAX_ENTRIES`].
    pub(crate) entries: Vec<RefusalLink>,
    /// How many entries are left out.
    pub(crate) more: usize,
}

/// A group or page that a request is for.
pub(crate) struct RefusalPlace {
    /// Its title.
    pub(crate) title: String,
    /// Its path.
    pub(crate) path: String,
}

/// A link on the page, to a path on this server.
pub(crate) struct RefusalLink {
    /// Its text.
    pub(crate) title: String,
    /// The path, without the prefix of all paths.
    pub(crate) path: String,
    /// The method on the page at the path, if the link leads to one.
    pub(crate) method: Option<String>,
}

/// How many entries the page has at most.
pub(crate) const MAX_ENTRIES: usize = 50;
/// How many characters of the reason the page has at most.
const MAX_REASON: usize = 1000;

/// The variables of the template.
#[derive(Serialize)]
struct RefusalView<'a> {
    title: &'a str,
    nonce: String,
    style: minijinja::Value,
    version: &'a str,
    /// What has happened.
    sentence: Vec<Paragraph>,
    status: String,
    verb: String,
    path: String,
    allow: Option<&'a str>,
    request_id: String,
    home: Option<EntryView>,
    place: Option<EntryView>,
    heading: &'a str,
    entries: Vec<EntryView>,
    /// How many entries are not shown.
    more: usize,
}

#[derive(Serialize)]
struct EntryView {
    title: String,
    href: String,
    /// The path to be shown; empty if it is not.
    path: String,
    /// Whether the title is code.
    code: bool,
}

impl Refusal<'_> {
    /// Makes a response that has the [`RefusalReason`] of a refusal a page. If that fails, the response stays.
    pub(crate) fn into_page(self, mut response: Response<Body>) -> Response<Body> {
        let Some(RefusalReason(reason)) = response.extensions_mut().remove::<RefusalReason>() else { return response };
        let nonce = format!("{:032x}", rand::random::<u128>());
        let Ok(html) = self.render(response.status(), response.headers(), &reason, nonce.clone()) else {
            return response;
        };
        assets::single(response.headers_mut(), &nonce);
        *response.body_mut() = Body::whole(html);
        if self.head.method == Method::HEAD { frontend::head_response(response, false) } else { response }
    }

    fn render(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        reason: &str,
        nonce: String,
    ) -> Result<String, minijinja::Error> {
        let end = reason.char_indices().nth(MAX_REASON).map(|(at, _)| at);
        let reason = match end.and_then(|at| reason.get(..at)) {
            Some(beginning) => Cow::Owned(format!("{beginning}…")),
            None => Cow::Borrowed(reason),
        };
        let view = RefusalView {
            title: title(status),
            nonce,
            style: minijinja::Value::from_safe_string(BASE_STYLE.to_owned()),
            version: env!("CARGO_PKG_VERSION"),
            sentence: prose(&sentence(&reason)),
            status: status.to_string(),
            verb: abridge(self.head.method.as_str()).into(),
            path: abridge(self.head.uri.path()).into(),
            allow: headers.get(header::ALLOW).and_then(|allow| allow.to_str().ok()),
            request_id: self.request_id.to_string(),
            home: self.home.as_ref().map(|home| self.entry(home)),
            place: self.place.as_ref().map(|place| EntryView {
                title: place.title.clone(),
                href: format!("{}{}", self.root, place.path),
                path: place.path.clone(),
                code: false,
            }),
            heading: &self.heading,
            entries: self.entries.iter().map(|link| self.entry(link)).collect(),
            more: self.more,
        };
        templates::render("refusal.html", &view)
    }

    fn entry(&self, link: &RefusalLink) -> EntryView {
        let RefusalLink { title, path, method } = link;
        let fragment = method.as_ref().map(|method| format!("#method-{method}")).unwrap_or_default();
        let shown = if method.is_some() || title == path { "" } else { path.as_str() };
        EntryView {
            title: title.clone(),
            href: format!("{}{path}{fragment}", self.root),
            path: shown.to_owned(),
            code: method.is_some(),
        }
    }
}

/// The heading of the page.
fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "The request is malformed",
        401 => "Not signed in",
        403 => "Not allowed",
        404 => "Not found",
        405 => "Not possible here",
        406 => "Not available in this form",
        408 => "The request took too long",
        411 => "The length is missing",
        413 => "The request is too large",
        415 => "This content is not supported",
        421 => "Unknown name",
        429 => "Too many requests",
        431 => "The head is too large",
        501 => "Not supported",
        502 => "The upstream server failed",
        503 => "Not available now",
        504 => "No response in time",
        500.. => "The server failed",
        _ => "The call failed",
    }
}
