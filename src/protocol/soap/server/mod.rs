//! SOAP 1.1 and 1.2 seen from the client: one POST to the group's own path, answered in the version it came in.

pub(super) mod action;
mod body_root;
mod namespace;
mod options;
mod response;
mod wsdl;

use std::sync::{Arc, OnceLock};

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use crate::codec::Limits;
use crate::codec::soap as wire;
use crate::codec::soap::{ParamLayout, SoapCall, SoapFailure, SoapMessage, SoapRejection, SoapStyle, SoapVersion};
use crate::codec::xml::charset;
use crate::http::body::Body;
use crate::http::media_type;
use crate::http::public_url::PublicUrl;
use crate::model::interface::Interface;
use crate::model::shape::Shapes;
use crate::model::text::abridge;
use crate::protocol::frontend;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::passthrough::{RawCall, RawFormat};
use crate::service::{Call, CallForm, RpcService};
use response::Answering;

pub use namespace::namespace_of;
pub use options::SoapOptions;
pub use wsdl::Wsdl;

/// The SOAP frontend of one group.
#[derive(Debug, Clone)]
pub struct Soap {
    /// What an operator decides about it.
    pub options: SoapOptions,
    /// How large a request's document may be.
    pub limits: Limits,
    /// Under which address clients know this server.
    pub public_url: Arc<PublicUrl>,
    namespace: String,
    /// The shapes of the group's interface, compiled when they are first needed.
    shapes: OnceLock<Arc<Shapes>>,
}

impl Soap {
    /// A frontend whose messages have this target namespace, such as [`namespace_of`] the group's path, unless the options
    /// say otherwise.
    pub fn new(namespace: impl Into<String>) -> Soap {
        Soap {
            options: SoapOptions::default(),
            limits: Limits::default(),
            public_url: Arc::default(),
            namespace: namespace.into(),
            shapes: OnceLock::new(),
        }
    }

    /// The target namespace of the group's messages.
    pub fn namespace(&self) -> &str {
        self.options.namespace.as_deref().unwrap_or(&self.namespace)
    }

    /// The shapes of what the group's methods take and answer. A frontend serves one group, so they are compiled once.
    pub fn shapes(&self, interface: &Interface) -> &Arc<Shapes> {
        self.shapes.get_or_init(|| Arc::new(Shapes::of(interface)))
    }

    fn shapes_of(&self, service: &dyn RpcService) -> &Arc<Shapes> {
        self.shapes.get_or_init(|| Arc::new(Shapes::of(&service.interface())))
    }
}

impl Frontend for Soap {
    fn protocol(&self) -> &'static str {
        "soap"
    }

    fn methods(&self, _: &Interface, tail: &str) -> &'static [Method] {
        if tail.is_empty() { &[Method::POST] } else { &[] }
    }

    /// SOAP 1.2 by its media type; SOAP 1.1 shares its with other protocols.
    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        if !head.tail.is_empty() || head.parts.method != Method::POST {
            return Claim::No;
        }
        let media = head.media;
        if is_soap12(media) {
            Claim::Yes
        } else if media.is_empty() || ["text/xml", "application/xml"].iter().any(|it| media.eq_ignore_ascii_case(it)) {
            Claim::Maybe
        } else {
            Claim::No
        }
    }

    fn recognises(&self, head: &Parts, body: &[u8]) -> bool {
        match body_root::name(body).as_deref() {
            Some(b"Envelope") => true,
            Some(b"methodCall") => false,
            _ => head.headers.contains_key(crate::protocol::soap::ACTION_HEADER),
        }
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        match self.begin(service, request) {
            Ok(reply) => reply,
            Err((rejection, method)) => {
                let by_type = if is_soap12(media_type::media_type(&request.head.headers)) {
                    SoapVersion::V12
                } else {
                    SoapVersion::V11
                };
                let version = rejection.version.unwrap_or(by_type);
                MaybeReady::now(fault(&rejection.refused, version, self.namespace(), method))
            }
        }
    }
}

/// Why a request is not answered, and the method that it calls as far as that is known.
type NotBegun = (SoapRejection, Box<str>);

impl Soap {
    /// Reads a request and begins to answer it.
    fn begin(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> Result<FrontendFuture, NotBegun> {
        let GroupRequest { head, body, context, .. } = request;
        let unread = |rejection| (rejection, Box::from(""));
        let shapes = self.shapes_of(service.as_ref());
        let style = if is_rpc(request.query()) { SoapStyle::Rpc } else { SoapStyle::Document };
        let text = charset::decode(body, media_type::parameter(&head.headers, "charset"))
            .map_err(|fault| unread(fault.into()))?;
        let opened = SoapCall::read(&text, self.limits).map_err(unread)?;
        if let Some(reply) = self.call_raw(service.as_ref(), &opened, &text, &request)? {
            return Ok(reply);
        }
        let method = opened.method();
        let name = checked(head, &method, shapes, opened.version)?;
        let SoapMessage { given, tape, .. } = opened.call(shapes, style, self.limits).map_err(unread)?;
        let mut values = tape.values();
        let args = match given {
            ParamLayout::ByPosition => Args::Values(values),
            ParamLayout::ByName => values.next().map_or(Args::None, Args::Members),
        };
        let pending = frontend::begin(service.as_ref(), Call::new(&method, args, context));
        let answering = self.answering(shapes, &method, opened.version, style);
        Ok(pending.and_then(move |answer| answering.write(answer, name)))
    }

    /// Passes a call through in its original bytes if it follows the upstream's own WSDL rather than that of the group, so
    /// that clients made for the upstream keep working.
    fn call_raw(
        &self,
        service: &dyn RpcService,
        opened: &SoapCall<'_>,
        text: &str,
        request: &GroupRequest<'_>,
    ) -> Result<Option<FrontendFuture>, NotBegun> {
        let namespace = opened.namespace.as_deref();
        if namespace == Some(self.namespace()) {
            return Ok(None);
        }
        let interface = service.interface();
        if interface.messages.is_empty() {
            return Ok(None);
        }
        let actions = opened.actions();
        let soap12 = opened.version == SoapVersion::V12;
        let actions = actions.iter().map(AsRef::as_ref);
        let Some(method) = interface.method_of_message(soap12, opened.element, namespace, actions) else {
            return Ok(None);
        };
        let (body, shapes) = (request.body, self.shapes(&interface));
        let name = checked(request.head, method, shapes, opened.version)?;
        let named = media_type::parameter(&request.head.headers, "charset");
        if !opened.is_certain() || !charset::is_certain(body, named) || !charset::is_utf8(body, text) {
            return Ok(None);
        }
        let raw = RawCall { wire: RawFormat::Soap, body, content_type: None, is_unambiguous: &|| true };
        let (args, context) = (Args::Unread, request.context);
        let pending = frontend::begin(service, Call { method, args, context, form: CallForm::Raw(&raw) });
        let answering = self.answering(shapes, method, opened.version, SoapStyle::default());
        Ok(Some(pending.and_then(move |result| answering.write(result, name))))
    }

    fn answering(&self, shapes: &Arc<Shapes>, method: &str, version: SoapVersion, style: SoapStyle) -> Answering {
        Answering {
            shapes: shapes.clone(),
            method: shapes.methods().iter().position(|known| known.name == method),
            namespace: self.namespace().into(),
            control: self.options.control_characters,
            version,
            style,
        }
    }
}

/// The name of the method that is called, for the log, if nothing beside the message contradicts it.
fn checked(head: &Parts, method: &str, shapes: &Shapes, version: SoapVersion) -> Result<Box<str>, NotBegun> {
    let name: Box<str> = abridge(method).into();
    match action::check(head, method, shapes) {
        Ok(()) => Ok(name),
        Err(fault) => Err((SoapRejection { version: Some(version), refused: SoapFailure::Call(fault) }, name)),
    }
}

fn is_soap12(media: &str) -> bool {
    media.eq_ignore_ascii_case("application/soap+xml")
}

/// Whether the address is the one that a WSDL document of rpc style gives.
fn is_rpc(query: &str) -> bool {
    !query.is_empty() && query.split('&').any(|part| part == "style=rpc")
}

fn response(status: StatusCode, version: SoapVersion, body: Body) -> Response<Body> {
    let content_type = match version {
        SoapVersion::V11 => const { HeaderValue::from_static(SoapVersion::V11.content_type()) },
        SoapVersion::V12 => const { HeaderValue::from_static(SoapVersion::V12.content_type()) },
    };
    let mut response = frontend::ok(content_type, body);
    *response.status_mut() = status;
    response
}

/// The response that says why there is no answer.
fn fault(refused: &SoapFailure, version: SoapVersion, namespace: &str, method: Box<str>) -> FrontendResponse {
    let mut bytes = Vec::with_capacity(768);
    wire::write_fault(&mut bytes, refused, version, namespace);
    let status = StatusCode::from_u16(refused.status(version)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    FrontendResponse { response: response(status, version, Body::whole(bytes)), method, fault: Some(refused.kind()) }
}
