//! The baseline: a bare hyper server that reads each request and returns fixed bytes, with one runtime per core.
//!
//! `bare_hyper 127.0.0.1:9000` returns the bytes of a spin at every path, and N bytes of a list at `/bytes/N`.
//! Whatever a server on hyper does besides, it costs more than this.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};

/// As many bytes as croupier's response to a spin has.
const ANSWER: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><params><param><value><array><data>\
    <value><string>17</string></value><value><string>BLACK</string></value><value><string>ODD</string></value>\
    <value><string>LOW</string></value></data></array></value></param></params></methodResponse>\n";
/// The item that is repeated in the bodies at `/bytes/N`.
const ROW: &str = "<value><array><data><value><string>17</string></value><value><string>BLACK</string></value>\
    <value><string>ODD</string></value><value><string>LOW</string></value></data></array></value>";

/// The text before and after the bytes, so that a gateway accepts them as a valid response.
const HEAD: &str = "<?xml version=\"1.0\"?><methodResponse><params><param><value><array><data>";
const TAIL: &str = "</data></array></value></param></params></methodResponse>";

/// The bodies at `/bytes/N` that have been requested, each built once.
type Made = Arc<Mutex<Vec<Bytes>>>;

fn main() -> io::Result<()> {
    let Some(address) = std::env::args().nth(1).and_then(|address| address.parse().ok()) else {
        println!("usage: bare_hyper ADDRESS:PORT (benches/load.py starts it)");
        return Ok(());
    };
    let first = listen(address)?;
    let bound = first.local_addr()?;
    println!("bare hyper listens on http://{bound}");
    let made = Made::default();
    for _ in 1..thread::available_parallelism()?.get() {
        let (listener, made) = (listen(bound)?, made.clone());
        thread::spawn(move || serve(listener, &made));
    }
    serve(first, &made)
}

/// One socket per core; the kernel distributes connections among them.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn serve(listener: TcpListener, made: &Made) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let made = made.clone();
            let service = service_fn(move |request| answer(request, made.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn answer(request: Request<Incoming>, made: Made) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, mut body) = request.into_parts();
    while let Some(Ok(_)) = body.frame().await {}
    let bytes = match head.uri.path().strip_prefix("/bytes/").and_then(|size| size.parse().ok()) {
        Some(size) => long(&made, size),
        None => Bytes::from_static(ANSWER.as_bytes()),
    };
    let mut response = Response::new(Full::new(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    Ok(response)
}

fn long(made: &Made, size: usize) -> Bytes {
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = made.iter().find(|bytes| bytes.len() == size) {
        return bytes.clone();
    }
    let mut bytes = Vec::with_capacity(size + ROW.len());
    bytes.extend_from_slice(HEAD.as_bytes());
    while bytes.len() + TAIL.len() < size {
        bytes.extend_from_slice(ROW.as_bytes());
    }
    bytes.truncate(size.saturating_sub(TAIL.len()));
    bytes.extend_from_slice(TAIL.as_bytes());
    let bytes = Bytes::from(bytes);
    made.push(bytes.clone());
    bytes
}
