//! The default target namespace of a group.

use std::fmt::Write as _;

/// The namespace for the path of a group. It does not depend on the host, so it is the same for all clients. It is a URN
/// (RFC 8141): each `/` becomes `:`, and characters that a URN does not allow are percent-encoded.
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
