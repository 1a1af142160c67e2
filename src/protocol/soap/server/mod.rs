//! The SOAP frontend: it serves POST at the path of the group and responds in the version of the request, 1.1 or 1.2.

pub(super) mod action;
mod body_root;
mod namespace;
mod options;
mod response;
mod wsdl;

use std::sync::{Arc, OnceLock};

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::codec::DocumentLimits;
use crate::codec::soap as codec;
use crate::codec::soap::{FaultCause, ParamLayout, SoapCall, SoapMessage, SoapMessageError, SoapStyle, SoapVersion};
use crate::codec::xml::charset;
use crate::http::body::Body;
use crate::http::media_type;
use crate::http::public_url::PublicUrl;
use crate::http::rejection::HttpRejection;
use crate::model::interface;
use crate::model::interface::Interface;
use crate::model::shape::Shapes;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::protocol::frontend;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use crate::protocol::soap::ACTION_HEADER;
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::passthrough::{RawCall, RawFormat};
use crate::service::{Call, CallForm, RpcService};
use response::ResponseWriter;

pub use namespace::namespace_of;
pub use options::SoapOptions;
pub use wsdl::Wsdl;

/// The SOAP frontend of a group.
#[derive(Debug, Clone)]
pub struct Soap {
    /// The settings.
    pub options: SoapOptions,
    /// The limits on the document of a request.
    pub limits: DocumentLimits,
    /// The public address of the server.
    pub public_url: Arc<PublicUrl>,
    namespace: String,
    /// The shapes of the interface, compiled on first use.
    shapes: OnceLock<Arc<Shapes>>,
}

impl Soap {
    /// A frontend with this target namespace, such as the [`namespace_of`] the path of the group. A namespace in the options
    /// takes precedence.
    pub fn new(namespace: impl Into<String>) -> Soap {
        Soap {
            options: SoapOptions::default(),
            limits: DocumentLimits::default(),
            public_url: Arc::default(),
            namespace: namespace.into(),
            shapes: OnceLock::new(),
        }
    }

    /// The target namespace of the group's messages.
    pub fn namespace(&self) -> &str {
        self.options.namespace.as_deref().unwrap_or(&self.namespace)
    }

    /// The shapes of the parameters and results. They are compiled once, because a frontend serves one group.
    pub fn shapes(&self, interface: &Interface) -> &Arc<Shapes> {
        self.shapes.get_or_init(|| Arc::new(Shapes::of(interface)))
    }

    fn shapes_of(&self, service: &dyn RpcService) -> &Arc<Shapes> {
        self.shapes.get_or_init(|| Arc::new(Shapes::of(&service.interface())))
    }
}

impl Frontend for Soap {
    fn protocol(&self) -> Protocol {
        Protocol::Soap
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        vec![ACTION_HEADER]
    }

    fn verbs(&self, _: &Interface, tail: &str) -> &'static [Method] {
        if tail.is_empty() { &[Method::POST] } else { &[] }
    }

    fn media_types(&self) -> &'static [&'static str] {
        &["text/xml", "application/soap+xml"]
    }

    /// Asks for the WSDL document: from that, tools make the envelopes of calls.
    fn example_command(&self, _: Option<&interface::Method>, url: &str) -> Option<String> {
        Some(format!("curl '{url}?wsdl'"))
    }

    /// Claims the media type of SOAP 1.2. SOAP 1.1 shares its media type with other protocols, so the body decides.
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
        match body_root::root_name(body).as_deref() {
            Some(b"Envelope") => true,
            Some(b"methodCall") => false,
            _ => head.headers.contains_key(ACTION_HEADER),
        }
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        match self.start(service, request) {
            Ok(response) => response,
            Err(RequestError { error, method }) => {
                let version = error.version.unwrap_or_else(|| version_by_type(request.head));
                MaybeReady::now(write_fault_response(&error.cause, version, self.namespace(), method))
            }
        }
    }

    fn refuse(&self, head: &Parts, rejection: HttpRejection) -> Response<Body> {
        let version = version_by_type(head);
        let mut bytes = Vec::with_capacity(768);
        codec::write_fault(&mut bytes, &FaultCause::Message(rejection.fault()), version, self.namespace());
        rejection.into_response_with(content_type(version), Body::whole(bytes))
    }
}

/// Why the call of a request could not be started.
struct RequestError {
    error: SoapMessageError,
    /// The name of the called method; empty if it is not known.
    method: Box<str>,
}

impl Soap {
    /// Reads a request and starts its call.
    fn start(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> Result<FrontendFuture, RequestError> {
        let GroupRequest { head, body, context, .. } = request;
        let unreadable = |error| RequestError { error, method: Box::from("") };
        let shapes = self.shapes_of(service.as_ref());
        let style = if is_rpc(request.query()) { SoapStyle::Rpc } else { SoapStyle::Document };
        let text = charset::decode(body, media_type::parameter(&head.headers, "charset"))
            .map_err(|fault| unreadable(fault.into()))?;
        let call = SoapCall::read(&text, self.limits).map_err(unreadable)?;
        if let Some(response) = self.call_raw(service.as_ref(), &call, &text, &request)? {
            return Ok(response);
        }
        let method = call.method();
        let name = check_action(head, &method, shapes, call.version)?;
        let SoapMessage { layout, tape, .. } = call.read_params(shapes, style, self.limits).map_err(unreadable)?;
        let mut values = tape.values();
        let args = match layout {
            ParamLayout::ByPosition => Args::Values(values),
            ParamLayout::ByName => values.next().map_or(Args::None, Args::Members),
        };
        let pending = frontend::start_call(service.as_ref(), Call::new(&method, args, context));
        let response_writer = self.response_writer(shapes, &method, call.version, style);
        Ok(pending.and_then(move |result| response_writer.write_response(result, name)))
    }

    /// Passes a call through in its original bytes if it follows the upstream's own WSDL rather than that of the group, so
    /// that clients made for the upstream keep working.
    fn call_raw(
        &self,
        service: &dyn RpcService,
        call: &SoapCall<'_>,
        text: &str,
        request: &GroupRequest<'_>,
    ) -> Result<Option<FrontendFuture>, RequestError> {
        let namespace = call.namespace.as_deref();
        if namespace == Some(self.namespace()) {
            return Ok(None);
        }
        let interface = service.interface();
        if interface.messages.is_empty() {
            return Ok(None);
        }
        let actions = call.actions();
        let soap12 = call.version == SoapVersion::V12;
        let actions = actions.iter().map(AsRef::as_ref);
        let Some(method) = interface.method_of_message(soap12, call.element, namespace, actions) else {
            return Ok(None);
        };
        let (body, shapes) = (request.body, self.shapes(&interface));
        let name = check_action(request.head, method, shapes, call.version)?;
        let named = media_type::parameter(&request.head.headers, "charset");
        if !call.is_certain() || !charset::is_certain(body, named) || !charset::is_utf8(body, text) {
            return Ok(None);
        }
        let raw = RawCall {
            wire: RawFormat::Soap,
            body,
            id: None,
            charset: None,
            has_further: false,
            is_unambiguous: &|| true,
        };
        let (args, context) = (Args::Unread, request.context);
        let pending = frontend::start_call(service, Call { method, args, context, form: CallForm::Raw(&raw) });
        let response_writer = self.response_writer(shapes, method, call.version, SoapStyle::default());
        Ok(Some(pending.and_then(move |result| response_writer.write_response(result, name))))
    }

    fn response_writer(
        &self,
        shapes: &Arc<Shapes>,
        method: &str,
        version: SoapVersion,
        style: SoapStyle,
    ) -> ResponseWriter {
        ResponseWriter {
            shapes: shapes.clone(),
            method: shapes.methods().iter().position(|known| known.name == method),
            namespace: self.namespace().into(),
            control: self.options.control_characters,
            version,
            style,
        }
    }
}

/// The name of the method for the log, if the action does not contradict it.
fn check_action(head: &Parts, method: &str, shapes: &Shapes, version: SoapVersion) -> Result<Box<str>, RequestError> {
    let name: Box<str> = abridge(method).into();
    match action::check(head, method, shapes) {
        Ok(()) => Ok(name),
        Err(fault) => {
            let error = SoapMessageError { version: Some(version), cause: FaultCause::Call(fault) };
            Err(RequestError { error, method: name })
        }
    }
}

/// The version that a request has by its media type, while its envelope is not known.
fn version_by_type(head: &Parts) -> SoapVersion {
    if is_soap12(media_type::media_type(&head.headers)) { SoapVersion::V12 } else { SoapVersion::V11 }
}

fn is_soap12(media: &str) -> bool {
    media.eq_ignore_ascii_case("application/soap+xml")
}

/// Whether the query is that of the address in a WSDL document of rpc style.
fn is_rpc(query: &str) -> bool {
    !query.is_empty() && query.split('&').any(|part| part == "style=rpc")
}

fn content_type(version: SoapVersion) -> HeaderValue {
    match version {
        SoapVersion::V11 => const { HeaderValue::from_static(SoapVersion::V11.content_type()) },
        SoapVersion::V12 => const { HeaderValue::from_static(SoapVersion::V12.content_type()) },
    }
}

/// A response with the content type of this version.
fn build_response(status: StatusCode, version: SoapVersion, body: Body) -> Response<Body> {
    let mut response = frontend::ok(content_type(version), body);
    *response.status_mut() = status;
    response
}

/// Writes the response with a fault.
fn write_fault_response(
    cause: &FaultCause,
    version: SoapVersion,
    namespace: &str,
    method: Box<str>,
) -> FrontendResponse {
    let mut bytes = Vec::with_capacity(768);
    codec::write_fault(&mut bytes, cause, version, namespace);
    let status = StatusCode::from_u16(cause.status(version)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let response = build_response(status, version, Body::whole(bytes));
    FrontendResponse { response, method, fault: Some(cause.kind()) }
}
