//! Values that a configuration writes as texts.

/// Lets serde and JSON Schema read and write a type as a text, by its `FromStr` and `Display`: for types with
/// `#[serde(try_from = "String", into = "String")]`. The text has this `format` in a JSON Schema.
macro_rules! text_form {
    ($type:ident, $error:ty, $format:expr) => {
        impl TryFrom<String> for $type {
            type Error = $error;

            fn try_from(text: String) -> Result<$type, $error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": $format })
            }
        }
    };
}

pub(crate) use text_form;
