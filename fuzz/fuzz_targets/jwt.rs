//! Any bytes are a token or not, and any document is a set of keys or not. A token that nobody has signed is not accepted, and
//! one that is signed is accepted only if its claims say so; a change of any byte of it makes it invalid.

#![no_main]

use std::time::{Duration, SystemTime};

use croupier::codec::jws::{Algorithm, SigningKey};
use croupier::server::auth::jwks::KeySet;
use croupier::server::auth::jwt::{JwtAuth, JwtKeys, JwtSettings, Token};
use croupier::server::auth::{Attempt, AuthRequest, Authenticator, Verdict};
use http::{HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const KEYS: &str = r#"{"keys":[
    {"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty":"EC","crv":"P-256","kid":"b","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
const SECRET: [u8; 32] = [7; 32];

fuzz_target!(|bytes: &[u8]| {
    let known = KeySet::parse(KEYS.as_bytes()).expect("these are keys");
    let any = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256, Algorithm::HS256];
    let public = auth(JwtKeys::Fixed(known), &any);
    let shared = auth(JwtKeys::Secret(SECRET.to_vec()), &[Algorithm::HS256]);
    let _ = Token::parse(bytes);
    for auth in [&public, &shared] {
        assert!(!matches!(verdict(auth, bytes), Some(Verdict::Known(_))), "nobody has signed this");
    }
    if let Ok(keys) = KeySet::parse(bytes) {
        let auth = auth(JwtKeys::Fixed(keys), &any);
        let unsigned = b"eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFkYSIsImV4cCI6NDEwMjQ0NDgwMH0.AAAA";
        assert!(!matches!(verdict(&auth, unsigned), Some(Verdict::Known(_))));
    }
    let [at, change, claims @ ..] = bytes else { return };
    let Ok(claims) = serde_json::from_slice::<Value>(claims) else { return };
    let key = SigningKey::secret(&SECRET).expect("it is long enough");
    let token = key.sign(None, &claims).expect("JSON can be signed").into_bytes();
    match verdict(&shared, &token) {
        Some(Verdict::Known(identity)) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("later than 1970").as_secs_f64();
            let time = |name: &str| claims.get(name).map(|time| time.as_f64().expect("a time is a number"));
            assert_eq!(claims["iss"], "i");
            let is_mine = |audience: &Value| audience == "a";
            assert!(is_mine(&claims["aud"]) || claims["aud"].as_array().is_some_and(|all| all.iter().any(is_mine)));
            assert!(time("exp").is_some_and(|expires| expires > now - 1.0));
            assert!(["nbf", "iat"].into_iter().all(|name| time(name).is_none_or(|begins| begins <= now)));
            assert_eq!(claims["sub"], identity.name.as_str());
            assert!(!identity.name.is_empty() && !identity.name.contains(char::is_control));
            let mut changed = token;
            let at = usize::from(*at) * changed.len() / 256;
            changed[at] ^= change.max(&1);
            assert!(
                !matches!(verdict(&shared, &changed), Some(Verdict::Known(_))),
                "{}",
                String::from_utf8_lossy(&changed)
            );
        }
        Some(Verdict::Invalid { .. }) | None => {}
        other => panic!("a token is valid or not, and not {other:?}"),
    }
    assert!(matches!(
        verdict(&public, &key.sign(Some("a"), &claims).expect("as above").into_bytes()),
        Some(Verdict::Invalid { .. }) | None
    ));
});

fn auth(keys: JwtKeys, algorithms: &[Algorithm]) -> JwtAuth {
    JwtAuth::new(JwtSettings {
        name: "fuzz".to_owned(),
        issuer: "i".to_owned(),
        audience: vec!["a".to_owned()],
        algorithms: algorithms.to_vec(),
        keys,
        leeway: Duration::ZERO,
        name_claim: "sub".to_owned(),
        roles_claim: Some("a.b".to_owned()),
        authorization_servers: Vec::new(),
    })
}

/// What becomes of a token; `None` if a request cannot have it.
fn verdict(auth: &JwtAuth, token: &[u8]) -> Option<Verdict> {
    let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok()?;
    let request = Request::builder().header("authorization", value).body(()).expect("the header is valid");
    let (head, ()) = request.into_parts();
    match auth.authenticate(&AuthRequest { head: &head, client: None }) {
        Attempt::Now(verdict) => verdict,
        Attempt::Later(_) => panic!("no other server is asked"),
    }
}
