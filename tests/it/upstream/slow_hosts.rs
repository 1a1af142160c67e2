//! Hosts whose latency changes, and hosts that come and go.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use croupier::Kind;
use croupier::protocol::Protocol;
use croupier::upstream::UpstreamOptions;
use croupier::upstream::transport::{Hedge, HostLimits, TransportOptions};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::failing_hosts::{advance, behind, call, idempotent, in_turn, requests, start, status, upstream, urls};
use crate::support::hello::{CLIENT_PROTOCOLS, response, world};
use crate::support::over::{Behind, Over};
use crate::support::upstream::{Act, ScriptedUpstream};

#[tokio::test]
async fn a_call_that_takes_longer_than_most_is_hedged() {
    let hosts = start(3).await;
    for protocol in CLIENT_PROTOCOLS {
        let transport = TransportOptions { hedge: Some(Hedge::Quantile(0.95)), ..in_turn() };
        let behind = behind(&urls(&hosts), idempotent(protocol), transport).await;
        let sound = response(protocol).await;
        hosts.iter().for_each(|host| host.will([Act::Output(sound.clone())]));
        // Only then is it known how long most calls take.
        for over in Over::ALL.into_iter().cycle().take(40) {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol}");
        }
        hosts[2].will([Act::Silence]);
        for over in Over::ALL.into_iter().cycle().take(12) {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol}");
        }
        assert!(hosts[2].requests() >= 3, "{protocol}: {}", hosts[2].requests());
    }
}

/// The error page of one host does not end the request to the other, which is only slow.
#[tokio::test]
async fn an_error_page_does_not_end_a_call_that_is_hedged() {
    let failing = start(1).await.remove(0);
    for protocol in CLIENT_PROTOCOLS {
        let slow = HeldHost::start().await;
        let sound = response(protocol).await;
        let hedge = Some(Hedge::After(Duration::from_millis(1)));
        let urls = [slow.host.address(), failing.address()].map(|address| format!("http://{address}/"));
        let behind = behind(&urls, idempotent(protocol), TransportOptions { hedge, ..in_turn() }).await;
        for over in Over::ALL {
            slow.hold(&sound);
            failing.will([status(500, "text/html", "<h1>error</h1>")]);
            let let_go = async {
                while slow.host.requests() == 0 || failing.requests() == 0 {
                    tokio::task::yield_now().await;
                }
                // Until the error page has been read.
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                slow.gate.add_permits(1);
            };
            let (result, ()) = tokio::join!(over.ask(&behind, "hello", &[]), let_go);
            assert_eq!(result, Ok(world()), "{over:?} to {protocol}");
            assert_eq!((slow.host.requests(), failing.requests()), (1, 1), "{over:?} to {protocol}");
        }
    }
}

/// A host that holds its responses until it is let go.
struct HeldHost {
    host: ScriptedUpstream,
    gate: Arc<Semaphore>,
}

impl HeldHost {
    async fn start() -> HeldHost {
        HeldHost { host: start(1).await.remove(0), gate: Arc::new(Semaphore::new(0)) }
    }

    fn hold(&self, sound: &[u8]) {
        self.host.will([Act::Held(self.gate.clone(), sound.to_vec())]);
    }

    /// Lets all requests go that it has got, after this many seconds.
    async fn let_go(&self, seconds: u64) {
        advance(seconds).await;
        self.gate.add_permits(self.host.requests());
    }
}

/// How many of 40 calls at the same time the limit lets through; the others are refused. Each takes this many seconds.
async fn let_through(held: &HeldHost, behind: &Arc<Behind>, sound: &[u8], seconds: u64) -> usize {
    const CALLS: usize = 40;
    held.hold(sound);
    let mut running = JoinSet::new();
    for over in Over::ALL.into_iter().cycle().take(CALLS) {
        let behind = behind.clone();
        running.spawn(async move { (over, over.ask(&behind, "hello", &[]).await) });
    }
    let mut refused = 0;
    while held.host.requests() + refused < CALLS {
        match running.try_join_next() {
            Some(ended) => {
                let (over, result) = ended.unwrap();
                assert_eq!(result, Err(over.code(Kind::Busy)), "{over:?}");
                refused += 1;
            }
            None => tokio::task::yield_now().await,
        }
    }
    held.let_go(seconds).await;
    while let Some(ended) = running.join_next().await {
        let (over, result) = ended.unwrap();
        assert_eq!(result, Ok(world()), "{over:?}");
    }
    CALLS - refused
}

#[tokio::test]
async fn an_adaptive_limit_falls_when_the_host_is_slower_and_rises_again() {
    for protocol in CLIENT_PROTOCOLS {
        let held = HeldHost::start().await;
        let limits = HostLimits { adaptive: true, waiting: 0, ..HostLimits::default() };
        let transport = TransportOptions { limits, ..TransportOptions::default() };
        let url = [format!("http://{}/", held.host.address())];
        let behind = Arc::new(behind(&url, UpstreamOptions::new(protocol), transport).await);
        let sound = response(protocol).await;
        assert_eq!(let_through(&held, &behind, &sound, 1).await, 20, "{protocol}");
        let usual = let_through(&held, &behind, &sound, 1).await;
        assert!(usual >= 20, "{protocol}: {usual}");
        let mut slow = usual;
        for _ in 0..6 {
            slow = let_through(&held, &behind, &sound, 10).await;
        }
        assert!(slow <= usual / 2, "{protocol}: {slow} of {usual}");
        let mut well = slow;
        for _ in 0..40 {
            well = let_through(&held, &behind, &sound, 0).await;
        }
        assert!(well > slow, "{protocol}: {well} after {slow}");
    }
}

#[tokio::test]
async fn a_slow_host_gets_few_calls_and_is_tried_again_later() {
    let slow = HeldHost::start().await;
    let others = start(2).await;
    let sound = response(Protocol::JsonRpc).await;
    others.iter().for_each(|host| host.will([Act::Output(sound.clone())]));
    let urls = [urls(&others), vec![format!("http://{}/", slow.host.address())]].concat();
    let upstream = upstream(&urls, UpstreamOptions::new(Protocol::JsonRpc), TransportOptions::default()).await;
    for round in 0..3 {
        slow.hold(&sound);
        let mut let_go = 0;
        for _ in 0..100 {
            let mut running = pin!(call(&upstream));
            let is_held = async {
                while slow.host.requests() == let_go {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                ended = running.as_mut() => ended.unwrap(),
                () = is_held => {
                    let_go += 1;
                    advance(1).await;
                    slow.gate.add_permits(1);
                    running.await.unwrap();
                }
            }
        }
        assert!((1..10).contains(&let_go), "{let_go} of 100 calls in round {round}");
        // It is expected to be slow until then, compared with hosts that respond within a millisecond.
        advance(180).await;
    }
}

#[tokio::test]
async fn a_host_that_comes_and_goes_costs_no_harmless_call_its_result() {
    let hosts = start(3).await;
    for protocol in CLIENT_PROTOCOLS {
        let behind = behind(&urls(&hosts), idempotent(protocol), in_turn()).await;
        let sound = Act::Output(response(protocol).await);
        let mut failed = 0;
        for phase in 0..12 {
            let is_well = phase % 2 == 1;
            hosts.iter().for_each(|host| host.will([sound.clone()]));
            if !is_well {
                hosts[0].will([Act::Cut(Vec::new())]);
            }
            for over in Over::ALL.into_iter().cycle().take(60) {
                assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()), "{over:?} to {protocol}");
            }
            if !is_well {
                assert!(hosts[0].requests() <= 5, "{protocol}, phase {phase}: {}", hosts[0].requests());
                failed += hosts[0].requests();
                assert_eq!(requests(&hosts), 60 + hosts[0].requests());
            }
            advance(7).await;
        }
        assert!(failed >= 5, "{protocol}: {failed}");
        // When it stays, it has its share again.
        for _ in 0..30 {
            advance(10).await;
            assert_eq!(Over::JsonRpc.ask(&behind, "hello", &[]).await, Ok(world()));
        }
        hosts.iter().for_each(|host| host.will([sound.clone()]));
        for over in Over::ALL.into_iter().cycle().take(60) {
            assert_eq!(over.ask(&behind, "hello", &[]).await, Ok(world()));
        }
        assert_eq!(hosts[0].requests(), 20, "{protocol}");
    }
}
