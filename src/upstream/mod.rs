//! Servers elsewhere as services: asked in their own protocol, with what they say of themselves for an interface.

mod keep;
mod learning;
mod names;
mod options;
mod relay;
mod remote;
mod together;
mod version;

pub use self::names::Names;
pub use self::options::{Description, Multicall, Options, Speaks};
pub use self::remote::Remote;
