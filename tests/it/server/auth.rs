//! Who calls: each kind of credentials, over each protocol and in each form of a request.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::server::PeerProcess;
use croupier::server::auth::GroupAuth;
use croupier::server::auth::api_key::{ApiKeyAuth, ApiKeys};
use croupier::server::gateway::Gateway;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::request_body::BodyReader;
use croupier::server::settings::ServerSettings;
use croupier::service::layer::GroupLayer;
use croupier::service::{Call, CallFuture, RpcService};
use croupier::{Fault, Kind, PeerCertificate};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use ring::digest::{SHA256, digest};
use ring::hmac;
use serde_json::json;
use tower::ServiceExt as _;

use crate::support::scripted::{Scripted, http};

pub(super) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NAMESPACE: &str = "urn:wheel";

/// A folder for the files of a configuration, which is removed with it.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("croupier-auth-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    pub(super) fn load(&self, text: &str) -> Result<Config, String> {
        let file = self.write("croupier.toml", text);
        Config::load(&file, &Registry::standard()).map_err(|errors| errors.to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn gateway(mounts: &Mounts) -> Gateway {
    Gateway::serving(mounts, BodyReader::new(&ServerSettings::default())).unwrap()
}

fn key_line(name: &str, key: &str) -> String {
    let hash: String = digest(&SHA256, key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} {hash} admin\n")
}

fn token(name: &str, expires_in: i64, secret: &[u8]) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    token_of(
        &json!({ "iss": "id", "aud": "croupier", "sub": name, "exp": now.saturating_add_signed(expires_in) }),
        secret,
    )
}

/// A token with these claims, by HS256.
pub(super) fn token_of(claims: &serde_json::Value, secret: &[u8]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(br#"{"alg":"HS256"}"#), encode(claims.to_string().as_bytes()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", encode(tag.as_ref()))
}

fn certificate(name: &str) -> PeerCertificate {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let der = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec();
    PeerCertificate(der.into())
}

/// Credentials of a request: a header, or what a listener knows of the connection.
#[derive(Debug, Clone)]
enum Credentials {
    None,
    Header(&'static str, String),
    Process(PeerProcess),
    Certificate(PeerCertificate),
}

/// A kind, the challenge of its group, and credentials with whether they are accepted.
type KindCase = (&'static str, Option<&'static str>, Vec<(&'static str, Credentials, StatusCode)>);

fn kinds() -> Vec<KindCase> {
    let bearer = |token: String| Credentials::Header("authorization", format!("Bearer {token}"));
    let basic = |text: &str| Credentials::Header("authorization", format!("Basic {}", STANDARD.encode(text)));
    let (ok, refused, denied) = (StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN);
    vec![
        (
            "api-key",
            Some("ApiKey realm=\"api-key\", header=\"x-api-key\""),
            vec![
                ("allowed", Credentials::Header("x-api-key", "crp_ada".to_owned()), ok),
                ("denied", Credentials::Header("x-api-key", "crp_ben".to_owned()), denied),
                ("invalid", Credentials::Header("x-api-key", "crp_adb".to_owned()), refused),
            ],
        ),
        (
            "basic",
            Some("Basic realm=\"basic\", charset=\"UTF-8\""),
            vec![
                ("allowed", basic("ada:secret"), ok),
                ("denied", basic("ben:secret"), denied),
                ("invalid", basic("ada:secreT"), refused),
                ("unknown", basic("eve:secret"), refused),
            ],
        ),
        (
            "jwt",
            Some("Bearer realm=\"jwt\""),
            vec![
                ("allowed", bearer(token("ada", 60, SECRET)), ok),
                ("denied", bearer(token("ben", 60, SECRET)), denied),
                ("expired", bearer(token("ada", -60, SECRET)), refused),
                ("invalid", bearer(token("ada", 60, b"another")), refused),
                ("other scheme", basic("ada:secret"), refused),
            ],
        ),
        (
            "forward",
            None,
            vec![
                ("allowed", bearer("good".to_owned()), ok),
                ("denied", bearer("fine".to_owned()), denied),
                ("invalid", bearer("bad".to_owned()), refused),
                ("unavailable", bearer("odd".to_owned()), StatusCode::SERVICE_UNAVAILABLE),
            ],
        ),
        (
            "unix",
            None,
            vec![
                ("allowed", Credentials::Process(PeerProcess { uid: 1000, gid: 7 }), ok),
                ("denied", Credentials::Process(PeerProcess { uid: 1002, gid: 7 }), denied),
                ("unknown", Credentials::Process(PeerProcess { uid: 1001, gid: 7 }), refused),
            ],
        ),
        (
            "mtls",
            None,
            vec![
                ("allowed", Credentials::Certificate(certificate("ada")), ok),
                ("denied", Credentials::Certificate(certificate("ben")), denied),
                ("invalid", Credentials::Certificate(PeerCertificate(vec![0x30, 0].into())), refused),
            ],
        ),
    ]
}

/// A configuration with a group and a page for each kind.
fn config(folder: &Folder, portal: &Scripted) -> Config {
    folder.write("page.html", "<!doctype html><p>a page</p>");
    folder.write("keys.txt", &(key_line("ada", "crp_ada") + &key_line("ben", "crp_ben")));
    let hash = bcrypt::hash("secret", 4).unwrap();
    folder.write("htpasswd", &format!("ada:{hash}\nben:{hash}\n"));
    folder.write("secret", std::str::from_utf8(SECRET).unwrap());
    let mut text = format!(
        r#"
        [auth]
        api-key.api-key = {{ keys = {{ file = "keys.txt" }} }}
        basic.basic = {{ users = {{ file = "htpasswd" }}, roles = {{ admin = ["ada"] }} }}
        jwt.jwt = {{ issuer = "id", audience = ["croupier"], secret = {{ file = "secret" }} }}
        forward.forward = {{ url = "http://{}/verify" }}
        unix.unix = {{ users = {{ 1000 = "ada", 1002 = "ben" }} }}
        mtls.mtls = {{ from = "subject" }}
        "#,
        portal.address
    );
    for (kind, ..) in kinds() {
        text.push_str(&format!(
            r#"
            [group."/{kind}"]
            service = "wheel"
            options = {{ family = "american" }}
            auth = ["{kind}"]
            access = [{{ names = ["ada"] }}]
            aliases = ["/also/{kind}"]
            soap = {{ namespace = "{NAMESPACE}" }}
            cors = {{ origins = ["https://page.example"] }}
            routes = [{{ route = "GET /three", method = "spinList", args = {{ spins = 3 }} }}]
            [page."/page/{kind}"]
            group = "/{kind}"
            method = "spin"
            template = "page.html"
            title = "A page"
            "#
        ));
    }
    folder.load(&text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A server that knows two tokens.
fn portal() -> Scripted {
    Scripted::start(|request| {
        let request = request.to_ascii_lowercase();
        // What a client says of itself does not arrive.
        assert!(!request.contains("mallory"), "{request}");
        assert!(request.starts_with("get /verify ") && request.contains("x-original-uri: /"), "{request}");
        if request.contains("bearer good") {
            http("200 OK", "X-Auth-User: ada\r\nX-Auth-Roles: admin, staff\r\n", "")
        } else if request.contains("bearer fine") {
            http("200 OK", "X-Auth-User: ben\r\n", "")
        } else if request.contains("bearer bad") {
            http("403 Forbidden", "WWW-Authenticate: Portal realm=\"x\"\r\n", "")
        } else {
            http("500 Internal Server Error", "", "")
        }
    })
}

const XML: &str = "text/xml";
const JSON: &str = "application/json";

/// The forms of a request: a name, the verb and the path below the group, the media type, the body, and a text of the response
/// by which its protocol is known when it is refused.
const FORMS: [(&str, &str, &str, &str, &str, &str); 11] = [
    ("xml-rpc", "POST", "", XML, "<methodCall><methodName>spin</methodName></methodCall>", "<methodResponse><fault>"),
    (
        "multicall",
        "POST",
        "",
        XML,
        "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data><value><struct><member>\
         <name>methodName</name><value>spin</value></member><member><name>params</name><value><array><data/></array></value>\
         </member></struct></value></data></array></value></param></params></methodCall>",
        "<methodResponse><fault>",
    ),
    ("json-rpc", "POST", "", JSON, r#"{"jsonrpc":"2.0","id":1,"method":"spin"}"#, r#""error":{"#),
    ("batch", "POST", "", JSON, r#"[{"jsonrpc":"2.0","id":1,"method":"spin"}]"#, r#""error":{"#),
    ("rest", "POST", "/spin", JSON, "{}", r#""status":"#),
    ("route", "GET", "/three", "", "", r#""status":"#),
    (
        "soap",
        "POST",
        "",
        XML,
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><spin xmlns=\"urn:wheel\"/></e:Body>\
         </e:Envelope>",
        "Fault",
    ),
    ("page of the group", "GET", "", "", "", "<!doctype html>"),
    ("openapi", "GET", "/openapi.json", "", "", "credentials"),
    ("wsdl", "GET", "?wsdl", "", "", "credentials"),
    ("page", "GET", "PAGE", "", "", "<!doctype html>"),
];

async fn send(
    gateway: &Gateway,
    (verb, path, media, body): (&str, &str, &str, &str),
    credentials: &Credentials,
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().method(verb).uri(path).header("host", "x").header("x-auth-user", "mallory");
    if !media.is_empty() {
        request = request.header("content-type", media);
    }
    if media.is_empty() && !path.contains("openapi") && !path.contains("wsdl") && !path.ends_with("/three") {
        request = request.header("accept", "text/html");
    }
    // By this header the protocol is known before the body is read (SOAP 1.1, section 6.1.1).
    if body.contains("Envelope") {
        request = request.header("soapaction", "\"\"");
    }
    match credentials {
        Credentials::None => {}
        Credentials::Header(name, value) => request = request.header(*name, value),
        Credentials::Process(process) => request = request.extension(*process),
        Credentials::Certificate(certificate) => request = request.extension(certificate.clone()),
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let (head, body) = gateway.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
}

pub(super) fn challenges(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect()
}

/// A known caller whom the access rules of the group do not let call anything gets its documents, and a refusal of each call.
fn check_denied(form: &str, (status, headers, text): (StatusCode, &HeaderMap, &str), what: &str) {
    let refusal = "you may not call";
    match form {
        "page of the group" | "openapi" | "wsdl" => assert!(status == 200 && text.contains("spinList"), "{what}"),
        "multicall" | "batch" => assert!(status == 200 && text.contains(refusal), "{what}"),
        _ => assert!(status == 403 && text.contains(refusal), "{what}"),
    }
    assert!(challenges(headers).is_empty(), "{what}");
}

#[tokio::test]
async fn each_form_of_a_request_needs_the_credentials_of_its_group() {
    let (folder, portal) = (Folder::new("matrix"), portal());
    let gateway = gateway(&config(&folder, &portal).mounts());
    for (kind, challenge, mut cases) in kinds() {
        cases.push(("missing", Credentials::None, StatusCode::UNAUTHORIZED));
        for (case, credentials, expected) in cases {
            for (form, verb, below, media, body, mark) in FORMS {
                for at in ["", "/also"] {
                    let path = if below == "PAGE" { format!("/page/{kind}") } else { format!("{at}/{kind}{below}") };
                    let (status, headers, text) = send(&gateway, (verb, &path, media, body), &credentials).await;
                    let what = format!("{kind}, {case}, {form} at {path}: {status} {headers:?} {text}");
                    if expected == StatusCode::FORBIDDEN {
                        check_denied(form, (status, &headers, &text), &what);
                        continue;
                    }
                    assert_eq!(status, expected, "{what}");
                    if status == StatusCode::OK {
                        assert!(!headers.contains_key("www-authenticate"), "{what}");
                        continue;
                    }
                    assert!(text.contains(mark), "{what}");
                    // Neither the reason nor the methods are for those who are not known.
                    assert!(
                        !text.contains("spinList") && !text.contains("secret") && !text.contains("expired"),
                        "{what}"
                    );
                    let wrong = matches!(case, "expired" | "invalid");
                    match (kind, challenge) {
                        _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                            assert!(challenges(&headers).is_empty(), "{what}")
                        }
                        ("jwt", Some(challenge)) if wrong => {
                            assert_eq!(
                                challenges(&headers),
                                [format!("{challenge}, error=\"invalid_token\"")],
                                "{what}"
                            );
                        }
                        ("forward", _) if wrong => assert_eq!(challenges(&headers), ["Portal realm=\"x\""], "{what}"),
                        (_, challenge) => assert_eq!(challenges(&headers), Vec::from_iter(challenge), "{what}"),
                    }
                }
            }
        }
    }
    // Callers who are known are not asked about again.
    let good = portal.requests().iter().filter(|request| request.contains("Bearer good")).count();
    let forms: BTreeMap<_, _> = FORMS.iter().map(|form| ((form.1, form.2), ())).collect();
    assert!(good <= 2 * forms.len(), "{good}");
}

#[tokio::test]
async fn the_server_that_is_asked_learns_no_address_from_the_client() {
    let folder = Folder::new("address");
    let portal = Scripted::start(|_| http("200 OK", "X-Auth-User: ada\r\n", ""));
    let config = folder.load(&format!(
        r#"
        [auth.portal.forward]
        url = "http://{}/"
        headers = ["Authorization", "X-Forwarded-For"]
        [group."/wheel"]
        service = "wheel"
        options = {{ family = "american" }}
        auth = ["portal"]
        "#,
        portal.address
    ));
    let gateway = gateway(&config.unwrap().mounts());
    // Neither the address of the client is known, as behind a unix socket, nor a proxy that would be trusted.
    let request = Request::post("/wheel/spin").header("host", "x").header("content-type", JSON);
    let request = request.header("authorization", "Bearer x").header("x-forwarded-for", "10.0.0.1");
    let response = gateway.oneshot(request.body(Full::new(Bytes::from("{}"))).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let asked = portal.requests();
    assert!(asked.len() == 1 && !asked[0].contains("10.0.0.1"), "{asked:?}");
}

#[tokio::test]
async fn what_is_said_of_all_groups_names_no_methods_of_closed_ones() {
    let folder = Folder::new("all");
    folder.write("keys.txt", "");
    let config = folder.load(
        r#"
        [auth.staff.api-key]
        keys = { file = "keys.txt" }
        [group."/closed"]
        service = "wheel"
        options = { family = "american" }
        auth = ["staff"]
        [group."/open"]
        service = "diagnostics"
        [group."/also-open"]
        service = "diagnostics"
        "#,
    );
    let gateway = gateway(&config.unwrap().mounts());
    let get = async |path: &'static str| send(&gateway, ("GET", path, "", ""), &Credentials::None).await;
    let (status, _, directory) = get("/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(directory.contains("&#x2f;closed") && directory.contains("&#x2f;open"), "{directory}");
    assert!(!directory.contains("spinList") && directory.contains("validator1"), "{directory}");
    let (_, _, document) = get("/openapi.json").await;
    assert!(
        document.contains("/open/") && !document.contains("spinList") && !document.contains("/closed"),
        "{document}"
    );
    for path in ["/open", "/closed", "/closed/nothing", "/nowhere"] {
        assert!(!get(path).await.2.contains("spinList"), "{path}");
    }
}

#[tokio::test]
async fn the_calls_of_an_aggregate_need_an_identity_where_their_group_does() {
    let folder = Folder::new("aggregate");
    folder.write("keys.txt", &key_line("ada", "crp_ada"));
    let config = folder.load(
        r#"
        [auth.staff.api-key]
        keys = { file = "keys.txt" }
        [group."/closed"]
        service = "wheel"
        options = { family = "american" }
        auth = ["staff"]
        [group."/open".aggregate]
        calls.one = { group = "/closed", method = "spin" }
        [group."/known"]
        auth = ["staff"]
        aggregate.calls.one = { group = "/closed", method = "spin" }
        "#,
    );
    let config = config.unwrap();
    let remarks = config.remarks.render(false);
    assert_eq!(remarks.matches("needs to know who calls").count(), 1, "{remarks}");
    let gateway = gateway(&config.mounts());
    let key = Credentials::Header("x-api-key", "crp_ada".to_owned());
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"all"}"#;
    for (path, credentials, expected) in [
        ("/open", &Credentials::None, "-32050"),
        ("/open", &key, "-32050"),
        ("/known", &Credentials::None, "credentials"),
        ("/known", &key, "\"result\""),
    ] {
        let (_, _, text) = send(&gateway, ("POST", path, JSON, call), credentials).await;
        assert!(text.contains(expected), "{path} {credentials:?}: {text}");
    }
}

#[tokio::test]
async fn a_group_at_the_root_closes_what_is_joined_with_it() {
    let folder = Folder::new("root");
    folder.write("keys.txt", &key_line("ada", "crp_ada"));
    let config = folder.load(
        r#"
        [auth.staff.api-key]
        keys = { file = "keys.txt" }
        [group."/"]
        service = "wheel"
        options = { family = "american" }
        auth = ["staff"]
        [group."/open"]
        service = "diagnostics"
        "#,
    );
    let gateway = gateway(&config.unwrap().mounts());
    let key = Credentials::Header("x-api-key", "crp_ada".to_owned());
    for path in ["/", "/openapi.json", "/?wsdl", "/spin"] {
        let verb = if path == "/spin" { "POST" } else { "GET" };
        let media = if path == "/spin" { JSON } else { "" };
        assert_eq!(
            send(&gateway, (verb, path, media, "{}"), &Credentials::None).await.0,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
        assert_eq!(send(&gateway, (verb, path, media, "{}"), &key).await.0, StatusCode::OK, "{path}");
    }
    assert_eq!(send(&gateway, ("GET", "/open", "", ""), &Credentials::None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_preflight_needs_no_credentials_and_allows_their_header() {
    let (folder, portal) = (Folder::new("preflight"), portal());
    let gateway = gateway(&config(&folder, &portal).mounts());
    for (kind, header) in [("api-key", Some("x-api-key")), ("jwt", Some("authorization")), ("unix", None)] {
        let ask = |origin: &str, verb: Option<&str>| {
            let request = Request::options(format!("/{kind}/spin")).header("host", "x").header("origin", origin);
            let request =
                verb.into_iter().fold(request, |request, verb| request.header("access-control-request-method", verb));
            gateway.clone().oneshot(request.body(Full::new(Bytes::new())).unwrap())
        };
        let response = ask("https://page.example", Some("POST")).await.unwrap();
        assert!(response.status().is_success(), "{kind}: {}", response.status());
        let allowed = response.headers()["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.starts_with("content-type"), "{allowed}");
        assert_eq!(allowed.split(", ").nth(1), header.or(Some("soapaction")), "{kind}");
        assert!(
            !ask("https://evil.example", Some("POST"))
                .await
                .unwrap()
                .headers()
                .contains_key("access-control-allow-headers")
        );
        // Any other OPTIONS is a request like others.
        assert_eq!(ask("https://page.example", None).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn any_of_several_definitions_suffices_and_two_headers_are_refused() {
    let folder = Folder::new("several");
    folder.write("keys.txt", &key_line("ada", "crp_ada"));
    folder.write("htpasswd", &format!("ben:{}", bcrypt::hash("secret", 4).unwrap()));
    let config = folder.load(
        r#"
        [auth.people.basic]
        users = { file = "htpasswd" }
        [auth.programs.api-key]
        keys = { file = "keys.txt" }
        header = "Authorization"
        [group."/wheel"]
        service = "wheel"
        options = { family = "american" }
        auth = ["people", "programs"]
        "#,
    );
    let gateway = gateway(&config.unwrap().mounts());
    let basic = format!("Basic {}", STANDARD.encode("ben:secret"));
    let spin = async |values: &[&str]| {
        let request = Request::post("/wheel/spin").header("host", "x").header("content-type", JSON);
        let request = values.iter().fold(request, |request, value| request.header("authorization", *value));
        gateway.clone().oneshot(request.body(Full::new(Bytes::from("{}"))).unwrap()).await.unwrap()
    };
    for (values, expected) in [
        (&[basic.as_str()][..], 200),
        (&["Bearer crp_ada"], 200),
        (&["Bearer crp_adb"], 401),
        (&[], 401),
        (&[basic.as_str(), "Bearer crp_ada"], 401),
        (&[basic.as_str(), basic.as_str()], 401),
    ] {
        let response = spin(values).await;
        assert_eq!(response.status().as_u16(), expected, "{values:?}");
        if expected == 401 {
            let schemes: Vec<_> = challenges(response.headers())
                .iter()
                .map(|value| value.split(' ').next().unwrap().to_owned())
                .collect();
            assert_eq!(schemes, ["Basic", "Bearer"]);
        }
    }
}

/// Refuses callers who are not known, call by call, and all others than ada.
struct OnlyAda;

impl GroupLayer for OnlyAda {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        match call.context.identity.as_ref().map(|identity| (identity.name.as_str(), identity.proven_by)) {
            Some(("ada", "api-key")) => next.call(call),
            Some(_) => Fault::new(Kind::Forbidden, "not you").into(),
            None => Fault::new(Kind::Unauthenticated, "who are you?").into(),
        }
    }
}

#[tokio::test]
async fn a_layer_sees_the_identity_and_may_ask_for_one() {
    let keys = ApiKeys::parse(&(key_line("ada", "crp_ada") + &key_line("ben", "crp_ben"))).unwrap();
    let auth = ApiKeyAuth::new("staff", http::header::AUTHORIZATION, keys);
    let wheel = WheelTable::new(Family::American, Chance::seeded(7)).service().unwrap();
    let mut group = GroupMount::new("/wheel", wheel).layer(OnlyAda);
    group.auth = Some(Arc::new(GroupAuth::new(vec![Arc::new(auth)], false)));
    let gateway = gateway(&Mounts { groups: vec![group], ..Mounts::default() });
    let of = |key: &str| Credentials::Header("authorization", format!("Bearer {key}"));
    for (credentials, expected, challenge) in [
        (of("crp_ada"), 200, None),
        (of("crp_ben"), 403, None),
        (of("crp_eve"), 401, Some("Bearer realm=\"staff\", error=\"invalid_token\"")),
        (Credentials::None, 401, Some("Bearer realm=\"staff\"")),
    ] {
        for (form, verb, below, media, body, _) in
            FORMS.iter().filter(|form| ["xml-rpc", "json-rpc", "rest"].contains(&form.0))
        {
            let (status, headers, text) =
                send(&gateway, (verb, &format!("/wheel{below}"), media, body), &credentials).await;
            assert_eq!(status.as_u16(), expected, "{form} {credentials:?} {text}");
            assert_eq!(challenges(&headers), Vec::from_iter(challenge), "{form}");
        }
        // What needs no identity is there for all but those with wrong credentials.
        let (status, ..) = send(&gateway, ("GET", "/wheel/openapi.json", "", ""), &credentials).await;
        assert_eq!(status == StatusCode::UNAUTHORIZED, challenge.is_some_and(|challenge| challenge.contains("error")));
    }
}

#[test]
fn mistakes_in_definitions_are_found_at_their_places() {
    let folder = Folder::new("mistakes");
    folder.write("keys.txt", "ada 12\n");
    folder.write("htpasswd", "# users\nada:$apr1$x$yyyyyyyyyyyyyyyyyyyyyy\n");
    folder.write("jwks.json", "{\"keys\":[]}");
    folder.write("short", "secret");
    let group = "[group.\"/w\"]\nservice = \"wheel\"\noptions = { family = \"american\" }\nauth = [\"staff\"]\n";
    for (definition, expected) in [
        ("", "there is no `[auth.staff]`"),
        ("[auth.stuff.unix]\nusers = { 0 = \"root\" }", "did you mean `stuff`?"),
        ("[auth.staff]", "has no kind"),
        ("[auth.staff]\nmtls = {}\nunix.users = { 0 = \"root\" }", "`unix` cannot be given with `mtls`"),
        ("[auth.staff.api-key]\nkeys = { file = \"keys.txt\" }", "line 1: the second word is not a SHA-256"),
        ("[auth.staff.api-key]\nkeys = { file = \"none.txt\" }", "cannot be read"),
        ("[auth.staff.api-key]\nkeys = { text = \"\" }\nheader = \"a b\"", "is not a valid name of a header"),
        ("[auth.staff.api-key]", "`keys` is missing"),
        ("[auth.staff.basic]\nusers = { file = \"htpasswd\" }", "line 2: a hash by MD5"),
        ("[auth.staff.basic]\nusers = { text = \"\" }\nroles = { a = [\"eve\"] }", "there is no user `eve`"),
        ("[auth.staff.jwt]\nissuer = \"i\"\naudience = [\"a\"]", "needs exactly one of"),
        ("[auth.staff.jwt]\nissuer = \"i\"\naudience = []\njwks.url = \"http://h/\"", "needs at least 1"),
        ("[auth.staff.jwt]\nissuer = \"i\"\naudience = [\"a\"]\njwks.file = \"jwks.json\"", "has no keys"),
        ("[auth.staff.jwt]\nissuer = \"i\"\naudience = [\"a\"]\nsecret = { file = \"short\" }", "needs at least 32"),
        (
            "[auth.staff.jwt]\nissuer = \"i\"\naudience = [\"a\"]\njwks.url = \"http://h/\"\nalgorithms = [\"HS256\"]",
            "needs a `secret`",
        ),
        ("[auth.staff.jwt]\nissuer = \"i\"\naudience = [\"a\"]\njwks.url = \"x\"", "is not a valid URL"),
        ("[auth.staff.unix]\nusers = { root = \"root\" }", "is not the number of a user"),
        ("[auth.staff.unix]", "needs `users` or `groups`"),
        ("[auth.staff.forward]\nurl = \"scgi://h:1\"", "not reached over SCGI"),
    ] {
        let problems = folder.load(&format!("{definition}\n{group}")).expect_err(definition);
        assert!(problems.contains(expected), "{definition}: {problems}");
    }
    let unused = folder
        .load("[auth.staff.mtls]\n[group.\"/w\"]\nservice = \"wheel\"\noptions = { family = \"american\" }\n")
        .unwrap();
    assert!(unused.remarks.render(false).contains("no group needs the authentication `staff`"));
}

#[test]
fn files_are_read_again_with_the_configuration() {
    let folder = Folder::new("again");
    let keys = folder.write("keys.txt", &key_line("ada", "crp_ada"));
    let text = "[auth.staff.api-key]\nkeys = { file = \"keys.txt\" }\n[group.\"/w\"]\nservice = \"wheel\"\noptions = { family = \"american\" }\nauth = [\"staff\"]\n";
    let config = folder.load(text).unwrap();
    assert!(config.files.files.contains(&keys), "{:?}", config.files);
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let spin = |config: &Config| {
        let (gateway, key) = (gateway(&config.mounts()), Credentials::Header("x-api-key", "crp_ada".to_owned()));
        tokio.block_on(async { send(&gateway, ("POST", "/w/spin", JSON, "{}"), &key).await.0 })
    };
    assert_eq!(spin(&config), StatusCode::OK);
    folder.write("keys.txt", &key_line("ben", "crp_ben"));
    let file = folder.0.join("croupier.toml");
    let again = Config::load_keeping(&file, &Registry::standard(), &config.mounts()).unwrap();
    assert_eq!(spin(&again), StatusCode::UNAUTHORIZED);
    folder.write("keys.txt", "broken");
    assert!(Config::load_keeping(&file, &Registry::standard(), &config.mounts()).is_err());
}

/// An issuer with a key of Ed25519, and a server with the public key, which counts how often it is asked.
fn issuer() -> (ring::signature::Ed25519KeyPair, Scripted) {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    let keys = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"a","x":"{x}"}}]}}"#);
    (pair, Scripted::start(move |_| http("200 OK", "Content-Type: application/json\r\n", &keys)))
}

fn signed(pair: &ring::signature::Ed25519KeyPair, kid: &str, issuer: &str) -> Credentials {
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "iss": issuer, "aud": "croupier", "sub": "ada", "exp": 4_102_444_800_u64 });
    let text = format!("{}.{}", encode(json!({ "alg": "EdDSA", "kid": kid })), encode(claims));
    let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(pair.sign(text.as_bytes())));
    Credentials::Header("authorization", format!("Bearer {token}"))
}

fn by_issuer(address: std::net::SocketAddr) -> Gateway {
    let text = format!(
        "[auth.id.jwt]\nissuer = \"id\"\naudience = [\"croupier\"]\njwks = {{ url = \"http://{address}/keys\" }}\n\
         [group.\"/w\"]\nservice = \"wheel\"\noptions = {{ family = \"american\" }}\nauth = [\"id\"]\n"
    );
    gateway(&Folder::new(&format!("jwks-{}", address.port())).load(&text).unwrap().mounts())
}

#[tokio::test]
async fn keys_are_fetched_once_and_only_for_tokens_that_could_be_valid() {
    let (pair, keys) = issuer();
    let gateway = by_issuer(keys.address);
    let spin =
        async |credentials: &Credentials| send(&gateway, ("POST", "/w/spin", JSON, "{}"), credentials).await.0.as_u16();
    assert_eq!(spin(&Credentials::None).await, 401);
    assert_eq!(spin(&signed(&pair, "a", "other")).await, 401);
    assert!(keys.requests().is_empty());
    let valid = signed(&pair, "a", "id");
    for _ in 0..3 {
        assert_eq!(spin(&valid).await, 200);
    }
    // A key that is not known is looked for at most every ten seconds.
    for _ in 0..3 {
        assert_eq!(spin(&signed(&pair, "b", "id")).await, 401);
    }
    assert_eq!(keys.requests().len(), 1);
    assert!(keys.requests()[0].starts_with("GET /keys "), "{:?}", keys.requests());
}

#[tokio::test]
async fn without_keys_tokens_cannot_be_checked() {
    let (pair, _) = issuer();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = by_issuer(free);
    for (form, verb, below, media, body, mark) in FORMS.iter().filter(|form| form.2 != "PAGE") {
        let path = format!("/w{below}");
        let (status, headers, text) = send(&gateway, (verb, &path, media, body), &signed(&pair, "a", "id")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{form} {text}");
        assert!(headers.contains_key("retry-after") && text.contains(mark), "{form} {text}");
    }
    for credentials in [Credentials::None, signed(&pair, "a", "other")] {
        assert_eq!(send(&gateway, ("POST", "/w/spin", JSON, "{}"), &credentials).await.0, StatusCode::UNAUTHORIZED);
    }
}

/// What the fuzz targets of tokens, of files with keys, and of forwarding headers begin with.
#[test]
fn credentials_become_seeds_where_that_is_asked_for() {
    let Some(directory) = std::env::var_os("SEEDS").map(PathBuf::from) else { return };
    let write = |target: &str, name: String, seed: &[u8]| {
        let folder = directory.join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), seed).unwrap();
    };
    // Two bytes, and the claims of a token that the target signs.
    let valid = json!({ "iss": "i", "aud": ["a", "b"], "sub": "ada", "exp": 4_102_444_800_u64, "iat": 1, "nbf": 1 });
    let rich = json!({ "iss": "i", "aud": "a", "sub": "j\u{fc}rgen", "exp": 4e9, "a": { "b": ["x"] }, "scope": "x y" });
    for (number, claims) in [valid, rich, json!({ "iss": "i", "aud": "a", "sub": "ada", "exp": 1 })].iter().enumerate()
    {
        write("jwt", format!("claims-{number}"), format!("0\u{1}{claims}").as_bytes());
    }
    let (pair, _) = issuer();
    let Credentials::Header(_, token) = signed(&pair, "a", "i") else { panic!("a token is sent in a header") };
    write("jwt", "token".to_owned(), token.trim_start_matches("Bearer ").as_bytes());
    let keys =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    write("jwt", "keys".to_owned(), keys.as_bytes());
    // A control character stands for a hash.
    let argon2 = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
    for (number, text) in [
        "ada:\u{1}\n# a comment\n\nben:\u{1}\r\n".to_owned(),
        "ada \u{1} admin,staff\nben \u{1}\n".to_owned(),
        format!("  ada:{argon2}\nada:{argon2}\n"),
        "ada:$apr1$x$y\nben:{SHA}x".to_owned(),
        key_line("ada", "crp_ada"),
    ]
    .iter()
    .enumerate()
    {
        write("key_files", format!("file-{number}"), text.as_bytes());
    }
    for (number, lines) in [
        "198.51.100.7, 10.0.0.1",
        "for=198.51.100.7;by=10.0.0.1\nfor=\"[2001:db8::1]:80\", for=_hidden",
        "unknown\n\"\n[::1]:80,",
        "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\nGET / HTTP/1.1\r\n",
        "\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\u{c}abcdefghijkl",
        "casino.example:80\nhttps\n/rpc/\n[::1]",
    ]
    .iter()
    .enumerate()
    {
        for form in 0..8_u8 {
            write("forwarding_headers", format!("lines-{number}-{form}"), &[&[form], lines.as_bytes()].concat());
        }
    }
}
