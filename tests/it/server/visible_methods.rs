//! Groups that show each caller only the methods that this caller may call, on every way to learn of methods.

use std::convert::Infallible;

use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use croupier::service::local::{Local, RegistrationError};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use ring::digest::{SHA256, digest};
use schemars::JsonSchema;
use serde::Serialize;
use tower::ServiceExt as _;

/// What only `closed` returns.
#[derive(Serialize, JsonSchema)]
struct Treasure {
    gold: u32,
}

fn letters((): ()) -> Result<Local, RegistrationError> {
    Local::new("Doors", ())
        .method("opened", |_: &(), (): ()| 1)
        .method("ajar", |_: &(), (): ()| 2)
        .method("closed", |_: &(), (): ()| Treasure { gold: 3 })
        .build()
}

/// A gateway with a group at `path` that shows its methods as `more` says: everyone may call `opened`, those who are known
/// `ajar`, and admins `closed`.
fn gateway(path: &str, more: &str) -> Gateway {
    let line = |name: &str, role: &str| {
        let key = digest(&SHA256, format!("crp_{name}").as_bytes());
        let hex: String = key.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name} {hex} {role}")
    };
    let text = format!(
        r#"
        [auth.staff.api-key]
        keys = {{ text = """
{}
{}
""" }}
        [group."{path}"]
        service = "doors"
        auth = ["staff"]
        access = [
            {{ methods = ["opened"] }},
            {{ methods = ["ajar"], authenticated = true }},
            {{ roles = ["admin"] }},
        ]
        soap = {{ namespace = "urn:doors" }}
        routes = [{{ route = "GET /doors/third", method = "closed" }}]
        {more}
        [group."/diagnostics"]
        service = "diagnostics"
        "#,
        line("ada", "admin"),
        line("ben", "guest"),
    );
    let registry = Registry::standard().with("doors", letters);
    let config = Config::parse("visible.toml", &text, &registry).unwrap_or_else(|errors| panic!("{errors}"));
    Gateway::serving(&config.mounts(), BodyReader::new(&ServerSettings::default())).unwrap()
}

type Sent = (StatusCode, HeaderMap, String);

async fn send(
    gateway: &Gateway,
    (verb, path, media, accept): (&str, &str, &str, &str),
    body: &str,
    headers: &[(&str, &str)],
) -> Sent {
    let request = Request::builder().method(verb).uri(path).header("host", "x");
    let own = [("content-type", media), ("accept", accept)].into_iter().filter(|(_, value)| !value.is_empty());
    let request =
        own.chain(headers.iter().copied()).fold(request, |request, (name, value)| request.header(name, value));
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let response: Result<_, Infallible> = gateway.clone().oneshot(request).await;
    let (head, body) = response.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
}

const XML: &str = "text/xml";
const JSON: &str = "application/json";
const HTML: &str = "text/html";

fn call(method: &str, param: &str) -> String {
    let params = if param.is_empty() { String::new() } else { format!("<param><value>{param}</value></param>") };
    format!("<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>")
}

fn json_call(method: &str, param: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[{param}]}}"#)
}

/// The verb, the path, the media type, and what the client accepts.
type Asked = (&'static str, &'static str, &'static str, &'static str);

/// The ways to read of all methods of a group: a name, the request, and its body.
fn ways() -> Vec<(&'static str, Asked, String)> {
    let list = "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data><value><struct>\
         <member><name>methodName</name><value>system.listMethods</value></member><member><name>params</name><value><array>\
         <data/></array></value></member></struct></value></data></array></value></param></params></methodCall>";
    let discover = r#"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#;
    let search = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"find_tools","arguments":{"query":"opened, ajar or closed, gold","limit":20}}}"#;
    let json_list = json_call("system.multicall", r#"[{"methodName":"system.listMethods"}]"#);
    vec![
        ("system.listMethods", ("POST", "/g", XML, ""), call("system.listMethods", "")),
        ("system.multicall", ("POST", "/g", XML, ""), list.to_owned()),
        ("rpc.discover", ("POST", "/g", JSON, ""), discover.to_owned()),
        ("batch of rpc.discover", ("POST", "/g", JSON, ""), format!("[{discover}]")),
        ("system.listMethods, JSON-RPC", ("POST", "/g", JSON, ""), json_call("system.listMethods", "")),
        ("system.multicall, JSON-RPC", ("POST", "/g", JSON, ""), json_list.clone()),
        ("batch of system.multicall", ("POST", "/g", JSON, ""), format!("[{json_list}]")),
        ("MCP list", ("POST", "/g/mcp", JSON, ""), discover.replace("rpc.discover", "tools/list")),
        ("MCP search", ("POST", "/g/mcp", JSON, ""), search.to_owned()),
        ("OpenRPC", ("GET", "/g/openrpc.json", "", ""), String::new()),
        ("OpenAPI", ("GET", "/g/openapi.json", "", ""), String::new()),
        ("WSDL", ("GET", "/g?wsdl", "", ""), String::new()),
        ("WSDL of both versions", ("GET", "/g?wsdl&soap=both&style=rpc", "", ""), String::new()),
        ("page", ("GET", "/g", "", HTML), String::new()),
        ("error page", ("GET", "/g/nothing", "", HTML), String::new()),
        ("error page of a refusal", ("POST", "/g", "application/x-www-form-urlencoded", HTML), "a=b".to_owned()),
        ("alias", ("GET", "/also/openrpc.json", "", ""), String::new()),
    ]
}

/// The callers, with their keys, and which of the methods they may call.
const CALLERS: [(&str, &str, [bool; 3]); 3] = [
    ("nobody", "", [true, false, false]),
    ("ben", "crp_ben", [true, true, false]),
    ("ada", "crp_ada", [true, true, true]),
];

const METHODS: [&str; 3] = ["opened", "ajar", "closed"];

fn key(value: &str) -> Vec<(&str, &str)> {
    if value.is_empty() { Vec::new() } else { vec![("x-api-key", value)] }
}

#[tokio::test]
async fn each_caller_sees_what_this_caller_may_call_on_every_way() {
    let tools = "aliases = ['/also']\nmcp.find-tools = true\nmcp.listed = ['*']";
    let hiding = gateway("/g", &format!("visible-methods = 'callable'\n{tools}"));
    let showing = gateway("/g", tools);
    for (name, request, body) in ways() {
        for (caller, value, may) in CALLERS {
            let (_, headers, text) = send(&hiding, request, &body, &key(value)).await;
            let what = format!("{name} for {caller}: {text}");
            // Nobody has been asked for credentials when no protocol takes the request.
            let may = if name == "error page of a refusal" { CALLERS[0].2 } else { may };
            assert_eq!(METHODS.map(|method| text.contains(method)), may, "{what}");
            let treasure = text.contains("Treasure") || text.contains("gold") || text.contains("third");
            assert!(may[2] || !treasure, "{what}");
            let caching = headers.get("cache-control").map(|caching| caching.to_str().unwrap()).unwrap_or_default();
            let private = caching.contains("private") || caching.contains("no-store");
            let varies = headers.get_all("vary").iter().any(|name| name == "x-api-key");
            assert!((private && varies) || name.starts_with("error page of"), "{what}: {headers:?}");
            let (_, headers, text) = send(&showing, request, &body, &key(value)).await;
            assert_eq!(
                METHODS.map(|method| text.contains(method)),
                [true; 3],
                "without the option, {name} for {caller}"
            );
            assert!(!headers.get_all("vary").iter().any(|name| name == "x-api-key"), "{name}: {headers:?}");
        }
    }
}

#[tokio::test]
async fn a_method_that_is_not_shown_is_unknown_to_introspection_and_forbidden_to_call() {
    let gateway = gateway("/g", "visible-methods = 'callable'");
    for (caller, value, may) in CALLERS {
        for (method, shown) in METHODS.into_iter().zip(may) {
            let what = format!("{method} for {caller}");
            let of_unknown = |asked: &str| call(asked, "nothing-at-all");
            for asked in ["system.methodHelp", "system.methodSignature"] {
                let (_, _, text) = send(&gateway, ("POST", "/g", XML, ""), &call(asked, method), &key(value)).await;
                let (_, _, unknown) = send(&gateway, ("POST", "/g", XML, ""), &of_unknown(asked), &key(value)).await;
                assert_eq!(!text.contains("<fault>"), shown, "{asked} of {what}: {text}");
                assert!(
                    shown || text == unknown.replace("nothing-at-all", method),
                    "{asked} of {what}: {text} {unknown}"
                );
                let json = json_call(asked, &format!("\"{method}\""));
                let (_, _, text) = send(&gateway, ("POST", "/g", JSON, ""), &json, &key(value)).await;
                assert_eq!(!text.contains("\"error\""), shown, "{asked} of {what}: {text}");
            }
            let path = format!("/g/{method}");
            let (status, headers, _) = send(&gateway, ("OPTIONS", &path, "", ""), "", &key(value)).await;
            assert_eq!((status == StatusCode::NO_CONTENT, headers.contains_key("allow")), (shown, shown), "{what}");
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
            let soap = format!(
                "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><{method} xmlns=\"urn:doors\"/>\
                 </e:Body></e:Envelope>"
            );
            let refused = if value.is_empty() { 401 } else { 403 };
            for (at, media, body) in
                [("/g", JSON, body.as_str()), ("/g", XML, &call(method, "")), ("/g", XML, &soap), (&path, JSON, "{}")]
            {
                let (status, _, text) = send(&gateway, ("POST", at, media, ""), body, &key(value)).await;
                assert_eq!(status.as_u16(), if shown { 200 } else { refused }, "{what} by {body}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_of_a_method_that_is_not_shown_does_not_exist() {
    let gateway = gateway("/g", "visible-methods = 'callable'");
    for (caller, value, may) in CALLERS {
        for (at, shown) in ["/g?method=opened", "/g?method=ajar", "/g?method=closed"].into_iter().zip(may) {
            let (status, headers, text) = send(&gateway, ("GET", at, "", HTML), "", &key(value)).await;
            assert_eq!(status.as_u16(), if shown { 200 } else { 404 }, "{at} for {caller}: {text}");
            let caching = headers["cache-control"].to_str().unwrap();
            assert!(caching.contains("private") || caching.contains("no-store"), "{at} for {caller}: {caching}");
            assert!(may[2] || !(text.contains("Treasure") || text.contains("third")), "{at} for {caller}: {text}");
            let (status, _, unknown) = send(&gateway, ("GET", "/g?method=nothing", "", ""), "", &key(value)).await;
            assert_eq!(status, StatusCode::NOT_FOUND);
            let (_, _, text) = send(&gateway, ("GET", at, "", ""), "", &key(value)).await;
            let name = at.rsplit('=').next().unwrap();
            assert!(shown || text == unknown.replace("nothing", name), "{at} for {caller}: {text} {unknown}");
        }
    }
}

#[tokio::test]
async fn what_is_said_of_all_groups_is_for_everyone() {
    for (path, more) in [("/g", ""), ("/", "")] {
        let gateway = gateway(path, &format!("visible-methods = 'callable'\n{more}"));
        for (caller, value, _) in CALLERS {
            for (at, accept) in [("/", HTML), ("/openapi.json", "")] {
                let (status, headers, text) = send(&gateway, ("GET", at, "", accept), "", &key(value)).await;
                let what = format!("{at} with {path} for {caller}: {text}");
                assert_eq!(status, StatusCode::OK, "{what}");
                assert_eq!(METHODS.map(|method| text.contains(method)), [true, false, false], "{what}");
                assert!(!text.contains("Treasure"), "{what}");
                let caching = headers["cache-control"].to_str().unwrap();
                assert!(caching.contains("private") || caching.contains("no-store"), "{what}: {caching}");
            }
        }
    }
}

#[tokio::test]
async fn a_document_of_one_caller_is_not_taken_for_that_of_another() {
    let gateway = gateway("/g", "visible-methods = 'callable'");
    let wsdl = ("GET", "/g?wsdl", "", "");
    let (_, headers, of_ada) = send(&gateway, wsdl, "", &key("crp_ada")).await;
    let tag = headers["etag"].to_str().unwrap();
    let (status, ..) = send(&gateway, wsdl, "", &[("x-api-key", "crp_ada"), ("if-none-match", tag)]).await;
    assert_eq!(status, StatusCode::NOT_MODIFIED);
    let (status, _, of_ben) = send(&gateway, wsdl, "", &[("x-api-key", "crp_ben"), ("if-none-match", tag)]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(of_ada.contains("closed") && !of_ben.contains("closed"));
}
