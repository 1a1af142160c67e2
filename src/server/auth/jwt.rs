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

use super::credentials::{challenge, is_name, of_scheme};
use super::jwks::{Jwk, KeySet, RemoteKeys};
use super::{Attempt, AuthRequest, Authenticator, Verdict};
use crate::codec::jws::Algorithm;
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
    /// The URLs of the authorization servers from which clients get such tokens, for the metadata of the resource (RFC 9728);
    /// empty to publish none.
    pub authorization_servers: Vec<String>,
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

    fn authorization_servers(&self) -> &[String] {
        &self.0.authorization_servers
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

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use http::Request;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;
    use crate::service::future::MaybeReady;

    /// The modulus of a key of RSA with 2048 bits.
    const RSA_MODULUS: &str = "s-\
        QCXoJZ1P1T4ysSdcxJ0YpvTVe0FRIBLaHaQ_ojf4gt3GceOTCmqWwgbtRUAxKRqaWYDxn8ReQynJP8Fw9RztZ7Nbqyz0GIWeUylc\
        2P5H8cUV9z6G-\
        HkHVgwSS1vNmoNnI_xNpXc4TdbODq8NKZl5Q31oSUqFGzB_ywvyCJsjjlm9DmBkFBVdvdtTM2ERYJ48u5XgwuCBsQqK-\
        2mkmyi7OaNN3v5hpnilLSkkr8mxPkH0btKSgSN0dY2Vk4y2PWhVw-\
        k5cdKub7sxrrcZnlNe6VBLn1N4ZJaufaWgCgmBckyIP3jJCKRQZ1rI4SCACYU2kuwTHkdOtR-T5kfhD31w";
    /// A token of that key, which expires in the year 2100.
    const RS256: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJjcm91cGllciIsInN\
        1YiI6ImFkYSIsImV4cCI6NDEwMjQ0NDgwMH0.TYSyHPvEPlXcMMkgbE4J6H5mxATPDYUEXlOvBSngLFZmZbn8jm06C9vufhTQ5-\
        SKgU37Vh2jerj98bLzBk4Mdu7-BDgNe9gjeU6g64JSP1rpm0rMrzt-Q6Rh4q8GJjLsA18ZWnQ511ReYNf4pWbVvSgdQnN_M-\
        7d7PVXbQsGTyeFl_eqdPCh_uCh5IXyVop6G-qxbYFsjhCsbR2s9fTyQPz2PVaQmgahdUR1Tq-E-\
        tdauilUlb5TPElNAtz6RwliGG1h7K1CenB3V-0g9vlIJmBw3q5SY-\
        zDry-5C23rrtO9a_jog7iPHFPAZVIDuM9A_gDXzboYjlMhZZYu-5uaag";
    /// The same by another algorithm.
    const PS256: &str = "eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJjcm91cGllciIsInN\
        1YiI6ImFkYSIsImV4cCI6NDEwMjQ0NDgwMH0.fYt8eHWKsZ_1R7zzZNywcVKXStxMbxCCR1sjvFzLtOF7kMZCNVI7nHY9Q24bomY\
        qG3bngufZgitNgYTUklmOtQH6zVQAJM7bCzPvCrg_-ISHxu52FXQduKFXSXklq7YmaxGPUfYO6w1XshwTiyXDS8eUQayKhzrXKQS\
        OjQsDUEwLShKf5qfvovzAXmrCv2V28wNOrfzlJlI8dUyDafVQBYph_MMYpWPBTP6stHt1Z4unyO_Csyr2_Z0iziN-\
        KCEHLVYKEeFiP_KYCumcKftsaN-43qSGPakmdmU7B7b-hCD8iNuAe3K1_P2e0CvpSaQxlUN18ki0iiE9abV9YrHEug";

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "aud": "croupier", "sub": "ada", "exp": now() + 60, "iat": now(), "nbf": now(),
            "scope": "wheel:read wheel:spin", "realm_access": { "roles": ["admin", "staff", 7] },
        })
    }

    /// The claims with one of them changed, or left out if it is null.
    fn with(claim: &str, value: Value) -> Value {
        let mut claims = claims();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(claim);
        } else {
            claims[claim] = value;
        }
        claims
    }

    /// An issuer with a key of Ed25519.
    struct Issuer(Ed25519KeyPair);

    impl Issuer {
        fn new() -> Issuer {
            let seed: [u8; 32] = ring::rand::generate(&SystemRandom::new()).unwrap().expose();
            Issuer(Ed25519KeyPair::from_seed_unchecked(&seed).unwrap())
        }

        fn public(&self) -> &[u8] {
            self.0.public_key().as_ref()
        }

        fn keys(&self) -> KeySet {
            let keys = json!({ "keys": [
                { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "use": "sig", "alg": "EdDSA", "x": encode(self.public()) },
                { "kty": "RSA", "kid": "rsa", "n": RSA_MODULUS, "e": "AQAB" },
                { "kty": "oct", "kid": "shared", "k": encode([7; 64]) },
                { "kty": "OKP", "crv": "Ed25519", "kid": "other", "use": "enc", "x": encode(self.public()) },
            ] });
            KeySet::parse(keys.to_string().as_bytes()).unwrap()
        }

        fn token(&self, head: &Value, claims: &Value) -> String {
            let signed = format!("{}.{}", encode(head.to_string()), encode(claims.to_string()));
            format!("{signed}.{}", encode(self.0.sign(signed.as_bytes())))
        }

        fn valid(&self) -> String {
            self.token(&json!({ "alg": "EdDSA", "kid": "ed" }), &claims())
        }
    }

    fn settings(keys: JwtKeys, algorithms: &[Algorithm]) -> JwtSettings {
        JwtSettings {
            name: "staff".to_owned(),
            issuer: "https://id.example".to_owned(),
            audience: vec!["croupier".to_owned(), "other".to_owned()],
            algorithms: algorithms.to_vec(),
            keys,
            leeway: Duration::from_secs(30),
            name_claim: "sub".to_owned(),
            roles_claim: Some("realm_access.roles".to_owned()),
            authorization_servers: Vec::new(),
        }
    }

    fn verdict(auth: &JwtAuth, token: &str) -> Verdict {
        let request = Request::builder().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        match auth.authenticate(&AuthRequest { head: &request.into_parts().0, client: None }) {
            MaybeReady::Now(Some(verdict)) => verdict,
            _ => panic!("the keys are there"),
        }
    }

    fn reason(auth: &JwtAuth, token: &str) -> String {
        match verdict(auth, token) {
            Verdict::Invalid { reason, .. } => reason,
            other => panic!("{token}: {other:?}"),
        }
    }

    #[test]
    fn a_token_says_who_calls() {
        let issuer = Issuer::new();
        let auth = JwtAuth::new(settings(JwtKeys::Fixed(issuer.keys()), &Algorithm::ASYMMETRIC));
        let without_kid = issuer.token(&json!({ "alg": "EdDSA" }), &claims());
        for token in [issuer.valid(), without_kid] {
            let Verdict::Known(identity) = verdict(&auth, &token) else { panic!("{token}") };
            assert_eq!((identity.name.as_str(), identity.proven_by), ("ada", "jwt"));
            assert!(
                identity.roles.iter().eq(["admin", "staff"]) && identity.scopes.iter().eq(["wheel:read", "wheel:spin"])
            );
            assert_eq!(identity.attributes["issuer"], "https://id.example");
        }
        assert!(matches!(verdict(&auth, RS256), Verdict::Known(_)));
        assert_eq!(reason(&auth, PS256), "the token has an algorithm that is not accepted");
        let of_pss = JwtAuth::new(settings(JwtKeys::Fixed(issuer.keys()), &[Algorithm::PS256]));
        assert!(matches!(verdict(&of_pss, PS256), Verdict::Known(_)));
        for (claims, is_known) in [
            (with("aud", json!(["x", "other"])), true),
            (with("exp", json!(now() - 10)), true),
            (with("nbf", json!(now() + 10)), true),
            (with("iat", Value::Null), true),
            (with("realm_access", Value::Null), true),
            (with("scp", json!(["a"])), true),
        ] {
            let token = issuer.token(&json!({ "alg": "EdDSA", "kid": "ed", "typ": "at+jwt" }), &claims);
            assert_eq!(matches!(verdict(&auth, &token), Verdict::Known(_)), is_known, "{claims}");
        }
        let request = Request::builder().header("authorization", "Basic abc").body(()).unwrap();
        let attempt = auth.authenticate(&AuthRequest { head: &request.into_parts().0, client: None });
        assert!(matches!(attempt, MaybeReady::Now(Some(Verdict::Absent))));
    }

    #[test]
    fn elliptic_curves_and_secrets_sign_too() {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let (x, y) = pair.public_key().as_ref().get(1..).unwrap().split_at(32);
        let keys = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "ec", "x": encode(x), "y": encode(y) }] });
        let keys = KeySet::parse(keys.to_string().as_bytes()).unwrap();
        let auth = JwtAuth::new(settings(JwtKeys::Fixed(keys), &Algorithm::ASYMMETRIC));
        let signed = format!("{}.{}", encode(r#"{"alg":"ES256","kid":"ec"}"#), encode(claims().to_string()));
        let signature = pair.sign(&random, signed.as_bytes()).unwrap();
        assert!(matches!(verdict(&auth, &format!("{signed}.{}", encode(signature.as_ref()))), Verdict::Known(_)));
        assert_eq!(reason(&auth, &format!("{signed}.{}", encode([0; 64]))), KeyError::Wrong.reason());

        let secret = vec![7; 64];
        let auth = JwtAuth::new(settings(JwtKeys::Secret(secret.clone()), &[Algorithm::HS256]));
        let signed = format!("{}.{}", encode(r#"{"alg":"HS256"}"#), encode(claims().to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        assert!(matches!(verdict(&auth, &format!("{signed}.{}", encode(tag.as_ref()))), Verdict::Known(_)));
        assert_eq!(reason(&auth, &format!("{signed}.{}", encode([0; 32]))), KeyError::Wrong.reason());
        assert_eq!((Algorithm::HS512.least_secret(), Algorithm::RS256.least_secret()), (64, 0));
    }

    #[test]
    fn claims_that_are_missing_or_not_for_here_are_refused() {
        let issuer = Issuer::new();
        let auth = JwtAuth::new(settings(JwtKeys::Fixed(issuer.keys()), &Algorithm::ASYMMETRIC));
        for (claims, expected) in [
            (with("iss", json!("https://evil.example")), "another issuer"),
            (with("iss", Value::Null), "another issuer"),
            (with("iss", json!(["https://id.example"])), "another issuer"),
            (with("aud", json!("elsewhere")), "another audience"),
            (with("aud", json!([])), "another audience"),
            (with("aud", Value::Null), "another audience"),
            (with("exp", json!(now() - 31)), "has expired"),
            (with("exp", Value::Null), "never expires"),
            (with("exp", json!("4102444800")), "a time that is no number"),
            (with("nbf", json!(now() + 60)), "not valid yet"),
            (with("iat", json!(now() + 60)), "not valid yet"),
            (with("sub", Value::Null), "does not say who"),
            (with("sub", json!("")), "does not say who"),
            (with("sub", json!("a\u{0}b")), "does not say who"),
        ] {
            let token = issuer.token(&json!({ "alg": "EdDSA", "kid": "ed" }), &claims);
            assert!(reason(&auth, &token).contains(expected), "{claims}: {}", reason(&auth, &token));
        }
    }

    /// The known attacks on readers of tokens (RFC 8725, section 2).
    #[test]
    fn a_token_has_no_say_in_how_it_is_verified() {
        let issuer = Issuer::new();
        let public = issuer.public().to_vec();
        // Those with HMAC are accepted here too, which a configuration does not allow: the type of the key still decides.
        let all = [Algorithm::RS256, Algorithm::EdDSA, Algorithm::ES256, Algorithm::HS256];
        let auth = JwtAuth::new(settings(JwtKeys::Fixed(issuer.keys()), &all));
        let unsigned = |head: &str| format!("{}.{}", encode(head), encode(claims().to_string()));
        for head in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None","kid":"ed"}"#,
            r#"{"alg":"NONE"}"#,
            r#"{"alg":""}"#,
            r#"{"alg":"HS1"}"#,
        ] {
            assert_eq!(reason(&auth, &format!("{}.", unsigned(head))), "the token has an algorithm that is not known");
        }
        // The public key as a secret, in each form that an attacker has.
        for secret in [public.clone(), STANDARD.encode(&public).into_bytes(), encode(&public).into_bytes(), vec![7; 64]]
        {
            for kid in ["ed", "rsa", "shared"] {
                let signed = unsigned(&format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#));
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
                reason(&auth, &format!("{signed}.{}", encode(tag.as_ref())));
            }
        }
        // A key of another type, a key that the token brings, and names that are none of a key.
        let evil = Issuer::new();
        let own = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(evil.public()) });
        for head in [
            json!({ "alg": "EdDSA", "kid": "ed" }),
            json!({ "alg": "EdDSA", "jwk": own }),
            json!({ "alg": "EdDSA", "kid": "evil", "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/keys" }),
            json!({ "alg": "EdDSA", "kid": "../../../dev/null" }),
            json!({ "alg": "EdDSA", "kid": "' OR 1=1 --" }),
            json!({ "alg": "RS256", "kid": "ed" }),
            json!({ "alg": "ES256", "kid": "ed" }),
        ] {
            reason(&auth, &evil.token(&head, &claims()));
        }
        reason(&auth, &issuer.token(&json!({ "alg": "EdDSA", "kid": "other" }), &claims()));
        for head in [
            json!({ "alg": "EdDSA", "kid": "ed", "crit": ["exp"] }),
            json!({ "alg": "EdDSA", "kid": "ed", "b64": false }),
        ] {
            assert!(reason(&auth, &issuer.token(&head, &claims())).contains("not understood"));
        }
        // Another payload under the same signature.
        let valid = issuer.valid();
        let (signed, signature) = valid.rsplit_once('.').unwrap();
        let head = signed.split('.').next().unwrap();
        let forged = format!("{head}.{}.{signature}", encode(with("sub", json!("root")).to_string()));
        assert_eq!(reason(&auth, &forged), KeyError::Wrong.reason());
    }

    #[test]
    fn malformed_and_large_tokens_are_refused() {
        let issuer = Issuer::new();
        let auth = JwtAuth::new(settings(JwtKeys::Fixed(issuer.keys()), &Algorithm::ASYMMETRIC));
        let valid = issuer.valid();
        let twice = encode(r#"{"alg":"EdDSA","alg":"EdDSA","kid":"ed"}"#);
        let large = issuer.token(&json!({ "alg": "EdDSA", "kid": "ed" }), &with("x", json!("a".repeat(9000))));
        for token in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            format!("{valid}."),
            format!("{valid}="),
            format!(" {valid} x"),
            valid.replace('.', ""),
            format!("{twice}.{}", valid.split_once('.').unwrap().1),
            format!("{}.W10.AA", encode(r#"{"alg":"EdDSA"}"#)),
            large,
        ] {
            reason(&auth, &token);
        }
        let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
        let deep = format!("{}.{}.AA", encode(r#"{"alg":"EdDSA"}"#), encode(format!("{{\"a\":{deep}}}")));
        reason(&auth, &deep);
    }
}
