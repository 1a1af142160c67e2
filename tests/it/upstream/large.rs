//! Large responses: long arrays row by row, all others as a whole, both within the memory for results.
use std::time::{Duration, Instant};

use croupier::model::value::SizeBudget;
use croupier::protocol::Protocol;
use croupier::service::args::Args;
use croupier::service::result_memory::ResultBudget;
use croupier::service::{Call, Context, Output, RpcService};
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{Upstream, UpstreamOptions};
use croupier::{Fault, Kind, Value};

use crate::support::scripted::{Scripted, answered, http};

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

/// In a budget in which the tree of the values does not fit, only their text.
#[tokio::test]
async fn a_long_array_is_passed_on_row_by_row_and_needs_no_more_memory_than_its_text() {
    for (protocol, response) in [(Protocol::XmlRpc, answered(&xml_array())), (Protocol::JsonRpc, json(&json_array()))] {
        let budget = ResultBudget::new((response.len() + (2 << 20)) / 2 * 3);
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

/// The first byte is sent when the last has been checked.
#[tokio::test]
async fn a_large_response_that_is_not_sound_to_its_end_or_is_a_fault_is_a_fault() {
    let sound = answered(&xml_array());
    let unsound = [
        (Protocol::XmlRpc, sound.replace("</methodResponse>", "")),
        (Protocol::XmlRpc, sound.replace("</data>", "<value><int>x</int></value></data>")),
        (Protocol::XmlRpc, sound.replace("</param>", "</param><param><value/></param>")),
        (Protocol::JsonRpc, json(&json_array()).replace("]", "")),
        (Protocol::JsonRpc, json(&json_array()).replace("]", ",{\"a\":1,\"a\":2}]")),
        (Protocol::JsonRpc, json(&json_array()).replace("\"id\":1", "\"id\":2")),
        (Protocol::JsonRpc, json(&json_array()).replace("\"id\":1", "\"id\":1,\"error\":{\"code\":1}")),
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
async fn a_response_waits_for_memory_and_is_refused_as_busy_in_time() {
    let response = answered(&xml_array());
    let budget = ResultBudget::new((response.len() + (2 << 20)) / 2 * 3);
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
