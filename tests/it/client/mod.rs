//! The client against well-behaved and misbehaving servers, on sockets.

mod server;

use std::time::Duration;

use bytes::Bytes;
use croupier::codec::xmlrpc::{Nil, XmlRpcDialect};
use croupier::{CallError, Client, Fault, Kind, Value};
use serde::Serialize;
use tokio::net::{TcpListener, UnixListener};

use server::{Canned, Does, answer, gateway, response};

type Spin = [String; 4];

const FAULT: &str = "<methodResponse><fault><value><struct>\
    <member><name>faultCode</name><value><int>7</int></value></member>\
    <member><name>faultString</name><value><string>no luck</string></value></member>\
    </struct></value></fault></methodResponse>";

#[tokio::test]
async fn a_gateway_returns_typed_values() {
    let wheel = gateway().await;
    let spin: Spin = wheel.call("spin", ()).await.unwrap();
    assert_eq!(spin, ["00", "GREEN", "ZERO", "ZERO"]);
    assert_eq!(wheel.call::<Vec<Spin>>("spinList", (3,)).await.unwrap(), vec![spin.clone(); 3]);
    #[derive(Serialize)]
    struct SpinList {
        spins: u32,
    }
    assert_eq!(wheel.call::<Vec<Spin>>("spinList", SpinList { spins: 2 }).await.unwrap(), vec![spin; 2]);
}

#[tokio::test]
async fn a_long_response_comes_in_pieces() {
    let spins: Vec<Spin> = gateway().await.call("spinList", (20_000,)).await.unwrap();
    assert_eq!(spins.len(), 20_000);
}

#[tokio::test]
async fn a_gateway_runs_several_calls_at_once() {
    let wheel = gateway().await;
    let calls = wheel.multicall().add("spin", ()).add("nothing", ()).add("spinList", (2,)).add("fail", ());
    let mut results = calls.send().await.unwrap();
    assert_eq!(results.len(), 4);
    assert_eq!(results.take::<Spin>().unwrap()[0], "00");
    assert_eq!(results.take::<Spin>().unwrap_err().code(), Some(-32601));
    assert_eq!(results.take::<Vec<Spin>>().unwrap().len(), 2);
    assert_eq!(results.clone().into_values(), [Err(Fault::service(42, "the ball is lost"))]);
    assert_eq!(results.take::<()>().unwrap_err().code(), Some(42));
    assert!(results.is_empty());
    assert!(matches!(results.take::<Spin>(), Err(CallError::WrongType(_))));
    assert!(wheel.multicall().send().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_fault_is_a_fault_with_any_status() {
    for status in ["200 OK", "400 Bad Request", "500 Internal Server Error"] {
        let error = Canned::answering(status, FAULT).await.error().await;
        assert!(matches!(&error, CallError::Fault(fault) if *fault == Fault::service(7, "no luck")), "{error:?}");
        assert_eq!((error.code(), error.to_string().as_str()), (Some(7), "fault 7: no luck"));
    }
}

#[tokio::test]
async fn another_status_is_reported_with_the_body_of_the_response() {
    let error = Canned::answering("404 Not Found", "<p>\n nothing here </p>\n").await.error().await;
    assert!(matches!(&error, CallError::Http { status, .. } if *status == 404), "{error:?}");
    assert_eq!(error.to_string(), "HTTP 404 Not Found: <p> nothing here </p>");
    assert_eq!(error.code(), None);
}

#[tokio::test]
async fn an_invalid_response_is_malformed() {
    for (body, kind) in [
        ("<html><body>Welcome</body></html>", Kind::Structure),
        ("\u{1f}\u{8b}\u{0}garbage", Kind::NotWellFormed),
        ("<methodResponse><params><param><value>cut", Kind::NotWellFormed),
        ("", Kind::NotWellFormed),
    ] {
        let error = Canned::answering("200 OK", body).await.error().await;
        assert!(matches!(&error, CallError::Malformed(fault) if fault.kind == kind), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_transports_fault() {
    let cut = Bytes::from("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<methodResponse>");
    let error = Canned::start(Does::AnswersAndCloses(cut)).await.error().await;
    assert!(matches!(&error, CallError::Transport(transport) if transport.connected()), "{error:?}");
}

#[tokio::test]
async fn a_call_is_not_repeated_if_the_server_hangs_up() {
    let canned = Canned::start(Does::AnswersAndCloses(Bytes::new())).await;
    let error = canned.error().await;
    assert!(matches!(&error, CallError::Transport(transport) if transport.connected()), "{error:?}");
    let server = canned.url.trim_start_matches("http://").trim_end_matches('/');
    assert!(error.to_string().starts_with(&format!("the connection to {server} broke: ")), "{error}");
    assert_eq!(canned.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_result_of_another_type_is_reported() {
    let canned = Canned::answering("200 OK", &answer("<int>7</int>")).await;
    let error = canned.proxy().call::<Spin>("spin", ()).await.unwrap_err();
    assert!(matches!(error, CallError::WrongType(_)), "{error:?}");
}

#[tokio::test]
async fn a_response_without_a_value_is_nil() {
    let canned = Canned::answering("200 OK", "<methodResponse><params/></methodResponse>").await;
    assert_eq!(canned.proxy().call::<Option<i32>>("spin", ()).await.unwrap(), None);
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let canned = Canned::start(Does::Nothing).await;
    let proxy = Client::builder(&canned.url).timeout(Duration::from_millis(50)).build().unwrap();
    let error = proxy.call::<Value>("spin", ()).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout(after) if after == Duration::from_millis(50)), "{error:?}");
}

#[tokio::test]
async fn a_port_without_a_listener_is_distinguished_from_a_broken_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let url = format!("http://{server}/");
    drop(listener);
    let error = Client::new(&url).unwrap().call::<Value>("spin", ()).await.unwrap_err();
    assert!(matches!(&error, CallError::Transport(transport) if !transport.connected()), "{error:?}");
    assert!(error.to_string().starts_with(&format!("{server} cannot be reached: ")), "{error}");
}

#[tokio::test]
async fn a_too_large_response_is_not_read_to_its_end() {
    let text = answer(&"x".repeat(1000));
    let chunked =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
    for bytes in [response("200 OK", &text), chunked.into()] {
        let canned = Canned::start(Does::Answers(bytes)).await;
        let call = |limit| {
            let proxy = Client::builder(&canned.url).max_response(limit).build().unwrap();
            async move { proxy.call::<String>("spin", ()).await }
        };
        assert_eq!(call(text.len()).await.unwrap().len(), 1000);
        let error = call(text.len() - 1).await.unwrap_err();
        assert!(matches!(&error, CallError::Malformed(fault) if fault.kind == Kind::Limit), "{error:?}");
    }
    let canned = Canned::answering("502 Bad Gateway", &text).await;
    let proxy = Client::builder(&canned.url).max_response(100).build().unwrap();
    let error = proxy.call::<String>("spin", ()).await.unwrap_err();
    assert!(matches!(&error, CallError::Http { status, .. } if *status == 502), "{error:?}");
}

#[tokio::test]
async fn parameters_that_cannot_be_carried_are_never_sent() {
    let canned = Canned::answering("200 OK", &answer("1")).await;
    let proxy = canned.proxy();
    let error = proxy.call::<Value>("spin", ("\u{1}",)).await.unwrap_err();
    assert!(matches!(error, CallError::Unwritable(_)), "{error:?}");
    let error = proxy.multicall().add("spin", ()).add("spin", (f64::NAN,)).add("spin", ()).send().await.unwrap_err();
    assert!(matches!(error, CallError::Unwritable(_)), "{error:?}");
    assert_eq!(canned.connections(), 0);
    let lenient = Client::builder(&canned.url)
        .dialect(XmlRpcDialect { nil: Nil::Nil, ..XmlRpcDialect::default() })
        .build()
        .unwrap();
    lenient.call::<Value>("spin", (None::<i32>,)).await.unwrap();
    assert!(canned.request().contains("<value><nil/></value>"));
}

#[tokio::test]
async fn many_calls_share_a_connection() {
    let canned = Canned::answering("200 OK", &answer("<int>7</int>")).await;
    let proxy = canned.proxy();
    for _ in 0..100 {
        assert_eq!(proxy.call::<i32>("spin", ()).await.unwrap(), 7);
        assert_eq!(proxy.clone().call::<i32>("spin", ()).await.unwrap(), 7);
    }
    assert_eq!(canned.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_replaced() {
    let closing = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", answer("1").len());
    let canned = Canned::start(Does::AnswersAndCloses((closing + &answer("1")).into())).await;
    let proxy = canned.proxy();
    for _ in 0..3 {
        assert_eq!(proxy.call::<String>("spin", ()).await.unwrap(), "1");
    }
    assert_eq!(canned.connections(), 3);
}

#[tokio::test]
async fn a_request_is_what_every_server_understands() {
    let canned = Canned::answering("200 OK", &answer("1")).await;
    canned.proxy().call::<Value>("echo", ("x".repeat(200_000),)).await.unwrap();
    let request = canned.request();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post / http/1.1\r\n"), "{head}");
    let host = canned.url.trim_start_matches("http://").trim_end_matches('/');
    for header in [
        "content-type: text/xml",
        &format!("content-length: {}", body.len()),
        &format!("host: {host}"),
        &format!("user-agent: croupier/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(head.lines().any(|line| line == header), "{header} in {head}");
    }
    for header in ["transfer-encoding:", "expect:", "accept-encoding:", "authorization:"] {
        assert!(!head.contains(header), "{head}");
    }
}

#[tokio::test]
async fn name_and_password_go_with_each_call_and_nowhere_else() {
    let canned = Canned::answering("200 OK", &answer("1")).await;
    let url = canned.url.replace("//", "//ann:p%40ss@");
    let in_url = Client::new(&url).unwrap();
    let given = Client::builder(&url).basic_auth("bob", "secret").user_agent("wheelwatch/1").build().unwrap();
    for proxy in [&in_url, &given] {
        proxy.call::<Value>("spin", ()).await.unwrap();
    }
    let requests = canned.requests.lock().unwrap();
    assert!(requests[0].contains("authorization: Basic YW5uOnBAc3M=\r\n"), "{}", requests[0]);
    assert!(requests[1].contains("authorization: Basic Ym9iOnNlY3JldA==\r\n"), "{}", requests[1]);
    assert!(requests[1].contains("user-agent: wheelwatch/1\r\n"), "{}", requests[1]);
    assert!(!requests[0].contains("p%40ss"), "{}", requests[0]);
    assert!(!format!("{in_url:?}").contains("p%40ss"));
}

#[tokio::test]
async fn what_no_header_can_hold_is_refused_beforehand() {
    let builder = || Client::builder("http://127.0.0.1:1/");
    assert!(builder().user_agent("a\nb").build().is_err());
    assert!(builder().basic_auth("a:b", "c").build().is_err());
    assert!(builder().basic_auth("a", "b\n").build().is_err());
    assert!(Client::new("ftp://127.0.0.1/").unwrap_err().to_string().contains("ftp"));
}

#[tokio::test]
async fn a_unix_socket_is_called_by_its_path() {
    let path = std::env::temp_dir().join(format!("croupier-client-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let requests = Canned::start_unix(listener, Does::Answers(response("200 OK", &answer("1"))));
    let proxy = Client::new(&format!("unix:{}:/RPC2", path.display())).unwrap();
    let answered = proxy.call::<String>("spin", ()).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(answered.unwrap(), "1");
    let requests = requests.lock().unwrap();
    assert!(requests[0].starts_with("POST /RPC2 HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].contains("host: localhost\r\n"), "{}", requests[0]);
}

#[tokio::test]
async fn calls_run_side_by_side() {
    let wheel = gateway().await;
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let wheel = wheel.clone();
            tokio::spawn(async move { wheel.call::<Spin>("spin", ()).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap()[1], "GREEN");
    }
}
