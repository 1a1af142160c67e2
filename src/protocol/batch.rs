//! Calls of one request that travel to their server together, and their answers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec::IntoIter;

use crate::model::fault::Fault;
use crate::service::future::Soon;
use crate::service::{Answer, Encode, Pending, Together};

/// The calls of one request, as far as they travel together.
#[derive(Default)]
pub struct Travel(Way);

#[derive(Default)]
enum Way {
    /// Each is begun by itself.
    #[default]
    Apart,
    /// They are on their way.
    Begun(Together),
    /// Their answers are there, in the order of the calls.
    Answered(IntoIter<Result<Box<dyn Encode>, Fault>>),
}

impl Travel {
    /// What has become of [calls that go together](crate::service::Service::call_together).
    pub fn of(together: Option<Together>) -> Travel {
        Travel(together.map_or(Way::Apart, Way::Begun))
    }

    /// Waits for the answers, if any call travels.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Way::Begun(together) = &mut self.0 {
            self.0 = Way::Answered(ready!(Pin::new(together).poll(cx)).into_iter());
        }
        Poll::Ready(())
    }

    /// The answer to the next of the calls; `None` where it is to be begun by itself.
    pub fn take(&mut self) -> Option<Pending> {
        match &mut self.0 {
            Way::Answered(answers) => {
                let answer = answers.next().unwrap_or_else(|| Err(Fault::internal()));
                Some(Soon::now(answer.map(Answer::One)))
            }
            Way::Apart | Way::Begun(_) => None,
        }
    }
}
