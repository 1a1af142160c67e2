//! Programs written by others: clients of the gateway, and servers behind it.

mod browser;
mod jsonrpc;
mod rest;
mod soap;
mod upstream;
mod upstream_soap;
mod xmlrpc;
