//! Input made to do harm.

mod documents;
mod responses;
mod wsdl;
