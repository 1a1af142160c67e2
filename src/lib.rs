//! croupier: a multi-path web-service gateway.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod services;
pub mod text;
