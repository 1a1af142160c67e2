//! A service of so many methods that its page lists them, with types that are deep, wide and recursive.

use std::sync::Arc;

use croupier::model::interface::{Interface, Method, Param};
use croupier::service::future::MaybeReady;
use croupier::service::{Call, CallFuture, Output, RpcService};
use serde_json::{Map, Value, json};

/// How many methods there are.
pub(crate) const METHODS: usize = 1500;

/// How many types each refer to the next.
const CHAIN: usize = 300;

pub(crate) struct Large(Arc<Interface>);

/// The name of a method.
pub(crate) fn name(number: usize) -> String {
    format!("warehouse.readStockOf{number}")
}

/// A record of this many members, each of which refers to the definition.
fn record(count: usize, definition: &str) -> Value {
    let member = |at: usize| match at {
        0 => ("next".to_owned(), json!({ "$ref": format!("#/$defs/{definition}") })),
        _ => (format!("member{at}"), json!({ "type": "string" })),
    };
    json!({ "type": "object", "properties": Value::Object((0..count).map(member).collect()) })
}

fn param(name: &str, schema: Value, required: bool) -> Param {
    Param { name: name.to_owned(), doc: "What it is.".to_owned(), schema: schema.try_into().unwrap(), required }
}

/// The service. Its methods return the number of their name.
pub(crate) fn service() -> Large {
    let defs: Map<_, _> = (0..CHAIN)
        .map(|at| (format!("Level{at}"), record(40, &format!("Level{}", (at + 1) % CHAIN))))
        .chain([("Tree".to_owned(), json!({ "type": "array", "items": { "$ref": "#/$defs/Tree" } }))])
        .collect();
    let method = |number: usize| Method {
        name: name(number),
        doc: format!(
            "Reads the stock of article {number}. It says how many there are, where they are, and \
             when more of them are to be expected.\n\nNothing is changed."
        ),
        params: vec![
            param("amount", json!({ "type": "integer", "minimum": 1 }), true),
            param("tree", json!({ "$ref": "#/$defs/Tree" }), true),
            param("level", json!({ "$ref": "#/$defs/Level0" }), false),
        ],
        result: json!({ "type": "integer" }).try_into().unwrap(),
        safe: number.is_multiple_of(2),
    };
    Large(Arc::new(Interface {
        title: "Warehouse".to_owned(),
        doc: "All that is in stock.".to_owned(),
        methods: (1..=METHODS).map(method).collect(),
        defs,
        ..Interface::default()
    }))
}

impl RpcService for Large {
    fn interface(&self) -> Arc<Interface> {
        self.0.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        let number: i64 = call.method.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or_default();
        MaybeReady::now(Ok(Output::One(Box::new(number))))
    }
}
