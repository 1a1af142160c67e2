//! The protocols of a group.

mod agree;
mod client_codecs;
mod cpython;
mod jsonrpc;
mod jsonrpc_examples;
mod mcp;
mod mcp_groups;
mod mcp_long_calls;
mod mcp_prompts;
mod mcp_resources;
mod mcp_search;
mod pages;
mod refusal_pages;
mod rest_routes;
mod soap_samples;
mod wsdl;
