//! What the documents say of the tests.
use std::fs;
use std::path::Path;

/// Whether there is a function of this name in the file of a module below a folder.
fn is_in(folder: &Path, module: &str, function: &str) -> bool {
    let file = folder.join(module.replace("::", "/"));
    [file.with_extension("rs"), file.join("mod.rs")].iter().any(|file| {
        fs::read_to_string(file).is_ok_and(|text| {
            let declared = format!("fn {function}(");
            text.lines().any(|line| line.trim_start().trim_start_matches("async ").starts_with(&declared))
        })
    })
}

#[test]
fn each_promise_names_a_test_that_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let (_, promises) = document.split_once("## Promises").unwrap();
    let (promises, _) = promises.split_once("\n## ").unwrap();
    let mut rows = 0;
    for row in promises.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise")) {
        let tests = row.trim_end_matches('|').rsplit(" | ").next().unwrap();
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            let found = match name.rsplit_once("::") {
                Some((module, function)) => {
                    ["tests/it", "src"].iter().any(|at| is_in(&root.join(at), module, function))
                }
                None => root.join("fuzz/fuzz_targets").join(name).with_extension("rs").is_file(),
            };
            assert!(found, "there is no test `{name}`: {row}");
        }
        rows += 1;
    }
    assert!(rows > 40, "{rows}");
}
