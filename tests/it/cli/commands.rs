//! The program as a person uses it: what each command prints, where it prints it, and with which exit code.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::support::process::{Process, ShutdownReport, run};

const SPIN: &str = "<methodCall><methodName>spin</methodName></methodCall>";

pub(super) fn croupier(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    command.args(words);
    command
}

pub(super) fn ran(words: &[&str]) -> ShutdownReport {
    run(&mut croupier(words))
}

/// A command that fails as it should: with code 1, nothing on standard output, and a message instead of a panic.
pub(super) fn failed(words: &[&str]) -> String {
    failed_with(1, words)
}

/// The same with another code.
pub(super) fn failed_with(code: i32, words: &[&str]) -> String {
    let ended = ran(words);
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(code), ""), "{words:?}: {ended:?}");
    assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("backtrace"), "{ended:?}");
    ended.stderr
}

pub(super) fn succeeded(words: &[&str]) -> String {
    let ended = ran(words);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{words:?}: {ended:?}");
    ended.stdout
}

/// A folder that is removed with all that is in it.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("croupier-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Folder(folder)
    }

    /// Writes a file and says where it is.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `croupier serve` on a port of its own, and what it says it listens on.
pub(super) fn serve(more: &[&str]) -> (Process, String) {
    let mut server = Process::start(croupier(&["serve", "--listen", "127.0.0.1:0"]).args(more));
    let line = server.line();
    let (_, url) = line.split_once(" listens on ").unwrap_or_else(|| panic!("no address in {line:?}"));
    (server, url.to_owned())
}

/// Asks for more spins than the buffers between server and client can hold, and waits for the head of the
/// answer: the call lasts until the rest is read.
fn begin(url: &str, spins: u32) -> TcpStream {
    let body = format!(
        "<methodCall><methodName>spinList</methodName><params><param><value><int>{spins}</int></value></param></params></methodCall>"
    );
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(request(&body).as_bytes()).unwrap();
    let mut status = [0; 15];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    stream
}

fn request(body: &str) -> String {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// A configuration of one wheel that gives running calls a minute to finish.
const PATIENT: &str = "[server.timeouts]\ndrain = \"1m\"\nwrite = \"1m\"\n\
    [group.\"/\"]\nservice = \"wheel\"\noptions = { family = \"american\" }\n";

#[test]
fn check_tells_what_a_sound_file_amounts_to() {
    let folder = Folder::new();
    let file = folder.file("sound.toml", PATIENT);
    let told = succeeded(&["check", &file]);
    assert!(told.starts_with(&format!("{file} is valid: 1 group\n")), "{told}");
    assert!(told.contains("127.0.0.1:8008") && told.contains("wheel"), "{told}");
}

#[test]
fn check_tells_all_that_is_wrong_with_a_file() {
    let folder = Folder::new();
    let file = folder.file(
        "bad.toml",
        "lisen = [\"127.0.0.1:0\"]\n[group.\"wheel\"]\nservice = \"wheel\"\noptions = { family = \"amercan\" }\n",
    );
    let told = failed(&["check", &file]);
    for part in [&format!("{file}:1:1"), "lisen", "listen", "amercan", "american", "3 "] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let missing = failed(&["check", "/no/such/file.toml"]);
    assert!(missing.contains("/no/such/file.toml"), "{missing}");
    assert!(failed(&["serve", "--config", &file]).contains("lisen"));
}

#[test]
fn routes_lists_paths_and_methods() {
    let told = succeeded(&["routes"]);
    for part in ["/wheel/american / /RPC2", "/wheel/mini", "/diagnostics", "spinList(", "validator1.manyTypesTest("] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let folder = Folder::new();
    let told = succeeded(&["routes", "--config", &folder.file("one.toml", PATIENT)]);
    assert!(told.starts_with("/  American wheel (wheel)\n"), "{told}");
    let routed = "[group.\"/w\"]\nservice = \"wheel\"\noptions = { family = \"mini\" }\n\
                  routes = [{ route = \"GET /spins/{spins}\", method = \"spinList\" }]\n";
    let told = succeeded(&["routes", "--config", &folder.file("routed.toml", routed)]);
    assert!(told.contains("    spinList(spins: int = 1) -> array\n        GET /w/spins/{spins}\n"), "{told}");
    let upstream = "[group.\"/u\"]\nupstream = { urls = [\"http://127.0.0.1:9/\"], protocol = \"xml-rpc\" }\n";
    let told = succeeded(&["routes", "--config", &folder.file("upstream.toml", upstream)]);
    assert!(told.contains("    methods: not asked; `check --ask` asks the upstream\n"), "{told}");
}

#[test]
fn a_port_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = failed(&["serve", "--listen", &address]);
    assert!(told.contains(&address) && told.contains("another process listens there already"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn either_signal_ends_the_server_when_what_runs_has_finished() {
    let folder = Folder::new();
    let config = folder.file("patient.toml", PATIENT);
    for signal in ["INT", "TERM"] {
        let (server, url) = serve(&["--config", &config]);
        let mut client = begin(&url, 100_000);
        server.signal(signal);
        server.wait_for_log("finishing the running requests");
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("</methodResponse>\n\r\n0\r\n\r\n"), "{signal}: {}", answer.len());
        assert_eq!(answer.matches("<array>").count(), 100_001, "{signal}");
        let ended = server.end();
        assert_eq!(ended.code(), Some(0), "{signal}: {ended:?}");
        assert!(ended.stderr.lines().last().unwrap().ends_with(" stopped"), "{signal}: {ended:?}");
    }
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let folder = Folder::new();
    let config = folder.file("patient.toml", PATIENT);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (server, url) = serve(&["--config", &config]);
        let _client = begin(&url, 1_000_000);
        server.signal(signal);
        server.wait_for_log("finishing the running requests");
        server.signal(signal);
        assert_eq!(server.end().code(), Some(code));
    }
}

#[test]
fn a_hangup_has_the_configuration_read_anew() {
    let folder = Folder::new();
    let config = folder.file("house.toml", PATIENT);
    let (server, url) = serve(&["--config", &config]);
    let asked = |path: &str| {
        let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let mut client = begin(&url, 100_000);
    assert_eq!((asked("/spin"), asked("/mini/spin")), ("200".into(), "404".into()));

    let mini = "[group.'/mini']\nservice = 'wheel'\noptions = { family = 'mini' }\n";
    folder.file("house.toml", mini);
    server.signal("HUP");
    server.wait_for_log("is loaded: 1 group");
    assert_eq!((asked("/spin"), asked("/mini/spin")), ("404".into(), "200".into()));

    folder.file("house.toml", &mini.replace("mini' }", "minni' }"));
    server.signal("HUP");
    server.wait_for_log("the configuration is unchanged");
    assert_eq!(asked("/mini/spin"), "200");

    // What was asked in the group that is gone is answered to its end.
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.matches("<array>").count(), 100_001);
    folder.file("house.toml", PATIENT);
    server.signal("HUP");
    server.wait_for_log("is loaded: 1 group");
    assert_eq!((asked("/spin"), asked("/mini/spin")), ("200".into(), "404".into()));
    server.signal("TERM");
    let ended = server.end();
    assert_eq!(ended.code(), Some(0));
    assert!(ended.stderr.contains("did you mean `mini`?"), "{}", ended.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn there_are_as_many_workers_as_the_configuration_says() {
    let folder = Folder::new();
    let (server, _) = serve(&["--config", &folder.file("three.toml", &format!("workers = 3\n{PATIENT}"))]);
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap());
    assert_eq!(names.filter(|name| name.starts_with("croupier-worker")).count(), 3);
}

#[test]
fn a_unix_socket_is_served_and_removed_at_the_end() {
    let folder = Folder::new();
    let socket = folder.0.join("croupier.sock");
    // What a server leaves behind that was killed: a socket without a listener.
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let listen = format!("unix:{}", socket.display());
    let mut server = Process::start(&mut croupier(&["serve", "--listen", &listen]));
    let line = server.line();
    assert!(line.ends_with(&format!(" listens on {listen}")), "{line}");
    assert!(spun_over(&socket).contains("<methodResponse><params>"));
    let second = failed(&["serve", "--listen", &listen]);
    assert!(second.contains(&listen) && second.contains("another process listens there already"), "{second}");
    assert!(spun_over(&socket).starts_with("HTTP/1.1 200 OK"));
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
    assert!(!socket.exists());
}

fn spun_over(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request(SPIN).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = Folder::new();
    let file = folder.file("precious", "data");
    let told = failed(&["serve", "--listen", &format!("unix:{file}")]);
    assert!(told.contains(&file) && told.contains("not a socket"), "{told}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "data");
}

#[test]
fn the_help_shows_examples_and_the_shell_gets_completions() {
    let help = succeeded(&["--help"]);
    let place = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text:?} is not in {help}"));
    assert!(place("croupier call http://127.0.0.1:8008/ spinList 3") < place("Commands:"), "{help}");
    assert!(place("croupier serve casino.toml") < place("Commands:"), "{help}");
    assert!(help.contains("Exit codes:") && help.lines().all(|line| line.chars().count() <= 100), "{help}");
    for command in ["call", "describe", "check", "add", "schema", "mcp"] {
        let help = succeeded(&[command, "--help"]);
        assert!(help.contains("Example"), "{help}");
    }
    assert!(succeeded(&["add", "--help"]).contains("--append"));
    for shell in ["bash", "zsh", "fish"] {
        let script = succeeded(&["completions", shell]);
        for word in
            ["describe", "schema", "append", "json-rpc", "env-file", "without-secrets", "ask", "ca-file", "bearer"]
        {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert!(succeeded(&["--version"]).starts_with("croupier "));
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_code_2() {
    for words in [
        &["serv"][..],
        &["check"],
        &["reload"],
        &["check", "a.toml", "--config", "b.toml"],
        &["serve", "a.toml", "-c", "b.toml"],
        &["routes", "a.toml", "-c", "b.toml"],
        &["add", "http://localhost/", "a.toml", "-c", "b.toml"],
        &["add", "http://localhost/", "--append"],
        &["call", "http://localhost/"],
        &["call", "--password", "env:X", "http://localhost/", "spin"],
        &["call", "--bearer", "s3cret", "http://localhost/", "spin"],
        &["call", "--header", "s3cret", "http://localhost/", "spin"],
        &["call", "--protocol", "page", "http://localhost/", "spin"],
        &["serve", "--listen", "nowhere"],
    ] {
        let ended = ran(words);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(2), ""), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains("--help"), "{ended:?}");
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let (_server, url) = serve(&[]);
    let folder = Folder::new();
    let config = folder.file("sound.toml", PATIENT);
    for words in [
        &["--help"][..],
        &["routes"],
        &["check", &config],
        &["call", &url, "spin"],
        &["describe", &url],
        &["completions", "bash"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = Process::start_into(&mut croupier(words), writer.into()).end();
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_limit_on_file_descriptors_is_raised_and_too_low_a_limit_is_reported() {
    let folder = Folder::new();
    let config = folder.file("casino.toml", "log.level = 'warn'\n[group.'/spin']\nservice = 'diagnostics'\n");
    let limited = |limits: &str| {
        let program = env!("CARGO_BIN_EXE_croupier");
        let script = format!("{limits}; exec {program} serve --listen 127.0.0.1:0 --config {config}");
        let mut server = Process::start(Command::new("sh").args(["-c", &script]));
        assert!(server.line().contains(" listens on "));
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
        let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
        let current = open_files.split_whitespace().nth(3).unwrap().to_owned();
        server.signal("TERM");
        (current, server.end().stderr)
    };
    assert_eq!(limited("ulimit -Sn 200; ulimit -Hn 10000"), ("10000".into(), String::new()));
    let (current, log) = limited("ulimit -Sn 200; ulimit -Hn 300");
    assert_eq!(current, "300");
    assert!(log.contains("limit of 300 file descriptors is too low for 4096 connections"), "{log}");
}

#[test]
fn a_fifo_in_the_place_of_a_file_is_an_error_and_stops_nothing() {
    let folder = Folder::new();
    let fifo = folder.0.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let good = "[group.'/']\nservice = 'wheel'\noptions = { family = 'mini' }\n";
    let upstream = "[group.'/up'.upstream]\nurls = ['https://127.0.0.1:1/']\nprotocol = 'soap'\n";
    let page = "[page.'/page']\ngroup = '/'\nmethod = 'spin'\n";
    let named = [
        format!("{upstream}bearer = {{ file = 'fifo' }}\n"),
        format!("{upstream}headers = {{ x-key = {{ file = 'fifo' }} }}\n"),
        format!("{upstream}description = 'file:fifo'\n"),
        format!("{upstream}tls = {{ roots = 'fifo' }}\n"),
        format!("{upstream}tls = {{ certificate = 'fifo', key = 'fifo' }}\n"),
        format!("{page}template = 'fifo'\n"),
        format!("{page}template = 'built-in:table'\nparts = ['fifo']\n"),
        format!("{page}template = 'built-in:table'\nstyle = 'fifo'\n"),
    ];
    let config = folder.file("casino.toml", good);
    let (server, url) = serve(&["--config", &config]);
    let reason = "it is a FIFO, a socket or a device, not a regular file";
    for more in &named {
        folder.file("casino.toml", &format!("{good}{more}"));
        assert!(failed(&["check", &config]).contains(reason), "{more}");
        server.signal("HUP");
        server.wait_for_log("the configuration is unchanged");
        drop(begin(&url, 1));
    }
    let fifo = fifo.to_str().unwrap();
    assert!(failed(&["check", fifo]).contains(reason));
    assert!(failed(&["serve", "--config", fifo]).contains(reason));
    assert!(failed(&["check", folder.0.to_str().unwrap()]).contains("it is a directory, not a regular file"));
    server.signal("TERM");
    let ended = server.end();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.stderr.matches(reason).count(), named.len(), "{}", ended.stderr);
}
