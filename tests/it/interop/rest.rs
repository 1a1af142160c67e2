//! Tools of other projects against REST and its descriptions: openapi-spec-validator reads the documents, schemathesis makes
//! requests of them, valid and invalid ones, and compares the answers with what was promised, and generators make clients of
//! them: openapi-python-client, openapi-typescript and @hey-api/openapi-ts.
//!
//! Schemathesis makes more than 500 requests to each group, beside those that it derives from the bounds in the schemas.

use std::io::Write;
use std::process::Command;

use croupier::config::{Config, DEFAULT, Registry};
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::process::run;
use crate::support::running::Running;
use crate::support::scripted::Scripted;

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
        let document = document(gateway, path);
        assert!(document.contains("\"url\": \"http://casino.localhost"), "{path}");
        let name = format!("croupier-{}-{}.json", std::process::id(), path.replace('/', "-"));
        let file = std::env::temp_dir().join(name);
        std::fs::File::create(&file).unwrap().write_all(document.as_bytes()).unwrap();
        let ended = run(Command::new("openapi-spec-validator").arg(&file));
        std::fs::remove_file(&file).unwrap();
        assert!(ended.status.success(), "{path}: {}{}", ended.stdout, ended.stderr);
    }
}

/// A server of orders that returns each order as it came.
fn orders_server() -> Scripted {
    Scripted::start(|request| {
        let (_, envelope) = request.split_once("\r\n\r\n").unwrap_or_default();
        let answer = envelope.replace("place>", "placeResponse>").replace("place ", "placeResponse ");
        let length = answer.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
        )
    })
}

/// A gateway in front of the server of orders, as its WSDL describes it.
fn orders(server: &Scripted) -> Running {
    let text = format!(
        "[group.'/orders'.upstream]\nurls = ['http://{}/']\nprotocol = 'soap'\ndescription = 'file:{}/tests/fixtures/wsdl/orders.wsdl'\n",
        server.address,
        env!("CARGO_MANIFEST_DIR"),
    );
    let config = Config::parse("orders.toml", &text, &Registry::standard()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for upstream in config.groups.iter().filter_map(|group| group.upstream.clone()) {
        runtime.block_on(upstream.discover()).unwrap();
    }
    Running::router(config.router(), config.settings)
}

/// What a client that openapi-python-client makes of the document of a group gets from its calls.
fn call_from_python(kind: &str, gateway: &Running, path: &str) -> Value {
    let script = format!("{}/tests/peers/openapi_client.py", env!("CARGO_MANIFEST_DIR"));
    let url = format!("http://{}{path}", gateway.address);
    let ended = run(Command::new("python3").args([&script, kind, &url]).env("PYTHONDONTWRITEBYTECODE", "1"));
    assert!(ended.status.success(), "{}\n{}{}", ended.status, ended.stdout, ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
#[ignore = "needs openapi-python-client"]
fn a_generated_python_client_spins_a_wheel() {
    let gateway = Running::configured(CONFIG);
    let got = call_from_python("wheel", &gateway, "/wheel/american");
    let response = gateway.raw("GET /wheel/american/pockets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    assert_eq!(got["pockets"], serde_json::from_str::<Value>(body).unwrap());
    let pockets = got["pockets"].as_array().unwrap();
    for (member, count) in [("spun", 3), ("listed", 4), ("posted", 5), ("by_position", 6)] {
        let spun = got[member].as_array().unwrap();
        assert!(spun.len() == count && spun.iter().all(|pocket| pockets.contains(pocket)), "{member}: {spun:?}");
    }
    assert_eq!(got["refused"], json!([400, "bad-params", "spins"]));
}

#[test]
#[ignore = "needs openapi-python-client"]
fn a_generated_python_client_calls_a_soap_server() {
    let server = orders_server();
    let gateway = orders(&server);
    let got = call_from_python("orders", &gateway, "/orders");
    let shelf = json!({ "title": "Shelf", "id": 8, "@type": "leaf" });
    let sent = json!({
        "buyer": { "@type": "Company", "name": "A & B", "vat": "X1", "owner": { "name": "C" } },
        "total": { "value": 12.5, "currency": "EUR" },
        "status": "on hold",
        "payment": { "iban": "XX00" },
        "category": { "title": "Wood", "id": 7, "type": "an element", "sub": [shelf] },
        "number": -3,
    });
    assert_eq!(got["returned"], sent);
    assert_eq!(got["class"], "CompanyDerived");
    let asked = server.requests().pop().unwrap();
    for part in ["number=\"-3\"", "A &amp; B", "currency=\"EUR\"", "type=\"leaf\"", "on hold", "an element"] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
}

/// What generators of TypeScript make of a document, and a program that uses it, compile.
fn compiles(document: &str, name: &str, program: &str) {
    let folder = std::env::temp_dir().join(format!("croupier-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("openapi.json"), document).unwrap();
    std::fs::write(folder.join("program.ts"), program).unwrap();
    let in_folder = |program: &str, args: &[&str]| {
        let ended = run(Command::new(program).current_dir(&folder).args(args));
        assert!(ended.status.success(), "{name}: {program}: {}{}", ended.stdout, ended.stderr);
    };
    in_folder("openapi-typescript", &["openapi.json", "-o", "types.ts"]);
    in_folder("openapi-ts", &["-i", "openapi.json", "-o", "client", "--no-log-file"]);
    let options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext"];
    let resolution = ["--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable"];
    in_folder("tsc", &[&options[..], &resolution, &["program.ts", "types.ts", "client/index.ts"]].concat());
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The document of a group.
fn document(gateway: &Running, path: &str) -> String {
    let response =
        gateway.raw(format!("GET {path}/openapi.json HTTP/1.1\r\nHost: casino.localhost\r\nConnection: close\r\n\r\n"));
    let (head, document) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
    document.to_owned()
}

#[test]
#[ignore = "needs openapi-typescript, @hey-api/openapi-ts and typescript"]
fn generated_typescript_compiles() {
    let all = Running::configured(DEFAULT);
    compiles(&document(&all, ""), "all", "import type { paths } from './types';\nexport type Paths = keyof paths;\n");
    compiles(&document(&guest_list(), "/casino"), "guests", "export {};\n");
    let server = orders_server();
    let program = "import type { components } from './types';
        type Order = components['schemas']['Order'];
        const sub = [{ title: 'Shelf', id: 8, '@type': 'leaf', sub: [] }];
        export const order: Order = {
            buyer: { '@type': 'Company', name: 'A', vat: 'X1', owner: { name: 'C' } },
            total: { value: 12.5, currency: 'EUR' },
            status: 'on hold',
            payment: { iban: 'XX00' },
            category: { title: 'Wood', id: 7, type: 'an element', sub },
        };
        // @ts-expect-error: the order has no such status.
        export const lost: Order = { ...order, status: 'lost' };
        // @ts-expect-error: a payment has a card or an IBAN.
        export const free: Order = { ...order, payment: {} };
    ";
    compiles(&document(&orders(&server), "/orders"), "orders", program);
}
