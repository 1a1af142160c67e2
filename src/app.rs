//! A gateway inside a program of one's own: services mounted by hand, without a configuration file.

use std::future::Future;
use std::sync::Arc;

use crate::http::public_url::PublicUrl;
use crate::http::routes::RestRoute;
use crate::protocol::rest::server::{RouteError, RoutePart, RouteReport};
use crate::server::gateway::Gateway;
use crate::server::group_router::{GroupRouter, MountError};
use crate::server::mount::{GroupMount, McpMount, Mounts};
use crate::server::request_body::BodyReader;
use crate::server::runtime::Runtime;
use crate::server::settings::{ListenAddress, ServerSettings};
use crate::server::{BindError, Listener, Server, ShutdownReport};
use crate::service::RpcService;
use crate::upstream::Upstream;

/// Services by path, each with the default limits, and the server for them.
///
/// ```no_run
/// use croupier::app::App;
/// use croupier::demo::wheel::{Chance, Family, WheelTable};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let american = WheelTable::new(Family::American, Chance::Entropy).service()?;
/// App::new()
///     .mount("/wheel/american", american)?
///     .serve("127.0.0.1:8008".parse()?, std::future::pending())
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct App {
    mounts: Mounts,
    /// The paths that are taken, to find a second mount at a path early.
    taken: GroupRouter<()>,
    settings: ServerSettings,
}

impl App {
    /// No services, and the default settings.
    pub fn new() -> App {
        App::default()
    }

    /// Sets the limits on connections, requests and memory.
    pub fn settings(self, settings: ServerSettings) -> App {
        App { settings, ..self }
    }

    /// Sets the address under which clients know the server; by default it is that of each request.
    pub fn public_url(mut self, public_url: PublicUrl) -> App {
        self.mounts.public_url = Arc::new(public_url);
        self
    }

    /// Mounts a service at a path, over every protocol, with the default
    /// [`GroupLimits`](crate::server::settings::GroupLimits).
    ///
    /// # Errors
    /// If the path is malformed or taken.
    pub fn mount(self, path: &str, service: impl RpcService) -> Result<App, MountError> {
        self.mount_group(GroupMount::new(path, service))
    }

    /// Mounts an upstream at a path, over every protocol, with the default limits. It is asked to describe itself when
    /// the app starts, and again as often as its options say.
    ///
    /// ```no_run
    /// use croupier::app::App;
    /// use croupier::upstream::Upstream;
    ///
    /// # async fn run(upstream: Upstream) -> Result<(), Box<dyn std::error::Error>> {
    /// App::new().mount_upstream("/old", upstream)?.serve("127.0.0.1:8008".parse()?, std::future::pending()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the path is malformed or taken.
    pub fn mount_upstream(self, path: &str, upstream: Upstream) -> Result<App, MountError> {
        self.mount_group(GroupMount::upstream(path, upstream))
    }

    /// Mounts a group with limits, layers, aliases and protocols of its own.
    ///
    /// # Errors
    /// If its path or an alias is malformed or taken.
    pub fn mount_group(mut self, group: GroupMount) -> Result<App, MountError> {
        for path in [&group.path].into_iter().chain(&group.aliases) {
            self.taken.mount(path, ())?;
        }
        self.mounts.groups.push(group);
        Ok(self)
    }

    /// Mounts an MCP endpoint with the tools of several groups. It replaces the one that the app has. The groups may be mounted
    /// later.
    ///
    /// # Errors
    /// If its path is malformed or taken.
    pub fn mount_mcp(mut self, mcp: McpMount) -> Result<App, MountError> {
        self.taken.mount(&mcp.path, ())?;
        self.mounts.mcp = Some(mcp);
        Ok(self)
    }

    /// Gives the service mounted last a route: a verb and a path below its own by which REST calls a method, beside the
    /// path that each method has itself.
    ///
    /// ```
    /// use croupier::app::App;
    /// use croupier::http::routes::RestRoute;
    /// use croupier::demo::wheel::{Chance, Family, WheelTable};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let american = WheelTable::new(Family::American, Chance::Entropy).service()?;
    /// App::new()
    ///     .mount("/wheel/american", american)?
    ///     .route(RestRoute::new("GET /spins/{spins}", "spinList")?)?
    ///     .route(RestRoute::new("POST /spins", "spinList")?.body("*"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where it does not fit the methods of the service, or another route; where nothing is mounted.
    pub fn route(mut self, route: RestRoute) -> Result<App, Box<RouteError>> {
        let Some(last) = self.mounts.groups.last_mut() else {
            return Err(RouteError::new(
                0,
                RoutePart::Route(None),
                "a route belongs to a service, and none is mounted",
            )
            .into());
        };
        last.protocols.routes.push(route);
        let RouteReport { wrong, unknown } = last.protocols.check_routes(&last.service.interface());
        match wrong.into_iter().chain(unknown).next() {
            Some(wrong) => Err(Box::new(wrong)),
            None => Ok(self),
        }
    }

    /// Serves until `stop` is ready and the requests that run have finished.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn serve(
        self,
        listen: ListenAddress,
        stop: impl Future<Output = ()>,
    ) -> Result<ShutdownReport, BindError> {
        let listener = Listener::bind(&listen).await?;
        let settings = self.settings;
        let runtime = self.start().await;
        Ok(Server::new(runtime.gateway(), settings, None).run(vec![listener], stop).await)
    }

    /// Discovers the upstreams, for 0.3 s at most, and returns the gateway with the tasks that keep it up to date: for a
    /// server of one's own, or to [reload](Runtime::reload) what is mounted. Of the settings, `memory`, `compress` and
    /// `timeouts.body` apply to the gateway; the others are those of the server.
    pub async fn start(self) -> Runtime {
        let body_reader = BodyReader::new(&self.settings);
        Runtime::start(self.mounts, body_reader).await.expect(CHECKED).compressing(self.settings.compress)
    }

    /// The server, for listeners of one's own. It discovers the upstreams in the background while it runs.
    pub fn server(self) -> Server {
        let gateway = Gateway::serving(&self.mounts, BodyReader::new(&self.settings)).expect(CHECKED);
        Server::new(gateway, self.settings, None).discovering(self.mounts)
    }
}

/// Why mounting cannot fail once an app has been put together.
const CHECKED: &str = "`App::mount_group` checked each path";
