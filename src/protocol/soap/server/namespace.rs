//! The target namespace of a group that is given none.

use std::fmt::Write as _;

/// A namespace made of a group's path alone, so that it is the same whatever host the group is asked by. It is a URN
/// (RFC 8141): each `/` becomes a `:`, and what a URN cannot have is percent-encoded.
///
/// ```
/// use croupier::protocol::soap::server::namespace_of;
/// assert_eq!(namespace_of("/wheel/american"), "urn:croupier:wheel:american");
/// assert_eq!(namespace_of("/"), "urn:croupier");
/// assert_eq!(namespace_of("/a b:c"), "urn:croupier:a%20b%3Ac");
/// ```
pub fn namespace_of(path: &str) -> String {
    let mut urn = String::from("urn:croupier");
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        urn.push(':');
        for byte in segment.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~!$'()*+,;=@".contains(&byte) {
                urn.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(urn, "%{byte:02X}");
            }
        }
    }
    urn
}
