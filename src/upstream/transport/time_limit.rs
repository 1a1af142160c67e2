//! The time limit of one phase of a request, within the deadline of the call.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::error::LateError;

/// A phase may take `timeout`, and must end before `deadline`.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimit {
    pub(super) timeout: Duration,
    pub(super) deadline: Option<Instant>,
}

impl TimeLimit {
    /// Runs one phase. One timer serves both bounds: a second one per request would be measurable.
    ///
    /// # Errors
    /// With the bound that was reached first.
    pub(super) async fn run<F: Future>(self, phase: F) -> Result<F::Output, LateError> {
        let end = Instant::now() + self.timeout;
        match self.deadline {
            Some(deadline) if deadline < end => timeout_at(deadline, phase).await.map_err(|_| LateError::Deadline),
            _ => timeout_at(end, phase).await.map_err(|_| LateError::Timeout(self.timeout)),
        }
    }
}
