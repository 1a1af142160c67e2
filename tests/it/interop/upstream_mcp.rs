//! MCP servers of the Python package `mcp` behind croupier, in every form in which it serves: the current version, which needs no
//! handshake, and version 1, which needs one. `MCP_1` names the Python that has version 1.

use croupier::protocol::Protocol;
use croupier::upstream::transport;
use croupier::upstream::transport::{Address, Program, Transport};
use croupier::upstream::{Upstream, UpstreamOptions};
use croupier::{Kind, Value};

use crate::support::calls::value_of_json;
use crate::support::over::{Behind, Over};
use crate::support::peers::Server;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/remote_mcp.py");

async fn behind(address: Address) -> Behind {
    let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
    let upstream = Upstream::new(transport, UpstreamOptions::new(Protocol::Mcp)).unwrap();
    upstream.discover().await.unwrap();
    Behind::discovered(upstream)
}

/// Calls every tool over every protocol.
async fn check(behind: &Behind) {
    let interface = behind.service.interface();
    assert_eq!((interface.title.as_str(), interface.doc.as_str()), ("guests", "A list of guests."));
    assert_eq!(interface.method("add").unwrap().doc, "Adds two numbers.");
    let text = |text: &str| Value::Text(text.to_owned());
    let guest = value_of_json(r#"{"name":"Ann","chips":7,"partner":{"name":"Bob","chips":0,"partner":null}}"#);
    let untyped = value_of_json(r#"{"number":7,"items":[1,2]}"#);
    for over in Over::ALL {
        for (method, args, expected) in [
            ("add", vec![Value::Int(19), Value::Int(23)], Value::Int(42)),
            ("add", vec![Value::Int(19)], Value::Int(22)),
            ("names", vec![Value::Int(2)], Value::Array(vec![text("guest 0"), text("guest 1")])),
            ("names", vec![Value::Int(0)], Value::Array(Vec::new())),
            ("greet", vec![text("42")], text("Hello 42")),
            ("slowly", vec![Value::Int(3)], text("done")),
            ("untyped", vec![Value::Int(7)], untyped.clone()),
        ] {
            assert_eq!(over.ask(behind, method, &args).await, Ok(expected), "{over:?}: {method}");
        }
        let failed = over.ask(behind, "fail", &[text("no luck")]).await;
        assert_eq!(failed, Err(over.code(Kind::Service(None))), "{over:?}");
        let wrong = over.ask(behind, "add", &[text("x")]).await;
        assert!(wrong.is_err(), "{over:?}: {wrong:?}");
    }
    assert_eq!(Over::JsonRpc.ask(behind, "echo_guest", std::slice::from_ref(&guest)).await, Ok(guest));
    let picture = Over::XmlRpc.ask(behind, "picture", &[]).await;
    assert_eq!(picture, Ok(Value::Binary(b"\x89PNG\r\n\x1a\n".to_vec())));
}

async fn check_all(python: &str) {
    for form in ["json", "events", "session"] {
        let (_server, port) = Server::script(python, "remote_mcp.py", &[form]);
        check(&behind(format!("http://127.0.0.1:{port}/mcp").parse().unwrap()).await).await;
    }
    let args = [SCRIPT, "stdio"].map(str::to_owned).to_vec();
    check(&behind(Address::program(Program { args, ..Program::new(python) })).await).await;
}

#[tokio::test]
#[ignore = "needs python3 with mcp and uvicorn"]
async fn a_server_of_the_python_package_is_called_in_every_form() {
    check_all("python3").await;
}

#[tokio::test]
#[ignore = "needs MCP_1, a python3 with version 1 of mcp, and uvicorn"]
async fn a_server_of_version_1_of_the_python_package_is_called_in_every_form() {
    let python = std::env::var("MCP_1").expect("MCP_1 names the program");
    check_all(&python).await;
}
