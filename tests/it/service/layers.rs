//! A layer of a group sees every call of the group, whichever way it comes.
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use croupier::codec::DocumentLimits;
use croupier::http::public_url::PublicUrl;
use croupier::http::routes::RestRoute;
use croupier::model::name_patterns::NamePatterns;
use croupier::protocol::Protocol;
use croupier::protocol::page::{PageTemplate, TemplatePage};
use croupier::protocol::soap::server::namespace_of;
use croupier::server::gateway::Gateway;
use croupier::server::metrics::MetricsFormat;
use croupier::server::mount::{GroupMount, McpMember, McpMount, Mounts, PageMount};
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use croupier::service::aggregate::{Aggregate, Composed, OnError, Part};
use croupier::service::future::MaybeReady;
use croupier::service::layer::GroupLayer;
use croupier::service::local::{Local, named};
use croupier::service::{Call, CallForm, CallFuture, Output, RpcService};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use crate::support::hello::{self, response};
use crate::support::scrape::Scrape;
use crate::support::upstream::{Act, ScriptedUpstream};

/// Notes its name, and the method and form of each call.
#[derive(Clone, Default)]
struct Note {
    name: &'static str,
    calls: Arc<Mutex<Vec<String>>>,
}

impl GroupLayer for Note {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let form = match call.form {
            CallForm::Plain => "plain",
            CallForm::Raw(_) | CallForm::Http(_) => "raw",
            CallForm::Batch(_) => "batch",
        };
        assert!(call.context.deadline.is_some_and(|deadline| deadline > Instant::now()), "a layer sees the deadline");
        self.calls.lock().unwrap().push(format!("{}{} {form}", self.name, call.method));
        next.call(call)
    }
}

impl Note {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

fn hello() -> Local {
    Local::new("Hello", ()).method(named("hello").safe(), |(): &(), (): ()| "world").build().unwrap()
}

/// The group `/hello`, an aggregate of it, and a page about it.
fn gateway(hello: GroupMount) -> Gateway {
    Gateway::serving(&mounts(hello), BodyReader::new(&ServerSettings::default())).unwrap()
}

/// The group `/hello` with a route, an aggregate of it at `/all`, a page about it at `/page`, and its tools at `/tools` with the prefix
/// `joined`, where they are found by words as at its own address.
pub(crate) fn mounts(mut hello: GroupMount) -> Mounts {
    hello.protocols.routes.push(RestRoute::new("GET /greeting", "hello").unwrap());
    let part = Part {
        name: "greeting".to_owned(),
        path: "/hello".to_owned(),
        service: hello.layered_service(),
        method: "hello".to_owned(),
        args: Vec::new(),
        deadline: Duration::from_secs(10),
        room: 10 << 20,
    };
    let greet = Composed {
        name: "greet".to_owned(),
        doc: String::new(),
        params: Vec::new(),
        calls: vec![part],
        on_error: OnError::Fail,
    };
    let page = TemplatePage {
        title: "Hello".into(),
        method: "hello".into(),
        template: Arc::new(PageTemplate::new("hello", "<p>{{ answer }}</p>", &[]).unwrap()),
        style: None,
        refresh: None,
        limits: DocumentLimits::default(),
        public_url: Arc::new(PublicUrl::default()),
    };
    let page =
        PageMount { path: "/page".to_owned(), group: "/hello".to_owned(), service: hello.layered_service(), page };
    let aggregate = GroupMount::new("/all", Aggregate::new("All", "", vec![greet]));
    hello.protocols.mcp.find_tools = true;
    let mcp = McpMount {
        path: "/tools".to_owned(),
        groups: vec![McpMember { group: "/hello".to_owned(), prefix: "joined".to_owned() }],
        auth: None,
        search: Some(NamePatterns::default()),
    };
    Mounts { groups: vec![hello, aggregate], pages: vec![page], mcp: Some(mcp), ..Mounts::default() }
}

fn gateway_of(group: GroupMount) -> Gateway {
    let mounts = Mounts { groups: vec![group], ..Mounts::default() };
    Gateway::serving(&mounts, BodyReader::new(&ServerSettings::default())).unwrap()
}

pub(crate) const XML_RPC: &str = "<methodCall><methodName>hello</methodName></methodCall>";

pub(crate) fn multicall(methods: &[&str]) -> String {
    let call = |method: &&str| {
        format!(
            "<value><struct><member><name>methodName</name><value>{method}</value></member>\
             <member><name>params</name><value><array><data></data></array></value></member></struct></value>"
        )
    };
    let calls: String = methods.iter().map(call).collect();
    format!(
        "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data>{calls}</data>\
         </array></value></param></params></methodCall>"
    )
}

/// A `system.multicall` over JSON-RPC, with the id 7.
pub(crate) fn json_multicall(methods: &[&str]) -> String {
    let calls: Vec<_> = methods.iter().map(|method| format!(r#"{{"methodName":"{method}","params":[]}}"#)).collect();
    format!(r#"{{"jsonrpc":"2.0","method":"system.multicall","params":[[{}]],"id":7}}"#, calls.join(","))
}

pub(crate) fn soap() -> String {
    let (envelope, namespace) = ("http://schemas.xmlsoap.org/soap/envelope/", namespace_of("/hello"));
    format!(r#"<e:Envelope xmlns:e="{envelope}"><e:Body><m:hello xmlns:m="{namespace}"/></e:Body></e:Envelope>"#)
}

pub(super) async fn send(gateway: &Gateway, method: &str, path: &str, media: &str, body: &str) -> String {
    let (status, text) = exchange(gateway, method, path, media, body).await;
    assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
    text
}

/// The status and the body of a response.
async fn exchange(gateway: &Gateway, method: &str, path: &str, media: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path).header("host", "x");
    let request = if body.is_empty() { request } else { request.header("content-type", media) };
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let response = gateway.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (head.status.as_u16(), text)
}

/// All ways to the method `hello`: a name, the protocol, the request (verb, path, media type, body), and how often it is
/// called.
pub(crate) fn ways() -> Vec<(&'static str, &'static str, [Box<str>; 4], usize)> {
    let one = r#"{"jsonrpc":"2.0","method":"hello","id":1}"#;
    let batch = format!("[{one},{one}]");
    let (multicall, soap) = (multicall(&["hello", "hello"]), soap());
    let json_multicall = json_multicall(&["hello", "hello"]);
    let batch_of_multicalls = format!("[{json_multicall},{one},{json_multicall}]");
    let ways = [
        ("XML-RPC", "xml-rpc", ["POST", "/hello", "text/xml", XML_RPC], 1),
        ("multicall", "xml-rpc", ["POST", "/hello", "text/xml", &multicall], 2),
        ("JSON-RPC", "json-rpc", ["POST", "/hello", "application/json", one], 1),
        ("JSON-RPC batch", "json-rpc", ["POST", "/hello", "application/json", &batch], 2),
        ("multicall", "json-rpc", ["POST", "/hello", "application/json", &json_multicall], 2),
        ("batch of multicalls", "json-rpc", ["POST", "/hello", "application/json", &batch_of_multicalls], 5),
        ("REST GET", "rest", ["GET", "/hello/hello", "", ""], 1),
        ("REST POST", "rest", ["POST", "/hello/hello", "application/json", "{}"], 1),
        ("REST route", "rest", ["GET", "/hello/greeting", "", ""], 1),
        ("SOAP", "soap", ["POST", "/hello", "text/xml", &soap], 1),
        ("page", "page", ["GET", "/page", "", ""], 1),
        ("aggregate", "rest", ["GET", "/all/greet", "", ""], 1),
        ("aggregate", "rest", ["POST", "/all/greet", "application/json", "{}"], 1),
    ];
    ways.map(|(way, protocol, request, seen)| (way, protocol, request.map(Box::from), seen)).into()
}

#[tokio::test]
async fn a_layer_sees_every_call_in_every_form() {
    let note = Note::default();
    let gateway = gateway(GroupMount::new("/hello", hello()).layer(note.clone()));
    for (way, _, [method, path, media, body], seen) in ways() {
        let text = send(&gateway, &method, &path, &media, &body).await;
        assert_eq!(text.matches("world").count(), seen, "{way}: {text}");
        let calls = note.take();
        assert_eq!(calls.len(), seen, "{way}: {calls:?}");
        assert!(calls.iter().all(|call| call.starts_with("hello ")), "{way}: {calls:?}");
    }
}

/// Adds two headers to the response of each call, and says whether it declares that.
struct Count(bool);

impl GroupLayer for Count {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        if let Some(headers) = &call.context.response_headers {
            headers.insert(HeaderName::from_static("x-last"), HeaderValue::from_static("replaced"));
            headers.insert(HeaderName::from_static("x-last"), HeaderValue::from_static("1"));
            headers.append(HeaderName::from_static("x-each"), HeaderValue::from_static("a"));
            headers.append(HeaderName::from_static("x-each"), HeaderValue::from_static("b"));
        }
        next.call(call)
    }

    fn sets_response_headers(&self) -> bool {
        self.0
    }
}

#[tokio::test]
async fn a_layer_that_declares_it_adds_headers_to_responses() {
    for declares in [true, false] {
        let group = GroupMount::new("/hello", hello()).layer(Note::default()).layer(Count(declares));
        let gateway = gateway(group);
        for (way, _, [method, path, media, body], seen) in ways() {
            let request = Request::builder().method(&*method).uri(&*path).header("host", "x");
            let request = request.header("content-type", &*media).body(Full::new(Bytes::from(body.to_string())));
            let response = gateway.clone().oneshot(request.unwrap()).await.unwrap();
            let values = |name| response.headers().get_all(name).iter().map(|value| value.to_str().unwrap());
            let found: Vec<_> = values("x-last").chain(values("x-each")).collect();
            // The response to a batch may have begun before its last call, and its calls share the headers.
            if declares && seen > 1 {
                continue;
            }
            let is_alone = declares && way != "aggregate";
            assert_eq!(found, if is_alone { vec!["1", "a", "b"] } else { Vec::new() }, "{way}");
        }
    }
}

#[tokio::test]
async fn metrics_count_every_call_in_every_form() {
    let gateway = gateway(GroupMount::new("/hello", hello()));
    let scrape = || Scrape(gateway.metrics().encode(MetricsFormat::Prometheus));
    scrape();
    for (way, protocol, [method, path, media, body], seen) in ways() {
        let counts = || {
            let (scrape, protocol) = (scrape(), format!("protocol=\"{protocol}\""));
            let labels = ["group=\"/hello\"", "method=\"hello\"", "outcome=\"success\"", &protocol];
            let calls = scrape.sum("croupier_call_duration_seconds_count", &labels);
            let requests = scrape.sum("croupier_requests_total", &["outcome=\"success\"", &protocol]);
            let in_batches = scrape.sum("croupier_batch_calls_total", &["group=\"/hello\""]);
            (calls, requests, in_batches, scrape.sum("croupier_batches_total", &["group=\"/hello\""]))
        };
        let before = counts();
        send(&gateway, &method, &path, &media, &body).await;
        let after = counts();
        let (seen, is_batch) = (f64::from(u32::try_from(seen).unwrap()), if seen > 1 { 1.0 } else { 0.0 });
        let expected = (before.0 + seen, before.1 + 1.0, before.2 + seen * is_batch, before.3 + is_batch);
        assert_eq!(after, expected, "{way}");
    }
    let text = scrape().0;
    assert!(!text.contains("cancelled") && !text.contains("client-gone"), "{text}");
}

#[tokio::test]
async fn a_layer_sees_calls_that_an_upstream_gets_in_their_original_bytes() {
    let server = ScriptedUpstream::start().await;
    server.will([Act::Output(response(Protocol::XmlRpc).await)]);
    let upstream = hello::upstream(&server, Protocol::XmlRpc).await;
    let (note, raw) = (Note::default(), Arc::new(Mutex::new(0)));
    let group = GroupMount::upstream("/hello", upstream).layer(note.clone()).layer(CountRaw(raw.clone()));
    let gateway = gateway(group);
    let metrics = gateway.metrics();
    let text = send(&gateway, "POST", "/hello", "text/xml", XML_RPC).await;
    assert!(text.contains("world"), "{text}");
    assert_eq!(note.take(), ["hello raw"]);
    let scrape = Scrape(metrics.encode(MetricsFormat::Prometheus));
    let labels = ["group=\"/hello\"", "protocol=\"xml-rpc\"", "method=\"hello\"", "outcome=\"success\""];
    assert_eq!(scrape.sum("croupier_call_duration_seconds_count", &labels), 1.0);
    assert_eq!(scrape.sum("croupier_upstream_request_duration_seconds_count", &["group=\"/hello\""]), 1.0);
    assert_eq!(scrape.sum("croupier_upstream_up", &["group=\"/hello\""]), 1.0);
    assert_eq!(*raw.lock().unwrap(), 1, "the response is passed on in its original bytes too");
}

/// Counts the responses that are passed on in their original bytes.
struct CountRaw(Arc<Mutex<usize>>);

impl GroupLayer for CountRaw {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let count = self.0.clone();
        next.call(call).map(move |result| {
            if let Ok(Output::Raw(_)) = &result {
                *count.lock().unwrap() += 1;
            }
            result
        })
    }
}

#[tokio::test]
async fn the_first_layer_is_the_outermost() {
    let outer = Note { name: "outer ", ..Note::default() };
    let inner = Note { name: "inner ", calls: outer.calls.clone() };
    let gateway = gateway(GroupMount::new("/hello", hello()).layer(outer.clone()).layer(inner));
    send(&gateway, "POST", "/hello", "text/xml", XML_RPC).await;
    assert_eq!(outer.take(), ["outer hello raw", "inner hello raw"]);
}

/// Panics in calls of `early` at once, and in calls of `late` when they are waited for.
struct Panics;

impl GroupLayer for Panics {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let pending = next.call(call);
        match call.method {
            "early" => panic!("a layer fails"),
            "late" => MaybeReady::later(async {
                tokio::task::yield_now().await;
                drop(pending);
                panic!("a layer fails later")
            }),
            _ => pending,
        }
    }
}

#[tokio::test]
async fn a_panic_in_a_layer_ends_only_its_own_call() {
    let words = ["early", "late", "well"];
    let service = words
        .iter()
        .fold(Local::new("Words", ()), |service, word| service.method(named(*word).safe(), |(): &(), (): ()| "world"));
    let gateway = gateway_of(GroupMount::new("/hello", service.build().unwrap()).layer(Panics));
    let calls = words.map(|word| format!(r#"{{"jsonrpc":"2.0","method":"{word}","id":"{word}"}}"#)).join(",");
    let batch = send(&gateway, "POST", "/hello", "application/json", &format!("[{calls}]")).await;
    let batch: Vec<serde_json::Value> = serde_json::from_str(&batch).unwrap();
    let codes: Vec<_> = batch.iter().map(|one| one["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [Some(-32603), Some(-32603), None], "{batch:?}");
    let text = send(&gateway, "POST", "/hello", "text/xml", &multicall(&words)).await;
    assert_eq!((text.matches("-32603").count(), text.matches("world").count()), (2, 1), "{text}");
    for (word, status) in [("early", 500), ("late", 500), ("well", 200)] {
        let (found, text) = exchange(&gateway, "GET", &format!("/hello/{word}"), "", "").await;
        assert_eq!(found, status, "{text}");
        assert!(found == 200 || text.contains(r#""kind":"internal""#), "{text}");
    }
}

#[tokio::test]
async fn a_layer_sees_names_that_the_service_does_not_have() {
    let note = Note::default();
    let gateway = gateway(GroupMount::new("/hello", hello()).layer(note.clone()));
    let json = |method: &str| format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":1}}"#);
    let xml = |method: &str| XML_RPC.replace("hello", method);
    for (path, media, body, seen) in [
        ("/hello", "application/json", json("Hello"), &["Hello raw"][..]),
        ("/hello", "application/json", json("no such"), &["no such raw"]),
        ("/hello", "application/json", json("_hello"), &[]),
        ("/hello", "application/json", json("rpc.discover"), &[]),
        ("/hello", "text/xml", xml("other"), &["other raw"]),
        ("/hello", "text/xml", xml("_hello"), &[]),
        ("/hello", "text/xml", xml("system.listMethods"), &[]),
        ("/hello", "text/xml", soap().replace("m:hello", "m:other"), &["other plain"]),
        ("/hello/other", "application/json", "{}".to_owned(), &[]),
        ("/hello/_hello", "application/json", "{}".to_owned(), &[]),
        ("/hello/hello/", "application/json", "{}".to_owned(), &["hello plain"]),
    ] {
        exchange(&gateway, "POST", path, media, &body).await;
        assert_eq!(note.take(), seen, "{path} {body}");
    }
}
