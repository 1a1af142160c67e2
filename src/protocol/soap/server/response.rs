//! Writes responses in the version and style of the request, whole or row by row.

use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use http::StatusCode;

use super::{build_response, write_fault_response};
use crate::codec::soap::{ElementTarget, FaultCause, SoapStyle, SoapVersion, write_head, write_tail};
use crate::codec::xml::Control;
use crate::http::body::{Body, Source};
use crate::model::fault::{BoxError, Fault, Kind};
use crate::model::shape::{MethodShape, Shape, Shapes};
use crate::protocol::frontend;
use crate::protocol::frontend::{FrontendFuture, FrontendResponse};
use crate::service::future::MaybeReady;
use crate::service::{Encode, Format, Output, Rows};

/// The shape of a result whose type is not known.
static ANY: Shape = Shape::Any;

/// Writes the response to a call.
pub(super) struct ResponseWriter {
    pub(super) shapes: Arc<Shapes>,
    /// The index of the method in the shapes; `None` for a method that the interface does not have.
    pub(super) method: Option<usize>,
    pub(super) namespace: Box<str>,
    pub(super) control: Control,
    pub(super) version: SoapVersion,
    pub(super) style: SoapStyle,
}

impl ResponseWriter {
    pub(super) fn write_response(self, result: Result<Output, Fault>, name: Box<str>) -> FrontendFuture {
        match result {
            Ok(Output::One(value)) => frontend::write_whole(value, self, ResponseWriter::encode_one)
                .map(move |(body, writer)| writer.finish_response(body, name)),
            Ok(Output::Raw(raw)) => {
                let fault = raw.fault.or((raw.status != StatusCode::OK).then_some(Kind::Service(None)));
                MaybeReady::now(FrontendResponse { response: frontend::passthrough_response(raw), method: name, fault })
            }
            Ok(Output::Many(rows)) => MaybeReady::later(async move {
                let version = self.version;
                let namespace = self.namespace.clone();
                let body = Body::gather(RowsResponse::new(self, rows)).await.map_err(frontend::encode_fault);
                write_body_or_fault(body, version, &namespace, name)
            }),
            Err(fault) => MaybeReady::now(self.finish_response(Err(fault), name)),
        }
    }

    fn finish_response(&self, body: Result<Body, Fault>, name: Box<str>) -> FrontendResponse {
        write_body_or_fault(body, self.version, &self.namespace, name)
    }

    fn encode_one(&self, value: &dyn Encode) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::with_capacity(768);
        write_head(&mut bytes, self.version, self.element(), &self.namespace);
        frontend::encode(value, Format::Soap(self.result_target()), &mut bytes)?;
        write_tail(&mut bytes, self.element());
        Ok(bytes)
    }

    fn method(&self) -> Option<&MethodShape> {
        self.method.and_then(|at| self.shapes.methods().get(at))
    }

    /// The name of the element that holds the result.
    fn element(&self) -> &str {
        self.method().map_or("Response", |method| method.response_element.as_str())
    }

    /// The element for the result.
    fn result_target(&self) -> ElementTarget<'_> {
        let document = self.style == SoapStyle::Document;
        ElementTarget {
            shapes: &self.shapes,
            shape: self.method().map_or(&ANY, |method| &method.result),
            element: "result",
            qualified: document,
            member: document,
            control: self.control,
        }
    }

    /// The element for each row, and the text before and after all rows.
    fn row_target(&self) -> (ElementTarget<'_>, Vec<u8>, Vec<u8>) {
        let target = self.result_target();
        let item = |shape| ElementTarget { shape, element: "item", member: false, ..target };
        let prefix = if target.qualified { "m:" } else { "" };
        match target.shape {
            Shape::List(shape) if target.member => {
                (ElementTarget { shape, member: false, ..target }, Vec::new(), Vec::new())
            }
            shape => match self.shapes.follow(shape) {
                Shape::List(shape) => {
                    (item(shape), format!("<{prefix}result>").into(), format!("</{prefix}result>").into())
                }
                _ => {
                    let begin = format!("<{prefix}result><{prefix}array>");
                    (item(&ANY), begin.into(), format!("</{prefix}array></{prefix}result>").into())
                }
            },
        }
    }
}

/// Makes the response with a written result, or writes the response with the fault.
fn write_body_or_fault(
    body: Result<Body, Fault>,
    version: SoapVersion,
    namespace: &str,
    method: Box<str>,
) -> FrontendResponse {
    match body {
        Ok(body) => FrontendResponse { response: build_response(StatusCode::OK, version, body), method, fault: None },
        Err(fault) => write_fault_response(&FaultCause::Call(fault), version, namespace, method),
    }
}

/// A response whose result is one list, made item by item.
struct RowsResponse {
    writer: ResponseWriter,
    rows: Rows,
    begun: bool,
}

impl RowsResponse {
    fn new(writer: ResponseWriter, rows: Rows) -> RowsResponse {
        RowsResponse { writer, rows, begun: false }
    }
}

impl Source for RowsResponse {
    fn poll_fill(&mut self, cx: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        ready!(self.rows.poll_ready(cx))?;
        let writer = &self.writer;
        let (target, before, behind) = writer.row_target();
        if !self.begun {
            write_head(to, writer.version, writer.element(), &writer.namespace);
            to.extend_from_slice(&before);
            self.begun = true;
        }
        let more = self.rows.fill(Format::Soap(target), to, until)?;
        if !more {
            to.extend_from_slice(&behind);
            write_tail(to, writer.element());
        }
        Poll::Ready(Ok(more))
    }

    fn rows(&mut self) -> Option<&mut Rows> {
        Some(&mut self.rows)
    }
}
