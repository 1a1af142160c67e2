//! JSON Web Tokens (RFC 7519) in `Authorization: Bearer`, as identity providers issue them.
//!
//! The definition says which algorithms, issuer and audiences are accepted; the token has no say in it (RFC 8725). A key is
//! looked up by its `kid` among those of the definition, and used with algorithms of its own type only, so that a public key
//! is never taken for a secret. Headers by which a token would bring its own key (`jwk`, `jku`, `x5c`, `x5u`) are not read.
//!
//! ring verifies the signatures, as it does for TLS. What is left is small, and the crates that do it bring a second
//! implementation of the same algorithms.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue, header};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::credentials::{challenge, is_name, of_scheme};
use super::jwks::{Jwk, KeySet, RemoteKeys};
use super::{Attempt, AuthRequest, Authenticator, Verdict};
use crate::service::Identity;

/// The kind of these credentials in an identity.
const KIND: &str = "jwt";
/// How many bytes a token has at most.
const LONGEST: usize = 8 << 10;
/// With how many keys a token without `kid` is tried.
const MOST_KEYS: usize = 8;

/// What verifies the signatures.
pub enum JwtKeys {
    /// A shared secret, for HS256, HS384 and HS512.
    Secret(Vec<u8>),
    /// The public keys of a file.
    Fixed(KeySet),
    /// The public keys of a server.
    Remote(Arc<RemoteKeys>),
}

impl fmt::Debug for JwtKeys {
    /// Omits the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JwtKeys::Secret(_) => f.write_str("Secret"),
            JwtKeys::Fixed(keys) => keys.fmt(f),
            JwtKeys::Remote(keys) => keys.fmt(f),
        }
    }
}

/// Which tokens are accepted, and which claims say who has them.
#[derive(Debug)]
pub struct JwtSettings {
    /// The name of the definition.
    pub name: String,
    /// The issuer, which is `iss` of each token.
    pub issuer: String,
    /// The audiences, one of which is in `aud` of each token.
    pub audience: Vec<String>,
    /// The algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// What verifies the signatures.
    pub keys: JwtKeys,
    /// By how much the clocks of issuer and server may differ.
    pub leeway: Duration,
    /// The claim with the name of the caller.
    pub name_claim: String,
    /// The claim with the roles of the caller: a name, or names with dots between them for a claim inside others. `None` for
    /// no roles.
    pub roles_claim: Option<String>,
}

/// Callers who are known by a token.
#[derive(Debug, Clone)]
pub struct JwtAuth(Arc<JwtSettings>);

impl JwtAuth {
    /// The definition with these settings.
    pub fn new(settings: JwtSettings) -> JwtAuth {
        JwtAuth(Arc::new(settings))
    }
}

impl Authenticator for JwtAuth {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn authenticate(&self, request: &AuthRequest<'_>) -> Attempt {
        let Some(token) = of_scheme(&request.head.headers, "Bearer") else { return Attempt::now(Verdict::Absent) };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // All but the signature comes first: a token of another issuer is not worth a request for its key.
        let checked = Token::parse(token).and_then(|token| Ok((self.0.identity(&token, now)?, token)));
        let (identity, token) = match checked {
            Ok(checked) => checked,
            Err(reason) => return Attempt::now(Verdict::invalid(reason)),
        };
        let verified = match &self.0.keys {
            JwtKeys::Secret(secret) => token.verify_secret(secret),
            JwtKeys::Fixed(keys) => token.verify(keys).map_err(KeyError::reason),
            JwtKeys::Remote(remote) => {
                let verified = remote.current().map(|keys| token.verify(&keys));
                match verified {
                    Some(Err(KeyError::Unknown)) | None => {
                        let remote = remote.clone();
                        return Attempt::later(async move {
                            remote.clone().fetch().await;
                            match remote.current().map(|keys| token.verify(&keys)) {
                                Some(Ok(())) => Verdict::Known(identity),
                                Some(Err(error)) => Verdict::invalid(error.reason()),
                                None => Verdict::Unavailable("there are no keys yet to verify tokens".to_owned()),
                            }
                        });
                    }
                    Some(verified) => verified.map_err(KeyError::reason),
                }
            }
        };
        Attempt::now(match verified {
            Ok(()) => Verdict::Known(identity),
            Err(reason) => Verdict::invalid(reason),
        })
    }

    fn challenge(&self, wrong: bool) -> Option<HeaderValue> {
        challenge("Bearer", &self.0.name, if wrong { ", error=\"invalid_token\"" } else { "" })
    }

    fn header(&self) -> Option<HeaderName> {
        Some(header::AUTHORIZATION)
    }
}

impl JwtSettings {
    /// Who a token is about, if all is in order but the signature, which is not verified here.
    fn identity(&self, token: &Token, now: Duration) -> Result<Arc<Identity>, &'static str> {
        if !self.algorithms.contains(&token.algorithm) {
            return Err("the token has an algorithm that is not accepted");
        }
        let text = |claim: &str| token.claims.get(claim).and_then(Value::as_str);
        if text("iss") != Some(self.issuer.as_str()) {
            return Err("the token is of another issuer, or of none");
        }
        let is_mine = |value: &Value| value.as_str().is_some_and(|own| self.audience.iter().any(|known| known == own));
        let for_me = match token.claims.get("aud") {
            Some(Value::Array(several)) => several.iter().any(is_mine),
            Some(one) => is_mine(one),
            None => false,
        };
        if !for_me {
            return Err("the token is for another audience, or for none");
        }
        let (now, leeway) = (now.as_secs_f64(), self.leeway.as_secs_f64());
        match token.time("exp")? {
            None => return Err("the token never expires"),
            Some(expires) if expires + leeway <= now => return Err("the token has expired"),
            Some(_) => {}
        }
        for claim in ["nbf", "iat"] {
            if token.time(claim)?.is_some_and(|begins| begins > now + leeway) {
                return Err("the token is not valid yet");
            }
        }
        let name = find(&token.claims, &self.name_claim).and_then(Value::as_str).filter(|name| is_name(name));
        let name = name.ok_or("the token does not say who has it")?;
        let roles = self.roles_claim.as_ref().and_then(|claim| find(&token.claims, claim));
        let roles = roles.map(|roles| names(roles, None)).unwrap_or_default();
        let scopes = ["scope", "scp"].into_iter().filter_map(|claim| token.claims.get(claim));
        let scopes = scopes.flat_map(|scopes| names(scopes, Some(' '))).collect();
        let attributes = BTreeMap::from([("issuer".to_owned(), self.issuer.clone())]);
        Ok(Arc::new(Identity { roles, scopes, attributes, proven_by: KIND, ..Identity::new(name) }))
    }
}

/// The claim of a name, or of names with dots between them for a claim inside others.
fn find<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(claim) = claims.get(path) {
        return Some(claim);
    }
    let (first, rest) = path.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

/// The names in a claim: an array of them, or one text, with this character between them.
fn names(claim: &Value, separator: Option<char>) -> BTreeSet<String> {
    let texts: Vec<&str> = match claim {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => match separator {
            Some(separator) => text.split(separator).collect(),
            None => vec![text],
        },
        _ => Vec::new(),
    };
    texts.into_iter().filter(|name| is_name(name)).map(str::to_owned).collect()
}

/// A token in three parts (RFC 7515, section 7.1), whose signature is not verified yet.
#[derive(Debug)]
pub struct Token {
    algorithm: Algorithm,
    kid: Option<String>,
    claims: Map<String, Value>,
    /// What is signed: the first two parts, with the dot between them.
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// The members of the header that are read. A member that is given twice is an error.
#[derive(Deserialize)]
struct TokenHeader {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
    /// Of RFC 7797: whether the payload is encoded.
    #[serde(default)]
    b64: Option<Value>,
}

/// Why no key verifies a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyError {
    /// No key has its `kid`.
    Unknown,
    /// The signature is not that of the key.
    Wrong,
}

impl KeyError {
    fn reason(self) -> &'static str {
        match self {
            KeyError::Unknown => "no key has the `kid` of the token",
            KeyError::Wrong => "the signature of the token is not valid",
        }
    }
}

impl Token {
    /// Reads a token. The signature is not verified.
    ///
    /// # Errors
    /// If it has more than 8 KiB or is malformed, if its algorithm is `none` or not known, and if its header has members that
    /// a reader has to understand (`crit`).
    pub fn parse(token: &[u8]) -> Result<Token, &'static str> {
        if token.len() > LONGEST {
            return Err("the token has more than 8 KiB");
        }
        let malformed = "the token is malformed";
        let token = std::str::from_utf8(token).map_err(|_| malformed)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed);
        let head: TokenHeader = serde_json::from_slice(&decode(head)?).map_err(|_| malformed)?;
        if head.crit.is_some() || head.b64.is_some() {
            return Err("the header of the token has members that are not understood");
        }
        let algorithm = Algorithm::deserialize(Value::String(head.alg));
        let algorithm = algorithm.map_err(|_| "the token has an algorithm that is not known")?;
        let claims: Map<String, Value> = serde_json::from_slice(&decode(claims)?).map_err(|_| malformed)?;
        let signature = decode(signature)?;
        Ok(Token { algorithm, kid: head.kid, claims, signed: signed.as_bytes().to_vec(), signature })
    }

    /// A time in seconds since 1970 (RFC 7519, section 2, "NumericDate").
    fn time(&self, claim: &str) -> Result<Option<f64>, &'static str> {
        match self.claims.get(claim) {
            None => Ok(None),
            Some(value) => match value.as_f64().filter(|time| time.is_finite()) {
                Some(time) => Ok(Some(time)),
                None => Err("the token has a time that is no number"),
            },
        }
    }

    fn verify(&self, keys: &KeySet) -> Result<(), KeyError> {
        let is_signed = |key: &Jwk| key.verify(self.algorithm, &self.signed, &self.signature);
        let is_valid = match &self.kid {
            Some(kid) => is_signed(keys.find(kid).ok_or(KeyError::Unknown)?),
            None => keys.all().filter(|key| key.fits(self.algorithm)).take(MOST_KEYS).any(is_signed),
        };
        if is_valid { Ok(()) } else { Err(KeyError::Wrong) }
    }

    fn verify_secret(&self, secret: &[u8]) -> Result<(), &'static str> {
        let wrong = KeyError::Wrong.reason();
        let key = hmac::Key::new(self.algorithm.hmac().ok_or(wrong)?, secret);
        hmac::verify(&key, &self.signed, &self.signature).map_err(|_| wrong)
    }
}
