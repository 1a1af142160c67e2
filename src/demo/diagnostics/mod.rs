//! Methods for testing client libraries: two public test suites, and two methods for load tests.

mod interop;
#[cfg(test)]
mod tests;
mod validator;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::value::Value;
use crate::service::local::{Local, RegistrationError, named};

/// The service of kind `diagnostics`: `validator1.*`, `interopEchoTests.*`, `count` and `echo`.
///
/// # Errors
/// If two methods had the same name, which a unit test excludes.
pub fn diagnostics() -> Result<Local, RegistrationError> {
    let builder = Local::new("Diagnostics", ()).about(
        "Checks an XML-RPC client: the eight methods of the validator1 suite, the interopEchoTests, which return what \
         they are given, and `count` and `echo` for measuring.",
    );
    let builder = interop::add(validator::add(builder));
    builder
        .method(named("count").safe(), |_: &(), CountParams { array }| array.len())
        .method(named("echo").safe(), |_: &(), Echo { value }| value)
        .build()
}

/// Reads every value of an array and returns how many there are.
#[derive(Deserialize, JsonSchema)]
struct CountParams {
    /// Values of any types.
    array: Vec<Value>,
}

/// Returns the value it is given.
#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// A value of any type.
    value: Value,
}
