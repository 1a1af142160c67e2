//! The configuration reference matches the types.

use std::{env, fs};

use croupier::config::{Registry, reference};

const FILE: &str = "docs/configuration.md";

#[test]
fn the_reference_is_in_step_with_the_types() {
    let made = reference(&Registry::standard());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all("docs").unwrap();
        fs::write(FILE, &made).unwrap();
    }
    let written = fs::read_to_string(FILE).unwrap_or_default();
    assert_eq!(made, written, "{FILE} is old: `UPDATE_GOLDEN=1 cargo test` makes it anew");
}
