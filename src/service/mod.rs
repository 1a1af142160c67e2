//! Services, calls and results, whatever the protocol.
//!
//! A [`RpcService`] has a description (its [`Interface`]) and takes calls by method name. There are three kinds:
//! [`Local`](local::Local) has handlers in this process, an [`Upstream`](crate::upstream::Upstream) sends calls to another
//! server, and an [`Aggregate`](aggregate::Aggregate) calls methods of other services and puts their results together.
//!
//! A protocol makes a [`Call`] of each message: the name of the method, its [arguments](args::Args), the [`Context`] of the
//! request, and the wire form of the call ([`CallForm`]). The arguments are not read before a handler says what types
//! they have. The service returns a [`CallFuture`], which may be ready at once and then costs no allocation. Its
//! [`Output`] is one value, [rows](Rows) produced during sending, or an upstream's response in its original bytes
//! ([`passthrough`]). The protocol writes the value in its own [`Format`].
//!
//! Calls of one request may travel to an upstream together: they share a [`Batch`].
//!
//! A [`GroupLayer`](layer::GroupLayer) is a rule around a service, such as the [limits](limiter) of a group. It sees
//! every call, can change or refuse it, and can change its result.
//!
//! ```
//! use croupier::model::value::{SizeBudget, Value};
//! use croupier::service::args::Args;
//! use croupier::service::local::Local;
//! use croupier::service::{Call, Context, RpcService};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Local::new("Greeter", ()).method("hello", |_: &(), (): ()| "world").build()?;
//! let output = service.call(Call::new("hello", Args::None, &Context::default())).await?;
//! assert_eq!(output.into_value(SizeBudget::new(1000)).await?, Value::Text("world".into()));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "server")]
pub mod access;
#[cfg(feature = "server")]
pub mod aggregate;
#[cfg(feature = "server")]
pub(crate) mod already_hashed;
pub mod args;
pub mod batch;
#[cfg(feature = "server")]
pub mod cache;
#[cfg(feature = "server")]
pub mod caller_key;
mod collect;
mod context;
pub(crate) mod counters;
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only the program writes log lines itself"))]
pub(crate) mod current_request;
#[cfg(feature = "server")]
pub(crate) mod entity_tag;
#[cfg(feature = "server")]
pub mod fallback;
pub mod future;
pub(crate) mod hop_by_hop;
mod latest;
pub mod layer;
#[cfg(feature = "server")]
mod limit_headers;
pub mod limiter;
pub mod local;
pub(crate) mod lock;
pub(crate) mod log_throttle;
pub(crate) mod long_work;
pub(crate) mod memory_pool;
pub mod outage;
pub mod passthrough;
pub mod permit;
#[cfg(feature = "server")]
pub mod quota;
#[cfg_attr(not(feature = "client"), allow(dead_code, reason = "only upstreams and sampling use random numbers"))]
pub(crate) mod random;
#[cfg(feature = "server")]
pub mod rate;
#[cfg(feature = "server")]
pub(crate) mod repeatable_call;
pub mod request_id;
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "only a server has an access log"))]
pub mod request_record;
pub(crate) mod resize;
pub mod response_headers;
pub mod result_memory;
pub mod rows;
#[cfg(feature = "server")]
pub(crate) mod sampling;
#[cfg(feature = "server")]
pub mod shadow;
#[cfg_attr(not(feature = "otlp"), allow(dead_code, reason = "without a collector no spans are recorded"))]
pub(crate) mod spans;
#[cfg(feature = "server")]
pub mod split;
#[cfg(feature = "server")]
pub mod target;
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "only a server receives requests"))]
pub mod trace_context;
pub mod unread_body;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

pub use http::{HeaderMap, HeaderName};
use serde::Serialize;

use crate::codec::{json, soap, xmlrpc};
use crate::model::fault::{BoxError, Fault, Kind};
use crate::model::interface::Interface;
use crate::model::value::{SizeBudget, Value, ValueError, value_of};
use crate::service::args::Args;
use crate::service::batch::Batch;
pub use crate::service::context::{Context, Identity, RequestTarget};
pub use crate::service::future::MaybeReady;
use crate::service::outage::Outage;
use crate::service::passthrough::{HttpCall, RawCall, RawResponse};
use crate::service::permit::ResponsePermit;
use crate::service::result_memory::ReservedMemory;

/// A service that is called by method name: in-process, an upstream, an aggregate, or a wrapper around another.
///
/// A wrapper that hands each [`Call`] to what it wraps keeps every feature of it: the original bytes of a message and
/// the batch that a call came in are part of the call, and what an upstream has beyond plain methods is part of its
/// interface. To add a rule to a group, write a [`GroupLayer`](layer::GroupLayer).
pub trait RpcService: Send + Sync + 'static {
    /// The current description. A service whose description changes returns another `Arc` from then on.
    fn interface(&self) -> Arc<Interface>;

    /// The description as this caller may read it, for introspection, documents and pages: without the methods that the caller
    /// may not call, if the group hides those. A wrapper returns what the service inside it returns.
    fn interface_for(&self, _caller: &Context) -> Arc<Interface> {
        self.interface()
    }

    /// Why calls cannot succeed at the moment, for pages and documents; `None` if they can, as far as is known. A wrapper
    /// returns what the service inside it returns.
    fn outage(&self) -> Option<Outage> {
        None
    }

    /// Begins a call. The arguments are read before this returns, so the future borrows nothing; a result that is
    /// available at once may be in the future already.
    fn call(&self, call: Call<'_>) -> CallFuture;
}

impl<S: RpcService + ?Sized> RpcService for Arc<S> {
    fn interface(&self) -> Arc<Interface> {
        (**self).interface()
    }

    fn interface_for(&self, caller: &Context) -> Arc<Interface> {
        (**self).interface_for(caller)
    }

    fn outage(&self) -> Option<Outage> {
        (**self).outage()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        (**self).call(call)
    }
}

/// A call of a method.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The name of the method, as the caller wrote it.
    pub method: &'a str,
    /// The arguments, not yet read.
    pub args: Args<'a>,
    /// The caller and the request.
    pub context: &'a Context,
    /// In which form the call came, for services that can do more with it than read its arguments.
    pub form: CallForm<'a>,
}

impl<'a> Call<'a> {
    /// A call that comes alone and whose arguments are read.
    pub fn new(method: &'a str, args: Args<'a>, context: &'a Context) -> Call<'a> {
        Call { method, args, context, form: CallForm::Plain }
    }
}

/// In which form a call came. A service may treat each of them as [`Plain`](CallForm::Plain).
#[derive(Debug, Clone, Copy)]
pub enum CallForm<'a> {
    /// Alone, and with no claim on its original bytes.
    Plain,
    /// With the bytes of its message, which an upstream that speaks the same protocol can receive unchanged. The
    /// result may be an [`Output::Raw`].
    Raw(&'a RawCall<'a>),
    /// As an HTTP request in the form of the upstream's own description, whose body has not been read. The arguments cannot be
    /// read otherwise ([`Args::Unread`]). The result may be an [`Output::Raw`].
    Http(&'a HttpCall<'a>),
    /// With other calls in one request, which an upstream can receive in one request too.
    Batch(&'a Batch),
}

/// The result of a call, now or later.
pub type CallFuture = MaybeReady<Result<Output, Fault>>;

/// The result of a call.
pub enum Output {
    /// One value.
    One(Box<dyn Encode>),
    /// An array that is made item by item, as the reader takes it.
    Many(Rows),
    /// The response of an upstream in its original bytes. Only a call whose form is [`CallForm::Raw`] or
    /// [`CallForm::Http`] returns one.
    Raw(RawResponse),
}

impl Output {
    /// One value, and the memory that is reserved for it until it has been sent.
    pub fn reserved(value: Box<dyn Encode>, memory: ReservedMemory) -> Output {
        Output::One(reserved(value, memory))
    }

    /// The same result, which holds a permit until its last row or byte has been read. One value holds none: it is complete.
    pub fn holding(self, permit: ResponsePermit) -> Output {
        match self {
            one @ Output::One(_) => one,
            Output::Many(rows) => Output::Many(rows.holding(permit)),
            Output::Raw(response) => Output::Raw(response.holding(permit)),
        }
    }
}

/// The format in which a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format<'f> {
    /// An XML-RPC `<value>`.
    XmlRpc(xmlrpc::XmlRpcDialect),
    /// A JSON text; rows have commas between them.
    Json(json::JsonDialect),
    /// A JSON text; rows have line feeds behind them.
    JsonLines(json::JsonDialect),
    /// An element of a SOAP message, with its name; rows are an element each.
    Soap(soap::ElementTarget<'f>),
}

/// A value that can be written in any format. One virtual call a value: behind it everything is monomorphic.
pub trait Encode: Send {
    /// Appends the value.
    ///
    /// # Errors
    /// If the format cannot carry the value. What has been written of it remains in `to`.
    fn encode(&self, format: Format<'_>, to: &mut Vec<u8>) -> Result<(), BoxError>;

    /// The value in no format, to be put into another result.
    ///
    /// # Errors
    /// If the value exceeds the budget, or contains what a [`Value`] cannot.
    fn value(&self, room: &mut SizeBudget) -> Result<Value, ValueError>;

    /// Takes the memory that is reserved for the value, if it has any. The protocol that has encoded the value calls this, and
    /// holds the memory until the response is sent.
    fn take_memory(&mut self) -> Option<ReservedMemory> {
        None
    }
}

/// A value with the memory that is reserved for it until it has been sent.
pub(crate) fn reserved(value: Box<dyn Encode>, memory: ReservedMemory) -> Box<dyn Encode> {
    if memory.is_empty() { value } else { Box::new(ReservedValue { value, memory }) }
}

/// A value with the memory that is reserved for it.
struct ReservedValue {
    value: Box<dyn Encode>,
    memory: ReservedMemory,
}

impl Encode for ReservedValue {
    fn encode(&self, format: Format<'_>, to: &mut Vec<u8>) -> Result<(), BoxError> {
        self.value.encode(format, to)
    }

    fn value(&self, room: &mut SizeBudget) -> Result<Value, ValueError> {
        self.value.value(room)
    }

    fn take_memory(&mut self) -> Option<ReservedMemory> {
        Some(std::mem::take(&mut self.memory))
    }
}

impl<T: Serialize + Send + ?Sized> Encode for T {
    fn encode(&self, format: Format<'_>, to: &mut Vec<u8>) -> Result<(), BoxError> {
        match format {
            Format::XmlRpc(dialect) => Ok(xmlrpc::write_value(to, self, dialect)?),
            Format::Json(dialect) | Format::JsonLines(dialect) => Ok(json::write_value(to, self, dialect)?),
            Format::Soap(place) => Ok(soap::write_value(to, self, place)?),
        }
    }

    fn value(&self, room: &mut SizeBudget) -> Result<Value, ValueError> {
        value_of(self, room)
    }
}

/// How many rows are collected at a time, in less than a millisecond.
pub(crate) const PORTION: usize = 1000;

impl Output {
    /// The result as one value, rows as an array, to be put into another result or shown.
    ///
    /// ```
    /// use croupier::service::Output;
    /// use croupier::model::value::{SizeBudget, Value};
    /// # use croupier::service::rows::RowSet;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), croupier::Fault> {
    /// let rows = Output::Many(["a", "b"].into_iter().into_rows());
    /// let value = rows.into_value(SizeBudget::new(1000)).await?;
    /// assert_eq!(value, Value::Array(vec![Value::Text("a".into()), Value::Text("b".into())]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Limit` if the result exceeds the budget; the service's own fault if rows end in one; `Internal` if a type panics
    /// while it is written; `Service` if the result contains what a [`Value`] cannot.
    pub async fn into_value(self, mut room: SizeBudget) -> Result<Value, Fault> {
        let mut rows = match self {
            Output::One(value) => return catch_panic(|| Ok(value.value(&mut room)?)),
            Output::Many(rows) => rows,
            Output::Raw(_) => return Err(Fault::internal()),
        };
        let mut values = Vec::new();
        loop {
            rows.ready().await?;
            if !catch_panic(|| rows.values(&mut values, PORTION, &mut room))? {
                return Ok(Value::Array(values));
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Makes values, and turns a panic into a fault of this call.
pub(crate) fn catch_panic<T>(make: impl FnOnce() -> Result<T, BoxError>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(make)).map_err(|_| Fault::internal())?.map_err(value_fault)
}

/// The fault for a result that cannot be made a value.
fn value_fault(error: BoxError) -> Fault {
    match error.downcast::<Fault>() {
        Ok(fault) => *fault,
        Err(error) => match error.downcast_ref() {
            Some(ValueError::TooLarge(_)) => Fault::new(Kind::Limit, format!("the result is too large: {error}")),
            _ => Fault::new(Kind::Service(None), format!("the result cannot be passed on: {error}")),
        },
    }
}

/// An array that is made item by item, in constant memory whatever its length.
pub struct Rows {
    source: Box<dyn RowSource>,
    /// Held until the last item has been read, so that a limit on running calls counts this one.
    permit: Option<ResponsePermit>,
}

/// How many bytes rows may have so that they are sent as a whole, if their source does not say more.
const WHOLE: usize = 64 << 10;

/// Makes rows. It fills a buffer at a time, since a virtual call for each row would be slow.
pub trait RowSource: Send {
    /// Becomes ready when items can be made without waiting, or there are no more. Most sources are always ready.
    ///
    /// # Errors
    /// If the rest of the items cannot be had.
    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    /// Appends encoded items and the format's separators until `to` has `until` bytes or more, or a turn of work is done,
    /// which may be less. Returns whether there may be further items.
    ///
    /// # Errors
    /// If the format cannot carry an item.
    fn fill(&mut self, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, BoxError>;

    /// Appends at most `most` items in no format. Returns whether there may be further items. One source is read either
    /// this way or with [`fill`](RowSource::fill).
    ///
    /// # Errors
    /// If an item exceeds the budget, or contains what a [`Value`] cannot.
    fn values(&mut self, to: &mut Vec<Value>, most: usize, room: &mut SizeBudget) -> Result<bool, BoxError>;

    /// Passes on the memory that is reserved for the rows, if there is any, once all of them have been written.
    fn take_memory(&mut self) -> Option<ReservedMemory> {
        None
    }

    /// How many bytes the rows may have, as they are written, so that they are sent as a whole, with a known length. The
    /// memory for as many bytes has to be reserved if it is more than the default.
    fn whole_up_to(&self) -> usize {
        WHOLE
    }
}

impl Rows {
    /// Rows from a source of one's own.
    pub fn new(source: impl RowSource + 'static) -> Rows {
        Rows { source: Box::new(source), permit: None }
    }

    /// The same rows, which hold a permit until the last of them has been read.
    pub fn holding(self, permit: ResponsePermit) -> Rows {
        Rows { permit: Some(permit), ..self }
    }

    /// Passes on the memory that is reserved for the rows, once all of them have been written.
    pub(crate) fn take_memory(&mut self) -> Option<ReservedMemory> {
        self.source.take_memory()
    }

    /// Becomes ready when there are items, or there are no more. Reading without waiting for this makes only the items that
    /// are there already, which may be none.
    ///
    /// # Errors
    /// If the rest of the items cannot be had.
    pub fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.source.poll_ready(cx)
    }

    /// How many bytes the rows may have so that they are sent as a whole.
    pub(crate) fn whole_up_to(&self) -> usize {
        self.source.whole_up_to()
    }

    /// Waits until [`poll_ready`](Rows::poll_ready) is.
    ///
    /// # Errors
    /// The fault of `poll_ready`.
    pub(crate) async fn ready(&mut self) -> Result<(), Fault> {
        poll_fn(|cx| self.poll_ready(cx)).await.map_err(value_fault)
    }

    /// Appends encoded items until `to` has `until` bytes or more, or a turn of work is done. Returns whether there may be
    /// further items.
    ///
    /// # Errors
    /// If the format cannot carry an item.
    pub fn fill(&mut self, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, BoxError> {
        self.resume();
        let more = self.source.fill(format, to, until)?;
        self.pause(more);
        Ok(more)
    }

    /// Appends at most `most` items in no format. Returns whether there may be further items.
    ///
    /// # Errors
    /// As for [`RowSource::values`].
    pub fn values(&mut self, to: &mut Vec<Value>, most: usize, room: &mut SizeBudget) -> Result<bool, BoxError> {
        self.resume();
        let more = self.source.values(to, most, room)?;
        self.pause(more);
        Ok(more)
    }

    fn resume(&self) {
        if let Some(permit) = &self.permit {
            permit.resume();
        }
    }

    /// Notes that rows are ready for the reader, and whether there may be more of them.
    fn pause(&mut self, more: bool) {
        match &self.permit {
            Some(permit) if more => permit.pause(),
            _ => self.permit = None,
        }
    }
}
