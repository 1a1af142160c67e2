//! Where in-process and remote services meet: what answers calls, and what a call and its answer are.

use std::net::SocketAddr;
use std::time::Instant;

use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::args::Args;
use crate::fault::{BoxError, Fault};
use crate::interface::Interface;
use crate::wait::Soon;
use crate::wire::{json, soap, xmlrpc};

/// Whatever answers calls: an in-process service, a remote one, a composition, or a policy around another.
pub trait Service: Send + Sync + 'static {
    /// What may be called, in no protocol's words.
    fn interface(&self) -> &Interface;

    /// Begins a call. The arguments are read before this returns, so the answer borrows nothing; what can be answered
    /// at once may be answered before this returns.
    fn call(&self, call: Call<'_>) -> Pending;
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
pub type Pending = Soon<Result<Answer, Fault>>;

/// What a call comes back with.
pub enum Answer {
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
    XmlRpc(xmlrpc::Dialect),
    /// A JSON text; rows have commas between them.
    Json(json::Dialect),
    /// A JSON text; rows have line feeds behind them.
    JsonLines(json::Dialect),
    /// An element of a SOAP message, with its name; rows are an element each.
    Soap(soap::Place<'f>),
}

/// A value that can be written in any format. One virtual call a value: behind it everything is monomorphic.
pub trait Encode: Send {
    /// Appends the value.
    ///
    /// # Errors
    /// Where the format cannot carry it; what was half written then still stands in `to`.
    fn encode(&self, format: Format<'_>, to: &mut Vec<u8>) -> Result<(), BoxError>;
}

impl<T: Serialize + Send + ?Sized> Encode for T {
    fn encode(&self, format: Format<'_>, to: &mut Vec<u8>) -> Result<(), BoxError> {
        match format {
            Format::XmlRpc(dialect) => Ok(xmlrpc::write_value(to, self, dialect)?),
            Format::Json(dialect) | Format::JsonLines(dialect) => Ok(json::write_value(to, self, dialect)?),
            Format::Soap(place) => Ok(soap::write_value(to, self, place)?),
        }
    }
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
}
