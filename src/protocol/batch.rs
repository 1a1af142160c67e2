//! Calls of one request that travel to their server together, and their answers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec::IntoIter;

use crate::model::fault::Fault;
use crate::service::future::MaybeReady;
use crate::service::{BatchFuture, CallFuture, Encode, Output};

/// The calls of one request, as far as they travel together.
#[derive(Default)]
pub struct BatchState(Way);

#[derive(Default)]
enum Way {
    /// Each is begun by itself.
    #[default]
    Apart,
    /// They are on their way.
    Begun(BatchFuture),
    /// Their answers are there, in the order of the calls.
    Answered(IntoIter<Result<Box<dyn Encode>, Fault>>),
}

impl BatchState {
    /// What has become of [calls that go together](crate::service::RpcService::call_batch).
    pub fn new(together: Option<BatchFuture>) -> BatchState {
        BatchState(together.map_or(Way::Apart, Way::Begun))
    }

    /// Waits for the answers, if any call travels.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Way::Begun(together) = &mut self.0 {
            self.0 = Way::Answered(ready!(Pin::new(together).poll(cx)).into_iter());
        }
        Poll::Ready(())
    }

    /// The answer to the next of the calls; `None` where it is to be begun by itself.
    pub fn take(&mut self) -> Option<CallFuture> {
        match &mut self.0 {
            Way::Answered(answers) => {
                let answer = answers.next().unwrap_or_else(|| Err(Fault::internal()));
                Some(MaybeReady::now(answer.map(Output::One)))
            }
            Way::Apart | Way::Begun(_) => None,
        }
    }
}
