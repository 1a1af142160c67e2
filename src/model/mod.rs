//! Plain data that every other room uses: values, dates, faults, the description of a service. Knows no protocol.

pub mod coerce;
pub mod date;
pub mod fault;
pub mod interface;
pub mod option_error;
pub mod shape;
pub mod text;
pub mod units;
pub mod value;
