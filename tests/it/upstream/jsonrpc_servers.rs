//! JSON-RPC servers as they are: their forms of ids, results and errors, and what reaches the callers of each protocol.

use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::scripted::{Scripted, http};

const JSON: &str = "application/json";

/// A server that responds to each request with this status, media type and body. In the body, `ID` stands for the id of the
/// request.
fn server(status: &'static str, media: &'static str, body: impl Into<String>) -> Scripted {
    let body = body.into();
    Scripted::start(move |request| {
        let content = request.split_once("\r\n\r\n").map_or("", |(_, content)| content);
        let sent: Value = serde_json::from_str(content).unwrap_or_default();
        let respond = |sent: &Value| body.replace("ID", &sent["id"].to_string());
        let body = match sent.as_array() {
            Some(calls) => format!("[{}]", calls.iter().map(respond).collect::<Vec<_>>().join(",")),
            None => respond(&sent),
        };
        http(status, &format!("Content-Type: {media}\r\n"), &body)
    })
}

/// A gateway with a group before the server.
fn gateway(server: &Scripted, upstream: &str, more: &str) -> Gateway {
    let text = format!(
        "[group.\"/node\"]\nupstream = {{ urls = [\"http://{}/\"], protocol = \"json-rpc\", refresh = \"1h\" {upstream} }}\n\
         {more}",
        server.address
    );
    let config =
        Config::parse("test.toml", &text, &Registry::standard()).unwrap_or_else(|problems| panic!("{problems}"));
    Gateway::serving(&config.mounts(), BodyReader::new(&ServerSettings::default())).unwrap()
}

async fn post(gateway: &Gateway, path: &str, media: &str, body: &str) -> (u16, String) {
    let request = Request::post(path).header("host", "x").header("content-type", media);
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let response = gateway.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn call(gateway: &Gateway, id: &str) -> Value {
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"getinfo"}}"#);
    let (status, text) = post(gateway, "/node", JSON, &body).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

const IDS: [&str; 8] = ["2", "\"x\"", "\"\"", "null", "-3", "9007199254740993", "\"2\"", "\"\u{e9}\u{2603}\""];

#[tokio::test]
async fn a_result_has_the_id_of_its_request_in_whatever_form_it_comes() {
    let long = "y".repeat(100_000);
    for body in [
        r#"{"jsonrpc":"2.0","id":ID,"result":RESULT}"#,
        r#"{"result":RESULT,"error":null,"id":ID}"#,
        r#"{"jsonrpc":"2.0","result":RESULT,"error":null,"id":ID}"#,
        r#"{"id":ID,"result":RESULT}"#,
        r#"{"jsonrpc":"1.0","id":ID,"result":RESULT}"#,
        r#"{"jsonrpc":"2.0","id":ID,"result":RESULT,"took":3}"#,
        "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":RESULT}",
        "\n {\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":RESULT}\r\n\0",
    ] {
        for (result, media) in [
            (json!({ "height": 12 }), "application/json"),
            (json!("ok"), "text/plain"),
            (json!([1, null, "z"]), "application/json-rpc; charset=UTF-8"),
            (json!({ "text": long }), "application/json"),
            (json!(vec!["row"; 100_000]), "application/json"),
            (Value::Null, "application/json"),
        ] {
            let server = server("200 OK", media, body.replace("RESULT", &result.to_string()));
            let gateway = gateway(&server, "", "");
            let ids = if result.to_string().len() > 1000 { &IDS[..2] } else { &IDS[..] };
            for id in ids {
                let expected =
                    json!({ "jsonrpc": "2.0", "id": serde_json::from_str::<Value>(id).unwrap(), "result": result });
                let response = call(&gateway, id).await;
                // A member of the server's own may come along with a response in its original bytes.
                let took = response["took"] == 3;
                let response = if took { without(response, "took") } else { response };
                assert!(response == expected, "{id} {body} {media}");
            }
        }
    }
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

#[tokio::test]
async fn an_error_has_its_code_message_and_data_whatever_the_status() {
    let errors = [
        (r#"{"code":-8,"message":"no such height"}"#, -8, "no such height", Value::Null),
        (r#"{"code":3,"message":"reverted","data":"0x0102"}"#, 3, "reverted", json!("0x0102")),
        (
            r#"{"code":-32602,"message":"Invalid params.","data":"Not \"authorized\"."}"#,
            -32602,
            "Invalid params.",
            json!("Not \"authorized\"."),
        ),
        (
            r#"{"code":-32005,"message":"limit","data":{"rate":[1,2.50],"n":18446744073709551616}}"#,
            -32005,
            "limit",
            serde_json::from_str(r#"{"rate":[1,2.50],"n":18446744073709551616}"#).unwrap(),
        ),
        (r#""wallet is locked""#, -32000, "wallet is locked", Value::Null),
        (r#"{"message":"no such account"}"#, -32000, "no such account", Value::Null),
        (r#"{"code":"E44","message":"no"}"#, -32000, "E44: no", Value::Null),
        ("[7]", -32000, "the server returned an error that is no object", json!([7])),
    ];
    let frames = [
        r#"{"jsonrpc":"2.0","id":ID,"error":ERROR}"#,
        r#"{"result":null,"error":ERROR,"id":ID}"#,
        r#"{"error":ERROR,"id":ID}"#,
        r#"{"result":null,"error":ERROR,"id":null}"#,
    ];
    for status in ["200 OK", "404 Not Found", "429 Too Many Requests", "500 Internal Server Error"] {
        for (at, (error, code, message, data)) in errors.iter().enumerate() {
            // The frame does not depend on what the error is.
            for frame in frames.into_iter().take(if at < 2 { 4 } else { 1 }) {
                let server = server(status, JSON, frame.replace("ERROR", error));
                let gateway = gateway(&server, "", "");
                let what = format!("{status} {error} {frame}");
                for id in ["7", "\"q\"", "null"] {
                    let response = call(&gateway, id).await;
                    assert_eq!(response["id"].to_string(), id, "{what}");
                    assert_eq!(
                        (&response["error"]["code"], &response["error"]["message"]),
                        (&json!(code), &json!(message)),
                        "{what}"
                    );
                    let received = &response["error"]["data"];
                    let is_kind = data.is_null() && received["kind"].is_string() || received.is_null();
                    assert!(is_kind || received == data, "{what}: {received}");
                    assert!(response.get("result").is_none(), "{what}: {response}");
                }
                // In a batch.
                let calls = r#"[{"jsonrpc":"2.0","id":"a","method":"x"},{"jsonrpc":"2.0","id":8,"method":"y"}]"#;
                let (_, text) = post(&gateway, "/node", JSON, calls).await;
                let responses: Value = serde_json::from_str(&text).unwrap();
                for (response, id) in responses.as_array().unwrap().iter().zip([json!("a"), json!(8)]) {
                    assert_eq!((&response["id"], &response["error"]["code"]), (&id, &json!(code)), "{what} {text}");
                    assert!(data.is_null() || response["error"]["data"] == *data, "{what} {text}");
                }
                // Over REST and XML-RPC.
                let (_, text) = post(&gateway, "/node/getinfo", JSON, "[]").await;
                let problem: Value = serde_json::from_str(&text).unwrap();
                assert_eq!((&problem["detail"], &problem["data"]), (&json!(message), data), "{what} {text}");
                let xml = "<methodCall><methodName>getinfo</methodName></methodCall>";
                let (_, text) = post(&gateway, "/node", "text/xml", xml).await;
                assert!(
                    text.contains(&format!("<int>{code}</int>")) || matches!(code, -32000 | -32602 | -32005),
                    "{what} {text}"
                );
                let shown = match data {
                    Value::Null => String::new(),
                    Value::String(text) => format!(" ({text})"),
                    // A number is written as the server has written it.
                    _ => error
                        .split_once("\"data\":")
                        .map_or_else(|| " ([7])".to_owned(), |(_, data)| format!(" ({})", &data[..data.len() - 1])),
                };
                assert!(text.contains(&format!("<string>{message}{shown}</string>")), "{what} {text}");
            }
        }
    }
}

#[tokio::test]
async fn the_response_of_another_call_is_none() {
    for (body, reason) in [
        (r#"{"jsonrpc":"2.0","id":8,"result":1}"#, "the `id` of another call"),
        (r#"{"jsonrpc":"2.0","id":null,"result":1}"#, "the `id` of another call"),
        (r#"{"jsonrpc":"2.0","result":1}"#, "the response has no `id`"),
        (r#"{"jsonrpc":"2.0","id":8,"error":{"code":1,"message":"no"}}"#, "the `id` of another call"),
    ] {
        let server = server("200 OK", JSON, body);
        let gateway = gateway(&server, "", "");
        let response = call(&gateway, "7").await;
        assert_eq!((&response["id"], &response["error"]["code"]), (&json!(7), &json!(-32030)), "{body}: {response}");
        let message = response["error"]["message"].as_str().unwrap();
        assert!(message.replace('`', "").contains(&reason.replace('`', "")), "{message}");
    }
}

#[tokio::test]
async fn clients_of_version_1_call_servers_of_either_version() {
    for body in [r#"{"jsonrpc":"2.0","id":ID,"result":5}"#, r#"{"result":5,"error":null,"id":ID}"#] {
        let server = server("200 OK", JSON, body);
        let gateway = gateway(&server, "", "json-rpc.version-1 = true");
        let (_, text) = post(&gateway, "/node", JSON, r#"{"id":"k","method":"getinfo","params":[]}"#).await;
        let response: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(response, json!({ "result": 5, "error": null, "id": "k" }));
    }
}

/// Servers may take one spelling of a media type only.
#[tokio::test]
async fn the_head_of_a_request_is_that_of_the_gateway() {
    let server = server("200 OK", JSON, r#"{"jsonrpc":"2.0","id":ID,"result":5}"#);
    let gateway = gateway(&server, "", "");
    for media in ["application/json-rpc", "application/json; charset=utf-8", "application/vnd.x+json", JSON] {
        let (_, text) = post(&gateway, "/node", media, r#"{"jsonrpc":"2.0","id":70,"method":"x"}"#).await;
        assert!(text.contains("\"result\":5"), "{text}");
    }
    for request in server.requests() {
        let types: Vec<_> =
            request.lines().filter(|line| line.to_ascii_lowercase().starts_with("content-type")).collect();
        assert_eq!(types.len(), 1, "{request}");
        assert!(types[0].ends_with(": application/json"), "{request}");
    }
}

#[tokio::test]
async fn further_members_are_passed_on_or_refused() {
    let server = server("200 OK", JSON, r#"{"jsonrpc":"2.0","id":ID,"result":5}"#);
    let some = gateway(&server, ", pass-members = [\"auth\", \"x-*\"]", "json-rpc.version-1 = true");
    let none = gateway(&server, "", "");
    let sent = |further: &str| format!(r#"{{"jsonrpc":"2.0","method":"get",{further}"params":[],"id":70}}"#);
    for (gateway, further, passes) in [
        (&some, r#""auth":"t0k3n","#, true),
        (&some, r#""auth":null,"x-a":{"b":1},"#, true),
        (&some, r#""auth":"t","context":1,"#, false),
        (&some, r#""Method":"put","#, false),
        (&none, r#""auth":"t0k3n","#, false),
    ] {
        let before = server.requests().len();
        let (_, text) = post(gateway, "/node", JSON, &sent(further)).await;
        let response: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(response["id"], 70, "{further} {text}");
        let requests = server.requests();
        if passes {
            assert_eq!(response["result"], 5, "{further} {text}");
            assert!(requests.last().unwrap().contains(further), "{further}");
        } else {
            assert_eq!((&response["error"]["code"], requests.len()), (&json!(-32600), before), "{further} {text}");
        }
    }
    // In a batch, as a notification and in version 1.0 they cannot be passed on.
    let before = server.requests().len();
    let (_, text) = post(&some, "/node", JSON, &format!("[{},{}]", sent(""), sent(r#""auth":"t","#))).await;
    assert_eq!(text.matches("-32600").count(), 1, "{text}");
    assert_eq!(text.matches("\"result\":5").count(), 1, "{text}");
    post(&some, "/node", JSON, r#"{"jsonrpc":"2.0","method":"get","auth":"t"}"#).await;
    let (_, text) = post(&some, "/node", JSON, r#"{"method":"get","params":[],"auth":"t","id":7}"#).await;
    assert!(text.contains("-32600"), "{text}");
    assert_eq!(server.requests().len(), before + 1);
}

#[tokio::test]
async fn without_passthrough_requests_and_responses_are_written_anew() {
    let server = server("200 OK", JSON, r#"{"took":3, "id":ID, "result": {"a": 1.50} ,"jsonrpc":"2.0"}"#);
    let sent = r#"{ "id": "x",  "params": [ 1.50 ], "method": "get", "jsonrpc": "2.0" }"#;
    let passed = gateway(&server, "", "");
    let (_, text) = post(&passed, "/node", JSON, sent).await;
    assert!(server.requests().pop().unwrap().ends_with(sent), "it is passed on as it is by default");
    assert!(text.contains("\"took\":3"), "{text}");
    let rewritten = gateway(&server, ", passthrough = false", "");
    let (status, text) = post(&rewritten, "/node", JSON, sent).await;
    assert_eq!((status, text.as_str()), (200, r#"{"jsonrpc":"2.0","result":{"a":1.5},"id":"x"}"#));
    let request = server.requests().pop().unwrap();
    assert!(request.ends_with(r#"{"jsonrpc":"2.0","method":"get","params":[1.5],"id":1}"#), "{request}");
}

#[tokio::test]
async fn params_and_passing_hold_for_json_rpc_clients() {
    let server = server("200 OK", JSON, r#"{"jsonrpc":"2.0","id":ID,"result":5}"#);
    let by_position = gateway(&server, ", params = { sub = [\"left\", \"right\"] }", "");
    let by_name = gateway(&server, ", params = { sub = [\"left\", \"right\"] }, param-structure = \"by-name\"", "");
    for (gateway, params, expected) in [
        (&by_position, r#"{"right":23,"left":42}"#, r#""params":[42,23]"#),
        (&by_position, "[42,23]", r#""params":[42,23]"#),
        (&by_name, "[42,23]", r#""params":{"left":42,"right":23}"#),
        (&by_name, r#"{"left":42,"right":23}"#, r#""params":{"left":42,"right":23}"#),
    ] {
        let call = format!(r#"{{"jsonrpc":"2.0","id":9,"method":"sub","params":{params}}}"#);
        for body in [call.clone(), format!("[{call}]")] {
            let (_, text) = post(gateway, "/node", JSON, &body).await;
            assert!(text.contains("\"result\":5") && text.contains("\"id\":9"), "{text}");
            let request = server.requests().pop().unwrap();
            assert!(request.contains(expected), "{params}: {request}");
        }
    }
}

#[tokio::test]
async fn json_without_a_media_type_is_answered_as_json() {
    let server = server("200 OK", JSON, r#"{"jsonrpc":"2.0","id":ID,"result":5}"#);
    let gateway = gateway(&server, "", "json-rpc.version-1 = true");
    for (body, expected) in [
        (r#" {"jsonrpc":"2.0","id":"k","method":"x"}"#, r#""id":"k""#),
        ("[{\"jsonrpc\":\"2.0\",\"id\":11,\"method\":\"x\"}]", r#""id":11"#),
        ("{", "-32700"),
        ("nonsense", "<fault>"),
        ("<methodCall><methodName>x</methodName></methodCall>", "<methodResponse>"),
        // A request of version 1.0 without an id is no notification.
        (r#"{"method":"x","params":[]}"#, r#"{"result":5,"error":null,"id":null}"#),
    ] {
        let request = Request::post("/node").header("host", "x").body(Full::new(Bytes::from(body))).unwrap();
        let response = gateway.clone().oneshot(request).await.unwrap();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains(expected), "{body}: {text}");
    }
    // Of 1.0, `null` is the id of a notification.
    let (status, text) = post(&gateway, "/node", JSON, r#"{"method":"x","params":[],"id":null}"#).await;
    assert_eq!((status, text.as_str()), (204, ""));
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Some servers compress although nobody has asked for it.
#[tokio::test]
async fn compressed_responses_are_unpacked() {
    use crate::support::upstream::{Act, ScriptedUpstream};

    let long = format!(r#"{{"jsonrpc":"2.0","id":70,"result":["{}"]}}"#, "x".repeat(3_000_000));
    for (text, coding, expected) in [
        (r#"{"jsonrpc":"2.0","id":70,"result":"packed"}"#, "gzip", true),
        (r#"{"jsonrpc":"2.0","id":70,"result":"packed"}"#, "br", false),
        (long.as_str(), "x-gzip", true),
    ] {
        let packed = gzip(text);
        let length = packed.len();
        let mut response = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        response.extend(packed);
        // Of a long response, the beginning has been sent when the rest does not come.
        for &cut in if text.len() > 1000 { &[0][..] } else { &[0, 1] } {
            let server = ScriptedUpstream::start().await;
            let whole = response[..response.len() - cut].to_vec();
            let act = if cut == 0 { Act::Output(whole) } else { Act::Cut(whole) };
            server.will([act]);
            let text = format!(
                "[group.\"/node\"]\nupstream = {{ urls = [\"http://{}/\"], protocol = \"json-rpc\" }}\n",
                server.address()
            );
            let config = Config::parse("test.toml", &text, &Registry::standard()).unwrap();
            let gateway = Gateway::serving(&config.mounts(), BodyReader::new(&ServerSettings::default())).unwrap();
            let (_, heard) = post(&gateway, "/node", JSON, r#"{"jsonrpc":"2.0","id":70,"method":"x"}"#).await;
            let heard: Value = serde_json::from_str(&heard).unwrap();
            assert_eq!(
                heard.get("result").is_some(),
                expected && cut == 0,
                "{coding} without {cut}: {:.200}",
                heard.to_string()
            );
        }
    }
}

/// What a caller says is not lost in silence.
#[tokio::test]
async fn a_query_that_would_be_lost_is_refused() {
    let server = server("200 OK", JSON, r#"{"jsonrpc":"2.0","id":ID,"result":5}"#);
    let (without, with) = (gateway(&server, "", ""), gateway(&server, ", pass-query = true", ""));
    let call = r#"{"jsonrpc":"2.0","id":9,"method":"x"}"#;
    for (gateway, path, status, sent) in [
        (&without, "/node?for=jetpack&token=1", 400, None),
        (&without, "/node?", 200, Some("POST / HTTP")),
        (&without, "/node?wsdl", 200, Some("POST / HTTP")),
        (&with, "/node?for=jetpack&token=1", 200, Some("POST /?for=jetpack&token=1 HTTP")),
    ] {
        let before = server.requests().len();
        let (heard, text) = post(gateway, path, JSON, call).await;
        assert_eq!(heard, status, "{path} {text}");
        assert!(heard == 200 || text.contains("pass-query") && text.contains("\"error\""), "{text}");
        let requests = server.requests();
        assert_eq!(requests.len() - before, usize::from(sent.is_some()), "{path}");
        assert!(
            sent.is_none_or(|sent| requests.last().is_some_and(|request| request.starts_with(sent))),
            "{requests:?}"
        );
    }
}
