//! The scalar values of a post as real sources write them: ids given as numbers, times in several
//! forms, counts as text.

use std::borrow::Cow;
use std::fmt;

use coordination::Millis;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

/// Text, or a whole number as its decimal text. Borrowed if the input allows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

/// Several texts. Serde's own list of [`Text`] would have to be copied into a list of their
/// contents.
#[derive(Debug)]
pub(crate) struct Texts<'a>(pub(crate) Vec<Cow<'a, str>>);

/// A moment: RFC 3339 text with an offset, or an epoch number (see [`millis_from_epoch`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Millis);

/// A count: a whole number, also as `12.0` or `"12"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

/// Reads a time with an offset, or an epoch number as text.
pub(crate) fn parse_moment(text: &str) -> Result<Millis, String> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    if let Ok(number) = text.parse::<f64>() {
        return millis_from_epoch(number);
    }
    Err(if text.parse::<DateTime>().is_ok() {
        "has no offset from UTC: expected for example 2026-11-02T10:00:00Z".to_owned()
    } else {
        "is not a time: expected RFC 3339 with an offset, for example 2026-11-02T10:00:00Z".to_owned()
    })
}

/// The size of an epoch number shows its unit: below 1e11 seconds (until the year 5138), below 1e14
/// milliseconds (from March 1973), below 1e17 microseconds (from March 1973). No social network is
/// old enough for this to be ambiguous.
pub(crate) fn millis_from_epoch(number: f64) -> Result<Millis, String> {
    let size = number.abs();
    if size < 1e11 {
        Ok((number * 1e3).round() as Millis)
    } else if size < 1e14 {
        Ok(number as Millis)
    } else if size < 1e17 {
        Ok((number / 1e3).floor() as Millis)
    } else {
        Err("is not a time: too large for an epoch number in microseconds".to_owned())
    }
}

/// Writes a time as RFC 3339 UTC. Times outside the years -9999 to 9999 become the nearest year
/// inside.
pub(crate) fn timestamp(millis: Millis) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Reads a count given as text.
pub(crate) fn parse_count(text: &str) -> Result<u64, String> {
    let text = text.trim();
    text.parse::<u64>()
        .or_else(|_| text.parse::<f64>().map_err(|_| ()).and_then(whole))
        .map_err(|()| "is not a whole number of zero or more".to_owned())
}

fn whole(number: f64) -> Result<u64, ()> {
    // Above 2^53 a float cannot hold every whole number.
    if number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number) { Ok(number as u64) } else { Err(()) }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a whole number")
            }
            fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(v)))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(v.to_owned())))
            }
            fn visit_string<E: de::Error>(self, v: String) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(v)))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(v.to_string())))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(v.to_string())))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(Text(text)) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_seq(TextsVisitor)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MomentVisitor;
        impl Visitor<'_> for MomentVisitor {
            type Value = Moment;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time with an offset, or an epoch number")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Moment, E> {
                parse_moment(v).map(Moment).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Moment, E> {
                self.visit_f64(v as f64)
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Moment, E> {
                self.visit_f64(v as f64)
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Moment, E> {
                millis_from_epoch(v).map(Moment).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(MomentVisitor)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl Visitor<'_> for CountVisitor {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of zero or more")
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Count, E> {
                Ok(Count(v))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Count, E> {
                whole(v).map(Count).map_err(|()| E::invalid_value(de::Unexpected::Float(v), &self))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Count, E> {
                parse_count(v).map(Count).map_err(|_| E::invalid_value(de::Unexpected::Str(v), &self))
            }
        }
        deserializer.deserialize_any(CountVisitor)
    }
}

impl schemars::JsonSchema for Text<'_> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer"] })
    }
}

impl schemars::JsonSchema for Texts<'_> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <Vec<Text<'_>>>::json_schema(generator)
    }
}

impl schemars::JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "RFC 3339 with an offset, or an epoch number: seconds below 1e11, milliseconds below 1e14, else \
                            microseconds.",
            "anyOf": [{ "type": "string", "format": "date-time" }, { "type": "number" }],
        })
    }
}

impl schemars::JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["integer", "string"], "minimum": 0 })
    }
}
