//! Breakers of single methods.

use std::sync::Arc;

use croupier::protocol::Protocol;
use croupier::service::RpcService;
use croupier::service::local::Local;
use croupier::upstream::transport::TransportOptions;
use croupier::upstream::{Batching, BreakerOptions, UpstreamOptions};

use super::failing_hosts::{advance, behind};
use crate::support::calls::post_to;
use crate::support::hello::{CLIENT_PROTOCOLS, description_of, response, unreachable, world};
use crate::support::over::{Behind, Over};
use crate::support::scripted::{Scripted, http};
use crate::support::upstream::with_id;

/// A server with one method that fails, `broken`, and one that does not, `hello`.
async fn half_broken(protocol: Protocol) -> Scripted {
    let sound = String::from_utf8(response(protocol).await).unwrap();
    let sound = sound.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    Scripted::start(move |request| match request.contains("broken") {
        true => http("500 X", "Content-Type: text/html\r\n", "<h1>error</h1>"),
        false => String::from_utf8(with_id(sound.clone().into_bytes(), request.as_bytes())).unwrap(),
    })
}

async fn behind_breakers(server: &Scripted, protocol: Protocol) -> Behind {
    let methods = Local::new("Sound", ()).method("hello", |(): &(), (): ()| "world");
    let methods = methods.method("broken", |(): &(), (): ()| "never");
    let methods: Arc<dyn RpcService> = Arc::new(methods.build().unwrap());
    let options = UpstreamOptions {
        breaker: Some(BreakerOptions { failures: 4, per_method: true, ..BreakerOptions::default() }),
        description: Some(description_of(&methods, protocol)),
        batching: Batching::On,
        ..UpstreamOptions::new(protocol)
    };
    behind(&[format!("http://{}/", server.address)], options, TransportOptions::default()).await
}

fn broken_requests(server: &Scripted) -> usize {
    server.requests().iter().filter(|request| request.contains("broken")).count()
}

#[tokio::test]
async fn a_method_that_fails_refuses_no_other() {
    for protocol in CLIENT_PROTOCOLS {
        let server = half_broken(protocol).await;
        let behind = behind_breakers(&server, protocol).await;
        for over in Over::ALL.into_iter().cycle().take(20) {
            assert!(over.ask(&behind, "broken", &[]).await.is_err());
        }
        assert_eq!(broken_requests(&server), 4, "{protocol}");
        for over in Over::ALL {
            assert_eq!(over.ask(&behind, "broken", &[]).await, unreachable(over), "{over:?} to {protocol}");
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol}");
        }
        assert_eq!(broken_requests(&server), 4, "{protocol}");
        assert_eq!(behind.service.outage(), None);
        advance(5).await;
        assert!(Over::JsonRpc.ask(&behind, "broken", &[]).await.is_err());
        assert!(Over::JsonRpc.ask(&behind, "broken", &[]).await.is_err());
        assert_eq!(broken_requests(&server), 5, "the first call that is let through opens it again");
    }
}

/// The batches of one request.
async fn ask_batch(behind: &Behind) -> String {
    let call = |id: u32| format!(r#"{{"jsonrpc":"2.0","method":"broken","id":{id}}}"#);
    let body = format!("[{},{}]", call(1), call(2));
    post_to(&behind.service, &behind.frontends, "", "application/json", body.as_bytes()).await.1
}

#[tokio::test]
async fn batches_belong_to_the_breaker_of_all_methods() {
    for protocol in [Protocol::XmlRpc, Protocol::JsonRpc] {
        let server = half_broken(protocol).await;
        let behind = behind_breakers(&server, protocol).await;
        for _ in 0..10 {
            assert!(ask_batch(&behind).await.contains("error"));
        }
        assert_eq!(broken_requests(&server), 4, "{protocol}");
        let refused = ask_batch(&behind).await;
        assert!(refused.contains("is called again in "), "{refused}");
        // Single calls have breakers of their own, so the upstream is not down.
        assert_eq!(behind.service.outage(), None);
        for over in Over::ALL {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol}");
        }
        assert!(Over::JsonRpc.ask(&behind, "broken", &[]).await.is_err());
        assert_eq!(broken_requests(&server), 5, "{protocol}");
    }
}
