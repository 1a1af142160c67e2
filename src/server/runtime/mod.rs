//! The life of a gateway while it serves: its upstreams are discovered again and again, and all groups can be replaced.
//!
//! A [`Runtime`] owns a [`Gateway`], the [`Mounts`] it was built from, and a task for each upstream in them. The task asks
//! the upstream to describe itself; whenever the description has changed, the groups are rebuilt, since the directory, the
//! OpenAPI document and the pages depend on it. [`Runtime::reload`] replaces the mounts as a whole: requests that are being
//! served finish in the groups in which they began, and new requests find the new groups.
//!
//! The runtime does not accept connections: a [`Server`](crate::server::Server) does, or any other HTTP server that takes
//! the gateway as a [`tower_service::Service`]. It has to be kept as long as the gateway serves, and ends when dropped.
//!
//! ```no_run
//! use croupier::config::{Config, Registry};
//! use croupier::server::request_body::BodyReader;
//! use croupier::server::runtime::Runtime;
//! use croupier::server::{Listener, Server};
//!
//! # async fn run(text: &str, new_text: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::standard();
//! let config = Config::parse("croupier.toml", text, &registry)?;
//! let mut runtime = Runtime::start(config.mounts(), BodyReader::new(&config.settings)).await?;
//! let server = Server::new(runtime.gateway(), config.settings, None);
//! let listener = Listener::bind(&"127.0.0.1:8008".parse()?).await?;
//! tokio::spawn(server.run(vec![listener], std::future::pending()));
//!
//! // Later: other groups, on the same connections. Those that are described as before keep their services.
//! let config = Config::parse_keeping("croupier.toml", new_text, &registry, runtime.mounts())?;
//! runtime.reload(config.mounts()).await?;
//! # Ok(())
//! # }
//! ```

mod upstreams;

use std::future::Future;
use std::future::pending;

use super::gateway::Gateway;
use super::group_router::MountError;
use super::mount::Mounts;
use super::request_body::BodyReader;
use upstreams::{Discovery, carry_over};

/// A gateway, and the tasks that keep it up to date. See the [module](self).
pub struct Runtime {
    gateway: Gateway,
    mounts: Mounts,
    /// Held to be dropped, which ends its tasks.
    discovery: Discovery,
}

impl Runtime {
    /// Builds the gateway, once all upstreams have been asked for their descriptions or 0.3 s have passed. Until an upstream
    /// has responded, or for 3 s, the calls of its group wait for it.
    ///
    /// Has to be called inside a tokio runtime, on which the tasks are spawned.
    ///
    /// # Errors
    /// If a path is malformed, or is mounted twice.
    pub async fn start(mounts: Mounts, body_reader: BodyReader) -> Result<Runtime, MountError> {
        let mut discovery = Discovery::default();
        discovery.start_and_wait(&mounts).await;
        let gateway = Gateway::serving(&mounts, body_reader)?;
        discovery.rebuild_on_change(mounts.clone(), gateway.groups());
        Ok(Runtime { gateway, mounts, discovery })
    }

    /// Sets whether responses are compressed, as [`ServerSettings::compress`](crate::server::settings::ServerSettings::compress) says. A
    /// [`Server`](crate::server::Server) does so itself; another HTTP server has only this gateway.
    #[must_use]
    pub fn compressing(self, compressing: bool) -> Runtime {
        Runtime { gateway: self.gateway.compressing(compressing), ..self }
    }

    /// The gateway. Clones share its groups, so each of them follows a reload.
    pub fn gateway(&self) -> Gateway {
        self.gateway.clone()
    }

    /// What is served now.
    pub fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    /// Replaces what is served, once all new upstreams have been asked for their descriptions or 0.3 s have passed. An
    /// upstream that was there before is not asked again, and another at the same path with the same options takes over
    /// what is known of it.
    ///
    /// # Errors
    /// If a path is malformed, or is mounted twice; everything then stays as it was.
    pub async fn reload(&mut self, mounts: Mounts) -> Result<(), MountError> {
        // Built again below, when the upstreams have been asked. From here on nothing fails.
        mounts.router()?;
        carry_over(&self.mounts, &mounts);
        self.gateway.count_also(&mounts, &self.mounts);
        self.discovery.start_and_wait(&mounts).await;
        // Before the groups are replaced: otherwise the task for the old mounts could put the old groups back.
        self.discovery.rebuild_on_change(mounts.clone(), self.gateway.groups());
        self.discovery.keep_only(&mounts);
        self.gateway.groups().replace(mounts.router()?, mounts.clone());
        self.mounts = mounts;
        Ok(())
    }
}

/// Keeps the groups of a gateway up to date, without waiting for the first discovery. Ends only by being dropped.
pub(super) fn keep_up_to_date(gateway: &Gateway, mounts: Mounts) -> impl Future<Output = ()> + Send + use<> {
    let groups = gateway.groups();
    async move {
        let mut discovery = Discovery::default();
        discovery.start(&mounts);
        discovery.rebuild_on_change(mounts, groups);
        pending::<()>().await;
    }
}
