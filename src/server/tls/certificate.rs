//! What rustls does not tell of a certificate: until when it is valid, whom it is for, and who has issued it.
//! rustls checks the certificate itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

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
        let (_, X509Certificate { tbs_certificate: fields, .. }) = X509Certificate::from_der(der).ok()?;
        let (not_before, not_after) = (fields.validity.not_before.timestamp(), fields.validity.not_after.timestamp());
        let validity = Validity { not_before, not_after };
        Some(CertificateFields { validity, issuer: fields.issuer.as_raw(), subject: fields.subject.as_raw() })
    }

    /// Whether it is its own issuer.
    pub(in crate::server) fn is_self_signed(&self) -> bool {
        self.issuer == self.subject
    }
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
