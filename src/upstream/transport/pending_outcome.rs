//! Whether a response with the status of a server error is an answer: only the code that reads it knows.
//!
//! Faults of XML-RPC, SOAP and JSON-RPC may come with status 500. A host that returns them is well.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use http::{Extensions, HeaderMap, StatusCode};

use crate::service::lock::lock;

/// An extension of a response whose status says that the server has failed. If all clones are dropped without
/// [`note_answer`](PendingOutcome::note_answer), the response counts as a failure of the server.
#[derive(Clone)]
pub(crate) struct PendingOutcome(Arc<Undecided>);

/// An extension of a request: whether a response with these headers may be an answer, although its status says that the server has
/// failed. A request that is harmless to repeat is sent again after one that may not.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "a client alone has no protocol"))]
pub(crate) struct MayBeAnswer(pub(crate) fn(&HeaderMap) -> bool);

type Listener = Box<dyn FnOnce(bool) + Send>;

struct Undecided {
    is_answer: AtomicBool,
    listeners: Mutex<Vec<Listener>>,
}

/// Whether a status says that the server has failed, unless the response is an answer of the protocol.
pub(crate) fn is_failure(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

impl PendingOutcome {
    /// Calls `listener`, once it is known, with whether a response with these extensions is an answer.
    pub(crate) fn on_decided(extensions: &mut Extensions, listener: impl FnOnce(bool) + Send + 'static) {
        let outcome = extensions.get_or_insert_with(|| {
            PendingOutcome(Arc::new(Undecided { is_answer: AtomicBool::new(false), listeners: Mutex::default() }))
        });
        lock(&outcome.0.listeners).push(Box::new(listener));
    }

    /// Notes that a response is an answer: a result or a fault of the protocol.
    #[cfg_attr(not(feature = "server"), allow(dead_code, reason = "a client alone does not watch over servers"))]
    pub(crate) fn note_answer(status: StatusCode, extensions: &Extensions) {
        if is_failure(status)
            && let Some(outcome) = extensions.get::<PendingOutcome>()
        {
            outcome.0.is_answer.store(true, Relaxed);
        }
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        let is_answer = self.is_answer.load(Relaxed);
        for listener in std::mem::take(&mut *lock(&self.listeners)) {
            listener(is_answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use http::Response;

    use super::*;

    #[test]
    fn a_response_is_a_failure_unless_someone_knows_better() {
        for is_answer in [false, true] {
            let (sender, outcomes) = channel();
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            for _ in 0..2 {
                let sender = sender.clone();
                PendingOutcome::on_decided(response.extensions_mut(), move |outcome| sender.send(outcome).unwrap());
            }
            let copy = response.clone();
            drop(response);
            assert!(outcomes.try_recv().is_err(), "not known yet");
            if is_answer {
                PendingOutcome::note_answer(copy.status(), copy.extensions());
            }
            drop(copy);
            assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), [is_answer; 2]);
        }
    }
}
