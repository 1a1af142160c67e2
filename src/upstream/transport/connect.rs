//! Opens connections: TCP, TLS over TCP, or a unix socket. Names of hosts are looked up by `resolve`.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::{Address, Endpoint};
use super::resolve::{Dns, ResolvedName};
use super::tls::TlsConfig;
use crate::http::coalesce::{SMALL, join_pieces};
use crate::http::turn::charge;

/// Opens connections to one address.
pub(super) struct Connector {
    endpoint: Endpoint,
    /// The host, if it is a name and not an address.
    name: Option<ResolvedName>,
    /// With the name for which the certificate must be valid.
    tls: Option<(TlsConfig, String)>,
    scgi: bool,
}

/// The byte stream of a connection.
pub(super) enum ByteStream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    // Boxed, because the state of a TLS session is larger than a kilobyte.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connector {
    pub(super) fn new(address: &Address, tls: Option<TlsConfig>, dns: &Arc<Dns>) -> Connector {
        let tls = tls.filter(|_| address.is_secure()).map(|tls| (tls, address.name_in_url().to_owned()));
        let name = match address.endpoint() {
            Endpoint::Tcp { host, .. } if host.parse::<IpAddr>().is_err() => Some(ResolvedName::new(host, dns.clone())),
            _ => None,
        };
        Connector { endpoint: address.endpoint().clone(), name, tls, scgi: address.is_scgi() }
    }

    pub(super) fn is_scgi(&self) -> bool {
        self.scgi
    }

    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) async fn connect(&self) -> io::Result<ByteStream> {
        let (host, port) = match &self.endpoint {
            Endpoint::Tcp { host, port } => (host.as_str(), *port),
            #[cfg(unix)]
            Endpoint::Unix(path) => return UnixStream::connect(path).await.map(ByteStream::Unix),
            // An `Address` with a unix socket cannot be parsed on such a system.
            #[cfg(not(unix))]
            Endpoint::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
            // Connections are opened to the hosts of a service.
            Endpoint::Service { .. } => return Err(io::ErrorKind::Unsupported.into()),
            // A program has no connections.
            #[cfg(feature = "server")]
            Endpoint::Program(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let stream = match &self.name {
            Some(name) => name.connect(port).await?,
            None => TcpStream::connect((host, port)).await?,
        };
        // With Nagle's algorithm, the kernel may hold back the end of a request until the server acknowledges its start.
        stream.set_nodelay(true)?;
        let Some((tls, name)) = &self.tls else { return Ok(ByteStream::Tcp(stream)) };
        let name = ServerName::try_from(name.clone()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(tls.clone()).connect(name, stream).await?;
        Ok(ByteStream::Tls(Box::new(stream)))
    }
}

impl ByteStream {
    pub(super) fn is_secure(&self) -> bool {
        matches!(self, ByteStream::Tls(_))
    }

    /// Whether client and server have negotiated HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self, ByteStream::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2"))
    }
}

macro_rules! with_stream {
    ($self:ident, $stream:ident => $do:expr) => {
        match $self.get_mut() {
            ByteStream::Tcp($stream) => $do,
            #[cfg(unix)]
            ByteStream::Unix($stream) => $do,
            ByteStream::Tls($stream) => $do,
        }
    };
}

impl AsyncRead for ByteStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = to.filled().len();
        let poll = with_stream!(self, stream => Pin::new(stream).poll_read(cx, to));
        // A server that sends without end, such as a chunk size that never ends, must not keep the thread.
        charge(cx, to.filled().len() - before);
        poll
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        with_stream!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Small pieces cost less to copy into one than the kernel needs for each.
        let mut room = [0; SMALL];
        match join_pieces(pieces, &mut room) {
            Some(bytes) => self.poll_write(cx, bytes),
            None => with_stream!(self, stream => Pin::new(stream).poll_write_vectored(cx, pieces)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            ByteStream::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            ByteStream::Unix(stream) => stream.is_write_vectored(),
            ByteStream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
