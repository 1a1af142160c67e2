//! Whether an upstream is down, as its service says.

use std::time::{Duration, Instant};

use croupier::protocol::Protocol;
use croupier::service::args::Args;
use croupier::service::{Call, Context, RpcService as _};
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{DescriptionSource, Upstream, UpstreamOptions};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

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

/// Answers requests with the description, until it is dropped.
async fn describe(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let id = loop {
            if stream.read_buf(&mut request).await.unwrap() == 0 {
                break None;
            }
            let text = String::from_utf8_lossy(&request);
            let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
            if let Ok(call) = serde_json::from_str::<serde_json::Value>(body) {
                break Some(call["id"].clone());
            }
        };
        let Some(id) = id else { continue };
        let body = format!(r#"{{"jsonrpc": "2.0", "id": {id}, "result": {DOCUMENT}}}"#);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.unwrap();
    }
}

/// Otherwise an upstream that comes and goes would be asked for its description twice a second.
#[tokio::test]
async fn an_upstream_that_goes_down_after_its_description_is_asked_again_after_seconds() {
    let port = free_port();
    let listen = || TcpListener::bind(("127.0.0.1", port));
    let address = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
    let upstream = Upstream::new(transport, UpstreamOptions::new(Protocol::JsonRpc)).unwrap();
    let (described, mut seen) = tokio::sync::watch::channel(0);
    let server = tokio::spawn(describe(listen().await.unwrap()));
    let begun = Instant::now();
    let watching =
        tokio::spawn(upstream.clone().watch(move |_: &Upstream, _| described.send_modify(|count| *count += 1)));
    seen.wait_for(|count| *count >= 1).await.unwrap();
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
    assert!(!call(&upstream).await && upstream.outage().is_some());
    let server = tokio::spawn(describe(listen().await.unwrap()));
    tokio::time::timeout(Duration::from_secs(20), seen.wait_for(|count| *count >= 2)).await.unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(3), "asked again after {:?}", begun.elapsed());
    assert_eq!(upstream.outage(), None);
    watching.abort();
    server.abort();
}
