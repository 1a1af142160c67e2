//! Servers for the client to call: one that sends prepared bytes, and a whole gateway.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use croupier::protocol::xmlrpc::server::XmlRpc;
use croupier::server::gateway::{Gateway, Group};
use croupier::server::group_router::GroupRouter;
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use croupier::service::Context;
use croupier::service::local::Local;
use croupier::{CallError, Client, Fault, Value};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

/// What a canned server does when it has read a request.
#[derive(Clone)]
pub(super) enum Does {
    /// Writes these bytes and reads the next request.
    Answers(Bytes),
    /// Writes these bytes and closes the connection.
    AnswersAndCloses(Bytes),
    /// Keeps silent.
    Nothing,
}

/// A server that does the same for every request, and remembers what it was sent.
pub(super) struct Canned {
    pub(super) url: String,
    /// How many connections were made to it.
    pub(super) accepted: Arc<AtomicUsize>,
    /// Every request, head and body, as it came.
    pub(super) requests: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    pub(super) async fn start(does: Does) -> Canned {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url(listener.local_addr().unwrap());
        let canned = Canned { url, accepted: Arc::default(), requests: Arc::default() };
        let (accepted, requests) = (canned.accepted.clone(), canned.requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(converse(stream, does.clone(), requests.clone()));
            }
        });
        canned
    }

    /// A server that answers with this status line and body.
    pub(super) async fn answering(status: &str, body: &str) -> Canned {
        Canned::start(Does::Answers(response(status, body))).await
    }

    /// The same on a unix socket; there is no URL then.
    pub(super) fn start_unix(listener: UnixListener, does: Does) -> Arc<Mutex<Vec<String>>> {
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, does.clone(), kept.clone()));
            }
        });
        requests
    }

    pub(super) fn proxy(&self) -> Client {
        Client::new(&self.url).unwrap()
    }

    /// Why a call of this server has no answer.
    pub(super) async fn error(&self) -> CallError {
        self.proxy().call::<Value>("spin", ()).await.unwrap_err()
    }

    pub(super) fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// The one request that was sent.
    pub(super) fn request(&self) -> String {
        let requests = self.requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        requests[0].clone()
    }
}

/// A response that says how long it is.
pub(super) fn response(status: &str, body: &str) -> Bytes {
    format!("HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
}

/// An XML-RPC answer with this value.
pub(super) fn answer(value: &str) -> String {
    format!("<methodResponse><params><param><value>{value}</value></param></params></methodResponse>")
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, does: Does, requests: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    loop {
        let Some(length) = next_request(&mut stream, &mut read).await else { return };
        let request = read.drain(..length).collect();
        requests.lock().unwrap().push(String::from_utf8(request).unwrap());
        match &does {
            Does::Answers(bytes) => stream.write_all(bytes).await.unwrap(),
            Does::AnswersAndCloses(bytes) => return stream.write_all(bytes).await.unwrap(),
            Does::Nothing => std::future::pending().await,
        }
    }
}

/// Reads until a whole request has come; answers its length, `None` at the connection's end.
async fn next_request(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> Option<usize> {
    loop {
        let text = String::from_utf8_lossy(read).to_ascii_lowercase();
        if let Some(head) = text.find("\r\n\r\n") {
            let length = text[..head].split_once("content-length: ").expect("every request says how long it is").1;
            let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
            if read.len() >= head + 4 + length {
                return Some(head + 4 + length);
            }
        }
        let count = stream.read_buf(read).await.ok()?;
        if count == 0 {
            return None;
        }
    }
}

/// How many spins.
#[derive(Deserialize, JsonSchema)]
struct SpinList {
    spins: u32,
}

/// A gateway with a wheel that always answers the same, and a method `fail` that is a fault.
pub(super) async fn gateway() -> Client {
    const SPIN: [&str; 4] = ["00", "GREEN", "ZERO", "ZERO"];
    let wheel = Local::new("wheel", ())
        .method("spin", |_: &(), (): ()| SPIN)
        .rows("spinList", |_: &Arc<()>, list: SpinList| (0..list.spins).map(|_| SPIN))
        .method("fail", |_: &(), (): ()| Err::<(), _>(Fault::service(42, "the ball is lost")))
        .build()
        .unwrap();
    let group = Group::new("/", Arc::new(wheel), vec![Arc::new(XmlRpc::default())], 1 << 20);
    let mut router = GroupRouter::default();
    router.mount("/", Arc::new(group)).unwrap();
    let body_reader = BodyReader::new(&ServerSettings::default());
    Client::new(&serve(Gateway::new(router, body_reader)).await).unwrap()
}

async fn serve(gateway: Gateway) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url(listener.local_addr().unwrap());
    let gateway = Arc::new(gateway);
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let gateway = gateway.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let gateway = gateway.clone();
                async move {
                    let (head, body) = request.into_parts();
                    Ok::<_, std::convert::Infallible>(
                        gateway.respond(&head, body, Context { peer: Some(peer), ..Context::default() }).await.response,
                    )
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}
