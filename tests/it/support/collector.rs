//! A collector of OpenTelemetry: it accepts spans over OTLP, and says what it has received.
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use prost::Message;
use serde_json::Value;

use super::peers::until;

/// A collector that runs as long as the test does.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<ExportRequest>>>,
}

/// A request to the collector.
#[derive(Debug, Clone)]
pub(crate) struct ExportRequest {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What the collector does about a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Accepts all spans but this many.
    Accept(i64),
    /// Responds with this status.
    Status(&'static str),
    /// Does not respond.
    Hang,
}

/// A span, as the collector has received it. Ids are hexadecimal; the parent is empty if there is none.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedSpan {
    pub(crate) service: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) name: String,
    /// 1 is internal, 2 a server's, 3 a client's.
    pub(crate) kind: i32,
    /// Nanoseconds since 1970.
    pub(crate) times: (u64, u64),
    pub(crate) failed: bool,
    pub(crate) flags: u32,
    pub(crate) attributes: BTreeMap<String, Value>,
}

impl Collector {
    /// Accepts all spans.
    pub(crate) fn start() -> Collector {
        Collector::replying([Reply::Accept(0)])
    }

    /// Replies to the first requests in this way, and to all further ones as to the last of them.
    pub(crate) fn replying(replies: impl IntoIterator<Item = Reply>) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<ExportRequest>>> = Arc::default();
        let (seen, replies) = (requests.clone(), Arc::new(replies.into_iter().collect::<Vec<_>>()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, replies) = (seen.clone(), replies.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &seen, &replies));
            }
        });
        Collector { address, requests }
    }

    pub(crate) fn requests(&self) -> Vec<ExportRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// All spans that have come, in the order of their beginning.
    pub(crate) fn spans(&self) -> Vec<ReceivedSpan> {
        let mut spans: Vec<_> = self.requests().iter().flat_map(|request| decode(&request.body)).collect();
        spans.sort_by_key(|span| span.times.0);
        spans
    }

    /// Waits until this many spans have come. More are a failure.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<ReceivedSpan> {
        let spans = until("spans", || Some(self.spans()).filter(|spans| spans.len() >= count));
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<ExportRequest>>, replies: &[Reply]) {
    while let Some(request) = receive(&mut stream) {
        let index = {
            let mut seen = seen.lock().unwrap();
            seen.push(request);
            seen.len() - 1
        };
        let (status, body) = match replies.get(index).or(replies.last()).unwrap() {
            Reply::Accept(0) => ("200 OK", Vec::new()),
            Reply::Accept(rejected) => {
                let partial_success = Some(PartialSuccess { rejected_spans: *rejected });
                ("200 OK", ExportResponse { partial_success }.encode_to_vec())
            }
            Reply::Status(status) => (*status, Vec::new()),
            Reply::Hang => {
                std::thread::park();
                return;
            }
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

/// `None` when the connection has ended.
fn receive(stream: &mut TcpStream) -> Option<ExportRequest> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ")?;
    let mut body = vec![0; length.split("\r\n").next()?.parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    Some(ExportRequest { head, body })
}

/// The spans in the body of a request.
pub(crate) fn decode(body: &[u8]) -> Vec<ReceivedSpan> {
    let mut spans = Vec::new();
    for group in Export::decode(body).unwrap().resource_spans {
        let resource = attributes(group.resource.unwrap_or_default().attributes);
        let service = resource["service.name"].as_str().unwrap().to_owned();
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(ReceivedSpan {
                service: service.clone(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                state: span.trace_state,
                name: span.name,
                kind: span.kind,
                times: (span.start, span.end),
                failed: span.status.is_some_and(|status| status.code == 2),
                flags: span.flags,
                attributes: attributes(span.attributes),
            });
        }
    }
    spans
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, Value> {
    let value = |value: AnyValue| match value.value {
        Some(Any::Text(text)) => text.into(),
        Some(Any::Number(number)) => number.into(),
        None => Value::Null,
    };
    pairs.into_iter().map(|pair| (pair.key, pair.value.map_or(Value::Null, value))).collect()
}

// What is read of the messages of OTLP, by the numbers of their fields in `opentelemetry/proto`.

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 3")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}
