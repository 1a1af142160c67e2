//! Large responses: long arrays row by row, all others as a whole, both within the memory for results.
use std::time::{Duration, Instant};

use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::model::value::SizeBudget;
use croupier::protocol::Protocol;
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use croupier::service::args::Args;
use croupier::service::result_memory::ResultBudget;
use croupier::service::{Call, Context, Output, RpcService};
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{Upstream, UpstreamOptions};
use croupier::{BoxError, Fault, Kind, Value};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use crate::support::scripted::{Scripted, answered, http};
use crate::support::upstream::{Act, ScriptedUpstream};

/// A server with one response, and an upstream of it that knows no methods.
fn upstream(protocol: Protocol, response: String) -> (Scripted, Upstream) {
    let server = Scripted::start(move |_| http("200 OK", "Content-Type: text/xml\r\n", &response));
    let address = format!("http://{}/", server.address).parse().unwrap();
    let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
    (server, Upstream::new(transport, UpstreamOptions::new(protocol)).unwrap())
}

fn context(budget: &ResultBudget) -> Context {
    Context { result_memory: Some(budget.of_client(None)), ..Context::default() }
}

async fn call(upstream: &Upstream, context: &Context) -> Result<Output, Fault> {
    upstream.call(Call::new("list", Args::None, context)).await
}

async fn value(output: Output) -> Value {
    output.into_value(SizeBudget::new(100 << 20)).await.unwrap()
}

const ITEMS: i64 = 100_000;

fn xml_array() -> String {
    let items: String = (0..ITEMS).map(|item| format!("<value><int>{item}</int></value>")).collect();
    format!("<array><data>{items}</data></array>")
}

fn json(result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","result":{result},"id":1}}"#)
}

fn json_array() -> String {
    let items: Vec<String> = (0..ITEMS).map(|item| item.to_string()).collect();
    format!("[{}]", items.join(","))
}

/// In a budget in which neither its text nor the tree of its values fits.
#[tokio::test]
async fn a_long_array_is_passed_on_while_it_arrives_and_needs_the_memory_of_a_few_rows() {
    for (protocol, response) in [(Protocol::XmlRpc, answered(&xml_array())), (Protocol::JsonRpc, json(&json_array()))] {
        let budget = ResultBudget::new(4 << 20);
        let (_server, upstream) = upstream(protocol, response);
        let output = call(&upstream, &context(&budget)).await.unwrap();
        assert!(matches!(output, Output::Many(_)), "{protocol:?}");
        assert_eq!(value(output).await, Value::Array((0..ITEMS).map(Value::Int).collect()));
    }
}

#[tokio::test]
async fn other_large_results_are_decoded_as_a_whole_if_there_can_be_memory_for_it() {
    let xml = format!("<struct><member><name>a</name><value>{}</value></member></struct>", xml_array());
    let (xml, json) = (answered(&xml), json(&format!(r#"{{"a":{}}}"#, json_array())));
    for (protocol, response) in [(Protocol::XmlRpc, xml), (Protocol::JsonRpc, json)] {
        let (_server, upstream) = upstream(protocol, response);
        let output = call(&upstream, &context(&ResultBudget::new(100 << 20))).await.unwrap();
        let array = Value::Array((0..ITEMS).map(Value::Int).collect());
        assert_eq!(value(output).await, Value::Struct(vec![("a".to_owned(), array)]));
        let refused = call(&upstream, &context(&ResultBudget::new(9 << 20))).await.err().unwrap();
        assert_eq!(refused.kind, Kind::Limit, "{refused:?}");
        assert!(refused.message.contains("response-memory"), "{refused:?}");
    }
}

/// The first rows have been passed on by then, so the rows end in an error, and never as if they were all.
#[tokio::test]
async fn a_long_array_that_is_not_sound_to_its_end_breaks_off() {
    let sound = answered(&xml_array());
    let unsound = [
        (Protocol::XmlRpc, sound.replace("</methodResponse>", "")),
        (Protocol::XmlRpc, sound.replace("</data>", "<value><int>x</int></value></data>")),
        (Protocol::XmlRpc, sound.replace("</param>", "</param><param><value/></param>")),
        (Protocol::XmlRpc, format!("{sound}more")),
        (Protocol::XmlRpc, sound[..sound.len() / 2].to_owned()),
        (Protocol::JsonRpc, json(&json_array()).replace("]", "")),
        (Protocol::JsonRpc, json(&json_array()).replace("]", ",{\"a\":1,\"a\":2}]")),
        (Protocol::JsonRpc, json(&json_array()).replace("\"id\":1", "\"id\":2")),
        (Protocol::JsonRpc, json(&json_array()).replace("\"id\":1", "\"id\":1,\"error\":{\"code\":1}")),
        (Protocol::JsonRpc, format!("{}]", json(&json_array()))),
    ];
    for (protocol, response) in unsound {
        let end = response[response.len() - 60..].to_owned();
        let (_server, upstream) = upstream(protocol, response);
        let output = call(&upstream, &Context::default()).await.unwrap();
        assert!(matches!(output, Output::Many(_)), "{end}");
        let fault = output.into_value(SizeBudget::new(100 << 20)).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Unreachable, "{end}: {fault:?}");
    }
}

#[tokio::test]
async fn a_response_that_is_not_sound_at_its_beginning_or_is_a_fault_is_a_fault() {
    let unsound = [
        (Protocol::XmlRpc, answered(&xml_array()).replace("<int>1</int>", "<int>x</int>")),
        (Protocol::XmlRpc, answered(&xml_array()).replace("<data>", "<data>text")),
        (Protocol::JsonRpc, json(&json_array()).replace("\"result\"", "\"id\":2,\"result\"")),
        (Protocol::JsonRpc, json(&json_array()).replace("[0,", "[0,,")),
    ];
    for (protocol, response) in unsound {
        let (_server, upstream) = upstream(protocol, response);
        let fault = call(&upstream, &Context::default()).await.err().unwrap();
        assert_eq!(fault.kind, Kind::Unreachable, "{fault:?}");
    }
    let reason = "no ".repeat(200_000);
    let fault = format!(
        "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>7</int></value></member>\
         <member><name>faultString</name><value>{reason}</value></member></struct></value></fault></methodResponse>"
    );
    let (_server, upstream) = upstream(Protocol::XmlRpc, fault);
    let fault = call(&upstream, &context(&ResultBudget::new(100 << 20))).await.err().unwrap();
    assert_eq!(fault, Fault::service(7, reason));
}

#[tokio::test]
async fn a_long_array_waits_for_memory_and_is_refused_as_busy_in_time() {
    let response = answered(&xml_array());
    // One array needs two thirds of it or less, and more than its upstream may have for several.
    let budget = ResultBudget::new(4 << 20);
    let (_server, upstream) = upstream(Protocol::XmlRpc, response);
    let unread = call(&upstream, &context(&budget)).await.unwrap();
    let end = Instant::now() + Duration::from_millis(500);
    let late = Context { deadline: Some(end), ..context(&budget) };
    let refused = call(&upstream, &late).await.err().unwrap();
    assert_eq!(refused.kind, Kind::Busy, "{refused:?}");
    assert!(Instant::now() < end, "the fault is in time");
    let patient = context(&budget);
    let waiting = call(&upstream, &patient);
    let read = async {
        tokio::task::yield_now().await;
        value(unread).await;
    };
    let (output, ()) = tokio::join!(waiting, read);
    value(output.unwrap()).await;
}

/// A gateway in front of an upstream.
fn gateway(server: &ScriptedUpstream, protocol: &str) -> Gateway {
    let config = format!("[group.'/up'.upstream]\nurls = ['http://{}/']\nprotocol = '{protocol}'\n", server.address());
    let config = Config::parse("test.toml", &config, &Registry::standard()).unwrap();
    Gateway::serving(&config.mounts(), BodyReader::new(&config.settings)).unwrap()
}

/// The response to a call in JSON-RPC.
async fn response_in_json(gateway: Gateway) -> Response<impl http_body::Body<Data = Bytes, Error = BoxError>> {
    let call = r#"{"jsonrpc":"2.0","method":"list","id":7}"#;
    let request = Request::post("/up").header("host", "x").header("content-type", "application/json");
    gateway.oneshot(request.body(Full::new(Bytes::from_static(call.as_bytes()))).unwrap()).await.unwrap()
}

/// The beginning of an array of XML-RPC, and many of its rows.
fn endless() -> (Vec<u8>, Vec<u8>) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<methodResponse><params><param><value><array><data>";
    (head.into(), "<value><int>1</int></value>".repeat(3000).into())
}

#[tokio::test]
async fn an_upstream_is_read_only_as_fast_as_the_client_reads() {
    let server = ScriptedUpstream::start().await;
    let (head, rows) = endless();
    server.will([Act::Flood(head, rows)]);
    let mut response = response_in_json(gateway(&server, "xml-rpc")).await;
    let mut read = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
    assert!(read.starts_with(br#"{"jsonrpc":"2.0","result":[1,1,"#));
    // The sockets between hold a few megabytes, and the gateway less than one.
    let settled = async |before: usize| {
        let mut last = before;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            match server.flooded() {
                now if now == last => return now,
                now => last = now,
            }
        }
    };
    let before = settled(0).await;
    assert!(before < 32 << 20, "{before} bytes");
    // Each byte of the response is made of 13 bytes.
    while read.len() < 4 << 20 {
        read.extend_from_slice(&response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap());
    }
    assert!(settled(before).await > before);
}

#[tokio::test]
async fn the_response_of_an_array_that_is_cut_breaks_off() {
    let server = ScriptedUpstream::start().await;
    let (head, rows) = endless();
    let rows = rows.repeat(40);
    for end in ["", "<value>", "</data>", "</data></array></value></param></params></methodResponse><more/>"] {
        server.will([Act::Cut([head.as_slice(), &rows, end.as_bytes()].concat())]);
        let mut response = response_in_json(gateway(&server, "xml-rpc")).await;
        let mut read = Vec::new();
        let error = loop {
            match response.body_mut().frame().await {
                Some(Ok(frame)) => read.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(error)) => break error,
                None => panic!("{end}: the response is whole"),
            }
        };
        assert!(read.len() > 50_000 && !read.ends_with(b"}"), "{end}");
        assert!(error.to_string().contains("upstream"), "{end}: {error}");
    }
    let end = "</data></array></value></param></params></methodResponse>";
    server.will([Act::Cut([head.as_slice(), &rows, end.as_bytes()].concat())]);
    let read = response_in_json(gateway(&server, "xml-rpc")).await.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(read.len(), r#"{"jsonrpc":"2.0","result":[],"id":7}"#.len() + 2 * 120_000 - 1);
}

/// The time in which nothing arrives from the upstream is limited, and the time in which the client does not read is not.
#[tokio::test(start_paused = true)]
async fn the_deadline_ends_with_the_beginning_of_the_response() {
    let server = ScriptedUpstream::start().await;
    let (head, rows) = endless();
    let rows = [head, rows.repeat(10)].concat();
    server.will([Act::Drip(rows, b" ".to_vec())]);
    let address = format!("http://{}/", server.address()).parse().unwrap();
    let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
    let upstream = Upstream::new(transport, UpstreamOptions::new(Protocol::XmlRpc)).unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    let context = Context { deadline: Some(end), ..Context::default() };
    let Output::Many(mut rows) = call(&upstream, &context).await.unwrap() else { panic!("no rows") };
    tokio::time::sleep(Duration::from_secs(100)).await;
    let mut values = Vec::new();
    let begun = tokio::time::Instant::now();
    let error = loop {
        if let Err(error) = std::future::poll_fn(|cx| rows.poll_ready(cx)).await {
            break error;
        }
        assert!(rows.values(&mut values, 1000, &mut SizeBudget::new(1 << 20)).unwrap());
    };
    assert_eq!(values.len(), 30_000);
    assert_eq!(error.downcast::<Fault>().unwrap().kind, Kind::Late);
    assert!(begun.elapsed() < Duration::from_secs(70), "{:?}", begun.elapsed());
}
