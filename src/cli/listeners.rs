//! The listeners of a running server, and how a reload changes them.

use tokio::task::spawn_blocking;

use crate::server::settings::{ConnectionOptions, ListenAddress, ListenerConfig, SocketAccess};
use crate::server::tls::ServerTls;
use crate::server::{BindError, Listener, ServerControl};

/// The listeners that are open.
#[derive(Debug)]
pub(super) struct ServedListeners(Vec<Served>);

/// A listener that is open.
#[derive(Debug, Clone)]
struct Served {
    /// The address in the configuration, and what is served there.
    config: ListenerConfig,
    /// The address with the port that the system chose.
    address: ListenAddress,
    tls: Option<ServerTls>,
}

/// The listeners that a new configuration has, of which the new ones are bound already.
#[derive(Debug, Default)]
pub(super) struct NewListeners {
    all: Vec<Served>,
    open: Vec<Listener>,
    close: Vec<ListenAddress>,
    changed: Vec<(ListenAddress, ConnectionOptions)>,
    access: Vec<(ListenAddress, SocketAccess)>,
    tls: Vec<(ListenAddress, Option<ServerTls>)>,
    /// The TLS that stays, whose files may have changed.
    kept_tls: Vec<(ListenAddress, ServerTls)>,
}

impl ServedListeners {
    /// The listeners with which the server starts, in the order of the configuration.
    pub(super) fn start(configs: &[ListenerConfig], listeners: &[Listener]) -> ServedListeners {
        let served = |(config, listener): (&ListenerConfig, &Listener)| Served {
            config: config.clone(),
            address: listener.address(),
            tls: listener.server_tls().cloned(),
        };
        ServedListeners(configs.iter().zip(listeners).map(served).collect())
    }

    /// Binds the new listeners. The others are found by their addresses in the configuration; those with port 0 in order.
    ///
    /// # Errors
    /// If a new address cannot be bound, or the files of its TLS cannot be used. Then nothing has changed.
    pub(super) async fn prepare(&self, configs: &[ListenerConfig]) -> Result<NewListeners, BindError> {
        let mut left = self.0.clone();
        let mut new = NewListeners::default();
        for config in configs {
            let (address, tls) = match left.iter().position(|served| served.config.listen == config.listen) {
                Some(at) => {
                    let Served { config: before, address, tls } = left.remove(at);
                    if before.options != config.options {
                        new.changed.push((address.clone(), config.options));
                    }
                    if before.access != config.access {
                        new.access.push((address.clone(), config.access.clone()));
                    }
                    let tls = match tls {
                        Some(tls) if before.tls == config.tls => {
                            new.kept_tls.push((address.clone(), tls.clone()));
                            Some(tls)
                        }
                        before => {
                            let tls = Listener::load_tls(config).await?;
                            if before != tls {
                                new.tls.push((address.clone(), tls.clone()));
                            }
                            tls
                        }
                    };
                    (address, tls)
                }
                None => {
                    let listener = Listener::open(config).await?;
                    let (address, tls) = (listener.address(), listener.server_tls().cloned());
                    new.open.push(listener);
                    (address, tls)
                }
            };
            new.all.push(Served { config: config.clone(), address, tls });
        }
        new.close = left.into_iter().map(|served| served.address).collect();
        Ok(new)
    }

    /// Opens, changes and closes listeners.
    pub(super) async fn apply(&mut self, new: NewListeners, control: &ServerControl) {
        let NewListeners { all, open, close, changed, access, tls, kept_tls } = new;
        for listener in open {
            let config = listener.config();
            tracing::info!(listener = %config.listen, "listening on {config}");
            control.open(listener).await;
        }
        for (address, options) in changed {
            control.set_options(&address, options).await;
        }
        for (address, tls) in tls {
            control.set_tls(&address, tls).await;
        }
        for (address, tls) in kept_tls {
            // Each file may take seconds. An error means that the runtime ends.
            let _ = spawn_blocking(move || tls.refresh_and_log(&address.to_string())).await;
        }
        for (address, access) in access {
            if let Err(error) = Listener::set_access(&address, &access) {
                tracing::warn!("{error}; the permissions of the socket stay as they are");
            }
        }
        for address in close {
            control.close(&address).await;
            tracing::info!(listener = %address, "no longer listening on {address}");
        }
        self.0 = all;
    }
}
