//! The rules that keep one client, group or upstream from hurting another hold for every call, whichever way it comes: over
//! each protocol, in a batch, by a route, for a page, as a part of an aggregate, and in its original bytes to an upstream.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use croupier::model::name_patterns::NamePatterns;
use croupier::protocol::Protocol;
use croupier::protocol::jsonrpc::server::FurtherMembers;
use croupier::server::mount::GroupMount;
use croupier::server::settings::{GroupLimits, ServerSettings};
use croupier::service::access::{AccessRule, AccessRules, Effect};
use croupier::service::local::{Local, named};
use croupier::service::quota::QuotaOptions;
use croupier::service::rate::RateOptions;
use croupier::upstream::{DescriptionSource, Upstream, UpstreamOptions, transport};
use socket2::SockRef;

use super::layers::{XML_RPC, json_multicall, mounts, multicall, soap};
use crate::support::hello::description;
use crate::support::running::Running;
use crate::support::scripted::{answered, http};

/// A way to call `hello`.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) request: String,
    /// How many calls the request has.
    pub(super) calls: usize,
    /// How many of its calls begin, if none ever ends.
    begin: usize,
}

pub(super) fn ways() -> Vec<Way> {
    let one = r#"{"jsonrpc":"2.0","method":"hello","id":1}"#;
    let way = |name, head: &str, media: &str, body: &str, calls, begin| {
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        Way { name, request, calls, begin }
    };
    let get = |name, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Way { name, request, calls: 1, begin: 1 }
    };
    let (xml, json) = ("text/xml", "application/json");
    vec![
        way("XML-RPC", "POST /hello", xml, XML_RPC, 1, 1),
        way("multicall", "POST /hello", xml, &multicall(&["hello", "hello"]), 2, 1),
        way("JSON-RPC", "POST /hello", json, one, 1, 1),
        way("JSON-RPC batch", "POST /hello", json, &format!("[{one},{one}]"), 2, 2),
        way("multicall, JSON-RPC", "POST /hello", json, &json_multicall(&["hello", "hello"]), 2, 1),
        way(
            "multicall in a batch",
            "POST /hello",
            json,
            &format!("[{},{one}]", json_multicall(&["hello", "hello"])),
            3,
            1,
        ),
        way("SOAP", "POST /hello", xml, &soap(), 1, 1),
        way("MCP", "POST /hello/mcp", json, &tool_call("hello"), 1, 1),
        way("MCP by call_tool", "POST /hello/mcp", json, &call_tool("hello"), 1, 1),
        way("MCP of several groups", "POST /tools", json, &tool_call("joined_hello"), 1, 1),
        way("MCP of several groups by call_tool", "POST /tools", json, &call_tool("joined_hello"), 1, 1),
        way("aggregate, MCP", "POST /all/mcp", json, &tool_call("greet"), 1, 1),
        way("REST POST", "POST /hello/hello", json, "{}", 1, 1),
        get("REST GET", "/hello/hello"),
        get("route", "/hello/greeting"),
        get("page", "/page"),
        get("aggregate, REST", "/all/greet"),
        way("aggregate, JSON-RPC", "POST /all", json, &one.replace("hello", "greet"), 1, 1),
        way("aggregate, XML-RPC", "POST /all", xml, &XML_RPC.replace("hello", "greet"), 1, 1),
    ]
}

/// A call of a tool without arguments.
fn tool_call(name: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":31,"method":"tools/call","params":{{"name":"{name}"}}}}"#)
}

/// A call of the tool that calls a tool.
fn call_tool(name: &str) -> String {
    let params = format!(r#"{{"name":"call_tool","arguments":{{"name":"{name}"}}}}"#);
    format!(r#"{{"jsonrpc":"2.0","id":32,"method":"tools/call","params":{params}}}"#)
}

/// The ways to a REST upstream: those to every group, and the paths of its own document.
pub(super) fn rest_ways() -> Vec<Way> {
    let own = |name, request: &str| Way { name, request: request.to_owned(), calls: 1, begin: 1 };
    let mut ways = ways();
    ways.extend([
        own("own path", "GET /hello/say/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        own("own path with a body", "GET /hello/say/hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"),
    ]);
    ways
}

/// How a kind of fault looks: the code of XML-RPC and JSON-RPC, the word in REST and SOAP, and the status of a page.
struct Look {
    code: i32,
    word: &'static str,
    status: u16,
}

const BUSY: Look = Look { code: -32040, word: "busy", status: 503 };
const UNAUTHENTICATED: Look = Look { code: -32050, word: "unauthenticated", status: 401 };
const FORBIDDEN: Look = Look { code: -32051, word: "forbidden", status: 403 };
const RATE_LIMITED: Look = Look { code: -32052, word: "rate-limited", status: 429 };
const LATE: Look = Look { code: -32031, word: "late", status: 504 };

impl Look {
    /// How many faults of this kind a response has.
    fn count(&self, answer: &str) -> usize {
        let Look { code, word, status } = self;
        let codes = answer.matches(&format!("<int>{code}</int>")).count()
            + answer.matches(&format!(r#""code":{code},"#)).count();
        let by_word =
            [format!(r#""kind":"{word}""#), format!(r#""croupier/kind":"{word}""#), format!("<m:kind>{word}</m:kind>")];
        let by_status = answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains("<html");
        codes.max(by_word.iter().filter(|word| answer.contains(word.as_str())).count()).max(usize::from(by_status))
    }
}

/// What a call tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Begun,
    Ended,
}

/// Tells that its call has ended when it is dropped.
struct Guard(Sender<Told>);

impl Guard {
    fn begin(tell: Sender<Told>) -> Guard {
        let _ = tell.send(Told::Begun);
        Guard(tell)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(Told::Ended);
    }
}

/// A group in this process whose method `hello` never ends.
fn hanging() -> (GroupMount, Receiver<Told>) {
    let (tell, told) = channel();
    let hello = |tell: std::sync::Arc<Mutex<Sender<Told>>>, (): ()| async move {
        let _guard = Guard::begin(tell.lock().unwrap().clone());
        std::future::pending::<String>().await
    };
    let service = Local::new("Hello", Mutex::new(tell)).method_async(named("hello").safe(), hello);
    (GroupMount::new("/hello", service.build().unwrap()), told)
}

/// A group before an upstream of XML-RPC that answers each request with `answer`, or never if there is none.
pub(super) fn upstream(answer: Option<String>, deny: &str) -> (GroupMount, Receiver<Told>) {
    upstream_in(Protocol::XmlRpc, answer, deny)
}

/// The same before an upstream of JSON-RPC, to which the member `auth` of a request is passed on.
fn json_upstream(deny: &str) -> (GroupMount, Receiver<Told>) {
    let answer = http("200 OK", "Content-Type: application/json\r\n", r#"{"jsonrpc":"2.0","id":1,"result":"world"}"#);
    let (mut group, told) = upstream_in(Protocol::JsonRpc, Some(answer), deny);
    group.protocols.json_rpc_members = FurtherMembers::Pass(NamePatterns(vec!["auth".to_owned()]));
    (group, told)
}

/// The same before an upstream of REST, whose document has a path of its own for the method.
pub(super) fn rest_upstream(answer: Option<String>, deny: &str) -> (GroupMount, Receiver<Told>) {
    let returns = r#"{"200":{"description":"","content":{"application/json":{"schema":{"type":"string"}}}}}"#;
    let text = format!(
        r#"{{"openapi":"3.1.0","paths":{{"/say/hello":{{"get":{{"operationId":"hello","responses":{returns}}}}}}}}}"#
    );
    described_upstream(DescriptionSource::Text { name: "openapi".to_owned(), text }, Protocol::Rest, answer, deny)
}

fn upstream_in(protocol: Protocol, answer: Option<String>, deny: &str) -> (GroupMount, Receiver<Told>) {
    described_upstream(description(protocol), protocol, answer, deny)
}

fn described_upstream(
    description: DescriptionSource,
    protocol: Protocol,
    answer: Option<String>,
    deny: &str,
) -> (GroupMount, Receiver<Told>) {
    let (tell, told) = channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (tell, answer) = (tell.clone(), answer.clone());
            std::thread::spawn(move || serve(stream.unwrap(), &tell, answer));
        }
    });
    let transport = transport::Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
    let patterns = |name: &str| NamePatterns(vec![name.to_owned()]);
    let options = UpstreamOptions {
        description: Some(description),
        safe: patterns("hello"),
        deny: patterns(deny),
        ..UpstreamOptions::new(protocol)
    };
    let upstream = Upstream::new(transport, options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(upstream.discover()).unwrap();
    (GroupMount::upstream("/hello", upstream), told)
}

/// Serves one connection of the upstream: tells when a call has come, and when the gateway has left it.
fn serve(mut stream: TcpStream, tell: &Sender<Told>, answer: Option<String>) {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    let mut guards = Vec::new();
    while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
        read.extend_from_slice(&buffer[..bytes]);
        let text = String::from_utf8_lossy(&read);
        let is_whole = match text.split_once("\r\n\r\n") {
            Some((head, "")) if head.starts_with("GET ") => !head.to_lowercase().contains("content-length: 2"),
            _ => text.contains("</methodCall>") || text.ends_with('}'),
        };
        if !is_whole {
            continue;
        }
        let calls = text.matches("hello").count();
        read.clear();
        guards.extend((0..calls).map(|_| Guard::begin(tell.clone())));
        if let Some(answer) = &answer {
            let _ = stream.write_all(answer.as_bytes());
        }
    }
}

pub(super) fn start(group: GroupMount, limits: GroupLimits, response_memory: usize) -> Running {
    let mounts = mounts(group.with_limits(limits));
    Running::router(mounts.router().unwrap(), ServerSettings { response_memory, ..ServerSettings::default() })
}

pub(super) const ENOUGH: usize = 64 << 20;
pub(super) const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_call_beyond_the_limit_of_its_group_is_refused_as_busy_on_every_way() {
    for ((group, told), ways_to_it) in groups(false) {
        let limits = GroupLimits { concurrent: 1, waiting: 0, ..GroupLimits::default() };
        let server = start(group, limits, ENOUGH);
        let mut occupant = server.connect();
        occupant.write_all(ways()[0].request.as_bytes()).unwrap();
        assert_eq!(told.recv_timeout(SOON), Ok(Told::Begun));
        for Way { name, request, calls, .. } in ways_to_it {
            let answer = server.raw(request);
            assert_eq!(BUSY.count(&answer), calls, "{name}: {answer}");
        }
        assert!(told.try_recv().is_err(), "no other call has begun");
    }
}

#[test]
fn one_deadline_covers_all_calls_of_a_request_on_every_way() {
    let deadline = Duration::from_secs(2);
    for ((group, _told), ways_to_it) in groups(false) {
        let server = start(group, GroupLimits { deadline, ..GroupLimits::default() }, ENOUGH);
        std::thread::scope(|scope| {
            for Way { name, request, calls, .. } in ways_to_it {
                let server = &server;
                scope.spawn(move || {
                    let begun = Instant::now();
                    let answer = server.raw(request);
                    assert_eq!(LATE.count(&answer), calls, "{name}: {answer}");
                    let elapsed = begun.elapsed();
                    assert!(elapsed >= deadline && elapsed < deadline * 2, "{name}: {elapsed:?}");
                });
            }
        });
    }
}

/// The request with a further header.
fn with_header(request: &str, header: &str) -> String {
    request.replacen("Host: localhost\r\n", &format!("Host: localhost\r\n{header}\r\n"), 1)
}

#[test]
fn a_client_may_give_its_calls_less_time_than_the_group_on_every_way() {
    for ((group, _told), ways_to_it) in groups(false) {
        let server = start(group, GroupLimits { deadline: SOON * 10, ..GroupLimits::default() }, ENOUGH);
        std::thread::scope(|scope| {
            for Way { name, request, calls, .. } in ways_to_it {
                let server = &server;
                scope.spawn(move || {
                    let answer = server.raw(with_header(&request, "X-Request-Timeout: 0.25"));
                    assert_eq!(LATE.count(&answer), calls, "{name}: {answer}");
                });
            }
        });
    }
}

#[test]
fn a_time_that_is_none_is_refused_on_every_way() {
    for ((group, told), ways_to_it) in groups(true) {
        let server = start(group, GroupLimits::default(), ENOUGH);
        for Way { name, request, .. } in ways_to_it {
            let answer = server.raw(with_header(&request, "X-Request-Timeout: soon"));
            assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
            assert!(answer.contains("x-request-timeout is not a time: seconds, such as 1.5"), "{name}: {answer}");
        }
        assert!(told.try_recv().is_err(), "no call has begun");
    }
}

#[test]
fn a_method_that_is_denied_never_reaches_the_upstream_on_any_way() {
    for ((group, told), ways_to_it) in
        [(upstream(spoken(), "hello"), ways()), (rest_upstream(rest_spoken(), "hello"), rest_ways())]
    {
        never_reaches(group, &told, ways_to_it);
    }
}

fn never_reaches(group: GroupMount, told: &Receiver<Told>, ways_to_it: Vec<Way>) {
    let server = start(group, GroupLimits::default(), ENOUGH);
    for Way { name, request, calls, .. } in ways_to_it {
        let answer = server.raw(request);
        assert!(!answer.contains("world"), "{name}: {answer}");
        let is_error = answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5");
        let errors = ["<int>-32", "\"code\":-32", "\"isError\":true"].map(|error| answer.matches(error).count());
        assert!(is_error || errors.contains(&calls), "{name}: {answer}");
    }
    assert!(told.try_recv().is_err(), "no call has reached the upstream");
}

pub(super) fn spoken() -> Option<String> {
    Some(http("200 OK", "Content-Type: text/xml\r\n", &answered("world")))
}

pub(super) fn rest_spoken() -> Option<String> {
    Some(http("200 OK", "Content-Type: application/json\r\n", "\"world\""))
}

/// A group, and what tells of its calls.
type ToldGroup = (GroupMount, Receiver<Told>);

/// A group of each kind, and the ways to it. `respond` says whether the upstreams ever respond.
fn groups(respond: bool) -> [(ToldGroup, Vec<Way>); 3] {
    let (xml, rest) = (spoken().filter(|_| respond), rest_spoken().filter(|_| respond));
    [(hanging(), ways()), (upstream(xml, ""), ways()), (rest_upstream(rest, ""), rest_ways())]
}

/// The status of a response, which tells programs that do not read its body that a whole request was refused.
fn assert_status(name: &str, answer: &str, calls: usize, status: u16) {
    let expected = if calls == 1 { status } else { 200 };
    assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{name}: {answer}");
}

#[test]
fn a_caller_who_may_not_call_a_method_is_refused_on_every_way() {
    let rule = |change: &dyn Fn(&mut AccessRule)| {
        let mut rule = AccessRule::default();
        change(&mut rule);
        rule
    };
    let others = rule(&|rule| rule.methods = vec!["other".to_owned()]);
    let denied = rule(&|rule| (rule.methods, rule.effect) = (vec!["HELLO".to_owned()], Effect::Deny));
    let staff = rule(&|rule| rule.roles = vec!["staff".to_owned()]);
    let elsewhere = rule(&|rule| rule.networks = vec!["192.0.2.0/24".parse().unwrap()]);
    for (rules, look) in [
        (vec![others.clone()], FORBIDDEN),
        (vec![denied, AccessRule::default()], FORBIDDEN),
        (vec![elsewhere], FORBIDDEN),
        (vec![others, staff], UNAUTHENTICATED),
    ] {
        for ((group, told), ways_to_it) in groups(true) {
            let server = start(group.layer(AccessRules::new(rules.clone())), GroupLimits::default(), ENOUGH);
            for Way { name, request, calls, .. } in ways_to_it {
                let answer = server.raw(request);
                assert_eq!(look.count(&answer), calls, "{name}: {answer}");
                assert_status(name, &answer, calls, look.status);
            }
            assert!(told.try_recv().is_err(), "no call has begun");
        }
    }
}

#[test]
fn calls_above_the_rate_or_the_quota_of_their_caller_are_refused_on_every_way() {
    let rate = RateOptions { calls: "1/day".parse().ok(), ..RateOptions::default() };
    let quota = QuotaOptions { calls: "1/month".parse().ok(), ..QuotaOptions::default() };
    let enough = RateOptions { calls: "1000/s".parse().ok(), ..RateOptions::default() };
    let no_quota = QuotaOptions::default();
    for (rate, quota, name, policy) in [
        (rate, no_quota, "default", "ratelimit-policy: \"default\";q=1;w=86400\r\n"),
        (RateOptions::default(), quota.clone(), "quota", "ratelimit-policy: \"quota\";q=1;w="),
        (enough, quota, "quota", "ratelimit-policy: \"default\";q=1000;w=1\r\nratelimit-policy: \"quota\";q=1;w="),
    ] {
        for ((group, told), ways_to_it) in
            [(upstream(spoken(), ""), ways()), (rest_upstream(rest_spoken(), ""), rest_ways())]
        {
            let (rate, quota) = (rate.clone(), quota.clone());
            let server = start(group, GroupLimits { rate, quota, ..GroupLimits::default() }, ENOUGH);
            let first = server.raw(ways()[0].request.clone());
            assert!(first.contains("world") && first.contains(&format!("ratelimit: \"{name}\";r=0\r\n")), "{first}");
            assert!(first.contains(policy), "{first}");
            assert_eq!(told.recv_timeout(SOON), Ok(Told::Begun));
            for Way { name, request, calls, .. } in ways_to_it {
                let answer = server.raw(request);
                assert_eq!(RATE_LIMITED.count(&answer), calls, "{name}: {answer}");
                assert_status(name, &answer, calls, 429);
                if calls == 1 && !name.starts_with("aggregate") {
                    assert!(answer.contains("\r\nretry-after: "), "{name}: {answer}");
                }
            }
            assert!(!told.try_iter().any(|told| told == Told::Begun), "no other call has reached the upstream");
        }
    }
}

/// A request whose further member is passed on reaches the upstream in its original bytes, and only if every rule allows it.
#[test]
fn a_request_with_a_member_that_is_passed_on_obeys_the_rules() {
    let body = r#"{"jsonrpc":"2.0","method":"hello","auth":"t0k3n","id":1}"#;
    let length = body.len();
    let request = format!(
        "POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let rate = RateOptions { calls: "1/day".parse().ok(), ..RateOptions::default() };
    let (group, told) = json_upstream("");
    let server = start(group, GroupLimits { rate, ..GroupLimits::default() }, ENOUGH);
    let first = server.raw(request.clone());
    assert!(first.contains("world"), "{first}");
    assert_eq!(told.recv_timeout(SOON), Ok(Told::Begun));
    assert_eq!(RATE_LIMITED.count(&server.raw(request.clone())), 1);
    let others = AccessRule { methods: vec!["other".to_owned()], ..AccessRule::default() };
    let (group, refused) = json_upstream("");
    let server = start(group.layer(AccessRules::new(vec![others])), GroupLimits::default(), ENOUGH);
    assert_eq!(FORBIDDEN.count(&server.raw(request.clone())), 1);
    let (group, denied) = json_upstream("hello");
    let server = start(group, GroupLimits::default(), ENOUGH);
    let answer = server.raw(request);
    assert!(answer.contains("\"code\":-32601,"), "{answer}");
    for told in [told, refused, denied] {
        assert!(!told.try_iter().any(|told| told == Told::Begun), "no other call has reached the upstream");
    }
}

#[test]
fn each_call_of_a_batch_counts() {
    let rate = RateOptions { calls: "50/day".parse().ok(), burst: NonZeroU32::new(50), ..RateOptions::default() };
    let quota = QuotaOptions { calls: "50/month".parse().ok(), ..QuotaOptions::default() };
    for limits in [GroupLimits { rate, ..GroupLimits::default() }, GroupLimits { quota, ..GroupLimits::default() }] {
        let value = Local::new("Hello", ()).method(named("hello").safe(), |(): &(), (): ()| "world").build().unwrap();
        let server = start(GroupMount::new("/hello", value), limits, ENOUGH);
        let one = r#"{"jsonrpc":"2.0","method":"hello","id":7}"#;
        let batch = format!("[{}]", vec![one; 40].join(","));
        let request = |media: &str, body: &str| {
            let length = body.len();
            format!(
                "POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        };
        let first = server.raw(request("application/json", &batch));
        assert_eq!((first.matches("world").count(), RATE_LIMITED.count(&first)), (40, 0));
        let second = server.raw(request("application/json", &json_multicall(&["hello"; 5])));
        assert_eq!((second.matches("world").count(), RATE_LIMITED.count(&second)), (5, 0), "{second}");
        let third = server.raw(request("text/xml", &multicall(&["hello"; 40])));
        assert_eq!((third.matches("world").count(), RATE_LIMITED.count(&third)), (5, 35), "{third}");
        let fourth = server.raw(request("application/json", &json_multicall(&["hello"; 40])));
        assert_eq!((fourth.matches("world").count(), RATE_LIMITED.count(&fourth)), (0, 40), "{fourth}");
    }
}

/// A call that another rule refuses takes nothing from the quota.
#[test]
fn only_calls_that_may_be_made_count_for_the_quota() {
    let method = |name: &'static str| named(name).safe();
    let service = Local::new("Hello", ()).method(method("hello"), |(): &(), (): ()| "world");
    let service = service.method(method("other"), |(): &(), (): ()| "else").build().unwrap();
    let limits = GroupLimits {
        rate: RateOptions {
            calls: "2/day".parse().ok(),
            burst: NonZeroU32::new(2),
            per_method: true,
            ..RateOptions::default()
        },
        quota: QuotaOptions { calls: "3/month".parse().ok(), ..QuotaOptions::default() },
        ..GroupLimits::default()
    };
    let denied = AccessRule { methods: vec!["secret".to_owned()], effect: Effect::Deny, ..AccessRule::default() };
    let rules = AccessRules::new(vec![denied, AccessRule::default()]);
    let server = start(GroupMount::new("/hello", service).layer(rules), limits, ENOUGH);
    let calls = |method: &str| {
        let one = format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":7}}"#);
        let body = format!("[{}]", vec![one; 10].join(","));
        let length = body.len();
        server.raw(format!("POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nContent-Type: application/json\r\n\r\n{body}"))
    };
    assert_eq!(FORBIDDEN.count(&calls("secret")), 10);
    // Eight of these are above the rate.
    let first = calls("hello");
    assert_eq!((first.matches("world").count(), RATE_LIMITED.count(&first)), (2, 8), "{first}");
    assert!(first.contains("ratelimit: \"quota\";r=1\r\n"), "{first}");
    let last = calls("other");
    assert_eq!((last.matches("else").count(), RATE_LIMITED.count(&last)), (1, 9), "{last}");
    assert!(last.contains("the quota of 3 calls a month is used up; it starts again at 2"), "{last}");
}

/// One result needs more memory than all results may have, except where it is passed on in its original bytes.
#[test]
fn a_result_that_has_no_memory_is_refused_on_every_way() {
    let large = "x".repeat(1200 << 10);
    let answer = http("200 OK", "Content-Type: text/xml\r\n", &answered(&large));
    let value = large.clone();
    let local = Local::new("Hello", ()).method(named("hello").safe(), move |(): &(), (): ()| value.clone());
    let local = GroupMount::new("/hello", local.build().unwrap());
    for (mut group, is_upstream) in [(local, false), (upstream(Some(answer), "").0, true)] {
        group.protocols.mcp.max_result = usize::MAX;
        let server = start(group, GroupLimits::default(), 1 << 20);
        for Way { name, request, calls, .. } in ways() {
            let answer = server.raw(request);
            let is_refused = ["response-memory", "there is no memory for its result", "busy", "too large"]
                .iter()
                .map(|reason| answer.matches(reason).count())
                .max();
            if is_upstream && name == "XML-RPC" {
                assert!(answer.contains(&large), "{name}");
            } else {
                assert!(!answer.contains(&large), "{name}");
                assert!(is_refused >= Some(calls), "{name}: {answer:.400}");
            }
        }
    }
}

#[test]
fn a_client_that_resets_its_connection_ends_its_calls_on_every_way() {
    for ((group, told), ways_to_it) in groups(false) {
        let server = start(group, GroupLimits::default(), ENOUGH);
        for Way { name, request, calls, begin } in ways_to_it {
            let mut stream = server.connect();
            stream.write_all(request.as_bytes()).unwrap();
            let mut running = 0;
            // An upstream may get several calls in one request.
            while running < begin {
                assert_eq!(told.recv_timeout(SOON), Ok(Told::Begun), "{name}");
                running += 1;
            }
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            drop(stream);
            let mut begun = running;
            while running > 0 {
                match told.recv_timeout(SOON).unwrap_or_else(|error| panic!("{name}: {error}")) {
                    Told::Begun => (running, begun) = (running + 1, begun + 1),
                    Told::Ended => running -= 1,
                }
            }
            assert!(begun <= calls, "{name}: {begun} calls have begun");
        }
        assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "nothing begins after its client has left");
    }
}
