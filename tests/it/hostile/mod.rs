//! Input made to do harm.

mod documents;
mod responses;
