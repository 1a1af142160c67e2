//! The Dockerfile: what it copies is there, and what it starts is what it has built.

use std::collections::BTreeSet;

use super::{files_below, in_tree, text_of};

#[test]
fn the_image_is_built_from_files_that_there_are() {
    let text = text_of("deploy/container/Dockerfile").replace("\\\n", " ");
    let instructions: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
        .map(|line| line.split_once(' ').unwrap_or_else(|| panic!("no instruction: {line}")))
        .collect();
    let known =
        ["FROM", "RUN", "WORKDIR", "COPY", "USER", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD", "ENV", "ARG", "LABEL"];
    for (name, _) in &instructions {
        assert!(known.contains(name), "{name} is not an instruction");
    }
    assert_eq!(instructions.first().map(|(name, _)| *name), Some("FROM"));

    let ignored: BTreeSet<_> = text_of(".dockerignore").lines().map(str::to_owned).collect();
    let mut copied = Vec::new();
    for (_, arguments) in instructions.iter().filter(|(name, _)| *name == "COPY") {
        let mut paths: Vec<&str> = arguments.split_whitespace().collect();
        if paths[0].starts_with("--from=") {
            continue;
        }
        paths.pop();
        for path in paths {
            assert!(in_tree(path).exists(), "{path} is copied, but there is none");
            assert!(!ignored.contains(path), "{path} is in .dockerignore");
            copied.push(in_tree(path));
        }
    }
    for file in files_below("src", ".rs") {
        let source = std::fs::read_to_string(&file).unwrap();
        for included in source.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let included = file.parent().unwrap().join(included).canonicalize().unwrap();
            assert!(copied.iter().any(|path| included.starts_with(path)), "{} is not copied", included.display());
        }
    }

    let argument = |wanted: &str| {
        let found = instructions.iter().rev().find(|(name, _)| *name == wanted);
        found.map(|(_, arguments)| *arguments).unwrap_or_else(|| panic!("no {wanted}"))
    };
    let entry: Vec<String> = serde_json::from_str(argument("ENTRYPOINT")).unwrap();
    let command: Vec<String> = serde_json::from_str(argument("CMD")).unwrap();
    for path in [&entry[0], &command[2]] {
        assert!(
            instructions.iter().any(|(name, arguments)| *name == "COPY" && arguments.ends_with(path.as_str())),
            "{path} is not in the image"
        );
    }
    assert_eq!(command[..2], ["serve", "--config"]);
    assert_ne!(argument("USER").split(':').next(), Some("0"), "the program does not run as root");
}
