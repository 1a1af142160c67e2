//! `croupier key new`: makes an API key, and the line for the file with keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SystemRandom, generate};

use super::args::NewKeyArgs;
use super::{Failure, say};
use crate::server::auth::credentials::is_name;

/// What each key begins with, by which programs find it that look for published secrets.
const PREFIX: &str = "crp_";

/// Prints a new key, and its line for the file.
pub(super) fn new(args: &NewKeyArgs) -> Result<(), Failure> {
    let NewKey { key, line } = NewKey::generate(&args.name, &args.roles).map_err(Failure::usage)?;
    // The key is the only output for programs: `KEY=$(croupier key new)`.
    say(key);
    // A comment in that file, so that standard error may be appended to it.
    eprintln!("# The line for the file in `keys` of `[auth.NAME.api-key]`; the server never needs the key itself:");
    eprintln!("{line}");
    Ok(())
}

/// A key, and its line for the file.
struct NewKey {
    key: String,
    line: String,
}

impl NewKey {
    /// Makes a key from random bytes of the system.
    ///
    /// # Errors
    /// If the name or a role has white space or control characters, or the system has no random numbers.
    fn generate(name: &str, roles: &[String]) -> Result<NewKey, String> {
        let fits = |text: &str| is_name(text) && !text.contains(char::is_whitespace) && !text.starts_with('#');
        if !fits(name) {
            return Err(format!(
                "croupier: `{name}` cannot be a name: it is empty or too long, begins with `#`, or has white space"
            ));
        }
        if let Some(role) = roles.iter().find(|role| !fits(role) || role.contains(',')) {
            return Err(format!(
                "croupier: `{role}` cannot be a role: it is empty or too long, begins with `#`, or has white space or a comma"
            ));
        }
        let bytes: [u8; 32] = generate(&SystemRandom::new())
            .map_err(|_| "croupier: the system has no random numbers".to_owned())?
            .expose();
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let hash: String = digest(&SHA256, key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let roles = if roles.is_empty() { String::new() } else { format!(" {}", roles.join(",")) };
        Ok(NewKey { line: format!("{name} {hash}{roles}"), key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::auth::api_key::ApiKeys;

    #[test]
    fn a_new_key_is_random_and_its_line_can_be_read() {
        let new = NewKey::generate("ada", &["admin".to_owned(), "staff".to_owned()]).unwrap();
        let other = NewKey::generate("ada", &[]).unwrap();
        assert!(new.key.starts_with("crp_") && new.key.len() == 47 && new.key != other.key);
        assert!(new.line.ends_with(" admin,staff") && !new.line.contains(&new.key));
        ApiKeys::parse(&format!("{}\n{}", new.line, other.line)).unwrap();
    }

    #[test]
    fn names_and_roles_have_no_separators() {
        for (name, role) in
            [("", "a"), ("a b", "a"), ("#a", "a"), ("a", ""), ("a", "b,c"), ("a", "b c"), ("a\u{7}", "b")]
        {
            assert!(NewKey::generate(name, &[role.to_owned()]).is_err(), "{name:?} {role:?}");
        }
    }
}
