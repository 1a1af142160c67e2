//! Calls made up from the OpenRPC documents of groups in front of SOAP services: what is sent is valid by the services' own
//! schemas, as libxml2 reads them.
//!
//! lxml must be where Python finds it. `WSDL_DOCUMENTS` may name a folder with further documents, such as those of public
//! services, and an `index.tsv` with their names.

use std::process::Command;

use crate::support::process;

/// How many calls are made at least to the services of the fixtures, and to those of a folder.
const CALLS: [u32; 2] = [300, 1500];
/// The part of calls that has to be valid, in percent, without those that break what documents cannot say: that one parameter
/// excludes another.
const VALID: u32 = 98;

#[test]
#[ignore = "needs python3 with lxml"]
fn calls_made_up_from_our_documents_are_valid_by_the_schemas_of_the_services() {
    check(&format!("{}/tests/fixtures/soap-services", env!("CARGO_MANIFEST_DIR")), CALLS[0]);
    match std::env::var("WSDL_DOCUMENTS") {
        Ok(folder) => check(&folder, CALLS[1]),
        Err(_) => println!("left out: WSDL_DOCUMENTS does not name a folder with the documents of public services"),
    }
}

fn check(folder: &str, calls: u32) {
    let script = format!("{}/tests/peers/soap_made_up.py", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.args([&script, env!("CARGO_BIN_EXE_croupier"), folder, "2026", &calls.to_string()]);
    let ended = process::run(&mut command);
    assert!(ended.status.success(), "{ended:?}");
    let last = ended.stdout.lines().last().unwrap();
    println!("{folder}: {}", ended.stdout);
    let numbers: Vec<u32> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [made, _, valid, inexpressible] = numbers[..] else { panic!("{last}") };
    assert!(made >= calls && valid * 100 >= (made - inexpressible) * VALID, "{}", ended.stdout);
}
