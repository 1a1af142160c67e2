//! A client for XML-RPC servers.
//!
//! A [`Client`] belongs to one server. [`Client::call`] makes one call; its parameters and its result are any types that
//! serde knows. [`Client::multicall`] makes several calls in one request, by `system.multicall`. What can go wrong is a
//! [`CallError`]. A [`ClientBuilder`] sets credentials, limits, the dialect and TLS.
//!
//! The client consists of the XML-RPC client codec ([`protocol::xmlrpc::client`](crate::protocol::xmlrpc::client)) and a
//! [`Transport`]. The gateway uses the same client codec and transport for its upstreams.
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
use tokio::time::Instant;

use crate::model::fault::{Fault, Kind};
use crate::protocol::xmlrpc::client::XmlRpcCodec;
pub use crate::upstream::transport::TransportError;
use crate::upstream::transport::{Repeat, Transport};
pub use builder::{BuildError, ClientBuilder};
pub use error::CallError;
pub use multicall::{Multicall, MulticallResults};

/// A client for one server.
///
/// Connections are reused, and a clone shares them. Calls may run at the same time. A call is sent at most once: if the
/// connection breaks, that is an error, because only the caller knows whether the call is safe to repeat.
#[derive(Clone)]
pub struct Client {
    inner: Arc<ClientInner>,
}

struct ClientInner {
    transport: Transport,
    codec: XmlRpcCodec,
    timeout: Duration,
    max_response: usize,
}

impl Client {
    /// A client for the server at `url`, with the default settings.
    ///
    /// # Errors
    /// As for [`ClientBuilder::build`].
    pub fn new(url: &str) -> Result<Client, BuildError> {
        Client::builder(url).build()
    }

    /// The settings of a client for the server at `url`: `http://host:port/path`, with `user:password@` before the host for
    /// basic authentication, or any other [`Address`](crate::upstream::transport::Address).
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    /// Calls a method. Its parameters are the items of a tuple or an array, or the fields of a struct; `()` for none. The
    /// result is any type that serde can deserialize; [`Value`](crate::Value) takes every result.
    ///
    /// ```no_run
    /// # async fn call(wheel: croupier::Client) -> Result<(), croupier::CallError> {
    /// let spins: Vec<[String; 4]> = wheel.call("spinList", (10,)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there is no result, or none of this type; see [`CallError`].
    pub fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: impl Serialize,
    ) -> impl Future<Output = Result<T, CallError>> + Send {
        // Encoded here and not in the future: the future then neither borrows `params` nor requires it to be `Send`.
        let request = self.inner.codec.encode_call(method, &params);
        async move { Ok(self.inner.codec.decode_response(&self.exchange(request?).await?)?) }
    }

    /// Collects calls for one request, by `system.multicall`.
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

    /// Sends one request and reads the whole response.
    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let limit = self.inner.timeout;
        match self.exchange_before(request, Instant::now() + limit).await {
            Err(CallError::Transport(error)) if error.is_late() => Err(CallError::Timeout(limit)),
            exchanged => exchanged,
        }
    }

    async fn exchange_before(&self, request: Request<Bytes>, deadline: Instant) -> Result<Response<Bytes>, CallError> {
        let response = self.inner.transport.send(request, Repeat::Unsent, Some(deadline.into_std())).await?;
        let (head, body) = response.into_parts();
        let body = body.with_deadline(Some(deadline.into_std()));
        match body.collect(self.inner.max_response).await {
            Ok(bytes) => Ok(Response::from_parts(head, bytes)),
            // The status is the error; of the body only its beginning would have been in the message.
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
        f.debug_struct("Client").field("server", &self.inner.transport).finish_non_exhaustive()
    }
}
