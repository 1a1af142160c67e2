//! One pocket of a wheel, which every protocol represents as an array of four strings.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One pocket of a wheel: number, colour, parity and range, such as `["00", "GREEN", "ZERO", "ZERO"]`.
///
/// It is serialized as an array of these four strings.
///
/// ```
/// use croupier::demo::wheel::Pocket;
/// let pocket: Pocket = serde_json::from_str(r#"["32", "RED", "EVEN", "HIGH"]"#)?;
/// assert_eq!(pocket.color, "RED");
/// assert_eq!(serde_json::to_string(&pocket)?, r#"["32","RED","EVEN","HIGH"]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pocket {
    /// The number in the pocket: `0`, `00`, `36`.
    pub number: Cow<'static, str>,
    /// `RED`, `BLACK` or `GREEN`, in the wheel's own language.
    pub color: Cow<'static, str>,
    /// `EVEN`, `ODD` or `ZERO`, in the wheel's own language.
    pub parity: Cow<'static, str>,
    /// `LOW`, `HIGH` or `ZERO`, in the wheel's own language.
    pub range: Cow<'static, str>,
}

/// The result of `spin`: the pocket in which the ball landed.
pub type Spin = Pocket;

impl Pocket {
    /// A pocket with these four texts.
    pub fn new(
        number: impl Into<Cow<'static, str>>,
        color: impl Into<Cow<'static, str>>,
        parity: impl Into<Cow<'static, str>>,
        range: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { number: number.into(), color: color.into(), parity: parity.into(), range: range.into() }
    }

    /// The four texts, in serialization order.
    pub fn texts(&self) -> [&str; 4] {
        [&self.number, &self.color, &self.parity, &self.range]
    }
}

impl Serialize for Pocket {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.texts().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Pocket {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let [number, color, parity, range] = <[String; 4]>::deserialize(from)?;
        Ok(Self::new(number, color, parity, range))
    }
}

impl JsonSchema for Pocket {
    fn schema_name() -> Cow<'static, str> {
        "Pocket".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let item = |title, description| json_schema!({"type": "string", "title": title, "description": description});
        json_schema!({
            "type": "array",
            "title": "Pocket",
            "description": "One pocket of a wheel: number, colour, parity and range.",
            "prefixItems": [
                item("number", "What is written in the pocket, such as `0`, `00` or `36`."),
                item("color", "The pocket's colour: `RED`, `BLACK` or `GREEN`, in the wheel's own language."),
                item("parity", "`EVEN`, `ODD` or `ZERO`, in the wheel's own language."),
                item("range", "`LOW`, `HIGH` or `ZERO`, in the wheel's own language."),
            ],
            "items": {"type": "string"},
            "minItems": 4,
            "maxItems": 4,
            "examples": [["00", "GREEN", "ZERO", "ZERO"]],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Pocket;

    #[test]
    fn only_an_array_of_four_strings_is_a_pocket() {
        let refused = [
            json!(["1", "RED", "ODD"]),
            json!(["1", "RED", "ODD", "LOW", "?"]),
            json!([1, "RED", "ODD", "LOW"]),
            json!({}),
        ];
        for value in refused {
            assert!(serde_json::from_value::<Pocket>(value.clone()).is_err(), "{value}");
        }
        let pocket = Pocket::new("1", "RED", "ODD", "LOW");
        assert_eq!(serde_json::from_value::<Pocket>(json!(["1", "RED", "ODD", "LOW"])).unwrap(), pocket);
    }

    #[test]
    fn the_schema_names_the_four_texts_in_their_order() {
        let schema = serde_json::to_value(schemars::schema_for!(Pocket)).unwrap();
        let titles: Vec<_> = schema["prefixItems"].as_array().unwrap().iter().map(|item| &item["title"]).collect();
        assert_eq!(titles, ["number", "color", "parity", "range"]);
        assert_eq!((&schema["minItems"], &schema["maxItems"]), (&json!(4), &json!(4)));
    }
}
