//! A gateway inside a program of one's own: services mounted by hand, without a configuration file.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::http::public_url::PublicUrl;
use crate::http::routes::RestRoute;
use crate::protocol::rest::server::{Checked, Part, Wrong};
use crate::protocol::set::ProtocolSet;
use crate::server::gateway::Gateway;
use crate::server::group_router::{GroupRouter, MountError};
use crate::server::mount;
use crate::server::mount::GroupMount;
use crate::server::request_body::{BodyReader, MemoryBudget};
use crate::server::settings::{ListenAddress, Settings};
use crate::server::{BindError, Listener, Server, ShutdownReport};
use crate::service::RpcService;
use crate::service::layer::layered;
use crate::service::limits::Limiter;

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
    mounted: Vec<GroupMount>,
    /// Which paths are taken.
    taken: GroupRouter<()>,
    settings: Settings,
    public_url: PublicUrl,
}

impl App {
    /// No services yet, and the default settings.
    pub fn new() -> App {
        App::default()
    }

    /// The same with other settings for connections.
    pub fn settings(self, settings: Settings) -> App {
        App { settings, ..self }
    }

    /// The same, known to clients under another address than that of their requests.
    pub fn public_url(self, public_url: PublicUrl) -> App {
        App { public_url, ..self }
    }

    /// Mounts a service at a path, with every face there is: at most 1,024 calls at a time, 60 s each, bodies of 4 MiB.
    ///
    /// # Errors
    /// Where the path is malformed or taken.
    pub fn mount(mut self, path: &str, service: impl RpcService) -> Result<App, MountError> {
        let service = layered(Arc::new(service), Limiter::new(1024, Duration::from_secs(60)));
        self.taken.mount(path, ())?;
        let (path, protocols) = (path.to_owned(), ProtocolSet::default());
        self.mounted.push(GroupMount { path, aliases: Vec::new(), service, protocols, body_limit: 4 << 20 });
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
    pub fn route(mut self, route: RestRoute) -> Result<App, Box<Wrong>> {
        let Some(last) = self.mounted.last_mut() else {
            return Err(
                Wrong::new(0, Part::RestRoute(None), "a route belongs to a service, and none is mounted").into()
            );
        };
        last.protocols.routes.push(route);
        let Checked { wrong, unknown } = last.protocols.check_routes(&last.service.interface());
        match wrong.into_iter().chain(unknown).next() {
            Some(wrong) => Err(Box::new(wrong)),
            None => Ok(self),
        }
    }

    /// Serves until `stop` is ready and what runs has finished.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn serve(
        self,
        listen: ListenAddress,
        stop: impl Future<Output = ()>,
    ) -> Result<ShutdownReport, BindError> {
        let listener = Listener::bind(&listen).await?;
        Ok(self.server().run(vec![listener], stop).await)
    }

    /// The server, for listeners of one's own.
    pub fn server(self) -> Server {
        let body_reader =
            BodyReader { memory: MemoryBudget::new(self.settings.memory), deadline: self.settings.timeouts.body };
        let router = mount::router(&self.mounted, Arc::new(self.public_url))
            .expect("each path was looked at when it was mounted");
        Server::new(Gateway::new(router, body_reader), self.settings, None)
    }
}
