//! XML-RPC seen from the client: one POST to the group's own path, answered with status 200 whatever comes of it.

mod multicall;
mod system;
pub mod tongue;

use std::sync::Arc;
use std::task::{Context as Task, Poll};

use http::Method;
use http::request::Parts;

use super::face::{self, Claim, Face, GroupRequest, Replied, Reply};
use crate::args::Args;
use crate::body::{Body, Source};
use crate::fault::{BoxError, Fault, Kind};
use crate::interface::Interface;
use crate::service::{Answer, Call, Context, Encode, Format, Pending, Rows, Service};
use crate::text::abridge;
use crate::wait::Soon;
use crate::wire::Limits;
use crate::wire::tape::Values;
use crate::wire::xml::charset;
use crate::wire::xmlrpc::{self as wire, Dialect, Document, Root};
use multicall::{Answers, Calls};

/// The XML-RPC face of a group.
#[derive(Debug, Clone, Copy)]
pub struct XmlRpc {
    /// How what XML-RPC leaves open is read and written.
    pub dialect: Dialect,
    /// How large a request's document may be.
    pub limits: Limits,
    /// How many calls one `system.multicall` may hold (1,000 by default).
    pub multicall: usize,
}

impl Default for XmlRpc {
    fn default() -> Self {
        XmlRpc { dialect: Dialect::default(), limits: Limits::default(), multicall: 1000 }
    }
}

impl Face for XmlRpc {
    fn methods(&self, _: &Interface, tail: &str) -> &'static [Method] {
        if tail.is_empty() { &[Method::POST] } else { &[] }
    }

    /// XML by its media type, or no media type at all. Never `text/plain` or a form: those a browser sends to
    /// any site without asking.
    fn claims(&self, _: &Interface, head: &Parts, tail: &str) -> Claim {
        let xml = |media: &str| {
            let is = |name: &str| media.eq_ignore_ascii_case(name);
            let suffix = media.len().checked_sub(4).and_then(|at| media.get(at..));
            let xml_of_its_own = suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+xml"));
            media.is_empty()
                || is("text/xml")
                || is("application/xml")
                || (xml_of_its_own && !is("application/soap+xml"))
        };
        let claimed = head.method == Method::POST && tail.is_empty() && xml(face::media_type(head));
        if claimed { Claim::Yes } else { Claim::No }
    }

    fn serve(&self, service: &Arc<dyn Service>, request: GroupRequest<'_>) -> Reply {
        let dialect = self.dialect;
        let (method, body) = match self.begin(service, request) {
            Ok((method, body)) => (method, body),
            Err(fault) => (Box::from(""), Soon::now(Err(fault))),
        };
        body.map(move |body| {
            let fault = body.as_ref().err().map(|fault| fault.kind);
            let response = face::ok("text/xml", body.unwrap_or_else(|fault| fault_body(&fault, dialect)));
            Replied { response, method, fault }
        })
    }
}

/// The body of an answer, now or later.
type Written = Soon<Result<Body, Fault>>;

impl XmlRpc {
    /// Reads a request and begins to answer it: the method's name, and the body of the answer.
    fn begin(
        &self,
        service: &Arc<dyn Service>,
        GroupRequest { head, body, context, .. }: GroupRequest<'_>,
    ) -> Result<(Box<str>, Written), Fault> {
        let text = charset::decode(body, face::media_parameter(&head.headers, "charset"))?;
        let Document { root, tape } = Document::read(&text, self.dialect.reading, self.limits)?;
        let Root::Call(method) = root else {
            return Err(Fault::new(Kind::Structure, "this is an answer, not a `methodCall`"));
        };
        let dialect = self.dialect;
        let body = if method == multicall::NAME {
            match Calls::new(tape, self.multicall, service.clone(), context.clone()) {
                Ok(calls) => {
                    Soon::later(async move { Body::gather(Answers::new(calls, dialect)).await.map_err(face::unsent) })
                }
                Err(fault) => Soon::now(Err(fault)),
            }
        } else {
            begin_call(service.as_ref(), &method, tape.values(), context).and_then(move |answer| write(answer, dialect))
        };
        Ok((abridge(&method).into(), body))
    }
}

fn begin_call(service: &dyn Service, method: &str, params: Values<'_, '_>, context: &Context) -> Pending {
    let args = Args::Values(params);
    match system::call(service.interface(), method, args) {
        Some(answer) => Soon::now(answer),
        None => face::begin(service, Call { method, args, context }),
    }
}

fn write(answer: Result<Answer, Fault>, dialect: Dialect) -> Written {
    match answer {
        Ok(Answer::One(value)) => Soon::now(write_one(value.as_ref(), dialect)),
        Ok(Answer::Many(rows)) => {
            let array = Array { rows, dialect, begun: false };
            Soon::later(async move { Body::gather(array).await.map_err(face::unsent) })
        }
        Err(fault) => Soon::now(Err(fault)),
    }
}

fn write_one(value: &dyn Encode, dialect: Dialect) -> Result<Body, Fault> {
    let mut bytes = Vec::with_capacity(512);
    wire::answer_head(&mut bytes, dialect);
    face::encode(value, Format::XmlRpc(dialect), &mut bytes)?;
    bytes.extend_from_slice(wire::answer_tail());
    Ok(Body::whole(bytes))
}

/// An answer that is one array, made item by item.
struct Array {
    rows: Rows,
    dialect: Dialect,
    begun: bool,
}

impl Source for Array {
    fn poll_fill(&mut self, _: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        if !self.begun {
            wire::answer_head(to, self.dialect);
            to.extend_from_slice(ARRAY_HEAD);
            self.begun = true;
        }
        let more = self.rows.fill(Format::XmlRpc(self.dialect), to, until)?;
        if !more {
            to.extend_from_slice(ARRAY_TAIL);
            to.extend_from_slice(wire::answer_tail());
        }
        Poll::Ready(Ok(more))
    }
}

const ARRAY_HEAD: &[u8] = b"<value><array><data>";
const ARRAY_TAIL: &[u8] = b"</data></array></value>";

fn fault_body(fault: &Fault, dialect: Dialect) -> Body {
    let mut bytes = Vec::with_capacity(512);
    wire::write_fault(&mut bytes, fault, dialect);
    Body::whole(bytes)
}
