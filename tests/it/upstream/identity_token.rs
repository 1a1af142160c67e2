//! Signed tokens that say to an upstream who calls: what others verify, and a croupier that verifies them itself.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use croupier::codec::jws::SigningKey;
use croupier::config::{Config, Registry};
use croupier::model::name_patterns::NamePatterns;
use croupier::protocol::Protocol;
use croupier::server::gateway::Gateway;
use croupier::server::mount::GroupMount;
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use croupier::service::layer::GroupLayer;
use croupier::service::local::{Local, named};
use croupier::service::{Call, CallFuture, Context, Identity, RpcService};
use croupier::upstream::forwarding::Forwarding;
use croupier::upstream::identity_token::IdentityToken;
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{Batching, Upstream, UpstreamOptions};
use http::header::AUTHORIZATION;
use http::{HeaderName, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use ring::hmac;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::service::layers::{XML_RPC, mounts, ways};
use crate::support::hello::{CLIENT_PROTOCOLS, description, response};
use crate::support::running::Running;
use crate::support::upstream::{Act, ScriptedUpstream};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Finds out who calls; `None` for callers without an identity.
#[derive(Clone)]
struct Calls(Option<Identity>);

impl GroupLayer for Calls {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let context = Context { identity: self.0.clone().map(Arc::new), ..call.context.clone() };
        next.call(Call { context: &context, ..call })
    }
}

fn ann() -> Identity {
    let scopes = ["spin", "bet"].map(str::to_owned).into();
    Identity {
        scopes,
        proven_by: "api-key",
        ..Identity::new("ann of the “casino”").with_role("staff").with_role("a,b")
    }
}

fn token() -> IdentityToken {
    IdentityToken {
        header: AUTHORIZATION,
        key: IdentityToken::read_key(SECRET).unwrap(),
        key_id: None,
        issuer: "https://outer.example".to_owned(),
        audience: "inner".to_owned(),
        lifetime: Duration::from_secs(60),
        describe_as: Some("the outer croupier".to_owned()),
    }
}

fn upstream(address: &str, protocol: Protocol, forwarding: Forwarding, batching: Batching) -> Upstream {
    let tail = if protocol == Protocol::Mcp { "/mcp" } else { "" };
    let url = format!("http://{address}/hello{tail}");
    let transport = Transport::new(vec![url.parse().unwrap()], TransportOptions::default());
    let options = UpstreamOptions {
        safe: NamePatterns(vec!["hello".to_owned()]),
        group: "/hello".to_owned(),
        forwarding,
        batching,
        ..UpstreamOptions::new(protocol)
    };
    Upstream::new(transport.unwrap(), options).unwrap()
}

fn signing(token: IdentityToken) -> Forwarding {
    Forwarding { identity_token: Some(Arc::new(token)), ..Forwarding::default() }
}

/// The group `/hello` in front of an upstream, an aggregate of it, and a page.
fn outer(upstream: Upstream, caller: Option<Identity>) -> Gateway {
    let mounts = mounts(GroupMount::upstream("/hello", upstream).layer(Calls(caller)));
    Gateway::serving(&mounts, BodyReader::new(&ServerSettings::default())).unwrap()
}

async fn send(gateway: &Gateway, parts: [&str; 4], headers: &[(&str, &str)]) -> (StatusCode, String) {
    let [method, path, media, body] = parts;
    let request = Request::builder().method(method).uri(path).header("host", "casino.localhost");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = if body.is_empty() { request } else { request.header("content-type", media) };
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let (head, body) = gateway.clone().oneshot(request).await.unwrap().into_parts();
    (head.status, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

/// Notes who calls.
#[derive(Clone, Default)]
struct Callers(Arc<Mutex<Vec<Option<Identity>>>>);

impl GroupLayer for Callers {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        self.0.lock().unwrap().push(call.context.identity.as_deref().cloned());
        next.call(call)
    }
}

impl Callers {
    fn take(&self) -> Vec<Option<Identity>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A croupier with the group `/hello`, which accepts tokens only.
fn inner(callers: &Callers) -> Running {
    let registry = Registry::standard().with("hello", |(): ()| {
        Local::new("Hello", ()).method(named("hello").safe(), |(): &(), (): ()| "world").build()
    });
    let text = format!(
        r#"
        [auth.internal.jwt]
        issuer = "https://outer.example"
        audience = ["inner"]
        secret = {{ text = "{SECRET}" }}
        roles-claim = "roles"
        leeway = "0s"
        [group."/hello"]
        service = "hello"
        auth = ["internal"]
        "#
    );
    let config = Config::parse("inner.toml", &text, &registry).unwrap_or_else(|errors| panic!("{errors}"));
    let mut mounts = config.mounts();
    let group = mounts.groups.remove(0).layer(callers.clone());
    mounts.groups.push(group);
    Running::of_mounts(mounts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_croupier_knows_the_callers_of_another_in_each_protocol() {
    let callers = Callers::default();
    let inner = inner(&callers);
    let attributes = [("issuer".to_owned(), "https://outer.example".to_owned())].into();
    let expected = Some(Identity { proven_by: "jwt", attributes, ..ann() });
    for protocol in CLIENT_PROTOCOLS {
        for batching in [Batching::Off, Batching::On] {
            let upstream = upstream(&inner.address.to_string(), protocol, signing(token()), batching);
            // The description is closed too.
            upstream.discover().await.unwrap();
            let gateway = outer(upstream, Some(ann()));
            for (way, _, mut request, calls) in ways() {
                if protocol == Protocol::Rest && matches!(way, "REST GET" | "REST POST") {
                    // `/hello` is a path of the document of the inner one: the method has a path of its own.
                    request[1] = "/hello/hello/".into();
                }
                let request = request.each_ref().map(|part| &**part);
                let (_, text) = send(&gateway, request, &[("authorization", "Bearer of-the-client")]).await;
                assert_eq!(text.matches("world").count(), calls, "{protocol}, {way}: {text}");
                assert_eq!(callers.take(), vec![expected.clone(); calls], "{protocol}, {way}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_for_it_is_refused_by_a_croupier() {
    let callers = Callers::default();
    let inner = inner(&callers);
    let other_key = SigningKey::secret(&[7; 32]).unwrap();
    let private = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let cases = [
        ("another key", IdentityToken { key: other_key, ..token() }),
        ("another algorithm", IdentityToken { key: IdentityToken::read_key(&private).unwrap(), ..token() }),
        ("another audience", IdentityToken { audience: "other".to_owned(), ..token() }),
        ("another issuer", IdentityToken { issuer: "other".to_owned(), ..token() }),
        ("expired", IdentityToken { lifetime: Duration::ZERO, ..token() }),
        ("another header", IdentityToken { header: HeaderName::from_static("x-identity-token"), ..token() }),
    ];
    for (case, token) in cases {
        let upstream = upstream(&inner.address.to_string(), Protocol::JsonRpc, signing(token), Batching::Off);
        let fault = upstream.discover().await.unwrap_err();
        assert!(fault.message.contains("credentials"), "{case}: {}", fault.message);
        let gateway = outer(upstream, Some(ann()));
        let (_, text) = send(&gateway, ["POST", "/hello", "text/xml", XML_RPC], &[]).await;
        assert!(text.contains("<fault>") && !text.contains("world"), "{case}: {text}");
        assert_eq!(callers.take(), [], "{case}");
    }
    // Neither does a caller without an identity come through, nor a token that a client has brought along.
    let described = upstream(&inner.address.to_string(), Protocol::XmlRpc, signing(token()), Batching::Off);
    described.discover().await.unwrap();
    let gateway = outer(described, None);
    for (way, _, request, calls) in ways() {
        let own = format!("Bearer {}", token().key.sign(None, &json!({ "sub": "mallory" })).unwrap());
        let (_, text) = send(&gateway, request.each_ref().map(|part| &**part), &[("authorization", &own)]).await;
        assert!(!text.contains("world"), "{way}: {text}");
        assert_eq!((callers.take().len(), calls > 0), (0, true), "{way}");
    }
    let undescribed = IdentityToken { describe_as: None, ..token() };
    let closed = upstream(&inner.address.to_string(), Protocol::XmlRpc, signing(undescribed), Batching::Off);
    assert!(closed.discover().await.is_err());
}

/// The header and the claims of a token, once a verifier that is not that of croupier has verified its signature.
fn verified(token: &str, verify: impl Fn(&[u8], &[u8]) -> bool) -> (Value, Value) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert!(verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()), "{token}");
    let (header, claims) = signed.split_once('.').unwrap();
    let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(header), read(claims))
}

/// The values of a header of a request that a server has received.
fn values<'r>(request: &'r str, name: &str) -> Vec<&'r str> {
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let lines = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
    lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn others_verify_the_token_of_each_request() {
    let pair = |algorithm| rcgen::KeyPair::generate_for(algorithm).unwrap();
    let (p256, ed25519) = (pair(&rcgen::PKCS_ECDSA_P256_SHA256), pair(&rcgen::PKCS_ED25519));
    let public = |algorithm: &'static dyn VerificationAlgorithm, key: &rcgen::KeyPair| {
        let key = UnparsedPublicKey::new(algorithm, key.public_key_raw().to_vec());
        Box::new(move |signed: &[u8], signature: &[u8]| key.verify(signed, signature).is_ok())
            as Box<dyn Fn(&[u8], &[u8]) -> bool>
    };
    let secret = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let shared =
        Box::new(move |signed: &[u8], signature: &[u8]| hmac::verify(&secret, signed, signature).is_ok()) as Box<_>;
    let cases = [
        ("HS256", SECRET.to_owned(), shared),
        ("ES256", p256.serialize_pem(), public(&ECDSA_P256_SHA256_FIXED, &p256)),
        ("EdDSA", ed25519.serialize_pem(), public(&ED25519, &ed25519)),
    ];
    let server = ScriptedUpstream::start().await;
    for (algorithm, key, verify) in cases {
        for header in [AUTHORIZATION, HeaderName::from_static("x-identity-token")] {
            server.will([Act::Output(response(Protocol::JsonRpc).await)]);
            let key = IdentityToken::read_key(&key).unwrap();
            let token = IdentityToken { key, key_id: Some("k1".to_owned()), header: header.clone(), ..token() };
            let upstream = upstream(&server.address().to_string(), Protocol::JsonRpc, signing(token), Batching::Off);
            let gateway = outer(upstream, Some(ann()));
            for _ in 0..2 {
                let (status, text) = send(&gateway, ["POST", "/hello", "text/xml", XML_RPC], &[]).await;
                assert!(status.is_success() && text.contains("world"), "{text}");
            }
            let mut ids = Vec::new();
            for request in server.all() {
                let [value] = values(&request, header.as_str())[..] else { panic!("{request}") };
                let value = if header == AUTHORIZATION { value.strip_prefix("Bearer ").unwrap() } else { value };
                let (head, mut claims) = verified(value, &verify);
                assert_eq!(head, json!({ "alg": algorithm, "typ": "JWT", "kid": "k1" }));
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
                let (iat, exp) = (claims["iat"].take().as_u64().unwrap(), claims["exp"].take().as_u64().unwrap());
                assert!((now - 60..=now).contains(&iat) && exp == iat + 60, "{iat} {exp} {now}");
                ids.push(claims["jti"].take());
                let expected = json!({
                    "iss": "https://outer.example", "sub": "ann of the “casino”", "aud": "inner", "iat": null, "exp": null,
                    "jti": null, "amr": ["api-key"], "roles": ["a,b", "staff"], "scope": "bet spin",
                });
                assert_eq!(claims, expected);
            }
            assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
        }
    }
}

#[tokio::test]
async fn what_a_client_writes_into_the_header_never_reaches_the_upstream() {
    let server = ScriptedUpstream::start().await;
    for caller in [Some(ann()), None] {
        for protocol in CLIENT_PROTOCOLS {
            let header = HeaderName::from_static("x-identity-token");
            // Not even if an embedding program passes the header on.
            for pass_headers in [Vec::new(), vec![header.clone()]] {
                let token = IdentityToken { header: header.clone(), ..token() };
                let forwarding = Forwarding { pass_headers, ..signing(token) };
                let options = UpstreamOptions {
                    description: Some(description(protocol)),
                    forwarding,
                    safe: NamePatterns(vec!["hello".to_owned()]),
                    ..UpstreamOptions::new(protocol)
                };
                let url = format!("http://{}/hello", server.address());
                let transport = Transport::new(vec![url.parse().unwrap()], TransportOptions::default()).unwrap();
                let upstream = Upstream::new(transport, options).unwrap();
                upstream.discover().await.unwrap();
                let gateway = outer(upstream, caller.clone());
                for (way, _, request, calls) in ways() {
                    server.will([Act::Output(response(protocol).await)]);
                    let request = request.each_ref().map(|part| &**part);
                    let forged =
                        ["x-identity-token", "X-Identity-Token", "x_identity_token"].map(|name| (name, "forged"));
                    let (_, text) = send(&gateway, request, &forged).await;
                    assert_eq!(text.matches("world").count(), calls, "{protocol}, {way}: {text}");
                    assert_eq!(server.all().len(), calls, "{protocol}, {way}");
                    for request in server.all() {
                        assert!(!request.contains("forged"), "{protocol}, {way}: {request}");
                        let sent = values(&request, "x-identity-token").len();
                        assert_eq!(sent, usize::from(caller.is_some()), "{protocol}, {way}: {request}");
                    }
                }
            }
        }
    }
}

/// Finds out another caller for each call: the last of these names for the first.
struct Changing(Mutex<Vec<&'static str>>);

impl GroupLayer for Changing {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let name = self.0.lock().unwrap().pop().unwrap();
        let context = Context { identity: Some(Arc::new(Identity::new(name))), ..call.context.clone() };
        next.call(Call { context: &context, ..call })
    }
}

#[tokio::test]
async fn the_calls_of_one_caller_travel_together_and_those_of_two_do_not() {
    let server = ScriptedUpstream::start().await;
    server.will([Act::Output(response(Protocol::JsonRpc).await)]);
    let description = Some(description(Protocol::JsonRpc));
    let options = UpstreamOptions {
        description,
        forwarding: signing(token()),
        batching: Batching::On,
        ..UpstreamOptions::new(Protocol::JsonRpc)
    };
    let url = format!("http://{}/", server.address()).parse().unwrap();
    let remote = Upstream::new(Transport::new(vec![url], TransportOptions::default()).unwrap(), options).unwrap();
    remote.discover().await.unwrap();
    let group = GroupMount::upstream("/hello", remote).layer(Changing(Mutex::new(vec!["bob", "ann", "ann"])));
    let gateway = Gateway::serving(&mounts(group), BodyReader::new(&ServerSettings::default())).unwrap();
    let calls: Vec<_> = (1..4).map(|id| format!(r#"{{"jsonrpc":"2.0","method":"hello","id":{id}}}"#)).collect();
    send(&gateway, ["POST", "/hello", "application/json", &format!("[{}]", calls.join(","))], &[]).await;
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mut sent: Vec<_> = server
        .all()
        .iter()
        .map(|request| {
            let value = values(request, "authorization")[0].strip_prefix("Bearer ").unwrap();
            let (_, claims) = verified(value, |signed, signature| hmac::verify(&key, signed, signature).is_ok());
            (claims["sub"].as_str().unwrap().to_owned(), request.matches("\"method\"").count())
        })
        .collect();
    sent.sort();
    assert_eq!(sent, [("ann".to_owned(), 2), ("bob".to_owned(), 1)]);
}

const GROUP: &str = "[group.\"/x\".upstream]\nprotocol = \"json-rpc\"\nurls = [\"http://127.0.0.1:1/\"]\n";

/// A table of the upstream, with a key in a file of this name.
fn configured(name: &str, key: &str, more: &str) -> Result<Config, String> {
    let file = std::env::temp_dir().join(format!("croupier-token-{name}-{}", std::process::id()));
    std::fs::write(&file, key).unwrap();
    let text = format!(
        "{GROUP}{more}\n[group.\"/x\".upstream.forward-identity.jwt]\nkey = {{ file = '{}' }}\nissuer = 'i'\naudience = 'a'\n",
        file.display()
    );
    let config = Config::parse("test.toml", &text, &Registry::standard()).map_err(|errors| errors.to_string());
    std::fs::remove_file(&file).unwrap();
    config
}

#[test]
fn a_key_that_cannot_sign_is_reported_at_its_place() {
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    for (name, key, expected) in [
        ("short", "s3cr3t", "the secret has 6 bytes, but needs at least 32"),
        ("empty", "", "the secret has 0 bytes"),
        ("p384", &p384.serialize_pem(), "the private key is none of P-256 or Ed25519"),
        ("public", &p384.public_key_pem(), "it has no private key"),
    ] {
        let problems = configured(name, key, "").unwrap_err();
        assert!(problems.contains(expected) && problems.contains("test.toml:6:7"), "{name}: {problems}");
        assert!(key.is_empty() || !problems.contains(key), "{problems}");
    }
    let p256 = rcgen::KeyPair::generate().unwrap().serialize_pem();
    assert!(configured("good", &p256, "").is_ok() && configured("secret", &format!("{SECRET}\n"), "").is_ok());
}

#[test]
fn another_key_in_the_file_makes_another_upstream() {
    let file = std::env::temp_dir().join(format!("croupier-token-kept-{}", std::process::id()));
    let text = format!(
        "{GROUP}[group.\"/x\".upstream.forward-identity.jwt]\nkey.file = '{}'\nissuer = 'i'\naudience = 'a'\n",
        file.display()
    );
    std::fs::write(&file, SECRET).unwrap();
    let served = Config::parse("test.toml", &text, &Registry::standard()).unwrap().mounts();
    let other = SECRET.replace('0', "9");
    for (key, text, expected) in [
        (SECRET, text.clone(), true),
        (&other, text.clone(), false),
        (SECRET, text.replace("audience = 'a'", "audience = 'b'"), false),
        (SECRET, text.replace("'i'", "'i'\nlifetime = '30s'"), false),
    ] {
        std::fs::write(&file, key).unwrap();
        let config = Config::parse_keeping("test.toml", &text, &Registry::standard(), &served).unwrap();
        assert_eq!(Arc::ptr_eq(&served.groups[0].service, &config.groups[0].service), expected, "{text}");
    }
    std::fs::remove_file(&file).unwrap();
}
