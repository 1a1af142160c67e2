//! SOAP messages passed through unchanged: clients that were generated from an upstream server's own description work
//! through a group as before. Other messages are decoded and encoded again.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use croupier::codec::soap::Operation;
use croupier::model::name_patterns::NamePatterns;
use croupier::model::shape::Shapes;
use croupier::protocol::Protocol;
use croupier::protocol::soap::blocks::SoapHeaders;
use croupier::protocol::soap::server::namespace_of;
use croupier::protocol::soap::wsdl::read as discover;
use croupier::protocol::soap::wsdl::write as wsdl;
use croupier::protocol::soap::wsdl::write::{Style, Versions, WsdlForm};
use croupier::server::mount::GroupMount;
use croupier::service::RpcService;
use croupier::service::local::{Local, named};
use croupier::service::shadow::{Shadow, ShadowOptions};
use croupier::service::split::{Split, SplitOptions};
use croupier::service::target::TargetGroup;
use croupier::upstream::transport;
use croupier::upstream::transport::Transport;
use croupier::upstream::{DescriptionSource, Upstream, UpstreamOptions};
use http::StatusCode;

use crate::support::calls::{PATH, post_to};
use crate::support::hello::{LARGEST, frontends, sound};
use crate::support::upstream::{Act, ScriptedUpstream};

/// The namespace of the server's messages.
const THEIRS: &str = "urn:upstream";
const V11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const CONTRACT_FIRST: &str = include_str!("../../fixtures/wsdl/contract-first.wsdl");
const V12: &str = "http://www.w3.org/2003/05/soap-envelope";

/// The server, whose one method is `hello`, as its own description has it.
async fn remote(server: &ScriptedUpstream, versions: Versions, deny: &str) -> Arc<dyn RpcService> {
    remote_with_headers(server, versions, deny, SoapHeaders::default()).await
}

async fn remote_with_headers(
    server: &ScriptedUpstream,
    versions: Versions,
    deny: &str,
    soap_headers: SoapHeaders,
) -> Arc<dyn RpcService> {
    let options = UpstreamOptions {
        deny: NamePatterns(vec![deny.to_owned()]),
        soap_headers,
        ..UpstreamOptions::new(Protocol::Soap)
    };
    Arc::new(upstream(server, versions, options).await)
}

async fn upstream(server: &ScriptedUpstream, versions: Versions, options: UpstreamOptions) -> Upstream {
    let service = sound();
    let form = WsdlForm { style: Style::Document, versions };
    let shapes = Shapes::of(&service.interface());
    let text = wsdl::document(&service.interface(), &shapes, THEIRS, "http://localhost/upstream", form);
    let address = format!("http://{}/", server.address()).parse().unwrap();
    let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
    let description = Some(DescriptionSource::Text { name: "description".to_owned(), text });
    let options = UpstreamOptions { description, max_response: LARGEST, ..options };
    let remote = Upstream::new(transport, options).unwrap();
    remote.discover().await.unwrap();
    remote
}

fn message(envelope: &str, content: &str) -> String {
    format!(
        r#"<e:Envelope xmlns:e="{envelope}"><e:Header><h:own xmlns:h="urn:h">it</h:own></e:Header><e:Body>{content}</e:Body></e:Envelope>"#
    )
}

fn call(envelope: &str, namespace: &str) -> String {
    message(envelope, &format!(r#"<x:hello xmlns:x="{namespace}"/>"#))
}

fn response(status: &str, media: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// What no other server would write.
fn answer(envelope: &str) -> String {
    let inside =
        format!(r#"<q:helloResponse xmlns:q="{THEIRS}" own="yes"><q:result>world</q:result></q:helloResponse>"#);
    format!("\n{}\n", message(envelope, &inside))
}

fn body_of(request: &[u8]) -> &str {
    let text = std::str::from_utf8(request).unwrap();
    text.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn calls_and_answers_stay_as_they_are_written() {
    let server = ScriptedUpstream::start().await;
    for (versions, envelope, media) in
        [(Versions::One, V11, "text/xml; charset=utf-8"), (Versions::Two, V12, "application/soap+xml; charset=utf-8")]
    {
        let (remote, answer) = (remote(&server, versions, "").await, answer(envelope));
        server.will([Act::Output(response("200 OK", media, &answer))]);
        for sent in [call(envelope, THEIRS), format!("<?xml version=\"1.0\"?>\r\n{}\r\n", call(envelope, THEIRS))] {
            let heard = post_to(&remote, &frontends(), "", media, sent.as_bytes()).await;
            assert_eq!(heard, (StatusCode::OK, answer.clone()), "{envelope}");
            assert_eq!(body_of(&server.last()), sent);
        }
        let request = String::from_utf8(server.last()).unwrap();
        let action = format!("\"{THEIRS}#hello\"");
        let on_runtime = match versions {
            Versions::One => format!("\r\nsoapaction: {action}\r\n"),
            _ => format!("\r\ncontent-type: {media}; action={action}\r\n"),
        };
        assert!(request.contains(&on_runtime), "{request}");
    }
}

/// The server behind is the receiver of the headers of a message that is passed through, and the client of those of its answer.
#[tokio::test]
async fn headers_that_must_be_understood_are_passed_through() {
    let server = ScriptedUpstream::start().await;
    for (versions, envelope, media) in [(Versions::One, V11, "text/xml"), (Versions::Two, V12, "application/soap+xml")]
    {
        let (remote, answer) = (remote(&server, versions, "").await, answer(envelope));
        let answer = answer.replace("<h:own ", "<h:own e:mustUnderstand=\"1\" ");
        server.will([Act::Output(response("200 OK", media, &answer))]);
        let sent = call(envelope, THEIRS).replace("<h:own ", "<h:own e:mustUnderstand=\"1\" ");
        let heard = post_to(&remote, &frontends(), "", media, sent.as_bytes()).await;
        assert_eq!(heard, (StatusCode::OK, answer.clone()), "{envelope}");
        assert_eq!(body_of(&server.last()), sent);
        // A message of the group's own description is for croupier.
        let own = call(envelope, &namespace_of(PATH)).replace("<h:own ", "<h:own e:mustUnderstand=\"1\" ");
        let (status, text) = post_to(&remote, &frontends(), "", media, own.as_bytes()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(text.contains("MustUnderstand"), "{text}");
    }
}

#[tokio::test]
async fn configured_headers_are_added() {
    let server = ScriptedUpstream::start().await;
    let block = r#"<t:Tenant xmlns:t="urn:t">7</t:Tenant>"#;
    for (versions, envelope, media) in [(Versions::One, V11, "text/xml"), (Versions::Two, V12, "application/soap+xml")]
    {
        let headers = SoapHeaders::new([block], None).unwrap();
        let (remote, answer) = (remote_with_headers(&server, versions, "", headers).await, answer(envelope));
        server.will([Act::Output(response("200 OK", media, &answer))]);
        let sent = call(envelope, THEIRS);
        let heard = post_to(&remote, &frontends(), "", media, sent.as_bytes()).await;
        assert_eq!(heard, (StatusCode::OK, answer.clone()), "{envelope}");
        assert_eq!(body_of(&server.last()), sent.replace("</e:Header>", &format!("{block}</e:Header>")));
        // What the client says of the same is not sent.
        let spoofed = sent.replace("<h:own ", r#"<Tenant xmlns="urn:t">8</Tenant><h:own "#);
        assert_eq!(post_to(&remote, &frontends(), "", media, spoofed.as_bytes()).await.0, StatusCode::OK);
        assert_eq!(body_of(&server.last()), sent.replace("</e:Header>", &format!("{block}</e:Header>")));
    }
}

#[tokio::test]
async fn faults_keep_their_details_and_their_status() {
    let server = ScriptedUpstream::start().await;
    let remote = remote(&server, Versions::One, "").await;
    let fault =
        "<e:Fault><faultcode>e:Server</faultcode><faultstring>no</faultstring><detail><own>42</own></detail></e:Fault>";
    let fault = message(V11, fault);
    server.will([Act::Output(response("500 Internal Server Error", "text/xml", &fault))]);
    let heard = post_to(&remote, &frontends(), "", "text/xml", call(V11, THEIRS).as_bytes()).await;
    assert_eq!(heard, (StatusCode::INTERNAL_SERVER_ERROR, fault));
}

#[tokio::test]
async fn a_message_in_another_form_is_written_again() {
    let server = ScriptedUpstream::start().await;
    let remote = remote(&server, Versions::One, "").await;
    server.will([Act::Output(response("200 OK", "text/xml", &answer(V11)))]);
    let (own, wide) = (namespace_of(PATH), call(V11, THEIRS).encode_utf16().flat_map(u16::to_be_bytes).collect());
    for (media, sent) in [
        ("text/xml", call(V11, &own).into_bytes()),
        ("application/soap+xml", call(V12, THEIRS).into_bytes()),
        ("text/xml", call(V11, "urn:other").into_bytes()),
        ("text/xml", message(V11, "<hello/>").into_bytes()),
        ("text/xml", wide),
    ] {
        let (status, heard) = post_to(&remote, &frontends(), "", media, &sent).await;
        assert_eq!(status, StatusCode::OK);
        assert!(heard.contains(&format!("<m:helloResponse xmlns:m=\"{own}\"><m:result>world</m:result>")), "{heard}");
        assert_ne!(body_of(&server.last()).as_bytes(), sent);
    }
}

#[tokio::test]
async fn an_ambiguous_message_is_written_again() {
    let server = ScriptedUpstream::start().await;
    let remote = remote(&server, Versions::One, "").await;
    server.will([Act::Output(response("200 OK", "text/xml", &answer(V11)))]);
    let plain = call(V11, THEIRS);
    let declared = |label: &str| format!("<?xml version=\"1.0\" encoding=\"{label}\"?>{plain}");
    let addressed = |action: &str| {
        let header =
            format!(r#"<a:Action xmlns:a="http://www.w3.org/2005/08/addressing">{action}</a:Action></e:Header>"#);
        plain.replace("</e:Header>", &header)
    };
    for (media, sent, passed) in [
        ("text/xml; charset=utf-8", declared("utf-8"), true),
        ("text/xml; charset=utf-8", declared("utf-7"), false),
        ("text/xml; charset=utf-8", declared("iso-8859-1"), false),
        ("text/xml", addressed(&format!("{THEIRS}#hello")), true),
        ("text/xml", addressed(&format!("{THEIRS}#other")), false),
        ("text/xml", addressed("<x/>"), false),
        ("text/xml", plain.replace("</e:Header>", "<t><e:Body><hidden/></e:Body></t></e:Header>"), false),
        ("text/xml", plain.replace("</e:Header>", "<t><Body/></t></e:Header>"), false),
        ("text/xml", plain.replace("</e:Body>", "</e:Body><t:Other xmlns:t=\"urn:t\"/>"), false),
    ] {
        let (status, _) = post_to(&remote, &frontends(), "", media, sent.as_bytes()).await;
        assert_eq!((status, body_of(&server.last()) == sent), (StatusCode::OK, passed), "{media} {sent}");
    }
}

#[tokio::test]
async fn a_call_is_found_by_its_element() {
    let server = ScriptedUpstream::start().await;
    let text = CONTRACT_FIRST.to_owned();
    let address = format!("http://{}/", server.address()).parse().unwrap();
    let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
    let description = Some(DescriptionSource::Text { name: "contract-first.wsdl".to_owned(), text });
    let remote =
        Upstream::new(transport, UpstreamOptions { description, ..UpstreamOptions::new(Protocol::Soap) }).unwrap();
    remote.discover().await.unwrap();
    let document = discover::Document { location: "contract-first.wsdl", text: CONTRACT_FIRST };
    let binding = discover::read(&[document], None).unwrap().binding;
    let Some(Operation { method, action, wrapper: Some(wrapper), .. }) = binding.operations.first() else {
        panic!("no operation with an element")
    };
    assert_ne!(*method, wrapper.local);
    let namespace = &binding.namespaces[wrapper.namespace.unwrap()];
    let sent = message(V11, &format!(r#"<t:{} xmlns:t="{namespace}"/>"#, wrapper.local));
    server.will([Act::Output(response("200 OK", "text/xml", &answer(V11)))]);
    let service: Arc<dyn RpcService> = Arc::new(remote);
    let heard = post_to(&service, &frontends(), "", "text/xml", sent.as_bytes()).await;
    assert_eq!(heard, (StatusCode::OK, answer(V11)));
    let request = String::from_utf8(server.last()).unwrap();
    assert!(request.ends_with(&sent) && request.contains(&format!("soapaction: \"{action}\"")), "{request}");
}

#[tokio::test]
async fn what_may_not_be_called_is_not_passed_on_either() {
    let server = ScriptedUpstream::start().await;
    server.will([Act::Silence]);
    let remote = remote(&server, Versions::One, "hel*").await;
    let headed =
        message(V11, r#"<x:hello xmlns:x="urn:upstream"/>"#).replace("<h:own", r#"<h:own e:mustUnderstand="1""#);
    let two = message(V11, r#"<x:hello xmlns:x="urn:upstream"/><x:hello xmlns:x="urn:upstream"/>"#);
    for (sent, expected) in [
        (call(V11, THEIRS), "there is no method `hello` here"),
        (call(V11, THEIRS).replace("hello", "_hello"), "there is no method `_hello` here"),
        (headed, "there is no method `hello` here"),
        (two, "more than one element"),
        (format!("<!DOCTYPE a>{}", call(V11, THEIRS)), "document type declaration"),
    ] {
        let (status, heard) = post_to(&remote, &frontends(), "", "text/xml", sent.as_bytes()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(heard.contains(expected), "{heard}");
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn an_answer_that_breaks_off_anywhere_is_a_fault() {
    let server = ScriptedUpstream::start().await;
    let remote = remote(&server, Versions::One, "").await;
    let whole = response("200 OK", "text/xml", answer(V11).trim_end());
    for end in 0..whole.len() {
        server.will([Act::Cut(whole[..end].to_vec())]);
        let (status, heard) = post_to(&remote, &frontends(), "", "text/xml", call(V11, THEIRS).as_bytes()).await;
        assert_eq!((status, server.requests()), (StatusCode::INTERNAL_SERVER_ERROR, 1), "{end} bytes");
        assert!(heard.contains("<faultcode>soap:Server</faultcode>"), "{end} bytes: {heard}");
    }
}

#[tokio::test]
async fn an_invalid_response_is_a_fault_of_the_gateway() {
    let server = ScriptedUpstream::start().await;
    let remote = remote(&server, Versions::One, "").await;
    let mut faults = Vec::new();
    for sent in [
        response("200 OK", "text/html", "<html/>"),
        response("200 OK", "text/xml", "<html/>"),
        response("200 OK", "text/xml", r#"<e:Envelope xmlns:e="urn:e"><e:Body>"#),
        response("404 Not Found", "text/xml", &answer(V11)),
        response("500 Internal Server Error", "text/plain", "no"),
        response("302 Found", "text/xml", ""),
    ] {
        server.will([Act::Output(sent.clone())]);
        let (status, heard) = post_to(&remote, &frontends(), "", "text/xml", call(V11, THEIRS).as_bytes()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{}", String::from_utf8_lossy(&sent));
        let fault = fault_string(&heard);
        // What follows the colon is the reader's reason.
        faults.push(fault.split(": ").next().unwrap_or_default().to_owned());
    }
    let invalid = "did not return a valid SOAP response";
    let expected = [
        invalid,
        invalid,
        invalid,
        "responded with HTTP status 404 Not Found",
        "responded with HTTP status 500 Internal Server Error",
        "responded with HTTP status 302 Found",
    ];
    assert_eq!(faults, expected.map(|text| format!("the upstream server {text}")));
}

fn fault_string(envelope: &str) -> String {
    let document = roxmltree::Document::parse(envelope).unwrap();
    let fault = document.descendants().find(|node| node.has_tag_name("faultstring")).unwrap();
    fault.text().unwrap().to_owned()
}

/// A group of the server, of which all methods are safe.
async fn group(server: &ScriptedUpstream) -> GroupMount {
    let safe = NamePatterns(vec!["*".to_owned()]);
    let options = UpstreamOptions { safe, ..UpstreamOptions::new(Protocol::Soap) };
    GroupMount::upstream(PATH, upstream(server, Versions::One, options).await)
}

/// A service that counts its calls.
fn counting() -> (Arc<dyn RpcService>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let hello = move |(): &(), (): ()| {
        counted.fetch_add(1, SeqCst);
        "world"
    };
    (Arc::new(Local::new("Other", ()).method(named("hello").safe(), hello).build().unwrap()), calls)
}

/// Its arguments are not read, so the other group could not be called with them.
#[tokio::test]
async fn a_message_of_the_servers_own_description_has_no_shadow() {
    let server = ScriptedUpstream::start().await;
    let (other, calls) = counting();
    for compare in [true, false] {
        let shadow = Shadow::new(ShadowOptions {
            to: TargetGroup::new("/other", other.clone()),
            percent: 100.0,
            methods: NamePatterns(vec!["*".to_owned()]),
            compare,
            concurrent: 1000,
        });
        let service = group(&server).await.with_shadow(shadow).layered_service();
        server.will([Act::Output(response("200 OK", "text/xml", &answer(V11)))]);
        calls.store(0, SeqCst);
        let sent = call(V11, THEIRS);
        let heard = post_to(&service, &frontends(), "", "text/xml", sent.as_bytes()).await;
        assert_eq!(heard, (StatusCode::OK, answer(V11)));
        assert_eq!(body_of(&server.last()), sent);
        // A message of the group's own description has one.
        let own = call(V11, &namespace_of(PATH));
        let (status, text) = post_to(&service, &frontends(), "", "text/xml", own.as_bytes()).await;
        assert!(status == StatusCode::OK && text.contains("world"), "{text}");
        while calls.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!((calls.load(SeqCst), server.requests()), (1, 2));
    }
}

#[tokio::test]
async fn a_message_of_the_servers_own_description_goes_to_a_group_with_the_same_messages_only() {
    let (server, second) = (ScriptedUpstream::start().await, ScriptedUpstream::start().await);
    let split = |service: Arc<dyn RpcService>| {
        let to = TargetGroup::new("/other", service);
        let methods = NamePatterns(vec!["*".to_owned()]);
        Split::new(SplitOptions { group: PATH.to_owned(), to, percent: 100.0, methods, sticky: None })
    };
    let (sent, own) = (call(V11, THEIRS), call(V11, &namespace_of(PATH)));
    let sound = Act::Output(response("200 OK", "text/xml", &answer(V11)));
    let (other, calls) = counting();
    let service = group(&server).await.with_split(split(other)).layered_service();
    server.will([sound.clone()]);
    let heard = post_to(&service, &frontends(), "", "text/xml", sent.as_bytes()).await;
    assert_eq!((heard, server.requests(), calls.load(SeqCst)), ((StatusCode::OK, answer(V11)), 1, 0));
    let (status, text) = post_to(&service, &frontends(), "", "text/xml", own.as_bytes()).await;
    assert!(status == StatusCode::OK && text.contains("world"), "{text}");
    assert_eq!((server.requests(), calls.load(SeqCst)), (1, 1));

    let other = group(&second).await.layered_service();
    let service = group(&server).await.with_split(split(other)).layered_service();
    for message in [&sent, &own] {
        server.will([Act::Cut(Vec::new())]);
        second.will([sound.clone()]);
        let (status, text) = post_to(&service, &frontends(), "", "text/xml", message.as_bytes()).await;
        assert!(status == StatusCode::OK && text.contains("world"), "{text}");
        assert_eq!((server.requests(), second.requests()), (0, 1));
    }
    second.will([sound]);
    let heard = post_to(&service, &frontends(), "", "text/xml", sent.as_bytes()).await;
    assert_eq!((heard, body_of(&second.last())), ((StatusCode::OK, answer(V11)), sent.as_str()));
}
