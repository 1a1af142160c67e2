//! Makes a task yield after it has moved many bytes.

use std::task::{Context, Poll};

use tokio::task::coop::poll_proceed;

/// How many bytes cost one unit of a task's budget (see [`tokio::task::coop`]). The runtime gives a task 128 units at a
/// time, so a connection yields after 256 KiB. Otherwise one unit would pay for any number of bytes that the socket moves
/// at once.
const BYTES_PER_UNIT: usize = 2048;

/// Charges the task's budget for this many bytes. Once the budget is spent, the next read or write of the socket is pending
/// until other tasks have run.
pub(crate) fn charge(cx: &mut Context<'_>, bytes: usize) {
    for _ in 0..bytes / BYTES_PER_UNIT {
        match poll_proceed(cx) {
            Poll::Ready(unit) => unit.made_progress(),
            Poll::Pending => return,
        }
    }
}
