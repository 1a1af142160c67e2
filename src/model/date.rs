//! A date and time with an optional time zone: XML-RPC's dates have none.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer, ser};
use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// The serde newtype name of a date, by which serializers of protocols with a date type recognize it.
pub(crate) const TOKEN: &str = "croupier::DateTime";

/// A date and a time of day, to the nanosecond. The time zone may be unknown; it is never guessed.
///
/// Parses ISO 8601 in the basic form (`19980717T14:08:55`), the extended form, and the mixed forms that real clients
/// send, with an optional fraction and an optional zone (`Z`, `+02:00`, `+0200`). Dates that do not exist, 24:00 and leap
/// seconds are refused. Displays as the extended form.
///
/// ```
/// use croupier::DateTime;
/// let when: DateTime = "19980717T14:08:55".parse()?;
/// assert_eq!(when.to_string(), "1998-07-17T14:08:55");
/// assert!("19980230T14:08:55".parse::<DateTime>().is_err());
/// # Ok::<(), croupier::model::date::DateError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// The local date and time.
    pub local: PrimitiveDateTime,
    /// The offset of the local time from UTC; `None` if it is unknown.
    pub zone: Option<UtcOffset>,
}

/// The text is not a valid date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date and time such as 19980717T14:08:55")]
pub struct DateError;

impl DateTime {
    /// The same moment in another time zone. A date whose zone is unknown is returned unchanged. `None` for years outside
    /// ±9999.
    pub fn at(self, zone: UtcOffset) -> Option<DateTime> {
        let Some(from) = self.zone else { return Some(self) };
        let moved = self.local.assume_offset(from).checked_to_offset(zone)?;
        Some(DateTime { local: PrimitiveDateTime::new(moved.date(), moved.time()), zone: Some(zone) })
    }

    /// The form that XML-RPC's specification shows, without fraction and zone: `19980717T14:08:55`. `None` for a
    /// year outside 0 to 9999, which has no four digits.
    pub fn basic(&self) -> Option<String> {
        let (date, time) = (self.local.date(), self.local.time());
        let year = u16::try_from(date.year()).ok().filter(|year| *year <= 9999)?;
        let (month, day) = (u8::from(date.month()), date.day());
        let (hour, minute, second) = time.as_hms();
        Some(format!("{year:04}{month:02}{day:02}T{hour:02}:{minute:02}:{second:02}"))
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.local.date(), self.local.time());
        write!(f, "{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())?;
        write!(f, "T{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())?;
        if time.nanosecond() != 0 {
            let digits = format!("{:09}", time.nanosecond());
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        match self.zone {
            None => Ok(()),
            Some(zone) if zone.is_utc() => f.write_str("Z"),
            Some(zone) => {
                let minutes = zone.whole_minutes();
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        }
    }
}

impl FromStr for DateTime {
    type Err = DateError;

    fn from_str(text: &str) -> Result<DateTime, DateError> {
        Scanner(text.trim_matches([' ', '\t', '\r', '\n'])).date_time().ok_or(DateError)
    }
}

/// Fails for what ISO 8601 cannot represent: years outside 0 to 9999, zones with seconds or of 24 hours and more.
impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        if text.parse() != Ok(*self) {
            return Err(ser::Error::custom(format_args!("the date {text} is beyond ISO 8601")));
        }
        serializer.serialize_newtype_struct(TOKEN, &text)
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DateTime, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = DateTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date and time")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<DateTime, D::Error> {
                inner.deserialize_str(self)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<DateTime, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_newtype_struct(TOKEN, Text)
    }
}

impl JsonSchema for DateTime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DateTime".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// The unread rest of a date's text.
struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    fn date_time(&mut self) -> Option<DateTime> {
        let year = self.digits(4)?;
        self.eat("-");
        let month = Month::try_from(u8::try_from(self.digits(2)?).ok()?).ok()?;
        self.eat("-");
        let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, self.byte(2)?).ok()?;
        if !self.eat("T") {
            return None;
        }
        let hour = self.byte(2)?;
        self.eat(":");
        let minute = self.byte(2)?;
        self.eat(":");
        let second = self.byte(2)?;
        let nanos = if self.eat(".") || self.eat(",") { self.fraction()? } else { 0 };
        let time = Time::from_hms_nano(hour, minute, second, nanos).ok()?;
        let zone = self.zone()?;
        self.0.is_empty().then_some(DateTime { local: PrimitiveDateTime::new(date, time), zone })
    }

    fn zone(&mut self) -> Option<Option<UtcOffset>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.eat("Z") || self.eat("z") {
            return Some(Some(UtcOffset::UTC));
        }
        let sign = if self.eat("+") {
            1
        } else if self.eat("-") {
            -1
        } else {
            return None;
        };
        let hours = i8::try_from(self.digits(2)?).ok()?;
        self.eat(":");
        let minutes = i8::try_from(self.digits(2)?).ok()?;
        if hours > 23 || minutes > 59 {
            return None;
        }
        UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok().map(Some)
    }

    fn fraction(&mut self) -> Option<u32> {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let kept = count.min(9);
        let nanos = self.digits(kept).filter(|_| count > 0)? * 10_u32.pow(u32::try_from(9 - kept).ok()?);
        self.0 = self.0.get(count - kept..)?;
        Some(nanos)
    }

    fn byte(&mut self, count: usize) -> Option<u8> {
        self.digits(count).and_then(|number| u8::try_from(number).ok())
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let digits = self.0.get(..count)?;
        self.0 = self.0.get(count..)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    }

    fn eat(&mut self, what: &str) -> bool {
        match self.0.strip_prefix(what) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        text.parse::<DateTime>().ok().map(|date| date.to_string())
    }

    #[test]
    fn every_form_that_peers_send_is_read() {
        let plain = Some("1998-07-17T14:08:55".to_owned());
        for text in ["19980717T14:08:55", "1998-07-17T14:08:55", "19980717T140855", " 19980717T14:08:55\n"] {
            assert_eq!(read(text), plain, "{text}");
        }
        assert_eq!(read("19980717T14:08:55Z").as_deref(), Some("1998-07-17T14:08:55Z"));
        assert_eq!(read("19980717T14:08:55+02:00").as_deref(), Some("1998-07-17T14:08:55+02:00"));
        assert_eq!(read("19980717T14:08:55-0130").as_deref(), Some("1998-07-17T14:08:55-01:30"));
        assert_eq!(read("19980717T14:08:55.020").as_deref(), Some("1998-07-17T14:08:55.02"));
        assert_eq!(read("19980717T14:08:55.1234567899").as_deref(), Some("1998-07-17T14:08:55.123456789"));
    }

    #[test]
    fn what_is_in_no_calendar_is_refused() {
        for text in [
            "",
            "19980717",
            "19980230T14:08:55",
            "19981317T14:08:55",
            "19980717T24:00:00",
            "19980717T14:08:60",
            "19980717T14:08:55.",
            "19980717T14:08:55x",
            "19980717T14:08:55+24:00",
            "1998٠717T14:08:55",
            "+1998717T14:08:55",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_known_zone_converts_and_an_unknown_one_stays() {
        let utc = UtcOffset::UTC;
        let moved = "19980717T01:00:00+02:00".parse::<DateTime>().unwrap().at(utc).unwrap();
        assert_eq!(moved.basic().as_deref(), Some("19980716T23:00:00"));
        let unknown = "19980717T01:00:00".parse::<DateTime>().unwrap();
        assert_eq!(unknown.at(utc), Some(unknown));
        assert_eq!("99991231T23:59:59-01:00".parse::<DateTime>().unwrap().at(utc), None);
    }

    #[test]
    fn what_iso_8601_cannot_say_is_not_written() {
        let first = "00000101T00:00:00+01:00".parse::<DateTime>().unwrap();
        assert!(serde_json::to_string(&first).is_ok());
        let before = first.at(UtcOffset::UTC).unwrap();
        assert_eq!(before.basic(), None);
        assert!(serde_json::to_string(&before).is_err());
        let odd = DateTime { zone: UtcOffset::from_hms(0, 0, 30).ok(), ..first };
        assert!(serde_json::to_string(&odd).is_err());
    }
}
