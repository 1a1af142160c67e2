//! Writes log lines to standard error, as text, JSON or logfmt.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};
use std::sync::LazyLock;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

use super::log_format::{EscapeDeceptive, Logfmt, LogfmtFields};
use super::output::OutputStream;
use crate::config::{Level, Log, LogFormat, Remarks, Severity, in_colour};
use crate::service::log_throttle::LogThrottle;

/// For the log lines of panics.
static PANICS: LazyLock<LogThrottle> = LazyLock::new(LogThrottle::default);

/// Changes which lines are logged.
#[derive(Debug)]
pub(super) struct LogLevel(reload::Handle<LevelFilter, Registry>);

impl LogLevel {
    pub(super) fn set(&self, level: Level) {
        // It has failed if a program that embeds this one has installed a logger, whose level is its own.
        let _ = self.0.reload(LevelFilter::from(level));
    }
}

/// Starts logging for the rest of the process. Panics are logged too.
pub(super) fn start(log: &Log, stderr: &OutputStream) -> LogLevel {
    let (filter, level) = reload::Layer::new(LevelFilter::from(log.level));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(stderr.clone());
    let started = match log.format {
        LogFormat::Text => {
            let ansi = in_colour(io::stderr().is_terminal());
            let format = EscapeDeceptive { format: format().with_ansi(ansi), json: false };
            registry.with(lines.with_ansi(ansi).event_format(format)).try_init()
        }
        LogFormat::Json => {
            let format = format().json().flatten_event(true).with_span_list(false);
            let format = EscapeDeceptive { format, json: true };
            registry.with(lines.fmt_fields(JsonFields::new()).event_format(format)).try_init()
        }
        LogFormat::Logfmt => {
            registry.with(lines.with_ansi(false).fmt_fields(LogfmtFields).event_format(Logfmt)).try_init()
        }
    };
    // It has failed only if a program that embeds this one has installed a logger, which is then used.
    if started.is_ok() {
        // The hook of the standard library writes to standard error itself, and so would block if that is not read.
        panic::set_hook(Box::new(log_panic));
    }
    LogLevel(level)
}

/// Logs what an operator should know about a configuration.
pub(super) fn log_remarks(remarks: &Remarks) {
    for (severity, line) in remarks.lines() {
        match severity {
            Severity::Note => tracing::info!("{line}"),
            Severity::Warning | Severity::Error => tracing::warn!("{line}"),
        }
    }
}

/// The message of a panic: a text, unless the program panics with a value of its own.
fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let captured = backtrace.status() == BacktraceStatus::Captured;
    let location = panic.location().map(ToString::to_string);
    let message = message(panic.payload()).to_owned();
    // A client may find a call that panics, and repeat it.
    PANICS.log(move |count| {
        let backtrace = captured.then(|| tracing::field::display(&backtrace));
        tracing::error!(location, backtrace, count, "panic: {message}");
    });
}
