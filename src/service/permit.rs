//! Permits of responses that are being sent.
//!
//! A limit on running calls counts a response whose rows or bytes are still to come: an upstream that sends it is busy. It
//! does not count a response that waits for nothing but its reader, however slow the reader is. When a response begins to
//! wait for its reader cannot be told from when it is only about to be read on, so a permit is not given back at once. A
//! call that finds no permit takes those of the responses that have waited for some time (`ReclaimablePermits::reclaim`). A
//! response that is read on without its permit takes another if one is free, and goes on without one if not.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::service::lock::lock;

/// How long a response waits for its reader before a call may take its permit.
pub(crate) const READER_PATIENCE: Duration = Duration::from_millis(250);

/// The permit of a response: until its last row or byte has been read, or a call takes it because the reader is slow.
#[derive(Debug)]
pub struct ResponsePermit(Arc<ReclaimablePermit>);

/// The permits of the responses that are being sent under one limit.
#[derive(Debug, Default)]
pub(crate) struct ReclaimablePermits(Mutex<Vec<Weak<ReclaimablePermit>>>);

#[derive(Debug)]
struct ReclaimablePermit {
    /// Where a new permit is taken from; `None` for a permit that no call takes.
    permits: Option<Arc<Semaphore>>,
    state: Mutex<PermitState>,
}

#[derive(Debug)]
struct PermitState {
    permit: Option<OwnedSemaphorePermit>,
    /// Since when the response waits for its reader; `None` while it is being made.
    waits_since: Option<Instant>,
}

impl ResponsePermit {
    /// A permit that is held until the response has been read, however slow the reader is.
    pub fn new(permit: OwnedSemaphorePermit) -> ResponsePermit {
        ResponsePermit(Arc::new(ReclaimablePermit::new(permit, None)))
    }

    /// Notes that the reader has asked for more.
    pub(crate) fn resume(&self) {
        let mut state = lock(&self.0.state);
        state.waits_since = None;
        if state.permit.is_none() {
            state.permit = self.0.permits.clone().and_then(|permits| permits.try_acquire_owned().ok());
        }
    }

    /// Notes that what the reader has asked for is ready.
    pub(crate) fn pause(&self) {
        lock(&self.0.state).waits_since = Some(Instant::now());
    }
}

impl ReclaimablePermits {
    /// The permit for a response that is ready to be read.
    pub(crate) fn hold(&self, permit: OwnedSemaphorePermit) -> ResponsePermit {
        let permits = permit.semaphore().clone();
        let reclaimable = Arc::new(ReclaimablePermit::new(permit, Some(permits)));
        let mut all = lock(&self.0);
        // Only when it is full: most responses end before that, and each would otherwise look at all others.
        if all.len() == all.capacity() {
            all.retain(|reclaimable| reclaimable.strong_count() > 0);
        }
        all.push(Arc::downgrade(&reclaimable));
        ResponsePermit(reclaimable)
    }

    /// Takes back the permits of all responses that have waited long enough for their readers.
    pub(crate) fn reclaim(&self) {
        for reclaimable in lock(&self.0).iter().filter_map(Weak::upgrade) {
            let mut state = lock(&reclaimable.state);
            if state.waits_since.is_some_and(|since| since.elapsed() >= READER_PATIENCE) {
                state.permit = None;
            }
        }
    }
}

impl ReclaimablePermit {
    fn new(permit: OwnedSemaphorePermit, permits: Option<Arc<Semaphore>>) -> ReclaimablePermit {
        let state = PermitState { permit: Some(permit), waits_since: Some(Instant::now()) };
        ReclaimablePermit { permits, state: Mutex::new(state) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_response_gives_up_its_permit_only_while_it_waits_for_its_reader() {
        let permits = Arc::new(Semaphore::new(1));
        let reclaimable = ReclaimablePermits::default();
        let response = reclaimable.hold(permits.clone().try_acquire_owned().unwrap());
        let reclaimed = || {
            reclaimable.reclaim();
            permits.available_permits()
        };
        assert_eq!(reclaimed(), 0, "its reader has had no time yet");
        response.resume();
        std::thread::sleep(READER_PATIENCE);
        assert_eq!(reclaimed(), 0, "it is being made");
        response.pause();
        std::thread::sleep(READER_PATIENCE);
        assert_eq!(reclaimed(), 1);
        response.resume();
        assert_eq!(permits.available_permits(), 0, "it takes another if one is free");
        response.pause();
        std::thread::sleep(READER_PATIENCE);
        assert_eq!(reclaimed(), 1);
        let other = permits.clone().try_acquire_owned();
        response.resume();
        drop(response);
        assert!(other.is_ok() && permits.available_permits() == 0, "it goes on without one");
    }

    #[tokio::test]
    async fn a_permit_of_ones_own_is_held_to_the_end() {
        let permits = Arc::new(Semaphore::new(1));
        let response = ResponsePermit::new(permits.clone().try_acquire_owned().unwrap());
        response.pause();
        assert_eq!(permits.available_permits(), 0);
        drop(response);
        assert_eq!(permits.available_permits(), 1);
    }

    #[test]
    fn responses_that_have_ended_are_forgotten() {
        let permits = Arc::new(Semaphore::new(1));
        let reclaimable = ReclaimablePermits::default();
        for _ in 0..1000 {
            reclaimable.hold(permits.clone().try_acquire_owned().unwrap());
        }
        assert!(lock(&reclaimable.0).len() < 10);
    }
}
