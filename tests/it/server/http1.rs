//! The gateway over real sockets: HTTP of old and unusual clients, and the response for each path and method.

use std::io::{BufRead, BufReader, Read, Write};

use croupier::protocol::xmlrpc::server::XmlRpc;
use croupier::server::settings::ServerSettings;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::running::{Running, call, post, small};

const WORLD: &str = "<value><string>world</string></value></param></params></methodResponse>\n";

fn server() -> Running {
    Running::start(small(), ServerSettings::default())
}

/// The status code of a raw response.
fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {response:?}"))
}

fn hello() -> String {
    call("hello", &[])
}

#[test]
fn a_call_is_answered() {
    let answer = server().post("/test", &hello());
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: text/xml\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-length: "), "{answer}");
    assert!(answer.ends_with(WORLD), "{answer}");
}

#[test]
fn one_connection_serves_many_calls() {
    let server = server();
    let mut stream = server.connect();
    for _ in 0..5 {
        stream.write_all(post("/test", "", &hello()).as_bytes()).unwrap();
        assert_eq!(read_one(&mut BufReader::new(&stream)).1, full(WORLD));
    }
    stream.write_all(post("/test", "", &hello()).repeat(3).as_bytes()).unwrap();
    let mut pipelined = BufReader::new(&stream);
    for _ in 0..3 {
        assert_eq!(read_one(&mut pipelined).1, full(WORLD));
    }
}

fn full(value: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><params><param>{value}")
}

/// Reads one response that has a length: its head and its body.
fn read_one(reader: &mut impl BufRead) -> (String, String) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "closed after {head:?}");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[test]
fn http_1_0_gets_a_length_and_keeps_the_connection_only_if_asked() {
    let server = server();
    let body = hello();
    let request = |more: &str| {
        format!("POST /test HTTP/1.0\r\nContent-Length: {}\r\nContent-Type: text/xml\r\n{more}\r\n{body}", body.len())
    };
    let closed = server.raw(request(""));
    assert!(closed.starts_with("HTTP/1.0 200 OK\r\n") && closed.ends_with(WORLD), "{closed}");
    assert!(!closed.contains("chunked"), "{closed}");

    let mut stream = server.connect();
    for _ in 0..2 {
        stream.write_all(request("Connection: keep-alive\r\n").as_bytes()).unwrap();
        let (head, answer) = read_one(&mut BufReader::new(&stream));
        assert!(head.to_lowercase().contains("connection: keep-alive"), "{head}");
        assert!(answer.ends_with(WORLD));
    }
}

#[test]
fn http_1_0_reads_a_long_array_to_the_end_of_the_connection() {
    let server = server();
    let body = call("numbers", &["<value><int>20000</int></value>"]);
    let answer = server.raw(format!("POST /test HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert!(!answer.to_lowercase().contains("transfer-encoding"), "{}", &answer[..300]);
    assert!(
        answer.ends_with("<value><int>19999</int></value></data></array></value></param></params></methodResponse>\n")
    );
}

#[test]
fn a_short_array_has_a_length_and_a_long_one_comes_in_chunks() {
    let server = server();
    let short = server.post("/test", &call("numbers", &["<value><int>10</int></value>"]));
    assert!(short.contains("\r\ncontent-length: "), "{short}");
    let long = server.post("/test", &call("numbers", &["<value><int>20000</int></value>"]));
    assert!(long.contains("\r\ntransfer-encoding: chunked\r\n"), "{}", &long[..300]);
    assert!(long.ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn a_chunked_request_is_read() {
    let body = hello();
    let (one, two) = body.split_at(17);
    let chunks = format!("{:x}\r\n{one}\r\n{:x};x=y\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
    let head = "POST /test HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(server().raw(format!("{head}{chunks}")).ends_with(WORLD));
}

#[test]
fn a_client_that_expects_100_continue_gets_it_before_it_sends() {
    let server = server();
    let body = hello();
    let request = post("/test", "Expect: 100-continue\r\n", &body);
    let (head, body) = request.split_at(request.len() - body.len());
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    assert!(read_one(&mut BufReader::new(&stream)).1.ends_with(WORLD));
}

#[test]
fn too_large_a_body_is_refused_before_it_is_asked_for() {
    let server = Running::with(small(), XmlRpc::default(), ServerSettings::default(), 1000);
    let answer = server.raw("POST /test HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(status(&answer), 413, "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
    let chunk = format!("{:x}\r\n{}\r\n", 600, "x".repeat(600)).repeat(2);
    let head = "POST /test HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(status(&server.raw(format!("{head}{chunk}0\r\n\r\n"))), 413);
}

fn packed(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let level = Compression::default();
    match coding {
        "gzip" | "x-gzip" => {
            let mut to = GzEncoder::new(Vec::new(), level);
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
        "zlib" => {
            let mut to = ZlibEncoder::new(Vec::new(), level);
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
        _ => {
            let mut to = DeflateEncoder::new(Vec::new(), level);
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
    }
}

fn post_packed(server: &Running, coding: &str, body: &[u8]) -> String {
    let head = format!(
        "POST /test HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    server.raw([head.as_bytes(), body].concat())
}

#[test]
fn gzip_and_both_kinds_of_deflate_are_unpacked() {
    let server = server();
    for (coding, compressing) in
        [("gzip", "gzip"), ("x-gzip", "gzip"), ("GZIP", "gzip"), ("deflate", "zlib"), ("deflate", "raw")]
    {
        let answer = post_packed(&server, coding, &packed(compressing, hello().as_bytes()));
        assert!(answer.ends_with(WORLD), "{coding} {compressing}: {answer}");
    }
    assert!(post_packed(&server, "identity", hello().as_bytes()).ends_with(WORLD));
}

#[test]
fn answers_are_packed_for_those_who_offer_to_unpack_them_where_that_is_switched_on() {
    let compress = Running::start(small(), ServerSettings { compress: true, ..ServerSettings::default() });
    for (count, chunked) in [(200, false), (20_000, true)] {
        let body = call("numbers", &[&format!("<value><int>{count}</int></value>")]);
        let plain = compress.raw_bytes(post("/test", "", &body));
        let packed = compress.raw_bytes(post("/test", "Accept-Encoding: deflate, gzip;q=0.5\r\n", &body));
        let (head, packed) = head_and_body(&packed);
        assert!(
            head.contains("\r\ncontent-encoding: gzip\r\n") && head.contains("\r\nvary: accept-encoding\r\n"),
            "{head}"
        );
        assert_eq!(head.contains("transfer-encoding: chunked"), chunked, "{head}");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, head_and_body(&plain).1);
        assert!(packed.len() * 4 < unpacked.len());
    }
    let short = compress.raw(post("/test", "Accept-Encoding: gzip\r\n", &hello()));
    assert!(short.ends_with(WORLD) && !short.contains("content-encoding"), "{short}");
    let off =
        server().raw(post("/test", "Accept-Encoding: gzip\r\n", &call("numbers", &["<value><int>200</int></value>"])));
    assert!(off.contains("<int>199</int>"), "{off}");
}

/// The head of a raw response and its body, the chunks put together.
fn head_and_body(response: &[u8]) -> (String, Vec<u8>) {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(response[..end].to_vec()).unwrap();
    let mut rest = &response[end..];
    if !head.contains("chunked") {
        return (head, rest.to_vec());
    }
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return (head, body);
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + length]);
        rest = &rest[line + 4 + length..];
    }
}

#[test]
fn bad_packing_is_400_a_bomb_413_and_an_unknown_coding_415() {
    let server = server();
    assert_eq!(status(&post_packed(&server, "gzip", b"this is not gzip")), 400);
    let whole = packed("gzip", hello().as_bytes());
    assert_eq!(status(&post_packed(&server, "gzip", &whole[..whole.len() - 9])), 400);
    let bomb = packed("gzip", &vec![b' '; 64 << 20]);
    assert_eq!(status(&post_packed(&server, "gzip", &bomb)), 413);
    for coding in ["br", "gzip, gzip", "compress"] {
        assert_eq!(status(&post_packed(&server, coding, hello().as_bytes())), 415, "{coding}");
    }
}

#[test]
fn a_request_has_one_host_and_no_mark_up_in_it() {
    let server = server();
    let body = hello();
    let with = |version: &str, hosts: &str| {
        let length = body.len();
        status(&server.raw(format!(
            "POST /test {version}\r\n{hosts}Content-Type: text/xml\r\nContent-Length: {length}\r\n\r\n{body}"
        )))
    };
    assert_eq!(with("HTTP/1.1", "Host: localhost:8008\r\n"), 200);
    assert_eq!(with("HTTP/1.1", "Host: [::1]:8008\r\n"), 200);
    assert_eq!(with("HTTP/1.1", ""), 400);
    assert_eq!(with("HTTP/1.1", "Host: a\r\nHost: b\r\n"), 400);
    assert_eq!(with("HTTP/1.1", "Host: <b>x</b>\r\n"), 400);
    assert_eq!(with("HTTP/1.0", ""), 200);
    assert_eq!(with("HTTP/1.0", "Host: a\r\nHost: b\r\n"), 400);
}

#[test]
fn framing_that_two_servers_could_read_differently_is_refused() {
    let server = server();
    let body = hello();
    let with = |framing: &str| {
        let answer = server
            .raw(format!("POST /test HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n{framing}\r\n{body}"));
        assert!(!answer.contains("world"), "{framing:?}: {answer}");
        answer
    };
    let length = body.len();
    for framing in [
        "Transfer-Encoding: \u{b}chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length - 1),
        format!("Content-Length: +{length}\r\n"),
        "Content-Length: -1\r\n".to_owned(),
        format!("Content-Length: {length}, 1\r\n"),
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
    ] {
        assert_eq!(status(&with(&framing)), 400, "{framing:?}");
    }
}

#[test]
fn a_body_that_breaks_off_is_no_call() {
    let server = server();
    let request = post("/test", "", &hello());
    let answer = server.raw(&request[..request.len() - 5]);
    assert!(answer.is_empty() || status(&answer) == 400, "{answer}");
    assert!(server.post("/test", &hello()).ends_with(WORLD));
}

#[test]
fn an_http_1_0_request_without_a_length_is_411() {
    assert_eq!(status(&server().raw("POST /test HTTP/1.0\r\nContent-Type: text/xml\r\n\r\n")), 411);
}

#[test]
fn paths_and_verbs_and_media_types_without_a_handler() {
    let server = server();
    for (path, expected) in [
        ("/test", 200),
        ("/test/", 200),
        ("/%74est", 200),
        ("/test?key=value", 200),
        ("/", 404),
        ("/Test", 404),
        ("/tests", 404),
        ("//test", 404),
        ("/test//", 404),
        ("/test/more", 404),
        ("/test%2f", 400),
        ("/x/../test", 400),
        ("/%2e%2e/test", 400),
        ("/test%", 400),
    ] {
        assert_eq!(status(&server.post(path, &hello())), expected, "{path}");
    }
    for verb in ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "BREW"] {
        let answer = server.raw(format!("{verb} /test HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(status(&answer), 405, "{verb}");
        assert!(answer.contains("\r\nallow: POST\r\n"), "{answer}");
        assert_eq!(status(&server.raw(format!("{verb} /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"))), 404, "{verb}");
    }
    let body = hello();
    let typed =
        |header: &str| {
            let length = body.len();
            status(&server.raw(format!(
                "POST /test HTTP/1.1\r\nHost: localhost\r\n{header}Content-Length: {length}\r\n\r\n{body}"
            )))
        };
    for good in [
        "",
        "Content-Type: application/xml; charset=utf-8\r\n",
        "Content-Type: TEXT/XML\r\n",
        "Content-Type: application/x+xml\r\n",
    ] {
        assert_eq!(typed(good), 200, "{good}");
    }
    for bad in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json",
        "application/soap+xml",
    ] {
        assert_eq!(typed(&format!("Content-Type: {bad}\r\n")), 415, "{bad}");
    }
}

#[test]
fn the_reason_of_a_404_is_the_standard_phrase() {
    assert!(server().post("/nowhere", &hello()).starts_with("HTTP/1.1 404 Not Found\r\n"));
}

#[test]
fn a_panic_fails_only_its_own_call() {
    let server = server();
    let mut stream = server.connect();
    stream.write_all(post("/test", "", &call("panics", &[])).as_bytes()).unwrap();
    assert!(read_one(&mut BufReader::new(&stream)).1.contains("<int>-32603</int>"));
    stream.write_all(post("/test", "", &hello()).as_bytes()).unwrap();
    assert!(read_one(&mut BufReader::new(&stream)).1.ends_with(WORLD));
}

#[test]
fn http_2_with_prior_knowledge_is_spoken() {
    let server = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        for count in [3_usize, 50_000] {
            let body = call("numbers", &[&format!("<value><int>{count}</int></value>")]);
            let request = hyper::Request::post(format!("http://{}/test", server.address))
                .header("content-type", "text/xml")
                .body(Full::new(bytes::Bytes::from(body)))
                .unwrap();
            let response = client.send_request(request).await.unwrap();
            assert_eq!(response.status(), 200);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let last = format!("<value><int>{}</int></value></data>", count - 1);
            assert!(String::from_utf8_lossy(&body).contains(&last), "{count}");
        }
    });
}
