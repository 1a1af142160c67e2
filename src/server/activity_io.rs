//! The stream of a connection. It notes in the connection's [`Activity`] when bytes move and when they do not, and yields
//! to other tasks after moving many.

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;

use super::access_log::{AccessLine, AccessLog, LineEnd};
use super::activity::Activity;
use super::unix_socket::UnixStream;
use crate::http::coalesce::{SMALL, join_pieces};
use crate::http::turn::charge;

/// A stream that can tell that its client has left: that it has reset the connection, or closed both sides of it. A client
/// that has only ended its own side may still read.
pub(super) trait PollReset {
    /// Whether the stream itself notes in the activity what its socket accepts.
    const NOTES_WRITES: bool = false;

    /// Whether the client has left.
    fn poll_reset(&self, cx: &mut Context<'_>) -> Connected;

    /// Whether the client has ended its side, also if bytes have arrived before the end that are not read yet.
    fn has_ended(&self, cx: &mut Context<'_>) -> bool;
}

/// What a stream knows of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connected {
    /// It is there. The task is woken when it leaves.
    Yes,
    /// It is there, and the task is not woken when it leaves, because bytes or the end of the client's side have arrived that
    /// are not read yet: the stream is readable already.
    Unnoticed,
    /// It has ended its own side of a TCP connection. Most clients do that when they leave; this one may still read.
    HalfClosed,
    /// It has left.
    No,
}

impl PollReset for TcpStream {
    fn poll_reset(&self, cx: &mut Context<'_>) -> Connected {
        let mut byte = [MaybeUninit::uninit(); 1];
        match self.poll_peek(cx, &mut ReadBuf::uninit(&mut byte)) {
            Poll::Pending => Connected::Yes,
            Poll::Ready(Err(_)) => Connected::No,
            // The system reports a reset that arrives behind other bytes only after they have been read.
            Poll::Ready(Ok(peeked)) => match closed_both_sides(pin!(self.ready(Interest::WRITABLE)), cx) {
                Connected::Unnoticed if peeked == 0 => Connected::HalfClosed,
                connected => connected,
            },
        }
    }

    fn has_ended(&self, cx: &mut Context<'_>) -> bool {
        let ready = pin!(self.ready(Interest::READABLE));
        matches!(ready.poll(cx), Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }
}

/// The other side of a unix socket cannot reset it. It has left when it has closed both of its sides.
impl PollReset for UnixStream {
    fn poll_reset(&self, cx: &mut Context<'_>) -> Connected {
        match self.poll_read_ready(cx) {
            Poll::Pending => Connected::Yes,
            Poll::Ready(_) => closed_both_sides(pin!(self.ready(Interest::WRITABLE)), cx),
        }
    }

    fn has_ended(&self, cx: &mut Context<'_>) -> bool {
        let ready = pin!(self.ready(Interest::READABLE));
        matches!(ready.poll(cx), Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }
}

/// Whether nothing can be written any more, because the client has reset the connection or closed both sides of it. To bytes
/// that wait to be read it makes no difference.
fn closed_both_sides(ready: Pin<&mut impl Future<Output = io::Result<Ready>>>, cx: &mut Context<'_>) -> Connected {
    match ready.poll(cx) {
        Poll::Ready(Ok(ready)) if ready.is_write_closed() => Connected::No,
        Poll::Ready(Err(_)) => Connected::No,
        _ => Connected::Unnoticed,
    }
}

/// A stream that notes its reads and writes in its connection's activity.
pub(super) struct ActivityIo<T> {
    stream: T,
    /// The log of the lines that wait until their responses are written.
    log: Option<AccessLog>,
    activity: Arc<Activity>,
    /// Whether the next bytes belong to a request line that has begun to arrive.
    in_request_line: bool,
    /// The same of a head of HTTP/1.
    in_head: bool,
    /// How many bytes behind the last response may still be discarded; `None` until the connection lingers.
    to_discard: Option<usize>,
}

/// How many bytes are discarded that a client sends behind the last response.
const MAX_DISCARDED: usize = 64 << 20;
/// How many of them are read at a time.
const DISCARDED_AT_ONCE: usize = 16 << 10;

impl<T> ActivityIo<T> {
    pub(super) fn new(stream: T, activity: Arc<Activity>, log: Option<AccessLog>) -> ActivityIo<T> {
        ActivityIo { stream, log, activity, in_request_line: false, in_head: false, to_discard: None }
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
}

impl<T: PollReset> ActivityIo<T> {
    fn note(&self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending if T::NOTES_WRITES => {}
            Poll::Pending => self.activity.blocked(),
            Poll::Ready(written) => {
                let written = *written.as_ref().unwrap_or(&0);
                if !T::NOTES_WRITES {
                    self.activity.sent(written);
                }
                charge(cx, written);
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
            let received = buffer.filled_mut().get_mut(before..).unwrap_or_default();
            if self.activity.received() {
                self.in_request_line = true;
                if received.starts_with(&TLS_HANDSHAKE) {
                    self.activity.note_tls();
                    // A response in plain text would be no help to a client of TLS.
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks TLS")));
                }
                // They look like those of a head.
                let is_http2 = received.starts_with(HTTP2_PREFACE);
                if is_http2 {
                    self.activity.note_http2();
                }
                self.in_head = received.len() >= 4 && !is_http2;
            } else if self.in_head {
                self.in_head = self.activity.is_head_arriving();
            }
            if self.in_head {
                fit_length(received);
            }
            if self.in_request_line {
                self.look_for_fragment(received);
            }
            charge(cx, read);
        }
        poll
    }
}

impl<T: AsyncRead + AsyncWrite + PollReset + Unpin> AsyncWrite for ActivityIo<T> {
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
        // TLS has bytes of its own that the socket may not have taken yet.
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready()
            && let Some(line) = self.activity.take_line()
        {
            self.end_line(line, self.stream.poll_reset(cx));
        }
        if self.activity.is_serving() {
            match self.stream.poll_reset(cx) {
                Connected::Yes => {}
                // A request that ends on half-close ends as if the client had reset the connection.
                Connected::Unnoticed | Connected::HalfClosed
                    if !(self.activity.ends_on_half_close() && self.stream.has_ended(cx)) =>
                {
                    self.activity.note_unread();
                }
                _ => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        flushed
    }

    /// After a refusal, also reads and discards what the client still sends, until it closes the connection or a limit is
    /// reached: the time and the pace are those of the sweep.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.to_discard.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.to_discard = Some(if self.activity.begin_to_linger() { MAX_DISCARDED } else { 0 });
        }
        self.poll_discard(cx).map(Ok)
    }
}

impl<T: AsyncRead + Unpin> ActivityIo<T> {
    /// Reads and discards bytes, until the client sends no more or too many.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut buffer = [MaybeUninit::uninit(); DISCARDED_AT_ONCE];
        while let Some(left) = self.to_discard.filter(|left| *left > 0 && !self.activity.has_to_finish()) {
            let mut read = ReadBuf::uninit(&mut buffer);
            let has_failed = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)).is_err();
            let bytes = read.filled().len();
            let has_ended = has_failed || bytes == 0;
            self.to_discard = Some(if has_ended { 0 } else { left.saturating_sub(bytes) });
            self.activity.discarded(bytes);
            charge(cx, bytes);
        }
        Poll::Ready(())
    }
}

impl<T> ActivityIo<T> {
    /// Writes the access line of a response that has been written to the socket.
    fn end_line(&self, mut line: Box<AccessLine>, connected: Connected) {
        line.record_written(match connected {
            Connected::Yes | Connected::Unnoticed => LineEnd::Whole,
            Connected::HalfClosed => LineEnd::ClientClosed,
            Connected::No => LineEnd::ClientGone,
        });
        if let Some(log) = &self.log {
            log.close(line);
        }
    }
}

impl<T> Drop for ActivityIo<T> {
    /// The last response of the connection may not have been written as a whole.
    fn drop(&mut self) {
        if let (Some(mut line), Some(log)) = (self.activity.take_line(), &self.log) {
            line.record_written(if self.activity.is_cut() { LineEnd::Cut } else { LineEnd::ClientGone });
            log.close(line);
        }
    }
}

/// The first bytes of TLS: a handshake record of a version 3.x (RFC 8446, section 5.1).
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// The first bytes of HTTP/2 (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI ";

/// How many digits a length has that may not fit into 64 bits.
const LONG: usize = 20;
/// How many bytes of a head are searched for a length that does not fit.
const SEARCHED: usize = 8192;

/// Replaces a `Content-Length` that does not fit into 64 bits by 10^19 - 1, with zeros in front. The request is then too large
/// for its group, which says so in the protocol of the caller. hyper would close the connection with status 431 or 400. The
/// line of the length has to arrive at once, and of several requests that arrive at once only the first is looked at.
fn fit_length(received: &mut [u8]) {
    let searched = received.len().min(SEARCHED);
    let mut at = 0;
    // Of as many digits in a row, one is at such a place.
    while at < searched {
        let digits = digits_around(received, at);
        at = digits.end + LONG;
        if digits.len() >= LONG && is_long_length(received, &digits) {
            let zeros = digits.len() + 1 - LONG;
            let digits = received.get_mut(digits).unwrap_or_default();
            digits.fill(b'9');
            digits.get_mut(..zeros).unwrap_or_default().fill(b'0');
            return;
        }
    }
}

/// The digits in a row of which one is at `at`; none, if that is no digit.
fn digits_around(bytes: &[u8], at: usize) -> Range<usize> {
    let (before, behind) = bytes.split_at_checked(at).unwrap_or_default();
    let count = |byte: &&u8| byte.is_ascii_digit();
    match behind.iter().take_while(count).count() {
        0 => at..at,
        digits => at - before.iter().rev().take_while(count).count()..at + digits,
    }
}

/// Whether these digits are the value of a `Content-Length` in the head whose bytes `received` begins with, and more than
/// hyper can count.
fn is_long_length(received: &[u8], digits: &Range<usize>) -> bool {
    let (Some(before), Some(value)) = (received.get(..digits.start), received.get(digits.clone())) else {
        return false;
    };
    let field = before.trim_ascii_end().strip_suffix(b":").unwrap_or_default();
    let (lines, name) = field.split_at(field.len().saturating_sub(b"content-length".len()));
    let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse::<u64>().ok());
    let has_ended = |end: &[u8]| memchr::memmem::find(lines, end).is_some();
    name.eq_ignore_ascii_case(b"content-length")
        && lines.ends_with(b"\n")
        && number.is_none_or(|number| number >= MAX_LENGTH)
        && !(lines.starts_with(b"\r\n") || has_ended(b"\n\r\n") || has_ended(b"\n\n"))
}

/// hyper has meanings of its own for the largest numbers.
const MAX_LENGTH: u64 = u64::MAX - 2;

#[cfg(test)]
mod tests {
    #[test]
    fn a_length_that_does_not_fit_is_replaced_and_nothing_else() {
        let fitted = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            fit_length(&mut bytes);
            String::from_utf8(bytes).unwrap()
        };
        let head = |length: &str| format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        for (length, fits) in [
            ("18446744073709551615", "09999999999999999999"),
            ("18446744073709551616", "09999999999999999999"),
            ("99999999999999999999999", "00009999999999999999999"),
        ] {
            assert_eq!(fitted(&head(length)), head(fits));
            // Wherever the length is.
            let padded = format!("POST /{length}?{length} HTTP/1.1\r\nX: {length}\r\ncontent-length:{length}\r\n");
            let (before, _) = padded.rsplit_once(length).unwrap();
            assert_eq!(fitted(&padded), format!("{before}{fits}\r\n"));
        }
        for unchanged in ["5", "00000000000000000005", "18446744073709551612", "+18446744073709551615"] {
            assert_eq!(fitted(&head(unchanged)), head(unchanged));
        }
        let body = format!("{}x\r\nContent-Length: 18446744073709551615\r\n", head("70"));
        assert_eq!(fitted(&body), body);
    }

    use std::future::poll_fn;

    use super::*;

    impl PollReset for tokio::io::Join<tokio::io::Empty, tokio::io::Sink> {
        fn poll_reset(&self, _: &mut Context<'_>) -> Connected {
            Connected::Yes
        }

        fn has_ended(&self, _: &mut Context<'_>) -> bool {
            false
        }
    }

    use crate::server::activity::ActivityMonitor;
    use crate::server::settings::Timeouts;

    #[tokio::test]
    async fn a_connection_yields_after_moving_256_kib() {
        let guard = ActivityMonitor::new(Timeouts::default()).enter(&Arc::default());
        let mut stream =
            ActivityIo::new(tokio::io::join(tokio::io::empty(), tokio::io::sink()), guard.activity.clone(), None);
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
