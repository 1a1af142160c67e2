//! Calls that are made again or later, after those who have made them first have gone.

use http::{HeaderMap, HeaderName, Method, Version};

use crate::model::interface::Interface;
use crate::service::args::Args;
use crate::service::args::owned::OwnedArgs;
use crate::service::passthrough::HttpCall;
use crate::service::unread_body::UnreadBody;
use crate::service::{Call, CallForm, CallFuture, Context, RpcService};

/// What a call says besides its method and its context.
#[derive(Debug)]
pub(crate) enum KeptCall {
    /// Its arguments.
    Args(OwnedArgs),
    /// The request that is passed on as it is.
    Request(Box<KeptRequest>),
}

/// An HTTP request without a body.
#[derive(Debug)]
pub(crate) struct KeptRequest {
    verb: Method,
    path_values: Vec<String>,
    query: String,
    version: Version,
    headers: HeaderMap,
    credentials: Vec<HeaderName>,
    group_url: String,
}

impl KeptCall {
    /// Keeps a call; `None` if it cannot be made again: its arguments cannot be read, or it is a request with a body or with a
    /// verb that may change something.
    pub(crate) fn of(call: &Call<'_>) -> Option<KeptCall> {
        match call.form {
            CallForm::Http(http) => is_repeatable(http).then(|| KeptCall::Request(Box::new(KeptRequest::of(http)))),
            _ => Some(KeptCall::Args(OwnedArgs::read(call.args).ok()?)),
        }
    }

    /// Makes the call.
    pub(crate) fn call(&self, service: &dyn RpcService, method: &str, context: &Context) -> CallFuture {
        match self {
            KeptCall::Args(args) => args.call(service, method, context),
            KeptCall::Request(request) => request.call(service, method, context),
        }
    }
}

/// Whether a request can be made again: it has no body, which could be read only once, and changes nothing.
pub(crate) fn is_repeatable(http: &HttpCall<'_>) -> bool {
    http.verb.is_safe() && http.body.is_empty()
}

/// The method of another group that takes a call of one with this description, under another name if there is one. For a request
/// that is passed on as it is, that is the method with the same verb and path; `None` if there is none.
pub(crate) fn method_of_other<'m>(
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

impl KeptRequest {
    fn of(http: &HttpCall<'_>) -> KeptRequest {
        KeptRequest {
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
