//! Servers elsewhere as services: asked in their own protocol, with what they say of themselves for an interface.

mod batch;
mod discovery;
mod name_patterns;
mod options;
mod passthrough;
mod refresh;
mod remote;
pub mod transport;
mod version;

pub use name_patterns::NamePatterns;
pub use options::{Batching, DescriptionSource, UnsupportedProtocol, UpstreamOptions};
pub use remote::Upstream;
