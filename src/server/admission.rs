//! Which calls may run: those for which there is room in the gateway and in their group.
//!
//! A call counts from the end of its request's body until its result is ready, even if its response has begun before. A
//! request whose body is still coming, or whose response only waits for its reader, does not count. A call that finds no
//! room gets the fault `Busy` at once and does not wait: it would only add to the time that an overloaded gateway takes.
//! Calls wait in the [limiter] of their group, within their deadline.
//!
//! [limiter]: crate::service::limiter::Limiter

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::service::counters::Ending;
use crate::service::future::MaybeReady;
use crate::service::limiter::LimiterState;
use crate::service::{Call, CallFuture, Context, RpcService};

/// The calls that run in all groups together, and the limit on them.
#[derive(Debug, Default)]
pub(super) struct Admission {
    running: AtomicUsize,
    /// How many calls may run in all groups together.
    maximum: AtomicUsize,
    /// How many of them one group may have.
    per_group: AtomicUsize,
    /// How many calls a group may always have, even beyond the maximum: groups whose calls hang must not take this room
    /// from others.
    reserved: AtomicUsize,
}

/// The calls of one group that run.
#[derive(Debug, Default)]
pub(super) struct GroupLoad(AtomicUsize);

/// The room of a call, until it is dropped.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    admission: &'a Admission,
    load: &'a GroupLoad,
}

impl Admission {
    /// Room for this many calls at a time.
    pub(super) fn new(maximum: usize) -> Admission {
        let admission = Admission::default();
        admission.set_maximum(maximum);
        admission
    }

    /// Changes how many calls may run at a time. Those that run go on.
    pub(super) fn set_maximum(&self, maximum: usize) {
        self.maximum.store(maximum, Relaxed);
        self.per_group.store(maximum.div_ceil(2), Relaxed);
        self.reserved.store((maximum / 8).min(16), Relaxed);
    }

    /// Takes the room for a call; `None` if there is none.
    pub(super) fn admit<'a>(&'a self, load: &'a GroupLoad) -> Option<Admitted<'a>> {
        let admitted = Admitted { admission: self, load };
        let running = self.running.fetch_add(1, Relaxed);
        let of_group = load.0.fetch_add(1, Relaxed);
        let has_room = of_group < self.reserved.load(Relaxed)
            || (of_group < self.per_group.load(Relaxed) && running < self.maximum.load(Relaxed));
        has_room.then_some(admitted)
    }

    /// Gives back the room of one call.
    fn release(&self, load: &GroupLoad) {
        self.running.fetch_sub(1, Relaxed);
        load.0.fetch_sub(1, Relaxed);
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.admission.release(self.load);
    }
}

/// As [`Admitted`], for a call that still runs after the dispatch of its request.
#[derive(Debug)]
pub(super) struct OwnedAdmitted {
    admission: Arc<Admission>,
    load: Arc<GroupLoad>,
}

impl OwnedAdmitted {
    /// Takes over the room of `admitted`, which is of this admission and this group.
    pub(super) fn new(admitted: Admitted<'_>, admission: &Arc<Admission>, load: &Arc<GroupLoad>) -> OwnedAdmitted {
        // The room is released once, when the new value is dropped.
        std::mem::forget(admitted);
        OwnedAdmitted { admission: admission.clone(), load: load.clone() }
    }
}

impl Drop for OwnedAdmitted {
    fn drop(&mut self) {
        self.admission.release(&self.load);
    }
}

/// The service of a group whose calls cannot run: the same description, and a fault for each call, which each protocol
/// writes in its own form.
struct Refusing {
    interface: Arc<Interface>,
    /// As the caller may read it.
    shown: Arc<Interface>,
    reason: &'static str,
    limiter: Option<LimiterState>,
}

/// A service that refuses each call of `service` by this caller as busy. The calls are counted where `limiter` says.
pub(super) fn refusing_service(
    service: &dyn RpcService,
    caller: &Context,
    limiter: Option<&LimiterState>,
    reason: &'static str,
) -> Arc<dyn RpcService> {
    let (interface, shown) = (service.interface(), service.interface_for(caller));
    Arc::new(Refusing { interface, shown, reason, limiter: limiter.cloned() })
}

impl RpcService for Refusing {
    fn interface(&self) -> Arc<Interface> {
        self.interface.clone()
    }

    fn interface_for(&self, _: &Context) -> Arc<Interface> {
        self.shown.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        let meter = self.limiter.as_ref().map(LimiterState::meter);
        if let Some((meter, metered)) = meter.and_then(|meter| Some((meter, meter.begin(&call)?))) {
            meter.end(metered, call.method, Ending::Fault(Kind::Busy));
        }
        MaybeReady::now(Err(Fault::new(Kind::Busy, self.reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_group_gets_half_of_the_room_and_every_group_its_reserve() {
        let admission = Admission::new(16);
        let groups: [GroupLoad; 4] = Default::default();
        let [one, two, three, four] = &groups;
        let admission = &admission;
        let fill = |group| std::iter::from_fn(move || admission.admit(group)).collect::<Vec<_>>();
        let held = (fill(one), fill(two));
        assert_eq!((held.0.len(), held.1.len()), (8, 8));
        let reserves = (fill(three), fill(four));
        assert_eq!((reserves.0.len(), reserves.1.len()), (2, 2), "beyond the maximum");
        drop(held);
        assert_eq!(fill(three).len(), 6);
    }

    #[test]
    fn a_gateway_for_one_call_runs_one() {
        let (admission, load) = (Admission::new(1), GroupLoad::default());
        let first = admission.admit(&load);
        assert!(first.is_some() && admission.admit(&load).is_none());
        drop(first);
        assert!(admission.admit(&load).is_some());
    }
}
