//! The options that all requests of a transport share, and their budget for retries.

use tokio::time::Instant;

use super::TransportOptions;
use super::retry_budget::RetryBudget;

/// The options of a transport, and its budget for requests that are sent again.
pub(super) struct SendPolicy {
    pub(super) options: TransportOptions,
    pub(super) budget: RetryBudget,
    /// The origin of the times of the budget.
    start: Instant,
}

impl SendPolicy {
    pub(super) fn new(options: TransportOptions) -> SendPolicy {
        let budget = RetryBudget::new(options.retries.budget, options.retries.floor);
        SendPolicy { options, budget, start: Instant::now() }
    }

    /// Notes that a request is sent for the first time.
    pub(super) fn deposit(&self, now: Instant) {
        self.budget.deposit(now.saturating_duration_since(self.start));
    }

    /// Takes one retry from the budget. Returns whether there was one.
    pub(super) fn withdraw_retry(&self) -> bool {
        self.budget.withdraw(self.start.elapsed())
    }
}
