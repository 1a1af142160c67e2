//! Layers of tower around the client that calls upstream servers.
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use croupier::model::fault::BoxError;
use croupier::model::shape::Shapes;
use croupier::protocol::Protocol;
use croupier::service::RpcService;
use croupier::upstream as remote;
use croupier::upstream::Upstream;
use croupier::upstream::transport::{Repeat, Transport, TransportClient, TransportOptions};
use http::Request;
use tower::{ServiceExt, service_fn};

use crate::support::hello::{self, description, frontends, response, unreachable, world};
use crate::support::over::{Behind, Over};
use crate::support::upstream::{Act, ScriptedUpstream};

fn transport(server: &ScriptedUpstream) -> Transport {
    Transport::new(vec![format!("http://{}/", server.address()).parse().unwrap()], TransportOptions::default()).unwrap()
}

async fn behind(transport: Transport, protocol: Protocol) -> Behind {
    let options =
        remote::UpstreamOptions { description: Some(description(protocol)), ..remote::UpstreamOptions::new(protocol) };
    let remote = Upstream::new(transport, options).unwrap();
    remote.discover().await.unwrap();
    Behind { shapes: Shapes::of(&remote.interface()), service: Arc::new(remote), frontends: frontends() }
}

#[tokio::test]
async fn layers_see_every_request_the_outermost_first() {
    let server = ScriptedUpstream::start().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noting = |name: &'static str| {
        let seen = seen.clone();
        move |client: TransportClient| {
            client.map_request(move |mut request: Request<Bytes>| {
                let repeat = request.extensions().get::<Repeat>().copied();
                seen.lock().unwrap().push((name, repeat));
                request.headers_mut().insert(name, "seen".parse().unwrap());
                request
            })
        }
    };
    for protocol in hello::CLIENT_PROTOCOLS {
        server.will([Act::Output(response(protocol).await)]);
        let behind = behind(transport(&server).layer(noting("inner")).layer(noting("outer")), protocol).await;
        for over in Over::ALL {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol:?}");
            let expected = ["outer", "inner"].map(|name| (name, Some(Repeat::Unsent)));
            assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
        }
        let sent = String::from_utf8(server.last()).unwrap();
        assert!(sent.contains("\r\ninner: seen\r\n") && sent.contains("\r\nouter: seen\r\n"), "{sent}");
    }
}

/// A client that stops asking after this many failures.
fn tripping(
    most: usize,
    client: TransportClient,
) -> impl tower::Service<
    Request<Bytes>,
    Response = http::Response<croupier::upstream::transport::Incoming>,
    Error = BoxError,
    Future: Send,
> + Clone
+ Sync {
    let failures = Arc::new(AtomicUsize::new(0));
    service_fn(move |request: Request<Bytes>| {
        let (client, failures) = (client.clone(), failures.clone());
        async move {
            if failures.load(SeqCst) >= most {
                return Err(BoxError::from("it has failed too often"));
            }
            let answer = client.oneshot(request).await;
            if answer.is_err() {
                failures.fetch_add(1, SeqCst);
            }
            answer.map_err(BoxError::from)
        }
    })
}

#[tokio::test]
async fn a_layer_may_answer_that_there_is_no_answer() {
    let server = ScriptedUpstream::start().await;
    for protocol in hello::CLIENT_PROTOCOLS {
        for over in Over::ALL {
            let behind = behind(transport(&server).layer(|client| tripping(3, client)), protocol).await;
            server.will([Act::Cut(Vec::new())]);
            for calls in 1..=6 {
                assert_eq!(over.ask(&behind, "hello", &[]).await, unreachable(over), "{over:?} to {protocol:?}");
                assert_eq!(server.requests(), calls.min(3));
            }
        }
    }
}

#[tokio::test]
async fn errors_of_a_layer_are_reported_and_other_errors_stay_unchanged() {
    let server = ScriptedUpstream::start().await;
    let transport = transport(&server).layer(|client| tripping(1, client));
    server.will([Act::Cut(Vec::new())]);
    let mut told = Vec::new();
    for _ in 0..2 {
        let request = Request::post("/").body(Bytes::from_static(b"x")).unwrap();
        told.push(transport.send(request, Repeat::Unsent, None).await.err().unwrap());
    }
    let address = server.address();
    assert!(told[0].to_string().starts_with(&format!("the connection to {address} broke: ")), "{}", told[0]);
    assert_eq!(told[1].to_string(), "a layer has stopped the request: it has failed too often");
    assert_eq!((told[1].reason().as_str(), told[1].connected()), ("it has failed too often", true));
}
