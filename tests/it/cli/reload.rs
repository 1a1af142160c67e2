//! The program changes while it runs: listeners, limits, the log, watched files; and what it says about it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::admin::{LISTEN, SPIN, Served, WHEEL, exchange, exchange_over, wait_for_readiness};
use super::commands::{Folder, croupier};
use crate::support::peers::{free_port, until};
use crate::support::process::{Process, run};

const LIMIT: Duration = Duration::from_secs(60);

fn reload(served: &Served) -> Value {
    let (status, text) = served.admin("POST", "/reload");
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The status of a call at an address; `None` if nothing listens there.
fn status_at(address: &str) -> Option<u16> {
    TcpStream::connect(address).is_ok().then(|| exchange(address, "GET", "/wheel/spin", "", "").0)
}

#[test]
fn listeners_are_opened_changed_and_closed_while_others_go_on() {
    let folder = Folder::new();
    let (one, two) = (free_port(), free_port());
    let socket = folder.file("c.sock", "");
    std::fs::remove_file(&socket).unwrap();
    let config = |listen: &str| {
        folder.file("c.toml", &format!("listen = ['127.0.0.1:0', {listen}]\nadmin.listen = '127.0.0.1:0'\n{WHEEL}"))
    };
    let one_address = format!("127.0.0.1:{one}");
    let file = config("");
    let served = Served::start(&file);
    // A connection that is kept outlasts all of this.
    let mut kept = BufReader::new(TcpStream::connect(&served.data).unwrap());
    assert_eq!(keep_calling(&mut kept), Some(200));
    assert_eq!(status_at(&one_address), None);

    config(&format!("'{one_address}', 'unix:{socket}'"));
    assert_eq!(reload(&served)["needs-restart"], json!([]));
    assert_eq!(status_at(&one_address), Some(200));
    let stream = UnixStream::connect(&socket).unwrap();
    assert_eq!(exchange_over(stream, "GET", "/wheel/spin", "", "").0, 200);
    assert!(served.scrape().0.contains(&one_address));
    let mut of_one = BufReader::new(TcpStream::connect(&one_address).unwrap());
    assert_eq!(keep_calling(&mut of_one), Some(200));

    config(&format!("{{ address = '{one_address}', serves = 'pages' }}"));
    reload(&served);
    assert_eq!(status_at(&one_address), Some(404), "the API is not served there any more");
    assert!(!Path::new(&socket).exists(), "the file of a socket goes with it");

    // An address that cannot be bound changes nothing at all.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_address = taken.local_addr().unwrap();
    let other = WHEEL.replace("/wheel", "/other");
    folder.file(
        "c.toml",
        &format!(
            "listen = ['127.0.0.1:{two}', '{taken_address}']\nadmin.listen = '127.0.0.1:0'\n{}{other}",
            WHEEL.replace("mini", "french")
        ),
    );
    let (status, text) = served.admin("POST", "/reload");
    assert!(status == 422 && text.contains(&format!("cannot listen on {taken_address}: another process")), "{text}");
    assert_eq!(status_at(&format!("127.0.0.1:{two}")), None);
    assert_eq!((status_at(&served.data), status_at(&one_address)), (Some(200), Some(404)));
    assert_eq!(served.call("/other", SPIN).0, 404);

    drop(taken);
    assert_eq!(reload(&served)["groups"], 2);
    assert_eq!(status_at(&format!("127.0.0.1:{two}")), Some(200));
    assert_eq!((status_at(&served.data), status_at(&one_address)), (None, None));
    assert!(!served.scrape().0.contains(&one_address), "the series of a listener go with it");
    assert_eq!((keep_calling(&mut kept), keep_calling(&mut of_one)), (Some(200), Some(200)));
    // The closed address can be opened again.
    config(&format!("'{one_address}'"));
    reload(&served);
    assert_eq!(status_at(&one_address), Some(200));
    served.process.signal("TERM");
    let log = served.process.end().stderr;
    for line in [
        format!(" listening on {one_address}"),
        format!(" listening on unix:{socket}"),
        format!(" no longer listening on unix:{socket}"),
        " the configuration is unchanged, because it cannot be loaded: ".to_owned(),
    ] {
        assert!(log.contains(&line), "{line}: {log}");
    }
}

/// Calls once over a connection that is kept. Returns the status, or `None` if the connection is closed.
fn keep_calling(connection: &mut BufReader<TcpStream>) -> Option<u16> {
    connection.get_mut().write_all(b"GET /wheel/spin HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(code) = line.strip_prefix("http/1.1 ") {
            status = code.get(..3)?.parse().ok()?;
        }
        if let Some(bytes) = line.strip_prefix("content-length: ") {
            length = bytes.parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).ok()?;
    Some(status)
}

#[test]
fn limits_and_the_log_level_follow_a_reload_and_what_cannot_is_said() {
    let folder = Folder::new();
    let file = folder.file("c.toml", &format!("{LISTEN}log.level = 'error'\n{WHEEL}"));
    let served = Served::start(&file);
    let limit = |name: &str, label: &[&str]| served.scrape().sum(name, label);
    assert_eq!(limit("croupier_connections_limit", &[]), 4096.0);
    let compressed = |served: &Served| {
        let stream = TcpStream::connect(&served.data).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let request = "GET /wheel/spinList?spins=1000 HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n";
        (&stream).write_all(request.as_bytes()).unwrap();
        let mut response = Vec::new();
        (&stream).read_to_end(&mut response).unwrap();
        String::from_utf8_lossy(&response).to_lowercase().contains("content-encoding: gzip")
    };
    let send_garbage = || {
        let mut stream = TcpStream::connect(&served.data).unwrap();
        stream.write_all(b"\0\0\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    };
    send_garbage();
    assert!(!compressed(&served));
    let changed = "log.level = 'debug'\nserver.connections = 3\nserver.per-client.connections = 3\nserver.memory = '64 MiB'\nserver.compress = true\n";
    folder.file("c.toml", &format!("{LISTEN}{changed}{WHEEL}"));
    assert_eq!(reload(&served)["needs-restart"], json!([]));
    assert_eq!(limit("croupier_connections_limit", &[]), 3.0);
    assert_eq!(limit("croupier_memory_limit_bytes", &["pool=\"request\""]), 67_108_864.0);
    assert!(compressed(&served));
    send_garbage();
    until("the earlier connections are closed", || (limit("croupier_connections", &[]) == 0.0).then_some(()));
    // With 3 connections, one more closes the one that has been idle for the longest time.
    let mut held: Vec<_> = (0..3).map(|_| BufReader::new(TcpStream::connect(&served.data).unwrap())).collect();
    for connection in &mut held {
        assert_eq!(keep_calling(connection), Some(200));
    }
    assert_eq!(status_at(&served.data), Some(200));
    until("the idle connection is closed", || held.iter_mut().any(|held| keep_calling(held).is_none()).then_some(()));

    let fixed = "workers = 3\nlog = { access = false, format = 'json' }\nserver.response-memory = '99 MiB'\n";
    folder.file("c.toml", &format!("{LISTEN}{fixed}{WHEEL}"));
    let expected = json!(["workers", "log.access", "log.format", "server.response-memory"]);
    assert_eq!(reload(&served)["needs-restart"], expected);
    served.process.signal("TERM");
    let log = served.process.end().stderr;
    assert_eq!(log.matches("invalid HTTP method").count(), 1, "at the level debug only: {log}");
}

#[test]
fn watched_files_are_read_when_they_change_and_wrong_ones_change_nothing() {
    let folder = Folder::new();
    let include = "watch = true\ninclude = ['*.group']\n";
    let file = folder.file("c.toml", &format!("{include}{LISTEN}{WHEEL}"));
    let served = Served::start(&file);
    let wait_for = |served: &Served, path: &str, status: u16| {
        let begun = Instant::now();
        while served.call(path, SPIN).0 != status {
            assert!(begun.elapsed() < LIMIT, "{path} {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // A file that is dropped in.
    folder.file("1.group", &WHEEL.replace("/wheel", "/one"));
    wait_for(&served, "/one", 200);
    // A file that is replaced by a link.
    folder.file("two", &WHEEL.replace("/wheel", "/two"));
    let link = Path::new(&file).with_file_name("tmp");
    symlink("two", &link).unwrap();
    std::fs::rename(&link, link.with_file_name("1.group")).unwrap();
    wait_for(&served, "/two", 200);
    wait_for(&served, "/one", 404);
    // A wrong file is said once and changes nothing.
    folder.file("2.group", "[group.'/half");
    until("the errors have been found", || {
        (served.scrape().sum("croupier_config_reloads_total", &["result=\"failure\""]) == 1.0).then_some(())
    });
    assert_eq!(served.call("/two", SPIN).0, 200);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(served.scrape().sum("croupier_config_reloads_total", &["result=\"failure\""]), 1.0);
    folder.file("2.group", &WHEEL.replace("/wheel", "/half"));
    wait_for(&served, "/half", 200);
    // Without the key the files are not watched any more.
    let off = WHEEL.replace("/wheel", "/off");
    folder.file("c.toml", &format!("{}{LISTEN}{WHEEL}{off}", include.replace("true", "false")));
    wait_for(&served, "/off", 200);
    folder.file("3.group", &WHEEL.replace("/wheel", "/three"));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(served.call("/three", SPIN).0, 404);
    served.process.signal("TERM");
    let ended = served.process.end();
    assert_eq!(ended.stderr.matches("1 error in").count(), 1, "{ended:?}");
}

#[test]
fn the_listeners_stay_open_for_the_drain_delay() {
    let folder = Folder::new();
    let served =
        Served::start(&folder.file("c.toml", &format!("{LISTEN}server.timeouts.drain-delay = '20s'\n{WHEEL}")));
    // The delay is that of the last reload.
    folder.file("c.toml", &format!("{LISTEN}server.timeouts.drain-delay = '2s'\n{WHEEL}"));
    reload(&served);
    let begun = Instant::now();
    served.process.signal("TERM");
    assert_eq!(wait_for_readiness(&served, 503)["reasons"], json!(["the server is stopping"]));
    assert_eq!(status_at(&served.data), Some(200), "requests are served meanwhile");
    let ended = served.process.end();
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(15), "{took:?}");
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("not ready any more; the listeners are closed in 2s"), "{ended:?}");
}

#[test]
fn a_unix_socket_has_its_mode_and_what_is_missing_is_said() {
    let folder = Folder::new();
    let socket = folder.file("c.sock", "");
    std::fs::remove_file(&socket).unwrap();
    let config = |mode: &str| {
        let listen = format!("['127.0.0.1:0', {{ address = 'unix:{socket}', mode = '{mode}' }}]");
        folder.file("c.toml", &format!("listen = {listen}\nadmin.listen = '127.0.0.1:0'\n{WHEEL}"))
    };
    let mode = || std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    let file = config("0600");
    let mut process = Process::start(&mut croupier(&["serve", "--config", &file]));
    until("the socket is there", || UnixStream::connect(&socket).ok());
    assert_eq!(mode(), 0o600);
    config("0666");
    process.signal("HUP");
    until("the mode is changed", || (mode() == 0o666).then_some(()));
    assert!(process.line().contains("listens on http://"));
    drop(process);

    let ended = |listen: &str| {
        let file = folder.file("d.toml", &format!("listen = [{listen}]\n{WHEEL}"));
        let ended = run(&mut croupier(&["serve", "--config", &file]));
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        ended.stderr
    };
    let missing = ended("'unix:/nonexistent/c.sock'");
    assert!(
        missing.contains("cannot listen on unix:/nonexistent/c.sock: there is no folder /nonexistent"),
        "{missing}"
    );
    let unknown = ended(&format!("{{ address = 'unix:{socket}2', group = 'no such group' }}"));
    assert!(unknown.contains("there is no group `no such group` in /etc/group"), "{unknown}");
    assert!(!Path::new(&format!("{socket}2")).exists());
    let tcp = ended("{ address = '127.0.0.1:0', mode = '0600' }");
    assert!(tcp.contains("`mode`, `owner` and `group` are those of the file of a unix socket"), "{tcp}");
    let wrong = ended("{ address = 'unix:/tmp/x.sock', mode = '0o600' }");
    assert!(wrong.contains("three octal digits"), "{wrong}");
}

#[test]
fn the_command_asks_the_server_of_a_file_and_prints_the_result() {
    let folder = Folder::new();
    let admin = format!("127.0.0.1:{}", free_port());
    let head = format!("listen = ['127.0.0.1:0']\nadmin.listen = '{admin}'\n");
    let file = folder.file("c.toml", &format!("{head}{WHEEL}"));
    let command = |words: &[&str]| {
        let ended = run(&mut croupier(words));
        (ended.code(), ended.stdout, ended.stderr)
    };
    let (code, _, error) = command(&["reload", &file]);
    assert!(code == Some(1) && error.contains(&format!("the admin listener at {admin} does not respond")), "{error}");
    let _served = Served::start(&file);
    let loaded = format!("croupier: the configuration `{file}` is loaded: 1 group, generation 2\n");
    assert_eq!(command(&["reload", &file]), (Some(0), loaded, String::new()));
    // The server of another file is not asked, so the generation is still the same.
    let other = folder.file("other.toml", &format!("{head}{WHEEL}"));
    let (code, out, error) = command(&["reload", &other]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.contains(&format!("the server at {admin} serves `{file}` and not `{other}`")), "{error}");
    assert!(command(&["reload", &file]).1.contains("generation 3"));
    folder.file("c.toml", &format!("workers = 7\n{head}{WHEEL}"));
    let (code, out, _) = command(&["reload", "--config", &file]);
    assert!(code == Some(0) && out.contains("`workers` take effect at the next start only"), "{out}");
    folder.file("c.toml", &format!("{head}{WHEEL}famly = 1\n"));
    let (code, out, error) = command(&["reload", &file]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.contains("unknown key `famly`") && error.contains("goes on with its configuration"), "{error}");
    let none = folder.file("none.toml", WHEEL);
    assert!(command(&["reload", &none]).2.contains("there is no admin listener"));
    let any = folder.file("any.toml", "admin.listen = '127.0.0.1:0'\n");
    assert!(command(&["reload", &any]).2.contains("port 0"));
    assert_eq!(command(&["reload"]).0, Some(2));
}

/// How many files of `/proc` there are: descriptors or threads of a process.
fn count(process: u32, kind: &str) -> usize {
    std::fs::read_dir(format!("/proc/{process}/{kind}")).unwrap().count()
}

#[test]
#[cfg(target_os = "linux")]
fn a_storm_of_reloads_fails_no_call_and_leaves_nothing_behind() {
    const RELOADS: usize = 200;
    let folder = Folder::new();
    let port = free_port();
    let config = |turn: usize| {
        let listen = if turn % 5 == 4 { format!("'127.0.0.1:{port}'") } else { String::new() };
        let mut text = format!(
            "listen = ['127.0.0.1:0', {listen}]\nadmin.listen = '127.0.0.1:0'\nlog.access = false\n\
             server.in-flight = {}\n{WHEEL}",
            2000 + turn % 3
        );
        let family = ["mini", "french", "european"][turn % 3];
        text += &format!("[group.'/changes']\nservice = 'wheel'\noptions.family = '{family}'\n");
        if turn % 2 == 1 {
            text += &format!("[group.'/comes/{turn}']\nservice = 'diagnostics'\n");
            text += &upstream(port);
            text += "[group.'/all']\naggregate.calls.one = { group = '/changes', method = 'spin' }\n";
        }
        folder.file("c.toml", &text)
    };
    let file = config(0);
    let served = Arc::new(Served::start(&file));
    let id = served.process.id();
    let (stop, calls, failures) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let storm = |reloads: usize| {
        stop.store(false, SeqCst);
        let clients = (0..16).map(|number| {
            let (served, stop, calls, failures) = (served.clone(), stop.clone(), calls.clone(), failures.clone());
            std::thread::spawn(move || {
                let mut kept = BufReader::new(TcpStream::connect(&served.data).unwrap());
                while !stop.load(SeqCst) {
                    let status = if number % 2 == 0 { keep_calling(&mut kept) } else { status_at(&served.data) };
                    let changing = served.call("/changes", SPIN).0;
                    calls.fetch_add(2, SeqCst);
                    failures.fetch_add(usize::from(status != Some(200)) + usize::from(changing != 200), SeqCst);
                }
            })
        });
        let clients: Vec<_> = clients.collect();
        for turn in 1..=reloads {
            config(turn);
            reload(&served);
        }
        stop.store(true, SeqCst);
        clients.into_iter().for_each(|client| client.join().unwrap());
        config(0);
        reload(&served);
    };
    // What is started once, such as threads for files, is part of the base.
    storm(5);
    let settled = |limit: (usize, usize)| {
        until("descriptors and threads are given back", || {
            let now = (count(id, "fd"), count(id, "task"));
            (now.0 <= limit.0 && now.1 <= limit.1).then_some(now)
        })
    };
    let base = settled((40, 40));
    storm(RELOADS);
    settled((base.0 + 2, base.1 + 2));
    assert_eq!(failures.load(SeqCst), 0, "of {} calls", calls.load(SeqCst));
    assert!(calls.load(SeqCst) > RELOADS);
    assert_eq!(served.json("/status").1["config"]["generation"], 1 + 5 + 1 + RELOADS + 1);
}

fn upstream(port: u16) -> String {
    format!("[group.'/up']\nupstream = {{ urls = ['http://127.0.0.1:{port}/wheel'], protocol = 'xml-rpc' }}\n")
}
