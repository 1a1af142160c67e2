//! Any bytes are a token or not, and any document is a set of keys or not; a token that nobody has signed is not accepted.

#![no_main]

use std::time::Duration;

use croupier::server::auth::algorithm::Algorithm;
use croupier::server::auth::jwks::KeySet;
use croupier::server::auth::jwt::{JwtAuth, JwtKeys, JwtSettings, Token};
use croupier::server::auth::{Attempt, AuthRequest, Authenticator, Verdict};
use http::{HeaderValue, Request};
use libfuzzer_sys::fuzz_target;

const KEYS: &str = r#"{"keys":[
    {"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty":"EC","crv":"P-256","kid":"b","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

fuzz_target!(|bytes: &[u8]| {
    let _ = KeySet::parse(bytes);
    let _ = Token::parse(bytes);
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", bytes].concat()) else { return };
    let auth = JwtAuth::new(JwtSettings {
        name: "fuzz".to_owned(),
        issuer: "i".to_owned(),
        audience: vec!["a".to_owned()],
        algorithms: vec![Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256, Algorithm::HS256],
        keys: JwtKeys::Fixed(KeySet::parse(KEYS.as_bytes()).expect("these are keys")),
        leeway: Duration::ZERO,
        name_claim: "sub".to_owned(),
        roles_claim: Some("a.b".to_owned()),
    });
    let request = Request::builder().header("authorization", value).body(()).expect("the header is valid");
    let (head, ()) = request.into_parts();
    let attempt = auth.authenticate(&AuthRequest { head: &head, client: None });
    assert!(matches!(attempt, Attempt::Now(Some(Verdict::Invalid { .. }))));
});
