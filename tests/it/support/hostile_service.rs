//! A service whose every text tries to be mark-up, a template, or a trick with the direction of reading.

use croupier::model::interface::{Interface, Method, Param, Ring, Sector};
use std::sync::Arc;

use croupier::service::future::MaybeReady;
use croupier::service::{Call, CallFuture, Output, RpcService};
use croupier::{Fault, Kind};
use schemars::Schema;
use serde_json::{Value, json};

/// What should be shown as it stands wherever it is put.
pub(crate) const TEXT: &str = "</script></title></textarea></main><img src=x onerror=alert(1)><svg onload=alert(2)>\
                               \"'` onfocus=alert(3) autofocus x={{ 7 * 7 }}{% raw %} javascript:alert(4) &lt; \u{202e}reversed";

/// What a page shows of it: the characters that mislead are replaced.
pub(crate) fn shown() -> String {
    TEXT.replace('\u{202e}', "\u{fffd}")
}

pub(crate) struct Hostile(Arc<Interface>);

pub(crate) fn service() -> Hostile {
    let schema = |value: Value| Schema::try_from(value).expect("a schema");
    let param = |name: &str, of: Value| Param {
        name: name.to_owned(),
        doc: TEXT.to_owned(),
        schema: schema(of),
        required: false,
    };
    let params = vec![
        param(TEXT, json!({"type": "string", "default": TEXT, "title": TEXT, "format": TEXT})),
        param("choice", json!({"enum": [TEXT, "b", "\u{0}\u{202e}"], "default": TEXT})),
        param("json", json!({"type": "array", "items": {"type": "string", "title": TEXT}, "default": [TEXT]})),
        param("record", json!({"type": "object", "properties": {TEXT: {"type": "string"}}, "default": {TEXT: TEXT}})),
    ];
    let method = Method {
        name: TEXT.to_owned(),
        doc: format!("{TEXT}\n\n`{TEXT}`"),
        params,
        result: schema(json!({"type": "string", "description": TEXT, "enum": [TEXT]})),
        safe: true,
    };
    let quiet = Method { name: "echo".to_owned(), ..method.clone() };
    let sector = |label: &str| Sector { label: label.to_owned(), color: TEXT.to_owned(), share: 0.5 };
    let ring = Ring { sectors: vec![sector(TEXT), sector("b")], pick: TEXT.to_owned(), list: Some(TEXT.to_owned()) };
    Hostile(Arc::new(Interface {
        title: TEXT.to_owned(),
        doc: TEXT.to_owned(),
        methods: vec![method, quiet],
        ring: Some(ring),
        ..Interface::default()
    }))
}

impl RpcService for Hostile {
    fn interface(&self) -> Arc<Interface> {
        self.0.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        MaybeReady::now(match call.method {
            "echo" => Ok(Output::One(Box::new(TEXT))),
            _ => Err(Fault::new(Kind::Service(None), TEXT)),
        })
    }
}
