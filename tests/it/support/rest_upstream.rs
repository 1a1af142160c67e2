//! A REST server of HTTP/1.1 or HTTP/2 with an OpenAPI document. It tells what it has received, and streams.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

/// A body of this many bytes is streamed by `GET /v1/stream`.
pub(crate) const STREAMED: usize = 128 << 20;
const PIECE: usize = 64 << 10;

/// What the server and the test share.
#[derive(Default)]
pub(crate) struct Shared {
    /// How many bytes of `GET /v1/stream` have been given to the connection.
    pub(crate) sent: AtomicUsize,
    /// How many bytes of `POST /v1/upload` have been read.
    pub(crate) received: AtomicUsize,
    /// Lets `POST /v1/upload` begin to read.
    pub(crate) reading: Notify,
    /// How many requests there were.
    pub(crate) requests: AtomicUsize,
    /// The events of `GET /v1/events`.
    pub(crate) events: Mutex<Option<mpsc::UnboundedReceiver<String>>>,
}

/// The server. It ends when it is dropped.
pub(crate) struct RestUpstream {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

impl RestUpstream {
    pub(crate) async fn start() -> RestUpstream {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let mut serving = JoinSet::new();
        let of_server = shared.clone();
        serving.spawn(async move {
            let mut tasks = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = of_server.clone();
                tasks.spawn(async move {
                    let respond = service_fn(move |request| {
                        let shared = shared.clone();
                        async move { Ok::<_, std::convert::Infallible>(respond(&shared, address, request).await) }
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    drop(server.serve_connection(TokioIo::new(stream), respond).await);
                });
            }
        });
        RestUpstream { address, shared, _serving: serving }
    }
}

/// The OpenAPI document of the server.
pub(crate) fn document() -> Value {
    let number = json!({ "name": "number", "in": "path", "required": true,
        "schema": { "type": "integer", "minimum": 1, "maximum": 1000 } });
    let tags = json!({ "type": "array", "items": { "type": "string", "maxLength": 5 } });
    let pet =
        json!({ "type": "object", "required": ["name"], "properties": { "name": { "type": "string" }, "tags": tags } });
    let body = json!({ "required": true, "content": { "application/json": { "schema": pet } } });
    let returns = json!({ "200": { "description": "", "content": { "application/json": { "schema": {} } } } });
    let operation = |id: &str| json!({ "operationId": id, "responses": returns });
    let with_body = |id: &str| json!({ "operationId": id, "requestBody": body, "responses": returns });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Pets", "version": "7" },
        "servers": [{ "url": "/v1" }],
        "paths": {
            "/pets/{number}": {
                "parameters": [number],
                "get": {
                    "operationId": "readPet",
                    "parameters": [
                        { "name": "depth", "in": "query", "schema": { "type": "integer", "maximum": 9 } },
                        { "name": "kind", "in": "query", "schema": { "type": "string", "enum": ["dog", "cat"] } },
                        { "name": "ids", "in": "query", "explode": false,
                          "schema": { "type": "array", "items": { "type": "integer" } } },
                        { "name": "X-Level", "in": "header", "schema": { "type": "integer" } },
                    ],
                    "responses": returns,
                },
                "put": with_body("writePet"),
                "delete": operation("deletePet"),
            },
            "/pets/mine": { "get": operation("readMine") },
            "/pets": { "post": with_body("addPet") },
            "/toys/{number}": {
                "parameters": [number],
                "post": {
                    "operationId": "addToy",
                    "requestBody": body,
                    "responses": { "200": { "description": "" }, "422": { "description": "not valid" } },
                },
                "put": {
                    "operationId": "writeToy",
                    "requestBody": body,
                    "responses": { "200": { "description": "" }, "400": { "description": "" }, "422": { "description": "" } },
                },
            },
            "/linked": { "get": operation("linked") },
            "/needed": { "get": {
                "operationId": "readNeeded",
                "parameters": [{ "name": "page", "in": "query", "required": true, "schema": { "type": "integer" } }],
                "responses": returns,
            } },
            "/stream": { "get": operation("stream") },
            "/events": { "get": operation("events") },
            "/upload": { "post": {
                "operationId": "upload",
                "requestBody": { "content": { "application/octet-stream": {} } },
                "responses": returns,
            } },
            "/refusing": { "post": {
                "operationId": "refusing",
                "requestBody": { "content": { "application/octet-stream": {} } },
                "responses": returns,
            } },
            "/duplex": { "post": {
                "operationId": "duplex",
                "requestBody": { "content": { "application/octet-stream": {} } },
                "responses": returns,
            } },
            "/login": { "post": with_body("login") },
            "/error": { "get": operation("error") },
            "/moved": { "get": operation("moved") },
            "/secret": { "get": operation("secret") },
            "/{anything}": { "get": operation("readAnything"), "patch": with_body("patchAnything") },
        },
    })
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Sent = UnsyncBoxBody<Bytes, BoxError>;

/// A body of any type.
fn boxed<B>(body: B) -> Sent
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

async fn respond(shared: &Arc<Shared>, address: SocketAddr, request: Request<Incoming>) -> Response<Sent> {
    shared.requests.fetch_add(1, SeqCst);
    let full = |text: String| boxed(Full::new(Bytes::from(text)));
    let response = |status: u16| Response::builder().status(status).header("content-type", "application/json");
    match request.uri().path() {
        "/openapi.json" => response(200).body(full(document().to_string())).unwrap(),
        "/v1/stream" => Response::new(boxed(Long(shared.clone()))),
        "/v1/events" => {
            let events = shared.events.lock().unwrap().take().unwrap();
            let events = Response::builder().header("content-type", "text/event-stream").body(boxed(Events(events)));
            events.unwrap()
        }
        "/v1/upload" => {
            shared.reading.notified().await;
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return response(400).body(full(String::new())).unwrap() };
                shared.received.fetch_add(frame.data_ref().map_or(0, Bytes::len), SeqCst);
                tokio::task::yield_now().await;
            }
            response(200).body(full(shared.received.load(SeqCst).to_string())).unwrap()
        }
        "/v1/duplex" => Response::new(boxed(request.into_body())),
        "/v1/refusing" => response(422).header("x-reason", "tired").body(full(r#"{"own":"error"}"#.into())).unwrap(),
        "/v1/error" => response(418)
            .header("x-pot", "short")
            .header("set-cookie", "session=1")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("access-control-allow-origin", "*")
            .body(full(r#"{"own":"error"}"#.into()))
            .unwrap(),
        "/v1/moved" => response(302)
            .header("location", format!("http://{address}/v1/pets/8?a=1"))
            .body(full(String::new()))
            .unwrap(),
        "/v1/linked" => response(200)
            .header(
                "link",
                format!("<http://{address}/v1/pets?page=2>; rel=\"next\"; title=\"a, b; c\", </admin>; rel=up"),
            )
            .header("link", "<https://elsewhere.example/>; rel=help")
            .header("via", "1.0 inner")
            .body(full(String::new()))
            .unwrap(),
        _ => echo(request).await,
    }
}

/// Tells what has been received.
async fn echo(request: Request<Incoming>) -> Response<Sent> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut headers: Vec<(&str, String)> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    let told = json!({
        "verb": head.method.as_str(),
        "target": head.uri.path_and_query().map(ToString::to_string),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    let mut response = Response::new(boxed(Full::new(Bytes::from(told.to_string()))));
    *response.status_mut() = StatusCode::ACCEPTED;
    response.headers_mut().insert("content-type", "application/vnd.told+json".parse().unwrap());
    response.headers_mut().insert("etag", "\"7\"".parse().unwrap());
    response
}

/// A long body whose pieces are counted as they are taken.
struct Long(Arc<Shared>);

impl Body for Long {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        static ZEROS: [u8; PIECE] = [0; PIECE];
        let is_whole = self.0.sent.fetch_add(PIECE, SeqCst) >= STREAMED;
        Poll::Ready((!is_whole).then(|| Ok(Frame::data(Bytes::from_static(&ZEROS)))))
    }
}

/// Events as the test sends them.
struct Events(mpsc::UnboundedReceiver<String>);

impl Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event.into()))))
    }
}
