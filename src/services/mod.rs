//! What answers calls inside the process: the wheels, the diagnostics.

pub mod diagnostics;
pub mod wheel;
