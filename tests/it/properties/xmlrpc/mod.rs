//! What holds for every value, every document and every request: nothing changes on its way unnoticed, the two
//! readers read the same, and every request has a sound answer.

mod documents;
mod requests;
mod values;
