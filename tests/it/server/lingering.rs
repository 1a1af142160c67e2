//! A refusal reaches a client that is still sending: the connection is closed only once the client has had time to read it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use croupier::protocol::xmlrpc::server::XmlRpc;
use croupier::server::settings::{PerClient, ServerSettings, Timeouts};

use crate::support::running::{Running, small};

const MIB: usize = 1 << 20;

fn server(settings: ServerSettings) -> Running {
    Running::with(small(), XmlRpc::default(), settings, 4096)
}

fn head(path: &str, host: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml\r\n{headers}\r\n")
}

/// What a client reads that has first sent all of this, as old clients do.
fn read_after(mut stream: TcpStream, head: &str, body: usize) -> String {
    let piece = vec![b'x'; MIB];
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..body / MIB {
        stream.write_all(&piece).unwrap_or_else(|error| panic!("{head}: {error}"));
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{head}: {error}"));
    answer
}

#[test]
fn a_client_that_sends_all_of_its_request_first_reads_why_it_is_refused() {
    let server = server(ServerSettings::default());
    let length = format!("Content-Length: {}\r\n", 20 * MIB);
    let chunked = format!("{}{:x}\r\n", head("/test", "localhost", "Transfer-Encoding: chunked\r\n"), 20 * MIB);
    for (head, status) in [
        (head("/test", "localhost", &length), "413"),
        (chunked, "413"),
        (head("/test", "localhost", &format!("{length}Content-Encoding: br\r\n")), "415"),
        (head("/test", "localhost", "Transfer-Encoding: gzip, chunked\r\n"), "501"),
        (head("/nowhere", "localhost", &length), "404"),
        (head("/test", "other.example", &length), "421"),
        (head("/test", "a\"b", &length), "400"),
        // hyper itself refuses these two.
        ("POST /test HTTP/1.1\r\nHost: localhost\r\nX: ".to_owned(), "431"),
        ("POST\0\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = read_after(server.connect(), &head, 20 * MIB);
        assert_eq!(answer.get(9..12), Some(status), "{head}: {answer}");
    }
}

#[test]
fn a_connection_is_used_again_after_a_refusal_or_said_to_close() {
    let server = server(ServerSettings::default());
    let read = |stream: &mut TcpStream| {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let nowhere = |headers: &str| head("/nowhere", "localhost", headers);
    let says_close = |response: &str| response.contains("\r\nconnection: close\r\n");

    // The body comes at once, or in a write of its own.
    let mut stream = server.connect();
    let chunked = format!("{}2\r\nab\r\n0\r\n\r\n", head("/test", "localhost", "Transfer-Encoding: chunked\r\n"));
    for (first, then) in [
        (format!("{}ab", nowhere("Content-Length: 2\r\n")), ""),
        (nowhere("Content-Length: 2\r\n"), "ab"),
        (chunked.clone(), ""),
        (chunked, ""),
        (nowhere("Content-Length: 2\r\n"), "ab"),
    ] {
        stream.write_all(first.as_bytes()).unwrap();
        stream.write_all(then.as_bytes()).unwrap();
        let response = read(&mut stream);
        assert!(response.starts_with("HTTP/1.1 "), "{first}{then}: {response}");
        if says_close(&response) {
            // On a busy machine, the second write may come too late.
            assert!(!then.is_empty(), "{first}: {response}");
            stream = server.connect();
        }
    }

    // It does not come, may be long, or the client waits to be asked for it.
    for request in [
        nowhere("Content-Length: 2\r\n"),
        nowhere("Content-Length: 2\r\nExpect: 100-continue\r\n"),
        nowhere("Content-Length: 1000000\r\n"),
        nowhere("Transfer-Encoding: chunked\r\n"),
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let response = read(&mut stream);
        assert!(response.starts_with("HTTP/1.1 404 ") && says_close(&response), "{request}: {response}");
    }
}

#[test]
fn a_client_whose_body_came_too_late_may_finish_it() {
    let timeouts = Timeouts { body: Duration::from_millis(200), ..Timeouts::default() };
    let server = server(ServerSettings { timeouts, ..ServerSettings::default() });
    let mut stream = server.connect();
    stream.write_all(head("/test", "localhost", "Content-Length: 4000\r\n").as_bytes()).unwrap();
    // Ready when the response has arrived.
    stream.peek(&mut [0]).unwrap();
    let answer = read_after(stream, "the rest", 4 * MIB);
    assert_eq!(answer.get(9..12), Some("408"), "{answer}");
}

#[test]
fn a_client_that_never_ends_is_cut_off() {
    let server = server(ServerSettings::default());
    let mut stream = server.connect();
    stream.write_all(head("/test", "localhost", "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n").as_bytes()).unwrap();
    let piece = vec![b'x'; MIB];
    let sent = (0..256).take_while(|_| stream.write_all(&piece).is_ok()).count();
    // Beyond 64 MiB the buffers of the system hold some.
    assert!((60..128).contains(&sent), "{sent} MiB");
}

/// Whether the server closes the connection within `limit`: it then resets a client that sends more.
fn is_closed_within(mut stream: TcpStream, limit: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        match stream.write(b"x") {
            Ok(_) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => return true,
            Err(error) => panic!("{error}"),
        }
    }
    false
}

#[test]
fn a_client_that_sends_slower_than_the_lowest_pace_is_not_waited_for() {
    let timeouts = Timeouts { write: Duration::from_millis(300), ..Timeouts::default() };
    let server = server(ServerSettings { timeouts, ..ServerSettings::default() });
    let mut stream = server.connect();
    stream.write_all(head("/test", "localhost", "Content-Length: 9000000\r\n").as_bytes()).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    // It sends 50 bytes a second, and 500 are asked for.
    assert!(is_closed_within(stream, Duration::from_secs(10)));
}

#[test]
fn a_client_that_waits_for_100_is_not_waited_for() {
    let server = server(ServerSettings::default());
    let mut stream = server.connect();
    let expecting = head("/test", "localhost", "Content-Length: 9000000\r\nExpect: 100-continue\r\n");
    stream.write_all(expecting.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.get(9..12), Some("413"), "{answer}");
    assert!(is_closed_within(stream, Duration::from_secs(1)));
}

#[test]
fn connections_that_are_still_read_make_room_for_new_ones() {
    let per_client = PerClient { connections: Some(2), ..PerClient::default() };
    let server = server(ServerSettings { per_client, ..ServerSettings::default() });
    let refused = [(); 8].map(|()| {
        let mut stream = server.connect();
        stream.write_all(head("/test", "localhost", "Content-Length: 9000000\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.get(9..12), Some("413"), "{answer}");
        stream
    });
    // Each of them counts, so all but the last two have been closed.
    let closed = refused.into_iter().filter(|stream| is_closed_within(stream.try_clone().unwrap(), MOMENT)).count();
    assert_eq!(closed, 6);
}

/// Long enough for a reset over the loopback interface, and shorter than a refused client is waited for.
const MOMENT: Duration = Duration::from_millis(300);

#[test]
fn a_refused_upload_of_http_2_is_ended_without_an_error() {
    let server = server(ServerSettings::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut requests = requests.ready().await.unwrap();
        let request = http::Request::post(format!("http://{}/test", server.address))
            .header("content-type", "text/xml")
            .body(())
            .unwrap();
        let (answer, mut upload) = requests.send_request(request, false).unwrap();
        upload.send_data(Bytes::from(vec![b'x'; 20_000]), false).unwrap();
        assert_eq!(answer.await.unwrap().status(), 413);
        let reason = std::future::poll_fn(|cx| upload.poll_reset(cx)).await.unwrap();
        assert_eq!(reason, h2::Reason::NO_ERROR);
    });
}

#[test]
fn a_server_that_stops_waits_a_moment_only() {
    let server = server(ServerSettings::default());
    let mut stream = server.connect();
    stream.write_all(head("/test", "localhost", "Content-Length: 9000000\r\n").as_bytes()).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    let begun = Instant::now();
    assert_eq!(server.stop().cut, 0, "it is closed within the drain time");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let _ = stream.shutdown(Shutdown::Both);
}
