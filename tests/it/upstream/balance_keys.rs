//! Calls with the same key go to the same host, whichever protocol they came over.

use std::net::IpAddr;
use std::sync::Arc;

use croupier::Value;
use croupier::protocol::Protocol;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::service::args::Args;
use croupier::service::local::Local;
use croupier::service::{Call, Context, RpcService};
use croupier::upstream::transport::{Balance, Transport, TransportOptions};
use croupier::upstream::{DescriptionSource, KeySource, Upstream, UpstreamOptions};
use http::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::failing_hosts::{behind, start, status, upstream, urls};
use super::rest_passthrough::exchange;
use crate::support::hello::{CLIENT_PROTOCOLS, description_of, response, world};
use crate::support::over::Over;
use crate::support::running::Running;
use crate::support::upstream::{Act, ScriptedUpstream};

fn by_key() -> TransportOptions {
    TransportOptions { balance: Balance::Hash, ..TransportOptions::default() }
}

/// The host that has got all of this many requests.
fn host_of_all(hosts: &[ScriptedUpstream], count: usize) -> usize {
    let counts: Vec<usize> = hosts.iter().map(ScriptedUpstream::requests).collect();
    let found = counts.iter().position(|requests| *requests == count);
    found.unwrap_or_else(|| panic!("{counts:?} requests, and not {count} on one host"))
}

/// Whether more than one of the hosts was used.
fn are_spread(used: &[usize]) -> bool {
    used.iter().any(|host| Some(host) != used.first())
}

#[tokio::test]
async fn a_client_and_a_header_are_keys() {
    let hosts = start(4).await;
    let sound = response(Protocol::JsonRpc).await;
    let options = |key| UpstreamOptions { balance_key: Some(key), ..UpstreamOptions::new(Protocol::JsonRpc) };
    let of_client = |number: u8| Context { client: Some(IpAddr::from([192, 0, 2, number])), ..Context::default() };
    let of_header = |number: u8| {
        let mut headers = HeaderMap::new();
        headers.insert("x-table", u16::from(number).into());
        Context { headers: Some(Arc::new(headers)), ..Context::default() }
    };
    let contexts: [(KeySource, &dyn Fn(u8) -> Context); 2] =
        [(KeySource::Client, &of_client), (KeySource::Header("x-table".parse().unwrap()), &of_header)];
    for (key, context) in contexts {
        let upstream = upstream(&urls(&hosts), options(key), by_key()).await;
        let mut used = Vec::new();
        for number in 0..20 {
            hosts.iter().for_each(|host| host.will([Act::Output(sound.clone())]));
            for _ in 0..3 {
                upstream.call(Call::new("hello", Args::None, &context(number))).await.unwrap();
            }
            used.push(host_of_all(&hosts, 3));
        }
        assert!(are_spread(&used), "{used:?}");
        // Calls without a key go to any host.
        hosts.iter().for_each(|host| host.will([Act::Output(sound.clone())]));
        for _ in 0..40 {
            upstream.call(Call::new("hello", Args::None, &Context::default())).await.unwrap();
        }
        assert!(hosts.iter().filter(|host| host.requests() > 0).count() > 1);
    }
}

#[derive(Deserialize, JsonSchema)]
struct Guest {
    table: u32,
    name: String,
}

/// The same as the sound service, with parameters.
fn guests() -> Arc<dyn RpcService> {
    let hello = |(): &(), Guest { table, name }: Guest| {
        assert!(table < u32::MAX && name.len() < 100);
        "world"
    };
    Arc::new(Local::new("Sound", ()).method("hello", hello).build().unwrap())
}

#[tokio::test]
async fn a_parameter_is_the_same_key_over_every_protocol() {
    let hosts = start(4).await;
    for protocol in CLIENT_PROTOCOLS {
        let sound = response(protocol).await;
        for name in ["table", "name"] {
            let options = UpstreamOptions {
                balance_key: Some(KeySource::Param(name.to_owned())),
                description: Some(description_of(&guests(), protocol)),
                ..UpstreamOptions::new(protocol)
            };
            let behind = behind(&urls(&hosts), options, by_key()).await;
            let mut used = Vec::new();
            for number in 0..20 {
                hosts.iter().for_each(|host| host.will([Act::Output(sound.clone())]));
                // The other parameter makes no difference.
                for (other, over) in (100..).zip(Over::ALL.into_iter().cycle().take(8)) {
                    let (table, guest) = if name == "table" { (number, other) } else { (other, number) };
                    let args = [Value::Int(table), Value::Text(format!("Zoë & {guest}"))];
                    assert_eq!(over.ask(&behind, "hello", &args).await, Ok(world()), "{over:?} to {protocol}");
                }
                used.push(host_of_all(&hosts, 8));
            }
            assert!(are_spread(&used), "{name} to {protocol}: {used:?}");
        }
    }
}

const DOCUMENT: &str = r#"{"openapi": "3.1.0", "info": {"title": "Wheel", "version": "1"}, "paths": {"/tables/{table}": {
    "get": {"operationId": "read", "parameters": [
        {"name": "table", "in": "path", "required": true, "schema": {"type": "integer"}},
        {"name": "name", "in": "query", "schema": {"type": "string"}}],
        "responses": {"200": {"description": "it", "content": {"application/json": {"schema": {"type": "string"}}}}}}}}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_passed_on_have_the_keys_of_calls() {
    let hosts = start(4).await;
    for name in ["table", "name"] {
        let addresses = urls(&hosts).iter().map(|url| url.parse().unwrap()).collect();
        let options = UpstreamOptions {
            description: Some(DescriptionSource::Text { name: "wheel.json".to_owned(), text: DOCUMENT.to_owned() }),
            balance_key: Some(KeySource::Param(name.to_owned())),
            ..UpstreamOptions::new(Protocol::Rest)
        };
        let upstream = Upstream::new(Transport::new(addresses, by_key()).unwrap(), options).unwrap();
        upstream.discover().await.unwrap();
        let group = GroupMount::upstream("/wheel", upstream);
        let running = Running::of_mounts(Mounts { groups: vec![group], ..Mounts::default() });
        let mut used = Vec::new();
        for number in 1..=12 {
            hosts.iter().for_each(|host| host.will([status(200, "application/json", "\"world\"")]));
            let (table, guest) = if name == "table" { (number, 7) } else { (7, number) };
            let json = "Content-Type: application/json";
            for (request, body) in [
                (format!("GET /wheel/tables/{table}?name=a%20b{guest}"), String::new()),
                (format!("GET /wheel/tables/{table}?other=1&name=a%20b{guest}"), String::new()),
                (format!("GET /wheel/read?table={table}&name=a%20b{guest}"), String::new()),
                (format!("POST /wheel/read\r\n{json}"), format!(r#"{{"table": {table}, "name": "a b{guest}"}}"#)),
                (format!("POST /wheel/read\r\n{json}"), format!(r#"[{table}, "a b{guest}"]"#)),
            ] {
                let (head, text) = exchange(&running, &request, &body).await;
                assert!(head.starts_with("http/1.1 200 "), "{request}: {head}\n{text}");
            }
            used.push(host_of_all(&hosts, 5));
        }
        assert!(are_spread(&used), "{name}: {used:?}");
    }
}
