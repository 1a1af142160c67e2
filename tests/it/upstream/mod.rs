//! Upstream servers.

mod batches;
mod broken;
mod connections;
mod layers;
mod matrix;
mod passthrough_soap;
mod transports;
