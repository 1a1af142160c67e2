//! Where in-process and remote services meet: what answers calls, and what a call and its answer are.

pub mod aggregate;
pub mod args;
pub mod future;
pub mod limits;
pub mod local;
pub mod passthrough;
pub mod rows;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::codec::{json, soap, xmlrpc};
use crate::model::fault::{BoxError, Fault, Kind};
use crate::model::interface::Interface;
use crate::model::value::{SizeBudget, Value, ValueError, value_of};
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::passthrough::{RawCall, RawFormat, RawResponse};

/// Whatever answers calls: an in-process service, a remote one, a composition, or a policy around another.
pub trait RpcService: Send + Sync + 'static {
    /// What may be called, in no protocol's words.
    fn interface(&self) -> &Interface;

    /// Begins a call. The arguments are read before this returns, so the answer borrows nothing; what can be answered
    /// at once may be answered before this returns.
    fn call(&self, call: Call<'_>) -> CallFuture;

    /// Whether it may have methods beside those of its interface: a server elsewhere that has not said what it offers.
    fn has_undescribed_methods(&self) -> bool {
        false
    }

    /// Whether calls that come in one request are best [begun together](RpcService::call_batch).
    fn supports_batching(&self) -> bool {
        false
    }

    /// Begins several calls that came in one request, so that they travel together to whoever answers them; `None` where
    /// each has to be [begun](RpcService::call) by itself.
    fn call_batch(&self, _calls: &[Call<'_>]) -> Option<BatchFuture> {
        None
    }

    /// The method that a call is of which is written as somebody else's description has it; `None` where none is known here.
    fn method_of_raw(&self, _wire: RawFormat<'_>) -> Option<&str> {
        None
    }

    /// Begins a call that is passed on as it is written, to a server that speaks the same protocol; `None` where there is
    /// none, and the call has to be [read](RpcService::call).
    fn call_raw(&self, _call: Call<'_>, _written: RawCall<'_>) -> Option<RawFuture> {
        None
    }
}

/// A call: which method, with what, and on whose behalf.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The name of the method, as the caller wrote it.
    pub method: &'a str,
    /// The arguments, unread.
    pub args: Args<'a>,
    /// What is known of the caller and of the request.
    pub context: &'a Context,
}

/// What is known of a request, whatever its protocol.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Where the request came from; `None` for a unix socket.
    pub peer: Option<SocketAddr>,
    /// When the answer is of no use any more.
    pub deadline: Option<Instant>,
}

/// An answer that is on its way.
pub type CallFuture = MaybeReady<Result<Output, Fault>>;

/// The answers to calls that travel together, in the order of the calls, on their way.
pub type BatchFuture = MaybeReady<Vec<Result<Box<dyn Encode>, Fault>>>;

/// An answer to a call that was passed on as it is: one that is passed on as well, or that had to be read.
pub type RawFuture = MaybeReady<Result<RawOutcome, Fault>>;

/// See [`RawFuture`].
pub enum RawOutcome {
    /// The answer as it is written.
    RawResponse(RawResponse),
    /// The answer as it was read.
    Read(Output),
}

/// What a call comes back with.
pub enum Output {
    /// One value.
    One(Box<dyn Encode>),
    /// An array that is made item by item, as the reader takes it.
    Many(Rows),
}

/// The form in which a value is to be written.
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
    /// Where the format cannot carry it; what was half written then still stands in `to`.
    fn encode(&self, format: Format<'_>, to: &mut Vec<u8>) -> Result<(), BoxError>;

    /// The value in no format: for whoever puts it into another answer.
    ///
    /// # Errors
    /// Where there is no room for it, or it holds what no [`Value`] does.
    fn value(&self, room: &mut SizeBudget) -> Result<Value, ValueError>;
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

/// How many rows are collected before others get their turn: less than a millisecond's.
const PORTION: usize = 1000;

impl Output {
    /// The answer as one value, rows as the array of them: for whoever puts it into another answer, or shows it.
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
    /// `Limit` where there is no room for it; the service's own fault where rows end in one; `Internal` where a type
    /// panics; `RpcService` where it holds what no [`Value`] does.
    pub async fn into_value(self, mut room: SizeBudget) -> Result<Value, Fault> {
        let mut rows = match self {
            Output::One(value) => return guarded(|| Ok(value.value(&mut room)?)),
            Output::Many(rows) => rows,
        };
        let mut values = Vec::new();
        while guarded(|| rows.values(&mut values, PORTION, &mut room))? {
            tokio::task::yield_now().await;
        }
        Ok(Value::Array(values))
    }
}

/// Makes values so that a panic is its own call's fault and nobody else's.
fn guarded<T>(make: impl FnOnce() -> Result<T, BoxError>) -> Result<T, Fault> {
    let made = catch_unwind(AssertUnwindSafe(make)).map_err(|_| Fault::internal())?;
    made.map_err(|error| match error.downcast::<Fault>() {
        Ok(fault) => *fault,
        Err(error) => match error.downcast_ref() {
            Some(ValueError::TooLarge(_)) => Fault::new(Kind::Limit, format!("the answer is too large: {error}")),
            _ => Fault::new(Kind::Service(None), format!("the answer cannot be passed on: {error}")),
        },
    })
}

/// An array made item by item, in constant memory whatever its length.
pub struct Rows {
    source: Box<dyn RowSource>,
    /// Held until the last item is out, so that a limit on running calls counts this one.
    permit: Option<OwnedSemaphorePermit>,
}

/// Where rows come from: many a call of this would be slow, so it fills a buffer at a time.
pub trait RowSource: Send {
    /// Appends encoded items, with what the format wants between them, until `to` is `until` bytes long or more.
    /// Answers whether there may be items left.
    ///
    /// # Errors
    /// Where the format cannot carry an item.
    fn fill(&mut self, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, BoxError>;

    /// Appends items in no format, at most so many. Answers whether there may be items left. Of one source items are
    /// taken either this way or with [`fill`](RowSource::fill).
    ///
    /// # Errors
    /// Where there is no room for an item, or it holds what no [`Value`] does.
    fn values(&mut self, to: &mut Vec<Value>, most: usize, room: &mut SizeBudget) -> Result<bool, BoxError>;
}

impl Rows {
    /// Rows from a source of one's own.
    pub fn new(source: impl RowSource + 'static) -> Rows {
        Rows { source: Box::new(source), permit: None }
    }

    /// The same rows, holding a permit until they are out.
    pub fn holding(self, permit: OwnedSemaphorePermit) -> Rows {
        Rows { permit: Some(permit), ..self }
    }

    /// Appends encoded items until `to` is `until` bytes long or more; answers whether there may be items left.
    ///
    /// # Errors
    /// Where the format cannot carry an item.
    pub fn fill(&mut self, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, BoxError> {
        let more = self.source.fill(format, to, until)?;
        if !more {
            self.permit = None;
        }
        Ok(more)
    }
    /// Appends at most so many items in no format; answers whether there may be items left.
    ///
    /// # Errors
    /// As for [`RowSource::values`].
    pub fn values(&mut self, to: &mut Vec<Value>, most: usize, room: &mut SizeBudget) -> Result<bool, BoxError> {
        let more = self.source.values(to, most, room)?;
        if !more {
            self.permit = None;
        }
        Ok(more)
    }
}
