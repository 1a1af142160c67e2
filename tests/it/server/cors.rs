//! Pages of other origins that may call a group: every protocol and document, from allowed and other origins, before and
//! after the call.

use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::http::audience::Audience;
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use ring::digest::{SHA256, digest};
use tower::ServiceExt as _;

use crate::support::scripted::{Scripted, http};

const PAGE: &str = "https://page.example";

/// The origins of requests, and whether a response has to name them.
const ORIGINS: [(Option<&str>, bool); 5] = [
    (Some(PAGE), true),
    (Some("https://evil.example"), false),
    (Some("https://page.example.evil.example"), false),
    (Some("null"), false),
    (None, false),
];

/// A request in one of its forms: the verb, what follows the path of the group, the media type, a body, and a body whose
/// call ends in a fault.
struct Form {
    name: &'static str,
    verb: &'static str,
    below: &'static str,
    media: &'static str,
    body: &'static str,
    fault: Option<(&'static str, &'static str)>,
}

const XML: &str = "text/xml";
const JSON: &str = "application/json";

const FORMS: [Form; 9] = [
    Form {
        name: "xml-rpc",
        verb: "POST",
        below: "",
        media: XML,
        body: "<methodCall><methodName>spin</methodName></methodCall>",
        fault: Some(("", "<methodCall><methodName>nothing</methodName></methodCall>")),
    },
    Form {
        name: "json-rpc",
        verb: "POST",
        below: "",
        media: JSON,
        body: r#"{"jsonrpc":"2.0","id":1,"method":"spin"}"#,
        fault: Some(("", r#"{"jsonrpc":"2.0","id":1,"method":"nothing"}"#)),
    },
    Form {
        name: "soap",
        verb: "POST",
        below: "",
        media: XML,
        body: "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><spin xmlns=\"urn:wheel\"/></e:Body>\
               </e:Envelope>",
        fault: Some((
            "",
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><nothing xmlns=\"urn:wheel\"/></e:Body>\
             </e:Envelope>",
        )),
    },
    Form { name: "rest", verb: "POST", below: "/spin", media: JSON, body: "{}", fault: Some(("/nothing", "{}")) },
    Form { name: "route", verb: "DELETE", below: "/three", media: "", body: "", fault: Some(("/three?spins=1", "")) },
    Form { name: "openapi", verb: "GET", below: "/openapi.json", media: "", body: "", fault: None },
    Form { name: "openrpc", verb: "GET", below: "/openrpc.json", media: "", body: "", fault: None },
    Form { name: "wsdl", verb: "GET", below: "?wsdl", media: "", body: "", fault: None },
    Form { name: "page", verb: "GET", below: "", media: "", body: "", fault: None },
];

/// A gateway whose groups allow pages of [`PAGE`]: one that anyone may call, one that needs a key, one that may be called once
/// an hour, and one of which nothing may be called.
/// The headers of MCP.
const MCP: &str = "mcp-protocol-version, mcp-method, mcp-name, mcp-session-id";

fn gateway() -> Gateway {
    let key: String = digest(&SHA256, b"crp_ada").as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut text = format!(
        r#"
        cors = {{ origins = ["http://localhost:3000"], max-age = "1h", allow-headers = ["X-Table"] }}
        [auth.staff.api-key]
        keys = {{ text = "ada {key} admin" }}
        "#
    );
    for (path, more) in [
        ("/open", ""),
        ("/closed", "auth = ['staff']"),
        ("/limited", "limits = { rate = { calls = '1/h', burst = 1 } }"),
        ("/forbidden", "access = [{ effect = 'deny' }]"),
    ] {
        text.push_str(&format!(
            r#"
            [group."{path}"]
            service = "wheel"
            options = {{ family = "american" }}
            aliases = ["/also{path}"]
            soap = {{ namespace = "urn:wheel" }}
            routes = [{{ route = "DELETE /three", method = "spinList", args = {{ spins = 3 }} }}]
            cors = {{ origins = ["http://other.example", "{PAGE}"] }}
            {more}
            "#
        ));
    }
    of_text(&text)
}

fn of_text(text: &str) -> Gateway {
    let config = Config::parse("cors.toml", text, &Registry::standard()).unwrap_or_else(|errors| panic!("{errors}"));
    Gateway::serving(&config.mounts(), BodyReader::new(&ServerSettings::default())).unwrap()
}

async fn send(
    gateway: &Gateway,
    (verb, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> (StatusCode, HeaderMap, String) {
    let request = Request::builder().method(verb).uri(path).header("host", "x");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send_request(gateway, request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await
}

async fn send_request(gateway: &Gateway, request: Request<Full<Bytes>>) -> (StatusCode, HeaderMap, String) {
    let (head, body) = gateway.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
}

impl Form {
    /// The headers of a request of a page of this origin.
    fn headers<'h>(&self, origin: Option<&'h str>) -> Vec<(&'static str, &'h str)> {
        let mut headers: Vec<_> = origin.into_iter().map(|origin| ("origin", origin)).collect();
        if !self.media.is_empty() {
            headers.push(("content-type", self.media));
        }
        if self.name == "soap" {
            headers.push(("soapaction", "\"\""));
        }
        if self.name == "page" {
            headers.push(("accept", "text/html"));
        }
        headers
    }

    async fn call(
        &self,
        gateway: &Gateway,
        path: &str,
        origin: Option<&str>,
        more: &[(&'static str, &str)],
    ) -> (StatusCode, HeaderMap, String) {
        let mut headers = self.headers(origin);
        headers.extend(more);
        send(gateway, (self.verb, &format!("{path}{}", self.below)), &headers, self.body).await
    }
}

/// A header as one text, in lower case; empty if there is none.
fn joined(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap());
    values.collect::<Vec<_>>().join(", ").to_ascii_lowercase()
}

/// Checks what a response lets a page of an origin do.
fn check(headers: &HeaderMap, (origin, allowed): (Option<&str>, bool), what: &str) {
    let names: Vec<&str> =
        headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("access-")).collect();
    let vary = joined(headers, "vary");
    assert!(vary.split(", ").any(|name| name == "origin"), "{what}: {vary}");
    if !allowed {
        assert!(names.is_empty(), "{what}: {names:?}");
        return;
    }
    assert_eq!(headers.get_all("access-control-allow-origin").iter().count(), 1, "{what}");
    assert_eq!(Some(headers["access-control-allow-origin"].to_str().unwrap()), origin, "{what}");
    assert!(!headers.contains_key("access-control-allow-credentials"), "{what}");
    let exposed = joined(headers, "access-control-expose-headers");
    for name in ["allow", "retry-after", "ratelimit", "ratelimit-policy", "www-authenticate", "x-request-id"] {
        assert!(exposed.split(", ").any(|other| other == name), "{what}: {exposed}");
    }
}

#[tokio::test]
async fn every_response_says_which_page_may_read_it() {
    let gateway = gateway();
    for form in &FORMS {
        for (origin, allowed) in ORIGINS {
            let case = (origin, allowed);
            let what = format!("{} from {origin:?}", form.name);
            for at in ["/open", "/also/open"] {
                let (status, headers, text) = form.call(&gateway, at, origin, &[]).await;
                assert_eq!(status, StatusCode::OK, "{what}: {text}");
                check(&headers, case, &what);
            }
            if let Some((below, body)) = form.fault {
                let below = if below.is_empty() { form.below } else { below };
                let path = format!("/open{below}");
                let (status, headers, text) = send(&gateway, (form.verb, &path), &form.headers(origin), body).await;
                let is_fault = text.contains("ault") || text.contains("error") || text.contains("\"status\":");
                assert!(is_fault, "{what}: {status} {text}");
                check(&headers, case, &format!("the fault of {what}"));
            }
            let (status, headers, _) = form.call(&gateway, "/closed", origin, &[]).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}");
            assert!(headers.contains_key("www-authenticate"), "{what}");
            check(&headers, case, &format!("401 of {what}"));
            let (status, headers, _) = form.call(&gateway, "/closed", origin, &[("x-api-key", "crp_ada")]).await;
            assert_eq!(status, StatusCode::OK, "{what}");
            check(&headers, case, &format!("{what} with a key"));
            if form.fault.is_some() {
                let _ = form.call(&gateway, "/limited", origin, &[]).await;
                let (status, headers, _) = form.call(&gateway, "/limited", origin, &[]).await;
                assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{what}");
                assert!(headers.contains_key("ratelimit") && headers.contains_key("retry-after"), "{what}");
                check(&headers, case, &format!("429 of {what}"));
                let (status, headers, _) = form.call(&gateway, "/forbidden", origin, &[]).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{what}");
                check(&headers, case, &format!("403 of {what}"));
            }
        }
    }
    // What no protocol serves.
    for (verb, path, media, expected) in [
        ("PUT", "/open", JSON, 405),
        ("POST", "/open", "application/x-unknown", 415),
        ("GET", "/open/nothing", "", 404),
    ] {
        for case in ORIGINS {
            let headers = [("content-type", media), ("origin", case.0.unwrap_or_default())];
            let headers: Vec<_> = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            let (status, headers, _) = send(&gateway, (verb, path), &headers, "").await;
            assert_eq!(status, expected, "{verb} {path}");
            check(&headers, case, &format!("{verb} {path}"));
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_for_every_form_without_credentials_and_without_a_call() {
    let gateway = gateway();
    for (group, credentials) in [("/open", ""), ("/closed", "x-api-key, "), ("/limited", ""), ("/forbidden", "")] {
        for form in &FORMS {
            for (origin, allowed) in ORIGINS.into_iter().filter(|(origin, _)| origin.is_some()) {
                for at in ["", "/also"] {
                    let path = format!("{at}{group}{}", form.below);
                    let asked = [
                        ("origin", origin.unwrap_or_default()),
                        ("access-control-request-method", form.verb),
                        ("access-control-request-headers", "content-type, x-table"),
                    ];
                    // A body of a preflight is nobody's business.
                    let (status, headers, text) = send(&gateway, ("OPTIONS", &path), &asked, "{").await;
                    let what = format!("{} at {path} from {origin:?}", form.name);
                    assert_eq!((status, text.as_str()), (StatusCode::NO_CONTENT, ""), "{what}");
                    check(&headers, (origin, allowed), &what);
                    if allowed {
                        let list = format!("content-type, {credentials}soapaction, {MCP}, x-table");
                        assert_eq!(joined(&headers, "access-control-allow-headers"), list, "{what}");
                        assert_eq!(
                            joined(&headers, "access-control-allow-methods"),
                            "get, head, post, delete",
                            "{what}"
                        );
                        assert_eq!(headers["access-control-max-age"], "3600", "{what}");
                    }
                }
            }
        }
    }
    // Any other OPTIONS is a request like others.
    let (status, ..) = send(&gateway, ("OPTIONS", "/closed/spin"), &[("origin", PAGE)], "").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, headers, _) = send(&gateway, ("OPTIONS", "/open/spin"), &[("origin", PAGE)], "").await;
    assert_eq!((status, headers["allow"].to_str().unwrap()), (StatusCode::NO_CONTENT, "GET, HEAD, OPTIONS, POST"));
}

#[tokio::test]
async fn a_group_that_allows_no_origin_is_as_before() {
    let gateway = of_text(
        r#"
        [auth.staff.api-key]
        keys = { text = "" }
        [group."/g"]
        service = "wheel"
        options = { family = "american" }
        [group."/closed"]
        service = "wheel"
        options = { family = "american" }
        auth = ["staff"]
        "#,
    );
    let asked = [("origin", PAGE), ("access-control-request-method", "POST")];
    for (path, expected) in [("/g", 405), ("/g/spin", 204), ("/closed", 405), ("/closed/spin", 401)] {
        let (status, headers, _) = send(&gateway, ("OPTIONS", path), &asked, "").await;
        assert_eq!(status, expected, "{path}");
        assert!(!headers.keys().any(|name| name.as_str().starts_with("access-")), "{path}: {headers:?}");
        assert!(!joined(&headers, "vary").contains("origin"), "{path}: {headers:?}");
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_need_not_ask_where_browsers_do_not() {
    let text = |origins: &str, more: &str| {
        format!(
            r#"
            [auth.staff.api-key]
            keys = {{ text = "" }}
            [group."/g"]
            service = "wheel"
            options = {{ family = "american" }}
            cors = {{ origins = {origins} }}
            {more}
            "#
        )
    };
    let call = "<methodCall><methodName>system.listMethods</methodName></methodCall>";
    let closed = "auth = ['staff']";
    for (origins, more, origin, expected) in [
        ("['https://page.example']", "", PAGE, 415),
        ("['https://page.example']", "", "https://evil.example", 403),
        ("['https://page.example']", "", "null", 403),
        ("['*']", "", "https://evil.example", 415),
        // Browsers add their own credentials to such a request.
        ("['*']", closed, "https://evil.example", 403),
        ("['https://page.example']", closed, PAGE, 401),
    ] {
        let gateway = of_text(&text(origins, more));
        let headers = [("origin", origin), ("content-type", "text/plain")];
        let (status, headers, text) = send(&gateway, ("POST", "/g/spin"), &headers, call).await;
        assert_eq!(status, expected, "{origins} {more} {origin}: {text}");
        let named = headers.get("access-control-allow-origin").map(|named| named.to_str().unwrap());
        let expected = if origins.contains('*') { Some("*") } else { Some(origin).filter(|origin| *origin == PAGE) };
        assert_eq!(named, expected, "{origins} {origin}");
    }
}

#[tokio::test]
async fn credentials_headers_and_times_are_those_of_the_configuration() {
    let upstream = Scripted::start(|_| {
        let body = "<methodResponse><params><param><value>7</value></param></params></methodResponse>";
        http("200 OK", "Content-Type: text/xml\r\nX-Total: 7\r\n", body)
    });
    let gateway = of_text(&format!(
        r#"
        [group."/up"]
        upstream = {{ urls = ["http://{}/"], protocol = "xml-rpc", return-headers = ["X-Total"] }}
        [group."/up".cors]
        origins = ["{PAGE}"]
        allow-credentials = true
        allow-headers = ["X-Table", "content-type"]
        expose-headers = ["X-Wheel"]
        max-age = "0s"
        "#,
        upstream.address
    ));
    let origin = ("origin", PAGE);
    let (_, headers, _) =
        send(&gateway, ("OPTIONS", "/up"), &[origin, ("access-control-request-method", "POST")], "").await;
    let allowed = format!("content-type, soapaction, {MCP}, x-table");
    assert_eq!(joined(&headers, "access-control-allow-headers"), allowed);
    assert_eq!(headers["access-control-allow-credentials"], "true");
    assert_eq!(headers["access-control-max-age"], "0");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"spin"}"#;
    let (_, headers, text) = send(&gateway, ("POST", "/up"), &[origin, ("content-type", JSON)], call).await;
    assert_eq!(headers["access-control-allow-credentials"], "true", "{text}");
    assert_eq!(headers["x-total"], "7", "{text}");
    let exposed = joined(&headers, "access-control-expose-headers");
    assert!(exposed.ends_with("mcp-session-id, x-total, x-wheel"), "{exposed}");
}

#[tokio::test]
async fn pages_may_send_and_read_the_headers_of_the_protocols_that_the_group_has() {
    let group = |path: &str, protocols: &str| {
        format!(
            "[group.\"{path}\"]\nservice = \"wheel\"\nprotocols = [{protocols}]\n\
             options = {{ family = \"european\" }}\ncors = {{ origins = [\"{PAGE}\"] }}\n"
        )
    };
    let gateway =
        of_text(&(group("/a", "\"json-rpc\"") + &group("/b", "\"soap\"") + &group("/c", "\"mcp\", \"xml-rpc\"")));
    for (path, sent, read) in [("/a", "", false), ("/b", ", soapaction", false), ("/c", &*format!(", {MCP}"), true)] {
        let asked = [("origin", PAGE), ("access-control-request-method", "POST")];
        let (_, headers, _) = send(&gateway, ("OPTIONS", path), &asked, "").await;
        assert_eq!(joined(&headers, "access-control-allow-headers"), format!("content-type{sent}"), "{path}");
        let (_, headers, _) = send(&gateway, ("POST", path), &[("origin", PAGE), ("content-type", JSON)], "").await;
        let exposed = joined(&headers, "access-control-expose-headers");
        assert_eq!(exposed.contains("mcp-session-id"), read, "{path}: {exposed}");
    }
}

#[tokio::test]
async fn all_origins_are_one_word_and_pages_only_listeners_grant_nothing() {
    let gateway = of_text("[group.'/g']\nservice = 'diagnostics'\ncors = { origins = ['*'] }\n");
    for origin in [Some("https://evil.example"), Some("null"), None] {
        let headers: Vec<_> = origin.into_iter().map(|origin| ("origin", origin)).collect();
        let (_, headers, _) = send(&gateway, ("GET", "/g/openapi.json"), &headers, "").await;
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(
            !joined(&headers, "vary").contains("origin") && !headers.contains_key("access-control-allow-credentials")
        );
    }
    for (audience, granted) in [(Audience::Pages, false), (Audience::Api, true)] {
        let request = Request::options("/g").header("host", "x").header("origin", PAGE).extension(audience);
        let request = request.header("access-control-request-method", "POST").body(Full::new(Bytes::new())).unwrap();
        let (_, headers, _) = send_request(&gateway, request).await;
        assert_eq!(headers.contains_key("access-control-allow-origin"), granted, "{audience:?}");
    }
}

#[tokio::test]
async fn what_is_joined_with_a_group_at_the_root_is_readable_by_its_origins() {
    let gateway = of_text(&format!(
        "[group.'/']\nservice = 'diagnostics'\ncors = {{ origins = ['{PAGE}'] }}\n[group.'/other']\nservice = 'diagnostics'\n"
    ));
    for (path, granted) in [("/", true), ("/openapi.json", true), ("/other", false), ("/other/openapi.json", false)] {
        let (status, headers, _) = send(&gateway, ("GET", path), &[("origin", PAGE)], "").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers.contains_key("access-control-allow-origin"), granted, "{path}");
    }
}
