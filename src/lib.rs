//! croupier: a web-service gateway. URL paths map to separately registered service groups, each reached over every
//! protocol: XML-RPC, JSON-RPC, REST, SOAP, and a page for people.
//!
//! Most people use the program and a TOML file; this library is for those who add services of their own
//! ([`local`], [`config::Registry`]), mount them in a program of their own ([`app`]), or call others ([`client`]).
//!
//! The modules stand on floors, and import only from floors below: plain data ([`fault`], [`interface`], [`value`]), what
//! stands on a wire ([`wire`]), calls and answers ([`args`], [`service`], [`rows`], [`local`], [`policy`]), protocols
//! ([`faces`]), one request's way ([`intake`], [`router`], [`gateway`]), what answers ([`services`]), sockets
//! ([`server`]), the file ([`config`]) and the command line ([`cli`]). `ARCHITECTURE.md` tells the whole story.
#![doc = include_str!("../docs/library.md")]

pub mod app;
pub mod args;
pub mod body;
pub mod cli;
pub mod client;
pub mod config;
pub mod date;
pub mod describe;
pub mod faces;
pub mod fault;
pub mod fit;
pub mod gateway;
pub mod intake;
pub mod interface;
pub mod learn;
pub mod local;
pub mod mount;
pub mod options;
pub mod packing;
mod pieces;
pub mod policy;
pub mod refusal;
pub mod relay;
pub mod route;
pub mod router;
pub mod rows;
pub mod server;
pub mod service;
pub mod services;
pub mod settings;
pub mod shape;
pub mod site;
pub mod text;
pub mod transport;
pub mod upstream;
pub mod value;
pub mod wait;
pub mod wire;

pub use client::{CallError, Proxy};
pub use date::DateTime;
pub use fault::{BoxError, Fault, Kind};
pub use value::{Binary, Value};
