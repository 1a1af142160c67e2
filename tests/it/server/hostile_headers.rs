//! Requests by which a client pretends to be another, over raw sockets and HTTP/2, for each kind of credentials in headers, in
//! front of an upstream that is told who calls. Whatever a client sends, the upstream gets the requests that were authenticated,
//! no others, each with the identity that was found out and nothing that the client has made up.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use croupier::config::{Config, Registry};
use ring::digest::{SHA256, digest};
use ring::hmac;
use serde_json::json;

use crate::support::running::Running;
use crate::support::scripted::{Scripted, http};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"hello"}"#;
/// A call that is never reached: it is hidden in another request.
const HIDDEN: &str = r#"{"jsonrpc":"2.0","id":2,"method":"smuggled"}"#;
/// What a client makes up. The upstream never sees it in a head.
const FORGED: &str = "mallory";

/// The kinds of credentials in headers, each with a group of its name.
const KINDS: [&str; 4] = ["api-key", "basic", "jwt", "forward"];

fn credentials_of(kind: &str) -> (&'static str, String) {
    match kind {
        "api-key" => ("X-API-Key", "crp_ada".to_owned()),
        "basic" => ("Authorization", format!("Basic {}", STANDARD.encode("ada:secret"))),
        "jwt" => ("Authorization", format!("Bearer {}", jwt())),
        _ => ("Authorization", "Bearer good".to_owned()),
    }
}

fn jwt() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "iss": "id", "aud": "croupier", "sub": "ada", "exp": now + 600, "roles": ["admin"] });
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The server, the upstream of all groups, and the server that is asked by `forward`.
struct Casino {
    server: Running,
    upstream: Scripted,
    _portal: Scripted,
    _folder: Folder,
}

/// A folder for the files of the configuration.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Casino {
    fn start(name: &str) -> Casino {
        let folder = Folder(std::env::temp_dir().join(format!("croupier-headers-{name}-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.0.join(name), text).unwrap();
        let hash: String = digest(&SHA256, b"crp_ada").as_ref().iter().fold(String::new(), |mut hash, byte| {
            write!(hash, "{byte:02x}").unwrap();
            hash
        });
        write("keys.txt", &format!("ada {hash} admin\n"));
        write("htpasswd", &format!("ada:{}\n", bcrypt::hash("secret", 4).unwrap()));
        write("secret", SECRET);
        let upstream = Scripted::start(|_| {
            http("200 OK", "Content-Type: application/json\r\n", r#"{"jsonrpc":"2.0","id":1,"result":"world"}"#)
        });
        let portal = Scripted::start(|request| {
            // One that reads its headers strictly.
            let head = request.split("\r\n\r\n").next().unwrap_or_default();
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let given: Vec<&str> =
                lines.filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value).collect();
            let is_good = |value: &str| {
                value
                    .split_once(' ')
                    .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token.trim() == "good")
            };
            match given[..] {
                [only] if is_good(only) => http("200 OK", "X-Auth-User: ada\r\nX-Auth-Roles: admin\r\n", ""),
                _ => http("401 Unauthorized", "", ""),
            }
        });
        let mut text = format!(
            r#"
            [public]
            hosts = ["casino.example"]
            [auth]
            api-key.api-key = {{ keys = {{ file = "keys.txt" }} }}
            basic.basic = {{ users = {{ file = "htpasswd" }}, roles = {{ admin = ["ada"] }} }}
            jwt.jwt = {{ issuer = "id", audience = ["croupier"], secret = {{ file = "secret" }}, roles-claim = "roles" }}
            forward.forward = {{ url = "http://{}/verify" }}
            [group."/open"]
            service = "diagnostics"
            "#,
            portal.address
        );
        for (path, auth, more) in KINDS.map(|kind| (kind, kind, "")).into_iter().chain([
            ("inside", "api-key", "[[group.\"/inside\".access]]\nnetworks = [\"10.0.0.0/8\"]"),
            ("rare", "api-key", "[group.\"/rare\".limits.rate]\ncalls = \"1/day\"\nburst = 3"),
        ]) {
            let address = upstream.address;
            text.push_str(&format!(
                r#"
                [group."/{path}"]
                auth = ["{auth}"]
                [group."/{path}".upstream]
                urls = ["http://{address}/"]
                protocol = "json-rpc"
                pass-headers = ["X-Tenant", "Accept-Language"]
                pass-cookies = ["session"]
                set-headers = {{ X-Client = "{{client.address}}" }}
                forwarded = "both"
                [group."/{path}".upstream.forward-identity]
                name = "X-Identity-Name"
                roles = "X-Identity-Roles"
                jwt = {{ header = "X-Identity-Token", key = {{ file = "secret" }}, issuer = "casino", audience = "wheel" }}
                {more}
                "#
            ));
        }
        write("croupier.toml", &text);
        let config = Config::load(&folder.0.join("croupier.toml"), &Registry::standard());
        let server = Running::serving(config.unwrap_or_else(|errors| panic!("{errors}")));
        Casino { server, upstream, _portal: portal, _folder: folder }
    }

    /// Sends the cases, and checks what has come back and what has reached the upstream.
    fn check(&self, kind: &str, cases: &[Case]) {
        let mut wrong = String::new();
        for case in cases {
            let before = self.upstream.requests().len();
            let response = self.server.raw(&case.bytes);
            let reached = self.upstream.requests().split_off(before);
            let found = (statuses(&response), reached.len());
            let expected = (case.statuses.clone(), case.reached);
            if found != expected {
                writeln!(wrong, "{kind}, {}: {found:?}, expected {expected:?}", case.name).unwrap();
            }
            for request in &reached {
                check_upstream(request, &format!("{kind}, {}", case.name));
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}

/// The statuses of the responses on a connection.
fn statuses(response: &str) -> Vec<u16> {
    let lines = response.match_indices("HTTP/1.").filter(|(at, _)| *at == 0 || !response[..*at].ends_with('"'));
    lines.map(|(at, _)| response[at + 9..at + 12].parse().unwrap()).collect()
}

/// What the upstream has received: the identity once and as it is, a token that says the same, and nothing that was made up.
fn check_upstream(request: &str, what: &str) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, CALL, "{what} {request}");
    let headers: Vec<(String, &str)> = head
        .lines()
        .skip(1)
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase().replace('_', "-"), value))
        .collect();
    let values = |name: &str| -> Vec<&str> {
        headers.iter().filter(|(other, _)| other == name).map(|(_, value)| *value).collect()
    };
    assert_eq!(values("x-identity-name"), ["ada"], "{what} {request}");
    assert_eq!(values("x-identity-roles"), ["admin"], "{what} {request}");
    assert_eq!(values("x-client"), ["127.0.0.1"], "{what} {request}");
    assert_eq!(values("x-forwarded-for"), ["127.0.0.1"], "{what} {request}");
    assert_eq!(values("authorization"), [""; 0], "{what} {request}");
    let [token] = values("x-identity-token")[..] else { panic!("{what} {request}") };
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["sub"], &claims["roles"]), (&json!("ada"), &json!(["admin"])), "{what} {claims}");
    // The signature may have any letters.
    let lower = head.replace(token, "").to_ascii_lowercase();
    for made_up in [FORGED, "10.0.0.1", "evil", "smuggled", "crp_", "basic ", "bearer "] {
        assert!(!lower.contains(made_up), "{what} {made_up} in {request}");
    }
}

/// A request, and what has to come of it.
struct Case {
    name: String,
    bytes: Vec<u8>,
    /// The statuses of the responses.
    statuses: Vec<u16>,
    /// How many requests reach the upstream.
    reached: usize,
}

/// Makes the cases of one kind.
struct Corpus {
    path: String,
    /// The header line with the credentials, with its end.
    credentials: String,
    name: &'static str,
    value: String,
    cases: Vec<Case>,
}

impl Corpus {
    fn new(kind: &str) -> Corpus {
        let (name, value) = credentials_of(kind);
        Corpus { path: format!("/{kind}"), credentials: format!("{name}: {value}\r\n"), name, value, cases: Vec::new() }
    }

    fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>, statuses: &[u16], reached: usize) {
        self.cases.push(Case { name: name.into(), bytes: bytes.into(), statuses: statuses.to_vec(), reached });
    }

    /// A call with these header lines, which are whole, in front of its own.
    fn call(&self, lines: impl AsRef<[u8]>) -> Vec<u8> {
        self.request("POST", &self.path, "Host: localhost\r\n", lines)
    }

    fn request(&self, method: &str, target: &str, host: &str, lines: impl AsRef<[u8]>) -> Vec<u8> {
        let start = format!("{method} {target} HTTP/1.1\r\n{host}");
        let end = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{CALL}", CALL.len());
        [start.as_bytes(), lines.as_ref(), end.as_bytes()].concat()
    }

    /// The same with the credentials.
    fn known(&self, lines: impl AsRef<[u8]>) -> Vec<u8> {
        self.call([self.credentials.as_bytes(), lines.as_ref()].concat())
    }

    /// A call with this framing and body, and with the credentials.
    fn framed(&self, framing: &str, body: &str) -> String {
        format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\n{}Content-Type: application/json\r\n{framing}\r\n{body}",
            self.path, self.credentials
        )
    }

    /// A request that must not be taken out of another one.
    fn hidden(&self) -> String {
        self.framed(&format!("Content-Length: {}\r\n", HIDDEN.len()), HIDDEN)
    }
}

/// Names of headers that say who calls, here or elsewhere.
const IDENTITY_NAMES: [&str; 12] = [
    "X-Identity-Name",
    "X-Identity-Roles",
    "X-Identity-Token",
    "X-Client",
    "X-Auth-User",
    "X-Auth-Roles",
    "X-Remote-User",
    "Remote-User",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-WEBAUTH-USER",
    "X-SSL-Client-CN",
];

fn spoofed_identities(corpus: &mut Corpus) {
    for name in IDENTITY_NAMES {
        let mixed: String = name
            .char_indices()
            .map(|(at, c)| if at % 2 == 0 { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() })
            .collect();
        let half = name.replacen('-', "_", 1);
        for lines in [
            format!("{name}: {FORGED}\r\n"),
            format!("{}: {FORGED}\r\n", name.to_lowercase()),
            format!("{}: {FORGED}\r\n", name.to_uppercase()),
            format!("{mixed}: {FORGED}\r\n"),
            format!("{}: {FORGED}\r\n", name.replace('-', "_")),
            format!("{}: {FORGED}\r\n", name.to_lowercase().replace('-', "_")),
            format!("{half}: {FORGED}\r\n"),
            format!("{name}:{FORGED}\r\n"),
            format!("{name}: \t {FORGED} \t\r\n"),
            format!("{name}:\r\n"),
            format!("{name}: {FORGED}\r\n{name}: {FORGED}2\r\n"),
            format!("{name}: {FORGED}\r\n{}: {FORGED}2\r\n", name.replace('-', "_")),
            format!("{name}: ada, {FORGED}\r\n"),
            format!("{name}: j\u{fc}rgen {FORGED}\r\n"),
            format!("Connection: {name}\r\n{name}: {FORGED}\r\n"),
            format!(
                "Connection: X-Identity-Name, X-Identity-Roles, X-Identity-Token, X-Client\r\n{name}: {FORGED}\r\n"
            ),
        ] {
            let known = corpus.known(&lines);
            corpus.add(format!("{lines:?}"), known, &[200], 1);
        }
        for lines in [
            format!("{name} : {FORGED}\r\n"),
            format!("{name}\t: {FORGED}\r\n"),
            format!("{name}: a\r\n {FORGED}\r\n"),
            format!("{name}: a\0{FORGED}\r\n"),
            format!("{name}\0: {FORGED}\r\n"),
            format!(" {name}: {FORGED}\r\n"),
            format!("{name}: a\rX: {FORGED}\r\n"),
            format!("{name}\u{e9}: {FORGED}\r\n"),
            format!("\"{name}\": {FORGED}\r\n"),
            format!("{name}\r\n"),
        ] {
            let known = corpus.known(&lines);
            corpus.add(format!("{lines:?}"), known, &[400], 0);
        }
        // Without credentials nobody is believed.
        let unknown = corpus.call(format!("{name}: ada\r\n"));
        corpus.add(format!("{name} only"), unknown, &[401], 0);
        let chunks = format!("{:x}\r\n{CALL}\r\n0\r\n{name}: {FORGED}\r\n\r\n", CALL.len());
        let trailers = corpus.framed(&format!("Transfer-Encoding: chunked\r\nTrailer: {name}\r\n"), &chunks);
        corpus.add(format!("{name} in the trailers"), trailers, &[200], 1);
    }
}

fn odd_credentials(corpus: &mut Corpus) {
    let (name, value) = (corpus.name, corpus.value.clone());
    let is_key = name == "X-API-Key";
    let (scheme, secret) = value.split_once(' ').unwrap_or(("", value.as_str()));
    let line = |value: &str| format!("{name}: {value}\r\n");
    let mut accepted = vec![
        line(&value),
        format!("{}: {value}\r\n", name.to_lowercase()),
        format!("{}: {value}\r\n", name.to_uppercase()),
        format!("{name}:{value}\r\n"),
        format!("{name}: \t {value} \t \r\n"),
        format!("Connection: {name}\r\n{name}: {value}\r\n"),
        format!("{}Proxy-Authorization: Basic {FORGED}\r\n", line(&value)),
        format!("{}X-Authorization: Bearer {FORGED}\r\n", line(&value)),
        format!("{}{}: {FORGED}\r\n", line(&value), name.replace('-', "_").replace("Authorization", "_Authorization")),
    ];
    let mut refused = vec![
        String::new(),
        line(""),
        line(&format!("{value}, {value}")),
        line(&format!("{value},{value}")),
        line(&format!("{value} {value}")),
        line(&format!("\"{value}\"")),
        line(&format!("{value};")),
        line(&format!("{value}\t{FORGED}")),
        line(&format!("{FORGED} {value}")),
        line(&format!("j\u{fc}rgen{value}")),
        line(&format!("{value}\u{fc}")),
        line(&"a".repeat(7000)),
        line(&format!("{value}{}", "a".repeat(7000))),
        // Two headers, of which another program could believe either.
        line(&value) + &line(&value),
        line(&value) + &line(FORGED),
        line(FORGED) + &line(&value),
        line("") + &line(&value),
        line(&value) + &line(""),
        line(&value) + &format!("{}: {FORGED}\r\n", name.to_lowercase()),
        // Other places.
        format!("Proxy-Authorization: {value}\r\n"),
        format!("X-Authorization: {value}\r\n"),
        format!("{}: {value}\r\n", name.replace('-', "_").replace("Authorization", "Authorization_")),
        format!("Cookie: {name}={value}\r\n"),
        format!("X-Forwarded-Authorization: {value}\r\n"),
    ];
    if is_key {
        refused.push(line("crp_adA"));
        refused.push(line("CRP_ADA"));
        refused.push("Authorization: Bearer crp_ada\r\n".to_owned());
    } else {
        accepted.extend([
            line(&format!("{} {secret}", scheme.to_lowercase())),
            line(&format!("{} {secret}", scheme.to_uppercase())),
            line(&format!("{scheme}   {secret}")),
        ]);
        refused.extend([
            line(scheme),
            line(secret),
            line(&format!("{scheme}{secret}")),
            line(&format!("{scheme}\t{secret}")),
            line(&format!("{scheme}:{secret}")),
            line(&format!("{scheme}={secret}")),
            line(&format!("{scheme}  ")),
            line(&format!("{scheme} {scheme} {secret}")),
            line(&format!("{scheme}2 {secret}")),
            line(&format!("Digest {secret}")),
            line(&format!("Negotiate {secret}")),
            line(&format!("{scheme} {}", secret.to_ascii_uppercase())),
            line(&format!("{scheme} {secret}=")),
            line(&format!("{scheme} ={secret}")),
            line(&format!("{scheme} {FORGED}")),
        ]);
    }
    for lines in accepted {
        let request = corpus.call(&lines);
        corpus.add(shown(&lines), request, &[200], 1);
    }
    for lines in refused {
        let request = corpus.call(&lines);
        corpus.add(shown(&lines), request, &[401], 0);
    }
}

fn misplaced_credentials(corpus: &mut Corpus) {
    let (name, value) = (corpus.name, corpus.value.clone());
    let secret = value.split_once(' ').map_or(value.as_str(), |(_, secret)| secret);
    let line = |value: &str| format!("{name}: {value}\r\n");
    for lines in [
        format!("{name}: a\r\n {value}\r\n"),
        format!("{name}:\r\n {value}\r\n"),
        format!("{name} : {value}\r\n"),
        format!("{name}: {value}\0\r\n"),
        format!("{name}: \u{1}{value}\r\n"),
        format!("{name}: {value}\u{7f}\r\n"),
        format!("{name}: {value}\u{b}\r\n"),
        format!("{name}: {value}\r\r\n"),
        format!("{name}={value}\r\n"),
    ] {
        let request = corpus.call(&lines);
        corpus.add(shown(&lines), request, &[400], 0);
    }
    let long = corpus.call(line(&format!("{value}{}", "a".repeat(200_000))));
    corpus.add("credentials of 200 KB", long, &[431], 0);
    let many = corpus.call(line(FORGED).repeat(90));
    corpus.add("ninety credentials", many, &[401], 0);
    let in_query = corpus.request(
        "POST",
        &format!("{}?access_token={secret}&api_key={secret}", corpus.path),
        "Host: localhost\r\n",
        "",
    );
    corpus.add("credentials in the query", in_query, &[401], 0);
    let chunks = format!("{:x}\r\n{CALL}\r\n0\r\n{name}: {value}\r\n\r\n", CALL.len());
    let trailers = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}",
        corpus.path
    );
    corpus.add("credentials in the trailers", trailers, &[401], 0);
    let body = corpus.framed("X: y\r\n", "").replace(&corpus.credentials, "")
        + &format!("{}Content-Length: {}\r\n\r\n{CALL}", corpus.credentials, CALL.len());
    // The length comes too late: what follows is another request, which is none.
    corpus.add("credentials behind the head", body, &[401, 400], 0);
}

/// A header line for messages, without its end if it is long.
fn shown(lines: &str) -> String {
    let short: String = lines.chars().take(120).collect();
    format!("{short:?}")
}

/// What is wrong with the length of a body or its coding. Each body has another request behind it.
fn odd_framing(corpus: &mut Corpus) {
    let (size, hidden) = (CALL.len(), corpus.hidden());
    let length = format!("Content-Length: {size}\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let plain = format!("{CALL}{hidden}");
    let chunks = format!("{size:x}\r\n{CALL}\r\n0\r\n\r\n{hidden}");
    for (framing, body) in [
        (format!("{length}Transfer-Encoding : chunked\r\n"), &plain),
        ("Transfer-Encoding : chunked\r\n".to_owned(), &chunks),
        ("Transfer-Encoding\t: chunked\r\n".to_owned(), &chunks),
        ("Transfer-Encoding:\r\n chunked\r\n".to_owned(), &chunks),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), &chunks),
        ("Transfer-Encoding: \"chunked\"\r\n".to_owned(), &chunks),
        ("Transfer-Encoding: chunked;q=1\r\n".to_owned(), &chunks),
        ("Transfer-Encoding: identity\r\n".to_owned(), &plain),
        ("Transfer-Encoding:\r\n".to_owned(), &plain),
        ("Transfer-Encoding: chunked, identity\r\n".to_owned(), &chunks),
        ("Transfer-Encoding: \u{b}chunked\r\n".to_owned(), &chunks),
        ("Transfer-Encoding: chun\0ked\r\n".to_owned(), &chunks),
        (format!("{chunked}Transfer-Encoding: identity\r\n"), &chunks),
        (format!("X: y\r{chunked}"), &chunks),
        (format!("{length}Content-Length: 0\r\n"), &plain),
        (format!("Content-Length: 0\r\n{length}"), &plain),
        (format!("Content-Length: {size}, 0\r\n"), &plain),
        (format!("Content-Length: +{size}\r\n"), &plain),
        ("Content-Length: -1\r\n".to_owned(), &plain),
        (format!("Content-Length: 0x{size:x}\r\n"), &plain),
        (format!("Content-Length: {size}.0\r\n"), &plain),
        (format!("Content-Length: {size} 0\r\n"), &plain),
        (format!("Content-Length:\r\n {size}\r\n"), &plain),
        (format!("Content-Length: {size}\0\r\n"), &plain),
        (format!("Content-Length : {size}\r\n"), &plain),
        ("Content-Length:\r\n".to_owned(), &plain),
    ] {
        let bytes = corpus.framed(&framing, body);
        corpus.add(format!("{framing:?}"), bytes, &[400], 0);
    }
    let beyond = corpus.framed("Content-Length: 18446744073709551617\r\n", &plain);
    corpus.add("a length beyond 64 bits", beyond, &[413], 0);
    // Of a length and chunks, the chunks count, and the connection ends (RFC 9112, section 6.3).
    for framing in [format!("Content-Length: {}\r\n{chunked}", chunks.len()), format!("{chunked}Content-Length: 4\r\n")]
    {
        let bytes = corpus.framed(&framing, &chunks);
        corpus.add(format!("{framing:?}"), bytes, &[200], 1);
    }
    for (name, body) in [
        ("a size with a sign", format!("+{size:x}\r\n{CALL}\r\n0\r\n\r\n{hidden}")),
        ("a size with a prefix", format!("0x{size:x}\r\n{CALL}\r\n0\r\n\r\n{hidden}")),
        ("a size beyond 64 bits", format!("1{size:016x}\r\n{CALL}\r\n0\r\n\r\n{hidden}")),
        ("a size with a line end of LF", format!("{size:x}\n{CALL}\r\n0\r\n\r\n{hidden}")),
        ("line ends of LF", format!("{size:x}\n{CALL}\n0\n\n{hidden}")),
        ("an extension with LF", format!("{size:x};\n{CALL}\r\n0\r\n\r\n{hidden}")),
        ("more bytes than the size", format!("{:x}\r\n{CALL}\r\n0\r\n\r\n{hidden}", size - 1)),
        ("no size", format!("\r\n{CALL}\r\n0\r\n\r\n{hidden}")),
        ("no end", format!("{size:x}\r\n{CALL}\r\n")),
        ("an end with LF", format!("{size:x}\r\n{CALL}\r\n0\n\n{hidden}")),
    ] {
        let bytes = corpus.framed(chunked, &body);
        corpus.add(format!("chunks, {name}"), bytes, &[400], 0);
    }
    for (name, body) in [
        ("an extension", format!("{size:x};a=b\r\n{CALL}\r\n0\r\n\r\n")),
        ("an extension with a request line", format!("{size:x};a=\"POST / HTTP\"\r\n{CALL}\r\n0\r\n\r\n")),
        ("trailers that frame", format!("{size:x}\r\n{CALL}\r\n0\r\nContent-Length: 400\r\n\r\n")),
        ("trailers with a coding", format!("{size:x}\r\n{CALL}\r\n0\r\n{chunked}\r\n")),
    ] {
        let bytes = corpus.framed(chunked, &body);
        corpus.add(format!("chunks, {name}"), bytes, &[200], 1);
    }
}

/// What follows a request on its connection.
fn connections(corpus: &mut Corpus) {
    let length = format!("Content-Length: {}\r\n", CALL.len());
    let call = corpus.framed(&length, CALL);
    let hidden = corpus.hidden();
    let old = |request: &str| request.replacen("HTTP/1.1", "HTTP/1.0", 1);
    let with = |more: &str| corpus.framed(&format!("{more}{length}"), CALL);
    let chunked = corpus.framed("Transfer-Encoding: chunked\r\n", &format!("{:x}\r\n{CALL}\r\n0\r\n\r\n", CALL.len()));
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    let websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let cases: Vec<(&str, String, &[u16], usize)> = vec![
        ("a length", call.clone(), &[200], 1),
        ("chunks", chunked.clone(), &[200], 1),
        ("chunks in upper case", chunked.replace("chunked", "CHUNKED"), &[200], 1),
        ("pipelined", call.repeat(2), &[200, 200], 2),
        ("the second without credentials", call.clone() + &call.replace(&corpus.credentials, ""), &[200, 401], 1),
        ("the first without credentials", call.replace(&corpus.credentials, "") + &call, &[401, 200], 1),
        ("HTTP/1.0 with chunks", old(&chunked) + &hidden, &[400], 0),
        ("HTTP/1.0", old(&call) + &hidden, &[200], 1),
        ("HTTP/1.0 with keep-alive", old(&with("Connection: keep-alive\r\n")).repeat(2), &[200, 200], 2),
        ("close", with("Connection: close\r\n") + &hidden, &[200], 1),
        ("an upgrade to h2c", with(h2c), &[200], 1),
        ("an upgrade to websocket", with(websocket), &[200], 1),
        ("the preface of HTTP/2 behind", call.clone() + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[200], 1),
        ("HTTP/0.9", format!("POST {}\r\n\r\n", corpus.path), &[400], 0),
        ("HTTP/2.0 in a line", call.replacen("HTTP/1.1", "HTTP/2.0", 1), &[400], 0),
        ("HTTP/1.2", call.replacen("HTTP/1.1", "HTTP/1.2", 1), &[400], 0),
        ("a version in lower case", call.replacen("HTTP/1.1", "http/1.1", 1), &[400], 0),
        ("lines that end with LF", corpus.framed(&length, "").replace("\r\n", "\n") + CALL, &[200], 1),
        ("empty lines before", format!("\r\n\r\n{call}"), &[200], 1),
        ("a letter before", format!("X{call}"), &[405], 0),
        ("a line before", format!("X\r\n{call}"), &[400], 0),
    ];
    for (name, bytes, statuses, reached) in cases {
        corpus.add(name, bytes, statuses, reached);
    }
}

/// Headers in which clients say where they come from. None of them is believed without a trusted proxy.
const ADDRESS_NAMES: [&str; 20] = [
    "X-Forwarded-For",
    "X_Forwarded_For",
    "x-forwarded-for",
    "Forwarded-For",
    "X-Forwarded",
    "X-Forwarded-By",
    "X-Real-IP",
    "X-Real_IP",
    "X-Client-IP",
    "Client-IP",
    "X-Originating-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "X-Cluster-Client-IP",
    "X-Custom-IP-Authorization",
    "X-Original-Forwarded-For",
    "X-ProxyUser-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
];

fn spoofed_addresses() -> Vec<String> {
    let named = ADDRESS_NAMES.iter().flat_map(|name| {
        ["10.0.0.1", "10.0.0.1, 10.0.0.2", "\"10.0.0.1\"", "[::ffff:10.0.0.1]:80"]
            .map(|value| format!("{name}: {value}\r\n"))
    });
    let forwarded = [
        "for=10.0.0.1",
        "For=\"10.0.0.1:80\"",
        "for=10.0.0.1;by=10.0.0.2;host=evil;proto=https",
        "for=unknown, for=10.0.0.1",
        "for=\"",
    ];
    let forwarded = forwarded.map(|value| format!("Forwarded: {value}\r\n"));
    let several = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nForwarded: for=10.0.0.3\r\n".to_owned();
    named.chain(forwarded).chain([several, "Via: 1.1 10.0.0.1\r\n".to_owned()]).collect()
}

fn targets_and_hosts(corpus: &mut Corpus) {
    let (path, known) = (corpus.path.clone(), corpus.credentials.clone());
    let local = "Host: localhost\r\n";
    for (name, target, host, status) in [
        ("absolute form", format!("http://localhost{path}"), local, 200),
        ("absolute form, another known host", format!("http://casino.example{path}"), local, 200),
        ("absolute form, https", format!("https://localhost{path}"), local, 200),
        ("absolute form counts before Host", format!("http://localhost{path}"), "Host: evil.example\r\n", 200),
        ("absolute form of an unknown host", format!("http://evil.example{path}"), local, 421),
        ("absolute form with a user", format!("http://{FORGED}:x@evil.example{path}"), local, 421),
        ("another path in a query", format!("{path}?/../open"), local, 400),
        ("a query", format!("{path}?X-Identity-Name={FORGED}&user={FORGED}"), local, 400),
        ("a fragment", format!("{path}#/open"), local, 400),
        ("two slashes", format!("/{path}"), local, 404),
        ("dots", format!("/open/..{path}"), local, 400),
        ("encoded dots", format!("/open/%2e%2e{path}"), local, 400),
        ("an encoded slash", format!("/open%2f..{path}"), local, 400),
        ("a path parameter", format!("{path};a=b"), local, 404),
        ("upper case", path.to_ascii_uppercase(), local, 404),
        ("a space", format!("{path} /open"), local, 400),
        ("a known host", path.clone(), "Host: casino.example\r\n", 200),
        ("an unknown host", path.clone(), "Host: evil.example\r\n", 421),
        ("a host below", path.clone(), "Host: evil.casino.example\r\n", 421),
        ("a host that begins with a known one", path.clone(), "Host: casino.example.evil\r\n", 421),
        ("a host with a user", path.clone(), "Host: localhost@evil.example\r\n", 400),
        ("a host with a path", path.clone(), "Host: localhost/evil\r\n", 400),
        ("a host with a comma", path.clone(), "Host: localhost, evil.example\r\n", 400),
        ("a host with a space", path.clone(), "Host: localhost evil.example\r\n", 400),
        ("a host with a tab", path.clone(), "Host: localhost\tevil.example\r\n", 400),
        ("two hosts", path.clone(), "Host: localhost\r\nHost: evil.example\r\n", 400),
        ("two equal hosts", path.clone(), "Host: localhost\r\nHost: localhost\r\n", 400),
        ("no host", path.clone(), "", 400),
        ("a folded host", path.clone(), "Host:\r\n localhost\r\n", 400),
        ("a space before the colon", path.clone(), "Host : localhost\r\n", 400),
        ("a forwarded host", path.clone(), "Host: localhost\r\nX-Forwarded-Host: evil.example\r\n", 200),
        ("other names of the host", path.clone(), "Host: localhost\r\nX-Host: evil\r\nX-Original-Host: evil\r\n", 200),
        ("an underscore", path.clone(), "Host: localhost\r\nX_Forwarded_Host: evil\r\nHOST_: evil\r\n", 200),
    ] {
        let bytes = corpus.request("POST", &target, host, &known);
        corpus.add(name, bytes, &[status], usize::from(status == 200));
    }
    for name in [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X-Accel-Redirect",
        "X-Envoy-Original-Path",
        "X-Forwarded-Uri",
        "X-Forwarded-Prefix",
        "X-Sendfile",
        "Destination",
    ] {
        let unknown = corpus.call(format!("{name}: /open\r\n"));
        corpus.add(format!("{name} to an open group"), unknown, &[401], 0);
        let to_this = corpus.request("POST", "/open", local, format!("{name}: {path}\r\n"));
        corpus.add(format!("{name} from an open group"), to_this, &[200], 0);
        let away = corpus.known(format!("{name}: /evil\r\n"));
        corpus.add(format!("{name} elsewhere"), away, &[200], 1);
    }
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method", "_method"] {
        for method in ["GET", "OPTIONS", "DELETE", "evil"] {
            let bytes = corpus.known(format!("{name}: {method}\r\n"));
            corpus.add(format!("{name}: {method}"), bytes, &[200], 1);
        }
        // What is not a call is none by another name.
        let put = corpus.request("PUT", &path, local, format!("{known}{name}: POST\r\n"));
        corpus.add(format!("PUT with {name}"), put, &[405], 0);
    }
    // A preflight needs no credentials, so nothing else may look like one.
    let preflight = "Origin: http://localhost\r\nAccess-Control-Request-Method: POST\r\n";
    let post = corpus.call(preflight);
    corpus.add("a call that looks like a preflight", post, &[401], 0);
    let other = corpus.call(format!("{preflight}X-HTTP-Method-Override: OPTIONS\r\n"));
    corpus.add("a call that would be a preflight", other, &[401], 0);
}

#[test]
fn nobody_is_believed_who_says_who_they_are() {
    let casino = Casino::start("identity");
    for kind in KINDS {
        let mut corpus = Corpus::new(kind);
        spoofed_identities(&mut corpus);
        casino.check(kind, &corpus.cases);
    }
}

#[test]
fn credentials_are_read_in_one_way() {
    let casino = Casino::start("credentials");
    for kind in KINDS {
        let mut corpus = Corpus::new(kind);
        odd_credentials(&mut corpus);
        misplaced_credentials(&mut corpus);
        casino.check(kind, &corpus.cases);
    }
}

#[test]
fn no_request_is_hidden_in_another() {
    let casino = Casino::start("smuggled");
    for kind in KINDS {
        let mut corpus = Corpus::new(kind);
        odd_framing(&mut corpus);
        connections(&mut corpus);
        casino.check(kind, &corpus.cases);
    }
}

#[test]
fn targets_hosts_and_methods_are_those_of_the_request_line() {
    let casino = Casino::start("targets");
    for kind in KINDS {
        let mut corpus = Corpus::new(kind);
        targets_and_hosts(&mut corpus);
        casino.check(kind, &corpus.cases);
    }
}

#[test]
fn nobody_comes_from_where_they_say() {
    let casino = Casino::start("addresses");
    let inside = Corpus { path: "/inside".to_owned(), ..Corpus::new("api-key") };
    let mut corpus = Corpus::new("api-key");
    for lines in spoofed_addresses() {
        // The group is for clients of another network.
        let bytes = inside.known(&lines);
        corpus.add(format!("{lines:?} to a group of a network"), bytes, &[403], 0);
        let bytes = corpus.known(&lines);
        corpus.add(format!("{lines:?}"), bytes, &[200], 1);
    }
    casino.check("addresses", &corpus.cases);
    // A client has one rate, whatever it says.
    let rare = Corpus { path: "/rare".to_owned(), ..Corpus::new("api-key") };
    let mut corpus = Corpus::new("api-key");
    for (number, lines) in spoofed_addresses().iter().enumerate() {
        let lines = lines.replace("10.0.0.1", &format!("10.0.0.1{number}"));
        let (status, reached) = if number < 3 { (200, 1) } else { (429, 0) };
        let bytes = rare.known(&lines);
        corpus.add(format!("{lines:?} above the rate"), bytes, &[status], reached);
    }
    casino.check("rates", &corpus.cases);
}

#[test]
fn only_what_is_named_is_passed_on() {
    let casino = Casino::start("passed");
    for kind in KINDS {
        let corpus = Corpus::new(kind);
        for (lines, name, expected) in [
            ("Cookie: session=1; user=mallory\r\n", "cookie", &["session=1"][..]),
            ("Cookie: user=mallory\r\nCookie: session=1\r\n", "cookie", &["session=1"]),
            ("Cookie: SESSION=mallory\r\n", "cookie", &[]),
            ("Cookie: session\r\nCookie: sessions=mallory\r\n", "cookie", &["session"]),
            ("Cookie: a=\"; session=1; b=\"mallory\r\n", "cookie", &["session=1"]),
            ("Cookie: session=1\r\nConnection: cookie\r\n", "cookie", &[]),
            ("Cookie: X-Identity-Name=mallory\r\n", "cookie", &[]),
            ("X-Tenant: a\r\n", "x-tenant", &["a"]),
            ("X-Tenant: a\r\nx-tenant: b\r\n", "x-tenant", &["a", "b"]),
            ("X_Tenant: mallory\r\n", "x-tenant", &[]),
            ("X-Tenant: mallory\r\nConnection: x-tenant\r\n", "x-tenant", &[]),
            ("X-Tenant: mallory\r\nConnection: close,  X-TENANT ,\r\n", "x-tenant", &[]),
            ("X-Tenant: mallory\r\nConnection: keep-alive\r\nConnection: X-Tenant\r\n", "x-tenant", &[]),
            ("X-Tenant: a\r\nConnection: X-Tenant2\r\n", "x-tenant", &["a"]),
            ("Accept-Language: de\r\n", "accept-language", &["de"]),
            ("Keep-Alive: mallory\r\nProxy-Connection: mallory\r\nTE: trailers\r\n", "te", &[]),
            ("Referer: http://mallory\r\nUser-Agent: mallory\r\n", "referer", &[]),
            ("Via: 1.1 mallory\r\nMax-Forwards: 0\r\n", "via", &[]),
            ("Traceparent: mallory\r\nX-Request-Id: mallory\r\n", "traceparent", &[]),
            ("Expect: 100-continue\r\n", "expect", &[]),
            ("Range: bytes=0-1\r\nIf-Match: mallory\r\n", "range", &[]),
        ] {
            let before = casino.upstream.requests().len();
            let response = casino.server.raw(corpus.known(lines));
            assert!(response.contains("world"), "{lines}: {response}");
            let reached = casino.upstream.requests().split_off(before);
            assert_eq!(reached.len(), 1, "{lines}");
            check_upstream(&reached[0], lines);
            let (head, _) = reached[0].split_once("\r\n\r\n").unwrap();
            let values: Vec<&str> = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .filter(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
                .collect();
            assert_eq!(values, expected, "{lines}: {head}");
        }
    }
}

/// Requests that HTTP/2 can have: names in lower case, and no lines.
#[test]
fn nobody_is_believed_over_http_2() {
    let casino = Casino::start("http2");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(casino.server.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        for kind in KINDS {
            let (name, value) = credentials_of(kind);
            let name = name.to_ascii_lowercase();
            let own = [(name.clone(), value.clone())];
            let with = |more: &[(&str, &str)]| -> Vec<(String, String)> {
                let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
                own.iter().cloned().chain(more).collect()
            };
            let mut cases: Vec<(Vec<(String, String)>, u16)> = Vec::new();
            for spoofed in IDENTITY_NAMES.map(str::to_ascii_lowercase) {
                for spoofed in [spoofed.clone(), spoofed.replace('-', "_"), spoofed.replacen('-', "_", 1)] {
                    cases.push((with(&[(&spoofed, FORGED)]), 200));
                    cases.push((with(&[(&spoofed, FORGED), (&spoofed, "")]), 200));
                    cases.push((vec![(spoofed, "ada".to_owned())], 401));
                }
            }
            for address in ["x-forwarded-for", "x-real-ip", "x_forwarded_for", "true-client-ip"] {
                cases.push((with(&[(address, "10.0.0.1")]), 200));
            }
            cases.push((with(&[("forwarded", "for=10.0.0.1")]), 200));
            cases.push((with(&[("cookie", "a=mallory"), ("cookie", "b=mallory")]), 200));
            cases.push((with(&[("x-original-url", "/open"), ("x-http-method-override", "GET")]), 200));
            cases.push((with(&[(&name, &value)]), 401));
            cases.push((with(&[(&name, FORGED)]), 401));
            cases.push((vec![(name.clone(), FORGED.to_owned()), (name.clone(), value.clone())], 401));
            cases.push((vec![(name.clone(), format!("{value}, {value}"))], 401));
            cases.push((vec![(name.clone(), format!("{value}\u{fc}"))], 401));
            cases.push((vec![("proxy-authorization".to_owned(), value.clone())], 401));
            cases.push((vec![("x-original-url".to_owned(), "/open".to_owned())], 401));
            // A Host that is not the authority (RFC 9113, section 8.3.1).
            cases.push((with(&[("host", "evil.example")]), 400));
            cases.push((with(&[("host", "localhost")]), 200));
            for (headers, expected) in cases {
                let before = casino.upstream.requests().len();
                let mut request =
                    http::Request::post(format!("http://localhost/{kind}")).header("content-type", "application/json");
                for (name, value) in &headers {
                    request = request.header(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
                }
                client = client.ready().await.unwrap();
                let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
                body.send_data(Bytes::from_static(CALL.as_bytes()), true).unwrap();
                let status = response.await.unwrap().status().as_u16();
                let reached = casino.upstream.requests().split_off(before);
                let what = format!("{kind} {headers:?}: {reached:?}");
                assert_eq!((status, reached.len()), (expected, usize::from(expected == 200)), "{what}");
                reached.iter().for_each(|request| check_upstream(request, &what));
            }
        }
    });
}
