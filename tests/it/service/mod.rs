//! Services in this process.

mod aggregates;
mod args;
mod shapes;
