//! Interfaces read from the descriptions that servers give of themselves.

mod introspection;
mod wsdl;
mod wsdl_documents;
