//! A text that is a date is the same date when it is written and read again, in every form.

#![no_main]

use croupier::DateTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(date) = text.parse::<DateTime>() else { return };
    assert_eq!(date.to_string().parse(), Ok(date));
    let json = serde_json::to_string(&date).expect("what was read can be written");
    assert_eq!(serde_json::from_str::<DateTime>(&json).ok(), Some(date));
    let basic = date.basic().expect("four digits are what was read");
    let plain = DateTime { zone: None, local: date.local.replace_nanosecond(0).expect("no nanoseconds") };
    assert_eq!(basic.parse(), Ok(plain));
    if let (Some(zone), Some(moved)) = (date.zone, date.at(time::UtcOffset::UTC)) {
        assert_eq!(moved.at(zone), Some(date));
    }
});
