//! ScriptedUpstream servers.

mod batches;
mod broken;
mod layers;
mod matrix;
mod passthrough_soap;
mod transports;
