//! Clients of other projects against the gateway with its built-in configuration: Python's `xmlrpc.client`, the
//! `xmlrpc` package of Node, and the command-line client of xmlrpc-c.
//!
//! What they call and expect is in `tests/peers`. The package of Node must be where Node finds it, in a folder
//! that the variable `NODE_PATH` names.

use std::process::Command;

use crate::support::process::{ShutdownReport, run};
use crate::support::running::Running;

/// Runs one of the scripts in `tests/peers` against a gateway of its own; it must find nothing wrong.
fn script(interpreter: &str, options: &[&str], name: &str) {
    let gateway = Running::built_in();
    let script = format!("{}/tests/peers/{name}", env!("CARGO_MANIFEST_DIR"));
    let url = format!("http://{}", gateway.address);
    let ended = run(Command::new(interpreter).args(options).args([script, url]));
    assert!(ended.status.success(), "{name}: {}\n{}{}", ended.status, ended.stdout, ended.stderr);
}

fn python(name: &str) {
    script("python3", &["-B"], name);
}

#[test]
#[ignore = "needs python3"]
fn python_spins_at_every_path_of_a_wheel() {
    python("spins.py");
}

#[test]
#[ignore = "needs python3"]
fn python_makes_several_calls_at_once() {
    python("multicall.py");
}

#[test]
#[ignore = "needs python3"]
fn python_sees_faults_and_wrong_paths() {
    python("faults.py");
}

#[test]
#[ignore = "needs python3"]
fn python_gets_every_value_back() {
    python("values.py");
}

#[test]
#[ignore = "needs python3"]
fn python_packs_requests_and_keeps_its_connection() {
    python("transport.py");
}

#[test]
#[ignore = "needs python3"]
fn python_reads_the_description() {
    python("introspection.py");
}

#[test]
#[ignore = "needs python3"]
fn python_runs_the_validator1_suite() {
    python("validator1.py");
}

#[test]
#[ignore = "needs node with the xmlrpc package"]
fn node_spins_sends_values_and_sees_faults() {
    script("node", &[], "calls.js");
}

/// One call of xmlrpc-c's command-line client: the words that follow the URL.
fn xmlrpc_c(gateway: &Running, path: &str, words: &[&str]) -> ShutdownReport {
    run(Command::new("xmlrpc").arg(format!("http://{}{path}", gateway.address)).args(words))
}

#[test]
#[ignore = "needs xmlrpc-c's command-line client"]
fn xmlrpc_c_spins_and_echoes() {
    let gateway = Running::built_in();
    for path in ["/", "/RPC2", "/wheel/american", "/wheel/european"] {
        let spin = xmlrpc_c(&gateway, path, &["spin"]);
        assert!(spin.status.success(), "{spin:?}");
        assert!(spin.stdout.contains("Array of 4 items:"), "{spin:?}");
    }
    let spins = xmlrpc_c(&gateway, "/", &["spinList", "i/3"]);
    assert!(spins.stdout.contains("Array of 3 items:"), "{spins:?}");
    assert_eq!(spins.stdout.matches("Array of 4 items:").count(), 3, "{spins:?}");
    for (word, shown) in [
        ("i/-7", "Integer: -7"),
        ("d/1.5", "Floating Point: 1.500000"),
        ("b/t", "Boolean: TRUE"),
        ("s/<a> & b", "String: '<a> & b'"),
        ("n/", "Nil"),
        ("I/8589934592", "64-bit integer: 8589934592"),
        ("h/00ff10", "00ff10"),
    ] {
        let echo = xmlrpc_c(&gateway, "/diagnostics", &["echo", word]);
        assert!(echo.status.success() && echo.stdout.contains(shown), "{word}: {echo:?}");
    }
}

#[test]
#[ignore = "needs xmlrpc-c's command-line client"]
fn xmlrpc_c_sees_faults_and_wrong_paths() {
    let gateway = Running::built_in();
    for (path, words, reason) in [
        ("/", &["nothing"][..], "fault code -32601"),
        ("/", &["spinList", "i/-1"], "fault code -32602"),
        ("/nowhere", &["spin"], "HTTP response code is 404"),
    ] {
        let failed = xmlrpc_c(&gateway, path, words);
        assert_eq!(failed.code(), Some(1), "{failed:?}");
        assert!(failed.stderr.contains(reason), "{failed:?}");
    }
}
