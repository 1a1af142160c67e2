//! Days and months of UTC.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::{Date, Month, OffsetDateTime};

/// The length of the time in which a quota holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeriodUnit {
    /// A day of UTC.
    Day,
    /// A calendar month of UTC.
    Month,
}

/// One day or one month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuotaPeriod {
    /// Which of the two it is.
    pub unit: PeriodUnit,
    /// The number of days since 1970-01-01, or of months since January 1970.
    pub number: u32,
}

const DAY: u64 = 24 * 60 * 60;
const FIRST_YEAR: i32 = 1970;

impl PeriodUnit {
    /// The period in which a time is. Times before 1970 are in the first one.
    pub fn period_at(self, time: SystemTime) -> QuotaPeriod {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let number = match self {
            PeriodUnit::Day => u32::try_from(since / DAY).unwrap_or(u32::MAX),
            PeriodUnit::Month => month_of(since),
        };
        QuotaPeriod { unit: self, number }
    }

    /// The word for it, as configurations have it.
    pub fn word(self) -> &'static str {
        match self {
            PeriodUnit::Day => "day",
            PeriodUnit::Month => "month",
        }
    }
}

/// The number of months between January 1970 and the month in which a time is, in seconds since 1970.
fn month_of(since: u64) -> u32 {
    let date = i64::try_from(since).ok().and_then(|since| OffsetDateTime::from_unix_timestamp(since).ok());
    // Dates end with the year 9999.
    let Some(date) = date else { return u32::MAX };
    let years = u32::try_from(date.year() - FIRST_YEAR).unwrap_or_default();
    years * 12 + u32::from(u8::from(date.month())) - 1
}

impl QuotaPeriod {
    /// The period that follows.
    #[must_use]
    pub fn next(self) -> QuotaPeriod {
        QuotaPeriod { number: self.number.saturating_add(1), ..self }
    }

    /// When the period begins.
    pub fn begin(self) -> SystemTime {
        let since = match self.unit {
            PeriodUnit::Day => u64::from(self.number) * DAY,
            PeriodUnit::Month => self.first_day().map_or(u64::MAX / 2, |date| {
                u64::try_from(date.midnight().assume_utc().unix_timestamp()).unwrap_or_default()
            }),
        };
        UNIX_EPOCH.checked_add(Duration::from_secs(since)).unwrap_or(UNIX_EPOCH)
    }

    fn first_day(self) -> Option<Date> {
        match self.unit {
            PeriodUnit::Day => {
                let epoch = Date::from_calendar_date(FIRST_YEAR, Month::January, 1).ok()?;
                epoch.checked_add(time::Duration::days(self.number.into()))
            }
            PeriodUnit::Month => {
                let year = FIRST_YEAR.checked_add_unsigned(self.number / 12)?;
                let month = u8::try_from(self.number % 12 + 1).ok().and_then(|month| Month::try_from(month).ok())?;
                Date::from_calendar_date(year, month, 1).ok()
            }
        }
    }

    /// How many seconds it has.
    pub(super) fn seconds(self) -> u64 {
        self.next().begin().duration_since(self.begin()).unwrap_or_default().as_secs()
    }
}

impl fmt::Display for QuotaPeriod {
    /// The time of its beginning, as RFC 3339 writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first_day() {
            Some(date) => {
                write!(f, "{:04}-{:02}-{:02}T00:00:00Z", date.year(), u8::from(date.month()), date.day())
            }
            None => f.write_str("the end of all calendars"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn days_and_months_begin_at_midnight_of_utc() {
        for (seconds, day, month, length) in [
            (0, "1970-01-01", "1970-01-01", 31),
            (DAY - 1, "1970-01-01", "1970-01-01", 31),
            (DAY, "1970-01-02", "1970-01-01", 31),
            // 2024-02-29T23:59:59Z and the second after it.
            (1_709_251_199, "2024-02-29", "2024-02-01", 29),
            (1_709_251_200, "2024-03-01", "2024-03-01", 31),
            // 2026-12-31T23:59:59Z and the second after it.
            (1_798_761_599, "2026-12-31", "2026-12-01", 31),
            (1_798_761_600, "2027-01-01", "2027-01-01", 31),
        ] {
            let (of_day, of_month) = (PeriodUnit::Day.period_at(at(seconds)), PeriodUnit::Month.period_at(at(seconds)));
            assert_eq!(of_day.to_string(), format!("{day}T00:00:00Z"));
            assert_eq!(of_month.to_string(), format!("{month}T00:00:00Z"));
            assert_eq!((of_day.seconds(), of_month.seconds()), (DAY, length * DAY));
            for period in [of_day, of_month] {
                assert!(period.begin() <= at(seconds) && at(seconds) < period.next().begin(), "{period:?}");
            }
        }
    }

    #[test]
    fn times_out_of_the_calendar_have_periods_too() {
        assert_eq!(PeriodUnit::Day.period_at(UNIX_EPOCH - Duration::from_secs(1)).number, 0);
        for seconds in [253_402_300_800, u64::MAX / 4] {
            for unit in [PeriodUnit::Day, PeriodUnit::Month] {
                let period = unit.period_at(at(seconds));
                assert!(!period.next().to_string().is_empty() && period.begin() >= UNIX_EPOCH);
            }
        }
    }
}
