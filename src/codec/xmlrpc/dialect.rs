//! What XML-RPC leaves open or cannot carry, and the choices about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::xml::{Characters, Control, Reading};

/// How a group reads and writes XML-RPC where the specification is silent, or where it has no form for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct XmlRpcDialect {
    /// How much is forgiven when reading.
    pub reading: Reading,
    /// How nothing is written (nil, null, none).
    pub nil: Nil,
    /// How an integer beyond 32 bits is written.
    pub big_integers: BigIntegers,
    /// How a double that is no number is written: NaN and the infinities.
    pub non_finite: XmlRpcNonFinite,
    /// How a character is written that XML forbids, such as U+0001. In the name of a struct's member it is
    /// always refused.
    pub control_characters: Control,
    /// What becomes of the fraction of a second, for which a date has no place.
    pub fractions: Fractions,
    /// The zone into which dates with a known zone are converted, in minutes east of UTC (0 is UTC).
    /// A date without a zone is never converted.
    #[schemars(range(min = -1439, max = 1439))]
    pub zone: i16,
    /// Whether answers hold nothing but ASCII, every other character being a character reference, for weak peers.
    pub ascii: bool,
}

/// How nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nil {
    /// Not at all: the call ends in a fault.
    #[default]
    Refuse,
    /// A struct member that is nothing is left out; anywhere else the call ends in a fault.
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
    /// As `<double>` where it is exact there, up to 2^53; beyond it the call ends in a fault.
    Double,
    /// As the text of its digits.
    String,
}

/// How a double that is no number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum XmlRpcNonFinite {
    /// Not at all: the call ends in a fault.
    #[default]
    Refuse,
    /// As the words `NaN`, `INF` and `-INF` in `<double>`.
    Words,
    /// As nothing, by the rule for nil.
    Nil,
}

/// What becomes of the fraction of a second.
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
