//! Upstream servers.

mod batches;
mod broken;
mod connections;
mod faults;
mod large;
mod layers;
mod matrix;
mod outages;
mod passthrough;
mod passthrough_soap;
mod transports;
