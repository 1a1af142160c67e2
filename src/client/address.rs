//! A server's URL, taken apart.

use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use percent_encoding::percent_decode_str;

use super::BuildError;
use crate::text::abridge;

/// Where a server is, and by what right it is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The unix socket on which it listens, if it does not listen on TCP.
    pub(super) socket: Option<PathBuf>,
    /// The URI that a request names, without user and password.
    pub(super) uri: Uri,
    /// A user's name and password.
    pub(super) credentials: Option<(String, String)>,
}

impl FromStr for Address {
    type Err = BuildError;

    fn from_str(url: &str) -> Result<Address, BuildError> {
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        match (scheme.to_ascii_lowercase().as_str(), rest.strip_prefix("//")) {
            ("http", Some(rest)) => tcp(rest),
            ("https", Some(_)) => Err(wrong("https is not spoken yet: only `http://` and `unix:` URLs can be called")),
            ("unix", _) => unix(rest),
            (_, Some(_)) => Err(wrong(format!("the scheme `{}` is neither `http` nor `unix`", abridge(scheme)))),
            (_, None) => Err(wrong("a URL begins with `http://` or `unix:/`")),
        }
    }
}

/// What stands behind `http://`.
fn tcp(rest: &str) -> Result<Address, BuildError> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (credentials, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(credentials(user)?), host),
        None => (None, authority),
    };
    let uri: Uri =
        format!("http://{host}{path}").parse().map_err(|error| wrong(format!("the URL is malformed: {error}")))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err(wrong("the URL names no host"));
    }
    Ok(Address { socket: None, uri, credentials })
}

/// What stands behind `unix:`: the path of a socket, and behind `:` the path of a request, `/` if there is none.
fn unix(rest: &str) -> Result<Address, BuildError> {
    let (socket, path) = match rest.split_once(":/") {
        Some((socket, path)) => (socket, path),
        None => (rest, ""),
    };
    if !socket.starts_with('/') {
        return Err(wrong("the path of a unix socket begins with a slash: `unix:/run/server.sock:/RPC2`"));
    }
    let uri = format!("http://localhost/{path}");
    let uri = uri.parse().map_err(|error| wrong(format!("the path behind the socket is malformed: {error}")))?;
    Ok(Address { socket: Some(socket.into()), uri, credentials: None })
}

fn credentials(user: &str) -> Result<(String, String), BuildError> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let decoded = |text| percent_decode_str(text).decode_utf8().map(String::from);
    match (decoded(user), decoded(password)) {
        (Ok(user), Ok(password)) => Ok((user, password)),
        _ => Err(wrong("the URL's user name or password is not UTF-8")),
    }
}

fn wrong(message: impl Into<String>) -> BuildError {
    BuildError(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Address {
        url.parse().unwrap()
    }

    #[test]
    fn a_url_is_a_host_and_a_path() {
        for (url, uri) in [
            ("http://wheel:8008/wheel/american", "http://wheel:8008/wheel/american"),
            ("HTTP://127.0.0.1:8008", "http://127.0.0.1:8008/"),
            ("http://[::1]:8008/RPC2?key=1", "http://[::1]:8008/RPC2?key=1"),
        ] {
            assert_eq!(parsed(url), Address { socket: None, uri: uri.parse().unwrap(), credentials: None });
        }
    }

    #[test]
    fn user_and_password_are_taken_out_of_the_url_and_unescaped() {
        let Address { uri, credentials, .. } = parsed("http://ann:p%40ss:w%2ford@wheel/RPC2");
        assert_eq!(uri, "http://wheel/RPC2");
        assert_eq!(credentials, Some(("ann".into(), "p@ss:w/ord".into())));
        assert_eq!(parsed("http://ann@wheel/").credentials, Some(("ann".into(), String::new())));
        assert_eq!(parsed("http://wheel/a@b").credentials, None);
    }

    #[test]
    fn a_unix_socket_has_a_path_of_its_own() {
        let Address { socket, uri, .. } = parsed("unix:/run/app:1.sock:/RPC2");
        assert_eq!((socket, uri), (Some("/run/app:1.sock".into()), "http://localhost/RPC2".parse().unwrap()));
        assert_eq!(parsed("unix:/run/app.sock").uri, "http://localhost/");
    }

    #[test]
    fn what_cannot_be_called_is_said_without_the_password() {
        for (url, reason) in [
            ("https://ann:secret@wheel/", "https is not spoken yet"),
            ("ftp://ann:secret@wheel/", "scheme `ftp`"),
            ("ann:secret@wheel", "begins with"),
            ("localhost:8008", "begins with"),
            ("/wheel/american", "begins with"),
            ("http://", "malformed"),
            ("http://ann:secret@/RPC2", "malformed"),
            ("http://ann:secret@wh eel/", "malformed"),
            ("http://ann:secret%ff@wheel/", "not UTF-8"),
            ("unix:run/app.sock", "begins with a slash"),
        ] {
            let error = url.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
