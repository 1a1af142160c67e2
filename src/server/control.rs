//! Changes to a server while it runs: other listeners, other limits.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use super::listener::Listener;
use crate::server::settings::{ConnectionOptions, ListenAddress, ServerSettings};
use crate::server::tls::handle::ServerTls;

/// Changes a server while it runs. Connections that are open go on, and so do requests.
///
/// Each method returns when the change is in effect, and does nothing once the server is stopping. It waits if the server
/// does not run yet.
#[derive(Debug, Clone)]
pub struct ServerControl {
    orders: mpsc::Sender<Order>,
    settings: Arc<ArcSwap<ServerSettings>>,
}

/// A change, and where it is reported that it is in effect.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<()>,
}

#[derive(Debug)]
pub(super) enum Change {
    Open(Box<Listener>),
    Close(ListenAddress),
    Options(ListenAddress, ConnectionOptions),
    Tls(ListenAddress, Option<ServerTls>),
    Settings(Box<ServerSettings>),
}

/// The control of a server with these settings, and where its orders arrive.
pub(super) fn channel(settings: Arc<ArcSwap<ServerSettings>>) -> (ServerControl, mpsc::Receiver<Order>) {
    let (orders, receiver) = mpsc::channel(1);
    (ServerControl { orders, settings }, receiver)
}

impl ServerControl {
    /// Accepts connections on one more listener.
    pub async fn open(&self, listener: Listener) {
        self.change(Change::Open(Box::new(listener))).await;
    }

    /// Closes the listener with this [address](Listener::address). The connections that it has accepted go on.
    pub async fn close(&self, address: &ListenAddress) {
        self.change(Change::Close(address.clone())).await;
    }

    /// Sets how further connections at this address are served.
    pub async fn set_options(&self, address: &ListenAddress, options: ConnectionOptions) {
        self.change(Change::Options(address.clone(), options)).await;
    }

    /// Sets the TLS of further connections at this address; `None` for connections without encryption.
    pub async fn set_tls(&self, address: &ListenAddress, tls: Option<ServerTls>) {
        self.change(Change::Tls(address.clone(), tls)).await;
    }

    /// Changes the limits and timeouts. The size of heads and the number of streams apply to further connections. If fewer
    /// connections, calls or bytes are allowed than there are, those that there are go on. `response_memory` and
    /// `per_client.response_memory` stay as they were.
    pub async fn set_limits(&self, settings: ServerSettings) {
        self.change(Change::Settings(Box::new(settings))).await;
    }

    /// The limits and timeouts that are in effect.
    pub fn limits(&self) -> ServerSettings {
        **self.settings.load()
    }

    async fn change(&self, change: Change) {
        let (done, is_done) = oneshot::channel();
        if self.orders.send(Order { change, done }).await.is_ok() {
            // An error says that the server is stopping.
            let _ = is_done.await;
        }
    }
}
