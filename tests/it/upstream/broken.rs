//! Upstream servers that break off, respond with nonsense, drip or flood: the caller gets a well-formed error in the
//! protocol of the call, and a call that may be made only once is made once.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use croupier::protocol::Protocol;
use croupier::upstream::transport;
use croupier::upstream::transport::{Repeat, Transport};
use croupier::{Kind, Value};
use http::Request;
use http_body_util::BodyExt;
use tokio::sync::Barrier;
use tokio::time::Instant;

use crate::support::calls::post_to;
use crate::support::hello::{self, CLIENT_PROTOCOLS, LARGEST, at, document, response, unreachable, world};
use crate::support::over::{Behind, Over};
use crate::support::upstream::{Act, ScriptedUpstream};

/// What the kernel may hold of a response that is not read, on both sides of a connection, and to spare.
const HELD: usize = 24 << 20;

/// Every protocol of a caller with every protocol of an upstream server.
fn pairs() -> impl Iterator<Item = (Over, Protocol)> {
    Over::ALL.into_iter().flat_map(|over| CLIENT_PROTOCOLS.map(|protocol| (over, protocol)))
}

/// Cuts an answer at each byte from a place on: what is cut is an error, all of it the answer, and the call was made once.
async fn cut_anywhere(
    server: &ScriptedUpstream,
    behind: &Behind,
    pair: (Over, Protocol),
    response: &[u8],
    from: usize,
) {
    let (over, protocol) = pair;
    for end in from..=response.len() {
        server.will([Act::Cut(response[..end].to_vec())]);
        let heard = over.ask(behind, "hello", &[]).await;
        let wanted = if end == response.len() { Ok(world()) } else { unreachable(over) };
        assert_eq!((heard, server.requests()), (wanted, 1), "{over:?} to {protocol:?}, {end} bytes");
    }
}

#[tokio::test]
async fn a_truncated_response_is_an_error_and_the_call_is_sent_once() {
    let server = ScriptedUpstream::start().await;
    for (over, protocol) in pairs() {
        let response = response(protocol).await;
        for idempotent in [false, true] {
            let behind = at(&server, protocol, idempotent).await;
            cut_anywhere(&server, &behind, (over, protocol), &response, 0).await;
        }
    }
}

#[tokio::test]
async fn a_truncated_response_without_a_length_is_an_error() {
    let server = ScriptedUpstream::start().await;
    for (over, protocol) in pairs() {
        let (media, body) = document(protocol).await;
        let response = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n{}", body.trim_end());
        let head = response.len() - body.trim_end().len();
        let behind = at(&server, protocol, false).await;
        cut_anywhere(&server, &behind, (over, protocol), response.as_bytes(), head).await;
    }
}

#[tokio::test]
async fn a_chunked_answer_that_breaks_off_is_an_error() {
    let server = ScriptedUpstream::start().await;
    for (over, protocol) in pairs() {
        let (media, body) = document(protocol).await;
        let (first, second) = body.split_at(body.len() / 2);
        let chunk = |part: &str| format!("{:x}\r\n{part}\r\n", part.len());
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nTransfer-Encoding: chunked\r\n\r\n");
        let response = [head, chunk(first), chunk(second), "0\r\n\r\n".to_owned()].concat().into_bytes();
        let behind = at(&server, protocol, false).await;
        cut_anywhere(&server, &behind, (over, protocol), &response, 0).await;
    }
}

#[tokio::test]
async fn a_request_that_the_server_reads_in_part_is_an_error_and_sent_once() {
    let server = ScriptedUpstream::start().await;
    for (over, protocol) in pairs() {
        for idempotent in [false, true] {
            let behind = at(&server, protocol, idempotent).await;
            server.will([Act::Cut(response(protocol).await)]);
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()));
            for bytes in 0..server.last().len() {
                server.will([Act::Deaf(bytes)]);
                assert_eq!(over.ask(&behind, "hello", &[]).await, unreachable(over), "{over:?} to {protocol:?}");
                assert_eq!(server.requests(), 1, "{over:?} to {protocol:?}, {bytes} bytes");
            }
        }
    }
}

#[tokio::test]
async fn a_broken_reused_connection_allows_one_retry_of_repeatable_calls() {
    let server = ScriptedUpstream::start().await;
    for (over, protocol) in pairs() {
        let response = response(protocol).await;
        let head = response.len() - document(protocol).await.1.len();
        for idempotent in [false, true] {
            let behind = at(&server, protocol, idempotent).await;
            for end in (0..response.len()).filter(|end| *end <= head || end % 16 == 0) {
                let broken = Act::Cut(response[..end].to_vec());
                server.will([Act::Output(response.clone()), broken.clone(), Act::Output(response.clone())]);
                assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()));
                let heard = over.ask(&behind, "hello", &[]).await;
                // Once its head is there, the answer has begun.
                let again = idempotent && end < head;
                let wanted = if again { (Ok(world()), 3) } else { (unreachable(over), 2) };
                assert_eq!((heard, server.requests()), wanted, "{over:?} to {protocol:?}, {end} bytes");
                // Nothing is left over for the next one.
                server.will([Act::Cut(response.clone())]);
                assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()));
            }
        }
    }
}

#[tokio::test]
async fn however_many_kept_connections_break_a_call_is_made_twice_at_most() {
    const MANY: usize = 5;
    let server = ScriptedUpstream::start().await;
    for protocol in CLIENT_PROTOCOLS {
        let response = response(protocol).await;
        for (idempotent, times) in [(false, 1), (true, 2)] {
            let behind = at(&server, protocol, idempotent).await;
            server.will([Act::BatchFuture(Arc::new(Barrier::new(MANY)), response.clone())]);
            let ask = || Over::JsonRpc.ask(&behind, "hello", &[]);
            let asked = tokio::join!(ask(), ask(), ask(), ask(), ask());
            assert_eq!(asked.4, Ok(world()));
            assert_eq!(server.requests(), MANY);
            server.will([Act::Cut(Vec::new())]);
            assert_eq!(ask().await, unreachable(Over::JsonRpc));
            assert_eq!(server.requests(), times, "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_closed_idle_connection_is_not_reused() {
    let server = ScriptedUpstream::start().await;
    for (over, protocol) in pairs() {
        let response = response(protocol).await;
        let behind = at(&server, protocol, false).await;
        for _ in 0..20 {
            // It says nothing of closing, and closes.
            server.will([Act::Cut(response.clone())]);
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol:?}");
            tokio::task::yield_now().await;
        }
    }
}

/// What is no answer in any protocol.
fn nonsense() -> Vec<(&'static str, Vec<u8>)> {
    let page = "<!DOCTYPE html><html><head><title>Oops</title></head><body>502 & <b>so on</body></html>";
    let with = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    };
    let mut bomb =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03"
            .to_vec();
    bomb.extend([0; 4096]);
    vec![
        ("nothing", Vec::new()),
        ("bytes", b"\0\x01\x02\xff\xfe garbage \r\n\r\n".to_vec()),
        ("another protocol", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("a page", with("200 OK", "Content-Type: text/html\r\n", page)),
        ("a page that says it is XML", with("200 OK", "Content-Type: text/xml\r\n", page)),
        ("a page that says it is JSON", with("200 OK", "Content-Type: application/json\r\n", page)),
        ("a page for an error", with("500 Internal Server Error", "Content-Type: text/html\r\n", page)),
        ("another place", with("302 Found", "Location: http://localhost/\r\n", "")),
        ("another document", with("200 OK", "Content-Type: text/xml\r\n", "<a/>")),
        ("half an answer", with("200 OK", "Content-Type: text/xml\r\n", "<methodResponse></methodResponse>")),
        ("another object", with("200 OK", "Content-Type: application/json\r\n", r#"{"a":1}"#)),
        ("a broken object", with("200 OK", "Content-Type: application/json\r\n", r#"{"jsonrpc":"2.0","result":}"#)),
        ("no content", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec()),
        ("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab".to_vec()),
        ("a great length", b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nab".to_vec()),
        ("a length too many", b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 9\r\n\r\nab".to_vec()),
        ("broken chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n".to_vec()),
        ("a great chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab\r\n".to_vec()),
        ("a packed answer", bomb),
    ]
}

#[tokio::test]
async fn nonsense_is_an_error() {
    let server = ScriptedUpstream::start().await;
    for (over, protocol) in pairs() {
        let behind = at(&server, protocol, false).await;
        for (what, bytes) in nonsense() {
            if protocol == Protocol::Rest && what == "no content" {
                // To REST this is nil, for which the WSDL document of this service has no place.
                continue;
            }
            server.will([Act::Cut(bytes)]);
            let heard = over.ask(&behind, "hello", &[]).await;
            let expected = match (protocol, what) {
                // To REST these are no nonsense.
                (Protocol::Rest, "a page for an error") => Err(over.code(Kind::Service(Some(500)))),
                (Protocol::Rest, "another object") => Ok(Value::Struct(vec![("a".to_owned(), Value::Int(1))])),
                _ => unreachable(over),
            };
            assert_eq!((heard, server.requests()), (expected, 1), "{over:?} to {protocol:?}: {what}");
        }
    }
}

#[tokio::test]
async fn errors_reveal_neither_address_nor_credentials() {
    let server = ScriptedUpstream::start().await;
    let port = server.address().port().to_string();
    for protocol in CLIENT_PROTOCOLS {
        let behind = at(&server, protocol, false).await;
        for (what, bytes) in nonsense() {
            server.will([Act::Cut(bytes)]);
            let (_, text) = post_to(&behind.service, &behind.frontends, "hello", "application/json", b"[]").await;
            assert!(!text.contains(&port) && !text.contains("secret") && !text.contains("127.0.0.1"), "{what}: {text}");
        }
        let unreachable_server = hello::behind(&["http://user:secret@127.0.0.1:1/".to_owned()], protocol, false).await;
        let (_, text) =
            post_to(&unreachable_server.service, &unreachable_server.frontends, "hello", "application/json", b"[]")
                .await;
        assert!(text.contains("refused") && !text.contains("secret") && !text.contains("127.0.0.1"), "{text}");
    }
}

#[tokio::test]
async fn floods_are_not_read_to_an_end_that_they_do_not_have() {
    let server = ScriptedUpstream::start().await;
    let piece = "x".repeat(64 << 10);
    let text = |text: &str| text.as_bytes().to_vec();
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    let ok = "HTTP/1.1 200 OK\r\n";
    for (over, protocol) in pairs() {
        let behind = at(&server, protocol, false).await;
        for (what, first, others) in [
            ("a body", text(&format!("{ok}\r\n")), text(&piece)),
            ("a body of XML", text(&format!("{ok}Content-Type: text/xml\r\n\r\n")), text(&piece)),
            ("a body of JSON", text(&format!("{ok}Content-Type: application/json\r\n\r\n")), text(&piece)),
            ("chunks", text(&format!("{ok}Transfer-Encoding: chunked\r\n\r\n")), text(&chunk)),
            ("a chunk's extension", text(&format!("{ok}Transfer-Encoding: chunked\r\n\r\n1;")), text(&piece)),
            ("trailers", text(&format!("{ok}Transfer-Encoding: chunked\r\n\r\n0\r\n")), text("a: b\r\n")),
            ("headers", text(ok), text("a: b\r\n")),
            ("a header", text(&format!("{ok}a: ")), text(&piece)),
            ("a status", text("HTTP/1.1 200 "), text(&piece)),
        ] {
            server.will([Act::Flood(first, others)]);
            let heard = over.ask(&behind, "hello", &[]).await;
            assert_eq!((heard, server.requests()), (unreachable(over), 1), "{over:?} to {protocol:?}: {what}");
            assert!(server.flooded() < LARGEST + HELD, "{what}: {} bytes", server.flooded());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn drips_and_silence_are_late() {
    let server = ScriptedUpstream::start().await;
    let text = |text: &str| text.as_bytes().to_vec();
    for (over, protocol) in pairs() {
        for idempotent in [false, true] {
            let behind = at(&server, protocol, idempotent).await;
            for (what, act) in [
                ("silence", Act::Silence),
                ("a status", Act::Drip(text("HTTP/1.1 200 "), text("x"))),
                ("headers", Act::Drip(text("HTTP/1.1 200 OK\r\n"), text("a: b\r\n"))),
                ("a body", Act::Drip(text("HTTP/1.1 200 OK\r\n\r\n"), text("x"))),
                ("interim answers", Act::Drip(Vec::new(), text("HTTP/1.1 100 Continue\r\n\r\n"))),
                (
                    "chunks",
                    Act::Drip(text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), text("1\r\nx\r\n")),
                ),
            ] {
                server.will([Act::Output(response(protocol).await), act]);
                assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()));
                let begun = Instant::now();
                let heard = over.ask(&behind, "hello", &[]).await;
                let late = Err(over.code(Kind::Late));
                assert_eq!((heard, server.requests()), (late, 2), "{over:?} to {protocol:?}: {what}");
                assert!(begun.elapsed() < Duration::from_secs(70), "{what}: {:?}", begun.elapsed());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_does_not_count_as_a_slow_server() {
    let server = ScriptedUpstream::start().await;
    let address = format!("http://{}/", server.address()).parse().unwrap();
    let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
    server.will([Act::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), b"x".to_vec())]);
    let mut body = transport.send(Request::new(Bytes::new()), Repeat::Unsent, None).await.unwrap().into_body();
    for _ in 0..10 {
        body.frame().await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_secs(100)).await;
    for _ in 0..20 {
        body.frame().await.unwrap().unwrap();
    }
    let begun = Instant::now();
    let late = loop {
        if let Err(error) = body.frame().await.unwrap() {
            break error.to_string();
        }
    };
    assert_eq!(late, "no response within 60s");
    assert!(begun.elapsed() < Duration::from_secs(60));
}
