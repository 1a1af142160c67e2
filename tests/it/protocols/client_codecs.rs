//! One call, made by every client codec to the server of the same protocol, with arguments that came over any protocol:
//! the same value comes back in the same types, or the same fault.
//!
//! The client codec of SOAP knows the service only by its WSDL documents. In what these leave out (a member that is
//! nothing, or a list without items), and in the names that they give to the items of tuples, answers are made alike
//! before they are compared.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use croupier::codec::soap::{
    ElementTarget, ParamLayout, SoapCall, SoapStyle, SoapVersion, write_head, write_tail, write_value,
};
use croupier::codec::xml::{Control, Reading};
use croupier::codec::{DocumentLimits, xmlrpc as wire};
use croupier::model::shape::Shapes;
use croupier::protocol::client_codec;
use croupier::protocol::client_codec::{ClientCodec, ResponseError};
use croupier::protocol::frontend::{Claim, GroupHead, GroupRequest};
use croupier::protocol::jsonrpc;
use croupier::protocol::jsonrpc::client::ParamStructure;
use croupier::protocol::soap;
use croupier::protocol::soap::server::namespace_of;
use croupier::protocol::soap::wsdl::read::{Document, WsdlDescription, read};
use croupier::protocol::soap::wsdl::write as wsdl;
use croupier::protocol::soap::wsdl::write::{Versions, WsdlForm};
use croupier::protocol::xmlrpc;
use croupier::service::Context;
use croupier::service::args::{ArgValues, Args, KnownParams};
use croupier::{Fault, Value};
use http::{Request, Response};
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::support::calls::{
    CallTarget, FRONTENDS, PATH, SERVICES, SHAPES, ShutdownReport, asked, block, by_wsdl, dialect, directly, expected,
    is_typed, json_of, told,
};
use crate::support::random_cases;
use crate::support::trees;

/// How many calls are made at least, each by every client codec.
const CASES: u32 = 2200;

/// The form in which arguments come.
#[derive(Debug, Clone, Copy)]
enum Came {
    XmlRpc,
    JsonByPosition,
    JsonByName,
    Soap,
}

/// A client codec, what it knows of the service, and the service behind the address.
struct Spoken {
    name: &'static str,
    codec: ClientCodec,
    shapes: Shapes,
    query: &'static str,
    by_wsdl: bool,
    inferred: bool,
}

/// The client codecs for each service.
static SPOKEN: LazyLock<Vec<Vec<Spoken>>> = LazyLock::new(|| (0..SERVICES.len()).map(spoken).collect());

fn spoken(service: usize) -> Vec<Spoken> {
    let own = |name, codec| Spoken {
        name,
        codec,
        shapes: SHAPES[service].clone(),
        query: "",
        by_wsdl: false,
        inferred: false,
    };
    let json =
        |param_structure| ClientCodec::JsonRpc(jsonrpc::client::JsonRpcCodec { param_structure, ..Default::default() });
    let xml = xmlrpc::client::XmlRpcCodec { dialect: dialect(), ..Default::default() };
    let by_wsdl = |name, style, versions| {
        let WsdlDescription { interface, binding, inferred, .. } = discovered(service, WsdlForm { style, versions });
        let codec = ClientCodec::Soap(soap::client::SoapCodec::new(Arc::new(binding)));
        let query = if style == wsdl::Style::Rpc { "?style=rpc" } else { "" };
        Spoken { name, codec, shapes: Shapes::of(&interface), query, by_wsdl: true, inferred }
    };
    vec![
        own("XML-RPC", ClientCodec::XmlRpc(xml)),
        own("JSON-RPC by position", json(ParamStructure::ByPosition)),
        own("JSON-RPC by name", json(ParamStructure::ByName)),
        by_wsdl("SOAP 1.1", wsdl::Style::Document, Versions::One),
        by_wsdl("SOAP 1.2", wsdl::Style::Document, Versions::Two),
        by_wsdl("SOAP 1.1 rpc", wsdl::Style::Rpc, Versions::One),
        by_wsdl("SOAP 1.2 rpc", wsdl::Style::Rpc, Versions::Two),
    ]
}

/// What the WSDL of a service says.
fn discovered(service: usize, form: WsdlForm) -> WsdlDescription {
    let it = SERVICES[service]();
    let text = wsdl::document(&it.interface(), &SHAPES[service], &namespace_of(PATH), "http://localhost/test", form);
    read(&[Document { location: "own.wsdl", text: &text }], None).unwrap()
}

/// The arguments of a call as they are read where they came in this form.
fn arguments(asked: &CallTarget, came: Came) -> Result<ArgValues, Fault> {
    let shapes = &SHAPES[asked.service];
    let params = shapes.method(&asked.method).map(|method| method.params.as_slice()).unwrap_or_default();
    let raw = |text: String| serde_json::value::RawValue::from_string(text).unwrap();
    match came {
        Came::JsonByPosition => Args::Json(&raw(json_of(&asked.args))).read_values(),
        Came::JsonByName => {
            let named: Vec<_> =
                params.iter().zip(&asked.args).map(|(field, value)| (field.name.clone(), value.clone())).collect();
            Args::Json(&raw(json_of(&Value::Struct(named)))).read_values()
        }
        Came::XmlRpc => {
            let mut body = Vec::new();
            wire::write_call(&mut body, &asked.method, &asked.args, dialect()).unwrap();
            let text = String::from_utf8(body).unwrap();
            let document = wire::XmlRpcDocument::read(&text, Reading::Lenient, DocumentLimits::default()).unwrap();
            Args::Values(document.tape.values()).read_values()
        }
        Came::Soap => {
            let element = shapes.method(&asked.method).map_or(asked.method.as_str(), |method| &method.element);
            let mut body = Vec::new();
            write_head(&mut body, SoapVersion::V11, element, "urn:x");
            for (field, value) in params.iter().zip(&asked.args) {
                let (shape, element) = (&field.shape, field.element.as_str());
                let control = Control::Refuse;
                write_value(
                    &mut body,
                    value,
                    ElementTarget { shapes, shape, element, qualified: true, member: true, control },
                )
                .unwrap();
            }
            write_tail(&mut body, element);
            let text = String::from_utf8(body).unwrap();
            let message = SoapCall::read(&text, DocumentLimits::default())?.read_params(
                shapes,
                SoapStyle::Document,
                DocumentLimits::default(),
            )?;
            match message.layout {
                ParamLayout::ByPosition => Args::Values(message.tape.values()).read_values(),
                ParamLayout::ByName => Args::Members(message.tape.values().next().unwrap()).read_values(),
            }
        }
    }
}

/// The response of the server of the same protocol to a request.
fn exchange(service: usize, query: &str, request: Request<Bytes>) -> Response<Bytes> {
    let (it, (mut head, body)) = (SERVICES[service](), request.into_parts());
    head.uri = format!("{PATH}{query}").parse().unwrap();
    let frontend = FRONTENDS[service].iter().find(|frontend| match frontend.claims(&GroupHead::new(&head, "")) {
        Claim::No => false,
        Claim::Maybe => frontend.recognises(&head, &body),
        Claim::Yes => true,
    });
    let request = GroupRequest { head: &head, tail: "", body: &body, context: &Context::default() };
    let reply = frontend.unwrap().serve(&it, request);
    block(async {
        let (head, body) = reply.await.response.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    })
}

/// How a call ends that is made by a client codec.
fn heard(asked: &CallTarget, came: Came, spoken: &Spoken) -> Result<Value, Fault> {
    let known = spoken.shapes.method(&asked.method);
    let known = known.map(|method| KnownParams { method, shapes: &spoken.shapes, inferred: spoken.inferred });
    let which = client_codec::CallTarget::new(&asked.method, known);
    let request = spoken.codec.encode_call(which, arguments(asked, came)?)?;
    let response = exchange(asked.service, spoken.query, request);
    spoken.codec.decode_response(which, &response).map_err(|why| match why {
        ResponseError::Fault(fault) => fault,
        other => panic!("{other}: {}", String::from_utf8_lossy(response.body())),
    })
}

fn came() -> impl Strategy<Value = Came> {
    prop::sample::select(vec![Came::XmlRpc, Came::JsonByPosition, Came::JsonByName, Came::Soap])
}

#[test]
fn nil_comes_back_by_every_client_codec() {
    let service =
        SERVICES.iter().position(|make| make().interface().method("interopEchoTests.echoValue").is_some()).unwrap();
    for method in ["echo", "interopEchoTests.echoValue"] {
        let asked = CallTarget { service, method: method.to_owned(), args: vec![Value::Nil] };
        for spoken in &SPOKEN[service] {
            assert_eq!(heard(&asked, Came::JsonByPosition, spoken), Ok(Value::Nil), "{method} by {}", spoken.name);
        }
    }
}

#[test]
fn a_call_ends_the_same_by_every_client_codec() {
    let config = ProptestConfig { max_shrink_iters: 200, ..random_cases(CASES) };
    let outcome = TestRunner::new(config).run(&(asked(), came()), |(asked, came)| {
        let known = SHAPES[asked.service].method(&asked.method);
        // Without known parameter names no call by name can be made.
        prop_assume!(known.is_some() || !matches!(came, Came::JsonByName | Came::Soap) || asked.args.is_empty());
        let expected = match directly(&asked) {
            ShutdownReport::Value(json) => Ok(expected(&asked, &json)),
            ShutdownReport::Fault(kind) => Err(kind),
        };
        for spoken in &SPOKEN[asked.service] {
            match (heard(&asked, came, spoken), &expected) {
                (Ok(value), Ok(expected)) => {
                    let (shapes, method) = (&SHAPES[asked.service], known.unwrap());
                    let wanted = match spoken.by_wsdl {
                        true => by_wsdl(expected.clone(), &method.result, shapes),
                        false => expected.clone(),
                    };
                    let (value, wanted) = (told(value), told(wanted));
                    prop_assert_eq!(json_of(&value), json_of(&wanted), "{}", spoken.name);
                    if is_typed(shapes, &method.result, 0) {
                        prop_assert!(trees::same(&value, &wanted), "{}: {value:?} is not {wanted:?}", spoken.name);
                    }
                }
                (Err(fault), Err(kind)) => {
                    prop_assert_eq!(fault.kind.xmlrpc_code(), kind.xmlrpc_code(), "{}: {}", spoken.name, fault);
                    if spoken.name != "XML-RPC" {
                        prop_assert_eq!(fault.kind.jsonrpc_code(), kind.jsonrpc_code(), "{}", spoken.name);
                    }
                }
                (heard, expected) => panic!("{}: {heard:?} is not {expected:?}", spoken.name),
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
