//! Configuration: a TOML file, then the environment, then the command line, checked against the
//! types it is read into.
//!
//! Every problem says where the value came from (file and line, variable, option), the full path of
//! the key, and what to do. Keys no type knows are errors, all reported at once, each with the
//! nearest known key. `toml` with a deserialiser of our own was chosen over figment because figment
//! reports neither lines nor neighbours.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod node;
mod read;
mod secret;
mod settings;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use self::{node::Node, read::Notes};
pub use self::{
    secret::Secret,
    settings::{Bounds, Section, Setting, Settings},
};

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// One or more problems, one a line, each with its place.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
}

/// A key that was known once: it is taken with a warning and has no effect, so that an upgrade does
/// not stop at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// Its dotted path.
    pub path: &'static str,
    /// What has taken its place, or that nothing has: the rest of a sentence after "has no effect
    /// any more: ".
    pub instead: &'static str,
}

/// A key that has another name now: the old name is read with a warning, so that an upgrade does
/// not stop at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renamed {
    /// The dotted path of the old name.
    pub path: &'static str,
    /// The dotted path of the new name.
    pub to: &'static str,
}

/// A key or table that is for a part of the program which this one does not have: it is passed over
/// with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// Its dotted path.
    pub path: &'static str,
    /// Why: the rest of a sentence after "is not used here: ".
    pub why: &'static str,
}

/// Where a configuration comes from. Later ones win: the file (without one, the defaults of what is
/// read), the environment, the overrides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'s> {
    /// A TOML file.
    pub file: Option<&'s Path>,
    /// Variables named `PREFIX__SECTION__KEY` (case does not matter, dashes are underscores); none
    /// where it is `None`.
    pub env_prefix: Option<&'s str>,
    /// Pairs of a dotted path and a value. As in variables, values are text: a TOML value where one
    /// is expected (`8`, `true`, `["a", "b"]`), a string as it stands where a string is.
    pub overrides: &'s [(String, String)],
    /// Keys that were known once.
    pub retired: &'s [Retired],
    /// Keys that have other names now.
    pub renamed: &'s [Renamed],
    /// Keys that were known once and without which the program would do something else: errors.
    pub removed: &'s [Retired],
    /// Keys of parts that this program does not have.
    pub unused: &'s [Unused],
    /// The settings whose bounds hold; without them a number is taken as far as its type goes.
    pub settings: Option<&'s Settings>,
}

/// A key that has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Whether it was known once; else it is for a part that this program does not have.
    pub is_retired: bool,
    /// Its place and why it has no effect.
    pub text: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// A configuration that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<T> {
    /// What was read.
    pub value: T,
    /// A warning for each key that has no effect.
    pub warnings: Vec<Warning>,
    /// Where each value comes from that is no default, by its dotted path: `lockstep.toml:12`,
    /// `environment variable X`, `option a.b`.
    pub origins: BTreeMap<String, String>,
}

impl Sources<'_> {
    /// Reads them into `T`; returns a warning for each key that has no effect, which names its
    /// place and why.
    ///
    /// Known keys are the fields of `T`, so `T` needs no `deny_unknown_fields`; fields with a
    /// default need `#[serde(default)]`. Avoid `flatten` and `untagged`: they hide the keys.
    pub fn load<T: DeserializeOwned>(&self) -> Result<(T, Vec<String>), ConfigError> {
        self.load_with_origins()
            .map(|loaded| (loaded.value, loaded.warnings.into_iter().map(|warning| warning.text).collect()))
    }

    /// The same, with where each value comes from.
    pub fn load_with_origins<T: DeserializeOwned>(&self) -> Result<Loaded<T>, ConfigError> {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        load_from(self, variables)
    }
}

/// Reads a file, then the environment, into `T`, where all keys are known: see [`Sources::load`].
pub fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    env_prefix: &str,
    overrides: &[(String, String)],
) -> Result<T, ConfigError> {
    let sources = Sources { file, env_prefix: Some(env_prefix), overrides, ..Sources::default() };
    sources.load().map(|(value, _)| value)
}

fn load_from<T: DeserializeOwned>(
    sources: &Sources<'_>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded<T>, ConfigError> {
    let mut root = match sources.file {
        None => Node::empty(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
            Node::parse(&text, &path.display().to_string()).map_err(|problem| ConfigError::Invalid(vec![problem]))?
        }
    };
    let mut problems = Vec::new();
    let mut variables: Vec<(String, String, String)> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            let path = name.strip_prefix(sources.env_prefix?)?.strip_prefix("__")?.to_ascii_lowercase();
            Some((name, path, value))
        })
        .collect();
    variables.sort();
    for (name, path, value) in variables {
        let keys: Vec<&str> = path.split("__").collect();
        let origin = format!("environment variable {name}");
        problems.extend(root.set(&keys, value, &origin).err());
    }
    for (path, value) in sources.overrides {
        let keys: Vec<&str> = path.split('.').collect();
        problems.extend(root.set(&keys, value.clone(), &format!("option {path}")).err());
    }
    for known in sources.removed {
        let keys: Vec<&str> = known.path.split('.').collect();
        if let Some(node) = root.take(&keys) {
            problems.push(format!("{}: {} is no longer read: {}", node.origin, known.path, known.instead));
        }
    }
    let mut warnings = Vec::new();
    for Renamed { path, to } in sources.renamed {
        let keys = |path: &'static str| path.split('.').collect::<Vec<&str>>();
        let Some(node) = root.take(&keys(path)) else { continue };
        match root.at(&keys(to)) {
            Some(set) => problems.push(format!(
                "{}: {path} is now named {to}, which is set as well ({}): remove {path}",
                node.origin, set.origin
            )),
            None => {
                warnings.push(Warning { is_retired: true, text: format!("{}: {path} is now named {to}", node.origin) });
                problems.extend(root.put(&keys(to), node).err());
            }
        }
    }
    let retired = sources.retired.iter().map(|known| (true, known.path, "has no effect any more", known.instead));
    let unused = sources.unused.iter().map(|known| (false, known.path, "is not used here", known.why));
    for (is_retired, path, what, why) in retired.chain(unused) {
        let keys: Vec<&str> = path.split('.').collect();
        if let Some(node) = root.take(&keys) {
            warnings.push(Warning { is_retired, text: format!("{}: {path} {what}: {why}", node.origin) });
        }
    }
    let mut origins = BTreeMap::new();
    root.origins("", &mut origins);
    let notes = Notes::default();
    let value = read::read(&root, &notes);
    problems.extend(notes.unknown.into_inner());
    let refused = sources.settings.map(|settings| settings.refused(&root, "")).unwrap_or_default();
    problems.extend(refused.iter().map(ToString::to_string));
    match value {
        Ok(value) if problems.is_empty() => Ok(Loaded { value, warnings, origins }),
        Ok(_) => Err(ConfigError::Invalid(problems)),
        Err(problem) => {
            // What is allowed says more than which type was expected.
            if !refused.iter().any(|refused| Some(refused.path.as_str()) == problem.path()) {
                problems.push(problem.to_string());
            }
            Err(ConfigError::Invalid(problems))
        }
    }
}

#[cfg(test)]
mod tests;
