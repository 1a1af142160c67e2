//! The interopEchoTests suite: one method for each type, which returns its parameter.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::date::DateTime;
use crate::model::value::{Binary, Value};
use crate::service::local::{Builder, named};

/// Declares a struct with one parameter. Its doc comment becomes the method's documentation.
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
    /// Returns a value of any type.
    EchoValue: Value, "Any value.";
    /// Returns a string.
    EchoString: String, "Any string.";
    /// Returns an integer.
    EchoInteger: i64, "An integer of at most 64 bits.";
    /// Returns a truth value.
    EchoBoolean: bool, "True or false.";
    /// Returns a floating-point number.
    EchoFloat: f64, "Any finite number.";
    /// Returns a struct.
    EchoStruct: BTreeMap<String, Value>, "A struct of any members.";
    /// Returns a date and time.
    EchoDate: DateTime, "A date and time, with a zone or without one.";
    /// Returns bytes.
    EchoBase64: Binary, "Any bytes.";
    /// Returns an array of strings.
    EchoStringArray: Vec<String>, "Any strings.";
    /// Returns an array of integers.
    EchoIntegerArray: Vec<i64>, "Integers of at most 64 bits.";
    /// Returns an array of floating-point numbers.
    EchoFloatArray: Vec<f64>, "Any finite numbers.";
    /// Returns an array of structs.
    EchoStructArray: Vec<BTreeMap<String, Value>>, "Structs of any members.";
}

/// Adds the suite's methods.
pub(super) fn add(builder: Builder<()>) -> Builder<()> {
    builder
        .method(named("interopEchoTests.whichToolkit").safe(), |_: &(), WhichToolkit {}| Toolkit::ours())
        .method(named("interopEchoTests.noInParams").safe(), |_: &(), NoInParams {}| 0)
        .method(named("interopEchoTests.echoValue").safe(), |_: &(), it: EchoValue| it.value)
        .method(named("interopEchoTests.echoString").safe(), |_: &(), it: EchoString| it.value)
        .method(named("interopEchoTests.echoInteger").safe(), |_: &(), it: EchoInteger| it.value)
        .method(named("interopEchoTests.echoBoolean").safe(), |_: &(), it: EchoBoolean| it.value)
        .method(named("interopEchoTests.echoFloat").safe(), |_: &(), it: EchoFloat| it.value)
        .method(named("interopEchoTests.echoStruct").safe(), |_: &(), it: EchoStruct| it.value)
        .method(named("interopEchoTests.echoDate").safe(), |_: &(), it: EchoDate| it.value)
        .method(named("interopEchoTests.echoBase64").safe(), |_: &(), it: EchoBase64| it.value)
        .method(named("interopEchoTests.echoStringArray").safe(), |_: &(), it: EchoStringArray| it.value)
        .method(named("interopEchoTests.echoIntegerArray").safe(), |_: &(), it: EchoIntegerArray| it.value)
        .method(named("interopEchoTests.echoFloatArray").safe(), |_: &(), it: EchoFloatArray| it.value)
        .method(named("interopEchoTests.echoStructArray").safe(), |_: &(), it: EchoStructArray| it.value)
}

/// Tells by what this server is made.
#[derive(Deserialize, JsonSchema)]
struct WhichToolkit {}

/// Takes no parameters and returns an integer.
#[derive(Deserialize, JsonSchema)]
struct NoInParams {}

/// What a server is made by.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Toolkit {
    /// The URL of its source and documentation; empty if it is not published.
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
