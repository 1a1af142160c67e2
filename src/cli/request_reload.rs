//! `croupier reload`: asks a running server to reload, through the admin listener of its configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tokio::runtime::Builder;

use super::args::AdminCredentials;
use super::load::refuse_standard_input;
use super::target::bearer;
use super::{Failure, say};
use crate::config::LARGEST_FILE;
use crate::files;
use crate::server::settings::ListenAddress;
use crate::upstream::transport::{Address, Repeat, Transport, TransportOptions};

/// How long the response may take. Reading the configuration takes three seconds for each file that does not respond.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How many bytes a response may have.
const MAX_RESPONSE: usize = 16 << 20;

/// Asks the server of this configuration file to reload, and prints the result.
pub(super) fn reload(file: &Path, credentials: &AdminCredentials) -> Result<(), Failure> {
    refuse_standard_input(file)?;
    let address = admin_address(file)?;
    let url = match &address {
        ListenAddress::Tcp(address) => format!("http://{}/reload", reachable(*address)),
        ListenAddress::Unix(path) => format!("unix:{}:/reload", path.display()),
    };
    let mut headers = HeaderMap::new();
    if let Some(source) = &credentials.bearer {
        headers.insert(AUTHORIZATION, bearer(source).map_err(|error| Failure::usage(format!("croupier: {error}")))?);
    }
    for (name, value) in &credentials.headers {
        headers.append(name, value.clone());
    }
    let options = TransportOptions { response: TIMEOUT, headers, ..TransportOptions::default() };
    let transport = Transport::new(vec![url.parse::<Address>()?], options)?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let request = Request::post("/").body(Bytes::new())?;
        let response = transport.send(request, Repeat::Unsent, None).await;
        let (head, body) = response
            .map_err(|error| Failure::from(format_args!("the admin listener at {address} does not respond: {error}")))?
            .into_parts();
        let body = body.collect(MAX_RESPONSE).await?;
        let text = String::from_utf8_lossy(&body);
        match head.status {
            StatusCode::OK => {
                report(&text);
                Ok(())
            }
            // The problems, as `check` writes them.
            StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Failure::new(format!("{}\ncroupier: the server goes on with its configuration", text.trim_end())))
            }
            status => Err(Failure::from(format_args!("the server responds with {status}: {}", text.trim_end()))),
        }
    })
}

/// Prints what the server has loaded.
fn report(text: &str) {
    let result: Value = serde_json::from_str(text).unwrap_or_default();
    let number = |key: &str| result.get(key).and_then(Value::as_u64).unwrap_or_default();
    let groups = number("groups");
    let noun = if groups == 1 { "group" } else { "groups" };
    say(format_args!("croupier: the configuration is loaded: {groups} {noun}, generation {}", number("generation")));
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
