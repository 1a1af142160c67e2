//! What the tests of servers elsewhere have in common. They take all of it into their root, where the parts look for each
//! other.
#![allow(dead_code, reason = "each test uses its own part of this")]

#[path = "calls.rs"]
pub(crate) mod calls;
#[path = "every_type.rs"]
pub(crate) mod every_type;
#[path = "over.rs"]
pub(crate) mod over;
#[path = "sound.rs"]
pub(crate) mod sound;
#[path = "../properties_xmlrpc/trees.rs"]
pub(crate) mod trees;
#[path = "upstream.rs"]
pub(crate) mod upstream;
