//! What answers calls inside the process: the wheels, the diagnostics, and what is made of other services.

pub mod diagnostics;
pub mod wheel;
