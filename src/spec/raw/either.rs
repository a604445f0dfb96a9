//! Values that may be written in two ways: the short one for the common case, and a longer one.

use std::borrow::Cow;
use std::fmt::Formatter;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Text;

/// A text, or a map with more to say.
pub(in crate::spec) enum TextOr<M> {
    /// The short form.
    Text(String),
    /// The long form.
    Map(M),
}

/// A map that has a short form.
pub(in crate::spec) trait HasShortForm {
    /// What is expected, for messages; how it is written follows a `;`.
    const EXPECTED: &'static str;
}

impl<'de, M: Deserialize<'de> + HasShortForm> Deserialize<'de> for TextOr<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrVisitor<M>(PhantomData<M>);

        impl<'de, M: Deserialize<'de> + HasShortForm> Visitor<'de> for TextOrVisitor<M> {
            type Value = TextOr<M>;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(M::EXPECTED)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                M::deserialize(MapAccessDeserializer::new(map)).map(TextOr::Map)
            }
        }

        deserializer.deserialize_any(TextOrVisitor(PhantomData))
    }
}

impl<M: JsonSchema> JsonSchema for TextOr<M> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("TextOr{}", M::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<M>()] })
    }
}

/// One text, or a list of them.
pub(in crate::spec) enum OneOrMore {
    /// Just one.
    One(String),
    /// A list.
    More(Vec<Text>),
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMoreVisitor;

        impl<'de> Visitor<'de> for OneOrMoreVisitor {
            type Value = OneOrMore;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
                formatter
                    .write_str("a text or a list of texts; write it in quotes, several as `[\"…\", \"…\"]`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<OneOrMore, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(sequence)).map(OneOrMore::More)
            }
        }

        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}

impl JsonSchema for OneOrMore {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOrMore".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        ] })
    }
}

/// `true`, `false`, or a text that says which one.
pub(in crate::spec) enum Switch {
    /// Wanted or not, nothing else said.
    Wanted(bool),
    /// Wanted, and this one.
    This(String),
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchVisitor;

        impl Visitor<'_> for SwitchVisitor {
            type Value = Switch;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
                formatter
                    .write_str("`true`, `false` or a text; put a version in quotes, such as `\"1.18.0\"`")
            }

            fn visit_bool<E: serde::de::Error>(self, wanted: bool) -> Result<Switch, E> {
                Ok(Switch::Wanted(wanted))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Switch, E> {
                Ok(Switch::This(text.to_owned()))
            }
        }

        deserializer.deserialize_any(SwitchVisitor)
    }
}

impl JsonSchema for Switch {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Switch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "string"] })
    }
}
