//! What systemd gives to a service, and what it wants to know of it: listening sockets (`sd_listen_fds`), notifications of
//! the service's state (`sd_notify`), and a sign of life for its watchdog. Without systemd all of it does nothing.

use crate::server::Listener;
use crate::server::settings::ListenAddress;

pub(super) use system::{inherited_sockets, notify, ping_watchdog};

/// A state of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notification {
    /// It serves, after the start or after a reload.
    Ready,
    /// It reads its configuration again.
    Reloading,
    /// It lets the last requests finish.
    Stopping,
}

/// Listening sockets that another process has opened.
#[derive(Debug, Default)]
pub(super) struct InheritedSockets(Vec<Listener>);

impl InheritedSockets {
    /// Takes the socket that listens on this address, if there is one.
    pub(super) fn take(&mut self, address: &ListenAddress) -> Option<Listener> {
        let at = self.0.iter().position(|listener| listener.address() == *address)?;
        Some(self.0.swap_remove(at))
    }

    /// The address of a socket that has not been taken.
    pub(super) fn left(&self) -> Option<ListenAddress> {
        self.0.first().map(Listener::address)
    }
}

#[cfg(unix)]
mod system {
    use std::future::pending;
    use std::io;
    use std::time::Duration;

    use listenfd::ListenFd;
    use sd_notify::NotifyState;
    use tokio::task::spawn_blocking;

    use super::{InheritedSockets, Notification};
    use crate::server::Listener;

    /// The sockets that the environment names in `LISTEN_FDS`.
    ///
    /// # Errors
    /// If one of them is no listening TCP or unix socket.
    pub(in crate::cli) fn inherited_sockets() -> io::Result<InheritedSockets> {
        let mut descriptors = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..descriptors.len() {
            let listener = match descriptors.take_tcp_listener(index) {
                Ok(socket) => socket.map(Listener::from_tcp),
                Err(_) => descriptors.take_unix_listener(index)?.map(Listener::from_unix),
            };
            sockets.extend(listener.transpose()?);
        }
        Ok(InheritedSockets(sockets))
    }

    /// Tells systemd a state of the service. Sent from a thread of its own: systemd may be slow to read.
    pub(in crate::cli) async fn notify(notification: Notification) {
        let send = move || match notification {
            Notification::Ready => sd_notify::notify(&[NotifyState::Ready]),
            Notification::Reloading => sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?]),
            Notification::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        };
        if let Ok(Err(error)) = spawn_blocking(send).await {
            tracing::warn!(%error, "systemd cannot be notified");
        }
    }

    /// Tells the watchdog of systemd, if there is one, twice in its interval that this runtime, which accepts connections,
    /// still runs. Never ends.
    pub(in crate::cli) async fn ping_watchdog() {
        let Some(interval) = sd_notify::watchdog_enabled() else { return pending().await };
        let mut ticks = tokio::time::interval((interval / 2).max(Duration::from_millis(1)));
        loop {
            ticks.tick().await;
            // The next one may succeed.
            let _ = spawn_blocking(|| sd_notify::notify(&[NotifyState::Watchdog])).await;
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    use super::{InheritedSockets, Notification};

    pub(in crate::cli) fn inherited_sockets() -> io::Result<InheritedSockets> {
        Ok(InheritedSockets::default())
    }

    pub(in crate::cli) async fn notify(_: Notification) {}

    pub(in crate::cli) async fn ping_watchdog() {
        std::future::pending().await
    }
}
