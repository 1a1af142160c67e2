//! The state of a service on pages: whether it can be used, and if not, why and since when.

use std::time::SystemTime;

use serde::Serialize;

use super::prose::sentence;
use crate::service::outage::{Outage, time_text};

/// An outage, as templates show it.
#[derive(Debug, Serialize)]
pub(super) struct OutageView {
    /// What is wrong, as a sentence.
    reason: String,
    /// Since when.
    since: String,
    /// When the service is tried again; `None` if it is being tried.
    next: Option<String>,
    /// Whether the methods are known from earlier.
    described: bool,
}

impl OutageView {
    pub(super) fn new(outage: &Outage, described: bool) -> OutageView {
        // A time that has passed says that the service is about to be tried.
        let next = outage.next_attempt.filter(|next| *next > SystemTime::now());
        OutageView {
            reason: sentence(&outage.reason),
            since: outage.since_text(),
            next: next.map(time_text),
            described,
        }
    }
}
