//! Programs of other projects: clients of the gateway, and upstream servers.

mod browser;
mod jsonrpc;
mod mcp;
mod mcp_documents;
mod rest;
mod soap;
mod soap_made_up;
mod upstream;
#[cfg(unix)]
mod upstream_mcp;
mod upstream_rest;
mod upstream_security;
mod upstream_soap;
mod upstream_soap_zeep;
mod xmlrpc;
