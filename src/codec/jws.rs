//! JSON Web Signatures (RFC 7515): the algorithms by which JSON Web Tokens are signed, and the keys that sign them.
//!
//! A [`SigningKey`] signs in the algorithm of its own type. Signatures are verified in
//! [`server::auth::jwt`](crate::server::auth::jwt).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A signature algorithm (RFC 7518, section 3.1, and RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
    /// HMAC with SHA-256 and a shared secret.
    HS256,
    /// HMAC with SHA-384 and a shared secret.
    HS384,
    /// HMAC with SHA-512 and a shared secret.
    HS512,
}

impl Algorithm {
    /// Those that are accepted if none are chosen, of keys that may be public.
    pub const ASYMMETRIC: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

    /// Whether the same secret signs and verifies.
    pub fn is_symmetric(self) -> bool {
        self.hmac().is_some()
    }

    /// The algorithm of HMAC, if it is one.
    pub(crate) fn hmac(self) -> Option<hmac::Algorithm> {
        match self {
            Algorithm::HS256 => Some(hmac::HMAC_SHA256),
            Algorithm::HS384 => Some(hmac::HMAC_SHA384),
            Algorithm::HS512 => Some(hmac::HMAC_SHA512),
            _ => None,
        }
    }

    /// The fewest bytes that a secret has (RFC 7518, section 3.2); 0 without a secret.
    pub fn least_secret(self) -> usize {
        self.hmac().map_or(0, |algorithm| algorithm.digest_algorithm().output_len())
    }
}

/// A key that signs: a secret in HS256, a private key of P-256 in ES256, and one of Ed25519 in EdDSA.
pub struct SigningKey {
    pair: KeyPair,
    /// The SHA-256 of the key, by which keys are compared.
    digest: [u8; 32],
}

enum KeyPair {
    Secret(hmac::Key),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Bytes are no key that can sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// A secret is too short (RFC 7518, section 3.2).
    #[error("the secret has {0} bytes, but needs at least {least}", least = Algorithm::HS256.least_secret())]
    Short(usize),
    /// A private key is of another type or form.
    #[error("the private key is none of P-256 or Ed25519 in PKCS #8")]
    Unknown,
}

impl SigningKey {
    /// A secret that those who verify the signatures have too, for HS256.
    ///
    /// # Errors
    /// If it has fewer than 32 bytes.
    pub fn secret(secret: &[u8]) -> Result<SigningKey, SigningKeyError> {
        if secret.len() < Algorithm::HS256.least_secret() {
            return Err(SigningKeyError::Short(secret.len()));
        }
        Ok(SigningKey::new(KeyPair::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret)), secret))
    }

    /// A private key in PKCS #8 (RFC 5958), in DER.
    ///
    /// # Errors
    /// If it is of another type than P-256 and Ed25519, or malformed.
    pub fn pkcs8(der: &[u8]) -> Result<SigningKey, SigningKeyError> {
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new());
        let pair = match p256 {
            Ok(pair) => KeyPair::P256(pair),
            // openssl writes version 1 of the form, in which the public key is left out.
            Err(_) => match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
                Ok(pair) => KeyPair::Ed25519(pair),
                Err(_) => return Err(SigningKeyError::Unknown),
            },
        };
        Ok(SigningKey::new(pair, der))
    }

    fn new(pair: KeyPair, key: &[u8]) -> SigningKey {
        let mut of_key = [0; 32];
        of_key.iter_mut().zip(digest(&SHA256, key).as_ref()).for_each(|(to, from)| *to = *from);
        SigningKey { pair, digest: of_key }
    }

    /// The algorithm of its signatures.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            KeyPair::Secret(_) => Algorithm::HS256,
            KeyPair::P256(_) => Algorithm::ES256,
            KeyPair::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    /// A JSON Web Token with these claims, in three parts (RFC 7515, section 7.1); `kid` is the name of the key in its header.
    /// `None` if the claims are no JSON, or the system has no random numbers.
    pub fn sign(&self, kid: Option<&str>, claims: &impl Serialize) -> Option<String> {
        let header = Header { alg: self.algorithm(), typ: "JWT", kid };
        let mut token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).ok()?);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims).ok()?, &mut token);
        let signed = token.as_bytes();
        let signature = match &self.pair {
            KeyPair::Secret(key) => URL_SAFE_NO_PAD.encode(hmac::sign(key, signed)),
            KeyPair::P256(pair) => URL_SAFE_NO_PAD.encode(pair.sign(&SystemRandom::new(), signed).ok()?),
            KeyPair::Ed25519(pair) => URL_SAFE_NO_PAD.encode(pair.sign(signed)),
        };
        token.push('.');
        token.push_str(&signature);
        Some(token)
    }
}

#[derive(Serialize)]
struct Header<'k> {
    alg: Algorithm,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'k str>,
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &SigningKey) -> bool {
        self.algorithm() == other.algorithm() && self.digest == other.digest
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.algorithm()).finish()
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, KeyPair as _, UnparsedPublicKey, VerificationAlgorithm};
    use serde_json::json;

    use super::*;

    fn parts(token: &str) -> (String, Vec<u8>, String) {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let header = URL_SAFE_NO_PAD.decode(signed.split('.').next().unwrap()).unwrap();
        (signed.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap(), String::from_utf8(header).unwrap())
    }

    #[test]
    fn a_secret_signs_with_hmac() {
        let secret = [7; 32];
        let token = SigningKey::secret(&secret).unwrap().sign(Some("k"), &json!({ "a": 1 })).unwrap();
        let (signed, signature, header) = parts(&token);
        assert_eq!(header, r#"{"alg":"HS256","typ":"JWT","kid":"k"}"#);
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes(), &signature).unwrap();
        assert!(token.starts_with("eyJ") && token.contains(&URL_SAFE_NO_PAD.encode(r#"{"a":1}"#)));
        assert_eq!(SigningKey::secret(&[7; 31]), Err(SigningKeyError::Short(31)));
    }

    fn verify(key: &[u8], algorithm: &'static dyn VerificationAlgorithm, public: &[u8], name: &str) {
        let (signed, signature, header) = parts(&SigningKey::pkcs8(key).unwrap().sign(None, &json!({})).unwrap());
        assert_eq!(header, format!(r#"{{"alg":"{name}","typ":"JWT"}}"#));
        UnparsedPublicKey::new(algorithm, public).verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn a_private_key_signs_in_the_algorithm_of_its_type() {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
        verify(key.as_ref(), &ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref(), "ES256");
        let key = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap();
        verify(key.as_ref(), &ED25519, pair.public_key().as_ref(), "EdDSA");
        assert_eq!(SigningKey::pkcs8(b"not one"), Err(SigningKeyError::Unknown));
    }

    #[test]
    fn keys_are_compared_and_not_shown() {
        let [one, same, other] = [[7; 32], [7; 32], [8; 32]].map(|secret| SigningKey::secret(&secret).unwrap());
        assert!(one == same && one != other);
        assert_eq!(format!("{one:?}"), "SigningKey(HS256)");
    }
}
