//! The trace of which a request is a part: the headers `traceparent` and `tracestate` (W3C Trace Context).

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header with the trace and the caller's part of it.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header with what tracing systems say to each other.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// The bytes of a `tracestate` that are passed on at least (section 3.3.1.5). A longer one is dropped.
const LONGEST_STATE: usize = 512;
/// The flags that version 00 and level 2 define: sampled, and a random trace id.
const FLAGS: u8 = SAMPLED | RANDOM;
const SAMPLED: u8 = 0b01;
const RANDOM: u8 = 0b10;

/// The trace of a request. Its log lines and its requests to upstream servers carry the same trace id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// 32 lowercase hexadecimal digits.
    trace_id: String,
    /// The id of the caller's part of it; 0 if the trace begins here.
    parent_id: u64,
    flags: u8,
    state: Option<HeaderValue>,
}

impl TraceContext {
    /// A trace that begins here. `trace_id` is a random number that is not 0.
    pub(crate) fn begin(trace_id: u128, sampled: bool) -> TraceContext {
        let flags = if sampled { SAMPLED | RANDOM } else { RANDOM };
        TraceContext { trace_id: format!("{trace_id:032x}"), parent_id: 0, flags, state: None }
    }

    /// The trace in the headers of a request; `None` if they have no valid `traceparent`.
    pub fn received(headers: &HeaderMap) -> Option<TraceContext> {
        let parent = headers.get(TRACEPARENT)?;
        if headers.get_all(TRACEPARENT).iter().nth(1).is_some() {
            return None;
        }
        let (trace_id, parent_id, flags) = parse(parent.as_bytes())?;
        Some(TraceContext { trace_id: trace_id.to_owned(), parent_id, flags, state: state(headers) })
    }

    /// The id of the trace: 32 lowercase hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The id of the caller's part of the trace; 0 if the trace begins here.
    pub(crate) fn parent_id(&self) -> u64 {
        self.parent_id
    }

    /// Whether the spans of the trace are recorded.
    pub(crate) fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn flags(&self) -> u8 {
        self.flags
    }

    /// What tracing systems say to each other (`tracestate`).
    #[cfg(feature = "otlp")]
    pub(crate) fn state(&self) -> Option<&HeaderValue> {
        self.state.as_ref()
    }

    /// Adds the trace to a request to an upstream. `parent_id` identifies that request, and must not be 0.
    pub(crate) fn apply_to(&self, headers: &mut HeaderMap, parent_id: u64) {
        let parent = format!("00-{}-{parent_id:016x}-{:02x}", self.trace_id, self.flags);
        if let Ok(parent) = HeaderValue::try_from(parent) {
            headers.insert(TRACEPARENT, parent);
        }
        if let Some(state) = &self.state {
            headers.insert(TRACESTATE, state.clone());
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.trace_id)
    }
}

/// The trace id, the id of the caller's part and the flags of a `traceparent` (section 3.2). Versions after 00 may have more
/// at the end.
fn parse(parent: &[u8]) -> Option<(&str, u64, u8)> {
    let text = std::str::from_utf8(parent).ok()?;
    let (known, more) = text.split_at_checked(LENGTH)?;
    let mut parts = known.split('-');
    let (version, trace_id, parent_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_valid = parts.next().is_none()
        && is_hex(version, 2)
        && version != "ff"
        && is_hex(trace_id, 32)
        && is_hex(parent_id, 16)
        && is_hex(flags, 2)
        && [trace_id, parent_id].iter().all(|id| id.bytes().any(|digit| digit != b'0'))
        && (more.is_empty() || (version != "00" && more.starts_with('-')));
    let parent_id = u64::from_str_radix(parent_id, 16).ok()?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    is_valid.then_some((trace_id, parent_id, flags & FLAGS))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// All `tracestate` headers as one (section 3.3).
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(TRACESTATE).iter();
    let (first, second) = (lines.next()?, lines.next());
    let joined = match second {
        None => first.clone(),
        Some(_) => {
            let all: Vec<&[u8]> = headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes).collect();
            HeaderValue::from_bytes(&all.join(&b',')).ok()?
        }
    };
    let is_plain = joined.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    (joined.len() <= LONGEST_STATE && is_plain).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn received(parent: &str) -> Option<TraceContext> {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, parent.parse().unwrap());
        TraceContext::received(&headers)
    }

    #[test]
    fn only_a_valid_trace_is_taken_over() {
        for (parent, valid) in [
            (format!("00-{ID}-00f067aa0ba902b7-01"), true),
            (format!("01-{ID}-00f067aa0ba902b7-01-more"), true),
            (format!("00-{ID}-00f067aa0ba902b7-01-more"), false),
            (format!("01-{ID}-00f067aa0ba902b7-01more"), false),
            (format!("ff-{ID}-00f067aa0ba902b7-01"), false),
            (format!("00-{ID}-0000000000000000-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()), false),
            (format!("00-{ID}-00f067aa0ba902b7-0"), false),
            (format!("00-{ID}-00f067aa0ba902b7-0g"), false),
            (format!("00-{ID}00f067aa0ba902b7-01-0"), false),
            (String::new(), false),
        ] {
            assert_eq!(received(&parent).map(|trace| trace.trace_id), valid.then(|| ID.to_owned()), "{parent}");
        }
        let mut twice = HeaderMap::new();
        for digit in ['1', '2'] {
            twice.append(TRACEPARENT, format!("00-{ID}-00f067aa0ba902b{digit}-01").parse().unwrap());
        }
        assert_eq!(TraceContext::received(&twice), None);
    }

    #[test]
    fn a_trace_that_begins_here_has_no_parent() {
        for (sampled, flags) in [(true, "03"), (false, "02")] {
            let trace = TraceContext::begin(0xab, sampled);
            let mut sent = HeaderMap::new();
            trace.apply_to(&mut sent, 0xcd);
            assert_eq!((trace.parent_id(), trace.is_sampled()), (0, sampled));
            assert_eq!(sent[TRACEPARENT], format!("00-{:032x}-{:016x}-{flags}", 0xab, 0xcd));
        }
        let trace = received(&format!("00-{ID}-00f067aa0ba902b7-00")).unwrap();
        assert_eq!((trace.parent_id(), trace.is_sampled()), (0x00f0_67aa_0ba9_02b7, false));
    }

    #[test]
    fn the_upstream_gets_the_trace_with_another_parent() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, format!("cc-{ID}-00f067aa0ba902b7-ff").parse().unwrap());
        headers.append(TRACESTATE, "a=1".parse().unwrap());
        headers.append(TRACESTATE, "b=2".parse().unwrap());
        let mut sent = HeaderMap::new();
        TraceContext::received(&headers).unwrap().apply_to(&mut sent, 0xab);
        assert_eq!(sent[TRACEPARENT], format!("00-{ID}-00000000000000ab-03"));
        assert_eq!(sent[TRACESTATE], "a=1,b=2");
        headers.append(TRACESTATE, "c".repeat(LONGEST_STATE).parse().unwrap());
        let mut sent = HeaderMap::new();
        TraceContext::received(&headers).unwrap().apply_to(&mut sent, 1);
        assert!(sent.contains_key(TRACEPARENT) && !sent.contains_key(TRACESTATE));
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_or_refused(parent in "\\PC{0,80}|00-[0-9a-g]{32}-[0-9a-f]{16}-[0-9a-f]{2}") {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(parent.as_bytes()) {
                headers.insert(TRACEPARENT, value);
            }
            if let Some(trace) = TraceContext::received(&headers) {
                assert!(is_hex(trace.trace_id(), 32));
            }
        }
    }
}
