//! Sets of public keys (RFC 7517), from a file or from the server of an identity provider.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, StatusCode};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::Value;

use crate::codec::jws::Algorithm;
use crate::service::lock::lock;
use crate::upstream::transport::{Repeat, Transport};

/// How many keys a set has at most.
const MOST_KEYS: usize = 256;
/// How many bytes the response of a server has at most.
const MAX_RESPONSE: usize = 256 << 10;
/// After which time a server is asked again, if a token has a key that is not known, or if it has not responded.
const AGAIN: Duration = Duration::from_secs(10);

/// Public keys, by their names.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<Jwk>,
    by_kid: HashMap<String, usize>,
}

/// A public key.
pub(super) struct Jwk {
    key: PublicKey,
    /// The only algorithm for which it may be used; `None` for all of its type.
    algorithm: Option<Algorithm>,
}

enum PublicKey {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A document is no set of keys that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is not a JSON object with an array `keys`.
    #[error("it is no JSON object with an array `keys`")]
    Malformed,
    /// It has too many keys.
    #[error("it has more than {MOST_KEYS} keys")]
    TooMany,
    /// Two keys have the same `kid`.
    #[error("two keys have the same `kid`")]
    SameKid,
    /// It has no public key of a type that is known.
    #[error("it has no public key of RSA, P-256, P-384 or Ed25519 for signatures")]
    NoKeys,
}

#[derive(Deserialize)]
struct KeySetFile {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct JwkFile {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

impl KeySet {
    /// Reads a document. Keys of other types and for other purposes are left out, and so are secret ones (`oct`).
    ///
    /// # Errors
    /// If the document is malformed, or has no key that can be used.
    pub fn parse(document: &[u8]) -> Result<KeySet, KeySetError> {
        let file: KeySetFile = serde_json::from_slice(document).map_err(|_| KeySetError::Malformed)?;
        if file.keys.len() > MOST_KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut set = KeySet::default();
        for key in file.keys {
            // One that cannot be read is for a newer program.
            let Ok(file) = JwkFile::deserialize(key) else { continue };
            let Some(key) = Jwk::new(&file) else { continue };
            if let Some(kid) = file.kid
                && set.by_kid.insert(kid, set.keys.len()).is_some()
            {
                return Err(KeySetError::SameKid);
            }
            set.keys.push(key);
        }
        if set.keys.is_empty() { Err(KeySetError::NoKeys) } else { Ok(set) }
    }

    pub(super) fn find(&self, kid: &str) -> Option<&Jwk> {
        self.keys.get(*self.by_kid.get(kid)?)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Jwk> {
        self.keys.iter()
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_kid.keys()).finish()
    }
}

impl Jwk {
    fn new(file: &JwkFile) -> Option<Jwk> {
        if file.purpose.as_ref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
        let coordinate = |text: &Option<String>, length: usize| bytes(text).filter(|bytes| bytes.len() == length);
        // SEC 1, section 2.3.3: an uncompressed point.
        let point =
            |length: usize| Some([vec![4], coordinate(&file.x, length)?, coordinate(&file.y, length)?].concat());
        let key = match (file.kty.as_str(), file.crv.as_deref()) {
            ("RSA", _) => {
                let number = |text| bytes(text).map(|bytes| bytes.into_iter().skip_while(|byte| *byte == 0).collect());
                PublicKey::Rsa(RsaPublicKeyComponents { n: number(&file.n)?, e: number(&file.e)? })
            }
            ("EC", Some("P-256")) => PublicKey::P256(point(32)?),
            ("EC", Some("P-384")) => PublicKey::P384(point(48)?),
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(coordinate(&file.x, 32)?),
            _ => return None,
        };
        let algorithm = match &file.alg {
            None => None,
            // A key for an algorithm that is not known is of no use.
            Some(name) => Some(Algorithm::deserialize(Value::String(name.clone())).ok()?),
        };
        Some(Jwk { key, algorithm })
    }

    /// Whether the key can be one for an algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        let of_type = match self.key {
            PublicKey::Rsa(_) => rsa(algorithm).is_some(),
            PublicKey::P256(_) => algorithm == Algorithm::ES256,
            PublicKey::P384(_) => algorithm == Algorithm::ES384,
            PublicKey::Ed25519(_) => algorithm == Algorithm::EdDSA,
        };
        of_type && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Whether a signature over a message is that of the key.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        let plain = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature)
        };
        let verified = match &self.key {
            PublicKey::Rsa(key) => match rsa(algorithm) {
                Some(parameters) => key.verify(parameters, message, signature),
                None => return false,
            },
            PublicKey::P256(key) => plain(&ECDSA_P256_SHA256_FIXED, key),
            PublicKey::P384(key) => plain(&ECDSA_P384_SHA384_FIXED, key),
            PublicKey::Ed25519(key) => plain(&ED25519, key),
        };
        verified.is_ok()
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// The keys of a server, which is asked for them when they are first needed, then from time to time, and when a token has a
/// key that is not among them. If it does not respond, the keys are those of its last response.
pub struct RemoteKeys {
    transport: Transport,
    keys: ArcSwapOption<KeySet>,
    refresh: Duration,
    /// When the keys are too old.
    due: Mutex<Option<Instant>>,
    /// When the server was last asked. Held while it is.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

impl RemoteKeys {
    /// The keys of the server behind a transport, which are too old after `refresh`.
    pub fn new(transport: Transport, refresh: Duration) -> Arc<RemoteKeys> {
        let (keys, due, asked) = (ArcSwapOption::default(), Mutex::default(), tokio::sync::Mutex::default());
        Arc::new(RemoteKeys { transport, keys, refresh, due, asked })
    }

    /// The keys; `None` if there are none yet. If they are too old, the server is asked in the background.
    pub(super) fn current(self: &Arc<Self>) -> Option<Arc<KeySet>> {
        let keys = self.keys.load_full()?;
        let now = Instant::now();
        let mut due = lock(&self.due);
        if due.is_none_or(|due| now >= due) {
            // In the meantime, no other request asks.
            *due = now.checked_add(AGAIN);
            drop(due);
            let remote = self.clone();
            tokio::spawn(async move { remote.ask_unless_recently().await });
        }
        Some(keys)
    }

    /// Asks the server for its keys, unless that was done a short while ago. Returns when there is a response, or none.
    pub(super) async fn fetch(self: Arc<Self>) {
        // In a task of its own: a client that leaves must not end it, because others wait for the keys too.
        let asking = tokio::spawn(async move { self.ask_unless_recently().await });
        // It ends early only if its runtime does.
        let _ = asking.await;
    }

    async fn ask_unless_recently(&self) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|at| at.elapsed() < AGAIN) {
            return;
        }
        let result = self.ask().await;
        // After the response, so that those who have waited for it do not ask again at once.
        *asked = Some(Instant::now());
        match result {
            Ok(keys) => {
                self.keys.store(Some(Arc::new(keys)));
                *lock(&self.due) = Instant::now().checked_add(self.refresh);
            }
            Err(reason) => {
                let kept =
                    if self.keys.load().is_some() { "those of its last response are used" } else { "there are none" };
                tracing::warn!(server = ?self.transport, reason, "the keys for tokens cannot be fetched; {kept}");
            }
        }
    }

    async fn ask(&self) -> Result<KeySet, String> {
        let request = Request::get("/").body(Bytes::new()).map_err(|error| error.to_string())?;
        let response = self.transport.exchange(request, Repeat::Harmless, MAX_RESPONSE, None).await;
        let response = response.map_err(|error| error.to_string())?;
        match response.status() {
            StatusCode::OK => KeySet::parse(response.body()).map_err(|error| error.to_string()),
            status => Err(format!("the server responds with {status}")),
        }
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("server", &self.transport).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_without_usable_keys_are_refused() {
        let x = URL_SAFE_NO_PAD.encode([7; 32]);
        let ed = |kid: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}"#);
        for (document, expected) in [
            (String::new(), KeySetError::Malformed),
            ("[]".to_owned(), KeySetError::Malformed),
            (r#"{"keys":{}}"#.to_owned(), KeySetError::Malformed),
            (r#"{"keys":[]}"#.to_owned(), KeySetError::NoKeys),
            (
                r#"{"keys":[1,{"kty":"oct","k":"AAAA"},{"kty":"RSA"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#
                    .to_owned(),
                KeySetError::NoKeys,
            ),
            (format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","use":"enc","x":"{x}"}}]}}"#), KeySetError::NoKeys),
            (format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"X","x":"{x}"}}]}}"#), KeySetError::NoKeys),
            (format!(r#"{{"keys":[{},{}]}}"#, ed("a"), ed("a")), KeySetError::SameKid),
            (format!(r#"{{"keys":[{}]}}"#, vec!["1"; 257].join(",")), KeySetError::TooMany),
        ] {
            assert_eq!(KeySet::parse(document.as_bytes()).unwrap_err(), expected, "{document}");
        }
        let keys = KeySet::parse(format!(r#"{{"keys":[1,{},{}]}}"#, ed("a"), ed("b")).as_bytes()).unwrap();
        assert_eq!(keys.all().count(), 2);
        let key = keys.find("b").unwrap();
        assert!(key.fits(Algorithm::EdDSA) && !key.fits(Algorithm::ES256) && !key.fits(Algorithm::HS256));
        assert!(!key.verify(Algorithm::EdDSA, b"a", &[0; 64]) && keys.find("c").is_none());
    }
}
