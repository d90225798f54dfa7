//! Reads a tree into a type: serde's side of the configuration.
use std::{cell::RefCell, collections::BTreeMap, fmt, sync::Arc};

use serde::{
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess,
        Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use super::node::{Node, Value};

/// What is learnt on the way.
#[derive(Default)]
pub(super) struct Notes {
    /// Keys that a type does not know, with their place and the nearest known key; they are passed
    /// over.
    pub(super) unknown: RefCell<Vec<String>>,
    /// The keys that a type knows, in the order of its fields, by the path of its table.
    pub(super) structs: RefCell<Vec<(String, Vec<String>)>>,
}

/// Reads `root` into `T`.
pub(super) fn read<T: DeserializeOwned>(root: &Node, notes: &Notes) -> Result<T, Problem> {
    T::deserialize(Place { node: root, path: None, notes })
}

/// A place in the tree, with the way to it.
#[derive(Clone, Copy)]
struct Place<'a> {
    node: &'a Node,
    path: Option<&'a Path<'a>>,
    notes: &'a Notes,
}

struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    key: String,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(&self.key)
    }
}

/// What is wrong, and where once that is known.
#[derive(Debug)]
pub(super) struct Problem {
    message: String,
    place: Option<(Arc<str>, String)>,
}

impl Problem {
    /// The path of the key that it is about.
    pub(super) fn path(&self) -> Option<&str> {
        self.place.as_ref().map(|(_, path)| path.as_str())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((origin, path)) if path.is_empty() => write!(f, "{origin}: {}", self.message),
            Some((origin, path)) => write!(f, "{origin}: {path}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Problem {}

impl serde::de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Problem { message: message.to_string(), place: None }
    }
}

impl<'a> Place<'a> {
    fn path(&self) -> String {
        self.path.map(Path::to_string).unwrap_or_default()
    }

    /// Says that a problem is here, unless it was further in.
    fn here<T>(&self, result: Result<T, Problem>) -> Result<T, Problem> {
        result.map_err(|problem| Problem {
            // The one type of the standard library whose error does not say what was expected.
            message: problem.message.replace(
                "invalid socket address syntax",
                "expected an IP address and a port, for example 127.0.0.1:8080",
            ),
            place: problem.place.or_else(|| Some((self.node.origin.clone(), self.path()))),
        })
    }

    fn within<T>(
        &self,
        key: &str,
        node: &Node,
        read: impl FnOnce(Place<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let path = Path { parent: self.path, key: key.to_owned() };
        read(Place { node, path: Some(&path), notes: self.notes })
    }

    fn read_any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.node.value {
            Value::Table(table) => visitor.visit_map(Entries::new(self, table)),
            Value::Array(items) => visitor.visit_seq(Items { place: self, items: items.iter().enumerate() }),
            Value::String(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Bool(yes) => visitor.visit_bool(*yes),
            Value::Text(text) => {
                // A TOML value where it is one, else the text itself.
                match Node::parse(&format!("value = {text}"), "").map(|n| n.value) {
                    Ok(Value::Table(mut table)) if table.len() == 1 => match table.remove("value") {
                        Some(node) => {
                            let node = Node { origin: self.node.origin.clone(), ..node };
                            Place { node: &node, ..self }.read_any(visitor)
                        }
                        None => visitor.visit_str(text),
                    },
                    _ => visitor.visit_str(text),
                }
            }
        }
    }

    fn note_fields(&self, fields: &[&str]) {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self.notes.structs.borrow_mut().push((self.path(), fields));
    }

    fn note_unknown(&self, table: &BTreeMap<String, Node>, fields: &[&str]) {
        for (key, node) in table.iter().filter(|(key, _)| !fields.contains(&key.as_str())) {
            let path = Path { parent: self.path, key: key.clone() };
            let advice = match nearest(key, fields) {
                Some(field) => format!("did you mean {field:?}?"),
                None if fields.is_empty() => "there are no keys here".to_owned(),
                None => format!("known here: {}", fields.join(", ")),
            };
            let problem = format!("{}: unknown key {path}, {advice}", node.origin);
            self.notes.unknown.borrow_mut().push(problem);
        }
    }
}

/// The field a mistyped key was meant for, where one is near enough.
fn nearest<'f>(key: &str, fields: &[&'f str]) -> Option<&'f str> {
    fields
        .iter()
        .map(|field| (strsim::jaro_winkler(key, field), *field))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, field)| field)
}

impl<'de> Deserializer<'de> for Place<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.here(self.read_any(visitor))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.here(match &self.node.value {
            Value::Text(text) => visitor.visit_str(text),
            _ => self.read_any(visitor),
        })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Problem> {
        self.here(visitor.visit_newtype_struct(self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.here(match &self.node.value {
            Value::Table(table) => {
                self.note_fields(fields);
                self.note_unknown(table, fields);
                let mut entries = Entries::new(self, table);
                entries.known = Some(fields);
                visitor.visit_map(entries)
            }
            // A struct that may be written as a string, such as a secret.
            Value::Text(text) if !text.trim_start().starts_with('{') => visitor.visit_str(text),
            _ => self.read_any(visitor),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.here(match &self.node.value {
            Value::Text(text) | Value::String(text) => visitor
                .visit_enum(StrDeserializer::<Problem>::new(text))
                .map_err(|problem| match nearest(text, variants) {
                    Some(near) if !variants.contains(&text.as_str()) => Problem::custom(format!(
                        "unknown value {text:?}, did you mean {near:?}? Known: {}",
                        variants.join(", ")
                    )),
                    _ => problem,
                }),
            Value::Table(table) if table.len() == 1 => visitor.visit_enum(Variant { place: self, table }),
            _ => Err(Problem::custom(format!("expected one of {}", variants.join(", ")))),
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Entries<'a> {
    place: Place<'a>,
    entries: std::collections::btree_map::Iter<'a, String, Node>,
    value: Option<(&'a str, &'a Node)>,
    known: Option<&'static [&'static str]>,
}

impl<'a> Entries<'a> {
    fn new(place: Place<'a>, table: &'a BTreeMap<String, Node>) -> Self {
        Entries { place, entries: table.iter(), value: None, known: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        for (key, node) in self.entries.by_ref() {
            if self.known.is_some_and(|known| !known.contains(&key.as_str())) {
                continue;
            }
            self.value = Some((key, node));
            return seed.deserialize(StrDeserializer::<Problem>::new(key)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let (key, node) = self.value.take().ok_or_else(|| Problem::custom("a value without a key"))?;
        self.place.within(key, node, |place| place.here(seed.deserialize(place)))
    }
}

struct Items<'a> {
    place: Place<'a>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some((index, node)) = self.items.next() else {
            return Ok(None);
        };
        let read = |place: Place<'_>| place.here(seed.deserialize(place));
        self.place.within(&index.to_string(), node, read).map(Some)
    }
}

/// An enum's variant with content: a table of one key.
struct Variant<'a> {
    place: Place<'a>,
    table: &'a BTreeMap<String, Node>,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = Problem;
    type Variant = Entries<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Entries<'a>), Problem> {
        let mut entries = Entries::new(self.place, self.table);
        let variant = entries.next_key_seed(seed)?;
        variant.map(|variant| (variant, entries)).ok_or_else(|| Problem::custom("a variant is missing"))
    }
}

impl<'de> VariantAccess<'de> for Entries<'_> {
    type Error = Problem;

    fn unit_variant(mut self) -> Result<(), Problem> {
        self.next_value()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Result<T::Value, Problem> {
        self.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Problem> {
        MapAccessDeserializer::new(self).deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let (key, node) = self.value.take().ok_or_else(|| Problem::custom("a variant is missing"))?;
        self.place.within(key, node, |place| place.deserialize_struct("", fields, visitor))
    }
}
