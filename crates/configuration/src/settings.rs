//! The settings that a type has: key, default, bounds, unit and meaning of each, in the order of
//! its fields.
//!
//! They are taken from the type itself. Its fields give keys and types, its default gives defaults,
//! the comments on its fields give meanings, and `#[schemars(..)]` on a field gives the rest:
//! `range(min = 1, max = 9)`, `length(min = 1)`, `extend("unit" = "seconds")`, and `extend("example" = "..")` for what
//! has no default. So no setting is without an entry.
mod pages;

use std::fmt;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value as Json;

use super::{
    ConfigError,
    node::{Node, Value},
    read::{Notes, read},
};

/// The settings of a type, table by table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The tables in the order of a file; each with its settings.
    pub sections: Vec<Section>,
}

/// A table of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Its dotted path; empty for keys that stand above all tables.
    pub path: String,
    /// What it is for.
    pub meaning: String,
    /// Its keys, without its tables.
    pub settings: Vec<Setting>,
    /// Of a table whose keys anybody may choose: lines as an example.
    pub example: Option<String>,
}

/// A key of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its dotted path.
    pub path: String,
    /// What it does.
    pub meaning: String,
    /// Its default as a file has it; none where a key left out has no value.
    pub default: Option<String>,
    /// A value as an example, where there is no default.
    pub example: Option<String>,
    /// Of a number: what it may be.
    pub bounds: Option<Bounds>,
    /// The words that are taken, where not any text is.
    pub choices: Vec<String>,
    /// Whether its text must not be empty, as that of a path: `#[schemars(length(min = 1))]`.
    pub needs_text: bool,
}

/// What a number may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// The least value, which is allowed.
    pub least: f64,
    /// The greatest value, which is allowed.
    pub most: f64,
    /// Whether only whole numbers are.
    pub whole: bool,
    /// What it counts; empty where that is not said.
    pub unit: String,
    /// The values that need no warning, where they are fewer than those allowed.
    pub usual: Option<(f64, f64)>,
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&range(self.least, self.most))?;
        match (self.unit.as_str(), self.whole) {
            ("", true) => write!(f, " (a whole number)"),
            ("", false) => Ok(()),
            (unit, true) => write!(f, " (whole {unit})"),
            (unit, false) => write!(f, " ({unit})"),
        }
    }
}

/// Two numbers, small ones as powers of ten.
fn range(least: f64, most: f64) -> String {
    let [least, most] = [least, most].map(|number| match number.abs() {
        0.0..1e-4 if number != 0.0 => format!("{number:e}"),
        _ => number.to_string(),
    });
    format!("{least} to {most}")
}

impl Setting {
    /// Its key, without the tables that it is in.
    pub fn key(&self) -> &str {
        self.path.rsplit_once('.').map_or(&self.path, |(_, key)| key)
    }
}

/// A value that a setting does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) path: String,
    pub(super) origin: String,
    /// What the value is, and what is allowed.
    pub(super) why: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.origin, self.path, self.why)
    }
}

impl Settings {
    /// The settings of `T`, below the table `above`; nothing is above those of a whole file.
    ///
    /// # Errors
    /// The default of `T` cannot be written as a file and read again.
    pub fn of<T: Serialize + DeserializeOwned + Default + JsonSchema>(above: &str) -> Result<Settings, ConfigError> {
        let invalid = |problem: String| ConfigError::Invalid(vec![problem]);
        let text = toml::to_string(&T::default()).map_err(|error| invalid(error.to_string()))?;
        let defaults = Node::parse(&text, "the defaults").map_err(invalid)?;
        let notes = Notes::default();
        read::<T>(&defaults, &notes).map_err(|problem| invalid(problem.to_string()))?;
        let inline = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = inline.into_generator().into_root_schema_for::<T>();
        let mut settings = Settings::default();
        settings.add(&notes.structs.into_inner(), &defaults, above, "", schema.as_value());
        Ok(settings)
    }

    /// All settings, without their tables.
    pub fn all(&self) -> impl Iterator<Item = &Setting> {
        self.sections.iter().flat_map(|section| &section.settings)
    }

    /// Whether a value keeps to the bounds of its settings.
    ///
    /// # Errors
    /// The first that does not, with its path, its value, its bounds and its unit.
    pub fn check(&self, value: &impl Serialize) -> Result<(), String> {
        let text = toml::to_string(value).map_err(|error| error.to_string())?;
        let above = self.sections.first().map_or("", |section| &section.path);
        let root = Node::parse(&text, "")?;
        match self.refused(&root, above).first() {
            Some(refused) => Err(format!("{} {}", refused.path, refused.why)),
            None => Ok(()),
        }
    }

    /// The numbers and the empty texts of a tree that no setting takes; `above` is the table that the tree is.
    pub(super) fn refused(&self, root: &Node, above: &str) -> Vec<Refused> {
        let mut refused = Vec::new();
        for setting in self.all() {
            if setting.bounds.is_none() && !setting.needs_text {
                continue;
            }
            let Some(below) = setting.path.strip_prefix(above) else { continue };
            let keys: Vec<&str> = below.trim_start_matches('.').split('.').collect();
            let Some(node) = root.at(&keys) else { continue };
            let why = match (&setting.bounds, &node.value) {
                (Some(bounds), value) => bounds.take(value).err().map(|shown| format!("is {shown}: set {bounds}")),
                (None, Value::String(text) | Value::Text(text)) if text.trim().is_empty() => {
                    Some("is empty: give it a value, or remove the key".to_owned())
                }
                (None, _) => None,
            };
            if let Some(why) = why {
                refused.push(Refused { path: setting.path.clone(), origin: node.origin.to_string(), why });
            }
        }
        refused
    }

    /// Adds a table: first its own keys, then the tables in it, as a file has them.
    fn add(&mut self, structs: &[(String, Vec<String>)], defaults: &Node, above: &str, path: &str, schema: &Json) {
        let fields = structs.iter().find(|(of, _)| of == path).map(|(_, fields)| fields.as_slice()).unwrap_or_default();
        let join = |above: &str, key: &str| if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
        let whole = if path.is_empty() { above.to_owned() } else { join(above, path) };
        let mut section = Section {
            path: whole,
            meaning: text(schema, "description"),
            settings: Vec::new(),
            example: example(schema),
        };
        let mut tables = Vec::new();
        for field in fields {
            let of = &schema["properties"][field.as_str()];
            if of["properties"].is_object() || of["additionalProperties"].is_object() {
                tables.push((field, of));
                continue;
            }
            let keys: Vec<&str> = path.split('.').filter(|key| !key.is_empty()).chain([field.as_str()]).collect();
            section.settings.push(Setting {
                path: join(&section.path, field),
                meaning: text(of, "description"),
                default: defaults.at(&keys).map(|node| node.value.to_string()),
                example: example(of),
                bounds: bounds(of),
                choices: choices(of),
                needs_text: of["minLength"].as_u64().is_some_and(|least| least > 0),
            });
        }
        self.sections.push(section);
        for (field, of) in tables {
            self.add(structs, defaults, above, &join(path, field), of);
        }
    }
}

impl Bounds {
    /// Whether a value lies in the bounds; if not, how to show it.
    fn take(&self, value: &Value) -> Result<(), String> {
        let number = match value {
            Value::Integer(number) => Ok(*number as f64),
            Value::Float(number) if !self.whole => Ok(*number),
            // From outside a file all is text.
            Value::Text(text) if self.whole => {
                text.trim().replace('_', "").parse::<i64>().map(|number| number as f64).map_err(drop)
            }
            Value::Text(text) => text.trim().replace('_', "").parse().map_err(drop),
            _ => Err(()),
        };
        match number {
            Ok(number) if (self.least..=self.most).contains(&number) => Ok(()),
            _ => Err(value.to_string()),
        }
    }
}

fn text(schema: &Json, key: &str) -> String {
    // A comment is wrapped, and its links are for readers of the code.
    schema[key]
        .as_str()
        .unwrap_or_default()
        .replace(['\n', '[', ']'], " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn example(schema: &Json) -> Option<String> {
    schema["example"].as_str().map(str::to_owned)
}

fn bounds(schema: &Json) -> Option<Bounds> {
    let kinds = [&schema["type"], &schema["type"][0]];
    let whole = kinds.contains(&&Json::from("integer"));
    if !whole && !kinds.contains(&&Json::from("number")) {
        return None;
    }
    let number = |key: &str| schema[key].as_f64();
    Some(Bounds {
        least: number("minimum").unwrap_or(f64::MIN),
        most: number("maximum").unwrap_or(f64::MAX),
        whole,
        unit: schema["unit"].as_str().unwrap_or_default().to_owned(),
        usual: schema["usual"][0].as_f64().zip(schema["usual"][1].as_f64()),
    })
}

/// Words of an enumeration, with or without comments on its variants.
fn choices(schema: &Json) -> Vec<String> {
    let words = schema["enum"].as_array().into_iter().flatten();
    let consts = schema["oneOf"].as_array().into_iter().flatten().map(|variant| &variant["const"]);
    words.chain(consts).filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests;
