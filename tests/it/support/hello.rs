//! An upstream service with one method, `hello`: its responses when all is well, and the gateway in front of it.

use std::sync::Arc;

use croupier::http::routes::RouteTable;
use croupier::model::name_patterns::NamePatterns;
use croupier::model::shape::Shapes;
use croupier::protocol::Protocol;
use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::jsonrpc::openrpc::write as openrpc;
use croupier::protocol::rest::openapi;
use croupier::protocol::set::{ProtocolSet, ServerInfo};
use croupier::protocol::soap::server::namespace_of;
use croupier::protocol::soap::wsdl::write as wsdl;
use croupier::protocol::soap::wsdl::write::{Versions, WsdlForm};
use croupier::service::local::Local;
use croupier::service::{Context, RpcService};
use croupier::upstream::transport;
use croupier::upstream::transport::Transport;
use croupier::upstream::{DescriptionSource, Upstream, UpstreamOptions};
use croupier::{Kind, Value};
use http::Request;
use http_body_util::BodyExt;

use super::calls::{PATH, block, dialect, post_to};
use super::mcp::STATELESS_META;
use super::over::{Behind, Code, Over};
use super::upstream::{ID, ScriptedUpstream};

/// The protocols in which upstream servers are called.
pub(crate) const CLIENT_PROTOCOLS: [Protocol; 5] = Protocol::OF_UPSTREAMS;
/// How many bytes an answer may have.
pub(crate) const LARGEST: usize = 1 << 20;

/// What the servers would be, if they were sound.
pub(crate) fn sound() -> Arc<dyn RpcService> {
    Arc::new(Local::new("Sound", ()).method("hello", |(): &(), (): ()| "world").build().unwrap())
}

pub(crate) fn frontends() -> Vec<Arc<dyn Frontend>> {
    ProtocolSet { xml_rpc: dialect(), ..ProtocolSet::default() }.of_group(PATH, &ServerInfo::default())
}

impl Behind {
    /// An upstream that has been discovered, over all protocols.
    pub(crate) fn discovered(upstream: Upstream) -> Behind {
        Behind { shapes: Shapes::of(&upstream.interface()), service: Arc::new(upstream), frontends: frontends() }
    }
}

/// What the server is known to be, so that it need not be asked.
pub(crate) fn description(protocol: Protocol) -> DescriptionSource {
    description_of(&sound(), protocol)
}

/// What a server with the methods of this service would say of itself.
pub(crate) fn description_of(service: &Arc<dyn RpcService>, protocol: Protocol) -> DescriptionSource {
    let text = match protocol {
        Protocol::Soap => {
            let form = WsdlForm { style: wsdl::Style::Document, versions: Versions::One };
            let shapes = Shapes::of(&service.interface());
            wsdl::document(&service.interface(), &shapes, &namespace_of(PATH), "http://localhost/test", form)
        }
        Protocol::Rest => {
            let text =
                openapi::document(&service.interface(), &RouteTable::default(), "http://localhost/test").to_string();
            // A path that is also the name of a method is served by the verbs of the document only.
            text.replace("\"/hello\"", "\"/say/hello\"")
        }
        Protocol::Mcp => tools_of(service),
        _ => openrpc::document(&service.interface(), "http://localhost/test").to_string(),
    };
    DescriptionSource::Text { name: "description".to_owned(), text }
}

/// The document that a sound server answers with.
pub(crate) async fn document(protocol: Protocol) -> (&'static str, String) {
    let (media, call) = match protocol {
        Protocol::XmlRpc => ("text/xml", "<methodCall><methodName>hello</methodName></methodCall>".to_owned()),
        Protocol::JsonRpc => ("application/json", r#"{"jsonrpc":"2.0","method":"hello","id":1}"#.to_owned()),
        Protocol::Soap => {
            let (envelope, namespace) = ("http://schemas.xmlsoap.org/soap/envelope/", namespace_of(PATH));
            let call = format!(
                r#"<e:Envelope xmlns:e="{envelope}"><e:Body><m:hello xmlns:m="{namespace}"/></e:Body></e:Envelope>"#
            );
            ("text/xml", call)
        }
        Protocol::Rest => {
            let (_, body) = post_to(&sound(), &frontends(), "hello", "application/json", b"").await;
            return ("application/json", body);
        }
        Protocol::Mcp => {
            // The id is as long as what replaces it, so that the length of the response stays.
            let call = format!(
                r#"{{"jsonrpc":"2.0","id":10000007,"method":"tools/call","params":{{"name":"hello","arguments":{{}},{STATELESS_META}}}}}"#
            );
            let body = ask_mcp(&sound(), &[("mcp-method", "tools/call"), ("mcp-name", "hello")], &call).await;
            return ("application/json", body.replace("10000007", ID));
        }
        Protocol::Page => unreachable!("upstreams are not called in {protocol}"),
    };
    (media, post_to(&sound(), &frontends(), "", media, call.as_bytes()).await.1)
}

/// The body of the MCP frontend's response to a message of a client without a handshake.
async fn ask_mcp(service: &Arc<dyn RpcService>, headers: &[(&str, &str)], body: &str) -> String {
    let mut request = Request::post("/test/mcp").header("content-type", "application/json");
    for (name, value) in [("mcp-protocol-version", "2026-07-28")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let frontends = frontends();
    let frontend = frontends.iter().find(|frontend| frontend.protocol() == Protocol::Mcp).unwrap();
    let request = GroupRequest { head: &head, tail: "mcp", body: body.as_bytes(), context: &Context::default() };
    let body = frontend.serve(service, request).await.response.into_body();
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// The list of tools of a server without a handshake.
fn tools_of(service: &Arc<dyn RpcService>) -> String {
    let list = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{{{STATELESS_META}}}}}"#);
    // On a thread of its own, because the caller may be inside a runtime, where nothing may block.
    let ask = || block(ask_mcp(service, &[("mcp-method", "tools/list")], &list));
    let response = std::thread::scope(|scope| scope.spawn(ask).join().unwrap());
    serde_json::from_str::<serde_json::Value>(&response).unwrap()["result"].to_string()
}

/// The response of a sound server.
pub(crate) async fn response(protocol: Protocol) -> Vec<u8> {
    let (media, body) = document(protocol).await;
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// The upstream service over all protocols. `idempotent` says whether its method may be called twice.
pub(crate) async fn behind(urls: &[String], protocol: Protocol, idempotent: bool) -> Behind {
    let addresses = urls.iter().map(|url| url.parse().unwrap()).collect();
    let transport = Transport::new(addresses, transport::TransportOptions::default()).unwrap();
    let idempotent = NamePatterns(if idempotent { vec!["hello".to_owned()] } else { Vec::new() });
    let options = UpstreamOptions {
        description: Some(description(protocol)),
        max_response: LARGEST,
        idempotent,
        ..UpstreamOptions::new(protocol)
    };
    let remote = Upstream::new(transport, options).unwrap();
    remote.discover().await.unwrap();
    Behind::discovered(remote)
}

pub(crate) async fn at(server: &ScriptedUpstream, protocol: Protocol, idempotent: bool) -> Behind {
    behind(&[format!("http://user:secret@{}/", server.address())], protocol, idempotent).await
}

pub(crate) fn world() -> Value {
    Value::Text("world".to_owned())
}

pub(crate) fn unreachable(over: Over) -> Result<Value, Code> {
    Err(over.code(Kind::Unreachable))
}

/// The server as an upstream with the method `hello`.
pub(crate) async fn upstream(server: &ScriptedUpstream, protocol: Protocol) -> Upstream {
    let address = format!("http://{}/", server.address()).parse().unwrap();
    let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
    let options = UpstreamOptions { description: Some(description(protocol)), ..UpstreamOptions::new(protocol) };
    let upstream = Upstream::new(transport, options).unwrap();
    upstream.discover().await.unwrap();
    upstream
}
