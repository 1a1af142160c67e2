//! API keys: a random text in a header, whose SHA-256 is in a file.
//!
//! A key has 256 random bits, so its digest needs neither salt nor a slow hash: nobody can try as many keys. It is looked up
//! by its digest. The time of the lookup depends on the digest, which a client cannot choose without finding a key to it, so
//! it reveals nothing of the keys that are stored.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderName, HeaderValue, header};
use ring::digest::{SHA256, digest};

use super::credentials::{challenge, is_name, of_scheme, single};
use super::{Attempt, AuthRequest, Authenticator, Verdict};
use crate::service::Identity;
use crate::service::already_hashed::BuildAlreadyHashed;

/// The kind of these credentials in an identity.
const KIND: &str = "api-key";

/// The keys of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ApiKeys(HashMap<[u8; 32], Arc<Identity>>);

/// A line of a file with keys or passwords that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it. It does not repeat the line.
    pub reason: String,
}

impl ApiKeys {
    /// Reads keys: one a line, with the name of its holder, the SHA-256 of the key in hexadecimal digits, and roles with
    /// commas between them. Empty lines, and those that begin with `#`, are ignored.
    ///
    /// # Errors
    /// For the first line that is none of these, or whose key is in the file already.
    pub fn parse(text: &str) -> Result<ApiKeys, LineError> {
        let mut keys = ApiKeys::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                keys.add(line).map_err(|reason| LineError { line: at + 1, reason: reason.to_owned() })?;
            }
        }
        Ok(keys)
    }

    fn add(&mut self, line: &str) -> Result<(), &'static str> {
        let mut words = line.split_whitespace();
        let (name, digest) = (words.next().unwrap_or_default(), words.next());
        if !is_name(name) {
            return Err("the name is too long, or has control characters");
        }
        let digest =
            digest.ok_or("a line is a name, the SHA-256 of the key, and roles: `ada 9f86…0a08 admin,staff`")?;
        let digest = from_hex(digest).ok_or(
            "the second word is not a SHA-256 of 64 hexadecimal digits; `croupier key new` prints a key and its line",
        )?;
        let listed = words.next().unwrap_or_default();
        if words.next().is_some() {
            return Err("roles have commas between them, without spaces");
        }
        let mut roles = BTreeSet::new();
        for role in listed.split(',').filter(|_| !listed.is_empty()) {
            if !is_name(role) {
                return Err("a role is empty or too long");
            }
            roles.insert(role.to_owned());
        }
        let identity = Identity { roles, proven_by: KIND, ..Identity::new(name) };
        match self.0.insert(digest, Arc::new(identity)) {
            None => Ok(()),
            Some(_) => Err("the same key is on a line above"),
        }
    }

    /// The holder of a key.
    fn find(&self, key: &[u8]) -> Option<&Arc<Identity>> {
        let digest: [u8; 32] = digest(&SHA256, key).as_ref().try_into().ok()?;
        self.0.get(&digest)
    }
}

/// Callers who are known by a key in a header.
#[derive(Debug)]
pub struct ApiKeyAuth {
    name: String,
    header: HeaderName,
    keys: ApiKeys,
    seen: SeenKeys,
}

/// The valid keys that have been seen, by hashes with secret keys. Finding one is many times cheaper than its SHA-256. Nobody
/// can find a key with the hash of another: the hash has 128 bits, and its own keys are new in each process. The keys
/// themselves are not kept.
#[derive(Debug, Default)]
struct SeenKeys {
    hashers: [RandomState; 2],
    /// By the first hash: the second, and the holder.
    holders: RwLock<HashMap<u64, (u64, Arc<Identity>), BuildAlreadyHashed>>,
}

impl SeenKeys {
    fn hash(&self, key: &[u8]) -> [u64; 2] {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(key))
    }

    fn find(&self, [first, second]: [u64; 2]) -> Option<Arc<Identity>> {
        let holders = self.holders.read().unwrap_or_else(PoisonError::into_inner);
        holders.get(&first).filter(|(hash, _)| *hash == second).map(|(_, holder)| holder.clone())
    }

    fn add(&self, [first, second]: [u64; 2], holder: Arc<Identity>) {
        self.holders.write().unwrap_or_else(PoisonError::into_inner).insert(first, (second, holder));
    }
}

impl ApiKeyAuth {
    /// The callers of the definition `name`, whose keys are in this header. In `Authorization` a key follows the word
    /// `Bearer`.
    pub fn new(name: impl Into<String>, header: HeaderName, keys: ApiKeys) -> ApiKeyAuth {
        ApiKeyAuth { name: name.into(), header, keys, seen: SeenKeys::default() }
    }

    /// The holder of a key.
    fn holder(&self, key: &[u8]) -> Option<Arc<Identity>> {
        let hash = self.seen.hash(key);
        self.seen.find(hash).or_else(|| {
            let holder = self.keys.find(key)?;
            // Only valid keys are added, so that there are never more of them than in the file.
            self.seen.add(hash, holder.clone());
            Some(holder.clone())
        })
    }
}

impl Authenticator for ApiKeyAuth {
    fn name(&self) -> &str {
        &self.name
    }

    fn authenticate(&self, request: &AuthRequest<'_>) -> Attempt {
        let headers = &request.head.headers;
        let key = if self.header == header::AUTHORIZATION {
            of_scheme(headers, "Bearer")
        } else {
            match single(headers, &self.header) {
                Ok(value) => value.map(HeaderValue::as_bytes),
                Err(reason) => return Attempt::now(Verdict::invalid(reason)),
            }
        };
        Attempt::now(match key.map(|key| self.holder(key)) {
            None => Verdict::Absent,
            Some(Some(identity)) => Verdict::Known(identity),
            Some(None) => Verdict::invalid(format!("the key is none of `{}`", self.name)),
        })
    }

    fn challenge(&self, wrong: bool) -> Option<HeaderValue> {
        if self.header == header::AUTHORIZATION {
            return challenge("Bearer", &self.name, if wrong { ", error=\"invalid_token\"" } else { "" });
        }
        // No scheme is registered for such headers, and a response with status 401 has to have a challenge (RFC 9110,
        // section 15.5.2). Clients ignore schemes that they do not know.
        challenge("ApiKey", &self.name, &format!(", header=\"{}\"", self.header))
    }

    fn header(&self) -> Option<HeaderName> {
        Some(self.header.clone())
    }
}

/// The bytes of 64 hexadecimal digits.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::service::future::MaybeReady;

    fn verdict(auth: &ApiKeyAuth, headers: &[(&str, &str)]) -> Verdict {
        let request = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let (head, ()) = request.body(()).unwrap().into_parts();
        match auth.authenticate(&AuthRequest { head: &head, client: None }) {
            MaybeReady::Now(Some(verdict)) => verdict,
            _ => panic!("a key is found at once"),
        }
    }

    /// The line for a key.
    fn line(name: &str, key: &str, roles: &str) -> String {
        let hex: String = digest(&SHA256, key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name} {hex} {roles}")
    }

    #[test]
    fn a_key_is_found_by_its_digest() {
        let (own, other) = (line("ada", "crp_a", "admin,staff"), line("ben", "crp_b", ""));
        let keys = ApiKeys::parse(&format!("# keys\n\n  {own}\n{other}\r\n")).unwrap();
        let auth = |header: HeaderName, keys| ApiKeyAuth::new("staff", header, keys);
        let of_own = auth(HeaderName::from_static("x-api-key"), keys);
        // The second time the key has been seen.
        for _ in 0..2 {
            match verdict(&of_own, &[("x-api-key", "crp_a")]) {
                Verdict::Known(identity) => {
                    let expected = Identity::new("ada").with_role("admin").with_role("staff");
                    assert_eq!(*identity, Identity { proven_by: "api-key", ..expected });
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(
            matches!(verdict(&of_own, &[("x-api-key", "crp_b")]), Verdict::Known(identity) if identity.name == "ben")
        );
        assert!(matches!(verdict(&of_own, &[]), Verdict::Absent));
        assert!(matches!(verdict(&of_own, &[("authorization", "Bearer crp_a")]), Verdict::Absent));
        for wrong in ["", "crp_", "CRP_A", &own] {
            assert!(matches!(verdict(&of_own, &[("x-api-key", wrong)]), Verdict::Invalid { .. }), "{wrong}");
        }
        let two = [("x-api-key", "crp_a"), ("x-api-key", "crp_a")];
        assert!(matches!(verdict(&of_own, &two), Verdict::Invalid { .. }));
        let of_bearer = auth(header::AUTHORIZATION, ApiKeys::parse(&own).unwrap());
        assert!(matches!(verdict(&of_bearer, &[("authorization", "bearer crp_a")]), Verdict::Known(_)));
        assert!(matches!(verdict(&of_bearer, &[("authorization", "Bearer x")]), Verdict::Invalid { .. }));
        assert!(matches!(verdict(&of_bearer, &[("authorization", "Basic x")]), Verdict::Absent));
        assert_eq!(of_bearer.challenge(true).unwrap(), "Bearer realm=\"staff\", error=\"invalid_token\"");
        assert_eq!(of_own.challenge(true).unwrap(), "ApiKey realm=\"staff\", header=\"x-api-key\"");
    }

    #[test]
    fn malformed_lines_are_refused_with_their_number_and_not_repeated() {
        let digest = "07".repeat(32);
        for (text, line, reason) in [
            ("\nada".to_owned(), 2, "a line is a name"),
            ("ada 12".to_owned(), 1, "not a SHA-256"),
            (format!("ada {}g", digest.get(1..).unwrap()), 1, "not a SHA-256"),
            (format!("ada {digest}0"), 1, "not a SHA-256"),
            (format!("ada {digest} a, b"), 1, "commas"),
            (format!("ada {digest} a,,b"), 1, "role"),
            (format!("ada {digest}\nben {}", digest.to_uppercase()), 2, "the same key"),
            (format!("{} {digest}", "a".repeat(300)), 1, "too long"),
        ] {
            let error = ApiKeys::parse(&text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.reason.contains(reason) && !error.to_string().contains(&digest), "{error}");
        }
        assert_eq!(ApiKeys::parse("# nothing\n").unwrap(), ApiKeys::default());
    }
}
