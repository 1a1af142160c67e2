//! Requests that a web page causes: calls of pages of other origins, and calls to names that are not the gateway's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use croupier::protocol::set::ProtocolSet;
use croupier::protocol::soap::server::namespace_of;
use croupier::server::PeerAddress;
use croupier::server::gateway::Gateway;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::request_body::BodyReader;
use croupier::server::runtime::Runtime;
use croupier::server::settings::ServerSettings;
use croupier::service::local::Local;
use croupier::{PublicUrl, config};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

/// The ways to call a method that changes something: path, media type and body.
fn calls() -> Vec<(&'static str, &'static str, &'static str, String)> {
    let soap = format!(
        r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><m:put xmlns:m="{}"/></e:Body></e:Envelope>"#,
        namespace_of("/g")
    );
    let call = "<methodCall><methodName>put</methodName></methodCall>";
    let json = r#"{"jsonrpc":"2.0","id":7,"method":"put"}"#;
    vec![
        ("XML-RPC", "/g", "text/xml", call.to_owned()),
        ("JSON-RPC", "/g", "application/json", json.to_owned()),
        ("batch", "/g", "application/json", format!("[{json}]")),
        ("SOAP", "/g", "text/xml; charset=utf-8", soap),
        ("REST", "/g/put", "application/json", "{}".to_owned()),
        ("REST without a body", "/g/put", "application/json", String::new()),
        ("page", "/g", "application/x-www-form-urlencoded", "method=put".to_owned()),
    ]
}

/// The media types that a browser sends without asking first; the first stands for none.
const SIMPLE: [&str; 7] = [
    "",
    "text/plain",
    "text/plain;charset=UTF-8",
    "text/plain; charset=application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "json",
];

struct Counted {
    gateway: Gateway,
    /// How many calls were made.
    made: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Counted {
    async fn start(public_url: PublicUrl) -> Counted {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = made.clone();
        let put = move |(): &(), (): ()| counter.fetch_add(1, Relaxed);
        let mut group = GroupMount::new("/g", Local::new("Things", ()).method("put", put).build().unwrap());
        group.protocols = ProtocolSet::default();
        let mounts = Mounts { groups: vec![group], public_url: Arc::new(public_url), ..Mounts::default() };
        let runtime = Runtime::start(mounts, BodyReader::new(&ServerSettings::default())).await.unwrap();
        Counted { gateway: runtime.gateway(), made, _runtime: runtime }
    }

    /// Sends a request from this machine. Returns its status and how many calls it made.
    async fn send(&self, path: &str, media: &str, body: &str, headers: &[(&str, &str)]) -> (u16, usize) {
        let before = self.made.load(Relaxed);
        let request = Request::post(path).extension(PeerAddress(([127, 0, 0, 1], 9).into()));
        let request = if media.is_empty() { request } else { request.header("content-type", media) };
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let response: Response<_> = self.gateway.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        response.into_body().collect().await.unwrap();
        (status, self.made.load(Relaxed) - before)
    }
}

const HOST: (&str, &str) = ("host", "localhost:8008");
const EVIL: (&str, &str) = ("origin", "https://evil.example");

#[tokio::test]
async fn a_page_of_another_origin_calls_nothing_without_a_preflight() {
    let server = Counted::start(PublicUrl::default()).await;
    let cross_site = ("sec-fetch-site", "cross-site");
    for (name, path, media, body) in calls() {
        for headers in [&[HOST, EVIL][..], &[HOST, EVIL, cross_site], &[HOST, cross_site], &[HOST, ("origin", "null")]]
        {
            for media in SIMPLE {
                let (status, made) = server.send(path, media, &body, headers).await;
                assert!(made == 0 && matches!(status, 403 | 415), "{name} as {media:?} with {headers:?}: {status}");
            }
        }
        // Programs, and pages of the gateway itself, call as before.
        for own in [&[HOST][..], &[HOST, ("origin", "http://localhost:8008"), ("sec-fetch-site", "same-origin")]] {
            let (_, made) = server.send(path, media, &body, own).await;
            assert!(made == 1 || name == "page", "{name} with {own:?}");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_not_the_gateways_is_refused_on_each_way() {
    let server = Counted::start(PublicUrl::default()).await;
    let named = config::Config::parse(
        "hosts.toml",
        "public.hosts = ['gateway.example']\n[group.'/d']\nservice = 'diagnostics'\n",
        &config::Registry::standard(),
    )
    .unwrap();
    let named = Counted::start(PublicUrl::clone(&named.public_url)).await;
    for (name, path, media, body) in calls().into_iter().filter(|(name, ..)| *name != "page") {
        assert_eq!(server.send(path, media, &body, &[("host", "evil.example")]).await, (421, 0), "{name}");
        assert_eq!(server.send(path, media, &body, &[("host", "127.0.0.1:8008")]).await.1, 1, "{name}");
        assert_eq!(named.send(path, media, &body, &[("host", "evil.example")]).await, (421, 0), "{name}");
        assert_eq!(named.send(path, media, &body, &[("host", "Gateway.example:80")]).await.1, 1, "{name}");
    }
}
