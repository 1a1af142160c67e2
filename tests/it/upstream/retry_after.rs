//! `Retry-After` in the responses of calls that an upstream does not get: over REST and on pages, where the status is that of the fault.

use std::sync::Arc;

use croupier::codec::DocumentLimits;
use croupier::config::{Config, Registry};
use croupier::http::public_url::PublicUrl;
use croupier::protocol::page::{PageTemplate, TemplatePage};
use croupier::server::mount::{Mounts, PageMount};
use tokio::sync::Barrier;

use super::failing_hosts::{start, status};
use super::rest_passthrough::exchange;
use crate::support::running::Running;
use crate::support::upstream::{Act, ScriptedUpstream};

/// The requests that call the method, and whether the status of the response is that of a fault.
const WAYS: [(&str, &str, bool); 8] = [
    ("GET /wheel/spins/7", "", true),
    ("GET /wheel/spin?number=7", "", true),
    ("POST /wheel/spin\r\nContent-Type: application/json", r#"{"number": 7}"#, true),
    ("GET /wheel/turns/7", "", true),
    ("POST /both/spin\r\nContent-Type: application/json", r#"{"number": 7}"#, true),
    ("GET /page?number=7", "", true),
    (
        "POST /wheel\r\nContent-Type: application/json",
        r#"{"jsonrpc": "2.0", "method": "spin", "params": [7], "id": 1}"#,
        false,
    ),
    (
        "POST /wheel\r\nContent-Type: text/xml",
        "<methodCall><methodName>spin</methodName><params><param><value><int>7</int></value></param></params></methodCall>",
        false,
    ),
];

/// A REST server behind a group, an aggregate and a page. `options` are further keys of the upstream.
async fn serving(host: &ScriptedUpstream, options: &str) -> Running {
    let url = format!("http://{}/", host.address());
    let text = format!(
        r#"
        [group."/wheel"]
        routes = [{{ route = "GET /turns/{{number}}", method = "spin" }}]
        [group."/wheel".upstream]
        urls = ["{url}"]
        protocol = "rest"
        {options}
        [group."/wheel".upstream.methods.spin]
        route = "GET /spins/{{number}}"
        params.number = {{ type = "integer", required = true }}
        [group."/both".aggregate.methods.spin]
        calls.wheel = {{ group = "/wheel", method = "spin", args = {{ number = "$number" }} }}
        "#
    );
    let config = Config::parse("test.toml", &text, &Registry::standard()).unwrap();
    let mut mounts: Mounts = config.mounts();
    let wheel = mounts.groups.iter().find(|group| group.path == "/wheel").unwrap();
    wheel.upstream.as_ref().unwrap().discover().await.unwrap();
    let page = TemplatePage {
        title: "Spin".into(),
        method: "spin".into(),
        template: Arc::new(PageTemplate::new("page", "<p>{{ result }}</p>", &[]).unwrap()),
        style: None,
        refresh: None,
        limits: DocumentLimits::default(),
        public_url: Arc::new(PublicUrl::default()),
    };
    let page =
        PageMount { path: "/page".to_owned(), group: "/wheel".to_owned(), service: wheel.layered_service(), page };
    mounts.pages.push(page);
    Running::of_mounts(mounts)
}

/// The seconds of `Retry-After`, if the response has it.
fn retry_after(head: &str) -> Option<u64> {
    let lines: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix("retry-after: ")).collect();
    assert!(lines.len() <= 1, "{head}");
    lines.first().map(|seconds| seconds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_breaker_says_when_the_upstream_is_called_again() {
    let host = start(1).await.remove(0);
    let running = serving(&host, r#"breaker = { failures = 1, open = "1h" }"#).await;
    host.will([status(500, "text/plain", "no ball")]);
    let (head, body) = exchange(&running, WAYS[0].0, "").await;
    assert!(head.starts_with("http/1.1 500 ") && body == "no ball" && retry_after(&head).is_none(), "{head}");
    for (request, sent, has_status) in WAYS {
        let (head, body) = exchange(&running, request, sent).await;
        assert_eq!(head.starts_with("http/1.1 502 "), has_status, "{request}: {head}");
        assert!(body.contains("is called again in ") || request.contains("/page"), "{request}: {body}");
        let seconds = retry_after(&head);
        assert!(
            if has_status {
                seconds.is_some_and(|seconds| (3000..=3600).contains(&seconds))
            } else {
                seconds.is_none()
            },
            "{head}"
        );
    }
    assert_eq!(host.requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_upstream_can_be_asked_again_after_a_second() {
    let host = start(1).await.remove(0);
    let running = serving(&host, "limits = { running = 1, waiting = 0 }").await;
    let held = Arc::new(Barrier::new(2));
    host.will([Act::BatchFuture(held.clone(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n17".to_vec())]);
    let first = exchange(&running, WAYS[0].0, "");
    let others = async {
        while host.requests() == 0 {
            tokio::task::yield_now().await;
        }
        for (request, sent, has_status) in WAYS {
            let (head, body) = exchange(&running, request, sent).await;
            assert_eq!(head.starts_with("http/1.1 503 "), has_status, "{request}: {head}");
            assert!(body.contains("busy"), "{request}: {body}");
            assert_eq!(retry_after(&head), has_status.then_some(1), "{request}: {head}");
        }
        held.wait().await;
    };
    let ((head, _), ()) = tokio::join!(first, others);
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(host.requests(), 1);
}
