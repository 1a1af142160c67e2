//! The program returns the memory that large requests took.

use std::io::{Read, Write};
use std::thread;

use super::Program;

/// What the program may hold, in KiB. For large documents at most 40 MiB are in use, of which the system's allocator made
/// 500 MiB.
const MOST: u64 = 200 * 1024;
/// The same for large results: 64 MiB may be reserved, and one result may exceed that by two thirds of it.
const MOST_FOR_RESULTS: u64 = 150 * 1024;
const CLIENTS: usize = 5;
const ROUNDS: usize = 4;

#[test]
fn many_large_documents_take_no_more_memory_than_a_few() {
    let server = Program::start();
    let request = count_many_values();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| (0..ROUNDS).for_each(|_| assert_eq!(status(&server, &request), "HTTP/1.1 200 OK")));
        }
    });
    let most = most_memory(server.child.id());
    assert!(most < MOST, "{most} KiB");
}

/// Made at once, the results of twenty callers take more than 200 MiB.
#[test]
fn many_large_results_take_no_more_memory_than_a_few() {
    let config = std::env::temp_dir().join(format!("croupier-results-{}.toml", std::process::id()));
    let calls: String = (0..10)
        .map(|call| {
            format!("calls.c{call} = {{ group = \"/wheel\", method = \"spinList\", args = {{ spins = 5000 }} }}\n")
        })
        .collect();
    let text = format!(
        "server.response-memory = \"64 MiB\"\nlimits.deadline = \"5m\"\n[group.\"/wheel\"]\nservice = \"wheel\"\noptions = {{ family = \"mini\" }}\n\
         [group.\"/all\".aggregate]\ndeadline = \"5m\"\n[group.\"/all\".aggregate.methods.spins]\n{calls}"
    );
    std::fs::write(&config, text).unwrap();
    let server = Program::start_with(&["--config".as_ref(), config.as_ref()]);
    std::fs::remove_file(&config).unwrap();
    let request = b"GET /all/spins HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(status(&server, request), "HTTP/1.1 200 OK"));
        }
    });
    let most = most_memory(server.child.id());
    assert!(most < MOST_FOR_RESULTS, "{most} KiB");
}

fn count_many_values() -> Vec<u8> {
    let body = format!(
        "<methodCall><methodName>count</methodName><params><param><value><array><data>{}</data></array></value>\
         </param></params></methodCall>",
        "<value/>".repeat(249_990)
    );
    let head = format!(
        "POST /diagnostics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

/// Sends a request on a connection of its own and returns the first line of the response.
fn status(server: &Program, request: &[u8]) -> String {
    let mut stream = server.connect();
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// The most memory that a process has held, in KiB.
fn most_memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
