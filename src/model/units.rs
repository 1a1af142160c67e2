//! Sizes and times as people write them in the configuration.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A number of bytes: an integer, or a text such as `"64 KiB"`, `"4 MiB"` or `"1 GB"`.
///
/// ```
/// use croupier::model::units::Size;
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
/// use croupier::model::units::Period;
/// assert_eq!("2m".parse(), Ok(Period(Duration::from_secs(120))));
/// assert_eq!(Period(Duration::from_millis(1500)).to_string(), "1500ms");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(pub Duration);

/// The text is not a valid size or time. The message says how one is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(Cow<'static, str>);

/// The `format` of [`Size`] in a JSON Schema.
pub const SIZE: &str = "size";
/// The `format` of [`Period`] in a JSON Schema.
pub const PERIOD: &str = "period";

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
            let forms = "a size is such as 65536, \"64 KiB\", \"4 MiB\" or \"1 GiB\"; kB, MB and GB are powers of 1000";
            let short = ["K", "M", "G"].into_iter().find(|short| unit.eq_ignore_ascii_case(short));
            return Err(UnitError(match short {
                Some(short) if !digits.eq(&0) => {
                    let number = text.get(..digits).unwrap_or_default();
                    format!("did you mean \"{number} {short}iB\"? {forms}").into()
                }
                _ => forms.into(),
            }));
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

/// A number of bytes in a field of type `usize`, read and written as a [`Size`].
pub mod bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Size;

    /// For `#[serde(with = "bytes")]`.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(bytes: &usize, to: S) -> Result<S::Ok, S::Error> {
        Size(*bytes).serialize(to)
    }

    /// For `#[serde(with = "bytes")]`.
    ///
    /// # Errors
    /// If the value is not a valid size.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
        Size::deserialize(from).map(|Size(bytes)| bytes)
    }
}

/// A length of time in a field of type `Duration`, read and written as a [`Period`].
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Period;

    /// For `#[serde(with = "duration")]`.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        Period(*duration).serialize(to)
    }

    /// For `#[serde(with = "duration")]`.
    ///
    /// # Errors
    /// If the value is not a valid time.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Period::deserialize(from).map(|Period(duration)| duration)
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
}
