//! Writes log lines to standard error, as text or as JSON.

use tracing_subscriber::filter::LevelFilter;

use crate::config::{Log, LogFormat};

/// Starts logging for the rest of the process.
pub(super) fn start(log: &Log) {
    let level: LevelFilter = log.level.into();
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(true);
    // This fails only if a program that embeds this one has installed a logger, which is then used.
    let _ = match log.format {
        LogFormat::Text => subscriber.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).with_span_list(false).try_init(),
    };
}
