//! Who may connect to a unix socket: the mode, the owner and the group of its file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::text_form::text_form;

/// The permissions of the file of a unix socket. A process needs the right to write to connect to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SocketAccess {
    /// The mode; `None` for that of new files of this process.
    pub mode: Option<SocketMode>,
    /// The owner, by name or number; `None` for the user of this process.
    pub owner: Option<String>,
    /// The group, by name or number; `None` for that of new files of this process.
    pub group: Option<String>,
}

impl SocketAccess {
    /// Whether it changes nothing.
    pub fn is_default(&self) -> bool {
        *self == SocketAccess::default()
    }
}

/// The mode of the file of a socket: three octal digits, such as `"660"` or `"0660"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct SocketMode(pub u32);

/// The `format` of [`SocketMode`] in a JSON Schema.
pub(crate) const MODE: &str = "socket-mode";

/// The text is not a valid mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a mode is a text of three octal digits for owner, group and others, such as \"0660\"")]
pub struct SocketModeError;

impl FromStr for SocketMode {
    type Err = SocketModeError;

    fn from_str(text: &str) -> Result<SocketMode, SocketModeError> {
        let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(text);
        let octal = digits.len() == 3 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        u32::from_str_radix(digits, 8).ok().filter(|_| octal).map(SocketMode).ok_or(SocketModeError)
    }
}

text_form!(SocketMode, SocketModeError, MODE);

impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

#[cfg(unix)]
pub(super) use unix::{apply, missing_permission};

#[cfg(unix)]
mod unix {
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    use std::path::Path;

    use super::SocketAccess;
    use crate::files;

    /// How many bytes the lists of users and groups may have.
    const LARGEST_LIST: usize = 16 << 20;

    /// Gives the file of a socket its owner, group and mode.
    ///
    /// # Errors
    /// If there is no such user or group, or this process may not do so. The message says what is missing.
    pub(in crate::server) fn apply(path: &Path, access: &SocketAccess) -> io::Result<()> {
        let owner = access.owner.as_ref().map(|name| id("user", "/etc/passwd", name)).transpose()?;
        let group = access.group.as_ref().map(|name| id("group", "/etc/group", name)).transpose()?;
        if owner.is_some() || group.is_some() {
            chown(path, owner, group).map_err(|error| explained(&error, access))?;
        }
        if let Some(mode) = access.mode {
            fs::set_permissions(path, Permissions::from_mode(mode.0))?;
        }
        Ok(())
    }

    fn explained(error: &io::Error, access: &SocketAccess) -> io::Error {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return io::Error::new(error.kind(), format!("the owner and group cannot be set: {error}"));
        }
        let message = match (&access.owner, &access.group) {
            (Some(owner), _) => {
                format!("only root may make `{owner}` the owner; leave `owner` out, and start the server as that user")
            }
            (None, group) => format!(
                "this process may set only a group to which its user belongs: add the user to `{}`",
                group.as_deref().unwrap_or_default()
            ),
        };
        io::Error::new(io::ErrorKind::PermissionDenied, message)
    }

    /// The number of a user or group. Names are looked up in the files of this machine, not in a directory service.
    fn id(kind: &str, list: &str, name: &str) -> io::Result<u32> {
        if let Ok(id) = name.parse() {
            return Ok(id);
        }
        let text = files::read_text(Path::new(list), LARGEST_LIST)?;
        find_id(&text, name).ok_or_else(|| {
            let message = format!("there is no {kind} `{name}` in {list}; a number can be given instead");
            io::Error::new(io::ErrorKind::NotFound, message)
        })
    }

    /// The third field of the line that begins with a name (passwd(5), group(5)).
    fn find_id(list: &str, name: &str) -> Option<u32> {
        let line = list.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok()
    }

    /// Why a socket cannot be made at a path, if the folder is the reason.
    pub(in crate::server) fn missing_permission(path: &Path) -> Option<String> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let shown = folder.display();
        let user = rustix::process::geteuid().as_raw();
        match fs::metadata(folder) {
            Ok(metadata) if !metadata.is_dir() => Some(format!("{shown} is not a folder")),
            Ok(metadata) => Some(format!(
                "the user of this process ({user}) may not make files in {shown}, which belongs to user {} and group {} \
                 and has the mode {:04o}",
                metadata.uid(),
                metadata.gid(),
                metadata.mode() & 0o7777
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(format!("there is no folder {shown}")),
            Err(_) => Some(format!("the user of this process ({user}) may not enter a folder on the way to {shown}")),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn users_are_found_by_name_and_number() {
            let list = "root:x:0:0:root:/root:/bin/sh\nbroken\nwww:x:33:33::/:\nwww2:x:34:33::/:\n";
            assert_eq!(find_id(list, "www"), Some(33));
            assert_eq!(find_id(list, "ww"), None);
            assert_eq!(find_id(list, "broken"), None);
            assert_eq!(id("user", "/nonexistent", "77").unwrap(), 77);
            assert_eq!(id("user", "/etc/passwd", "root").unwrap(), 0);
            let error = id("user", "/etc/passwd", "no such user").unwrap_err();
            assert!(error.to_string().contains("there is no user `no such user` in /etc/passwd"), "{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_three_octal_digits() {
        for (text, mode) in [("0660", 0o660), ("660", 0o660), ("000", 0), ("0777", 0o777)] {
            assert_eq!(text.parse(), Ok(SocketMode(mode)), "{text}");
        }
        assert_eq!(SocketMode(0o66).to_string(), "0066");
        for text in ["", "0", "66", "0668", "1777", "00660", "rw-rw----", "+66", "6 6"] {
            assert_eq!(text.parse::<SocketMode>(), Err(SocketModeError), "{text}");
        }
    }
}
