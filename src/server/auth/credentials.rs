//! What several kinds of authentication share: the credentials of a request by their scheme, challenges, names, and a cache
//! of verified credentials.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ring::hmac;
use ring::rand::SystemRandom;

use crate::service::lock::lock;

/// How many bytes a name of a caller or a role may have.
pub(crate) const LONGEST_NAME: usize = 256;

/// A header of which a request has at most one.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(format!("the request has two {name} headers")),
    }
}

/// The credentials after a scheme in `Authorization` (RFC 9110, section 11.4); `None` if the request has another scheme or
/// none. [`GroupAuth`](super::GroupAuth) has refused two of these headers.
pub(super) fn of_scheme<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h [u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (own, rest) = value.split_at_checked(scheme.len())?;
    let is_whole = rest.first().is_none_or(|byte| *byte == b' ');
    (is_whole && own.eq_ignore_ascii_case(scheme.as_bytes())).then(|| rest.trim_ascii())
}

/// A challenge with this realm, and further parameters.
pub(super) fn challenge(scheme: &str, realm: &str, further: &str) -> Option<HeaderValue> {
    let realm = realm.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::from_str(&format!("{scheme} realm=\"{realm}\"{further}")).ok()
}

/// Whether a text can be the name of a caller or a role.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.chars().any(char::is_control)
}

/// The roles of callers by their names.
#[derive(Debug, Clone, Default)]
pub struct RolesByName(BTreeMap<String, BTreeSet<String>>);

impl RolesByName {
    /// Those of a table of roles with the names of those who have them.
    pub fn new(table: &BTreeMap<String, Vec<String>>) -> RolesByName {
        let mut roles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (role, names) in table {
            for name in names {
                roles.entry(name.clone()).or_default().insert(role.clone());
            }
        }
        RolesByName(roles)
    }

    pub(super) fn of(&self, name: &str) -> BTreeSet<String> {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

/// A keyed hash of credentials. Without the key, which is random for each definition, a dump of the memory does not say which
/// credentials were hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tag([u8; 32]);

impl Tag {
    /// A number made from it.
    pub(super) fn number(&self) -> usize {
        self.0.iter().take(4).fold(0, |number, byte| number << 8 | usize::from(*byte))
    }
}

/// What is known of credentials that were verified a short while ago, within a number of entries.
#[derive(Debug)]
pub(super) struct VerifiedCache<T> {
    key: hmac::Key,
    time: Duration,
    most: usize,
    entries: Mutex<HashMap<Tag, (Instant, T)>>,
}

impl<T: Clone> VerifiedCache<T> {
    /// An empty cache whose entries are valid for `time`. `None` if the system has no random numbers.
    pub(super) fn new(time: Duration, most: usize) -> Option<VerifiedCache<T>> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        Some(VerifiedCache { key, time, most, entries: Mutex::default() })
    }

    /// The tag of these parts, none of which can be mistaken for a piece of another.
    pub(super) fn tag<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        Tag(tag)
    }

    pub(super) fn get(&self, tag: &Tag) -> Option<T> {
        let entries = lock(&self.entries);
        entries.get(tag).filter(|(until, _)| Instant::now() < *until).map(|(_, value)| value.clone())
    }

    pub(super) fn insert(&self, tag: Tag, value: T) {
        let now = Instant::now();
        let Some(until) = now.checked_add(self.time).filter(|until| *until > now) else { return };
        let mut entries = lock(&self.entries);
        if entries.len() >= self.most {
            entries.retain(|_, (until, _)| now < *until);
            // All of them are in use. Those that are dropped are verified once more.
            if entries.len() >= self.most {
                entries.clear();
            }
        }
        entries.insert(tag, (until, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_their_scheme() {
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer   abc ", Some("abc")),
            ("Bearer", Some("")),
            ("Bearerabc", None),
            ("Basic abc", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            assert_eq!(of_scheme(&headers, "Bearer"), expected.map(str::as_bytes), "{value:?}");
        }
        assert_eq!(of_scheme(&HeaderMap::new(), "Bearer"), None);
    }

    #[test]
    fn a_realm_is_quoted() {
        assert_eq!(
            challenge("Basic", "a\"b", ", charset=\"UTF-8\"").unwrap(),
            "Basic realm=\"a\\\"b\", charset=\"UTF-8\""
        );
    }

    #[test]
    fn a_cache_is_bounded_in_entries_and_time() {
        let cache = VerifiedCache::new(Duration::from_secs(60), 8).unwrap();
        for number in 0..100_u32 {
            let tag = cache.tag([&number.to_be_bytes()[..]]);
            cache.insert(tag, number);
            assert_eq!(cache.get(&tag), Some(number));
        }
        assert!(lock(&cache.entries).len() <= 8);
        assert_ne!(cache.tag([&b"ab"[..], b"c"]), cache.tag([&b"a"[..], b"bc"]));
        let off = VerifiedCache::new(Duration::ZERO, 8).unwrap();
        let tag = off.tag([&b"a"[..]]);
        off.insert(tag, 1);
        assert_eq!(off.get(&tag), None);
    }
}
