//! The breakers of an upstream: one for all of its calls, or one for each method.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{Extensions, Response};
use tokio::time::Instant;

pub(crate) use super::breaker::BreakerState;
use super::breaker::{Admission, Breaker, BreakerOptions, CallEnd};
use super::transport::{PendingOutcome, TransportError, is_failure};
use crate::model::fault::{Fault, Kind};
use crate::service::lock::lock;
use crate::service::outage::Outage;
use crate::service::unread_body::UnreadBody;

/// How many methods have a breaker of their own. All further ones share one.
const MOST_METHODS: usize = 1000;

/// The breakers, and when the time began that they are told.
#[derive(Debug)]
pub(super) struct Breakers {
    options: BreakerOptions,
    /// The group, for log lines.
    group: String,
    start: Instant,
    common: Arc<Breaker>,
    by_method: Mutex<BTreeMap<Arc<str>, Arc<Breaker>>>,
    /// Since when the common one is not closed.
    since: Mutex<Option<SystemTime>>,
}

/// A call that was let through. Dropping it says that nothing is known of its end.
#[derive(Debug)]
pub(super) struct AdmittedCall {
    breakers: Arc<Breakers>,
    breaker: Arc<Breaker>,
    /// The method, if the breaker is that of a method.
    method: Option<Arc<str>>,
    admission: Option<Admission>,
    begun: Instant,
    /// The body of the request, if it arrives from a client.
    body: Option<UnreadBody>,
}

/// The state of a breaker, for those who watch over it.
#[derive(Debug)]
pub(crate) struct BreakerReport {
    /// `None` for the one of all methods together.
    pub(crate) method: Option<Arc<str>>,
    pub(crate) state: BreakerState,
    pub(crate) opened: u64,
    pub(crate) refused: u64,
}

impl Breakers {
    pub(super) fn new(options: BreakerOptions, group: String) -> Breakers {
        Breakers {
            options,
            group,
            start: Instant::now(),
            common: Arc::new(Breaker::new()),
            by_method: Mutex::default(),
            since: Mutex::default(),
        }
    }

    /// Lets a call through.
    ///
    /// # Errors
    /// `Unreachable` while calls are refused.
    pub(super) fn admit(
        self: &Arc<Breakers>,
        method: Option<&Arc<str>>,
        body: Option<UnreadBody>,
    ) -> Result<Box<AdmittedCall>, Fault> {
        let (breaker, method) = self.of_method(method);
        let admission = breaker.admit(&self.options, self.start.elapsed()).map_err(refusal)?;
        Ok(Box::new(AdmittedCall {
            breakers: self.clone(),
            breaker,
            method,
            admission: Some(admission),
            begun: Instant::now(),
            body,
        }))
    }

    fn of_method(&self, method: Option<&Arc<str>>) -> (Arc<Breaker>, Option<Arc<str>>) {
        let Some(method) = method.filter(|_| self.options.per_method) else { return (self.common.clone(), None) };
        let mut by_method = lock(&self.by_method);
        if !by_method.contains_key(method) && by_method.len() >= MOST_METHODS {
            return (self.common.clone(), None);
        }
        let breaker = by_method.entry(method.clone()).or_insert_with(|| Arc::new(Breaker::new()));
        (breaker.clone(), Some(method.clone()))
    }

    /// The outage of the upstream, while calls of all methods are refused. If each method has a breaker of its own, the common one
    /// refuses batches only.
    pub(super) fn outage(&self) -> Option<Outage> {
        if self.options.per_method {
            return None;
        }
        let BreakerState::Open(until) = self.common.state() else { return None };
        let left = until.saturating_sub(self.start.elapsed());
        let since = lock(&self.since).unwrap_or_else(SystemTime::now);
        Some(Outage {
            since,
            next_attempt: SystemTime::now().checked_add(left),
            reason: refusal(left).message.into_owned(),
        })
    }

    pub(super) fn reports(&self) -> Vec<BreakerReport> {
        let report = |method: Option<Arc<str>>, breaker: &Breaker| BreakerReport {
            method,
            state: breaker.state(),
            opened: breaker.opened(),
            refused: breaker.refused(),
        };
        let by_method = lock(&self.by_method);
        let of_methods = by_method.iter().map(|(method, breaker)| report(Some(method.clone()), breaker));
        std::iter::once(report(None, &self.common)).chain(of_methods).collect()
    }
}

fn refusal(left: Duration) -> Fault {
    let fault = Fault::new(Kind::Unreachable, "").retry_in(left);
    let seconds = fault.retry_after.map_or(0, u32::from);
    let message = format!(
        "the upstream server is not called, because too many calls to it have failed; it is called again in {seconds} s"
    );
    Fault { message: message.into(), ..fault }
}

impl AdmittedCall {
    /// Notes what the response to the call tells, or its absence. That the deadline of the call is over says something only after a
    /// `long` time: clients choose how long they wait.
    pub(super) fn note<B>(mut self: Box<Self>, sent: Result<&mut Response<B>, &TransportError>, long: Duration) {
        if self.body.take().is_some_and(|body| body.has_failed()) {
            // What the client breaks off says nothing of the upstream.
            return;
        }
        match sent {
            Ok(response) if is_failure(response.status()) => self.wait_for_outcome(response.extensions_mut()),
            Ok(_) => self.end(CallEnd::Answered),
            // Nothing was sent, or what failed is not the upstream.
            Err(error) if error.is_past_deadline() && self.begun.elapsed() < long => {}
            Err(error) if error.is_busy() || error.is_withheld() || error.memory_fault().is_some() => {}
            Err(_) => self.end(CallEnd::Failed),
        }
    }

    fn wait_for_outcome(mut self: Box<Self>, extensions: &mut Extensions) {
        PendingOutcome::on_decided(extensions, move |is_answer| {
            self.end(if is_answer { CallEnd::Answered } else { CallEnd::Failed });
        });
    }

    fn end(&mut self, end: CallEnd) {
        let Some(admission) = self.admission.take() else { return };
        let Breakers { options, group, start, .. } = &*self.breakers;
        let method = self.method.as_deref();
        match self.breaker.end(admission, end, options, start.elapsed()) {
            Some(BreakerState::Open(_)) => {
                if method.is_none() {
                    lock(&self.breakers.since).get_or_insert_with(SystemTime::now);
                }
                let open = options.open;
                tracing::warn!(
                    group,
                    method,
                    "too many calls to an upstream have failed: calls are refused for {open:?}"
                );
            }
            Some(BreakerState::Closed) => {
                if method.is_none() {
                    lock(&self.breakers.since).take();
                }
                tracing::info!(group, method, "calls to an upstream are no longer refused");
            }
            Some(BreakerState::HalfOpen) | None => {}
        }
    }
}

impl Drop for AdmittedCall {
    fn drop(&mut self) {
        self.end(CallEnd::Unknown);
    }
}
