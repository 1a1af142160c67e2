//! Whether an upstream is down, as its service says.

use std::time::Duration;

use croupier::protocol::Protocol;
use croupier::service::args::Args;
use croupier::service::{Call, Context, RpcService as _};
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{DescriptionSource, Upstream, UpstreamOptions};

use crate::support::peers::free_port;

const DOCUMENT: &str = r#"{"openrpc": "1.3.2", "info": {"title": "A", "version": "1"},
    "methods": [{"name": "hello", "params": [], "result": {"name": "r", "schema": true}}]}"#;

async fn call(upstream: &Upstream) -> bool {
    let context = Context::default();
    upstream.call(Call::new("hello", Args::None, &context)).await.is_ok()
}

/// A description from a file can always be read.
#[tokio::test]
async fn a_description_from_a_file_does_not_end_an_outage() {
    let address = format!("http://127.0.0.1:{}/", free_port()).parse().unwrap();
    let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
    let description = DescriptionSource::Text { name: "a.json".to_owned(), text: DOCUMENT.to_owned() };
    let options = UpstreamOptions { description: Some(description), ..UpstreamOptions::new(Protocol::JsonRpc) };
    let upstream = Upstream::new(transport, options).unwrap();
    let (described, mut seen) = tokio::sync::watch::channel(0);
    let watching =
        tokio::spawn(upstream.clone().watch(move |_: &Upstream, _| described.send_modify(|count| *count += 1)));
    seen.wait_for(|count| *count >= 1).await.unwrap();
    assert_eq!(upstream.outage(), None, "nothing has been sent to it");
    assert!(!call(&upstream).await);
    let outage = upstream.outage().unwrap();
    assert!(outage.reason.contains("cannot be reached") && outage.next_attempt.is_none(), "{outage:?}");
    // It is read again and again, less and less often.
    tokio::time::timeout(Duration::from_secs(20), seen.wait_for(|count| *count >= 3)).await.unwrap().unwrap();
    assert_eq!(upstream.outage(), Some(outage));
    watching.abort();
}
