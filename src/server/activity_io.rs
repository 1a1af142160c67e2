//! The stream of a connection. It notes in the connection's [`Activity`] when bytes move and when they do not, and yields
//! to other tasks after moving many.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::unix_socket::UnixStream;
use crate::http::coalesce::{SMALL, join_pieces};
use crate::http::turn::charge;

/// A stream that can tell that its client has reset the connection.
pub(super) trait PollReset {
    /// Whether the client has reset the connection. If it has not, the task is woken when it does, unless bytes have
    /// arrived that are not read yet. A client that has only ended its side of the connection may still read.
    fn poll_reset(&self, cx: &mut Context<'_>) -> bool;
}

impl PollReset for TcpStream {
    fn poll_reset(&self, cx: &mut Context<'_>) -> bool {
        let mut byte = [MaybeUninit::uninit(); 1];
        matches!(self.poll_peek(cx, &mut ReadBuf::uninit(&mut byte)), Poll::Ready(Err(_)))
    }
}

/// A unix socket does not tell whether the other side has closed all of the connection or only its own side.
impl PollReset for UnixStream {
    fn poll_reset(&self, _: &mut Context<'_>) -> bool {
        false
    }
}

/// A stream that notes its reads and writes in its connection's activity.
pub(super) struct ActivityIo<T> {
    stream: T,
    activity: Arc<Activity>,
    /// Whether the next bytes belong to a request line that has begun to arrive.
    in_request_line: bool,
}

impl<T> ActivityIo<T> {
    pub(super) fn new(stream: T, activity: Arc<Activity>) -> ActivityIo<T> {
        ActivityIo { stream, activity, in_request_line: false }
    }

    /// Notes a `#` in a request line: a target has no fragment (RFC 9112, section 3.2), and hyper removes it before anyone
    /// can see it. Only the first of several requests that arrive at once is looked at.
    fn look_for_fragment(&mut self, received: &[u8]) {
        match memchr::memchr2(b'#', b'\n', received).and_then(|at| received.get(at)) {
            None => {}
            Some(b'#') => {
                self.activity.note_fragment();
                self.in_request_line = false;
            }
            Some(_) => self.in_request_line = false,
        }
    }

    fn note(&self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => self.activity.blocked(),
            Poll::Ready(written) => {
                self.activity.sent();
                charge(cx, *written.as_ref().unwrap_or(&0));
            }
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ActivityIo<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.in_request_line |= self.activity.received();
            if self.in_request_line {
                self.look_for_fragment(buffer.filled().get(before..).unwrap_or_default());
            }
            charge(cx, read);
        }
        poll
    }
}

impl<T: AsyncWrite + PollReset + Unpin> AsyncWrite for ActivityIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = [0; SMALL];
        let stream = Pin::new(&mut self.stream);
        let written = match join_pieces(slices, &mut buffer) {
            Some(bytes) => stream.poll_write(cx, bytes),
            None => stream.poll_write_vectored(cx, slices),
        };
        self.note(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Also notices a client that has reset the connection while a request is being served. hyper flushes at the end of
    /// each turn, and reads nothing meanwhile: without this the call would run to its end for no reader.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.is_serving() && self.stream.poll_reset(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    impl PollReset for tokio::io::Sink {
        fn poll_reset(&self, _: &mut Context<'_>) -> bool {
            false
        }
    }

    use crate::server::activity::ActivityMonitor;
    use crate::server::settings::Timeouts;

    #[tokio::test]
    async fn a_connection_yields_after_moving_256_kib() {
        let guard = ActivityMonitor::new(Timeouts::default()).enter(&Arc::default());
        let mut stream = ActivityIo::new(tokio::io::sink(), guard.activity.clone());
        let piece = vec![0; crate::http::body::PIECE];
        let mut turn = async || {
            let mut moved = 0;
            poll_fn(|cx| {
                while let Poll::Ready(written) = Pin::new(&mut stream).poll_write(cx, &piece) {
                    moved += written.unwrap_or_default();
                }
                Poll::Ready(())
            })
            .await;
            tokio::task::yield_now().await;
            moved
        };
        assert_eq!((turn().await, turn().await), (256 << 10, 256 << 10));
    }
}
