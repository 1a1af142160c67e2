//! Any text is a file of keys, a file of passwords, or an error at one of its lines.

#![no_main]

use croupier::server::auth::api_key::ApiKeys;
use croupier::server::auth::basic::Passwords;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lines = text.lines().count();
    if let Err(error) = ApiKeys::parse(text) {
        assert!((1..=lines).contains(&error.line));
    }
    match Passwords::parse(text) {
        Ok(passwords) => assert!(passwords.names().count() <= lines),
        Err(error) => assert!((1..=lines).contains(&error.line)),
    }
});
