//! Connections being made: to a host, with or without TLS, or to a unix socket.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Secure;
use super::address::{Address, Where};
use crate::http::coalesce::{SMALL, joined};

/// Where a server listens.
pub(super) struct Place {
    at: At,
    secure: Option<Secure>,
    scgi: bool,
}

enum At {
    Tcp { host: String, port: u16 },
    Unix(Arc<Path>),
}

/// A connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Place {
    pub(super) fn of(address: &Address, secure: Option<Secure>) -> Place {
        let at = match address.place() {
            Where::Tcp { host, port } => At::Tcp { host: host.clone(), port: *port },
            Where::Unix(path) => At::Unix(path.as_path().into()),
        };
        Place { at, secure: secure.filter(|_| address.is_secure()), scgi: address.is_scgi() }
    }

    pub(super) fn is_scgi(&self) -> bool {
        self.scgi
    }

    pub(super) async fn connect(&self) -> io::Result<Stream> {
        let (host, port) = match &self.at {
            At::Tcp { host, port } => (host.as_str(), *port),
            At::Unix(path) => return UnixStream::connect(path).await.map(Stream::Unix),
        };
        let stream = TcpStream::connect((host, port)).await?;
        // Without it the kernel may hold back the end of a request until the server acknowledges its start.
        stream.set_nodelay(true)?;
        let Some(secure) = &self.secure else { return Ok(Stream::Tcp(stream)) };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(secure.clone()).connect(name, stream).await?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

impl Stream {
    pub(super) fn is_secure(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// Whether both sides have agreed on HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Stream::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2"))
    }
}

macro_rules! each {
    ($self:ident, $stream:ident => $do:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $do,
            Stream::Unix($stream) => $do,
            Stream::Tls($stream) => $do,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, to))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut room = [0; SMALL];
        match joined(pieces, &mut room) {
            Some(bytes) => self.poll_write(cx, bytes),
            None => each!(self, stream => Pin::new(stream).poll_write_vectored(cx, pieces)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
