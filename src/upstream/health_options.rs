//! How the hosts of an upstream are probed.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value as Json;

/// How hosts are probed, and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthOptions {
    /// What is sent.
    pub probe: Probe,
    /// The time from one probe of a host to the next.
    pub interval: Duration,
    /// By which part of it the interval is changed at random, from 0 to 1.
    pub jitter: f64,
    /// How long a probe may take.
    pub timeout: Duration,
    /// After how many failed probes in a row a host gets no requests.
    pub unhealthy: u32,
    /// After how many passed probes in a row it gets requests again.
    pub healthy: u32,
}

/// What a probe sends, and what it expects.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// A call without arguments of a method that changes nothing. A fault is not accepted.
    Call {
        /// The method.
        method: String,
        /// The result that is expected, if not any.
        result: Option<Json>,
    },
    /// The request by which servers of the protocol describe themselves. A fault is accepted: not every server has a description.
    Describe,
    /// A GET.
    Get {
        /// The path on the host, with its query.
        path: String,
        /// The status that is expected, if not any from 200 to 299.
        status: Option<StatusCode>,
    },
    /// A connection, with TLS if the host has that.
    Connect,
}
