//! How many connections a transport opens, and how long a request may take: HTTP/2 connections are shared from the first
//! request on, and the deadline of a call bounds connecting, waiting and reading.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use croupier::upstream::transport::{Repeat, Transport, TransportError, TransportOptions};
use http::{Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::upstream::{Act, ScriptedUpstream};

/// A server of HTTP/2 or HTTP/1.1, without TLS, that counts its connections. It ends when it is dropped.
struct CountingServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl CountingServer {
    async fn start(http2: bool) -> CountingServer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut tasks = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, SeqCst);
                let respond =
                    service_fn(async |_| Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from("it"))));
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let server = if http2 { server.http2_only() } else { server.http1_only() };
                tasks.spawn(async move { drop(server.serve_connection(TokioIo::new(stream), respond).await) });
            }
        });
        CountingServer { address, connections, _serving: serving }
    }
}

fn transport(address: SocketAddr, options: TransportOptions) -> Transport {
    Transport::new(vec![format!("http://{address}/").parse().unwrap()], options).unwrap()
}

async fn get(transport: &Transport, deadline: Option<Duration>) -> Result<Bytes, TransportError> {
    let request = Request::get("/").body(Bytes::new()).unwrap();
    let deadline = deadline.map(|after| (Instant::now() + after).into_std());
    Ok(transport.exchange(request, Repeat::Unsent, 1000, deadline).await?.into_body())
}

#[tokio::test]
async fn simultaneous_first_requests_share_one_http2_connection() {
    let server = CountingServer::start(true).await;
    let transport =
        Arc::new(transport(server.address, TransportOptions { http2: true, ..TransportOptions::default() }));
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let transport = transport.clone();
        requests.spawn(async move { get(&transport, None).await });
    }
    while let Some(response) = requests.join_next().await {
        assert_eq!(response.unwrap().unwrap(), "it");
    }
    assert_eq!(server.connections.load(SeqCst), 1);
}

/// The server may be closing a connection that has been idle for long. Then nobody knows whether it has received the request.
#[tokio::test]
async fn a_request_that_must_not_be_sent_twice_takes_no_connection_that_is_about_to_expire() {
    let server = CountingServer::start(false).await;
    let transport =
        transport(server.address, TransportOptions { idle: Duration::from_secs(100), ..Default::default() });
    for (repeat, idle, connections) in [
        (Repeat::Unsent, 0, 1),
        (Repeat::Unsent, 79, 1),
        (Repeat::Harmless, 81, 1),
        (Repeat::Unsent, 81, 2),
        (Repeat::Harmless, 101, 3),
    ] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(idle)).await;
        tokio::time::resume();
        let request = Request::get("/").body(Bytes::new()).unwrap();
        transport.exchange(request, repeat, 1000, None).await.unwrap();
        assert_eq!(server.connections.load(SeqCst), connections, "{repeat:?} after {idle} s");
    }
}

#[tokio::test]
async fn a_cancelled_request_does_not_delay_others_while_it_connects() {
    let server = CountingServer::start(true).await;
    let transport =
        Arc::new(transport(server.address, TransportOptions { http2: true, ..TransportOptions::default() }));
    let mut first = Box::pin(get(&transport, None));
    // It connects, and is dropped in the middle of that.
    assert!(poll_once(&mut first).await.is_none());
    drop(first);
    assert_eq!(get(&transport, Some(Duration::from_secs(5))).await.unwrap(), "it");
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    use std::task::Poll;
    std::future::poll_fn(|cx| {
        Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_the_wait_for_a_response_and_its_body() {
    let server = ScriptedUpstream::start().await;
    let transport = transport(server.address(), TransportOptions::default());
    for act in [Act::Silence, Act::Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n".to_vec(), b"x".to_vec())] {
        server.will([act]);
        let begun = Instant::now();
        let error = get(&transport, Some(Duration::from_millis(2500))).await.unwrap_err();
        assert!(error.is_late() && error.connected(), "{error}");
        assert!(error.to_string().ends_with("no response before the deadline of the call"), "{error}");
        let taken = begun.elapsed();
        assert!((Duration::from_millis(2500)..Duration::from_millis(2600)).contains(&taken), "{taken:?}");
    }
}

#[tokio::test]
async fn the_deadline_of_a_call_bounds_connecting() {
    // The backlog of a listener that accepts nothing fills up; from then on, the kernel leaves connections unanswered.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = JoinSet::new();
    for _ in 0..4 {
        held.spawn(tokio::net::TcpStream::connect(address));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let transport = transport(address, TransportOptions::default());
    let begun = Instant::now();
    let error = get(&transport, Some(Duration::from_millis(300))).await.unwrap_err();
    assert!(error.is_late() && !error.connected(), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
