//! Every protocol in front of every client codec: one call over each of four protocols, to an upstream server that is
//! called in each of five. It ends as it does when the service is called directly.
//!
//! The upstream servers are our own, behind sockets. The gateway knows of them only what they say of themselves, by
//! introspection, by `rpc.discover`, by their WSDL and OpenAPI documents, and by their tools. What a protocol cannot say is not compared:
//! SOAP leaves out members that are nil and lists without items, and its documents name the items of tuples; XML-RPC has one fault
//! code for several kinds; the names of tools have fewer characters, and their schemas do not say what is bytes.

use std::collections::BTreeSet;
use std::sync::Arc;

use croupier::model::interface::Interface;
use croupier::model::shape::{Shape, Shapes};
use croupier::protocol::Protocol;
use croupier::protocol::set::{ProtocolSet, ServerInfo};
use croupier::server::gateway::Group;
use croupier::server::group_router::GroupRouter;
use croupier::server::settings::ServerSettings;
use croupier::service::{Call, CallFuture, RpcService};
use croupier::upstream::transport;
use croupier::upstream::transport::Transport;
use croupier::upstream::{Upstream, UpstreamOptions};
use croupier::{Kind, Value};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::support::calls::{
    CallTarget, Make, PATH, SERVICES, SHAPES, ShutdownReport, asked, by_wsdl, dialect, directly, expected, is_typed,
    json_of, told,
};
use crate::support::hello::CLIENT_PROTOCOLS;
use crate::support::over::{Behind, Over};
use crate::support::random_cases;
use crate::support::running::Running;
use crate::support::trees;

/// How many calls are made at least, each over every protocol to every server.
const CASES: u32 = 2000;

/// How many of the services are wheels, which come first.
const WHEELS: usize = 5;

/// A service that is made anew for each call, so that seeded wheels spin the same each time.
struct Fresh {
    make: Make,
    interface: Arc<Interface>,
}

impl RpcService for Fresh {
    fn interface(&self) -> Arc<Interface> {
        self.interface.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        (self.make)().call(call)
    }
}

/// All services, each at a path of its own.
fn upstream() -> Running {
    let mut router = GroupRouter::default();
    for (at, make) in SERVICES.into_iter().enumerate() {
        let path = format!("/{at}");
        let set = ProtocolSet { xml_rpc: dialect(), ..ProtocolSet::default() };
        let frontends = set.of_group(&path, &ServerInfo::default());
        let service: Arc<dyn RpcService> = match make() {
            wheel if at < WHEELS => Arc::new(Fresh { make, interface: wheel.interface() }),
            other => other,
        };
        router.mount(&path, Arc::new(Group::new(path.clone(), service, frontends, 4 << 20))).unwrap();
    }
    Running::router(router, ServerSettings::default())
}

/// The upstream service, called in this protocol.
async fn remote(server: &Running, at: usize, protocol: Protocol) -> Behind {
    let tail = if protocol == Protocol::Mcp { "/mcp" } else { "" };
    let address = format!("http://{}/{at}{tail}", server.address).parse().unwrap();
    let transport = Transport::new(vec![address], transport::TransportOptions::default()).unwrap();
    let remote =
        Upstream::new(transport, UpstreamOptions { dialect: dialect(), ..UpstreamOptions::new(protocol) }).unwrap();
    assert!(remote.discover().await.unwrap(), "it has another interface than none");
    let names = |interface: &Interface| {
        interface.methods.iter().map(|it| name_over(protocol, &it.name)).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&remote.interface()), names(&SERVICES[at]().interface()), "{protocol:?}");
    let set = ProtocolSet { xml_rpc: dialect(), ..ProtocolSet::default() };
    let (shapes, frontends) = (Shapes::of(&remote.interface()), set.of_group(PATH, &ServerInfo::default()));
    Behind { service: Arc::new(remote), shapes, frontends }
}

/// The name of a method of an upstream that is called in this protocol.
fn name_over(protocol: Protocol, method: &str) -> String {
    match protocol {
        Protocol::Mcp => method.replace(['.', ':', '/'], "_"),
        _ => method.to_owned(),
    }
}

/// What a kind of fault has become on its way through a server that is asked in this protocol.
fn carried(kind: Kind, protocol: Protocol) -> Kind {
    match protocol {
        Protocol::XmlRpc => Kind::from_xmlrpc_code(kind.xmlrpc_code()),
        _ => kind,
    }
}

/// The value as a response in this protocol has it.
fn as_told(value: Value, protocol: Protocol, shape: &Shape, shapes: &Shapes) -> Value {
    match protocol {
        Protocol::Soap => by_wsdl(value, shape, shapes),
        _ => value,
    }
}

/// Whether this is nothing as XML-RPC says it, which has no form for a result without content: an empty text.
fn says_nothing(value: &Value, result: &Shape, over: Over, protocol: Protocol) -> bool {
    let by_xml_rpc = over == Over::XmlRpc || protocol == Protocol::XmlRpc;
    by_xml_rpc && *result == Shape::Nil && *value == Value::Text(String::new())
}

async fn compare(
    asked: &CallTarget,
    behind: &Behind,
    protocol: Protocol,
    ended: &ShutdownReport,
) -> Result<(), TestCaseError> {
    let shapes = &SHAPES[asked.service];
    for over in Over::ALL {
        let place = format!("{over:?} to {protocol:?}");
        let heard = over.ask(behind, &name_over(protocol, &asked.method), &asked.args).await;
        match (heard, ended) {
            (Ok(value), ShutdownReport::Value(json)) => {
                let result = &shapes.method(&asked.method).unwrap().result;
                let wanted = told(as_told(expected(asked, json), protocol, result, shapes));
                let value = told(if says_nothing(&value, result, over, protocol) { Value::Nil } else { value });
                prop_assert_eq!(json_of(&value), json_of(&wanted), "{}", place);
                if over.has_types() && protocol != Protocol::Mcp && is_typed(shapes, result, 0) {
                    prop_assert!(trees::same(&value, &wanted), "{place}: {value:?} is not {wanted:?}");
                }
            }
            (Err(code), ShutdownReport::Fault(kind)) => {
                prop_assert_eq!(&code, &over.code(carried(*kind, protocol)), "{}: {:?}", place, kind);
            }
            (heard, ended) => prop_assert!(false, "{place}: {heard:?} is not {ended:?}"),
        }
    }
    Ok(())
}

#[test]
fn a_call_ends_the_same_over_every_protocol_to_every_server() {
    let server = upstream();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let remotes: Vec<Vec<(Protocol, Behind)>> = runtime.block_on(async {
        let mut all = Vec::new();
        for at in 0..SERVICES.len() {
            let mut of_one = Vec::new();
            for protocol in CLIENT_PROTOCOLS {
                of_one.push((protocol, remote(&server, at, protocol).await));
            }
            all.push(of_one);
        }
        all
    });
    let config = ProptestConfig { max_shrink_iters: 100, ..random_cases(CASES) };
    let outcome = TestRunner::new(config).run(&asked(), |asked| {
        let ended = directly(&asked);
        runtime.block_on(async {
            for (protocol, behind) in &remotes[asked.service] {
                compare(&asked, behind, *protocol, &ended).await?;
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
