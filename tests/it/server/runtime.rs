//! The runtime of a gateway: it discovers upstreams again and rebuilds the groups, and reloads what is mounted.
use std::time::{Duration, Instant};

use bytes::Bytes;
use croupier::app::App;
use croupier::protocol::Protocol;
use croupier::server::gateway::Gateway;
use croupier::server::group_router::MountError;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::settings::{GroupLimits, ListenAddress, ServerSettings};
use croupier::server::{Listener, Server};
use croupier::service::local::Local;
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{Upstream, UpstreamOptions};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::time::timeout;
use tower::ServiceExt;

/// A service with this title and one method.
fn service(title: &str, method: &str) -> Local {
    Local::new(title, ()).method(method, |(): &(), (): ()| "world").build().unwrap()
}

fn mounts(groups: Vec<GroupMount>) -> Mounts {
    Mounts { groups, ..Mounts::default() }
}

async fn get(gateway: &Gateway, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("host", "x").header("accept", "text/html");
    let response = gateway.clone().oneshot(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The result of a call over XML-RPC, or the whole response if that is a fault.
async fn call(gateway: &Gateway, path: &str, method: &str) -> String {
    let body = format!("<methodCall><methodName>{method}</methodName></methodCall>");
    let request = Request::post(path).header("host", "x").header("content-type", "text/xml");
    let response = gateway.clone().oneshot(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let result = body.split("<params><param><value><string>").nth(1).and_then(|rest| rest.split('<').next());
    result.unwrap_or(&body).to_owned()
}

/// An upstream at `/service` of a server, which is asked for its description as often as possible.
fn upstream(address: &ListenAddress) -> Upstream {
    upstream_of(address, Protocol::JsonRpc)
}

fn upstream_of(address: &ListenAddress, protocol: Protocol) -> Upstream {
    let url = format!("http://{address}/service").parse().unwrap();
    let transport = Transport::new(vec![url], TransportOptions::default()).unwrap();
    let options = UpstreamOptions { refresh: Duration::from_millis(1), ..UpstreamOptions::new(protocol) };
    Upstream::new(transport, options).unwrap()
}

#[tokio::test]
async fn a_changed_upstream_appears_in_the_documents_about_its_group() {
    let mut behind = App::new().mount("/service", service("Before", "first")).unwrap().start().await;
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let upstream = upstream(&listener.address());
    let server = Server::new(behind.gateway(), ServerSettings::default(), None);
    tokio::spawn(server.run(vec![listener], std::future::pending()));

    // The directory at `/` exists if there are several groups.
    let front = App::new().mount("/other", service("Other", "hello")).unwrap();
    let front = front.mount_upstream("/front", upstream).unwrap().start().await;
    let gateway = front.gateway();
    let (status, directory) = get(&gateway, "/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(directory.contains("Before") && !directory.contains("After"), "{directory}");

    behind.reload(mounts(vec![GroupMount::new("/service", service("After", "second"))])).await.unwrap();
    let rebuilt = async {
        while !get(&gateway, "/").await.1.contains("After") {
            // The gateway responds without waiting, so the tasks of the upstream would never run.
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), rebuilt).await.expect("the groups are rebuilt after a new description");
    let interface = front.mounts().groups[1].service.interface();
    assert!(interface.method("second").is_some() && interface.method("first").is_none());
}

#[tokio::test]
async fn an_upstream_that_does_not_respond_delays_its_own_group_only_and_not_for_longer_than_its_deadline() {
    // The system accepts connections, and nothing is ever read.
    let silent = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let limits = GroupLimits { deadline: Duration::from_secs(1), ..GroupLimits::default() };
    let group = GroupMount::upstream("/front", upstream_of(&silent.address(), Protocol::Soap)).with_limits(limits);
    let begun = Instant::now();
    let front = App::new().mount("/other", service("Other", "hello")).unwrap();
    let front = front.mount_group(group).unwrap().start().await;
    let gateway = front.gateway();
    assert_eq!(call(&gateway, "/other", "hello").await, "world");
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());

    let begun = Instant::now();
    let response = call(&gateway, "/front", "hello").await;
    assert!(response.contains("<fault>"), "{response}");
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(900) && waited < Duration::from_millis(2000), "{waited:?}");
}

#[tokio::test]
async fn the_first_calls_of_a_group_wait_for_the_description_of_its_upstream() {
    let behind = App::new().mount("/service", service("Behind", "hello")).unwrap().start().await;
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let upstream = upstream_of(&listener.address(), Protocol::Soap);
    let front = App::new().mount_upstream("/front", upstream).unwrap().start().await;
    let gateway = front.gateway();
    assert!(front.mounts().groups[0].service.interface().methods.is_empty());
    let server = Server::new(behind.gateway(), ServerSettings::default(), None);
    tokio::spawn(server.run(vec![listener], std::future::pending()));
    // Without a description there is no way to call a SOAP server.
    assert_eq!(call(&gateway, "/front", "hello").await, "world");
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_not_waited_for() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = upstream_of(&ListenAddress::Tcp(closed), Protocol::Soap);
    let begun = Instant::now();
    let front = App::new().mount_upstream("/front", upstream).unwrap().start().await;
    assert!(call(&front.gateway(), "/front", "hello").await.contains("cannot be reached"));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_reload_replaces_all_groups_or_none() {
    let mut runtime = App::new().mount("/old", service("Old", "hello")).unwrap().start().await;
    let gateway = runtime.gateway();
    let twice = ["/new", "/new"].map(|path| GroupMount::new(path, service("New", "hello")));
    assert_eq!(runtime.reload(mounts(twice.to_vec())).await, Err(MountError::Taken));
    assert_eq!(get(&gateway, "/old").await.0, StatusCode::OK);
    assert_eq!(runtime.mounts().groups[0].path, "/old");

    runtime.reload(mounts(vec![GroupMount::new("/new", service("New", "hello"))])).await.unwrap();
    assert_eq!(get(&gateway, "/new").await.0, StatusCode::OK);
    assert_eq!(get(&gateway, "/old").await.0, StatusCode::NOT_FOUND);
}
