//! A header that says how much time a request has left.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::model::text_form::text_form;

/// The `format` of [`TimeoutHeader`] in a JSON Schema.
pub const TIMEOUT_HEADER: &str = "timeout-header";

/// A header that says how much time a request has left. Its name says how the time is written:
///
/// | name | value |
/// |---|---|
/// | `grpc-timeout` | up to eight digits and a unit: `H`, `M`, `S`, `m` (milliseconds), `u` or `n`, such as `1500m` |
/// | ends with `-ms` | milliseconds, such as `1500` |
/// | every other | seconds, such as `1.5`; `ms`, `s` or `m` (minutes) may follow when it is read |
///
/// ```
/// use std::time::Duration;
///
/// use croupier::http::timeout_header::TimeoutHeader;
/// use http::HeaderMap;
///
/// let header: TimeoutHeader = "X-Request-Timeout".parse()?;
/// let headers = HeaderMap::from_iter([("x-request-timeout".parse()?, "1.5".parse()?)]);
/// assert_eq!(header.read(&headers)?, Some(Duration::from_millis(1500)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeoutHeader {
    name: HeaderName,
    form: TimeForm,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum TimeForm {
    Grpc,
    Milliseconds,
    Seconds,
}

/// A text is not the name of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a header, such as \"X-Request-Timeout\"")]
pub struct TimeoutHeaderError;

/// The value of a header is not a time. The message says how one is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not a time: {expected}")]
pub struct InvalidTimeout {
    name: HeaderName,
    expected: &'static str,
}

/// How many digits a number may have. gRPC allows no more, and no sensible time needs more.
const MAX_DIGITS: usize = 8;

impl TimeoutHeader {
    /// The header of this name.
    pub fn new(name: HeaderName) -> TimeoutHeader {
        TimeoutHeader { form: TimeForm::of(&name), name }
    }

    /// The name of the header.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The time in the headers of a request; `None` if they do not have it. Of several, the shortest counts.
    ///
    /// # Errors
    /// If a value is not a time.
    pub fn read(&self, headers: &HeaderMap) -> Result<Option<Duration>, InvalidTimeout> {
        let mut shortest: Option<Duration> = None;
        for value in headers.get_all(&self.name) {
            let time = value.to_str().ok().and_then(|text| self.form.parse(text.trim()));
            let time =
                time.ok_or_else(|| InvalidTimeout { name: self.name.clone(), expected: self.form.expected() })?;
            shortest = Some(shortest.map_or(time, |other| other.min(time)));
        }
        Ok(shortest)
    }

    /// Writes a time, in milliseconds and rounded down, but at least one: a server could read zero as no limit.
    pub fn write(&self, left: Duration, headers: &mut HeaderMap) {
        let millis = left.as_millis().max(1);
        let text = match self.form {
            TimeForm::Grpc if millis < 100_000_000 => format!("{millis}m"),
            TimeForm::Grpc => format!("{}S", (millis / 1000).min(99_999_999)),
            TimeForm::Milliseconds => millis.to_string(),
            TimeForm::Seconds if millis.is_multiple_of(1000) => (millis / 1000).to_string(),
            TimeForm::Seconds => format!("{}.{:03}", millis / 1000, millis % 1000),
        };
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(self.name.clone(), value);
        }
    }
}

impl TimeForm {
    fn of(name: &HeaderName) -> TimeForm {
        match name.as_str() {
            "grpc-timeout" => TimeForm::Grpc,
            name if name.ends_with("-ms") => TimeForm::Milliseconds,
            _ => TimeForm::Seconds,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            TimeForm::Grpc => "up to eight digits and H, M, S, m, u or n, such as 1500m",
            TimeForm::Milliseconds => "up to eight digits, in milliseconds, such as 1500",
            TimeForm::Seconds => "seconds, such as 1.5 or 1500ms",
        }
    }

    fn parse(self, text: &str) -> Option<Duration> {
        match self {
            TimeForm::Grpc => {
                let unit = text.chars().next_back()?;
                let number = u64::from(whole(text.strip_suffix(unit)?)?);
                Some(match unit {
                    'H' => Duration::from_secs(number * 3600),
                    'M' => Duration::from_secs(number * 60),
                    'S' => Duration::from_secs(number),
                    'm' => Duration::from_millis(number),
                    'u' => Duration::from_micros(number),
                    'n' => Duration::from_nanos(number),
                    _ => return None,
                })
            }
            TimeForm::Milliseconds => whole(text).map(|number| Duration::from_millis(number.into())),
            TimeForm::Seconds => {
                let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
                let (number, unit) = text.split_at(end);
                let second = match unit.trim_start() {
                    "" | "s" => 1_000_000_000,
                    "ms" => 1_000_000,
                    "m" => 60_000_000_000,
                    _ => return None,
                };
                decimal(number, second).map(Duration::from_nanos)
            }
        }
    }
}

/// A whole number without a sign.
fn whole(text: &str) -> Option<u32> {
    let is_number = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// A number with at most nine decimals, in billionths of `one` seconds.
fn decimal(text: &str, one: u64) -> Option<u64> {
    let (number, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let number = u64::from(whole(number)?);
    if decimals.is_empty() || decimals.len() > 9 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let billionths: u64 = format!("{decimals:0<9}").parse().ok()?;
    let part = u128::from(billionths) * u128::from(one) / 1_000_000_000;
    number.checked_mul(one)?.checked_add(u64::try_from(part).ok()?)
}

impl FromStr for TimeoutHeader {
    type Err = TimeoutHeaderError;

    fn from_str(text: &str) -> Result<TimeoutHeader, TimeoutHeaderError> {
        text.parse().map(TimeoutHeader::new).map_err(|_| TimeoutHeaderError)
    }
}

text_form!(TimeoutHeader, TimeoutHeaderError, TIMEOUT_HEADER);

impl fmt::Display for TimeoutHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, values: &[&str]) -> Result<Option<u128>, String> {
        let header: TimeoutHeader = name.parse().unwrap();
        let headers: HeaderMap = values.iter().map(|value| (header.name.clone(), value.parse().unwrap())).collect();
        header.read(&headers).map(|time| time.map(|time| time.as_micros())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_time_is_read_as_the_name_says() {
        for (name, text, micros) in [
            ("X-Request-Timeout", "2", 2_000_000),
            ("X-Request-Timeout", "0.25", 250_000),
            ("X-Request-Timeout", "1500ms", 1_500_000),
            ("X-Request-Timeout", "1.5 s", 1_500_000),
            ("X-Request-Timeout", "2m", 120_000_000),
            ("X-Request-Timeout", "99999999", 99_999_999_000_000),
            ("X-Request-Timeout", "0", 0),
            ("grpc-timeout", "1500m", 1_500_000),
            ("grpc-timeout", "2M", 120_000_000),
            ("grpc-timeout", "1H", 3_600_000_000),
            ("grpc-timeout", "7u", 7),
            ("grpc-timeout", "7000n", 7),
            ("x-envoy-expected-rq-timeout-ms", "1500", 1_500_000),
        ] {
            assert_eq!(read(name, &[text]), Ok(Some(micros)), "{name}: {text}");
        }
        assert_eq!(read("x-request-timeout", &["3", "2", "4"]), Ok(Some(2_000_000)));
        assert_eq!(read("x-request-timeout", &[]), Ok(None));
    }

    #[test]
    fn what_is_no_time_is_an_error() {
        for (name, text) in [
            ("X-Request-Timeout", ""),
            ("X-Request-Timeout", "-1"),
            ("X-Request-Timeout", "+1"),
            ("X-Request-Timeout", "soon"),
            ("X-Request-Timeout", "1e3"),
            ("X-Request-Timeout", "1.2.3"),
            ("X-Request-Timeout", ".5"),
            ("X-Request-Timeout", "1."),
            ("X-Request-Timeout", "1 h"),
            ("X-Request-Timeout", "999999999"),
            ("X-Request-Timeout", "1.0000000001"),
            ("grpc-timeout", "1500"),
            ("grpc-timeout", "m"),
            ("grpc-timeout", "1\u{e9}"),
            ("grpc-timeout", "999999999m"),
            ("x-timeout-ms", "1.5"),
            ("x-timeout-ms", "1s"),
        ] {
            let error = read(name, &[text]).unwrap_err();
            assert!(error.contains(&name.to_lowercase()) && error.contains("such as"), "{error}");
        }
        assert!(read("x-request-timeout", &["1", "x"]).is_err());
    }

    #[test]
    fn what_is_written_is_read_as_no_longer() {
        let times = [1, 999_000, 1_000_000, 250_000_000, 1_000_000_000, 1_500_999_999, 86_400_000_000_000];
        for name in ["X-Request-Timeout", "grpc-timeout", "x-timeout-ms"] {
            let header: TimeoutHeader = name.parse().unwrap();
            for time in times.map(Duration::from_nanos).into_iter().chain([Duration::MAX]) {
                let mut headers = HeaderMap::from_iter([(header.name.clone(), HeaderValue::from_static("7"))]);
                header.write(time, &mut headers);
                if time == Duration::MAX && name != "grpc-timeout" {
                    continue;
                }
                let read = header.read(&headers).unwrap().unwrap();
                assert!(read <= time.max(Duration::from_millis(1)) && !read.is_zero(), "{name}: {time:?}, {read:?}");
            }
        }
    }
}
