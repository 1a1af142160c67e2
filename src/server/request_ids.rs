//! The ids that a gateway gives to requests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::service::request_id::RequestId;

/// The next ids of a process.
#[derive(Debug)]
pub(super) struct RequestIds {
    /// Distinguishes the ids of this process from those of another.
    process: u32,
    last: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        RequestIds { process: rand::random(), last: AtomicU64::new(0) }
    }
}

impl RequestIds {
    pub(super) fn generate(&self) -> RequestId {
        RequestId::Generated { process: self.process, number: 1 + self.last.fetch_add(1, Relaxed) }
    }
}
