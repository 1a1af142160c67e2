//! The time limit of one phase of a request, within the deadline of the call.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::error::LateError;
use crate::service::future::with_checks;
use crate::service::unread_body::UnreadBody;

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

    /// Runs a phase in which a body may be sent that arrives from a client. The timeout then bounds each pause in which the server
    /// takes none of it, and what follows its end. The deadline is not looked at: a client may take longer to send its body, and
    /// the limiter of the group counts from its end.
    ///
    /// # Errors
    /// As for [`run`](TimeLimit::run).
    pub(super) async fn run_beside<F: Future>(
        self,
        arriving: Option<&UnreadBody>,
        phase: F,
    ) -> Result<F::Output, LateError> {
        let Some(body) = arriving else { return self.run(phase).await };
        let check = || body.pause_left(self.timeout).ok_or(LateError::Timeout(self.timeout));
        Box::pin(with_checks(self.timeout, phase, check)).await
    }
}
