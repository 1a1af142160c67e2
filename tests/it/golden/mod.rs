//! Whole responses and documents, byte for byte. `UPDATE_GOLDEN=1` writes the files of `tests/golden` instead of
//! comparing them.

mod jsonrpc;
mod mcp;
mod openrpc;
mod rest;
mod soap;
mod wsdl;
mod xmlrpc;
