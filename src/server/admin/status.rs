//! What the admin listener says of the server: whether it is ready, and its state as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::Admin;
use crate::server::connection_count::ListenerCount;
use crate::server::mount::GroupMount;
use crate::server::tls::ServedCertificate;
use crate::service::shadow::Shadow;
use crate::upstream::breakers::BreakerReport;
use crate::upstream::gaps::DescriptionGaps;
use crate::upstream::state::UpstreamState;
use crate::upstream::transport::HostReport;
use crate::upstream::transport::balancing::HostState;
use crate::upstream::transport::stats::{LastError, ServerStats};

/// How many operations that are left out, and imports that cannot be read, are listed of each upstream.
const MAX_GAPS: usize = 1000;

impl Admin {
    /// Why the server should get no requests; empty if it should.
    ///
    /// An aggregate is as ready as the groups that it calls, so only the others count.
    pub(super) fn reasons_not_ready(&self) -> Vec<String> {
        if self.lifecycle.is_draining() {
            return vec!["the server is stopping".to_owned()];
        }
        let mounts = self.gateway.mounts();
        let own = mounts.groups.iter().filter(|group| group.kind != "aggregate");
        let mut reasons = Vec::new();
        for group in own {
            match group.upstream.as_ref().and_then(|upstream| upstream.state().why_unusable()) {
                Some(reason) => reasons.push(format!("{}: {reason}", group.path)),
                None => return Vec::new(),
            }
        }
        if !reasons.is_empty() {
            reasons.insert(0, "no group can answer".to_owned());
        }
        reasons
    }

    /// The state of the server.
    pub(super) fn status(&self) -> Value {
        let config = self.lifecycle.config();
        let last_reload = config.last_reload.map(|reload| {
            let result = if reload.error.is_none() { "success" } else { "failure" };
            json!({ "time": time(reload.time), "result": result, "error": reload.error })
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "state": if self.lifecycle.is_draining() { "draining" } else { "serving" },
            "started": time(self.lifecycle.started()),
            "config": {
                "file": self.config_file,
                "hash": format!("{:016x}", config.hash),
                "generation": config.generation,
                "loaded": time(config.loaded),
            },
            "last-reload": last_reload,
            "listeners": self.gateway.listeners().all().iter().map(|count| listener(count)).collect::<Vec<_>>(),
            "groups": self.gateway.mounts().groups.iter().map(group).collect::<Vec<_>>(),
        })
    }
}

fn listener(listener: &ListenerCount) -> Value {
    let tls = listener.tls().map(|tls| {
        let certificates: Vec<Value> = tls.certificates().iter().map(certificate).collect();
        json!({ "certificates": certificates, "error": tls.error() })
    });
    json!({ "address": listener.address, "tls": tls })
}

fn certificate(served: &ServedCertificate) -> Value {
    let seconds = u64::try_from(served.validity.not_after).unwrap_or_default();
    json!({
        "file": served.file.display().to_string(),
        "expires": UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).map(time),
        "warnings": served.warnings,
    })
}

fn group(group: &GroupMount) -> Value {
    let state = group.upstream.as_ref().map(|upstream| upstream.state());
    let methods = match &state {
        Some(state) => state.methods,
        None => Some(group.service.interface().methods.len()),
    };
    let problem = state.as_ref().and_then(UpstreamState::why_unusable);
    json!({
        "path": group.path,
        "aliases": group.aliases,
        "kind": group.kind,
        "title": group.service.interface().title,
        "methods": methods,
        "problem": problem,
        "upstream": state.as_ref().map(upstream),
        "shadow": group.rules.shadow().map(|it| shadow(it)),
    })
}

fn upstream(state: &UpstreamState) -> Value {
    json!({
        "protocol": state.protocol.name(),
        "described": state.methods.is_some(),
        "description-error": state.discovery_error.as_ref().map(error),
        "left-out": left_out(&state.gaps),
        "unread-imports": unread_imports(&state.gaps),
        "servers": servers(state),
        "breakers": state.breakers.iter().map(breaker).collect::<Vec<_>>(),
    })
}

/// What the calls of a shadow have shown, with the first differences.
fn shadow(shadow: &Shadow) -> Value {
    let report = shadow.report();
    let mut status = json!({ "to": shadow.to() });
    let examples = report.examples().into_iter().map(|example| {
        let each = example.differences.iter();
        let each: Vec<Value> = each.map(|it| json!({ "place": it.place, "own": it.own, "other": it.other })).collect();
        json!({ "method": example.method, "time": time(example.time), "differences": each })
    });
    let examples: Vec<Value> = examples.collect();
    if let Value::Object(members) = &mut status {
        members.extend(report.counts().map(|(result, count)| (result.to_owned(), count.into())));
        members.insert("examples".to_owned(), examples.into());
    }
    status
}

/// The operations that cannot be called.
fn left_out(gaps: &DescriptionGaps) -> Vec<Value> {
    let operations = gaps.left_out.iter().take(MAX_GAPS);
    operations.map(|operation| json!({ "method": operation.name, "reason": operation.reason })).collect()
}

fn unread_imports(gaps: &DescriptionGaps) -> Vec<Value> {
    let imports = gaps.unread.iter().take(MAX_GAPS);
    imports.map(|import| json!({ "location": import.location, "reason": import.reason })).collect()
}

fn servers(state: &UpstreamState) -> Vec<Value> {
    let hosts = state.hosts.iter().map(Some).chain(std::iter::repeat(None));
    state.servers.iter().zip(hosts).map(|((name, stats), host)| server(name, stats, host)).collect()
}

fn server(name: &str, stats: &ServerStats, host: Option<&HostReport>) -> Value {
    let ejected_for = match host.map(|host| host.state) {
        Some(HostState::Ejected(time)) => Some(time.as_secs()),
        _ => None,
    };
    json!({
        "name": name,
        "state": stats.state().word(),
        "last-error": stats.last_error().as_ref().map(error),
        "availability": host.map(|host| host.state.word()),
        "ejected-for": ejected_for,
        "running": host.map(|host| host.running),
    })
}

fn breaker(breaker: &BreakerReport) -> Value {
    json!({ "method": breaker.method.as_deref(), "state": breaker.state.word(), "opened": breaker.opened, "refused": breaker.refused })
}

fn error(error: &LastError) -> Value {
    json!({ "time": time(error.time), "reason": error.reason })
}

/// A time as RFC 3339 writes it, in UTC.
fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
