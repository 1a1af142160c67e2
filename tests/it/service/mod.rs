//! Services in this process.

mod aggregates;
mod args;
mod context;
mod layers;
mod rules;
mod shapes;
