//! Signed tokens (JSON Web Tokens, RFC 7519) that say to an upstream who calls.
//!
//! A header with a name says the same, but an upstream that others can reach too cannot tell who has written it. The
//! signature of a token says that it was croupier, and the claims for which upstream it is, and for how long:
//!
//! | claim | value |
//! |---|---|
//! | `iss`, `aud` | the issuer and the upstream, as they are configured |
//! | `sub` | the name of the caller |
//! | `iat`, `exp` | when the token was made, and when it expires, in seconds |
//! | `jti` | the id of the token, 128 random bits |
//! | `roles` | the roles of the caller, an array; left out if there are none |
//! | `scope` | the scopes of the caller, with spaces between them (RFC 8693, section 4.2); left out if there are none |
//! | `amr` | how the caller has proven to be who they are (RFC 8176): an array of one text such as `api-key`; left out if a layer has said who it is |
//!
//! Each request to the upstream has a token of its own. A signature costs a few microseconds, so none is kept.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::transport::pem::private_key_in;
use crate::codec::jws::{SigningKey, SigningKeyError};
use crate::service::Identity;

/// How tokens for an upstream are made.
#[derive(Debug, PartialEq, Eq)]
pub struct IdentityToken {
    /// The header with the token. In `Authorization` it follows the word `Bearer`.
    pub header: HeaderName,
    /// The key that signs.
    pub key: SigningKey,
    /// The name of the key, `kid` in the header of the token.
    pub key_id: Option<String>,
    /// The issuer, `iss`.
    pub issuer: String,
    /// The upstream, `aud`.
    pub audience: String,
    /// The time after which a token expires. Seconds count.
    pub lifetime: Duration,
    /// The name of the caller in the tokens of croupier's own requests, by which it asks for the description of the
    /// upstream. `None` if they have no token.
    pub describe_as: Option<String>,
}

/// A text is no key that can sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityKeyError {
    /// A PEM document has no private key that can be read. The text says why.
    #[error("{0}")]
    Pem(String),
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
}

#[derive(Serialize)]
struct Claims<'c> {
    iss: &'c str,
    sub: &'c str,
    aud: &'c str,
    iat: u64,
    exp: u64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amr: Option<[&'c str; 1]>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    roles: &'c BTreeSet<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
}

impl IdentityToken {
    /// Reads a key: a private key in PEM, or any other text, which is a secret.
    ///
    /// # Errors
    /// If a secret is too short, or a private key is malformed or of another type than P-256 and Ed25519.
    pub fn read_key(text: &str) -> Result<SigningKey, IdentityKeyError> {
        if !text.contains("-----BEGIN ") {
            return Ok(SigningKey::secret(text.as_bytes())?);
        }
        let key = private_key_in(text.as_bytes()).map_err(IdentityKeyError::Pem)?;
        Ok(SigningKey::pkcs8(key.secret_der())?)
    }

    /// Puts the token of a caller into a request, in place of what the header had before; without a caller, none.
    pub(super) fn apply_to(&self, headers: &mut HeaderMap, caller: Option<&Identity>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match caller.and_then(|caller| self.header_value(caller, now)) {
            Some(value) => drop(headers.insert(self.header.clone(), value)),
            None => drop(headers.remove(&self.header)),
        }
    }

    /// Puts a token into a request that belongs to no caller.
    pub(super) fn apply_own_to(&self, headers: &mut HeaderMap) {
        if let Some(name) = &self.describe_as {
            self.apply_to(headers, Some(&Identity::new(name.as_str())));
        }
    }

    fn header_value(&self, caller: &Identity, now: Duration) -> Option<HeaderValue> {
        let iat = now.as_secs();
        let claims = Claims {
            iss: &self.issuer,
            sub: &caller.name,
            aud: &self.audience,
            iat,
            exp: iat.saturating_add(self.lifetime.as_secs()),
            jti: URL_SAFE_NO_PAD.encode(rand::random::<u128>().to_be_bytes()),
            amr: Some([caller.proven_by]).filter(|_| !caller.proven_by.is_empty()),
            roles: &caller.roles,
            scope: scope(&caller.scopes),
        };
        let token = self.key.sign(self.key_id.as_deref(), &claims)?;
        let value = if self.header == AUTHORIZATION { format!("Bearer {token}") } else { token };
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// The scopes in one text (RFC 6749, section 3.3). One with a character that no scope has is left out: with a space in it, it
/// would become two others.
fn scope(scopes: &BTreeSet<String>) -> String {
    let fits = |scope: &&String| {
        !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    scopes.iter().filter(fits).map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::jws::Algorithm;

    fn signed_by(key: SigningKey) -> IdentityToken {
        IdentityToken {
            header: HeaderName::from_static("x-identity-token"),
            key,
            key_id: Some("k1".to_owned()),
            issuer: "croupier".to_owned(),
            audience: "wheel".to_owned(),
            lifetime: Duration::from_millis(60_900),
            describe_as: None,
        }
    }

    fn claims(value: &HeaderValue) -> Value {
        let token = value.to_str().unwrap();
        let part = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn a_token_says_who_calls_and_for_how_long() {
        let token = signed_by(SigningKey::secret(&[7; 32]).unwrap());
        let scopes = ["spin", "a b", "jürgen", "q\"", ""].map(str::to_owned).into();
        let ann =
            Identity { scopes, proven_by: "jwt", ..Identity::new("ann\r\n\"").with_role("a,b").with_role("ö c") };
        let value = token.header_value(&ann, Duration::from_millis(1_700_000_000_999)).unwrap();
        assert!(value.is_sensitive());
        let mut made = claims(&value);
        let jti = made["jti"].take();
        let expected = json!({
            "iss": "croupier", "sub": "ann\r\n\"", "aud": "wheel", "iat": 1_700_000_000, "exp": 1_700_000_060,
            "jti": null, "amr": ["jwt"], "roles": ["a,b", "ö c"], "scope": "spin"
        });
        assert_eq!(made, expected);
        let other = claims(&token.header_value(&ann, Duration::ZERO).unwrap());
        assert!(jti.as_str().unwrap().len() == 22 && jti != other["jti"]);
        // What is not known is left out.
        let made = claims(&token.header_value(&Identity::new("bob"), Duration::MAX).unwrap());
        let names: Vec<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["iss", "sub", "aud", "iat", "exp", "jti"]);
    }

    #[test]
    fn without_a_caller_the_header_is_removed() {
        let token = signed_by(SigningKey::secret(&[7; 32]).unwrap());
        let mut headers = HeaderMap::new();
        headers.append("x-identity-token", "one of the client".parse().unwrap());
        headers.append("x-identity-token", "another".parse().unwrap());
        token.apply_to(&mut headers, Some(&Identity::new("ann")));
        assert_eq!(headers.get_all("x-identity-token").iter().count(), 1);
        token.apply_to(&mut headers, None);
        assert!(headers.is_empty());
        token.apply_own_to(&mut headers);
        assert!(headers.is_empty());
        let own = IdentityToken { describe_as: Some("croupier".to_owned()), header: AUTHORIZATION, ..token };
        own.apply_own_to(&mut headers);
        assert!(headers[AUTHORIZATION].to_str().unwrap().starts_with("Bearer eyJ"));
    }

    #[test]
    fn keys_are_secrets_or_private_keys_in_pem() {
        let pem = |algorithm| rcgen::KeyPair::generate_for(algorithm).unwrap().serialize_pem();
        let [p256, p384, ed25519] = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519].map(pem);
        // A version 1 of PKCS #8 without the public key, as openssl writes it.
        let openssl = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                       -----END PRIVATE KEY-----";
        let secret = "0123456789abcdef0123456789abcdef";
        for (text, algorithm) in [
            (p256.as_str(), Algorithm::ES256),
            (p256.trim(), Algorithm::ES256),
            (&ed25519, Algorithm::EdDSA),
            (openssl, Algorithm::EdDSA),
            (secret, Algorithm::HS256),
        ] {
            assert_eq!(IdentityToken::read_key(text).unwrap().algorithm(), algorithm);
        }
        let certificate = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----";
        let sec1 = "-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----";
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----";
        for (text, reason) in [
            (p384.as_str(), "none of P-256 or Ed25519"),
            (sec1, "none of P-256 or Ed25519"),
            (certificate, "no private key"),
            (encrypted, "encrypted"),
            ("-----BEGIN PRIVATE KEY-----\n", ""),
            ("s3cret", "the secret has 6 bytes, but needs at least 32"),
            ("", "the secret has 0 bytes"),
        ] {
            let error = IdentityToken::read_key(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
