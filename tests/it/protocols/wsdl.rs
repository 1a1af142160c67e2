//! The WSDL of a group over HTTP: which requests get it, which of the documents, and that it is not sent twice.

use std::sync::Arc;

use croupier::http::public_url::PublicUrl;
use croupier::protocol::frontend::Frontend;
use croupier::protocol::soap::server::{Soap, Wsdl};
use croupier::server::gateway::Group;
use croupier::server::group_router::GroupRouter;
use croupier::server::settings::ServerSettings;

use crate::support::running::{Running, small};

/// A gateway with one service at `/small` and, by another name, at `/`.
fn gateway(public_url: PublicUrl) -> Running {
    let wsdl = Wsdl { public_url: Arc::new(public_url), namespace: "urn:small".into() };
    let frontends: Vec<Arc<dyn Frontend>> = vec![Arc::new(wsdl), Arc::new(Soap::new("urn:small"))];
    let group = Arc::new(Group::new("/small", Arc::new(small()), frontends, 4096));
    let mut router = GroupRouter::default();
    router.mount("/small", group.clone()).unwrap();
    router.mount("/", group).unwrap();
    Running::router(router, ServerSettings::default())
}

/// The head and the body of the response to a request without a body; `lines` are further headers, each with its end.
fn ask(gateway: &Running, method: &str, target: &str, lines: &str) -> (String, String) {
    let answer = gateway.raw(format!("{method} {target} HTTP/1.1\r\nHost: wheels.localhost:8008\r\n{lines}\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    (head.to_owned(), body.to_owned())
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let named = |(other, value): (&str, &'h str)| other.eq_ignore_ascii_case(name).then_some(value);
    head.lines().filter_map(|line| line.split_once(": ")).find_map(named)
}

#[test]
fn a_query_for_the_wsdl_returns_it() {
    let gateway = gateway(PublicUrl::default());
    for target in
        ["/small?wsdl", "/small?WSDL", "/small?Wsdl=", "/small?a=b&wsdl&_=1", "/small?wsdl&soap=1.1&style=document"]
    {
        let (head, body) = ask(&gateway, "GET", target, "Accept: text/html,application/xhtml+xml\r\n");
        assert!(head.starts_with("HTTP/1.1 200"), "{target}: {head}");
        assert_eq!(header(&head, "content-type"), Some("text/xml; charset=utf-8"));
        assert!(body.contains("<soap:address location=\"http://wheels.localhost:8008/small\"/>"), "{target}: {body}");
        assert!(body.contains("targetNamespace=\"urn:small\""));
    }
    let (_, body) = ask(&gateway, "GET", "/?wsdl", "");
    assert!(body.contains("<soap:address location=\"http://wheels.localhost:8008/\"/>"), "{body}");
}

#[test]
fn the_query_says_which_of_the_documents() {
    let gateway = gateway(PublicUrl::default());
    let document = |query: &str| ask(&gateway, "GET", &format!("/small?wsdl{query}"), "").1;
    let rpc = document("&style=rpc");
    assert!(
        rpc.contains("style=\"rpc\"") && rpc.contains("location=\"http://wheels.localhost:8008/small?style=rpc\""),
        "{rpc}"
    );
    let twelve = document("&soap=1.2");
    assert!(twelve.contains("<soap12:address") && !twelve.contains("<soap:address"), "{twelve}");
    let both = document("&SOAP=BOTH&Style=RPC");
    assert!(both.contains("<soap12:address") && both.contains("<soap:address") && both.contains("style=\"rpc\""));
    for (query, reason) in [
        ("&style=encoded", "`style` must be `document` or `rpc`, not `encoded`"),
        ("&soap=2", "`soap` must be `1.1`, `1.2` or `both`, not `2`"),
        ("&soap", "`soap` must be `1.1`, `1.2` or `both`, not ``"),
        ("&soap=1.1&soap=1.2", "`soap` is given twice"),
    ] {
        let (head, body) = ask(&gateway, "GET", &format!("/small?wsdl{query}"), "");
        assert!(head.starts_with("HTTP/1.1 400"), "{query}: {head}");
        assert_eq!(body.trim_end(), reason);
    }
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let gateway = gateway(PublicUrl::default());
    let (head, body) = ask(&gateway, "GET", "/small?wsdl", "");
    let tag = header(&head, "etag").unwrap().to_owned();
    assert_eq!(header(&head, "cache-control"), Some("no-cache"));
    for given in [tag.clone(), format!("\"other\", {tag}"), tag.replace("W/", ""), "*".into()] {
        let (head, body) = ask(&gateway, "GET", "/small?wsdl", &format!("If-None-Match: {given}\r\n"));
        assert!(head.starts_with("HTTP/1.1 304"), "{given}: {head}");
        assert_eq!((body.as_str(), header(&head, "etag")), ("", Some(tag.as_str())));
    }
    for (target, given) in [("/small?wsdl", "\"other\""), ("/small?wsdl&style=rpc", &tag), ("/?wsdl", &tag)] {
        let (head, _) = ask(&gateway, "GET", target, &format!("If-None-Match: {given}\r\n"));
        assert!(head.starts_with("HTTP/1.1 200"), "{target}: {head}");
    }
    let (head, empty) = ask(&gateway, "HEAD", "/small?wsdl", "");
    assert_eq!((empty.as_str(), header(&head, "content-length")), ("", Some(body.len().to_string().as_str())));
    assert_eq!(header(&head, "etag"), Some(tag.as_str()));
}

#[test]
fn the_address_is_the_public_one_and_never_mark_up() {
    let fixed = gateway(PublicUrl { base: Some("https://wheels.example/a&b".into()), ..PublicUrl::default() });
    let (_, body) = ask(&fixed, "GET", "/small?wsdl", "X-Forwarded-Host: evil.example\r\n");
    assert!(body.contains("<soap:address location=\"https://wheels.example/a&amp;b/small\"/>"), "{body}");
    let behind = gateway(PublicUrl { trusted_proxies: vec!["127.0.0.1".parse().unwrap()], ..PublicUrl::default() });
    let lines = "X-Forwarded-Host: wheels.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /api\r\n";
    let (_, body) = ask(&behind, "GET", "/small?wsdl", lines);
    assert!(body.contains("<soap:address location=\"https://wheels.example/api/small\"/>"), "{body}");
    let (_, body) = ask(&behind, "GET", "/small?wsdl", "X-Forwarded-Host: a\"/><b&'\r\n");
    assert!(roxmltree::Document::parse(&body).is_ok(), "{body}");
}

#[test]
fn calls_and_other_requests_are_not_for_it() {
    let gateway = gateway(PublicUrl::default());
    let (head, _) = ask(&gateway, "GET", "/small", "");
    assert!(head.starts_with("HTTP/1.1 405"), "{head}");
    let (head, _) = ask(&gateway, "GET", "/small?wsdls", "");
    assert!(head.starts_with("HTTP/1.1 405"), "{head}");
    let (head, _) = ask(&gateway, "GET", "/small/hello?wsdl", "");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    let envelope =
        "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body><hello/></e:Body></e:Envelope>";
    let answer = gateway.post("/small?wsdl", envelope);
    assert!(answer.contains(">world<"), "{answer}");
}
