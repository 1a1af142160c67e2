//! Every request captured from a SOAP client is claimed, read and answered in its own version.
use std::sync::Arc;

use croupier::protocol::frontend::{Claim, Frontend, GroupHead, GroupRequest};
use croupier::protocol::soap::server::Soap;
use croupier::protocol::xmlrpc::server::XmlRpc;
use croupier::service::local::Local;
use croupier::service::{Context, RpcService};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SAMPLES: &str = include_str!("../../fixtures/soap-wire-samples.txt");

/// Bets on a number.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Bet {
    bet: i32,
    note: String,
}

/// The service that the requests were sent to.
fn service() -> Arc<dyn RpcService> {
    let service = Local::new("Wheel", ())
        .method("spin", |_: &(), bet: Bet| bet)
        .method("list", |_: &(), (): ()| Vec::from([1, 2].map(|bet| Bet { bet, note: String::new() })))
        .build();
    Arc::new(service.unwrap())
}

struct Sample<'a> {
    title: &'a str,
    request: Request<()>,
    body: &'a str,
}

fn samples() -> impl Iterator<Item = Sample<'static>> {
    SAMPLES.split("\n### ").skip(1).map(|sample| {
        let (title, rest) = sample.split_once('\n').unwrap();
        let (head, body) = rest.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let path = lines.next().unwrap().split(' ').nth(1).unwrap();
        let request = lines.fold(Request::post(path), |request, line| {
            let (name, value) = line.split_once(": ").unwrap();
            request.header(name, value)
        });
        Sample { title, request: request.body(()).unwrap(), body: body.trim_end() }
    })
}

#[tokio::test]
async fn every_captured_request_gets_a_response() {
    let (service, frontend) = (service(), Soap::new("urn:wheel"));
    let mut count = 0;
    for Sample { title, request, body } in samples() {
        let (head, ()) = request.into_parts();
        assert_ne!(frontend.claims(&GroupHead::new(&head, "")), Claim::No, "{title}");
        assert!(frontend.recognises(&head, body.as_bytes()), "{title}");
        let request = GroupRequest { head: &head, tail: "", body: body.as_bytes(), context: &Context::default() };
        let replied = frontend.serve(&service, request).await;
        assert_eq!((replied.fault, replied.response.status()), (None, StatusCode::OK), "{title}");
        let kind = replied.response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let soap12 = title.contains("SOAP 1.2");
        assert_eq!(kind.starts_with("application/soap+xml"), soap12, "{title}");
        let bytes = replied.response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&bytes).unwrap();
        let expected = if title.ends_with("spin") {
            "<m:result><m:bet>5</m:bet><m:note>x&lt;y</m:note></m:result></m:spinResponse>"
        } else {
            "<m:result><m:bet>2</m:bet><m:note></m:note></m:result></m:listResponse>"
        };
        assert!(text.contains(expected), "{title}: {text}");
        count += 1;
    }
    assert_eq!(count, 55, "some samples were not found");
}

#[test]
fn what_is_no_soap_is_left_to_others() {
    let soap = Soap::new("urn:wheel");
    let head = |content_type: &str, action: bool| {
        let mut request = Request::post("/").header(header::CONTENT_TYPE, content_type);
        if action {
            request = request.header("SOAPAction", "\"\"");
        }
        request.body(()).unwrap().into_parts().0
    };
    let call = b"<?xml version=\"1.0\"?><methodCall/>";
    assert!(!soap.recognises(&head("text/xml", true), call));
    assert!(!soap.recognises(&head("text/xml", false), b"<a/>"));
    assert!(soap.recognises(&head("text/xml", true), b"<a/>"));
    assert!(soap.recognises(&head("text/xml", true), b""));
    for (content_type, claim) in [
        ("text/xml", Claim::Maybe),
        ("application/xml; charset=utf-8", Claim::Maybe),
        ("Application/SOAP+XML", Claim::Yes),
        ("application/json", Claim::No),
        ("text/plain", Claim::No),
        ("multipart/related", Claim::No),
    ] {
        assert_eq!(soap.claims(&GroupHead::new(&head(content_type, false), "")), claim, "{content_type}");
        assert_eq!(soap.claims(&GroupHead::new(&head(content_type, false), "spin")), Claim::No);
    }
    assert_eq!(XmlRpc::default().claims(&GroupHead::new(&head("application/soap+xml", false), "")), Claim::No);
}
