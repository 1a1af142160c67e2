//! The admin listener of the program, and the metrics that it has.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::commands::{Folder, croupier};
use crate::support::peers::{free_port, until};
use crate::support::pki::Authority;
use crate::support::process::Process;
use crate::support::scrape::Scrape;

/// A server with an admin listener.
pub(super) struct Served {
    pub(super) process: Process,
    /// Host and port.
    pub(super) data: String,
    pub(super) admin: String,
}

impl Served {
    pub(super) fn start(file: &str) -> Served {
        let mut process = Process::start(croupier(&["serve", "--config", file]).env("RUST_BACKTRACE", "0"));
        // A log in JSON is for programs, so standard output has no hints for people.
        let has_hints = !std::fs::read_to_string(file).unwrap().contains("'json'");
        let mut after = |hint: &str, logged: &str| {
            let (line, text) = if has_hints { (process.line(), hint) } else { (process.wait_for_log(logged), logged) };
            let (_, rest) = line.split_once(text).unwrap_or_else(|| panic!("no {text:?} in {line:?}"));
            rest.split(": /").next().unwrap().split('"').next().unwrap().to_owned()
        };
        let data = after(" listens on http://", " listens on http://");
        let admin = after("admin listener at http://", "admin listener is at http://");
        Served { process, data, admin }
    }

    pub(super) fn admin(&self, method: &str, path: &str) -> (u16, String) {
        exchange(&self.admin, method, path, "", "")
    }

    pub(super) fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.admin("GET", path);
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    pub(super) fn scrape(&self) -> Scrape {
        let (status, text) = self.admin("GET", "/metrics");
        assert_eq!(status, 200, "{text}");
        Scrape(text)
    }

    pub(super) fn call(&self, path: &str, body: &str) -> (u16, String) {
        exchange(&self.data, "POST", path, "Content-Type: application/json\r\n", body)
    }
}

pub(super) fn exchange(address: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let (status, _, body) = exchange_over(TcpStream::connect(address).unwrap(), method, path, headers, body);
    (status, body)
}

/// The status, the head and the body of a response.
pub(super) fn exchange_over(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String, String) {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {response:?}"));
    (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
}

pub(super) const LISTEN: &str =
    "listen = ['127.0.0.1:0']\nadmin.listen = '127.0.0.1:0'\nserver.timeouts.drain = '1m'\n";
pub(super) const WHEEL: &str = "[group.'/wheel']\nservice = 'wheel'\noptions = { family = 'mini' }\n";
pub(super) const SPIN: &str = r#"{"jsonrpc":"2.0","method":"spin","id":1}"#;

fn upstream(path: &str, url: &str) -> String {
    format!("[group.'{path}']\nupstream = {{ urls = ['{url}'], protocol = 'json-rpc' }}\n")
}

/// Waits until the server says that it is ready, or that it is not.
pub(super) fn wait_for_readiness(served: &Served, expected: u16) -> Value {
    let begun = Instant::now();
    loop {
        let (status, body) = served.json("/ready");
        if status == expected {
            return body;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{status} {body}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn it_answers_probes_and_refuses_what_it_does_not_have() {
    let folder = Folder::new();
    let file = folder.file("c.toml", &format!("{LISTEN}{WHEEL}"));
    let served = Served::start(&file);
    assert_eq!(served.admin("GET", "/live"), (200, "the process is alive\n".to_owned()));
    assert_eq!(served.json("/ready"), (200, serde_json::json!({ "ready": true, "reasons": [] })));
    let (status, state) = served.json("/status");
    assert_eq!(
        (status, &state["version"], &state["state"]),
        (200, &env!("CARGO_PKG_VERSION").into(), &"serving".into())
    );
    assert_eq!((&state["config"]["generation"], &state["config"]["file"]), (&1.into(), &file.as_str().into()));
    assert_eq!((&state["groups"][0]["path"], &state["groups"][0]["kind"]), (&"/wheel".into(), &"wheel".into()));
    assert_eq!((&state["last-reload"], &state["groups"][0]["upstream"]), (&Value::Null, &Value::Null));

    let (status, text) = served.admin("GET", "/wheel/spin");
    assert!(status == 404 && text.contains("/ready") && text.contains("/reload"), "{status} {text}");
    for (method, path, allowed) in
        [("POST", "/live", "GET, HEAD"), ("GET", "/reload", "POST"), ("DELETE", "/drain", "POST")]
    {
        let stream = TcpStream::connect(&served.admin).unwrap();
        let (status, head, body) = exchange_over(stream, method, path, "", "");
        assert_eq!(status, 405, "{head}");
        assert!(head.to_lowercase().contains(&format!("allow: {}", allowed.to_lowercase())), "{head}");
        assert!(body.contains(path) && body.contains(method), "{body}");
    }
    for header in ["Origin: http://elsewhere.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        let (status, text) = exchange(&served.admin, "POST", "/drain", header, "");
        assert!(status == 403 && text.contains("web pages"), "{status} {text}");
    }
    let probe = exchange(&served.data, "GET", "/ready", "", "");
    assert_eq!(probe.0, 404, "the paths are those of the admin listener only");
}

#[test]
fn a_reload_on_request_answers_with_the_generation_or_the_problems() {
    let folder = Folder::new();
    let file = folder.file("c.toml", &format!("{LISTEN}{WHEEL}"));
    let served = Served::start(&file);
    assert_eq!(served.call("/wheel", SPIN).0, 200);
    folder.file("c.toml", &format!("{LISTEN}{WHEEL}famly = 1\n"));
    let (status, text) = served.admin("POST", "/reload");
    assert!(status == 422 && text.contains("unknown key `famly`") && !text.contains('\x1b'), "{status} {text}");
    let (_, state) = served.json("/status");
    assert_eq!((&state["config"]["generation"], &state["last-reload"]["result"]), (&1.into(), &"failure".into()));
    assert!(state["last-reload"]["error"].as_str().unwrap().contains("famly"), "{state}");
    let hash = state["config"]["hash"].clone();

    let other = WHEEL.replace("/wheel", "/other");
    folder.file("c.toml", &format!("{}{WHEEL}{other}", LISTEN.replace("admin.listen = '127.0.0.1:0'", "")));
    let (status, text) = served.admin("POST", "/reload");
    let body: Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({ "generation": 2, "groups": 2, "needs-restart": ["admin"] });
    assert_eq!((status, body), (200, expected));
    assert_eq!(served.call("/other", SPIN).0, 200);
    let (_, state) = served.json("/status");
    assert_eq!((&state["config"]["generation"], &state["last-reload"]["result"]), (&2.into(), &"success".into()));
    assert_ne!(state["config"]["hash"], hash);

    served.process.signal("HUP");
    let begun = Instant::now();
    while served.json("/status").1["config"]["generation"] != 3 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let scrape = served.scrape();
    let reloads = |result: &str| scrape.sum("croupier_config_reloads_total", &[&format!("result=\"{result}\"")]);
    assert_eq!((reloads("success"), reloads("failure")), (2.0, 1.0));
    let calls = scrape.sum("croupier_call_duration_seconds_count", &["group=\"/wheel\"", "method=\"spin\""]);
    assert_eq!(calls, 1.0, "the counts of a group outlast a reload");
}

/// Begins a call whose result is too long to be sent at once: it lasts until the rest is read.
fn begin_long_call(served: &Served) -> TcpStream {
    let mut stream = TcpStream::connect(&served.data).unwrap();
    stream
        .write_all(b"GET /wheel/spinList?spins=1000000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut status = [0; 15];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    stream
}

#[test]
fn a_drain_on_request_makes_it_not_ready_and_lets_calls_finish() {
    let folder = Folder::new();
    let served = Served::start(&folder.file("c.toml", &format!("{LISTEN}server.timeouts.write = '1m'\n{WHEEL}")));
    let mut call = begin_long_call(&served);
    assert_eq!(served.admin("POST", "/drain").0, 202);
    let body = wait_for_readiness(&served, 503);
    assert_eq!(body["reasons"], serde_json::json!(["the server is stopping"]));
    assert_eq!((served.admin("GET", "/live").0, served.json("/status").1["state"].clone()), (200, "draining".into()));
    assert_eq!(served.scrape().sum("croupier_draining", &[]), 1.0);
    assert_eq!(served.admin("POST", "/reload").0, 503);
    let mut rest = Vec::new();
    call.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > 1 << 20 && rest.ends_with(b"0\r\n\r\n"), "{} bytes", rest.len());
    let ended = served.process.end();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("a signal ends them at once") && ended.stderr.contains(" stopped\n"), "{ended:?}");
}

#[test]
fn it_is_not_ready_while_no_group_can_answer() {
    let folder = Folder::new();
    let behind = Served::start(&folder.file("behind.toml", &format!("{LISTEN}{WHEEL}")));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let down = upstream("/down", &format!("http://{closed}/"));
    let aggregate = "[group.'/all']\naggregate.calls.one = { group = '/down', method = 'spin' }\n";
    let served = Served::start(&folder.file("c.toml", &format!("{LISTEN}{down}{aggregate}")));
    let body = wait_for_readiness(&served, 503);
    let reasons = body["reasons"].as_array().unwrap();
    assert_eq!(reasons[0], "no group can answer");
    assert!(reasons[1].as_str().unwrap().starts_with("/down: ") && reasons.len() == 2, "{reasons:?}");
    let (_, state) = served.json("/status");
    let server =
        &state["groups"].as_array().unwrap().iter().find(|group| group["path"] == "/down").unwrap()["upstream"];
    assert_eq!((&server["described"], &server["servers"][0]["state"]), (&false.into(), &"down".into()), "{state}");
    assert!(server["servers"][0]["last-error"]["reason"].as_str().unwrap().contains("refused"), "{state}");

    // One group that can answer is enough.
    let up = upstream("/up", &format!("http://{}/wheel", behind.data));
    folder.file("c.toml", &format!("{LISTEN}{down}{aggregate}{up}"));
    assert_eq!(served.admin("POST", "/reload").0, 200);
    wait_for_readiness(&served, 200);
    assert_eq!(served.call("/up", SPIN).0, 200);
    drop(behind);
    // A call notices that the server is gone.
    let begun = Instant::now();
    while served.json("/ready").0 == 200 {
        served.call("/up", SPIN);
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    assert_eq!(wait_for_readiness(&served, 503)["reasons"].as_array().unwrap().len(), 3);
}

#[test]
fn a_full_gateway_does_not_keep_it_from_answering() {
    let folder = Folder::new();
    let settings = "server.connections = 1\nserver.in-flight = 1\nserver.timeouts.write = '1m'\n";
    let served = Served::start(&folder.file("c.toml", &format!("{LISTEN}{settings}{WHEEL}")));
    let _call = begin_long_call(&served);
    // This one waits for the connection that is taken.
    let _waiting = TcpStream::connect(&served.data).unwrap();
    for path in ["/live", "/ready", "/status", "/metrics"] {
        assert_eq!(served.admin("GET", path).0, 200, "{path}");
    }
    let scrape = served.scrape();
    let figures = ["croupier_connections", "croupier_connections_limit", "croupier_requests_in_flight"];
    assert_eq!(figures.map(|name| scrape.sum(name, &[])), [1.0, 1.0, 1.0]);
}

#[test]
fn it_listens_on_a_unix_socket() {
    let folder = Folder::new();
    let socket = folder.file("admin.sock", "");
    std::fs::remove_file(&socket).unwrap();
    let file = folder
        .file("c.toml", &format!("{}{WHEEL}", LISTEN.replace("'127.0.0.1:0'\ns", &format!("'unix:{socket}'\ns"))));
    let mut process = Process::start(&mut croupier(&["serve", "--config", &file]));
    process.line();
    assert_eq!(process.line(), format!("admin listener at unix:{socket}: /live, /ready, /metrics, /status"));
    let stream = UnixStream::connect(&socket).unwrap();
    assert_eq!(exchange_over(stream, "GET", "/ready", "", "").0, 200);
    let (status, _, _) = exchange_over(UnixStream::connect(&socket).unwrap(), "POST", "/drain", "", "");
    assert_eq!((status, process.end().code()), (202, Some(0)));
    assert!(!std::path::Path::new(&socket).exists(), "the socket is removed");
}

#[test]
fn an_address_that_others_reach_is_warned_of() {
    let folder = Folder::new();
    let file = folder
        .file("c.toml", &format!("{}{WHEEL}", LISTEN.replace("admin.listen = '127.0.0.1", "admin.listen = '0.0.0.0")));
    let checked = crate::support::process::run(&mut croupier(&["check", &file]));
    assert_eq!(checked.code(), Some(0), "{checked:?}");
    assert!(
        checked.stderr.contains("no authentication") && checked.stdout.contains("admin listener at"),
        "{checked:?}"
    );
    let file = folder.file("d.toml", &format!("{LISTEN}{WHEEL}"));
    assert_eq!(crate::support::process::run(&mut croupier(&["check", &file])).stderr, "");
}

/// A server whose metrics all have series, and what it has in front of it and behind it.
fn server_with_every_metric(folder: &Folder) -> (Served, Served) {
    let behind = Served::start(&folder.file("behind.toml", &format!("{LISTEN}{WHEEL}")));
    let up = upstream("/up", &format!("http://{}/wheel", behind.data));
    let otlp = format!("otlp.endpoint = 'http://127.0.0.1:{}'\n", free_port());
    let pair = Authority::new("authority").issue(&["localhost"]);
    folder.file("own.pem", &pair.certificate);
    folder.file("own.key", &pair.key);
    let tls = "{ address = '127.0.0.1:0', tls = { certificate = 'own.pem', key = 'own.key' } }";
    let listen = LISTEN.replace("['127.0.0.1:0']", &format!("['127.0.0.1:0', {tls}]"));
    let quota = "quotas.file = 'quotas.redb'\nlimits.quota.calls = '1000000/month'\n";
    let cache = "cache.ttl = '30s'\nfallback = [{ value = 7 }]\nshadow.to = '/wheel'\nsplit.to = '/wheel'\n";
    let several = format!(
        "[group.'/several'.upstream]\nurls = ['http://{0}/wheel', 'http://{0}/wheel']\nprotocol = 'xml-rpc'\nbreaker = {{}}\n",
        behind.data
    );
    let text = format!("{listen}log.format = 'json'\n{otlp}{quota}{WHEEL}{up}{cache}{several}");
    let served = Served::start(&folder.file("c.toml", &text));
    for path in ["/wheel", "/up"] {
        assert_eq!(served.call(path, SPIN).0, 200);
        assert_eq!(served.call(path, &format!("[{SPIN},{SPIN}]")).0, 200);
    }
    (served, behind)
}

#[test]
#[cfg(target_os = "linux")]
fn the_documentation_lists_all_metrics() {
    let documentation = include_str!("../../../docs/metrics.md");
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.split('|').map(str::trim).collect();
        let [name, kind @ ("counter" | "gauge" | "histogram"), labels, ..] = cells[..] else { return None };
        let labels: BTreeSet<&str> =
            labels.split(", ").map(|label| label.trim_matches('`')).filter(|label| !label.is_empty()).collect();
        Some((name.trim_end_matches('`'), (kind, labels)))
    };
    let documented: BTreeMap<_, _> = documentation.lines().filter_map(row).collect();
    let folder = Folder::new();
    let (served, _behind) = server_with_every_metric(&folder);
    let scrape = served.scrape();
    assert_eq!(documented, scrape.families());
    for family in scrape.families().keys() {
        let words = scrape.0.lines().find_map(|line| line.strip_prefix("# HELP ")?.strip_prefix(family));
        assert!(words.is_some_and(|words| words.len() > 10), "{family} has no help");
    }
    // What the examples ask for exists.
    let examples: String = documentation.split("```promql").nth(1).unwrap().split("```").next().unwrap().to_owned();
    check_names(&examples, &scrape);
}

#[test]
#[cfg(target_os = "linux")]
fn the_status_says_which_hosts_get_calls_and_which_breakers_are_closed() {
    let folder = Folder::new();
    let (served, _behind) = server_with_every_metric(&folder);
    let (_, state) = served.json("/status");
    let group = |path: &str| {
        let groups = state["groups"].as_array().unwrap();
        groups.iter().find(|group| group["path"] == path).unwrap()["upstream"].clone()
    };
    let several = group("/several");
    let hosts = several["servers"].as_array().unwrap().iter();
    let hosts: Vec<_> = hosts.map(|host| (host["availability"].as_str(), host["running"].as_u64())).collect();
    assert_eq!(hosts, [(Some("available"), Some(0)); 2]);
    let breaker = serde_json::json!({ "method": null, "state": "closed", "opened": 0, "refused": 0 });
    assert_eq!(several["breakers"], serde_json::json!([breaker]));
    let one = group("/up");
    assert_eq!((&one["breakers"], &one["servers"][0]["availability"]), (&serde_json::json!([]), &Value::Null));
}

/// What the shadow of a group has shown after this many calls of `pockets`.
fn shadow_after(served: &Served, path: &str, calls: u64) -> Value {
    const POCKETS: &str = r#"{"jsonrpc":"2.0","method":"pockets","id":1}"#;
    for _ in 0..calls {
        let (status, body) = served.call(path, POCKETS);
        assert!(status == 200 && body.contains("result"), "{body}");
    }
    let counts = ["equal", "different", "failed", "uncompared", "left-out"];
    until("the calls of the shadow have ended", || {
        let (_, state) = served.json("/status");
        let group = state["groups"].as_array().unwrap().iter().find(|group| group["path"] == path).unwrap().clone();
        let ended: u64 = counts.iter().map(|name| group["shadow"][*name].as_u64().unwrap()).sum();
        (ended == calls).then(|| group["shadow"].clone())
    })
}

#[test]
fn the_status_has_what_a_shadow_has_shown() {
    let folder = Folder::new();
    let wheel = |path: &str, family: &str, more: &str| {
        format!("[group.'{path}']\nservice = 'wheel'\noptions = {{ family = '{family}' }}\n{more}")
    };
    let groups = [
        wheel("/same", "french", "shadow = { to = '/french', concurrent = 1000 }\n"),
        wheel("/other", "american", "shadow = { to = '/french', concurrent = 1000 }\n"),
        wheel("/french", "french", ""),
    ];
    let served = Served::start(&folder.file("c.toml", &format!("{LISTEN}{}", groups.concat())));
    let expected = serde_json::json!({
        "to": "/french", "equal": 3, "different": 0, "failed": 0, "uncompared": 0, "left-out": 0, "examples": []
    });
    assert_eq!(shadow_after(&served, "/same", 3), expected);
    let shadow = shadow_after(&served, "/other", 25);
    assert_eq!((shadow["different"].as_u64(), shadow["equal"].as_u64()), (Some(25), Some(0)), "{shadow}");
    let examples = shadow["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 20, "the first of them");
    for example in examples {
        let differences = example["differences"].as_array().unwrap();
        assert!(example["method"] == "pockets" && (1..=8).contains(&differences.len()), "{example}");
        assert!(example["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{example}");
        for difference in differences {
            let texts = ["place", "own", "other"].map(|name| difference[name].as_str().unwrap());
            assert!(!texts[0].is_empty() && texts[1] != texts[2], "{difference}");
        }
    }
    let (_, state) = served.json("/status");
    let groups = state["groups"].as_array().unwrap();
    assert_eq!(groups.iter().find(|group| group["path"] == "/french").unwrap()["shadow"], Value::Null);
}

/// Checks that each metric of a query is in a scrape.
fn check_names(query: &str, scrape: &Scrape) {
    let families = scrape.families();
    let words = query.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    for name in words.filter(|word| word.starts_with("croupier_") || word.starts_with("process_")) {
        let of_histogram = ["_bucket", "_sum", "_count"]
            .into_iter()
            .filter_map(|suffix| families.get(name.strip_suffix(suffix)?))
            .any(|(kind, _)| *kind == "histogram");
        let is_plain = families.get(name).is_some_and(|(kind, _)| *kind != "histogram");
        assert!(of_histogram || is_plain, "{name} is not a metric: {query}");
    }
}

/// All texts of a JSON value at members of this name.
fn members<'v>(value: &'v Value, name: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if key == name => found.push(text),
                    _ => members(value, name, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| members(value, name, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(include_str!("../../../deploy/grafana/croupier.json")).unwrap();
    let folder = Folder::new();
    let (served, _behind) = server_with_every_metric(&folder);
    let scrape = served.scrape();
    let mut queries = Vec::new();
    members(&dashboard, "expr", &mut queries);
    members(&dashboard, "query", &mut queries);
    assert!(queries.len() > 30, "{queries:?}");
    queries.iter().for_each(|query| check_names(query, &scrape));
    let ids: Vec<i64> =
        dashboard["panels"].as_array().unwrap().iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "each panel has an id of its own");
}

#[test]
#[ignore = "needs promtool"]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let folder = Folder::new();
    let (served, _behind) = server_with_every_metric(&folder);
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(served.scrape().0.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
#[ignore = "needs prometheus"]
fn prometheus_reads_the_metrics() {
    let folder = Folder::new();
    let (served, _behind) = server_with_every_metric(&folder);
    let targets = format!(
        "scrape_configs:\n- job_name: croupier\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['{}']\n",
        served.admin
    );
    let config = folder.file("prometheus.yml", &targets);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let data = folder.file("data", "");
    std::fs::remove_file(&data).unwrap();
    let _prometheus = Process::start(Command::new("prometheus").args([
        &format!("--config.file={config}"),
        &format!("--storage.tsdb.path={data}"),
        &format!("--web.listen-address={free}"),
    ]));
    let begun = Instant::now();
    let query = "/api/v1/query?query=sum(croupier_call_duration_seconds_count)";
    loop {
        let found = TcpStream::connect(free).ok().map(|stream| exchange_over(stream, "GET", query, "", "").2);
        // Three calls of each of two groups.
        if found.as_ref().is_some_and(|found| found.contains("\"6\"")) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{found:?}");
        std::thread::sleep(Duration::from_millis(300));
    }
}
