//! Clients that read slowly, or not at all: how slow they may be, and what they take from others.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use croupier::protocol::Protocol;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::settings::{GroupLimits, ServerSettings, Timeouts};

use socket2::{Domain, Socket, Type};

use crate::support::hello::{self, response};
use crate::support::running::{Running, call, post, small, small_service};
use crate::support::upstream::{Act, ScriptedUpstream};

/// A client whose system receives little more than the client reads.
fn connect(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn start(write: Duration, min_rate: usize) -> Running {
    let timeouts = Timeouts { write, min_rate, ..Timeouts::default() };
    Running::start(small(), ServerSettings { timeouts, ..ServerSettings::default() })
}

fn many() -> String {
    call("numbers", &["<value><int>5000000</int></value>"])
}

/// Takes at most as many bytes of a long response every 50 ms, for as long. Returns whether the server still sends then.
fn read_slowly(server: &Running, bytes: usize, time: Duration) -> bool {
    let mut stream = connect(server.address);
    stream.write_all(post("/test", "", &many()).as_bytes()).unwrap();
    let (begun, mut buffer) = (Instant::now(), vec![0; bytes]);
    while begun.elapsed() < time {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
            Err(error) => panic!("{error}"),
        }
    }
    true
}

/// The buffers of the system are larger than what this client takes in the time of `timeouts.write`.
#[test]
fn a_slow_reader_that_goes_on_is_not_cut() {
    let server = start(Duration::from_millis(1500), 500);
    assert!(read_slowly(&server, 8 << 10, Duration::from_secs(5)));
}

#[test]
fn a_reader_below_the_lowest_pace_is_cut_although_it_never_stops() {
    let server = start(Duration::from_millis(1500), 10 << 20);
    assert!(!read_slowly(&server, 8 << 10, Duration::from_secs(10)));
}

/// Lets the window of one stream grow by as many bytes every 50 ms, for as long. Returns whether the server still sends then.
async fn read_stream_slowly(server: &Running, bytes: usize, time: Duration) -> bool {
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let url = format!("http://{}/test", server.address);
    let request = http::Request::post(url).header("content-type", "text/xml").body(()).unwrap();
    let (answer, mut upload) = requests.ready().await.unwrap().send_request(request, false).unwrap();
    upload.send_data(Bytes::from(many()), true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let begun = Instant::now();
    while begun.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut taken = 0;
        while taken < bytes && begun.elapsed() < time {
            match tokio::time::timeout(Duration::from_secs(20), body.data()).await.unwrap() {
                Some(Ok(data)) => {
                    taken += data.len();
                    let _ = body.flow_control().release_capacity(data.len());
                }
                _ => return false,
            }
        }
    }
    connection.abort();
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lowest_pace_holds_for_streams_too() {
    let slow_but_well = start(Duration::from_millis(1500), 500);
    assert!(read_stream_slowly(&slow_but_well, 1 << 10, Duration::from_secs(5)).await);
    let too_slow = start(Duration::from_millis(1500), 10 << 20);
    assert!(!read_stream_slowly(&too_slow, 1 << 10, Duration::from_secs(10)).await);
}

/// Serves a group in which two calls run at a time.
fn start_group(group: GroupMount) -> Running {
    let group = group.with_limits(GroupLimits { concurrent: 2, ..GroupLimits::default() });
    let mounts = Mounts { groups: vec![group], ..Mounts::default() };
    Running::router(mounts.router().unwrap(), ServerSettings::default())
}

fn request(body: &str) -> String {
    post("/group", "", body)
}

fn waits() -> String {
    call("wait", &["<value><int>1</int></value>"])
}

/// Two clients that read only the first byte of a response, and the time that a third one then waits for its own.
fn time_beside_two_deaf_readers(server: &Running, large: &str, small: &str) -> Duration {
    let deaf: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = connect(server.address);
            stream.write_all(large.as_bytes()).unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    let answer = server.raw(small);
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("fault"), "{answer}");
    drop(deaf);
    begun.elapsed()
}

#[test]
fn readers_of_rows_that_do_not_read_leave_their_group_to_others() {
    let server = start_group(GroupMount::new("/group", small()));
    let time = time_beside_two_deaf_readers(&server, &request(&many()), &request(&waits()));
    assert!(time < Duration::from_secs(3), "{time:?}");
}

/// A batch of two calls that run at the same time, of which the first ends earlier and has a large result.
#[test]
fn readers_of_batches_that_do_not_read_leave_their_group_to_others() {
    let service = small_service().method_async("large", |_, (): ()| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        "x".repeat(8 << 20)
    });
    let server = start_group(GroupMount::new("/group", service.build().unwrap()));
    let calls =
        r#"[{"jsonrpc":"2.0","id":1,"method":"large"},{"jsonrpc":"2.0","id":2,"method":"wait","params":[500]}]"#;
    let batch = request(calls).replace("text/xml", "application/json");
    let time = time_beside_two_deaf_readers(&server, &batch, &request(&waits()));
    assert!(time < Duration::from_secs(3), "{time:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_passed_on_responses_that_do_not_read_leave_their_group_to_others() {
    let server = ScriptedUpstream::start().await;
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n";
    let begin = head.to_owned() + &chunk("<?xml version='1.0'?><methodResponse><params><param><value>");
    let flood = Act::Flood(begin.into_bytes(), chunk(&"x".repeat(64 << 10)).into_bytes());
    server.will([flood.clone(), flood, Act::Output(response(Protocol::XmlRpc).await)]);
    let upstream = hello::upstream(&server, Protocol::XmlRpc).await;
    let running = start_group(GroupMount::upstream("/group", upstream));
    let hello = request(&call("hello", &[]));
    let time =
        tokio::task::spawn_blocking(move || time_beside_two_deaf_readers(&running, &hello, &hello)).await.unwrap();
    assert!(time < Duration::from_secs(3), "{time:?}");
    assert_eq!(server.requests(), 3);
}
