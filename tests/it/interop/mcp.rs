//! MCP clients of other projects against a gateway with a wheel, a service whose calls hang, and the tools that the conformance
//! suite asks for: `mcp` and `fastmcp` for Python, `@modelcontextprotocol/sdk` and `client` for Node, the Inspector, and the suite
//! itself; `mcp` as a client of what stands behind croupier, and of a group that takes tokens.
//!
//! What they call and expect is in `tests/peers`. Packages of Node must be in the folder that `NODE_PATH` names. The Inspector and
//! the suite need a newer Node than the others: `MCP_TOOLS` names a folder of packages that has them and the program.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::protocol::mcp::server::{PromptArgument, PromptOptions};
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::settings::ServerSettings;
use croupier::service::local::{Local, named};
use croupier::{Binary, Fault, Kind};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::support::peers::{Croupier, Folder, Server, free_port, listens};
use crate::support::process::{ShutdownReport, run};
use crate::support::running::Running;

/// A call that hangs, until it is dropped.
struct Hanging(Arc<AtomicUsize>);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A service with the methods `hang`, which returns nothing ever, and `hanging`, which returns how many calls do so.
fn waiter() -> Local {
    let service = Local::new("Waiter", Arc::new(AtomicUsize::new(0)))
        .method(named("hanging").safe(), |count: &Arc<AtomicUsize>, (): ()| count.load(Relaxed))
        .method_async(named("hang").safe(), |count: Arc<Arc<AtomicUsize>>, (): ()| async move {
            count.fetch_add(1, Relaxed);
            let _hanging = Hanging((*count).clone());
            std::future::pending::<()>().await;
        });
    service.build().unwrap()
}

/// Bytes that are a picture.
#[derive(Serialize, JsonSchema)]
#[schemars(extend("contentMediaType" = "image/png"))]
struct Picture(Binary);

/// Bytes that are a sound.
#[derive(Serialize, JsonSchema)]
#[schemars(extend("contentMediaType" = "audio/wav"))]
struct Sound(Binary);

/// The tools that the conformance suite calls, as far as a method of croupier can be such a tool.
fn fixtures() -> Local {
    let service = Local::new("Fixtures", ())
        .method(
            named("test_simple_text").doc("Returns a text."),
            |(): &(), (): ()| "This is a simple text response for testing.",
        )
        .method(named("test_error_handling").doc("Fails."), |(): &(), (): ()| {
            Err::<String, _>(Fault::new(Kind::Service(Some(7)), "This tool intentionally returns an error for testing"))
        })
        .method(named("test_image_content").doc("Returns a picture."), |(): &(), (): ()| {
            Picture(Binary(b"\x89PNG\r\n\x1a\n".to_vec()))
        })
        .method(named("test_audio_content").doc("Returns a sound."), |(): &(), (): ()| Sound(Binary(b"RIFF".to_vec())));
    service.build().unwrap()
}

/// The prompts that the conformance suite asks for, except those with images and resources: a prompt of croupier is one text.
fn with_prompts(mut group: GroupMount) -> GroupMount {
    let argument =
        |name: &str| (name.to_owned(), PromptArgument { description: Some("An argument.".to_owned()), required: true });
    let prompt = |text: &str, args: &[&str]| PromptOptions {
        description: Some("A prompt.".to_owned()),
        text: Some(text.to_owned()),
        args: args.iter().copied().map(argument).collect(),
        ..PromptOptions::default()
    };
    group.protocols.mcp.prompts = [
        ("test_simple_prompt", prompt("This is a simple prompt for testing.", &[])),
        (
            "test_prompt_with_arguments",
            prompt("Prompt with arguments: arg1='{{arg1}}', arg2='{{arg2}}'", &["arg1", "arg2"]),
        ),
    ]
    .map(|(name, prompt)| (name.to_owned(), prompt))
    .into();
    group
}

fn gateway() -> Running {
    let wheel = WheelTable::new(Family::European, Chance::seeded(7)).service().unwrap();
    let groups = vec![
        GroupMount::new("/wheel/european", wheel),
        GroupMount::new("/waiter", waiter()),
        with_prompts(GroupMount::new("/fixtures", fixtures())),
    ];
    Running::router(Mounts { groups, ..Mounts::default() }.router().unwrap(), ServerSettings::default())
}

fn peer(name: &str) -> String {
    format!("{}/tests/peers/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn assert_success(what: &str, ended: &ShutdownReport) {
    assert!(ended.status.success(), "{what}: {}\n{}{}", ended.status, ended.stdout, ended.stderr);
}

/// Runs one of the scripts in `tests/peers` against a gateway of its own, and returns what it prints.
fn script(interpreter: &str, name: &str) -> String {
    let gateway = gateway();
    let ended = run(Command::new(interpreter).args([peer(name), format!("http://{}", gateway.address)]));
    assert_success(name, &ended);
    ended.stdout
}

#[test]
#[ignore = "needs python3 with mcp and fastmcp"]
fn clients_for_python_call_tools_in_each_revision() {
    let printed = script("python3", "mcp_client.py");
    assert_eq!(printed.lines().count(), 5, "{printed}");
}

#[test]
#[ignore = "needs node with @modelcontextprotocol/sdk and @modelcontextprotocol/client"]
fn clients_for_node_call_tools_in_each_revision() {
    let printed = script("node", "mcp_client.mjs");
    assert_eq!(printed.lines().count(), 6, "{printed}");
}

#[test]
#[ignore = "needs mcp-client-rmcp, which is tests/peers/rmcp"]
fn a_client_for_rust_calls_tools_in_each_revision() {
    let gateway = gateway();
    let ended = run(Command::new("mcp-client-rmcp").arg(format!("http://{}", gateway.address)));
    assert_success("rmcp", &ended);
    assert_eq!(ended.stdout, "2025-11-25\n2026-07-28\n2026-07-28\n");
}

/// The program of a package, run by the Node of the same folder.
fn tool(package: &str, program: &str) -> Command {
    let folder = PathBuf::from(std::env::var("MCP_TOOLS").expect("MCP_TOOLS names the folder of packages"));
    let packages = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let is_node = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("node-linux-");
    let node = packages.into_iter().find(is_node).expect("a package that has the program of Node");
    let mut command = Command::new(node.join("bin/node"));
    command.arg(folder.join(package).join(program));
    command
}

/// What the Inspector's command line returns for a method, in this era of the protocol.
fn inspect(gateway: &Running, path: &str, era: &str, words: &[&str]) -> Json {
    let folder = Folder::new();
    let url = format!("http://{}{path}/mcp", gateway.address);
    let mut command = tool("@modelcontextprotocol/inspector", "clients/launcher/build/index.js");
    // It keeps its settings in the home folder.
    command.env("HOME", folder.path("")).arg("--cli").arg(url);
    command.args(["--transport", "http", "--protocol-era", era, "--format", "json"]).args(words);
    let ended = run(&mut command);
    assert_success(&format!("{era} {words:?}"), &ended);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

#[test]
#[ignore = "needs MCP_TOOLS with @modelcontextprotocol/inspector"]
fn the_inspector_lists_and_calls_tools_and_finds_their_schemas_portable() {
    let gateway = gateway();
    for era in ["legacy", "modern"] {
        for path in ["/wheel/european", "/waiter", "/fixtures"] {
            let listed = inspect(&gateway, path, era, &["--method", "tools/list", "--strict"]);
            assert!(listed.to_string().contains("inputSchema"), "{listed}");
        }
        let call = ["--method", "tools/call", "--tool-name", "spinList", "--tool-arg", "spins=17"];
        let called = inspect(&gateway, "/wheel/european", era, &call);
        assert!(called.to_string().contains("structuredContent"), "{called}");
    }
}

/// Has the conformance suite check all that a revision requires. What is not offered is in the list of expected failures; a failure
/// that is not there is one, and so is a success that is there.
fn conforms(revision: &str) {
    let (gateway, folder) = (gateway(), Folder::new());
    let mut command = tool("@modelcontextprotocol/conformance", "dist/index.js");
    command.args(["server", "--url", &format!("http://{}/fixtures/mcp", gateway.address), "--requirements", revision]);
    command.args(["--expected-failures", &peer(&format!("mcp_conformance_{revision}.yaml")), "-o", &folder.path("")]);
    let ended = run(&mut command);
    assert_success(revision, &ended);
    assert!(ended.stdout.contains("Total: "), "{}", ended.stdout);
}

#[test]
#[ignore = "needs MCP_TOOLS with @modelcontextprotocol/conformance"]
fn the_conformance_suite_finds_what_the_last_revision_with_a_handshake_requires() {
    conforms("2025-11-25");
}

#[test]
#[ignore = "needs MCP_TOOLS with @modelcontextprotocol/conformance"]
fn the_conformance_suite_finds_what_the_first_revision_without_a_handshake_requires() {
    conforms("2026-07-28");
}

#[test]
#[ignore = "needs python3 with mcp"]
fn a_client_for_python_finds_the_authorization_server_and_gets_a_scope_that_it_lacks() {
    let (folder, issuer) = (Folder::new(), free_port());
    let config = folder.file(
        "croupier.toml",
        &format!(
            r#"
            [auth.tokens.jwt]
            issuer = "http://127.0.0.1:{issuer}/casino"
            audience = ["croupier"]
            secret = {{ text = "0123456789abcdef0123456789abcdef" }}
            [group."/"]
            service = "diagnostics"
            [group."/wheel"]
            service = "wheel"
            options = {{ family = "european" }}
            auth = ["tokens"]
            access = [
                {{ methods = ["pockets"], scopes = ["wheel:look"] }},
                {{ methods = ["spin"], scopes = ["wheel:spin"] }},
            ]
            "#
        ),
    );
    let croupier = Croupier::start(&config, &[]);
    let endpoint = format!("http://{}/wheel/mcp", croupier.address());
    let ended = run(Command::new("python3").args([peer("mcp_oauth.py"), endpoint, issuer.to_string()]));
    assert_success("mcp_oauth.py", &ended);
    assert_eq!(ended.stdout.lines().count(), 2, "{}", ended.stdout);
}

/// supervisord with a process that sleeps, on a unix socket.
fn supervisord(folder: &Folder) -> (Server, String) {
    let (own, socket) = (folder.path(""), folder.path("s.sock"));
    let conf = folder.file(
        "supervisord.conf",
        &format!(
            "[unix_http_server]\nfile={socket}\n\
             [supervisord]\nlogfile={own}s.log\npidfile={own}s.pid\nchildlogdir={own}\nnodaemon=true\nsilent=true\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
             [program:sleeper]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n\
             stdout_logfile={own}out.log\nstderr_logfile={own}err.log\n"
        ),
    );
    let server =
        Server::start(Command::new("supervisord").args(["-c", &conf]), || UnixStream::connect(&socket).is_ok());
    (server, socket)
}

fn aria2(folder: &Folder) -> (Server, u16) {
    let port = free_port();
    let mut command = Command::new("aria2c");
    command.args(["--enable-rpc", "--rpc-listen-all=false", "--no-conf", "--quiet", "--dir", &folder.path("")]);
    (Server::start(command.arg(format!("--rpc-listen-port={port}")), || listens(port)), port)
}

#[test]
#[ignore = "needs supervisord, aria2c, and python3 with mcp, spyne, lxml, fastapi, uvicorn and python-multipart"]
fn tools_are_methods_of_old_servers() {
    let folder = Folder::new();
    let (_supervisord, socket) = supervisord(&folder);
    let (_aria2, aria2) = aria2(&folder);
    let (_spyne, soap) = Server::script("python3", "remote_spyne.py", &[]);
    let (_fastapi, rest) = Server::script("python3", "remote_fastapi.py", &[]);
    let config = folder.file(
        "croupier.toml",
        &format!(
            r#"
            [group."/supervisor".upstream]
            urls = ["unix:{socket}:/RPC2"]
            protocol = "xml-rpc"
            safe = ["supervisor.get*"]
            deny = ["supervisor.shutdown", "supervisor.restart"]
            [group."/supervisor".upstream.params]
            "supervisor.startProcess" = ["name", "wait"]
            "supervisor.stopProcess" = ["name", "wait"]
            "supervisor.getProcessInfo" = ["name"]
            [group."/aria2".upstream]
            urls = ["http://127.0.0.1:{aria2}/jsonrpc"]
            protocol = "json-rpc"
            [group."/guests".upstream]
            urls = ["http://127.0.0.1:{soap}/"]
            protocol = "soap"
            [group."/rest".upstream]
            urls = ["http://127.0.0.1:{rest}"]
            protocol = "rest"
            [group."/wheel"]
            service = "wheel"
            options = {{ family = "european" }}
            [group."/both".aggregate.calls]
            spin = {{ group = "/wheel", method = "spin" }}
            state = {{ group = "/supervisor", method = "supervisor.getState" }}
            "#
        ),
    );
    let croupier = Croupier::start(&config, &[]);
    for (path, method) in [
        ("/supervisor", "supervisor.getState"),
        ("/aria2", "aria2.getVersion"),
        ("/guests", "find"),
        ("/rest", "addGuest"),
    ] {
        croupier.group(path, method);
    }
    let base = format!("http://{}", croupier.address());
    let ended = run(Command::new("python3").args([peer("mcp_services.py"), base]));
    assert_success("mcp_services.py", &ended);
    assert_eq!(ended.stdout.lines().count(), 12, "{}", ended.stdout);
}
