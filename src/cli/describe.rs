//! `croupier describe`: lists the methods of an XML-RPC server.

use std::time::Duration;

use tokio::runtime::Builder;

use super::{Failure, call, say};
use crate::client::Client;
use crate::model::value::Value;

/// Prints the methods of a server with their signatures and help.
pub(super) fn describe(url: &str, timeout: Duration) -> Result<(), Failure> {
    let client = call::client(url, timeout)?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let names: Vec<String> = client.call("system.listMethods", ()).await?;
        for name in &names {
            let signatures = client.call("system.methodSignature", (name,)).await.unwrap_or(Value::Nil);
            for line in signature_lines(name, &signatures) {
                say(line);
            }
            let help = help(&client, name).await;
            for line in help.lines().map(str::trim).filter(|line| !line.is_empty()) {
                say(format_args!("    {line}"));
            }
        }
        Ok(())
    })
}

/// The help of a method; empty if the server has none.
async fn help(client: &Client, name: &str) -> String {
    match client.call("system.methodHelp", (name,)).await {
        Ok(Value::Text(help)) => help,
        _ => String::new(),
    }
}

/// One line per signature. Servers return an array of arrays, one flat array, or a text if they have no signatures.
fn signature_lines(name: &str, signatures: &Value) -> Vec<String> {
    let Value::Array(signatures) = signatures else { return vec![format!("{name}(?)")] };
    let nested = signatures.iter().filter_map(|signature| match signature {
        Value::Array(words) => Some(line(name, words)),
        _ => None,
    });
    let lines: Vec<String> = nested.collect();
    match signatures.as_slice() {
        [] => vec![format!("{name}(?)")],
        words if lines.is_empty() => vec![line(name, words)],
        _ => lines,
    }
}

fn line(name: &str, words: &[Value]) -> String {
    let words: Vec<&str> = words
        .iter()
        .map(|word| match word {
            Value::Text(word) => word.as_str(),
            _ => "?",
        })
        .collect();
    match words.split_first() {
        Some((result, params)) => format!("{name}({}) -> {result}", params.join(", ")),
        None => format!("{name}(?)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(signatures: &str) -> Vec<String> {
        signature_lines("f", &serde_json::from_str(signatures).unwrap())
    }

    #[test]
    fn signatures_are_shown_in_every_shape_that_servers_send() {
        assert_eq!(shown(r#"[["array"], ["array", "int"]]"#), ["f() -> array", "f(int) -> array"]);
        assert_eq!(shown(r#"["boolean", "string"]"#), ["f(string) -> boolean"]);
        assert_eq!(shown(r#""signatures not supported""#), ["f(?)"]);
        assert_eq!(shown("[]"), ["f(?)"]);
    }
}
