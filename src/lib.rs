//! croupier: a web-service gateway. URL paths map to separately registered service groups, each reached over every
//! protocol: XML-RPC, JSON-RPC, REST, SOAP, and a page for people.
//!
//! Most people use the program and a TOML file; this library is for those who add services of their own
//! ([`local`], [`config::Registry`]), mount them in a program of their own ([`app`]), or call others ([`client`]).
//!
//! The modules stand on floors, and import only from floors below: plain data ([`fault`], [`interface`], [`value`]), what
//! stands on a wire ([`wire`]), calls and answers ([`args`], [`service`], [`rows`], [`local`], [`policy`]), protocols
//! ([`faces`]), one request's way ([`body_reader`], [`router`], [`gateway`]), what answers ([`services`]), sockets
//! ([`server`]), the file ([`config`]) and the command line ([`cli`]). `ARCHITECTURE.md` tells the whole story.
#![doc = include_str!("../docs/library.md")]

pub mod app;
pub mod cli;
pub mod client;
pub mod codec;
pub mod config;
pub mod demo;
pub mod http;
pub mod model;
pub mod protocol;
pub mod server;
pub mod service;
pub mod upstream;

pub use client::{CallError, Client};
pub use model::date::DateTime;
pub use model::fault::{BoxError, Fault, Kind};
pub use model::value::{Binary, Value};
