//! The calls of one request, begun so that those that an upstream can receive together travel together.

use std::collections::VecDeque;

use crate::service::CallFuture;
use crate::service::batch::Batch;

/// Begins the calls of one request.
///
/// As long as no call joins the [`Batch`], the calls are begun one by one, as their results are wanted. As soon as one
/// does, all that follow it are begun at once, so that they can join too.
#[derive(Default)]
pub struct BatchState {
    batch: Batch,
}

impl BatchState {
    /// The calls that are begun next: one, or all that are left, in the order of the request. `begin` begins the next
    /// call; it returns `None` if there is none. Empty if no call is left.
    pub fn begin<T>(&mut self, mut begin: impl FnMut(&Batch) -> Option<(T, CallFuture)>) -> VecDeque<(T, CallFuture)> {
        let mut begun: VecDeque<_> = begin(&self.batch).into_iter().collect();
        if !self.batch.is_empty() && !begun.is_empty() {
            begun.extend(std::iter::from_fn(|| begin(&self.batch)));
            self.batch.close();
        }
        begun
    }
}
