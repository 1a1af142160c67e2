//! What all requests of a transport have in common.

use tokio::time::Instant;

use super::TransportOptions;
use super::retry_budget::RetryBudget;

/// The options of a transport, and its budget for requests that are sent again.
pub(super) struct Sending {
    pub(super) options: TransportOptions,
    pub(super) budget: RetryBudget,
    /// The origin of the times of the budget.
    start: Instant,
}

impl Sending {
    pub(super) fn new(options: TransportOptions) -> Sending {
        let budget = RetryBudget::new(options.retries.budget, options.retries.floor);
        Sending { options, budget, start: Instant::now() }
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
