//! A call over each protocol to a service, in memory, and its result.

use std::sync::Arc;

use croupier::codec::DocumentLimits;
use croupier::codec::soap;
use croupier::codec::soap::{ElementTarget, SoapStyle, SoapVersion};
use croupier::codec::xml::{Control, Reading};
use croupier::codec::xmlrpc;
use croupier::codec::xmlrpc::{Root, XmlRpcDocument};
use croupier::model::shape::Shapes;
use croupier::protocol::frontend::Frontend;
use croupier::protocol::soap::server::namespace_of;
use croupier::service::RpcService;
use croupier::{Kind, Value};
use http::StatusCode;
use serde::Deserialize;

use super::calls::{PATH, dialect, json_of, member, post_to, value_of_json};

/// A service, the shapes of its parameters and results, and the protocols it is served over.
pub(crate) struct Behind {
    pub(crate) service: Arc<dyn RpcService>,
    pub(crate) shapes: Shapes,
    pub(crate) frontends: Vec<Arc<dyn Frontend>>,
}

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    XmlRpc,
    JsonRpc,
    Rest,
    Soap,
}

/// How a protocol reports a fault: a number, and for SOAP also which side is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) i64, pub(crate) &'static str);

impl Over {
    pub(crate) const ALL: [Over; 4] = [Over::XmlRpc, Over::JsonRpc, Over::Rest, Over::Soap];

    /// Whether values have their types in this protocol.
    pub(crate) fn has_types(self) -> bool {
        matches!(self, Over::XmlRpc | Over::Soap)
    }

    /// How the protocol reports this kind of fault.
    pub(crate) fn code(self, kind: Kind) -> Code {
        match self {
            Over::XmlRpc => Code(kind.xmlrpc_code().into(), ""),
            Over::JsonRpc => Code(kind.jsonrpc_code().into(), ""),
            Over::Rest => Code(kind.http_status().as_u16().into(), ""),
            Over::Soap => Code(kind.xmlrpc_code().into(), if kind.blames_sender() { "Client" } else { "Server" }),
        }
    }

    /// Calls a method over this protocol and returns the value, or how the fault was reported. Panics if the response
    /// is not valid in this protocol.
    pub(crate) async fn ask(self, behind: &Behind, method: &str, args: &[Value]) -> Result<Value, Code> {
        match self {
            Over::XmlRpc => over_xml_rpc(behind, method, args).await,
            Over::JsonRpc => over_json_rpc(behind, method, args).await,
            Over::Rest => over_rest(behind, method, args).await,
            Over::Soap => over_soap(behind, method, args).await,
        }
    }
}

async fn over_xml_rpc(behind: &Behind, method: &str, args: &[Value]) -> Result<Value, Code> {
    let mut body = Vec::new();
    xmlrpc::write_call(&mut body, method, args, dialect()).unwrap();
    let (status, text) = post_to(&behind.service, &behind.frontends, "", "text/xml", &body).await;
    assert_eq!(status, StatusCode::OK);
    let document = XmlRpcDocument::read(&text, Reading::Lenient, DocumentLimits::default()).unwrap();
    let value = Value::deserialize(document.tape.values().next().unwrap()).unwrap();
    match (document.root, value) {
        (Root::Response, value) => Ok(value),
        (Root::Fault, Value::Struct(members)) => {
            let code = members.iter().find(|(name, _)| name == "faultCode").map(|(_, code)| code.clone());
            let Some(Value::Int(code)) = code else { panic!("{text}") };
            Err(Code(code, ""))
        }
        _ => panic!("{text}"),
    }
}

async fn over_json_rpc(behind: &Behind, method: &str, args: &[Value]) -> Result<Value, Code> {
    let method = serde_json::to_string(method).unwrap();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":{method},"params":{}}}"#, json_of(args));
    let (status, text) = post_to(&behind.service, &behind.frontends, "", "application/json", body.as_bytes()).await;
    assert_eq!(status, StatusCode::OK);
    let answer = value_of_json(&text);
    let [version, id] = ["jsonrpc", "id"].map(|name| member(&answer, name));
    assert_eq!((version, id), (Some(&Value::Text("2.0".into())), Some(&Value::Int(1))), "{text}");
    match member(&answer, "error").map(|error| member(error, "code")) {
        None => Ok(member(&answer, "result").unwrap().clone()),
        Some(Some(Value::Int(code))) => Err(Code(*code, "")),
        Some(_) => panic!("{text}"),
    }
}

async fn over_rest(behind: &Behind, method: &str, args: &[Value]) -> Result<Value, Code> {
    let body = json_of(args);
    let interface = behind.service.interface();
    let path = interface.method_path(method);
    let (status, text) = post_to(&behind.service, &behind.frontends, &path, "application/json", body.as_bytes()).await;
    if status == StatusCode::OK {
        return Ok(value_of_json(&text));
    }
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["status"].as_u64(), Some(status.as_u16().into()), "{text}");
    Err(Code(status.as_u16().into(), ""))
}

async fn over_soap(behind: &Behind, method: &str, args: &[Value]) -> Result<Value, Code> {
    let shapes = &behind.shapes;
    let known = shapes.method(method);
    let element = known.map_or(method, |method| &method.element);
    let mut body = Vec::new();
    soap::write_head(&mut body, SoapVersion::V11, element, &namespace_of(PATH));
    for (field, value) in known.iter().flat_map(|method| &method.params).zip(args) {
        let (shape, element, control) = (&field.shape, field.element.as_str(), Control::Refuse);
        let place = ElementTarget { shapes, shape, element, qualified: true, member: true, control };
        soap::write_value(&mut body, value, place).unwrap();
    }
    soap::write_tail(&mut body, element);
    let (status, text) = post_to(&behind.service, &behind.frontends, "", "text/xml", &body).await;
    if status != StatusCode::OK {
        return Err(soap_fault(&text));
    }
    let answer = soap::read_result(&text, shapes, known.unwrap(), SoapStyle::Document, DocumentLimits::default());
    let answer = answer.unwrap_or_else(|why| panic!("{why:?} for {:?}: {text}", known.unwrap().result));
    Ok(answer.tape.values().next().map_or(Value::Nil, |value| Value::deserialize(value).unwrap()))
}

/// The code in a fault's detail, and whom it blames.
fn soap_fault(text: &str) -> Code {
    let xml = roxmltree::Document::parse(text).unwrap();
    let text_of = |name: &str| {
        let found = xml.descendants().find(|node| node.tag_name().name() == name);
        found.and_then(|node| node.text()).unwrap_or_else(|| panic!("no {name}: {text}"))
    };
    let blamed = match text_of("faultcode") {
        "soap:Client" => "Client",
        "soap:Server" => "Server",
        other => panic!("{other}"),
    };
    Code(text_of("code").parse().unwrap(), blamed)
}
