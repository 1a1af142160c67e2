//! What systemd gives to the program and is told by it. A shell plays its part.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::peers::Folder;
use crate::support::process::Process;

const LIMIT: Duration = Duration::from_secs(20);
const WHEEL: &str = "log.level = 'off'\n[group.'/wheel']\nservice = 'wheel'\noptions = { family = 'mini' }\n";

/// Starts the program with these lines of shell before it, and this standard input.
fn start(script: &str, config: &str, stdin: impl Into<Stdio>) -> Process {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{script} exec \"$@\""), "sh", env!("CARGO_BIN_EXE_croupier"), "serve", "--config"]);
    Process::start_between(shell.arg(config), stdin.into(), Stdio::null())
}

/// The exit code and standard error of a program that ends.
fn ended(program: Process) -> (Option<i32>, String) {
    let report = program.end();
    (report.code(), report.stderr)
}

/// Hands standard input over as descriptor 3.
const HAND_OVER: &str = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$;";

fn spin(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"GET /wheel/spin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn a_socket_that_is_handed_over_serves_across_restarts() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let folder = Folder::new();
    let config = folder.file("croupier.toml", &format!("listen = ['{address}']\n{WHEEL}"));
    for _ in 0..3 {
        let program = start(HAND_OVER, &config, OwnedFd::from(socket.try_clone().unwrap()));
        // A call that arrives before the program has started waits in the socket.
        let response = spin(address);
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        program.signal("TERM");
        assert_eq!(ended(program), (Some(0), String::new()));
    }
}

#[test]
fn a_socket_that_no_address_names_is_an_error() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let folder = Folder::new();
    let config = folder.file("croupier.toml", &format!("listen = ['127.0.0.1:0']\n{WHEEL}"));
    let (code, error) = ended(start(HAND_OVER, &config, OwnedFd::from(socket)));
    let expected = format!(
        "croupier: the socket {address} has been handed over (LISTEN_FDS), but `listen` does not have this address: it \
         has 127.0.0.1:0\n"
    );
    assert_eq!((code, error), (Some(1), expected));
}

#[test]
fn systemd_is_told_of_the_start_a_reload_and_the_end() {
    let folder = Folder::new();
    let config = folder.file("croupier.toml", &format!("listen = ['127.0.0.1:0']\n{WHEEL}"));
    let path = folder.path("notify");
    let notified = UnixDatagram::bind(&path).unwrap();
    notified.set_read_timeout(Some(LIMIT)).unwrap();
    // Waits for a message with this line, past those of the watchdog.
    let wait_for = |line: &str| {
        let mut buffer = [0; 4096];
        loop {
            let length = notified.recv(&mut buffer).unwrap();
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|found| found == line) {
                return message;
            }
            assert!(message.trim_end() == "WATCHDOG=1", "{message}");
        }
    };
    let script = format!("export NOTIFY_SOCKET={path} WATCHDOG_USEC=200000;");
    let program = start(&script, &config, Stdio::null());
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    program.signal("HUP");
    assert!(wait_for("RELOADING=1").contains("MONOTONIC_USEC="));
    wait_for("READY=1");
    program.signal("TERM");
    wait_for("STOPPING=1");
    assert_eq!(ended(program), (Some(0), String::new()));
}
