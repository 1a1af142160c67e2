//! Which responses of an upstream of the caller's own protocol are passed through in their original bytes, and that what a
//! browser or an XML parser could take for more than a response is not.

use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use http::Request;
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use crate::support::upstream::{Act, ScriptedUpstream};

const XML_CALL: &str = "<?xml version='1.0'?><methodCall><methodName>hello</methodName><params></params></methodCall>";
const JSON_CALL: &str = r#"{"jsonrpc":"2.0","method":"hello","id":1}"#;
const JSON_RESULT: &str = r#"{"jsonrpc":"2.0","result":"world","id":1,"extra":true}"#;

/// A response with white space that the gateway does not write, so that a rewritten one is recognised.
fn xml_result(prolog: &str) -> String {
    format!(
        "{prolog}<methodResponse> <params><param><value><string>world</string></value></param></params></methodResponse>"
    )
}

/// Sends a call through a group whose upstream responds with these bytes. Returns the content type and the body.
async fn passed(protocol: &str, media: &str, body: &[u8]) -> (String, Vec<u8>) {
    let server = ScriptedUpstream::start().await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n", body.len());
    server.will([Act::Output([head.as_bytes(), body].concat())]);
    let config = format!("[group.'/up'.upstream]\nurls = ['http://{}/']\nprotocol = '{protocol}'\n", server.address());
    let config = Config::parse("test.toml", &config, &Registry::standard()).unwrap();
    let gateway = Gateway::serving(&config.mounts(), BodyReader::new(&config.settings)).unwrap();
    let (media, call) = if protocol == "xml-rpc" { ("text/xml", XML_CALL) } else { ("application/json", JSON_CALL) };
    let request = Request::post("/up").header("host", "x").header("content-type", media);
    let request = request.body(Full::new(Bytes::from_static(call.as_bytes()))).unwrap();
    let response = gateway.oneshot(request).await.unwrap();
    let media = response.headers()["content-type"].to_str().unwrap().to_owned();
    (media, response.into_body().collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test]
async fn responses_with_a_media_type_of_the_protocol_and_a_plain_start_are_passed_through() {
    for media in ["text/xml", "Text/XML ; charset=\"utf-8\"", "application/xml", "text/xml;charset=UTF-8"] {
        for prolog in ["", "<?xml version=\"1.0\"?>", "<?xml version='1.0' encoding='UTF-8' ?>\r\n", "\u{feff}"] {
            let body = xml_result(prolog);
            // Some clients of XML-RPC accept `text/xml` alone.
            let own = media.replace("application", "text");
            assert_eq!(passed("xml-rpc", media, body.as_bytes()).await, (own, body.clone().into_bytes()));
        }
    }
    for media in ["application/json", "application/json; charset=utf-8"] {
        assert_eq!(passed("json-rpc", media, JSON_RESULT.as_bytes()).await, (media.to_owned(), JSON_RESULT.into()));
    }
}

#[tokio::test]
async fn responses_with_another_media_type_are_written_again() {
    for media in [
        "image/svg+xml",
        "application/xhtml+xml",
        "application/rss+xml",
        "application/soap+xml",
        "text/html",
        "text/xml, text/html",
        "text/xml;x=1,image/svg+xml",
        "text/xml; charset=utf-8; a=b, image/svg+xml",
        "text/xml; server=10.0.0.1",
        "application/json",
    ] {
        let (own, body) = passed("xml-rpc", media, xml_result("").as_bytes()).await;
        assert_eq!(own, "text/xml", "{media}");
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains("<string>world</string>") && !body.contains("<methodResponse> "), "{media}: {body}");
    }
    for media in ["application/json-rpc", "application/problem+json", "text/html", "application/json;charset=utf-7"] {
        let (own, body) = passed("json-rpc", media, JSON_RESULT.as_bytes()).await;
        assert_eq!(own, "application/json", "{media}");
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains("\"world\"") && !body.contains("extra"), "{media}: {body}");
    }
}

#[tokio::test]
async fn nothing_but_an_xml_declaration_may_precede_the_root_element() {
    for prolog in [
        "<!DOCTYPE methodResponse>",
        "<?xml version='1.0'?><!DOCTYPE methodResponse [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
        "<?xml version='1.0'?>\n<!DOCTYPE methodResponse SYSTEM 'http://127.0.0.1:1/x.dtd'>\n",
        "<!-- <methodResponse> --><!doctype html>",
        "<?xml-stylesheet type='text/xsl' href='http://127.0.0.1:1/x.xsl'?>",
        "<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='x.xsl'?>",
        "<!-- a comment -->",
    ] {
        let (media, body) = passed("xml-rpc", "text/xml", xml_result(prolog).as_bytes()).await;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(media, "text/xml", "{prolog}");
        assert!(body.contains("<methodResponse><"), "{prolog}: {body}");
        for active in ["doctype", "entity", "stylesheet", "passwd", "comment"] {
            assert!(!body.to_lowercase().contains(active), "{prolog}: {body}");
        }
    }
    // Of a long response only the start is read before it is passed on.
    let long = xml_result("<!DOCTYPE methodResponse>").replace("world", &"w".repeat(200_000));
    let (_, body) = passed("xml-rpc", "text/xml", long.as_bytes()).await;
    assert!(String::from_utf8(body).unwrap().contains("<fault>"));
}

#[tokio::test]
async fn the_encoding_of_a_response_has_to_be_certain() {
    let latin =
        |prolog: &str| xml_result(prolog).replace("world", "w\u{f6}rld").chars().map(|c| c as u8).collect::<Vec<_>>();
    let passed_through = passed("xml-rpc", "text/xml; charset=iso-8859-1", &latin("")).await.1;
    assert_eq!(passed_through, latin(""));
    let declared = latin("<?xml version='1.0' encoding='iso-8859-1'?>");
    assert_eq!(passed("xml-rpc", "text/xml", &declared).await.1, declared);
    for (media, prolog) in [
        ("text/xml; charset=utf-7", "<?xml version='1.0' encoding='iso-8859-1'?>"),
        ("text/xml; charset=utf-16", "<?xml version='1.0' encoding='iso-8859-1'?>"),
        ("text/xml; charset=windows-1252", ""),
    ] {
        let (own, body) = passed("xml-rpc", media, &latin(prolog)).await;
        assert_eq!(own, "text/xml", "{media}");
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains("w\u{f6}rld") && !body.contains("<methodResponse> "), "{media}: {body}");
    }
}
