//! What OAuth clients learn: the metadata of the requested resource, the scope that their token lacks, and that croupier is not an
//! authorization server.

use bytes::Bytes;
use croupier::PublicUrl;
use croupier::server::PeerAddress;
use croupier::server::gateway::Gateway;
use croupier::server::mount::Mounts;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::auth::{Folder, SECRET, challenges, gateway, token_of};
use crate::support::scripted::{Scripted, http};

const ISSUER: &str = "https://id.example/realms/casino";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The mounts of a configuration with the definition `tokens`, and these groups.
fn mounts(name: &str, groups: &str) -> Mounts {
    let folder = Folder::new(name);
    folder.write("secret", std::str::from_utf8(SECRET).unwrap());
    folder.write("page.html", "<!doctype html><p>a page</p>");
    let definition = format!(
        "[auth.tokens.jwt]\nissuer = \"{ISSUER}\"\naudience = [\"https://casino.example\"]\nsecret = {{ file = \"secret\" }}\n"
    );
    folder.load(&format!("{definition}{groups}")).unwrap_or_else(|errors| panic!("{errors}")).mounts()
}

const WHEEL: &str = r#"
[group."/wheel"]
service = "wheel"
options = { family = "american" }
aliases = ["/also/wheel"]
auth = ["tokens"]
soap = { namespace = "urn:wheel" }
access = [
    { methods = ["spin"], names = ["root"] },
    { methods = ["spin", "spinList"], scopes = ["wheel:spin", "wheel:all"] },
    { methods = ["pockets"], authenticated = true },
]
"#;

type Sent = (StatusCode, HeaderMap, String);

async fn send(gateway: &Gateway, verb: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Sent {
    let mut request = Request::builder().method(verb).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "casino.example");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    // The address of a trusted proxy.
    let request = request.extension(PeerAddress("10.0.0.7:4711".parse().unwrap()));
    let response = gateway.clone().oneshot(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await;
    let (head, body) = response.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
}

async fn get(gateway: &Gateway, path: &str) -> Sent {
    send(gateway, "GET", path, &[], "").await
}

async fn metadata(gateway: &Gateway, path: &str) -> Value {
    let (status, headers, text) = get(gateway, path).await;
    assert_eq!((status, &headers["content-type"]), (StatusCode::OK, &"application/json".parse().unwrap()), "{path}");
    serde_json::from_str(&text).unwrap()
}

/// A form of a request to a group.
struct Form {
    verb: &'static str,
    /// The path below the group.
    below: &'static str,
    media: &'static str,
    body: &'static str,
    /// The path of the resource below the group.
    endpoint: &'static str,
}

const POST: Form = Form { verb: "POST", below: "", media: "application/json", body: "", endpoint: "" };
const JSON_RPC: Form = Form { body: r#"{"jsonrpc":"2.0","id":7,"method":"spin"}"#, ..POST };
const MCP: Form = Form {
    below: "/mcp",
    body: r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"spin"}}"#,
    endpoint: "/mcp",
    ..POST
};

/// The forms of a call of `spin`, and a document.
const FORMS: [Form; 6] = [
    Form { media: "text/xml", body: "<methodCall><methodName>spin</methodName></methodCall>", ..POST },
    JSON_RPC,
    Form { below: "/spin", body: "{}", ..POST },
    Form {
        media: "application/soap+xml",
        body: "<e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\">\
               <e:Body><spin xmlns=\"urn:wheel\"/></e:Body></e:Envelope>",
        ..POST
    },
    MCP,
    Form { verb: "GET", below: "/openapi.json", media: "", ..POST },
];

#[tokio::test]
async fn a_request_without_a_token_learns_where_the_metadata_of_its_endpoint_is() {
    let gateway = gateway(&mounts("resource", WHEEL));
    for Form { verb, below, media, body, endpoint } in FORMS {
        for at in ["/wheel", "/also/wheel"] {
            let headers: &[_] = if media.is_empty() { &[] } else { &[("content-type", media)] };
            let (status, headers, text) = send(&gateway, verb, &format!("{at}{below}"), headers, body).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{text}");
            let path = format!("{WELL_KNOWN}{at}{endpoint}");
            let expected = format!("Bearer realm=\"tokens\", resource_metadata=\"http://casino.example{path}\"");
            assert_eq!(challenges(&headers), [expected], "{media} {below}");
            let expected = json!({
                "resource": format!("http://casino.example{at}{endpoint}"),
                "authorization_servers": [ISSUER],
                "scopes_supported": ["wheel:spin", "wheel:all"],
                "bearer_methods_supported": ["header"],
                "resource_name": "American wheel",
            });
            assert_eq!(metadata(&gateway, &path).await, expected);
        }
    }
    // Wrong credentials, and the page of the group.
    let wrong = [("authorization", "Bearer x"), ("content-type", "application/json")];
    let (_, headers, _) = send(&gateway, "POST", "/wheel/spin", &wrong, "{}").await;
    let url = format!("http://casino.example{WELL_KNOWN}/wheel");
    let expected = format!("Bearer realm=\"tokens\", error=\"invalid_token\", resource_metadata=\"{url}\"");
    assert_eq!(challenges(&headers), [expected]);
    let (_, headers, _) = send(&gateway, "GET", "/wheel", &[("accept", "text/html")], "").await;
    assert_eq!(challenges(&headers), [format!("Bearer realm=\"tokens\", resource_metadata=\"{url}\"")]);
}

#[tokio::test]
async fn the_path_without_a_resource_is_for_the_only_one_or_that_of_the_whole_server() {
    let only = gateway(&mounts("only", WHEEL));
    assert_eq!(metadata(&only, WELL_KNOWN).await["resource"], "http://casino.example/wheel");
    let second = "[group.\"/second\"]\nservice = \"diagnostics\"\nauth = [\"tokens\"]\n";
    let two = gateway(&mounts("two", &format!("{WHEEL}{second}")));
    let (status, _, text) = get(&two, WELL_KNOWN).await;
    assert_eq!((status, text.lines().count()), (StatusCode::NOT_FOUND, 1), "{text}");
    let second = metadata(&two, &format!("{WELL_KNOWN}/second/mcp")).await;
    assert_eq!(
        (&second["resource"], &second["scopes_supported"]),
        (&json!("http://casino.example/second/mcp"), &Value::Null)
    );
    for path in ["/nowhere", "/wheel/nothing", "/wheel/mcp/more", "/wheels"] {
        assert_eq!(get(&two, &format!("{WELL_KNOWN}{path}")).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    // A client may end the path of the resource with a slash.
    let slash = metadata(&two, &format!("{WELL_KNOWN}/wheel/")).await;
    assert_eq!(slash["resource"], "http://casino.example/wheel/");
    let root = "[group.\"/\"]\nservice = \"diagnostics\"\nauth = [\"tokens\"]\n";
    let root = gateway(&mounts("whole", &format!("{WHEEL}{root}")));
    assert_eq!(metadata(&root, WELL_KNOWN).await["resource"], "http://casino.example");
    assert_eq!(metadata(&root, &format!("{WELL_KNOWN}/mcp")).await["resource"], "http://casino.example/mcp");
    let (_, headers, _) = send(&root, "POST", "/", &[("content-type", "application/json")], JSON_RPC.body).await;
    let expected = format!("Bearer realm=\"tokens\", resource_metadata=\"http://casino.example{WELL_KNOWN}\"");
    assert_eq!(challenges(&headers), [expected]);
}

#[tokio::test]
async fn the_addresses_are_those_that_clients_know() {
    let json = ("content-type", "application/json");
    let behind = |public_url: PublicUrl| {
        let mounts = mounts("public", WHEEL);
        gateway(&Mounts { public_url: public_url.into(), ..mounts })
    };
    let fixed = behind(PublicUrl::at("https://example.org/rpc").unwrap());
    let (_, headers, _) = send(&fixed, "POST", "/wheel/mcp", &[json], MCP.body).await;
    let url = format!("https://example.org/rpc{WELL_KNOWN}/wheel/mcp");
    assert_eq!(challenges(&headers), [format!("Bearer realm=\"tokens\", resource_metadata=\"{url}\"")]);
    // The address in the challenge, and the one that a client makes of that of the resource.
    for path in ["/wheel/mcp", "/rpc/wheel/mcp"] {
        let document = metadata(&fixed, &format!("{WELL_KNOWN}{path}")).await;
        assert_eq!(document["resource"], "https://example.org/rpc/wheel/mcp", "{path}");
    }
    assert_eq!(get(&fixed, &format!("{WELL_KNOWN}/rpcs/wheel/mcp")).await.0, StatusCode::NOT_FOUND);
    let proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let proxied = behind(PublicUrl { trusted_proxies: proxies, ..PublicUrl::default() });
    let forwarded = [("x-forwarded-proto", "https"), ("x-forwarded-host", "public.example:8443")];
    let (_, headers, _) = send(&proxied, "POST", "/wheel/mcp", &[json, forwarded[0], forwarded[1]], MCP.body).await;
    let url = format!("https://public.example:8443{WELL_KNOWN}/wheel/mcp");
    assert_eq!(challenges(&headers), [format!("Bearer realm=\"tokens\", resource_metadata=\"{url}\"")]);
    let (_, _, text) = send(&proxied, "GET", &format!("{WELL_KNOWN}/wheel"), &forwarded, "").await;
    assert!(text.contains("\"https://public.example:8443/wheel\""), "{text}");
}

#[tokio::test]
async fn a_token_without_a_scope_learns_which_one_it_lacks() {
    let gateway = gateway(&mounts("scope", WHEEL));
    let token = |claims: Value| {
        let mut all = json!({ "iss": ISSUER, "aud": "https://casino.example", "sub": "ada", "exp": 4_102_444_800_u64 });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        format!("Bearer {}", token_of(&all, SECRET))
    };
    let (other, allowed) = (token(json!({ "scope": "a b" })), token(json!({ "scope": "a wheel:all" })));
    for Form { verb, below, media, body, endpoint } in FORMS.into_iter().filter(|form| form.verb == "POST") {
        let call = async |token: &str| {
            let headers = [("content-type", media), ("authorization", token)];
            send(&gateway, verb, &format!("/wheel{below}"), &headers, body).await
        };
        let (status, headers, text) = call(&other).await;
        let url = format!("http://casino.example{WELL_KNOWN}/wheel{endpoint}");
        let expected = format!(
            "Bearer realm=\"tokens\", error=\"insufficient_scope\", scope=\"wheel:spin\", resource_metadata=\"{url}\""
        );
        assert_eq!((status, challenges(&headers)), (StatusCode::FORBIDDEN, vec![expected.as_str()]), "{media} {text}");
        let (status, headers, text) = call(&allowed).await;
        assert_eq!((status, challenges(&headers)), (StatusCode::OK, Vec::new()), "{media} {text}");
    }
}

#[tokio::test]
async fn croupier_is_not_an_authorization_server() {
    let root = "[group.\"/\"]\nservice = \"diagnostics\"\nauth = [\"tokens\"]\n";
    let page = "[group.\"/x\"]\nservice = \"diagnostics\"\n\
                [page.\"/\"]\ngroup = \"/x\"\nmethod = \"validator1.manyTypesTest\"\ntemplate = \"page.html\"\ntitle = \"A page\"\n";
    for (name, groups) in [("issuer", root), ("page", page), ("directory", WHEEL)] {
        let gateway = gateway(&mounts(name, groups));
        for path in [
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/wheel/mcp",
            "/.well-known/openid-configuration",
            "/.well-known/openid-configuration/mcp",
            "/.well-known/oauth-protected-resource/nowhere",
        ] {
            let (status, headers, text) = get(&gateway, path).await;
            assert_eq!((status, text.lines().count()), (StatusCode::NOT_FOUND, 1), "{name} {path} {text}");
            assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
            assert!(challenges(&headers).is_empty());
        }
    }
    // What the operator has at these paths stays there.
    let own = r#"
        [group."/"]
        service = "wheel"
        options = { family = "american" }
        auth = ["tokens"]
        routes = [{ route = "GET /.well-known/openid-configuration", method = "spin" }]
        [group."/.well-known/oauth-authorization-server"]
        service = "diagnostics"
    "#;
    let gateway = gateway(&mounts("own", own));
    assert_eq!(get(&gateway, "/.well-known/openid-configuration").await.0, StatusCode::UNAUTHORIZED);
    let (status, _, text) = get(&gateway, "/.well-known/oauth-authorization-server/openapi.json").await;
    assert!(status == StatusCode::OK && text.contains("validator1"), "{text}");
    assert_eq!(metadata(&gateway, WELL_KNOWN).await["resource"], "http://casino.example");
}

#[tokio::test]
async fn pages_of_all_origins_may_read_the_metadata() {
    let gateway = gateway(&mounts("pages", WHEEL));
    let origin = ("origin", "https://inspector.example");
    for (path, expected) in [("/wheel/mcp", 200), ("/nowhere", 404)] {
        let (status, headers, _) = send(&gateway, "GET", &format!("{WELL_KNOWN}{path}"), &[origin], "").await;
        assert_eq!((status.as_u16(), &headers["access-control-allow-origin"]), (expected, &"*".parse().unwrap()));
    }
    let asks =
        [origin, ("access-control-request-method", "GET"), ("access-control-request-headers", "mcp-protocol-version")];
    let (status, headers, _) = send(&gateway, "OPTIONS", &format!("{WELL_KNOWN}/wheel/mcp"), &asks, "").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("mcp-protocol-version"));
    let (status, headers, _) = send(&gateway, "POST", &format!("{WELL_KNOWN}/wheel"), &[], "").await;
    assert_eq!((status, &headers["allow"]), (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap()));
}

#[tokio::test]
async fn a_definition_says_which_issuers_clients_ask() {
    let portal =
        Scripted::start(|_| http("401 Unauthorized", "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n", ""));
    let definitions = format!(
        r#"
        [auth.name.jwt]
        issuer = "casino"
        audience = ["a"]
        secret = {{ file = "secret" }}
        [auth.named.jwt]
        issuer = "casino"
        audience = ["a"]
        secret = {{ file = "secret" }}
        authorization-servers = ["https://one.example", "https://two.example/a"]
        [auth.silent.jwt]
        issuer = "https://id.example"
        audience = ["a"]
        secret = {{ file = "secret" }}
        authorization-servers = []
        [auth.portal.forward]
        url = "http://{}/"
        authorization-servers = ["https://one.example"]
        "#,
        portal.address
    );
    let group = |name: &str| format!("[group.\"/{name}\"]\nservice = \"diagnostics\"\nauth = [\"{name}\"]\n");
    let groups: String = ["name", "named", "silent", "portal"].map(group).concat();
    let several = "[group.\"/several\"]\nservice = \"diagnostics\"\nauth = [\"named\", \"portal\", \"tokens\"]\n";
    let gateway = gateway(&mounts("issuers", &format!("{definitions}{groups}{several}")));
    let call = async |path: &str, headers: &[(&str, &str)]| {
        let (_, headers, _) = send(&gateway, "GET", &format!("{path}/openapi.json"), headers, "").await;
        let text = |challenge: &&str| challenge.replace(&format!("http://casino.example{WELL_KNOWN}"), "");
        challenges(&headers).iter().map(text).collect::<Vec<_>>()
    };
    for (path, servers, challenge) in [
        ("/name", None, vec!["Bearer realm=\"name\""]),
        ("/silent", None, vec!["Bearer realm=\"silent\""]),
        (
            "/named",
            Some(json!(["https://one.example", "https://two.example/a"])),
            vec!["Bearer realm=\"named\", resource_metadata=\"/named\""],
        ),
        (
            "/portal",
            Some(json!(["https://one.example"])),
            vec!["Bearer realm=\"portal\", resource_metadata=\"/portal\""],
        ),
        (
            "/several",
            Some(json!(["https://one.example", "https://two.example/a", ISSUER])),
            ["named", "portal", "tokens"]
                .map(|name| &*format!("Bearer realm=\"{name}\", resource_metadata=\"/several\"").leak())
                .to_vec(),
        ),
    ] {
        assert_eq!(call(path, &[]).await, challenge, "{path}");
        match servers {
            Some(servers) => {
                assert_eq!(metadata(&gateway, &format!("{WELL_KNOWN}{path}")).await["authorization_servers"], servers);
            }
            None => assert_eq!(get(&gateway, &format!("{WELL_KNOWN}{path}")).await.0, StatusCode::NOT_FOUND),
        }
    }
    let passed_on = call("/portal", &[("authorization", "Bearer x")]).await;
    assert_eq!(passed_on, ["Bearer error=\"invalid_token\", resource_metadata=\"/portal\""]);
}

#[test]
fn an_issuer_that_is_no_url_is_found_at_its_place() {
    let folder = Folder::new("no-url");
    for kind in ["jwt]\nissuer = \"i\"\naudience = [\"a\"]\njwks.url = \"http://h/\"", "forward]\nurl = \"http://h/\""]
    {
        let text = format!(
            "[auth.x.{kind}\nauthorization-servers = [\"https://id.example\", \"id.example\"]\n\
             [group.\"/d\"]\nservice = \"diagnostics\"\nauth = [\"x\"]\n"
        );
        let problems = folder.load(&text).unwrap_err();
        assert!(problems.contains("`id.example` is not the URL of an issuer"), "{problems}");
    }
}

#[tokio::test]
async fn the_address_of_several_groups_is_a_resource_of_its_own() {
    let text = format!("[mcp]\npath = '/tools'\ngroups = ['/wheel']\nauth = ['tokens']\n{WHEEL}");
    let gateway = gateway(&mounts("resource-tools", &text));
    let list = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
    let json = [("content-type", "application/json")];
    let (status, headers, text) = send(&gateway, "POST", "/tools", &json, list).await;
    let expected = format!("resource_metadata=\"http://casino.example{WELL_KNOWN}/tools\"");
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{text}");
    assert!(challenges(&headers).iter().any(|challenge| challenge.contains(&expected)), "{headers:?}");
    let found = metadata(&gateway, &format!("{WELL_KNOWN}/tools")).await;
    assert_eq!(
        (&found["resource"], &found["authorization_servers"]),
        (&json!("http://casino.example/tools"), &json!([ISSUER]))
    );
    assert_eq!(get(&gateway, &format!("{WELL_KNOWN}/tools/mcp")).await.0, StatusCode::NOT_FOUND);
}
