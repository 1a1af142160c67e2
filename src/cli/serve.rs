//! `croupier serve`: runs a server from a configuration, and stops it gracefully.

use std::fmt::Display;
use std::io::{self, IsTerminal as _};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, mpsc};
use tokio::task::spawn_blocking;

use super::args::ServeArgs;
use super::listeners::ServedListeners;
use super::load::load;
use super::logging::LogLevel;
use super::output::Console;
use super::reload::Reloader;
use super::signals::{self, Hangup};
use super::systemd::{self, Notification};
use super::{Failure, descriptors, logging, memory_limit};
use crate::config::{Config, LogFormat, Registry};
use crate::http::audience::Audience;
use crate::model::interface::Method;
use crate::model::units::Period;
use crate::protocol::Protocol;
use crate::protocol::set::ServerInfo;
use crate::server::admin::Admin;
use crate::server::metrics::Metrics;
use crate::server::metrics::lifecycle::Lifecycle;
use crate::server::mount::GroupMount;
#[cfg(feature = "otlp")]
use crate::server::otlp::SpanExporter;
use crate::server::quotas::{FileQuotaStore, QuotaKeeper};
use crate::server::request_body::{BodyReader, MemoryBudget};
use crate::server::runtime::Runtime;
use crate::server::settings::{HttpsRedirect, ListenAddress, ListenerConfig};
use crate::server::{AccessLog, Listener, Server, Workers};
use crate::service::local::unfit;

/// How long a collector may take to accept the last spans when the server stops. A drain time that is shorter ends it earlier.
#[cfg(feature = "otlp")]
const LAST_SPANS: Duration = Duration::from_secs(1);

/// How long storing the counts of quotas may take when the server stops.
const LAST_COUNTS: Duration = Duration::from_secs(3);

/// Serves until a signal to stop is received. A failure is written to standard error.
pub(super) fn serve(args: &ServeArgs, registry: Registry) -> ExitCode {
    Console::run(|console| run(args, registry, console))
}

fn run(args: &ServeArgs, registry: Registry, console: &mut Console) -> Result<(), Failure> {
    let reading_since = SystemTime::now();
    let config = load(args.config.as_deref(), &registry)?;
    console.is_for_people = config.log.format == LogFormat::Text;
    let log_level = logging::start(&config.log, &console.stderr);
    logging::log_remarks(&config.remarks);
    descriptors::prepare(&config, worker_count(&config));
    memory_limit::check(&config);
    // This thread accepts connections, checks timeouts and receives signals; its blocking pool parses large bodies. The
    // workers serve the connections.
    let tokio_runtime = Builder::new_current_thread().enable_all().build()?;
    let served = tokio_runtime.block_on(run_server(args, registry, (config, reading_since), log_level, console));
    // Does not wait for blocking threads: one may still read a file that a reload needs.
    tokio_runtime.shutdown_background();
    served
}

async fn run_server(
    args: &ServeArgs,
    registry: Registry,
    (config, reading_since): (Config, SystemTime),
    log_level: LogLevel,
    console: &Console,
) -> Result<(), Failure> {
    let hangup = Hangup::register()?;
    let drain = Arc::new(Notify::new());
    let asked = drain.clone();
    let stop = signals::stop(async move { asked.notified().await }, move |by_signal| {
        let next = if by_signal { "a second signal" } else { "a signal" };
        tracing::info!("finishing the running requests; {next} ends them at once");
    })?;
    // Before a client can connect.
    let quotas = keep_quotas(args, &config).await?;
    let from_arguments: Vec<ListenerConfig> = args.listen.iter().cloned().map(ListenerConfig::from).collect();
    let listen = if from_arguments.is_empty() { &config.listen } else { &from_arguments };
    let (listeners, admin_listener) = bind(listen, config.admin.listener().as_ref()).await?;
    log_addresses(&listeners, admin_listener.as_ref(), console);
    let served = ServedListeners::start(listen, &listeners);
    let log = config.log.access_options().map(AccessLog::with).transpose()?;
    #[cfg(feature = "otlp")]
    let exporter = config.otlp.as_ref().map(SpanExporter::start).transpose()?;
    #[cfg(feature = "otlp")]
    let log = match (log, &exporter) {
        (log, None) => log,
        (None, Some(exporter)) => Some(AccessLog::spans_only(exporter.tracer())),
        (Some(log), Some(exporter)) => Some(log.with_spans(exporter.tracer())),
    };
    let memory = MemoryBudget::new(config.settings.memory).on_runtime(Handle::current());
    let body_reader = BodyReader { memory, ..BodyReader::new(&config.settings) };
    let gateway_runtime = Runtime::start(config.mounts(), body_reader).await?;
    let workers = worker_count(&config);
    let server = Server::new(gateway_runtime.gateway(), config.settings, log.clone()).on(Workers::start(workers)?);
    print_summary(&config, &listeners, admin_listener.as_ref(), console);
    let lifecycle = Arc::new(Lifecycle::start(config.hash));
    let (reload, requests) = mpsc::channel(1);
    if let Some(listener) = admin_listener {
        let (gateway, lifecycle) = (server.gateway(), lifecycle.clone());
        // Absolute, so that others than this process can tell which file it is.
        let absolute = |file: &PathBuf| std::path::absolute(file).unwrap_or_else(|_| file.clone());
        let config_file = args.config.as_ref().map(|file| absolute(file).display().to_string());
        let metrics = Metrics::new(gateway.clone(), lifecycle.clone())
            .with_quotas(quotas.as_ref().map(|quotas| quotas.failures()));
        serve_admin(Admin { gateway, metrics, lifecycle, config_file, reload, drain }, &config, listener);
    }
    let reloader = Reloader {
        args: args.clone(),
        registry: Arc::new(registry),
        console: console.clone(),
        started: config,
        runtime: gateway_runtime,
        control: server.control(),
        listeners: served,
        reading_since,
        watch: None,
        log_level,
        workers,
        lifecycle: lifecycle.clone(),
        quotas: quotas.clone(),
    };
    let reloading = reloader.reload_on_demand(hangup, requests);
    let control = server.control();
    #[cfg(feature = "otlp")]
    let limits = control.clone();
    let stop = async {
        systemd::notify(Notification::Ready).await;
        tokio::select! {
            () = stop => {}
            () = reloading => {}
            () = systemd::ping_watchdog() => {}
        }
        // Before the listeners close, so that probes fail first.
        lifecycle.drain();
        systemd::notify(Notification::Stopping).await;
        let delay = control.limits().timeouts.drain_delay;
        if !delay.is_zero() {
            tracing::info!("not ready any more; the listeners are closed in {}", Period(delay));
            tokio::time::sleep(delay).await;
        }
    };
    let report = server.run(listeners, stop).await;
    if let Some(quotas) = quotas
        && !quotas.stop(LAST_COUNTS).await
    {
        tracing::error!("the last counts of quotas are not stored");
    }
    #[cfg(feature = "otlp")]
    if let Some(exporter) = exporter {
        exporter.stop(limits.limits().timeouts.drain.min(LAST_SPANS)).await;
    }
    if let Some(log) = log {
        log.flush();
    }
    match report.cut {
        0 => tracing::info!("stopped"),
        cut => tracing::warn!(cut, "stopped; {cut} connections were still busy after the drain time and were cut"),
    }
    Ok(())
}

/// Loads the counts of quotas, and stores them from now on, if the configuration names a file for them.
async fn keep_quotas(args: &ServeArgs, config: &Config) -> Result<Option<Arc<QuotaKeeper>>, Failure> {
    let Some(file) = config.quotas_file.clone() else { return Ok(None) };
    let failure = |error: &dyn Display| {
        let of = args.config.as_ref().map_or(String::new(), |file| format!(" in `{}`", file.display()));
        Failure::new(format!("croupier: `quotas.file`{of}: {error}"))
    };
    let store = spawn_blocking(move || FileQuotaStore::open(&file)).await;
    let store = store.map_err(|error| failure(&error))?.map_err(|error| failure(&error))?;
    let keeper = QuotaKeeper::start(Arc::new(store), &config.mounts()).await;
    Ok(Some(Arc::new(keeper.map_err(|error| failure(&error))?)))
}

/// Serves the admin listener as long as this runtime lives.
fn serve_admin(admin: Admin, config: &Config, listener: Listener) {
    if let Some(warning) = config.admin.warning() {
        tracing::warn!("{warning}");
    }
    tokio::spawn(Arc::new(admin).serve(listener));
}

fn worker_count(config: &Config) -> usize {
    config.workers.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get))
}

/// Listens on these addresses, on the sockets of systemd where it has opened them.
async fn bind(
    configs: &[ListenerConfig],
    admin: Option<&ListenerConfig>,
) -> Result<(Vec<Listener>, Option<Listener>), Failure> {
    let mut inherited = systemd::inherited_sockets()?;
    let mut listeners = Vec::with_capacity(configs.len());
    for config in configs {
        listeners.push(match inherited.take(&config.listen) {
            Some(listener) => listener.options(config.options).tls(Listener::load_tls(config).await?),
            None => Listener::open(config).await?,
        });
    }
    let admin = match admin.map(|config| (inherited.take(&config.listen), config)) {
        Some((Some(listener), config)) => Some(listener.tls(Listener::load_tls(config).await?)),
        Some((None, config)) => Some(Listener::open(config).await?),
        None => None,
    };
    match inherited.left() {
        None => Ok((listeners, admin)),
        Some(address) => {
            let listen: Vec<String> = configs.iter().map(ToString::to_string).collect();
            Err(Failure::new(format!(
                "croupier: the socket {address} has been handed over (LISTEN_FDS), but `listen` does not have this \
                 address: it has {}",
                listen.join(", ")
            )))
        }
    }
}

/// Logs the addresses, unless a person reads them in the hints.
fn log_addresses(listeners: &[Listener], admin: Option<&Listener>, console: &Console) {
    if console.is_for_people && io::stdout().is_terminal() && io::stderr().is_terminal() {
        return;
    }
    let version = env!("CARGO_PKG_VERSION");
    for listener in listeners.iter().map(Listener::config) {
        let address = listener.listen.to_string();
        tracing::info!(listener = address, version, "croupier listens on {}", url_of(&listener));
    }
    if let Some(admin) = admin {
        let address = admin.address().to_string();
        tracing::info!(listener = address, "the admin listener is at {}", url_of(&admin.config()));
    }
}

/// A listener as a URL, if it is a TCP address.
fn url_of(listener: &ListenerConfig) -> String {
    format!("{}{listener}", scheme_of(listener))
}

/// The beginning of the URL of a listener; empty for a unix socket.
fn scheme_of(listener: &ListenerConfig) -> &'static str {
    match (&listener.listen, &listener.tls) {
        (ListenAddress::Tcp(_), None) => "http://",
        (ListenAddress::Tcp(_), Some(_)) => "https://",
        (ListenAddress::Unix(_), _) => "",
    }
}

/// Prints the addresses, the groups and pages, and a command to try.
fn print_summary(config: &Config, listeners: &[Listener], admin: Option<&Listener>, console: &Console) {
    let addresses: Vec<ListenerConfig> = listeners.iter().map(Listener::config).collect();
    for address in &addresses {
        console.hint(format_args!("croupier {} listens on {}", env!("CARGO_PKG_VERSION"), url_of(address)));
    }
    if let Some(admin) = admin.map(Listener::config) {
        console.hint(format_args!("admin listener at {}: /live, /ready, /metrics, /status", url_of(&admin)));
    }
    let paths = config.groups.iter().map(|group| &group.path).chain(config.pages.iter().map(|page| &page.path));
    let widest = paths.map(String::len).max().unwrap_or_default();
    for group in &config.groups {
        let also =
            if group.aliases.is_empty() { String::new() } else { format!(", also at {}", group.aliases.join(" and ")) };
        console.hint(format_args!("  {:widest$}  {}{also}", group.path, group.service.interface().title));
    }
    for page in &config.pages {
        console.hint(format_args!("  {:widest$}  {}, a page", page.path, page.page.title));
    }
    let tcp_address_not_only_for = |audience: Audience| {
        addresses.iter().find_map(|config| match &config.listen {
            ListenAddress::Tcp(address)
                if config.options.serves != Some(audience) && config.options.redirect_https == HttpsRedirect::Off =>
            {
                Some(format!("{}{address}", scheme_of(config)))
            }
            _ => None,
        })
    };
    if let Some(address) = tcp_address_not_only_for(Audience::Pages)
        && let Some(group) = config.groups.first()
        && let Some(command) = example_command(group, &format!("{address}{}", group.path))
    {
        console.hint("Try it from another terminal:");
        console.hint(format_args!("  {command}"));
    }
    if let Some(address) = tcp_address_not_only_for(Audience::Api) {
        let mut pages =
            config.groups.iter().filter(|group| group.protocols.has(Protocol::Page)).map(|group| &group.path);
        match (pages.next(), pages.next()) {
            (Some(only), None) => console.hint(format_args!("or in a browser: {address}{only}")),
            (Some(_), Some(_)) => console.hint(format_args!("or in a browser: {address}/")),
            (None, _) => {}
        }
    }
}

/// A command that calls a group, or asks for its methods if none can be called without arguments. It is that of the last
/// frontend that has one: REST, which has the shortest, is the last.
fn example_command(group: &GroupMount, url: &str) -> Option<String> {
    let interface = group.service.interface();
    // The names of an upstream's methods may have any characters, also those of a shell.
    let is_at_its_name = |method: &Method| interface.method_path(&method.name) == method.name;
    let callable = |method: &&Method| method.required() == 0 && unfit(&method.name).is_none() && is_at_its_name(method);
    let methods = || interface.methods.iter().filter(callable);
    let method = methods().find(|method| method.safe).or_else(|| methods().next());
    let frontends = group.protocols.of_group(&group.path, &ServerInfo::default());
    frontends.iter().rev().find_map(|frontend| frontend.example_command(method, url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::set::ProtocolSet;
    use crate::service::local::{Local, named};

    #[test]
    fn the_example_command_is_over_a_protocol_of_the_group() {
        let service = |safe: bool| {
            let spin = if safe { named("spin").safe() } else { named("spin") };
            Local::new("Wheel", ()).method(spin, |(): &(), (): ()| 7).build().unwrap()
        };
        let command = |protocols: &[Protocol], service: Local| {
            let mut group = GroupMount::new("/wheel", service);
            group.protocols = ProtocolSet { names: protocols.to_vec(), ..ProtocolSet::default() };
            example_command(&group, "http://x/wheel")
        };
        let json = "curl -H 'Content-Type: application/json' -d";
        for (protocols, safe, expected) in [
            (&Protocol::ALL[..], true, Some("curl http://x/wheel/spin".to_owned())),
            (&Protocol::ALL, false, Some(format!("{json} '{{}}' http://x/wheel/spin"))),
            (
                &[Protocol::XmlRpc],
                true,
                Some(
                    "curl -H 'Content-Type: text/xml' -d \
                     '<methodCall><methodName>spin</methodName></methodCall>' http://x/wheel"
                        .to_owned(),
                ),
            ),
            (
                &[Protocol::JsonRpc],
                true,
                Some(format!(r#"{json} '{{"jsonrpc":"2.0","id":1,"method":"spin"}}' http://x/wheel"#)),
            ),
            (&[Protocol::Soap], true, Some("curl 'http://x/wheel?wsdl'".to_owned())),
            (&[Protocol::Page], true, None),
        ] {
            assert_eq!(command(protocols, service(safe)), expected, "{protocols:?}");
        }
        let empty = Local::new("Nothing", ()).build().unwrap();
        assert!(command(&Protocol::ALL, empty).unwrap().contains("rpc.discover"));
    }
}
