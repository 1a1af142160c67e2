//! Upstream servers.

mod balance_keys;
mod batches;
mod breakers;
mod broken;
mod connections;
mod deviations;
mod dns;
mod failing_hosts;
mod faults;
mod forwarding;
mod free_arguments;
mod identity_token;
mod jsonrpc_servers;
mod large;
mod layers;
mod matrix;
mod mcp;
#[cfg(unix)]
mod mcp_programs;
mod oauth2;
mod outages;
mod passthrough;
mod passthrough_soap;
mod probes;
mod rest;
mod rest_credentials;
mod rest_methods;
mod rest_passthrough;
mod rest_responses;
mod retries;
mod retry_after;
mod slow_hosts;
mod soap_samples;
mod soap_services;
mod transports;
