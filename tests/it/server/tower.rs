//! The gateway as a tower service: driven without a socket, and under a path of an axum router.
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use croupier::app::App;
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::http::public_url::PublicUrl;
use croupier::protocol::Protocol;
use croupier::server::PeerAddress;
use croupier::server::gateway::Gateway;
use croupier::server::mount::GroupMount;
use croupier::server::settings::{GroupLimits, ServerSettings};
use croupier::service::local::Local;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

async fn gateway() -> Gateway {
    let wheel = WheelTable::new(Family::American, Chance::seeded(7)).service().unwrap();
    let public_url = PublicUrl { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..PublicUrl::default() };
    App::new().public_url(public_url).mount("/wheel", wheel).unwrap().start().await.gateway()
}

fn spin(path: &str) -> http::request::Builder {
    Request::post(path).header("host", "x").header("content-type", "text/xml")
}

const CALL: &str = "<methodCall><methodName>spin</methodName></methodCall>";

async fn text<B: http_body::Body<Data = Bytes>>(response: Response<B>) -> (StatusCode, String)
where
    B::Error: std::fmt::Debug,
{
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_call_needs_no_socket() {
    let request = spin("/wheel").body(Full::new(Bytes::from(CALL))).unwrap();
    let (status, body) = text(gateway().await.oneshot(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("<methodResponse>") && body.contains("<string>"), "{body}");
    let request = spin("/nowhere").body(Full::new(Bytes::from(CALL))).unwrap();
    assert_eq!(gateway().await.oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn axum_mounts_it_under_a_path() {
    let router: Router = Router::new().nest_service("/rpc", gateway().await);
    let request = spin("/rpc/wheel").body(axum::body::Body::from(CALL)).unwrap();
    let (status, body) = text(router.clone().oneshot(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("<methodResponse>"), "{body}");
    let request = spin("/wheel").body(axum::body::Body::from(CALL)).unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_a_trusted_proxy_names_the_request() {
    let gateway = gateway().await;
    let ask = async |peer: &str| {
        let peer = PeerAddress(peer.parse().unwrap());
        let request = spin("/wheel").header("x-request-id", "mine-7").extension(peer);
        let response = gateway.clone().oneshot(request.body(Full::new(Bytes::from(CALL))).unwrap()).await.unwrap();
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask("10.1.2.3:5").await, "mine-7");
    let (first, second) = (ask("11.1.2.3:5").await, ask("11.1.2.3:5").await);
    assert!(first.ends_with("-1") && second.ends_with("-2"), "{first} {second}");
}

#[tokio::test]
async fn an_unknown_media_type_is_refused_with_those_of_the_group() {
    for (protocols, known) in [
        (
            &Protocol::ALL[..],
            "; SOAP has text/xml or application/soap+xml, XML-RPC has text/xml, JSON-RPC has application/json",
        ),
        (&[Protocol::JsonRpc, Protocol::Page], "; JSON-RPC has application/json"),
    ] {
        let hello = Local::new("Hello", ()).method("hello", |(): &(), (): ()| "world").build().unwrap();
        let mut group = GroupMount::new("/hello", hello);
        group.protocols.names = protocols.to_vec();
        let gateway = App::new().mount_group(group).unwrap().start().await.gateway();
        let request = Request::post("/hello").header("host", "x").header("content-type", "text/plain");
        let (status, body) = text(gateway.oneshot(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap()).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(
            body.trim_end().ends_with(&format!("no protocol of this group has this Content-Type{known}")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_settings_of_an_app_say_whether_the_gateway_compresses() {
    for compress in [false, true] {
        let long = Local::new("Long", ()).method("long", |(): &(), (): ()| "x".repeat(10_000)).build().unwrap();
        let settings = ServerSettings { compress, ..ServerSettings::default() };
        let runtime = App::new().settings(settings).mount("/long", long).unwrap().start().await;
        let request = Request::post("/long/long").header("host", "x").header("accept-encoding", "gzip");
        let request = request.header("content-type", "application/json").body(Full::new(Bytes::from("{}"))).unwrap();
        let response = runtime.gateway().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().contains_key("content-encoding"), compress);
    }
}

#[tokio::test]
async fn the_limits_of_a_group_can_be_set() {
    let slow = Local::new("Slow", ()).method_async("wait", |_, (): ()| std::future::pending::<()>()).build().unwrap();
    let limits = GroupLimits { deadline: Duration::from_millis(20), batch: 1, body: 100, ..GroupLimits::default() };
    let group = GroupMount::new("/slow", slow).with_limits(limits.clone());
    assert_eq!(*group.limits(), limits);
    let gateway = App::new().mount_group(group).unwrap().start().await.gateway();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"wait"}"#;
    for (body, expected) in [
        (call.to_owned(), r#""kind":"late""#),
        (format!("[{call},{call}]"), r#""kind":"limit""#),
        (format!("{call}{}", " ".repeat(100)), "larger"),
    ] {
        let request = Request::post("/slow").header("host", "x").header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::from(body.clone()))).unwrap();
        let (_, text) = text(gateway.clone().oneshot(request).await.unwrap()).await;
        assert!(text.contains(expected), "{body}: {text}");
    }
}
