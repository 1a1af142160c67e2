//! Copies of calls, which can be made again, or on another service.

use http::{HeaderMap, HeaderName, Method, Version};

use crate::model::interface::Interface;
use crate::service::args::Args;
use crate::service::args::owned::OwnedArgs;
use crate::service::passthrough::HttpCall;
use crate::service::unread_body::UnreadBody;
use crate::service::{Call, CallForm, CallFuture, Context, RpcService};

/// A copy of the arguments of a call, or of its request.
#[derive(Debug)]
pub(crate) enum RepeatableCall {
    /// Its arguments.
    Args(OwnedArgs),
    /// The request that is passed on as it is.
    Request(Box<RepeatableRequest>),
}

/// An HTTP request without a body.
#[derive(Debug)]
pub(crate) struct RepeatableRequest {
    verb: Method,
    path_values: Vec<String>,
    query: String,
    version: Version,
    headers: HeaderMap,
    credentials: Vec<HeaderName>,
    group_url: String,
}

impl RepeatableCall {
    /// Keeps a call; `None` if it cannot be made again: its arguments cannot be read, or it is a request with a body or with a
    /// verb that may change something.
    pub(crate) fn of(call: &Call<'_>) -> Option<RepeatableCall> {
        match call.form {
            CallForm::Http(http) => {
                is_repeatable(http).then(|| RepeatableCall::Request(Box::new(RepeatableRequest::of(http))))
            }
            _ => Some(RepeatableCall::Args(OwnedArgs::read(call.args).ok()?)),
        }
    }

    /// Makes the call.
    pub(crate) fn call(&self, service: &dyn RpcService, method: &str, context: &Context) -> CallFuture {
        match self {
            RepeatableCall::Args(args) => args.call(service, method, context),
            RepeatableCall::Request(request) => request.call(service, method, context),
        }
    }
}

/// Whether a request can be made again: it has no body, which could be read only once, and changes nothing.
pub(crate) fn is_repeatable(http: &HttpCall<'_>) -> bool {
    http.verb.is_safe() && http.body.is_empty()
}

/// The method of `other` to which a call goes: `renamed`, or the one with the same name. A forwarded HTTP request goes to the method with
/// the same verb and path; `None` if `other` has none, or it is not `renamed`.
pub(crate) fn method_in_other_group<'m>(
    call: &Call<'m>,
    own: &Interface,
    other: &'m Interface,
    renamed: Option<&'m str>,
) -> Option<&'m str> {
    if !matches!(call.form, CallForm::Http(_)) {
        return Some(renamed.unwrap_or(call.method));
    }
    let operation = own.operations.all().iter().find(|operation| operation.method == call.method)?;
    let same = other.operations.with_request_of(operation)?;
    Some(same.method.as_str()).filter(|method| renamed.is_none_or(|renamed| renamed == *method))
}

impl RepeatableRequest {
    fn of(http: &HttpCall<'_>) -> RepeatableRequest {
        RepeatableRequest {
            verb: http.verb.clone(),
            path_values: http.path_values.iter().map(|value| (*value).to_owned()).collect(),
            query: http.query.to_owned(),
            version: http.version,
            headers: http.headers.clone(),
            credentials: http.credentials.to_vec(),
            group_url: http.group_url.to_owned(),
        }
    }

    fn call(&self, service: &dyn RpcService, method: &str, context: &Context) -> CallFuture {
        let path_values: Vec<&str> = self.path_values.iter().map(String::as_str).collect();
        let http = HttpCall {
            verb: &self.verb,
            path_values: &path_values,
            query: &self.query,
            version: self.version,
            headers: &self.headers,
            credentials: &self.credentials,
            body: &UnreadBody::empty(),
            group_url: &self.group_url,
        };
        service.call(Call { method, args: Args::Unread, context, form: CallForm::Http(&http) })
    }
}
