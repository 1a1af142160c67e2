//! A client for XML-RPC servers, ours and everybody else's.
//!
//! ```no_run
//! use croupier::Client;
//!
//! # async fn ten_spins() -> Result<(), Box<dyn std::error::Error>> {
//! let wheel = Client::new("http://127.0.0.1:8008/wheel/american")?;
//! let [number, color, parity, range]: [String; 4] = wheel.call("spin", ()).await?;
//! # Ok(())
//! # }
//! ```

mod builder;
mod error;
mod multicall;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::model::fault::{Fault, Kind};
use crate::protocol::xmlrpc::client::XmlRpcCodec;
pub use crate::upstream::transport::TransportError;
use crate::upstream::transport::{Repeat, Transport};
pub use builder::{BuildError, Builder};
pub use error::CallError;
pub use multicall::{Multicall, Results};

/// A server that is called as if it were here.
///
/// A proxy keeps its connections open and uses them again, for as many calls at a time as one likes; a clone
/// shares them. A call is sent at most once: what can go wrong in the midst of it is an error, and repeating it is
/// for the caller to decide, who knows whether that does harm.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    codec: XmlRpcCodec,
    timeout: Duration,
    max_answer: usize,
}

impl Client {
    /// A proxy for the server at `url`, with the defaults of [`builder`](Client::builder).
    ///
    /// # Errors
    /// As for [`Builder::build`].
    pub fn new(url: &str) -> Result<Client, BuildError> {
        Client::builder(url).build()
    }

    /// Begins a proxy for the server at `url`: `http://host:port/path`, with `user:password@` before the host for
    /// basic authentication, or any other [`Address`](crate::upstream::transport::Address).
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    /// Calls a method. The items of a tuple or an array, and the fields of a record, are its parameters; `()` is
    /// none. The answer may be any type that serde reads; [`Value`](crate::Value) is whatever comes.
    ///
    /// ```no_run
    /// # async fn call(wheel: croupier::Client) -> Result<(), croupier::CallError> {
    /// let spins: Vec<[String; 4]> = wheel.call("spinList", (10,)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where there is no answer, or none of this type; see [`CallError`].
    pub fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: impl Serialize,
    ) -> impl Future<Output = Result<T, CallError>> + Send {
        // Written here and not in the future, which is thereby free of `params`.
        let request = self.inner.codec.encode_call(method, &params);
        async move { Ok(self.inner.codec.decode_response(&self.exchange(request?).await?)?) }
    }

    /// Begins several calls in one request, by way of `system.multicall`.
    ///
    /// ```no_run
    /// # async fn calls(wheel: croupier::Client) -> Result<(), croupier::CallError> {
    /// let mut results = wheel.multicall().add("spin", ()).add("spinList", (3,)).send().await?;
    /// let spin: [String; 4] = results.take()?;
    /// let spins: Vec<[String; 4]> = results.take()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn multicall(&self) -> Multicall<'_> {
        Multicall::new(self)
    }

    /// One request and its response, whole.
    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let limit = self.inner.timeout;
        match timeout(limit, self.exchange_in_time(request)).await {
            Ok(Err(CallError::Transport(error))) if error.is_late() => Err(CallError::Timeout(limit)),
            Ok(exchanged) => exchanged,
            Err(_) => Err(CallError::Timeout(limit)),
        }
    }

    async fn exchange_in_time(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let (head, body) = self.inner.transport.send(request, Repeat::Unsent).await?.into_parts();
        match body.collect(self.inner.max_answer).await {
            Ok(bytes) => Ok(Response::from_parts(head, bytes)),
            // What is said besides the status would have been shortened anyway.
            Err(error) if error.is_too_large() && head.status != StatusCode::OK => {
                Ok(Response::from_parts(head, Bytes::new()))
            }
            Err(error) if error.is_too_large() => Err(CallError::Malformed(Fault::new(Kind::Limit, error.reason()))),
            Err(error) => Err(error.into()),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("server", &self.inner.transport).finish_non_exhaustive()
    }
}
