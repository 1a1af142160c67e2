//! Tools of other projects against REST and its descriptions: openapi-spec-validator reads the documents, and
//! schemathesis makes requests of them, valid and invalid ones, and compares the answers with what was promised.
//!
//! Schemathesis makes more than 500 requests to each group, beside those that it derives from the bounds in the schemas.

use std::io::Write;
use std::process::Command;

use croupier::config::{Config, DEFAULT};

use crate::support::guests;
use crate::support::process::run;
use crate::support::running::Running;

/// Wheels of few spins, so that no answer is long, and the diagnostics.
const CONFIG: &str = r#"
    [group."/wheel/american"]
    aliases = ["/"]
    service = "wheel"
    options = { family = "american", max_spins = 100 }

    [group."/wheel/french"]
    service = "wheel"
    options = { family = "french", max_spins = 100 }

    [group."/diagnostics"]
    service = "diagnostics"
"#;

/// The guest list of the example, with its routes.
fn guest_list() -> Running {
    let config =
        Config::parse("guests.toml", include_str!("../../../examples/guests.toml"), &guests::registry()).unwrap();
    Running::router(config.router(), config.settings)
}

/// Has schemathesis make this many requests of each operation at a path and check the responses, with further options.
fn check(gateway: &Running, path: &str, examples: &str, more: &[&str]) {
    let url = format!("http://{}{path}/openapi.json", gateway.address);
    let options = ["--checks", "all", "--max-examples", examples, "--seed", "2026", "--no-color"];
    let mut command = Command::new("schemathesis");
    command.current_dir(std::env::temp_dir()).args(["run", &url]).args(options).args(more);
    let ended = run(&mut command);
    assert!(ended.status.success(), "{path}: {}\n{}{}", ended.status, ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("No issues found"), "{path}: {}", ended.stdout);
}

#[test]
#[ignore = "needs schemathesis"]
fn schemathesis_finds_nothing_wrong_with_any_built_in_wheel() {
    // Few spins, so that no answer is long.
    let gateway =
        Running::configured(&DEFAULT.replace("options = { family =", "options = { max_spins = 100, family ="));
    for path in ["/wheel/american", "/wheel/european", "/wheel/french", "/wheel/triple-zero", "/wheel/mini"] {
        check(&gateway, path, "100", &[]);
    }
    check(&gateway, "/wheel/all", "250", &[]);
}

#[test]
#[ignore = "needs schemathesis"]
fn schemathesis_finds_nothing_wrong_with_the_diagnostics() {
    check(&Running::configured(CONFIG), "/diagnostics", "20", &[]);
}

#[test]
#[ignore = "needs schemathesis"]
fn schemathesis_finds_nothing_wrong_with_a_list_of_routes() {
    // A request for a guest who does not exist is refused, however valid the number is.
    let refusable = ["--exclude-checks", "positive_data_acceptance", "--warnings", "off"];
    check(&guest_list(), "/casino", "50", &refusable);
}

#[test]
#[ignore = "needs openapi-spec-validator"]
fn the_documents_are_valid() {
    let gateway = Running::configured(CONFIG);
    are_valid(&gateway, &["/wheel/american", "/wheel/french", "/diagnostics", ""]);
    are_valid(&guest_list(), &["/casino", ""]);
}

fn are_valid(gateway: &Running, paths: &[&str]) {
    for path in paths {
        let response = gateway
            .raw(format!("GET {path}/openapi.json HTTP/1.1\r\nHost: casino.localhost\r\nConnection: close\r\n\r\n"));
        let (head, document) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        assert!(document.contains("\"url\": \"http://casino.localhost"), "{path}");
        let name = format!("croupier-{}-{}.json", std::process::id(), path.replace('/', "-"));
        let file = std::env::temp_dir().join(name);
        std::fs::File::create(&file).unwrap().write_all(document.as_bytes()).unwrap();
        let ended = run(Command::new("openapi-spec-validator").arg(&file));
        std::fs::remove_file(&file).unwrap();
        assert!(ended.status.success(), "{path}: {}{}", ended.stdout, ended.stderr);
    }
}
