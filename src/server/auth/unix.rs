//! Processes of the same machine, which the system names to a unix socket.
//!
//! The system says under which user and group the process ran that has connected. If that is a proxy, the identity is that of
//! the proxy. A connection that begins with a header of the PROXY protocol has none.

use std::collections::HashMap;
use std::sync::Arc;

use super::credentials::RolesByName;
use super::{Attempt, AuthRequest, Authenticator, Verdict};
use crate::service::Identity;

/// The kind of these credentials in an identity.
const KIND: &str = "unix";

/// The user and group of the process at the other end of a unix socket, as an extension of the head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerProcess {
    /// The number of the user.
    pub uid: u32,
    /// The number of the user's main group.
    pub gid: u32,
}

/// Callers who are known by their user or group.
#[derive(Debug)]
pub struct UnixAuth {
    name: String,
    users: HashMap<u32, Arc<Identity>>,
    groups: HashMap<u32, Arc<Identity>>,
}

impl UnixAuth {
    /// The definition `name`, with the names of callers by the numbers of their users, and by those of their groups for other
    /// users.
    pub fn new(
        name: impl Into<String>,
        users: impl IntoIterator<Item = (u32, String)>,
        groups: impl IntoIterator<Item = (u32, String)>,
        roles: &RolesByName,
    ) -> UnixAuth {
        let identity = |(number, name): (u32, String)| {
            (number, Arc::new(Identity { roles: roles.of(&name), proven_by: KIND, ..Identity::new(name) }))
        };
        UnixAuth {
            name: name.into(),
            users: users.into_iter().map(identity).collect(),
            groups: groups.into_iter().map(identity).collect(),
        }
    }
}

impl Authenticator for UnixAuth {
    fn name(&self) -> &str {
        &self.name
    }

    fn authenticate(&self, request: &AuthRequest<'_>) -> Attempt {
        let peer = request.head.extensions.get::<PeerProcess>();
        let identity = peer.and_then(|peer| self.users.get(&peer.uid).or_else(|| self.groups.get(&peer.gid)));
        // Each process has a user, so one that is not known has not tried to be another.
        Attempt::now(identity.map_or(Verdict::Absent, |identity| Verdict::Known(identity.clone())))
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::service::future::MaybeReady;

    #[test]
    fn a_process_is_known_by_its_user_and_else_by_its_group() {
        let roles = RolesByName::new(&[("admin".to_owned(), vec!["root".to_owned()])].into());
        let auth = UnixAuth::new("local", [(0, "root".to_owned())], [(33, "web".to_owned())], &roles);
        let name = |peer: Option<PeerProcess>| {
            let mut request = Request::new(());
            peer.map(|peer| request.extensions_mut().insert(peer));
            match auth.authenticate(&AuthRequest { head: &request.into_parts().0, client: None }) {
                MaybeReady::Now(Some(Verdict::Known(identity))) => {
                    assert_eq!(
                        (identity.proven_by, identity.roles.contains("admin")),
                        ("unix", identity.name == "root")
                    );
                    Some(identity.name.clone())
                }
                MaybeReady::Now(Some(Verdict::Absent)) => None,
                _ => panic!("there is no other verdict"),
            }
        };
        assert_eq!(name(Some(PeerProcess { uid: 0, gid: 33 })).as_deref(), Some("root"));
        assert_eq!(name(Some(PeerProcess { uid: 33, gid: 33 })).as_deref(), Some("web"));
        assert_eq!(name(Some(PeerProcess { uid: 33, gid: 0 })), None);
        assert_eq!(name(None), None);
    }
}
