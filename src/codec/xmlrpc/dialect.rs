//! The options for what XML-RPC leaves open or cannot represent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::xml::{Characters, Control, Reading};

/// How a group reads and writes XML-RPC where the specification is silent or cannot represent a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct XmlRpcDialect {
    /// How strictly documents are read.
    pub reading: Reading,
    /// How nil is written (null, none).
    pub nil: Nil,
    /// How an integer beyond 32 bits is written.
    pub big_integers: BigIntegers,
    /// How NaN and the infinities are written.
    pub non_finite: XmlRpcNonFinite,
    /// How characters that XML forbids, such as U+0001, are written. In the name of a struct's member they are always
    /// refused.
    pub control_characters: Control,
    /// What happens to a fraction of a second, which XML-RPC's dates cannot represent.
    pub fractions: Fractions,
    /// The zone into which dates with a known zone are converted, in minutes east of UTC (0 is UTC).
    /// A date without a zone is never converted.
    #[schemars(range(min = -1439, max = 1439))]
    pub zone: i16,
    /// Whether responses are pure ASCII, with character references for all other characters. Some old clients need it.
    pub ascii: bool,
    /// Where a fault has what an upstream says of it beyond code and text. XML-RPC has no place for it.
    pub fault_data: FaultDataForm,
}

/// Where a fault has its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultDataForm {
    /// In parentheses behind the text of `faultString`.
    #[default]
    Text,
    /// As JSON text in a third member of the struct, `faultData`. Some clients take no more than two members.
    Member,
    /// Nowhere.
    Omit,
}

/// How nil is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nil {
    /// Not at all: the call ends in a fault.
    #[default]
    Refuse,
    /// A struct member that is nil is left out; anywhere else the call ends in a fault.
    Omit,
    /// As `<nil/>`, which many clients read.
    Nil,
    /// As `<ex:nil/>` in the Apache namespace.
    ExNil,
}

/// How an integer beyond 32 bits is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BigIntegers {
    /// Not at all: the call ends in a fault.
    #[default]
    Refuse,
    /// As `<i8>`; beyond 64 bits the call ends in a fault.
    I8,
    /// As `<ex:i8>` in the Apache namespace, and beyond 64 bits as `<ex:biginteger>`.
    ExI8,
    /// As `<double>` up to 2^53, where doubles are exact; beyond that the call ends in a fault.
    Double,
    /// As the text of its digits.
    String,
}

/// How NaN and the infinities are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum XmlRpcNonFinite {
    /// Not at all: the call ends in a fault.
    #[default]
    Refuse,
    /// As the words `NaN`, `INF` and `-INF` in `<double>`.
    Words,
    /// As nil, by the option `nil`.
    Nil,
}

/// What happens to a fraction of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fractions {
    /// It is left out.
    #[default]
    Drop,
    /// The call ends in a fault.
    Refuse,
}

impl XmlRpcDialect {
    /// How text is written.
    pub(super) fn characters(self) -> Characters {
        Characters { control: self.control_characters, ascii: self.ascii }
    }
}
