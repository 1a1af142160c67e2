//! A request in flight: what it holds from its head until its response has been sent.

use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Version, header};
use tokio_rustls::rustls::ProtocolVersion;

use super::access_log::{AccessLine, AccessLog, LineEnd};
use super::activity::{Activity, Stream};
use super::auth::unix::PeerProcess;
use super::clients::ClientAccount;
use super::connection_count::ListenerCount;
use super::gateway::Gateway;
use crate::http::audience::Audience;
use crate::http::peer_certificate::PeerCertificate;
use crate::http::public_url::OverTls;
use crate::server::settings::HttpsRedirect;
use crate::server::tls::handle::ServerTls;
use crate::server::tls::wire::TlsIo;
use crate::service::counters::MeteredRequest;

/// What all connections share.
pub(super) struct ServerState {
    pub(super) gateway: Gateway,
    pub(super) log: Option<AccessLog>,
}

/// One connection, seen from its requests.
pub(super) struct Connection {
    pub(super) shared: Arc<ServerState>,
    pub(super) activity: Arc<Activity>,
    pub(super) client: Arc<ClientAccount>,
    pub(super) peer: Option<SocketAddr>,
    /// The process at the other end of a unix socket.
    pub(super) process: Option<PeerProcess>,
    /// The proxy that has sent the address of the peer.
    pub(super) proxy: Option<SocketAddr>,
    pub(super) listener: Arc<ListenerCount>,
    pub(super) audience: Option<Audience>,
    /// The TLS of the connection, if it has any.
    pub(super) secured: Option<SecuredBy>,
    pub(super) redirect_https: HttpsRedirect,
}

/// The TLS of a connection, seen from its requests.
pub(super) struct SecuredBy {
    /// The version, such as `1.3`.
    pub(super) version: &'static str,
    /// Who the client is, if it has proved that.
    peer: Option<PeerCertificate>,
    /// The header by which browsers remember to use https.
    hsts: Option<HeaderValue>,
}

impl SecuredBy {
    pub(super) fn of(stream: &TlsIo, tls: &ServerTls) -> SecuredBy {
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            _ => "1.2",
        };
        let peer =
            connection.peer_certificates().and_then(<[_]>::first).map(|own| PeerCertificate(own.as_ref().into()));
        SecuredBy { version, peer, hsts: tls.hsts() }
    }

    /// Notes in the head of a request that it has come over TLS, and from whom.
    pub(super) fn mark(&self, head: &mut Parts) {
        head.extensions.insert(OverTls);
        if let Some(peer) = &self.peer {
            head.extensions.insert(peer.clone());
        }
    }

    /// Adds what only responses over TLS have.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(hsts) = &self.hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
    }
}

/// A request that is being served. Dropping it ends it for its client's share and writes its access line.
pub(super) struct InFlight {
    pub(super) connection: Arc<Connection>,
    /// Whether the client had fewer requests than its share.
    pub(super) within_share: bool,
    /// The line for the access log.
    pub(super) line: Option<Box<AccessLine>>,
    /// The measurement of the request, once it has a response.
    pub(super) metered: MeteredRequest,
    /// For HTTP/2: the activity of this stream.
    pub(super) stream: Option<Arc<Stream>>,
}

impl InFlight {
    pub(super) fn begin(connection: &Arc<Connection>, version: Version) -> InFlight {
        let multiplexed = version == Version::HTTP_2;
        connection.activity.begin(multiplexed);
        let stream = multiplexed.then(|| connection.activity.stream());
        let within_share = connection.client.begin_request();
        InFlight {
            connection: connection.clone(),
            within_share,
            line: None,
            metered: MeteredRequest::default(),
            stream,
        }
    }
}

impl Drop for InFlight {
    /// Also runs if the client leaves before the response: its request has an access line all the same.
    fn drop(&mut self) {
        let Connection { shared, activity, client, .. } = self.connection.as_ref();
        if let (Some(log), Some(line)) = (&shared.log, self.line.take()) {
            end_line(log, activity, line);
        }
        client.end_request();
        activity.end();
    }
}

/// Writes the line of a request, now or when the last bytes of its response have been written to the socket.
fn end_line(log: &AccessLog, activity: &Activity, mut line: Box<AccessLine>) {
    if !line.is_whole() {
        if activity.is_cut() {
            line.record_written(LineEnd::Cut);
        }
        log.close(line);
    } else if activity.is_multiplexed() {
        // The connection does not say when the frames of one stream are written.
        log.close(line);
    } else if let Some(before) = activity.keep_line(line) {
        log.close(before);
    }
}
