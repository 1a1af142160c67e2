//! Any query gets a value with status 200 or a problem with status 400. What is read from the query is JSON within the
//! limits.

#![no_main]

#[path = "../../tests/it/support/rest.rs"]
mod rest;

use std::sync::{Arc, LazyLock};

use croupier::codec::{DocumentLimits, json};
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::rest::server::{Rest, query};
use croupier::service::{Context, RpcService};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

static SERVICE: LazyLock<Arc<dyn RpcService>> = LazyLock::new(|| Arc::new(rest::service()));
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

/// The methods that have parameters of all sorts.
const METHODS: [&str; 5] = ["echo", "words", "free", "sum", "nothing"];

fuzz_target!(|text: &str| {
    let (service, limits) = (&*SERVICE, DocumentLimits::default());
    for name in METHODS {
        let interface = service.interface();
        let method = interface.method(name).expect("a method of the service");
        // The reader is also given text that no URI may contain.
        if let Ok(Some(object)) = query::read(&interface, method, text, limits) {
            let deeper = DocumentLimits { depth: limits.depth + 2, elements: usize::MAX };
            let checked = json::check(object.as_bytes(), deeper).expect("what was read is within the limits");
            serde_json::from_str::<&serde_json::value::RawValue>(checked.text()).expect("what was read is JSON");
        }
        let Ok(request) = Request::get(format!("/{name}?{text}")).body(()) else { continue };
        let (head, ()) = request.into_parts();
        let context = Context::default();
        let reply =
            Rest::default().serve(service, GroupRequest { head: &head, tail: name, body: b"", context: &context });
        let (head, body) = RUNTIME.block_on(async {
            let (head, body) = reply.await.response.into_parts();
            (head, body.collect().await.expect("a complete response").to_bytes())
        });
        assert!(matches!(head.status, StatusCode::OK | StatusCode::BAD_REQUEST));
        rest::check_body(&head, &body);
    }
});
