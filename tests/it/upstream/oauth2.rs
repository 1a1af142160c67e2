//! Access tokens for an upstream: when they are fetched, and what happens if there is none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use croupier::protocol::Protocol;
use croupier::service::args::Args;
use croupier::service::{Call, Context, RpcService};
use croupier::upstream::transport::{OAuth2Options, Transport, TransportOptions};
use croupier::upstream::{Upstream, UpstreamOptions};
use croupier::{Fault, Kind};

use crate::support::hello::{description, response};
use crate::support::upstream::{Act, ScriptedUpstream};

fn http(status: &str, body: &str) -> Act {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    Act::Output((head + body).into_bytes())
}

fn token(token: &str, lifetime: u32) -> Act {
    http("200 OK", &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{lifetime}}}"#))
}

/// A server that is called with tokens of another.
struct Pair {
    server: ScriptedUpstream,
    tokens: ScriptedUpstream,
    upstream: Upstream,
}

impl Pair {
    async fn start() -> Pair {
        let tokens = ScriptedUpstream::start().await;
        let url = format!("http://{}/token", tokens.address());
        Pair::with(tokens, &url).await
    }

    async fn with(tokens: ScriptedUpstream, url: &str) -> Pair {
        let server = ScriptedUpstream::start().await;
        server.will([Act::Output(response(Protocol::JsonRpc).await)]);
        let oauth2 = OAuth2Options {
            scopes: vec!["spin".to_owned(), "read all".to_owned()],
            audience: Some("https://casino.example".to_owned()),
            timeout: Duration::from_secs(2),
            ..OAuth2Options::new(url.parse().unwrap(), "the client", "s3cr:t/é")
        };
        let address = format!("http://{}/", server.address()).parse().unwrap();
        let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
        let transport = transport.authorized(oauth2).unwrap();
        assert!(!format!("{transport:?}").contains("s3cr"));
        let options = UpstreamOptions {
            description: Some(description(Protocol::JsonRpc)),
            ..UpstreamOptions::new(Protocol::JsonRpc)
        };
        let upstream = Upstream::new(transport, options).unwrap();
        upstream.discover().await.unwrap();
        Pair { server, tokens, upstream }
    }

    async fn call(&self) -> Result<(), Fault> {
        self.call_within(None).await
    }

    async fn call_within(&self, limit: Option<Duration>) -> Result<(), Fault> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let context = Context { deadline, ..Context::default() };
        self.upstream.call(Call::new("hello", Args::None, &context)).await.map(|_| ())
    }

    /// The tokens that the server has received.
    fn received(&self) -> Vec<String> {
        let line = |request: &String| {
            let mut lines = request.lines().filter_map(|line| line.strip_prefix("authorization: ").map(str::to_owned));
            (lines.next().unwrap_or_default(), lines.next())
        };
        let lines = self.server.all();
        lines.iter().map(line).map(|(first, second)| second.map_or(first, |_| "two".to_owned())).collect()
    }

    async fn responds(&self) {
        self.server.will([Act::Output(response(Protocol::JsonRpc).await)]);
    }
}

#[tokio::test]
async fn one_token_serves_all_calls_until_it_is_old() {
    let pair = Pair::start().await;
    pair.tokens.will([token("one", 3600)]);
    let calls = (0..8).map(|_| pair.call());
    let mut all = Box::pin(async {
        let mut running: Vec<_> = calls.map(Box::pin).collect();
        std::future::poll_fn(|cx| {
            running.retain_mut(|call| match call.as_mut().poll(cx) {
                std::task::Poll::Ready(result) => {
                    result.unwrap();
                    false
                }
                std::task::Poll::Pending => true,
            });
            if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    });
    all.as_mut().await;
    assert_eq!(pair.received(), ["Bearer one"; 8]);
    let [request] = &pair.tokens.all()[..] else { panic!("{:?}", pair.tokens.all()) };
    assert!(request.starts_with("POST /token HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
    // Name and secret are form-encoded first (RFC 6749, section 2.3.1): `the+client:s3cr%3At%2F%C3%A9`.
    let basic = "authorization: Basic dGhlK2NsaWVudDpzM2NyJTNBdCUyRiVDMyVBOQ==\r\n";
    assert!(request.contains(basic), "{request}");
    let form = "grant_type=client_credentials&scope=spin+read+all&audience=https%3A%2F%2Fcasino.example";
    assert!(request.ends_with(form), "{request}");
}

#[tokio::test]
async fn a_token_is_fetched_again_before_it_expires() {
    let pair = Pair::start().await;
    pair.tokens.will([token("one", 5), token("two", 3600)]);
    pair.call().await.unwrap();
    tokio::time::sleep(Duration::from_millis(4100)).await;
    // After four fifths of its time, the old one is used while the new one is fetched.
    pair.call().await.unwrap();
    while pair.tokens.requests() < 2 {
        tokio::task::yield_now().await;
    }
    while pair.received().last().unwrap() != "Bearer two" {
        pair.call().await.unwrap();
    }
    assert_eq!(pair.received()[..2], ["Bearer one", "Bearer one"]);
    assert_eq!(pair.tokens.requests(), 2);
}

#[tokio::test]
async fn a_token_that_has_expired_is_not_used() {
    let pair = Pair::start().await;
    pair.tokens.will([token("one", 0), token("two", 3600)]);
    pair.call().await.unwrap();
    pair.call().await.unwrap();
    pair.call().await.unwrap();
    assert_eq!(pair.received(), ["Bearer one", "Bearer two", "Bearer two"]);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let pair = Pair::start().await;
    pair.tokens.will([token("one", 3600), token("two", 3600), token("three", 3600)]);
    pair.server.will([http("401 Unauthorized", ""), Act::Output(response(Protocol::JsonRpc).await)]);
    pair.call().await.unwrap();
    assert_eq!(pair.received(), ["Bearer one", "Bearer two"]);
    // A server that refuses every token does not cause a request for a token with each call.
    pair.server.will([http("401 Unauthorized", "")]);
    for _ in 0..4 {
        let fault = pair.call().await.unwrap_err();
        assert_eq!(fault.kind, Kind::Unreachable);
        assert!(fault.message.contains("HTTP status 401"), "{}", fault.message);
    }
    assert_eq!(pair.received(), ["Bearer two"; 4]);
    assert_eq!(pair.tokens.requests(), 2);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_the_fault_says_why() {
    let cases = [
        (
            http("401 Unauthorized", r#"{"error":"invalid_client"}"#),
            "the authorization server responded with HTTP status 401",
        ),
        (http("302 Found", ""), "HTTP status 302"),
        (http("200 OK", "<html>s3cret</html>"), "the response of the authorization server has no `access_token`"),
        (http("200 OK", r#"{"access_token":"a\r\nb"}"#), "has returned a malformed token"),
        (http("200 OK", r#"{"access_token":"a","token_type":"mac"}"#), "not of the type `Bearer`"),
        (Act::Cut(Vec::new()), "the authorization server cannot be used: "),
        (Act::Silence, "the authorization server did not respond within 2s"),
        (
            Act::Flood(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; 16 << 10]),
            "the authorization server cannot be used: it is larger than 65536 bytes",
        ),
        (
            Act::Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n".to_vec(), b" ".to_vec()),
            "the authorization server did not respond within 2s",
        ),
    ];
    for (act, reason) in cases {
        let pair = Pair::start().await;
        pair.tokens.will([act]);
        let begun = Instant::now();
        let fault = pair.call().await.unwrap_err();
        assert_eq!(fault.kind, Kind::Unreachable);
        let start = "the request was not sent to the upstream server: there is no access token for it: ";
        assert!(fault.message.starts_with(start) && fault.message.contains(reason), "{}", fault.message);
        assert!(!fault.message.contains("s3cret") && !fault.message.contains("127.0.0.1"), "{}", fault.message);
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(pair.server.requests(), 0);
        // Calls that come right after a failure do not ask again.
        if begun.elapsed() < Duration::from_millis(500) {
            let asked = pair.tokens.requests();
            assert_eq!(pair.call().await.unwrap_err().message, fault.message);
            assert_eq!(pair.tokens.requests(), asked);
        }
        assert!(pair.upstream.outage().is_none(), "the upstream itself is not down");
    }
}

#[tokio::test]
async fn an_authorization_server_that_is_down_is_asked_again_later() {
    let tokens = ScriptedUpstream::start().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let pair = Pair::with(tokens, &format!("http://{closed}/token")).await;
    let fault = pair.call().await.unwrap_err();
    assert!(fault.message.contains("the authorization server cannot be used: Connection refused"), "{}", fault.message);
    let tokens = tokio::net::TcpListener::bind(closed).await.unwrap();
    let serving = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = tokens.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let Act::Output(response) = token("late", 60) else { unreachable!() };
        stream.write_all(&response).await.unwrap();
    });
    while pair.call().await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    serving.await.unwrap();
    assert_eq!(pair.received(), ["Bearer late"]);
}

#[tokio::test]
async fn a_call_waits_for_a_token_no_longer_than_its_deadline_and_others_get_it_all_the_same() {
    let pair = Arc::new(Pair::start().await);
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let Act::Output(response) = token("one", 60) else { unreachable!() };
    pair.tokens.will([Act::BatchFuture(both.clone(), response)]);
    let fault = pair.call_within(Some(Duration::from_millis(100))).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Late);
    let waiting = tokio::spawn({
        let pair = pair.clone();
        async move { pair.call().await }
    });
    both.wait().await;
    waiting.await.unwrap().unwrap();
    assert_eq!((pair.tokens.requests(), pair.received()), (1, vec!["Bearer one".to_owned()]));
    pair.responds().await;
    pair.call().await.unwrap();
    assert_eq!(pair.tokens.requests(), 1);
}
