//! The forms of log lines beyond those of `tracing-subscriber`: logfmt, and no characters that deceive the eye.

use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing::{Event, Span, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::model::text::is_deceptive;
use crate::service::current_request::CurrentRequest;

/// Writes the lines of another form, with escapes for the characters that would change how a line looks.
pub(super) struct EscapeDeceptive<F> {
    pub(super) format: F,
    /// Whether the lines are JSON, which has its own escapes.
    pub(super) json: bool,
}

impl<S, N, F> FormatEvent<S, N> for EscapeDeceptive<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let span = span_of_line(context);
        let _entered = span.enter();
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        let mut rest = line.as_str();
        // ASCII control characters are escaped by the form itself, or are its own colours.
        while let Some(at) = rest.find(|c: char| !c.is_ascii() && is_deceptive(c)) {
            let (before, from) = rest.split_at(at);
            let Some(c) = from.chars().next() else { break };
            to.write_str(before)?;
            if self.json {
                write!(to, "\\u{:04x}", u32::from(c))?
            } else {
                write!(to, "{}", c.escape_unicode())?
            }
            rest = from.get(c.len_utf8()..).unwrap_or_default();
        }
        to.write_str(rest)
    }
}

/// The span of the request that a line is about; none if the line has a span, or is about no request.
fn span_of_line<S, N>(context: &FmtContext<'_, S, N>) -> Span
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let request = if context.lookup_current().is_none() { CurrentRequest::get() } else { None };
    request.map_or_else(Span::none, |request| request.span())
}

/// One `key=value` after the other.
pub(super) struct Logfmt;

/// Writes the fields of spans for [`Logfmt`].
pub(super) struct LogfmtFields;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let span = span_of_line(context);
        let _entered = span.enter();
        to.write_str("timestamp=")?;
        SystemTime.format_time(&mut to)?;
        write!(to, " level={}", event.metadata().level())?;
        let mut fields = LogfmtVisitor { to: to.by_ref(), prefix: "", result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        if let Some(span) = context.lookup_current()
            && let Some(fields) = span.extensions().get::<FormattedFields<N>>()
        {
            to.write_str(fields)?;
        }
        writeln!(to, " target={}", event.metadata().target())
    }
}

impl<'w> FormatFields<'w> for LogfmtFields {
    fn format_fields<R: RecordFields>(&self, to: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = LogfmtVisitor { to, prefix: "span_", result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

/// Writes a space and `key=value` for each field.
struct LogfmtVisitor<'w> {
    to: Writer<'w>,
    prefix: &'static str,
    result: fmt::Result,
}

impl Visit for LogfmtVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.result.is_ok() {
            let key = field.name();
            let written = write!(self.to, " {}{key}=", self.prefix);
            self.result = written.and_then(|()| write_value(value, &mut self.to));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Writes a value, in quotes if it needs them.
fn write_value(value: &str, to: &mut impl fmt::Write) -> fmt::Result {
    let is_bare = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    if !value.is_empty() && value.bytes().all(is_bare) {
        return to.write_str(value);
    }
    to.write_char('"')?;
    for c in value.chars() {
        match c {
            '"' | '\\' => write!(to, "\\{c}")?,
            '\n' => to.write_str("\\n")?,
            '\t' => to.write_str("\\t")?,
            '\r' => to.write_str("\\r")?,
            c if is_deceptive(c) => write!(to, "\\u{:04x}", u32::from(c))?,
            c => to.write_char(c)?,
        }
    }
    to.write_char('"')
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Written;

        fn make_writer(&'a self) -> Written {
            self.clone()
        }
    }

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    #[test]
    fn logfmt_quotes_what_needs_it_and_has_the_fields_of_the_span() {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt().with_writer(written.clone()).fmt_fields(LogfmtFields);
        tracing::subscriber::with_default(subscriber.event_format(Logfmt).finish(), || {
            let span = tracing::info_span!("request", id = "a-1", method = tracing::field::Empty);
            let _entered = span.enter();
            span.record("method", "spin it");
            let absent: Option<u32> = None;
            tracing::info!(target: "t", count = 7, absent, path = "/a=b", name = "a\"\n\u{202e}ü", empty = "", "it {}", 1);
        });
        let line = written.text();
        let (timestamp, rest) = line.split_once(' ').unwrap();
        assert!(timestamp.starts_with("timestamp=20"), "{line}");
        let expected = "level=INFO message=\"it 1\" count=7 path=\"/a=b\" name=\"a\\\"\\n\\u202eü\" empty=\"\" \
                        span_id=a-1  span_method=\"spin it\" target=t\n";
        assert_eq!(rest, expected);
    }

    #[test]
    fn no_form_shows_characters_that_turn_the_text() {
        let written = Written::default();
        let log = || tracing::warn!(error = %"a\u{202e}b\u{2066}", "c\u{2028}d");
        let format =
            EscapeDeceptive { format: tracing_subscriber::fmt::format().json().flatten_event(true), json: true };
        let fields = tracing_subscriber::fmt::format::JsonFields::new();
        let subscriber = tracing_subscriber::fmt().with_writer(written.clone()).fmt_fields(fields).event_format(format);
        tracing::subscriber::with_default(subscriber.finish(), log);
        let line = written.text();
        assert!(line.is_ascii(), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["error"], &value["message"]), (&"a\u{202e}b\u{2066}".into(), &"c\u{2028}d".into()));
        let format = EscapeDeceptive { format: tracing_subscriber::fmt::format().with_ansi(false), json: false };
        let subscriber = tracing_subscriber::fmt().with_writer(written.clone()).event_format(format);
        tracing::subscriber::with_default(subscriber.finish(), log);
        let line = written.text();
        assert!(line.is_ascii() && line.contains("a\\u{202e}b\\u{2066}") && line.contains("c\\u{2028}d"), "{line}");
    }
}
