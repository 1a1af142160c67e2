//! `croupier reload`: asks a running server to reload, through the admin listener of its configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tokio::runtime::Builder;

use super::args::Credentials;
use super::load::refuse_standard_input;
use super::target::credential_headers;
use super::{Failure, say};
use crate::config::LARGEST_FILE;
use crate::files;
use crate::model::text::printable;
use crate::server::settings::ListenAddress;
use crate::upstream::transport::{Address, Repeat, Transport, TransportOptions};

/// How long the response may take. Reading the configuration takes three seconds for each file that does not respond.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How many bytes a response may have.
const MAX_RESPONSE: usize = 16 << 20;
/// How many characters of a text of the server are printed.
const LONGEST_MESSAGE: usize = 4000;

/// Asks the server of this configuration file to reload, and prints the result.
///
/// # Errors
/// If the server does not respond, serves another file, or finds errors in it. A server of another file is not asked to reload.
pub(super) fn reload(file: &Path, credentials: &Credentials) -> Result<(), Failure> {
    refuse_standard_input(file)?;
    let address = admin_address(file)?;
    let headers = credential_headers(credentials)?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (status, text) = exchange(&address, Method::GET, "/status", &headers).await?;
        if status != StatusCode::OK {
            return Err(unexpected(status, &text));
        }
        let state: Value = serde_json::from_str(&text).unwrap_or_default();
        let served = state.pointer("/config/file").and_then(Value::as_str);
        check_same_file(file, served, &address)?;
        let (status, text) = exchange(&address, Method::POST, "/reload", &headers).await?;
        match status {
            StatusCode::OK => {
                report(file, &text);
                Ok(())
            }
            // The problems, as `check` writes them.
            StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Failure::new(format!("{}\ncroupier: the server goes on with its configuration", text.trim_end())))
            }
            status => Err(unexpected(status, &text)),
        }
    })
}

/// A request to the admin listener: the status and the body of its response.
async fn exchange(
    address: &ListenAddress,
    method: Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<(StatusCode, String), Failure> {
    let url = match address {
        ListenAddress::Tcp(address) => format!("http://{}{path}", reachable(*address)),
        ListenAddress::Unix(socket) => format!("unix:{}:{path}", socket.display()),
    };
    let options = TransportOptions { response: TIMEOUT, headers: headers.clone(), ..TransportOptions::default() };
    let transport = Transport::new(vec![url.parse::<Address>()?], options)?;
    let request = Request::builder().method(method).uri("/").body(Bytes::new())?;
    let response = transport.send(request, Repeat::Unsent, None).await;
    let (head, body) = response
        .map_err(|error| Failure::from(format_args!("the admin listener at {address} does not respond: {error}")))?
        .into_parts();
    let body = body.collect(MAX_RESPONSE).await?;
    Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
}

fn unexpected(status: StatusCode, text: &str) -> Failure {
    Failure::from(format_args!("the server responds with {status}: {}", printable(text.trim_end(), LONGEST_MESSAGE)))
}

/// Checks that the server at the admin address serves this file.
fn check_same_file(file: &Path, served: Option<&str>, address: &ListenAddress) -> Result<(), Failure> {
    let file = absolute(file);
    let other = match served {
        Some(served) if absolute(Path::new(served)) == file => return Ok(()),
        Some(served) => format!("`{}`", printable(served, LONGEST_MESSAGE)),
        None => "its built-in configuration".to_owned(),
    };
    Err(Failure::from(format_args!(
        "the server at {address} serves {other} and not `{}`, so it is not asked to reload; give the file that it serves, or \
         the `admin.listen` of the other server",
        file.display()
    )))
}

/// A path by which files are compared: links are followed if the file is there.
fn absolute(file: &Path) -> PathBuf {
    file.canonicalize().or_else(|_| std::path::absolute(file)).unwrap_or_else(|_| file.to_owned())
}

/// Prints what the server has loaded.
fn report(file: &Path, text: &str) {
    let result: Value = serde_json::from_str(text).unwrap_or_default();
    let number = |key: &str| result.get(key).and_then(Value::as_u64).unwrap_or_default();
    let groups = number("groups");
    let noun = if groups == 1 { "group" } else { "groups" };
    say(format_args!(
        "croupier: the configuration `{}` is loaded: {groups} {noun}, generation {}",
        file.display(),
        number("generation")
    ));
    let keys = result.get("needs-restart").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let keys: Vec<_> = keys.collect();
    if !keys.is_empty() {
        say(format_args!("croupier: the changes in `{}` take effect at the next start only", keys.join("`, `")));
    }
}

/// The address of the admin listener. Nothing else of the file is read: the server checks it, and it alone may have the
/// variables and files that the configuration names.
fn admin_address(file: &Path) -> Result<ListenAddress, Failure> {
    let name = file.display();
    let wrong = |reason: String| Failure::from(format_args!("`{name}`: {reason}"));
    let text = files::read_text(file, LARGEST_FILE).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    let table: toml::Table = text.parse().map_err(|error| wrong(format!("{error}")))?;
    let listen = match table.get("admin").and_then(|admin| admin.get("listen")) {
        Some(toml::Value::String(address)) => Some(address.clone()),
        Some(value) => match value.get("env").and_then(toml::Value::as_str) {
            Some(name) => {
                let unset = || format!("`admin.listen` needs the environment variable `{name}`, which is not set");
                Some(std::env::var(name).map_err(|_| wrong(unset()))?)
            }
            None => None,
        },
        None => None,
    };
    let Some(listen) = listen else {
        let reason = "there is no admin listener, through which the server could be asked: give `admin.listen` and start \
                      the server again, or send it SIGHUP";
        return Err(wrong(reason.to_owned()));
    };
    let address = listen.parse().map_err(|error| wrong(format!("`admin.listen` is not a valid address: {error}")))?;
    if matches!(&address, ListenAddress::Tcp(address) if address.port() == 0) {
        return Err(wrong("`admin.listen` has port 0, so the port of the running server is not known".to_owned()));
    }
    Ok(address)
}

/// An address by which a listener is reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
