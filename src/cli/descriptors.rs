//! The limit on file descriptors: raised at the start, and compared with what the configuration may need.

use crate::config::Config;

/// Descriptors besides those of connections: listeners, the streams of the process, and files that are being read.
const OTHERS: u64 = 64;
/// Descriptors of each worker: what its runtime waits with.
const PER_WORKER: u64 = 4;

/// Raises the limit on file descriptors as far as the system permits, and warns if the configuration may need more.
pub(super) fn prepare(config: &Config, workers: usize) {
    let needed = needed(config, workers);
    let Some(limit) = system::raise(needed) else { return };
    if limit < needed {
        let connections = config.settings.connections;
        let upstreams = upstream_connections(config);
        tracing::warn!(
            limit,
            needed,
            connections,
            upstreams,
            "the limit of {limit} file descriptors is too low for {connections} connections of clients and {upstreams} to \
             upstreams: raise the limit to {needed} (`ulimit -n`, or `LimitNOFILE` of systemd), or lower \
             `server.connections` and `server.in-flight`"
        );
    }
}

/// How many descriptors the server may need.
fn needed(config: &Config, workers: usize) -> u64 {
    let connections = (config.settings.connections as u64).saturating_add(upstream_connections(config));
    connections.saturating_add(OTHERS).saturating_add(PER_WORKER.saturating_mul(workers as u64))
}

/// How many connections to upstreams may be in use at the same time: one for each running call.
fn upstream_connections(config: &Config) -> u64 {
    let upstreams = config.groups.iter().filter(|group| group.upstream.is_some());
    let calls = upstreams.map(|group| group.limits().concurrent as u64).fold(0, u64::saturating_add);
    calls.min(config.settings.in_flight as u64)
}

#[cfg(unix)]
mod system {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// Raises the limit to what the system permits, and returns it; `None` if there is no limit.
    pub(super) fn raise(needed: u64) -> Option<u64> {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let limit = current?;
        // Some systems accept no infinite limit here, but one that is high enough.
        let candidates = [maximum, Some(needed.min(maximum.unwrap_or(needed)))];
        for higher in candidates {
            let raises = higher.is_none_or(|higher| higher > limit);
            if raises && setrlimit(Resource::Nofile, Rlimit { current: higher, maximum }).is_ok() {
                return higher;
            }
        }
        Some(limit)
    }
}

#[cfg(not(unix))]
mod system {
    /// `None`: there is no such limit here.
    pub(super) fn raise(_needed: u64) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Registry;

    #[test]
    fn connections_of_clients_and_to_upstreams_are_counted() {
        let with = |groups: &str| {
            let text = format!("server = {{ connections = 1000, in-flight = 300 }}\n{groups}");
            Config::parse("test", &text, &Registry::standard()).unwrap()
        };
        let local = "[group.'/wheel']\nservice = 'diagnostics'\n";
        assert_eq!(needed(&with(local), 2), 1000 + 64 + 8);
        let upstream = |path: &str, concurrent: u32| {
            format!(
                "[group.'{path}']\nlimits.concurrent = {concurrent}\n\
                 upstream = {{ urls = ['http://127.0.0.1:1/'], protocol = 'xml-rpc' }}\n"
            )
        };
        assert_eq!(upstream_connections(&with(&upstream("/a", 200))), 200);
        assert_eq!(upstream_connections(&with(&(upstream("/a", 200) + &upstream("/b", 200)))), 300);
    }
}
