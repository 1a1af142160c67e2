//! `croupier call`: calls a method of an XML-RPC server.

use std::time::Duration;

use tokio::runtime::Builder;

use super::args::CallArgs;
use super::{Failure, say};
use crate::client::Client;
use crate::codec::xmlrpc::{BigIntegers, Nil, XmlRpcDialect};
use crate::model::value::Value;

/// Calls a method `call.repeat` times, and prints each result as a line of JSON.
pub(super) fn call(call: &CallArgs) -> Result<(), Failure> {
    let args = call.args.iter().map(|arg| argument(arg)).collect::<Result<Vec<Value>, Failure>>()?;
    let client = client(&call.url, call.timeout.into())?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        for _ in 0..call.repeat {
            let result: Value = client.call(&call.method, &args).await?;
            say(serde_json::to_string(&result)?);
        }
        Ok(())
    })
}

/// A client for the server at a URL. It writes `null` and large integers as the extensions `<nil/>` and `<i8>`.
pub(super) fn client(url: &str, timeout: Duration) -> Result<Client, Failure> {
    let dialect = XmlRpcDialect { nil: Nil::Nil, big_integers: BigIntegers::I8, ..XmlRpcDialect::default() };
    Ok(Client::builder(url).timeout(timeout).dialect(dialect).build()?)
}

fn argument(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let quoted = serde_json::Value::from(text);
        Failure::from(format_args!("the argument {text} is not valid JSON ({error}); a text is written '{quoted}'"))
    })
}
