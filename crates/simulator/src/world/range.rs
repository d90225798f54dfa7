//! A number of a world file, or a range to draw it from.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number, or a range to draw it from.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Range {
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
}

impl Range {
    /// One value.
    pub const fn just(value: f64) -> Self {
        Self { low: value, high: value }
    }

    pub(super) fn twenty() -> Self {
        Self::just(20.0)
    }

    pub(super) fn eight() -> Self {
        Self::just(8.0)
    }

    pub(super) fn participation() -> Self {
        Self::just(0.7)
    }

    pub(super) fn sixty() -> Self {
        Self::just(60.0)
    }

    pub(super) fn five() -> Self {
        Self::just(5.0)
    }

    pub(super) fn half() -> Self {
        Self::just(0.5)
    }

    pub(super) fn one() -> Self {
        Self::just(1.0)
    }

    pub(super) fn deleted_after() -> Self {
        Self { low: 600.0, high: 7_200.0 }
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.low == self.high {
            serializer.serialize_f64(self.low)
        } else {
            [self.low, self.high].serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Range;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or [low, high]")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Range, E> {
                Ok(Range::just(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Range, E> {
                Ok(Range::just(value as f64))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Range, E> {
                Ok(Range::just(value as f64))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Range, A::Error> {
                let short = |n| de::Error::invalid_length(n, &"[low, high]");
                let low: f64 = seq.next_element()?.ok_or_else(|| short(0))?;
                let high: f64 = seq.next_element()?.ok_or_else(|| short(1))?;
                if seq.next_element::<f64>()?.is_some() {
                    return Err(short(3));
                }
                if low > high {
                    return Err(de::Error::custom("[low, high] has low above high"));
                }
                Ok(Range { low, high })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
