//! SOAP servers of other projects as upstreams: spyne for Python and the `soap` package of Node, by their own
//! WSDL documents and over all four protocols.
//!
//! spyne must be where Python finds it, Node's package in a folder that the variable `NODE_PATH` names.

use std::process::Command;

use croupier::Value;
use croupier::model::fault::Kind;
use serde_json::json;

use crate::support::over::Over;
use crate::support::peers::{Croupier, Folder, Outcome, Server, text};
use crate::support::process;

fn gateway(folder: &Folder, url: &str) -> Croupier {
    let config = format!(
        r#"
        [group."/remote"]
        upstream = {{ urls = ["{url}"], protocol = "soap" }}
        xml-rpc = {{ nil = "nil", big-integers = "string" }}
        "#
    );
    Croupier::start(&folder.file("croupier.toml", &config), &[])
}

/// Has zeep call a server by its own description, straight and through its group.
fn zeep(document: &str, croupier: &Croupier, calls: &[&str]) {
    let script = format!("{}/tests/peers/remote_zeep.py", env!("CARGO_MANIFEST_DIR"));
    let group = format!("http://{}/remote", croupier.address());
    let ended = process::run(Command::new("python3").arg(script).args([document, &group]).args(calls));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), calls.len(), "{ended:?}");
}

#[test]
#[ignore = "needs node with the soap package, and python3 with zeep"]
fn clients_of_node_s_soap_go_on_as_before() {
    let (_server, port) = Server::script("node", "remote_soap.js", &[]);
    let (folder, url) = (Folder::new(), format!("http://127.0.0.1:{port}/house"));
    let croupier = gateway(&folder, &url);
    croupier.group("/remote", "spinList");
    zeep(&format!("{url}?wsdl"), &croupier, &[r#"["spinList", 2]"#, r#"["table", "first"]"#, r#"["table", "second"]"#]);
}

#[test]
#[ignore = "needs python3 with spyne and zeep"]
fn clients_of_spyne_go_on_as_before() {
    let (_server, port) = Server::script("python3", "remote_spyne.py", &[]);
    let (folder, url) = (Folder::new(), format!("http://127.0.0.1:{port}/"));
    let croupier = gateway(&folder, &url);
    croupier.group("/remote", "find");
    let calls = [r#"["find", "Polina"]"#, r#"["numbers", 3]"#, r#"["find", "Nobody"]"#, r#"["fail"]"#];
    zeep(&format!("{url}?wsdl"), &croupier, &calls);
}

#[test]
#[ignore = "needs node with the soap package"]
fn node_s_soap_answers_over_all_protocols() {
    let (_server, port) = Server::script("node", "remote_soap.js", &[]);
    let folder = Folder::new();
    let croupier = gateway(&folder, &format!("http://127.0.0.1:{port}/house"));
    let house = croupier.group("/remote", "spinList");
    let pocket = |number: &str, color: &str, weight: f64| json!({ "number": number, "color": color, "weight": weight });
    for (count, pockets) in [
        (0, json!([])),
        (1, json!([pocket("0", "RED", 0.5)])),
        (2, json!([pocket("0", "RED", 0.5), pocket("1", "BLACK", 1.5)])),
    ] {
        assert_eq!(house.agreed("spinList", &[Value::Int(count)]).value(), pockets);
    }
    let numbers = Value::Array(vec![Value::Int(20), Value::Int(21)]);
    assert_eq!(house.agreed("sum", &[numbers]).value(), 41);
    let table = house.agreed("table", &[text("first")]).value();
    assert_eq!(table["name"], "first");
    assert_eq!((&table["seal"], &table["closed"]), (&json!("AAH/"), &json!(false)));
    assert_eq!(table["opened"], "2026-11-22T01:02:03");
    let seats = table["seats"].to_string();
    assert!(seats.contains(r#"["a","b & c"]"#), "{seats}");
    let Ok(Value::Struct(members)) = house.call(Over::XmlRpc, "table", &[text("first")]) else { panic!("no table") };
    let is_date = |(name, value): &(String, Value)| name == "opened" && matches!(value, Value::Date(_));
    assert!(members.iter().any(is_date), "{members:?}");
    assert!(members.iter().any(|(name, value)| name == "seal" && *value == Value::Binary(vec![0, 1, 255])));
    let fault = house.agreed("table", &[text("second")]);
    assert!(
        matches!(&fault, Outcome::Fault(Kind::Service(None), message) if message.contains("no table is called <second>")),
        "{fault:?}"
    );
}

#[test]
#[ignore = "needs python3 with spyne"]
fn spyne_answers_over_all_protocols() {
    let (_server, port) = Server::script("python3", "remote_spyne.py", &[]);
    let folder = Folder::new();
    let croupier = gateway(&folder, &format!("http://127.0.0.1:{port}/"));
    let guests = croupier.group("/remote", "find");
    let found = guests.agreed("find", &[text("Polina")]).value();
    assert_eq!((&found["name"], &found["luck"], &found["invited"]), (&json!("Polina"), &json!(0.25), &json!(true)));
    assert!(found["chips"].to_string().contains("1180591620717411303424"), "{found}");
    assert_eq!((&found["since"], &found["seal"]), (&json!("2026-11-22T01:02:03"), &json!("AAH/")));
    assert!(found["bets"].to_string().contains(r#"["red","<&>"]"#), "{found}");
    let numbers = guests.agreed("numbers", &[Value::Int(3)]).value().to_string();
    assert!(numbers.contains("[0,1,2]"), "{numbers}");
    let guest = Value::Struct(vec![
        ("name".into(), text("Blanche")),
        ("chips".into(), Value::Int(500)),
        ("since".into(), Value::Date("2026-11-22T01:02:03".parse().unwrap())),
        ("seal".into(), Value::Binary(vec![0, 255])),
    ]);
    assert_eq!(guests.agreed("describe", &[guest]).value(), "Blanche 500 2026-11-22T01:02:03 00ff");
    let unknown = guests.agreed("find", &[text("Nobody")]);
    assert_eq!(unknown, Outcome::Fault(Kind::Service(None), "Unknown: no guest is called <Nobody>".to_owned()));
    let failed = guests.agreed("fail", &[]);
    assert!(
        matches!(&failed, Outcome::Fault(Kind::Service(None), message) if !message.contains("secret")),
        "{failed:?}"
    );
}
