//! An honest client gets its response within a second while hostile clients of every kind are at work.
//!
//! `benches/hostile.py` does the same in full size and also watches the memory.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};

use super::Program;

/// How long an honest spin may take, whatever else goes on.
const BOUND: Duration = Duration::from_secs(1);
/// How many honest spins there are at least.
const SPINS: usize = 100;
/// How many spins in a row are late before the server is to blame, and not a moment's lack of processors.
const LATE: usize = 3;
/// How often each hostile request is sent; two clients of each sort do so at a time.
const ROUNDS: usize = 5;

/// A request that costs more than it should, and what its answer holds.
struct Attack {
    request: Vec<u8>,
    answer: &'static str,
}

#[test]
fn honest_spins_are_answered_in_time_among_hostile_clients() {
    let server = Program::start();
    let idle: Vec<_> = (0..100).map(|_| server.connect()).collect();
    let never_reading: Vec<_> = (0..20).map(|_| begin_long_answer(&server)).collect();
    let slow_request = post("/wheel/mini", "", &call("spin", &[]));
    let mut slow: Vec<_> = (0..20).map(|_| server.connect()).collect();
    let mut honest = BufReader::new(server.connect());
    let attacks = attacks();
    thread::scope(|scope| {
        let twice = attacks.iter().chain(&attacks);
        let attackers: Vec<_> = twice.map(|attack| scope.spawn(|| repeat(&server, attack))).collect();
        let (mut spins, mut late) = (0, 0);
        while spins < SPINS || !attackers.iter().all(thread::ScopedJoinHandle::is_finished) {
            late = if spin(&mut honest) < BOUND { 0 } else { late + 1 };
            assert!(late < LATE, "{LATE} spins in a row took longer than {BOUND:?}");
            let byte = slow_request.as_bytes().get(spins..=spins).unwrap_or_default();
            // Who is too slow for the timeouts is cut in the meantime.
            slow.iter_mut().for_each(|stream| stream.write_all(byte).unwrap_or_default());
            spins += 1;
        }
    });
    for stream in idle {
        spin(&mut BufReader::new(stream));
    }
    drop(never_reading);
}

fn attacks() -> Vec<Attack> {
    let wheel = |body: &str, answer| Attack { request: post("/wheel/american", "", body).into_bytes(), answer };
    let (deep, many) = (10_000, 300_000);
    let untyped = "x".repeat(256 << 10);
    vec![
        wheel(&call("spin", &["<value><array><data>".repeat(deep).as_str()]), "<methodResponse><fault>"),
        wheel(&format!("{}{}", "<a>".repeat(deep), "</a>".repeat(deep)), "<methodResponse><fault>"),
        wheel(&format!("<methodCall>{}</methodCall>", "<a/>".repeat(many)), "elements"),
        wheel(&format!("<!DOCTYPE a [{}]>{}", ENTITIES, call("spin", &[])), "<methodResponse><fault>"),
        Attack { request: bomb(), answer: "HTTP/1.1 413 " },
        Attack { request: both_framings(), answer: "HTTP/1.1 400 " },
        wheel(&call("spin", &[])[..40], "<methodResponse><fault>"),
        Attack { request: post("/wheel/american", "", &call("spin", &[]))[..90].into(), answer: "" },
        Attack { request: post("/diagnostics", "", &call("echo", &[&value(&untyped)])).into(), answer: "xxx" },
    ]
}

/// Ten entities of which each is ten times the one before.
const ENTITIES: &str = r#"<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">"#;

fn value(text: &str) -> String {
    format!("<value>{text}</value>")
}

/// 16 MiB of zeros, packed.
fn bomb() -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&vec![0; 16 << 20]).unwrap();
    let packed = packer.finish().unwrap();
    let head = format!(
        "POST /wheel/american HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    [head.into_bytes(), packed].concat()
}

fn both_framings() -> Vec<u8> {
    post("/wheel/american", "Transfer-Encoding: chunked\r\n", &call("spin", &[])).into_bytes()
}

/// Asks for an answer of a gigabyte and reads one byte of it.
fn begin_long_answer(server: &Program) -> TcpStream {
    let mut stream = server.connect();
    let request = post("/wheel/american", "", &call("spinList", &["<value><int>5000000</int></value>"]));
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    stream
}

fn repeat(server: &Program, attack: &Attack) {
    for _ in 0..ROUNDS {
        let answer = raw(server, &attack.request);
        // Too many large bodies at once are refused, and half a request may be dropped without a word.
        let shed = answer.starts_with("HTTP/1.1 503 ");
        assert!(shed || answer.contains(attack.answer), "{}: {:.300}", attack.answer, answer);
    }
}

/// Sends bytes unchanged, half-closes, and reads all that comes back, as text.
fn raw(server: &Program, request: &[u8]) -> String {
    let mut stream = server.connect();
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// An HTTP/1.1 POST of an XML-RPC document, with more header lines if wanted, each ended by CRLF.
fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// A `methodCall` with these parameters, each already a `<value>`.
fn call(method: &str, params: &[&str]) -> String {
    let params: String = params.iter().map(|value| format!("<param>{value}</param>")).collect();
    format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>"
    )
}

/// Spins once on a connection that stays open, and says how long that took.
fn spin(connection: &mut BufReader<TcpStream>) -> Duration {
    let begun = Instant::now();
    connection.get_mut().write_all(post("/wheel/european", "", &call("spin", &[])).as_bytes()).unwrap();
    let mut status = String::new();
    connection.read_line(&mut status).unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK\r\n");
    let mut length = 0;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).unwrap();
        match line.strip_prefix("content-length: ") {
            Some(digits) => length = digits.trim().parse().unwrap(),
            None if line == "\r\n" => break,
            None => {}
        }
    }
    let mut answer = vec![0; length];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(String::from_utf8(answer).unwrap().matches("<string>").count(), 4);
    begun.elapsed()
}
