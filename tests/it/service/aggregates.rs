//! Aggregates over every protocol, pages made of their answers, and places where only one or the other is reached.

use std::net::SocketAddr;

use croupier::config::{Config, Registry};
use croupier::http::audience::Audience;
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use croupier::server::settings::{ListenAddress, ServerSettings};
use croupier::server::{Listener, Server};
use serde_json::{Value, json};

use crate::support::casino;
use crate::support::running::{Running, call, post};

fn gateway() -> Running {
    Running::router(casino::config().router(), ServerSettings::default())
}

/// A response, its head and its body.
fn ask(gateway: &Running, verb: &str, path: &str) -> (String, String) {
    let response = gateway.raw(format!("{verb} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A JSON-RPC call, and its result or error.
fn jsonrpc(gateway: &Running, path: &str, method: &str, params: &Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).to_string();
    let request = post(path, "", &body).replace("text/xml", "application/json");
    let response = gateway.raw(request);
    serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn soap(gateway: &Running, path: &str, namespace: &str, inside: &str) -> String {
    let envelope = format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:t=\"{namespace}\"><e:Body>{inside}</e:Body></e:Envelope>"
    );
    gateway.post(path, &envelope)
}

#[test]
fn a_partial_result_has_the_failed_calls_over_every_protocol() {
    let gateway = gateway();
    let (head, body) = ask(&gateway, "GET", "/table/spin");
    assert_eq!(status(&head), 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["american"], json!(["31", "BLACK", "ODD", "HIGH"]));
    assert_eq!(answer["errors"], json!({"mini": {"kind": "unreachable", "message": "closed <today>"}}));
    let keys: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["american", "french-one", "errors"]);

    let answer = jsonrpc(&gateway, "/table", "spin", &json!([]));
    assert_eq!(answer["result"]["errors"]["mini"]["kind"], "unreachable");

    let answer = gateway.post("/table", &call("spin", &[]));
    for part in [
        "<name>french-one</name>",
        "<name>errors</name><value><struct><member><name>mini</name>",
        "closed &lt;today&gt;",
    ] {
        assert!(answer.contains(part), "{part}\n{answer}");
    }
    assert!(!answer.contains("<fault>"), "{answer}");

    let answer = soap(&gateway, "/table", "urn:croupier:table", "<t:spin/>");
    for part in ["<m:american>", "<m:french-one>", "<m:errors><m:mini><m:kind>unreachable</m:kind><m:message>closed"] {
        assert!(answer.contains(part), "{part}\n{answer}");
    }
    assert!(!answer.contains("</m:errors><m:mini>") && !answer.contains("Fault"), "{answer}");
}

#[test]
fn a_failed_call_fails_the_method_with_on_error_fail() {
    let gateway = gateway();
    for path in ["/table/spinList?spins=21", "/both/all?spins=21"] {
        let (head, body) = ask(&gateway, "GET", path);
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status(&head), &problem["kind"], &problem["parameter"]),
            (400, &json!("bad-params"), &json!("spins"))
        );
        assert!(problem["detail"].as_str().unwrap().ends_with("french: `spins` is at most 20, 21 asked for"), "{body}");
    }
    let error = jsonrpc(&gateway, "/table", "spinList", &json!({"spins": 21}));
    assert_eq!(error["error"]["code"], -32602);
    let fault = gateway.post("/table", &call("spinList", &["<value><int>21</int></value>"]));
    assert!(fault.contains("<fault>") && fault.contains("-32602"), "{fault}");
    let fault = soap(&gateway, "/table", "urn:croupier:table", "<t:spinList><t:spins>21</t:spins></t:spinList>");
    assert!(fault.contains("Fault") && fault.contains("french: `spins` is at most 20"), "{fault}");
}

#[test]
fn rows_are_gathered_and_aggregates_may_call_aggregates() {
    let gateway = gateway();
    let (_, body) = ask(&gateway, "GET", "/both/all?spins=2");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["table"]["american"].as_array().unwrap().len(), 2);
    assert_eq!(answer["table"]["counts"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>(), 7);
    let (_, body) = ask(&gateway, "GET", "/both/all");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["table"]["french"].as_array().unwrap().len(), 1, "the default is that of what is called");
    let answer = soap(&gateway, "/both", "urn:croupier:both", "<t:all><t:spins>3</t:spins></t:all>");
    assert_eq!(answer.matches("<m:color>").count(), 6, "{answer}");
}

#[test]
fn bytes_dates_and_large_numbers_are_the_same_on_both_sides() {
    let gateway = gateway();
    let given = json!({"bytes": "AQI=", "when": "1998-07-17T14:08:55", "huge": u64::MAX});
    let answer = jsonrpc(&gateway, "/table", "keep", &given);
    assert_eq!(answer["result"], json!({"kept": given, "errors": {}}));

    let inside = "<t:bytes>AQI=</t:bytes><t:when>1998-07-17T14:08:55</t:when><t:huge>18446744073709551615</t:huge>";
    let answer = soap(&gateway, "/table", "urn:croupier:table", &format!("<t:keep>{inside}</t:keep>"));
    assert!(answer.contains(&format!("<m:kept>{}</m:kept>", inside.replace("t:", "m:"))), "{answer}");

    let params = [
        "<value><base64>AQI=</base64></value>",
        "<value><dateTime.iso8601>19980717T14:08:55</dateTime.iso8601></value>",
        "<value><int>7</int></value>",
    ];
    let answer = gateway.post("/table", &call("keep", &params));
    for param in params {
        assert!(answer.contains(param), "{param}\n{answer}");
    }
}

#[test]
fn an_aggregate_is_described_like_any_service() {
    let gateway = gateway();
    let (_, openapi) = ask(&gateway, "GET", "/table/openapi.json");
    let openapi: Value = serde_json::from_str(&openapi).unwrap();
    assert!(openapi["paths"]["/spin"]["get"].is_object(), "what is called changes nothing, so GET may ask for it");
    assert!(openapi["paths"]["/keep"]["get"].is_null());
    let schemas = openapi["components"]["schemas"].as_object().unwrap();
    assert!(schemas.contains_key("Pocket") && schemas.contains_key("Failure") && schemas.contains_key("SpinResult"));
    let (_, wsdl) = ask(&gateway, "GET", "/table?wsdl");
    assert!(wsdl.contains("name=\"SpinListResult\""), "{wsdl}");
    let (_, page) = ask(&gateway, "GET", "/table");
    assert!(page.contains("spinList(spins: int = 1) -&gt; struct"), "{page}");
}

#[test]
fn a_page_shows_what_there_is_and_what_has_failed() {
    let gateway = gateway();
    let (head, page) = ask(&gateway, "GET", "/show");
    assert_eq!(status(&head), 200, "{page}");
    for part in [
        "<h1>Tonight &lt;live&gt;</h1>",
        "2 of 3 wheels were spun. One has failed.",
        "<h2>American</h2>\n<p class=\"pocket\"><span>31</span></p>",
        "<h2>French One</h2>",
        "<strong>No result.</strong> closed &lt;today&gt;",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    for part in ["script", "style=", "onclick"] {
        assert!(!page.contains(part), "{part}\n{page}");
    }
    for part in ["content-security-policy: default-src 'none'; style-src 'self'", "cache-control: no-store", "nosniff"]
    {
        assert!(head.contains(part), "{head}");
    }
    for part in ["page.css", "style.css"] {
        let at = page.find(part).unwrap();
        let address = page[..at + part.len() + 17].rsplit('"').next().unwrap().replace("&#x2f;", "/");
        let (head, css) = ask(&gateway, "GET", &address);
        assert!(status(&head) == 200 && head.contains("text/css") && css.len() > 1000, "{address}: {head}");
    }
    let (head, body) = ask(&gateway, "HEAD", "/show");
    assert!(status(&head) == 200 && body.is_empty());
    assert_eq!(status(&ask(&gateway, "POST", "/show").0), 405);
    assert_eq!(status(&ask(&gateway, "GET", "/show/else").0), 404);
}

#[test]
fn a_query_is_passed_on_by_its_types_and_shown_again() {
    let gateway = gateway();
    let (head, page) = ask(&gateway, "GET", "/list?spins=3");
    assert!(status(&head) == 200 && head.contains("\r\nrefresh: 30\r\n"), "{head}\n{page}");
    assert_eq!(page.matches("<li class=").count(), 3, "{page}");
    assert!(page.contains("value=\"3\""), "{page}");
    assert!(ask(&gateway, "GET", "/list").1.contains("value=\"1\""), "the default is shown");
    for (query, message) in [
        ("spins=many", "parameter `spins`: `many` is not an integer"),
        ("spin=1", "there is no parameter `spin`; did you mean `spins`?"),
        ("spins=21", "table: french: `spins` is at most 20, 21 asked for"),
        ("spins=%3Cb%3E", "`&lt;b&gt;` is not an integer"),
    ] {
        let (head, page) = ask(&gateway, "GET", &format!("/list?{query}"));
        assert_eq!(status(&head), 400, "{page}");
        assert!(head.contains("text/html") && head.contains("content-security-policy"), "{head}");
        assert!(page.contains(message), "{message}\n{page}");
    }
}

#[test]
fn hostile_values_are_text_and_failures_are_shown() {
    let gateway = gateway();
    let (_, page) = ask(&gateway, "GET", "/hostile");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;\u{fffd}"), "{page}");
    let (head, page) = ask(&gateway, "GET", "/gone");
    assert_eq!(status(&head), 502);
    assert!(page.contains("an upstream server cannot be reached") && page.contains("closed &lt;today&gt;"), "{page}");
    let (_, directory) = ask(&gateway, "GET", "/");
    assert!(directory.contains("<a href=\"&#x2f;show\">Tonight &lt;live&gt;</a>"), "{directory}");
}

#[test]
fn a_page_at_the_root_comes_before_the_directory() {
    let text = "[group.'/a']\nservice = 'diagnostics'\n[group.'/b']\nservice = 'wheel'\noptions = { family = 'mini' }\n\
                [page.'/']\ngroup = '/b'\nmethod = 'spin'\ntemplate = 'tests/fixtures/hostile.html'\n";
    let config = Config::parse("root.toml", text, &Registry::standard()).unwrap();
    let gateway = Running::router(config.router(), ServerSettings::default());
    let (_, page) = ask(&gateway, "GET", "/");
    assert!(page.contains("<title>Mini wheel</title>"), "{page}");
    assert!(ask(&gateway, "GET", "/openapi.json").1.contains("/b/spin"));
}

/// Serves the house at three places: one for all, one for pages, one for calls.
fn three_places(test: impl FnOnce([SocketAddr; 3])) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (addresses, serving) = runtime.block_on(async {
        let settings = ServerSettings::default();
        let body_reader = BodyReader::new(&settings);
        let server = Server::new(Gateway::new(casino::config().router(), body_reader), settings, None);
        let mut listeners = Vec::new();
        for only in [None, Some(Audience::Pages), Some(Audience::Api)] {
            listeners.push(Listener::bind(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into())).await.unwrap().serves(only));
        }
        let address = |at: usize| match listeners[at].address() {
            ListenAddress::Tcp(address) => address,
            ListenAddress::Unix(_) => panic!("a TCP listener has a TCP address"),
        };
        let addresses = [address(0), address(1), address(2)];
        (addresses, tokio::spawn(server.run(listeners, async { stopped.await.unwrap_or_default() })))
    });
    test(addresses);
    drop(stop);
    runtime.block_on(serving).unwrap();
}

#[test]
fn a_place_may_be_for_pages_or_for_calls_alone() {
    use std::io::{Read as _, Write as _};
    let asked = |address: SocketAddr, request: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let requests = [
        (get("/show"), [200, 200, 404]),
        (get("/show/page.css"), [200, 200, 404]),
        (get("/"), [200, 200, 404]),
        (get("/american"), [200, 200, 405]),
        (get("/american/page.js"), [200, 200, 404]),
        (get("/american/spin"), [200, 404, 200]),
        (get("/american?wsdl"), [200, 404, 200]),
        (get("/openapi.json"), [200, 404, 200]),
        (get("/table/openrpc.json"), [200, 404, 200]),
        (post("/american", "Connection: close\r\n", &call("spin", &[])), [200, 404, 200]),
        (post("/show", "Connection: close\r\n", &call("spin", &[])), [405, 404, 404]),
        (get("/nowhere"), [404, 404, 404]),
    ];
    three_places(|places| {
        for (request, statuses) in &requests {
            for (place, wanted) in places.iter().zip(statuses) {
                let response = asked(*place, request);
                let first = request.lines().next().unwrap();
                assert_eq!(status(&response), *wanted, "{first} {response}");
            }
        }
        let [all, pages, _] = places;
        let (open, closed) = (asked(all, &get("/american")), asked(pages, &get("/american")));
        assert!(open.contains("<form class=\"call\"") && open.contains("?wsdl") && open.contains("data-ring"));
        assert!(
            closed.contains("spinList(spins: int = 1)") && !closed.contains("?wsdl") && !closed.contains("data-ring")
        );
        assert!(!closed.contains("type=\"submit\""), "{closed}");
    });
}
