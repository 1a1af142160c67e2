//! SOAP servers of other projects that want WS-Security: the `soap` package of Node with its own reading of the header, and
//! spyne. Each computes the digest itself, and accepts a nonce once.
//!
//! spyne and zeep must be where Python finds them, Node's package in a folder that the variable `NODE_PATH` names.

use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use croupier::model::fault::Kind;
use croupier::model::shape::Shapes;
use croupier::protocol::client_codec::CallTarget;
use croupier::protocol::soap::blocks::{PasswordType, SoapHeaders, SoapSecurity};
use croupier::protocol::soap::client::SoapCodec;
use croupier::protocol::soap::wsdl::read::{Document, read};
use croupier::service::args::{ArgValues, KnownParams};
use croupier::upstream::transport::{Repeat, Transport, TransportOptions};
use http::Request;

use crate::support::peers::{Croupier, Folder, Outcome, Server, text};
use crate::support::process;

const USER: &str = "porter & sons";
const PASSWORD: &str = "k<y & \"9\" ü";
const WSDL: &str = include_str!("../../peers/remote_security.wsdl");

/// Croupier in front of a server, with a `UsernameToken` of these settings.
fn gateway(folder: &Folder, url: &str, settings: &str, password: &str) -> Croupier {
    let config = format!(
        r#"
        [group."/remote".upstream]
        urls = ["{url}"]
        protocol = "soap"
        [group."/remote".upstream.soap.username-token]
        user = "{USER}"
        password = {{ env = "VAULT_PASSWORD" }}
        {settings}
        "#
    );
    Croupier::start(&folder.file("croupier.toml", &config), &[("VAULT_PASSWORD", password)])
}

/// What a call comes back with over every protocol, after more calls than there are kept connections.
fn unlocked(url: &str, settings: &str, password: &str) -> Outcome {
    let folder = Folder::new();
    let croupier = gateway(&folder, url, settings, password);
    let vault = croupier.group("/remote", "unlock");
    let outcomes: Vec<_> = ["seven", "eight", "nine"].map(|bin| vault.agreed("unlock", &[text(bin)])).into();
    match &outcomes[0] {
        Outcome::Value(_) => {
            let values: Vec<_> = outcomes.into_iter().map(Outcome::value).collect();
            assert_eq!(values, ["all of seven", "all of eight", "all of nine"]);
            Outcome::Value(values.into_iter().collect())
        }
        Outcome::Fault(..) => {
            assert!(outcomes.iter().all(|it| it == &outcomes[0]), "{outcomes:?}");
            outcomes[0].clone()
        }
    }
}

fn is_unlocked(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Value(_))
}

fn refusal(message: &str) -> Outcome {
    Outcome::Fault(Kind::Service(None), message.to_owned())
}

/// What zeep gets, which has its own making of the token.
fn by_zeep(url: &str, kind: &str, password: &str) -> Option<String> {
    let script = format!("{}/tests/peers/security_zeep.py", env!("CARGO_MANIFEST_DIR"));
    let document = format!("{url}?wsdl");
    let ended = process::run(Command::new("python3").arg(script).args([&document, kind, USER, password, "seven"]));
    assert!(ended.status.success() || ended.stderr.contains("zeep.exceptions.Fault"), "{ended:?}");
    ended.status.success().then(|| ended.stdout.trim().to_owned())
}

#[test]
#[ignore = "needs node with the soap package, and python3 with zeep"]
fn node_s_soap_accepts_the_token() {
    let refused = refusal("AuthenticationFailure: Invalid username or password");
    for (kind, settings) in [
        ("digest", "password-type = \"digest\"\nlifetime = \"7m\""),
        ("text", "password-type = \"text\"\nlifetime = \"7m\""),
    ] {
        let (_server, port) = Server::script("node", "remote_security.js", &[kind, "timestamp"]);
        let url = format!("http://127.0.0.1:{port}/vault");
        assert_eq!(by_zeep(&url, kind, PASSWORD).as_deref(), Some("all of seven"));
        assert_eq!(by_zeep(&url, kind, "other"), None);
        assert!(is_unlocked(&unlocked(&url, settings, PASSWORD)), "{kind}");
        assert_eq!(unlocked(&url, settings, "other"), refused, "{kind}");
        // Without the timestamp, with one of another length, and with the other type of the password.
        let other =
            if kind == "digest" { settings.replace("digest", "text") } else { settings.replace("text", "digest") };
        for settings in [settings.split('\n').next().unwrap(), &settings.replace("7m", "8m"), &other] {
            assert_eq!(unlocked(&url, settings, PASSWORD), refused, "{kind}: {settings}");
        }
        let (_server, port) = Server::script("node", "remote_security.js", &[kind]);
        let url = format!("http://127.0.0.1:{port}/vault");
        assert!(is_unlocked(&unlocked(&url, settings.split('\n').next().unwrap(), PASSWORD)), "{kind}");
    }
}

#[test]
#[ignore = "needs python3 with spyne and zeep"]
fn spyne_accepts_the_token_in_both_versions() {
    for version in ["1.1", "1.2"] {
        let (_server, port) = Server::script("python3", "remote_security.py", &[version]);
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(by_zeep(&url, "digest", PASSWORD).as_deref(), Some("all of seven"));
        assert!(is_unlocked(&unlocked(&url, "password-type = \"digest\"", PASSWORD)), "{version}");
        let wrong = refusal("FailedAuthentication: the password is wrong");
        assert_eq!(unlocked(&url, "password-type = \"digest\"", "other"), wrong);
        let text = refusal("FailedAuthentication: the password is no digest");
        assert_eq!(unlocked(&url, "password-type = \"text\"", PASSWORD), text);
    }
}

/// A call with a token, as it is sent.
fn message() -> Request<Bytes> {
    let discovered = read(&[Document { location: "vault.wsdl", text: WSDL }], None).unwrap();
    let shapes = Shapes::of(&discovered.interface);
    let security = SoapSecurity {
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
        password_type: PasswordType::Digest,
        lifetime: None,
    };
    let headers = SoapHeaders::new([], Some(security)).unwrap();
    let codec = SoapCodec { headers, ..SoapCodec::new(Arc::new(discovered.binding.clone())) };
    let known = KnownParams { method: shapes.method("unlock").unwrap(), shapes: &shapes, inferred: false };
    codec.encode_call(CallTarget::new("unlock", Some(known)), ArgValues::ByPosition(vec![text("seven")])).unwrap()
}

#[tokio::test]
#[ignore = "needs node with the soap package, and python3 with spyne"]
async fn a_nonce_is_accepted_once() {
    let (_node, port) = Server::script("node", "remote_security.js", &["digest"]);
    let node = format!("http://127.0.0.1:{port}/vault");
    let (_spyne, port) = Server::script("python3", "remote_security.py", &["1.1"]);
    let spyne = format!("http://127.0.0.1:{port}/");
    for (url, refused) in [(node, "Invalid username or password"), (spyne, "the nonce was used before")] {
        let transport = Transport::new(vec![url.parse().unwrap()], TransportOptions::default()).unwrap();
        let sent = message();
        for (request, expected) in [(sent.clone(), "all of seven"), (message(), "all of seven"), (sent, refused)] {
            let response = transport.exchange(request, Repeat::Unsent, 1 << 20, None).await.unwrap();
            let body = String::from_utf8_lossy(response.body()).into_owned();
            assert!(body.contains(expected), "{url}: {body}");
        }
    }
}
