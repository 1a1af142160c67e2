//! MCP servers that are programs, reached over their standard input and output.

use std::fs;
use std::process::Command;
use std::time::Duration;

use croupier::config::{Config, Registry};
use croupier::protocol::Protocol;
use croupier::server::request_body::BodyReader;
use croupier::server::runtime::Runtime;
use croupier::server::settings::ServerSettings;
use croupier::service::RpcService;
use croupier::upstream::transport;
use croupier::upstream::transport::{Address, Program, Transport};
use croupier::upstream::{Upstream, UpstreamOptions};
use croupier::{Kind, Value};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::support::over::{Behind, Over};
use crate::support::peers::Folder;

/// How long anything may take that hangs if it fails.
const LIMIT: Duration = Duration::from_secs(120);

/// A program for `sh` that does this about calls. It adds a line to the file `starts` when it starts, and writes to the pipe `told` when
/// its input ends.
fn script(folder: &Folder, on_call: &str) -> Program {
    script_with(folder, ON_HANDSHAKE, on_call)
}

const ON_HANDSHAKE: &str =
    r#"result '{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"wheel"}}'"#;

fn script_with(folder: &Folder, on_handshake: &str, on_call: &str) -> Program {
    let tool = r#"{"name":"spin-wheel","inputSchema":{"type":"object"}}"#;
    let text = format!(
        r#"
        echo started >> starts
        result() {{ printf '{{"jsonrpc":"2.0","id":%s,"result":%s}}\n' "$id" "$1"; }}
        error() {{ printf '{{"jsonrpc":"2.0","id":%s,"error":{{"code":%s,"message":"no"}}}}\n' "$id" "$1"; }}
        say() {{ result "{{\"content\":[{{\"type\":\"text\",\"text\":\"$1\"}}]}}"; }}
        while IFS= read -r line; do
            id=${{line#*\"id\":}}; id=${{id%%,*}}
            case $line in
                *'"method":"initialize"'*) {on_handshake} ;;
                *'"method":"tools/list"'*) result '{{"tools":[{tool}]}}' ;;
                *'"method":"tools/call"'*) {on_call} ;;
                *'"method":"notifications/cancelled"'*) echo "$line" > told ;;
                *'"method":"notifications/'*) ;;
                *) error -32601 ;;
            esac
        done
        echo ended > told
        "#
    );
    let (path, directory) = (folder.file("server.sh", &text), folder.path(""));
    if !fs::exists(folder.path("told")).unwrap() {
        assert!(Command::new("mkfifo").arg(folder.path("told")).status().unwrap().success());
    }
    Program { args: vec![path], directory: Some(directory.into()), ..Program::new("sh") }
}

/// What a program says to the pipe, once it does.
async fn told(folder: &Folder) -> String {
    let path = folder.path("told");
    let (sender, read) = oneshot::channel();
    // A thread of its own, because a runtime does not end before its own blocking threads.
    std::thread::spawn(move || sender.send(fs::read_to_string(path)));
    timeout(LIMIT, read).await.expect("it says nothing").unwrap().unwrap()
}

fn starts(folder: &Folder) -> usize {
    fs::read_to_string(folder.path("starts")).unwrap().lines().count()
}

fn upstream(program: Program) -> Upstream {
    let transport = Transport::new(vec![Address::program(program)], transport::TransportOptions::default()).unwrap();
    Upstream::new(transport, UpstreamOptions::new(Protocol::Mcp)).unwrap()
}

async fn behind(program: Program) -> Behind {
    let upstream = upstream(program);
    upstream.discover().await.unwrap();
    Behind::discovered(upstream)
}

async fn spun(behind: &Behind) -> Result<Value, i64> {
    let called = Over::JsonRpc.ask(behind, "spin_wheel", &[]);
    timeout(LIMIT, called).await.unwrap().map_err(|code| code.0)
}

fn text(text: &str) -> Result<Value, i64> {
    Ok(Value::Text(text.to_owned()))
}

fn unreachable() -> Result<Value, i64> {
    Err(Kind::Unreachable.jsonrpc_code().into())
}

#[tokio::test]
async fn croupier_is_a_program_of_croupier() {
    let folder = Folder::new();
    let wheel = "[group.'/wheel']\nservice = 'wheel'\noptions = { family = 'mini', seed = 4 }\n";
    let config = folder.file("wheel.toml", wheel);
    let args = ["mcp", &config, "--group", "/wheel"].map(str::to_owned).to_vec();
    let behind = behind(Program { args, ..Program::new(env!("CARGO_BIN_EXE_croupier")) }).await;
    let (interface, calls) = (behind.service.interface(), [Over::XmlRpc, Over::JsonRpc, Over::Rest, Over::Soap]);
    assert!(interface.method("spinList").is_some(), "{interface:?}");
    for over in calls {
        let spins = over.ask(&behind, "spinList", &[Value::Int(3)]).await;
        assert!(matches!(&spins, Ok(Value::Array(spins)) if spins.len() == 3), "{over:?}: {spins:?}");
        let none = over.ask(&behind, "spinList", &[Value::Int(-3)]).await;
        assert_eq!(none, Err(over.code(Kind::BadParams)));
    }
}

#[tokio::test]
async fn calls_share_one_program_that_ends_with_its_upstream() {
    let folder = Folder::new();
    let behind = behind(script(&folder, "say 17")).await;
    assert_eq!(behind.service.interface().title, "wheel");
    let (one, other) = tokio::join!(spun(&behind), spun(&behind));
    assert_eq!((one, other, spun(&behind).await), (text("17"), text("17"), text("17")));
    assert_eq!(starts(&folder), 1);
    drop(behind);
    assert_eq!(told(&folder).await, "ended\n");
}

#[test]
fn a_program_ends_with_the_runtime() {
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let behind = runtime.block_on(behind(script(&folder, "say 17")));
    let path = folder.path("told");
    let reading = std::thread::spawn(move || fs::read_to_string(path).unwrap());
    drop(runtime);
    assert_eq!(reading.join().unwrap(), "ended\n");
    drop(behind);
}

#[tokio::test]
async fn a_program_that_ends_takes_its_calls_with_it_and_is_started_again() {
    let folder = Folder::new();
    let once = "if [ -e again ]; then say 17; else echo > again; echo no luck >&2; exit 3; fi";
    let behind = behind(script(&folder, once)).await;
    assert_eq!(spun(&behind).await, unreachable());
    let again = async {
        while spun(&behind).await != text("17") {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, again).await.unwrap();
    assert_eq!(starts(&folder), 2);
}

#[tokio::test]
async fn the_end_of_a_program_is_noticed_among_many_calls_although_its_log_stays_open() {
    let folder = Folder::new();
    let behind = behind(script(&folder, "sleep 300 > starts & exit 3")).await;
    let first = spun(&behind);
    let others = async {
        loop {
            tokio::select! {
                _ = spun(&behind) => {},
                () = tokio::task::yield_now() => {},
            }
        }
    };
    tokio::select! {
        biased;
        result = first => assert_eq!(result, unreachable()),
        () = others => {},
    }
}

#[tokio::test]
async fn what_a_program_has_started_ends_with_it() {
    let folder = Folder::new();
    let starts = "(trap 'echo asked >&3; exit' TERM; say 17; while :; do sleep 1; done) 3> told &";
    let behind = behind(script(&folder, starts)).await;
    let told = told(&folder);
    let ends = async {
        assert_eq!(spun(&behind).await, text("17"));
        drop(behind);
    };
    let (told, ()) = tokio::join!(told, ends);
    assert_eq!(told, "ended\nasked\n");
}

#[test]
fn what_a_program_has_started_ends_with_the_runtime() {
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let behind = runtime.block_on(behind(script(&folder, "exec 3> told; sleep 300 & say 17")));
    let path = folder.path("told");
    let (sender, reading) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(fs::read_to_string(path)));
    assert_eq!(runtime.block_on(spun(&behind)), text("17"));
    drop(runtime);
    assert_eq!(reading.recv_timeout(LIMIT).expect("it runs on").unwrap(), "ended\n");
    drop(behind);
}

#[tokio::test]
async fn a_program_may_write_the_id_in_another_way() {
    for id in ["$id.0", r#"\"$id\""#] {
        let folder = Folder::new();
        let behind = behind(script(&folder, &format!("id={id}; say 17"))).await;
        assert_eq!(spun(&behind).await, text("17"), "{id}");
    }
}

#[tokio::test]
async fn a_program_that_speaks_another_revision_is_ended() {
    let folder = Folder::new();
    let upstream = upstream(script_with(&folder, r#"result '{"protocolVersion":"1999-01-01"}'"#, "say 17"));
    let (told, discovered) = tokio::join!(told(&folder), upstream.discover());
    let fault = discovered.unwrap_err();
    assert!(fault.kind == Kind::Unreachable && fault.message.contains("it has not agreed to a session"), "{fault}");
    assert!(!fault.message.contains("1999"), "{fault}");
    assert_eq!(told, "ended\n");
}

#[tokio::test]
async fn only_the_same_program_adopts_a_description() {
    let folder = Folder::new();
    let program = script(&folder, "say 17");
    let known = upstream(program.clone());
    known.discover().await.unwrap();
    let with_env = |value: &str| vec![("WHEEL".to_owned(), value.to_owned())];
    for (other, is_same) in [
        (program.clone(), true),
        (Program { max_line: 1 << 10, ..program.clone() }, true),
        (Program { args: vec!["other.sh".to_owned()], ..program.clone() }, false),
        (Program { program: "/other/sh".to_owned(), ..program.clone() }, false),
        (Program { env: with_env("mini"), ..program.clone() }, false),
        (Program { directory: None, ..program }, false),
    ] {
        let other = upstream(other);
        other.adopt_description(&known);
        assert_eq!(other.interface().method("spin_wheel").is_some(), is_same, "{:?}", other.servers());
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled() {
    let folder = Folder::new();
    let behind = behind(script(&folder, r#"echo "$id" > told"#)).await;
    let sent = {
        let call = spun(&behind);
        tokio::select! {
            result = call => panic!("{result:?}"),
            sent = told(&folder) => sent,
        }
    };
    let cancelled: serde_json::Value = serde_json::from_str(&told(&folder).await).unwrap();
    assert_eq!(cancelled["params"]["requestId"].to_string(), sent.trim());
}

#[tokio::test]
async fn requests_of_a_program_are_answered() {
    let folder = Folder::new();
    let asks = r#"
        own=$id
        echo '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"hello"}}'
        echo '{"jsonrpc":"2.0","id":"p1","method":"ping"}'; read -r first
        echo '{"jsonrpc":"2.0","id":5,"method":"roots/list"}'; read -r second
        id=$own
        case $first$second in
            *'"id":"p1","result":{}'*'"id":5,"error":{"code":-32601'*) say yes ;;
            *) say no ;;
        esac
    "#;
    let behind = behind(script(&folder, asks)).await;
    assert_eq!(spun(&behind).await, text("yes"));
}

#[tokio::test]
async fn lines_that_are_no_messages_are_ignored() {
    let folder = Folder::new();
    let chatters = r#"
        printf 'hello\n\n[]\n{}\n{"id":0,"result":{}}\n{"id":{},"result":{}}\n\377\n'
        i=0; while [ $i -lt 3000 ]; do echo "a line of the log" >&2; i=$((i+1)); done
        say 17
    "#;
    let behind = behind(script(&folder, chatters)).await;
    assert_eq!(spun(&behind).await, text("17"));
}

#[tokio::test]
async fn a_line_that_is_too_long_is_a_fault_of_its_call_alone() {
    let folder = Folder::new();
    let long = r#"
        if [ -e short ]; then say 17; else echo > short
        printf '{"jsonrpc":"2.0","result":{"content":[],"structuredContent":"'
        i=0; while [ $i -lt 300 ]; do printf '0123456789'; i=$((i+1)); done
        printf '"},"id":%s}\n' "$id"; fi
    "#;
    let behind = behind(Program { max_line: 1000, ..script(&folder, long) }).await;
    assert_eq!((spun(&behind).await, spun(&behind).await), (unreachable(), text("17")));
    assert_eq!(starts(&folder), 1);
}

#[tokio::test]
async fn a_program_gets_a_little_of_the_environment() {
    let folder = Folder::new();
    let shows = r#"say "$WHEEL ${CARGO_MANIFEST_DIR-none} ${PATH:+path}""#;
    let env = vec![("WHEEL".to_owned(), "mini".to_owned())];
    let behind = behind(Program { env, ..script(&folder, shows) }).await;
    assert_eq!(spun(&behind).await, text("mini none path"));
}

#[tokio::test]
async fn a_program_that_needs_no_handshake_refuses_it() {
    let folder = Folder::new();
    let program = script_with(&folder, "error -32601", "say 17");
    let file = folder.path("server.sh");
    let discovered = r#"*'"method":"server/discover"'*) result '{"resultType":"complete","supportedVersions":["2026-07-28"]}' ;;
                *'"method":"tools/list"'*)"#;
    let text = fs::read_to_string(&file).unwrap().replace(r#"*'"method":"tools/list"'*)"#, discovered);
    fs::write(&file, text).unwrap();
    let behind = behind(program).await;
    assert_eq!(spun(&behind).await, self::text("17"));
}

#[tokio::test]
async fn a_program_that_does_not_serve_is_unreachable() {
    let folder = Folder::new();
    let ends = folder.file("ends.sh", "echo no key >&2; exit 7");
    let deaf = folder.file("deaf.sh", "exec <&-; exec >&-");
    for (program, expected) in [
        (Program::new("/nowhere/server"), "its program cannot be started"),
        (Program { args: vec![ends], ..Program::new("sh") }, "its program has ended"),
        (Program { args: vec![deaf], ..Program::new("sh") }, "its program has ended"),
        (Program { directory: Some("/nowhere".into()), ..Program::new("sh") }, "its program cannot be started"),
    ] {
        let fault = timeout(LIMIT, upstream(program).discover()).await.unwrap().unwrap_err();
        assert!(fault.kind == Kind::Unreachable && fault.message.contains(expected), "{fault}");
        assert!(!fault.message.contains("nowhere") && !fault.message.contains("key"), "{fault}");
    }
}

#[tokio::test]
async fn a_reload_keeps_the_program_of_a_group_that_stays_and_ends_that_of_one_that_goes() {
    let folder = Folder::new();
    script(&folder, "say 17");
    let text = |group: &str| {
        let directory = folder.path("");
        format!(
            "[group.'/other']\nservice = 'wheel'\noptions = {{ family = 'mini' }}\n{}",
            group.replace("DIRECTORY", &directory)
        )
    };
    let group = "[group.'/wheel'.upstream]\nprotocol = 'mcp'\ncommand = ['sh', 'server.sh']\ndirectory = 'DIRECTORY'\n";
    let registry = Registry::standard();
    let mounts = Config::parse("test.toml", &text(group), &registry).unwrap().mounts();
    let mut runtime = Runtime::start(mounts, BodyReader::new(&ServerSettings::default())).await.unwrap();
    let found = async {
        loop {
            let mount = runtime.mounts().groups.iter().find(|mount| mount.path == "/wheel").unwrap();
            if mount.service.interface().method("spin_wheel").is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, found).await.unwrap();
    let same = text(&format!("# The same.\n{group}"));
    for (reloaded, expected) in [(same, 2), (text(""), 1)] {
        let config = Config::parse_keeping("test.toml", &reloaded, &registry, runtime.mounts()).unwrap();
        let mounts = config.mounts();
        assert_eq!(mounts.groups.len(), expected);
        drop(config);
        runtime.reload(mounts).await.unwrap();
        assert_eq!(starts(&folder), 1);
    }
    assert_eq!((told(&folder).await.as_str(), starts(&folder)), ("ended\n", 1));
}
