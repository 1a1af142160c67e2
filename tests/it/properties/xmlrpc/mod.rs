//! What holds for every value, every document and every request: nothing changes on its way unnoticed, the two
//! readers read the same, and every request has a sound answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::test_runner::Config;

#[path = "properties_xmlrpc/documents.rs"]
mod documents;
#[path = "properties_xmlrpc/requests.rs"]
mod requests;
#[path = "support/specimen.rs"]
mod specimen;
#[path = "properties_xmlrpc/trees.rs"]
mod trees;
#[path = "properties_xmlrpc/values.rs"]
mod values;

/// So many cases of a property; one that fails is printed, and belongs into a test of its own.
fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
