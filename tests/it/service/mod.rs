//! Services in this process.

mod aggregates;
mod args;
mod cache;
mod context;
pub(crate) mod layers;
mod other_groups;
mod rules;
mod shapes;
