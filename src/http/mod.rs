//! Parts of HTTP that the server and the protocols share: bodies, compression, rejections, routes, public addresses.

pub mod audience;
pub mod body;
pub(crate) mod coalesce;
pub mod compression;
pub mod media_type;
pub mod public_url;
pub mod rejection;
pub mod routes;
