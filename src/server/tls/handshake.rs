//! The handshake of TLS: from a TCP connection to a stream for HTTP.
//!
//! A client has `timeouts.header` from the beginning of its connection to the end of the handshake. The number of handshakes
//! is limited once a client has said hello, so that connections without a byte do not count; further ones wait in order.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{Error as TlsError, ServerConnection};

use super::counts::HandshakeResult;
use super::handle::ServerTls;
use super::wire::{TlsIo, WireIo};
use crate::server::activity::{Activity, CloseRequest};
use crate::server::clients::{ClientAccount, Resource};
use crate::server::connection_count::ListenerCount;

/// The first byte of a TLS connection: the type of a record with a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;

/// How many bytes of a response are encrypted before the socket takes them. Each connection may have so much memory for it.
const BUFFER: usize = 32 << 10;

/// How long a client that does not speak TLS may take to receive the response that says so.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many bytes of its request are read meanwhile.
const MAX_DISCARDED: u64 = 64 << 10;

/// The response to a client that speaks plain HTTP.
const PLAIN_HTTP: &str = "HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 61\r\n\
    Connection: close\r\n\
    \r\n\
    This port speaks https only: use an address with `https://`.\n";

/// A connection whose handshake has not begun.
pub(in crate::server) struct Handshake<'h> {
    pub(in crate::server) tls: &'h ServerTls,
    pub(in crate::server) activity: &'h Arc<Activity>,
    pub(in crate::server) client: &'h Arc<ClientAccount>,
    pub(in crate::server) listener: &'h Arc<ListenerCount>,
    pub(in crate::server) peer: Option<SocketAddr>,
    /// The right to a handshake, of which there is a limited number.
    pub(in crate::server) permits: &'h Semaphore,
    /// How long the handshake may take.
    pub(in crate::server) within: Duration,
}

/// Why there is no TLS connection.
struct Failure {
    result: HandshakeResult,
    reason: String,
    /// The stream, if its client speaks plain HTTP.
    plain: Option<TcpStream>,
}

impl Handshake<'_> {
    /// Waits for the client's handshake. `None` if the connection has to close.
    pub(in crate::server) async fn accept(self, stream: TcpStream) -> Option<TlsIo> {
        // A server that stops still serves the first request of a client that has just connected.
        let cut = poll_fn(|cx| self.activity.poll_close_request(cx, CloseRequest::Drain));
        let handshake = timeout(self.within, self.shake_hands(stream));
        let accepted = tokio::select! {
            accepted = handshake => accepted.unwrap_or_else(|_| {
                Err(Failure::new(HandshakeResult::Timeout, "it has not ended in time"))
            }),
            _ = cut => return None,
        };
        match accepted {
            Ok(stream) => {
                self.listener.handshakes.count(HandshakeResult::Success);
                Some(stream)
            }
            Err(failure) => {
                self.listener.handshakes.count(failure.result);
                self.tell(&failure);
                if let Some(stream) = failure.plain {
                    let _ = timeout(LAST_WORDS, refuse(stream)).await;
                }
                None
            }
        }
    }

    async fn shake_hands(&self, stream: TcpStream) -> Result<TlsIo, Failure> {
        let mut first = [MaybeUninit::uninit(); 1];
        let mut first = ReadBuf::uninit(&mut first);
        poll_fn(|cx| stream.poll_peek(cx, &mut first)).await.map_err(|error| Failure::of(&error))?;
        match first.filled() {
            [] => return Err(Failure::new(HandshakeResult::ClientGone, "the client has left")),
            [HANDSHAKE] => {}
            // A method of HTTP has capital letters.
            [first] if first.is_ascii_uppercase() => {
                let failure = Failure::new(HandshakeResult::PlainHttp, "the client speaks plain http");
                return Err(Failure { plain: Some(stream), ..failure });
            }
            _ => return Err(Failure::new(HandshakeResult::Failure, "the client speaks neither TLS nor HTTP")),
        }
        let io = WireIo::new(stream, self.activity.clone());
        let hello = LazyConfigAcceptor::new(Acceptor::default(), io).await.map_err(|error| Failure::of(&error))?;
        let Some(_share) = self.client.take(Resource::Handshakes, 1) else {
            return Err(Failure::new(HandshakeResult::Limited, "the client has too many handshakes under way"));
        };
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let limit = |connection: &mut ServerConnection| connection.set_buffer_limit(Some(BUFFER));
        hello.into_stream_with(self.tls.config(), limit).await.map_err(|error| Failure::of(&error))
    }

    /// Logs why there is no connection. Clients that leave before they have said anything are left out: load balancers look in
    /// this way whether a port is open.
    fn tell(&self, Failure { result, reason, .. }: &Failure) {
        let (throttle, message) = match result {
            HandshakeResult::Success | HandshakeResult::ClientGone => return,
            HandshakeResult::PlainHttp => {
                (&self.listener.notices.plain_http, "a client speaks http here, where only https is spoken")
            }
            _ => (&self.listener.notices.handshakes, "a TLS handshake has failed"),
        };
        let (of_listener, peer, reason) = (self.listener.clone(), self.peer, reason.clone());
        throttle.log(move |count| {
            let (listener, peer) = (of_listener.address.as_str(), peer.map(tracing::field::display));
            tracing::info!(listener, peer, reason, count, "{message}");
        });
    }
}

impl Failure {
    fn new(result: HandshakeResult, reason: &str) -> Failure {
        Failure { result, reason: reason.to_owned(), plain: None }
    }

    fn of(error: &io::Error) -> Failure {
        let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
        let result = match of_tls {
            Some(TlsError::InvalidCertificate(_) | TlsError::NoCertificatesPresented | TlsError::AlertReceived(_)) => {
                HandshakeResult::Certificate
            }
            Some(_) => HandshakeResult::Failure,
            None => HandshakeResult::ClientGone,
        };
        Failure::new(result, &error.to_string())
    }
}

/// Says in plain HTTP that this is the wrong port. What the client sends is read, because the system resets a connection that
/// is closed with unread bytes, and a reset may overtake the response.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(PLAIN_HTTP.as_bytes()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(MAX_DISCARDED), &mut tokio::io::sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use http::Request;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::*;
    use crate::http::peer_certificate::PeerCertificate;
    use crate::http::public_url::OverTls;
    use crate::server::activity::ActivityMonitor;
    use crate::server::connection_count::ListenerCounts;
    use crate::server::in_flight::SecuredBy;
    use crate::server::settings::{ClientCertificates, Timeouts, TlsSettings};

    #[tokio::test]
    async fn requests_have_the_certificate_of_their_client() {
        let folder = std::env::temp_dir().join(format!("croupier-handshake-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("own.pem"), folder.join("own.key"));
        fs::write(&certificate, cert.pem()).unwrap();
        fs::write(&key, signing_key.serialize_pem()).unwrap();
        // The certificate is that of both sides, and its own root.
        let settings = TlsSettings {
            client_roots: Some(certificate.clone()),
            client_certificates: Some(ClientCertificates::Optional),
            ..TlsSettings::new(certificate, key)
        };
        let tls = ServerTls::load(&settings).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let config = || {
            let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
            config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots.clone())
        };
        let own = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let known = config().with_client_auth_cert(vec![cert.der().clone()], own).unwrap();
        for (config, expected) in
            [(config().with_no_client_auth(), None), (known, Some(PeerCertificate(cert.der().as_ref().into())))]
        {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let client =
                tokio::spawn(TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream));
            let (accepted, _) = listener.accept().await.unwrap();
            let guard = ActivityMonitor::new(Timeouts::default()).enter(&Arc::default());
            let handshake = Handshake {
                tls: &tls,
                activity: &guard.activity,
                client: &Arc::default(),
                listener: &ListenerCounts::default().add("here".to_owned()),
                peer: None,
                permits: &Semaphore::new(1),
                within: Duration::from_secs(20),
            };
            let stream = handshake.accept(accepted).await.unwrap();
            client.await.unwrap().unwrap();
            let (mut head, ()) = Request::new(()).into_parts();
            SecuredBy::of(&stream, &tls).mark(&mut head);
            assert_eq!(head.extensions.get::<PeerCertificate>(), expected.as_ref());
            assert!(head.extensions.get::<OverTls>().is_some());
        }
    }

    #[test]
    fn the_response_in_plain_http_has_its_length() {
        let (head, body) = PLAIN_HTTP.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}
