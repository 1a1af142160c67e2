//! A server elsewhere, called as a service.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::runtime::Handle;

use super::version::{Offer, Versions};
use super::{Multicall, Options};
use crate::codec::xmlrpc::MULTICALL;
use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::model::shape::Shapes;
use crate::model::value::Value;
use crate::protocol::client_codec::{Asked, NoAnswer, Tongue};
use crate::protocol::jsonrpc;
use crate::protocol::xmlrpc;
use crate::service::args;
use crate::service::args::Arguments;
use crate::service::future::{Soon, aside};
use crate::service::passthrough::{Wire, Written};
use crate::service::{Answer, Call, Pending, Relaying, Service, Together};
use crate::upstream::Speaks;
use crate::upstream::transport::{Repeat, Transport, TransportError};

/// From this many bytes on an answer is read on a thread beside those that answer small ones.
pub(super) const LARGE: usize = 256 << 10;

/// A server elsewhere, called as a service.
///
/// It has no methods until it has [described itself](Remote::learn); until then, servers of XML-RPC and JSON-RPC are asked
/// all the same, with what the caller gives. Clones are the same server.
#[derive(Clone)]
pub struct Remote {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) transport: Transport,
    pub(super) options: Options,
    pub(super) versions: Versions,
}

impl Remote {
    /// A server that is reached this way. Nobody is asked before the first call, or before somebody wants to
    /// [learn](Remote::learn).
    pub fn new(transport: Transport, options: Options) -> Remote {
        let interface =
            Interface { title: options.title.clone().unwrap_or_else(|| options.name.clone()), ..Interface::default() };
        let none = Offer {
            shapes: Shapes::of(&interface),
            interface,
            guessed: true,
            complete: false,
            strangers: Vec::new(),
            tongue: first_tongue(&options),
        };
        Remote { inner: Arc::new(Inner { transport, options, versions: Versions::new(none) }) }
    }

    /// Asks the server what it is, and takes that for its interface from now on. Answers whether that is another than
    /// before.
    ///
    /// # Errors
    /// Where the server cannot be reached or does not say; what was known before is then still so.
    pub async fn learn(&self) -> Result<bool, Fault> {
        let offer = self.ask_itself().await?;
        let before = self.inner.versions.last();
        if before.complete == offer.complete && before.interface == offer.interface && before.tongue.is_some() {
            return Ok(false);
        }
        if !self.inner.versions.add(offer) {
            return Err(Fault::new(Kind::Internal, "the server has described itself in too many ways"));
        }
        Ok(true)
    }

    /// Takes over what another has learned, if that is the same server, about which the operator says the same: for as long
    /// as this one has learned nothing itself.
    pub fn remember(&self, other: &Remote) {
        let (own, known) = (&self.inner, other.offer());
        let same = own.options == other.inner.options && self.servers() == other.servers();
        if same && known.complete && own.versions.count() == 0 {
            own.versions.add(known.clone());
        }
    }

    /// How long after the server has described itself it is asked again.
    pub fn refresh(&self) -> Duration {
        self.inner.options.refresh
    }

    /// Where the server is, for messages; without passwords.
    pub fn servers(&self) -> String {
        self.inner.transport.names().collect::<Vec<_>>().join(" and ")
    }

    pub(super) fn offer(&self) -> &Offer {
        self.inner.versions.last()
    }

    /// Calls a method as it is, for whoever learns.
    pub(super) async fn ask(&self, tongue: &Tongue, method: &str, arguments: Vec<Value>) -> Result<Value, NoAnswer> {
        let asked = Asked { method, known: None };
        let request = tongue.ask(asked, Arguments::ByPosition(arguments)).map_err(NoAnswer::Fault)?;
        let response = self.exchange(request, Repeat::Harmless).await.map_err(NoAnswer::Fault)?;
        tongue.hear(asked, &response)
    }

    pub(super) async fn exchange(&self, request: Request<Bytes>, repeat: Repeat) -> Result<Response<Bytes>, Fault> {
        let exchanged = self.inner.transport.exchange(request, repeat, self.inner.options.largest).await;
        exchanged.map_err(|error| self.unanswered(&error))
    }

    /// The fault that an error on the way is for the caller.
    pub(super) fn unanswered(&self, error: &TransportError) -> Fault {
        tracing::warn!(%error, server = self.servers(), "a call has no answer");
        unanswered(error)
    }

    /// Whether the request for a call may be sent twice.
    pub(super) fn repeat(&self, method: &str) -> Repeat {
        let options = &self.inner.options;
        let harmless = options.safe.has(method) || options.idempotent.has(method);
        if harmless { Repeat::Harmless } else { Repeat::Unsent }
    }

    /// A method as the interface has it; `None` where nobody knows. One that stands for other calls is none, whatever the
    /// server has: those could be of methods that may not be called.
    pub(super) fn find<'k>(&self, offer: &'k Offer, method: &str) -> Result<Option<args::Known<'k>>, Fault> {
        if !self.inner.options.allows(method) || method.eq_ignore_ascii_case(MULTICALL) {
            return Err(Fault::no_such_method(method));
        }
        match offer.shapes.method(method) {
            Some(shape) => Ok(Some(args::Known { method: shape, shapes: &offer.shapes, guessed: offer.guessed })),
            None if offer.complete => Err(Fault::no_such_method(method)),
            None => Ok(None),
        }
    }

    /// The request that makes a call, and whether it may be sent twice.
    fn request(&self, offer: &Offer, call: &Call<'_>) -> Result<(Request<Bytes>, Repeat), Fault> {
        let (asked, arguments) = self.prepare(offer, call)?;
        let tongue = offer.tongue.as_ref().ok_or_else(unlearned)?;
        Ok((tongue.ask(asked, arguments)?, self.repeat(call.method)))
    }

    /// A call as the server is to have it, with its secret if it wants one.
    pub(super) fn prepare<'c>(&self, offer: &'c Offer, call: &Call<'c>) -> Result<(Asked<'c>, Arguments), Fault> {
        let asked = Asked { method: call.method, known: self.find(offer, call.method)? };
        let arguments = call.args.read()?;
        let Some(token) = &self.inner.options.token else { return Ok((asked, arguments)) };
        let mut values = match asked.known {
            Some(known) => arguments.by_position(known)?,
            None => positions(arguments)?,
        };
        values.insert(0, Value::Text(token.clone()));
        Ok((Asked { known: None, ..asked }, Arguments::ByPosition(values)))
    }

    /// The answer in a response; `offer` is what was known when it was asked for.
    pub(super) fn hear(&self, method: &str, offer: &Offer, response: &Response<Bytes>) -> Result<Answer, Fault> {
        let tongue = offer.tongue.as_ref().ok_or_else(unlearned)?;
        let asked = Asked { method, known: self.find(offer, method)? };
        match tongue.hear(asked, response) {
            Ok(value) => Ok(Answer::One(Box::new(value))),
            Err(no_answer) => Err(self.fault_of(method, no_answer)),
        }
    }

    /// The fault that a response without an answer is for the caller.
    pub(super) fn fault_of(&self, method: &str, no_answer: NoAnswer) -> Fault {
        if !matches!(no_answer, NoAnswer::Fault(_)) {
            tracing::warn!(error = %no_answer, server = self.servers(), method, "a call has no answer that can be read");
        }
        no_answer.into_fault()
    }
}

/// The fault that an error on the way is for whoever need not know where the server is.
pub(super) fn unanswered(error: &TransportError) -> Fault {
    let kind = if error.is_late() { Kind::Late } else { Kind::Unreachable };
    Fault::new(kind, format!("the server behind this one does not answer: {}", error.reason()))
}

fn unlearned() -> Fault {
    Fault::new(Kind::Unreachable, "the server behind this one has not yet said how it is asked")
}

fn positions(arguments: Arguments) -> Result<Vec<Value>, Fault> {
    match arguments {
        Arguments::ByPosition(values) => Ok(values),
        Arguments::ByName(none) if none.is_empty() => Ok(Vec::new()),
        Arguments::ByName(_) => {
            Err(Fault::bad_params("the order of the parameters is not known here: give them by position"))
        }
    }
}

/// How a server is asked before it has said anything.
fn first_tongue(options: &Options) -> Option<Tongue> {
    match options.speaks {
        Speaks::XmlRpc => {
            let dialect = options.dialect;
            let bare = options.multicall == Multicall::Bare;
            Some(Tongue::XmlRpc(xmlrpc::client::Tongue { dialect, bare, ..xmlrpc::client::Tongue::default() }))
        }
        Speaks::JsonRpc => {
            let passing = options.passing;
            Some(Tongue::JsonRpc(jsonrpc::client::Tongue { passing, ..jsonrpc::client::Tongue::default() }))
        }
        Speaks::Soap => None,
    }
}

impl Service for Remote {
    fn interface(&self) -> &Interface {
        &self.offer().interface
    }

    fn may_have_more(&self) -> bool {
        !self.offer().complete
    }

    fn takes_several(&self) -> bool {
        self.inner.options.multicall != Multicall::Avoid
    }

    fn call_together(&self, calls: &[Call<'_>]) -> Option<Together> {
        self.send_together(calls)
    }

    fn method_of(&self, wire: Wire<'_>) -> Option<&str> {
        match &self.offer().tongue {
            Some(Tongue::Soap(tongue)) => tongue.method_of(wire),
            _ => None,
        }
    }

    fn relay(&self, call: Call<'_>, written: Written<'_>) -> Option<Relaying> {
        self.pass_on(call, written)
    }

    fn call(&self, call: Call<'_>) -> Pending {
        let version = self.inner.versions.count();
        let (request, repeat) = match self.request(self.inner.versions.at(version), &call) {
            Ok(request) => request,
            Err(fault) => return Soon::now(Err(fault)),
        };
        let (remote, method) = (self.clone(), call.method.to_owned());
        Soon::later(async move {
            let response = remote.exchange(request, repeat).await?;
            let large = response.body().len() >= LARGE;
            let hear = move || remote.hear(&method, remote.inner.versions.at(version), &response);
            if large { aside(&Handle::current(), hear).await } else { hear() }
        })
    }
}
