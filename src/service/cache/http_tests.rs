//! The cache around an upstream whose HTTP requests are passed on as they are.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::sync::Notify;
use tokio::time::advance;

use super::*;
use crate::model::fault::{BoxError, Fault, Kind};
use crate::model::interface::Method as InterfaceMethod;
use crate::model::units::Period;
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::layer::layered_unguarded;
use crate::service::passthrough::{RawBody, RawResponse};
use crate::service::response_headers::ResponseHeaders;
use crate::service::unread_body::UnreadBody;
use crate::service::{Identity, Output};

type List = Vec<(&'static str, &'static str)>;

/// How the upstream responds.
#[derive(Clone)]
enum Reply {
    Response(u16, List, String),
    /// A body that breaks off.
    Broken,
    Fault(Kind),
}

fn ok(list: List) -> Reply {
    Reply::Response(200, list, "seven".to_owned())
}

/// An upstream that responds by its script; the last reply again and again. It notes the requests.
struct Origin {
    interface: Arc<Interface>,
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<HeaderMap>>,
    /// Whether each response waits for `finish`.
    waits: bool,
    finish: Notify,
}

struct BrokenBody(bool);

impl http_body::Body for BrokenBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        let first = std::mem::take(&mut self.0);
        let frame = if first { Ok(http_body::Frame::data("se".into())) } else { Err("gone".into()) };
        std::task::Poll::Ready(Some(frame))
    }
}

impl Reply {
    fn result(self) -> Result<Output, Fault> {
        let (status, list, body) = match self {
            Reply::Fault(kind) => return Err(Fault::new(kind, "gone")),
            Reply::Broken => (200, Vec::new(), RawBody::Coming(Box::pin(BrokenBody(true)))),
            Reply::Response(status, list, body) => {
                let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
                (status, list, RawBody::Coming(Box::pin(body)))
            }
        };
        let sets_cookies = list.iter().any(|(name, _)| *name == "set-cookie");
        let list = list.into_iter().filter(|(name, _)| *name != "set-cookie");
        let headers = list.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let mut response = RawResponse::with_headers(StatusCode::from_u16(status).unwrap(), headers.collect(), body);
        response.sets_cookies = sets_cookies;
        Ok(Output::Raw(response))
    }
}

/// The origin as a service.
struct Upstream(Arc<Origin>);

impl RpcService for Upstream {
    fn interface(&self) -> Arc<Interface> {
        self.0.interface.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        let CallForm::Http(http) = call.form else { panic!("the request is passed on as it is") };
        let (headers, origin) = (http.headers.clone(), self.0.clone());
        MaybeReady::later(async move {
            origin.requests.lock().unwrap().push(headers);
            let reply = origin.reply();
            if origin.waits {
                origin.finish.notified().await;
            }
            reply.result()
        })
    }
}

impl Origin {
    fn reply(&self) -> Reply {
        let mut replies = self.replies.lock().unwrap();
        let reply = if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() };
        reply.unwrap()
    }
}

struct Cached {
    service: Arc<dyn RpcService>,
    cache: Arc<ResponseCache>,
    origin: Arc<Origin>,
}

fn cached(replies: Vec<Reply>, waits: bool, change: impl FnOnce(&mut CacheOptions)) -> Cached {
    let get = InterfaceMethod {
        name: "get".to_owned(),
        doc: String::new(),
        params: Vec::new(),
        result: schemars::Schema::default(),
        safe: true,
    };
    let interface = Arc::new(Interface { methods: vec![get], ..Interface::default() });
    let replies = Mutex::new(replies.into());
    let origin = Arc::new(Origin { interface, replies, requests: Mutex::default(), waits, finish: Notify::new() });
    let mut options = CacheOptions { ttl: Some(Period(Duration::from_secs(30))), ..CacheOptions::default() };
    change(&mut options);
    let cache = Arc::new(ResponseCache::new(options).unwrap());
    let service = layered_unguarded(Arc::new(Upstream(origin.clone())), Caching(cache.clone()));
    Cached { service, cache, origin }
}

/// A request, and who sends it.
#[derive(Clone)]
struct Request {
    verb: Method,
    path: &'static str,
    query: &'static str,
    group_url: &'static str,
    headers: List,
    identity: Option<&'static str>,
}

fn get(headers: List) -> Request {
    let group_url = "http://localhost/a";
    Request { verb: Method::GET, path: "7", query: "a=1", group_url, headers, identity: None }
}

/// What a client has got.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn cache_status(&self) -> &str {
        self.header("cache-status")
    }
}

impl Cached {
    async fn send(&self, request: &Request) -> Result<Got, Fault> {
        let added = ResponseHeaders::default();
        let identity = request.identity.map(|name| Arc::new(Identity::new(name)));
        let context = Context { response_headers: Some(added.clone()), identity, ..Context::default() };
        let headers = request.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let http = HttpCall {
            verb: &request.verb,
            path_values: &[request.path],
            query: request.query,
            version: http::Version::HTTP_11,
            headers: &headers.collect(),
            credentials: &[HeaderName::from_static("x-key")],
            body: &UnreadBody::empty(),
            group_url: request.group_url,
        };
        let call = Call { form: CallForm::Http(&http), ..Call::new("get", Args::Unread, &context) };
        let Output::Raw(response) = self.service.call(call).await? else { panic!("a value") };
        let status = response.status.as_u16();
        let (mut headers, content, _) = response.into_parts();
        added.move_to(&mut headers);
        let bytes = match content {
            RawBody::Whole(bytes) => bytes,
            RawBody::Coming(body) => body.collect().await.unwrap().to_bytes(),
        };
        Ok(Got { status, headers, body: String::from_utf8(bytes.to_vec()).unwrap() })
    }

    async fn got(&self, headers: List) -> Got {
        self.send(&get(headers)).await.unwrap()
    }

    fn requests(&self) -> usize {
        self.origin.requests.lock().unwrap().len()
    }

    /// A header of the last request that the upstream has got.
    fn asked(&self, name: &str) -> Option<String> {
        let requests = self.origin.requests.lock().unwrap();
        requests.last().unwrap().get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn equal_requests_reach_the_upstream_once_a_ttl() {
    let cached = cached(vec![ok(vec![("etag", "\"7\""), ("x-own", "1"), ("age", "5")])], false, |_| {});
    let first = cached.got(vec![]).await;
    assert_eq!((first.status, first.body.as_str(), first.header("age")), (200, "seven", "5"));
    assert_eq!(first.cache_status(), "croupier; fwd=miss; stored");
    advance(Duration::from_secs(10)).await;
    let second = cached.got(vec![("user-agent", "other"), ("if-none-match", "\"8\"")]).await;
    assert_eq!((second.status, second.body.as_str(), second.header("x-own")), (200, "seven", "1"));
    assert_eq!((second.header("age"), second.cache_status()), ("15", "croupier; hit; ttl=20"));
    let third = cached.got(vec![("if-none-match", "W/\"7\"")]).await;
    assert_eq!((third.status, third.body.as_str(), third.header("etag")), (304, "", "\"7\""));
    assert_eq!(cached.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_differ_for_the_upstream_share_no_response() {
    let cached = cached(vec![ok(vec![])], false, |_| {});
    let usual = get(vec![("accept", "a/b"), ("x-a", "1"), ("x-key", "k")]);
    let others = [
        Request { path: "8", ..usual.clone() },
        Request { query: "a=2", ..usual.clone() },
        Request { query: "", ..usual.clone() },
        Request { verb: Method::HEAD, path: "9", ..usual.clone() },
        Request { group_url: "http://other/a", ..usual.clone() },
        Request { identity: Some("ada"), ..usual.clone() },
        Request { headers: vec![("accept", "a/c"), ("x-a", "1")], ..usual.clone() },
        Request { headers: vec![("accept", "a/b"), ("x-a", "2")], ..usual.clone() },
        Request { headers: vec![("accept", "a/b"), ("x-a", "1"), ("connection", "x-a")], ..usual.clone() },
        Request { headers: vec![("accept", "a/b")], ..usual.clone() },
    ];
    assert_eq!(cached.send(&usual).await.unwrap().cache_status(), "croupier; fwd=miss; stored");
    for other in others {
        for status in ["croupier; fwd=miss; stored", "croupier; hit; ttl=30"] {
            assert_eq!(cached.send(&other).await.unwrap().cache_status(), status, "{:?}", other.headers);
        }
    }
    let same = vec![("x-a", "1"), ("connection", "keep-alive"), ("x-key", "other"), ("accept", "a/b"), ("dnt", "1")];
    assert_eq!(cached.got(same).await.cache_status(), "croupier; hit; ttl=30");
}

#[tokio::test(start_paused = true)]
async fn a_head_request_finds_the_response_to_get() {
    let cached = cached(vec![ok(vec![("x-own", "1")])], false, |_| {});
    cached.got(vec![]).await;
    let head = cached.send(&Request { verb: Method::HEAD, ..get(vec![]) }).await.unwrap();
    assert_eq!((head.status, head.body.as_str(), head.header("content-length")), (200, "", "5"));
    assert_eq!((head.header("x-own"), head.cache_status()), ("1", "croupier; hit; ttl=30"));
    assert_eq!(cached.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_for_one_client_or_large_is_passed_on_each_time() {
    let large = "x".repeat(9 << 10);
    for (reply, second) in [
        (ok(vec![("set-cookie", "a=1")]), "croupier; fwd=bypass"),
        (ok(vec![("cache-control", "private")]), "croupier; fwd=bypass"),
        (ok(vec![("vary", "*")]), "croupier; fwd=bypass"),
        (Reply::Response(200, vec![], large.clone()), "croupier; fwd=bypass"),
        (Reply::Response(404, vec![("etag", "\"7\"")], "seven".to_owned()), "croupier; fwd=miss"),
        (Reply::Response(206, vec![("etag", "\"7\"")], "seven".to_owned()), "croupier; fwd=miss"),
    ] {
        let cached = cached(vec![reply], false, |options| options.size = 64 << 10);
        for status in ["croupier; fwd=miss", second] {
            let got = cached.got(vec![("if-none-match", "\"7\"")]).await;
            assert_eq!(got.cache_status(), status);
            assert!(got.body == "seven" || got.body == large);
            // A request that is not for the cache is passed on as it is.
            assert_eq!(cached.asked("if-none-match").is_some(), status.ends_with("bypass"));
        }
        assert_eq!(cached.requests(), 2);
    }
    let cached = cached(vec![ok(vec![])], false, |_| {});
    for headers in [vec![("range", "bytes=0-1")], vec![("cache-control", "no-store")]] {
        assert_eq!(cached.got(headers).await.cache_status(), "");
    }
    assert_eq!(cached.cache.state().entries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_response_after_its_time_is_confirmed_by_the_upstream() {
    for (etag, validator, condition) in [
        (("etag", "W/\"7\""), "W/\"7\"", "if-none-match"),
        (("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"), "Sun, 06 Nov 1994 08:49:37 GMT", "if-modified-since"),
    ] {
        let confirmed = Reply::Response(304, vec![("x-own", "2"), ("cache-control", "max-age=10")], String::new());
        let replies = vec![ok(vec![etag, ("x-own", "1")]), confirmed, ok(vec![("x-own", "3")])];
        let cached = cached(replies, false, |_| {});
        cached.got(vec![]).await;
        advance(Duration::from_secs(3600)).await;
        let got = cached.got(vec![("if-none-match", "\"other\"")]).await;
        assert_eq!(cached.asked(condition).as_deref(), Some(validator));
        assert_eq!((got.status, got.body.as_str(), got.header("x-own")), (200, "seven", "2"));
        assert_eq!(got.cache_status(), "croupier; fwd=stale; fwd-status=304; stored");
        assert_eq!(cached.got(vec![]).await.cache_status(), "croupier; hit; ttl=10");
        advance(Duration::from_secs(11)).await;
        let got = cached.got(vec![]).await;
        assert_eq!((got.header("x-own"), got.cache_status()), ("3", "croupier; fwd=stale; stored"));
        assert_eq!(cached.requests(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_response_is_better_than_an_outage() {
    let outages = [
        Reply::Response(503, vec![], "tired".to_owned()),
        Reply::Response(502, vec![], "tired".to_owned()),
        Reply::Response(504, vec![], "tired".to_owned()),
        Reply::Fault(Kind::Unreachable),
        Reply::Broken,
    ];
    for outage in outages {
        let cached = cached(vec![ok(vec![("etag", "\"7\"")]), outage], false, |options| {
            options.stale_if_error = Duration::from_secs(60);
        });
        cached.got(vec![]).await;
        advance(Duration::from_secs(50)).await;
        for _ in 0..2 {
            let got = cached.got(vec![]).await;
            assert_eq!((got.status, got.body.as_str(), got.header("age")), (200, "seven", "50"));
            assert_eq!(got.cache_status(), "croupier; hit; ttl=-20; detail=upstream-failed");
        }
        advance(Duration::from_secs(50)).await;
        let late = cached.send(&get(vec![])).await;
        assert!(late.is_err() || late.is_ok_and(|got| got.status >= 502));
    }
    let cached = cached(vec![ok(vec![]), Reply::Response(500, vec![], String::new())], false, |options| {
        options.stale_if_error = Duration::from_secs(60);
    });
    cached.got(vec![]).await;
    advance(Duration::from_secs(50)).await;
    assert_eq!(cached.got(vec![]).await.status, 500);
}

#[tokio::test(start_paused = true)]
async fn a_stale_response_is_returned_while_it_is_confirmed() {
    let confirmed = Reply::Response(304, vec![("x-own", "2")], String::new());
    let cached = cached(vec![ok(vec![("etag", "\"7\""), ("x-own", "1")]), confirmed], false, |options| {
        options.stale_while_revalidate = Duration::from_secs(60);
    });
    cached.got(vec![]).await;
    advance(Duration::from_secs(50)).await;
    let got = cached.got(vec![]).await;
    assert_eq!((got.header("x-own"), got.cache_status()), ("1", "croupier; hit; ttl=-20"));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let got = cached.got(vec![]).await;
    assert_eq!((got.header("x-own"), got.cache_status()), ("2", "croupier; hit; ttl=30"));
    assert_eq!(cached.requests(), 2);
}

/// Sends twenty equal requests at the same time, and lets the upstream respond.
async fn send_twenty(cached: &Arc<Cached>) -> Vec<tokio::task::JoinHandle<Got>> {
    let send = |_| {
        let cached = cached.clone();
        tokio::spawn(async move { cached.got(vec![]).await })
    };
    let sending = (0..20).map(send).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
        cached.origin.finish.notify_one();
    }
    sending
}

#[tokio::test(start_paused = true)]
async fn equal_requests_at_the_same_time_are_one_unless_the_response_is_for_one() {
    for (list, requests, second) in [
        (vec![], 1, "croupier; fwd=miss; collapsed; stored"),
        (vec![("cache-control", "private")], 20, "croupier; fwd=miss"),
    ] {
        let cached = Arc::new(cached(vec![ok(list)], true, |_| {}));
        let sending = send_twenty(&cached).await;
        let mut statuses = Vec::new();
        for one in sending {
            let got = one.await.unwrap();
            assert_eq!((got.status, got.body.as_str()), (200, "seven"));
            statuses.push(got.cache_status().to_owned());
        }
        assert!(statuses.iter().filter(|status| *status == second).count() >= 19, "{statuses:?}");
        assert_eq!(cached.requests(), requests);
    }
}

#[tokio::test(start_paused = true)]
async fn confirmations_are_never_responses_to_clients_that_have_not_asked_for_them() {
    // Each is confirmed for itself, because the response is not kept any more.
    let confirmed = Reply::Response(304, vec![("cache-control", "no-store")], String::new());
    let cached = Arc::new(cached(vec![ok(vec![("etag", "\"7\"")]), confirmed], true, |_| {}));
    cached.origin.finish.notify_one();
    cached.got(vec![]).await;
    advance(Duration::from_secs(50)).await;
    let sending = send_twenty(&cached).await;
    for one in sending {
        let got = one.await.unwrap();
        assert_eq!((got.status, got.body.as_str()), (200, "seven"));
    }
    assert_eq!(cached.cache.state().entries, 0);
}
