//! The rules that a WSDL keeps, whatever the interface.
