//! The stream below TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::server::activity::Activity;
use crate::server::activity_io::{Connected, PollReset};

/// The stream of a connection with TLS.
pub(in crate::server) type TlsIo = TlsStream<WireIo>;

/// The TCP stream below TLS. It notes in the connection's activity what the socket accepts.
///
/// TLS takes bytes before the socket does, so the pace of a client shows only here. What is read is noted above TLS,
/// because only there is it known what belongs to a request.
pub(in crate::server) struct WireIo {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl WireIo {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>) -> WireIo {
        WireIo { stream, activity }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => self.activity.blocked(),
            Poll::Ready(written) => self.activity.sent(*written.as_ref().unwrap_or(&0)),
        }
        written
    }
}

impl AsyncRead for WireIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for WireIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl PollReset for TlsIo {
    const NOTES_WRITES: bool = true;

    /// A client of TLS says goodbye before it ends its side (`close_notify`, RFC 8446, section 6.1), so its end has bytes
    /// before it.
    fn poll_reset(&self, cx: &mut Context<'_>) -> Connected {
        let stream = &self.get_ref().0.stream;
        match stream.poll_reset(cx) {
            Connected::Unnoticed if stream.has_ended(cx) => Connected::HalfClosed,
            connected => connected,
        }
    }

    fn has_ended(&self, cx: &mut Context<'_>) -> bool {
        self.get_ref().0.stream.has_ended(cx)
    }
}
