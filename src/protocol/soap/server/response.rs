//! Answers of the version and style that a call came in, whole or row by row.

use std::sync::Arc;
use std::task::{Context as Task, Poll};

use http::StatusCode;

use super::{fault, response};
use crate::codec::soap::{ElementTarget, SoapFailure, SoapStyle, SoapVersion, write_head, write_tail};
use crate::codec::xml::Control;
use crate::http::body::{Body, Source};
use crate::model::fault::{BoxError, Fault, Kind};
use crate::model::shape::{MethodShape, Shape, Shapes};
use crate::protocol::frontend;
use crate::protocol::frontend::{FrontendFuture, FrontendResponse};
use crate::service::future::MaybeReady;
use crate::service::{Encode, Format, Output, Rows};

/// The form of a result of which nothing is known.
static ANY: Shape = Shape::Any;

/// How a call is to be answered.
pub(super) struct Answering {
    pub(super) shapes: Arc<Shapes>,
    /// The place of the method among the shapes; `None` for one that the interface does not have.
    pub(super) method: Option<usize>,
    pub(super) namespace: Box<str>,
    pub(super) control: Control,
    pub(super) version: SoapVersion,
    pub(super) style: SoapStyle,
}

impl Answering {
    pub(super) fn write(self, answer: Result<Output, Fault>, name: Box<str>) -> FrontendFuture {
        match answer {
            Ok(Output::One(value)) => {
                let body = self.one(value.as_ref());
                MaybeReady::now(self.replied(body, name))
            }
            Ok(Output::Raw(raw)) => {
                let fault = (raw.status != StatusCode::OK).then_some(Kind::Service(None));
                MaybeReady::now(FrontendResponse { response: frontend::passed(raw), method: name, fault })
            }
            Ok(Output::Many(rows)) => MaybeReady::later(async move {
                let (version, namespace) = (self.version, self.namespace.clone());
                let body = Body::gather(Listing::new(self, rows)).await.map_err(frontend::unsent);
                replied(body, version, &namespace, name)
            }),
            Err(fault) => MaybeReady::now(self.replied(Err(fault), name)),
        }
    }

    fn replied(&self, body: Result<Body, Fault>, name: Box<str>) -> FrontendResponse {
        replied(body, self.version, &self.namespace, name)
    }

    fn one(&self, value: &dyn Encode) -> Result<Body, Fault> {
        let mut bytes = Vec::with_capacity(768);
        write_head(&mut bytes, self.version, self.element(), &self.namespace);
        frontend::encode(value, Format::Soap(self.place()), &mut bytes)?;
        write_tail(&mut bytes, self.element());
        Ok(Body::whole(bytes))
    }

    fn method(&self) -> Option<&MethodShape> {
        self.method.and_then(|at| self.shapes.methods().get(at))
    }

    /// The name of the element that holds the result.
    fn element(&self) -> &str {
        self.method().map_or("Response", |method| method.answer.as_str())
    }

    /// Where the result stands.
    fn place(&self) -> ElementTarget<'_> {
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

    /// Where each row stands, and what stands around all of them.
    fn rows(&self) -> (ElementTarget<'_>, Vec<u8>, Vec<u8>) {
        let place = self.place();
        let item = |shape| ElementTarget { shape, element: "item", qualified: true, member: false, ..place };
        let name = if place.qualified { "m:result" } else { "result" };
        match place.shape {
            Shape::List(shape) if place.member => {
                (ElementTarget { shape, member: false, ..place }, Vec::new(), Vec::new())
            }
            shape => match self.shapes.follow(shape) {
                Shape::List(shape) => (item(shape), format!("<{name}>").into(), format!("</{name}>").into()),
                _ => (item(&ANY), format!("<{name}><m:array>").into(), format!("</m:array></{name}>").into()),
            },
        }
    }
}

fn replied(body: Result<Body, Fault>, version: SoapVersion, namespace: &str, method: Box<str>) -> FrontendResponse {
    match body {
        Ok(body) => FrontendResponse { response: response(StatusCode::OK, version, body), method, fault: None },
        Err(failed) => fault(&SoapFailure::Call(failed), version, namespace, method),
    }
}

/// An answer that is one list, made item by item.
struct Listing {
    answering: Answering,
    rows: Rows,
    begun: bool,
}

impl Listing {
    fn new(answering: Answering, rows: Rows) -> Listing {
        Listing { answering, rows, begun: false }
    }
}

impl Source for Listing {
    fn poll_fill(&mut self, _: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        let answering = &self.answering;
        let (place, before, behind) = answering.rows();
        if !self.begun {
            write_head(to, answering.version, answering.element(), &answering.namespace);
            to.extend_from_slice(&before);
            self.begun = true;
        }
        let more = self.rows.fill(Format::Soap(place), to, until)?;
        if !more {
            to.extend_from_slice(&behind);
            write_tail(to, answering.element());
        }
        Poll::Ready(Ok(more))
    }
}
