//! An HTTP/1.1 connection, driven by the task that sends a request over it.
//!
//! hyper gives out a connection in two halves: a sender, and a driver that moves the bytes, which most programs give to a
//! task of its own. Here the task that waits for the response polls the driver too: a request then wakes one task instead
//! of two, and never moves between threads.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::connect::ByteStream;
use super::connection_limit::ConnectionPlace;
use super::error::SendFailure;
use super::outgoing::{OutgoingBody, OutgoingRequest, arriving};
use super::time_limit::TimeLimit;

/// A connection that is used by one request, or by none.
pub(super) struct Http1Connection {
    sender: SendRequest<OutgoingBody>,
    /// `None` once it has ended: a driver must not be polled again.
    driver: Option<Pin<Box<Driver>>>,
    /// Its place among the connections to its server, if their number is limited.
    _place: ConnectionPlace,
}

type Driver = http1::Connection<TokioIo<ByteStream>, OutgoingBody>;

impl Http1Connection {
    pub(super) async fn open(stream: ByteStream, place: ConnectionPlace) -> Result<Http1Connection, hyper::Error> {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Http1Connection { sender, driver: Some(Box::pin(driver)), _place: place })
    }

    /// Whether a request can be sent, as far as this side knows: the server may be closing the connection.
    pub(super) async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| {
            if self.sender.poll_ready(cx).is_pending() {
                // The driver may not yet have seen the end of the last response, or that the server has closed.
                drive(&mut self.driver, cx);
            }
            Poll::Ready(matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(()))))
        })
        .await
    }

    /// Sends a request and reads the head of the response. The body arrives only while the returned connection is
    /// [driven](Http1Connection::drive).
    pub(super) async fn send(
        mut self,
        request: OutgoingRequest,
        limit: TimeLimit,
    ) -> Result<(Response<Incoming>, Http1Connection), SendFailure> {
        let arriving = arriving(&request);
        let mut sending = pin!(self.sender.try_send_request(OutgoingBody::of(request)));
        let driver = &mut self.driver;
        let response = poll_fn(|cx| {
            if let ready @ Poll::Ready(_) = sending.as_mut().poll(cx) {
                return ready;
            }
            // The driver may have just received the response. If the connection has ended before it took the request, the
            // second poll gives the request back.
            drive(driver, cx);
            sending.as_mut().poll(cx)
        });
        match limit.run_beside(arriving.as_ref(), response).await {
            Ok(Ok(response)) => Ok((response, self)),
            Ok(Err(mut error)) => {
                let unsent = error.take_message().map(|request| Box::new(request.map(OutgoingBody::into_bytes)));
                Err(SendFailure { cause: error.into_error().into(), unsent })
            }
            Err(late) => Err(SendFailure::sent(late)),
        }
    }

    /// Reads and writes what can be read and written now.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, cx);
    }
}

/// Polls the driver. Its error, if it ends with one, also reaches the sender or the body.
fn drive(driver: &mut Option<Pin<Box<Driver>>>, cx: &mut Context<'_>) {
    if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(cx).is_ready()) {
        *driver = None;
    }
}
