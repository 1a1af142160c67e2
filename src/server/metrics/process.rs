//! Writes what the system knows of the process, by the names that all client libraries of Prometheus use.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::encoding::DescriptorEncoder;

use super::families::{MetricFamily, number};

/// Figures of the process; those that the system does not give are left out.
#[derive(Debug, Default)]
struct ProcessFigures {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    threads: Option<u64>,
    open_descriptors: Option<usize>,
    max_descriptors: Option<u64>,
}

/// Writes the figures of the process, which began to serve at `started`.
pub(super) fn encode(started: SystemTime, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    MetricFamily::gauge(to, "process_start_time_seconds", "When the process began to serve")?.time(started)?;
    let figures = system::figures();
    if let Some(seconds) = figures.cpu_seconds {
        MetricFamily::counter(to, "process_cpu_seconds", "CPU time of the process")?.count_seconds(seconds)?;
    }
    let whole = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory of the process", whole(figures.resident_bytes)),
        ("process_virtual_memory_bytes", "Virtual memory of the process", whole(figures.virtual_bytes)),
        ("process_threads", "Threads of the process", whole(figures.threads)),
        ("process_open_fds", "Open file descriptors", figures.open_descriptors.map(number)),
        ("process_max_fds", "The limit on open file descriptors", whole(figures.max_descriptors)),
    ] {
        if let Some(value) = value {
            MetricFamily::gauge(to, name, help)?.value([], value)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
mod system {
    use std::fs;

    use rustix::process::{Resource, getrlimit};
    use rustix::time::{ClockId, clock_gettime};

    use super::ProcessFigures;

    pub(super) fn figures() -> ProcessFigures {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let kibibytes = |key| field(&status, key).map(|kibibytes| kibibytes.saturating_mul(1024));
        ProcessFigures {
            cpu_seconds: Some(seconds(cpu.tv_sec, cpu.tv_nsec)),
            resident_bytes: kibibytes("VmRSS:"),
            virtual_bytes: kibibytes("VmSize:"),
            threads: field(&status, "Threads:"),
            // The folder itself is open while it is read.
            open_descriptors: fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1)),
            max_descriptors: getrlimit(Resource::Nofile).current,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "CPU time is far below 2^52 seconds")]
    fn seconds(whole: i64, nanoseconds: i64) -> f64 {
        whole as f64 + nanoseconds as f64 / 1e9
    }

    /// The number behind a key of `/proc/self/status`, which other systems than Linux do not have.
    fn field(status: &str, key: &str) -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

#[cfg(not(unix))]
mod system {
    use super::ProcessFigures;

    pub(super) fn figures() -> ProcessFigures {
        ProcessFigures::default()
    }
}
