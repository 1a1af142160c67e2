//! `croupier serve`: from a configuration to a running server and its orderly end.

use std::future::Future;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::{process, thread};

use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};

use super::args::Serve;
use super::reload;
use super::reload::Served;
use super::{Failure, logging, remotes, say};
use crate::config::{Config, ConfiguredGroup, DEFAULT, Registry};
use crate::http::audience::Audience;
use crate::protocol::Protocol;
use crate::server::gateway::Gateway;
use crate::server::request_body::{BodyReader, MemoryBudget};
use crate::server::settings::{ListenAddress, ListenerConfig};
use crate::server::{AccessLog, Listener, Server, Workers};

/// Serves until a signal says otherwise.
pub(super) fn serve(args: &Serve, registry: &Registry) -> Result<(), Failure> {
    let config = Arc::new(load(args.config.as_deref(), registry)?);
    logging::start(&config.log);
    // This thread accepts, keeps the deadlines and hears signals, and large bodies are read beside it; the workers do
    // the rest.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let given: Vec<ListenerConfig> = args.listen.iter().cloned().map(ListenerConfig::from).collect();
    let listen = if given.is_empty() { &config.listen } else { &given };
    runtime.block_on(async {
        let (stop, hangup) = (stop_signal()?, signal(SignalKind::hangup())?);
        let listeners = bind(listen).await?;
        let log = if config.log.access { Some(AccessLog::start()?) } else { None };
        let settings = config.settings;
        let memory = MemoryBudget::new(settings.memory).on_runtime(Handle::current());
        let body_reader = BodyReader { memory, deadline: settings.timeouts.body };
        let remotes = remotes::first_look(&config).await;
        let gateway = Gateway::new(config.router(), body_reader);
        let groups = gateway.groups();
        let keeping = remotes::keep(&config, groups.clone(), remotes);
        let server = Server::new(gateway, settings, log.clone()).on(workers(&config)?);
        greet(&config, &listeners);
        let reloading = reload::at_each(hangup, args, registry, Served::new(config.clone(), groups, keeping));
        let stop = async {
            tokio::select! {
                () = stop => {}
                () = reloading => {}
            }
        };
        let ended = server.run(listeners, stop).await;
        if let Some(log) = log {
            log.flush();
        }
        match ended.cut {
            0 => say("croupier: stopped"),
            cut => say(format_args!(
                "croupier: stopped; {cut} connections were still busy after the drain time and were cut"
            )),
        }
        Ok(())
    })
}

/// The configuration in a file, or the built-in one.
pub(super) fn load(file: Option<&Path>, registry: &Registry) -> Result<Config, Failure> {
    let loaded = match file {
        Some(file) => Config::load(file, registry),
        None => Config::parse("built-in configuration", DEFAULT, registry),
    };
    loaded.map_err(|errors| Failure(errors.for_terminal()))
}

fn workers(config: &Config) -> Result<Workers, Failure> {
    let processors = || thread::available_parallelism().map_or(1, NonZero::get);
    Ok(Workers::start(config.workers.unwrap_or_else(processors))?)
}

async fn bind(entrances: &[ListenerConfig]) -> Result<Vec<Listener>, Failure> {
    let mut listeners = Vec::with_capacity(entrances.len());
    for ListenerConfig { listen, serves } in entrances {
        listeners.push(Listener::bind(listen).await?.serves(*serves));
    }
    Ok(listeners)
}

/// Ready at the first SIGINT or SIGTERM; the second ends the process.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        say("croupier: finishing what runs; once more to end at once");
        tokio::spawn(async move {
            let code = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            process::exit(code);
        });
    })
}

/// What a newcomer wants to know: where it listens, what is there, and a command to try.
fn greet(config: &Config, listeners: &[Listener]) {
    let entrances: Vec<ListenerConfig> = listeners.iter().map(Listener::entrance).collect();
    for entrance in &entrances {
        let scheme = if matches!(entrance.listen, ListenAddress::Tcp(_)) { "http://" } else { "" };
        say(format_args!("croupier {} listens on {scheme}{entrance}", env!("CARGO_PKG_VERSION")));
    }
    let paths = config.groups.iter().map(|group| &group.path).chain(config.pages.iter().map(|page| &page.path));
    let widest = paths.map(String::len).max().unwrap_or_default();
    for group in &config.groups {
        let also =
            if group.aliases.is_empty() { String::new() } else { format!(", also at {}", group.aliases.join(" and ")) };
        say(format_args!("  {:widest$}  {}{also}", group.path, group.service.interface().title));
    }
    for page in &config.pages {
        say(format_args!("  {:widest$}  {}, a page", page.path, page.page.title));
    }
    let reached = |not: Audience| {
        entrances.iter().find_map(|entrance| match &entrance.listen {
            ListenAddress::Tcp(address) if entrance.serves != Some(not) => Some(*address),
            _ => None,
        })
    };
    if let (Some(address), Some(group)) = (reached(Audience::Pages), config.groups.first()) {
        say("Try it from another terminal:");
        say(format_args!("  {}", invitation(group, &format!("http://{address}{}", group.path))));
    }
    if let Some(address) = reached(Audience::Api) {
        let mut pages =
            config.groups.iter().filter(|group| group.protocols.has(Protocol::Page)).map(|group| &group.path);
        match (pages.next(), pages.next()) {
            (Some(only), None) => say(format_args!("or in a browser: http://{address}{only}")),
            (Some(_), Some(_)) => say(format_args!("or in a browser: http://{address}/")),
            (None, _) => {}
        }
    }
}

/// A command that calls a group: over REST where that is enough, since it is the shortest.
fn invitation(group: &ConfiguredGroup, url: &str) -> String {
    let methods = &group.service.interface().methods;
    match methods.iter().find(|method| method.safe && method.required() == 0) {
        Some(method) if group.protocols.has(Protocol::Rest) => format!("curl {url}/{}", method.name),
        _ => {
            let method = methods.first().map_or("system.listMethods", |method| &method.name);
            format!(
                "curl -H 'Content-Type: text/xml' -d '<methodCall><methodName>{method}</methodName></methodCall>' {url}"
            )
        }
    }
}
