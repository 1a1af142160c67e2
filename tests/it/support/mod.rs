//! What several tests share: services to call, servers to call them through, and the calls themselves.

// Random calls to every method of every service, and the results that the services themselves give.
pub(crate) mod calls;
// Requests with their golden responses, as they are stored in `tests/golden/*/*.cases`.
pub(crate) mod cases;
// A configuration with wheels, a broken group, a slow group, an aggregate and pages.
pub(crate) mod casino;
// A DNS server with a few names.
pub(crate) mod dns_server;
// A service with parameters and results of every type.
pub(crate) mod every_type;
// The upstream service of one method, `hello`, over every protocol.
pub(crate) mod hello;
// A service all of whose texts try to become mark-up.
pub(crate) mod hostile_service;
// One call over each protocol, in memory.
pub(crate) mod over;
// A collector of spans.
#[cfg(feature = "otlp")]
pub(crate) mod collector;
// The examples `dice` and `guests`, whose services and configurations are tested as they are shipped: the only files outside
// this program.
#[expect(dead_code, unreachable_pub, reason = "the example is a program, and nothing here calls its `main`")]
#[path = "../../../examples/dice.rs"]
pub(crate) mod dice;
#[expect(dead_code, unreachable_pub, reason = "the example is a program, and nothing here calls its `main`")]
#[path = "../../../examples/guests.rs"]
pub(crate) mod guests;
// A service of 1,500 methods.
pub(crate) mod large_service;
// Requests of MCP to a gateway.
pub(crate) mod mcp;
// Groups with pages.
pub(crate) mod pages;
// Servers written by others, run as processes behind a gateway.
pub(crate) mod peers;
// Certificates, and clients of TLS.
pub(crate) mod pki;
// Child processes with a time limit.
pub(crate) mod process;
// A service whose parameters can all be given in a query.
pub(crate) mod rest;
// A REST server with an OpenAPI document, which tells what it has received.
pub(crate) mod rest_upstream;
// The gateway on a port of its own in this process, and raw requests to it.
pub(crate) mod running;
// Metrics as Prometheus reads them.
pub(crate) mod scrape;
// A blocking server that returns what a function makes of each request.
pub(crate) mod scripted;
// Exchanges with SOAP services as data in `tests/fixtures`.
pub(crate) mod soap_exchange;
// A small service whose methods always return the same.
pub(crate) mod specimen;
// Random values, and when two of them are the same.
pub(crate) mod trees;
// An asynchronous server that follows a script: it responds, breaks off, drips or floods.
pub(crate) mod upstream;

use proptest::test_runner::Config;

/// `count` cases of a property, or as many times more as the variable `TIMES_CASES` says. A case that fails is printed and
/// not written to a file: it belongs in a test of its own.
pub(crate) fn random_cases(count: u32) -> Config {
    let times = std::env::var("TIMES_CASES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    Config { cases: count.saturating_mul(times), failure_persistence: None, ..Config::default() }
}
