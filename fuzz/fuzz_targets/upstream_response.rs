//! Any response is decoded into a result, a fault or an error. A result means the same after it is written and read
//! again.

#![no_main]

use croupier::Value;
use croupier::codec::DocumentLimits;
use croupier::codec::xml::{Control, InvalidCharacters, Reading};
use croupier::codec::xmlrpc::{
    BigIntegers, FaultDataForm, Fractions, Nil, XmlRpcDialect, XmlRpcDocument, XmlRpcNonFinite, write_response,
};
use croupier::protocol::xmlrpc::client::XmlRpcCodec;
use http::Response;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

/// The dialect that can write every value.
const OPEN: XmlRpcDialect = XmlRpcDialect {
    reading: Reading::Lenient,
    nil: Nil::Nil,
    big_integers: BigIntegers::ExI8,
    non_finite: XmlRpcNonFinite::Words,
    control_characters: Control::Refuse,
    fractions: Fractions::Refuse,
    fault_data: FaultDataForm::Member,
    zone: 0,
    ascii: false,
};

fuzz_target!(|body: &[u8]| {
    let limits = DocumentLimits { depth: 100, elements: 100_000 };
    let codec = |invalid_characters| XmlRpcCodec { dialect: OPEN, limits, bare: false, invalid_characters };
    let response = Response::new(body.to_vec().into());
    // What is read without invalid characters is the same however those are read.
    let [kept, replaced, refused] = [InvalidCharacters::Keep, InvalidCharacters::Replace, InvalidCharacters::Refuse]
        .map(|invalid| codec(invalid).decode_response::<Value>(&response));
    if let Ok(value) = &refused {
        for other in [&kept, &replaced] {
            assert_eq!(format!("{:?}", other.as_ref().expect("it is valid")), format!("{value:?}"));
        }
    }
    // Replaced characters can be written as XML.
    let codec = codec(InvalidCharacters::Replace);
    let _ = codec.decode_response::<Vec<(i32, String)>>(&response);
    let _ = codec.decode_response::<std::collections::BTreeMap<String, f64>>(&response);
    let Ok(value) = codec.decode_response::<Value>(&response) else { return };
    if !is_plain(&value) {
        return;
    }
    let mut bytes = Vec::new();
    write_response(&mut bytes, &value, OPEN).expect("what was read can be written");
    let text = String::from_utf8(bytes).expect("text");
    let document = XmlRpcDocument::read(&text, Reading::Lenient, codec.limits).expect("what was written can be read");
    let back = Value::deserialize(document.tape.values().next().expect("a value")).expect("any value");
    assert_eq!(format!("{back:?}"), format!("{value:?}"));
});

/// Whether the value is written exactly as it was read: true unless it holds a date with a zone or a fraction, or a
/// number with an exponent, which XML-RPC may need too many digits for.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Date(date) => date.zone.is_none() && date.local.nanosecond() == 0,
        Value::Number(number) => !number.as_str().contains(['e', 'E']),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Struct(members) => members.iter().all(|(_, value)| is_plain(value)),
        _ => true,
    }
}
