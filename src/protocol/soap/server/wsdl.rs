//! Serves the WSDL document of a group: `GET <path>?wsdl`. The query chooses the style and the versions of SOAP.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::http::body::Body;
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::model::interface::Interface;
use crate::model::shape::Shapes;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::protocol::document::GroupDocument;
use crate::protocol::frontend;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use crate::protocol::soap::wsdl::write as wsdl;
use crate::protocol::soap::wsdl::write::{Style, Versions, WsdlForm};
use crate::service::RpcService;
use crate::service::entity_tag::is_listed;
use crate::service::future::MaybeReady;

/// The frontend that serves `?wsdl` at the path of a group.
#[derive(Debug, Clone)]
pub struct Wsdl {
    /// The public address for the document.
    pub public_url: Arc<PublicUrl>,
    /// The namespace of the group's operations and types: the same as [that of its `Soap` frontend](super::Soap::namespace).
    pub namespace: String,
}

impl Frontend for Wsdl {
    fn protocol(&self) -> Protocol {
        Protocol::Soap
    }

    /// None, because they apply to a path without its query, and the document exists only with `?wsdl`.
    fn verbs(&self, _: &Interface, _: &str) -> &'static [Method] {
        &[]
    }

    /// Claims a request with `?wsdl`, also if it accepts HTML: clients request the document with the headers of a browser.
    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        let reads = matches!(head.parts.method, Method::GET | Method::HEAD);
        if head.tail.is_empty() && reads && query_pairs(head.parts).any(|(name, _)| name.eq_ignore_ascii_case("wsdl")) {
            Claim::Yes
        } else {
            Claim::No
        }
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let response = match (form(request.head), frontend::refuse_undescribed(service.as_ref())) {
            (Ok(_), Some(rejection)) => rejection.into_response(),
            (Ok(form), None) => {
                let address = self.public_url.base(request.head, request.context.peer) + request.path();
                document(request.head, self.text_in(form, &service.interface_for(request.context), &address))
            }
            (Err(reason), _) => HttpRejection::new(StatusCode::BAD_REQUEST, reason).into_response(),
        };
        MaybeReady::now(FrontendResponse { response, method: "".into(), fault: None })
    }
}

impl GroupDocument for Wsdl {
    fn name(&self) -> &'static str {
        "wsdl"
    }

    fn title(&self) -> &'static str {
        "WSDL document"
    }

    fn media_type(&self) -> &'static str {
        "text/xml"
    }

    /// The text of a request without `style` and `versions` in its query.
    fn text(&self, interface: &Interface, url: &str) -> String {
        self.text_in(WsdlForm { style: Style::Document, versions: Versions::One }, interface, url)
    }
}

impl Wsdl {
    fn text_in(&self, form: WsdlForm, interface: &Interface, url: &str) -> String {
        wsdl::document(interface, &Shapes::of(interface), &self.namespace, url, form)
    }
}

/// The names and values in a query, still percent-encoded.
fn query_pairs(head: &Parts) -> impl Iterator<Item = (&str, &str)> {
    let query = head.uri.query().unwrap_or_default();
    query.split('&').map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// The form of the document that a query requests. Parameters other than `style` and `soap` are ignored.
fn form(head: &Parts) -> Result<WsdlForm, String> {
    let style = match single_value(head, "style")?.as_deref() {
        None | Some("document") => Style::Document,
        Some("rpc") => Style::Rpc,
        Some(other) => return Err(format!("`style` must be `document` or `rpc`, not `{}`", abridge(other))),
    };
    let versions = match single_value(head, "soap")?.as_deref() {
        None | Some("1.1") => Versions::One,
        Some("1.2") => Versions::Two,
        Some("both") => Versions::Both,
        Some(other) => return Err(format!("`soap` must be `1.1`, `1.2` or `both`, not `{}`", abridge(other))),
    };
    Ok(WsdlForm { style, versions })
}

/// The value of a parameter in a query, in lower case; `None` if the query does not have it.
fn single_value(head: &Parts, name: &str) -> Result<Option<String>, String> {
    let mut values = query_pairs(head).filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let value = values.next().map(|(_, value)| value.to_ascii_lowercase());
    if values.next().is_some() { Err(format!("`{name}` is given twice")) } else { Ok(value) }
}

/// The response with the document, or 304 if the client has it already. Clients cache WSDL documents for days unless they
/// must revalidate them, and a revalidation is cheap.
fn document(head: &Parts, text: String) -> Response<Body> {
    let tag = tag(&text);
    let mut response = frontend::ok(const { HeaderValue::from_static("text/xml; charset=utf-8") }, Body::default());
    if is_listed(&head.headers, tag.as_bytes()) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
    } else {
        *response.body_mut() = Body::whole(text);
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// A weak entity tag, because the same text may be sent compressed (RFC 9110, section 8.8.1).
fn tag(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    format!("W/\"{:016x}\"", hasher.finish())
}
