//! Sizes, times and addresses as people write them in the configuration.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::server::settings::ListenAddress;

/// A number of bytes: an integer, or a text such as `"64 KiB"`, `"4 MiB"` or `"1 GB"`.
///
/// ```
/// use croupier::config::Size;
/// assert_eq!("4 MiB".parse(), Ok(Size(4 * 1024 * 1024)));
/// assert_eq!("10kB".parse(), Ok(Size(10_000)));
/// assert_eq!(Size(65_536).to_string(), "64 KiB");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "WrittenSize", into = "String")]
pub struct Size(pub usize);

/// A length of time: a text such as `"10s"`, `"500ms"` or `"1h 30m"`.
///
/// ```
/// use std::time::Duration;
/// use croupier::config::Period;
/// assert_eq!("2m".parse(), Ok(Period(Duration::from_secs(120))));
/// assert_eq!(Period(Duration::from_millis(1500)).to_string(), "1500ms");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(pub Duration);

/// Where to listen: `"127.0.0.1:8008"`, `"[::1]:8008"` or `"unix:/run/croupier.sock"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(pub ListenAddress);

/// A text is no size, no time or no address; says how one is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError(Cow<'static, str>);

/// How a schema names the texts that only [`Size`], [`Period`] and [`Address`] can read.
pub(super) const SIZE: &str = "size";
/// See [`SIZE`].
pub(super) const PERIOD: &str = "period";
/// See [`SIZE`].
pub(super) const ADDRESS: &str = "address";

/// The most bytes in the path of a unix socket: what the kernel's structure for it holds.
const LONGEST_SOCKET_PATH: usize = 107;

const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

impl std::str::FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Size, UnitError> {
        let text = text.trim();
        let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start();
        let number = number.replace('_', "").parse::<u64>();
        let factor = UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name)).map(|(_, factor)| *factor);
        let (Ok(number), Some(factor)) = (number, factor) else {
            return Err(UnitError(
                "a size is such as 65536, \"64 KiB\", \"4 MiB\" or \"1 GiB\"; kB, MB and GB are powers of 1000".into(),
            ));
        };
        let bytes = number.checked_mul(factor).and_then(|bytes| usize::try_from(bytes).ok());
        bytes.map(Size).ok_or(UnitError("it is more than this machine can count".into()))
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.into_iter().find(|(shift, _)| self.0 > 0 && self.0.trailing_zeros() >= *shift) {
            Some((shift, unit)) => write!(f, "{} {unit}", self.0 >> shift),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl std::str::FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Period, UnitError> {
        humantime::parse_duration(text).map(Period).map_err(|_| {
            if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
                return UnitError(format!("give the unit too: \"{text}s\"").into());
            }
            UnitError("a time is such as \"10s\", \"500ms\", \"2m\" or \"1h 30m\"".into())
        })
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.subsec_nanos() {
            0 => write!(f, "{}s", self.0.as_secs()),
            nanos if nanos % 1_000_000 == 0 => write!(f, "{}ms", self.0.as_millis()),
            _ => humantime::format_duration(self.0).fmt(f),
        }
    }
}

impl std::str::FromStr for Address {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Address, UnitError> {
        let path = text.strip_prefix("unix:").unwrap_or_default();
        if path.len() > LONGEST_SOCKET_PATH {
            let reason =
                format!("the path of a unix socket has at most {LONGEST_SOCKET_PATH} bytes, not {}", path.len());
            return Err(UnitError(reason.into()));
        }
        match text.parse() {
            Ok(listen) if !path.contains('\0') => Ok(Address(listen)),
            _ => Err(UnitError(address_hint(text))),
        }
    }
}

/// What to write instead of an address that cannot be read.
fn address_hint(text: &str) -> Cow<'static, str> {
    let candidates = match text.rsplit_once(':') {
        _ if text.starts_with('/') => vec![format!("unix:{text}")],
        Some(("", port)) => vec![format!("0.0.0.0:{port}")],
        Some(("localhost", port)) => vec![format!("127.0.0.1:{port}")],
        Some(_) => vec![format!("[{text}]:8008")],
        None => vec![format!("{text}:8008"), format!("127.0.0.1:{text}")],
    };
    let meant = candidates.iter().find(|candidate| candidate.parse::<ListenAddress>().is_ok());
    match meant {
        Some(meant) => format!("did you mean `{meant}`?").into(),
        None => "an address is such as \"127.0.0.1:8008\", \"[::1]:8008\" or \"unix:/run/croupier.sock\"".into(),
    }
}

impl std::fmt::Display for UnitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnitError {}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenSize {
    Bytes(usize),
    Text(String),
}

impl TryFrom<WrittenSize> for Size {
    type Error = UnitError;

    fn try_from(written: WrittenSize) -> Result<Size, UnitError> {
        match written {
            WrittenSize::Bytes(bytes) => Ok(Size(bytes)),
            WrittenSize::Text(text) => text.parse(),
        }
    }
}

impl TryFrom<String> for Period {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Period, UnitError> {
        text.parse()
    }
}

impl TryFrom<String> for Address {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Address, UnitError> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> String {
        size.to_string()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> String {
        period.to_string()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.0.to_string()
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "format": SIZE, "minimum": 0 })
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    /// Its bounds are in milliseconds.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": PERIOD })
    }
}

impl JsonSchema for Address {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": ADDRESS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units_in_any_case() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("17 B", Some(17)),
            ("64 KiB", Some(65_536)),
            ("64kib", Some(65_536)),
            ("1_000 kB", Some(1_000_000)),
            (" 3 MB ", Some(3_000_000)),
            ("2 GiB", Some(2 << 30)),
            ("1 GB", Some(1_000_000_000)),
            ("", None),
            ("MiB", None),
            ("4 MeB", None),
            ("-1", None),
            ("1.5 MiB", None),
            ("64 K", None),
            ("99999999999999999999", None),
            ("18446744073709551615 GiB", None),
        ] {
            assert_eq!(text.parse::<Size>().ok(), bytes.map(Size), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for bytes in [0, 1, 1023, 1024, 1 << 20, (1 << 20) + 1, 3 << 30] {
            assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }
        for millis in [0, 1, 999, 1000, 75_000, 90_500] {
            let period = Period(Duration::from_millis(millis));
            assert_eq!(period.to_string().parse(), Ok(period));
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_comes_with_the_likely_one() {
        for (text, hint) in [
            (":8008", "did you mean `0.0.0.0:8008`?"),
            ("localhost:80", "did you mean `127.0.0.1:80`?"),
            ("8008", "did you mean `127.0.0.1:8008`?"),
            ("10.0.0.1", "did you mean `10.0.0.1:8008`?"),
            ("::1", "did you mean `[::1]:8008`?"),
            ("/run/c.sock", "did you mean `unix:/run/c.sock`?"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err().to_string(), hint);
        }
        let plain = "an address is such as \"127.0.0.1:8008\", \"[::1]:8008\" or \"unix:/run/croupier.sock\"";
        for text in ["", "unix:", "example.org:80", "1.2.3.4:99999", "unix:/a\0b", "http://127.0.0.1:80"] {
            assert_eq!(text.parse::<Address>().unwrap_err().to_string(), plain, "{text}");
        }
        assert!(format!("unix:/{}", "x".repeat(106)).parse::<Address>().is_ok());
        assert!(format!("unix:/{}", "x".repeat(107)).parse::<Address>().is_err());
    }
}
