//! Requests in the form of the OpenAPI document of an upstream, which are passed on to it as they are.
//!
//! Of several things at one path, a path of the document without variables comes first, so that clients of the upstream need
//! nothing but the new address: no method of this name is there. Then comes the path of a method, then the routes of the operator,
//! then the paths of the document with variables. A route of the operator without variables precedes all paths of the document.
//! Each verb is looked for by itself.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header};

use super::accept::Media;
use super::body_check::check_body;
use super::described_check::check_params;
use super::problem::RestProblem;
use super::response::ResponseFormat;
use super::{PathTarget, Rest, decoded};
use crate::http::body::EndToEnd;
use crate::model::fault::Fault;
use crate::model::http_operations::{HttpOperation, OperationMatch};
use crate::model::text::abridge;
use crate::protocol::frontend;
use crate::protocol::frontend::{FrontendFuture, FrontendResponse, UnreadRequest};
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::passthrough::HttpCall;
use crate::service::{Call, CallForm, Output, RpcService};

impl<'a> PathTarget<'a> {
    /// The operation of the document that a request with this verb is, and the texts of the variables in its path.
    pub(super) fn described(&self, verb: &Method) -> Option<(&'a HttpOperation, &[&'a str])> {
        let find = |verb: &Method| {
            self.described.iter().find_map(|found| Some((self.operation_in(found, verb)?, found.values.as_slice())))
        };
        let found = find(verb).or_else(|| if verb == Method::HEAD { find(&Method::GET) } else { None });
        found.filter(|(_, values)| {
            let route = self.routes.as_ref().filter(|routes| routes.route(verb).is_some());
            match values.is_empty() {
                true => !route.is_some_and(|routes| routes.values.is_empty()),
                false => route.is_none() && self.own(verb).is_none(),
            }
        })
    }

    /// The operation with this verb, if it calls a method that the interface has.
    fn operation_in(&self, found: &OperationMatch<'a, '_>, verb: &Method) -> Option<&'a HttpOperation> {
        let mut operations = found.operations().filter(|operation| operation.verb == *verb);
        operations.find(|operation| self.interface.method(&operation.method).is_some())
    }

    /// The verbs of all operations at the path.
    pub(super) fn described_verbs(&self) -> impl Iterator<Item = &'a Method> {
        let operations = self.described.iter().flat_map(OperationMatch::operations);
        let known = operations.filter(|operation| self.interface.method(&operation.method).is_some());
        known.map(|operation| &operation.verb)
    }
}

impl Rest {
    /// Passes a request on to the upstream.
    pub(super) fn pass_on(&self, service: &Arc<dyn RpcService>, unread: UnreadRequest<'_>) -> FrontendFuture {
        let UnreadRequest { request, body, whole, credentials } = unread;
        let interface = service.interface();
        let verb = &request.head.method;
        let only_head = *verb == Method::HEAD;
        let target = PathTarget::find(&interface, &self.routes, request.tail);
        // The description of the upstream may have changed since the request was claimed.
        let Some((operation, path_values)) = target.described(verb) else {
            let name = decoded(request.tail);
            return refuse(&name, Fault::no_such_method(&name).into(), only_head);
        };
        if asks_for_web_socket(&request.head.headers) {
            let reason = "WebSocket connections are not passed on to the upstream server";
            let problem = RestProblem::refused(StatusCode::NOT_IMPLEMENTED, reason);
            return refuse(&operation.method, problem, only_head);
        }
        let mut group_url = self.public_url.base(request.head, request.context.peer);
        group_url.push_str(request.path().trim_end_matches('/'));
        let http = HttpCall {
            verb,
            path_values,
            query: request.query(),
            version: request.head.version,
            headers: &request.head.headers,
            credentials,
            body,
            group_url: &group_url,
        };
        if let Some(method) = interface.method(&operation.method) {
            let of_params = check_params(&interface, method, operation, &http);
            let checked = of_params.and_then(|()| match (operation.body.as_ref(), whole) {
                (Some(body), Some(whole)) => check_body(&interface, method, body, (whole, self.limits)),
                _ => Ok(()),
            });
            if let Err(problem) = checked {
                return refuse(&operation.method, problem.with_invalid_status(operation.invalid_status), only_head);
            }
        }
        let call = Call {
            method: &operation.method,
            args: Args::Unread,
            context: request.context,
            form: CallForm::Http(&http),
        };
        let format = self.format(&interface, interface.method(&operation.method), request.head);
        // `Accept` is about the media types of the upstream. JSON is better than no result (RFC 9110, section 12.5.1).
        let format = format.unwrap_or_else(|_| ResponseFormat::new(Media::Json, &interface, None, self.dialect));
        let name: Box<str> = operation.method.as_str().into();
        frontend::start_call(service.as_ref(), call).and_then(move |result| match result {
            Ok(Output::Raw(raw)) => {
                let mut response = frontend::passthrough_response(raw);
                response.extensions_mut().insert(EndToEnd);
                MaybeReady::now(FrontendResponse { response, method: name, fault: None })
            }
            Err(fault) => refuse(&name, fault.into(), only_head),
            // A layer has responded in the place of the upstream.
            result => format.write(result, only_head).map(move |written| match written {
                Ok(response) => FrontendResponse { response, method: name, fault: None },
                Err(fault) => refused(&name, fault.into(), only_head),
            }),
        })
    }
}

fn refuse(method: &str, problem: RestProblem, only_head: bool) -> FrontendFuture {
    MaybeReady::now(refused(method, problem, only_head))
}

fn refused(method: &str, problem: RestProblem, only_head: bool) -> FrontendResponse {
    let fault = problem.kind();
    let response = problem.into_response();
    let response = if only_head { frontend::head_response(response, false) } else { response };
    FrontendResponse { response, method: abridge(method).into(), fault }
}

/// Whether a request asks to continue as a WebSocket connection (RFC 6455, section 4.1).
fn asks_for_web_socket(headers: &HeaderMap) -> bool {
    let protocols =
        headers.get_all(header::UPGRADE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    protocols.map(<[u8]>::trim_ascii).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}
