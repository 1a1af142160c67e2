//! Several calls in one `system.multicall`, and their results.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ResponseError, fault_of, read};
use crate::codec::tape::{Tape, ValueRef};
use crate::codec::xmlrpc as codec;
use crate::codec::xmlrpc::{Unwritable, XmlRpcDialect};
use crate::model::fault::{Fault, Kind};
use crate::model::value::Value;

/// Calls that are sent as one `system.multicall`, in order.
#[derive(Debug, Clone)]
pub struct Calls {
    written: Vec<u8>,
    count: usize,
    dialect: XmlRpcDialect,
}

/// The results of a multicall, in the order of its calls.
#[derive(Debug, Clone)]
pub struct Results {
    /// The array of the results.
    tape: Tape<'static>,
    /// The number of results that were taken.
    taken: usize,
    /// Whether the server does not wrap each result in an array of one value.
    bare: bool,
}

impl Calls {
    /// An empty list of calls.
    pub fn new(dialect: XmlRpcDialect) -> Calls {
        Calls { written: Vec::new(), count: 0, dialect }
    }

    /// Adds a call. Its parameters are the items of a tuple or an array, or the fields of a struct.
    ///
    /// # Errors
    /// If `params` is anything else, or has a value that XML-RPC cannot express. The call is then not added.
    pub fn add<P: Serialize + ?Sized>(&mut self, method: &str, params: &P) -> Result<(), Unwritable> {
        let end = self.written.len();
        let written = codec::write_call_value(&mut self.written, method, params, self.dialect);
        match written {
            Ok(()) => self.count += 1,
            Err(_) => self.written.truncate(end),
        }
        written
    }

    /// The number of calls.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no calls.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The document of the request.
    pub(super) fn document(&self) -> Vec<u8> {
        let mut document = Vec::with_capacity(self.written.len() + 256);
        codec::write_multicall(&mut document, &self.written, self.dialect);
        document
    }
}

impl Results {
    /// Reads the results of this number of calls. Checks that each is an array of one value, or of none for a method without
    /// a result, or the struct of a fault.
    pub(super) fn read(tape: Tape<'_>, calls: usize, bare: bool) -> Result<Results, Fault> {
        let malformed = |message: String| Err(Fault::new(Kind::Structure, message));
        let Some(items) = tape.values().next().and_then(ValueRef::items) else {
            return malformed("the result of `system.multicall` is not an array".into());
        };
        if items.len() != calls {
            return malformed(format!("{} results for {calls} calls", items.len()));
        }
        for (at, item) in items.enumerate() {
            if !bare && item.items().is_none_or(|values| values.len() > 1) && !is_fault(item) {
                return malformed(format!("result {} is neither an array of one value nor a fault", at + 1));
            }
        }
        Ok(Results { tape: tape.into_owned(), taken: 0, bare })
    }

    /// The number of results that are left.
    pub fn len(&self) -> usize {
        self.items().map_or(0, |items| items.len())
    }

    /// Whether all results were taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next result; returns `None` after the last.
    ///
    /// # Errors
    /// `Fault` if this call failed, `WrongType` if its result is not a `T`. The other results are not affected.
    pub fn take<T: DeserializeOwned>(&mut self) -> Option<Result<T, ResponseError>> {
        let item = self.items()?.next()?;
        let result = match self.result(item) {
            Ok(one) => read(one).map_err(ResponseError::WrongType),
            Err(fault) => Err(ResponseError::Fault(fault)),
        };
        self.taken += 1;
        Some(result)
    }

    /// All results that are left, of any type. A missing value is nil.
    pub fn into_values(self) -> Vec<Result<Value, Fault>> {
        self.into_results().into_iter().map(|result| result.map(|value| value.unwrap_or(Value::Nil))).collect()
    }

    /// All results that are left; `None` for a result without a value.
    pub(in crate::protocol) fn into_results(self) -> Vec<Result<Option<Value>, Fault>> {
        let read_some = |value| read(Some(value)).map_err(|mismatch| Fault::new(Kind::Structure, mismatch.to_string()));
        let items = self.items().into_iter().flatten();
        items.map(|item| self.result(item)?.map(read_some).transpose()).collect()
    }

    /// The value of a result, or its fault.
    fn result<'t, 'a>(&self, item: ValueRef<'t, 'a>) -> Result<Option<ValueRef<'t, 'a>>, Fault> {
        match item.items() {
            Some(mut one) if !self.bare => Ok(one.next()),
            _ if self.bare && !is_fault(item) => Ok(Some(item)),
            _ => Err(fault_of(Some(item))),
        }
    }

    fn items(&self) -> Option<impl ExactSizeIterator<Item = ValueRef<'_, 'static>>> {
        let mut items = self.tape.values().next()?.items()?;
        // Each step skips a whole value, so the cost does not depend on the size of the results.
        for _ in 0..self.taken {
            items.next();
        }
        Some(items)
    }
}

fn is_fault(value: ValueRef<'_, '_>) -> bool {
    value.member("faultCode").is_some() && value.member("faultString").is_some()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;

    use super::*;
    use crate::codec::DocumentLimits;
    use crate::codec::xml::Reading;
    use crate::codec::xmlrpc::XmlRpcDocument;
    use crate::protocol::xmlrpc::client::XmlRpcCodec;

    fn response(results: &str) -> Response<Bytes> {
        let body = format!(
            "<methodResponse><params><param><value><array><data>{results}</data></array></value></param></params>\
             </methodResponse>"
        );
        Response::new(body.into())
    }

    fn calls(count: usize) -> Calls {
        let mut calls = Calls::new(XmlRpcDialect::default());
        for _ in 0..count {
            calls.add("spin", &()).unwrap();
        }
        calls
    }

    const SEVEN: &str = "<value><array><data><value><int>7</int></value></data></array></value>";
    const FAULT: &str = "<value><struct><member><name>faultCode</name><value><int>-32601</int></value></member>\
                         <member><name>faultString</name><value>none</value></member></struct></value>";

    #[test]
    fn the_document_holds_each_call_with_its_parameters_in_an_array() {
        #[derive(Serialize)]
        struct List {
            spins: u32,
        }
        let mut calls = Calls::new(XmlRpcDialect::default());
        calls.add("spin", &()).unwrap();
        calls.add("spinList", &List { spins: 3 }).unwrap();
        calls.add("bad", &("\u{1}",)).unwrap_err();
        let request = XmlRpcCodec::default().encode_batch(&calls);
        let text = std::str::from_utf8(request.body()).unwrap();
        let document = XmlRpcDocument::read(text, Reading::Strict, DocumentLimits::default()).unwrap();
        let value: Value = read(document.tape.values().next()).unwrap();
        let call = |method: &str, params| {
            Value::Struct(vec![
                ("methodName".into(), Value::Text(method.into())),
                ("params".into(), Value::Array(params)),
            ])
        };
        assert_eq!(value, Value::Array(vec![call("spin", vec![]), call("spinList", vec![Value::Int(3)])]));
    }

    #[test]
    fn results_are_taken_one_by_one_with_their_types() {
        let mut results =
            XmlRpcCodec::default().decode_batch(&response(&[SEVEN, FAULT, SEVEN].concat()), &calls(3)).unwrap();
        assert_eq!(results.take::<i32>(), Some(Ok(7)));
        let fault = Fault::new(Kind::NoSuchMethod, "none");
        assert_eq!(results.take::<i32>(), Some(Err(ResponseError::Fault(fault))));
        assert_eq!(results.len(), 1);
        assert!(matches!(results.take::<String>(), Some(Err(ResponseError::WrongType(_)))));
        assert!(results.is_empty());
        assert_eq!(results.take::<i32>(), None);
    }

    #[test]
    fn results_are_values_and_faults() {
        let results = XmlRpcCodec::default().decode_batch(&response(&[SEVEN, FAULT].concat()), &calls(2)).unwrap();
        let fault = Fault::new(Kind::NoSuchMethod, "none");
        assert_eq!(results.into_values(), [Ok(Value::Int(7)), Err(fault)]);
    }

    #[test]
    fn results_may_be_bare() {
        let codec = XmlRpcCodec { bare: true, ..XmlRpcCodec::default() };
        let results = codec.decode_batch(&response(&["<value>3.0</value>", FAULT, SEVEN].concat()), &calls(3)).unwrap();
        let fault = Fault::new(Kind::NoSuchMethod, "none");
        let seven = Value::Array(vec![Value::Int(7)]);
        assert_eq!(results.into_values(), [Ok(Value::Text("3.0".into())), Err(fault), Ok(seven)]);
    }

    #[test]
    fn results_of_another_shape_are_malformed() {
        for results in
            ["", SEVEN, "<value><int>7</int></value><value/>", "<value><struct/></value><value><array/></value>"]
        {
            let decoded = XmlRpcCodec::default().decode_batch(&response(results), &calls(2));
            assert!(matches!(decoded, Err(ResponseError::Malformed(_))), "{results}");
        }
    }
}
