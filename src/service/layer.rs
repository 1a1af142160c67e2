//! Layers: rules around a group's service, such as limits, authentication, a cache or metrics.
//!
//! A layer has one function. Every call of the group goes through it, whichever way it came: alone or in a batch, read or
//! in its original bytes, over any protocol, from a page, or as part of an aggregate.
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use croupier::app::App;
//! use croupier::server::mount::GroupMount;
//! use croupier::service::layer::GroupLayer;
//! use croupier::service::{Call, CallFuture, RpcService};
//!
//! /// Counts the calls of a group.
//! #[derive(Default)]
//! struct Count(AtomicU64);
//!
//! impl GroupLayer for Count {
//!     fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
//!         self.0.fetch_add(1, Ordering::Relaxed);
//!         next.call(call)
//!     }
//! }
//!
//! # use croupier::service::local::Local;
//! # let service = Local::new("Nothing", ()).build()?;
//! let app = App::new().mount_group(GroupMount::new("/counted", service).layer(Count::default()))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::Arc;

use http::HeaderName;

use crate::model::interface::Interface;
use crate::service::latest::Latest;
use crate::service::{Call, CallFuture, RpcService};

/// A rule around a group's service.
///
/// The arguments of a call are read inside `next.call`, so a layer calls `next` before it returns, and puts what it does
/// later (wait, measure, replace the result) into the future that it returns. A future that is not polled has sent
/// nothing. To refuse a call, return a fault without calling `next`.
///
/// Pass on [`Call::form`] unchanged: with [`CallForm::Plain`](crate::service::CallForm) in its place a call still
/// works, but is not sent in its original bytes or together with others.
pub trait GroupLayer: Send + Sync + 'static {
    /// Handles a call, with `next` for what is inside this layer.
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture;

    /// The headers of a request that the layer reads from [`Context::headers`](crate::service::Context::headers).
    fn request_headers(&self) -> Vec<HeaderName> {
        Vec::new()
    }
}

impl<L: GroupLayer + ?Sized> GroupLayer for Arc<L> {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        (**self).call(call, next)
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        (**self).request_headers()
    }
}

/// A service with a layer around it.
struct Layered<L> {
    layer: L,
    inner: Arc<dyn RpcService>,
    request_headers: Vec<HeaderName>,
    /// The description of `inner`, with the headers that the layer asks for.
    latest: Latest,
}

/// Puts a layer around a service.
pub fn layered(inner: Arc<dyn RpcService>, layer: impl GroupLayer) -> Arc<dyn RpcService> {
    let request_headers = layer.request_headers();
    Arc::new(Layered { layer, inner, request_headers, latest: Latest::default() })
}

impl<L: GroupLayer> RpcService for Layered<L> {
    fn interface(&self) -> Arc<Interface> {
        let inner = self.inner.interface();
        if self.request_headers.iter().all(|header| inner.request_headers.contains(header)) {
            return inner;
        }
        self.latest.get(std::iter::once(inner), |inner| {
            let mut interface = inner.iter().map(|inner| Interface::clone(inner)).next().unwrap_or_default();
            let missing = self.request_headers.iter().filter(|header| !interface.request_headers.contains(header));
            let missing: Vec<_> = missing.cloned().collect();
            interface.request_headers.extend(missing);
            interface
        })
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        self.layer.call(call, self.inner.as_ref())
    }
}
