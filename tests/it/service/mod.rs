//! Services in this process.

mod aggregates;
mod args;
mod cache;
mod context;
pub(crate) mod layers;
mod rules;
mod shapes;
