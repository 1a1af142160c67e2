//! The spans of requests, as a collector receives them.
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use croupier::config::{Config, Registry};
use serde_json::{Value, json};

use super::admin::{LISTEN, SPIN, Served, WHEEL, exchange};
use super::commands::Folder;
use crate::support::collector::{Collector, ReceivedSpan, Reply};
use crate::support::peers::{free_port, until};
use crate::support::scripted::{Scripted, answered, http};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const JSON: &str = "Content-Type: application/json\r\n";

fn otlp(address: impl std::fmt::Display, more: &str) -> String {
    format!("{more}\notlp.endpoint = 'http://{address}'\nlog.format = 'json'\n")
}

fn served(folder: &Folder, otlp: &str, groups: &str) -> Served {
    Served::start(&folder.file("c.toml", &format!("{LISTEN}{otlp}{groups}")))
}

/// A group whose calls go to a server of XML-RPC.
fn upstream(path: &str, address: impl std::fmt::Display, more: &str) -> String {
    format!("[group.'{path}']\n{more}upstream = {{ urls = ['http://{address}/'], protocol = 'xml-rpc' }}\n")
}

/// A server that returns 1 from each call, and waits before it does from those of `slow`.
fn one() -> (Scripted, Sender<()>) {
    let (go_on, wait) = channel::<()>();
    let server = Scripted::start(move |request| {
        if request.contains("<methodName>slow</methodName>") {
            let _ = wait.recv_timeout(Duration::from_secs(20));
        }
        http("200 OK", "Content-Type: text/xml\r\n", &answered("<int>1</int>"))
    });
    (server, go_on)
}

fn call(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":1}}"#)
}

fn traceparent(flags: &str) -> String {
    format!("{JSON}traceparent: 00-{TRACE}-{PARENT}-{flags}\r\ntracestate: a=1\r\n")
}

/// The attributes of a span with these names.
fn attributes(span: &ReceivedSpan, names: &[&str]) -> Value {
    names.iter().map(|name| span.attributes.get(*name).cloned().unwrap_or(Value::Null)).collect()
}

#[test]
fn a_call_has_one_span_with_what_is_known_of_it() {
    let (folder, collector) = (Folder::new(), Collector::start());
    let more = "otlp.service-name = 'casino'\notlp.headers = { X-Scope-OrgID = { text = 'house' } }";
    let served = served(&folder, &otlp(collector.address, more), WHEEL);
    assert_eq!(served.call("/wheel", SPIN).0, 200);
    let spans = collector.wait_for(1);
    let span = &spans[0];
    assert_eq!((span.name.as_str(), span.kind, span.failed), ("/wheel/spin", 2, false));
    assert_eq!((span.parent.as_str(), span.state.as_str(), span.service.as_str()), ("", "", "casino"));
    assert_eq!((span.trace.len(), span.id.len(), span.flags), (32, 16, 0x103));
    assert!(span.times.0 < span.times.1, "{span:?}");
    let names =
        ["http.request.method", "url.path", "http.response.status_code", "rpc.system", "rpc.service", "rpc.method"];
    assert_eq!(attributes(span, &names), json!(["POST", "/wheel", 200, "jsonrpc", "/wheel", "spin"]));
    let names = ["url.scheme", "client.address", "error.type", "croupier.batch.calls"];
    assert_eq!(attributes(span, &names), json!(["http", "127.0.0.1", null, null]));
    let request = &collector.requests()[0];
    for part in ["post /v1/traces http/1.1\r\n", "content-type: application/x-protobuf\r\n", "x-scope-orgid: house\r\n"]
    {
        assert!(request.head.contains(part), "{}", request.head);
    }
    until("the count", || (served.scrape().sum("croupier_otlp_spans_exported_total", &[]) == 1.0).then_some(()));
    assert_eq!(served.scrape().sum("croupier_otlp_spans_dropped_total", &[]), 0.0);

    served.process.signal("TERM");
    let log = served.process.end().stderr;
    let line = log.lines().find(|line| line.contains("croupier::access")).unwrap_or_else(|| panic!("no line in {log}"));
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["trace"], &line["id"]), (&json!(span.trace), &span.attributes["croupier.request.id"]));
}

#[test]
fn a_call_to_an_upstream_goes_on_with_the_trace_of_the_client() {
    let (folder, collector, (server, _)) = (Folder::new(), Collector::start(), one());
    let served = served(&folder, &otlp(collector.address, "log.access = false"), &upstream("/up", server.address, ""));
    let (status, body) = exchange(&served.data, "POST", "/up", &traceparent("01"), &call("some"));
    assert_eq!(status, 200, "{body}");
    let spans = collector.wait_for(2);
    let (whole, attempt) = (&spans[0], &spans[1]);
    assert_eq!((whole.name.as_str(), whole.kind, attempt.name.as_str(), attempt.kind), ("POST /up", 2, "POST", 3));
    for span in &spans {
        assert_eq!((span.trace.as_str(), span.state.as_str(), span.failed), (TRACE, "a=1", false));
    }
    assert_eq!((whole.parent.as_str(), attempt.parent.as_str()), (PARENT, whole.id.as_str()));
    assert_eq!((whole.flags, attempt.flags), (0x301, 0x101), "only the parent of the first is elsewhere");
    assert!(whole.times.0 <= attempt.times.0 && attempt.times.1 <= whole.times.1, "{spans:?}");
    let names = ["http.request.method", "server.address", "server.port", "http.response.status_code"];
    let expected = json!(["POST", "127.0.0.1", server.address.port(), 200]);
    assert_eq!(attributes(attempt, &names), expected);
    assert_eq!(attributes(attempt, &["http.request.resend_count", "error.type"]), json!([null, null]));
    let asked = server.requests();
    let asked = asked.iter().find(|request| request.contains("<methodName>some<")).unwrap();
    let sent = format!("traceparent: 00-{TRACE}-{}-01\r\n", attempt.id);
    assert!(asked.contains(&sent) && asked.contains("tracestate: a=1\r\n"), "{asked}");
}

#[test]
fn a_batch_has_one_span_with_its_counts() {
    let (folder, collector) = (Folder::new(), Collector::start());
    let served = served(&folder, &otlp(collector.address, ""), WHEEL);
    let batch = format!("[{},{},{}]", call("spin"), call("no"), call("spin"));
    assert_eq!(served.call("/wheel", &batch).0, 200);
    let span = &collector.wait_for(1)[0];
    assert_eq!((span.name.as_str(), span.failed), ("POST /wheel", false));
    let names = ["croupier.batch.calls", "croupier.batch.faults", "rpc.service", "rpc.method"];
    assert_eq!(attributes(span, &names), json!([3, 1, "/wheel", null]));
}

#[test]
fn failures_of_the_server_and_mistakes_of_clients_differ() {
    let (folder, collector) = (Folder::new(), Collector::start());
    let down = upstream("/down", format_args!("127.0.0.1:{}", free_port()), "");
    let served = served(&folder, &otlp(collector.address, ""), &format!("{WHEEL}{down}"));
    served.call("/wheel", &call("spinn"));
    served.call("/nowhere", SPIN);
    served.call("/down", &call("some"));
    let spans = collector.wait_for(4);
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            (span.name.as_str(), span.failed, attributes(span, &["error.type", "rpc.method", "rpc.method_original"]))
        })
        .collect();
    let expected = [
        ("POST /wheel", false, json!(["no-such-method", "_OTHER", "spinn"])),
        ("POST", false, json!(["404", null, null])),
        ("POST /down", true, json!(["unreachable", "_OTHER", "some"])),
        ("POST", true, json!(["unreached", null, null])),
    ];
    assert_eq!(told, expected);
    assert_eq!((spans[3].kind, &spans[3].parent), (3, &spans[2].id));
}

#[test]
fn a_call_that_waits_for_a_permit_has_a_span_for_the_wait() {
    let (folder, collector, (server, go_on)) = (Folder::new(), Collector::start(), one());
    let group = upstream("/up", server.address, "limits.concurrent = 1\n");
    let served = served(&folder, &otlp(collector.address, ""), &group);
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let address = served.data.clone();
            std::thread::spawn(move || exchange(&address, "POST", "/up", JSON, &call("slow")).0)
        })
        .collect();
    until("a call that waits", || (served.scrape().sum("croupier_calls_waiting", &[]) == 1.0).then_some(()));
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    for call in calls {
        assert_eq!(call.join().unwrap(), 200);
    }
    let spans = collector.wait_for(5);
    let wait = spans.iter().find(|span| span.kind == 1).unwrap();
    assert_eq!((wait.name.as_str(), wait.failed), ("wait for a permit", false));
    let whole = spans.iter().find(|span| span.id == wait.parent).unwrap();
    assert_eq!((whole.kind, &whole.trace), (2, &wait.trace));
    let attempt = spans.iter().find(|span| span.kind == 3 && span.parent == whole.id).unwrap();
    assert!(whole.times.0 <= wait.times.0 && wait.times.1 <= attempt.times.1, "{spans:?}");
}

#[test]
fn what_is_not_sampled_is_not_exported_and_the_upstream_learns_it() {
    let (folder, collector, (server, _)) = (Folder::new(), Collector::start(), one());
    let group = upstream("/up", server.address, "");
    let served = served(&folder, &otlp(collector.address, "otlp.sample = 0"), &group);
    for (headers, method) in
        [(traceparent("00"), "unsampled"), (JSON.to_owned(), "own"), (traceparent("01"), "sampled")]
    {
        assert_eq!(exchange(&served.data, "POST", "/up", &headers, &call(method)).0, 200);
    }
    let spans = collector.wait_for(2);
    assert_eq!(attributes(&spans[0], &["rpc.method_original"]), json!(["sampled"]));
    let parent = |method: &str| {
        let asked = server.requests();
        let request = asked.iter().find(|request| request.contains(&format!("<methodName>{method}<"))).unwrap().clone();
        let (_, parent) = request.split_once("traceparent: ").unwrap_or_else(|| panic!("no trace in {request}"));
        parent.split("\r\n").next().unwrap().to_owned()
    };
    let (unsampled, own) = (parent("unsampled"), parent("own"));
    assert!(unsampled.starts_with(&format!("00-{TRACE}-")) && unsampled.ends_with("-00"), "{unsampled}");
    assert!(own.ends_with("-02") && !own.contains(TRACE), "{own}");
    served.process.signal("TERM");
    assert_eq!(served.process.end().code(), Some(0));
    assert_eq!(collector.spans().len(), 2, "also the last spans are sent");
}

#[test]
fn the_spans_of_the_last_requests_are_sent_at_the_stop() {
    let (folder, collector) = (Folder::new(), Collector::start());
    let served = served(&folder, &otlp(collector.address, ""), WHEEL);
    assert_eq!(served.call("/wheel", SPIN).0, 200);
    served.process.signal("TERM");
    assert_eq!(served.process.end().code(), Some(0));
    assert_eq!(collector.spans().len(), 1);
}

#[test]
fn a_collector_that_is_down_or_hangs_delays_nothing() {
    let folder = Folder::new();
    let hanging = Collector::replying([Reply::Hang]);
    for address in [hanging.address.to_string(), format!("127.0.0.1:{}", free_port())] {
        let served = served(&folder, &otlp(&address, ""), WHEEL);
        let begun = Instant::now();
        for _ in 0..50 {
            assert_eq!(served.call("/wheel", SPIN).0, 200);
        }
        // The exporter has begun to send: a request takes 10 s until it is given up.
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(served.call("/wheel", SPIN).0, 200);
        served.process.signal("TERM");
        let ended = served.process.end();
        assert_eq!(ended.code(), Some(0), "{address}: {ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{address}: {:?}", begun.elapsed());
        let warnings = ended.stderr.matches("spans cannot be exported").count();
        assert_eq!(warnings, usize::from(address != hanging.address.to_string()), "{address}: {}", ended.stderr);
    }
    assert!(!hanging.requests().is_empty());
}

#[test]
fn what_the_collector_does_not_accept_is_sent_again_or_counted() {
    for (replies, exported, dropped) in [
        (vec![Reply::Status("400 Bad Request")], 0.0, 1.0),
        (vec![Reply::Accept(1)], 0.0, 1.0),
        (vec![Reply::Status("503 Service Unavailable"), Reply::Accept(0)], 1.0, 0.0),
    ] {
        let (folder, collector) = (Folder::new(), Collector::replying(replies.clone()));
        let served = served(&folder, &otlp(collector.address, ""), WHEEL);
        assert_eq!(served.call("/wheel", SPIN).0, 200);
        let counts = until("the end of a batch", || {
            let scrape = served.scrape();
            let counts =
                ["exported", "dropped"].map(|what| scrape.sum(&format!("croupier_otlp_spans_{what}_total"), &[]));
            (counts != [0.0, 0.0]).then_some(counts)
        });
        assert_eq!(counts, [exported, dropped], "{replies:?}");
        assert_eq!(collector.requests().len(), replies.len());
    }
}

#[test]
fn a_changed_collector_needs_a_restart() {
    let parse = |otlp: &str| Config::parse("c.toml", &format!("{otlp}\n{WHEEL}"), &Registry::standard()).unwrap();
    let config = parse("otlp.endpoint = 'http://127.0.0.1:4318'");
    assert_eq!(config.needs_restart(&parse("otlp.endpoint = 'http://127.0.0.1:4318/v1/traces'")), [""; 0]);
    assert_eq!(config.needs_restart(&parse("otlp.endpoint = 'http://127.0.0.1:4318'\notlp.sample = 0.5")), ["otlp"]);
}

/// Reads the messages with the library of OpenTelemetry for Python.
#[test]
#[ignore = "needs opentelemetry-proto"]
fn opentelemetry_reads_what_is_sent() {
    let (folder, collector, (server, _)) = (Folder::new(), Collector::start(), one());
    let served = served(&folder, &otlp(collector.address, ""), &upstream("/up", server.address, ""));
    assert_eq!(exchange(&served.data, "POST", "/up", &traceparent("01"), &call("some")).0, 200);
    let spans = collector.wait_for(2);
    let script = "
import sys
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
request = ExportTraceServiceRequest.FromString(sys.stdin.buffer.read())
def unknown(message):
    from google.protobuf.unknown_fields import UnknownFieldSet
    assert len(UnknownFieldSet(message)) == 0, message
    for field, value in message.ListFields():
        if field.message_type:
            for one in (value if hasattr(value, 'append') or hasattr(value, 'add') else [value]):
                unknown(one)
unknown(request)
print(MessageToJson(request))
";
    let mut read = Vec::new();
    for request in collector.requests() {
        let mut python =
            Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut python.stdin.take().unwrap(), &request.body).unwrap();
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success());
        let message: Value = serde_json::from_slice(&output.stdout).unwrap();
        let resource = &message["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "croupier");
        read.extend(resource["scopeSpans"][0]["spans"].as_array().unwrap().iter().cloned());
    }
    read.sort_by_key(|span| span["startTimeUnixNano"].as_str().unwrap().to_owned());
    let told: Vec<_> = read.iter().map(|span| json!([span["name"], span["kind"], span["traceState"]])).collect();
    let expected = [json!(["POST /up", "SPAN_KIND_SERVER", "a=1"]), json!(["POST", "SPAN_KIND_CLIENT", "a=1"])];
    assert_eq!(told, expected);
    assert_eq!(read[0]["startTimeUnixNano"].as_str().unwrap(), spans[0].times.0.to_string());
}
