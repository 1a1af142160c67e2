//! Resources of MCP: the documents of a group, with the same text as over HTTP and for the same caller.

use std::sync::Arc;

use bytes::Bytes;
use croupier::Fault;
use croupier::codec::DocumentLimits;
use croupier::model::interface::Interface;
use croupier::protocol::Protocol;
use croupier::protocol::mcp::server::{JoinedGroup, JoinedGroups, Mcp};
use croupier::server::auth::GroupAuth;
use croupier::server::auth::api_key::{ApiKeyAuth, ApiKeys};
use croupier::server::gateway::{Gateway, Group};
use croupier::server::group_router::GroupRouter;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use croupier::service::layer::GroupLayer;
use croupier::service::local::{Local, named};
use croupier::service::{Call, CallFuture, Context, RpcService};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::mcp::{Endpoint, Era};

/// Shows the method `open` to everyone and the others to callers who are known.
struct Discreet;

impl GroupLayer for Discreet {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        next.call(call)
    }

    fn shown_to(&self, caller: &Context, interface: Arc<Interface>) -> Arc<Interface> {
        if caller.identity.is_some() {
            return interface;
        }
        let methods = interface.methods.iter().filter(|method| method.name == "open").cloned().collect();
        Arc::new(Interface { methods, ..(*interface).clone() })
    }
}

fn house() -> Local {
    let service = Local::new("A house", ())
        .about("It has two doors.")
        .method(named("open").doc("Opens the front door.").safe(), |(): &(), (): ()| "open")
        .method(named("hide").doc("Opens the back door."), |(): &(), (): ()| "hidden");
    service.build().unwrap()
}

fn gateway(groups: Vec<GroupMount>) -> Gateway {
    let mounts = Mounts { groups, ..Mounts::default() };
    Gateway::serving(&mounts, BodyReader::new(&ServerSettings::default())).unwrap()
}

fn closed_house() -> GroupMount {
    let hash: String = digest(&SHA256, b"crp_ada").as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = ApiKeys::parse(&format!("ada {hash}\n")).unwrap();
    let auth = ApiKeyAuth::new("staff", http::HeaderName::from_static("x-api-key"), keys);
    let mut group = GroupMount::new("/the house", house()).layer(Discreet);
    group.path = "/the-house".to_owned();
    group.aliases = vec!["/home".to_owned()];
    group.auth = Some(Arc::new(GroupAuth::new(vec![Arc::new(auth)], false)));
    group
}

async fn get(gateway: &Gateway, path: &str, key: Option<&str>) -> String {
    let mut request = Request::get(path).header("host", "localhost");
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let response = gateway.clone().oneshot(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn addresses(list: &Value) -> Vec<&str> {
    list["resources"].as_array().unwrap().iter().map(|resource| resource["uri"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_documents_of_a_group_are_resources_with_the_text_that_the_caller_gets_over_http() {
    let gateway = gateway(vec![closed_house()]);
    for (path, own) in [("/the-house/mcp", "/the-house"), ("/home/mcp", "/home")] {
        for key in [None, Some("crp_ada")] {
            let headers = key.into_iter().map(|key: &str| ("x-api-key", key.to_owned())).collect();
            let endpoint = Endpoint { headers, ..Endpoint::new(&gateway, path) };
            for era in Era::BOTH {
                let list = endpoint.result(era, "resources/list", json!({})).await;
                let names = ["doc", "openapi.json", "openrpc.json", "wsdl"];
                assert_eq!(addresses(&list), names.map(|name| format!("croupier://{own}/{name}")));
                let expected = json!({
                    "uri": format!("croupier://{own}/doc"), "name": "doc", "title": "A house: documentation",
                    "mimeType": "text/markdown",
                });
                assert_eq!(list["resources"][0], expected);
                let document = get(&gateway, &format!("{own}/openapi.json"), key).await;
                assert_eq!(document.contains("/hide"), key.is_some());
                for (name, media, text) in [
                    ("openapi.json", "application/json", document),
                    ("openrpc.json", "application/json", get(&gateway, &format!("{own}/openrpc.json"), key).await),
                    ("wsdl", "text/xml", get(&gateway, &format!("{own}?wsdl"), key).await),
                ] {
                    let uri = format!("croupier://{own}/{name}");
                    let read = endpoint.result(era, "resources/read", json!({ "uri": uri })).await;
                    assert_eq!(read["contents"], json!([{ "uri": uri, "mimeType": media, "text": text }]));
                    assert_kept(&read, era);
                }
                let read =
                    endpoint.result(era, "resources/read", json!({ "uri": format!("croupier://{own}/doc") })).await;
                let text = read["contents"][0]["text"].as_str().unwrap();
                assert!(
                    text.starts_with("# A house\n\nIt has two doors.\n\n## `open`\n\nOpens the front door.\n"),
                    "{text}"
                );
                assert_eq!(text.contains("## `hide`"), key.is_some(), "{text}");
                assert_kept(&list, era);
            }
        }
    }
}

/// A result says for how long a client may keep it, and for whom, only in the revision without a handshake.
fn assert_kept(result: &Value, era: Era) {
    match era {
        Era::Legacy => assert!(result.get("ttlMs").is_none() && result.get("resultType").is_none(), "{result}"),
        Era::Modern => {
            let said = (&result["resultType"], &result["ttlMs"], &result["cacheScope"]);
            assert_eq!(said, (&json!("complete"), &json!(60_000), &json!("private")));
        }
    }
}

#[tokio::test]
async fn a_resource_that_is_not_there_is_an_error_of_the_revision() {
    let gateway = gateway(vec![GroupMount::new("/house", house()), GroupMount::new("/house/doc", house())]);
    let endpoint = Endpoint::new(&gateway, "/house/mcp");
    for (era, code) in [(Era::Legacy, -32002), (Era::Modern, -32602)] {
        for uri in
            ["croupier:///house/nothing", "croupier:///house/doc/doc", "croupier:///house/", "file:///etc/passwd", ""]
        {
            let (status, answer) = endpoint.ask(era, "resources/read", json!({ "uri": uri })).await;
            let error = &answer["error"];
            assert_eq!((status, &error["code"], &error["data"]["uri"]), (StatusCode::OK, &json!(code), &json!(uri)));
        }
        assert_eq!(endpoint.error(era, "resources/read", json!({})).await.0, -32602);
        assert_eq!(endpoint.error(era, "resources/list", json!({ "cursor": "x" })).await.0, -32602);
        assert_eq!(endpoint.error(era, "resources/subscribe", json!({ "uri": "x" })).await.0, -32601);
        let templates = endpoint.result(era, "resources/templates/list", json!({})).await;
        assert_eq!(templates["resourceTemplates"], json!([]));
        assert_kept(&templates, era);
    }
}

#[tokio::test]
async fn a_group_has_the_documents_of_its_protocols() {
    for (protocols, expected) in [
        (vec![Protocol::Mcp], vec!["doc"]),
        (vec![Protocol::Mcp, Protocol::JsonRpc, Protocol::XmlRpc], vec!["doc", "openrpc.json"]),
        (vec![Protocol::Soap, Protocol::Mcp], vec!["doc", "wsdl"]),
    ] {
        let mut group = GroupMount::new("/größe", house());
        group.protocols.names = protocols;
        let gateway = gateway(vec![group]);
        // The path as clients write it.
        let list =
            Endpoint::new(&gateway, "/gr%C3%B6%C3%9Fe/mcp").result(Era::Modern, "resources/list", json!({})).await;
        let expected: Vec<String> = expected.iter().map(|name| format!("croupier:///gr%C3%B6%C3%9Fe/{name}")).collect();
        assert_eq!(addresses(&list), expected);
        for uri in addresses(&list) {
            Endpoint::new(&gateway, "/gr%C3%B6%C3%9Fe/mcp")
                .result(Era::Legacy, "resources/read", json!({ "uri": uri }))
                .await;
        }
    }
}

/// An upstream that has not described itself.
struct Undescribed;

impl RpcService for Undescribed {
    fn interface(&self) -> Arc<Interface> {
        Arc::new(Interface { title: "An upstream".to_owned(), incomplete: true, ..Interface::default() })
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        Fault::no_such_method(call.method).into()
    }
}

#[tokio::test]
async fn what_is_not_known_yet_is_not_kept() {
    let gateway = gateway(vec![GroupMount::new("/later", Undescribed)]);
    let endpoint = Endpoint::new(&gateway, "/later/mcp");
    let list = endpoint.result(Era::Modern, "resources/list", json!({})).await;
    assert_eq!((list["ttlMs"].as_u64(), list["resources"].as_array().unwrap().len()), (Some(0), 4));
    for uri in addresses(&list) {
        let (code, message) = endpoint.error(Era::Modern, "resources/read", json!({ "uri": uri })).await;
        assert!(code == -32603 && message.contains("not known yet"), "{uri}: {message}");
    }
}

#[tokio::test]
async fn an_endpoint_of_several_groups_has_the_documents_of_each() {
    let mounts = [GroupMount::new("/a", house()), GroupMount::new("/b/c", house())];
    let joined = || -> Vec<JoinedGroup> {
        let joined = mounts.iter().map(|mount| JoinedGroup {
            path: mount.path.clone(),
            prefix: JoinedGroup::prefix_of(&mount.path),
            service: mount.layered_service(),
            dialect: mount.protocols.json,
            options: mount.protocols.mcp.clone(),
        });
        joined.collect()
    };
    let documents = mounts.iter().map(|mount| mount.protocols.documents(&mount.path, &Arc::default()));
    let mcp = Mcp::joining(joined(), DocumentLimits::default(), None).with_documents(Arc::default(), documents);
    let group = Group::new("/mcp", Arc::new(JoinedGroups::new(joined())), vec![Arc::new(mcp)], 1 << 20);
    let mut router = GroupRouter::default();
    router.mount("/mcp", Arc::new(group)).unwrap();
    let gateway = Gateway::new(router, BodyReader::new(&ServerSettings::default()));
    let endpoint = Endpoint::new(&gateway, "/mcp");
    let list = endpoint.result(Era::Modern, "resources/list", json!({})).await;
    assert_eq!(addresses(&list).len(), 8);
    for (path, name) in [("/a", "openapi.json"), ("/b/c", "openrpc.json")] {
        let uri = format!("croupier://{path}/{name}");
        let read = endpoint.result(Era::Modern, "resources/read", json!({ "uri": uri })).await;
        let text = read["contents"][0]["text"].as_str().unwrap();
        assert!(text.contains(&format!("http://localhost{path}")), "{text}");
    }
}
