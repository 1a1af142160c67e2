//! What rustls does not tell of a certificate: until when it is valid, whom it is for, and who has issued it.
//!
//! The reader goes along the fields of a certificate (RFC 5280, section 4.1) to the ones that it needs, and reads nothing
//! of the others. It copies nothing and never recurses. rustls checks the certificate itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::{Date, Month, PrimitiveDateTime, Time};

/// The time within which a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// When it begins, in seconds since 1970.
    pub not_before: i64,
    /// When it ends, in seconds since 1970.
    pub not_after: i64,
}

/// A part of the fields of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct CertificateFields<'c> {
    pub(in crate::server) validity: Validity,
    /// The name of the issuer, in DER.
    pub(in crate::server) issuer: &'c [u8],
    /// The name of its holder, in DER.
    pub(in crate::server) subject: &'c [u8],
}

/// How long before its end a certificate is worth a warning.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

impl Validity {
    /// What an operator should know of it now, such as `expires in 3 days`; `None` if there is nothing to do.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let left = self.not_after.saturating_sub(now);
        let date = |seconds: i64| {
            let seconds = u64::try_from(seconds).unwrap_or(0).min(LAST_SECOND);
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds))
        };
        if left < 0 {
            Some(format!("has expired at {}: clients refuse it", date(self.not_after)))
        } else if self.not_before > now {
            Some(format!("is not valid before {}: clients refuse it", date(self.not_before)))
        } else if left.unsigned_abs() < SOON.as_secs() {
            let days = left / (24 * 60 * 60);
            let left = match days {
                0 => "within a day".to_owned(),
                1 => "in 1 day".to_owned(),
                days => format!("in {days} days"),
            };
            Some(format!("expires {left}, at {}", date(self.not_after)))
        } else {
            None
        }
    }
}

/// The end of the year 9999: the last second of the times in certificates.
const LAST_SECOND: u64 = 253_402_300_799;

impl<'c> CertificateFields<'c> {
    /// Reads a certificate in DER; `None` if it is malformed.
    pub(in crate::server) fn read(der: &'c [u8]) -> Option<CertificateFields<'c>> {
        let (certificate, _) = element(der, SEQUENCE)?;
        let (fields, _) = element(certificate, SEQUENCE)?;
        // The version is left out in version 1.
        let rest = element(fields, VERSION).map_or(fields, |(_, rest)| rest);
        let (_, rest) = element(rest, INTEGER)?;
        let (_, rest) = element(rest, SEQUENCE)?;
        let (issuer, rest) = element(rest, SEQUENCE)?;
        let (validity, rest) = element(rest, SEQUENCE)?;
        let (subject, _) = element(rest, SEQUENCE)?;
        let (not_before, rest) = time(validity)?;
        let (not_after, _) = time(rest)?;
        Some(CertificateFields { validity: Validity { not_before, not_after }, issuer, subject })
    }

    /// Whether it is its own issuer.
    pub(in crate::server) fn is_self_signed(&self) -> bool {
        self.issuer == self.subject
    }
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version of a certificate: `[0]`, constructed.
const VERSION: u8 = 0xA0;

/// The content of the element that the bytes begin with, if it has this tag, and the bytes behind it (X.690, section 8.1).
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ ..=0x7F => (usize::from(short), rest),
        // In DER the length is definite; four bytes are more than any file has.
        long @ 0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(long & 0x7F))?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The time that the bytes begin with, in seconds since 1970, and the bytes behind it (RFC 5280, section 4.1.2.5).
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (digits, century, rest) = match element(bytes, UTC_TIME) {
        Some((text, rest)) => {
            let year = number(text.get(..2)?)?;
            (text, if year < 50 { 2000 } else { 1900 }, rest)
        }
        None => {
            let (text, rest) = element(bytes, GENERALIZED_TIME)?;
            let (century, text) = text.split_at_checked(2)?;
            (text, number(century)?.checked_mul(100)?, rest)
        }
    };
    let digits = digits.strip_suffix(b"Z").filter(|digits| digits.len() == 12)?;
    let two = |at: usize| number(digits.get(at..at + 2)?);
    let small = |at: usize| two(at).and_then(|number| u8::try_from(number).ok());
    let year = i32::from(century) + i32::from(two(0)?);
    let date = Date::from_calendar_date(year, Month::try_from(small(2)?).ok()?, small(4)?).ok()?;
    let time = Time::from_hms(small(6)?, small(8)?, small(10)?).ok()?;
    Some((PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp(), rest))
}

/// The number that one or two digits write.
fn number(digits: &[u8]) -> Option<u16> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(years: (i32, i32)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "x".repeat(300));
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 12, 31));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn both_forms_of_time_are_read() {
        for (years, not_before, not_after) in
            [((1970, 2049), 0, 2_524_521_600), ((2050, 9999), 2_524_608_000, 253_402_214_400)]
        {
            let der = certificate(years);
            let fields = CertificateFields::read(&der).unwrap();
            assert_eq!(fields.validity, Validity { not_before, not_after });
            assert!(fields.is_self_signed());
        }
    }

    #[test]
    fn an_operator_is_warned_before_the_end_and_after_it() {
        let day = 24 * 60 * 60;
        let validity = Validity { not_before: 100 * day, not_after: 200 * day };
        let at = |days: i64| validity.warning(UNIX_EPOCH + Duration::from_secs((days * day).unsigned_abs()));
        assert_eq!(at(150), None);
        assert_eq!(at(186), None);
        assert_eq!(at(187).as_deref(), Some("expires in 13 days, at 1970-07-20T00:00:00Z"));
        assert_eq!(at(199).as_deref(), Some("expires in 1 day, at 1970-07-20T00:00:00Z"));
        assert_eq!(at(200).as_deref(), Some("expires within a day, at 1970-07-20T00:00:00Z"));
        assert_eq!(at(201).as_deref(), Some("has expired at 1970-07-20T00:00:00Z: clients refuse it"));
        assert_eq!(at(99).as_deref(), Some("is not valid before 1970-04-11T00:00:00Z: clients refuse it"));
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(bytes: Vec<u8>, at: prop::sample::Index, byte: u8) {
            CertificateFields::read(&bytes);
            let mut changed = certificate((2020, 2060));
            let at = at.index(changed.len().min(700));
            changed[at] = byte;
            CertificateFields::read(&changed);
            CertificateFields::read(&changed[..at]);
        }
    }
}
