//! One connection of HTTP/1.1, driven by whoever asks over it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::body::Incoming;
use super::connect::Stream;
use super::error::{Failed, Late};
use super::pool::Keeper;

/// A connection over which nobody asks at the moment.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// What moves its bytes; `None` once it has ended.
    driver: Option<Pin<Box<Driver>>>,
}

type Driver = http1::Connection<TokioIo<Stream>, Full<Bytes>>;

impl Connection {
    pub(super) async fn open(stream: Stream) -> Result<Connection, Failed> {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(Failed::sent)?;
        Ok(Connection { sender, driver: Some(Box::pin(driver)) })
    }

    /// Whether a request can be sent, as far as can be seen: the server may be closing all the same.
    pub(super) async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| {
            if self.sender.poll_ready(cx).is_pending() {
                // The end of the last answer may still have to be noticed.
                drive(&mut self.driver, cx);
            }
            Poll::Ready(matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(()))))
        })
        .await
    }

    /// Sends a request and reads the head of the response. The connection is kept again when its body has been read.
    pub(super) async fn send(
        mut self,
        request: Request<Bytes>,
        limit: Duration,
        keeper: Keeper,
    ) -> Result<Response<Incoming>, Failed> {
        let mut sending = pin!(self.sender.try_send_request(request.map(Full::new)));
        let driver = &mut self.driver;
        let response = poll_fn(|cx| {
            if let ready @ Poll::Ready(_) = sending.as_mut().poll(cx) {
                return ready;
            }
            // A connection that ends before it has taken the request gives it back.
            drive(driver, cx);
            sending.as_mut().poll(cx)
        });
        match timeout(limit, response).await {
            Ok(Ok(response)) => Ok(response.map(|body| Incoming::http1(body, self, limit, keeper))),
            Ok(Err(mut error)) => {
                let unsent = error.take_message().map(|request| request.map(unwrapped));
                Err(Failed { cause: error.into_error().into(), unsent })
            }
            Err(_) => Err(Failed::sent(Late(limit))),
        }
    }

    /// Moves bytes, if there are any to move.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, cx);
    }
}

/// Moves bytes; how the connection ends is seen by whoever asks or reads.
fn drive(driver: &mut Option<Pin<Box<Driver>>>, cx: &mut Context<'_>) {
    if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(cx).is_ready()) {
        *driver = None;
    }
}

/// The bytes of a body that was not sent.
fn unwrapped(mut body: Full<Bytes>) -> Bytes {
    use http_body::Body as _;
    let mut cx = Context::from_waker(std::task::Waker::noop());
    match Pin::new(&mut body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}
