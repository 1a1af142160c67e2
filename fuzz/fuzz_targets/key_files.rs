//! Any text is a file of keys, a file of passwords, or an error at the first of its lines that is wrong. A file knows exactly
//! the users and keys that its lines have.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use croupier::server::auth::api_key::{ApiKeyAuth, ApiKeys, LineError};
use croupier::server::auth::basic::Passwords;
use croupier::server::auth::{Attempt, AuthRequest, Authenticator, Verdict};
use http::{HeaderName, Request};
use libfuzzer_sys::fuzz_target;

/// A key, and its SHA-256 in hexadecimal digits.
const KEY: &str = "crp_fuzz";
const DIGEST: &str = "705b8aa9e5938139107c5343567ca67fe68120fc8155f33e51c6b0daf6eac155";

fuzz_target!(|text: &str| {
    // A control character stands for a hash, which would be found rarely.
    passwords(text);
    passwords(&text.replace('\u{1}', "$2y$04$abcdefghijklmnopqrstuuQkzNxS3W4mFzR4iF0BLvTGp6e3XGm2a"));
    keys(text);
    keys(&text.replace('\u{1}', DIGEST));
});

/// The lines that are neither empty nor comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The lines before the wrong one are right, and it is wrong whatever follows.
fn check_line<T>(text: &str, error: &LineError, parse: impl Fn(&str) -> Result<T, LineError>) {
    let count = text.lines().count();
    assert!((1..=count).contains(&error.line), "{error}");
    let first = |count: usize| text.lines().take(count).collect::<Vec<_>>().join("\n");
    assert!(parse(&first(error.line - 1)).is_ok());
    assert_eq!(parse(&first(error.line)).err().as_ref(), Some(error));
}

fn passwords(text: &str) {
    match Passwords::parse(text) {
        Ok(passwords) => {
            let found: BTreeSet<&str> = passwords.names().collect();
            let written: BTreeSet<&str> = lines(text).map(|line| line.split(':').next().unwrap_or_default()).collect();
            assert_eq!(found, written);
            assert_eq!(passwords.names().count(), lines(text).count());
        }
        Err(error) => check_line(text, &error, Passwords::parse),
    }
}

fn keys(text: &str) {
    let keys = match ApiKeys::parse(text) {
        Ok(keys) => keys,
        Err(error) => return check_line(text, &error, ApiKeys::parse),
    };
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let holders: BTreeMap<String, Vec<String>> =
        lines(text).map(words).map(|words| (words[1].to_ascii_lowercase(), words)).collect();
    let auth = ApiKeyAuth::new("fuzz", HeaderName::from_static("x-api-key"), keys);
    let request = Request::builder().header("x-api-key", KEY).body(()).expect("the header is valid");
    let (head, ()) = request.into_parts();
    match (auth.authenticate(&AuthRequest { head: &head, client: None }), holders.get(DIGEST)) {
        (Attempt::Now(Some(Verdict::Known(identity))), Some(line)) => {
            assert_eq!(identity.name, line[0]);
            let roles: BTreeSet<String> =
                line.get(2).into_iter().flat_map(|roles| roles.split(',')).map(str::to_owned).collect();
            assert_eq!(identity.roles, roles);
        }
        (Attempt::Now(Some(Verdict::Invalid { .. })), None) => {}
        (_, line) => panic!("a key on the line {line:?} is found if the line is there"),
    }
}
