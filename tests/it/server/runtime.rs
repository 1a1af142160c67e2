//! The runtime of a gateway: it discovers upstreams again and rebuilds the groups, and reloads what is mounted.
use std::time::Duration;

use bytes::Bytes;
use croupier::app::App;
use croupier::protocol::Protocol;
use croupier::server::gateway::Gateway;
use croupier::server::group_router::MountError;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::settings::{ListenAddress, ServerSettings};
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

/// An upstream at `/service` of a server, which is asked for its description as often as possible.
fn upstream(address: &ListenAddress) -> Upstream {
    let url = format!("http://{address}/service").parse().unwrap();
    let transport = Transport::new(vec![url], TransportOptions::default()).unwrap();
    let options = UpstreamOptions { refresh: Duration::from_millis(1), ..UpstreamOptions::new(Protocol::JsonRpc) };
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
