//! XML-RPC as servers write it outside of the specification: what is read of it over each protocol, and what of it reaches
//! a client of XML-RPC.

use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::upstream::{Act, ScriptedUpstream};

const XML_CALL: &str = "<methodCall><methodName>get</methodName></methodCall>";
/// How many bytes of a response are checked before any of it is passed through.
const START: usize = 64 << 10;

/// A group before a server that has not described itself.
struct Group {
    server: ScriptedUpstream,
    gateway: Gateway,
}

/// A body, or as much of it as came before the response broke off.
type Received = Result<Vec<u8>, Vec<u8>>;

impl Group {
    /// A group with these keys of its own and of its upstream.
    async fn with(own: &str, of_upstream: &str) -> Group {
        let server = ScriptedUpstream::start().await;
        let address = server.address();
        let config = format!(
            "[group.'/up']\n{own}\n[group.'/up'.upstream]\nurls = ['http://{address}/']\nprotocol = 'xml-rpc'\n{of_upstream}\n"
        );
        let config = Config::parse("test.toml", &config, &Registry::standard()).unwrap();
        let gateway = Gateway::serving(&config.mounts(), BodyReader::new(&config.settings)).unwrap();
        Group { server, gateway }
    }

    async fn new() -> Group {
        Group::with("", "").await
    }

    /// The server responds with these bytes from now on.
    fn responds(&self, media: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n", body.len());
        self.server.will([Act::Output([head.as_bytes(), body].concat())]);
    }

    async fn post(&self, path: &str, media: &str, body: &str) -> (StatusCode, String, Received) {
        let request = Request::post(path).header("host", "x").header("content-type", media);
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let response = self.gateway.clone().oneshot(request).await.unwrap();
        let (head, mut body) = response.into_parts();
        let mut received = Vec::new();
        let received = loop {
            match body.frame().await {
                None => break Ok(received),
                Some(Ok(frame)) => received.extend_from_slice(frame.data_ref().unwrap()),
                Some(Err(_)) => break Err(received),
            }
        };
        (head.status, head.headers["content-type"].to_str().unwrap().to_owned(), received)
    }

    /// The whole response to a call over XML-RPC.
    async fn xml(&self) -> String {
        let (status, _, body) = self.post("/up", "text/xml", XML_CALL).await;
        assert_eq!(status, StatusCode::OK);
        let text = String::from_utf8(body.unwrap()).unwrap();
        roxmltree::Document::parse(text.trim_start_matches('\u{feff}')).unwrap_or_else(|why| panic!("{why}: {text:?}"));
        text
    }

    /// The result in the response to a call that is one of a multicall over XML-RPC.
    async fn xml_in_multicall(&self) -> String {
        let call = "<value><struct><member><name>methodName</name><value>get</value></member>\
            <member><name>params</name><value><array><data></data></array></value></member></struct></value>";
        let body = format!(
            "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data>{call}{call}</data>\
             </array></value></param></params></methodCall>"
        );
        let text = String::from_utf8(self.post("/up", "text/xml", &body).await.2.unwrap()).unwrap();
        roxmltree::Document::parse(&text).unwrap_or_else(|why| panic!("{why}: {text:?}"));
        text
    }

    async fn json_response(&self, body: &str) -> Value {
        let (status, _, body) = self.post("/up", "application/json", body).await;
        assert_eq!(status, StatusCode::OK);
        serde_json::from_slice(&body.unwrap()).unwrap()
    }

    /// The response to a call over JSON-RPC, without its id and version.
    async fn json(&self) -> Result<Value, Value> {
        let mut response = self.json_response(r#"{"jsonrpc":"2.0","id":7,"method":"get"}"#).await;
        match response.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(response["result"].take()),
        }
    }

    /// The results of the two calls of a batch over JSON-RPC.
    async fn json_in_batch(&self) -> Value {
        let call = r#"{"jsonrpc":"2.0","id":7,"method":"get"}"#;
        let responses = self.json_response(&format!("[{call},{call}]")).await;
        json!([responses[0]["result"], responses[1]["result"]])
    }

    async fn rest(&self) -> (u16, Value) {
        let (status, _, body) = self.post("/up/get", "application/json", "{}").await;
        (status.as_u16(), serde_json::from_slice(&body.unwrap()).unwrap())
    }

    /// Checks what is read of a response: alone, in a batch, and over REST.
    async fn check_read(&self, expected: &Value, what: &str) {
        assert_eq!(self.json().await.as_ref(), Ok(expected), "{what}");
        assert_eq!(self.json_in_batch().await, json!([expected, expected]), "{what}");
        assert_eq!(self.rest().await, (200, expected.clone()), "{what}");
    }

    /// Checks that a response is a fault over each protocol.
    async fn check_refused(&self, what: &str) {
        assert!(self.xml().await.contains("<int>-32300</int>"), "{what}");
        assert!(self.xml_in_multicall().await.contains("<int>-32300</int>"), "{what}");
        assert_eq!(self.json().await.unwrap_err()["code"], -32030, "{what}");
        assert_eq!(self.rest().await.0, 502, "{what}");
    }
}

fn result(value: &str) -> String {
    format!(
        "<?xml version='1.0'?>\n<methodResponse><params><param><value>{value}</value></param></params></methodResponse>\n"
    )
}

fn array(items: &[&str]) -> String {
    let items: String = items.iter().map(|item| format!("<value>{item}</value>")).collect();
    format!("<array><data>{items}</data></array>")
}

#[tokio::test]
async fn a_date_that_is_none_does_not_cost_the_other_values() {
    let group = Group::new().await;
    for text in [
        "",
        "0000-00-00T00:00:00",
        "2024-05-06 07:08:09",
        "20240506T24:00:00",
        "20240506T07:08:60",
        "19990229T00:00:00",
    ] {
        let dates = format!("<dateTime.iso8601>{text}</dateTime.iso8601>");
        let body = result(&array(&[&dates, "<dateTime.iso8601>20240506T07:08:09Z</dateTime.iso8601>", "<int>4</int>"]));
        group.responds("text/xml", &body);
        group.check_read(&json!([text, "2024-05-06T07:08:09Z", 4]), text).await;
        // An XML-RPC client gets the bytes of the server, or a string if they have to be written anew.
        assert_eq!(group.xml().await, body, "{text}");
        assert!(group.xml_in_multicall().await.contains(&format!("<string>{text}</string>")), "{text}");
    }
}

#[tokio::test]
async fn values_without_the_elements_around_them_are_read() {
    let group = Group::new().await;
    let struct_of = |member: &str| format!("<struct><member><name>a</name>{member}</member></struct>");
    for (content, expected) in [
        ("<value><array><value>b</value><value><int>2</int></value></array></value>", json!(["b", 2])),
        ("<value><array/></value>", json!([])),
        (
            "<value><array><data><string>c</string><i8>3</i8><nil/><value/></data></array></value>",
            json!(["c", 3, null, ""]),
        ),
        ("<value><array><array/><array><int>1</int></array></array></value>", json!([[], [1]])),
        ("<struct></struct>", json!({})),
        ("\n<array><data><value>d</value></data></array>\n", json!(["d"])),
        ("<int>5</int>", json!(5)),
        (&struct_of("<value><int>6</int></value>"), json!({"a": 6})),
        (&struct_of("<double>0.5</double>"), json!({"a": 0.5})),
        (
            "<value><array><data><value><int/></value><value><double> </double></value></data></array></value>",
            json!([null, null]),
        ),
    ] {
        let body = format!("<methodResponse><params><param>{content}</param></params></methodResponse>");
        group.responds("text/xml", &body);
        group.check_read(&expected, content).await;
        assert_eq!(group.xml().await, body);
    }
    // A member of a struct that has no value, two values, an array with values inside and outside of `data`.
    for content in [
        "<value><struct><member><name>a</name></member></struct></value>",
        "<struct/><struct/>",
        "<value><array><data><value/></data><value/></array></value>",
        "<value><array>text</array></value>",
        "<value><boolean/></value>",
        "",
    ] {
        group.responds(
            "text/xml",
            format!("<methodResponse><params><param>{content}</param></params></methodResponse>"),
        );
        assert_eq!(group.json().await.unwrap_err()["code"], -32030, "{content}");
    }
}

/// Texts with characters that XML forbids as a server writes them, and what they mean.
const FORBIDDEN: [(&[u8], &str); 9] = [
    (b"\x1b[32mup\x1b[0m\n", "\u{1b}[32mup\u{1b}[0m\n"),
    (b"a\0b", "a\0b"),
    (b"&#27;[1m&#x0;&#8;", "\u{1b}[1m\0\u{8}"),
    (b"<![CDATA[\x07&#7;]]>", "\u{7}&#7;"),
    (b"a\x96b", "a\u{fffd}b"),
    (b"caf\xe9", "caf\u{fffd}"),
    (b"\xef\xbf\xbe\xef\xbf\xbf", "\u{fffe}\u{ffff}"),
    (b"&#xD800;&#1114112;", "\u{fffd}\u{fffd}"),
    (b"\x01&amp;\xf3\xb0\x80\x80", "\u{1}&\u{f0000}"),
];

fn in_a_list(text: &[u8]) -> Vec<u8> {
    let body = result(&array(&["<string>first</string>", "<string>TEXT</string>", "<int>3</int>"]));
    let (before, behind) = body.split_once("TEXT").unwrap();
    [before.as_bytes(), text, behind.as_bytes()].concat()
}

#[tokio::test]
async fn characters_that_xml_forbids_are_kept_where_they_can_be() {
    let group = Group::new().await;
    for (written, meant) in FORBIDDEN {
        group.responds("text/xml", in_a_list(written));
        group.check_read(&json!(["first", meant, 3]), meant).await;
    }
    // In the name of a member, and behind the document.
    group.responds("text/xml", result("<struct><member><name>a\u{1b}</name><value>b</value></member></struct>"));
    group.check_read(&json!({"a\u{1b}": "b"}), "a name").await;
    group.responds("text/xml", result("<string>c</string>") + "\0");
    group.check_read(&json!("c"), "behind the document").await;
    assert!(group.xml().await.contains("<string>c</string>"));
}

#[tokio::test]
async fn xml_has_forbidden_characters_in_no_form() {
    for (policy, change) in [("strip", ""), ("replace", "\u{fffd}")] {
        let group = Group::with(&format!("xml-rpc.control-characters = '{policy}'"), "").await;
        for (written, meant) in FORBIDDEN {
            let is_forbidden = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{fffe}' | '\u{ffff}');
            let text: String =
                meant.chars().map(|c| if is_forbidden(c) { change.to_owned() } else { c.to_string() }).collect();
            group.responds("text/xml", in_a_list(written));
            let expected = format!("<string>{}</string>", text.replace('&', "&amp;"));
            for response in [group.xml().await, group.xml_in_multicall().await] {
                assert!(response.contains(&expected) && response.contains("<int>3</int>"), "{written:?}: {response:?}");
            }
        }
    }
    let group = Group::new().await;
    group.responds("text/xml", in_a_list(b"\x1b[0m"));
    assert!(group.xml().await.contains("<int>-32500</int>"));
}

#[tokio::test]
async fn forbidden_characters_can_be_replaced_or_refused() {
    let group = Group::with("", "invalid-characters = 'replace'").await;
    group.responds("text/xml", in_a_list(b"\x1b[0m&#0;\x96"));
    group.check_read(&json!(["first", "\u{fffd}[0m\u{fffd}\u{fffd}", 3]), "replace").await;
    assert!(group.xml().await.contains("<string>\u{fffd}[0m\u{fffd}\u{fffd}</string>"));
    let group = Group::with("", "invalid-characters = 'refuse'").await;
    for (written, meant) in FORBIDDEN {
        group.responds("text/xml", in_a_list(written));
        group.check_refused(meant).await;
    }
}

#[test]
fn invalid_characters_are_a_setting_of_xml_rpc() {
    let parse = |protocol: &str, value: &str| {
        let upstream = format!("{{ urls = ['http://h/'], protocol = '{protocol}', invalid-characters = '{value}' }}");
        Config::parse("test.toml", &format!("[group.'/up']\nupstream = {upstream}\n"), &Registry::standard())
    };
    assert!(parse("xml-rpc", "replace").is_ok());
    let error = parse("json-rpc", "replace").err().unwrap().to_string();
    assert!(error.contains("`invalid-characters` is for XML-RPC only"), "{error}");
}

#[tokio::test]
async fn only_well_formed_documents_are_passed_through() {
    let group = Group::new().await;
    let sound = result("<string>ok</string>");
    // What is read all the same is written anew.
    for before in ["\n", " \r\n\t", "\u{feff}\n", "\n\u{feff}"] {
        group.responds("text/xml", format!("{before}{sound}"));
        let response = group.xml().await;
        assert!(response.starts_with("<?xml") && response.contains("<string>ok</string>"), "{before:?}: {response:?}");
        group.check_read(&json!("ok"), before).await;
    }
    for broken in [
        sound.replace("ok", "a &raquo; b"),
        sound.replace("ok", "AT&T"),
        sound.replace("ok", "1 < 2"),
        sound.replace("ok", "]]>"),
        sound.replace("<methodResponse>", "<!DOCTYPE methodResponse><methodResponse>"),
        sound.replace("<methodResponse>", "<methodResponse><!DOCTYPE a>"),
        sound.replace("'1.0'", "'1.1'"),
        sound.replace("</value>", ""),
        sound.replace("<params>", "<br><params>"),
        format!("<style>b {{}}</style>\n{sound}"),
        format!("Notice: undefined index\n{sound}"),
        format!("{sound}<!-- 3 queries --><p/>"),
    ] {
        group.responds("text/xml", &broken);
        group.check_refused(&broken).await;
    }
    // What is sound is passed through, unusual or not.
    for text in ["&amp;&#233;&#x1F600;", "<![CDATA[1 < 2 & 3]]>", "<!-- &raquo; -->b", "caf\u{e9}"] {
        let body = sound.replace("ok", text);
        group.responds("text/xml", &body);
        assert_eq!(group.xml().await, body);
    }
}

#[tokio::test]
async fn the_rest_of_a_long_response_is_checked_while_it_is_passed_through() {
    let group = Group::with("xml-rpc.control-characters = 'strip'", "").await;
    let long = |text: &str| result(&format!("<string>{}{text}</string>", "caf\u{e9} &amp; ".repeat(400_000)));
    group.responds("text/xml", long("end"));
    assert_eq!(group.xml().await, long("end"));
    for broken in ["\u{1b}[0m", "&raquo;", "AT&T and much more than any reference can have", "\u{ffff}"] {
        group.responds("text/xml", long(broken));
        let (_, _, body) = group.post("/up", "text/xml", XML_CALL).await;
        let received = body.expect_err(broken);
        assert!(received.len() >= START, "{broken}: {}", received.len());
    }
    // At the beginning it leads to decoding, as in a short response.
    group.responds("text/xml", result(&format!("<string>\u{1b}{}</string>", "d".repeat(3 * START))));
    assert!(group.xml().await.contains("<string>dddd"));
}

#[tokio::test]
async fn long_arrays_are_read_in_the_same_way() {
    let group = Group::new().await;
    let mut items = vec!["<dateTime.iso8601>20240506T07:08:09</dateTime.iso8601>"; 20_000];
    items[15_000] = "<dateTime.iso8601>never</dateTime.iso8601>";
    items[16_000] = "<string>\u{1b}[0m</string>";
    items[17_000] = "<int/>";
    let body = result(&array(&items));
    assert!(body.len() > 1 << 20);
    group.responds("text/xml", &body);
    let Ok(Value::Array(rows)) = group.json().await else { panic!() };
    assert_eq!((rows.len(), &rows[14_999]), (20_000, &json!("2024-05-06T07:08:09")));
    assert_eq!([&rows[15_000], &rows[16_000], &rows[17_000]], [&json!("never"), &json!("\u{1b}[0m"), &json!(null)]);
    for (from, to) in [("<value>", ""), ("<data>", "")] {
        let end = from.replace('<', "</");
        let inside = body.replace(from, to).replace(&end, "");
        group.responds("text/xml", &inside);
        let Ok(Value::Array(read)) = group.json().await else { panic!("{from}") };
        assert_eq!(read, rows, "{from}");
    }
    // Bytes that are not UTF-8, in one row of many.
    let mut bytes = body.into_bytes();
    let at = bytes.windows(5).position(|window| window == b"never").unwrap();
    bytes[at] = 0x96;
    group.responds("text/xml", bytes);
    let Ok(Value::Array(rows)) = group.json().await else { panic!() };
    assert_eq!(rows[15_000], json!("\u{fffd}ever"));
}

#[tokio::test]
async fn a_response_without_a_value_is_a_success() {
    let group = Group::new().await;
    for params in ["<params/>", "<params />", "<params></params>", "<params>\n</params>"] {
        group.responds("text/xml", format!("<?xml version='1.0'?><methodResponse>{params}</methodResponse>"));
        group.check_read(&json!(null), params).await;
        let empty = "<value><string></string></value>";
        assert!(group.xml().await.contains(&format!("<params><param>{empty}</param></params>")), "{params}");
        let wrapped = format!("<value><array><data>{empty}</data></array></value>");
        assert!(group.xml_in_multicall().await.contains(&[wrapped.as_str(), &wrapped].concat()), "{params}");
    }
}

#[tokio::test]
async fn results_without_a_value_in_a_multicall_are_successes() {
    let group = Group::with("", "batching = 'on'").await;
    for empty in ["<array><data></data></array>", "<array><data/></array>", "<array/>"] {
        group.responds("text/xml", result(&array(&[empty, &array(&["<int>2</int>"])])));
        assert_eq!(group.json_in_batch().await, json!([null, 2]), "{empty}");
        let (empty, two) = ("<value><string></string></value>", "<value><int>2</int></value>");
        let wrapped = |value| format!("<value><array><data>{value}</data></array></value>");
        assert!(group.xml_in_multicall().await.contains(&(wrapped(empty) + &wrapped(two))));
    }
}

#[tokio::test]
async fn clients_of_xml_rpc_get_its_media_type() {
    let group = Group::new().await;
    let sound = result("<string>ok</string>");
    for (media, expected) in [
        ("application/xml", "text/xml"),
        ("Application/XML; charset=utf-8", "text/xml; charset=utf-8"),
        ("text/xml; charset=UTF-8", "text/xml; charset=UTF-8"),
        ("text/plain", "text/xml"),
        ("application/octet-stream", "text/xml"),
    ] {
        group.responds(media, &sound);
        let (_, own, body) = group.post("/up", "text/xml", XML_CALL).await;
        assert_eq!(own, expected, "{media}");
        assert!(String::from_utf8(body.unwrap()).unwrap().contains("<string>ok</string>"), "{media}");
    }
}

#[tokio::test]
async fn the_lines_of_a_fault_stay() {
    let group = Group::new().await;
    let fault = "<methodResponse><fault><value><struct><member><name>faultCode</name><value>Traceback:\n\tline 1\nKeyError</value>\
        </member><member><name>faultString</name><value>bad\nkey</value></member></struct></value></fault></methodResponse>";
    group.responds("text/xml", fault);
    assert_eq!(group.json().await.unwrap_err()["message"], "Traceback:\n\tline 1\nKeyError: bad\nkey");
    assert_eq!(group.xml().await, fault);
}

#[tokio::test]
async fn without_passthrough_a_response_is_written_anew() {
    let odd = "<methodResponse >\n<params><param><value>x</value></param></params></methodResponse>";
    let passed = Group::new().await;
    passed.responds("text/xml", odd);
    assert_eq!(passed.xml().await, odd);
    let rewritten = Group::with("", "passthrough = false").await;
    rewritten.responds("text/xml", odd);
    let text = rewritten.xml().await;
    assert!(text.contains("<params><param><value><string>x</string></value></param></params>"), "{text}");
    assert!(!text.contains("<methodResponse >"), "{text}");
    let request = String::from_utf8(rewritten.server.last()).unwrap();
    assert!(!request.contains(XML_CALL) && request.contains("<methodName>"), "{request}");
}
