//! `croupier call`: any method of any XML-RPC server from the command line.

use std::time::Duration;

use tokio::runtime::Builder;

use super::args::Call;
use super::{Failure, say};
use crate::client::Client;
use crate::codec::xmlrpc::{BigIntegers, Nil, XmlRpcDialect};
use crate::model::value::Value;

/// Calls a method as often as asked and prints each result as a line of JSON.
pub(super) fn call(call: &Call) -> Result<(), Failure> {
    let args = call.args.iter().map(|arg| argument(arg)).collect::<Result<Vec<Value>, Failure>>()?;
    let proxy = proxy(&call.url, call.timeout.into())?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        for _ in 0..call.repeat {
            let result: Value = proxy.call(&call.method, &args).await?;
            say(serde_json::to_string(&result)?);
        }
        Ok(())
    })
}

/// A client for the server at a URL. It sends what a person wrote even where XML-RPC has no form of its own for it.
pub(super) fn proxy(url: &str, timeout: Duration) -> Result<Client, Failure> {
    let dialect = XmlRpcDialect { nil: Nil::Nil, big_integers: BigIntegers::I8, ..XmlRpcDialect::default() };
    Ok(Client::builder(url).timeout(timeout).dialect(dialect).build()?)
}

fn argument(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let quoted = serde_json::Value::from(text);
        Failure::from(format_args!("the argument {text} is no JSON ({error}); a text is written '{quoted}'"))
    })
}
