//! Fallbacks, shadows and splits hold for every call, whichever way it comes.

use std::sync::Arc;

use croupier::model::name_patterns::NamePatterns;
use croupier::protocol::Protocol;
use croupier::server::gateway::Gateway;
use croupier::server::metrics::MetricsFormat;
use croupier::server::mount::GroupMount;
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use croupier::service::RpcService;
use croupier::service::fallback::{Fallback, Substitute};
use croupier::service::local::{Local, named};
use croupier::service::shadow::{Shadow, ShadowOptions};
use croupier::service::split::{Split, SplitOptions};
use croupier::service::target::TargetGroup;
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{Upstream, UpstreamOptions};

use super::layers::{mounts, send, ways};
use crate::support::hello::description;
use crate::support::peers::free_port;
use crate::support::scrape::Scrape;

fn hello(result: &'static str) -> Local {
    Local::new("Hello", ()).method(named("hello").safe(), move |(): &(), (): ()| result).build().unwrap()
}

fn all() -> NamePatterns {
    NamePatterns(vec!["*".to_owned()])
}

fn other(result: &'static str) -> TargetGroup {
    let service: Arc<dyn RpcService> = Arc::new(hello(result));
    TargetGroup::new("/other", service)
}

fn gateway(group: GroupMount) -> Gateway {
    Gateway::serving(&mounts(group), BodyReader::new(&ServerSettings::default())).unwrap()
}

/// A group whose upstream is not there.
async fn down(protocol: Protocol) -> GroupMount {
    let address = format!("http://127.0.0.1:{}/", free_port()).parse().unwrap();
    let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
    let options =
        UpstreamOptions { description: Some(description(protocol)), safe: all(), ..UpstreamOptions::new(protocol) };
    let upstream = Upstream::new(transport, options).unwrap();
    upstream.discover().await.unwrap();
    GroupMount::upstream("/hello", upstream)
}

#[tokio::test]
async fn the_fallback_of_an_upstream_that_is_down_has_the_result_on_every_way() {
    for protocol in [Protocol::XmlRpc, Protocol::JsonRpc] {
        for (substitute, header) in [
            (Substitute::Call { target: other("moon"), method: None }, "group"),
            (Substitute::Value(Arc::new(croupier::Value::Text("moon".to_owned()))), "value"),
        ] {
            let fallback = Fallback { methods: all(), after: None, substitute };
            let gateway = gateway(down(protocol).await.with_fallbacks(vec![fallback]));
            let metrics = gateway.metrics();
            let mut calls = 0;
            for (way, _, [method, path, media, body], seen) in ways() {
                let text = send(&gateway, &method, &path, &media, &body).await;
                assert_eq!(text.matches("moon").count(), seen, "{way}, {header}: {text}");
                calls += seen;
            }
            let scrape = Scrape(metrics.encode(MetricsFormat::Prometheus));
            let count = |result| scrape.sum("croupier_fallbacks_total", &["group=\"/hello\"", result]);
            #[expect(clippy::cast_precision_loss, reason = "there are few")]
            let calls = calls as f64;
            assert_eq!((count("result=\"used\""), count("result=\"failed\"")), (calls, 0.0));
        }
    }
}

#[tokio::test]
async fn all_calls_go_to_the_other_side_of_a_whole_split_on_every_way() {
    for (percent, result) in [(100.0, "moon"), (0.0, "world")] {
        let split = Split::new(SplitOptions {
            group: "/hello".to_owned(),
            to: other("moon"),
            percent,
            methods: all(),
            sticky: None,
        });
        let gateway = gateway(GroupMount::new("/hello", hello("world")).with_split(split));
        for (way, _, [method, path, media, body], seen) in ways() {
            let text = send(&gateway, &method, &path, &media, &body).await;
            assert_eq!(text.matches(result).count(), seen, "{way}: {text}");
        }
    }
}

#[tokio::test]
async fn a_shadow_gets_each_call_on_every_way_and_callers_do_not_see_it() {
    for (theirs, outcome) in [("world", "equal"), ("moon", "different")] {
        let shadow = Shadow::new(ShadowOptions {
            to: other(theirs),
            percent: 100.0,
            methods: all(),
            compare: true,
            concurrent: 1000,
        });
        let gateway = gateway(GroupMount::new("/hello", hello("world")).with_shadow(shadow));
        let metrics = gateway.metrics();
        let mut calls = 0;
        for (way, _, [method, path, media, body], seen) in ways() {
            let text = send(&gateway, &method, &path, &media, &body).await;
            assert_eq!(text.matches("world").count(), seen, "{way}: {text}");
            calls += seen;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let scrape = Scrape(metrics.encode(MetricsFormat::Prometheus));
            let result = format!("result=\"{outcome}\"");
            let count = scrape.sum("croupier_shadow_calls_total", &["group=\"/hello\"", &result]);
            #[expect(clippy::cast_precision_loss, reason = "there are few")]
            let expected = calls as f64;
            assert_eq!(count, expected, "{way}");
        }
    }
}
