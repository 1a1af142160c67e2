//! What several tests need: a server on a port of its own, and raw requests to it.
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use croupier::config::{Config, DEFAULT, Registry};
use croupier::protocol::frontend::Frontend;
use croupier::protocol::xmlrpc::server::XmlRpc;
use croupier::server::gateway::{Gateway, Group};
use croupier::server::group_router::GroupRouter;
use croupier::server::mount::Mounts;
use croupier::server::request_body::{BodyReader, MemoryBudget};
use croupier::server::settings::{ListenAddress, ListenerConfig, ServerSettings, TlsSettings};
use croupier::server::{Listener, Server, ShutdownReport, Workers};
use croupier::service::RpcService;
use croupier::service::layer::layered;
use croupier::service::limiter::Limiter;
use croupier::service::local::{self, Local};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<ShutdownReport>>,
}

impl Running {
    /// Serves one group at `/test`.
    pub(crate) fn start(service: impl RpcService, settings: ServerSettings) -> Running {
        Running::with(service, XmlRpc::default(), settings, 4 << 20)
    }

    pub(crate) fn with(
        service: impl RpcService,
        frontend: impl Frontend,
        settings: ServerSettings,
        body_limit: usize,
    ) -> Running {
        Running::router(mounted(service, frontend, body_limit), settings)
    }

    /// Serves one group at `/test` over TLS.
    pub(crate) fn with_tls(service: impl RpcService, settings: ServerSettings, tls: TlsSettings) -> Running {
        let listen = ListenerConfig::from(ListenAddress::Tcp(([127, 0, 0, 1], 0).into()));
        let router = mounted(service, XmlRpc::default(), 4 << 20);
        let listen = ListenerConfig { tls: Some(tls), ..listen };
        Running::of_gateway(listen, |body_reader| Gateway::new(router, body_reader), settings, None)
    }

    /// Serves one group at `/test`, on this many workers.
    pub(crate) fn on_workers(service: impl RpcService, settings: ServerSettings, workers: usize) -> Running {
        Running::run(mounted(service, XmlRpc::default(), 4 << 20), settings, Some(workers))
    }

    /// Serves what the built-in configuration says.
    pub(crate) fn built_in() -> Running {
        Running::configured(DEFAULT)
    }

    /// Serves what a configuration says, on a port of its own.
    pub(crate) fn configured(text: &str) -> Running {
        let config = Config::parse("test.toml", text, &Registry::standard()).unwrap();
        Running::router(config.router(), config.settings)
    }

    pub(crate) fn router(router: GroupRouter<Arc<Group>>, settings: ServerSettings) -> Running {
        Running::run(router, settings, None)
    }

    /// Serves as the program does, on this many workers; with `None`, on a runtime of several threads.
    pub(crate) fn run(router: GroupRouter<Arc<Group>>, settings: ServerSettings, workers: Option<usize>) -> Running {
        Running::listening(ListenAddress::Tcp(([127, 0, 0, 1], 0).into()), router, settings, workers)
    }

    /// The same at an address of one's own. Without a port, its `address` has port 0.
    pub(crate) fn listening(
        listen: ListenAddress,
        router: GroupRouter<Arc<Group>>,
        settings: ServerSettings,
        workers: Option<usize>,
    ) -> Running {
        Running::of_gateway(listen.into(), |body_reader| Gateway::new(router, body_reader), settings, workers)
    }

    /// Serves what a configuration says, on a port of its own, with a gateway that knows its mounts, as the program does.
    pub(crate) fn serving(config: Config) -> Running {
        let mounts = config.mounts();
        let listen = ListenAddress::Tcp(([127, 0, 0, 1], 0).into());
        let listen = ListenerConfig { listen, ..config.listen[0].clone() };
        let gateway = move |body_reader| Gateway::serving(&mounts, body_reader).unwrap();
        Running::of_gateway(listen, gateway, config.settings, None)
    }

    /// Serves mounts, on a port of its own.
    pub(crate) fn of_mounts(mounts: Mounts) -> Running {
        let listen = ListenAddress::Tcp(([127, 0, 0, 1], 0).into());
        let gateway = move |body_reader| Gateway::serving(&mounts, body_reader).unwrap();
        Running::of_gateway(listen.into(), gateway, ServerSettings::default(), None)
    }

    fn of_gateway(
        listen: ListenerConfig,
        gateway: impl FnOnce(BodyReader) -> Gateway + Send + 'static,
        settings: ServerSettings,
        workers: Option<usize>,
    ) -> Running {
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut runtime =
                if workers.is_some() { Builder::new_current_thread() } else { Builder::new_multi_thread() };
            runtime.worker_threads(2).enable_all().build().unwrap().block_on(async move {
                let memory = MemoryBudget::new(settings.memory).on_runtime(Handle::current());
                let body_reader = BodyReader { memory, ..BodyReader::new(&settings) };
                let mut server = Server::new(gateway(body_reader), settings, None);
                if let Some(count) = workers {
                    server = server.on(Workers::start(count).unwrap());
                }
                let listener = Listener::open(&listen).await.unwrap();
                ready.send(listener.address()).unwrap();
                server.run(vec![listener], async { stopped.await.unwrap_or_default() }).await
            })
        });
        let address = match address.recv().unwrap() {
            ListenAddress::Tcp(address) => address,
            ListenAddress::Unix(_) => ([0, 0, 0, 0], 0).into(),
        };
        Running { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Tells the server to stop, without waiting for it.
    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Stops the server and says how that went.
    pub(crate) fn stop(mut self) -> ShutdownReport {
        self.begin_stop();
        self.thread.take().unwrap().join().unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Posts an XML-RPC document to `/test`; when this comes back, the server has begun to answer it.
    pub(crate) fn begin(&self, body: &str) -> TcpStream {
        let mut stream = self.begin_head(&post("/test", "Expect: 100-continue\r\n", body));
        stream.write_all(body.as_bytes()).unwrap();
        stream
    }

    /// Sends the head of a request that expects 100; when this comes back, the server waits for its body.
    pub(crate) fn begin_head(&self, request: &str) -> TcpStream {
        let mut stream = self.connect();
        let head = request.find("\r\n\r\n").map(|end| end + 4).unwrap();
        stream.write_all(&request.as_bytes()[..head]).unwrap();
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    }

    /// Sends bytes as they are, half-closes, and reads all that comes back, as text.
    pub(crate) fn raw(&self, request: impl AsRef<[u8]>) -> String {
        String::from_utf8_lossy(&self.raw_bytes(request)).into_owned()
    }

    /// Sends bytes as they are, half-closes, and reads all that comes back.
    pub(crate) fn raw_bytes(&self, request: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = self.connect();
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(request.as_ref());
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// Posts an XML-RPC document to a path and reads the whole response.
    pub(crate) fn post(&self, path: &str, body: &str) -> String {
        self.raw(post(path, "", body))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One group at `/test`.
fn mounted(service: impl RpcService, frontend: impl Frontend, body_limit: usize) -> GroupRouter<Arc<Group>> {
    let service = layered(Arc::new(service), Limiter::new(1024, Duration::from_secs(60)));
    let group = Group::new("/test", service, vec![Arc::new(frontend)], body_limit);
    let mut router = GroupRouter::default();
    router.mount("/test", Arc::new(group)).unwrap();
    router
}

/// An HTTP/1.1 POST of an XML-RPC document, with more header lines if wanted, each ended by CRLF.
pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// A `methodCall` with these parameters, each already a `<value>`.
pub(crate) fn call(method: &str, params: &[&str]) -> String {
    let params: String = params.iter().map(|value| format!("<param>{value}</param>")).collect();
    format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>"
    )
}

#[derive(Deserialize, JsonSchema)]
struct Count {
    count: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Millis {
    millis: u64,
}

/// A small service: `hello`, `numbers(count)` as rows, `wait(millis)`, `panics`.
pub(crate) fn small() -> Local {
    small_service().build().unwrap()
}

/// The same, to which methods can be added.
pub(crate) fn small_service() -> local::Builder<()> {
    Local::new("Small", ())
        .method("hello", |_: &(), (): ()| "world")
        .rows("numbers", |_: &Arc<()>, Count { count }: Count| 0..count)
        .method_async("wait", |_: Arc<()>, Millis { millis }: Millis| async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            "waited"
        })
        .method("panics", |_: &(), (): ()| -> i32 { panic!("as it was told to") })
}
