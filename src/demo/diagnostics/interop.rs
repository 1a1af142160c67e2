//! The interopEchoTests: methods that answer what they are given, one for each type.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::date::DateTime;
use crate::model::value::{Binary, Value};
use crate::service::local::Builder;

/// Declares a record of one parameter, whose documentation is its method's.
macro_rules! records {
    ($($(#[doc = $doc:literal])+ $record:ident: $kind:ty, $of_what:literal;)*) => {$(
        $(#[doc = $doc])+
        #[derive(Deserialize, JsonSchema)]
        struct $record {
            #[doc = $of_what]
            value: $kind,
        }
    )*};
}

records! {
    /// Answers a value of any type.
    EchoValue: Value, "Any value.";
    /// Answers a string.
    EchoString: String, "Any string.";
    /// Answers an integer.
    EchoInteger: i64, "An integer of at most 64 bits.";
    /// Answers a truth value.
    EchoBoolean: bool, "True or false.";
    /// Answers a floating-point number.
    EchoFloat: f64, "Any finite number.";
    /// Answers a struct.
    EchoStruct: BTreeMap<String, Value>, "A struct of any members.";
    /// Answers a date and time.
    EchoDate: DateTime, "A date and time, with a zone or without one.";
    /// Answers bytes.
    EchoBase64: Binary, "Any bytes.";
    /// Answers an array of strings.
    EchoStringArray: Vec<String>, "Any strings.";
    /// Answers an array of integers.
    EchoIntegerArray: Vec<i64>, "Integers of at most 64 bits.";
    /// Answers an array of floating-point numbers.
    EchoFloatArray: Vec<f64>, "Any finite numbers.";
    /// Answers an array of structs.
    EchoStructArray: Vec<BTreeMap<String, Value>>, "Structs of any members.";
}

/// Adds the suite's methods.
pub(super) fn add(builder: Builder<()>) -> Builder<()> {
    builder
        .method("interopEchoTests.whichToolkit", |_: &(), WhichToolkit {}| Toolkit::ours())
        .safe()
        .method("interopEchoTests.noInParams", |_: &(), NoInParams {}| 0)
        .safe()
        .method("interopEchoTests.echoValue", |_: &(), it: EchoValue| it.value)
        .safe()
        .method("interopEchoTests.echoString", |_: &(), it: EchoString| it.value)
        .safe()
        .method("interopEchoTests.echoInteger", |_: &(), it: EchoInteger| it.value)
        .safe()
        .method("interopEchoTests.echoBoolean", |_: &(), it: EchoBoolean| it.value)
        .safe()
        .method("interopEchoTests.echoFloat", |_: &(), it: EchoFloat| it.value)
        .safe()
        .method("interopEchoTests.echoStruct", |_: &(), it: EchoStruct| it.value)
        .safe()
        .method("interopEchoTests.echoDate", |_: &(), it: EchoDate| it.value)
        .safe()
        .method("interopEchoTests.echoBase64", |_: &(), it: EchoBase64| it.value)
        .safe()
        .method("interopEchoTests.echoStringArray", |_: &(), it: EchoStringArray| it.value)
        .safe()
        .method("interopEchoTests.echoIntegerArray", |_: &(), it: EchoIntegerArray| it.value)
        .safe()
        .method("interopEchoTests.echoFloatArray", |_: &(), it: EchoFloatArray| it.value)
        .safe()
        .method("interopEchoTests.echoStructArray", |_: &(), it: EchoStructArray| it.value)
        .safe()
}

/// Tells by what this server is made.
#[derive(Deserialize, JsonSchema)]
struct WhichToolkit {}

/// Takes no parameters and answers an integer.
#[derive(Deserialize, JsonSchema)]
struct NoInParams {}

/// What a server is made by.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Toolkit {
    /// Where its source and documentation are; empty where nobody has published it.
    toolkit_docs_url: &'static str,
    /// Its name.
    toolkit_name: &'static str,
    /// Its version.
    toolkit_version: &'static str,
    /// The operating system it is running on.
    toolkit_operating_system: &'static str,
}

impl Toolkit {
    fn ours() -> Toolkit {
        Toolkit {
            toolkit_docs_url: env!("CARGO_PKG_REPOSITORY"),
            toolkit_name: env!("CARGO_PKG_NAME"),
            toolkit_version: env!("CARGO_PKG_VERSION"),
            toolkit_operating_system: std::env::consts::OS,
        }
    }
}
