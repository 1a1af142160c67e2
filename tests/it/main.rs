//! The integration tests: one program, so that the crate is linked once.
//!
//! `cargo test --test it golden::` runs the tests of one module. Tests that need programs of others are ignored with the
//! reason `needs ...`; `cargo test --test it -- --ignored` runs them. Tests share this process and run at the same time:
//! none may change its environment, its working directory or its panic hook, and names of temporary files contain the
//! process number and a name of the test. Tests that load the whole machine are in `tests/load`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

// The program as a process: its commands, `croupier add`, and the access log.
mod cli;
// The XML-RPC client of the library against servers on sockets.
mod client;
// The configuration: the built-in one, its reference, its error messages, and services added by a library user.
mod config;
// What is shipped for operators: units, manifests, the container image, and the workflows of a release.
mod deploy;
// Interfaces read from what a server says of itself: WSDL documents and XML-RPC introspection.
mod discovery;
// What the documents say of the tests.
mod documentation;
// Requests and documents compared byte for byte with `tests/golden`.
mod golden;
// Documents and upstream responses made to be slow, deep, large or wrong.
mod hostile;
// Programs written by others, against the gateway and behind it. All of these are ignored unless asked for.
mod interop;
// Properties of every value, document and request, checked with random ones.
mod properties;
// What one protocol does over HTTP, and that all of them give the same result for the same call.
mod protocols;
// The HTTP server: HTTP/1, HTTP/2, timeouts, and worker threads.
mod server;
// Services: how arguments are read, the shapes of types, and aggregates.
mod service;
// What several of the above share. It holds no tests.
mod support;
// Groups whose calls go to an upstream server.
mod upstream;
