//! Properties checked with random input.

mod json;
mod rest;
mod soap;
mod xmlrpc;
