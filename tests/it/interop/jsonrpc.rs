//! JSON-RPC clients of other projects against a gateway with a wheel and a service that has every type: jayson for Node,
//! and Python's jsonrpcclient. The OpenRPC documents against OpenRPC's own meta-schema.
//!
//! What they call and expect is in `tests/peers`. Packages of Node must be where Node finds them, in a folder that
//! the variable `NODE_PATH` names; `PYTHON` may name the interpreter that has jsonrpcclient.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::protocol::jsonrpc::server::{JsonRpc, OpenRpc};
use croupier::server::gateway::Group;
use croupier::server::group_router::GroupRouter;
use croupier::server::settings::ServerSettings;
use croupier::service::RpcService;
use croupier::service::layer::layered;
use croupier::service::limiter::Limiter;

use crate::support::every_type;
use crate::support::process::run;
use crate::support::running::Running;

fn gateway() -> Running {
    let mut router = GroupRouter::default();
    let wheel = WheelTable::new(Family::American, Chance::seeded(7)).service().unwrap();
    for (path, service) in
        [("/wheel", Arc::new(wheel) as Arc<dyn RpcService>), ("/every", Arc::new(every_type::service()))]
    {
        let service = layered(service, Limiter::new(1024, Duration::from_secs(60)));
        let frontends: Vec<Arc<dyn croupier::protocol::frontend::Frontend>> =
            vec![Arc::new(OpenRpc::default()), Arc::new(JsonRpc::default())];
        router.mount(path, Arc::new(Group::new(path, service, frontends, 1 << 20))).unwrap();
    }
    Running::router(router, ServerSettings::default())
}

/// Runs one of the scripts in `tests/peers` against a gateway of its own; it must find nothing wrong.
fn script(interpreter: &str, name: &str) {
    let gateway = gateway();
    let script = format!("{}/tests/peers/{name}", env!("CARGO_MANIFEST_DIR"));
    let ended = run(Command::new(interpreter).args([script, format!("http://{}", gateway.address)]));
    assert!(ended.status.success(), "{name}: {}\n{}{}", ended.status, ended.stdout, ended.stderr);
}

#[test]
#[ignore = "needs node with the jayson package"]
fn jayson_calls_notifies_and_makes_batches() {
    script("node", "jayson.js");
}

#[test]
#[ignore = "needs Python with the jsonrpcclient package"]
fn jsonrpcclient_calls_notifies_and_makes_batches() {
    script(&std::env::var("PYTHON").unwrap_or_else(|_| "python3".into()), "jsonrpc_client.py");
}

#[test]
#[ignore = "needs node with ajv, ajv-formats and the meta-schemas of OpenRPC and of JSON Schema"]
fn documents_are_openrpc_and_answers_are_what_they_say() {
    script("node", "openrpc.js");
}
