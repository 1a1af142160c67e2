//! Methods of whose parameters nothing is known: every protocol can call them, by position or with a list of all arguments. And
//! methods below `system.` that are the server's own.

use bytes::Bytes;
use croupier::model::name_patterns::NamePatterns;
use croupier::protocol::Protocol;
use croupier::protocol::soap::server::namespace_of;
use croupier::server::gateway::Gateway;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::request_body::BodyReader;
use croupier::server::settings::{GroupLimits, ServerSettings};
use croupier::service::access::{AccessRule, AccessRules};
use croupier::service::rate::RateOptions;
use croupier::upstream::transport::Transport;
use croupier::upstream::{Batching, Upstream, UpstreamOptions, transport};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::scripted::{Scripted, answered, array, fault, http};

const LISTED: [&str; 6] =
    ["join", "system.listMethods", "system.multicall", "system.listNotifications", "system.methodExist", "told"];

/// A server of XML-RPC that has names, no signatures, and a help text with parameters for one method.
fn xml_server() -> Scripted {
    Scripted::start(|request| {
        let body = if request.contains("<methodName>system.listMethods<") {
            answered(&array(&LISTED))
        } else if request.contains("<methodName>system.multicall<") {
            fault(-32601, "no")
        } else if request.contains("<methodName>system.methodSignature<") {
            answered("signatures not supported")
        } else if request.contains("<methodName>system.methodHelp<") {
            answered(if request.contains("told") { "Says it.\n@param string word  Which" } else { "" })
        } else {
            answered("called")
        };
        http("200 OK", "Content-Type: text/xml\r\n", &body)
    })
}

/// A server of JSON-RPC that has names only.
fn json_server() -> Scripted {
    Scripted::start(|request| {
        let content = request.split_once("\r\n\r\n").map_or("", |(_, content)| content);
        let sent: Value = serde_json::from_str(content).unwrap_or_default();
        let respond = |sent: &Value| match sent["method"].as_str().unwrap_or_default() {
            "system.listMethods" => json!({ "jsonrpc": "2.0", "id": sent["id"], "result": LISTED }),
            method
                if method.starts_with("system.method") && method != "system.methodExist"
                    || method == "rpc.discover" =>
            {
                json!({ "jsonrpc": "2.0", "id": sent["id"], "error": { "code": -32601, "message": "no" } })
            }
            _ => json!({ "jsonrpc": "2.0", "id": sent["id"], "result": "called" }),
        };
        let body = match sent.as_array() {
            Some(calls) => Value::from(calls.iter().map(respond).collect::<Vec<_>>()),
            None => respond(&sent),
        };
        http("200 OK", "Content-Type: application/json\r\n", &body.to_string())
    })
}

/// The group `/g` before the server, which has described itself.
async fn group(server: &Scripted, protocol: Protocol, change: impl FnOnce(&mut UpstreamOptions)) -> GroupMount {
    let address = format!("http://{}/", server.address).parse().unwrap();
    let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
    let mut options = UpstreamOptions::new(protocol);
    change(&mut options);
    let upstream = Upstream::new(transport, options).unwrap();
    upstream.discover().await.unwrap();
    GroupMount::upstream("/g", upstream)
}

fn gateway_of(group: GroupMount) -> Gateway {
    let mounts = Mounts { groups: vec![group], ..Mounts::default() };
    Gateway::serving(&mounts, BodyReader::new(&ServerSettings::default())).unwrap()
}

async fn gateway(server: &Scripted, protocol: Protocol, change: impl FnOnce(&mut UpstreamOptions)) -> Gateway {
    gateway_of(group(server, protocol, change).await)
}

fn join_is_safe(options: &mut UpstreamOptions) {
    options.safe = NamePatterns(vec!["join".to_owned()]);
}

async fn send(gateway: &Gateway, verb: &str, path: &str, media: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(verb).uri(path).header("host", "x");
    let request = if media.is_empty() { request } else { request.header("content-type", media) };
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let response = gateway.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

const JSON: &str = "application/json";

fn json_call(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#)
}

/// The body of the last request that the server has received.
fn last(server: &Scripted) -> String {
    server.requests().pop().unwrap().split_once("\r\n\r\n").unwrap().1.to_owned()
}

const SPREAD: &str =
    "<params><param><value><int>1</int></value></param><param><value><string>a</string></value></param></params>";

/// The ways to call `join` with 1 and "a": a name, the request, and its body.
fn ways() -> [(&'static str, [&'static str; 3], String); 8] {
    let list = r#"{"args":[1,"a"]}"#;
    let soap = format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><m:join xmlns:m=\"{}\"><args><item>\
         <int>1</int></item><item><string>a</string></item></args></m:join></e:Body></e:Envelope>",
        namespace_of("/g")
    );
    let multicall = json_call("system.multicall", r#"[[{"methodName":"join","params":{"args":[1,"a"]}}]]"#);
    let rpc = ["POST", "/g", JSON];
    [
        ("REST by name", ["POST", "/g/join", JSON], list.to_owned()),
        ("REST by position", ["POST", "/g/join", JSON], r#"[1,"a"]"#.to_owned()),
        ("REST in the query", ["GET", "/g/join?args=%5B1,%22a%22%5D", ""], String::new()),
        ("JSON-RPC by name", rpc, json_call("join", list)),
        ("JSON-RPC by position", rpc, json_call("join", r#"[1,"a"]"#)),
        ("a batch", rpc, format!("[{}]", json_call("join", list))),
        ("a multicall", rpc, multicall),
        ("SOAP", ["POST", "/g", "text/xml"], soap),
    ]
}

/// Whatever the form of the arguments, the rules of the group are asked first.
#[tokio::test]
async fn the_rules_of_a_group_hold_for_every_form_of_arguments() {
    let server = xml_server();
    let rate = RateOptions { calls: "1/day".parse().ok(), ..RateOptions::default() };
    let nobody = AccessRules::new(vec![AccessRule { methods: vec!["told".to_owned()], ..AccessRule::default() }]);
    let denied = group(&server, Protocol::XmlRpc, |options| {
        join_is_safe(options);
        options.deny = NamePatterns(vec!["join".to_owned()]);
    });
    let limited = group(&server, Protocol::XmlRpc, join_is_safe).await;
    let limited = gateway_of(limited.with_limits(GroupLimits { rate, ..GroupLimits::default() }));
    let (_, text) = send(&limited, "POST", "/g/told", JSON, r#"{"word":"7"}"#).await;
    assert!(text.contains("called"), "{text}");
    for (gateway, told) in [
        (gateway_of(denied.await), ["-32601", "no-such-method", "no such method"]),
        (gateway_of(group(&server, Protocol::XmlRpc, join_is_safe).await.layer(nobody)), ["-32051", "forbidden", ""]),
        (limited, ["-32052", "rate-limited", ""]),
    ] {
        let before = server.requests().len();
        for (way, [verb, path, media], body) in ways() {
            let (_, text) = send(&gateway, verb, path, media, &body).await;
            let is_refused = told.iter().any(|told| !told.is_empty() && text.contains(told));
            assert!(is_refused && !text.contains("called"), "{told:?} {way}: {text}");
        }
        assert_eq!(server.requests().len(), before, "{told:?}");
    }
}

#[tokio::test]
async fn a_list_of_all_arguments_becomes_the_arguments() {
    let server = xml_server();
    let gateway = gateway(&server, Protocol::XmlRpc, join_is_safe).await;
    for (way, [verb, path, media], body) in ways() {
        let (status, text) = send(&gateway, verb, path, media, &body).await;
        assert!(status == 200 && text.contains("called"), "{way}: {status} {text}");
        assert!(last(&server).contains(SPREAD), "{way}: {}", last(&server));
    }
    // A list by position is one argument.
    send(&gateway, "POST", "/g", JSON, &json_call("join", "[[1]]")).await;
    assert!(last(&server).contains("<params><param><value><array>"), "{}", last(&server));
    for (verb, path, body) in [("POST", "/g/join", "{}"), ("POST", "/g/join", ""), ("GET", "/g/join", "")] {
        let (status, text) = send(&gateway, verb, path, if body.is_empty() { "" } else { JSON }, body).await;
        assert!(
            status == 200 && !last(&server).contains("<param>"),
            "{verb} {body}: {status} {text} {}",
            last(&server)
        );
    }
}

#[tokio::test]
async fn an_unknown_name_is_refused_and_the_message_says_how_to_call() {
    let server = xml_server();
    let gateway = gateway(&server, Protocol::XmlRpc, join_is_safe).await;
    let before = server.requests().len();
    let told = r#"there is no parameter `a`: the names of the parameters are not known here. Give the arguments by position, or as a list that is named `args`, such as {"args": [1, "a"]}"#;
    for (verb, path, body) in [
        ("POST", "/g/join", r#"{"a":1}"#.to_owned()),
        ("POST", "/g/join", r#"{"args":[1],"a":1}"#.to_owned()),
        ("GET", "/g/join?a=1", String::new()),
        ("POST", "/g", json_call("join", r#"{"a":1}"#)),
        ("POST", "/g", format!("[{}]", json_call("join", r#"{"a":1}"#))),
    ] {
        let (_, text) = send(&gateway, verb, path, if body.is_empty() { "" } else { JSON }, &body).await;
        let message = told.replace('"', "\\\"");
        assert!(text.contains(&message), "{verb} {path} {body}: {text}");
    }
    let (_, text) = send(&gateway, "POST", "/g/join", JSON, r#"{"args":7}"#).await;
    assert!(text.contains("parameter `args`: a list of all arguments is expected"), "{text}");
    // Names that the help text has are the names of parameters.
    let (_, text) = send(&gateway, "POST", "/g/told", JSON, r#"{"args":[1]}"#).await;
    assert!(text.contains("there is no parameter `args`"), "{text}");
    assert_eq!(server.requests().len(), before);
    let (status, _) = send(&gateway, "POST", "/g/told", JSON, r#"{"word":"7"}"#).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn names_in_the_configuration_replace_the_list() {
    let server = xml_server();
    let names = |options: &mut UpstreamOptions| {
        options.params.insert("join".to_owned(), vec!["left".to_owned(), "right".to_owned()]);
    };
    let gateway = gateway(&server, Protocol::XmlRpc, names).await;
    let (status, text) = send(&gateway, "POST", "/g/join", JSON, r#"{"right":"a","left":1}"#).await;
    assert!(status == 200 && last(&server).contains(SPREAD), "{text} {}", last(&server));
}

#[tokio::test]
async fn the_documents_show_the_list() {
    let server = xml_server();
    let gateway = gateway(&server, Protocol::XmlRpc, |_| {}).await;
    let (_, text) = send(&gateway, "GET", "/g/openrpc.json", "", "").await;
    let document: Value = serde_json::from_str(&text).unwrap();
    let method = document["methods"].as_array().unwrap().iter().find(|method| method["name"] == "join").unwrap();
    assert_eq!((&method["paramStructure"], &method["params"][0]["name"]), (&json!("by-name"), &json!("args")));
    assert_eq!(method["params"][0]["schema"]["type"], "array");
    let (_, text) = send(&gateway, "GET", "/g/openapi.json", "", "").await;
    let document: Value = serde_json::from_str(&text).unwrap();
    let (_, operations) =
        document["paths"].as_object().unwrap().iter().find(|(path, _)| path.ends_with("/join")).unwrap();
    let body = &operations["post"]["requestBody"]["content"][JSON]["schema"]["anyOf"];
    assert_eq!(body[0]["properties"]["args"]["type"], "array", "{body}");
    assert_eq!((&body[1]["title"], &body[1]["items"]), (&json!("By position"), &json!({})), "{body}");
    let (_, text) = send(&gateway, "POST", "/g", JSON, &json_call("system.methodSignature", r#"["join"]"#)).await;
    assert!(text.contains(r#""result":"undef""#), "{text}");
    let (_, text) = send(&gateway, "GET", "/g", "", "").await;
    assert!(text.contains("join(...args)"), "{text}");
}

#[tokio::test]
async fn a_json_rpc_server_gets_names_as_they_come_and_the_list_as_arguments() {
    let server = json_server();
    for (passthrough, batching) in [(true, Batching::Off), (false, Batching::Off), (true, Batching::On)] {
        let upstream = format!("passthrough {passthrough}, batching {batching:?}");
        let gateway = gateway(&server, Protocol::JsonRpc, |options| {
            (options.passthrough, options.batching) = (passthrough, batching);
        })
        .await;
        for (sent, expected) in [
            (r#"{"args":[1,"a"]}"#, json!([1, "a"])),
            (r#"[1,"a"]"#, json!([1, "a"])),
            (r#"{"gid":"x","args":[1]}"#, json!({ "gid": "x", "args": [1] })),
            (r#"{"gid":"x"}"#, json!({ "gid": "x" })),
            (r#"{"args":1}"#, json!({ "args": 1 })),
        ] {
            let call = json_call("join", sent);
            let xml_rpc = "<methodCall><methodName>join</methodName></methodCall>";
            for (media, body) in [(JSON, call.clone()), (JSON, format!("[{call},{call}]"))] {
                let (_, text) = send(&gateway, "POST", "/g", media, &body).await;
                assert!(text.contains(r#""result":"called""#), "{upstream} {body}: {text}");
                let last: Value = serde_json::from_str(&last(&server)).unwrap();
                let last = if last.is_array() { last[0].clone() } else { last };
                assert_eq!(last["params"], expected, "{upstream} {body}");
            }
            let (status, text) = send(&gateway, "POST", "/g/join", JSON, sent).await;
            assert!(status == 200, "{upstream} {sent}: {text}");
            let params = serde_json::from_str::<Value>(&last(&server)).unwrap()["params"].clone();
            assert_eq!(params, expected, "{upstream} {sent} over REST");
            let (_, text) = send(&gateway, "POST", "/g", "text/xml", xml_rpc).await;
            assert!(text.contains("called"), "{text}");
        }
    }
}

#[tokio::test]
async fn methods_below_system_that_are_the_servers_own_are_offered_over_every_protocol() {
    for (server, protocol) in [(xml_server(), Protocol::XmlRpc), (json_server(), Protocol::JsonRpc)] {
        let gateway = gateway(&server, protocol, |_| {}).await;
        let (_, text) = send(&gateway, "POST", "/g", JSON, &json_call("system.listMethods", "[]")).await;
        let listed: Value = serde_json::from_str(&text).unwrap();
        let expected = json!([
            "join",
            "system.getCapabilities",
            "system.listMethods",
            "system.listNotifications",
            "system.methodExist",
            "system.methodHelp",
            "system.methodSignature",
            "system.multicall",
            "told"
        ]);
        assert_eq!(listed["result"], expected, "{protocol}");
        let namespace = namespace_of("/g");
        let soap = format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
             <m:system.listNotifications xmlns:m=\"{namespace}\"/></e:Body></e:Envelope>"
        );
        let xml = "<methodCall><methodName>system.listNotifications</methodName></methodCall>";
        for (path, media, body) in [
            ("/g", "text/xml", xml),
            ("/g", JSON, json_call("system.listNotifications", "[]").as_str()),
            ("/g/system.listNotifications", JSON, "{}"),
            ("/g", "text/xml", &soap),
        ] {
            let (status, text) = send(&gateway, "POST", path, media, body).await;
            assert!(status == 200 && text.contains("called"), "{protocol} {path} {body}: {status} {text}");
            assert!(last(&server).contains("system.listNotifications"), "{}", last(&server));
        }
        // What croupier has itself is never the server's.
        let before = server.requests().len();
        for method in ["system.multicall", "system.multiCall", "system.listMethods", "system.getCapabilities"] {
            let (status, text) = send(&gateway, "POST", &format!("/g/{method}"), JSON, "{}").await;
            assert_eq!(status, 404, "{protocol} {method}: {text}");
        }
        assert_eq!(server.requests().len(), before);
    }
}
