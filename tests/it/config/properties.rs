//! Any file gives a configuration or an error message, and never a panic.

use croupier::config::{Config, DEFAULT, Registry};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::random_cases;

/// Reads a text, and writes what is wrong with it in both ways.
fn read(text: &str) -> Result<(), TestCaseError> {
    match Config::parse("any.toml", text, &Registry::standard()) {
        Ok(config) => {
            prop_assert!(!config.groups.is_empty() && !config.listen.is_empty());
            config.router();
        }
        Err(errors) => {
            prop_assert!(!errors.problems().is_empty());
            let plain = errors.render(false);
            prop_assert!(plain.ends_with(" in any.toml"));
            prop_assert!(errors.render(true).len() > plain.len());
        }
    }
    Ok(())
}

/// Pieces of which configurations are made, right and wrong.
const PIECES: [&str; 54] = [
    "[[group.\"/wheel\".routes]]\n",
    "routes",
    "route",
    "method",
    "args",
    "\"GET /a/{b}\"",
    "[group.\"/wheel\"]\n",
    "[group.\"/a/b\"]\n",
    "[group.x]\n",
    "[[group.\"/wheel\"]]\n",
    "[group]\n",
    "[limits]\n",
    "[server]\n",
    "[server.timeouts]\n",
    "[xml-rpc]\n",
    "[log]\n",
    "[group.\"/wheel\".options]\n",
    "[[group.\"/wheel\".options.pockets]]\n",
    "service",
    "aliases",
    "options",
    "family",
    "pockets",
    "number",
    "color",
    "weight",
    "limits",
    "body",
    "listen",
    "seed",
    "drain",
    "level",
    "=",
    " = ",
    ".",
    ",",
    "\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\"wheel\"",
    "\"/wheel\"",
    "[\"/\", \"/\"]",
    "\"4 MiB\"",
    "-1",
    "99999999999999999999",
    "1.5",
    "true",
    "2024-01-01",
    "\r\n",
    "# \u{e9}\u{1f3b2}\u{0}",
];

fn pieces() -> impl Strategy<Value = String> {
    vec(select(&PIECES[..]), 0..40).prop_map(|pieces| pieces.concat())
}

/// The built-in configuration with some spans of characters left out, doubled, or replaced by other text.
fn mutated() -> impl Strategy<Value = String> {
    let other = prop_oneof![pieces(), any::<String>(), Just(String::new())];
    vec((any::<Index>(), 0..60usize, other, any::<bool>()), 1..6).prop_map(|changes| {
        let mut text: Vec<char> = DEFAULT.chars().collect();
        for (at, length, other, double) in changes {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            let removed: Vec<char> = text.splice(start..end, other.chars()).collect();
            if double {
                text.splice(start..start, removed.iter().chain(&removed).copied());
            }
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(random_cases(200))]

    #[test]
    fn any_text_gets_an_answer(text in any::<String>()) {
        read(&text)?;
    }

    #[test]
    fn pieces_of_configurations_get_an_answer(text in pieces()) {
        read(&text)?;
    }

    #[test]
    fn a_damaged_configuration_gets_an_answer(text in mutated()) {
        read(&text)?;
    }
}

#[test]
fn deep_and_long_texts_get_an_answer() {
    let deep = "a = ".to_owned() + &"[".repeat(20_000);
    let dotted = "a.".repeat(20_000) + "a = 1";
    let tables = "x = {a = ".repeat(10_000);
    let long = format!("listen = [{}]", "\"x\", ".repeat(200));
    for text in [deep, dotted, tables, long] {
        read(&text).unwrap();
    }
}
