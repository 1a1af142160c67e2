//! What handlers and layers find in the context of a call.
use std::sync::Arc;

use bytes::Bytes;
use croupier::app::App;
use croupier::server::PeerAddress;
use croupier::server::gateway::Gateway;
use croupier::server::mount::GroupMount;
use croupier::service::layer::GroupLayer;
use croupier::service::local::{Local, named};
use croupier::service::{Call, CallFuture, Context, Identity, RpcService};
use http::{HeaderName, Request};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

/// Takes the caller's name from a header, and hands a number on to the handler.
struct Identify;

#[derive(Clone)]
struct Number(u32);

impl GroupLayer for Identify {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let mut context = call.context.clone();
        let user = context.header("x-user").unwrap_or("none").to_owned();
        context.identity = Some(Arc::new(Identity::new(user).with("role", "guest")));
        context.extensions.insert(Number(7));
        next.call(Call { context: &context, ..call })
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        vec![HeaderName::from_static("x-user")]
    }
}

fn describe(context: &Context) -> String {
    let identity = context.identity.as_ref().map(|who| format!("{} {}", who.name, who.attributes["role"]));
    let number = context.extensions.get().map(|Number(number)| *number);
    let headers = context.headers.as_ref().map_or(0, |headers| headers.len());
    let tenant = context.header("x-tenant");
    format!("{identity:?} {number:?} {tenant:?} {headers} {:?}", context.peer)
}

fn service(headers: &[&str]) -> Local {
    let new = headers.iter().fold(Local::new("Who", ()), |builder, header| builder.request_header(header));
    new.method_with_context(named("who").safe(), |(): &(), context: &Context, (): ()| describe(context))
        .build()
        .unwrap()
}

async fn who(gateway: Gateway) -> String {
    let request = Request::get("/who/who")
        .header("host", "x")
        .header("x-user", "ada")
        .header("x-tenant", "t1")
        .header("x-tenant", "t2")
        .extension(PeerAddress("192.0.2.1:5".parse().unwrap()))
        .body(Full::new(Bytes::new()))
        .unwrap();
    let body = gateway.oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_handler_sees_what_a_layer_set_and_the_requested_headers() {
    let peer = r#"Some(192.0.2.1:5)"#;
    let plain = App::new().mount("/who", service(&[])).unwrap().start().await;
    assert_eq!(who(plain.gateway()).await, format!("None None None 0 {peer}"));
    let group = GroupMount::new("/who", service(&["x-tenant"])).layer(Identify);
    let layered = App::new().mount_group(group).unwrap().start().await;
    assert_eq!(who(layered.gateway()).await, format!(r#"Some("ada guest") Some(7) Some("t1") 3 {peer}"#));
}

#[tokio::test]
async fn an_extension_of_the_http_request_is_one_of_the_context() {
    let runtime = App::new().mount("/who", service(&[])).unwrap().start().await;
    let request =
        Request::get("/who/who").header("host", "x").extension(Number(9)).body(Full::new(Bytes::new())).unwrap();
    let response = runtime.gateway().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(serde_json::from_slice::<String>(&body).unwrap(), "None Some(9) None 0 None");
}
