//! Which host of an upstream gets a request: decisions without sockets and clocks.
//!
//! ```text
//! hosts.rs       the hosts with what is known of each, and the choice among them
//! latency.rs     how long a host is expected to take
//! hash.rs        the host of a key
//! outlier.rs     hosts that fail, and how long they get no requests
//! probe.rs       what probes find
//! slow_start.rs  how a host comes back
//! ```
//!
//! Times are durations since the start of a balancer, and the random source is a parameter. So a simulation with the same seed
//! makes the same decisions, and checks them after each step (`simulation.rs`).

mod hash;
mod hosts;
mod latency;
mod outlier;
mod probe;
#[cfg(test)]
mod simulation;
mod slow_start;

pub(crate) use crate::service::random::key_of;
pub(crate) use hosts::{HostState, Hosts, NewHost, NoHost};
pub(crate) use latency::Measured;
pub use outlier::OutlierOptions;
pub(crate) use outlier::{Ejection, Outcome};
pub(crate) use probe::ProbeThresholds;
#[cfg(feature = "server")]
pub(crate) use probe::next_probe;

/// How a host is chosen among several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// The better of two hosts that are drawn at random, by latency and requests in flight.
    #[default]
    LeastLatency,
    /// The one of two hosts that are drawn at random which has fewer requests in flight.
    LeastRequests,
    /// Each host in turn.
    RoundRobin,
    /// The host of the request's key, as long as that is available. A request without a key goes to the better of two hosts.
    Hash,
}
