//! The tools of groups in front of the servers of OpenAPI and WSDL documents: their names and schemas are such that the strictest
//! clients of MCP take them.
//!
//! The variables `OPENAPI_DOCUMENTS` and `WSDL_DOCUMENTS` may name folders with further documents, such as those of public
//! services.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::process;

/// Where this repository has documents, below its tests.
const OWN_FOLDERS: [&str; 3] = ["golden/openapi", "golden/wsdl", "fixtures/soap-services"];

/// The documents of a folder and of the folders in it.
fn documents(folder: &Path, to: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            documents(&path, to);
        } else if path.extension().is_some_and(|ending| ending == "json" || ending == "yaml" || ending == "wsdl") {
            to.push(path);
        }
    }
}

#[test]
#[ignore = "needs python3 with jsonschema"]
fn tools_of_servers_are_such_that_strict_clients_take_them() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found = Vec::new();
    OWN_FOLDERS.iter().for_each(|folder| documents(&tests.join(folder), &mut found));
    for variable in ["OPENAPI_DOCUMENTS", "WSDL_DOCUMENTS"] {
        match std::env::var(variable) {
            Ok(folder) => documents(Path::new(&folder), &mut found),
            Err(_) => println!("left out: {variable} does not name a folder with the documents of public services"),
        }
    }
    let mut command = Command::new("python3");
    command.arg(tests.join("peers/mcp_documents.py")).arg(env!("CARGO_BIN_EXE_croupier")).args(found);
    let ended = process::run(&mut command);
    assert!(ended.status.success(), "{ended:?}");
    println!("{}", ended.stdout);
    let last = ended.stdout.lines().last().unwrap();
    let numbers: Vec<u32> = last.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let [_, read, tools, broken] = numbers[..] else { panic!("{last}") };
    assert!(read >= 10 && tools >= read && broken == 0, "{}", ended.stdout);
}
