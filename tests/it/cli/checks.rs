//! `croupier check`: where the file comes from, values from the environment, and what upstreams say of themselves.

use std::io::Write as _;
use std::process::Stdio;

use super::commands::{Folder, croupier, failed, failed_with, ran, succeeded};
use crate::support::process::{Process, ShutdownReport, run};
use crate::support::running::Running;
use crate::support::scripted::{Scripted, http};

const MINI: &str = "[group.'/mini']\nservice = 'wheel'\noptions = { family = 'mini' }\n";

/// Runs a command with this standard input.
fn with_input(words: &[&str], input: &str) -> ShutdownReport {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(input.as_bytes()).unwrap();
    drop(writer);
    Process::start_between(&mut croupier(words), reader.into(), Stdio::piped()).end()
}

#[test]
fn the_file_is_given_by_position_or_as_an_option() {
    let folder = Folder::new();
    let file = folder.file("mini.toml", MINI);
    for command in ["check", "routes"] {
        let told = succeeded(&[command, &file]);
        assert!(told.contains("/mini"), "{told}");
        for option in ["-c", "--config"] {
            assert_eq!(succeeded(&[command, option, &file]), told, "{command}");
        }
    }
    for words in [["serve", &file, "-l", "127.0.0.1:0"], ["serve", "-l", "127.0.0.1:0", &file]] {
        let mut server = Process::start(&mut croupier(&words));
        assert!(server.line().contains(" listens on "));
        assert!(server.line().contains("/mini"));
    }
    let both = failed_with(2, &["serve", &file, "--config", &file]);
    assert!(both.contains("cannot be used with") && both.contains("--config <FILE>"), "{both}");
}

#[test]
fn standard_input_is_checked_and_not_served() {
    let told = with_input(&["check", "-"], MINI);
    assert_eq!((told.code(), told.stderr.as_str()), (Some(0), ""), "{told:?}");
    assert!(told.stdout.starts_with("standard input is valid: 1 group\n"), "{told:?}");
    assert!(with_input(&["routes", "--config", "-"], MINI).stdout.contains("/mini"));
    let wrong = with_input(&["check", "--config", "-"], "lisen = []\n");
    assert_eq!(wrong.code(), Some(1));
    assert!(wrong.stderr.contains("--> standard input:1:1"), "{wrong:?}");
    for words in [&["serve", "-"][..], &["reload", "-"], &["add", "http://127.0.0.1:1/", "-"]] {
        let refused = failed_with(2, words);
        assert!(refused.contains("only `check` and `routes` read standard input"), "{refused}");
    }
}

const SECRETS: &str = "\
listen = ['127.0.0.1:0', { env = 'CROUPIER_TEST_LISTEN' }]
[group.'/up'.upstream]
urls = ['http://127.0.0.1:1/']
protocol = 'xml-rpc'
user = 'ann'
password = { env = 'CROUPIER_TEST_PASSWORD' }
headers = { x-key = { file = 'no-such-file' } }
";

#[test]
fn a_variable_that_is_not_set_is_an_error_with_the_key_that_needs_it() {
    let folder = Folder::new();
    let file = folder.file("secrets.toml", &SECRETS.replace("no-such-file", "key"));
    folder.file("key", "k3y");
    for command in ["check", "serve", "routes"] {
        let told = failed(&[command, &file]);
        for part in [
            "`upstream.password` needs the environment variable `CROUPIER_TEST_PASSWORD`, which is not set",
            "`listen[1]` needs the environment variable `CROUPIER_TEST_LISTEN`, which is not set",
            "--env-file",
            "2 errors in ",
        ] {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
    }
}

#[test]
fn a_file_is_checked_without_its_secrets() {
    let folder = Folder::new();
    let file = folder.file("secrets.toml", SECRETS);
    let ended = ran(&["check", "--without-secrets", &file]);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("is valid as far as it could be checked: 1 group"), "{ended:?}");
    assert!(ended.stdout.contains("listens on 127.0.0.1:0\n"), "{ended:?}");
    assert_eq!(ended.stderr.matches("note: ").count(), 3, "{ended:?}");
    for key in ["`listen[1]`", "`upstream.password`", "`upstream.headers.x-key` needs the file"] {
        assert!(ended.stderr.contains(key), "{key} is not in {ended:?}");
    }
    // Everything else is checked.
    let wrong = folder.file("wrong.toml", &SECRETS.replace("protocol = 'xml-rpc'", "protocol = 'xml-rpz'"));
    assert!(failed(&["check", "--without-secrets", &wrong]).contains("did you mean `xml-rpc`?"));
}

#[test]
fn values_come_from_an_environment_file_and_are_never_printed() {
    let folder = Folder::new();
    let file = folder.file("secrets.toml", &SECRETS.replace("no-such-file", "key"));
    folder.file("key", "f1le-s3cret\n");
    let good =
        folder.file("good.env", "# for tests\nCROUPIER_TEST_PASSWORD=\"s3cret\"\nCROUPIER_TEST_LISTEN=[::1]:0\n");
    let told = succeeded(&["check", "--env-file", &good, &file]);
    assert!(told.contains("listens on 127.0.0.1:0, [::1]:0\n") && !told.contains("s3cret"), "{told}");
    let bad = folder.file("bad.env", "CROUPIER_TEST_PASSWORD=s3\u{1}cret\nCROUPIER_TEST_LISTEN=s3cret-host:1\n");
    let told = failed(&["check", "--env-file", &bad, &file]);
    assert!(told.contains("`listen[1]` is `***`, which is not a valid address"), "{told}");
    assert!(told.contains("control characters") && !told.contains("s3"), "{told}");
    // The environment of the process is asked for what the file does not have.
    let half = folder.file("half.env", "CROUPIER_TEST_PASSWORD=s3cret\n");
    let ended = run(croupier(&["check", "--env-file", &half, &file]).env("CROUPIER_TEST_LISTEN", "127.0.0.2:0"));
    assert!(ended.code() == Some(0) && ended.stdout.contains("127.0.0.2:0"), "{ended:?}");
    let broken = folder.file("broken.env", "A=1\n\nB='s3cret\n");
    let told = failed(&["check", "--env-file", &broken, &file]);
    assert!(told.contains("line 3: the closing quote is missing") && !told.contains("s3cret"), "{told}");
    assert!(failed(&["check", "--env-file", "/no/such.env", &file]).contains("/no/such.env"));
}

#[test]
fn a_server_takes_values_from_its_environment() {
    let folder = Folder::new();
    let file = folder.file("env.toml", &format!("listen = [{{ env = 'CROUPIER_TEST_LISTEN' }}]\n{MINI}"));
    let mut server = Process::start(croupier(&["serve", &file]).env("CROUPIER_TEST_LISTEN", "127.0.0.1:0"));
    assert!(server.line().contains(" listens on http://127.0.0.1:"));
}

#[test]
fn warnings_are_no_errors_and_are_logged_by_the_server() {
    let folder = Folder::new();
    let text =
        format!("{MINI}[group.'/up'.upstream]\nurls = ['http://ann:s3cret@127.0.0.1:1/']\nprotocol = 'xml-rpc'\n");
    let file = folder.file("warned.toml", &text);
    let ended = ran(&["check", &file]);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("warning: the URL has a secret in clear text"), "{ended:?}");
    let mut server = Process::start(&mut croupier(&["serve", "-l", "127.0.0.1:0", &file]));
    server.line();
    server.signal("TERM");
    let log = server.end().stderr;
    assert!(log.contains(&format!("{file}:5: the URL has a secret in clear text")) && !log.contains("s3cret"), "{log}");
}

/// A group of a configuration whose upstream is a group of a running server.
fn upstream(path: &str, server: &Running, options: &str) -> String {
    format!("[group.'{path}'.upstream]\nurls = ['http://{}{path}']\nprotocol = 'json-rpc'\n{options}", server.address)
}

#[test]
fn upstreams_are_asked_and_the_file_is_compared_with_what_they_say() {
    let folder = Folder::new();
    let server = Running::configured(MINI);
    let sound = upstream("/mini", &server, "safe = ['spin*']\nparams = { spinList = ['count'] }\n");
    let routes = "[[group.'/mini'.routes]]\nroute = 'GET /spins/{count}'\nmethod = 'spinList'\n";
    let file = folder.file("sound.toml", &format!("{sound}{routes}"));
    let told = succeeded(&["check", "--ask", &file]);
    let line = format!("\n/mini  {}: 4 methods over JSON-RPC, 3 of them safe (", server.address);
    assert!(told.contains(&line), "{told}");

    let wrong = upstream("/mini", &server, "safe = ['spn']\ndeny = ['stop*']\nparams = { spinLst = [] }\n");
    let more = "[[group.'/mini'.routes]]\nroute = 'GET /spins/{number}'\nmethod = 'spinList'\n\
                [group.'/both'.aggregate.calls]\none = { group = '/mini', method = 'spinn' }\n\
                [page.'/page']\ngroup = '/mini'\nmethod = 'spins'\ntemplate = 'built-in:table'\n";
    let file = folder.file("wrong.toml", &format!("{wrong}{more}"));
    succeeded(&["check", &file]);
    let ended = ran(&["check", "--ask", &file]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    for part in [
        "`spn` in `safe` matches no method of the upstream",
        "did you mean `spin`?",
        "`stop*` in `deny` matches no method of the upstream",
        "`spinLst` in `params` matches no method of the upstream",
        "`number`",
        "the group `/mini` has no method `spinn`",
        "the group `/mini` has no method `spins`",
        "wrong.toml:4:9",
        "6 errors in ",
    ] {
        assert!(ended.stderr.contains(part), "{part:?} is not in {}", ended.stderr);
    }
}

#[test]
fn credentials_that_a_document_demands_are_told_if_they_are_lacking() {
    let folder = Folder::new();
    let server = Scripted::start(|_| {
        let document = r#"{"openapi":"3.0.0","security":[{"key":[]},{"token":[]}],
            "paths":{"/a":{"get":{"operationId":"a"},"put":{"operationId":"b"},"post":{"operationId":"c","security":[]}}},
            "components":{"securitySchemes":{"key":{"type":"apiKey","in":"header","name":"X-Key"},
            "token":{"type":"http","scheme":"bearer"}}}}"#;
        http("200 OK", "Content-Type: application/json\r\n", document)
    });
    let group = format!("[group.'/a'.upstream]\nurls = ['http://{}']\nprotocol = 'rest'\n", server.address);
    let told = succeeded(&["check", "--ask", &folder.file("lacking.toml", &group)]);
    let sentence = "/a    `a` and `b` demand the API key `X-Key` in a header, or a bearer token: add `headers = { X-Key = \
                    { env = \"NAME\" } }`, or `bearer = { env = \"NAME\" }`\n";
    assert!(told.contains(sentence), "{told}");
    for (name, given) in [("key.toml", "headers.x-key = { text = '7' }"), ("token.toml", "bearer = { text = 'b' }")] {
        let ended = ran(&["check", "--ask", &folder.file(name, &format!("{group}{given}\n"))]);
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        assert!(ended.stdout.contains("3 methods over REST") && !ended.stdout.contains("demand"), "{ended:?}");
    }
}

#[test]
fn an_upstream_that_does_not_describe_itself_is_reported_in_bounded_time() {
    let folder = Folder::new();
    let server = Running::configured(MINI);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let text = format!(
        "{}[group.'/silent'.upstream]\nurls = ['http://{silent}/']\nprotocol = 'xml-rpc'\n\
         [group.'/closed'.upstream]\nurls = ['http://{}/mini', 'http://127.0.0.1:1/']\nprotocol = 'json-rpc'\n",
        upstream("/mini", &server, "safe = ['spn']\n"),
        server.address
    );
    let file = folder.file("some.toml", &text);
    let ended = ran(&["check", "--ask", "--timeout", "300ms", &file]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    for part in [
        format!("/silent  {silent}: no description within 300ms\n"),
        format!("/closed  {}: 4 methods over JSON-RPC", server.address),
        "/closed  127.0.0.1:1: the upstream server cannot be reached: ".to_owned(),
    ] {
        assert!(ended.stdout.contains(&part), "{part:?} is not in {}", ended.stdout);
    }
    assert!(ended.stderr.contains("2 servers do not describe themselves"), "{ended:?}");
    // What could be asked is compared all the same.
    assert!(ended.stderr.contains("`spn` in `safe` matches no method"), "{ended:?}");
    let unset = "[group.'/up'.upstream]\nurls = [{ env = 'CROUPIER_TEST_UNSET' }]\nprotocol = 'soap'\n";
    let file = folder.file("unset.toml", unset);
    let ended = ran(&["check", "--ask", "--without-secrets", &file]);
    assert!(ended.code() == Some(0) && ended.stdout.contains("/up  not asked: "), "{ended:?}");
    let none = folder.file("none.toml", MINI);
    assert!(succeeded(&["check", "--ask", &none]).ends_with("there are no upstreams to ask\n"));
}

#[test]
fn the_schema_is_printed() {
    let schema: serde_json::Value = serde_json::from_str(&succeeded(&["schema"])).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}
