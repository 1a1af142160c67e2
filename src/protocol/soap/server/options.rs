//! The SOAP settings of a group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::xml::Control;

/// How a group speaks SOAP.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SoapOptions {
    /// How a character is written that XML forbids, such as U+0001. In the name of a struct's member it is
    /// always refused.
    pub control_characters: Control,
    /// The target namespace of the group's messages and of its WSDL document; made of the group's path if it is not
    /// given, such as `urn:croupier:wheel:american`.
    pub namespace: Option<String>,
}
