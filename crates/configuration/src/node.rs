//! A configuration as a tree that remembers where each value came from.
use std::{collections::BTreeMap, fmt, sync::Arc};

use toml::de::{DeTable, DeValue};

/// A value and its origin.
#[derive(Debug)]
pub(super) struct Node {
    /// For people: `lockstep.toml:12`, `environment variable X`, `option a.b`.
    pub(super) origin: Arc<str>,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
    String(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// From outside a file: what it is depends on what is wanted.
    Text(String),
}

impl fmt::Display for Value {
    /// As a file has it, in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Table(table) => {
                let entries = table.iter().map(|(key, node)| format!("{key} = {}", node.value));
                write!(f, "{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|node| node.value.to_string()).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Value::String(text) => write!(f, "{}", toml::Value::from(text.as_str())),
            Value::Integer(number) => number.fmt(f),
            // A float of TOML has a point; Rust's short form of it stays readable.
            Value::Float(number) if number.fract() == 0.0 => write!(f, "{number:.1}"),
            Value::Float(number) => number.fmt(f),
            Value::Bool(yes) => yes.fmt(f),
            Value::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl Node {
    pub(super) fn empty() -> Node {
        Node { origin: "the configuration".into(), value: Value::Table(BTreeMap::new()) }
    }

    /// Parses TOML; the error names the file and the line.
    pub(super) fn parse(text: &str, file: &str) -> Result<Node, String> {
        let place = |at: usize| {
            let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
            format!("{file}:{line}")
        };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            format!("{}: {}", place(at), error.message().replace('\n', ", "))
        })?;
        let mut root = from_table(table.get_ref(), &place)?;
        root.origin = file.into();
        Ok(root)
    }

    /// Puts a text at a path of keys, tables on the way made where missing.
    pub(super) fn set(&mut self, keys: &[&str], text: String, origin: &str) -> Result<(), String> {
        let Some((key, rest)) = keys.split_first() else {
            self.origin = origin.into();
            self.value = Value::Text(text);
            return Ok(());
        };
        if key.is_empty() {
            return Err(format!("{origin}: a part of the key is empty"));
        }
        match &mut self.value {
            Value::Table(table) => {
                // Files may write a key with dashes, variables cannot.
                let plain = |k: &str| k.replace('-', "_");
                let known = table.keys().find(|k| plain(k) == plain(key)).cloned();
                table
                    .entry(known.unwrap_or_else(|| (*key).to_owned()))
                    .or_insert_with(|| Node { origin: origin.into(), ..Node::empty() })
                    .set(rest, text, origin)
            }
            _ => Err(format!("{origin}: there is a value, not a section, above {key:?} (from {})", self.origin)),
        }
    }

    /// Puts a node at a path of keys; missing tables on the way are created.
    pub(super) fn put(&mut self, keys: &[&str], node: Node) -> Result<(), String> {
        let Some((key, rest)) = keys.split_first() else {
            *self = node;
            return Ok(());
        };
        let origin = node.origin.clone();
        match &mut self.value {
            Value::Table(table) => table
                .entry((*key).to_owned())
                .or_insert_with(|| Node { origin: origin.clone(), ..Node::empty() })
                .put(rest, node),
            _ => Err(format!("{origin}: there is a value, not a section, above {key:?} (from {})", self.origin)),
        }
    }

    /// What is at a path of keys, if anything is.
    pub(super) fn at(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| match &node.value {
            Value::Table(table) => table.get(*key),
            _ => None,
        })
    }

    /// The origins of all values below, by their paths; a list is one value.
    pub(super) fn origins(&self, path: &str, origins: &mut BTreeMap<String, String>) {
        match &self.value {
            Value::Table(table) => {
                for (key, node) in table {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    node.origins(&path, origins);
                }
            }
            _ => drop(origins.insert(path.to_owned(), self.origin.to_string())),
        }
    }

    /// Takes out what is at a path of keys, if anything is.
    pub(super) fn take(&mut self, keys: &[&str]) -> Option<Node> {
        let (last, way) = keys.split_last()?;
        let mut node = self;
        for key in way {
            let Value::Table(table) = &mut node.value else { return None };
            node = table.get_mut(*key)?;
        }
        let Value::Table(table) = &mut node.value else { return None };
        table.remove(*last)
    }
}

fn from_table(table: &DeTable<'_>, place: &impl Fn(usize) -> String) -> Result<Node, String> {
    let mut nodes = BTreeMap::new();
    for (key, value) in table {
        let mut node = from_value(value.get_ref(), place, value.span().start)?;
        node.origin = place(key.span().start).into();
        nodes.insert(key.get_ref().to_string(), node);
    }
    Ok(Node { origin: place(0).into(), value: Value::Table(nodes) })
}

fn from_value(value: &DeValue<'_>, place: &impl Fn(usize) -> String, at: usize) -> Result<Node, String> {
    let value = match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(digits) => Value::Integer(
            i64::from_str_radix(digits.as_str(), digits.radix())
                .map_err(|_| format!("{}: {} is out of range", place(at), digits.as_str()))?,
        ),
        DeValue::Float(digits) => Value::Float(
            digits.as_str().parse().map_err(|_| format!("{}: {} is not a number", place(at), digits.as_str()))?,
        ),
        DeValue::Boolean(yes) => Value::Bool(*yes),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => Value::Array(
            items.iter().map(|item| from_value(item.get_ref(), place, item.span().start)).collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => from_table(table, place)?.value,
    };
    Ok(Node { origin: place(at).into(), value })
}
