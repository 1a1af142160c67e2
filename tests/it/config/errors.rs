//! The messages for configuration errors: each file in `tests/golden/config` with its messages.

use std::path::{Path, PathBuf};
use std::{env, fs};

use croupier::config::{Config, Registry};

const FOLDER: &str = "tests/golden/config";

/// The messages about a file; the name in them is the file's own, without folders.
fn messages(path: &Path) -> String {
    let Err(errors) = Config::load(path, &Registry::standard()) else { panic!("{} is sound", path.display()) };
    format!("{errors}\n").replace(&format!("{FOLDER}/"), "")
}

fn check(path: &Path) -> Result<(), String> {
    let golden = path.with_extension("txt");
    let messages = messages(path);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &messages).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    if messages == expected { Ok(()) } else { Err(format!("{}:\n{messages}", path.display())) }
}

#[test]
fn each_mistake_is_reported_with_position_and_hint() {
    let mut files: Vec<PathBuf> = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.push(Path::new(FOLDER).join("unreadable.toml"));
    files.sort();
    assert!(files.len() > 25);
    let wrong: Vec<String> = files.iter().filter_map(|path| check(path).err()).collect();
    assert!(wrong.is_empty(), "not as in the golden files:\n{}", wrong.join("\n"));
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let errors = Config::parse("x.toml", "lisen = 1", &Registry::standard()).unwrap_err();
    let (plain, colourful) = (errors.render(false), errors.render(true));
    assert_eq!(plain, errors.to_string());
    assert!(!plain.contains('\u{1b}') && colourful.contains('\u{1b}'));
    let mut bare = String::new();
    for (at, part) in colourful.split('\u{1b}').enumerate() {
        bare.push_str(if at == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(bare, plain);
}

#[test]
fn problems_can_be_read_by_programs() {
    let text = "[group.\"/x\"]\nservice = \"weel\"\n";
    let errors = Config::parse("x.toml", text, &Registry::standard()).unwrap_err();
    let [problem] = errors.problems() else { panic!("one problem") };
    assert_eq!(&text[problem.span.clone().unwrap()], "\"weel\"");
    assert_eq!(
        (problem.message.as_str(), problem.hint.as_deref()),
        ("unknown service `weel`", Some("did you mean `wheel`?"))
    );
}
