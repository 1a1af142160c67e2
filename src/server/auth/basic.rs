//! User names and passwords (RFC 7617), whose slow hashes are in a file such as `htpasswd -B` writes.
//!
//! A hash takes a part of a second of a processor. So passwords are hashed on blocking threads, a few at a time, and further
//! requests wait for a short while or are refused as busy: clients who guess passwords take no more than that. What was
//! verified is valid for a minute without another hash. A name that is not in the file takes as long as one that is: the
//! password is compared with the hash of another user.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{ARGON2D_IDENT, ARGON2I_IDENT, ARGON2ID_IDENT, Argon2, Params, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, header};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::api_key::LineError;
use super::credentials::{RolesByName, Tag, VerifiedCache, challenge, is_name, of_scheme};
use super::{Attempt, AuthRequest, Authenticator, Verdict};
use crate::service::Identity;

/// The kind of these credentials in an identity.
const KIND: &str = "basic";
/// How long a verified password is not hashed again.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many verified passwords are remembered.
const MOST_REMEMBERED: usize = 1024;
/// How many requests may wait until their passwords are hashed, for each that may be hashed at a time.
const WAITING: usize = 16;
/// How long one of them waits.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How many bytes a name and a password have together at most.
const LONGEST: usize = 2048;
/// The highest cost of bcrypt: 2^14 rounds take about a second.
const HIGHEST_COST: u32 = 14;
/// The highest costs of Argon2: 256 MiB, which two hashes at a time take twice, and passes over it.
const HIGHEST_MEMORY: u32 = 256 << 10;
const HIGHEST_PASSES: u32 = 16;
const HIGHEST_LANES: u32 = 8;

/// A slow hash of a password, which has been checked for its form and its cost.
#[derive(Clone, PartialEq, Eq)]
enum Hash {
    Bcrypt(Box<str>),
    Argon2(Box<str>),
}

/// The users of a file, with the hashes of their passwords.
#[derive(Default, PartialEq, Eq)]
pub struct Passwords {
    /// In the order of the file.
    hashes: Vec<Hash>,
    /// The index of the hash of each user.
    users: HashMap<String, usize>,
}

impl fmt::Debug for Passwords {
    /// Omits the hashes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.users.keys()).finish()
    }
}

impl Passwords {
    /// Reads users: one a line, with a name, a colon, and a hash by bcrypt (`$2y$…`) or Argon2 (`$argon2id$…`). Empty lines,
    /// and those that begin with `#`, are ignored.
    ///
    /// # Errors
    /// For the first line that is none of these, whose hash is made by a fast function or costs too much, or whose user is on
    /// another line too.
    pub fn parse(text: &str) -> Result<Passwords, LineError> {
        let mut passwords = Passwords::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                passwords.add(line).map_err(|reason| LineError { line: at + 1, reason })?;
            }
        }
        Ok(passwords)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (name, hash) = line.split_once(':').ok_or("a line is a name, a colon and a hash: `ada:$2y$12$…`")?;
        if !is_name(name) {
            return Err("the name is empty or too long, or has control characters".to_owned());
        }
        let hash = Hash::parse(hash)?;
        if self.users.insert(name.to_owned(), self.hashes.len()).is_some() {
            return Err("the same user is on a line above".to_owned());
        }
        self.hashes.push(hash);
        Ok(())
    }

    /// The names of the users.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// The hash to compare with, and whether it is that of the user. For an unknown name it is that of another user, always the
    /// same one, so that the time does not tell the two apart.
    fn hash_of(&self, name: &str, tag: &Tag) -> Option<(&Hash, bool)> {
        match self.users.get(name) {
            Some(index) => self.hashes.get(*index).map(|hash| (hash, true)),
            None => self.hashes.get(tag.number().checked_rem(self.hashes.len())?).map(|hash| (hash, false)),
        }
    }
}

impl Hash {
    fn parse(text: &str) -> Result<Hash, String> {
        const HOW: &str = "`htpasswd -B` and `mkpasswd -m bcrypt` make one that is accepted";
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            let parts: bcrypt::HashParts = text.parse().map_err(|_| "the hash is not a valid one of bcrypt")?;
            if parts.get_cost() > HIGHEST_COST {
                return Err(format!(
                    "a hash of the cost {} takes too long; the highest is {HIGHEST_COST}",
                    parts.get_cost()
                ));
            }
            return Ok(Hash::Bcrypt(text.into()));
        }
        if text.starts_with("$argon2") {
            let hash = PasswordHash::new(text).map_err(|_| "the hash is not a valid one of Argon2")?;
            let params = Params::try_from(&hash).map_err(|_| "the hash has parameters that Argon2 does not have")?;
            let is_known = [ARGON2ID_IDENT, ARGON2I_IDENT, ARGON2D_IDENT].contains(&hash.algorithm);
            if !is_known || hash.salt.is_none() || hash.hash.is_none() {
                return Err("the hash is not a valid one of Argon2".to_owned());
            }
            if params.m_cost() > HIGHEST_MEMORY || params.t_cost() > HIGHEST_PASSES || params.p_cost() > HIGHEST_LANES {
                return Err(format!(
                    "the hash costs too much: at most m={HIGHEST_MEMORY},t={HIGHEST_PASSES},p={HIGHEST_LANES}"
                ));
            }
            return Ok(Hash::Argon2(text.into()));
        }
        let kind = match text {
            text if text.starts_with("$apr1$") || text.starts_with("$1$") => "MD5",
            text if text.starts_with("{SHA}") || text.starts_with("{SSHA}") => "SHA-1",
            text if text.starts_with("$5$") || text.starts_with("$6$") => "crypt with SHA-2",
            text if text.len() == 13 => "the old crypt",
            _ => return Err(format!("this is no hash of bcrypt or Argon2; {HOW}")),
        };
        Err(format!("a hash by {kind} is found too fast by those who have the file; {HOW}"))
    }

    /// Whether it is the hash of a password. Takes a part of a second.
    fn verify(&self, password: &[u8]) -> bool {
        match self {
            // bcrypt uses the first 72 bytes only: a longer password would be another one.
            Hash::Bcrypt(hash) => bcrypt::non_truncating_verify(password, hash).unwrap_or(false),
            Hash::Argon2(hash) => Argon2::default().verify_password(password, hash.as_ref()).is_ok(),
        }
    }
}

/// Callers who are known by a name and a password.
#[derive(Clone)]
pub struct BasicAuth(Arc<Shared>);

struct Shared {
    name: String,
    passwords: Passwords,
    roles: RolesByName,
    verified: VerifiedCache<Arc<Identity>>,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth")
            .field("name", &self.0.name)
            .field("users", &self.0.passwords)
            .finish_non_exhaustive()
    }
}

impl BasicAuth {
    /// The definition `name`, with the roles of its users, which hashes so many passwords at the same time. `None` if the
    /// system has no random numbers.
    pub fn new(
        name: impl Into<String>,
        passwords: Passwords,
        roles: RolesByName,
        concurrent: usize,
    ) -> Option<BasicAuth> {
        let concurrent = concurrent.clamp(1, 64);
        Some(BasicAuth(Arc::new(Shared {
            name: name.into(),
            passwords,
            roles,
            verified: VerifiedCache::new(REMEMBERED, MOST_REMEMBERED)?,
            permits: Arc::new(Semaphore::new(concurrent)),
            waiting: AtomicUsize::new(0),
            most_waiting: concurrent * WAITING,
        })))
    }
}

impl Authenticator for BasicAuth {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn authenticate(&self, request: &AuthRequest<'_>) -> Attempt {
        let Some(encoded) = of_scheme(&request.head.headers, "Basic") else { return Attempt::now(Verdict::Absent) };
        let Some((user, password)) = decode(encoded) else {
            return Attempt::now(Verdict::invalid("the header is no valid one of basic authentication"));
        };
        let tag = self.0.verified.tag([user.as_bytes(), &password]);
        if let Some(identity) = self.0.verified.get(&tag) {
            return Attempt::now(Verdict::Known(identity));
        }
        let shared = self.0.clone();
        Attempt::later(async move { shared.verify(user, password, tag).await })
    }

    fn challenge(&self, _: bool) -> Option<HeaderValue> {
        challenge("Basic", &self.0.name, ", charset=\"UTF-8\"")
    }

    fn header(&self) -> Option<HeaderName> {
        Some(header::AUTHORIZATION)
    }
}

/// The name and the password of a header (RFC 7617, section 2).
fn decode(encoded: &[u8]) -> Option<(String, Vec<u8>)> {
    if encoded.len() > LONGEST.div_ceil(3) * 4 {
        return None;
    }
    let mut user = STANDARD.decode(encoded).ok()?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    let password = user.split_off(colon + 1);
    user.pop();
    Some((String::from_utf8(user).ok()?, password))
}

/// A place among those that wait, until it is dropped.
struct Waiting<'s>(&'s AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Shared {
    async fn verify(self: Arc<Self>, user: String, password: Vec<u8>, tag: Tag) -> Verdict {
        let busy = || Verdict::Unavailable("too many passwords wait to be hashed".to_owned());
        let waiting = self.waiting.fetch_add(1, Relaxed);
        let place = Waiting(&self.waiting);
        if waiting >= self.most_waiting {
            return busy();
        }
        let Ok(Ok(permit)) = timeout(LONGEST_WAIT, self.permits.clone().acquire_owned()).await else { return busy() };
        drop(place);
        // Others may have sent the same meanwhile.
        if let Some(identity) = self.verified.get(&tag) {
            return Verdict::Known(identity);
        }
        // By the name alone, so that it is the same for all passwords.
        let of_name = self.verified.tag([user.as_bytes()]);
        let Some((hash, is_known)) = self.passwords.hash_of(&user, &of_name) else {
            return Verdict::invalid("there are no users");
        };
        let hash = hash.clone();
        let hashing = spawn_blocking(move || {
            // Held to the end of the hash, also if the client has left.
            let _permit = permit;
            hash.verify(&password)
        });
        match hashing.await {
            Ok(true) if is_known => {
                let roles = self.roles.of(&user);
                let identity = Arc::new(Identity { roles, proven_by: KIND, ..Identity::new(user) });
                self.verified.insert(tag, identity.clone());
                Verdict::Known(identity)
            }
            Ok(_) if is_known => Verdict::invalid(format!("the password is not that of `{user}`")),
            // The text may be a password that was given in place of the name.
            Ok(_) => Verdict::invalid("there is no such user"),
            Err(_) => Verdict::Unavailable("the password could not be hashed".to_owned()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use http::Request;

    use super::*;

    /// bcrypt with the lowest cost, of `secret`.
    fn bcrypt_of(password: &str) -> String {
        bcrypt::hash(password, 4).unwrap()
    }

    const ARGON2: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$";

    fn argon2_of(password: &str) -> String {
        use argon2::{Algorithm, Version};
        use base64::engine::general_purpose::STANDARD_NO_PAD;
        let mut out = [0; 16];
        let params = Params::new(64, 1, 1, Some(16)).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(password.as_bytes(), b"somesalt", &mut out).unwrap();
        format!("{ARGON2}{}", STANDARD_NO_PAD.encode(out))
    }

    async fn verdict(auth: &BasicAuth, authorization: &str) -> Verdict {
        let request = Request::builder().header("authorization", authorization).body(()).unwrap();
        auth.authenticate(&AuthRequest { head: &request.into_parts().0, client: None }).await
    }

    fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }

    fn auth(file: &str) -> BasicAuth {
        let roles = RolesByName::new(&[("admin".to_owned(), vec!["ada".to_owned()])].into());
        BasicAuth::new("staff", Passwords::parse(file).unwrap(), roles, 1).unwrap()
    }

    #[tokio::test]
    async fn users_are_known_by_their_passwords() {
        let long = "x".repeat(80);
        let auth = auth(&format!(
            "ada:{}\nben:{}\n# c\n\nlong:{}\n",
            bcrypt_of("sécret:"),
            argon2_of("other"),
            bcrypt_of(&long)
        ));
        for _ in 0..2 {
            match verdict(&auth, &basic("ada", "sécret:")).await {
                Verdict::Known(identity) => {
                    assert_eq!(*identity, Identity { proven_by: "basic", ..Identity::new("ada").with_role("admin") });
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(verdict(&auth, &basic("ben", "other")).await, Verdict::Known(_)));
        for (user, password) in
            [("ada", "other"), ("ada", ""), ("ben", "sécret:"), ("nobody", "sécret:"), ("", ""), ("long", &long)]
        {
            assert!(
                matches!(verdict(&auth, &basic(user, password)).await, Verdict::Invalid { .. }),
                "{user} {password}"
            );
        }
        for malformed in ["Basic", "Basic !", "Basic YWJj", &basic(&"a".repeat(4000), "b"), "Basic //86YQ=="] {
            assert!(matches!(verdict(&auth, malformed).await, Verdict::Invalid { .. }), "{malformed}");
        }
        assert!(matches!(verdict(&auth, "Bearer abc").await, Verdict::Absent));
        assert_eq!(auth.challenge(true).unwrap(), "Basic realm=\"staff\", charset=\"UTF-8\"");
    }

    #[tokio::test]
    async fn what_is_verified_is_ready_at_once_and_what_is_not_is_not_remembered() {
        let auth = auth(&format!("ada:{}", bcrypt_of("secret")));
        let attempt = |password: &str| {
            let request = Request::builder().header("authorization", basic("ada", password)).body(()).unwrap();
            auth.authenticate(&AuthRequest { head: &request.into_parts().0, client: None })
        };
        for _ in 0..2 {
            let attempt = attempt("wrong");
            assert!(matches!(attempt, Attempt::Later(_)));
            attempt.await;
        }
        assert!(matches!(attempt("secret"), Attempt::Later(_)));
        attempt("secret").await;
        assert!(matches!(attempt("secret"), Attempt::Now(Some(Verdict::Known(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_passwords_at_a_time_are_not_hashed() {
        let auth = auth(&format!("ada:{}", bcrypt_of("secret")));
        let held = auth.0.permits.clone().acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..WAITING).map(|_| auth.clone()).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for auth in waiting {
            tasks.spawn(async move { verdict(&auth, &basic("ada", "secret")).await });
        }
        while auth.0.waiting.load(Relaxed) < WAITING {
            tokio::task::yield_now().await;
        }
        // One more does not even wait; the others wait for a while only.
        assert!(matches!(verdict(&auth, &basic("ada", "secret")).await, Verdict::Unavailable(_)));
        while let Some(verdict) = tasks.join_next().await {
            assert!(matches!(verdict.unwrap(), Verdict::Unavailable(_)));
        }
        assert_eq!(auth.0.waiting.load(Relaxed), 0);
        drop(held);
    }

    #[test]
    fn an_unknown_name_is_compared_with_the_same_hash_each_time() {
        let auth = auth(&format!("ada:{}\nben:{}", bcrypt_of("a"), argon2_of("b")));
        let hash_of = |name: &str| {
            let (hash, is_known) = auth.0.passwords.hash_of(name, &auth.0.verified.tag([name.as_bytes()])).unwrap();
            assert_eq!(is_known, ["ada", "ben"].contains(&name));
            hash.clone()
        };
        assert!(hash_of("ada") != hash_of("ben"));
        let unknown: Vec<_> = (0..64).map(|number| format!("nobody{number}")).collect();
        assert!(unknown.iter().all(|name| hash_of(name) == hash_of(name)));
        assert!(unknown.iter().any(|name| hash_of(name) == hash_of("ada")));
        assert!(unknown.iter().any(|name| hash_of(name) == hash_of("ben")));
    }

    #[test]
    fn hashes_that_are_fast_costly_or_malformed_are_refused() {
        for (hash, reason) in [
            ("$apr1$x$yyyyyyyyyyyyyyyyyyyyyy", "MD5"),
            ("$1$x$yyyyyyyyyyyyyyyyyyyyyy", "MD5"),
            ("{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "SHA-1"),
            ("$6$x$y", "SHA-2"),
            ("rqXexS6ZhobKA", "the old crypt"),
            ("secret", "no hash"),
            ("", "no hash"),
            ("$2y$12$short", "not a valid one of bcrypt"),
            ("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ", "not a valid one of Argon2"),
            ("$argon2xx$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "not a valid one of Argon2"),
            ("$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "costs too much"),
            ("$argon2id$v=19$m=64,t=1000,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "costs too much"),
        ] {
            let error = Passwords::parse(&format!("# users\nada:{hash}")).unwrap_err();
            assert_eq!(error.line, 2);
            assert!(error.reason.contains(reason), "{hash}: {error}");
            assert!(hash.is_empty() || !error.to_string().contains(hash), "{error}");
        }
        let costly = bcrypt_of("x").replacen("$04$", "$15$", 1);
        assert!(Passwords::parse(&format!("ada:{costly}")).unwrap_err().reason.contains("takes too long"));
        let twice = format!("ada:{0}\nada:{0}", bcrypt_of("x"));
        assert!(Passwords::parse(&twice).unwrap_err().reason.contains("above"));
        assert!(Passwords::parse("ada").unwrap_err().reason.contains("a colon"));
    }
}
