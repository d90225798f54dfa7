//! The options of a run, as given in Python.

use std::path::Path;

use configuration::Sources;
use detection::{
    Config, RENAMED, RETIRED,
    input::{Options, encoding, read_mapping},
};
use messages::dialect::csv::Mapping;
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBool, PyDict, PyFloat, PyInt, PyString},
};
use serde::Deserialize;

use crate::errors::{LockstepError, failed};

/// The settings of a configuration file that concern detection. The other keys belong to the
/// services.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    detector: Config,
}

/// Options of reading posts; they are not parameters of the engine.
const READING: &[&str] = &[
    "dialect",
    "account",
    "platform",
    "columns",
    "map",
    "ignore",
    "make_ids",
    "time_format",
    "timezone",
    "na",
    "encoding",
    "sheet",
    "memory_mib",
];
/// Keys of `[detector]` outside of `[detector.engine]`.
const DETECTOR: &[&str] = &["models", "model", "lexicon", "future_tolerance_s", "threads", "shards"];

/// The settings of detection and of reading posts, with warnings about the configuration file.
pub(crate) fn read(
    config: Option<&Path>,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<(Config, Options, Vec<String>)> {
    let mut options = Options::default();
    let mut mapping = Mapping::default();
    let mut overrides = Vec::new();
    for (name, value) in given.into_iter().flatten() {
        let name: String = name.extract()?;
        if value.is_none() {
            continue;
        }
        if READING.contains(&name.as_str()) {
            reading(&name, &value, &mut options, &mut mapping)?;
        } else if name == "traces" && value.is_instance_of::<PyString>() {
            overrides.push(("detector.engine.traces".to_owned(), toml(&value.call_method0("split")?)?));
        } else {
            let table = if DETECTOR.contains(&name.as_str()) { "detector" } else { "detector.engine" };
            overrides.push((format!("{table}.{name}"), toml(&value)?));
        }
    }
    options.mapping = mapping;
    let settings = detection::settings().map_err(failed)?;
    let sources = Sources {
        file: config,
        overrides: &overrides,
        retired: &RETIRED,
        renamed: &RENAMED,
        unused: &detection::SERVICE_KEYS,
        settings: Some(&settings),
        ..Sources::default()
    };
    let loaded = sources.load_with_origins::<Settings>().map_err(failed)?;
    let mut config = loaded.value.detector;
    config.engine.repeat_days = config.engine.repeat_days.min(config.engine.retention_days);
    config.check().map_err(failed)?;
    // Keys of the services do not matter to a user who runs detection alone.
    let retired = loaded.warnings.into_iter().filter(|warning| warning.is_retired).map(|warning| warning.text);
    let warnings = retired.chain(config.warnings()).collect();
    Ok((config, options, warnings))
}

/// An option of reading, with the meaning that it has on the command line.
fn reading(name: &str, value: &Bound<'_, PyAny>, options: &mut Options, mapping: &mut Mapping) -> PyResult<()> {
    let wrong = |reason: String| LockstepError::new_err(format!("{name} {reason}"));
    let text = || value.extract::<String>();
    match name {
        "dialect" => options.dialect = Some(text()?.parse().map_err(|error| wrong(format!("{error}")))?),
        "account" => options.account = Some(text()?.parse().map_err(wrong)?),
        "platform" => options.platform = Some(text()?),
        "sheet" => options.sheet = Some(value.str()?.extract()?),
        "encoding" => options.encoding = Some(encoding(&text()?).map_err(wrong)?),
        "memory_mib" => options.memory_mib = value.extract()?,
        "make_ids" => mapping.make_ids = value.extract()?,
        "map" => {
            let file: std::path::PathBuf = value.extract()?;
            read_mapping(&file, mapping).map_err(LockstepError::new_err)?;
        }
        "columns" => {
            let columns: &Bound<'_, PyDict> = value.cast()?;
            for (field, column) in columns {
                let field: String = field.extract()?;
                mapping.set(&field, names(&column)?).map_err(|reason| wrong(format!("{field}: {reason}")))?;
            }
        }
        // time_format, timezone, na and ignore, with their names in a mapping file.
        other => mapping.set(other, names(value)?).map_err(wrong)?,
    }
    Ok(())
}

/// One string, or a list of strings.
fn names(value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if value.is_instance_of::<PyString>() { Ok(vec![value.extract()?]) } else { value.extract() }
}

/// A Python value as it would appear in a configuration file; a string stays unquoted.
fn toml(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if value.is_instance_of::<PyString>() {
        return value.extract();
    }
    nested(value)
}

fn nested(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(flag.is_true().to_string());
    }
    if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() {
        return value.str()?.extract();
    }
    if let Ok(text) = value.extract::<String>() {
        return Ok(quoted(&text));
    }
    if let Ok(table) = value.cast::<PyDict>() {
        let pairs: PyResult<Vec<String>> = table
            .iter()
            .map(|(key, value)| Ok(format!("{} = {}", quoted(&key.extract::<String>()?), nested(&value)?)))
            .collect();
        return Ok(format!("{{ {} }}", pairs?.join(", ")));
    }
    if let Ok(path) = value.extract::<std::path::PathBuf>() {
        return Ok(path.display().to_string());
    }
    let Ok(items) = value.try_iter() else {
        return Err(PyTypeError::new_err(format!("{} is not a possible value of an option", value.get_type().name()?)));
    };
    let items: PyResult<Vec<String>> = items.map(|item| nested(&item?)).collect();
    Ok(format!("[{}]", items?.join(", ")))
}

/// A JSON string is a valid basic string of TOML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
