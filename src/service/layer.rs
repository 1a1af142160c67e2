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
use crate::service::future::{MaybeReady, catch_panic, catch_panic_of};
use crate::service::latest::Latest;
use crate::service::outage::Outage;
use crate::service::{Call, CallFuture, Context, RpcService};

/// A rule around a group's service.
///
/// **A call may run inside `next.call`.** The arguments of a call are read there, so a layer calls `next` before it returns
/// its own future. A handler of [`method`](crate::service::local::Builder::method),
/// [`method_with_context`](crate::service::local::Builder::method_with_context) or
/// [`rows`](crate::service::local::Builder::rows) has run when `next.call` returns, and what it has changed stays changed.
/// The same holds for the parts of an aggregate that are such handlers. Only an asynchronous or blocking handler, and the
/// request to an upstream, wait until the future that `next.call` returns is polled: before that, nothing of them has run or
/// has been sent.
///
/// A layer therefore decides before it calls `next`, from what it has at hand: the call, its context, and its own state. A
/// decision that needs waiting, such as asking another server who the caller is, comes too late in the future of the layer,
/// unless no handler of the group is of the first kind. It belongs in front of the gateway, for example in a middleware of
/// the HTTP server that embeds the gateway. The middleware puts the result into the extensions of the request, which are the
/// [`Context::extensions`](crate::service::Context::extensions) of its calls.
///
/// To refuse a call, return a fault without calling `next`: `Fault::service(7, "no").into()`. To measure a call or to change
/// its result, use [`MaybeReady::map`] or [`MaybeReady::and_then`] on what `next.call` returns.
///
/// What a layer sees:
///
/// - [`Call::method`] is a text that the client has chosen. XML-RPC, JSON-RPC and SOAP pass on names that the service does
///   not have; `next.interface().method(call.method)` finds the method, or nothing. Names are compared exactly.
/// - REST calls that have no method are refused with 404 before the layers, unless the methods of an upstream are not known
///   yet. Methods of the protocols, such as `system.listMethods` and `rpc.discover`, and private ones, whose names begin with
///   `_`, do not get here either.
/// - The calls of a batch come one by one, and a panic of a layer fails only its own call, with an internal fault.
///
/// One layer is called from all threads that serve. State that several groups share goes into an `Arc`: an `Arc` of a layer
/// is a layer too.
///
/// Pass on [`Call::form`] unchanged: with [`CallForm::Plain`](crate::service::CallForm) in its place a call still
/// works, but is not sent in its original bytes or together with others.
pub trait GroupLayer: Send + Sync + 'static {
    /// Handles a call, with `next` for what is inside this layer.
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture;

    /// The headers of a request that the layer reads with [`Context::header`](crate::service::Context::header). A header
    /// that neither a layer nor the service declares is `None` there, although the request has it.
    fn request_headers(&self) -> Vec<HeaderName> {
        Vec::new()
    }

    /// Whether the layer adds headers to the response, to
    /// [`Context::response_headers`](crate::service::Context::response_headers). If neither a layer nor the service says so,
    /// that is `None`.
    fn sets_response_headers(&self) -> bool {
        false
    }

    /// Whether the layer decides by the address of the client. A cache around the group then keeps callers with different
    /// addresses apart.
    fn reads_client_address(&self) -> bool {
        false
    }

    /// What this caller may read of the description of the service inside the layer: all of it, unless the layer hides the
    /// methods that it would refuse. Calls are not affected.
    fn shown_to(&self, _caller: &Context, interface: Arc<Interface>) -> Arc<Interface> {
        interface
    }
}

impl<L: GroupLayer + ?Sized> GroupLayer for Arc<L> {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        (**self).call(call, next)
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        (**self).request_headers()
    }

    fn sets_response_headers(&self) -> bool {
        (**self).sets_response_headers()
    }

    fn reads_client_address(&self) -> bool {
        (**self).reads_client_address()
    }

    fn shown_to(&self, caller: &Context, interface: Arc<Interface>) -> Arc<Interface> {
        (**self).shown_to(caller, interface)
    }
}

/// A service with a layer around it.
struct Layered<L> {
    layer: L,
    inner: Arc<dyn RpcService>,
    request_headers: Vec<HeaderName>,
    sets_response_headers: bool,
    reads_client_address: bool,
    /// The description of `inner`, with what the layer asks for.
    latest: Latest,
}

/// A layer whose panics fail one call instead of the whole request, which may have others.
struct CatchPanics<L>(L);

impl<L: GroupLayer> GroupLayer for CatchPanics<L> {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let begun = catch_panic(|| Ok(self.0.call(call, next)));
        match begun {
            Ok(MaybeReady::Later(pending)) => MaybeReady::later(async move { catch_panic_of(pending).await? }),
            Ok(ready) => ready,
            Err(fault) => fault.into(),
        }
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        self.0.request_headers()
    }

    fn sets_response_headers(&self) -> bool {
        self.0.sets_response_headers()
    }

    fn reads_client_address(&self) -> bool {
        self.0.reads_client_address()
    }

    fn shown_to(&self, caller: &Context, interface: Arc<Interface>) -> Arc<Interface> {
        self.0.shown_to(caller, interface)
    }
}

/// Puts a layer around a service. If the layer panics, its call fails with an internal fault.
pub fn layered(inner: Arc<dyn RpcService>, layer: impl GroupLayer) -> Arc<dyn RpcService> {
    layered_unguarded(inner, CatchPanics(layer))
}

/// Puts a layer of croupier itself around a service. Its panics are not caught, which saves an allocation for each call that
/// is waited for.
pub(crate) fn layered_unguarded(inner: Arc<dyn RpcService>, layer: impl GroupLayer) -> Arc<dyn RpcService> {
    let (request_headers, sets_response_headers) = (layer.request_headers(), layer.sets_response_headers());
    let reads_client_address = layer.reads_client_address();
    let latest = Latest::default();
    Arc::new(Layered { layer, inner, request_headers, sets_response_headers, reads_client_address, latest })
}

impl<L: GroupLayer> RpcService for Layered<L> {
    fn interface(&self) -> Arc<Interface> {
        let inner = self.inner.interface();
        if self.request_headers.iter().all(|header| inner.request_headers.contains(header))
            && (inner.sets_response_headers || !self.sets_response_headers)
            && (inner.reads_client_address || !self.reads_client_address)
        {
            return inner;
        }
        self.latest.get(std::iter::once(inner), |inner| {
            let mut interface = inner.iter().map(|inner| Interface::clone(inner)).next().unwrap_or_default();
            let missing = self.request_headers.iter().filter(|header| !interface.request_headers.contains(header));
            let missing: Vec<_> = missing.cloned().collect();
            interface.request_headers.extend(missing);
            interface.sets_response_headers |= self.sets_response_headers;
            interface.reads_client_address |= self.reads_client_address;
            interface
        })
    }

    fn interface_for(&self, caller: &Context) -> Arc<Interface> {
        self.layer.shown_to(caller, self.inner.interface_for(caller))
    }

    fn outage(&self) -> Option<Outage> {
        self.inner.outage()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        self.layer.call(call, self.inner.as_ref())
    }
}
